"""Weight initialisation: where learning begins

가중치 초기화: 학습이 시작되는 자리

Before the first step somebody must choose the weights. What happens if they are all zero, too small or too large, what do
the rules of Xavier and He keep the same, and which start learns?

첫 걸음을 떼기 전에 가중치를 정해야 합니다. 모두 0이거나, 너무 작거나, 너무 크면 어떻게 될까요? Xavier와 He의 규칙은 무엇을
일정하게 유지할까요? 어디서 시작해야 배울 수 있을까요?
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves

BENDS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}

# The ways to fill a weight matrix, by the standard deviation or by the name of the rule.
STARTS = {
    "0": nn.init.zeros_,
    "0.01": lambda w: nn.init.normal_(w, std=0.01),
    "1": lambda w: nn.init.normal_(w, std=1.0),
    "Xavier": nn.init.xavier_normal_,
    "He": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
}


def standard(examples, mean, deviation):
    """Pictures as rows of numbers with mean 0 and deviation 1, and what they show."""
    pixels = examples.inputs.reshape(len(examples), -1)
    return ((pixels - mean) / deviation).astype("float32"), examples.targets


def network(name, start, sizes, dtype=cr.float32):
    """Layers of these sizes with weights by start; an activation after all but the last."""
    layers = []
    for n, m in pairwise(sizes):
        linear = nn.Linear(n, m, dtype=dtype)
        start(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, BENDS[name]()]
    return nn.Sequential(*layers[:-1])


def learn(model, train, test, epochs):
    """Stochastic gradient descent; the loss of each epoch, and the test accuracy."""
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = cr.Trainer(model, optimizer=optimizer, metrics=["accuracy"])
    history = trainer.fit(train, epochs=epochs, batch_size=50, seed=None, progress=False)
    answers = trainer.predict(test[0]).argmax(axis=1)
    return history["loss"], (answers == test[1]).mean()


def through(name, start, x, depth):
    """What each of so many layers gives, every layer as wide as x."""
    outputs = []
    for layer in network(name, start, [x.shape[1]] * (depth + 2))[:-1]:
        x = layer(x).detach()
        if not isinstance(layer, nn.Linear):
            outputs.append(x.numpy())
    return outputs


def expected(name, deviation, n, depth):
    """The deviation of each layer's outputs, were the sums normal numbers."""
    z = np.linspace(-8, 8, 8001)
    p = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    square, deviations = 1.0, []
    for _ in range(depth):
        y = BENDS[name]()(cr.tensor(math.sqrt(n * square) * deviation * z)).numpy()
        square = (p * y**2).sum()
        deviations.append(math.sqrt(square - (p * y).sum() ** 2))
    return np.array(deviations)


def draw_outputs(outputs, layer, **look):
    """Histograms of each layer's outputs, layer below layer: {(start, function): [values, ...]}."""
    from chainrule.show.panels import number_ticks, panel_grid
    from chainrule.show.style import Style

    style = Style.of("outputs", **look)
    starts, names = (list(dict.fromkeys(key[i] for key in outputs)) for i in (0, 1))
    with style.drawing(58, 12.5 * len(starts)) as figure:
        every = panel_grid(figure, len(starts), len(names), len(outputs))
        for axes, (start, name) in zip(every, [(s, n) for s in starts for n in names], strict=True):
            values = outputs[start, name]
            # A ReLU's zeros would dwarf the rest.
            values = [v[v != 0] if name == "ReLU" else v.ravel() for v in values]
            ends = {"sigmoid": (0, 1), "tanh": (-1, 1)}.get(name) or (0, max(np.quantile(v, 0.995) for v in values))
            for k, v in enumerate(values):
                heights, edges = np.histogram(v, bins=60, range=ends)
                axes.stairs(
                    0.85 * heights / max(heights.max(), 1) - k, edges, baseline=-k, fill=True, edgecolor=style.colour(k),
                    facecolor=style.tint(k, 0.45), linewidth=style.pt(0.8),
                )  # fmt: skip
            axes.set_ylim(-len(values) + 0.9, 1)
            first = name == names[0]
            axes.set_yticks(range(0, -len(values), -1), [str(k + 1) if first else "" for k in range(len(values))])
            axes.set_title(f"{name}, {start}")
            axes.set_ylabel(layer if first else "")
            number_ticks(axes.xaxis, digits=3, most=4)
    return figure


