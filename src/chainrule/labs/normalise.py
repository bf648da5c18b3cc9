"""Batch norm and layer norm: the same size for every signal

배치 정규화와 층 정규화: 모든 신호를 같은 크기로

Two layers do nothing but subtract a mean and divide by a deviation. What exactly do they compute, forward and back, and how
do initial weights, batch size, length of a sequence and the end of training matter to each?

평균을 빼고 표준편차로 나누기만 하는 층이 두 가지 있습니다. 순전파와 역전파에서 정확히 무엇을 계산할까요? 초기 가중치, 배치
크기, 시퀀스 길이, 그리고 학습의 끝은 각각에 어떤 영향을 줄까요?
"""

from __future__ import annotations

import math

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves


def standard(examples, mean, deviation):
    """Pictures as rows of numbers with mean 0 and deviation 1, and what they show."""
    pixels = examples.inputs.reshape(len(examples), -1)
    return ((pixels - mean) / deviation).astype("float32"), examples.targets


def network(inputs, norm, scale=1.0, depth=3):
    """Hidden layers of 64 ReLUs; weights from N(0, 2/n) times scale; a norm before each ReLU."""
    layers = []
    for n in [inputs] + [64] * (depth - 1):
        linear = nn.Linear(n, 64)
        nn.init.normal_(linear.weight, std=scale * math.sqrt(2 / n))
        nn.init.zeros_(linear.bias)
        layers += [linear, norm(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def learn(model, train, test, epochs, batch_size=50):
    """The test accuracy after stochastic gradient descent."""
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = cr.Trainer(model, optimizer=optimizer)
    trainer.fit(train, epochs=epochs, batch_size=batch_size, seed=None, progress=False)
    return (trainer.predict(test[0]).argmax(axis=1) == test[1]).mean()


def right(model, x, targets, rows):
    """The share of pictures told right, when so many rows go through the model together."""
    with cr.no_grad():
        parts = [model(cr.tensor(x[i : i + rows])).numpy() for i in range(0, len(x), rows)]
    return (np.concatenate(parts).argmax(axis=1) == targets).mean()


def padded(sequences, length):
    """Sequences (time, features) as one array (n, length, features), zeros behind their ends."""
    array = np.zeros((len(sequences), length, sequences[0].shape[1]), np.float32)
    for i, sequence in enumerate(sequences):
        array[i, : len(sequence)] = sequence
    return cr.tensor(array)


def run(lab: Lab) -> None:
    lab.section("The box, step by step", "알고리즘 상자, 한 줄씩")
    lab.text(
        en=r"""The slide's box has four lines. For each feature, over the $m$ rows of a mini-batch:

        - the mean $\mu = \frac{1}{m} \sum_i x_i$
        - the variance $\sigma^2 = \frac{1}{m} \sum_i (x_i - \mu)^2$
        - normalise: $\hat x_i = (x_i - \mu) / \sqrt{\sigma^2 + \epsilon}$
        - scale and shift: $y_i = \gamma \hat x_i + \beta$

        $\epsilon$ keeps the root from being 0; $\gamma$ and $\beta$ are learned, one of each for a feature. Four rows of
        two features, of which the second is about fifty times as large:""",
        ko=r"""슬라이드의 상자는 네 줄입니다. 특성마다, 미니배치의 행 $m$개에 대해 다음을 계산합니다.

        - 평균 $\mu = \frac{1}{m} \sum_i x_i$
        - 분산 $\sigma^2 = \frac{1}{m} \sum_i (x_i - \mu)^2$
        - 정규화: $\hat x_i = (x_i - \mu) / \sqrt{\sigma^2 + \epsilon}$
        - 스케일과 이동: $y_i = \gamma \hat x_i + \beta$

        $\epsilon$은 제곱근이 0이 되지 않게 하고, $\gamma$와 $\beta$는 특성마다 하나씩 학습합니다. 특성이 둘인 행 네 개로 해
        봅시다. 둘째 특성은 첫째보다 쉰 배쯤 큽니다.""",
    )
    x = cr.tensor([[1, 100], [3, 300], [5, 200], [7, 400]], dtype=cr.float64, requires_grad=True)
    gamma = cr.tensor([2.0, 0.5], dtype=cr.float64, requires_grad=True)
    beta = cr.tensor([1.0, -1.0], dtype=cr.float64, requires_grad=True)
    eps = 1e-5

    mean = x.mean(axis=0)
    centred = x - mean
    variance = (centred**2).mean(axis=0)
    normalised = centred / cr.sqrt(variance + eps)
    y = gamma * normalised + beta

    lab.table(
        ["", "$x_1$", "$x_2$", r"$\hat x_1$", r"$\hat x_2$", "$y_1$", "$y_2$"],
        [[str(i + 1), *row] for i, row in enumerate(cr.concatenate([x, normalised, y], axis=1).tolist())],
        decimals=4, en=r"$\gamma$ = (2, 0.5), $\beta$ = (1, −1).", ko=r"$\gamma$ = (2, 0.5), $\beta$ = (1, −1)일 때.",
    )  # fmt: skip
    lab.claim(
        "The means are 4 and 250, the variances 5 and 12,500", "평균은 4와 250, 분산은 5와 12,500입니다",
        measured=[*mean.tolist(), *variance.tolist()],
        holds=mean.tolist() == [4, 250] and variance.tolist() == [5, 12500],
    )  # fmt: skip
    layer = nn.BatchNorm1d(2, eps=eps, dtype=cr.float64)
    layer.weight.data, layer.bias.data = gamma.detach(), beta.detach()
    same = layer(x.detach())

    lab.agrees(
        "`nn.BatchNorm1d` gives the same as the four lines", "`nn.BatchNorm1d`의 출력은 네 줄의 결과와 같습니다",
        same, y, within=1e-12,
    )  # fmt: skip
    lab.agrees(
        "Normalised, both features have mean 0 and variance 1", "정규화하면 두 특성 모두 평균 0, 분산 1이 됩니다",
        cr.stack([normalised.mean(axis=0), (normalised**2).mean(axis=0)]), [[0, 0], [1, 1]], within=1e-5,
    )  # fmt: skip
    layer.weight.data, layer.bias.data = cr.sqrt(variance + eps).detach(), mean.detach()
    restored = layer(x.detach())

    lab.agrees(
        r"Nothing is lost: with $\gamma = \sqrt{\sigma^2 + \epsilon}$ and $\beta = \mu$ the layer gives $x$ back",
        r"잃는 것은 없습니다. $\gamma = \sqrt{\sigma^2 + \epsilon}$, $\beta = \mu$이면 $x$가 그대로 나옵니다",
        restored, x, within=1e-9,
    )  # fmt: skip

    lab.section("Back through the box", "상자를 거슬러")
    lab.text(
        en=r"""Every $x_i$ reaches $y$ on three ways: by itself, through the mean, and through the variance. Added up, with
        $g = \partial L / \partial y$ and bars for means over the batch:

        $$\frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}
        (g_i - \bar g - \hat x_i \, \mathrm{mean}(g \hat x))$$

        The gradient loses two parts: what would move all rows together, and what would stretch them. The next layer
        cannot see either.""",
        ko=r"""$x_i$는 세 길로 $y$에 닿습니다. 직접, 평균을 거쳐서, 그리고 분산을 거쳐서입니다.
        $g = \partial L / \partial y$라 하고 배치에 대한 평균을 막대로 쓰면 셋의 합은 다음과 같습니다.

        $$\frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}
        (g_i - \bar g - \hat x_i \, \mathrm{mean}(g \hat x))$$

        기울기에서 두 성분이 빠집니다. 모든 행을 함께 옮기는 성분과 함께 늘이는 성분입니다. 다음 층은 둘 다 볼 수 없기
        때문입니다.""",
    )
    g = cr.tensor([[1.0, 0.5], [-2.0, 1.0], [0.5, 3.0], [1.5, -1.0]], dtype=cr.float64)
    lab.figure(
        cr.show.graph, y, gradient=g,
        names={"x": x, "γ": gamma, "β": beta, "μ": mean, "σ²": variance, "x̂": normalised, "y": y},
        en="The box as a computational graph: values above, gradients below. From x three ways lead to y.",
        ko="계산 그래프로 그린 상자. 위는 값, 아래는 기울기입니다. x에서 y로 가는 길이 셋입니다.",
    )  # fmt: skip
    (y * g).sum().backward()
    hat, root = normalised.detach(), cr.sqrt(variance.detach() + eps)
    by_hand = gamma.detach() / root * (g - g.mean(axis=0) - hat * (g * hat).mean(axis=0))

    lab.agrees(
        "`backward` finds this formula", "`backward`의 기울기는 이 공식과 같습니다", x.grad, by_hand, within=1e-12
    )
    lab.agrees(
        r"The gradients of $\gamma$ and $\beta$ are $\sum g \hat x$ and $\sum g$",
        r"$\gamma$와 $\beta$의 기울기는 $\sum g \hat x$와 $\sum g$입니다",
        cr.stack([gamma.grad, beta.grad]), cr.stack([(g * hat).sum(axis=0), g.sum(axis=0)]), within=1e-12,
    )  # fmt: skip
    lab.agrees(
        r"Each feature's gradient adds up to 0, and so does the gradient times $\hat x$, but for $\epsilon$",
        r"특성마다 기울기의 합이 0이고, 기울기에 $\hat x$를 곱한 합도 $\epsilon$의 영향을 빼면 0입니다",
        cr.stack([x.grad.sum(axis=0), (x.grad * hat).sum(axis=0)]), np.zeros((2, 2)), within=1e-4,
    )  # fmt: skip

    lab.section("Whose mean?", "누구의 평균인가")
    lab.text(
        en="""**Batch norm** takes mean and variance of each *feature* over the rows of the batch. **Layer norm** takes those
        of each *row* over its features, and needs no other row. So under batch norm the rows of a batch look at each
        other. We change one row and see whose output changes.""",
        ko="""**배치 정규화**는 배치의 행들에 대해 *특성*마다 평균과 분산을 구합니다. **층 정규화**는 *행*마다 자기 특성들의
        평균과 분산을 구하므로 다른 행이 필요 없습니다. 그래서 배치 정규화에서는 한 배치의 행들이 서로를 봅니다. 행 하나를 바꾸고
        누구의 출력이 바뀌는지 봅시다.""",
    )
    none, batch, per_row = lab.say(("none", "batch norm", "layer norm"), ("없음", "배치 정규화", "층 정규화"))
    norms = {none: nn.Identity, batch: nn.BatchNorm1d, per_row: nn.LayerNorm}
    cr.manual_seed(lab.seed)
    rows = 3 + 2 * cr.randn(100, 64)
    other = cr.concatenate([10 * rows[:1], rows[1:]])
    outputs, changed = {}, {}
    for name in (batch, per_row):
        outputs[name] = norms[name](64)(rows).numpy()
        changed[name] = abs(norms[name](64)(other).numpy() - outputs[name])[1:].max(axis=1)

    lab.table(
        lab.say(["", "largest mean of a feature", "of a row", "other rows change by", "to"],
                ["", "특성의 최대 평균", "행의 최대 평균", "다른 행의 변화(최소)", "(최대)"]),
        [[name, *(f"{abs(outputs[name].mean(axis=axis)).max():.4f}" for axis in (0, 1)),
          *(f"{v:.4f}" for v in (changed[name].min(), changed[name].max()))] for name in outputs],
        en="100 rows of 64 features with mean 3 and deviation 2.", ko="평균 3, 표준편차 2인 특성 64개로 된 100행.",
    )  # fmt: skip
    lab.claim(
        "Batch norm makes the features' means 0, layer norm those of the rows",
        "배치 정규화는 특성의 평균을, 층 정규화는 행의 평균을 0으로 만듭니다",
        measured=f"{abs(outputs[batch].mean(axis=0)).max():.1e}, {abs(outputs[per_row].mean(axis=1)).max():.1e}",
        holds=abs(outputs[batch].mean(axis=0)).max() < 1e-5 > abs(outputs[per_row].mean(axis=1)).max()
        and abs(outputs[batch].mean(axis=1)).max() > 0.1 < abs(outputs[per_row].mean(axis=0)).max(),
    )
    lab.claim(
        "Ten times a row changes all other rows under batch norm, and none under layer norm",
        "한 행을 열 배로 하면 배치 정규화에서는 다른 행이 모두 바뀌고, 층 정규화에서는 하나도 바뀌지 않습니다",
        measured=f"≥ {changed[batch].min():.2f}, ≤ {changed[per_row].max():.2f}",
        holds=changed[batch].min() > 0.1 and changed[per_row].max() < 1e-6,
    )  # fmt: skip

    lab.section("Initial scale", "초기 가중치의 크기")
    lab.text(
        en=r"""Behind a norm the size of the weights does not count: $a W$ gives the same outputs as $W$. So a bad start
        should do less harm. We train three hidden layers on pictures, from weights $a$ times as large as He's.""",
        ko=r"""정규화 층이 뒤에 있으면 가중치의 크기는 상관없습니다. $a W$의 출력은 $W$의 출력과 같습니다. 그렇다면 시작이 나빠도
        덜 해로울 것입니다. He 규칙의 $a$배인 가중치에서 시작해 은닉층 세 개를 그림으로 학습해 봅시다.""",
    )
    lab.code(standard, network, learn)
    weight = cr.randn(64, 64, dtype=cr.float64)
    direction = cr.randn(100, 64, dtype=cr.float64)
    pairs = []
    for a in (1, 100):
        w = cr.tensor(a * weight.numpy(), requires_grad=True)
        out = nn.BatchNorm1d(64, dtype=cr.float64)(rows.double() @ w.T)
        (out * direction).sum().backward()
        pairs.append((out.numpy(), w.grad.numpy()))
    (out, gradient), (out_100, gradient_100) = pairs

    lab.agrees(
        "A hundred times the weights: the same outputs", "가중치를 100배로 해도 출력은 같습니다", out_100, out, within=1e-4
    )  # fmt: skip
    lab.agrees(
        "But a hundredth of the gradient, for weights a hundred times as long",
        "그러나 기울기는 100분의 1입니다. 가중치는 100배나 긴데 말입니다", 100 * gradient_100, gradient, within=1e-4,
    )  # fmt: skip
    lab.text(
        en="So a step moves the weights by a share $1/a^2$ times as large: small ones in leaps, large ones at a crawl.",
        ko="그래서 한 걸음이 가중치를 움직이는 비율은 $1/a^2$배가 됩니다. 작은 가중치는 크게 뛰고 큰 가중치는 거의 제자리입니다.",
    )
    train, test = lab.pictures()
    count = lab.scale(10000, quick=1500)
    average, deviation = train.inputs[:count].mean(), train.inputs[:count].std()
    train, test = (standard(part, average, deviation) for part in (train.take(range(count)), test))
    pixels = train[0].shape[1]
    scales = lab.scale((0.01, 0.1, 1, 10, 100), quick=(0.01, 1, 100))
    epochs = lab.scale(5, quick=3)
    accuracy = {}
    for name, norm in norms.items():
        for a in scales:
            accuracy[name, a] = learn(network(pixels, norm, a), train, test, epochs)

    lab.table(
        ["$a$", *norms], [[f"{a:g}", *(f"{100 * accuracy[name, a]:.1f} %" for name in norms)] for a in scales],
        en=f"Test accuracy after {epochs} epochs.", ko=f"{epochs}에폭 뒤의 시험 정확도.",
    )  # fmt: skip
    lab.figure(
        curves, {"": {name: (scales, [accuracy[name, a] for a in scales]) for name in norms}}, logs="x", marks=True,
        xlabel="a", ylabel=lab.say("test accuracy", "시험 정확도"),
        en="What the start is worth, with and without a norm.", ko="정규화가 있을 때와 없을 때, 시작에 따른 결과.",
    )  # fmt: skip
    lab.claim(
        "Without a norm a hundredth or a hundred times He's weights are fatal",
        "정규화가 없으면 He 가중치의 100분의 1도, 100배도 치명적입니다",
        measured=", ".join(f"{100 * accuracy[none, a]:.1f} %" for a in (0.01, 1, 100)),
        holds=max(accuracy[none, 0.01], accuracy[none, 100]) < 0.3 and accuracy[none, 1] > 0.6,
    )  # fmt: skip
    lab.claim(
        "With batch norm every one of these starts learns", "배치 정규화를 넣으면 모든 시작에서 배웁니다",
        measured=", ".join(f"{100 * accuracy[batch, a]:.1f} %" for a in scales),
        holds=min(accuracy[batch, a] for a in scales) > 0.5,
    )  # fmt: skip
    lab.claim(
        "With layer norm 1 and 100 learn", "층 정규화를 넣으면 1과 100에서 배웁니다",
        measured=", ".join(f"{100 * accuracy[per_row, a]:.1f} %" for a in (1, 100)),
        holds=min(accuracy[per_row, a] for a in (1, 100)) > 0.5,
    )  # fmt: skip
    lab.claim(
        "From 100 both are slower than from 1", "둘 다 100에서는 1에서보다 느립니다",
        measured=", ".join(f"{100 * accuracy[name, 1]:.1f} > {100 * accuracy[name, 100]:.1f} %" for name in (batch, per_row)),
        holds=all(accuracy[name, 1] > accuracy[name, 100] + 0.02 for name in (batch, per_row)),
    )  # fmt: skip

    lab.section("Batch size", "배치 크기")
    lab.text(
        en=r"""Batch norm guesses each feature's mean from $m$ rows, and the guess is off by $\sigma / \sqrt{m}$. With two rows
        even less is left: one of them becomes 1, the other −1, whatever they were. With one row there is nothing to
        compare with. Layer norm does not care.""",
        ko=r"""배치 정규화는 특성의 평균을 행 $m$개로 추정하므로 $\sigma / \sqrt{m}$만큼 빗나갑니다. 행이 둘이면 남는 것이 더
        적습니다. 원래 값이 무엇이든 하나는 1, 다른 하나는 −1이 됩니다. 행이 하나면 비교할 대상조차 없습니다. 층 정규화는
        상관없습니다.""",
    )
    pair = nn.BatchNorm1d(64)(rows[:2]).numpy()
    single = nn.LayerNorm(64)(rows[:1])
    try:
        refused = str(nn.BatchNorm1d(64)(rows[:1]))
    except cr.ShapeError as error:
        refused = type(error).__name__
    batch_sizes = lab.scale((2, 4, 8, 32), quick=(2, 32))
    few = lab.scale(3000, quick=500)
    part, by_size = (train[0][:few], train[1][:few]), {}
    for name in (batch, per_row):
        for m in batch_sizes:
            model = network(pixels, norms[name], depth=2)
            by_size[name, m] = learn(model, part, test, epochs=3, batch_size=m)

    lab.table(
        [lab.say("rows in a batch", "배치의 행"), batch, per_row],
        [[m, *(f"{100 * by_size[name, m]:.1f} %" for name in (batch, per_row))] for m in batch_sizes],
        en=f"Test accuracy after 3 epochs of {few} pictures.", ko=f"그림 {few}장으로 3에폭 학습한 뒤의 시험 정확도.",
    )  # fmt: skip
    lab.claim(
        "Of two rows batch norm leaves little but signs: half of all outputs are within a thousandth of ±1",
        "행이 둘이면 부호 말고는 남는 것이 거의 없습니다. 출력의 절반 이상이 ±1에서 천분의 1도 벗어나지 않습니다",
        measured=f"{np.median(abs(pair)):.4f}", holds=abs(np.median(abs(pair)) - 1) < 1e-3,
    )  # fmt: skip
    lab.claim(
        "One row alone is refused by batch norm in training, and fine for layer norm",
        "행 하나는 학습 중의 배치 정규화에서는 오류이고, 층 정규화에서는 문제없습니다",
        measured=refused, holds=refused == "ShapeError" and np.isfinite(single.numpy()).all(),
    )  # fmt: skip
    lab.claim(
        "In batches of two layer norm learns much more than batch norm", "배치가 둘이면 층 정규화가 훨씬 많이 배웁니다",
        measured=", ".join(f"{100 * by_size[name, 2]:.1f} %" for name in (batch, per_row)),
        holds=by_size[per_row, 2] > by_size[batch, 2] + 0.1,
    )  # fmt: skip
    lab.claim(
        "In batches of 32 it is not behind by more than ten points", "배치가 32면 10%p 넘게 뒤지지 않습니다",
        measured=", ".join(f"{100 * by_size[name, 32]:.1f} %" for name in (batch, per_row)),
        holds=by_size[batch, 32] > by_size[per_row, 32] - 0.1,
    )  # fmt: skip

    lab.section("Length of a sequence", "시퀀스의 길이")
    lab.text(
        en="""Sentences and sounds have different lengths. To go through the network together, the short ones are filled up
        with zeros. Batch norm counts those zeros among its numbers, so what it makes of a sentence depends on the longest
        other sentence. That is why networks for sequences use layer norm: each place is normalised by its own features.""",
        ko="""문장과 소리는 길이가 제각각입니다. 함께 신경망에 넣으려면 짧은 것의 뒤를 0으로 채웁니다. 배치 정규화는 이 0까지
        세므로 한 문장의 출력이 배치에서 가장 긴 다른 문장에 따라 달라집니다. 그래서 시퀀스를 다루는 신경망은 자리마다 자기
        특성만으로 정규화하는 층 정규화를 씁니다.""",
    )
    lab.code(padded)
    sequences = [3 + cr.randn(length, 8).numpy() for length in (10, 5, 6, 7, 8, 9, 10, 10)]
    lengths, first = (10, 15, 20, 30, 50, 100), {batch: [], per_row: []}
    for length in lengths:
        array = padded(sequences, length)
        by_batch = nn.BatchNorm1d(8)(array.transpose(1, 2)).transpose(1, 2)
        first[batch].append(by_batch[0, :10].numpy())
        first[per_row].append(nn.LayerNorm(8)(array)[0, :10].numpy())
    moved = {name: [abs(out - outs[0]).max() for out in outs] for name, outs in first.items()}
    zeros = [1 - sum(map(len, sequences)) / (len(sequences) * length) for length in lengths]

    lab.table(
        [lab.say("padded to", "채운 길이"), lab.say("zeros", "0의 비율"), *moved],
        [[length, f"{100 * share:.0f} %", *(f"{moved[name][i]:.4f}" for name in moved)]
         for i, (length, share) in enumerate(zip(lengths, zeros, strict=True))],
        en="By how much the outputs of one sequence of ten places change when the batch is padded further.",
        ko="배치를 더 길게 채울 때, 길이 10인 한 시퀀스의 출력이 달라지는 정도.",
    )  # fmt: skip
    lab.claim(
        "Under batch norm longer company changes a sequence's outputs by more than a deviation",
        "배치 정규화에서는 함께 있는 시퀀스가 길어지면 출력이 표준편차 넘게 달라집니다",
        measured=f"{moved[batch][-1]:.2f}", holds=moved[batch][-1] > 1 and (np.diff(moved[batch]) > 0).all(),
    )  # fmt: skip
    lab.claim(
        "Under layer norm it changes nothing", "층 정규화에서는 아무것도 달라지지 않습니다",
        measured=max(moved[per_row]), holds=max(moved[per_row]) < 1e-6,
    )  # fmt: skip

    lab.section("Training and prediction", "학습할 때와 예측할 때")
    lab.text(
        en=r"""A prediction must not depend on who else is asked about. So batch norm keeps **running statistics** while it
        trains, $r ← (1 - \alpha) r + \alpha \mu$ with $\alpha = 0.1$, and `model.eval()` switches to them. Starting at
        0, after $k$ batches of mean $\mu$ they have come to $(1 - 0.9^k) \mu$. Their variance is divided by $m - 1$, the
        batch's own by $m$.""",
        ko=r"""예측은 함께 물어본 다른 입력에 좌우되면 안 됩니다. 그래서 배치 정규화는 학습하는 동안 **이동 통계**를 모으고
        ($r ← (1 - \alpha) r + \alpha \mu$, $\alpha = 0.1$) `model.eval()`이 그것을 쓰도록 바꿉니다. 0에서 시작하므로 평균이
        $\mu$인 배치를 $k$번 지나면 $(1 - 0.9^k) \mu$가 됩니다. 이동 분산은 $m - 1$로, 배치의 분산은 $m$으로 나눕니다.""",
    )
    layer = nn.BatchNorm1d(64)
    share = []
    for _ in range(30):
        layer(rows)
        share.append((layer.running_mean / rows.mean(axis=0)).mean().item())
    once = nn.BatchNorm1d(64, momentum=1.0)
    once(rows)

    lab.agrees(
        "The running means follow $(1 - 0.9^k) \\mu$", "이동 평균은 $(1 - 0.9^k) \\mu$를 따릅니다",
        share, [1 - 0.9**k for k in range(1, 31)], within=1e-5,
    )  # fmt: skip
    lab.agrees(
        "The running variance is the batch's, times $m / (m - 1)$", "이동 분산은 배치 분산의 $m / (m - 1)$배입니다",
        once.running_var, rows.numpy().var(axis=0) * 100 / 99, within=1e-4,
    )  # fmt: skip
    lab.text(
        en="""What if `model.eval()` is forgotten? We train once more, and then let the test pictures go through the model
        twenty at a time, in different company.""",
        ko="""`model.eval()`을 잊으면 어떻게 될까요? 다시 한번 학습한 다음, 시험 그림을 스무 장씩 서로 다른 이웃과 함께
        넣어 봅시다.""",
    )
    lab.code(right)
    model = network(pixels, nn.BatchNorm1d, depth=2)
    learn(model, train, test, epochs)
    x_test, targets = test[0][:1000], test[1][:1000]
    order = np.argsort(targets, kind="stable")
    shares = {}
    for mode in ("eval", "train"):
        model.train(mode == "train")
        shares[mode, "mixed"] = right(model, x_test, targets, 20)
        shares[mode, "sorted"] = right(model, x_test[order], targets[order], 20)
    model.eval()
    alone, together = model(cr.tensor(x_test[:1])), model(cr.tensor(x_test))[:1]
    apart = cr.abs(alone - together).max().item()

    lab.table(
        lab.say(["twenty pictures at a time", "with `model.eval()`", "forgotten"], ["스무 장씩", "`model.eval()`", "잊었을 때"]),
        [[name, *(f"{100 * shares[mode, company]:.1f} %" for mode in ("eval", "train"))] for company, name in zip(
            ("mixed", "sorted"), lab.say(("of all digits", "of one digit"), ("여러 숫자 섞어서", "같은 숫자끼리")), strict=True)],
        en="Test pictures told right.", ko="맞힌 시험 그림의 비율.",
    )  # fmt: skip
    lab.claim(
        "In evaluation the company does not matter", "평가 모드에서는 누구와 함께 있든 상관없습니다",
        measured=f"{apart:.1e}", holds=apart < 1e-3 and abs(shares["eval", "mixed"] - shares["eval", "sorted"]) < 0.01,
    )  # fmt: skip
    lab.claim(
        "Forgotten, it does: among pictures of the same digit most are told wrong",
        "잊으면 상관있습니다. 같은 숫자끼리 있으면 대부분 틀립니다",
        measured=f"{100 * shares['eval', 'sorted']:.1f} % → {100 * shares['train', 'sorted']:.1f} %",
        holds=shares["train", "sorted"] < 0.5 < shares["eval", "sorted"] - 0.2,
    )  # fmt: skip
    lab.claim(
        "Among mixed pictures the mistake hides: the accuracy falls by less than 15 points",
        "섞여 있으면 실수가 숨습니다. 정확도가 15%p도 떨어지지 않습니다",
        measured=f"{100 * shares['eval', 'mixed']:.1f} % → {100 * shares['train', 'mixed']:.1f} %",
        holds=shares["train", "mixed"] > shares["eval", "mixed"] - 0.15,
    )  # fmt: skip
    lab.next(
        en="""- Set `bias=False` in the linear layers before batch norm. Why does nothing change?
        - Train with `nn.BatchNorm1d(64, momentum=0.01)` for ten steps, and compare `model.eval()` with the batch's own
          statistics. How long do the running ones lag behind?
        - Put the norm behind the ReLU instead of before it. Which learns better here?
        - Normalise each picture by its own mean and deviation before training. How much of layer norm's work is done?""",
        ko="""- 배치 정규화 앞의 선형 층에 `bias=False`를 주어 보세요. 왜 아무것도 달라지지 않을까요?
        - `nn.BatchNorm1d(64, momentum=0.01)`로 열 걸음만 학습하고, `model.eval()`과 배치 자체의 통계를 비교해 보세요. 이동
          통계는 얼마나 뒤처질까요?
        - 정규화를 ReLU 앞이 아니라 뒤에 두어 보세요. 여기서는 어느 쪽이 더 잘 배울까요?
        - 학습 전에 그림마다 자기 평균과 표준편차로 정규화해 보세요. 층 정규화가 하던 일이 얼마나 미리 될까요?""",
    )
