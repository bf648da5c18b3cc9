"""The few words of the drawings and pages, in English and Korean."""

from __future__ import annotations

from typing import Any

from chainrule.core.errors import ConfigError

__all__ = ["LANGUAGES", "check_language", "words"]

LANGUAGES = ("en", "ko")

_WORDS: dict[str, tuple[str, str]] = {
    "input": ("input", "입력"),
    "parameter": ("parameter", "매개변수"),
    "constant": ("constant", "상수"),
    "operation": ("operation", "연산"),
    "loss": ("loss", "손실"),
    "output": ("output", "출력"),
    "layer": ("folded layer", "접힌 층"),
    "value": ("value", "값"),
    "gradient": ("gradient", "기울기"),
    "a number": ("a number", "수 하나"),
    "numbers": ("{count} numbers", "수 {count}개"),
    "mean": ("mean {value}", "평균 {value}"),
    "range": ("{low} to {high}", "{low} ~ {high}"),
    "all equal": ("all {value}", "모두 {value}"),
    "share true": ("true: {percent} %", "참: {percent} %"),
    "empty": ("empty", "비어 있음"),
    "not finite": ("{count} not finite", "유한하지 않은 수 {count}개"),
    "parameters": ("{count} parameters", "매개변수 {count}개"),
    "gradient norm": ("gradient norm", "기울기 크기"),
    "of parameters": ("of parameters", "매개변수 기울기"),
    "fold hint": ("{count} operations inside", "안에 연산 {count}개"),
    "legend right": ("value above the wire, gradient below it", "선 위는 값, 선 아래는 기울기"),
    "legend down": ("value left of the wire, gradient right of it", "선 왼쪽은 값, 오른쪽은 기울기"),
    "legend no gradient": (
        "value above the wire; gradients need a single number at the end: give target and loss, or gradient=",
        "선 위는 값. 기울기를 보려면 끝이 수 하나여야 합니다: target과 loss, 또는 gradient= 를 주세요",
    ),
    "graph of": ("Computational graph of {name}", "{name}의 계산 그래프"),
    "fold all": ("Fold all layers", "모든 층 접기"),
    "unfold all": ("Unfold all layers", "모든 층 펼치기"),
    # equations
    "derivation": ("The equations, forward and backward", "순전파와 역전파의 식"),
    "forward": ("Forward", "순전파"),
    "backward": ("Backward", "역전파"),
    "shape_column": ("shape", "모양"),
    "layer_column": ("layer", "층"),
    "equation_column": ("equation, and the line of the program that computes it", "식과 이를 계산하는 프로그램의 줄"),
    "source": ("The program", "프로그램"),
    "shortcut": ("in one step", "한 번에 쓰면"),
    # backpropagation, step by step
    "backward of": ("Backpropagation through {name}", "{name}의 역전파"),
    "step": ("step {number}", "{number}단계"),
    "step of": ("Step {number} of {count}", "{count}단계 중 {number}단계"),
    "which": ("as input {number}", "입력 {number}로서"),
    "via": ("via", "경유"),
    "computed": ("Computed as", "계산"),
    "why now": ("Why now?", "왜 지금?"),
    "why add?": ("Why add?", "왜 더할까?"),
    "comes in": ("Comes in", "들어오는 기울기"),
    "comes from": ("from {name}", "{name}에서"),
    "goes out": ("Goes out", "나가는 기울기"),
    "goes to": ("to {name}", "{name}에게"),
    "local": ("local derivative", "국소 미분"),
    "chain rule": ("chain rule", "연쇄 법칙"),
    "shapes": ("shapes", "모양"),
    "previous": ("Previous", "이전"),
    "next": ("Next", "다음"),
    "keys": ("Arrow keys step, too.", "화살표 키로도 움직입니다."),
    "first": (
        "{name} is the output: the walk back begins here. The derivative of {name} by itself is 1.",
        "{name}: 출력입니다. 역전파는 여기서 시작하며, 출력을 자기 자신으로 미분하면 1입니다.",
    ),
    "first array": (
        "{name} is the output: the walk back begins here, with the gradient that was given.",
        "{name}: 출력입니다. 역전파는 주어진 기울기를 가지고 여기서 시작합니다.",
    ),
    "now one": (
        "{name} was used only by {users}, which has been visited. Nothing more can come in: the gradient is complete.",
        "{name}: 사용한 곳은 {users} 하나이고 이미 방문했습니다. 더 들어올 것이 없으므로 기울기가 완성되었습니다.",
    ),
    "now many": (
        "{name} was used by {users}. All of them have been visited, so nothing more can come in: visited any earlier, "
        "a part of the gradient would be missing.",
        "{name}: 사용한 곳은 {users}이고 모두 방문했습니다. 더 들어올 것이 없습니다. "
        "더 일찍 방문했다면 기울기의 일부가 빠졌을 것입니다.",
    ),
    "why add": (
        "{count} paths meet here. A small change of {name} reaches {output} along each of them, and the changes add up.",
        "경로 {count}개가 여기서 만납니다. {name}의 작은 변화는 각 경로를 따라 {output}에 전해지고, 그 변화들은 더해집니다.",
    ),
    "ends at input": (
        "{name} is an input: nothing comes before it. This is what backward() adds to {name}.grad.",
        "{name}: 입력이므로 그 앞에는 아무것도 없습니다. backward()는 이 값을 {name}.grad에 더합니다.",
    ),
    "ends at parameter": (
        "{name} is a parameter: nothing comes before it. This is what backward() adds to its .grad, and what an optimizer "
        "goes by.",
        "{name}: 매개변수이므로 그 앞에는 아무것도 없습니다. backward()는 이 값을 .grad에 더하고, 옵티마이저는 이것을 따릅니다.",
    ),
    "repeated": (
        "{name} ({small}) was repeated to {large}, so the gradient is summed over the repeats.",
        "{name}: {small}에서 {large}로 반복(브로드캐스트)되었으므로, 기울기를 반복된 만큼 더합니다.",
    ),
    "click": ("Click a layer to unfold or fold it.", "층을 누르면 펼치거나 접습니다."),
}


def words(key: str, lang: str = "en", **values: Any) -> str:
    """A text in a language, with values in its places.

    >>> words("parameters", "ko", count=12)
    '매개변수 12개'
    """
    return _WORDS[key][LANGUAGES.index(lang)].format(**values)


def check_language(lang: str) -> str:
    """``lang`` if it is one that the pages are written in."""
    if lang not in LANGUAGES:
        raise ConfigError("cr.show", f"lang={lang!r}", "'en' or 'ko'", "pass one of them")
    return lang
