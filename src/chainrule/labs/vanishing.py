"""Vanishing and exploding gradients: the way back through many layers

기울기 소실과 기울기 폭발: 여러 층을 거슬러 가는 길

On its way back a gradient is multiplied at every layer. By what, can a deep network learn with what is left of it, and what
helps?

기울기는 뒤로 가면서 층마다 어떤 수와 곱해집니다. 그 수는 얼마일까요? 깊은 신경망은 남은 기울기로 배울 수 있을까요? 무엇이
도움이 될까요?
"""

from __future__ import annotations

import math

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves

BENDS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}


def deep(name, inputs, depth, norm=False, gain=1.0):
    """Hidden layers of 64 units; weights from N(0, 1/n), for ReLU N(0, 2/n), times gain."""
    layers = []
    for n in [inputs] + [64] * (depth - 1):
        linear = nn.Linear(n, 64)
        nn.init.normal_(linear.weight, std=gain * math.sqrt((2 if name == "ReLU" else 1) / n))
        nn.init.zeros_(linear.bias)
        layers += [linear, *([nn.BatchNorm1d(64)] if norm else []), BENDS[name]()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def standard(examples, mean, deviation):
    """Pictures as rows of numbers with mean 0 and deviation 1, and what they show."""
    pixels = examples.inputs.reshape(len(examples), -1)
    return ((pixels - mean) / deviation).astype("float32"), examples.targets


def walk_back(network, x, targets):
    """The norm of the gradient at each hidden layer's sums, and the hidden layers' outputs."""
    h, sums, outputs = x, [], []
    for layer in network[:-1]:
        h = layer(h)
        if isinstance(layer, nn.Linear):
            sums.append(h.retain_grad())
        elif not isinstance(layer, nn.BatchNorm1d):
            outputs.append(h.numpy())
    nn.functional.cross_entropy(network[-1](h), targets).backward()
    return np.array([np.linalg.norm(s.grad.numpy()) for s in sums]), outputs


def slopes(name, y):
    """The activation's slope where its value is y."""
    return {"sigmoid": y * (1 - y), "tanh": 1 - y**2, "ReLU": 1.0 * (y > 0)}[name]


def factor(norms):
    """What one layer multiplies the gradient by: the geometric mean over the square layers."""
    return (norms[1] / norms[-1]) ** (1 / (len(norms) - 2))


def expected_factor(network, name, outputs):
    """The same from weights and slopes: sqrt(n) std(W) rms(f')."""
    square = [layer.weight.numpy() for layer in network if isinstance(layer, nn.Linear)][2:-1]
    rms = [math.sqrt((slopes(name, y) ** 2).mean()) for y in outputs[1:-1]]
    logs = [math.log(math.sqrt(64) * w.std() * r) for w, r in zip(square, rms, strict=True)]
    return math.exp(sum(logs) / len(logs))


def normalised_factor(name):
    """The same with batch norm: sqrt(E f'(z)^2 / Var f(z)) for z from N(0, 1)."""
    z = np.linspace(-8, 8, 8001)
    p = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    y = BENDS[name]()(cr.tensor(z)).numpy()
    variance = (p * y**2).sum() - (p * y).sum() ** 2
    return math.sqrt((p * slopes(name, y) ** 2).sum() / variance)


def learn(network, train, test, epochs):
    """Train; the last epoch's loss, how far each layer's weights went, the test accuracy."""
    weights = [layer.weight for layer in network if isinstance(layer, nn.Linear)]
    before = [w.detach().numpy().copy() for w in weights]
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    trainer = cr.Trainer(network, optimizer=optimizer, metrics=["accuracy"])
    history = trainer.fit(train, epochs=epochs, batch_size=50, seed=None, progress=False)
    pairs = zip(weights, before, strict=True)
    moved = [np.linalg.norm(w.numpy() - old) / np.linalg.norm(old) for w, old in pairs]
    return history["loss"][-1], moved, trainer.evaluate(test)["accuracy"]


def learn_clipped(network, train, test, steps, max_norm):
    """The loss and the gradient's norm before clipping, step by step, and the test accuracy."""
    x, targets = (cr.tensor(values) for values in train)
    optimizer = optim.SGD(network.parameters(), lr=0.1)

    @cr.compile
    def step(x, targets):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), targets)
        loss.backward()
        norm = optim.clip_grad_norm_(network.parameters(), max_norm)
        optimizer.step()
        return loss, norm

    losses, norms = [], []
    for i in range(steps):
        rows = slice(50 * i % len(x), 50 * i % len(x) + 50)
        loss, norm = step(x[rows], targets[rows])
        losses.append(loss.item())
        norms.append(norm.item())
    answers = network(cr.tensor(test[0])).numpy().argmax(axis=1)
    return losses, norms, (answers == test[1]).mean()


