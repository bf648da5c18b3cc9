"""The chain rule, drawn: values forward, gradients back

그림으로 보는 연쇄 법칙: 값은 앞으로, 기울기는 뒤로

Every formula is a graph of small steps. If each step knows its own derivative, what must it do with the gradient that comes
back, so that in the end every input knows how much it counts?

모든 식은 작은 연산을 이은 그래프입니다. 연산마다 자기 미분만 안다면, 뒤에서 오는 기울기를 어떻게 처리해야 모든 입력이 자기
몫을 알게 될까요?
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.labs.lesson import Lab


def number(value):
    """A number in double precision that wants a gradient."""
    return cr.tensor(value, dtype=cr.float64, requires_grad=True)


def run(lab: Lab) -> None:
    lab.section("A function inside a function", "함수 속의 함수")
    lab.text(
        en=r"""Let $y = 5x + 3$ and $z = 4y^2$. A small change of $x$ changes $y$ five times as much, and a change
        of $y$ changes $z$ by the factor $8y$. Factors of links multiply, that is the **chain rule**:

        $$\frac{\partial z}{\partial x} = \frac{\partial z}{\partial y} \cdot \frac{\partial y}{\partial x}
        = 8y \cdot 5 = 40 (5x + 3)$$

        On the graph, values stand above the wires and go to the right; gradients stand below them and go back.""",
        ko=r"""$y = 5x + 3$, $z = 4y^2$라 합시다. $x$가 조금 변하면 $y$는 그 다섯 배, $y$가 변하면 $z$는 그 $8y$배
        변합니다. 이어진 고리의 배율은 곱해집니다. 이것이 **연쇄 법칙**입니다.

        $$\frac{\partial z}{\partial x} = \frac{\partial z}{\partial y} \cdot \frac{\partial y}{\partial x}
        = 8y \cdot 5 = 40 (5x + 3)$$

        계산 그래프에서 값은 선 위에 적혀 오른쪽으로 가고, 기울기는 선 아래에 적혀 되돌아옵니다.""",
    )
    lab.code(number)
    x = number(1.0)
    y = 5 * x + 3
    z = 4 * y**2

    lab.figure(
        cr.show.graph, z, en="$z = 4y^2$ with $y = 5x + 3$, at $x = 1$.", ko="$x = 1$에서 $y = 5x + 3$, $z = 4y^2$."
    )
    places = np.array([-2.0, 0.0, 1.0, 3.0])
    slopes = [cr.grad(lambda x: 4 * (5 * x + 3) ** 2)(number(place)).item() for place in places]

    lab.table(
        ["$x$", "$40 (5x + 3)$", lab.say("chainrule", "chainrule의 기울기")],
        [[place, 40 * (5 * place + 3), slope] for place, slope in zip(places, slopes, strict=True)],
    )  # fmt: skip
    lab.agrees("$dz/dx = 40 (5x + 3)$", "$dz/dx = 40 (5x + 3)$입니다", slopes, 40 * (5 * places + 3), within=1e-12)

    x, y = number(3.0), number(4.0)
    t = x + y
    z = t**2

    lab.figure(
        cr.show.graph,
        z,
        en="$z = t^2$ with $t = x + y$, at $x = 3$, $y = 4$.",
        ko="$x = 3$, $y = 4$에서 $t = x + y$, $z = t^2$.",
    )
    z.backward()

    lab.agrees(
        "$dz/dx = dz/dy = 2 (x + y) = 14$",
        "$dz/dx = dz/dy = 2 (x + y) = 14$입니다",
        [x.grad.item(), y.grad.item()],
        [14, 14],
        within=0,
    )

    lab.section("Add passes, multiply swaps", "덧셈은 흘려보내고, 곱셈은 바꿔 준다")
    lab.text(
        en=r"""The first circuit of every course: $f = (x + y) z$ at $x = -2$, $y = 5$, $z = -4$.

        - The **multiply** gate gives each input the gradient times the *other* input: it swaps the values.
        - The **add** gate passes the gradient on to both as it is.""",
        ko=r"""어느 강의에나 나오는 첫 회로입니다: $x = -2$, $y = 5$, $z = -4$에서 $f = (x + y) z$.

        - **곱셈** 게이트는 각 입력에 기울기와 *다른* 입력의 곱을 줍니다. 값을 서로 바꿔 주는 셈입니다.
        - **덧셈** 게이트는 기울기를 두 입력에 그대로 흘려보냅니다.""",
    )
    x, y, z = number(-2.0), number(5.0), number(-4.0)
    q = x + y
    f = q * z

    lab.figure(cr.show.graph, f, en="Values above, gradients below.", ko="위는 값, 아래는 기울기.")
    lab.figure(cr.show.backward, f, en="The walk back through $f = (x + y) z$", ko="$f = (x + y) z$의 역전파")
    f.backward()

    lab.matches("The values $q$ and $f$", "$q$와 $f$의 값", [q.item(), f.item()], "3 -12")
    lab.matches(
        "The gradients of $x$, $y$, $z$",
        "$x$, $y$, $z$의 기울기",
        [x.grad.item(), y.grad.item(), z.grad.item()],
        "-4 -4 3",
    )
    lab.text(
        en="""A third gate is worth knowing: the **maximum** sends the gradient to its larger input, all of it. And
        where one value goes two ways, the gradients of both ways **add up**:""",
        ko="""알아 둘 게이트가 하나 더 있습니다. **최댓값**은 더 큰 입력에만 기울기를 전부 보냅니다. 그리고 한 값이
        두 갈래로 쓰이면 두 갈래의 기울기는 **더해집니다**.""",
    )
    x, y = number(2.0), number(3.0)
    g = x * y + cr.maximum(x, y)

    lab.figure(
        cr.show.graph, g,
        en="$g = xy + \\max(x, y)$: y is used twice, and gets 2 from one use and 1 from the other.",
        ko="$g = xy + \\max(x, y)$: y는 두 번 쓰여 한쪽에서 2, 다른 쪽에서 1을 받습니다.",
    )  # fmt: skip
    g.backward()

    lab.agrees(
        "At a fork gradients add up: $\\partial g / \\partial x = 3 + 0$, $\\partial g / \\partial y = 2 + 1$",
        "갈림길에서 기울기는 더해집니다: $\\partial g / \\partial x = 3 + 0$, $\\partial g / \\partial y = 2 + 1$",
        [x.grad.item(), y.grad.item()], [3, 3], within=0,
    )  # fmt: skip

    lab.section("Apples and oranges", "사과와 귤")
    lab.text(
        en="""Two apples at 100, three oranges at 150, and 10 % tax. What does it cost, and what would it cost more
        if an apple were dearer by 1, or if there were one orange more? The gradients answer all five questions at
        once.""",
        ko="""100원짜리 사과 두 개, 150원짜리 귤 세 개, 소비세 10 %. 값은 얼마이고, 사과값이 1원 오르거나 귤을 하나
        더 사면 얼마나 늘까요? 기울기는 다섯 가지 물음에 한꺼번에 답합니다.""",
    )
    apple, apples = number(100.0), number(2.0)
    orange, oranges = number(150.0), number(3.0)
    tax = number(1.1)
    price = (apple * apples + orange * oranges) * tax
    bought = {"apple": apple, "apples": apples, "orange": orange, "oranges": oranges, "tax": tax}

    lab.figure(cr.show.graph, price, en="The price and what it depends on.", ko="값과, 값이 무엇에 달려 있는지.")
    price.backward()

    lab.table(
        [lab.say("by", "변수"), lab.say("value", "값"), lab.say("derivative of the price", "값의 미분")],
        [[name, value.item(), value.grad.item()] for name, value in bought.items()],
        en="`apple` is the price of one, `apples` their number.", ko="`apple`은 한 개의 값, `apples`는 개수입니다.",
    )  # fmt: skip
    lab.matches("The price of the fruit", "과일값", price.item(), "715")
    lab.matches(
        "Its derivatives by apple price, apple count, orange price, orange count, tax",
        "사과값, 사과 수, 귤값, 귤 수, 세금에 대한 미분",
        [value.grad.item() for value in bought.values()], "2.2 110 3.3 165 650",
    )  # fmt: skip

    lab.section("The sigmoid circuit", "시그모이드 회로")
    lab.text(
        en=r"""A neuron with two inputs, taken apart into gates that everybody can derive:

        $$f = \frac{1}{1 + e^{-(w_0 x_0 + w_1 x_1 + w_2)}}$$

        The last four gates together are the sigmoid $s$, whose own derivative is $(1 - s) \, s$. So gates can be
        put together into a larger one as one likes; the gradients do not change.""",
        ko=r"""입력이 둘인 뉴런을 누구나 미분할 수 있는 게이트로 나눠 봅시다.

        $$f = \frac{1}{1 + e^{-(w_0 x_0 + w_1 x_1 + w_2)}}$$

        마지막 네 게이트를 합치면 시그모이드 $s$이고, 그 미분은 $(1 - s) \, s$입니다. 게이트는 얼마든지 묶어 더 큰
        게이트로 볼 수 있으며, 그래도 기울기는 같습니다.""",
    )
    w0, x0, w1, x1, w2 = number(2.0), number(-1.0), number(-3.0), number(-2.0), number(-3.0)
    total = (w0 * x0 + w1 * x1 + w2).retain_grad()
    f = 1 / (1 + cr.exp(-total))
    whole = cr.sigmoid(w0 * x0 + w1 * x1 + w2)

    lab.figure(cr.show.graph, f, en="The sigmoid as four gates.", ko="게이트 네 개로 나눈 시그모이드.")
    lab.figure(
        cr.show.graph,
        whole,
        en="The sigmoid as one gate: the same gradients.",
        ko="한 게이트로 본 시그모이드: 기울기는 같습니다.",
    )
    f.backward()

    lab.matches("The output of the sigmoid circuit", "시그모이드 회로의 출력", f.item(), "0.73")
    lab.matches("The gradient at the sum", "합에서의 기울기", total.grad.item(), "0.1966")
    lab.matches(
        "The gradients of $w_0$, $w_1$, $w_2$", "$w_0$, $w_1$, $w_2$의 기울기",
        [w.grad.item() for w in (w0, w1, w2)], "-0.20 -0.39 0.20",
    )  # fmt: skip
    lab.matches(
        "The gradients of $x_0$, $x_1$", "$x_0$, $x_1$의 기울기", [x0.grad.item(), x1.grad.item()], "0.39 -0.59"
    )
    lab.agrees(
        "The gradient at the sum is $(1 - s) \\, s$", "합에서의 기울기는 $(1 - s) \\, s$입니다",
        total.grad.item(), (1 - f.item()) * f.item(), within=1e-15,
    )  # fmt: skip

    lab.section("Vectors and matrices", "벡터와 행렬")
    lab.text(
        en=r"""Nothing changes for arrays, but the shapes must fit: the gradient of an array always has the array's
        own shape. For $f = \lVert W x \rVert^2$ with $q = W x$ we get $\partial f / \partial q = 2q$, then
        $\partial f / \partial W = 2 q \, x^\top$ and $\partial f / \partial x = 2 W^\top q$.""",
        ko=r"""배열이어도 다를 것이 없습니다. 다만 모양이 맞아야 합니다. 어떤 배열의 기울기는 언제나 그 배열과
        모양이 같습니다. $f = \lVert W x \rVert^2$에서 $q = W x$라 하면 $\partial f / \partial q = 2q$이고, 따라서
        $\partial f / \partial W = 2 q \, x^\top$, $\partial f / \partial x = 2 W^\top q$입니다.""",
    )
    W = number([[0.1, 0.5], [-0.3, 0.8]])
    x = number([[0.2], [0.4]])
    q = W @ x
    f = (q * q).sum()

    lab.figure(cr.show.graph, f, en="The circuit of the squared norm.", ko="노름 제곱의 회로.")
    lab.figure(cr.show.backward, f, en="The walk back through the squared norm", ko="노름 제곱의 역전파")
    f.backward()

    lab.matches("$q$ and $f$", "$q$와 $f$", [*q.detach().numpy().ravel(), f.item()], "0.22 0.26 0.116")
    lab.matches("The gradient of $W$", "$W$의 기울기", W.grad, "0.088 0.176 0.104 0.208")
    lab.matches("The gradient of $x$", "$x$의 기울기", x.grad, "-0.112 0.636")

    lab.section("Softmax with cross entropy", "소프트맥스와 교차 엔트로피")
    lab.text(
        en=r"""The two belong together, because their common derivative is as simple as can be. With one-hot labels
        $Y$ and $P = \mathrm{softmax}(X W)$, the sum of the losses has

        $$\frac{\partial L}{\partial H} = P - Y, \quad \frac{\partial L}{\partial W} = X^\top (P - Y)$$""",
        ko=r"""이 둘은 함께 다니는데, 합쳐서 미분하면 더없이 간단해지기 때문입니다. 원-핫 정답을 $Y$,
        $P = \mathrm{softmax}(X W)$라 하면 손실의 합에 대해

        $$\frac{\partial L}{\partial H} = P - Y, \quad \frac{\partial L}{\partial W} = X^\top (P - Y)$$""",
    )
    X = cr.tensor([[6.3, 2.7, 4.9, 1.8], [5.1, 3.5, 1.4, 0.2]], dtype=cr.float64)
    Y = cr.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], dtype=cr.float64)
    W = number([[0.23, 0.08, -0.31], [0.61, -0.22, -0.39], [-0.9, 0.2, 0.69], [-0.41, -0.05, 0.46]])
    H = (X @ W).retain_grad()
    L = -(Y * cr.log_softmax(H, axis=1)).sum()

    lab.figure(cr.show.graph, L, en="From two flowers to one loss.", ko="꽃 두 송이에서 손실 하나까지.")
    L.backward()
    P = cr.softmax(H.detach(), axis=1)

    lab.table(
        [f"${letter}_{k}$" for letter in ("P", "Y") for k in range(3)] + [f"$\\partial L / \\partial H_{k}$" for k in range(3)],
        np.concatenate([P.numpy(), Y.numpy(), H.grad.numpy()], axis=1), decimals=4,
        en="A row for each flower.", ko="꽃마다 한 행.",
    )  # fmt: skip
    lab.agrees("$dL/dH = P - Y$", "$dL/dH = P - Y$입니다", H.grad, P - Y, within=1e-15)
    lab.agrees("$dL/dW = X^\\top (P - Y)$", "$dL/dW = X^\\top (P - Y)$입니다", W.grad, X.T @ (P - Y), within=1e-14)
    lab.next(
        en=r"""- `cr.show.backward(price).show()` opens the walk back as a page with a button for the next step. Say
          what comes before you press it.
        - Change `(x + y) * z` to `(x - y) * z` and to `x * y * z`. Which gradients change their sign?
        - The max gate at a tie, `cr.maximum(x, x)`: what gradient does x get? What would have been another fair
          answer?""",
        ko=r"""- `cr.show.backward(price).show()`는 역전파를 한 단계씩 보여 주는 페이지를 엽니다. 다음 단계를 누르기
          전에 먼저 답해 보세요.
        - `(x + y) * z`를 `(x - y) * z`로, 또 `x * y * z`로 바꿔 보세요. 부호가 바뀌는 기울기는 무엇일까요?
        - 두 입력이 같을 때의 최댓값 게이트 `cr.maximum(x, x)`에서 x는 어떤 기울기를 받을까요? 다르게 정한다면 어떤
          답이 공평할까요?""",
    )
