"""Logic gates with one perceptron

퍼셉트론 하나로 만드는 논리 게이트

A perceptron adds up its weighted inputs and answers 1 or 0. Which logic gates can it compute, can it find the weights
by itself, and why is XOR not among them?

퍼셉트론은 입력에 가중치를 곱해 더한 뒤 1 또는 0으로 답합니다. 퍼셉트론 하나로 어떤 논리 게이트를 만들 수 있을까요?
가중치를 스스로 찾을 수 있을까요? 그리고 XOR는 왜 안 될까요?
"""

from __future__ import annotations

import itertools

import numpy as np

import chainrule as cr
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import Plane, curves, planes


def perceptron(x, w, b):
    """1 where b + w.x > 0, else 0; one answer for each row of x."""
    return cr.step(x @ w + b)


def learn(x, targets, epochs):
    """The perceptron rule, w += (t - y) x after each row, until an epoch has no mistake."""
    w, b = cr.zeros(2), cr.zeros(())
    mistakes, visited = [], []
    for _ in range(epochs):
        wrong = 0
        for row, target in zip(x, targets, strict=True):
            visited.append((*w.tolist(), b.item()))
            error = target - perceptron(row, w, b)
            w, b = w + error * row, b + error
            wrong += int(error != 0)
        mistakes.append(wrong)
        if wrong == 0:
            break
    return w, b, mistakes, visited