def run(lab: Lab) -> None:
    lab.section("Twenty layers back", "스무 층을 거슬러")
    lab.text(
        en=r"""Backpropagation reaches the sums $z$ of a layer through the layer above it: the gradient there is
        multiplied by that layer's weights and by the slopes of the activation,
        $\delta_{l} = (W_{l+1}^\top \delta_{l+1}) \odot f'(z_{l})$. Twenty layers multiply twenty times. We build a
        network of 20 hidden layers with 64 units each, weights drawn as the textbook advises, show it 200 pictures,
        and measure the norm of the gradient at each layer.""",
        ko=r"""역전파는 위층을 거쳐 어떤 층의 합 $z$에 도달합니다. 이때 기울기에는 위층의 가중치와 활성화 함수의 미분값이
        곱해집니다: $\delta_{l} = (W_{l+1}^\top \delta_{l+1}) \odot f'(z_{l})$. 스무 층이면 스무 번 곱합니다. 유닛 64개짜리
        은닉층 20개를 쌓고 교과서대로 가중치를 뽑은 다음, 그림 200장을 보여 주고 층마다 기울기의 크기(노름)를 재 봅시다.""",
    )
    lab.code("BENDS", deep, standard, walk_back)
    cr.manual_seed(lab.seed)
    train, test = lab.pictures()
    rows = lab.scale(10000, quick=1500)
    mean, deviation = train.inputs[:rows].mean(), train.inputs[:rows].std()
    train, test = (standard(part, mean, deviation) for part in (train.take(range(rows)), test))
    x, targets = cr.tensor(train[0][:200]), cr.tensor(train[1][:200])

    depth = 20
    networks, norms, outputs = {}, {}, {}
    for name in BENDS:
        networks[name] = deep(name, x.shape[1], depth)
        norms[name], outputs[name] = walk_back(networks[name], x, targets)

    layers = range(1, depth + 1)
    lab.figure(
        curves, {"": {name: (layers, values) for name, values in norms.items()}}, logs="y", marks=True,
        xlabel=lab.say("layer", "층"), ylabel=lab.say("norm of the gradient", "기울기의 크기"),
        en="Read it from right to left, as the gradient goes: the sigmoid network loses the same share at every layer.",
        ko="기울기가 가는 방향대로 오른쪽에서 왼쪽으로 읽어 보세요. 시그모이드 신경망은 층마다 같은 비율로 기울기를 잃습니다.",
    )  # fmt: skip
    lab.claim(
        "Behind 20 sigmoids less than a billionth of the last layer's gradient arrives at the first",
        "시그모이드 20개를 지나면 첫 층에는 마지막 층 기울기의 십억분의 1도 오지 않습니다",
        measured=f"{norms['sigmoid'][0] / norms['sigmoid'][-1]:.1e}", holds=norms["sigmoid"][0] < 1e-9 * norms["sigmoid"][-1],
    )  # fmt: skip
    lab.claim(
        "With tanh and with ReLU at least a fiftieth arrives", "tanh와 ReLU에서는 50분의 1 넘게 도착합니다",
        measured=", ".join(f"{norms[name][0] / norms[name][-1]:.2f}" for name in ("tanh", "ReLU")),
        holds=min(norms[name][0] / norms[name][-1] for name in ("tanh", "ReLU")) > 0.02,
    )  # fmt: skip

    lab.section("The factor of one layer", "한 층이 곱하는 수")
    lab.text(
        en=r"""The slope of a sigmoid is $s (1 - s)$, at most $\frac{1}{4}$, and that at one place only. So a layer
        multiplies the norm by $\frac{1}{4} \|W\|$ at most, where $\|W\|$ is the most by which the matrix stretches a
        vector. On average random weights of deviation $\sigma$ stretch a gradient by $\sqrt{n} \sigma$ and the slopes
        multiply it by their root mean square, so a layer should multiply by

        $$\sqrt{n} \, \sigma \, \sqrt{\mathrm{mean} \, f'(z)^2}$$

        With $\sigma = 1 / \sqrt{n}$ (Xavier's rule) the first two cancel: what is left is the slope. He's rule for ReLU,
        $\sigma = \sqrt{2 / n}$, makes up for the half of the units that have slope 0.""",
        ko=r"""시그모이드의 미분은 $s (1 - s)$로 최대 $\frac{1}{4}$이며, 그것도 한 점에서만 그렇습니다. 따라서 한 층을
        지나면 기울기의 크기는 아무리 커도 $\frac{1}{4} \|W\|$배입니다. $\|W\|$는 행렬이 벡터를 늘일 수 있는 최대
        배수입니다. 평균적으로는, 표준편차가 $\sigma$인 무작위 가중치가 기울기를 $\sqrt{n} \sigma$배로 만들고 활성화
        함수가 미분값의 제곱평균제곱근을 곱하므로, 한 층은 대략 다음 수를 곱합니다.

        $$\sqrt{n} \, \sigma \, \sqrt{\mathrm{mean} \, f'(z)^2}$$

        $\sigma = 1 / \sqrt{n}$(Xavier 규칙)이면 앞의 둘이 상쇄되어 활성화 함수의 미분값만 남습니다. ReLU를 위한
        He 규칙 $\sigma = \sqrt{2 / n}$은 유닛의 절반이 미분값 0이라는 점을 메워 줍니다.""",
    )
    lab.code(slopes, factor, expected_factor)
    steepest = {name: max(slopes(name, y).max() for y in outputs[name]) for name in BENDS}
    measured = {name: factor(norms[name]) for name in BENDS}
    expected = {name: expected_factor(networks[name], name, outputs[name]) for name in BENDS}
    matrices = [layer.weight.numpy() for layer in networks["sigmoid"][2:-1:2]]
    stretches = np.array([np.linalg.norm(w, 2) for w in matrices])
    factors = norms["sigmoid"][:-1] / norms["sigmoid"][1:]

    lab.table(
        lab.say(["function", "largest slope of a unit", "factor expected", "measured", "after 18 layers"],
                ["함수", "유닛의 최대 미분값", "예상 배수", "측정한 배수", "18층 뒤"]),
        [[name, f"{steepest[name]:.4f}", f"{expected[name]:.4f}", f"{measured[name]:.4f}", f"{measured[name] ** 18:.1e}"]
         for name in BENDS],
        en="What a layer multiplies the gradient by: the mean over the layers 2 to 20.",
        ko="한 층이 기울기에 곱하는 수. 2층부터 20층까지의 평균.",
    )  # fmt: skip
    lab.matches(
        "No sigmoid of the network is steeper than a quarter", "신경망의 어떤 시그모이드도 미분값이 4분의 1을 넘지 않습니다",
        steepest["sigmoid"], "0.25",
    )  # fmt: skip
    lab.claim(
        r"So no layer multiplies by more than $\frac{1}{4} \|W\|$",
        r"따라서 어떤 층도 $\frac{1}{4} \|W\|$보다 큰 수를 곱하지 않습니다",
        measured=f"{factors.max():.3f} < {stretches.min() / 4:.3f}", holds=(factors < stretches / 4).all(),
    )  # fmt: skip
    lab.claim(
        "Theory and measurement agree within a tenth for all three", "세 함수 모두 이론과 측정이 10% 안에서 일치합니다",
        measured=", ".join(f"{measured[name]:.3f} ≈ {expected[name]:.3f}" for name in BENDS),
        holds=all(abs(measured[name] / expected[name] - 1) < 0.1 for name in BENDS),
    )  # fmt: skip
    lab.text(
        en="""The way forward has the same slopes on it. What differs from picture to picture is multiplied by them, too;
        where it vanishes, the output cannot depend on the picture:""",
        ko="""앞으로 가는 길도 같은 함수를 지납니다. 그림과 그림의 차이도 층마다 같은 미분값을 곱해 가며 나아가야 합니다. 그
        차이가 사라지면 출력은 그림과 상관없어집니다.""",
    )
    spread = {name: [y.std(axis=0).mean() / abs(y).mean() for y in outputs[name]] for name in BENDS}

    lab.table(
        [lab.say("layer", "층"), *BENDS],
        [[n, *(f"{spread[name][n - 1]:.1e}" for name in BENDS)] for n in (1, 2, 3, 5, 10, 20)],
        en="How much a unit's output differs between pictures, as a share of its size.",
        ko="유닛의 출력이 그림마다 얼마나 다른가(출력 크기에 대한 비율).",
    )  # fmt: skip
    lab.claim(
        "Behind ten sigmoids all pictures look alike: what differs is no more than float32's rounding",
        "시그모이드 열 개를 지나면 모든 그림이 똑같아 보입니다. 차이는 float32의 반올림 오차뿐입니다",
        measured=f"{spread['sigmoid'][9]:.1e}", holds=spread["sigmoid"][9] < 1e-5 < 0.1 < spread["ReLU"][9],
    )  # fmt: skip

    lab.section("Does a deep network learn?", "깊은 신경망은 배울 수 있는가")
    lab.text(
        en="""The same pictures, the same stochastic gradient descent (learning rate 0.1, batches of 50): once with one
        hidden layer, once with ten.""",
        ko="""같은 그림, 같은 확률적 경사 하강법(학습률 0.1, 배치 50)으로 은닉층이 하나일 때와 열 개일 때를 학습해
        봅시다.""",
    )
    lab.code(learn)
    epochs = lab.scale(5, quick=3)
    loss, moved, accuracy = {}, {}, {}
    for name in BENDS:
        for depth in (1, 10):
            key = name, depth, False
            network = deep(name, x.shape[1], depth)
            loss[key], moved[key], accuracy[key] = learn(network, train, test, epochs)

    lab.table(
        [lab.say("function", "함수"), lab.say("1 hidden layer", "은닉층 1개"), lab.say("10 hidden layers", "은닉층 10개")],
        [[name, *(f"{100 * accuracy[name, depth, False]:.1f} %" for depth in (1, 10))] for name in BENDS],
        en=f"Test pictures told right after {epochs} epochs.", ko=f"{epochs}에폭 뒤에 맞힌 시험 그림의 비율.",
    )  # fmt: skip
    lab.claim(
        "One hidden layer of sigmoids learns, ten only guess", "시그모이드는 은닉층이 하나면 배우고, 열 개면 찍기만 합니다",
        measured=", ".join(f"{100 * accuracy['sigmoid', depth, False]:.1f} %" for depth in (1, 10)),
        holds=accuracy["sigmoid", 1, False] > 0.6 and accuracy["sigmoid", 10, False] < 0.25,
    )  # fmt: skip
    lab.claim(
        r"The loss of the ten layers stays that of guessing, $\ln 10 = 2.303$",
        r"열 층의 손실은 찍을 때의 손실 $\ln 10 = 2.303$에 머뭅니다",
        measured=f"{loss['sigmoid', 10, False]:.3f}", holds=abs(loss["sigmoid", 10, False] - math.log(10)) < 0.05,
    )  # fmt: skip
    lab.claim(
        "Ten layers of tanh or ReLU learn", "tanh나 ReLU는 열 층이어도 배웁니다",
        measured=", ".join(f"{100 * accuracy[name, 10, False]:.1f} %" for name in ("tanh", "ReLU")),
        holds=min(accuracy[name, 10, False] for name in ("tanh", "ReLU")) > lab.scale(0.75, quick=0.45),
    )  # fmt: skip
    lab.text(
        en="Where does it fail? How far did each layer's weights go from where they were, as a share of their own size?",
        ko="어디서 실패할까요? 각 층의 가중치가 처음에서 얼마나 움직였는지, 가중치 크기에 대한 비율로 비교해 봅시다.",
    )
    lab.figure(
        curves, {"": {name: (range(1, 12), moved[name, 10, False]) for name in BENDS}}, logs="y", marks=True,
        xlabel=lab.say("layer", "층"), ylabel=lab.say("share moved", "움직인 비율"),
        en="How far training moved the weights of each layer; layer 11 is the output.",
        ko="학습이 각 층의 가중치를 움직인 거리. 11층은 출력층입니다.",
    )  # fmt: skip
    lab.claim(
        "In the sigmoid network the output layer moves a thousand times as far as the first layer",
        "시그모이드 신경망에서 출력층은 첫 층의 천 배 넘게 움직입니다",
        measured=f"{moved['sigmoid', 10, False][-1]:.1e}, {moved['sigmoid', 10, False][0]:.1e}",
        holds=moved["sigmoid", 10, False][-1] > 1000 * moved["sigmoid", 10, False][0],
    )  # fmt: skip

    lab.section("With normalisation", "정규화를 넣으면")
    lab.text(
        en=r"""**Batch normalisation** between sums and activation brings every unit's sums to mean 0 and variance 1 over
        the batch. On the way back it divides by the deviation that it divided by on the way forward. So the size of
        $W$ no longer counts, and a layer multiplies by

        $$\sqrt{\frac{\mathrm{E} \, f'(z)^2}{\mathrm{Var} \, f(z)}}, \quad z \sim N(0, 1)$$

        A flat function has a small slope, but also a small variance: the two make up for each other. This root is
        never below 1 (Poincaré's inequality), so batch norm cures vanishing and errs, a little, to the other side.""",
        ko=r"""합과 활성화 함수 사이에 **배치 정규화**를 넣으면 유닛마다 합의 평균이 배치 안에서 0, 분산이 1이 됩니다. 순전파
        때 나눈 표준편차로 역전파 때도 나누므로 $W$의 크기는 더 이상 상관없고, 한 층은 다음 수를 곱합니다.

        $$\sqrt{\frac{\mathrm{E} \, f'(z)^2}{\mathrm{Var} \, f(z)}}, \quad z \sim N(0, 1)$$

        평평한 함수는 기울기가 작지만 분산도 작아서 둘이 서로 메워 줍니다. 이 값은 결코 1보다 작지 않습니다(푸앵카레
        부등식). 그래서 배치 정규화는 기울기 소실을 고치는 대신, 반대쪽으로 조금 치우칩니다.""",
    )
    lab.code(normalised_factor)
    normalised_norms, normalised = {}, {}
    for name in BENDS:
        normalised_norms[name], _ = walk_back(deep(name, x.shape[1], 20, norm=True), x, targets)
        normalised[name] = normalised_factor(name), factor(normalised_norms[name])
        key = name, 10, True
        network = deep(name, x.shape[1], 10, norm=True)
        loss[key], moved[key], accuracy[key] = learn(network, train, test, epochs)

    lab.figure(
        curves,
        {
            lab.say("without", "없을 때"): {name: (layers, values) for name, values in norms.items()},
            lab.say("with batch norm", "배치 정규화"): {name: (layers, values) for name, values in normalised_norms.items()},
        },
        logs="y", marks=True, xlabel=lab.say("layer", "층"), ylabel=lab.say("norm of the gradient", "기울기의 크기"),
        en="The gradient in 20 layers, without and with batch norm. The axes differ.",
        ko="20개 층의 기울기: 배치 정규화가 없을 때와 있을 때. 두 그림의 축은 서로 다릅니다.",
    )  # fmt: skip
    lab.table(
        lab.say(["function", "factor without", "with, expected", "with, measured", "10 layers without", "10 layers with"],
                ["함수", "없을 때의 배수", "있을 때(예상)", "있을 때(측정)", "열 층, 없을 때", "열 층, 있을 때"]),
        [[name, f"{measured[name]:.3f}", *(f"{v:.3f}" for v in normalised[name]),
          *(f"{100 * accuracy[name, 10, norm]:.1f} %" for norm in (False, True))] for name in BENDS],
        en="A layer's factor, and the test pictures told right.", ko="한 층의 배수와, 맞힌 시험 그림의 비율.",
    )  # fmt: skip
    lab.claim(
        "With batch norm, too, theory and measurement agree within a tenth", "배치 정규화에서도 이론과 10% 안에서 일치합니다",
        measured=", ".join(f"{received:.3f} ≈ {wanted:.3f}" for wanted, received in normalised.values()),
        holds=all(abs(received / wanted - 1) < 0.1 for wanted, received in normalised.values()),
    )  # fmt: skip
    lab.claim(
        "Ten layers of sigmoids, which could not learn, now do", "배우지 못하던 시그모이드 열 층도 이제 배웁니다",
        measured=f"{100 * accuracy['sigmoid', 10, False]:.1f} % → {100 * accuracy['sigmoid', 10, True]:.1f} %",
        holds=accuracy["sigmoid", 10, True] > max(0.6, accuracy["sigmoid", 10, False] + 0.4),
    )  # fmt: skip
    lab.claim(
        "With ReLU the gradient now grows by a fifth at every layer", "ReLU에서는 이제 기울기가 층마다 5분의 1씩 커집니다",
        measured=f"{normalised['ReLU'][1]:.3f}", holds=1.1 < normalised["ReLU"][1] < 1.33,
    )  # fmt: skip

    lab.section("Exploding gradients", "기울기 폭발")
    lab.text(
        en=r"""A factor above 1 is no better. Take ReLUs and weights that are 1.5 times as large as He's rule wants: every
        layer multiplies by 1.5, forward and back. Ten layers are enough for steps that throw the weights out of every
        reasonable range. **Clipping** the gradient by its norm keeps its direction and limits the length of the
        step: $g ← g \, \min(1, c / \|g\|)$.""",
        ko=r"""배수가 1보다 커도 곤란합니다. ReLU에 He 규칙보다 1.5배 큰 가중치를 주면 모든 층이 앞으로도 뒤로도 1.5배씩
        곱합니다. 열 층이면 한 걸음에 가중치가 터무니없는 곳으로 튀어 나가기에 충분합니다. 크기를 기준으로 하는
        **기울기 클리핑**은 방향은 그대로 두고 걸음의 길이만 제한합니다: $g ← g \, \min(1, c / \|g\|)$.""",
    )
    lab.code(learn_clipped)
    grown = factor(walk_back(deep("ReLU", x.shape[1], 20, gain=1.5), x, targets)[0])
    steps = lab.scale(800, quick=100)
    large, clipped, he = lab.say(
        ("1.5 times He", "1.5 times He, clipped at 1", "He"), ("He의 1.5배", "He의 1.5배, 1에서 클리핑", "He")
    )
    losses, sizes, right = {}, {}, {}
    for start, gain, max_norm in ((large, 1.5, math.inf), (clipped, 1.5, 1.0), (he, 1.0, math.inf)):
        network = deep("ReLU", x.shape[1], 10, gain=gain)
        result = learn_clipped(network, train, test, steps, max_norm)
        losses[start], sizes[start], right[start] = result
    finite = sum(map(math.isfinite, losses[large]))

    lab.figure(
        curves,
        {
            title: {start: (range(1, steps + 1), np.minimum(values, 1e4)) for start, values in measures.items()}
            for title, measures in (
                (lab.say("loss", "손실"), losses),
                (lab.say("norm of the gradient", "기울기의 크기"), sizes),
            )
        },
        logs="y", xlabel=lab.say("step", "걸음"),
        en="Norms are those before clipping. What is above 10,000 is drawn there; from NaN on there is nothing to draw.",
        ko="기울기의 크기는 클리핑 전의 값입니다. 10,000을 넘는 값은 10,000에 그렸고, NaN이 된 뒤로는 그릴 것이 없습니다.",
    )  # fmt: skip
    lab.table(
        lab.say(["weights", "first loss", "norm of the first gradient", "mean of the last 20 losses", "test accuracy"],
                ["가중치", "처음 손실", "처음 기울기의 크기", "마지막 손실 20개의 평균", "시험 정확도"]),
        [[start, f"{losses[start][0]:.3f}", f"{sizes[start][0]:.2f}",
          np.mean(losses[start][-20:]), f"{100 * right[start]:.1f} %"]
         for start in losses],
        digits=4, en=f"Ten layers of ReLUs, {steps} steps.", ko=f"ReLU 열 층, {steps}걸음.",
    )  # fmt: skip
    lab.claim(
        "Weights 1.5 times as large multiply the gradient by 1.5 a layer", "가중치가 1.5배면 기울기도 층마다 1.5배가 됩니다",
        measured=f"{grown:.3f}", holds=abs(grown / 1.5 - 1) < 0.1,
    )  # fmt: skip
    lab.claim(
        "Without clipping the loss is NaN within 20 steps", "클리핑이 없으면 20걸음 안에 손실이 NaN이 됩니다",
        measured=lab.say(f"finite for {finite} steps", f"{finite}걸음까지 유한"),
        holds=finite < 20 and math.isnan(losses[large][-1]),
    )  # fmt: skip
    lab.claim(
        "The same network with clipping learns", "같은 신경망도 클리핑을 하면 배웁니다",
        measured=f"{100 * right[clipped]:.1f} %", holds=right[clipped] > lab.scale(0.6, quick=0.35),
    )  # fmt: skip
    lab.claim(
        "With He's weights the first gradient is not a tenth as long: the better cure is the better start",
        "He의 가중치라면 처음 기울기가 10분의 1도 되지 않습니다. 더 좋은 처방은 더 좋은 시작입니다",
        measured=f"{sizes[he][0]:.2f}, {sizes[large][0]:.2f}",
        holds=10 * sizes[he][0] < sizes[large][0],
    )  # fmt: skip
    lab.text(
        en="""There are two ways to clip. By the norm, all numbers shrink by one factor. By value, each number is cut off for
        itself, which turns the direction:""",
        ko="""클리핑에는 두 가지가 있습니다. 크기로 자르면 모든 수가 같은 비율로 줄어듭니다. 값으로 자르면 수 하나하나를
        따로 자르므로 방향이 돌아갑니다.""",
    )
    clip = {}
    for name in ("none", "norm", "value"):
        w = cr.tensor([3.0, -0.5], requires_grad=True)
        (w * w / 2).sum().backward()
        if name == "norm":
            optim.clip_grad_norm_([w], 1.0)
        elif name == "value":
            optim.clip_grad_value_([w], 1.0)
        clip[name] = w.grad.numpy()
    angle = {name: math.degrees(math.atan2(g[1], g[0])) for name, g in clip.items()}

    lab.claim(
        "Clipped at 1 by its norm, the gradient (3, −0.5) has norm 1 and the direction that it had",
        "크기를 기준으로 1에서 자르면 기울기 (3, −0.5)의 크기는 1이 되고 방향은 그대로입니다",
        measured=f"({clip['norm'][0]:.4f}, {clip['norm'][1]:.4f}), {angle['norm']:.1f}°",
        holds=abs(np.linalg.norm(clip["norm"]) - 1) < 1e-4 and abs(angle["norm"] - angle["none"]) < 0.01,
    )  # fmt: skip
    lab.claim(
        "Clipped by value, it has turned by more than 10°", "값을 기준으로 자르면 방향이 10° 넘게 돌아갑니다",
        measured=f"({clip['value'][0]:.4f}, {clip['value'][1]:.4f}), {angle['value']:.1f}°",
        holds=abs(angle["value"] - angle["none"]) > 10,
    )  # fmt: skip
    lab.next(
        en="""- Give the sigmoid network weights that are four times as large, `gain=4`. The slopes are still at most a
          quarter: what is the factor of a layer now, and why not 1?
        - Train the ten layers of sigmoids with `optim.Adam`, which divides each gradient by its own size. Does it
          make up for what has vanished?
        - Add each hidden layer's input to its output (`x = x + layer(x)`, a residual connection). What becomes of the
          factor?""",
        ko="""- 시그모이드 신경망의 가중치를 네 배로 해 보세요(`gain=4`). 미분값은 여전히 최대 4분의 1입니다. 이제 한 층의
          배수는 얼마이고, 왜 1이 아닐까요?
        - 시그모이드 열 층을 `optim.Adam`으로 학습해 보세요. Adam은 기울기를 그 크기로 나눕니다. 사라진 기울기를 되살릴 수
          있을까요?
        - 은닉층마다 입력을 출력에 더해 보세요(`x = x + layer(x)`, 잔차 연결). 배수는 어떻게 될까요?""",
    )
