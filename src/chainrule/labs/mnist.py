"""MNIST: from a network that learns nothing to one that reads digits

MNIST: 아무것도 배우지 못하던 신경망이 숫자를 읽기까지

The slide's classifier of handwritten digits hardly does better than guessing. What is wrong with it, which improvement
mends what, and what has the network learned to look at in the end?

슬라이드의 손글씨 숫자 분류기는 찍는 것과 별로 다르지 않습니다. 무엇이 잘못되었고, 어떤 개선이 무엇을 고치며, 결국
신경망은 그림의 무엇을 보게 될까요?
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.captions import captioned
from chainrule.labs.lesson.digits import picture_rows
from chainrule.labs.lesson.plots import curves
from chainrule.train import Callback

# Test accuracy after 5 epochs of MNIST, measured once in PyTorch.
SLIDE = {"baseline": "0.1135", "ReLU": "0.1135", "batch norm": "0.2115", "Adam": "0.9675"}


def arrays(examples, brightest):
    """Pictures as rows of numbers from 0 to 1, labels as one-hot rows."""
    x = examples.flat().astype(np.float32) / brightest
    return x, np.eye(10, dtype=np.float32)[examples.targets]


def uniform(weight):
    """The slide's initial weights: uniform in [0, 1)."""
    weight.data.uniform_(0.0, 1.0)


# What can be improved, and how the slide begins.
Settings = namedtuple("Settings", "activation batch_norm optimizer weights loss")
BASELINE = Settings(nn.Sigmoid, False, optim.SGD, uniform, nn.BCELoss)

# One thing after another.
CHANGES = {
    "ReLU": {"activation": nn.ReLU},
    "batch norm": {"batch_norm": True},
    "Adam": {"optimizer": optim.Adam},
    "He": {"weights": nn.init.kaiming_normal_},
    "cross entropy": {"loss": nn.CrossEntropyLoss},
}


def classifier(pixels, settings):
    """pixels-50-10, biases 0; softmax at the end, unless the loss contains it."""
    norm = [nn.BatchNorm1d(50)] if settings.batch_norm else []
    softmax = [] if settings.loss is nn.CrossEntropyLoss else [nn.Softmax(dim=1)]
    hidden = nn.Linear(pixels, 50), *norm, settings.activation()
    net = nn.Sequential(*hidden, nn.Linear(50, 10), *softmax)
    for layer in net:
        if isinstance(layer, nn.Linear):
            settings.weights(layer.weight)
            layer.bias.data.fill_(0)
    return net


class Losses(Callback):
    """Keeps the loss of every iteration."""

    def __init__(self):
        self.losses = []

    def on_steps_end(self, trainer, results):
        self.losses.extend(results.losses)


def learn(x, y, settings, epochs, seed):
    """A network trained by the settings, its first weights, and its loss at each iteration."""
    cr.manual_seed(seed)
    net = classifier(x.shape[1], settings)
    start = net[0].weight.numpy().copy()
    optimizer = settings.optimizer(net.parameters(), lr=0.01)
    log = Losses()
    trainer = cr.Trainer(net, loss=settings.loss(), optimizer=optimizer, callbacks=[log])
    trainer.fit((x, y), epochs=epochs, batch_size=100, seed=seed, progress=False)
    return net, start, log.losses


def outputs(net, x):
    """The ten outputs for each picture, in evaluation mode."""
    net.eval()
    with cr.no_grad():
        return net(cr.tensor(x)).numpy()


def excited_by(net, x, count=12):
    """For each hidden unit, the numbers of the pictures that excite it most."""
    return np.argsort(-outputs(net[:-1], x), axis=0)[:count].T


def speaks_for_them(net, excited, digits):
    """The share of hidden units that speak for the digit that excites them most often."""
    favourites = [np.bincount(digits[pictures], minlength=10).argmax() for pictures in excited]
    return (net[-1].weight.numpy()[favourites, range(len(excited))] > 0).mean()


