"""Validation: what will it do on new data?

검증: 새 데이터에서는 어떨까?

A network can learn anything by heart. How do we measure what it will do on data that it has never seen, how do we fool
ourselves, and how do we choose its hyperparameters all the same?

신경망은 무엇이든 외울 수 있습니다. 본 적 없는 데이터에서 얼마나 잘할지는 어떻게 재고, 어디서 스스로 속게 될까요? 그리고
하이퍼파라미터는 어떻게 정직하게 고를까요?
"""

from __future__ import annotations

import itertools

import numpy as np

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves
from chainrule.labs.lesson.scatter import against, strips

# The network of the slides, and between which bounds we look for better settings.
BASELINE = {"hidden": 50, "lr": 0.01, "batch": 100}
BOUNDS = {"hidden": (10, 100), "lr": (0.001, 10), "batch": (10, 200)}

_LEAKS = {"select": ("selecting", "선택"), "copy": ("copying", "복사"), "scale": ("scaling", "스케일링")}
_WAYS = {"grid": ("grid", "격자"), "random": ("random", "무작위")}


def learn_by_heart(x, y):
    """A network with room enough, trained long enough."""
    network = nn.Sequential(nn.Linear(x.shape[1], 100), nn.ReLU(), nn.Linear(100, 10))
    trainer = cr.Trainer(network, optimizer="adam", lr=0.01, metrics=["accuracy"])
    trainer.fit((x, y), epochs=120, batch_size=50, progress=False)
    return trainer


def nearest_mean(x, y, new):
    """To each new row the class whose mean lies nearest."""
    classes = np.unique(y)
    means = np.stack([x[y == k].mean(axis=0) for k in classes])
    return classes[np.square(new[:, None] - means).sum(axis=2).argmin(axis=1)]


def nearest_row(x, y, new):
    """To each new row the class of the row that lies nearest."""
    return y[np.square(new[:, None] - x).sum(axis=2).argmin(axis=1)]


def cross_validate(classify, x, y, folds, learn=lambda x, y: lambda rows: rows):
    """The mean accuracy on what is held out; ``learn`` sees the training rows alone."""
    scores = []
    for train, held_out in folds.split(x, y):
        prepare = learn(x[train], y[train])
        answers = classify(prepare(x[train]), y[train], prepare(x[held_out]))
        scores.append((answers == y[held_out]).mean())
    return np.mean(scores)


def select(x, y):
    """Keep the 20 features that go best with the classes."""
    centred = x - x.mean(axis=0)
    correlation = (y - y.mean()) @ centred / np.linalg.norm(centred, axis=0)
    kept = np.argsort(-abs(correlation))[:20]
    return lambda rows: rows[:, kept]


def standardise(x, y):
    """Mean 0 and deviation 1 for each feature."""
    return data.StandardScaler().fit(x).transform


def train(x, y, hidden, lr, batch, seed):
    """The two-layer network of the slides after five epochs."""
    cr.manual_seed(seed)
    network = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.Sigmoid(), nn.Linear(hidden, 10))
    optimizer = optim.SGD(network.parameters(), lr=lr)
    trainer = cr.Trainer(network, optimizer=optimizer, metrics=["accuracy"])
    trainer.fit((x, y), epochs=5, batch_size=batch, seed=seed, progress=False)
    return trainer


def between(name, share):
    """The setting between its bounds, by factors: half-way from 1 to 100 lies 10."""
    low, high = BOUNDS[name]
    value = low * (high / low) ** share
    return value if name == "lr" else round(value)


def grid(levels):
    """Evenly spaced values of each setting, in all combinations."""
    shares = np.linspace(0, 1, levels).tolist()
    points = itertools.product(shares, repeat=len(BOUNDS))
    return [dict(zip(BOUNDS, map(between, BOUNDS, point), strict=True)) for point in points]


