"""Tensors: from one axis to six

텐서: 축 하나에서 여섯까지

A flower, a table, a picture, a batch of films: all of them are arrays, only with more axes. How do arrays of different shapes
meet, and where does the gradient go when one of them is used many times?

꽃 한 송이, 표, 그림, 동영상 묶음은 모두 배열이고 축의 수만 다릅니다. 모양이 다른 배열은 어떻게 함께 계산되고, 하나가 여러 번
쓰이면 기울기는 어디로 갈까요?
"""

from __future__ import annotations

import itertools

import numpy as np

import chainrule as cr
from chainrule import data, nn
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.blocks import Grid, grids, nested

# What the axes of the six tensors mean.
MEANINGS = (
    ("one flower: measurements", "꽃 한 송이: 측정값"),
    ("a table: flowers, measurements", "표: 꽃, 측정값"),
    ("pictures: picture, height, width", "그림: 그림, 높이, 너비"),
    ("in colour: picture, channel, height, width", "컬러 그림: 그림, 채널, 높이, 너비"),
    ("films: film, moment, channel, height, width", "동영상: 동영상, 시각, 채널, 높이, 너비"),
    ("versions: version, film, moment, channel, height, width", "여러 판: 판, 동영상, 시각, 채널, 높이, 너비"),
)


def place(index, shape):
    """How far from the beginning an element lies: the last axis runs fastest."""
    flat = 0
    for i, length in zip(index, shape, strict=True):
        flat = flat * length + i
    return flat


def broadcast(a, b):
    """The shape of a + b from the shapes of a and b; None where they do not fit."""
    axes = max(len(a), len(b))
    a, b = (1,) * (axes - len(a)) + a, (1,) * (axes - len(b)) + b
    pairs = list(zip(a, b, strict=True))
    if any(p != q and p != 1 and q != 1 for p, q in pairs):
        return None
    return tuple(q if p == 1 else p for p, q in pairs)


def unbroadcast(gradient, shape):
    """The gradient of an array of that shape, from the gradient of what it was repeated to."""
    added = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(added)))
    stretched = tuple(i for i, length in enumerate(shape) if length == 1)
    return gradient.sum(axis=stretched, keepdims=True)


