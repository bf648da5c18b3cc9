"""Layers written by hand, and how to know that they are right

손으로 짠 층, 그리고 맞았는지 확인하는 법

Add, Mul, Sigmoid, Affine and a loss, each with a forward and a backward of a few lines of NumPy. How do we make sure that
not one of the derivatives is wrong?

덧셈, 곱셈, 시그모이드, 아핀 층과 손실 함수를 NumPy 몇 줄씩의 forward와 backward로 짭니다. 미분이 하나도 틀리지 않았음을
어떻게 확인할까요?
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves


class Add:
    """x + y: the gradient passes on to both."""

    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout, dout


class Mul:
    """x * y: each gets the gradient times the other."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class Sigmoid:
    """y = 1 / (1 + e^-x); dy/dx = y (1 - y)."""

    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, dout):
        return dout * self.y * (1 - self.y)


class Affine:
    """X W + b for a batch: X (batch, inputs), W (inputs, outputs), b (outputs,)."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, X):
        self.X = X
        return X @ self.W + self.b

    def backward(self, dout):
        self.dW = self.X.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class MSE:
    """1/2 sum (y - t)^2; its gradient is divided by the batch size, as the slide has it."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return 0.5 * ((y - t) ** 2).sum()

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)


class Network:
    """Layers behind one another: forward in their order, backward in reverse."""

    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


def numerical_gradient(f, x, h=1e-5):
    """The derivative of f() by each number of the array x: (f(x+h) - f(x-h)) / 2h."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        kept = x[place]
        x[place] = kept + h
        above = f()
        x[place] = kept - h
        below = f()
        x[place] = kept
        gradient[place] = (above - below) / (2 * h)
    return gradient


def tape(function, *arrays):
    """The same derivatives by chainrule's backward."""
    tensors = [cr.tensor(array, requires_grad=True) for array in arrays]
    function(*tensors).backward()
    return [tensor.grad.numpy() for tensor in tensors]


