"""Activation functions: what each does to the signal and to the gradient

활성화 함수: 신호와 기울기에 하는 일

Between two layers stands a bend, else they would be one layer. What do the usual bends look like, what are their slopes,
and where do they stop a network from learning?

두 층 사이에는 꺾임이 필요합니다. 꺾임이 없다면 두 층은 결국 한 층과 같습니다. 흔히 쓰는 활성화 함수는 어떤 모양이고
기울기는 얼마이며, 어디서 학습을 멈추게 할까요?
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves

FUNCTIONS = {
    "step": cr.step,
    "sigmoid": cr.sigmoid,
    "tanh": cr.tanh,
    "ReLU": cr.relu,
    "Leaky ReLU, 0.1": lambda x: cr.leaky_relu(x, 0.1),
    "PReLU, 0.25": nn.PReLU(dtype=cr.float64),
    "ELU": cr.elu,
    "Maxout of −x/2, x − 1": lambda x: cr.maximum(-x / 2, x - 1),
    "softmax of x, 0, 0": lambda x: cr.softmax(cr.stack([x, 0 * x, 0 * x]), axis=0)[0],
}

# The slopes as the textbook writes them; s, t, e and p are the functions' own values.
SLOPES = {
    "step": lambda x, y: 0 * x,
    "sigmoid": lambda x, s: s * (1 - s),
    "tanh": lambda x, t: 1 - t**2,
    "ReLU": lambda x, y: x > 0,
    "Leaky ReLU, 0.1": lambda x, y: np.where(x > 0, 1, 0.1),
    "PReLU, 0.25": lambda x, y: np.where(x > 0, 1, 0.25),
    "ELU": lambda x, e: np.where(x > 0, 1, e + 1),
    "Maxout of −x/2, x − 1": lambda x, y: np.where(x - 1 > -x / 2, 1, -0.5),
    "softmax of x, 0, 0": lambda x, p: p * (1 - p),
}


def value_and_slope(function, x):
    """What the function makes of each number of x, and its derivative there."""
    x = cr.tensor(x, requires_grad=True)
    y = function(x)
    if not y.requires_grad:  # a step is flat: it passes no gradient at all
        return y.numpy(), np.zeros(len(x))
    y.sum().backward()
    return y.numpy(), x.grad.numpy()


def slope_of_chain(function, n):
    """The derivative at 0.5 of the function applied n times."""
    x = y = cr.tensor(0.5, dtype=cr.float64, requires_grad=True)
    for _ in range(n):
        y = function(y)
    y.backward()
    return x.grad.item()


def shut_down(activation, steps):
    """1-20-1, all hidden biases at -3, as after one far too long step; then good steps."""
    cr.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 20), activation, nn.Linear(20, 1))
    network[0].bias.data = cr.full((20,), -3.0)
    optimizer = optim.Adam(network.parameters(), lr=0.02)
    x = cr.linspace(-1, 1, 64).reshape(-1, 1)
    losses, gradients = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), cr.sin(3 * x))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        gradients.append(cr.abs(network[0].weight.grad).max().item())
    return losses, gradients


def silent_share(lr, steps=300):
    """The share of 400 ReLUs that are 0 for every input, before and after training."""
    cr.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 400), nn.ReLU(), nn.Linear(400, 1))
    optimizer = optim.SGD(network.parameters(), lr=lr)
    x = cr.linspace(-1, 1, 64).reshape(-1, 1)
    shares = []
    for step in range(steps + 1):
        if step in (0, steps):
            shares.append((network[:2](x).numpy() == 0).all(axis=0).mean())
        optimizer.zero_grad()
        nn.functional.mse_loss(network(x), cr.sin(3 * x)).backward()
        optimizer.step()
    return shares


def run(lab: Lab) -> None:
    lab.section("The functions and their slopes", "함수와 기울기")
    lab.text(
        en=r"""The forward pass sends a sum $x$ through the function, the backward pass multiplies the gradient by
        the **slope** at that place. So both curves matter: the function for what a unit can say, the slope for what
        it can learn.

        The sigmoid is $1 / (1 + e^{-x})$. With $e^{x}$ below the line, as one slide prints it, it would fall
        instead of rise.""",
        ko=r"""순전파는 합 $x$를 함수에 통과시키고, 역전파는 그 자리의 **기울기**를 곱합니다. 그래서 두 곡선이 모두
        중요합니다. 함수는 유닛이 무엇을 말할 수 있는지를, 기울기는 무엇을 배울 수 있는지를 정합니다.

        시그모이드는 $1 / (1 + e^{-x})$입니다. 슬라이드 한 장에는 분모가 $e^{x}$로 잘못 적혀 있는데, 그러면 증가하지
        않고 감소합니다.""",
    )
    lab.code("FUNCTIONS", "SLOPES", value_and_slope)
    x = np.linspace(-6, 6, 601)
    curve = {name: value_and_slope(function, x) for name, function in FUNCTIONS.items()}
    formulas = {name: SLOPES[name](x, y) for name, (y, _) in curve.items()}
    misprint = value_and_slope(lambda x: 1 / (1 + cr.exp(x)), x)[0]

    lab.figure(
        curves,
        {
            name: {lab.say("value", "함숫값"): (x, y), lab.say("slope", "기울기"): (x, slope)}
            for name, (y, slope) in curve.items()
        },
        xlabel="x", zero=True,
        en="Value and slope. The slopes come from `backward`.", ko="함숫값과 기울기. 기울기는 `backward`가 계산한 것입니다.",
    )  # fmt: skip
    lab.table(
        lab.say(
            ["function", "least", "greatest", "largest slope", "slope at −6", "slope at 6"],
            ["함수", "최솟값", "최댓값", "최대 기울기", "−6에서의 기울기", "6에서의 기울기"],
        ),
        [[name, y.min(), y.max(), slope.max(), slope[0], slope[-1]] for name, (y, slope) in curve.items()],
        en="On −6 … 6.", ko="구간 −6 … 6.", decimals=5,
    )  # fmt: skip
    lab.agrees(
        "Every slope that `backward` finds is that of the textbook's formula",
        "`backward`가 구한 기울기는 모두 교과서의 공식과 같습니다",
        [slope for _, slope in curve.values()], list(formulas.values()), within=1e-14,
    )  # fmt: skip
    lab.matches(
        "The sigmoid is nowhere steeper than a quarter, tanh than 1",
        "시그모이드의 기울기는 최대 4분의 1, tanh는 최대 1입니다",
        [curve["sigmoid"][1].max(), curve["tanh"][1].max()], "0.25 1.00",
    )  # fmt: skip
    lab.agrees(
        "The misprinted sigmoid is the true one in a mirror",
        "잘못 인쇄된 시그모이드는 올바른 곡선을 좌우로 뒤집은 것입니다",
        misprint, curve["sigmoid"][0][::-1], within=1e-14,
    )  # fmt: skip

    lab.section("Slopes that a parameter sets", "매개변수가 정하는 기울기")
    lab.text(
        en=r"""The slope of a **Leaky ReLU** on the left is a choice: 0.1 in one deck of slides, 0.01 in the other
        (and by default in `nn.LeakyReLU`). **PReLU** learns it. **Maxout** takes the largest of several weighted
        sums and so builds its own bends: with $\max(x, 0)$ it is a ReLU, with $\max(x, -x)$ the absolute value.""",
        ko=r"""**Leaky ReLU**의 왼쪽 기울기는 정하기 나름입니다. 한 자료에서는 0.1, 다른 자료에서는 0.01이며
        `nn.LeakyReLU`의 기본값도 0.01입니다. **PReLU**는 이 기울기를 학습합니다. **Maxout**은 여러 가중합 중 가장
        큰 것을 골라 꺾임을 스스로 만듭니다. $\max(x, 0)$이면 ReLU가 되고 $\max(x, -x)$이면 절댓값이 됩니다.""",
    )
    points = cr.linspace(-2, 2, 41).reshape(-1, 1)
    prelu = nn.PReLU()
    optimizer = optim.SGD(prelu.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.mse_loss(prelu(points), cr.leaky_relu(points, 0.7)).backward()
        optimizer.step()

    maxout = nn.Maxout(1, 2, pieces=2)
    maxout.linear.weight.data = cr.tensor([[1.0], [0.0], [1.0], [-1.0]])
    maxout.linear.bias.data = cr.zeros(4)
    bends = maxout(points)

    lab.claim(
        "A PReLU that is shown a slope of 0.7 learns it, from 0.25",
        "PReLU에 왼쪽 기울기가 0.7인 함수를 보여 주면 0.25에서 시작해 0.7을 배웁니다",
        measured=f"{prelu.weight.item():.6f}", holds=abs(prelu.weight.item() - 0.7) < 1e-4,
    )  # fmt: skip
    lab.agrees(
        "Maxout with two pieces is a ReLU, or an absolute value, exactly",
        "조각이 둘인 Maxout은 정확히 ReLU도, 절댓값도 될 수 있습니다",
        bends.detach(), cr.concatenate([cr.relu(points), cr.abs(points)], axis=1), within=0,
    )  # fmt: skip

    lab.section("Softmax, for the last layer", "출력층의 소프트맥스")
    lab.text(
        en=r"""**Softmax** turns scores into probabilities, $p_i = e^{x_i} / \sum_j e^{x_j}$. Each output depends on
        every input, so its derivative is a matrix: $\frac{\partial p_i}{\partial x_j} = p_i (\delta_{ij} - p_j)$.""",
        ko=r"""**소프트맥스**는 점수를 확률로 바꿉니다: $p_i = e^{x_i} / \sum_j e^{x_j}$. 출력 하나가 모든 입력에
        달려 있으므로 미분은 행렬이 됩니다: $\frac{\partial p_i}{\partial x_j} = p_i (\delta_{ij} - p_j)$.""",
    )
    scores = cr.tensor([3.2, 5.1, -1.7], dtype=cr.float64)
    p = cr.softmax(scores)
    matrix = cr.jacobian(cr.softmax)(scores).numpy()
    formula = np.diag(p.numpy()) - np.outer(p.numpy(), p.numpy())

    lab.table(
        [], matrix, en="The derivative at the scores 3.2, 5.1, −1.7.", ko="점수 3.2, 5.1, −1.7에서의 미분.", decimals=5
    )
    lab.claim(
        "The probabilities add up to 1, and a constant added to all scores changes nothing",
        "확률의 합은 1이고, 모든 점수에 같은 수를 더해도 그대로입니다",
        measured=f"{p.sum().item():.15f}",
        holds=abs(p.sum().item() - 1) < 1e-14 and np.allclose(cr.softmax(scores + 100).numpy(), p.numpy(), atol=1e-14),
    )
    lab.agrees("The derivative is the formula's", "미분은 공식과 같습니다", matrix, formula, within=1e-15)
    lab.agrees("Each of its rows adds up to 0", "각 행의 합은 0입니다", matrix.sum(axis=1), [0, 0, 0], within=1e-15)

    lab.section("Saturation", "포화")
    lab.text(
        en="""Far from 0 sigmoid and tanh are flat: they **saturate**. Even at its steepest place a sigmoid lets
        only a quarter of the gradient through. Let a number pass through the same function again and again, and see
        what is left of the slope.""",
        ko="""시그모이드와 tanh는 0에서 멀어지면 평평해집니다. 곧 **포화**됩니다. 시그모이드는 가장 가파른 곳에서도
        기울기의 4분의 1만 통과시킵니다. 같은 함수를 거듭 통과시키면 기울기가 얼마나 남는지 봅시다.""",
    )
    lab.code(slope_of_chain)
    depths = range(1, 21)
    chains = ("sigmoid", "tanh", "ReLU")
    left = {name: [slope_of_chain(FUNCTIONS[name], n) for n in depths] for name in chains}

    lab.table(
        [lab.say("layers", "층"), *left],
        [[n, *(f"{slopes[n - 1]:.2e}" for slopes in left.values())] for n in (1, 2, 5, 10, 20)],
        en="The slope of n functions behind one another, at 0.5.", ko="함수 n개를 이어 붙였을 때 0.5에서의 기울기.",
    )  # fmt: skip
    lab.figure(
        curves, {"": {name: (depths, slopes) for name, slopes in left.items()}}, logs="y", marks=True,
        xlabel=lab.say("layers", "층"), ylabel=lab.say("slope", "기울기"),
        en="What is left of the gradient. The straight fall of the sigmoid on a logarithmic axis is a factor at each layer.",
        ko="남은 기울기. 로그 축에서 시그모이드가 직선으로 떨어지는 것은 층마다 일정한 비율로 줄어든다는 뜻입니다.",
    )  # fmt: skip
    lab.claim(
        "After ten sigmoids less than a millionth of the gradient is left",
        "시그모이드를 열 번 지나면 기울기는 백만분의 1도 남지 않습니다",
        measured=f"{left['sigmoid'][9]:.2e}", holds=left["sigmoid"][9] < 1e-6,
    )  # fmt: skip
    lab.claim(
        "Twenty ReLUs pass all of it", "ReLU는 스무 번 지나도 모두 통과시킵니다",
        measured=left["ReLU"][19], holds=left["ReLU"][19] == 1,
    )  # fmt: skip

    lab.section("Zero-centred or not", "0을 중심으로 하는가")
    lab.text(
        en=r"""A unit behind ten sigmoids sees ten positive numbers. The gradient of its weights is $\delta \, h$,
        so all ten components have the sign of $\delta$: in one step all weights grow together or shrink together,
        and a way down that needs both must zigzag. Behind tanh the signs are mixed.""",
        ko=r"""시그모이드 열 개의 출력을 받는 유닛은 양수 열 개만 봅니다. 이 유닛의 가중치 기울기는
        $\delta \, h$이므로 열 개의 부호가 모두 $\delta$의 부호와 같습니다. 한 걸음에서 가중치가 모두 함께 커지거나
        함께 작아질 수밖에 없어, 지그재그로 내려가게 됩니다. tanh 뒤에서는 부호가 섞입니다.""",
    )
    cr.manual_seed(lab.seed)
    sums = cr.randn(1000, 10)
    means, same_sign = {}, {}
    for name in ("sigmoid", "tanh"):
        h = FUNCTIONS[name](sums).numpy()
        means[name] = h.mean()
        delta = np.where(np.arange(1000) % 2, 1, -1)[:, None]
        signs = np.sign(delta * h)
        same_sign[name] = (signs == signs[:, :1]).all(axis=1).mean()

    lab.table(
        lab.say(
            ["function", "mean of the outputs", "all ten signs equal"],
            ["함수", "출력의 평균", "열 부호가 모두 같은 비율"],
        ),
        [[name, f"{means[name]:.3f}", f"{100 * same_sign[name]:.1f} %"] for name in means],
        en="1000 rows of ten sums drawn from N(0, 1).", ko="N(0, 1)에서 뽑은 합 열 개씩, 1000행.",
    )  # fmt: skip
    lab.claim(
        "Behind sigmoids the ten gradients always have one sign; behind tanh hardly ever",
        "시그모이드 뒤에서는 열 기울기의 부호가 언제나 같고, tanh 뒤에서는 거의 같지 않습니다",
        measured=f"{100 * same_sign['sigmoid']:.1f} %, {100 * same_sign['tanh']:.1f} %",
        holds=same_sign["sigmoid"] == 1
        and same_sign["tanh"] < 0.02
        and abs(means["tanh"]) < 0.05 < means["sigmoid"] - 0.4,
    )

    lab.section("Dying units", "죽는 유닛")
    lab.text(
        en="""A ReLU whose sum is negative for every input gives 0 and has slope 0: no gradient reaches its weights,
        so it stays that way. One step that is far too long does it. We put 20 units into that state and then train
        with good steps.""",
        ko="""모든 입력에 대해 합이 음수인 ReLU는 출력도 0, 기울기도 0입니다. 가중치에 기울기가 오지 않으므로 그
        상태에서 벗어날 수 없습니다. 지나치게 큰 걸음 한 번이면 그렇게 됩니다. 유닛 20개를 그런 상태로 두고
        정상적으로 학습해 봅시다.""",
    )
    lab.code(shut_down)
    kinds = {
        "ReLU": nn.ReLU(),
        "Leaky ReLU, 0.01": nn.LeakyReLU(0.01),
        "Leaky ReLU, 0.1": nn.LeakyReLU(0.1),
        "PReLU": nn.PReLU(),
        "ELU": nn.ELU(),
    }
    steps = lab.scale(1500, quick=800)
    runs = {name: shut_down(activation, steps) for name, activation in kinds.items()}

    lab.table(
        [lab.say("function", "함수"), lab.say("largest gradient at the first step", "첫 걸음의 최대 기울기"),
         lab.say("loss at the beginning", "처음 손실"), lab.say("at the end", "마지막 손실")],
        [[name, gradients[0], losses[0], losses[-1]] for name, (losses, gradients) in runs.items()], decimals=4,
        en="Fitting sin 3x with all hidden units shut down.", ko="모든 은닉 유닛이 꺼진 채로 sin 3x를 맞추기.",
    )  # fmt: skip
    lab.figure(
        curves, {"": {name: (range(1, steps + 1), losses) for name, (losses, _) in runs.items()}}, logs="y",
        xlabel=lab.say("step", "걸음"), ylabel=lab.say("loss", "손실"),
        en="ReLU can only move its output bias. The leaky ones still learn the best straight line; ELU is bent below 0 as well, "
        "and learns the whole curve.",
        ko="ReLU는 출력의 편향만 움직일 수 있습니다. Leaky ReLU와 PReLU는 적어도 가장 좋은 직선을 배우고, 0 아래에서도 휘어 있는 "
        "ELU는 곡선 전체를 배웁니다.",
    )  # fmt: skip
    lab.claim(
        "Not one hidden weight of the dead ReLUs ever gets a gradient",
        "죽은 ReLU의 은닉 가중치에는 끝까지 기울기가 오지 않습니다",
        measured=max(runs["ReLU"][1]), holds=max(runs["ReLU"][1]) == 0,
    )  # fmt: skip
    lab.claim(
        "Leaky ReLU, PReLU and ELU get one, and reach less than half of ReLU's loss",
        "Leaky ReLU, PReLU, ELU에는 기울기가 오고, 손실이 ReLU의 절반 아래로 내려갑니다",
        measured=", ".join(f"{min(losses):.4f}" for losses, _ in runs.values()),
        holds=all(
            run[1][0] > 0 and min(run[0]) < runs["ReLU"][0][-1] / 2 for name, run in runs.items() if name != "ReLU"
        ),
    )
    lab.text(
        en="""How does it happen in an ordinary training? By learning rates that are too large:""",
        ko="""평범한 학습에서는 언제 이런 일이 생길까요? 학습률이 너무 클 때입니다.""",
    )
    lab.code(silent_share)
    shares = {lr: silent_share(lr) for lr in (0.001, 0.01, 0.03)}

    lab.table(
        lab.say(
            ["learning rate", "silent at the beginning", "after 300 steps"],
            ["학습률", "처음에 꺼진 비율", "300걸음 뒤"],
        ),
        [[f"{lr:g}", f"{100 * before:.1f} %", f"{100 * after:.1f} %"] for lr, (before, after) in shares.items()],
        en="ReLUs that give 0 for every input.", ko="모든 입력에 0을 출력하는 ReLU.",
    )  # fmt: skip
    lab.claim(
        "A large learning rate kills units; a small one does not",
        "큰 학습률은 유닛을 죽이고, 작은 학습률은 죽이지 않습니다",
        measured=", ".join(f"{lr:g}: {100 * after:.1f} %" for lr, (_, after) in shares.items()),
        holds=shares[0.03][1] > 1.5 * shares[0.03][0] and abs(shares[0.001][1] - shares[0.001][0]) < 0.05,
    )
    lab.next(
        en="""- Add softplus, SiLU and GELU to `FUNCTIONS`. Which of them has a slope above 1, and where?
        - Start the shut-down units at −1.5 instead of −3: how many ReLUs are dead then, and how far does the loss
          fall?
        - Give `nn.PReLU` one slope for each unit, `nn.PReLU(20)`. Do the 20 slopes stay together?""",
        ko="""- `FUNCTIONS`에 softplus, SiLU, GELU를 더해 보세요. 기울기가 1보다 커지는 것은 무엇이고, 어디서
          그럴까요?
        - 꺼진 유닛의 편향을 −3 대신 −1.5로 시작해 보세요. ReLU는 몇 개나 죽고, 손실은 어디까지 내려갈까요?
        - `nn.PReLU(20)`처럼 유닛마다 기울기를 따로 두어 보세요. 20개의 기울기는 끝까지 비슷할까요?""",
    )
