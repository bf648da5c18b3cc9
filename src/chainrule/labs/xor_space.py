"""XOR: what a hidden layer does to the plane

XOR: 은닉층은 평면을 어떻게 바꾸는가

No straight line separates XOR. A perceptron with one layer in between computes it all the same: what has happened to the
points on their way?

XOR는 직선 하나로 나눌 수 없습니다. 그런데 층을 하나 더 두면 계산할 수 있습니다. 그 사이에 점들에게는 무슨 일이 일어난
것일까요?
"""

from __future__ import annotations

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import Plane, planes


def separates(points, targets, epochs=100):
    """Whether the perceptron rule finds a line between the classes."""
    w = cr.zeros(points.shape[1] + 1, 1, dtype=points.dtype)
    rows = cr.concatenate([points, cr.ones(len(points), 1, dtype=points.dtype)], axis=1)
    for _ in range(epochs):
        error = targets - cr.step(rows @ w)
        if (error == 0).all():
            return True
        w = w + rows.T @ error
    return False


def bent(layer, steps=9):
    """A grid over the input square, and where the layer takes its points: (steps, steps, 2)."""
    ticks = [i / (steps - 1) for i in range(steps)]
    grid = cr.tensor([[[a, b] for a in ticks] for b in ticks])
    with cr.no_grad():
        return layer(grid.reshape(-1, 2)).reshape(steps, steps, 2).numpy()