def run(lab: Lab) -> None:
    lab.section("All weights alike", "모두 같은 가중치")
    lab.text(
        en=r"""The simplest start is zero. But units that begin alike get the same gradient, and stay alike: the layer is
        as good as a single unit. If the output weights are zero, too, nothing at all comes back through them. We train a
        network with one hidden layer of 32 units from three starts: all weights 0, all weights 0.1, and normal
        numbers with deviation 0.1.""",
        ko=r"""가장 간단한 시작은 0입니다. 그러나 똑같이 시작한 유닛은 똑같은 기울기를 받아 계속 똑같습니다. 유닛이 몇
        개든 하나나 다름없습니다. 출력층의 가중치까지 0이면 그 층을 거슬러 오는 기울기도 없습니다. 유닛 32개짜리 은닉층
        하나를 세 가지 시작에서 학습해 봅시다. 가중치가 모두 0, 모두 0.1, 그리고 표준편차 0.1인 정규 난수입니다.""",
    )
    lab.code("BENDS", "STARTS", standard, network, learn)
    cr.manual_seed(lab.seed)
    train, test = lab.pictures()
    rows = lab.scale(10000, quick=1500)
    mean, deviation = train.inputs[:rows].mean(), train.inputs[:rows].std()
    train, test = (standard(part, mean, deviation) for part in (train.take(range(rows)), test))
    pixels = train[0].shape[1]

    alike = {
        "0": nn.init.zeros_,
        "0.1": lambda w: nn.init.constant_(w, 0.1),
        "N(0, 0.1²)": lambda w: nn.init.normal_(w, std=0.1),
    }
    few = lab.scale(1500, quick=500)
    size, differ, right = {}, {}, {}
    for name in BENDS:
        for start, fill in alike.items():
            model = network(name, fill, [pixels, 32, 10], cr.float64)
            part = train[0][:few], train[1][:few]
            _, right[name, start] = learn(model, part, test, epochs=lab.scale(8, quick=3))
            weight = model[0].weight.numpy()
            size[name, start] = abs(weight).max()
            differ[name, start] = abs(weight - weight[0]).max()

    lab.table(
        lab.say(["function", "start", "largest weight after training", "most that two units differ", "test accuracy"],
                ["함수", "시작", "학습 뒤 가장 큰 가중치", "두 유닛의 최대 차이", "시험 정확도"]),
        [[*key, f"{size[key]:.4f}", f"{differ[key]:.4f}", f"{100 * right[key]:.1f} %"] for key in size],
        en="The weights of 32 hidden units, each with one weight a pixel.", ko="픽셀마다 가중치가 하나씩 있는 은닉 유닛 32개.",
    )  # fmt: skip
    lab.claim(
        "From zero, tanh and ReLU do not move at all: every hidden weight is still 0",
        "0에서 시작하면 tanh와 ReLU는 전혀 움직이지 않습니다. 은닉 가중치가 모두 그대로 0입니다",
        measured=[size["tanh", "0"], size["ReLU", "0"]], holds=size["tanh", "0"] == size["ReLU", "0"] == 0,
    )  # fmt: skip
    lab.claim(
        "Sigmoids do move, since they give 0.5 where the others give 0; but all units move alike",
        "시그모이드는 0이 아니라 0.5를 출력하므로 움직입니다. 그러나 모든 유닛이 똑같이 움직입니다",
        measured=f"{size['sigmoid', '0']:.1e}, {differ['sigmoid', '0']:.1e}",
        holds=size["sigmoid", "0"] > 1e-4 and differ["sigmoid", "0"] < 1e-9,
    )  # fmt: skip
    lab.claim(
        "From 0.1 everywhere, all 32 units of every network stay alike",
        "모두 0.1에서 시작하면 어느 신경망에서나 유닛 32개가 끝까지 똑같습니다",
        measured=[differ[name, "0.1"] for name in BENDS], holds=max(differ[name, "0.1"] for name in BENDS) < 1e-9,
    )  # fmt: skip
    lab.claim(
        "Random numbers of that size make the units differ, and tanh and ReLU learn",
        "그 크기의 난수로 시작하면 유닛이 서로 달라지고, tanh와 ReLU가 배웁니다",
        measured=", ".join(f"{100 * right[name, 'N(0, 0.1²)']:.1f} %" for name in ("tanh", "ReLU")),
        holds=min(right[name, "N(0, 0.1²)"] for name in ("tanh", "ReLU"))
        > 0.3 + max(right[name, start] for name in BENDS for start in ("0", "0.1")),
    )

    lab.section("How large? Two rules", "얼마나 크게? 두 규칙")
    lab.text(
        en=r"""A sum of $n$ products has $n$ times the variance of one product. So weights of variance $1/n$ keep the size
        of the signal: sums are as large as inputs. **Xavier's** rule takes the mean of the way forward ($1/n$, over
        inputs) and the way back ($1/m$, over outputs): $N(0, 2 / (n + m))$. A ReLU throws away half of the signal,
        and **He's** rule makes up for it: $N(0, 2 / n)$.""",
        ko=r"""곱 $n$개의 합은 분산이 곱 하나의 $n$배입니다. 따라서 가중치의 분산을 $1/n$로 하면 신호의 크기가 유지되어 합이
        입력만 한 크기가 됩니다. **Xavier** 규칙은 순전파(입력 $n$개)의 $1/n$과 역전파(출력 $m$개)의 $1/m$을 절충합니다:
        $N(0, 2 / (n + m))$. ReLU는 신호의 절반을 버리므로 **He** 규칙이 그만큼 메웁니다: $N(0, 2 / n)$.""",
    )
    n, m = 300, 100
    weight = cr.zeros(m, n)
    drawn = {rule: STARTS[rule](weight).numpy().std() for rule in ("Xavier", "He")}
    rules = {"Xavier": math.sqrt(2 / (n + m)), "He": math.sqrt(2 / n)}

    lab.claim(
        "The weights that are drawn for 300 inputs and 100 outputs have the rules' deviations",
        "입력 300개, 출력 100개일 때 뽑은 가중치의 표준편차는 규칙과 같습니다",
        measured=", ".join(f"{drawn[rule]:.4f} ≈ {rules[rule]:.4f}" for rule in rules),
        holds=all(abs(drawn[rule] / rules[rule] - 1) < 0.03 for rule in rules),
    )  # fmt: skip
    lab.text(
        en="""We send 256 rows of 256 normal numbers through five layers of 256 units, for each start and each
        activation, and look at what every layer gives.""",
        ko="""정규 난수 256개로 된 행 256개를 유닛 256개짜리 층 다섯에 통과시킵니다. 시작과 활성화 함수의 짝마다 각 층의 출력을
        봅시다.""",
    )
    lab.code(through, expected)
    x = cr.randn(256, 256)
    outputs = {}
    for start in list(STARTS)[1:]:
        for name in BENDS:
            outputs[start, name] = through(name, STARTS[start], x, 5)
    deviations = {"0.01": 0.01, "1": 1.0, "Xavier": math.sqrt(1 / 256), "He": math.sqrt(2 / 256)}
    measured = {key: np.array([y.std() for y in values]) for key, values in outputs.items()}
    theory = {(start, name): expected(name, deviations[start], 256, 5) for start, name in outputs}
    worst = max(abs(measured[key] / theory[key] - 1).max() for key in measured)
    saturated = {
        name: np.mean(abs(outputs["1", name][-1] - middle) > 0.95 * reach)
        for name, middle, reach in (("sigmoid", 0.5, 0.5), ("tanh", 0.0, 1.0))
    }

    lab.figure(
        draw_outputs, outputs, lab.say("layer", "층"),
        en="The outputs of five layers, the first on top; each histogram has its own height. A ReLU's zeros are left out.",
        ko="다섯 층의 출력. 맨 위가 첫 층이며 높이는 히스토그램마다 따로 맞췄습니다. ReLU의 0은 뺐습니다.",
    )  # fmt: skip
    lab.table(
        [lab.say("start", "시작"), lab.say("function", "함수"), *(lab.say(f"layer {k}", f"{k}층") for k in range(1, 6)),
         lab.say("layer 5, expected", "5층(예상)")],
        [[*key, *measured[key].tolist(), theory[key][-1]] for key in measured], digits=3,
        en="The standard deviation of each layer's outputs.", ko="각 층 출력의 표준편차.",
    )  # fmt: skip
    lab.claim(
        "In all twelve networks every layer's deviation is what theory expects, within 30 %",
        "열두 신경망 모두에서 각 층의 표준편차가 이론과 30% 안에서 일치합니다",
        measured=lab.say(f"at most {100 * worst:.0f} % apart", f"차이는 최대 {100 * worst:.0f}%"), holds=worst < 0.3,
    )  # fmt: skip
    lab.claim(
        "Too small: behind five layers of tanh next to nothing is left",
        "너무 작으면: tanh 다섯 층 뒤에는 거의 아무것도 남지 않습니다",
        measured=f"{measured['0.01', 'tanh'][-1]:.1e}", holds=measured["0.01", "tanh"][-1] < 1e-3,
    )  # fmt: skip
    lab.claim(
        "Too large: most sigmoids and tanhs stand at the ends of their range, and ReLUs explode",
        "너무 크면: 시그모이드와 tanh는 대부분 양 끝에 붙고 ReLU는 폭발합니다",
        measured=f"{100 * saturated['sigmoid']:.0f} %, {100 * saturated['tanh']:.0f} %, {measured['1', 'ReLU'][-1]:.1e}",
        holds=min(saturated.values()) > 0.6 and measured["1", "ReLU"][-1] > 1e4,
    )  # fmt: skip

    lab.section("Xavier or He with ReLU", "ReLU에는 Xavier인가 He인가")
    lab.text(
        en=r"""With $N(0, 1/n)$ a ReLU layer passes half of the mean square on, so the size of the signal is multiplied by
        $\sqrt{1/2}$ at every layer. With $N(0, 2/n)$ the factor is 1. Watch it in
        twenty layers.""",
        ko=r"""$N(0, 1/n)$이면 ReLU 층은 제곱평균의 절반만 넘겨주므로 신호의 크기가 층마다 $\sqrt{1/2}$배가 됩니다.
        $N(0, 2/n)$이면 1배입니다. 스무 층에서 지켜봅시다.""",
    )
    deep = {rule: through("ReLU", STARTS[rule], x, 20) for rule in rules}
    spread = {rule: [y.std() for y in values] for rule, values in deep.items()}
    factors = {rule: (values[-1] / values[0]) ** (1 / 19) for rule, values in spread.items()}

    lab.figure(
        curves,
        {"": {
            label: (range(1, 21), values)
            for rule in deep
            for label, values in (
                (rule, spread[rule]),
                (f"{rule}, {lab.say('expected', '예상')}", expected("ReLU", deviations[rule], 256, 20)),
            )
        }},
        logs="y", marks=True, xlabel=lab.say("layer", "층"), ylabel=lab.say("standard deviation", "표준편차"),
        en="ReLU: Xavier's signal drifts to 0, He's stays.", ko="ReLU: Xavier의 신호는 0으로 흘러가고 He의 신호는 그대로입니다.",
    )  # fmt: skip
    lab.claim(
        r"With Xavier's rule a ReLU layer multiplies the signal by $\sqrt{1/2} = 0.707$: it drifts to 0",
        r"Xavier 규칙에서 ReLU 층은 신호를 $\sqrt{1/2} = 0.707$배로 만듭니다. 신호는 0으로 흘러갑니다",
        measured=f"{factors['Xavier']:.3f}", holds=abs(factors["Xavier"] - math.sqrt(0.5)) < 0.05,
    )  # fmt: skip
    lab.claim(
        "With He's rule by 1: it stays", "He 규칙에서는 1배입니다. 신호가 그대로입니다",
        measured=f"{factors['He']:.3f}", holds=abs(factors["He"] - 1) < 0.07,
    )  # fmt: skip

    lab.section("Which learns?", "어느 쪽이 배우는가")
    lab.text(
        en="""Five hidden layers of 64 units, stochastic gradient descent with learning rate 0.1 and batches of 50, from all
        five starts.""",
        ko="""유닛 64개짜리 은닉층 다섯 개를 다섯 가지 시작에서 학습률 0.1, 배치 50인 확률적 경사 하강법으로 학습해
        봅시다.""",
    )
    sizes = [pixels, 64, 64, 64, 64, 64, 10]
    epochs = lab.scale(6, quick=3)
    losses, accuracy = {}, {}
    for name in BENDS:
        for start, fill in STARTS.items():
            model = network(name, fill, sizes)
            losses[start, name], accuracy[start, name] = learn(model, train, test, epochs)

    lab.table(
        [lab.say("start", "시작"), *BENDS],
        [[start, *(f"{100 * accuracy[start, name]:.1f} %" for name in BENDS)] for start in STARTS],
        en=f"Test pictures told right after {epochs} epochs.", ko=f"{epochs}에폭 뒤에 맞힌 시험 그림의 비율.",
    )  # fmt: skip
    lab.claim(
        "From 0 and from 0.01 no network learns", "0과 0.01에서는 어떤 신경망도 배우지 못합니다",
        measured=f"{100 * max(accuracy[start, name] for start in ('0', '0.01') for name in BENDS):.1f} %",
        holds=max(accuracy[start, name] for start in ("0", "0.01") for name in BENDS) < 0.3,
    )  # fmt: skip
    lab.claim(
        "From 1 the ReLUs' loss is not a number", "1에서는 ReLU의 손실이 수가 아니게 됩니다(NaN)",
        measured=losses["1", "ReLU"][-1], holds=math.isnan(losses["1", "ReLU"][-1]),
    )  # fmt: skip
    lab.claim(
        "tanh from Xavier's start and ReLU from He's learn", "Xavier로 시작한 tanh와 He로 시작한 ReLU는 배웁니다",
        measured=f"{100 * accuracy['Xavier', 'tanh']:.1f} %, {100 * accuracy['He', 'ReLU']:.1f} %",
        holds=min(accuracy["Xavier", "tanh"], accuracy["He", "ReLU"]) > lab.scale(0.85, quick=0.6),
    )  # fmt: skip

    lab.claim(
        "The sigmoids get furthest from 1, which ruins the ReLUs: further than from Xavier's start and from He's",
        "시그모이드는 ReLU를 망치는 1에서 오히려 가장 멀리 갑니다. Xavier나 He보다 낫습니다",
        measured=", ".join(f"{100 * accuracy[start, 'sigmoid']:.1f} %" for start in ("Xavier", "He", "1")),
        holds=accuracy["1", "sigmoid"] > 0.15 + max(accuracy[start, "sigmoid"] for start in ("Xavier", "He")),
    )  # fmt: skip

    lab.section("Xavier and the sigmoid", "Xavier와 시그모이드")
    lab.text(
        en=r"""The slide recommends Xavier's rule for sigmoid and tanh. For tanh it is right: at 0 its slope is 1, so what
        keeps the sums keeps the signal. A sigmoid's slope there is $\frac{1}{4}$, and the difference between two
        pictures shrinks by that at every layer. Weights four times as large make up for it.""",
        ko=r"""슬라이드는 시그모이드와 tanh에 Xavier 규칙을 권합니다. tanh에는 맞는 말입니다. 0에서의 기울기가 1이므로 합의
        크기를 유지하면 신호도 유지됩니다. 그러나 시그모이드는 0에서의 기울기가 $\frac{1}{4}$이라, 두 그림의 차이가 층마다
        그만큼 줄어듭니다. 가중치를 네 배로 하면 메울 수 있습니다.""",
    )
    gains = (1, 4)
    kept, results = {}, {}
    for gain in gains:
        model = network("sigmoid", lambda w, gain=gain: nn.init.xavier_normal_(w, gain), sizes)
        h = model[:-1](cr.tensor(test[0][:200])).numpy()
        kept[gain] = h.std(axis=0).mean()
        results[gain] = learn(model, train, test, epochs)[1]

    lab.table(
        lab.say(["start", "difference between pictures, layer 5", "test accuracy"],
                ["시작", "5층에서 그림 사이의 차이", "시험 정확도"]),
        [[f"{gain} × Xavier", f"{kept[gain]:.1e}", f"{100 * results[gain]:.1f} %"] for gain in gains],
        en="Five hidden layers of sigmoids.", ko="시그모이드 은닉층 다섯 개.",
    )  # fmt: skip
    lab.claim(
        "Five layers of sigmoids do not learn from Xavier's start; from weights four times as large they do",
        "시그모이드 다섯 층은 Xavier로는 배우지 못하지만 가중치가 네 배면 배웁니다",
        measured=", ".join(f"{100 * results[gain]:.1f} %" for gain in gains),
        holds=results[1] < 0.3 and results[4] > results[1] + 0.2,
    )  # fmt: skip
    lab.claim(
        "From there the pictures still differ in the last hidden layer, more than thirty times as much",
        "네 배에서는 마지막 은닉층에서도 그림 사이의 차이가 서른 배 넘게 남아 있습니다",
        measured=f"{kept[1]:.1e}, {kept[4]:.1e}", holds=kept[4] > 30 * kept[1],
    )  # fmt: skip
    lab.next(
        en="""- Which standard deviation is best for ReLU in twenty layers? Try 0.5, 0.9, 1.1 and 2 times He's.
        - `nn.init.orthogonal_` makes matrices that stretch nothing. Draw the twenty layers of tanh with it.
        - Put `nn.BatchNorm1d(64)` before each activation. Which starts learn now?
        - A start need not be random: take the first layer of a trained autoencoder, or of a network that knows another
          task. What does it save?""",
        ko="""- ReLU 스무 층에는 어떤 표준편차가 가장 좋을까요? He의 0.5배, 0.9배, 1.1배, 2배를 시험해 보세요.
        - `nn.init.orthogonal_`은 아무것도 늘이지 않는 행렬을 만듭니다. 이것으로 tanh 스무 층을 그려 보세요.
        - 활성화 함수 앞마다 `nn.BatchNorm1d(64)`를 넣어 보세요. 이제 어떤 시작이 배울까요?
        - 시작이 꼭 난수일 필요는 없습니다. 학습된 오토인코더나 다른 문제를 푸는 신경망의 첫 층을 가져와 보세요. 무엇이
          절약될까요?""",
    )
