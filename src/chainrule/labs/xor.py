"""XOR learned three times: by hand, with chainrule, with PyTorch

세 번 배우는 XOR: 손으로, chainrule로, PyTorch로

A network of two layers, its backward pass written out in NumPy; then the same network in a library, and in another. Do all
three take the same 20,000 steps, and what has the hidden layer learned at their end?

2층 신경망의 역전파를 NumPy로 직접 쓰고, 같은 신경망을 라이브러리 둘로 다시 만듭니다. 셋은 20,000걸음을 똑같이 걸을까요?
그리고 그 끝에서 은닉층은 무엇을 배웠을까요?
"""

from __future__ import annotations

import time

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import Plane, curves, planes

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])


# How each way of training is called in the table of times.
WAYS = {
    "NumPy": ("NumPy, by hand", "NumPy, 손으로"),
    "chainrule": ("chainrule, eager", "chainrule, 즉시 실행"),
    "PyTorch": ("PyTorch, eager", "PyTorch, 즉시 실행"),
    "cr.compile": ("`step(x, t)`, compiled at the first call", "`step(x, t)`, 첫 호출에 컴파일"),
    "scan": ("`step.scan`, all in one call", "`step.scan`, 한 번의 호출로"),
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class TwoLayerNetwork:
    """x -> sigmoid(x W1 + b1) -> sigmoid(h W2 + b2), with its backward pass."""

    def __init__(self, parameters):
        self.parameters = {name: array.copy() for name, array in parameters.items()}

    def predict(self, x):
        W1, b1, W2, b2 = self.parameters.values()
        self.h = sigmoid(x @ W1 + b1)
        return sigmoid(self.h @ W2 + b2)

    def loss(self, x, t):
        return 0.5 * ((self.predict(x) - t) ** 2).sum()

    def accuracy(self, x, t):
        return ((self.predict(x) > 0.5) == (t > 0.5)).mean()

    def gradient(self, x, t):
        y, h = self.predict(x), self.h
        dy = (y - t) / len(t)
        dz2 = dy * y * (1 - y)
        dW2, db2 = h.T @ dz2, dz2.sum(axis=0)
        dh = dz2 @ self.parameters["W2"].T
        dz1 = dh * h * (1 - h)
        dW1, db1 = x.T @ dz1, dz1.sum(axis=0)
        return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def learn_by_hand(network, epochs, lr=0.1):
    losses = []
    for _ in range(epochs):
        losses.append(network.loss(X, T))
        for name, slope in network.gradient(X, T).items():
            network.parameters[name] -= lr * slope
    return losses


def mean_loss(y, t):
    """Half the sum of squares, divided by the rows: its gradient by y is (y - t) / 4."""
    return 0.5 * ((y - t) ** 2).sum() / len(t)


def learn(lib, start, epochs, lr=0.1, criterion=mean_loss):
    """The same in a library: lib is chainrule, or torch."""
    x, t = lib.tensor(X), lib.tensor(T)
    layers = [lib.nn.Linear(2, 3), lib.nn.Sigmoid(), lib.nn.Linear(3, 1), lib.nn.Sigmoid()]
    net = lib.nn.Sequential(*layers).double()
    state = zip(net.state_dict(), start.values(), strict=True)
    net.load_state_dict({key: lib.tensor(array.T) for key, array in state})
    optimizer = lib.optim.SGD(net.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        optimizer.zero_grad()
        y = net(x)
        loss = criterion(y, t)
        loss.backward()
        optimizer.step()
        losses.append(4 * loss.item())
    return losses


def timed(function, *arguments):
    """What the function returns, and the microseconds for each of its losses."""
    began = time.perf_counter()
    losses = function(*arguments)
    return losses, 1e6 * (time.perf_counter() - began) / len(losses)


def run(lab: Lab) -> None:
    lab.section("By hand", "손으로")
    lab.text(
        en=r"""Two inputs, three hidden units, one output, sigmoids after both layers; the loss is
        $\frac{1}{2} \sum (y - t)^2$ over the four rows. The assignment of the lecture: write the forward and the
        backward pass in NumPy. Each line of `gradient` undoes one line of `predict`, the last first, and the shapes
        leave no choice: $W_1$ is (2, 3), so its gradient is $X^\top$ (2, 4) times $dz_1$ (4, 3).""",
        ko=r"""입력 둘, 은닉 유닛 셋, 출력 하나이고 두 층 뒤에 모두 시그모이드가 있습니다. 손실은 네 행에 대한
        $\frac{1}{2} \sum (y - t)^2$입니다. 강의의 과제는 순전파와 역전파를 NumPy로 쓰는 것입니다. `gradient`의 각 줄은
        `predict`의 한 줄을 뒤에서부터 되짚으며, 어떤 곱인지는 모양이 정해 줍니다. $W_1$이 (2, 3)이므로 그 기울기는
        $X^\top$ (2, 4)와 $dz_1$ (4, 3)의 곱입니다.""",
    )
    lab.code("X", "T", sigmoid, TwoLayerNetwork, learn_by_hand, timed)
    random = np.random.default_rng(lab.seed)
    start = {
        "W1": random.uniform(0, 1, size=(2, 3)),
        "b1": np.zeros(3),
        "W2": random.uniform(0, 1, size=(3, 1)),
        "b2": np.zeros(1),
    }
    epochs = lab.scale(20000, quick=1000)
    network = TwoLayerNetwork(start)
    losses, microseconds = {}, {}
    losses["NumPy"], microseconds["NumPy"] = timed(learn_by_hand, network, epochs)

    lab.matches(
        "$W_1$ and $W_2$ have the shapes of the slide's 2-3-1 network",
        "$W_1$과 $W_2$의 모양은 슬라이드의 2-3-1 신경망과 같습니다",
        [*start["W1"].shape, *start["W2"].shape], slide="2 3 3 1",
    )  # fmt: skip
    lab.claim(
        "The loss falls at every single step", "손실은 한 걸음도 빠짐없이 줄어듭니다",
        measured=f"{losses['NumPy'][0]:.4f} → {losses['NumPy'][-1]:.4f}", holds=(np.diff(losses["NumPy"]) < 0).all(),
    )  # fmt: skip

    lab.section("In a library, and in another", "라이브러리로, 그리고 또 다른 라이브러리로")
    lab.text(
        en="""The library finds the backward pass itself. `learn` is written once, for any library that names things as
        PyTorch does: it is run with `cr` and, where it is installed, with `torch`, in double precision and from the
        same weights. `nn.Linear` keeps its weight as (outputs, inputs), so ours go in transposed.""",
        ko="""라이브러리는 역전파를 스스로 찾습니다. `learn`은 PyTorch와 이름이 같은 라이브러리라면 어느 것으로든 돌아가도록
        한 번만 썼습니다. `cr`로, 그리고 설치되어 있으면 `torch`로, 같은 가중치에서 출발해 배정밀도로 학습합니다.
        `nn.Linear`는 가중치를 (출력, 입력) 모양으로 두므로 전치해서 넣습니다.""",
    )
    lab.code(mean_loss, learn)
    try:
        import torch

        torch.set_num_threads(1)  # So small a network is only slowed down by more.
    except ImportError:
        torch = None
    for name, lib in {"chainrule": cr, "PyTorch": torch}.items():
        if lib is not None:
            losses[name], microseconds[name] = timed(learn, lib, start, epochs)
    doubled = learn(cr, start, lab.scale(2000, quick=200), 0.05, nn.MSELoss())

    lab.agrees(
        "chainrule walks down the curve of the hand-written network",
        "chainrule은 손으로 짠 신경망의 손실 곡선을 그대로 따라갑니다",
        losses["chainrule"], losses["NumPy"], within=1e-6,
    )  # fmt: skip
    if torch is None:
        lab.note(
            "PyTorch is not installed here, so the third curve is left out.",
            "여기에는 PyTorch가 설치되어 있지 않아 세 번째 곡선은 생략합니다.",
        )
    else:
        lab.agrees(
            "So does PyTorch, by the same function", "같은 함수로 돌린 PyTorch도 마찬가지입니다",
            losses["PyTorch"], losses["NumPy"], within=1e-6,
        )  # fmt: skip
    lab.text(
        en=r"""The lecture's program in the library says `nn.MSELoss()`, and that is another loss: the mean of
        $(y - t)^2$ has twice the gradient. It takes the same steps at half the learning rate.""",
        ko=r"""강의의 라이브러리 프로그램은 `nn.MSELoss()`를 쓰는데, 이것은 다른 손실입니다. $(y - t)^2$의 평균은 기울기가 두
        배입니다. 학습률을 절반으로 하면 같은 걸음을 걷습니다.""",
    )
    lab.agrees(
        "`nn.MSELoss()` with learning rate 0.05 gives twice that loss at every step",
        "`nn.MSELoss()`에 학습률 0.05를 쓰면 모든 걸음에서 손실이 정확히 그 두 배입니다",
        doubled, 2 * np.array(losses["NumPy"][: len(doubled)]), within=1e-6,
    )  # fmt: skip

    lab.section("The step as a program", "한 걸음을 프로그램으로")
    lab.text(
        en="""`cr.compile` records one training step and writes it out. Compare it with `gradient` above: the same
        lines, found by the library.""",
        ko="""`cr.compile`은 학습 한 걸음을 기록해 프로그램으로 써 줍니다. 위의 `gradient`와 견주어 보세요. 라이브러리가 스스로
        찾아낸 같은 줄들입니다.""",
    )
    x, t = cr.tensor(X), cr.tensor(T)
    net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid()).double()
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def restart():
        state = zip(net.state_dict(), start.values(), strict=True)
        net.load_state_dict({key: cr.tensor(array.T) for key, array in state})

    @cr.compile
    def step(x, t):
        optimizer.zero_grad()
        y = net(x)
        loss = mean_loss(y, t)
        loss.backward()
        optimizer.step()
        return 4 * loss

    restart()
    compiled, microseconds["cr.compile"] = timed(lambda: [step(x, t).item() for _ in range(epochs)])
    source = step.source()

    lab.output(
        source.split("if __name__")[0], python=True,
        en="What `step.source()` returns. It needs NumPy alone, and runs by itself.",
        ko="`step.source()`의 결과. NumPy만 있으면 그 자체로 돌아갑니다.",
    )  # fmt: skip
    program = {}
    exec(source, program)
    weights = [start["W1"].T, start["b1"], start["W2"].T, start["b2"]]
    by_itself = []
    for _ in range(200):
        loss, *weights = program["step"](*weights, X, T, 0.1)
        by_itself.append(loss)
    equations = cr.show.derivation(net, x, target=t, loss=mean_loss, source=step)

    lab.figure(
        cr.show.graph, mean_loss(net(x), t), direction="down",
        en="The network as chainrule sees it: every matrix with its shape, its values and their gradients.",
        ko="chainrule이 보는 신경망. 행렬마다 모양과 값과 기울기가 실립니다.",
    )  # fmt: skip
    lab.table(
        lab.say(["equation", "line", "of the program"], ["식", "줄", "프로그램"]),
        [[f"${line.latex}$", line.source_line, f"`{line.source_text}`"] for line in equations.backward[4:]],
        en="The chain rule, and the line of the program that computes it.", ko="연쇄 법칙과 이를 계산하는 프로그램의 줄.",
    )  # fmt: skip
    lab.agrees(
        "The program, run by itself, takes the steps of the hand-written network",
        "그 프로그램만 따로 돌려도 손으로 짠 것과 같은 걸음을 걷습니다",
        by_itself, losses["NumPy"][:200], within=1e-6,
    )  # fmt: skip
    lab.claim(
        "Every equation of the network stands on a line of the program", "신경망의 모든 식이 프로그램의 어느 줄엔가 있습니다",
        measured=lab.say(f"{len(equations.lines)} equations", f"식 {len(equations.lines)}개"),
        holds=all(line.source_line for line in equations.lines),
    )  # fmt: skip

    lab.section("20,000 epochs in one call", "20,000에폭을 한 번에")
    lab.text(
        en="""The compiled step is native code, and `step.scan` runs it once for each row of its streams, without going
        back to Python in between. We stop twice on the way to keep the weights. What a step took on this machine:""",
        ko="""컴파일된 걸음은 기계어이고, `step.scan`은 중간에 파이썬으로 돌아오지 않고 스트림의 행 수만큼 반복합니다. 가는 길에
        두 번 멈추어 가중치를 보관합니다. 이 컴퓨터에서 한 걸음에 걸린 시간은 다음과 같습니다.""",
    )
    restart()
    states = {0: net.state_dict()}
    before = np.hstack([net[:2](x).numpy(), net(x).numpy()])

    def walk():
        pieces = []
        for count in (1000, 14000, 5000):
            xs, ts = cr.broadcast_to(x, (count, 4, 2)), cr.broadcast_to(t, (count, 4, 1))
            pieces.append(step.scan([], [xs, ts]).numpy())
            states[sum(map(len, pieces))] = net.state_dict()
        return np.concatenate(pieces)

    path, microseconds["scan"] = timed(walk)

    lab.table(
        ["", lab.say("microseconds a step", "한 걸음(마이크로초)")],
        [[lab.say(*WAYS[name]), f"${value:.1f}$"] for name, value in microseconds.items()],
        en="Of an average step; the time that compiling takes is in it.", ko="한 걸음의 평균. 컴파일 시간도 들어 있습니다.",
    )  # fmt: skip
    lab.agrees(
        "Step by step or in one call, compiled or not: the same losses",
        "한 걸음씩이든 한 번에든, 컴파일하든 안 하든 손실은 같습니다",
        [path[:epochs], compiled], [losses["chainrule"]] * 2, within=1e-6,
    )  # fmt: skip
    lab.figure(
        curves, {"": {"": (np.arange(0, 20000, 50), path[::50])}},
        xlabel=lab.say("epoch", "에폭"), ylabel=lab.say("loss", "손실"),
        en="The loss rests near 0.5, where every output is about one half, before it falls.",
        ko="손실은 출력이 모두 0.5쯤인 자리에서 0.5 근처에 머물다가 내려갑니다.",
    )  # fmt: skip
    lab.claim(
        "Answering one half to everything costs 0.5, and after 1000 epochs the network is still there",
        "무엇에든 0.5라고 답하면 손실이 0.5이고, 1000에폭 뒤에도 신경망은 아직 거기 있습니다",
        measured=path[999], holds=abs(path[999] - 0.5) < 0.02,
    )  # fmt: skip

    lab.section("What the hidden layer has learned", "은닉층이 배운 것")
    lab.text(
        en="""At the start all three hidden units say nearly the same, because all weights are positive: more input,
        more output. At the end one of them has turned into an OR and another into an AND; the output adds the one and
        subtracts the other. Nobody has told the network about gates.""",
        ko="""처음에는 은닉 유닛 셋이 거의 같은 말을 합니다. 가중치가 모두 양수여서 입력이 커지면 출력도 커지기 때문입니다.
        끝에서는 하나가 OR이, 다른 하나는 AND가 되어 있고, 출력은 앞의 것을 더하고 뒤의 것을 뺍니다. 게이트를 가르쳐 준 사람은
        아무도 없습니다.""",
    )
    hidden, answers = net[:2](x).numpy(), net(x).numpy()
    after = np.hstack([hidden, answers])
    adds, subtracts = int(net[2].weight.argmax()), int(net[2].weight.argmin())

    lab.table(
        [lab.say("input", "입력"), *(f"$h_{k}$" for k in (1, 2, 3)), "$y$", *(f"$h_{k}'$" for k in (1, 2, 3)), "$y'$"],
        [[f"{a:.0f}{b:.0f}", *before[i], *after[i]] for i, (a, b) in enumerate(X)],
        decimals=2, en="Hidden values at the start, and (with a stroke) at the end, with the output.",
        ko="처음의 은닉층 값과 (프라임을 붙인) 끝의 은닉층 값, 그리고 출력.",
    )  # fmt: skip
    lab.figure(
        planes,
        {
            lab.say(f"epoch {epoch}", f"{epoch} 에폭"): Plane(
                X, T, ["00", "01", "10", "11"],
                np.hstack([s["0.weight"], s["0.bias"].reshape(3, 1)]).tolist(), ["h₁", "h₂", "h₃"],
            )
            for epoch, s in states.items() if epoch in (15000, 20000)
        },
        names=lab.say(("answer 0", "answer 1"), ("출력 0", "출력 1")),
        en="Where each hidden unit says one half.", ko="은닉 유닛마다 값이 2분의 1이 되는 자리.",
    )  # fmt: skip
    lab.figure(
        cr.show.boundary, net, X, T, snapshots=states,
        en="The answer over the whole plane, before and after.", ko="평면 전체에서의 출력: 학습 전과 후.",
    )  # fmt: skip
    lab.matches(
        "The hidden unit that the output adds is the slide's OR", "출력이 더하는 은닉 유닛은 슬라이드의 OR입니다",
        hidden[:, adds].round(), slide="0 1 1 1",
    )  # fmt: skip
    lab.matches(
        "The one that it subtracts most is the slide's AND", "출력이 가장 많이 빼는 은닉 유닛은 슬라이드의 AND입니다",
        hidden[:, subtracts].round(), slide="0 0 0 1",
    )  # fmt: skip
    lab.matches("The output is XOR", "출력은 XOR입니다", answers.round(), slide="0 1 1 0")

    lab.section("Better by its hyperparameters", "하이퍼파라미터로 더 낫게")
    lab.text(
        en="""The rest of the assignment: improve it. The learning rate of 0.1 is timid. How many epochs until the loss
        is below 0.25, from the same start?""",
        ko="""과제의 나머지는 성능을 높이는 것입니다. 학습률 0.1은 지나치게 조심스럽습니다. 같은 출발점에서 손실이 0.25 아래로
        내려가기까지 몇 에폭이 걸릴까요?""",
    )
    sweep = {}
    xs, ts = cr.broadcast_to(x, (20000, 4, 2)), cr.broadcast_to(t, (20000, 4, 1))
    for lr in (0.1, 0.5, 2.0, 10.0, 50.0):
        restart()
        optimizer.param_groups[0]["lr"] = lr
        sweep[lr] = step.scan([], [xs, ts]).numpy()
    needed = {lr: int((curve > 0.25).sum()) + 1 for lr, curve in sweep.items()}
    rises = {lr: int((np.diff(curve) > 0).sum()) for lr, curve in sweep.items()}

    shown = np.unique(np.geomspace(1, 20000, 300).astype(int)) - 1
    lab.figure(
        curves, {"": {f"lr {lr:g}": (shown + 1, curve[shown]) for lr, curve in sweep.items()}}, logs="x",
        xlabel=lab.say("epoch", "에폭"), ylabel=lab.say("loss", "손실"),
        en="The same way down, sooner. With 50 the loss jumps about first.",
        ko="같은 길을 더 일찍 내려갑니다. 50에서는 처음에 손실이 이리저리 뜁니다.",
    )  # fmt: skip
    lab.table(
        lab.say(
            ["learning rate", "epochs needed", "epochs × rate", "steps up"],
            ["학습률", "필요한 에폭", "에폭 × 학습률", "오른 걸음"],
        ),
        [[lr, needed[lr], lr * needed[lr], rises[lr]] for lr in sweep],
        en="Epochs until the loss is below 0.25, and steps on which it rose.",
        ko="손실이 0.25 아래로 내려갈 때까지의 에폭과, 손실이 오른 걸음의 수.",
    )  # fmt: skip
    products = [lr * needed[lr] for lr in (0.1, 0.5, 2.0)]
    lab.claim(
        "As long as the steps are small, k times the rate needs a k-th of the epochs",
        "걸음이 작은 동안에는 학습률이 k배면 에폭은 k분의 1이면 됩니다",
        measured=products, holds=max(products) < 1.05 * min(products),
    )  # fmt: skip
    lab.claim(
        "Up to 10 the loss never rises; with 50 it does", "학습률 10까지는 손실이 한 번도 오르지 않지만 50에서는 오릅니다",
        measured=list(rises.values()), holds=max(rises[lr] for lr in (0.1, 0.5, 2.0, 10.0)) == 0 < rises[50.0],
    )  # fmt: skip
    lab.next(
        en="""- Start all weights at 0 instead of random numbers. Which gradients are 0, and what do the hidden units do?
        - Use the cross entropy, $-t \\log y - (1 - t) \\log(1 - y)$: which factor disappears from `dz2`, and how long is
          the plateau now?
        - Give the network 2 or 8 hidden units, or tanh in the middle. Which parts of `gradient` change?
        - The lab `mnist` trains the same two layers on handwritten digits.""",
        ko="""- 가중치를 난수 대신 모두 0에서 시작해 보세요. 어떤 기울기가 0이 되고, 은닉 유닛들은 어떻게 될까요?
        - 교차 엔트로피 $-t \\log y - (1 - t) \\log(1 - y)$를 써 보세요. `dz2`에서 어떤 인수가 사라지고, 평평한 구간은 얼마나
          짧아질까요?
        - 은닉 유닛을 2개나 8개로, 또는 가운데를 tanh로 바꾸어 보세요. `gradient`의 어느 부분이 달라질까요?
        - 실습 `mnist`에서는 같은 2층 신경망으로 손글씨 숫자를 학습합니다.""",
    )
