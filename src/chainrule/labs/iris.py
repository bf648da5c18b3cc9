"""Gradient descent on Iris, digit for digit

붓꽃 데이터의 경사 하강법, 마지막 자리까지

Softmax regression learns three species from four measurements by nothing but small steps downhill. Do the weights take the
very path that is printed on the slide, and what is an epoch, a batch, an iteration?

소프트맥스 회귀는 네 가지 측정값에서 세 품종을, 오직 내리막으로 조금씩 걸어서 배웁니다. 가중치는 슬라이드에 인쇄된 바로 그
길을 갈까요? 그리고 에폭, 배치, 이터레이션은 무엇일까요?
"""

from __future__ import annotations

import math

import numpy as np

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves

# W as the slide prints it after 0, 1000, 2000, 3000 and 4000 epochs.
SLIDE = {
    0: """-8.74615472e-05  3.03732950e-05  4.65428693e-05 -3.23668516e-05
           4.42560055e-06 -2.56037962e-05 -2.43068233e-05  9.68563102e-05
          -6.81574199e-05 -1.63824136e-04  2.12286420e-04  7.43973291e-05""",
    1000: """-0.00321581  0.00061467  0.0025906   0.02404027 -0.01065741 -0.01343641
             -0.05779136  0.01472877  0.04306699 -0.0255728   0.00370264  0.02199303""",
    2000: """0.00861248 -0.00040284 -0.00822019  0.05412096 -0.02178615 -0.03238836
             -0.10186908  0.02754678  0.07432669 -0.04607576  0.00652109  0.03967753""",
    3000: """0.02155924 -0.00163555 -0.01993423  0.08324693 -0.03262187 -0.0506786
             -0.1418079   0.03937622  0.10243607 -0.06481271  0.00892456  0.05601101""",
    4000: """0.03370442 -0.00258894 -0.03112603  0.11051824 -0.0428869  -0.06768488
             -0.17908648  0.05050046  0.12859041 -0.08228968  0.01100061  0.07141193""",
}