def learn_xor(seed, moments=()):
    """A 2-2-1 network after 200 steps of Adam, its losses, and how it was at some moments."""
    cr.manual_seed(seed)
    x = cr.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    targets = cr.tensor([[0.0], [1.0], [1.0], [0.0]])
    network = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1), nn.Sigmoid())
    criterion = nn.BCELoss()
    optimizer = optim.Adam(network.parameters(), lr=0.1)
    losses, pictures, states = [], {}, {}
    for step in range(201):
        if step in moments:
            line = (*network[2].weight.tolist()[0], network[2].bias.item())
            pictures[step] = network[:2](x).numpy().copy(), bent(network[:2]), line
            states[step] = network.state_dict()
        optimizer.zero_grad()
        loss = criterion(network(x), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return network, losses, pictures, states


def run(lab: Lab) -> None:
    lab.section("Two layers as matrix products", "행렬 곱으로 쓴 두 층")
    lab.text(
        en=r"""Four rows of inputs make a matrix; a column of ones is added, so that the bias becomes one more
        weight. One matrix product then gives the sums of all hidden units for all rows at once:

        $$S = X W, \quad H = \mathrm{step}(S)$$

        and the output layer does the same with the hidden values. The weights are those of the slide: $h_1$ is an
        AND with threshold 1.5, $h_2$ an OR with threshold 0.5.""",
        ko=r"""입력 네 행을 행렬로 쌓고 1로 된 열을 덧붙이면 편향도 가중치 하나가 됩니다. 그러면 행렬 곱 한 번으로
        모든 행, 모든 은닉 유닛의 합이 나옵니다.

        $$S = X W, \quad H = \mathrm{step}(S)$$

        출력층도 은닉층의 값에 같은 일을 합니다. 가중치는 슬라이드의 것입니다. $h_1$은 문턱값이 1.5인 AND, $h_2$는
        문턱값이 0.5인 OR입니다.""",
    )
    x = cr.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    targets = cr.tensor([[0.0], [1.0], [1.0], [0.0]])
    ones = cr.ones(4, 1)
    w = cr.tensor([[1.0, 1.0], [1.0, 1.0], [-1.5, -0.5]])
    v = cr.tensor([[-1.0], [1.0], [-0.5]])

    sums = cr.concatenate([x, ones], axis=1) @ w
    hidden = cr.step(sums)
    output_sums = cr.concatenate([hidden, ones], axis=1) @ v
    y = cr.step(output_sums)

    lab.table(
        ["$x_1$", "$x_2$", "$s_1$", "$s_2$", "$h_1$", "$h_2$", "$s$", "$y$"],
        cr.concatenate([x, sums, hidden, output_sums, y], axis=1),
        en="Every value on the way, row by row.", ko="행마다 지나가는 모든 값.",
    )  # fmt: skip
    lab.matches("The sums of $h_1$", "$h_1$의 합", sums[:, 0], "-1.5 -0.5 -0.5 0.5")
    lab.matches("The sums of $h_2$", "$h_2$의 합", sums[:, 1], "-0.5 0.5 0.5 1.5")
    lab.matches("The hidden unit $h_1$", "은닉 유닛 $h_1$", hidden[:, 0], "0 0 0 1")
    lab.matches("The hidden unit $h_2$", "은닉 유닛 $h_2$", hidden[:, 1], "0 1 1 1")
    lab.matches("The sums of the output", "출력의 합", output_sums, "-0.5 0.5 0.5 -0.5")
    lab.matches("The output is XOR", "출력은 XOR입니다", y, "0 1 1 0")

    lab.section("From the input plane to the hidden plane", "입력 평면에서 은닉 평면으로")
    lab.text(
        en=r"""Look at the hidden values as points of a plane of their own. Each hidden unit draws one line in the
        input plane and says on which side of it a point lies. The four corners become three points: (0, 1) and (1,
        0) lie on the same sides of both lines, so they **meet**. In the hidden plane one line is enough.""",
        ko=r"""은닉층의 값도 평면 위의 점으로 볼 수 있습니다. 은닉 유닛은 입력 평면에 직선을 하나씩 긋고, 점이 그
        직선의 어느 쪽에 있는지를 알려 줍니다. 네 꼭짓점은 세 점이 됩니다. (0, 1)과 (1, 0)은 두 직선에 대해 같은
        쪽에 있으므로 한 점에서 **만납니다**. 은닉 평면에서는 직선 하나로 충분합니다.""",
    )
    lab.figure(
        planes,
        {
            lab.say("input plane", "입력 평면"): Plane(
                x.numpy(), targets.numpy(), ["00", "01", "10", "11"], [(1, 1, -1.5), (1, 1, -0.5)], ["h₁", "h₂"]
            ),
            lab.say("hidden plane", "은닉 평면"): Plane(
                hidden[[0, 1, 3]].numpy(), targets[[0, 1, 3]].numpy(), ["00", "01, 10", "11"], [(-1, 1, -0.5)], axes=("h₁", "h₂")
            ),
        },
        names=lab.say(("answer 0", "answer 1"), ("출력 0", "출력 1")),
        en="Left: the lines of the two hidden units. Right: where they take the corners, and the line of the output.",
        ko="왼쪽: 두 은닉 유닛의 직선. 오른쪽: 꼭짓점이 옮겨 간 자리와 출력층의 직선.",
    )  # fmt: skip
    lab.matches(
        "(0, 1) and (1, 0) become the same hidden point (0, 1)",
        "(0, 1)과 (1, 0)은 같은 은닉점 (0, 1)이 됩니다",
        hidden[[1, 2]], "0 1 0 1",
    )  # fmt: skip
    lab.claim(
        "The perceptron rule finds no line in the input plane",
        "입력 평면에서는 퍼셉트론 규칙이 직선을 찾지 못합니다",
        measured=lab.say("no line in 100 epochs", "100에폭 동안 찾지 못함"), holds=not separates(x, targets),
    )  # fmt: skip
    lab.claim(
        "The same rule finds one in the hidden plane",
        "같은 규칙이 은닉 평면에서는 직선을 찾습니다",
        measured=lab.say("found", "찾음"), holds=separates(hidden, targets),
    )  # fmt: skip
    lab.code(separates)

    lab.section("The same network as layers", "같은 신경망을 층으로")
    lab.text(
        en="""`nn.Linear` holds weights and bias apart, and one row of its weight belongs to one unit. With the
        slide's numbers put in, it is the same network.""",
        ko="""`nn.Linear`는 가중치와 편향을 따로 두며, 가중치 행렬의 한 행이 유닛 하나입니다. 슬라이드의 숫자를
        넣으면 같은 신경망이 됩니다.""",
    )
    network = nn.Sequential(nn.Linear(2, 2), nn.Step(), nn.Linear(2, 1), nn.Step())
    network[0].weight.data, network[0].bias.data = w[:2].T, w[2]
    network[2].weight.data, network[2].bias.data = v[:2].T, v[2]

    lab.figure(
        cr.show.model, network,
        en="The network with its weights; biases stand in the circles.", ko="가중치를 표시한 신경망. 원 안은 편향입니다.",
    )  # fmt: skip
    lab.claim(
        "The network of layers gives the same outputs as the matrix products",
        "층으로 만든 신경망과 행렬 곱의 출력이 같습니다",
        measured=network(x), holds=(network(x) == y).all(),
    )  # fmt: skip

    lab.section("A hidden plane that was learned", "학습으로 얻은 은닉 평면")
    lab.text(
        en=r"""A step has no slope to follow, so learning needs a smooth unit. With **sigmoids** instead of steps
        the layer no longer cuts the plane, it bends it. We lay a grid over the input square and watch where
        training takes it.""",
        ko=r"""계단 함수에는 따라갈 기울기가 없으므로, 학습하려면 매끄러운 활성화 함수가 필요합니다. 계단 대신
        **시그모이드**를 쓰면 은닉층은 평면을 자르지 않고 구부립니다. 입력 정사각형에 격자를 깔고, 학습이 격자를
        어디로 데려가는지 봅시다.""",
    )
    lab.code(bent, learn_xor)
    network, losses, pictures, states = learn_xor(seed=76, moments=(0, 60, 200))
    layer = network[:2]
    answers = (network(x) > 0.5).float()

    lab.figure(
        planes,
        {
            lab.say(f"after {step} steps", f"{step}걸음 뒤"): Plane(
                points, targets.numpy(), ["00", "01", "10", "11"], [line], grid=grid, axes=("h₁", "h₂")
            )
            for step, (points, grid, line) in pictures.items()
        },
        names=lab.say(("answer 0", "answer 1"), ("출력 0", "출력 1")),
        en="The input square as the hidden layer sees it. Training folds it until one line is enough.",
        ko="은닉층이 바라본 입력 정사각형. 학습은 직선 하나로 나뉠 때까지 격자를 접습니다.",
    )  # fmt: skip
    lab.figure(
        cr.show.boundary, network, x, targets, snapshots=states,
        en="The same moments in the input plane. What is a straight line behind the fold is a curved border here.",
        ko="같은 순간의 입력 평면. 접힌 뒤의 직선이 여기서는 휘어진 경계로 보입니다.",
    )  # fmt: skip
    lab.table(
        [lab.say("input", "입력"), "$h_1$", "$h_2$", "$y$", lab.say("wanted", "목표")],
        [[name, *h, p, t] for name, h, p, t in zip(["00", "01", "10", "11"], layer(x).numpy(), network(x), targets, strict=True)],
        en="Hidden values and output after training.", ko="학습 뒤의 은닉층 값과 출력.", decimals=3,
    )  # fmt: skip
    lab.claim(
        "The trained network computes XOR", "학습된 신경망은 XOR를 계산합니다",
        measured=answers, holds=(answers == targets).all(),
    )  # fmt: skip
    lab.claim(
        "Training has made the classes separable by a line in the hidden plane",
        "학습 결과 은닉 평면에서는 두 클래스가 직선으로 나뉩니다",
        measured=lab.say(f"loss {losses[0]:.3f} → {losses[-1]:.5f}", f"손실 {losses[0]:.3f} → {losses[-1]:.5f}"),
        holds=separates(layer(x).detach(), targets, epochs=1000) and losses[-1] < 0.05,
    )
    lab.text(
        en="""Two hidden units leave little room. From many starts the loss stops near 0.35, with one corner on the
        wrong side, and hardly moves any more:""",
        ko="""은닉 유닛이 둘뿐이면 여유가 없습니다. 시작점에 따라서는 꼭짓점 하나를 잘못 둔 채 손실 0.35 근처에서
        거의 움직이지 않습니다.""",
    )
    ends = [learn_xor(seed)[1][-1] for seed in range(20)]
    solved = sum(end < 0.1 for end in ends)

    lab.claim(
        "Of 20 starts some solve XOR and some get stuck",
        "시작점 20개 중 일부는 XOR를 풀고 일부는 멈춥니다",
        measured=lab.say(
            f"{solved} solved, {sum(0.3 < end < 0.4 for end in ends)} stuck near 0.35",
            f"{solved}개 성공, {sum(0.3 < end < 0.4 for end in ends)}개는 0.35 근처에서 멈춤",
        ),
        holds=2 < solved < 18,
    )
    lab.next(
        en="""- Give the network three hidden units. How many of the 20 starts solve XOR now?
        - Replace `nn.Sigmoid()` in the middle by `nn.ReLU()` and draw the grid again: where are its folds?
        - Swap the two columns of `w`, or multiply a unit's weights by -1. Which other numbers must change so that
          the output stays XOR?""",
        ko="""- 은닉 유닛을 셋으로 늘려 보세요. 이제 시작점 20개 중 몇 개가 성공할까요?
        - 가운데의 `nn.Sigmoid()`를 `nn.ReLU()`로 바꾸고 격자를 다시 그려 보세요. 접힌 자리는 어디일까요?
        - `w`의 두 열을 바꾸거나 한 유닛의 가중치에 -1을 곱해 보세요. 출력이 그대로 XOR이려면 다른 어떤 수를 바꿔야
          할까요?""",
    )
