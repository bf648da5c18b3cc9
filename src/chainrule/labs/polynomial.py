"""Polynomials: a fit that is too good

다항식 맞추기: 지나치게 잘 맞는 모델

Ten points with noise, and a polynomial that goes through every one of them. Why is the model without errors the worst
one for new points, and what do weight decay and more data do about it?

잡음이 섞인 점 열 개를 모두 지나는 다항식이 있습니다. 오차가 하나도 없는 이 모델은 왜 새 점에서 가장 나쁠까요? 가중치
감쇠를 쓰거나 데이터를 늘리면 무엇이 달라질까요?
"""

from __future__ import annotations

import itertools

import numpy as np

import chainrule as cr
from chainrule import data, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.fits import polynomials
from chainrule.labs.lesson.plots import curves

# Ten points on sin(2 pi x), with noise.
X = np.arange(10) / 9
T = np.array([
    0.349486, 0.830839, 1.007332, 0.971507, 0.133066,
    0.166823, -0.848307, -0.445686, -0.563567, 0.261502,
])  # fmt: skip

# The coefficients on the slide, by degree; and of degree 9 by ln(lambda).
SLIDE = {
    0: "0.19",
    1: "0.82 -1.27",
    3: "0.31 7.99 -25.43 17.37",
    9: "0.35 232.37 -5321.83 48568.31 -231639.30 640042.26 -1061800.52 1042400.18 "
       "-557682.99 125201.43",
}  # fmt: skip
DECAYED = {
    -18: "0.35 4.74 -0.77 -31.97 -3.89 55.28 41.32 -45.95 -91.53 72.68",
    0: "0.13 -0.05 -0.06 -0.05 -0.03 -0.02 -0.01 -0.00 0.00 0.01",
}


def sine(x):
    return np.sin(2 * np.pi * x)


def powers(x, degree):
    """Columns 1, x, x^2, ..., x^degree."""
    return np.vander(x, degree + 1, increasing=True)


def fit(x, t, degree, penalty=0.0):
    """The w for which 1/2 sum (y - t)^2 + penalty/2 ||w||^2 is smallest."""
    # Each weight is one more row that wants it to be 0: so plain least squares can do it.
    rows = np.vstack([powers(x, degree), np.sqrt(penalty) * np.eye(degree + 1)])
    return np.linalg.lstsq(rows, np.append(t, np.zeros(degree + 1)), rcond=None)[0]


def error(w, x, t):
    """The root of the mean squared error."""
    return np.sqrt(np.mean((powers(x, len(w) - 1) @ w - t) ** 2))


def noisy_sine(n, generator):
    """n other points of the same kind."""
    points = data.sine(n, noise=0.3, seed=generator, dtype=np.float64)
    return points.inputs.ravel(), points.targets.ravel()


def descend(columns, t, steps, weight_decay=0.0):
    """Gradient descent with momentum on 1/2 sum (y - t)^2: w, and the error at each step."""
    # One over the steepest curvature: a longer step could climb the valley's walls.
    lr = 1 / np.linalg.norm(columns, 2) ** 2
    columns, t = cr.tensor(columns), cr.tensor(t)
    w = cr.zeros(columns.shape[1], dtype=cr.float64).requires_grad_()
    optimizer = optim.SGD([w], lr=lr, momentum=0.98, weight_decay=weight_decay)

    @cr.compile
    def step():
        optimizer.zero_grad()
        loss = cr.square(columns @ w - t).sum() / 2
        loss.backward()
        optimizer.step()
        return loss

    losses = np.array([step().item() for _ in range(steps)])
    return w.numpy(), np.sqrt(2 * losses / len(t))