def run(lab: Lab) -> None:
    lab.section("Two gates and a bill", "게이트 두 개와 계산서")
    lab.text(
        en="""A layer is an object with two methods. `forward` computes, and remembers what `backward` will need;
        `backward` gets the gradient of the result, `dout`, and returns the gradient of each input. Add passes on,
        Mul swaps:""",
        ko="""층은 메서드 두 개를 가진 객체입니다. `forward`는 값을 계산하면서 `backward`에 필요한 것을 기억해 두고,
        `backward`는 출력의 기울기 `dout`을 받아 각 입력의 기울기를 돌려줍니다. Add는 그대로 흘려보내고 Mul은 서로
        바꿔 줍니다.""",
    )
    lab.code(Add, Mul)
    lab.text(
        en="""The bill for two apples at 100 and three oranges at 150 with 10 % tax, forward and then backward in
        reverse order:""",
        ko="""100원짜리 사과 두 개와 150원짜리 귤 세 개, 소비세 10 %의 계산서를 순전파한 뒤, 거꾸로 되짚으며
        역전파합니다.""",
    )
    apples, oranges, fruit, taxed = Mul(), Mul(), Add(), Mul()
    price = taxed.forward(fruit.forward(apples.forward(100, 2), oranges.forward(150, 3)), 1.1)

    dfruit, dtax = taxed.backward(1)
    dapples, doranges = fruit.backward(dfruit)
    dapple_price, dapple_count = apples.backward(dapples)
    dorange_price, dorange_count = oranges.backward(doranges)

    lab.matches("The price of the fruit", "과일값", price, "715")
    lab.matches(
        "The derivatives by apple price, apple count, orange price, orange count, tax",
        "사과값, 사과 수, 귤값, 귤 수, 세금에 대한 미분",
        [dapple_price, dapple_count, dorange_price, dorange_count, dtax], "2.2 110 3.3 165 650",
    )  # fmt: skip

    lab.section("The layers of a network", "신경망의 층")
    lab.text(
        en=r"""Sigmoid needs only its own output: $\partial y / \partial x = y (1 - y)$. Affine is a matrix product,
        and the shapes tell which product each gradient is:

        - $\partial L / \partial X = \mathrm{dout} \, W^\top$, as large as $X$
        - $\partial L / \partial W = X^\top \mathrm{dout}$, as large as $W$
        - $\partial L / \partial b$: the column sums of dout, because b was added to every row

        The loss is half the sum of squares, and its gradient $(y - t) / \mathrm{batch}$ belongs to the *mean* over
        the rows.""",
        ko=r"""시그모이드는 자기 출력만 기억하면 됩니다: $\partial y / \partial x = y (1 - y)$. 아핀 층은 행렬
        곱이며, 어떤 곱인지는 모양을 맞춰 보면 알 수 있습니다.

        - $\partial L / \partial X = \mathrm{dout} \, W^\top$: $X$와 같은 모양
        - $\partial L / \partial W = X^\top \mathrm{dout}$: $W$와 같은 모양
        - $\partial L / \partial b$: b는 모든 행에 더해졌으므로 dout의 열별 합

        손실은 제곱합의 절반이고, 기울기 $(y - t) / \mathrm{batch}$는 행에 대한 *평균*의 기울기입니다.""",
    )
    lab.code(Sigmoid, Affine, MSE)

    lab.section("First check: finite differences", "첫 번째 확인: 수치 미분")
    lab.text(
        en=r"""A derivative says how the result moves when an input moves a little. So move each input a little,
        both ways, and look:

        $$\frac{\partial f}{\partial x} ≈ \frac{f(x + h) - f(x - h)}{2h}$$

        This needs two runs for every single number, so nobody trains with it; but it knows nothing of our formulas.""",
        ko=r"""미분은 입력이 조금 움직일 때 결과가 얼마나 움직이는지를 말해 줍니다. 그러니 입력을 하나씩 양쪽으로
        조금 움직여 보면 됩니다.

        $$\frac{\partial f}{\partial x} ≈ \frac{f(x + h) - f(x - h)}{2h}$$

        수 하나마다 두 번씩 계산해야 하므로 학습에는 쓰지 않지만, 우리 공식을 전혀 모르고도 답을 낸다는 점이
        중요합니다.""",
    )
    lab.code(numerical_gradient, tape)
    random = np.random.default_rng(lab.seed)
    X, W, b = random.normal(size=(5, 4)), random.normal(size=(4, 3)), random.normal(size=3)
    dout, t = random.normal(size=(5, 3)), random.normal(size=(5, 3))

    sigmoid, affine, mse = Sigmoid(), Affine(W, b), MSE()
    sigmoid.forward(dout)
    affine.forward(X)
    mse.forward(dout, t)
    by_hand = {
        "Sigmoid dx": sigmoid.backward(t),
        "Affine dX": affine.backward(dout),
        "Affine dW": affine.dW,
        "Affine db": affine.db,
        "MSE dy": mse.backward(),
    }
    measured = {
        "Sigmoid dx": numerical_gradient(lambda: (Sigmoid().forward(dout) * t).sum(), dout),
        "Affine dX": numerical_gradient(lambda: (affine.forward(X) * dout).sum(), X),
        "Affine dW": numerical_gradient(lambda: (affine.forward(X) * dout).sum(), W),
        "Affine db": numerical_gradient(lambda: (affine.forward(X) * dout).sum(), b),
        "MSE dy": numerical_gradient(lambda: MSE().forward(dout, t) / len(t), dout),
    }
    taped = [
        *tape(lambda x: (cr.sigmoid(x) * cr.tensor(t)).sum(), dout),
        *tape(lambda X, W, b: ((X @ W + b) * cr.tensor(dout)).sum(), X, W, b),
        *tape(lambda y: 0.5 * ((y - cr.tensor(t)) ** 2).sum() / len(t), dout),
    ]

    lab.section("Second check: automatic differentiation", "두 번째 확인: 자동 미분")
    lab.text(
        en="""chainrule does the same as our layers, but for any formula: it remembers every operation and walks
        back. Both checks for each gradient, as the largest difference in any number:""",
        ko="""chainrule은 우리 층과 같은 일을 어떤 식에 대해서든 합니다. 연산을 모두 기억해 두었다가 되짚어 가는
        것입니다. 기울기마다 두 가지 확인을 하고, 가장 크게 어긋난 수의 차이를 적었습니다.""",
    )
    differences = {
        name: (abs(mine - measured[name]).max(), abs(mine - automatic).max())
        for (name, mine), automatic in zip(by_hand.items(), taped, strict=True)
    }

    lab.table(
        [lab.say("gradient", "기울기"), lab.say("shape", "모양"), lab.say("to finite differences", "수치 미분과의 차이"),
         lab.say("to autodiff", "자동 미분과의 차이")],
        [[name, str(by_hand[name].shape), a, c] for name, (a, c) in differences.items()],
        digits=2,
        en="Largest differences of the hand-written gradients.", ko="손으로 짠 기울기와의 가장 큰 차이.",
    )  # fmt: skip
    lab.agrees(
        "By hand and by finite differences, all five agree", "손으로 짠 기울기 다섯 개가 모두 수치 미분과 일치합니다",
        [a for a, _ in differences.values()], [0] * 5, within=1e-8,
    )  # fmt: skip
    lab.agrees(
        "By hand and by chainrule they agree to rounding", "chainrule의 자동 미분과는 반올림 오차까지 일치합니다",
        [c for _, c in differences.values()], [0] * 5, within=1e-14,
    )  # fmt: skip

    lab.section("A whole network", "신경망 전체")
    lab.text(
        en="""If each layer is right, a chain of them is right: the gradient of one layer's input is the `dout` of
        the layer before. A 2-3-1 network on the four rows of XOR:""",
        ko="""층이 하나하나 맞으면 이어 붙인 것도 맞습니다. 한 층의 입력 기울기가 바로 앞 층의 `dout`이 되기
        때문입니다. XOR의 네 행에 2-3-1 신경망을 써 봅시다.""",
    )
    lab.code(Network)
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    t = np.array([[0.0], [1.0], [1.0], [0.0]])
    W1, b1 = random.uniform(size=(2, 3)), np.zeros(3)
    W2, b2 = random.uniform(size=(3, 1)), np.zeros(1)
    first, second, loss = Affine(W1, b1), Affine(W2, b2), MSE()
    network = Network(first, Sigmoid(), second, Sigmoid())

    loss.forward(network.forward(X), t)
    network.backward(loss.backward())
    parameters = {
        "W1": (W1, first.dW),
        "b1": (b1, first.db),
        "W2": (W2, second.dW),
        "b2": (b2, second.db),
    }

    def mean_loss(W1, b1, W2, b2):
        hidden = cr.sigmoid(cr.tensor(X) @ W1 + b1)
        y = cr.sigmoid(hidden @ W2 + b2)
        return 0.5 * ((y - cr.tensor(t)) ** 2).sum() / len(t)

    taped = tape(mean_loss, W1, b1, W2, b2)
    numerical = [
        numerical_gradient(lambda: MSE().forward(network.forward(X), t) / len(t), parameter)
        for parameter, _ in parameters.values()
    ]
    tensors = [cr.tensor(parameter, requires_grad=True) for parameter in (W1, b1, W2, b2)]

    lab.figure(
        cr.show.graph,
        mean_loss(*tensors),
        names=dict(zip(parameters, tensors, strict=True)),
        direction="down",
        en="The same network as chainrule sees it: each wire carries what one hand-written layer hands to the next.",
        ko="chainrule이 보는 같은 신경망. 선마다 손으로 짠 층이 다음 층에 건네는 값이 실립니다.",
    )
    lab.table(
        lab.say(
            ["", "by hand", "to finite differences", "to autodiff"],
            ["", "손으로", "수치 미분과의 차이", "자동 미분과의 차이"],
        ),
        [
            [name, " ".join(f"{v:.4f}" for v in mine.ravel()), abs(mine - n).max(), abs(mine - a).max()]
            for (name, (_, mine)), n, a in zip(parameters.items(), numerical, taped, strict=True)
        ],
        digits=2,
    )  # fmt: skip
    lab.agrees(
        "Backpropagation by hand through the whole network agrees with chainrule",
        "신경망 전체의 손 역전파가 chainrule과 일치합니다",
        np.concatenate([mine.ravel() for _, mine in parameters.values()]), np.concatenate([a.ravel() for a in taped]),
        within=1e-15,
    )  # fmt: skip

    lab.section("How small should h be?", "h는 얼마나 작아야 할까?")
    lab.text(
        en=r"""A large $h$ sees the curve instead of its tangent: the error of the two-sided difference falls with
        $h^2$. A tiny $h$ subtracts two numbers that are nearly equal and keeps only their rounding. In between lies
        the best place, near $h = 10^{-5}$ in double precision.""",
        ko=r"""$h$가 크면 접선이 아니라 곡선을 보게 됩니다. 양쪽 차분의 오차는 $h^2$에 비례해 줄어듭니다. 반대로
        $h$가 너무 작으면 거의 같은 두 수를 빼므로 반올림 오차만 남습니다. 가장 좋은 자리는 그 사이, 배정밀도에서는
        $h = 10^{-5}$ 근처입니다.""",
    )
    sizes = 10.0 ** np.arange(-12, 0.5, 0.5)
    errors = {"(f(x+h) - f(x-h)) / 2h": [], "(f(x+h) - f(x)) / h": []}
    x = 0.7
    exact = Sigmoid().forward(x) * (1 - Sigmoid().forward(x))
    for h in sizes:
        above, here, below = (Sigmoid().forward(x + step) for step in (h, 0, -h))
        errors["(f(x+h) - f(x-h)) / 2h"].append(abs((above - below) / (2 * h) - exact))
        errors["(f(x+h) - f(x)) / h"].append(abs((above - here) / h - exact))
    two_sided, one_sided = (np.array(error) for error in errors.values())

    lab.figure(
        curves, {"": {name: (sizes, np.maximum(error, 1e-16)) for name, error in errors.items()}}, logs="xy", marks=True,
        xlabel="h", ylabel=lab.say("error", "오차"),
        en="The error of the slope of a sigmoid. To the right the formula is too coarse, to the left rounding takes over.",
        ko="시그모이드 기울기의 오차. 오른쪽에서는 공식이 거칠고, 왼쪽에서는 반올림이 지배합니다.",
    )  # fmt: skip
    lab.claim(
        "The best two-sided difference is far better than the best one-sided one",
        "가장 좋은 양쪽 차분은 가장 좋은 한쪽 차분보다 훨씬 정확합니다",
        measured=f"{two_sided.min():.1e}, {one_sided.min():.1e}", holds=100 * two_sided.min() < one_sided.min(),
    )  # fmt: skip
    lab.claim(
        "Ten times smaller h, a hundred times smaller error, until rounding takes over",
        "반올림이 지배하기 전까지는 h가 10분의 1이면 오차는 100분의 1입니다",
        measured=lab.say(f"factor {two_sided[-5] / two_sided[-7]:.1f}", f"{two_sided[-5] / two_sided[-7]:.1f}배"),
        holds=abs(two_sided[-5] / two_sided[-7] - 100) < 5,
    )

    lab.section("Does the check find mistakes?", "확인이 실수를 찾아낼까?")
    lab.text(
        en="""A check that never fails proves nothing. So we put in the usual mistakes, one of them as small as a
        tenth of a percent, and ask for the gradient again.""",
        ko="""한 번도 실패하지 않는 확인은 아무것도 증명하지 못합니다. 그래서 흔한 실수들을 일부러 넣어 봅니다.
        하나는 0.1 %밖에 틀리지 않은 것입니다.""",
    )
    y = Sigmoid().forward(dout)
    right = numerical_gradient(lambda: Sigmoid().forward(dout).sum(), dout)
    mistakes = {
        "y (1 - y)": y * (1 - y),
        "y (1 + y)": y * (1 + y),
        "1 - y": 1 - y,
        "x (1 - x)": dout * (1 - dout),
        "0.999 y (1 - y)": 0.999 * y * (1 - y),
    }
    largest = abs(right).max()
    relative = {rule: abs(slope - right).max() / largest for rule, slope in mistakes.items()}

    lab.table(
        [lab.say("rule", "규칙"), lab.say("relative difference", "상대 차이"), ""],
        [[rule, d, lab.say("right", "맞음") if d < 1e-6 else lab.say("wrong", "틀림")] for rule, d in relative.items()],
        digits=2,
        en="Rules for the backward of Sigmoid, against finite differences.", ko="Sigmoid의 backward 규칙을 수치 미분과 비교.",
    )  # fmt: skip
    lab.claim(
        "The right rule passes, every wrong one is found, even the one that is off by 0.1 %",
        "맞는 규칙은 통과하고, 0.1 %만 틀린 것까지 틀린 규칙은 모두 걸립니다",
        measured=", ".join(f"{d:.2g}" for d in relative.values()),
        holds=relative["y (1 - y)"] < 1e-8 and all(d > 9e-4 for rule, d in relative.items() if rule != "y (1 - y)"),
    )
    lab.next(
        en="""- Write ReLU, Tanh and Softmax with cross entropy in the same way, and check them before you use them.
        - Leave the division by the batch size out of `MSE.backward`. Which checks notice, and what would training
          notice?
        - `cr.check_grads(f, *args)` is the same check, ready-made: try it on a function of your own, with
          `order=2`.
        - The lab `xor` trains this very network.""",
        ko="""- ReLU, Tanh, 그리고 교차 엔트로피와 합친 Softmax를 같은 방식으로 짜고, 쓰기 전에 확인해 보세요.
        - `MSE.backward`에서 배치 크기로 나누기를 빼 보세요. 어떤 확인이 알아챌까요? 학습에서는 무엇이 달라질까요?
        - `cr.check_grads(f, *args)`는 같은 확인을 해 주는 함수입니다. 직접 만든 함수에 `order=2`로 써 보세요.
        - 실습 `xor`에서는 바로 이 신경망을 학습시킵니다.""",
    )