def at_random(count, generator):
    """Settings drawn anywhere between the bounds."""
    shares = generator.uniform((count, len(BOUNDS))).tolist()
    return [dict(zip(BOUNDS, map(between, BOUNDS, point), strict=True)) for point in shares]


def run(lab: Lab) -> None:
    lab.section("A perfect score that says nothing", "아무 의미 없는 만점")
    lab.text(
        en=r"""We take 200 pictures of digits and a network with plenty of weights. Once we train it with the true
        labels, once with the same labels **shuffled**, so that there is nothing to be learned from them. A fifth of all
        pictures was put aside before: the **validation** part.""",
        ko=r"""숫자 그림 200장과, 가중치가 넉넉한 신경망을 준비합니다. 한 번은 올바른 레이블로, 한 번은 같은 레이블을
        **뒤섞어** 배울 것이 하나도 없게 만들어 학습합니다. 전체 그림의 5분의 1은 미리 떼어 두었습니다. 이것이
        **검증** 데이터입니다.""",
    )
    lab.code(learn_by_heart)
    examples, test = lab.pictures()
    x = examples.flat().astype(np.float32) / examples.inputs.max()
    x_train, x_validation, y_train, y_validation = data.train_test_split(
        x, examples.targets, test_size=0.2, stratify=examples.targets, seed=lab.seed
    )
    validation = (x_validation, y_validation)
    generator = cr.Generator(lab.seed)
    x_few, y_few = x_train[:200], y_train[:200]
    scores = {}
    for labels, y in (("true", y_few), ("shuffled", y_few[generator.permutation(200)])):
        cr.manual_seed(lab.seed)
        trainer = learn_by_heart(x_few, y)
        scores[labels] = [trainer.evaluate(part)["accuracy"] for part in ((x_few, y), validation)]

    lab.claim(
        "On its own 200 pictures the network makes hardly a mistake, with true labels or with shuffled ones",
        "학습한 200장에서는 레이블이 올바르든 뒤섞였든 거의 틀리지 않습니다",
        measured=f"{100 * scores['true'][0]:.1f} %, {100 * scores['shuffled'][0]:.1f} %",
        holds=min(scores["true"][0], scores["shuffled"][0]) > 0.9,
    )
    lab.claim(
        "Only the validation part tells the two apart: one has learned, the other guesses",
        "둘을 구별해 주는 것은 검증 데이터뿐입니다. 하나는 배웠고, 하나는 찍습니다",
        measured=f"{100 * scores['true'][1]:.1f} %, {100 * scores['shuffled'][1]:.1f} %",
        holds=scores["true"][1] > 0.6 and scores["shuffled"][1] < 0.25,
    )

    lab.section("One split, or k folds", "한 번 나누기와 k겹 교차 검증")
    lab.text(
        en=r"""With few rows, the luck of the split counts. We take the 150 flowers of Iris and a classifier that
        needs no training: to each flower the class whose mean lies nearest. 30 flowers are held out, 200 times, each
        time others. Against that, **k-fold cross validation**: the rows are dealt into five folds, each is held out
        once, and the five scores are averaged, so that every row is asked exactly once.""",
        ko=r"""데이터가 적으면 어떻게 나누었는지에 따라 점수가 흔들립니다. 붓꽃 150송이와, 학습이 필요 없는 분류기를
        씁니다. 평균이 가장 가까운 품종을 답하는 것입니다. 매번 다른 30송이를 떼어 200번 재 봅니다. 이것을 **k겹 교차
        검증**과 비교합니다. 행을 다섯 묶음으로 나누어 한 번씩 떼어 놓고 잰 뒤 점수 다섯 개를 평균하므로, 모든 행이 꼭 한
        번씩 검증에 쓰입니다.""",
    )
    lab.code(nearest_mean, cross_validate)
    x_iris, y_iris = data.iris().inputs, data.iris().targets
    once, five_folds = [], []
    for seed in range(200):
        a, b, ya, yb = data.train_test_split(x_iris, y_iris, test_size=30, seed=seed)
        once.append((nearest_mean(a, ya, b) == yb).mean())
        folds = data.KFold(5, shuffle=True, seed=seed)
        five_folds.append(cross_validate(nearest_mean, x_iris, y_iris, folds))

    lab.figure(
        strips,
        {lab.say("30 held out once", "30송이 한 번"): once, lab.say("5 folds", "5겹"): five_folds},
        xlabel=lab.say("accuracy, %", "정확도, %"), scale=100,
        en="200 ways to split the same 150 flowers. A dot is one estimate, the bar their mean.",
        ko="같은 150송이를 나누는 200가지 방법. 점 하나가 추정값 하나, 막대는 평균입니다.",
    )  # fmt: skip
    # Of the share of 150 independent flowers that is got right.
    standard_error = np.sqrt(np.mean(five_folds) * (1 - np.mean(five_folds)) / 150)

    lab.claim(
        "Both agree in the mean, but the spread of a single split is more than twice that of five folds",
        "평균은 둘이 같지만, 한 번만 나누면 5겹보다 두 배 넘게 흔들립니다",
        measured=f"{100 * np.mean(once):.1f} ± {100 * np.std(once):.1f} %, "
        f"{100 * np.mean(five_folds):.1f} ± {100 * np.std(five_folds):.1f} %",
        holds=abs(np.mean(once) - np.mean(five_folds)) < 0.02 and np.std(once) > 2 * np.std(five_folds),
    )
    lab.claim(
        "What remains is the luck of having these 150 flowers and no others: more than the luck of the deal",
        "그래도 하필 이 150송이를 얻은 운은 남고, 이 운이 나누는 운보다 큽니다",
        measured=f"√(p (1 − p) / 150) = {100 * standard_error:.1f} %", holds=standard_error > np.std(five_folds),
    )  # fmt: skip
    lab.text(
        en="""A trap: the flowers stand in the file species by species. Folds that are not shuffled hold out a whole one.
        `StratifiedKFold` gives each fold its share of every class, shuffled or not.""",
        ko="""함정이 하나 있습니다. 파일에는 붓꽃이 품종별로 모여 있어서, 섞지 않고 나누면 한 품종이 통째로 빠집니다.
        `StratifiedKFold`는 섞지 않아도 묶음마다 모든 품종을 고르게 담습니다.""",
    )
    in_order = cross_validate(nearest_mean, x_iris, y_iris, data.KFold(3))
    stratified = cross_validate(nearest_mean, x_iris, y_iris, data.StratifiedKFold(3))

    lab.claim(
        "Three folds in the file's order get not one flower right; stratified, the same classifier is as good as above",
        "파일 순서대로 3겹으로 나누면 한 송이도 맞히지 못하고, 고르게 나누면 위와 같이 잘 맞힙니다",
        measured=f"{100 * in_order:.1f} %, {100 * stratified:.1f} %", holds=in_order == 0 and stratified > 0.85,
    )  # fmt: skip

    lab.section("Leaks: three ways to cheat without noticing", "데이터 누출: 모르는 사이에 속는 세 가지 길")
    lab.text(
        en=r"""Now data of which we know that nothing can be learned: 50 rows with a thousand features or more, all pure noise,
        and classes by the toss of a coin. An honest estimate is 50 %. Something is learned from the data *before* they are
        split, as in many a notebook:

        - **selecting** the 20 features that go best with the classes,
        - **copying** rows, as is done to have more of them,
        - **scaling** each feature to mean 0 and deviation 1.

        The right way is always the same: learn inside each fold, from nothing but its training rows.""",
        ko=r"""이번에는 배울 것이 없다는 것을 우리가 아는 데이터입니다. 특징이 천 개 이상인 행 50개가 모두 순수한 잡음이고,
        클래스는 동전을 던져 정했습니다. 정직하게 재면 50 %가 나와야 합니다. 그런데 흔히 그러듯이, *나누기 전에*
        데이터에서 무언가를 배우면 어떻게 될까요?

        - **선택**: 클래스와 가장 잘 맞는 특징 20개를 고른다
        - **복사**: 행을 늘리려고 복사한다
        - **스케일링**: 특징마다 평균 0, 표준편차 1로 맞춘다

        올바른 방법은 언제나 같습니다. 데이터에서 배우는 것은 무엇이든 묶음 안에서, 그 훈련 행만으로 배워야 합니다.""",
    )
    lab.code(nearest_row, select, standardise)
    features, repeats = lab.scale((5000, 100), quick=(1000, 40))
    leaky = {"select": [], "copy": [], "scale": []}
    right = {"select": [], "copy": [], "scale": []}
    for repeat in range(repeats):
        noise, coins = generator.normal((50, features)), generator.integers(0, 2, (50,))
        folds = data.KFold(5, shuffle=True, seed=repeat)
        chosen = select(noise, coins)(noise)
        leaky["select"].append(cross_validate(nearest_mean, chosen, coins, folds))
        right["select"].append(cross_validate(nearest_mean, noise, coins, folds, learn=select))

        few = noise[:, :20]
        twice, coins_twice = np.tile(few, (2, 1)), np.tile(coins, 2)
        leaky["copy"].append(cross_validate(nearest_row, twice, coins_twice, folds))
        right["copy"].append(cross_validate(nearest_row, few, coins, folds))

        scaled = standardise(few, coins)(few)
        leaky["scale"].append(cross_validate(nearest_mean, scaled, coins, folds))
        right["scale"].append(cross_validate(nearest_mean, few, coins, folds, learn=standardise))
    bias = {name: np.mean(leaky[name]) - np.mean(right[name]) for name in leaky}
    spread = {name: np.std(np.subtract(leaky[name], right[name])) / repeats**0.5 for name in leaky}

    lab.figure(
        strips,
        {
            label: values[step]
            for step, (en, ko) in _LEAKS.items()
            for label, values in (
                (lab.say(f"{en} before", f"나누기 전 {ko}"), leaky), (lab.say(f"{en} inside", f"묶음 안 {ko}"), right),
            )
        },
        xlabel=lab.say("accuracy, %", "정확도, %"), truth=0.5, scale=100,
        en=f"{repeats} sets of pure noise. The truth is the dotted line.",
        ko=f"순수한 잡음 데이터 {repeats}벌. 점선이 참값입니다.",
    )  # fmt: skip
    lab.table(
        lab.say(["", "before", "inside", "bias", "standard error"], ["", "나누기 전", "묶음 안", "편향", "표준 오차"]),
        [
            [lab.say(*words), f"{100 * np.mean(leaky[step]):.1f} %", f"{100 * np.mean(right[step]):.1f} %",
             f"{100 * bias[step]:+.2f} %", f"{100 * spread[step]:.2f} %"]
            for step, words in _LEAKS.items()
        ],
    )  # fmt: skip
    lab.claim(
        "Inside the folds all three estimates are near the true 50 %",
        "묶음 안에서 하면 세 추정값이 모두 참값 50 %에 가깝습니다",
        measured=", ".join(f"{100 * np.mean(scores):.1f} %" for scores in right.values()),
        holds=all(abs(np.mean(scores) - 0.5) < 0.07 for scores in right.values()),
    )
    lab.claim(
        "Selecting before the split makes pure noise look like a success of more than 80 %",
        "나누기 전에 특징을 고르면 순수한 잡음이 80 %가 넘는 성공처럼 보입니다",
        measured=f"{100 * np.mean(leaky['select']):.1f} %", holds=np.mean(leaky["select"]) > 0.8,
    )  # fmt: skip
    lab.claim(
        "Copies: a row's twin is among the training rows four times in five and is found again, so 90 % is expected",
        "복사: 다섯 번에 네 번은 쌍둥이 행이 훈련 쪽에 있어 그대로 찾아지므로 90 %가 예상됩니다",
        measured=f"{100 * np.mean(leaky['copy']):.1f} %", holds=abs(np.mean(leaky["copy"]) - 0.9) < 0.05,
    )  # fmt: skip
    lab.claim(
        "Scaling before the split, often named first, makes a difference below 2 % here: it never sees the classes",
        "흔히 먼저 꼽히는 나누기 전 스케일링의 차이는 여기서 2 %도 되지 않습니다. 클래스를 보지 않기 때문입니다",
        measured=f"{100 * bias['scale']:+.2f} ± {100 * spread['scale']:.2f} %", holds=abs(bias["scale"]) < 0.02,
    )  # fmt: skip

    lab.section("Choosing is learning, too", "고르는 것도 학습이다")
    lab.text(
        en="""Even without a leak a validation part wears out. Let models guess, each by the toss of coins, and keep the
        one with the best score on 100 validation rows. The more we try, the better the winner looks.""",
        ko="""누출이 없어도 검증 데이터는 쓸수록 닳습니다. 동전을 던져 찍기만 하는 모델들 중에서 검증 행 100개의 점수가 가장
        좋은 것을 고릅니다. 많이 시도할수록 승자는 더 좋아 보입니다.""",
    )
    tries = (1, 3, 10, 30, 100, 300, 1000)
    answers, new_answers = generator.bernoulli(0.5, (100,)), generator.bernoulli(0.5, (10_000,))
    winners, on_new = np.zeros((2, 50, len(tries)))
    for repeat in range(50):
        guesses = generator.bernoulli(0.5, (1000, 100))
        scores = (guesses == answers).mean(axis=1)
        for i, count in enumerate(tries):
            winners[repeat, i] = scores[:count].max()
            on_new[repeat, i] = (generator.bernoulli(0.5, (10_000,)) == new_answers).mean()

    lab.figure(
        curves,
        {
            "": {
                lab.say("the winner on the validation rows", "승자의 검증 정확도"): (tries, 100 * winners.mean(axis=0)),
                lab.say("the winner on new rows", "승자의 새 데이터 정확도"): (tries, 100 * on_new.mean(axis=0)),
            }
        },
        xlabel=lab.say("models tried", "시도한 모델 수"), ylabel=lab.say("accuracy, %", "정확도, %"), logs="x", marks=True,
        en="Means of 50 repetitions.", ko="50번 반복한 평균.",
    )  # fmt: skip
    lab.claim(
        "The best of a thousand guessers has more than 60 % on the validation rows and 50 % on new ones",
        "찍기만 하는 모델 천 개 중 최고는 검증에서 60 %를 넘지만, 새 데이터에서는 50 %입니다",
        measured=f"{100 * winners[:, -1].mean():.1f} %, {100 * on_new[:, -1].mean():.1f} %",
        holds=winners[:, -1].mean() > 0.6 and abs(on_new[:, -1].mean() - 0.5) < 0.01,
    )

    lab.section("The assignment: a better two-layer network", "과제: 더 나은 2층 신경망")
    lab.text(
        en=r"""One deck of slides sets a task: improve the two-layer network by its hyperparameters. We start where the
        slides do: 50 sigmoids, learning rate 0.01, batches of 100, five epochs of plain gradient descent (with cross
        entropy and PyTorch's initial weights). For a better hidden size, learning rate and batch size we look in two
        ways, 27 trials each within the same bounds: on a **grid** of three values of each, and at **random** points
        (Bergstra and Bengio, 2012). All three count by factors: from 0.01 to 0.1 is as far as from 0.1 to 1. To
        be quick, a trial learns from a part of the training rows.""",
        ko=r"""슬라이드의 과제 하나는 하이퍼파라미터로 2층 신경망을 개선하는 것입니다. 출발점은 슬라이드와 같이 시그모이드
        50개, 학습률 0.01, 배치 100, 경사 하강법 5에폭입니다(손실은 교차 엔트로피, 초기 가중치는 PyTorch 방식). 같은 범위
        안에서 은닉 유닛 수, 학습률, 배치 크기를 두 가지 방법으로 27번씩 찾아봅니다. 값을 세 개씩 둔 **격자 탐색**과, 점을
        무작위로 뽑는 **무작위 탐색**입니다(Bergstra와 Bengio, 2012). 셋 모두 비율로 셉니다. 0.01에서 0.1까지와 0.1에서
        1까지는 같은 거리입니다. 시간을 아끼려고 한 번에 훈련 행의 일부로만 학습합니다.""",
    )
    lab.code("BASELINE", "BOUNDS", train, between, grid, at_random)

    rows = lab.scale(10_000, quick=600)

    def score(settings, seed):
        trainer = train(x_train[:rows], y_train[:rows], **settings, seed=seed)
        return trainer.evaluate(validation)["accuracy"]

    searches = {"grid": grid(levels=3), "random": at_random(27, generator)}
    found = {name: np.array([score(s, lab.seed) for s in settings]) for name, settings in searches.items()}
    best = {name: searches[name][accuracies.argmax()] for name, accuracies in found.items()}
    baseline = score(BASELINE, lab.seed)

    lab.figure(
        against,
        {
            lab.say(*title): {lab.say(*_WAYS[way]): ([s[key] for s in searches[way]], 100 * found[way]) for way in searches}
            for key, title in (
                ("lr", ("learning rate", "학습률")), ("hidden", ("hidden units", "은닉 유닛")), ("batch", ("batch", "배치")),
            )
        },
        ylabel=lab.say("validation accuracy, %", "검증 정확도, %"),
        en="Every trial, seen from each of its three settings.", ko="모든 시도를 세 설정에서 각각 본 모습.",
    )  # fmt: skip
    lab.table(
        lab.say(["", "hidden", "learning rate", "batch", "accuracy"], ["", "은닉 유닛", "학습률", "배치", "정확도"]),
        [
            [name, s["hidden"], f"{s['lr']:.3g}", s["batch"], f"{100 * accuracy:.1f} %"]
            for name, s, accuracy in (
                (lab.say("the slides'", "슬라이드"), BASELINE, baseline),
                (lab.say("best of the grid", "격자의 최고"), best["grid"], found["grid"].max()),
                (lab.say("best at random", "무작위의 최고"), best["random"], found["random"].max()),
            )
        ],
    )  # fmt: skip
    reach = {}
    for key in BOUNDS:
        values = np.array([s[key] for s in searches["grid"]])
        reach[key] = np.ptp([found["grid"][values == v].mean() for v in np.unique(values)])
    orders = [generator.permutation(27) for _ in range(500)]
    so_far = {
        name: np.mean([np.maximum.accumulate(accuracies[order]) for order in orders], axis=0)
        for name, accuracies in found.items()
    }

    lab.figure(
        curves,
        {"": {lab.say(*_WAYS[way]): (range(1, 28), 100 * values) for way, values in so_far.items()}},
        xlabel=lab.say("trials", "시도"), ylabel=lab.say("best validation accuracy, %", "최고 검증 정확도, %"),
        en="The best so far after so many trials, on average over the order in which they are made.",
        ko="시도 횟수에 따른 최고 기록. 시도하는 순서를 바꿔 가며 평균했습니다.",
    )  # fmt: skip
    lab.claim(
        "Both searches improve the network by far", "두 탐색 모두 신경망을 크게 개선합니다",
        measured=f"{100 * baseline:.1f} % → {100 * found['grid'].max():.1f} %, {100 * found['random'].max():.1f} %",
        holds=min(f.max() for f in found.values()) > baseline + 0.2,
    )  # fmt: skip
    lab.claim(
        "At random we find a network as good as on the grid, to within 1 %, or better: 27 learning rates are tried, not three",
        "무작위 탐색은 격자보다 낫거나, 못해도 1 % 안에서 비슷합니다. 학습률을 세 가지가 아니라 27가지 시험합니다",
        measured=f"{100 * (found['random'].max() - found['grid'].max()):+.1f} %",
        holds=found["random"].max() > found["grid"].max() - 0.01 and len({s["lr"] for s in searches["random"]}) == 27,
    )
    lab.claim(
        "On the grid the learning rate moves the mean accuracy at least twice as far as the hidden size does",
        "격자에서 학습률은 평균 정확도를 은닉 유닛 수보다 두 배 넘게 움직입니다",
        measured=", ".join(f"{100 * reach[key]:.0f} %" for key in ("lr", "hidden")),
        holds=reach["lr"] > 2 * reach["hidden"],
    )  # fmt: skip
    lab.text(
        en="The winner was found by one run of each of 54 settings. Was it luck? Five more runs, from other starts:",
        ko="승자는 54가지 설정을 한 번씩만 학습해서 찾았습니다. 운이었을까요? 출발점을 바꿔 다섯 번 더 학습해 봅시다.",
    )
    winner = max(best.values(), key=lambda s: score(s, lab.seed))
    two = {"baseline": BASELINE, "winner": winner}
    again = {name: [score(s, lab.seed + i) for i in range(1, 6)] for name, s in two.items()}

    lab.claim(
        "No: the worst of five winners is far better than the best of five baselines",
        "아닙니다. 승자 다섯 중 최악이 슬라이드 설정 다섯 중 최고보다 훨씬 낫습니다",
        measured=f"{100 * min(again['winner']):.1f} %, {100 * max(again['baseline']):.1f} %",
        holds=min(again["winner"]) > max(again["baseline"]) + 0.1,
    )

    lab.section("The test, once", "테스트는 단 한 번")
    lab.text(
        en="""So there are three parts. The **training** part sets the weights. The **validation** part chooses among models.
        The **test** part is used once, at the very end, and chooses nothing. Now nothing is left to choose: both networks
        learn from all rows but the test part, and that is opened.""",
        ko="""그래서 데이터를 셋으로 나눕니다. **훈련** 데이터로 가중치를 정하고, **검증** 데이터로 모델을 고르고, **테스트**
        데이터는 맨 끝에 단 한 번, 아무것도 고르지 않고 씁니다. 이제 고를 것은 남아 있지 않습니다. 두 신경망을 테스트를 뺀
        모든 행으로 학습하고, 테스트 데이터를 엽니다.""",
    )
    unseen = (test.flat().astype(np.float32) / examples.inputs.max(), test.targets)
    final = {}
    for name, settings in two.items():
        final[name] = train(x, examples.targets, **settings, seed=lab.seed).evaluate(unseen)["accuracy"]

    lab.claim(
        "The test confirms it: better settings alone improve the two-layer network",
        "테스트로 확인됩니다. 설정만 바꾸어도 2층 신경망이 좋아집니다",
        measured=f"{100 * final['baseline']:.1f} % → {100 * final['winner']:.1f} %",
        holds=final["winner"] > final["baseline"] + 0.05,
    )
    lab.next(
        en=r"""- Look again, in narrower bounds around the winner. How much is left to gain on the validation part? (The test
          part is used up.)
        - Improve the network by other means than these three: ReLU, momentum, Adam, more epochs (the labs `mnist` and
          `optimizers`).""",
        ko=r"""- 승자 둘레의 더 좁은 범위에서 다시 찾아보세요. 검증 데이터에서 얼마나 더 좋아질까요? (테스트 데이터는 이미
          썼습니다.)
        - 이 세 가지 말고 다른 방법으로도 개선해 보세요. ReLU, 모멘텀, Adam, 더 많은 에폭(실습 `mnist`와
          `optimizers`).""",
    )