def first_batch(x, y, settings, seed):
    """At the start: the sums before the activations, and each layer's largest gradient."""
    cr.manual_seed(seed)
    net = classifier(x.shape[1], settings)
    x, y = cr.tensor(x[:100]), cr.tensor(y[:100])
    sums = net[: 1 + settings.batch_norm](x).numpy()
    settings.loss()(net(x), y).backward()
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    return sums, [np.abs(layer.weight.grad.numpy()).max() for layer in layers]


def pull(loss, lead):
    """The gradient at the true class's score, when a wrong class's score is ahead by so much."""
    scores = cr.zeros(len(lead), 10)
    scores[:, 1] = cr.tensor(lead)
    scores.requires_grad_()
    loss(scores, cr.one_hot(cr.zeros(len(lead), dtype=int), 10).float()).backward()
    return -scores.grad.numpy()[:, 0]


def run(lab: Lab) -> None:
    lab.section("Pictures of digits", "숫자 그림")
    lab.text(
        en="""A picture is a row of numbers, one a pixel, from 0 for paper to 1 for ink. A label is a **one-hot** row:
        ten numbers, a 1 at the digit's place and 0 elsewhere.""",
        ko="""그림은 픽셀마다 수가 하나씩인 한 행입니다. 0은 빈 종이, 1은 잉크입니다. 라벨은 **원-핫** 행입니다. 수 열 개
        가운데 해당 숫자의 자리만 1이고 나머지는 0입니다.""",
    )
    lab.code(arrays)
    train, test = lab.pictures()
    x, y = arrays(train, train.inputs.max())
    x_test = arrays(test, train.inputs.max())[0]
    pixels, shape = x.shape[1], train.image_shape
    # The slide's 5 epochs of 60,000 pictures; as many pictures in all where there are fewer.
    epochs = max(1, lab.scale(300_000, quick=21_000) // len(x))

    lab.table(
        lab.say(
            ["pictures", "to train with", "to test with", "pixels", "mean", "deviation", "epochs"],
            ["그림", "훈련용", "시험용", "픽셀", "평균", "표준편차", "에폭"],
        ),
        [[train.name.upper(), len(x), len(x_test), pixels, f"{x.mean():.4f}", f"{x.std():.4f}", epochs]],
        en="The pictures of this run, with mean and standard deviation of their pixels.",
        ko="이번 실행에 쓰는 그림과 그 픽셀의 평균, 표준편차.",
    )  # fmt: skip
    lab.figure(
        picture_rows,
        {str(digit): x[train.targets == digit][:12].reshape(-1, *shape) for digit in range(10)},
        en="The first twelve of each digit.", ko="숫자마다 처음 열두 장.",
    )  # fmt: skip
    if train.name == "mnist":
        lab.matches(
            "Mean and standard deviation of MNIST's pixels are the two numbers of the slide",
            "MNIST 픽셀의 평균과 표준편차는 슬라이드의 두 수와 같습니다",
            [x.mean(), x.std()], "0.1307 0.3081",
        )  # fmt: skip

    lab.section("The baseline", "출발점")
    lab.text(
        en="""The slide's network has 50 hidden sigmoids and ten outputs with softmax. Its weights begin uniform in
        [0, 1), its biases at 0. The loss is the binary cross entropy of each output, the optimizer plain gradient
        descent with learning rate 0.01 and batches of 100.""",
        ko="""슬라이드의 신경망은 은닉 시그모이드 50개와 소프트맥스 출력 열 개로 되어 있습니다. 가중치는 [0, 1)의 균등
        난수, 편향은 0에서 시작합니다. 손실은 출력마다 계산한 이진 교차 엔트로피이고, 학습률 0.01의 경사 하강법으로
        100장씩 학습합니다.""",
    )
    lab.code(uniform, "Settings", "BASELINE", classifier, Losses, learn, outputs)
    baseline = learn(x, y, BASELINE, epochs, lab.seed)
    losses = baseline[2]
    digits = outputs(baseline[0], x_test).argmax(axis=1)
    share = (digits == test.targets).mean()
    commonest = np.bincount(test.targets).max() / len(test)

    lab.figure(
        curves, {"": {"": (range(1, len(losses) + 1), losses)}},
        xlabel=lab.say("iteration", "이터레이션"), ylabel=lab.say("loss", "손실"),
        en="The loss at each iteration.", ko="이터레이션마다의 손실.",
    )  # fmt: skip
    lab.claim(
        "The loss falls, and yet all test pictures get one of three answers at most: no better than one for all",
        "손실은 줄어들지만 시험용 그림 전부에 많아야 세 가지 답만 합니다. 한 가지 답만 하는 것보다 나을 것이 없습니다",
        measured=lab.say(
            f"{len(set(digits))} different, {share:.4f} right; the commonest digit is {commonest:.4f} of all",
            f"서로 다른 답 {len(set(digits))}가지, 정확도 {share:.4f}, 가장 흔한 숫자의 비율 {commonest:.4f}",
        ),
        holds=losses[-1] < losses[0] and len(set(digits)) <= 3 and share < commonest + 0.02,
    )

    lab.section("Where the gradient is lost", "기울기가 사라지는 곳")
    lab.text(
        en="""The graph of one step with 100 pictures, before any training, shows what is wrong. Values are green,
        gradients red. All weights are positive, so each hidden sum adds up the whole ink of a picture and is large;
        the sigmoid answers nearly 1 to everything. Where it is flat hardly any gradient comes through, and the
        first layer, which has most of the weights, hardly learns.""",
        ko="""학습하기 전, 그림 100장으로 한 걸음 계산한 그래프를 보면 무엇이 잘못되었는지 알 수 있습니다. 초록이 값,
        빨강이 기울기입니다. 가중치가 모두 양수이므로 은닉층의 합은 그림의 잉크를 모두 더한 큰 수가 되고, 시그모이드는
        무엇을 보든 거의 1을 출력합니다. 평평한 곳에서는 기울기가 거의 통과하지 못하므로, 가중치가 가장 많은 첫 층이
        배우지 못합니다.""",
    )
    cr.manual_seed(lab.seed)
    fresh = classifier(pixels, BASELINE)
    pictures, labels = cr.tensor(x[:100]), cr.tensor(y[:100])

    for folded, label in ((True, lab.say("layers", "층")), (False, lab.say("every operation", "모든 연산"))):
        with lab.option(label):
            lab.figure(
                cr.show.graph, fresh, pictures, target=labels, loss=nn.BCELoss(), folded=folded, direction="down",
                en="From the pictures to the loss, and back.", ko="그림에서 손실까지, 그리고 되돌아오는 기울기.",
            )  # fmt: skip
    lab.code(first_batch)
    sums, _ = first_batch(x, y, BASELINE, lab.seed)
    hidden = cr.sigmoid(cr.tensor(sums)).numpy()

    lab.claim(
        "For every unit and each of the 100 pictures the sigmoid answers more than 0.98",
        "시그모이드는 모든 유닛, 그림 100장 모두에서 0.98보다 큰 값을 냅니다",
        measured=f"{hidden.min():.7f} … {hidden.max():.7f}", holds=hidden.min() > 0.98,
    )  # fmt: skip

    lab.section("One improvement at a time", "한 번에 하나씩 개선하기")
    lab.text(
        en="""- **ReLU** is not flat above 0. But the large sums now reach the output, whose scores lie far apart.
        - **Batch normalisation** brings each hidden sum to mean 0 and deviation 1 before the activation.
        - **Adam** divides each step by the usual size of the gradient, so small gradients move weights, too.
        - **He** initialisation draws weights around 0 with deviation $\\sqrt{2/n}$ for $n$ inputs: sums keep their size.
        - **Cross entropy** computed from the scores, one loss for ten classes instead of ten losses for two.

        Each is added to those before it, and, in the last column, to the baseline alone.""",
        ko="""- **ReLU**는 0보다 큰 곳에서 평평하지 않습니다. 그러나 큰 합이 그대로 출력층에 전해져 점수의 차이가 매우
          커집니다.
        - **배치 정규화**는 활성화 함수에 들어가는 합을 평균 0, 표준편차 1로 맞춥니다.
        - **Adam**은 걸음을 평소 기울기의 크기로 나눕니다. 그래서 기울기가 작아도 가중치가 움직입니다.
        - **He** 초기화는 입력이 $n$개일 때 가중치를 0 둘레에서 표준편차 $\\sqrt{2/n}$으로 뽑아, 합의 크기를 유지합니다.
        - **교차 엔트로피**는 점수에서 바로 계산하는, 클래스 열 개를 위한 손실 하나입니다. 두 클래스용 손실 열 개를
          대신합니다.

        하나씩 차례로 더해 가고, 마지막 열에서는 출발점에 그것 하나만 더합니다.""",
    )
    lab.code("CHANGES")
    steps, runs, alone = {"baseline": BASELINE}, {"baseline": baseline}, {}
    for name, change in CHANGES.items():
        steps[name] = list(steps.values())[-1]._replace(**change)
        runs[name] = learn(x, y, steps[name], epochs, lab.seed)
        net = learn(x, y, BASELINE._replace(**change), epochs, lab.seed)[0]
        alone[name] = (outputs(net, x_test).argmax(axis=1) == test.targets).mean()

    found = {name: outputs(run[0], x_test).argmax(axis=1) for name, run in runs.items()}
    right = {name: (digits == test.targets).mean() for name, digits in found.items()}

    lab.table(
        lab.say(
            ["added", "test accuracy", "slide, MNIST", "different answers", "alone"],
            ["더한 것", "시험 정확도", "슬라이드(MNIST)", "서로 다른 답", "그것만 더했을 때"],
        ),
        [[_word(lab, name), f"{right[name]:.4f}", SLIDE.get(name, ""), len(set(found[name])),
          f"{alone.get(name, right[name]):.4f}"] for name in steps],
        en=f"Accuracy on the {len(x_test):,} test pictures after {epochs} epochs.",
        ko=f"{epochs}에폭 뒤 시험용 그림 {len(x_test):,}장에 대한 정확도.",
    )  # fmt: skip
    lab.figure(
        curves,
        {"": {_word(lab, name): (range(15, len(losses), 30), np.reshape(losses, (-1, 30)).mean(axis=1))
              for name, (_, _, losses) in runs.items()}},
        logs="y", xlabel=lab.say("iteration", "이터레이션"), ylabel=lab.say("loss", "손실"),
        en="The loss, averaged over 30 iterations. The last is another loss, so its height does not compare.",
        ko="개선을 하나씩 더할 때의 손실(30번씩 평균). 마지막 것은 다른 손실이므로 높이를 견줄 수 없습니다.",
    )  # fmt: skip
    if train.name == "mnist" and epochs == 5:
        for name, within in (("baseline", 0.002), ("ReLU", 0.03), ("batch norm", 0.06), ("Adam", 0.01)):
            lab.matches(
                f"Test accuracy is near the slide's: {name}", f"슬라이드의 시험 정확도에 가깝습니다: {_word(lab, name)}",
                right[name], SLIDE[name], within=within,
            )  # fmt: skip
    lab.claim(
        "The jump comes with Adam", "정확도가 뛰어오르는 것은 Adam을 더할 때입니다",
        measured=f"{right['batch norm']:.4f} → {right['Adam']:.4f}", holds=right["Adam"] > right["batch norm"] + 0.3,
    )  # fmt: skip
    lab.claim(
        "He initialisation and cross entropy keep what was gained",
        "He 초기화와 교차 엔트로피를 더해도 얻은 것을 잃지 않습니다",
        measured=" → ".join(f"{share:.4f}" for share in list(right.values())[3:]),
        holds=min(right["He"], right["cross entropy"]) > right["Adam"] - 0.03,
    )
    lab.claim(
        "Adam alone, with sigmoids and all the slide's weights, already reads most digits",
        "시그모이드와 슬라이드의 가중치를 그대로 두고 Adam만 써도 숫자를 대부분 읽습니다",
        measured=f"{alone['Adam']:.4f}", holds=alone["Adam"] > lab.scale(0.8, quick=0.6),
    )  # fmt: skip
    lab.text(
        en="Why? Look at the first batch, and at how far training has moved the weights of the first layer.",
        ko="왜 그럴까요? 첫 배치가 무엇을 만나는지, 그리고 학습이 첫 층의 가중치를 얼마나 옮겼는지 봅시다.",
    )
    first = {name: first_batch(x, y, settings, lab.seed) for name, settings in steps.items()}
    moved = {name: np.abs(run[0][0].weight.numpy() - run[1]).mean() for name, run in runs.items()}

    lab.table(
        lab.say(
            ["added", "hidden sums, mean", "deviation", "largest gradient, layer 1", "layer 2", "weights moved by"],
            ["더한 것", "은닉층 합의 평균", "표준편차", "첫 층의 최대 기울기", "둘째 층", "가중치가 움직인 거리"],
        ),
        [[_word(lab, name), f"{sums.mean().round(2) + 0.0:.2f}", f"{sums.std():.2f}", *gradients, f"{moved[name]:.5f}"]
         for name, (sums, gradients) in first.items()],
        en="Before training: sums and gradients of the first 100 pictures. After it: how far a weight of layer 1 has gone.",
        ko="학습 전: 처음 100장에서 은닉층의 합과 기울기. 학습 뒤: 첫 층의 가중치가 평균 얼마나 움직였는가.", digits=2,
    )  # fmt: skip
    lab.claim(
        "Batch normalisation lets at least 30 times as much gradient through to the first layer as the baseline",
        "배치 정규화를 하면 첫 층에 오는 기울기가 출발점의 30배를 넘습니다",
        measured=f"{first['baseline'][1][0]:.1e} → {first['batch norm'][1][0]:.1e}",
        holds=first["batch norm"][1][0] > 30 * first["baseline"][1][0],
    )
    lab.claim(
        "Still gradient descent hardly moves the weights; Adam moves them more than ten times as far",
        "그래도 경사 하강법은 가중치를 거의 옮기지 못하고, Adam은 열 배 넘게 옮깁니다",
        measured=f"{moved['batch norm']:.5f} → {moved['Adam']:.5f}", holds=moved["Adam"] > 10 * moved["batch norm"],
    )  # fmt: skip

    lab.section("A loss made for ten classes", "클래스 열 개를 위한 손실")
    lab.text(
        en=r"""Let a wrong class's score lead, by more and more, and see how strongly each loss pulls the true score
        up. Cross entropy, computed from the scores, pulls with $1 - p$, however far astray. Softmax followed by
        binary cross entropy must divide by numbers that float32 no longer tells from 0: its pull first leaps up,
        which throws the weights about, and then vanishes, so that a network that is very sure of a wrong answer
        stays so.""",
        ko=r"""틀린 클래스의 점수를 점점 앞서게 하면서, 각 손실이 정답의 점수를 얼마나 세게 끌어올리는지 봅시다. 점수에서
        바로 계산하는 교차 엔트로피는 아무리 크게 틀려도 $1 - p$의 힘으로 당깁니다. 소프트맥스 뒤에 이진 교차 엔트로피를
        쓰면 float32에서 0과 구별되지 않는 수로 나누게 됩니다. 당기는 힘은 한번 치솟아 가중치를 흩트려 놓고, 그 뒤에는
        사라집니다. 그래서 틀린 답을 크게 확신하는 신경망은 그 답에서 벗어나지 못합니다.""",
    )
    lab.code(pull)
    lead = np.arange(0, 61, 0.5, dtype=np.float32)
    binary = pull(lambda scores, t: nn.BCELoss(reduction="sum")(cr.softmax(scores, axis=1), t), lead)
    cross = pull(nn.CrossEntropyLoss(reduction="sum"), lead)

    lab.figure(
        curves,
        {"": {lab.say("softmax, then binary cross entropy", "소프트맥스 + 이진 교차 엔트로피"): (lead, binary),
              lab.say("cross entropy of the scores", "점수의 교차 엔트로피"): (lead, cross)}},
        logs="y", xlabel=lab.say("lead of a wrong score", "틀린 점수가 앞선 차이"), ylabel=lab.say("pull", "당기는 힘"),
        en="The gradient at the true class's score.", ko="정답 클래스의 점수에 대한 기울기의 크기.",
    )  # fmt: skip
    lab.claim(
        "The pull of cross entropy lies between 0.9 and 1; the other rises beyond 1000 and falls below a millionth",
        "교차 엔트로피가 당기는 힘은 0.9와 1 사이입니다. 다른 쪽은 1000을 넘었다가 백만분의 1 아래로 떨어집니다",
        measured=f"{cross.min():.3f} … {cross.max():.3f}, {binary.min():.0e} … {binary.max():.0f}",
        holds=cross.min() > 0.89 and cross.max() < 1.001 and binary.max() > 1000 and binary[-1] < 1e-6,
    )

    lab.section("What it still gets wrong", "아직 틀리는 것들")
    net = runs["cross entropy"][0]
    p = cr.softmax(cr.tensor(outputs(net, x_test)), axis=1).numpy()
    answer, sure = p.argmax(axis=1), p.max(axis=1)
    correct = answer == test.targets
    worst = np.argsort(np.where(correct, 0, -sure))[:16]

    lab.figure(
        cr.show.confusion, test.targets, answer,
        en="What the last network takes each digit for.", ko="마지막 신경망의 혼동 행렬: 어떤 숫자를 무엇으로 보는가.",
    )  # fmt: skip
    lab.figure(
        captioned, x_test[worst].reshape(-1, *shape),
        [f"{test.targets[i]} → {answer[i]}\n{100 * sure[i]:.1f} %" for i in worst],
        en="The most wrong of all: the digit, what it was taken for, and how sure the network was.",
        ko="가장 크게 틀린 그림들: 정답 → 신경망의 답, 그리고 확신한 정도.",
    )  # fmt: skip
    lab.claim(
        "Of the answers of which it is 99 % sure, more are right than of all answers",
        "99 % 넘게 확신한 답은 전체보다 더 잘 맞습니다",
        measured=lab.say(
            f"{correct[sure > 0.99].mean():.4f} of {(sure > 0.99).sum()}, {correct.mean():.4f} of {len(correct)}",
            f"{(sure > 0.99).sum()}장 중 {correct[sure > 0.99].mean():.4f}, {len(correct)}장 중 {correct.mean():.4f}",
        ),
        holds=correct[sure > 0.99].mean() > correct.mean() + 0.005,
    )
    lab.claim(
        "Yet it is more than 90 % sure of some of its mistakes", "그런데도 틀린 답 가운데 일부는 90 % 넘게 확신합니다",
        measured=f"{100 * sure[worst[0]]:.1f} %", holds=sure[worst[0]] > 0.9,
    )  # fmt: skip

    lab.section("What the hidden units attend to", "은닉 유닛이 보는 것")
    lab.text(
        en="""Each hidden unit has one weight for each pixel, so its weights are a picture: ink on blue excites the
        unit, ink on orange quiets it. Below are the test pictures that excite some units most.""",
        ko="""은닉 유닛은 픽셀마다 가중치를 하나씩 가지므로 가중치도 그림이 됩니다. 파란 자리의 잉크는 유닛을 흥분시키고
        주황 자리의 잉크는 억누릅니다. 그 아래는 몇몇 유닛을 가장 흥분시키는 시험용 그림입니다.""",
    )
    lab.code(excited_by, speaks_for_them)
    weights = net[0].weight.numpy()
    excited = excited_by(net, x_test)
    cr.manual_seed(lab.seed)
    untrained = classifier(pixels, steps["cross entropy"])
    agree = speaks_for_them(net, excited, test.targets)
    agreed = speaks_for_them(untrained, excited_by(untrained, x_test), test.targets)

    lab.figure(
        cr.show.weights, weights[:12], image_shape=shape, columns=6, scale=float(np.quantile(np.abs(weights), 0.99)),
        en="The weights of the first twelve hidden units.", ko="처음 은닉 유닛 열두 개의 가중치.",
    )  # fmt: skip
    lab.figure(
        picture_rows,
        {lab.say(f"unit {unit + 1}", f"유닛 {unit + 1}"): x_test[excited[unit]].reshape(-1, *shape) for unit in range(8)},
        en="The twelve test pictures that excite each unit most.", ko="각 유닛을 가장 흥분시키는 시험용 그림 열두 장.",
    )  # fmt: skip
    lab.claim(
        "Nearly every unit speaks, by its output weight, for the digit that excites it; before training only half do",
        "거의 모든 유닛이 자기를 흥분시키는 숫자 쪽으로 양의 출력 가중치를 둡니다. 학습 전에는 절반쯤만 그렇습니다",
        measured=f"{100 * agreed:.0f} % → {100 * agree:.0f} %", holds=agree > 0.85 and agreed < 0.75,
    )  # fmt: skip
    unlit = (x == 0).all(axis=0)
    change = np.abs(weights - runs["cross entropy"][1]).mean(axis=0)

    lab.claim(
        "Weights of pixels that no training picture lights get no gradient: they are to the bit as they began",
        "훈련용 그림 어디에서도 켜지지 않는 픽셀의 가중치에는 기울기가 오지 않아, 처음 값에서 한 비트도 변하지 않습니다",
        measured=lab.say(
            f"{unlit.sum()} pixels, moved by {change[unlit].max():.0f}; the others by {change[~unlit].mean():.3f}",
            f"픽셀 {unlit.sum()}개, 움직인 거리 {change[unlit].max():.0f}, 나머지는 {change[~unlit].mean():.3f}",
        ),
        holds=unlit.any() and change[unlit].max() == 0 and change[~unlit].mean() > 0.02,
    )
    lab.next(
        en="""- Give gradient descent a learning rate of 1 instead of 0.01, with batch norm and He weights. How near to
          Adam does it come?
        - Write the loss of the baseline with ten sigmoids instead of softmax (`nn.BCEWithLogitsLoss`). Is the spike
          in the pull gone?
        - Shift and scale the pixels by their mean and deviation. Which of the six steps gain by it?""",
        ko="""- 배치 정규화와 He 초기화를 둔 채 경사 하강법의 학습률을 0.01 대신 1로 해 보세요. Adam에 얼마나 가까워질까요?
        - 출발점의 소프트맥스를 시그모이드 열 개로 바꿔 보세요(`nn.BCEWithLogitsLoss`). 당기는 힘이 치솟던 것이
          사라질까요?
        - 픽셀을 평균과 표준편차로 정규화해 보세요. 여섯 단계 가운데 어느 것이 나아질까요?""",
    )


def _word(lab: Lab, name: str) -> str:
    korean = {"baseline": "출발점", "batch norm": "배치 정규화", "cross entropy": "교차 엔트로피"}
    return lab.say(name, korean.get(name, name))
