"""The figures' own words in Korean, by the English they stand for. Names in braces are values put in."""

from __future__ import annotations

__all__ = ["KOREAN"]

KOREAN = {
    # model
    "1 unit": "1개",
    "hidden layer": "은닉층",
    "hidden layer {n}": "은닉층 {n}",
    "in the circles: bias": "원 안: 편향",
    "input layer": "입력층",
    "negative weight": "음의 가중치",
    "output layer": "출력층",
    "positive weight": "양의 가중치",
    "values also skip or meet between layers, which boxes do not show": (
        "층을 건너뛰거나 합쳐지는 값이 있으나 상자 그림에는 나타나지 않음"
    ),
    "widest line: {value}": "가장 굵은 선: {value}",
    "{count} parameters": "매개변수 {count}개",
    "{count} times": "{count}번 반복",
    "{count} units": "{count}개",
    # weights
    "input": "입력",
    "grey: {count} not finite": "회색: 유한하지 않은 수 {count}개",
    "unit": "유닛",
    "weights of {count} of {total} units": "유닛 {total}개 중 {count}개의 가중치",
    "weights of {count} units": "유닛 {count}개의 가중치",
    # activations
    "mean {mean}, std {std}": "평균 {mean}, 표준편차 {std}",
    "norm {norm}": "노름 {norm}",
    "saturated {share}": "포화 {share}",
    "share of gradients": "기울기의 비율",
    "share of outputs": "출력의 비율",
    "size of the gradient": "기울기의 크기",
    "zeros {share}": "0인 값 {share}",
    "zeros {share}, dead {dead} of {units}": "0인 값 {share}, 죽은 유닛 {units}개 중 {dead}개",
    "{count} gradients are not finite": "유한하지 않은 기울기 {count}개",
    "{count} outputs are not finite": "유한하지 않은 출력 {count}개",
    # boundary
    "class {k}": "클래스 {k}",
    "faint: the output is near {level}": "옅은 곳: 출력이 {level}에 가까움",
    "grey: the output is not finite": "회색: 출력이 유한하지 않음",
    "predicted wrongly": "틀린 예측",
    "{share} right": "정답 {share}",
    # surface
    "direction {n}": "방향 {n}",
    "end": "끝",
    "hatched: the loss is not finite": "빗금: 손실이 유한하지 않음",
    "start": "시작",
    "the path": "경로",
    "{direction} ({share} of the path's variance)": "{direction} (경로 분산의 {share})",
    "{name} is not finite from step {n}": "{name}: {n}번째 걸음부터 유한하지 않음",
    "{name} leaves the picture at step {n}": "{name}: {n}번째 걸음에 그림 밖으로 나감",
    # confusion
    "predicted class": "예측한 클래스",
    "true class": "실제 클래스",
    "{share} right: {right} of {rows} rows": "정답 {share}: {rows}개 중 {right}개",
    # history
    "accuracy": "정확도",
    "best {values}": "최고 {values}",
    "epoch": "에폭",
    "loss": "손실",
    "no finite values": "유한한 값이 없음",
    "solid: training, dashed: validation": "실선: 훈련, 점선: 검증",
    "training": "훈련",
    "validation": "검증",
    "× not a finite number: {who}, {where}": "× 유한한 수가 아님: {who}, {where}",
}
