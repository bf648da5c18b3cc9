"""Autoencoders: learning without labels

오토인코더: 정답 없이 배우기

A network is asked for nothing but its own input, through a layer far too narrow for it. What does it learn on the way, and
what is that good for?

신경망에 입력을 그대로 돌려 달라고만 하되, 도중에 아주 좁은 층을 지나게 합니다. 그 과정에서 무엇을 배우고, 그것을 어디에
쓸 수 있을까요?
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.digits import digit_planes, picture_map, picture_rows
from chainrule.labs.lesson.plots import curves
from chainrule.train import metrics


def autoencoder(pixels, code):
    """Pixels -> code -> pixels: an encoder, then a decoder."""
    # Batch normalisation keeps the codes at mean 0 and deviation 1, else they wander off.
    scaled = nn.BatchNorm1d(code, affine=False)
    encoder = nn.Sequential(nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, code), scaled)
    decoder = nn.Sequential(nn.Linear(code, 128), nn.ReLU(), nn.Linear(128, pixels))
    decoder.append(nn.Sigmoid())
    return nn.Sequential(encoder, decoder)


def train_to_give(network, inputs, wanted, epochs):
    """Train a network to turn the inputs into what is wanted, by mean squared error."""
    optimizer = optim.Adam(network.parameters(), lr=0.01)
    trainer = cr.Trainer(network, loss="mse", optimizer=optimizer)
    trainer.fit((inputs, wanted), epochs=epochs, batch_size=100, seed=None, progress=False)
    return trainer


def principal_components(x):
    """The mean picture, and the directions of most variance, one a row."""
    mean = x.mean(axis=0)
    return mean, np.linalg.svd(x - mean, full_matrices=False)[2]


def errors(rebuilt, x):
    """The mean squared error of each picture."""
    return ((rebuilt - x) ** 2).mean(axis=1)


def vote(codes, digits, queries, neighbours=15):
    """For each query, the digit that most of the nearest codes have."""
    chosen = []
    for query in queries:
        distances = ((codes - query) ** 2).sum(axis=1)
        nearest = np.argpartition(distances, neighbours)[:neighbours]
        chosen.append(np.bincount(digits[nearest]).argmax())
    return np.array(chosen)


def share_of_pairs(scores, odd):
    """How often an odd picture scores above a familiar one; a tie is half a win."""
    difference = scores[odd][:, None] - scores[~odd]
    return (difference > 0).mean() + (difference == 0).mean() / 2


def run(lab: Lab) -> None:
    lab.section("Through the bottleneck", "병목을 지나서")
    lab.text(
        en="""An **autoencoder** has two halves. The encoder turns a picture into a few numbers, its **code**; the
        decoder turns the code back into a picture. Both learn together from one wish: that what comes out be what
        went in. The loss is the mean squared difference of the pixels, which lie between 0 and 1. No label is ever
        looked at.""",
        ko="""**오토인코더**는 두 부분으로 되어 있습니다. 인코더는 그림을 몇 개의 수, 곧 **잠재 벡터**로 줄이고 디코더는
        잠재 벡터를 다시 그림으로 되돌립니다. 둘은 나온 것이 들어간 것과 같아지도록 함께 학습합니다. 손실은 픽셀(0과 1
        사이)의 평균 제곱 오차이고, 정답 라벨은 한 번도 보지 않습니다.""",
    )
    lab.code(autoencoder, train_to_give)
    train, test = lab.pictures(quick_digits=True)
    x = (train.flat()[:20_000] / train.inputs.max()).astype(np.float32)
    x_test = (test.flat() / train.inputs.max()).astype(np.float32)
    digits, digits_test = train.targets[: len(x)], test.targets
    pixels, shape = x.shape[1], train.image_shape
    epochs = lab.scale(1200, quick=210) * 100 // len(x)  # as many steps with few pictures as with many

    cr.manual_seed(lab.seed)
    networks = {code: autoencoder(pixels, code) for code in (2, 8, 32)}
    trainers = {code: train_to_give(network, x, x, epochs) for code, network in networks.items()}
    rebuilt = {code: trainer.predict(x_test) for code, trainer in trainers.items()}

    few = [int(np.flatnonzero(digits_test == digit)[0]) for digit in range(10)]
    lab.figure(
        picture_rows,
        {
            lab.say("picture", "원래 그림"): x_test[few].reshape(-1, *shape),
            **{
                lab.say(f"from {code} numbers", f"수 {code}개에서 복원"): pictures[few].reshape(-1, *shape)
                for code, pictures in rebuilt.items()
            },
        },
        en=f"Test pictures of {pixels} pixels, and what is rebuilt from their codes.",
        ko=f"픽셀이 {pixels}개인 시험용 그림과, 잠재 벡터에서 복원한 그림.",
    )
    lab.text(
        en="""How good is that? The classical way to shorten pictures is **principal component analysis** (PCA): keep
        how far a picture lies along the few directions in which pictures vary most. It can be computed at once,
        without training.""",
        ko="""얼마나 잘한 것일까요? 그림을 몇 개의 수로 줄이는 고전적인 방법은 **주성분 분석**(PCA)입니다. 그림들이 가장
        많이 달라지는 방향 몇 개를 고르고, 그 방향의 좌표만 남깁니다. 학습 없이 한 번에 계산할 수 있습니다.""",
    )
    lab.code(principal_components, errors)
    mean, directions = principal_components(x)
    mean_error = {0: (errors(mean, x_test).mean(),) * 2}
    for code, ours in rebuilt.items():
        theirs = mean + (x_test - mean) @ directions[:code].T @ directions[:code]
        mean_error[code] = errors(ours, x_test).mean(), errors(theirs, x_test).mean()

    lab.table(
        lab.say(
            ["numbers in the code", "autoencoder", "PCA"],
            ["잠재 벡터의 크기", "오토인코더", "PCA"],
        ),
        [[code, *pair] for code, pair in mean_error.items()],
        en="Mean squared error of a test pixel. With no numbers at all, the mean picture is the best answer.",
        ko="시험용 그림의 픽셀당 평균 제곱 오차. 수를 하나도 남기지 않으면 평균 그림이 최선입니다.", decimals=4,
    )  # fmt: skip
    for code in (2, 8):
        lab.claim(
            f"With {code} numbers a picture, the autoencoder rebuilds test pictures better than PCA",
            f"수 {code}개만 남길 때, 오토인코더는 시험용 그림을 PCA보다 잘 복원합니다",
            measured="{:.4f}, PCA {:.4f}".format(*mean_error[code]),
            holds=mean_error[code][0] < (0.95 if code == 2 else 0.85) * mean_error[code][1],
        )

    lab.section("Without bends it is PCA", "꺾임이 없으면 PCA가 된다")
    lab.text(
        en="""Take the ReLUs and the sigmoid away, and what remains can only project onto a flat subspace. PCA's is
        the best of these (C. Eckart and G. Young, 1936), and the loss has no other valley to get stuck in (P. Baldi
        and K. Hornik, 1989). So gradient descent must come near PCA on the pictures that it trains with, and can
        never get below it.""",
        ko="""ReLU와 시그모이드를 빼면, 남은 신경망은 평평한 부분공간에 투영하는 일밖에 하지 못합니다. 그런 부분공간
        가운데 최선이 PCA의 것이고(C. Eckart와 G. Young, 1936), 손실에는 갇힐 만한 다른 골짜기가 없습니다(P. Baldi와 K.
        Hornik, 1989). 그러므로 경사 하강법은 훈련용 그림에서 PCA에 다가가되 결코 넘어서지 못합니다.""",
    )
    linear = nn.Sequential(nn.Linear(pixels, 8), nn.Linear(8, pixels))
    linear_error = errors(train_to_give(linear, x, x, epochs=2 * epochs).predict(x), x).mean()
    least = errors(mean + (x - mean) @ directions[:8].T @ directions[:8], x).mean()

    lab.claim(
        "A linear autoencoder with 8 numbers comes within 10 % of PCA's error, and not below it",
        "수 8개짜리 선형 오토인코더의 오차는 PCA의 오차보다 크고, 차이는 10 % 안입니다",
        measured=f"{linear_error:.5f}, PCA {least:.5f}", holds=0.999 * least < linear_error < 1.1 * least,
    )  # fmt: skip

    lab.section("Two numbers make a map", "수 두 개로 그린 지도")
    lab.text(
        en="""A code of two numbers is a point of a plane. Each test picture is drawn there as its digit: the labels
        are for our eyes, the network never saw them. What looks alike lies together. To put a number on that, let
        each test point be named by a vote of its 15 nearest training points.""",
        ko="""수가 두 개인 잠재 벡터는 평면 위의 점입니다. 시험용 그림을 그 자리에 숫자로 표시했습니다. 라벨은 우리가 보기
        위한 것이고 신경망은 본 적이 없습니다. 비슷하게 생긴 것끼리 모여 있습니다. 얼마나 잘 모였는지 재기 위해, 시험용
        점마다 가장 가까운 훈련용 점 15개의 다수결로 숫자를 맞혀 봅시다.""",
    )
    lab.code(vote)
    encode, decode = cr.Predictor(networks[2][0]), cr.Predictor(networks[2][1])
    known, asked = x[:5000], x_test[:1000]
    codes, codes_asked = encode(known), encode(asked)
    pca_codes, pca_codes_asked = ((z - mean) @ directions[:2].T for z in (known, asked))
    right = (vote(codes, digits[:5000], codes_asked) == digits_test[:1000]).mean()
    pca_right = (vote(pca_codes, digits[:5000], pca_codes_asked) == digits_test[:1000]).mean()

    lab.figure(
        digit_planes,
        {
            lab.say("autoencoder", "오토인코더"): (codes_asked[:600], digits_test[:600]),
            "PCA": (pca_codes_asked[:600], digits_test[:600]),
        },
        xlabel=lab.say("first number of the code", "잠재 벡터의 첫째 수"),
        ylabel=lab.say("second number", "둘째 수"),
        en="Test pictures in the plane of their codes.", ko="잠재 벡터의 평면에 놓인 시험용 그림.",
    )  # fmt: skip
    lab.claim(
        "Neighbours in the autoencoder's plane are of the same digit more often than in PCA's",
        "오토인코더의 평면에서는 PCA의 평면에서보다 이웃이 같은 숫자인 경우가 많습니다",
        measured=lab.say(
            f"the vote names {100 * right:.1f} %, PCA {100 * pca_right:.1f} %",
            f"다수결 정답률 {100 * right:.1f} %, PCA {100 * pca_right:.1f} %",
        ),
        holds=right > 0.45 and right > pca_right + 0.04,
    )
    lab.text(
        en="""The decoder alone draws a picture for any point of the plane, also where no picture has ever been.""",
        ko="""디코더만 따로 쓰면 평면의 어느 점에 대해서도, 그림이 놓인 적 없는 점에서도 그림을 그려 줍니다.""",
    )
    (left, low), (far, high) = np.percentile(codes, [3, 97], axis=0)
    across, upward = np.linspace(left, far, 15), np.linspace(low, high, 15)
    points = np.array([[a, b] for b in upward for a in across], np.float32)

    lab.figure(
        picture_map, decode(points).reshape(15, 15, *shape), across, upward,
        xlabel=lab.say("first number of the code", "잠재 벡터의 첫째 수"), ylabel=lab.say("second number", "둘째 수"),
        en="What the decoder draws, point by point. Digits turn into one another without a jump.",
        ko="디코더가 점마다 그린 그림. 숫자가 끊어지지 않고 다른 숫자로 이어집니다.",
    )  # fmt: skip

    lab.section("Taking noise away", "잡음 없애기")
    lab.text(
        en="""Now the input is a picture with noise (normal, deviation 0.5, cut to 0 and 1), and what is wanted is the
        clean picture: a **denoising** autoencoder. It has to know what digits look like. Beside it the autoencoder
        from above, which has only seen clean pictures.""",
        ko="""이번에는 입력이 잡음 섞인 그림(표준편차 0.5인 정규 잡음, 0과 1에서 자름)이고 목표는 깨끗한 그림입니다. 이것이
        **잡음 제거** 오토인코더입니다. 숫자가 어떻게 생겼는지 알아야 할 수 있는 일입니다. 깨끗한 그림만 본 앞의
        오토인코더와 비교합니다.""",
    )
    noisy = np.clip(x + 0.5 * cr.randn(*x.shape).numpy(), 0, 1)
    noisy_test = np.clip(x_test + 0.5 * cr.randn(*x_test.shape).numpy(), 0, 1)
    denoiser = train_to_give(autoencoder(pixels, 32), noisy, x, epochs)
    cleaned, by_other = denoiser.predict(noisy_test), trainers[32].predict(noisy_test)
    noise, left_over = errors(noisy_test, x_test).mean(), errors(cleaned, x_test).mean()
    left_by_other = errors(by_other, x_test).mean()

    lab.figure(
        picture_rows,
        {
            lab.say(label, ko): pictures[few].reshape(-1, *shape)
            for label, ko, pictures in (
                ("noisy", "잡음 섞인 그림", noisy_test),
                ("denoising", "잡음 제거 학습", cleaned),
                ("trained clean", "깨끗한 그림만 학습", by_other),
                ("truth", "원래 그림", x_test),
            )
        },
        en="Test pictures with noise, and what the two autoencoders make of them.",
        ko="잡음 섞인 시험용 그림과 두 오토인코더의 출력.",
    )  # fmt: skip
    lab.claim(
        "The denoising autoencoder takes more than half of the squared error away",
        "잡음 제거 오토인코더는 제곱 오차의 절반 이상을 없앱니다",
        measured=f"{noise:.4f} → {left_over:.4f}", holds=left_over < 0.5 * noise,
    )  # fmt: skip
    lab.claim(
        "The one that never saw noise takes less away",
        "잡음을 본 적 없는 오토인코더는 그만큼 없애지 못합니다",
        measured=f"{noise:.4f} → {left_by_other:.4f}", holds=left_by_other > 1.15 * left_over,
    )  # fmt: skip

    lab.section("Noticing what is strange", "낯선 것 알아채기")
    lab.text(
        en="""An autoencoder learns to rebuild what it has seen. What it rebuilds badly may be something else: an
        **anomaly**. We leave one digit out of training and score each test picture by its error. A threshold on the
        score gives some true alarms (the unseen digit) and some false ones; the **ROC curve** shows both for every
        threshold, and the area under it, the **AUC**, is the chance that a random unseen picture scores above a
        random familiar one. Guessing has 0.5.""",
        ko="""오토인코더는 본 것을 복원하도록 배웁니다. 그렇다면 잘 복원하지 못하는 것은 낯선 것, 곧 **이상치**일지도
        모릅니다. 숫자 하나를 빼고 학습한 뒤 시험용 그림마다 복원 오차를 점수로 매깁니다. 점수에 문턱값을 두면 옳은
        경보(본 적 없는 숫자)와 잘못된 경보가 나오는데, 모든 문턱값에서 둘의 비율을 그린 것이 **ROC 곡선**입니다. 그
        아래 넓이인 **AUC**는 낯선 그림 하나가 익숙한 그림 하나보다 높은 점수를 받을 확률이며, 아무렇게나 찍으면
        0.5입니다.""",
    )
    lab.code(share_of_pairs)
    scores, areas, curve, alarms = {}, {}, {}, {}
    for digit in range(10):
        familiar = x[digits != digit]
        trainer = train_to_give(autoencoder(pixels, 8), familiar, familiar, epochs // 2)
        scores[digit] = errors(trainer.predict(x_test), x_test)
        odd = digits_test == digit
        areas[digit] = metrics.roc_auc(scores[digit], odd.astype(int))
        false, true, _ = curve[digit] = metrics.roc_curve(scores[digit], odd.astype(int))
        alarms[digit] = true[false <= 0.05].max()
    ranked = sorted(areas, key=areas.get)
    pairs = [share_of_pairs(scores[digit], digits_test == digit) for digit in areas]

    lab.table(
        lab.say(
            ["digit left out", "AUC", "found at 5 % false alarms", "its error", "error of the familiar digits"],
            ["뺀 숫자", "AUC", "오경보 5 %일 때 찾은 비율", "그 숫자의 오차", "익숙한 숫자의 오차"],
        ),
        [
            [digit, f"{areas[digit]:.3f}", f"{100 * alarms[digit]:.0f} %",
             *(f"{scores[digit][chosen].mean():.4f}" for chosen in (digits_test == digit, digits_test != digit))]
            for digit in areas
        ],
        en="Ten trainings, each without one digit. An AUC under 0.5: the stranger is rebuilt better than what is familiar.",
        ko="숫자를 하나씩 빼고 열 번 학습한 결과. AUC가 0.5보다 작으면 낯선 숫자를 익숙한 숫자보다 더 잘 복원한 것입니다.",
    )  # fmt: skip
    lab.figure(
        curves,
        {
            "": {
                lab.say(f"without {digit}", f"{digit} 빼고 학습") + f": AUC {areas[digit]:.2f}": curve[digit][:2]
                for digit in (ranked[-1], ranked[5], ranked[0])
            }
        },
        xlabel=lab.say("false alarms", "잘못된 경보"), ylabel=lab.say("true alarms", "옳은 경보"),
        en="The digit that is easiest to notice when it was left out, one in the middle, and the hardest.",
        ko="빠졌을 때 가장 알아채기 쉬운 숫자, 중간, 가장 어려운 숫자.",
    )  # fmt: skip
    lab.agrees(
        "Each area is the share of pairs that are in the right order, counted pair by pair",
        "각 AUC는 그림 쌍을 하나하나 세어 구한, 순서가 맞는 쌍의 비율과 같습니다",
        pairs, list(areas.values()), within=1e-9,
    )  # fmt: skip
    lab.claim(
        "On average over the ten digits, the error tells strangers from familiar pictures",
        "열 숫자를 평균하면, 복원 오차로 낯선 그림을 가려낼 수 있습니다",
        measured=f"AUC {np.mean(pairs):.3f}", holds=np.mean(pairs) > 0.6,
    )  # fmt: skip
    lab.claim(
        "But not every stranger: between the easiest digit and the hardest lies a gap of more than 0.1",
        "그러나 모든 숫자를 가려내지는 못합니다. 가장 쉬운 숫자와 가장 어려운 숫자의 AUC는 0.1 넘게 벌어집니다",
        measured=f"{ranked[-1]}: {areas[ranked[-1]]:.3f}, {ranked[0]}: {areas[ranked[0]]:.3f}",
        holds=areas[ranked[-1]] - areas[ranked[0]] > 0.1,
    )
    lab.text(
        en="""The error measures how *hard a picture is to draw*, not only how *strange* it is. A stranger that is made
        of familiar strokes, or of few of them, costs little. Whoever uses such a detector must measure it on strangers
        of the kind that will come.""",
        ko="""복원 오차는 그림이 얼마나 *낯선지*뿐 아니라 얼마나 *그리기 어려운지*도 함께 잽니다. 익숙한 획으로, 또는 획
        몇 개만으로 된 숫자는 낯설어도 오차가 작습니다. 이런 탐지기를 쓰려면 실제로 나타날 종류의 이상치로 성능을 재
        보아야 합니다.""",
    )
    lab.next(
        en="""- Divide each error by the picture's mean square, so that thin digits are judged by the same measure as
        thick ones. Which digits become easier to notice, and which harder?
        - Make the code of the detector larger, 32 and 64 numbers. Why does an autoencoder that rebuilds everything
        notice nothing?
        - Train the denoiser with deviation 0.25 and test it with 0.5. Then the other way round.
        - Walk through the plane in a straight line from one test picture's code to another's, and draw ten pictures on
        the way. Compare with mixing the two pictures pixel by pixel.""",
        ko="""- 오차를 그림 자신의 제곱 평균으로 나누어, 가는 숫자와 굵은 숫자를 같은 잣대로 재 보세요. 어떤 숫자가 더 잘
        드러나고, 어떤 숫자가 덜 드러날까요?
        - 탐지기의 잠재 벡터를 32, 64로 늘려 보세요. 무엇이든 복원하는 오토인코더는 왜 아무것도 알아채지 못할까요?
        - 표준편차 0.25인 잡음으로 학습하고 0.5로 시험해 보세요. 반대로도 해 보세요.
        - 한 그림의 잠재 벡터에서 다른 그림의 것까지 직선으로 걸으며 그림 열 장을 그려 보세요. 두 그림을 픽셀끼리 섞은
        것과 비교해 보세요.""",
    )
