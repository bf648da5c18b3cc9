r"""The learning rate: too large, too small, just right

학습률: 너무 크거나, 너무 작거나, 딱 맞거나

Gradient descent asks for one number above all: how long a step should be. Where exactly does it begin to overshoot, what
happens in valleys, on saddles and in ravines, and why is the rate changed while a network learns?

경사 하강법에서 가장 중요한 수는 하나, 한 걸음의 길이입니다. 정확히 어디서부터 지나치게 될까요? 골짜기, 안장점, 협곡에서는
무슨 일이 일어날까요? 그리고 왜 학습하는 동안 학습률을 바꿀까요?
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves
from chainrule.labs.lesson.terrain import descents


def threshold(L):
    """By bisection: the rate from which twenty steps on L/2 w^2 lead away from the bottom."""
    good, bad = 0.0, 100.0
    for _ in range(34):
        middle = (good + bad) / 2
        path = descend(lambda w: L / 2 * w**2, [1.0], 20, lr=middle)
        good, bad = (middle, bad) if abs(path[-1, 0]) < 1 else (good, middle)
    return good


def descend(f, start, steps, make=optim.SGD, **settings):
    """The points that an optimizer visits on the surface f, from one start or from many."""
    w = cr.tensor(start, dtype=cr.float64, requires_grad=True)
    optimizer = make([w], **settings)
    path = [w.numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        f(*(w[..., i] for i in range(w.shape[-1]))).sum().backward()
        optimizer.step()
        path.append(w.numpy().copy())
    return np.array(path)


def first(reached):
    """For each walker the first step at which it is where it should be; None if never."""
    return [int(there.argmax()) if there.any() else None for there in reached.T]


def pit(x, y):
    """A wide valley at (-1, 0), and a narrow, shallower pit on its slope near (1, 0)."""
    return ((x + 1) ** 2 + y**2) / 8 - 0.4 * cr.exp(-4 * ((x - 1) ** 2 + y**2))


def saddle(x, y):
    """Flat at (0, 0): a valley along x, a ridge along y; lowest at (0, -1) and (0, 1)."""
    return x**2 / 2 - y**2 / 2 + y**4 / 4


def ravine(k):
    """A valley k times steeper across than along."""
    return lambda x, y: (x**2 + k * y**2) / 2


def watch(step, curvature, w, v, lr, steps, warm_up=0):
    """Loss and curvature on the way down; a warm-up brings the rate up step by step."""
    losses, sharpness = [], []
    for i in range(steps):
        loss, w = step(w, cr.tensor(lr * min(1, (i + 1) / (warm_up + 1))))
        losses.append(loss.item())
        if not losses[-1] < 1e6:
            break
        if i % 25 == 0:
            for _ in range(10):
                L, v = curvature(w, v)
            sharpness.append((i, L.item()))
    return losses, np.array(sharpness)


def run(lab: Lab) -> None:
    lab.section("One parabola", "포물선 하나")
    lab.text(
        en=r"""The simplest valley is a parabola, $f(w) = \frac{L}{2} w^2$. Its slope is $L w$, so a step of gradient
        descent is

        $$w ← w - \eta L w = (1 - \eta L) \, w$$

        Every step multiplies the distance to the bottom by the same number. If it lies between −1 and 1 we come
        nearer, else we go away: the limit is $\eta = 2 / L$. $L$, the **curvature**, says how quickly the slope
        changes. Let us not believe the formula but find the limit by trying.""",
        ko=r"""가장 단순한 골짜기는 포물선 $f(w) = \frac{L}{2} w^2$입니다. 기울기가 $L w$이므로 경사 하강법의 한 걸음은
        다음과 같습니다.

        $$w ← w - \eta L w = (1 - \eta L) \, w$$

        걸음마다 바닥까지의 거리에 같은 수가 곱해집니다. 그 수가 −1과 1 사이면 가까워지고, 아니면 멀어집니다.
        경계는 $\eta = 2 / L$입니다. $L$은 기울기가 얼마나 빨리 변하는지를 나타내는 **곡률**입니다. 공식을 믿는 대신
        직접 시험해서 경계를 찾아봅시다.""",
    )
    lab.code(descend, threshold)
    curvatures = (0.5, 1, 4, 10, 100)
    limits = [threshold(L) for L in curvatures]
    rates = {"0.1 / L": 0.025, "1 / L": 0.25, "1.8 / L": 0.45, "2 / L": 0.5, "2.1 / L": 0.525}
    paths = {name: descend(lambda w: 2 * w**2, [1], 8, lr=lr)[:, 0] for name, lr in rates.items()}

    lab.table(
        [lab.say("curvature $L$", "곡률 $L$"), lab.say("limit, measured", "측정한 경계"), "$2 / L$"],
        [[L, f"{limit:.7f}", 2 / L] for L, limit in zip(curvatures, limits, strict=True)],
    )
    lab.agrees(
        "Gradient descent begins to run away exactly at $2 / L$", "경사 하강법은 정확히 $2 / L$에서부터 달아납니다",
        limits, [2 / L for L in curvatures], within=1e-8,
    )  # fmt: skip
    lab.figure(
        descents, lambda w: 2 * w**2, paths,
        en="Eight steps with $L = 4$: slow, at once, overshooting but coming nearer, to and fro for ever, away.",
        ko="$L = 4$에서 여덟 걸음. 느림, 단번에 도착, 지나치지만 가까워짐, 끝없는 왕복, 달아남.",
    )  # fmt: skip
    lab.claim(
        "With $1 / L$ one step reaches the bottom; with $2 / L$ the walker jumps between 1 and −1 for ever",
        "$1 / L$이면 한 걸음에 바닥에 닿고, $2 / L$이면 1과 −1 사이를 끝없이 오갑니다",
        measured="; ".join(", ".join(f"{w:g}" for w in paths[name][:4]) for name in ("1 / L", "2 / L")),
        holds=paths["1 / L"][1] == 0 and (paths["2 / L"] == [1, -1] * 4 + [1]).all(),
    )
    lab.text(
        en="""How long does the way down take? 400 walkers go at once, each with a rate of its own, until each is a
        thousand times nearer.""",
        ko="""내려가는 데 얼마나 걸릴까요? 학습률이 서로 다른 400명이 한꺼번에 출발해 천 배 가까워질 때까지 걷습니다.""",
    )
    L, each = 4, cr.linspace(0.01, 1.99, 400, dtype=cr.float64) / 4
    slope = cr.grad(lambda w: (L / 2 * w**2).sum())
    w, needed = cr.ones(400, dtype=cr.float64), 0
    while (far := abs(w.numpy()) > 1e-3).any():
        w, needed = w - each * slope(w), needed + far
    formula = np.ceil(np.log(1e-3) / np.log(abs(1 - L * each.numpy())))

    lab.figure(
        curves, {"": {"": (L * each, needed)}}, logs="y", xlabel="η · L", ylabel=lab.say("steps", "걸음"),
        en="Too small is slow, too large is slow again, and at 2 it never ends.",
        ko="너무 작아도 느리고 너무 커도 느리며, 2에서는 끝나지 않습니다.",
    )  # fmt: skip
    lab.agrees(
        r"All 400 counts are $\ln 0.001 / \ln |1 - \eta L|$, rounded up (rounding may cost a step)",
        r"400개 모두 $\ln 0.001 / \ln |1 - \eta L|$을 올림한 수입니다(반올림 오차로 한 걸음까지)",
        needed, formula, within=1,
    )  # fmt: skip

    lab.section("A network has a curvature, too", "신경망에도 곡률이 있다")
    lab.text(
        en=r"""In many dimensions the curvature differs from direction to direction, and the largest, $L$, sets the
        limit. It is the largest eigenvalue of the Hessian, the matrix of second derivatives. No matrix is needed:
        multiply some vector by the Hessian again and again (`cr.hvp`), and it turns towards the most curved direction.

        The network: 300 digits, 20 tanh units, squared error, all rows in each step, all weights in one vector `w`.
        The rates are shares of the limit at the beginning; one of them comes up slowly (**warm-up**). A parabola is the
        same everywhere, but a network can choose where it is (Cohen et al., 2021, "edge of stability").""",
        ko=r"""차원이 많으면 방향마다 곡률이 다르고, 그중 가장 큰 $L$이 경계를 정합니다. $L$은 이계 미분의 행렬, 곧
        헤세 행렬의 최대 고윳값입니다. 행렬을 만들 필요는 없습니다. 아무 벡터에나 헤세 행렬을 거듭 곱하면(`cr.hvp`)
        가장 많이 휜 방향으로 돌아갑니다.

        신경망은 숫자 그림 300장, tanh 유닛 20개, 제곱 오차입니다. 걸음마다 모든 행을 쓰고, 가중치는 모두 벡터 `w`
        하나에 담습니다. 학습률은 처음 경계의 몇 배인지로 정하고, 하나는 서서히 올립니다(**워밍업**). 포물선은 어디서나
        똑같이 휘어 있지만 신경망은 있을 곳을 고를 수 있습니다(Cohen 등, 2021, "안정성의 가장자리").""",
    )
    lab.code(watch)
    digits = data.digits()
    x = cr.tensor(digits.inputs[:300] / np.float32(16))
    x = x - x.mean(axis=0)
    targets = cr.one_hot(cr.tensor(digits.targets[:300]), 10).float()

    def loss(w):
        hidden = cr.tanh(x @ w[:1280].reshape(64, 20) + w[1280:1300])
        y = hidden @ w[1300:1500].reshape(20, 10) + w[1500:]
        return ((y - targets) ** 2).sum(axis=1).mean() / 2

    @cr.compile
    def step(w, lr):
        value, slope = cr.value_and_grad(loss)(w)
        return value, w - lr * slope

    @cr.compile
    def curvature(w, v):
        u = cr.hvp(loss, w, v)
        return (u * v).sum(), u / cr.sqrt((u * u).sum())

    cr.manual_seed(lab.seed)
    w = cr.concatenate([cr.randn(1280) / 8, cr.zeros(20), cr.randn(200) / 20**0.5, cr.zeros(10)])
    v = cr.randn(1510) / 1510**0.5
    for _ in range(100):
        L, v = curvature(w, v)
    limit, many = 2 / L.item(), lab.scale(2000, quick=600)
    plans = {"0.05": (0.05, 0), "0.5": (0.5, 0), "1.3": (1.3, 0), "2.2": (2.2, 0)}
    plans[lab.say("2.2, warm-up", "2.2, 워밍업")] = (2.2, many // 3)
    runs = {}
    for name, (share, warm_up) in plans.items():
        runs[name] = watch(step, curvature, w, v, share * limit, many, warm_up)
    # The curvature where each network is, as a share of what its full rate bears.
    edge = {name: sharp[:, 1] * plans[name][0] * limit / 2 for name, (_, sharp) in runs.items()}
    slow, right, beyond, far, warm = (np.array(losses) for losses, _ in runs.values())

    lab.table(
        lab.say(
            [r"$\eta \, / \, (2 / L)$", "steps", "loss at the end", "steps up", r"$\eta L / 2$ at the end"],
            [r"$\eta \, / \, (2 / L)$", "걸음", "마지막 손실", "손실이 커진 걸음", r"마지막 $\eta L / 2$"],
        ),
        [
            [name, len(losses), losses[-1], f"{100 * (np.diff(losses) > 0).mean():.0f} %", f"{edge[name][-1]:.3f}"]
            for name, (losses, _) in runs.items()
        ],
        digits=3,
        en=f"At the beginning $L$ is {L.item():.4f}, so the limit $2 / L$ is {limit:.4f}.",
        ko=f"처음에 $L$은 {L.item():.4f}이므로 경계 $2 / L$은 {limit:.4f}입니다.",
    )
    lab.figure(
        curves,
        {
            lab.say("loss", "손실"): {name: (range(len(l)), np.minimum(l, 10)) for name, (l, _) in runs.items()},
            "η · L / 2": {name: (sharp[:, 0], np.minimum(edge[name], 3)) for name, (_, sharp) in runs.items()},
        },
        xlabel=lab.say("step", "걸음"), logs="y",
        en="The loss, and the curvature where the network is, as a share of what its full learning rate bears.",
        ko="손실, 그리고 신경망이 있는 곳의 곡률(온전한 학습률이 견디는 곡률에 대한 비율).",
    )  # fmt: skip
    lab.claim(
        "At half the limit the loss falls at every single step; at a twentieth, too, but it is far behind",
        "경계의 절반에서는 손실이 한 걸음도 빠짐없이 줄어듭니다. 20분의 1에서도 줄지만 한참 뒤처집니다",
        measured=f"{slow[-1]:.4f}, {right[-1]:.4f}",
        holds=(np.diff(right) < 0).all() and (np.diff(slow) <= 0).all() and slow[-1] > 1.5 * right[-1],
    )
    lab.claim(
        r"A little above the limit nothing explodes: the network moves to a flatter place, where $\eta L / 2$ is about 1, and "
        "stays at that edge while its loss goes up and down, and down in all",
        r"경계를 조금 넘으면 폭발하지 않습니다. 신경망은 $\eta L / 2$가 1쯤 되는 더 평평한 곳으로 옮겨 가 그 가장자리에 머물고, "
        "손실은 오르내리면서도 전체로는 줄어듭니다",
        measured=f"{edge['1.3'][-12:].mean():.3f}",
        holds=0.9 < edge["1.3"][-12:].mean() < 1.15
        and beyond[-1] < beyond[0] / 4
        and (np.diff(beyond) > 0).mean() > 0.1,
    )
    lab.claim(
        "Far above it the loss explodes, but not if the rate comes up slowly: then the network has moved by the time",
        "경계를 훌쩍 넘으면 손실이 폭발합니다. 그러나 학습률을 서서히 올리면, 그동안 신경망이 옮겨 가서 폭발하지 않습니다",
        measured=f"{far.max():,.0f}, {warm.max():.3f}", holds=not far[-1] < 1e6 and warm.max() < 1.5 * warm[0],
    )  # fmt: skip
    lab.section("A local minimum", "지역 최솟값")
    lab.text(
        en="""Too small a rate is not only slow, it can get **stuck**. This valley has a narrow pit on its slope, and we
        start beyond it.""",
        ko="""학습률이 너무 작으면 느릴 뿐 아니라 **갇힐** 수도 있습니다. 이 골짜기의 비탈에는 좁은 구덩이가 있고, 우리는
        그 너머에서 출발합니다.""",
    )
    lab.code(pit)
    ways = {
        "0.2": {"lr": 0.2},
        "1.5": {"lr": 1.5},
        lab.say("0.2, momentum", "0.2, 모멘텀"): {"lr": 0.2, "momentum": 0.9},
    }
    paths = {name: descend(pit, [2.4, 0.3], 200, **way) for name, way in ways.items()}
    grid = np.stack(np.meshgrid(np.linspace(-3, 3, 41), np.linspace(-3, 3, 41)), axis=-1)
    ends = [descend(pit, grid, 200, **way)[-1] for way in ways.values()]
    arrived = [(end[..., 0] < 0).mean() for end in ends]
    hessian = cr.jacobian(cr.grad(lambda w: pit(w[0], w[1])))(cr.tensor(paths["0.2"][-1]))
    largest = np.linalg.eigvalsh(hessian.numpy())[-1]

    lab.figure(
        cr.show.surface, pit, path=paths, x=(-2.6, 3.0), y=(-2, 2), levels="linear",
        en="Three ways from one start. The small rate ends in the pit.",
        ko="같은 곳에서 출발한 세 갈래 길. 작은 학습률은 구덩이에서 끝납니다.",
    )  # fmt: skip
    lab.claim(
        f"The small rate stays in the pit; the large one, and momentum, come through to the valley. Of {grid[..., 0].size} "
        f"starts these shares do; with rate 1.5 all, because the pit's curvature, {largest:.2f}, is above $2 / 1.5$, so "
        "nobody can rest in it",
        "작은 학습률은 구덩이에 머물고, 큰 학습률과 모멘텀은 골짜기까지 갑니다. 아래는 출발점 "
        f"{grid[..., 0].size}곳 가운데 골짜기에 닿은 비율입니다. 학습률 1.5에서는 모두 닿습니다. 구덩이의 곡률 "
        f"{largest:.2f}가 $2 / 1.5$보다 커서 아무도 머물 수 없기 때문입니다",
        measured=", ".join(f"{100 * share:.1f} %" for share in arrived),
        holds=[path[-1][0] < 0 for path in paths.values()] == [False, True, True]
        and arrived[1] == 1 > arrived[2] > arrived[0] and largest > 2 / 1.5,
    )  # fmt: skip

    lab.section("A saddle point", "안장점")
    lab.text(
        en=r"""On a **saddle** the slope is zero as well, but it is no bottom: along $x$ a valley, along $y$ a ridge. Whoever
        starts on the line $y = 0$ walks to the saddle and stays. Beside that line the slope pushes away, at first
        hardly: with rate 0.1, $y$ grows by a tenth in each step. All start at $x = 1.5$.""",
        ko=r"""**안장점**에서도 기울기는 0이지만 바닥은 아닙니다. $x$ 방향으로는 골짜기, $y$ 방향으로는 능선입니다. 정확히
        직선 $y = 0$에서 출발하면 안장점까지 가서 멈춥니다. 조금이라도 벗어나면 기울기가 밀어내지만 처음에는 아주
        약합니다. 학습률이 0.1이면 $y$는 한 걸음에 10분의 1씩 커집니다. 모두 $x = 1.5$에서 출발합니다.""",
    )
    lab.code(saddle, first)
    heights = [1e-1, 1e-4, 1e-7, 1e-10, 0.0]
    starts = [[1.5, y] for y in heights]
    paths = {
        "SGD": descend(saddle, starts, 300, lr=0.1),
        lab.say("momentum 0.9", "모멘텀 0.9"): descend(saddle, starts, 300, lr=0.1, momentum=0.9),
        "Adam": descend(saddle, starts, 300, optim.Adam, lr=0.1),
    }
    below = {name: first(saddle(path[..., 0], path[..., 1]) < -0.2) for name, path in paths.items()}

    lab.table(
        [lab.say("$y$ at the start", "출발점의 $y$"), *paths],
        [[y, *(counts[i] for counts in below.values())] for i, y in enumerate(heights)],
        en="Steps until the height is below −0.2, all with rate 0.1; –: never.",
        ko="높이가 −0.2 아래로 내려갈 때까지의 걸음. 학습률은 모두 0.1입니다. –는 끝내 못 간 것.",
    )
    lab.figure(
        cr.show.surface, saddle, path={name: path[:61, 1] for name, path in paths.items()}, levels="linear",
        x=(-1.2, 1.8), y=(-1.4, 1.4),
        en="The first 60 steps from $y = 0.0001$.", ko="$y = 0.0001$에서 출발한 처음 60걸음.",
    )  # fmt: skip
    lab.claim(
        r"A thousand times nearer to the line costs gradient descent $\ln 1000 / \ln 1.1 = 72.5$ steps more; on the line itself "
        "nobody ever leaves, because a slope of exactly 0 stays 0",
        r"직선에 천 배 가까워질 때마다 경사 하강법은 $\ln 1000 / \ln 1.1 = 72.5$걸음을 더 씁니다. 직선 위에서는 아무도 벗어나지 "
        "못합니다. 정확히 0인 기울기는 계속 0이기 때문입니다",
        measured=np.diff(below["SGD"][:4]),
        holds=abs(np.diff(below["SGD"][:4]) - np.log(1000) / np.log(1.1)).max() < 1.5
        and all(path[-1, -1, 1] == 0 for path in paths.values()),
    )

    lab.section("A ravine", "협곡")
    lab.text(
        en=r"""Where a valley is $k$ times steeper across than along, the steep direction sets the limit and the flat one has
        to wait. The best rate, $2 / (1 + k)$, shrinks both by $(k - 1) / (k + 1)$ a step. **Momentum** adds up what
        stays the same from step to step and cancels what swings; with its best settings (Polyak, 1964) the factor
        comes near $(\sqrt{k} - 1) / (\sqrt{k} + 1)$.""",
        ko=r"""골짜기의 옆 방향이 길이 방향보다 $k$배 가파르면, 가파른 쪽이 학습률의 한계를 정하고 완만한 쪽은 기다려야
        합니다. 가장 좋은 학습률 $2 / (1 + k)$에서도 한 걸음에 $(k - 1) / (k + 1)$배로 줄어들 뿐입니다. **모멘텀**은
        걸음마다 같은 것은 쌓고 흔들리는 것은 상쇄합니다. 가장 좋은 설정(Polyak, 1964)에서는 이 비율이
        $(\sqrt{k} - 1) / (\sqrt{k} + 1)$에 가까워집니다.""",
    )
    lab.code(ravine)
    counts, paths = {}, {}
    for k in (4, 16, 64, 256):
        beta = ((k**0.5 - 1) / (k**0.5 + 1)) ** 2
        paths[k] = [
            descend(ravine(k), [[1, 0.2]], 1000, lr=2 / (1 + k)),
            descend(ravine(k), [[1, 0.2]], 200, lr=4 / (1 + k**0.5) ** 2, momentum=beta),
        ]
        counts[k] = [first(abs(path).max(axis=2) < 1e-3)[0] for path in paths[k]]
    plain, heavy = np.array(list(counts.values())).T
    formula = [np.ceil(np.log(1e-3) / np.log((k - 1) / (k + 1))) for k in counts]

    names = lab.say(["gradient descent", "momentum"], ["경사 하강법", "모멘텀"])
    lab.table(
        ["$k$", *names], [[k, *both] for k, both in counts.items()],
        en="Steps until the distance is a thousand times smaller.", ko="거리가 천 배 줄 때까지의 걸음.",
    )  # fmt: skip
    lab.figure(
        cr.show.surface, ravine(16), x=(-0.6, 1.2), y=(-0.5, 0.5),
        path={name: path[:41, 0] for name, path in zip(names, paths[16], strict=True)},
        en="40 steps in the ravine with $k = 16$.", ko="$k = 16$인 협곡에서 40걸음.",
    )  # fmt: skip
    lab.claim(
        r"Gradient descent needs $\ln 0.001 / \ln ((k - 1) / (k + 1))$ steps, rounded up: four times steeper, four times the "
        "steps. Momentum needs about twice as many",
        r"경사 하강법의 걸음 수는 $\ln 0.001 / \ln ((k - 1) / (k + 1))$을 올림한 수입니다. 네 배 가팔라지면 네 배, "
        "모멘텀은 두 배쯤 걸립니다",
        measured=f"{plain[-1] / plain[-2]:.2f}, {heavy[-1] / heavy[-2]:.2f}",
        holds=abs(plain - formula).max() <= 1
        and 3.7 < plain[-1] / plain[-2] < 4.3
        and 1.6 < heavy[-1] / heavy[-2] < 2.5,
    )

    lab.section("Noise", "잡음")
    lab.text(
        en=r"""Mini-batches give slopes with **noise**. On $w^2 / 2$ with noise of variance 1 a constant rate never arrives: it
        ends in a cloud around the bottom, of mean square $\eta / (2 - \eta)$. The way out is a rate that falls: with
        $\eta_t = 1 / t$, $w$ is a plain average of noise, and its square falls as $1 / t$.""",
        ko=r"""미니배치로 구한 기울기에는 **잡음**이 섞입니다. 분산 1의 잡음이 있는 $w^2 / 2$에서 일정한 학습률은 끝내
        도착하지 못하고, 바닥 둘레에 제곱 평균 $\eta / (2 - \eta)$의 구름으로 남습니다. 해결책은 학습률을 줄여 가는
        것입니다. $\eta_t = 1 / t$이면 $w$는 잡음의 산술 평균이 되고, 그 제곱은 $1 / t$로 줄어듭니다.""",
    )
    cr.manual_seed(lab.seed)
    squares, length = {}, lab.scale(2000, quick=500)
    for name, lr in {"0.5": 0.5, "0.1": 0.1, "0.02": 0.02, "1 / t": None}.items():
        w, squares[name] = cr.ones(2000), []
        for t in range(1, length + 1):
            w = w - (lr or 1 / t) * (w + cr.randn(2000))
            squares[name].append((w * w).mean().item())
    clouds = [np.mean(squares[name][length // 2 :]) for name in ("0.5", "0.1", "0.02")]

    lab.figure(
        curves, {"": {name: (range(1, length + 1), each) for name, each in squares.items()}}, logs="xy",
        xlabel=lab.say("step", "걸음"), ylabel=lab.say("mean square", "제곱 평균"),
        en="2000 walkers. Constant rates come to rest at their clouds; the falling rate goes on.",
        ko="2000명의 평균. 일정한 학습률은 구름에서 멈추고, 줄어드는 학습률은 계속 내려갑니다.",
    )  # fmt: skip
    lab.claim(
        r"The clouds are as large as $\eta / (2 - \eta)$ says, to 8 %; the falling rate ends below them all",
        r"구름의 크기는 $\eta / (2 - \eta)$와 8 % 안에서 같고, 줄어드는 학습률은 어느 구름보다도 아래에서 끝납니다",
        measured=", ".join(f"{cloud:.5f}" for cloud in [*clouds, squares["1 / t"][-1]]),
        holds=all(abs(c * (2 - lr) / lr - 1) < 0.08 for c, lr in zip(clouds, (0.5, 0.1, 0.02), strict=True))
        and squares["1 / t"][-1] < clouds[-1] / 2,
    )

    lab.section("Schedules on a real network", "실제 신경망의 학습률 계획")
    lab.text(
        en="""So one begins with large steps and ends with small ones. A **step** schedule divides by ten at chosen epochs, a
        **cosine** falls smoothly to 0, a **warm-up** rises first. Two hidden layers of 50 ReLUs,
        SGD with momentum 0.9 and rate 0.15:""",
        ko="""그래서 큰 걸음으로 시작해 작은 걸음으로 끝냅니다. **계단**은 정해 둔 에폭마다 10으로 나누고, **코사인**은 0까지
        매끄럽게 내려가며, **워밍업**은 처음에 서서히 올립니다. ReLU 50개짜리 은닉층 둘, 모멘텀 0.9,
        학습률 0.15의 SGD입니다.""",
    )
    train, test = lab.pictures()
    train = train.take(range(min(10000, len(train))))
    scale = np.float32(train.inputs.max())
    x, test_x = (s.inputs.reshape(len(s), -1) / scale for s in (train, test))
    down = optim.CosineAnnealingLR
    schedules = {
        lab.say("constant", "일정"): lambda o: optim.LambdaLR(o, lambda epoch: 1),
        lab.say("step", "계단"): lambda o: optim.MultiStepLR(o, milestones=[6, 8], gamma=0.1),
        lab.say("cosine", "코사인"): lambda o: down(o, T_max=10),
        lab.say("warm-up, cosine", "워밍업, 코사인"): lambda o: optim.SequentialLR(
            o, [optim.LinearLR(o, 0.1, total_iters=2), down(o, T_max=8)], milestones=[2]
        ),
    }
    losses, learning_rates, accuracies = {}, {}, {}
    for name, schedule in schedules.items():
        fits, scores = [], []
        for seed in range(lab.scale(3, quick=1)):
            cr.manual_seed(seed)
            hidden = [nn.Linear(x.shape[1], 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU()]
            model = nn.Sequential(*hidden, nn.Linear(50, 10))
            optimizer = optim.SGD(model.parameters(), lr=0.15, momentum=0.9)
            trainer = cr.Trainer(model, optimizer=optimizer, schedule=schedule, metrics=["accuracy"])
            fit = trainer.fit((x, train.targets), None, 10, 50, seed=seed, progress=False)
            fits.append(fit)
            scores.append(trainer.evaluate((test_x, test.targets))["accuracy"])
        losses[name] = np.mean([fit["loss"] for fit in fits], axis=0)
        learning_rates[name], accuracies[name] = fits[0]["lr"], np.mean(scores)
    constant, _, cosine, warm = (each[-1] for each in losses.values())

    lab.figure(
        curves,
        {
            title: {name: (range(1, 11), each) for name, each in measured.items()}
            for title, measured in ((lab.say("learning rate", "학습률"), learning_rates), (lab.say("loss", "손실"), losses))
        },
        xlabel=lab.say("epoch", "에폭"), logs="y", marks=True,
        en="Learning rate and training loss by epoch.", ko="에폭마다의 학습률과 훈련 손실.",
    )  # fmt: skip
    lab.table(
        lab.say(["schedule", "training loss", "test accuracy"], ["계획", "훈련 손실", "시험 정확도"]),
        [[name, f"{each[-1]:.4f}", f"{100 * accuracies[name]:.2f} %"] for name, each in losses.items()],
        en=f"After ten epochs, mean of {len(fits)} runs.",
        ko=f"10에폭 뒤, {len(fits)}번의 평균.",
    )
    lab.claim(
        "The cosine, with and without warm-up, ends with less than 70 % of the constant rate's loss",
        "코사인은 워밍업이 있든 없든 손실이 일정한 학습률의 70 % 아래로 내려갑니다",
        measured=f"{cosine / constant:.2f}, {warm / constant:.2f}", holds=max(cosine, warm) < 0.7 * constant,
    )  # fmt: skip
    lab.next(
        en=r"""- Let `threshold` use momentum 0.9. The limit becomes $2 (1 + 0.9) / L$: can you see why?
        - Give the network of the second section 100 units, or no `tanh`. Does it still find the edge?
        - Put a little noise into the steps on the saddle (`w += 0.01 * cr.randn(...)`). How many steps does it take now?
        - Replace the cosine by `optim.OneCycleLR`, which warms up and falls in one curve.""",
        ko=r"""- `threshold`에서 모멘텀 0.9를 써 보세요. 경계가 $2 (1 + 0.9) / L$로 바뀝니다. 왜 그럴까요?
        - 두 번째 절의 신경망을 유닛 100개로 늘리거나 `tanh`를 빼 보세요. 그래도 가장자리를 찾아갈까요?
        - 안장점의 걸음에 잡음을 조금 넣어 보세요(`w += 0.01 * cr.randn(...)`). 이제 몇 걸음이 걸릴까요?
        - 코사인 대신, 올렸다가 내리는 것을 곡선 하나로 하는 `optim.OneCycleLR`을 써 보세요.""",
    )
