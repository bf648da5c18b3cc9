"""Pretraining: starting from layers that have learned something else

사전 학습: 다른 것을 배운 층에서 시작하기

Labels cost work, pictures without labels hardly any, and trained networks are there to be used. How many labelled rows
does it save to start with layers from elsewhere, and when does it save none?

라벨은 비싸지만 라벨 없는 그림은 흔하고, 학습을 마친 신경망도 많습니다. 다른 곳에서 배운 층으로 시작하면 라벨 있는
데이터를 얼마나 아낄 수 있고, 언제는 조금도 아끼지 못할까요?
"""

from __future__ import annotations

import copy

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves


def encoder(pixels):
    """Pixels -> 16 numbers, kept at mean 0 and deviation 1."""
    middle = nn.BatchNorm1d(16, affine=False)
    return nn.Sequential(nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, 16), middle)


def decoder(pixels):
    """16 numbers -> pixels."""
    return nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, pixels), nn.Sigmoid())


def head(classes):
    """16 numbers -> a score for each class."""
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, classes))


def plain(pixels, classes):
    """A network as one builds it where nothing is taken over: without a narrow middle."""
    body = nn.Sequential(nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
    return nn.Sequential(body, nn.Linear(64, classes))


def fit(network, x, y, steps, loss="cross_entropy"):
    """About as many steps for few rows as for many."""
    batch = min(100, len(x))
    optimizer = optim.Adam(network.parameters(), lr=0.005)
    trainer = cr.Trainer(network, loss=loss, optimizer=optimizer)
    epochs = max(1, steps * batch // len(x))
    trainer.fit((x, y), epochs=epochs, batch_size=batch, seed=None, progress=False)
    return trainer


def learning_curve(make, known, asked, counts, orders, steps):
    """Percent right after learning from the first 10, 30, ... rows of each order."""
    (x, y), (x_test, y_test) = known, asked
    accuracy = np.empty((len(orders), len(counts)))
    for i, order in enumerate(orders):
        for j, count in enumerate(counts):
            trainer = fit(make(), x[order[:count]], y[order[:count]], steps)
            accuracy[i, j] = 100 * (trainer.predict(x_test).argmax(axis=1) == y_test).mean()
    return accuracy


def three_starts(start, classes, known, asked, counts, orders, steps):
    """Learning curves from scratch, over frozen layers of ``start``, and with them free."""
    (x, y), (x_test, y_test) = known, asked
    # Frozen layers give a row the same code each time, so the codes are computed once.
    encode = cr.Predictor(start)
    codes, codes_asked = (encode(x), y), (encode(x_test), y_test)
    ways = {
        "scratch": (lambda: nn.Sequential(encoder(x.shape[1]), head(classes)), known, asked),
        "frozen": (lambda: head(classes), codes, codes_asked),
        "free": (lambda: nn.Sequential(copy.deepcopy(start), head(classes)), known, asked),
    }
    return {name: learning_curve(*way, counts, orders, steps) for name, way in ways.items()}


def rows_needed(curve, counts, wanted):
    """How many rows reach an accuracy: between the curve's points on a log scale."""
    best = np.maximum.accumulate(curve)
    if wanted > best[-1]:
        return np.inf
    return float(np.exp(np.interp(wanted, best, np.log(counts))))


def run(lab: Lab) -> None:
    lab.section("An autoencoder as a start", "오토인코더에서 시작하기")
    lab.text(
        en="""All pictures are there, but few have a label. A **denoising autoencoder** needs none: it learns to give
        the clean picture for a noisy one, through a code of 16 numbers. Then its encoder becomes the first half of a
        classifier, and a small head behind it learns from the labelled rows. Three ways to go on:

        - **from scratch**: the same network, nothing taken over
        - **frozen**: the encoder stays as it is, only the head learns
        - **free** (fine-tuning): everything goes on learning from where the encoder stands

        And a fourth curve for fairness, since the narrow middle is there for the autoencoder's sake: a network from
        scratch without it.""",
        ko="""그림은 모두 있지만 라벨이 있는 것은 조금뿐이라고 합시다. **잡음 제거 오토인코더**에는 라벨이 필요 없습니다. 잡음
        섞인 그림을 받아 수 16개짜리 잠재 벡터를 거쳐 깨끗한 그림을 내놓도록 배웁니다. 그런 다음 그 인코더를 분류기의
        앞부분으로 쓰고, 뒤에 작은 머리(출력 쪽 층)를 붙여 라벨 있는 행으로 학습합니다. 방법은 세 가지입니다.

        - **처음부터**: 구조는 같지만 아무것도 물려받지 않음
        - **동결**: 인코더는 그대로 두고 머리만 학습
        - **미세 조정**: 인코더에서 출발해 모든 층이 계속 학습

        좁은 가운데 층은 오토인코더 때문에 둔 것이므로, 공정하게 비교하려고 병목 없이 처음부터 학습하는 신경망도 함께
        그립니다.""",
    )
    lab.code(encoder, decoder, head, plain, fit)
    train, test = lab.pictures(quick_digits=True)
    x = (train.flat()[:20_000] / train.inputs.max()).astype(np.float32)
    x_test = (test.flat() / train.inputs.max()).astype(np.float32)
    y, y_test = train.targets[: len(x)], test.targets
    pixels = x.shape[1]
    steps, repeats = lab.scale(200, quick=60), lab.scale(4, quick=3)

    cr.manual_seed(lab.seed)
    noisy = np.clip(x + 0.3 * cr.randn(*x.shape).numpy(), 0, 1)
    start = encoder(pixels)
    fit(nn.Sequential(start, decoder(pixels)), noisy, x, lab.scale(2000, quick=600), loss="mse")

    weights = start[0].weight.numpy()
    strongest = weights[np.argsort(-(weights**2).sum(axis=1))[:10]]

    lab.figure(
        cr.show.weights, strongest, image_shape=train.image_shape, columns=10,
        en="What the ten units with the largest weights look for after the autoencoder's training. No label was involved.",
        ko="오토인코더를 학습한 뒤, 첫 층에서 가중치가 가장 큰 유닛 열 개가 찾는 무늬. 라벨은 전혀 쓰지 않았습니다.",
    )  # fmt: skip

    lab.section("How many labels it saves", "라벨을 얼마나 아끼는가")
    lab.text(
        en="""Each way learns from 10 labelled rows, from 30, and so on, with about the same number of steps; all of it
        several times, each time with other rows and other random weights.""",
        ko="""방법마다 라벨 있는 행 10개, 30개, …로 비슷한 걸음 수만큼 학습합니다. 행과 처음 가중치를 매번 새로 뽑아 여러 번
        되풀이합니다.""",
    )
    lab.code(learning_curve, three_starts, rows_needed)
    names = {
        "scratch": lab.say("from scratch", "처음부터"),
        "frozen": lab.say("pretrained, frozen", "사전 학습, 동결"),
        "free": lab.say("pretrained, free", "사전 학습, 미세 조정"),
        "plain": lab.say("from scratch, no bottleneck", "처음부터, 병목 없음"),
    }
    counts = [*lab.scale((10, 30, 100, 300, 1000), quick=(30, 100)), len(x)]
    orders = [cr.permutation(len(x)).numpy() for _ in range(repeats)]
    known, asked = (x, y), (x_test, y_test)
    scores = three_starts(start, 10, known, asked, counts, orders, steps)
    scores["plain"] = learning_curve(
        lambda: plain(pixels, 10), known, asked, counts, orders, steps
    )  # fmt: skip
    mean = {name: accuracy.mean(axis=0) for name, accuracy in scores.items()}
    spread = {name: accuracy.std(axis=0, ddof=1) for name, accuracy in scores.items()}

    lab.figure(
        curves, {"": {names[name]: (counts, accuracy) for name, accuracy in mean.items()}}, logs="x", marks=True,
        xlabel=lab.say("labelled rows", "라벨 있는 행"), ylabel=lab.say("test accuracy, %", "시험 정확도(%)"),
        en=f"Ten digits: mean test accuracy of {repeats} repetitions.",
        ko=f"숫자 열 가지: {repeats}번 되풀이한 시험 정확도의 평균.",
    )  # fmt: skip
    lab.table(
        [lab.say("labelled rows", "라벨 있는 행"), *(names[name] for name in mean)],
        [[count, *(f"{mean[name][j]:.1f} ± {spread[name][j]:.1f}" for name in mean)] for j, count in enumerate(counts)],
        en="Test accuracy in percent, ± the deviation from one repetition to another.",
        ko="시험 정확도(%). ± 뒤는 되풀이할 때마다 달라지는 정도(표준편차)입니다.",
    )
    few = [j for j, count in enumerate(counts) if count <= 100]
    gain = {name: (mean["frozen"] - mean[name])[few].mean() for name in ("scratch", "plain")}
    best = np.maximum(mean["scratch"], mean["plain"])
    needed = [rows_needed(best, counts, accuracy) for accuracy in mean["frozen"]]

    lab.claim(
        "With at most 100 labels, the frozen autoencoder is ahead of the same network from scratch on average",
        "라벨이 100개 이하일 때, 동결한 오토인코더는 처음부터 학습한 같은 신경망보다 평균적으로 앞섭니다",
        measured=lab.say(f"by {gain['scratch']:.1f} points", f"{gain['scratch']:.1f} %p"),
        holds=gain["scratch"] > lab.scale(1, quick=0),
    )
    # A quick run repeats too little for so small a difference.
    if not lab.quick:
        lab.claim(
            "It is ahead of the network without bottleneck, too",
            "병목이 없는 신경망보다도 앞섭니다",
            measured=lab.say(f"by {gain['plain']:.1f} points", f"{gain['plain']:.1f} %p"),
            holds=gain["plain"] > 0.5,
        )  # fmt: skip
    lab.table(
        lab.say(
            ["rows for the frozen autoencoder", "its accuracy, %", "rows that the better of the others needs"],
            ["동결한 오토인코더의 행", "정확도(%)", "나머지 중 나은 쪽에 필요한 행"],
        ),
        [
            [
                count,
                f"{mean['frozen'][j]:.1f}",
                lab.say("more than all", "전부로도 모자람") if np.isinf(rows) else round(rows),
            ]
            for j, (count, rows) in enumerate(zip(counts, needed, strict=True))
        ],
        en="What a label is worth: read between the points of the curves, on a logarithmic scale.",
        ko="라벨 하나의 가치. 곡선의 점 사이는 로그 눈금으로 이어 읽었습니다.",
    )  # fmt: skip
    lab.claim(
        "With all labels it saves nothing: frozen layers end no better than the better start from scratch",
        "라벨이 모두 있으면 아끼는 것이 없습니다. 동결한 층은 처음부터 학습한 것 중 나은 쪽보다 낫지 않습니다",
        measured=f"{mean['frozen'][-1]:.1f} %, {best[-1]:.1f} %", holds=mean["frozen"][-1] < best[-1] + lab.scale(0, quick=1),
    )  # fmt: skip
    lab.claim(
        f"Set free, the layers do no harm any more: the difference is under {lab.scale(2, quick=5)} points",
        f"동결을 풀면 손해도 사라집니다. 차이는 {lab.scale(2, quick=5)} %p보다 작습니다",
        measured=f"{mean['free'][-1]:.1f} %, {best[-1]:.1f} %",
        holds=abs(mean["free"][-1] - best[-1]) < lab.scale(2, quick=5),
    )  # fmt: skip

    lab.section("A trained classifier as a start", "학습한 분류기에서 시작하기")
    lab.text(
        en="""The other source of layers is a network that was trained with labels, for another task. Ours knows the
        digits 0 to 4 and nothing else. Two new tasks for it:

        - **even or odd**, of the same digits 0 to 4: the new classes are unions of the old ones
        - **5 to 9**: digits that it has never seen""",
        ko="""다른 일을 위해 라벨로 학습한 신경망에서도 층을 가져올 수 있습니다. 여기서는 0에서 4까지의 숫자만 아는 분류기를
        씁니다. 새 과제는 두 가지입니다.

        - **짝수인가 홀수인가**: 같은 숫자 0~4에 대한 과제로, 새 클래스는 옛 클래스를 묶은 것입니다
        - **5에서 9까지**: 한 번도 본 적 없는 숫자입니다""",
    )
    low, low_test = y < 5, y_test < 5
    source = encoder(pixels)
    classifier = fit(nn.Sequential(source, head(5)), x[low], y[low], lab.scale(1000, quick=150))
    named = classifier.predict(x_test[low_test]).argmax(axis=1)
    knows = 100 * (named == y_test[low_test]).mean()

    tasks = {
        "even": (2, (x[low], y[low] % 2), (x_test[low_test], y_test[low_test] % 2)),
        "5-9": (5, (x[~low], y[~low] - 5), (x_test[~low_test], y_test[~low_test] - 5)),
    }
    few_counts = lab.scale((10, 30, 100, 300), quick=(10, 30))
    moved = {}
    for task, (classes, known, asked) in tasks.items():
        orders = [cr.permutation(len(known[0])).numpy() for _ in range(repeats)]
        results = three_starts(source, classes, known, asked, few_counts, orders, steps)
        moved[task] = {name: accuracy.mean(axis=0) for name, accuracy in results.items()}

    titles = {"even": lab.say("even or odd, 0 to 4", "0~4의 짝수·홀수"), "5-9": lab.say("5 to 9", "5~9")}
    lab.figure(
        curves,
        {titles[task]: {names[name]: (few_counts, accuracy) for name, accuracy in ways.items()} for task, ways in moved.items()},
        logs="x", marks=True, columns=2,
        xlabel=lab.say("labelled rows", "라벨 있는 행"), ylabel=lab.say("test accuracy, %", "시험 정확도(%)"),
        en=f"New tasks for a classifier of 0 to 4 (which is right on {knows:.1f} % of them).",
        ko=f"0~4의 분류기(그 숫자들에서 정답률 {knows:.1f} %)에 맡긴 새 과제.",
    )  # fmt: skip
    lab.table(
        [lab.say("task", "과제"), lab.say("labelled rows", "라벨 있는 행"), *(names[name] for name in moved["even"])],
        [
            [titles[task], count, *(f"{accuracy[j]:.1f}" for accuracy in ways.values())]
            for task, ways in moved.items() for j, count in enumerate(few_counts)
        ],
        en="Mean test accuracy in percent.", ko="시험 정확도의 평균(%).",
    )  # fmt: skip
    ahead = moved["even"]["frozen"][:2] - moved["even"]["scratch"][:2]
    scratch, frozen, free = (moved["5-9"][name][1] for name in ("scratch", "frozen", "free"))

    lab.claim(
        "Even or odd, 10 and 30 rows: frozen layers are ahead of a start from scratch",
        "짝수·홀수, 10행과 30행: 동결한 층이 처음부터 배우는 것보다 앞섭니다",
        measured=lab.say(
            f"by {ahead[0]:.1f} and {ahead[1]:.1f} points", f"{ahead[0]:.1f} %p, {ahead[1]:.1f} %p"
        ),
        holds=ahead.mean() > lab.scale(2, quick=0),
    )  # fmt: skip
    lab.claim(
        "5 to 9, 30 rows: over the same frozen layers the result is worse by more than 8 points",
        "5~9, 30행: 같은 층을 동결하면 처음부터 배울 때보다 8 %p 넘게 나빠집니다",
        measured=f"{frozen:.1f} % < {scratch:.1f} %", holds=frozen < scratch - 8,
    )  # fmt: skip
    lab.claim(
        "Set free, they get more than half of that back",
        "동결을 풀면 그 손해의 절반 이상을 되찾습니다",
        measured=f"{frozen:.1f} % → {free:.1f} %", holds=free > (frozen + scratch) / 2,
    )  # fmt: skip
    lab.text(
        en="""What a classifier did not need, it has thrown away: its 16 numbers tell 0 to 4 apart, and what tells an 8
        from a 9 need not be among them. The autoencoder had to keep whatever it takes to draw. So taken-over layers
        save labels as far as **the old task needed what the new one needs**; where it did not, leave them free, or
        leave them.""",
        ko="""분류기는 자기 과제에 필요 없는 것을 버립니다. 수 16개는 0에서 4까지를 가려내면 되므로, 8과 9를 가르는 정보가 꼭
        남아 있지는 않습니다. 오토인코더는 그림을 그리는 데 드는 것이라면 무엇이든 지녀야 했습니다. 그러므로 물려받은 층은
        **새 과제에 필요한 것이 옛 과제에도 필요했던 만큼** 라벨을 아껴 줍니다. 그렇지 않다면 동결을 풀거나, 아예 쓰지 않는
        편이 낫습니다.""",
    )
    lab.next(
        en="""- Freeze only the first layer: `network[0][0].requires_grad_(False)` before `fit`. Does 5 to 9 still suffer?
        - Learn the head over frozen layers first, then set everything free with a tenth of the learning rate. Is
        that better than either alone?
        - Pretrain the autoencoder on the digits 0 to 4 only, then learn 5 to 9 over its frozen layers. Is it worse than
        the one that saw all ten, and better than the classifier?
        - Leave the noise out of the autoencoder's training, or double it. What is the encoder worth then?""",
        ko="""- 첫 층만 동결해 보세요. `fit` 전에 `network[0][0].requires_grad_(False)`를 부르면 됩니다. 5~9는 여전히
        나빠질까요?
        - 먼저 층을 동결한 채 머리만 학습하고, 그다음 학습률을 10분의 1로 낮추어 모두 풀어 보세요. 어느 한쪽만 하는
        것보다 나을까요?
        - 오토인코더를 0~4만으로 학습한 뒤 동결하고 5~9를 배워 보세요. 열 숫자를 모두 본 것보다 나쁠까요? 분류기보다는
        나을까요?
        - 오토인코더를 학습할 때 잡음을 빼거나 두 배로 키워 보세요. 그 인코더는 얼마나 쓸모가 있을까요?""",
    )