def run(lab: Lab) -> None:
    lab.section("The data and the model", "데이터와 모델")
    lab.text(
        en=r"""150 flowers, four measurements in centimetres each, 50 flowers of each of three species. The model is
        one linear layer with softmax:

        $$P = \mathrm{softmax}(X W + b)$$

        with $X$ (150, 4), $W$ (4, 3), $b$ (3). $W$ starts as tiny noise, 0.0001 times normal numbers, $b$ as ones.
        To walk the slide's path we take the noise that it prints.""",
        ko=r"""꽃 150송이를 센티미터로 네 가지씩 쟀고, 세 품종이 50송이씩입니다. 모델은 선형 층 하나와
        소프트맥스입니다.

        $$P = \mathrm{softmax}(X W + b)$$

        여기서 $X$는 (150, 4), $W$는 (4, 3), $b$는 (3)입니다. $W$는 정규 난수에 0.0001을 곱한 아주 작은 수에서,
        $b$는 1에서 시작합니다. 슬라이드와 같은 길을 걷도록, 인쇄되어 있는 난수를 그대로 씁니다.""",
    )
    lab.code("SLIDE")
    flowers = data.iris(dtype=np.float64)
    x = cr.tensor(flowers.inputs)
    y = cr.one_hot(cr.tensor(flowers.targets), 3).double()

    features = lab.say(list(flowers.feature_names), ["꽃받침 길이", "꽃받침 너비", "꽃잎 길이", "꽃잎 너비"])
    lab.table(
        [*features, lab.say("species", "품종")],
        [[*flowers.inputs[i], flowers.class_names[flowers.targets[i]]] for i in (0, 1, 50, 51, 100, 101)],
        en="Two flowers of each species.", ko="품종마다 두 송이씩.",
    )  # fmt: skip

    lab.section("Gradient descent", "경사 하강법")
    lab.text(
        en=r"""Each step goes a little way against the gradient of the mean cross entropy:
        $W ← W - \eta \, \partial L / \partial W$ with the **learning rate** $\eta = 0.0001$. All 150 flowers are
        used in each step (full batch), and the biases learn, too. The gradient by hand would be
        $X^\top (P - Y) / 150$; `backward` finds the same.""",
        ko=r"""한 걸음마다 평균 교차 엔트로피의 기울기 반대쪽으로 조금 갑니다:
        $W ← W - \eta \, \partial L / \partial W$, **학습률**은 $\eta = 0.0001$. 걸음마다 150송이를 모두 쓰고(풀
        배치) 편향도 함께 학습합니다. 손으로 구한 기울기는 $X^\top (P - Y) / 150$이고, `backward`도 같은 값을
        냅니다.""",
    )
    w = cr.tensor(np.array(SLIDE[0].split(), float).reshape(4, 3), requires_grad=True)
    b = cr.ones(3, dtype=cr.float64).requires_grad_()
    path, losses, difference = [], [], 0.0
    epochs = lab.scale(5000, quick=1000)
    for epoch in range(epochs + 1):
        p = cr.softmax(x @ w + b, axis=1)
        loss = -(y * cr.log(p)).sum(axis=1).mean()
        losses.append(loss.item())
        path.append(w.numpy().copy())
        loss.backward()
        if epoch % 1000 == 0:
            by_hand = x.T @ (p - y) / 150
            difference = max(difference, cr.abs(w.grad - by_hand).max().item())
        with cr.no_grad():
            w -= 0.0001 * w.grad
            b -= 0.0001 * b.grad
        w.grad = b.grad = None
    right = int(((x @ w + b).argmax(axis=1).numpy() == flowers.targets).sum())

    for epoch in range(0, epochs + 1, 1000):
        with lab.option(lab.say(f"epoch {epoch}", f"{epoch} 에폭")):
            lab.table(
                ["", *flowers.class_names],
                [[name, *(f"{v:.8f}" for v in row)] for name, row in zip(features, path[epoch], strict=True)],
                en=f"W after {epoch} epochs; the loss is {losses[epoch]:.6f}.",
                ko=f"{epoch}에폭 뒤의 W. 손실은 {losses[epoch]:.6f}입니다.",
            )  # fmt: skip
    for epoch in range(1000, min(epochs, 4000) + 1, 1000):
        lab.matches(
            f"After {epoch} epochs all twelve printed weights are met, to $10^{{-8}}$",
            f"{epoch}에폭 뒤의 가중치 열두 개가 슬라이드와 $10^{{-8}}$ 안에서 같습니다",
            path[epoch], SLIDE[epoch], within=1e-8,
        )  # fmt: skip
    lab.agrees(
        "The gradient by `backward` and by the formula $X^\\top (P - Y) / 150$ agree",
        "`backward`의 기울기와 공식 $X^\\top (P - Y) / 150$이 일치합니다",
        difference, 0.0, within=1e-13,
    )  # fmt: skip
    lab.figure(
        curves, {"": {"": (range(epochs + 1), losses)}}, xlabel=lab.say("epoch", "에폭"), ylabel=lab.say("loss", "손실"),
        en="The way down. The loss still falls at the end: so small a learning rate is slow.",
        ko="내려가는 길. 끝에서도 손실이 계속 줄고 있습니다. 학습률이 이렇게 작으면 느립니다.",
    )  # fmt: skip
    steps = np.array(path[::50])
    lab.figure(
        curves,
        {
            feature: {name: (range(0, epochs + 1, 50), steps[:, i, k]) for k, name in enumerate(flowers.class_names)}
            for i, feature in enumerate(features)
        },
        xlabel=lab.say("epoch", "에폭"), ylabel=lab.say("weight", "가중치"), columns=2,
        en="The twelve weights: how each measurement comes to speak for or against each species.",
        ko="가중치 열두 개: 각 측정값이 어느 품종을 지지하고 반대하게 되는가.",
    )  # fmt: skip
    lab.claim(
        "The loss falls at every single step", "손실은 한 걸음도 빠짐없이 줄어듭니다",
        measured=f"{losses[0]:.4f} → {losses[-1]:.4f}", holds=(np.diff(losses) < 0).all(),
    )  # fmt: skip

    lab.claim(
        f"After {epochs} epochs it tells at least {lab.scale(100, quick=50)} of the 150 flowers right",
        f"{epochs}에폭 뒤에는 150송이 중 {lab.scale(100, quick=50)}송이 이상을 맞힙니다",
        measured=right, holds=right >= lab.scale(100, quick=50),
    )  # fmt: skip

    lab.section("The same with layers and an optimizer", "층과 옵티마이저로 쓰면")
    lab.text(
        en="""In daily work nobody writes the update by hand. `nn.Linear` keeps its weight as (outputs, inputs), so
        W comes in transposed.""",
        ko="""평소에는 갱신 식을 손으로 쓰지 않습니다. `nn.Linear`는 가중치를 (출력, 입력) 모양으로 두므로 W를
        전치해서 넣습니다.""",
    )
    model = nn.Linear(4, 3, dtype=cr.float64)
    model.weight.data = cr.tensor(path[0].T)
    model.bias.data = cr.ones(3, dtype=cr.float64)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.0001)
    targets = cr.tensor(flowers.targets)
    for _ in range(1000):
        optimizer.zero_grad()
        criterion(model(x), targets).backward()
        optimizer.step()

    lab.agrees(
        "After 1000 epochs the layer's weights are those above", "1000에폭 뒤 층의 가중치는 위의 W와 같습니다",
        model.weight.detach().T, path[1000], within=1e-14,
    )  # fmt: skip

    lab.section("Epoch, batch, iteration", "에폭, 배치, 이터레이션")
    lab.text(
        en="""An **epoch** is one pass over all rows. A **batch** is what goes through the network at once. An
        **iteration** is one update of the weights. So an epoch has rows / batch iterations, rounded up: we count
        them.""",
        ko="""**에폭**은 모든 행을 한 번 훑는 것, **배치**는 신경망에 한꺼번에 넣는 묶음, **이터레이션**은 가중치를
        한 번 갱신하는 것입니다. 따라서 한 에폭은 행 수 / 배치 크기(올림)번의 이터레이션입니다. 직접 세어 봅시다.""",
    )
    iterations = {}
    for rows, batch in ((150, 150), (150, 50), (150, 40), (100, 4)):
        dataset = data.TensorDataset(flowers.inputs[:rows], flowers.targets[:rows])
        loader = data.DataLoader(dataset, batch_size=batch, shuffle=True)
        iterations[rows, batch] = sum(1 for _ in loader)

    lab.table(
        [lab.say("rows", "행"), lab.say("batch", "배치"), lab.say("iterations an epoch, counted", "한 에폭의 이터레이션(센 값)"),
         lab.say("rows / batch", "행 / 배치")],
        [[rows, batch, count, rows / batch] for (rows, batch), count in iterations.items()],
    )  # fmt: skip
    lab.matches(
        "Batches of 50 from 150 rows: 3 iterations an epoch; of 4 from 100 rows: 25",
        "150행을 50개씩: 한 에폭에 3번. 100행을 4개씩: 25번",
        [iterations[150, 50], iterations[100, 4]], "3 25",
    )  # fmt: skip
    lab.claim(
        "Where the batch does not divide the rows, one more iteration takes the rest",
        "나누어떨어지지 않으면 나머지를 위한 이터레이션이 하나 더 있습니다",
        measured=f"150 / 40 → {iterations[150, 40]}", holds=iterations[150, 40] == math.ceil(150 / 40),
    )  # fmt: skip
    lab.text(
        en="""Smaller batches mean more updates for the same work, along noisier gradients. And the slide's learning
        rate is far smaller than need be. Four runs of 200 epochs from the same start:""",
        ko="""배치가 작을수록 같은 계산량으로 더 자주 갱신하지만, 기울기에 잡음이 섞입니다. 또 슬라이드의 학습률은
        필요보다 훨씬 작습니다. 같은 시작점에서 200에폭씩 네 번 학습해 봅시다.""",
    )
    dataset = data.TensorDataset(flowers.inputs, flowers.targets)
    runs, scores, epochs = {}, {}, lab.scale(200, quick=60)
    for lr, batch in ((0.0001, 150), (0.01, 150), (0.1, 150), (0.01, 10)):
        cr.manual_seed(lab.seed)
        model = nn.Linear(4, 3, dtype=cr.float64)
        model.weight.data, model.bias.data = cr.tensor(path[0].T), cr.ones(3, dtype=cr.float64)
        optimizer = optim.SGD(model.parameters(), lr=lr)
        trainer = cr.Trainer(model, loss="cross_entropy", optimizer=optimizer, metrics=["accuracy"])
        history = trainer.fit(dataset, epochs=epochs, batch_size=batch, progress=False)
        runs[f"lr {lr:g}, batch {batch}"] = history
        scores[lr, batch] = trainer.evaluate(dataset)

    lab.figure(
        curves,
        {
            lab.say("loss", "손실"): {name: (range(1, epochs + 1), history["loss"]) for name, history in runs.items()},
            lab.say("accuracy", "정확도"): {name: (range(1, epochs + 1), history["accuracy"]) for name, history in runs.items()},
        },
        xlabel=lab.say("epoch", "에폭"), columns=2,
        en="Loss and accuracy on the training rows.", ko="훈련 데이터의 손실과 정확도.",
    )  # fmt: skip
    lab.table(
        [lab.say("learning rate", "학습률"), lab.say("batch", "배치"), lab.say("loss", "손실"), lab.say("accuracy", "정확도")],
        [[lr, batch, f"{s['loss']:.4f}", f"{100 * s['accuracy']:.1f} %"] for (lr, batch), s in scores.items()],
    )  # fmt: skip
    lab.claim(
        "A hundred times the learning rate, or batches of 10, get much further in the same number of epochs",
        "학습률을 100배로 하거나 배치를 10으로 줄이면 같은 에폭 수로 훨씬 멀리 갑니다",
        measured=", ".join(f"{s['loss']:.3f}" for s in scores.values()),
        holds=scores[0.01, 10]["loss"] < scores[0.01, 150]["loss"] < scores[0.0001, 150]["loss"] - 0.2,
    )
    lab.next(
        en=r"""- At which epoch does the slide's run first tell 140 of the 150 flowers right? How does that change
          with the learning rate?
        - The slide's code makes `b = np.zeros(10)` for three biases, and one deck prints `W = 1 * gradient` for
          `W -= ...`. Put either slip in: which is noticed at once, and which only by its numbers?
        - Scale the four measurements to mean 0 and deviation 1 (`data.StandardScaler`). How large may the learning
          rate be now?""",
        ko=r"""- 슬라이드의 학습에서 150송이 중 140송이를 처음 맞히는 것은 몇 에폭일까요? 학습률을 바꾸면 어떻게
          달라질까요?
        - 슬라이드의 코드는 편향 세 개에 `b = np.zeros(10)`을 쓰고, 한 자료에는 `-=`이 `=`로 인쇄되어 있습니다. 둘을
          각각 넣어 보세요. 어느 쪽이 바로 들통나고, 어느 쪽이 수치로만 드러날까요?
        - 네 측정값을 평균 0, 표준편차 1로 맞춰 보세요(`data.StandardScaler`). 이제 학습률은 얼마까지 키울 수
          있을까요?""",
    )