def run(lab: Lab) -> None:
    lab.section("Ten points, four polynomials", "점 열 개와 다항식 네 개")
    lab.text(
        en=r"""Ten points of one wave of a sine, with noise. We fit polynomials of several degrees $M$,

        $$y(x) = w_0 + w_1 x + w_2 x^2 + \dots + w_M x^M,$$

        and ask for the coefficients with the smallest $E = \frac{1}{2} \sum (y - t)^2$. The model is linear in its
        weights, a layer whose inputs are the powers of $x$. So the best weights are the solution of linear
        equations, and no training is needed to see them.""",
        ko=r"""사인 곡선 한 주기 위의 점 열 개에 잡음이 섞여 있습니다. 여기에 차수 $M$을 바꿔 가며 다항식을 맞춥니다.

        $$y(x) = w_0 + w_1 x + w_2 x^2 + \dots + w_M x^M,$$

        구하려는 것은 $E = \frac{1}{2} \sum (y - t)^2$를 가장 작게 하는 계수입니다. 이 모델은 $x$의 거듭제곱을 입력으로
        받는 선형 층이므로, 가장 좋은 계수는 학습하지 않아도 연립방정식을 풀면 바로 나옵니다.""",
    )
    lab.code("X", "T", "SLIDE", "DECAYED", sine, powers, fit, error)
    fits = {degree: fit(X, T, degree) for degree in range(10)}

    lab.table(
        ["", *(f"M = {degree}" for degree in SLIDE)],
        [
            [f"$w_{i}$", *(f"{fits[degree][i]:.2f}" if i <= degree else "" for degree in SLIDE)]
            for i in range(10)
        ],
        en="The coefficients of the best fits.", ko="가장 잘 맞는 다항식의 계수.",
    )  # fmt: skip
    lab.figure(
        polynomials, {f"M = {degree}": (fits[degree], X, T) for degree in SLIDE}, sine,
        en="The four fits, and the sine that the points come from (dotted).",
        ko="네 다항식과, 점들이 나온 사인 곡선(점선).",
    )  # fmt: skip
    for degree in (0, 1, 3):
        lab.matches(f"Degree {degree}", f"{degree}차", fits[degree], SLIDE[degree])
    lab.matches("Degree 9: the first three", "9차의 처음 세 계수", fits[9][:3], " ".join(SLIDE[9].split()[:3]))
    lab.matches("Degree 9: all ten within 0.2", "9차의 계수 열 개, 0.2 안에서", fits[9], SLIDE[9], within=0.2)
    lab.text(
        en="""The slide heads its third column $M = 6$, but the four numbers below are those of degree 3. And it
        prints degree 9 to two digits behind the point, which our last six coefficients miss. Is the arithmetic at
        fault? We know the $t$ to six digits only. How far can the coefficients move when each $t$ moves by half a
        unit of its last digit?""",
        ko="""슬라이드의 셋째 열에는 $M = 6$이라고 적혀 있지만, 그 아래 네 수는 3차의 계수입니다. 또 9차의 계수는 소수
        둘째 자리까지 인쇄되어 있는데, 마지막 여섯 개는 끝자리가 맞지 않습니다. 계산이 틀린 것일까요? 우리가 아는
        $t$는 여섯 자리뿐입니다. 각 $t$가 마지막 자리의 절반만큼 움직이면 계수는 얼마나 움직일 수 있을까요?""",
    )
    printed = np.array(SLIDE[9].split(), float)
    # What the t leave open, and the slide's own rounding.
    room = abs(np.linalg.inv(powers(X, 9))).sum(axis=1) * 0.5e-6 + 0.005
    missed = abs(fits[9] - printed)
    share = 100 * max(missed / room)

    lab.table(
        ["", lab.say("ours", "계산한 값"), lab.say("slide", "슬라이드"), lab.say("difference", "차이"),
         lab.say("left open by the digits of t", "t의 자릿수가 허용하는 차이")],
        [[f"$w_{i}$", fits[9][i], printed[i], f"{missed[i]:.3f}", f"{room[i]:.3f}"] for i in range(10)], decimals=2,
    )  # fmt: skip
    lab.claim(
        "Every difference is smaller than what the rounding of the ten $t$ leaves open",
        "모든 차이는 $t$ 열 개의 반올림이 허용하는 범위 안에 있습니다",
        measured=lab.say(f"at most {share:.0f} % of it", f"많아야 그 {share:.0f} %"), holds=share < 50,
    )  # fmt: skip
    lab.claim(
        "A degree of 6 has other coefficients than the column headed 6",
        "6차의 계수는 6이라고 적힌 열과 다릅니다",
        measured=" ".join(f"{v:.2f}" for v in fits[6][:4]), holds=abs(fits[6][3] - 17.37) > 100,
    )  # fmt: skip

    lab.section("The error on new points", "새 점에서의 오차")
    lab.text(
        en=r"""A fit is made for points that are still to come. We draw a thousand new ones from the same sine, with
        noise of deviation 0.3, and measure the root mean square error on the ten points (**training error**) and on
        the new ones (**test error**). Nobody can do better than the noise: even the true sine has a test error near
        0.3.""",
        ko=r"""모델은 앞으로 만날 점을 위한 것입니다. 같은 사인 곡선에서 표준편차 0.3의 잡음을 섞어 새 점 천 개를
        뽑고, 열 점에서의 평균제곱근 오차(**훈련 오차**)와 새 점에서의 오차(**테스트 오차**)를 잽니다. 잡음보다 더 잘할
        수는 없습니다. 진짜 사인 곡선조차 테스트 오차가 0.3쯤 됩니다.""",
    )
    lab.code(noisy_sine)
    generator = cr.Generator(lab.seed)
    new = noisy_sine(1000, generator)
    train_errors = [error(w, X, T) for w in fits.values()]
    test_errors = [error(w, *new) for w in fits.values()]
    largest = [abs(w).max() for w in fits.values()]
    noise = np.sqrt(np.mean((T - sine(X)) ** 2))

    lab.table(
        [lab.say("degree", "차수"), lab.say("training error", "훈련 오차"), lab.say("test error", "테스트 오차"),
         lab.say("largest coefficient", "가장 큰 계수")],
        [[d, f"{train_errors[d]:.3f}", f"{test_errors[d]:.3f}", f"{largest[d]:,.1f}"] for d in fits],
    )  # fmt: skip
    lab.figure(
        curves,
        {"": {lab.say("training", "훈련"): (range(10), train_errors), lab.say("test", "테스트"): (range(10), test_errors)}},
        xlabel=lab.say("degree", "차수"), ylabel=lab.say("error", "오차"), marks=True,
        en="Too low a degree: both errors are high (underfitting). Too high: they part (overfitting).",
        ko="차수가 너무 낮으면 두 오차가 모두 크고(과소적합), 너무 높으면 둘이 갈라집니다(과적합).",
    )  # fmt: skip
    lab.claim(
        "The spread of the ten points around the sine is that of noise near 0.3",
        "열 점이 사인 곡선에서 벗어난 정도는 0.3에 가깝습니다",
        measured=f"{noise:.3f}", holds=abs(noise - 0.3) < 0.05,
    )  # fmt: skip
    lab.claim(
        "The training error falls with every degree, down to nothing at degree 9",
        "훈련 오차는 차수가 오를 때마다 줄어 9차에서는 0이 됩니다",
        measured=f"{train_errors[0]:.3f} → {train_errors[3]:.3f} → {train_errors[9]:.0e}",
        holds=(np.diff(train_errors) < 0).all() and train_errors[9] < 1e-6,
    )
    lab.claim(
        "The test error falls until degree 3; at degree 9 it is more than twice that of degree 3, and more than at degree 0",
        "테스트 오차는 3차까지 줄고, 9차에서는 3차의 두 배를 넘으며 0차보다도 큽니다",
        measured=" → ".join(f"{test_errors[d]:.3f}" for d in (0, 1, 3, 9)),
        holds=test_errors[0] > test_errors[1] > test_errors[3] + 0.1
        and test_errors[9] > max(2 * test_errors[3], test_errors[0]),
    )
    lab.claim(
        "The largest coefficient grows from 25 at degree 3 to more than a million at degree 9",
        "가장 큰 계수는 3차에서 25, 9차에서는 백만이 넘습니다",
        measured=f"{largest[3]:.1f} → {largest[9]:,.0f}", holds=largest[3] < 30 and largest[9] > 1e6,
    )  # fmt: skip
    lab.text(
        en="Were these ten points unlucky? We draw ten others, again and again.",
        ko="이 열 점만 운이 나빴던 것은 아닐까요? 다른 점 열 개를 거듭 뽑아 봅시다.",
    )
    draws = lab.scale(1000, quick=200)
    errors = []
    for _ in range(draws):
        x, t = noisy_sine(10, generator)
        errors.append([error(fit(x, t, degree), *new) for degree in range(10)])
    errors = np.array(errors)

    lab.table(
        [lab.say("degree", "차수"), *map(str, range(10))],
        [
            [lab.say("median test error", "테스트 오차의 중앙값"), *(f"{v:.2f}" for v in np.median(errors, axis=0))],
            [lab.say("best degree", "가장 좋았던 횟수"), *np.bincount(errors.argmin(axis=1), minlength=10)],
        ],
        en=f"{draws} draws of ten points.", ko=f"열 점씩 {draws}번.",
    )  # fmt: skip
    lab.claim(
        "No: degree 9 is worse than degree 3 in nearly every draw",
        "아닙니다. 거의 언제나 9차는 3차보다 나쁩니다",
        measured=f"{100 * (errors[:, 9] > errors[:, 3]).mean():.1f} %", holds=(errors[:, 9] > errors[:, 3]).mean() > 0.95,
    )  # fmt: skip

    lab.section("Weight decay", "가중치 감쇠")
    lab.text(
        en=r"""The wild curve needs coefficients beyond a million that nearly cancel each other. **Weight decay**
        makes large weights cost something:

        $$E = \frac{1}{2} \sum (y - t)^2 + \frac{\lambda}{2} \lVert w \rVert^2$$

        The slide shows degree 9 with $\ln \lambda = -18$ and $\ln \lambda = 0$. If the error is the *mean* over the $N
        = 10$ points instead of the sum, then beside the sum the penalty counts ten times: $10 \lambda$. Which of the two
        did the slide use? We try both.""",
        ko=r"""거친 곡선에는 백만을 넘는 계수들이 필요하고, 이들은 서로 거의 상쇄됩니다. **가중치 감쇠**는 큰 가중치에
        벌점을 매깁니다.

        $$E = \frac{1}{2} \sum (y - t)^2 + \frac{\lambda}{2} \lVert w \rVert^2$$

        슬라이드에는 $\ln \lambda = -18$과 $\ln \lambda = 0$일 때의 9차 계수가 있습니다. 오차가 합이 아니라 점 $N =
        10$개의 *평균*이라면, 합을 기준으로 볼 때 벌점은 열 배인 $10 \lambda$가 됩니다. 슬라이드는 어느 쪽을 썼을까요?
        둘 다 해 봅시다.""",
    )
    target = np.array(DECAYED[-18].split(), float)
    # Where the ten numbers headed -18 are met best: in ever finer steps.
    best = -18.0
    for step in (0.1, 0.01, 0.001, 0.0001):
        nearby = best + step * np.arange(-10, 11)
        best = min(nearby, key=lambda ln: abs(fit(X, T, 9, 10 * np.exp(ln)) - target).max())
    decayed = {ln: fit(X, T, 9, 10 * np.exp(ln)) for ln in (-18, best, 0)}

    lab.table(
        ["", r"$\ln \lambda = 0$", lab.say("slide, 0", "슬라이드, 0"), r"$\ln \lambda = -18$", f"${best:.4f}$",
         lab.say("slide, −18", "슬라이드, −18")],
        [
            [f"$w_{i}$", f"{decayed[0][i]:.2f}", DECAYED[0].split()[i], f"{decayed[-18][i]:.2f}", f"{decayed[best][i]:.2f}",
             DECAYED[-18].split()[i]]
            for i in range(10)
        ],
        en=r"Degree 9 with the penalty $10 \lambda$.", ko=r"벌점 $10 \lambda$로 구한 9차 다항식의 계수.",
    )  # fmt: skip
    lab.matches(
        r"$\ln \lambda = 0$ with the penalty $10 \lambda$: all ten digit for digit",
        r"벌점 $10 \lambda$, $\ln \lambda = 0$: 계수 열 개가 마지막 자리까지 같습니다",
        decayed[0], DECAYED[0],
    )  # fmt: skip
    lab.claim(
        r"With the penalty $\lambda$ itself they would be others",
        r"벌점이 $\lambda$라면 다른 값이 나옵니다",
        measured=" ".join(f"{v:.2f}" for v in fit(X, T, 9, 1.0)[:4]), holds=fit(X, T, 9, 1.0)[0] > 0.4,
    )  # fmt: skip
    lab.matches(
        rf"The column headed −18: all ten digit for digit, at $\ln \lambda = {best:.4f}$",
        rf"−18이라고 적힌 열: $\ln \lambda = {best:.4f}$에서 계수 열 개가 마지막 자리까지 같습니다",
        decayed[best], DECAYED[-18],
    )  # fmt: skip
    lab.claim(
        "At −18 itself they differ by more than 10 from the slide's, and are like them in kind: none is beyond a hundred",
        "정확히 −18에서는 슬라이드와 10 넘게 다르고 경향만 같습니다. 백을 넘는 계수가 없습니다",
        measured=f"{abs(decayed[-18] - target).max():.1f}, {abs(decayed[-18]).max():.1f}",
        holds=abs(decayed[-18] - target).max() > 10 and abs(decayed[-18]).max() < 100,
    )
    lns = np.arange(-42, 3)
    path = [fit(X, T, 9, 10 * np.exp(ln)) for ln in lns]
    ln_train = [error(w, X, T) for w in path]
    ln_test = [error(w, *new) for w in path]

    lab.figure(
        polynomials,
        {"λ = 0": (fits[9], X, T), "ln λ = −18": (decayed[-18], X, T), "ln λ = 0": (decayed[0], X, T)},
        sine,
        en="Degree 9 without decay, with a little, with too much.", ko="감쇠가 없을 때, 조금 있을 때, 너무 클 때의 9차 다항식.",
    )  # fmt: skip
    lab.figure(
        curves,
        {"": {lab.say("training", "훈련"): (lns, ln_train), lab.say("test", "테스트"): (lns, ln_test)}},
        xlabel="ln λ", ylabel=lab.say("error", "오차"),
        en="The two errors of degree 9: λ plays the part that the degree played, from too wild to too stiff.",
        ko="9차 다항식의 두 오차. 앞에서 차수가 하던 역할을 λ가 합니다. 너무 거친 곡선에서 너무 뻣뻣한 곡선으로 옮겨 갑니다.",
    )  # fmt: skip
    lab.figure(
        curves, {"": {"": (lns, [abs(w).max() for w in path])}}, logs="y", xlabel="ln λ",
        ylabel=lab.say("largest coefficient", "가장 큰 계수"),
        en="How large the coefficients of degree 9 are.", ko="9차 다항식의 계수 크기.",
    )  # fmt: skip
    lab.claim(
        "More decay, more training error, at every step",
        "감쇠가 커지면 훈련 오차는 한 번도 빠짐없이 커집니다",
        measured=f"{ln_train[0]:.4f} → {ln_train[-1]:.3f}", holds=(np.diff(ln_train) > 0).all(),
    )  # fmt: skip
    lab.claim(
        "The test error is lowest in between, less than half of that without decay",
        "테스트 오차는 그 사이에서 가장 작고, 감쇠가 없을 때의 절반보다 작습니다",
        measured=f"{ln_test[0]:.3f} → {min(ln_test):.3f} → {ln_test[-1]:.3f}",
        holds=min(ln_test) < ln_test[0] / 2 and min(ln_test) < ln_test[-1] - 0.2,
    )
    lab.claim(
        "Decay makes degree 9 as good as degree 3; it does not make it better",
        "감쇠를 쓰면 9차도 3차만큼 좋아지지만, 3차보다 뚜렷이 좋아지지는 않습니다",
        measured=f"{min(ln_test):.3f}, {test_errors[3]:.3f}", holds=abs(min(ln_test) - test_errors[3]) < 0.05,
    )  # fmt: skip

    lab.section("By gradient descent", "경사 하강법으로")
    lab.text(
        en=r"""A network is not solved, it is trained. Does gradient descent arrive at the same coefficients? We start
        at $w = 0$ and use momentum, for the valley is narrow. The optimizer's `weight_decay` is $\lambda$: it adds
        $\lambda w$ to the gradient.""",
        ko=r"""신경망은 방정식을 푸는 대신 학습시킵니다. 경사 하강법으로도 같은 계수에 도달할까요? $w = 0$에서
        시작하고, 골짜기가 좁으므로 모멘텀을 씁니다. 옵티마이저의 `weight_decay`가 $\lambda$로, 기울기에
        $\lambda w$를 더합니다.""",
    )
    lab.code(descend)
    descents = {degree: descend(powers(X, degree), T, steps=3000) for degree in (0, 1, 3)}
    descents[9] = descend(powers(X, 9), T, steps=lab.scale(50_000, quick=3000))
    with_decay, _ = descend(powers(X, 9), T, steps=3000, weight_decay=10.0)
    w, by_step = descents[9]

    lab.figure(
        curves,
        {"": {f"M = {d}": (np.arange(1, len(e) + 1), e) for d, (_, e) in descents.items()}}, logs="x",
        xlabel=lab.say("step", "걸음"), ylabel=lab.say("training error", "훈련 오차"),
        en="The way down. Degree 9 could reach 0; it comes to a halt, so it seems, where degree 3 does.",
        ko="내려가는 길. 9차는 0까지 갈 수 있는데도 3차와 비슷한 곳에서 멈춘 듯 보입니다.",
    )  # fmt: skip
    lab.matches(
        "Gradient descent finds the slide's coefficients of degrees 0, 1 and 3",
        "경사 하강법도 슬라이드의 0차, 1차, 3차 계수를 찾아냅니다",
        np.concatenate([descents[d][0] for d in (0, 1, 3)]), " ".join(SLIDE[d] for d in (0, 1, 3)),
    )  # fmt: skip
    lab.matches(
        r"With `weight_decay=10.0` it finds the column of $\ln \lambda = 0$",
        r"`weight_decay=10.0`이면 $\ln \lambda = 0$ 열의 계수를 찾아냅니다",
        with_decay, DECAYED[0],
    )  # fmt: skip
    lab.claim(
        f"For degree 9, {len(by_step)} steps leave the coefficients below 100 and the training error above 0.15",
        f"9차에서는 {len(by_step)}걸음 뒤에도 계수가 100을 넘지 않고 훈련 오차가 0.15보다 큽니다",
        measured=f"{abs(w).max():.1f}, {by_step[-1]:.3f}", holds=abs(w).max() < 100 and by_step[-1] > 0.15,
    )  # fmt: skip
    lab.claim(
        "So stopping early works like weight decay: on new points it is as good as degree 3",
        "일찍 멈춘 것이 가중치 감쇠와 같은 일을 합니다. 새 점에서는 3차만큼 좋습니다",
        measured=f"{error(w, *new):.3f}, {test_errors[3]:.3f}", holds=abs(error(w, *new) - test_errors[3]) < 0.05,
    )  # fmt: skip
    lab.text(
        en=r"""Why so slow? The valley's walls are steeper than its floor by a factor, the **condition number**, and
        plain descent needs about as many steps. Powers of $x$ look alike, so it is huge. Chebyshev's polynomials
        $T_0 \dots T_9$ make the same curves from parts that hardly resemble each other.""",
        ko=r"""왜 이렇게 느릴까요? 골짜기의 벽은 바닥보다 훨씬 가파르고, 그 비율(**조건수**)만큼의 걸음이 필요합니다.
        $x$의 거듭제곱은 서로 비슷하게 생겨서 조건수가 엄청나게 큽니다. 체비쇼프 다항식 $T_0 \dots T_9$는 서로 거의
        닮지 않은 조각들로 같은 곡선을 만듭니다.""",
    )
    chebyshev = np.polynomial.chebyshev.chebvander(2 * X - 1, 9)
    c, _ = descend(chebyshev, T, steps=3000)
    to_powers = np.polynomial.Chebyshev(c, domain=[0, 1]).convert(kind=np.polynomial.Polynomial).coef
    matrices = (powers(X, 1), powers(X, 3), powers(X, 9), chebyshev)
    conditions = [np.linalg.cond(matrix) ** 2 for matrix in matrices]

    lab.matches(
        "Degree 9 by gradient descent in Chebyshev's polynomials, written in powers again: the slide's, to within 0.2",
        "체비쇼프 다항식으로 학습한 뒤 거듭제곱으로 되돌린 9차 계수: 0.2 안에서 슬라이드와 같습니다",
        to_powers, SLIDE[9], within=0.2,
    )  # fmt: skip
    lab.claim(
        "The condition numbers of degree 1, 3 and 9, and of Chebyshev's polynomials: the third is beyond a million million",
        "1차, 3차, 9차, 그리고 체비쇼프 다항식의 조건수: 셋째는 1조를 넘습니다",
        measured=" ".join(f"{c:.3g}" for c in conditions), holds=conditions[2] > 1e12 and conditions[3] < 500,
    )  # fmt: skip

    lab.section("More data", "더 많은 데이터")
    lab.text(
        en="The other cure needs no decay: more points. We fit degree 9 to new draws of several sizes.",
        ko="또 다른 해법은 감쇠 없이 데이터를 늘리는 것입니다. 점의 개수를 바꿔 가며 9차 다항식을 맞춰 봅시다.",
    )
    sizes = (10, 15, 30, 100, 1000)
    drawn = {n: [noisy_sine(n, generator) for _ in range(50)] for n in sizes}
    fitted = {n: [fit(x, t, 9) for x, t in points] for n, points in drawn.items()}
    medians = {n: np.median([error(w, *new) for w in ws]) for n, ws in fitted.items()}
    coefficients = {n: np.median([abs(w).max() for w in ws]) for n, ws in fitted.items()}

    lab.table(
        [lab.say("points", "점의 개수"), lab.say("test error", "테스트 오차"), lab.say("largest coefficient", "가장 큰 계수")],
        [[n, f"{medians[n]:.3f}", f"{coefficients[n]:,.0f}"] for n in sizes],
        en="Degree 9: medians over 50 draws.", ko="9차 다항식: 50번 뽑은 결과의 중앙값.",
    )  # fmt: skip
    lab.figure(
        polynomials, {f"N = {n}": (fitted[n][0], *drawn[n][0]) for n in (15, 100)}, sine,
        en="The same degree with more points.", ko="같은 9차 다항식에 점을 더 주었을 때.",
    )  # fmt: skip
    lab.claim(
        "The test error of degree 9 falls with every enlargement, and at a thousand points comes near the noise",
        "점이 늘 때마다 9차의 테스트 오차가 줄고, 천 점이면 잡음 수준에 가까워집니다",
        measured=" → ".join(f"{medians[n]:.3f}" for n in sizes),
        holds=all(medians[a] > medians[b] for a, b in itertools.pairwise(sizes)) and medians[1000] < 0.34,
    )
    lab.claim(
        "Its coefficients shrink, but at 100 points they are still in the thousands: large ones alone are no illness",
        "계수는 줄지만 100개일 때도 수천이 넘습니다. 계수가 크다는 것 자체가 문제는 아닙니다",
        measured=" → ".join(f"{coefficients[n]:,.0f}" for n in sizes),
        holds=coefficients[1000] < coefficients[100] < coefficients[10] / 3 and coefficients[100] > 3000,
    )
    lab.next(
        en=r"""- Choose $\lambda$ without any new points: leave out one of the ten, fit the other nine, and add up the errors on
          the ones left out. Is it near the best $\ln \lambda$ of the figure? (The lab `validation` does this for
          networks.)
        - Put a penalty on $\sum |w|$ instead. Which coefficients become exactly 0?
        - Fit the ten points with `nn.Sequential(nn.Linear(1, 50), nn.Tanh(), nn.Linear(50, 1))`: 151 weights for ten
          points. Does it go as wild as degree 9?""",
        ko=r"""- 새 점을 하나도 쓰지 않고 $\lambda$를 골라 보세요. 열 점 중 하나를 빼고 아홉 점으로 맞춘 뒤, 빼 둔 점에서의
          오차를 모두 더합니다. 그림에서 가장 좋았던 $\ln \lambda$와 가까울까요? (실습 `validation`에서는 신경망으로 이
          일을 합니다.)
        - 벌점을 $\sum |w|$로 바꿔 보세요. 어떤 계수가 정확히 0이 될까요?
        - 같은 열 점을 `nn.Sequential(nn.Linear(1, 50), nn.Tanh(), nn.Linear(50, 1))`로 맞춰 보세요. 점 열 개에 가중치가
          151개입니다. 9차 다항식처럼 거칠어질까요?""",
    )