def refused(function):
    """The error that a call raises, as text; nothing if it raises none."""
    try:
        function()
    except cr.ChainruleError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def run(lab: Lab) -> None:
    lab.section("One to six axes", "축 하나에서 여섯까지")
    lab.text(
        en="""A tensor is numbers in a grid. Its **shape** says how long the grid is along each axis, and the number of
        axes is its dimension. Axes have no names; what they mean is an agreement, and the usual one puts the rows of a
        data set first.""",
        ko="""텐서는 격자에 놓인 수입니다. **모양**(shape)은 축마다 길이가 얼마인지를 말하고, 축의 수가 차원입니다. 축에는 이름이
        없으므로 그 뜻은 약속으로 정합니다. 보통은 데이터의 행을 맨 앞에 둡니다.""",
    )
    flowers = data.iris(dtype=np.float32).inputs
    pictures = data.digits().inputs.reshape(-1, 8, 8).astype(np.float32)
    colours = np.stack([pictures[:4]] * 3, axis=1)
    films = np.stack([np.roll(colours, shift, axis=-1) for shift in range(5)], axis=1)
    negatives = np.stack([films, 16 - films])
    arrays = (flowers[0], flowers, pictures, colours, films, negatives)
    tensors = [cr.tensor(array) for array in arrays]

    lab.table(
        lab.say(["axes", "what it holds", "shape", "numbers"], ["차원", "담긴 것", "모양", "수의 개수"]),
        [[t.ndim, lab.say(*meaning), str(t.shape), t.numel()] for t, meaning in zip(tensors, MEANINGS, strict=True)],
        en="Flowers and digits as tensors of one to six axes.", ko="붓꽃과 숫자 그림으로 만든 1차원에서 6차원까지의 텐서.",
    )  # fmt: skip
    lab.figure(
        nested,
        {str(shape): shape for shape in ((4,), (3, 4), (2, 3, 4), (2, 2, 3, 4), (3, 2, 2, 3, 4), (2, 3, 2, 2, 3, 4))},
        en="One to six axes on a flat page: each two more arrange whole blocks, to the right and downwards. The stronger the "
        "colour, the later in memory.",
        ko="종이 위에 펼친 1차원에서 6차원. 축이 둘 늘 때마다 블록 전체를 오른쪽과 아래로 늘어놓습니다. 색이 강할수록 메모리의 "
        "뒤쪽입니다.",
    )  # fmt: skip
    lab.matches(
        "Tensors of one to six dimensions", "1차원에서 6차원까지의 텐서", [t.ndim for t in tensors], slide="1 2 3 4 5 6"
    )

    lab.section("Shape and order are two things", "모양과 순서는 다르다")
    lab.text(
        en="""In memory there is only a row of numbers, and the last axis runs fastest. `reshape` keeps that row and cuts
        it differently; `.T` and `transpose` exchange axes, and with them the order. Mixing the two up raises no error.""",
        ko="""메모리에는 수가 한 줄로 놓여 있고, 마지막 축이 가장 빨리 움직입니다. `reshape`는 그 줄을 그대로 두고 다르게 자르고,
        `.T`와 `transpose`는 축을 바꾸므로 순서도 바뀝니다. 둘을 혼동해도 오류는 나지 않습니다.""",
    )
    lab.code(place)
    numbered = np.arange(2 * 3 * 2 * 2 * 3 * 4).reshape(2, 3, 2, 2, 3, 4)
    computed = [place(index, numbered.shape) for index in np.ndindex(numbered.shape)]
    x = cr.arange(6).reshape(2, 3)

    lab.figure(
        grids,
        [{"x": Grid(x.numpy()), "x.reshape(3, 2)": Grid(x.reshape(3, 2).numpy()), "x.T": Grid(x.T.numpy())}],
        en="The last two have the shape (3, 2). Only one of them is still read row by row as 0, 1, 2, ...",
        ko="뒤의 둘은 모양이 (3, 2)로 같습니다. 행을 따라 읽어 0, 1, 2, …가 되는 것은 하나뿐입니다.",
    )
    array = np.arange(6)
    view, tensor = array.reshape(2, 3), cr.arange(6)
    reshaped = tensor.reshape(2, 3)
    array[0] = tensor[0] = 100

    lab.agrees(
        "The place of every element of a six-dimensional array", "6차원 배열의 모든 원소의 자리",
        computed, numbered.ravel(), within=0,
    )  # fmt: skip
    lab.claim(
        "`reshape` and `.T` give the same shape and other rows", "`reshape`와 `.T`는 모양이 같아도 행이 다릅니다",
        measured=f"{x.reshape(3, 2).tolist()}, {x.T.tolist()}",
        holds=x.reshape(3, 2).shape == x.T.shape and x.reshape(3, 2).tolist() != x.T.tolist(),
    )  # fmt: skip
    lab.claim(
        "A reshaped NumPy array is a view and changes with the original; a tensor of chainrule keeps what it has seen",
        "NumPy에서 reshape한 배열은 뷰라서 원본과 함께 바뀌지만, chainrule의 텐서는 처음 값을 지킵니다",
        measured=f"{view[0, 0]}, {reshaped[0, 0].item()}", holds=view[0, 0] == 100 and reshaped[0, 0].item() == 0,
    )  # fmt: skip

    lab.section("Broadcasting", "브로드캐스팅")
    lab.text(
        en="""Two shapes are laid against each other **at the right**. Along each axis the lengths must be equal, or one of
        them 1, or missing; the shorter one is then repeated. The rule in a few lines:""",
        ko="""두 모양을 **오른쪽 끝에** 맞춥니다. 축마다 길이가 같거나, 한쪽이 1이거나, 아예 없어야 합니다. 그러면 짧은 쪽이
        반복됩니다. 규칙을 몇 줄로 쓰면 다음과 같습니다.""",
    )
    lab.code(broadcast)
    shapes = [s for axes in range(4) for s in itertools.product((1, 2, 3), repeat=axes)]
    by_rule, by_library = [], []
    for a, b in itertools.product(shapes, shapes):
        by_rule.append(broadcast(a, b))
        try:
            by_library.append((cr.zeros(a) + cr.zeros(b)).shape)
        except cr.ShapeError:
            by_library.append(None)
    a, b = np.array([[0], [10], [20], [30]]), np.array([1, 2, 3])

    lab.table(
        ["a", "b", "a + b"],
        [[str(p), str(q), str(broadcast(p, q) or lab.say("does not fit", "맞지 않음"))]
         for p, q in (((4, 1), (3,)), ((150, 4), (4,)), ((150, 4), (150, 1)), ((150, 4), (150,)), ((8, 1, 6), (7, 1)))],
        en="(150, 4) and (150,) do not fit: at the right, 4 meets 150.",
        ko="(150, 4)와 (150,)은 맞지 않습니다. 오른쪽 끝에서 4와 150이 만납니다.",
    )  # fmt: skip
    lab.claim(
        "On all pairs of shapes with up to three axes of length 1, 2 or 3 the rule says what the library does",
        "길이가 1, 2, 3인 축이 셋 이하인 모든 모양의 쌍에서 규칙과 라이브러리가 일치합니다",
        measured=lab.say(
            f"{len(by_rule)} pairs, {by_rule.count(None)} refused", f"{len(by_rule)}쌍, {by_rule.count(None)}쌍은 거부"
        ),
        holds=by_rule == by_library and 0 < by_rule.count(None) < len(by_rule),
    )  # fmt: skip

    lab.section("The gradient of a broadcast is a sum", "브로드캐스트의 기울기는 합이다")
    lab.text(
        en=r"""What was repeated has been used several times, and gradients add up where paths meet. If $b_j$ was added to
        every row $i$, then

        $$\frac{\partial L}{\partial b_j} = \sum_i \frac{\partial L}{\partial z_{ij}}$$

        So the walk back sums over the axes along which an array was repeated, until it has its own shape again. This is
        why the gradient of a bias is the column sums.""",
        ko=r"""반복된 것은 여러 번 쓰인 것이고, 경로가 만나는 곳에서는 기울기가 더해집니다. $b_j$를 모든
        행 $i$에 더했다면 다음과 같습니다.

        $$\frac{\partial L}{\partial b_j} = \sum_i \frac{\partial L}{\partial z_{ij}}$$

        그래서 역전파는 배열이 반복된 축을 따라 더해서 원래 모양으로 되돌립니다. 편향의 기울기가 열별 합인 것도 이
        때문입니다.""",
    )
    lab.code(unbroadcast)
    g = np.array([[1, 2, 3], [1, 0, 1], [0, 5, 0], [2, 2, 2]])

    lab.figure(
        grids,
        [
            {"a (4, 1)": Grid(a + 0 * b, np.arange(3) > 0), "b (3,)": Grid(0 * a + b, (np.arange(4) > 0)[:, None], "+"),
             "z (4, 3)": Grid(a + b, before="=")},
            {lab.say("gradient of z", "z의 기울기"): Grid(g),
             lab.say("gradient of a", "a의 기울기"): Grid(unbroadcast(g, (4, 1)), before="→"),
             lab.say("gradient of b", "b의 기울기"): Grid(unbroadcast(g, (3,)), before="→")},
        ],
        en="Forward, a and b are repeated (pale cells). Backward, the gradient is summed over the repetitions.",
        ko="순전파에서는 a와 b가 반복됩니다(옅은 칸). 역전파에서는 반복된 칸을 따라 기울기를 더합니다.",
    )  # fmt: skip
    random = np.random.default_rng(lab.seed)
    largest = 0.0
    for p, q in itertools.product(shapes, shapes):
        if broadcast(p, q) is None:
            continue
        a, b = (cr.tensor(random.normal(size=s), requires_grad=True) for s in (p, q))
        g = random.normal(size=broadcast(p, q))
        (a + b).backward(cr.tensor(g))
        for leaf in (a, b):
            difference = np.abs(leaf.grad.numpy() - unbroadcast(g, leaf.shape)).max()
            largest = max(largest, difference)
    bias = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (cr.arange(12).float().reshape(4, 3) * (cr.zeros(4, 3) + bias)).sum().backward()
    copies = cr.tensor([[1.0, 2.0, 3.0]] * 4, requires_grad=True)
    (cr.arange(12).float().reshape(4, 3) * copies).sum().backward()

    lab.agrees(
        "For all those pairs of shapes chainrule's gradients are these sums",
        "그 모든 모양의 쌍에서 chainrule의 기울기는 바로 이 합입니다",
        largest, 0.0, within=1e-12,
    )  # fmt: skip
    lab.agrees(
        "Four copies written out have four gradients, and their sum is that of the one that was repeated",
        "네 벌을 따로 쓰면 기울기도 네 개이고, 그 합이 반복된 하나의 기울기입니다",
        copies.grad.sum(axis=0), bias.grad, within=0,
    )  # fmt: skip

    lab.section("The shapes of a layer", "층의 모양")
    lab.text(
        en=r"""A layer multiplies (rows, inputs) by (inputs, outputs): the inner lengths must meet, and they disappear. On the
        way back the shapes leave no choice. We try all products of two of $X$, $W$, $D$ = the gradient of the output,
        and their transposes, and keep those of the right shape.""",
        ko=r"""층은 (행, 입력)과 (입력, 출력)을 곱합니다. 안쪽 길이끼리 만나서 사라집니다. 돌아오는 길에는 모양이 답을 정해
        줍니다. $X$, $W$, 출력의 기울기 $D$와 그 전치 가운데 둘을 골라 곱한 것을 모두 만들어 보고, 모양이 맞는 것만 남깁니다.""",
    )
    X = cr.tensor(random.normal(size=(5, 4)), requires_grad=True)
    W = cr.tensor(random.normal(size=(4, 3)), requires_grad=True)
    D = cr.tensor(random.normal(size=(5, 3)))
    (X @ W).backward(D)
    factors = {"X": X, "Xᵀ": X.T, "W": W, "Wᵀ": W.T, "D": D, "Dᵀ": D.T}
    fitting = {"X": [], "W": []}
    for (left, p), (right, q) in itertools.product(factors.items(), factors.items()):
        for name, wanted in (("X", X), ("W", W)):
            if p.shape[1] == q.shape[0] and (p.shape[0], q.shape[1]) == wanted.shape:
                fitting[name].append((f"{left} {right}", (p @ q).detach()))
    many = cr.zeros(2, 4, 5, 3, 8, 8) @ cr.zeros(8, 10)

    lab.table(
        lab.say(["gradient of", "shape", "the products of that shape"], ["기울기", "모양", "모양이 맞는 곱"]),
        [[name, str(wanted.shape), ", ".join(product for product, _ in fitting[name])] for name, wanted in (("X", X), ("W", W))],
    )  # fmt: skip
    lab.claim(
        "Of 36 products one has the shape of $W$ and one that of $X$",
        "곱 36가지 가운데 $W$와 모양이 같은 것도, $X$와 같은 것도 하나뿐입니다",
        measured=[len(fitting["W"]), len(fitting["X"])], holds=len(fitting["W"]) == len(fitting["X"]) == 1,
    )  # fmt: skip
    lab.agrees(
        "And these two are the gradients", "그리고 그 둘이 바로 기울기입니다",
        np.concatenate([fitting["X"][0][1].numpy().ravel(), fitting["W"][0][1].numpy().ravel()]),
        np.concatenate([X.grad.numpy().ravel(), W.grad.numpy().ravel()]), within=1e-12,
    )  # fmt: skip
    lab.claim(
        "More axes in front are as many rows: (2, 4, 5, 3, 8, 8) times (8, 10)",
        "앞에 축이 더 있으면 그만큼 행이 많은 것과 같습니다: (2, 4, 5, 3, 8, 8) 곱하기 (8, 10)",
        measured=str(many.shape), holds=many.shape == (2, 4, 5, 3, 8, 10),
    )  # fmt: skip

    lab.section("Categories as vectors", "범주를 벡터로")
    lab.text(
        en="""A category has no order, so it becomes a row with a single one. Such a row, multiplied by a matrix, picks a row
        of it, so indexing does the same.""",
        ko="""범주에는 순서가 없으므로 1이 하나뿐인 행으로 바꿉니다. 이런 행에 행렬을 곱하면 행렬의 한 행이 골라집니다. 그래서
        인덱싱으로도 같은 일을 할 수 있습니다.""",
    )
    labels = cr.tensor([2, 0, 1, 2])
    hot = cr.one_hot(labels, 3).double()
    table = cr.tensor(random.normal(size=(3, 5)))

    lab.table(
        [], hot, decimals=0, en="The labels 2, 0, 1, 2 in one-hot encoding.", ko="레이블 2, 0, 1, 2의 원-핫 인코딩."
    )
    lab.agrees(
        "One-hot rows times a matrix are its rows", "원-핫 행에 행렬을 곱한 것은 행렬의 행입니다",
        hot @ table, table[labels], within=0,
    )  # fmt: skip

    lab.section("What goes wrong, and what chainrule says", "흔한 실수와 chainrule의 대답")
    lab.text(
        en="""Most mistakes are mistakes of shape. An error should say what was asked, what came, and what was expected.""",
        ko="""실수의 대부분은 모양의 실수입니다. 오류 메시지는 무엇을 하려 했고, 무엇이 왔고, 무엇이 와야 했는지를 말해야
        합니다.""",
    )
    lab.code(refused)
    prediction, target = cr.tensor([[1.0], [2.0], [3.0]]), cr.tensor([1.0, 2.0, 3.0])
    mistakes = {
        "x @ w": lambda: cr.ones(150, 4) @ cr.ones(3, 4),
        "pictures": lambda: nn.Linear(64, 10)(tensors[2]),
        "reshape": lambda: cr.arange(6).reshape(4, 2),
        "column": lambda: nn.MSELoss()(prediction, target),
    }
    said = {name: refused(mistake) for name, mistake in mistakes.items()}
    by_numpy = ((prediction.numpy() - target.numpy()) ** 2).mean()

    lab.output(
        said["x @ w"], en="`nn.Linear` keeps its weight as (outputs, inputs); here the transpose is missing.",
        ko="`nn.Linear`는 가중치를 (출력, 입력)으로 둡니다. 여기서는 전치가 빠졌습니다.",
    )  # fmt: skip
    lab.output(said["pictures"], en="Pictures that were not flattened.", ko="펼치지 않은 그림.")
    lab.output(said["reshape"], en="A shape for another number of elements.", ko="원소의 수가 맞지 않는 모양.")
    lab.output(
        said["column"],
        en="The worst mistake raises no error in NumPy: a column minus a row is a square, and each prediction is compared "
        "with every target.",
        ko="가장 위험한 실수는 NumPy에서는 오류가 나지 않습니다. 열에서 행을 빼면 정사각형이 되고, 예측마다 모든 목표와 "
        "비교됩니다.",
    )  # fmt: skip
    lab.claim(
        "Perfect predictions as a column against targets as a row: NumPy finds an error of 4/3, chainrule refuses",
        "완벽한 예측(열)과 목표(행): NumPy는 오차가 4/3이라 하고 chainrule은 거부합니다",
        measured=float(by_numpy), holds=abs(by_numpy - 4 / 3) < 1e-6 and said["column"].startswith("ShapeError"),
    )  # fmt: skip
    lab.claim(
        "Each of these errors names the shapes that came, and a fix", "이 오류들은 모두 들어온 모양과 고치는 법을 말합니다",
        measured=lab.say(f"{len(said)} errors", f"오류 {len(said)}개"),
        holds=all("(" in error.partition("received:")[2].splitlines()[0] and "fix:" in error for error in said.values()),
    )  # fmt: skip
    lab.next(
        en="""- What does (4, 1) + (4) give, and which of the two was meant? Put `[:, None]` where it belongs.
        - Scale each flower's measurements to mean 0 and deviation 1 along axis 0, then along axis 1. Which needs
          `keepdims=True`, and what happens without?
        - Write `unbroadcast` for multiplication: what must the gradient be multiplied by before it is summed?
        - Swap the moments and the channels of `films`. Is it `reshape` or `transpose`, and how would you notice?""",
        ko="""- (4, 1) + (4)의 결과는 무엇이고, 원래 의도는 어느 쪽이었을까요? 알맞은 자리에 `[:, None]`을 넣어 보세요.
        - 꽃의 측정값을 축 0을 따라, 또 축 1을 따라 평균 0, 표준편차 1로 맞춰 보세요. 어느 쪽에 `keepdims=True`가 필요하고,
          없으면 어떻게 될까요?
        - 곱셈의 `unbroadcast`를 써 보세요. 더하기 전에 기울기에 무엇을 곱해야 할까요?
        - `films`의 시각 축과 채널 축을 바꾸어 보세요. `reshape`일까요, `transpose`일까요? 틀렸다면 어떻게 알아챌까요?""",
    )