def run(lab: Lab) -> None:
    lab.section("A perceptron", "퍼셉트론")
    lab.text(
        en=r"""A perceptron multiplies each input by a **weight**, adds a **bias**, and answers 1 if the sum is
        above 0:

        $$y = 1 \quad \text{if} \quad b + w_1 x_1 + w_2 x_2 > 0, \quad \text{else} \quad 0$$

        The weights say how much each input counts, the bias how easily the answer becomes 1.""",
        ko=r"""퍼셉트론은 입력마다 **가중치**를 곱하고 **편향**을 더한 뒤, 그 합이 0보다 크면 1을 출력합니다.

        $$y = 1 \quad \text{if} \quad b + w_1 x_1 + w_2 x_2 > 0, \quad \text{else} \quad 0$$

        가중치는 각 입력이 얼마나 중요한지를, 편향은 얼마나 쉽게 1이 되는지를 정합니다.""",
    )
    lab.code(perceptron)
    lab.text(
        en="""AND, NAND and OR differ in nothing but these three numbers. The weights of the slide:""",
        ko="""AND, NAND, OR의 차이는 이 세 숫자뿐입니다. 슬라이드의 가중치를 그대로 씁니다.""",
    )
    x = cr.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    truth = {"AND": [0, 0, 0, 1], "NAND": [1, 1, 1, 0], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
    weights = {"AND": ([0.5, 0.5], -0.7), "NAND": ([-0.5, -0.5], 0.7), "OR": ([0.5, 0.5], -0.2)}
    answers = {gate: perceptron(x, cr.tensor(w), b) for gate, (w, b) in weights.items()}

    lab.table(
        [lab.say("gate", "게이트"), "$w_1$", "$w_2$", "$b$"],
        [[gate, *w, b] for gate, (w, b) in weights.items()],
        en="The slide's weights.", ko="슬라이드의 가중치.",
    )  # fmt: skip
    lab.table(
        ["$x_1$", "$x_2$", *answers], [[*row, *(y[i] for y in answers.values())] for i, row in enumerate(x)],
        en="What the three perceptrons answer.", ko="세 퍼셉트론의 출력.",
    )  # fmt: skip
    for gate, answer in answers.items():
        lab.matches(
            f"The perceptron with the slide's weights computes {gate}",
            f"슬라이드의 가중치를 넣은 퍼셉트론은 {gate} 게이트입니다",
            answer, " ".join(map(str, truth[gate])),
        )  # fmt: skip
    lab.text(
        en=r"""Where the sum is exactly 0 lies the **decision line**. On one side of it the answer is 1, on the
        other 0. AND and NAND have the same line; their signs, and so their sides, are exchanged.""",
        ko=r"""합이 정확히 0이 되는 점들은 직선을 이루고, 이 직선이 **결정 경계**입니다. 한쪽에서는 1, 다른 쪽에서는
        0을 출력합니다. AND와 NAND는 직선이 같고 부호만 반대여서, 1과 0의 영역이 서로 바뀌어 있습니다.""",
    )
    lab.figure(
        planes,
        {gate: Plane(x.numpy(), truth[gate], lines=[(*w, b)]) for gate, (w, b) in weights.items()},
        names=lab.say(("answer 0", "answer 1"), ("출력 0", "출력 1")),
        en="The decision lines of the three gates; the shaded side answers 1.",
        ko="세 게이트의 결정 경계. 색칠한 쪽의 출력이 1입니다.",
    )

    lab.section("XOR from three gates", "게이트 세 개로 만드는 XOR")
    lab.text(
        en=r"""XOR is 1 where exactly one input is 1. No choice of three numbers has given it so far, but gates can
        be put behind one another: XOR is the AND of a NAND and an OR.""",
        ko=r"""XOR는 두 입력 중 하나만 1일 때 1입니다. 게이트 하나로는 만들지 못했지만, 게이트를 이어 붙이면 됩니다.
        NAND와 OR의 출력을 AND에 넣으면 XOR가 됩니다.""",
    )
    s1, s2 = answers["NAND"], answers["OR"]
    w, b = weights["AND"]
    y = perceptron(cr.stack([s1, s2], axis=1), cr.tensor(w), b)

    lab.table(
        ["$x_1$", "$x_2$", "$s_1$ = NAND", "$s_2$ = OR", "$y$ = AND($s_1$, $s_2$)"],
        [[*row, s1[i], s2[i], y[i]] for i, row in enumerate(x)],
        en="Row by row through two layers.", ko="두 층을 지나는 값.",
    )  # fmt: skip
    lab.matches("The first layer gives $s_1$", "첫 층의 출력 $s_1$", s1, "1 1 1 0")
    lab.matches("The first layer gives $s_2$", "첫 층의 출력 $s_2$", s2, "0 1 1 1")
    lab.matches("Two layers compute XOR", "두 층이면 XOR를 계산합니다", y, "0 1 1 0")

    lab.section("Learning the weights", "가중치 학습")
    lab.text(
        en=r"""Nobody has to choose the weights. The **perceptron rule** starts with zeros and goes through the rows
        again and again. A right answer changes nothing; after a wrong one, weights and bias move by the error times
        the input, towards what would have been right.""",
        ko=r"""가중치를 사람이 정할 필요는 없습니다. **퍼셉트론 학습 규칙**은 0에서 시작해 네 행을 거듭 살펴봅니다.
        맞히면 그대로 두고, 틀리면 오차에 입력을 곱한 만큼 가중치와 편향을 옳은 쪽으로 옮깁니다.""",
    )
    lab.code(learn)
    found = {gate: learn(x, truth[gate], epochs=lab.scale(1000, quick=100)) for gate in truth}

    lab.table(
        [lab.say("gate", "게이트"), lab.say("epochs", "에폭"), lab.say("mistakes in all", "틀린 횟수"), "$w_1$", "$w_2$", "$b$"],
        [[gate, len(mistakes), sum(mistakes), *w, b] for gate, (w, b, mistakes, _) in found.items()],
        en="What the rule finds. For XOR the last weights before it was stopped.",
        ko="규칙이 찾아낸 가중치. XOR는 중단했을 때의 가중치입니다.",
    )  # fmt: skip
    lab.figure(
        planes,
        {
            gate: Plane(x.numpy(), truth[gate], lines=visited[-9:], fades=True)
            for gate, (_, _, _, visited) in found.items()
        },
        names=lab.say(("answer 0", "answer 1"), ("출력 0", "출력 1")),
        en="The line during the last nine rows, from pale to dark. Three of them come to rest; for XOR it keeps jumping.",
        ko="마지막 아홉 행을 보는 동안의 결정 경계. 옅은 선에서 짙은 선으로 움직입니다. 셋은 자리를 잡지만 XOR는 계속 뜁니다.",
    )
    for gate, (w, b, mistakes, _) in list(found.items())[:3]:
        lab.claim(
            f"The rule learns {gate}: after some epochs it makes no mistake",
            f"{gate} 학습: 몇 에폭이 지나면 틀리지 않습니다",
            measured=lab.say(f"epochs until then: {len(mistakes) - 1}", f"걸린 에폭: {len(mistakes) - 1}"),
            holds=mistakes[-1] == 0 and perceptron(x, w, b).tolist() == truth[gate],
        )

    lab.section("How many mistakes can there be?", "최대 몇 번 틀릴까?")
    lab.text(
        en=r"""If *some* line separates the two classes, the rule finds one after at most $(R / \gamma)^2$ mistakes
        (Novikoff, 1962). $R$ is the length of the longest input, the constant 1 of the bias included; $\gamma$ is
        how far the nearest point lies from the separating plane. The slide's weights are such a plane.""",
        ko=r"""두 클래스를 나누는 직선이 *하나라도* 있으면, 이 규칙은 많아야 $(R / \gamma)^2$번 틀린 뒤에 답을
        찾습니다(Novikoff, 1962). $R$는 편향 입력 1까지 포함한 가장 긴 입력의 길이, $\gamma$는 경계면에서 가장
        가까운 점까지의 거리입니다. 슬라이드의 가중치를 경계면으로 삼아 계산해 봅시다.""",
    )
    rows = np.column_stack([x.numpy(), np.ones(4)])
    radius = np.linalg.norm(rows, axis=1).max()
    bounds = {}
    for gate, (w, b) in weights.items():
        plane = np.array([*w, b])
        signs = np.where(np.array(truth[gate]) == 1, 1, -1)
        margin = (signs * (rows @ plane)).min() / np.linalg.norm(plane)
        bounds[gate] = (radius / margin) ** 2

    lab.table(
        [lab.say("gate", "게이트"), lab.say("mistakes made", "실제로 틀린 횟수"), r"$(R / \gamma)^2$"],
        [[gate, sum(found[gate][2]), bound] for gate, bound in bounds.items()], decimals=1,
    )  # fmt: skip
    lab.claim(
        "The mistakes stay below Novikoff's bound for all three gates",
        "세 게이트 모두 틀린 횟수가 Novikoff의 한계를 넘지 않습니다",
        measured=", ".join(f"{gate} {sum(found[gate][2])} ≤ {bound:.0f}" for gate, bound in bounds.items()),
        holds=all(sum(found[gate][2]) <= bound for gate, bound in bounds.items()),
    )

    lab.section("XOR is never learned", "XOR는 끝내 학습되지 않는다")
    lab.text(
        en=r"""On XOR the rule makes mistakes in every epoch. Is it only slow? No: one look at the weights at the
        beginning of each epoch is enough. As soon as the same three numbers come back, everything after them
        repeats too, for ever.""",
        ko=r"""XOR에서는 매 에폭 틀립니다. 단지 느린 것일까요? 아닙니다. 에폭이 시작될 때의 가중치만 보면 알 수
        있습니다. 같은 세 숫자가 다시 나타나면 그다음 과정도 똑같이 되풀이되므로, 영원히 끝나지 않습니다.""",
    )
    mistakes, visited = found["XOR"][2:]
    starts = visited[::4]
    again = next(i for i, state in enumerate(starts) if state in starts[:i])
    earlier = starts.index(starts[again])

    lab.figure(
        curves,
        {"": {gate: (range(1, len(m[:12]) + 1), m[:12]) for gate, (_, _, m, _) in found.items()}},
        xlabel=lab.say("epoch", "에폭"), ylabel=lab.say("mistakes", "틀린 횟수"), marks=True,
        en="Mistakes in each epoch: 0 ends the learning of AND, NAND and OR. XOR is soon wrong in every row.",
        ko="에폭마다 틀린 횟수. AND, NAND, OR는 0이 되면 끝나지만 XOR는 곧 네 행을 모두 틀립니다.",
    )  # fmt: skip
    lab.claim(
        f"No epoch of {len(mistakes)} is free of mistakes on XOR",
        f"XOR에서는 {len(mistakes)}에폭 동안 한 번도 다 맞히지 못합니다",
        measured=lab.say(f"fewest mistakes in an epoch: {min(mistakes)}", f"가장 적게 틀린 에폭: {min(mistakes)}번"),
        holds=min(mistakes) > 0,
    )
    lab.claim(
        "The weights come back to where they were, so the rule goes round in a circle for ever",
        "가중치가 예전 값으로 되돌아오므로 규칙은 영원히 제자리를 맴돕니다",
        measured=lab.say(
            f"epoch {again + 1} begins as epoch {earlier + 1} did, with (w1, w2, b) = {starts[again]}",
            f"{again + 1}번째 에폭의 시작이 {earlier + 1}번째와 같음: (w1, w2, b) = {starts[again]}",
        ),
        holds=again > earlier and starts[again] == starts[earlier],
    )

    lab.section("The proof", "증명")
    lab.text(
        en=r"""No rule could do better. XOR asks four things of the weights:

        - row 00 must give 0: $b \le 0$
        - row 10 must give 1: $w_1 + b > 0$
        - row 01 must give 1: $w_2 + b > 0$
        - row 11 must give 0: $w_1 + w_2 + b \le 0$

        The second and third together say $w_1 + w_2 + 2 b > 0$. The first and fourth together say
        $w_1 + w_2 + 2 b \le 0$. Both cannot be true: no line separates XOR.

        There are 16 functions of two bits. How many of them does a perceptron reach? We try all weights of a grid:""",
        ko=r"""어떤 규칙을 써도 마찬가지입니다. XOR가 되려면 네 가지가 필요합니다.

        - 00 행의 출력이 0: $b \le 0$
        - 10 행의 출력이 1: $w_1 + b > 0$
        - 01 행의 출력이 1: $w_2 + b > 0$
        - 11 행의 출력이 0: $w_1 + w_2 + b \le 0$

        둘째와 셋째를 더하면 $w_1 + w_2 + 2 b > 0$이고, 첫째와 넷째를 더하면 $w_1 + w_2 + 2 b \le 0$입니다. 둘 다
        참일 수는 없으므로 XOR를 나누는 직선은 없습니다.

        두 비트의 함수는 모두 16가지입니다. 퍼셉트론으로 그중 몇 가지를 만들 수 있을까요? 격자 위의 가중치를 모두
        시험해 봅니다.""",
    )
    steps = np.arange(-10.0, 11.0)
    grid = np.array(list(itertools.product(steps, steps, steps)))
    computed = perceptron(cr.tensor(rows), cr.tensor(grid.T), 0).numpy().T
    functions = list(itertools.product((0, 1), repeat=4))
    counts = {bits: int((computed == bits).all(axis=1).sum()) for bits in functions}
    reached = [bits for bits in functions if counts[bits] > 0]

    lab.table(
        ["00", "10", "01", "11", lab.say("perceptrons", "퍼셉트론 수"), lab.say("known as", "이름")],
        [[*bits, count, _name(bits)] for bits, count in counts.items()],
        en=f"How many of {len(grid)} perceptrons compute each function of two bits.",
        ko=f"퍼셉트론 {len(grid)}개 가운데 각 함수를 계산하는 것의 수.",
    )
    lab.claim(
        "One perceptron computes 14 of the 16 functions of two bits",
        "퍼셉트론 하나로 두 비트의 함수 16가지 중 14가지를 만들 수 있습니다",
        measured=len(reached), holds=len(reached) == 14,
    )  # fmt: skip
    lab.claim(
        "The two that are missing are XOR and its opposite",
        "빠진 둘은 XOR와 그 반대인 XNOR입니다",
        measured=", ".join("".join(map(str, bits)) for bits, count in counts.items() if not count),
        holds=set(counts) - set(reached) == {(0, 1, 1, 0), (1, 0, 0, 1)},
    )
    lab.next(
        en=r"""- Begin `learn` with other weights than zeros, or go through the rows in another order. Which numbers
          of the table change, and which cannot?
        - Add a third input. How many of the 256 functions of three bits does a grid of perceptrons reach? (104 can
          be separated.)
        - The next lab, `xor-space`, shows what the first layer does to the plane so that the second can draw its
          line.""",
        ko=r"""- `learn`을 0이 아닌 가중치에서 시작하거나 행의 순서를 바꿔 보세요. 표에서 무엇이 달라지고, 무엇은
          달라질 수 없을까요?
        - 입력을 하나 더 늘려 보세요. 세 비트의 함수 256가지 중 몇 가지나 만들어질까요? (직선, 곧 평면으로 나눌 수
          있는 것은 104가지입니다.)
        - 다음 실습 `xor-space`에서는 첫 층이 평면을 어떻게 바꾸기에 둘째 층이 직선을 그을 수 있는지 봅니다.""",
    )


def _name(bits: tuple[int, ...]) -> str:
    names = {(0, 0, 0, 1): "AND", (1, 1, 1, 0): "NAND", (0, 1, 1, 1): "OR", (1, 0, 0, 0): "NOR", (0, 1, 1, 0): "XOR"}
    return {**names, (1, 0, 0, 1): "XNOR"}.get(bits, "")
