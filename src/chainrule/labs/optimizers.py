r"""Optimizers: a family and its races

옵티마이저: 한 집안과 그들의 경주

All optimizers walk downhill along the same slopes. What does each remember of its way, in which line of code does it differ
from its parents, and who wins a race in which nobody is given a bad setting?

옵티마이저는 모두 같은 기울기를 따라 내려갑니다. 저마다 지나온 길에서 무엇을 기억하고, 부모와는 코드의 어느 줄이 다를까요?
그리고 누구에게도 불리한 설정을 주지 않는다면 경주에서 누가 이길까요?
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.terrain import before_and_after, family_tree, terrains


def sgd(w, g, past, lr):
    return w - lr * g


def momentum(w, g, past, lr, beta=0.9):
    past["v"] = beta * past["v"] + g
    return w - lr * past["v"]


def nesterov(w, g, past, lr, beta=0.9):
    past["v"] = beta * past["v"] + g
    return w - lr * (g + beta * past["v"])


def adagrad(w, g, past, lr, eps=1e-10):
    past["s"] = past["s"] + g**2
    return w - lr * g / (np.sqrt(past["s"]) + eps)


def rmsprop(w, g, past, lr, alpha=0.99, eps=1e-8):
    past["s"] = alpha * past["s"] + (1 - alpha) * g**2
    return w - lr * g / (np.sqrt(past["s"]) + eps)


def adadelta(w, g, past, lr, rho=0.9, eps=1e-6):
    past["s"] = rho * past["s"] + (1 - rho) * g**2
    d = np.sqrt(past["u"] + eps) / np.sqrt(past["s"] + eps) * g
    past["u"] = rho * past["u"] + (1 - rho) * d**2
    return w - lr * d


def adam(w, g, past, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    past["t"] += 1
    past["m"] = beta1 * past["m"] + (1 - beta1) * g
    past["s"] = beta2 * past["s"] + (1 - beta2) * g**2
    m, s = past["m"] / (1 - beta1 ** past["t"]), past["s"] / (1 - beta2 ** past["t"])
    return w - lr * m / (np.sqrt(s) + eps)


def nadam(w, g, past, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    past["t"] += 1
    past["m"] = beta1 * past["m"] + (1 - beta1) * g
    past["s"] = beta2 * past["s"] + (1 - beta2) * g**2
    now, then = (beta1 * (1 - 0.96 ** (0.004 * t) / 2) for t in (past["t"], past["t"] + 1))
    past["p"] = past.get("p", 1.0) * now
    m = then * past["m"] / (1 - past["p"] * then) + (1 - now) * g / (1 - past["p"])
    return w - lr * m / (np.sqrt(past["s"] / (1 - beta2 ** past["t"])) + eps)


def adamw(w, g, past, lr, decay=0.01):
    return adam(w - lr * decay * w, g, past, lr)


# Each rule, chainrule's optimizer with its settings, and a learning rate for the ravine.
RULES = {
    "SGD": (sgd, optim.SGD, {}, 0.09),
    "Momentum": (momentum, optim.SGD, {"momentum": 0.9}, 0.02),
    "NAG": (nesterov, optim.SGD, {"momentum": 0.9, "nesterov": True}, 0.02),
    "Adagrad": (adagrad, optim.Adagrad, {}, 0.8),
    "RMSProp": (rmsprop, optim.RMSprop, {}, 0.05),
    "Adadelta": (adadelta, optim.Adadelta, {}, 20.0),
    "Adam": (adam, optim.Adam, {}, 0.3),
    "Nadam": (nadam, optim.NAdam, {}, 0.3),
    "AdamW": (adamw, optim.AdamW, {"weight_decay": 0.01}, 0.3),
}


def ravine(x, y):
    return (x**2 + 20 * y**2) / 2


def turned(x, y):
    """The same ravine, turned by 45 degrees."""
    return ravine((x + y) / 2**0.5, (y - x) / 2**0.5)


def banana(x, y):
    """A bent valley, after Rosenbrock, with its bottom at (1, 1)."""
    return ((1 - x) ** 2 + 10 * (y - x**2) ** 2) / 2


def walk(name, f, start, steps):
    """The path of chainrule's optimizer."""
    _, make, settings, lr = RULES[name]
    w = cr.tensor(start, dtype=cr.float64, requires_grad=True)
    optimizer = make([w], lr=lr, **settings)
    path = [w.numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        f(w[0], w[1]).backward()
        optimizer.step()
        path.append(w.numpy().copy())
    return np.array(path)


def gradient(f):
    """The slope of f as a compiled function of points (..., 2)."""
    slope = cr.compile(cr.grad(lambda w: f(w[..., 0], w[..., 1]).sum()))
    return lambda w: slope(cr.tensor(w)).numpy()


def follow(rule, slope, start, steps, lr):
    """The path of a rule in NumPy; with rates (n, 1), the paths of n walkers at once."""
    w = np.broadcast_to(start, np.broadcast_shapes(np.shape(lr), (2,)))
    path, past = [w], defaultdict(float)
    for _ in range(steps):
        w = rule(w, slope(w), past, lr)
        path.append(w)
    return np.array(path)


def arrival(path, goal):
    """For each walker the step from which on it stays within 0.05 of the goal; inf if never."""
    far = ~(np.linalg.norm(path - goal, axis=-1) < 0.05)
    step = len(path) - far[::-1].argmax(axis=0)
    return np.where(step < len(path), step, np.inf)


def fit(name, lr, seed, rows, epochs, batch):
    """A network with 50 ReLUs, trained by one of the optimizers."""
    _, make, settings, _ = RULES["SGD" if name == "GD" else name]
    cr.manual_seed(seed)
    model = nn.Sequential(nn.Linear(rows[0].shape[1], 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = make(model.parameters(), lr=lr, **settings)
    trainer = cr.Trainer(model, optimizer=optimizer, metrics=["accuracy"])
    batch = len(rows[0]) if name == "GD" else batch
    trainer.fit(rows, epochs=epochs, batch_size=batch, seed=seed, progress=False)
    return trainer


def tune(name, rows, held_out, epochs, batch):
    """Rates 0.01 * 3^k: go where the held-out loss falls, until both neighbours are worse."""
    losses, k = {}, 1
    while not {k - 1, k, k + 1} <= losses.keys():
        for near in {k - 1, k, k + 1} - losses.keys():
            trainer = fit(name, 0.01 * 3.0**near, 0, rows, epochs, batch)
            losses[near] = np.nan_to_num(trainer.evaluate(held_out)["loss"], nan=np.inf)
        k = min(losses, key=losses.get)
    return 0.01 * 3.0**k, losses


# What the page says of each rule: its formula, and its idea in English and Korean.
IDEAS = {
    "SGD": (
        r"w ← w - \eta g",
        "A step against the slope $g$, and nothing is remembered.",
        "기울기 $g$의 반대쪽으로 한 걸음. 아무것도 기억하지 않습니다.",
    ),
    "Momentum": (
        r"v ← \beta v + g, \quad w ← w - \eta v",
        "The walker is a ball: $v$ keeps nine tenths of its speed. What swings cancels, what stays adds up to ten times.",
        "공이 굴러가듯 속도 $v$의 10분의 9를 유지합니다. 흔들리는 성분은 상쇄되고 한결같은 성분은 열 배까지 쌓입니다.",
    ),
    "NAG": (
        r"v ← \beta v + g, \quad w ← w - \eta \, (g + \beta v)",
        "Nesterov's ball steps as if it had already rolled on once more, and so brakes before it overshoots.",
        "Nesterov의 공은 한 번 더 굴러간 셈 치고 걸음을 정하므로, 지나치기 전에 속도를 줄입니다.",
    ),
    "Adagrad": (
        r"s ← s + g^2, \quad w ← w - \eta \, g / (\sqrt{s} + \epsilon)",
        "Each weight has a rate of its own, divided by the length of all its slopes so far. It can only become smaller.",
        "가중치마다 학습률이 따로 있고, 지금까지 나온 기울기 전체의 길이로 나눕니다. 학습률은 줄어들기만 합니다.",
    ),
    "RMSProp": (
        r"s ← \alpha s + (1 - \alpha) g^2, \quad w ← w - \eta \, g / (\sqrt{s} + \epsilon)",
        "Adagrad that forgets: a running mean instead of a sum, so the rate can grow again.",
        "잊을 줄 아는 Adagrad. 합 대신 이동 평균을 쓰므로 학습률이 다시 커질 수 있습니다.",
    ),
    "Adadelta": (
        r"d = \sqrt{u + \epsilon} / \sqrt{s + \epsilon} \cdot g, \quad u ← \rho u + (1 - \rho) d^2, \quad w ← w - \eta d",
        "Forgets as well ($s$ as in RMSProp) and sets the size of a step by its own earlier steps, $u$. The paper has no rate "
        "at all, $\\eta = 1$; then the first steps are tiny.",
        "역시 잊으면서($s$는 RMSProp과 같음) 걸음의 크기를 자기가 걸어온 걸음 $u$에 맞춥니다. 논문에는 학습률이 없고"
        "($\\eta = 1$), 그때는 첫걸음이 아주 작습니다.",
    ),
    "Adam": (
        r"m ← \beta_1 m + (1 - \beta_1) g, \quad s ← \beta_2 s + (1 - \beta_2) g^2, "
        r"\quad w ← w - \eta \, \hat m / (\sqrt{\hat s} + \epsilon)",
        "Momentum and RMSProp together. $\\hat m = m / (1 - \\beta_1^t)$ and $\\hat s$ make up for the start at 0.",
        "모멘텀과 RMSProp을 합쳤습니다. $\\hat m = m / (1 - \\beta_1^t)$과 $\\hat s$는 0에서 시작한 것을 보정합니다.",
    ),
    "Nadam": (
        r"w ← w - \eta \, \tilde m / (\sqrt{\hat s} + \epsilon), \quad "
        r"\tilde m = \mu_{t+1} m / (1 - \mu_1 \cdots \mu_{t+1}) + (1 - \mu_t) g / (1 - \mu_1 \cdots \mu_t)",
        "Adam with Nesterov's look ahead; $\\mu_t$ is a $\\beta_1$ that warms up.",
        "Nesterov처럼 앞을 내다보는 Adam. $\\mu_t$는 서서히 커지는 $\\beta_1$입니다.",
    ),
    "AdamW": (
        r"w ← w - \eta \lambda w, \quad \mathrm{then\ Adam}",
        "Weight decay apart from the slope, so that Adam's division does not touch it.",
        "가중치 감쇠를 기울기와 떼어 놓아, Adam의 나눗셈이 감쇠에는 미치지 않게 합니다.",
    ),
}  # fmt: skip


def run(lab: Lab) -> None:
    lab.section("The family tree", "계보")
    lab.text(
        en="""**Gradient descent** (GD) looks at all rows for one step. **SGD** looks at a few and takes many steps. From there
        the family has two branches: one asks **which way** to go and remembers where it came from, the other asks **how
        far** and gives each weight a rate of its own. Adam and its children belong to both.""",
        ko="""**경사 하강법**(GD)은 모든 행을 보고 한 걸음을 내딛고, **SGD**는 조금씩 보고 여러 걸음을 걷습니다. 거기서 집안이
        둘로 갈라집니다. 한쪽은 **어느 방향으로** 갈지를 물으며 지나온 길을 기억하고, 다른 쪽은 **얼마나** 갈지를 물으며
        가중치마다 학습률을 따로 둡니다. Adam과 그 후손은 양쪽을 다 물려받았습니다.""",
    )
    lab.figure(
        family_tree, en="Ten optimizers, with the years in which they were published.", ko="옵티마이저 열 가지와 발표된 해.",
    )  # fmt: skip

    lab.section("The rules", "갱신 규칙")
    lab.text(
        en="""Where do they walk? In a ravine, 20 times steeper across than along and turned by 45 degrees:""",
        ko="""무대는 옆 방향이 20배 가파르고 45도 기울어진 협곡입니다.""",
    )
    lab.code(ravine, turned, walk)
    lab.text(
        en="""Each rule takes the weights `w`, their slope `g` and what it remembers, `past` (all of it begins at 0), and
        returns the new weights. Below each stand 40 steps of chainrule's optimizer. Choose one:""",
        ko="""규칙마다 가중치 `w`와 그 기울기 `g`, 기억하는 것 `past`(모두 0에서 시작)를 받아 새 가중치를 돌려줍니다. 그
        아래는 chainrule의 옵티마이저가 걸은 40걸음입니다. 하나를 골라 보세요.""",
    )
    for name, (rule, *_, lr) in RULES.items():
        with lab.option(name):
            formula, *idea = IDEAS[name]
            lab.text(*(f"{text}\n\n$${formula}$$" for text in idea))
            lab.code(rule)
            lab.figure(
                terrains, turned,
                {"": {who: walk(who, turned, [-3.3, -2.2], 40) for who in dict.fromkeys(["SGD", name])}},
                (-4.0, 1.4), (-3.2, 1.0),
                en=f"{name}, rate {lr:g}.", ko=f"{name}, 학습률 {lr:g}.",
            )  # fmt: skip
    lab.text(
        en="""Are these few lines really what chainrule does? Each takes 60 steps in NumPy and 60 in chainrule:""",
        ko="""이 몇 줄이 정말 chainrule이 하는 일과 같을까요? NumPy로 60걸음, chainrule로 60걸음을 걸어 봅니다.""",
    )
    lab.code("RULES", gradient, follow)
    start, slope, differences = [-3.3, -2.2], gradient(turned), {}
    for name, (rule, _, _, lr) in RULES.items():
        in_numpy = follow(rule, slope, start, 60, lr)
        differences[name] = abs(in_numpy - walk(name, turned, start, 60)).max()
    beyond = [walk(name, turned, start, 60).sum(axis=1).max() for name in ("Momentum", "NAG")]

    lab.table(
        [lab.say("rule", "규칙"), lab.say("largest difference", "가장 큰 차이")], list(differences.items()), digits=2,
        en="The largest difference of any coordinate on the way.", ko="가는 길에서 좌표가 가장 크게 어긋난 정도.",
    )  # fmt: skip
    lab.agrees(
        "All nine agree with chainrule to rounding", "아홉 규칙 모두 chainrule과 반올림 오차까지 일치합니다",
        list(differences.values()), [0] * 9, within=1e-12,
    )  # fmt: skip
    lab.claim(
        "NAG brakes: it rolls less far beyond the bottom than Momentum ($x + y$ at most)",
        "NAG는 속도를 줄입니다. 모멘텀보다 바닥을 덜 지나칩니다($x + y$의 최댓값)",
        measured=", ".join(f"{v:.3f}" for v in beyond), holds=beyond[1] < 0.9 * beyond[0],
    )  # fmt: skip

    lab.section("A race on three surfaces", "세 지형의 경주")
    lab.text(
        en="""A race is fair if nobody has a bad rate. As `follow` takes many rates at once, each rule runs with 34 of them,
        from 0.0001 to 32, and its best counts. The tracks: the ravine along the axes, the same ravine turned, and a bent
        valley. AdamW stays out: on a surface its decay would only move the goal.""",
        ko="""아무도 나쁜 학습률을 받지 않아야 공정한 경주입니다. `follow`는 여러 학습률을 한꺼번에 쓸 수 있으므로, 규칙마다
        0.0001부터 32까지 34가지 학습률로 달려 가장 좋은 것을 기록합니다. 코스는 축에 나란한 협곡, 그것을 돌린 협곡, 휜
        골짜기입니다. AdamW는 빠집니다. 지형에서는 가중치 감쇠가 목표만 옮겨 놓기 때문입니다.""",
    )
    lab.code(banana, arrival)
    rates = 10 ** np.arange(-4, 1.51, 1 / 6)[:, None]
    tracks = {
        lab.say("ravine", "협곡"): (ravine, [-3.9, 0.8], [0, 0]),
        lab.say("turned ravine", "돌린 협곡"): (turned, [-4.7 / 2**0.5, -3.1 / 2**0.5], [0, 0]),
        lab.say("bent valley", "휜 골짜기"): (banana, [-1.2, 1.0], [1, 1]),
    }
    racers = [name for name in RULES if name != "AdamW"]
    steps, best = {}, {}
    for track, (f, start, goal) in tracks.items():
        slope = gradient(f)
        for name in racers:
            with np.errstate(all="ignore"):  # what runs away overflows
                paths = follow(RULES[name][0], slope, start, lab.scale(1000, quick=700), rates)
                arrived = arrival(paths, goal)
            i = arrived.argmin()
            steps[track, name], best[track, name] = arrived[i], (rates[i, 0], paths[:, i])
    aligned, rotated, bent = ([steps[track, name] for name in racers] for track in tracks)

    lab.table(
        [lab.say("rule", "규칙"), *tracks],
        [[name, *(f"{steps[t, name]:.0f} ({best[t, name][0]:.2g})" for t in tracks)] for name in racers],
        en="Steps until the walker stays within 0.05 of the bottom; in brackets, the best rate.",
        ko="바닥에서 0.05 안에 머물게 될 때까지의 걸음. 괄호 안은 가장 좋은 학습률.",
    )
    lab.figure(
        terrains, banana,
        {name: {"": path[:400]} for (track, name), (_, path) in best.items() if track == list(tracks)[2]},
        (-1.9, 1.9), (-1.0, 2.4),
        en="The bent valley, each rule at its best rate; the first 400 steps.",
        ko="휜 골짜기에서 저마다 가장 좋은 학습률로 걸은 처음 400걸음.",
    )  # fmt: skip
    lab.claim(
        "To SGD, Momentum and NAG a turned ravine is the same ravine",
        "SGD, 모멘텀, NAG에게는 돌린 협곡도 같은 협곡입니다",
        measured=", ".join(f"{a:.0f} = {b:.0f}" for a, b in zip(aligned[:3], rotated[:3], strict=True)),
        holds=max(abs(a - b) for a, b in zip(aligned[:3], rotated[:3], strict=True)) <= 1,
    )
    lab.claim(
        "A rate for each weight sees only the axes: Adagrad cancels the ravine in a few steps, but needs five times as many "
        "or more when it is turned",
        "가중치마다 둔 학습률은 축 방향만 봅니다. Adagrad는 협곡을 몇 걸음 만에 지나지만, 돌려 놓으면 다섯 배 넘게 걸립니다",
        measured=f"{aligned[3]:.0f}, {rotated[3]:.0f}", holds=aligned[3] < 10 and rotated[3] > 5 * aligned[3],
    )  # fmt: skip
    lab.claim(
        "In the bent valley Momentum and Adam need less than half of SGD's steps",
        "휜 골짜기에서 모멘텀과 Adam은 SGD의 절반도 안 되는 걸음으로 도착합니다",
        measured=f"{bent[1]:.0f}, {bent[6]:.0f}, {bent[0]:.0f}", holds=max(bent[1], bent[6]) < bent[0] / 2,
    )  # fmt: skip

    lab.section("A fair race on digits", "숫자 그림에서 벌이는 공정한 경주")
    lab.text(
        en="""Now a real network, and the same few epochs for all. First everybody gets the rate 0.01. Then everybody looks for
        a rate of its own, on rows that are held out: up or down by factors of 3 until both neighbours are worse, so that
        no best rate lies at the edge of a grid. What counts is the test set, with other seeds.""",
        ko="""이제 실제 신경망이고, 모두 똑같이 몇 에폭만 달립니다. 먼저 모두에게 학습률 0.01을 줍니다. 다음에는 저마다 따로
        떼어 둔 데이터로 자기 학습률을 찾습니다. 3배씩 올리고 내려 양쪽 이웃이 모두 나빠질 때까지 찾으므로, 가장 좋은
        값이 격자의 끝에 걸리지 않습니다. 성적은 다른 시드로 학습해 시험 데이터로 매깁니다.""",
    )
    lab.code(fit, tune)
    train, test = lab.pictures()
    count, epochs, batch = lab.scale((5000, 3, 50), quick=(600, 5, 40))
    train = train.take(range(min(count, len(train))))
    x, test_x = (s.inputs.reshape(len(s), -1) for s in (train, test))
    x, test_x, cut = x / np.float32(x.max()), test_x / np.float32(x.max()), len(x) * 4 // 5
    rows, held_out = (x[:cut], train.targets[:cut]), (x[cut:], train.targets[cut:])
    scores, found, tries = {}, {}, {}
    for name in ["GD", *RULES]:
        found[name], losses = tune(name, rows, held_out, epochs, batch)
        tries[name] = len(losses)
        scores[name] = []
        for lr in (0.01, found[name]):
            accuracies = []
            for seed in range(1, lab.scale(4, quick=2)):
                trainer = fit(name, lr, seed, rows, epochs, batch)
                accuracies.append(trainer.evaluate((test_x, test.targets))["accuracy"])
            scores[name].append(np.mean(accuracies))
    same, own = np.array([scores[name] for name in RULES]).T

    lab.table(
        lab.say(
            ["optimizer", "with 0.01", "own rate", "rates tried", "with its own"],
            ["옵티마이저", "0.01로", "자기 학습률", "시험한 학습률 수", "자기 학습률로"],
        ),
        [[n, f"{100 * a:.1f} %", f"{found[n]:.2g}", tries[n], f"{100 * b:.1f} %"] for n, (a, b) in scores.items()],
        en=f"Test accuracy after {epochs} epochs, {len(rows[0])} rows, batches of {batch} (GD: all rows).",
        ko=f"{len(rows[0])}행을 {batch}개씩 {epochs}에폭 학습한 뒤의 시험 정확도(GD는 모든 행을 한 번에).",
    )
    lab.figure(
        before_and_after, scores, lab.say(("0.01 for all", "each its own rate"), ("모두 0.01", "저마다 자기 학습률")),
        xlabel=lab.say("test accuracy", "시험 정확도"),
        en="With one rate for all, the rate decides the race. With fair rates the nine come in close together.",
        ko="모두 같은 학습률이면 학습률이 승부를 가릅니다. 공정하게 고르면 아홉이 나란히 들어옵니다.",
    )  # fmt: skip
    lab.claim(
        "With 0.01 for all, best and worst of the nine are more than 30 points apart",
        "모두 0.01로 달리면 아홉 가운데 일등과 꼴찌의 차이가 30 %p를 넘습니다",
        measured=f"{100 * same.min():.1f} % … {100 * same.max():.1f} %", holds=np.ptp(same) > 0.3,
    )  # fmt: skip
    lab.claim(
        f"With rates of their own they are less than {lab.scale(10, quick=20)} points apart",
        f"저마다 자기 학습률로 달리면 차이가 {lab.scale(10, quick=20)} %p도 안 됩니다",
        measured=f"{100 * own.min():.1f} % … {100 * own.max():.1f} %",
        holds=100 * np.ptp(own) < lab.scale(10, quick=20),
    )
    lab.claim(
        "GD, one step an epoch, stays far behind whatever its rate",
        "에폭마다 한 걸음뿐인 GD는 어떤 학습률로도 한참 뒤처집니다",
        measured=f"{100 * scores['GD'][1]:.1f} %, {100 * own.min():.1f} %", holds=scores["GD"][1] < own.min() - 0.05,
    )  # fmt: skip

    lab.section("Why AdamW", "AdamW는 왜 나왔을까")
    lab.text(
        en=r"""Weight decay should pull every weight towards 0 alike, by $1 - \eta \lambda$ a step. If it is added to the slope,
        Adam divides it along with the slope by $\sqrt{s}$: a weight with noisy slopes hardly decays. 2000 weights begin at
        1 and see nothing but noise, half of them faint (0.1), half of them loud (10).""",
        ko=r"""가중치 감쇠는 모든 가중치를 한 걸음에 $1 - \eta \lambda$배씩 똑같이 0으로 당겨야 합니다. 그런데 감쇠를 기울기에
        더하면 Adam이 그것까지 $\sqrt{s}$로 나눕니다. 그래서 기울기가 시끄러운 가중치는 거의 줄지 않습니다. 가중치
        2000개가 1에서 출발해 잡음만 봅니다. 절반은 작은 잡음(0.1), 절반은 큰 잡음(10)입니다.""",
    )
    cr.manual_seed(lab.seed)
    loudness, left = cr.concatenate([cr.full((1000,), 0.1), cr.full((1000,), 10.0)]), {}
    for make in (optim.Adam, optim.AdamW):
        w = cr.ones(2000).requires_grad_()
        optimizer = make([w], lr=0.01, weight_decay=0.5)
        for _ in range(200):
            w.grad = loudness * cr.randn(2000)
            optimizer.step()
        left[make.__name__] = [w[:1000].mean().item(), w[1000:].mean().item()]
    wanted = (1 - 0.01 * 0.5) ** 200

    lab.table(
        lab.say(["", "faint noise", "loud noise"], ["", "작은 잡음", "큰 잡음"]), [[n, *pair] for n, pair in left.items()],
        decimals=3, en=f"What is left of the weights after 200 steps; wanted is {wanted:.3f}.",
        ko=f"200걸음 뒤에 남은 가중치. 원하는 값은 {wanted:.3f}입니다.",
    )  # fmt: skip
    lab.agrees(
        r"AdamW's weights decay alike, to $(1 - \eta \lambda)^{200}$ (within 0.04)",
        r"AdamW의 가중치는 똑같이 $(1 - \eta \lambda)^{200}$으로 줄어듭니다(0.04 안에서)",
        left["AdamW"], [wanted, wanted], within=0.04,
    )  # fmt: skip
    lab.claim(
        "With Adam the faint ones are nearly gone and the loud ones nearly whole",
        "Adam에서는 작은 잡음의 가중치는 거의 사라지고, 큰 잡음의 가중치는 거의 그대로입니다",
        measured=", ".join(f"{v:.3f}" for v in left["Adam"]), holds=left["Adam"][0] < 0.1 and left["Adam"][1] > 0.8,
    )  # fmt: skip
    lab.next(
        en=r"""- Give `adam` the settings $\beta_1 = 0$, or $\beta_2 = 0$. Which relatives do you find again?
        - Let the walkers of `follow` start on a saddle, `x**2 / 2 - y**2 / 2 + y**4 / 4`, very near $y = 0$. Who leaves first?
        - Run the fair race for ten times as many epochs. Do the nine move together or apart?
        - `walk` 200 steps with Nadam instead of 60: near the bottom it divides by next to nothing. What happens to the
          agreement, and why is nobody wrong?""",
        ko=r"""- `adam`에서 $\beta_1 = 0$ 또는 $\beta_2 = 0$으로 두어 보세요. 집안의 누구와 닮았나요?
        - `follow`를 안장점 `x**2 / 2 - y**2 / 2 + y**4 / 4`의 $y = 0$ 바로 곁에서 출발시켜 보세요. 누가 먼저 빠져나오나요?
        - 공정한 경주를 에폭을 열 배로 늘려 다시 해 보세요. 아홉의 차이는 줄어들까요, 벌어질까요?
        - Nadam으로 60걸음 대신 200걸음을 걸어 보세요. 바닥 가까이에서는 0에 가까운 수로 나눕니다. 두 길의 일치는 어떻게
          되고, 왜 어느 쪽도 틀린 것이 아닐까요?""",
    )
