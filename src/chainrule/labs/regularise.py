"""Regularisation: against learning by heart

규제: 통째로 외우지 않게 하기

With a hundred pictures a network soon gets every one of them right, and a good share of all others wrong. What do weight
decay, dropout and early stopping do about it, and what do they not?

그림 백 장으로 학습하면 신경망은 곧 그 백 장을 모두 맞히지만 처음 보는 그림은 꽤 많이 틀립니다. 가중치 감쇠, 드롭아웃, 조기
종료는 여기서 무엇을 해 주고, 무엇은 해 주지 못할까요?
"""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.labs.lesson import Lab
from chainrule.labs.lesson.plots import curves
from chainrule.train import EarlyStopping

_LOSSES, _LOSSES_KO = ["training loss", "test loss", "gap"], ["훈련 손실", "시험 손실", "차이"]
_ACCURACIES, _ACCURACIES_KO = ["training accuracy", "test accuracy"], ["훈련 정확도", "시험 정확도"]


def some(pictures, seed, count=100, first=0):
    """Pictures drawn at random: pixels from 0 to 1, and digits."""
    rows = np.random.default_rng(seed).permutation(len(pictures))[first : first + count]
    chosen = pictures.take(rows)
    return (chosen.flat() / pictures.inputs.max()).astype(np.float32), chosen.targets


def network(pixels, p):
    """pixels-100-100-10 with dropout p on the hidden layers, and 0.4 p on the pixels."""
    return nn.Sequential(
        nn.Dropout(0.4 * p), nn.Linear(pixels, 100), nn.ReLU(),
        nn.Dropout(p), nn.Linear(100, 100), nn.ReLU(),
        nn.Dropout(p), nn.Linear(100, 10),
    )  # fmt: skip


def fit(train, watched, epochs, seed, p=0.0, decay=0.0, **stopping):
    """Train on few pictures; the history has the losses of the watched ones, too."""
    cr.manual_seed(seed)
    net = network(train[0].shape[1], p)
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=decay)
    trainer = cr.Trainer(net, "cross_entropy", optimizer, metrics=["accuracy"])
    settings = {"batch_size": 50, "seed": seed, "progress": False, **stopping}
    return trainer, trainer.fit(train, watched, epochs, **settings)


def measure(trainer, train, test):
    """Losses and accuracies, norm of the weights, how sure the network is of its mistakes."""
    seen, unseen = trainer.evaluate(train), trainer.evaluate(test)
    weights = [w for name, w in trainer.model.named_parameters() if name.endswith("weight")]
    p = cr.softmax(cr.tensor(trainer.predict(test[0])), axis=1).numpy()
    return {
        "training loss": seen["loss"],
        "test loss": unseen["loss"],
        "gap": unseen["loss"] - seen["loss"],
        "training accuracy": seen["accuracy"],
        "test accuracy": unseen["accuracy"],
        "norm": sum((w.numpy() ** 2).sum() for w in weights) ** 0.5,
        "sure": p.max(axis=1)[p.argmax(axis=1) != test[1]].mean(),
    }


def over_runs(f, runs):
    """f of each measure over several runs."""
    return {key: f([run[key] for run in runs]) for key in runs[0]}


def masked(net, x, passes):
    """Class probabilities of several passes in training mode, each with masks of its own."""
    net.train()
    with cr.no_grad():
        return np.stack([cr.softmax(net(cr.tensor(x)), axis=1).numpy() for _ in range(passes)])


def run(lab: Lab) -> None:
    lab.section("Learning by heart", "통째로 외우기")
    lab.text(
        en="""We take a hundred pictures to train with, a hundred others to decide by (the **validation** pictures),
        and up to a thousand to **test** with, by which nothing is decided. The network has over a hundred
        parameters for each picture: room enough to keep them all in mind.""",
        ko="""그림 백 장으로 학습하고, 다른 백 장(**검증용** 그림)으로 결정을 내리고, 어떤 결정에도 쓰지 않는 **시험용**
        그림 최대 천 장으로 평가합니다. 매개변수가 그림 한 장에 백 개가 넘으므로 모두 외우고도 남습니다.""",
    )
    lab.code(some, network, fit, measure)
    pictures, others = lab.pictures()
    test = (others.flat()[:1000] / pictures.inputs.max()).astype(np.float32), others.targets[:1000]
    epochs = lab.scale(150, quick=80)

    train = some(pictures, lab.seed)
    trainer, history = fit(train, test, epochs, lab.seed)
    parameters = sum(w.numel() for w in trainer.model.parameters())
    lowest, last = history.best("val_loss"), history[-1]

    lab.table(
        lab.say(
            ["pictures", "to train with", "to decide by", "to test with", "pixels", "parameters"],
            ["그림", "훈련용", "검증용", "시험용", "픽셀", "매개변수"],
        ),
        [[pictures.name.upper(), 100, 100, len(test[0]), len(test[0][0]), parameters]],
        en="The pictures of this run, and the size of the network.", ko="이번 실행에 쓰는 그림과 신경망의 크기.",
    )  # fmt: skip
    lab.figure(
        curves,
        {title: {name: (range(1, epochs + 1), history[key]) for name, key in zip(_kinds(lab), keys, strict=True)}
         for title, keys in ((lab.say("loss", "손실"), ("loss", "val_loss")),
                             (lab.say("accuracy", "정확도"), ("accuracy", "val_accuracy")))},
        xlabel=lab.say("epoch", "에폭"), columns=2,
        en="One network on the pictures that it trains with, and on others.",
        ko="한 신경망이 훈련에 쓰는 그림과 처음 보는 그림에서 내는 손실과 정확도.",
    )  # fmt: skip
    lab.claim(
        "Of the pictures that it trains with it gets all right, of others far fewer",
        "훈련에 쓴 그림은 모두 맞히지만 처음 보는 그림은 그보다 훨씬 적게 맞힙니다",
        measured=f"{last['accuracy']:.3f}, {last['val_accuracy']:.3f}",
        holds=last["accuracy"] > 0.98 and last["val_accuracy"] < last["accuracy"] - 0.1,
    )
    lab.claim(
        "The test loss turns and rises again, while the training loss goes on falling",
        "훈련 손실은 계속 줄어드는데, 시험 손실은 도중에 다시 커집니다",
        measured=lab.say(
            f"epoch {lowest['epoch']}: {lowest['val_loss']:.3f}, epoch {epochs}: {last['val_loss']:.3f}",
            f"{lowest['epoch']}에폭 {lowest['val_loss']:.3f}, {epochs}에폭 {last['val_loss']:.3f}",
        ),
        holds=last["val_loss"] > 1.1 * lowest["val_loss"] and last["loss"] < history["loss"][lowest["epoch"] - 1],
    )
    lab.text(
        en="""How far does it go? Shuffle the labels, so that there is nothing to understand and everything must be
        learned by heart (C. Zhang et al., 2017). And the best remedy first: more pictures, for as many steps.""",
        ko="""어디까지 외울 수 있을까요? 라벨을 뒤섞으면 이해할 것은 없고 통째로 외울 것만 남습니다(C. Zhang 등, 2017).
        그리고 가장 좋은 처방부터 봅시다. 걸음 수는 그대로 두고 그림을 늘립니다.""",
    )
    shuffled = train[0], np.random.default_rng(lab.seed).permutation(train[1])
    by_heart = fit(shuffled, test, 3 * epochs, lab.seed)[1][-1]
    sizes = {}
    for count in lab.scale((50, 100, 200, 500, 1000), quick=(50, 1000)):
        more = some(pictures, lab.seed, count)
        sizes[count] = measure(fit(more, test, 100 * epochs // count, lab.seed)[0], more, test)
    short = {n: v["training accuracy"] - v["test accuracy"] for n, v in sizes.items()}

    lab.table(
        [lab.say("pictures", "그림"), *lab.say(_LOSSES, _LOSSES_KO), *lab.say(_ACCURACIES, _ACCURACIES_KO)],
        [[str(count), *(f"{values[key]:.3f}" for key in (*_LOSSES, *_ACCURACIES))] for count, values in sizes.items()],
        en="The same network with few pictures and with more.", ko="같은 신경망을 그림 수만 바꾸어 학습한 결과.",
    )  # fmt: skip
    lab.claim(
        "Labels that mean nothing are learned, too; of the test pictures it then gets no more right than by guessing",
        "아무 뜻 없는 라벨도 외웁니다. 그러면 시험용 그림은 찍는 것만큼만 맞힙니다",
        measured=f"{by_heart['accuracy']:.3f}, {by_heart['val_accuracy']:.3f}",
        holds=by_heart["accuracy"] > 0.9 and by_heart["val_accuracy"] < 0.25,
    )
    lab.claim(
        "From 50 pictures to 1000 the gap in accuracy shrinks to less than two thirds",
        "그림이 50장에서 1000장으로 늘면 정확도의 차이가 3분의 2 아래로 줄어듭니다",
        measured=f"{short[50]:.3f} → {short[1000]:.3f}",
        holds=short[1000] < short[50] * 2 / 3,
    )

    lab.section("Three remedies", "세 가지 처방")
    lab.text(
        en=r"""- **Weight decay** adds $\lambda/2 \, \|w\|^2$ to the loss, so that large weights must be worth it.
        - **Dropout** silences units at random while training, so that none can rely on another.
        - **Early stopping** watches the validation loss and ends when it has not improved for some epochs, with the
          weights of the best epoch.

        Each trains on the same hundred pictures from the same beginning, and for comparison on a hundred more, for
        as many steps. All is repeated with other pictures and beginnings. The strengths are round numbers, not the
        best ones for these pictures.""",
        ko=r"""- **가중치 감쇠**는 손실에 $\lambda/2 \, \|w\|^2$을 더합니다. 가중치가 커지려면 그만한 값어치를 해야 합니다.
        - **드롭아웃**은 학습하는 동안 유닛을 무작위로 끕니다. 어떤 유닛도 다른 유닛만 믿고 있을 수 없습니다.
        - **조기 종료**는 검증 손실을 지켜보다가 몇 에폭 동안 나아지지 않으면 멈추고, 가장 좋았던 에폭의 가중치로
          돌아갑니다.

        모두 같은 그림 백 장으로 같은 시작점에서 학습합니다. 견주어 보려고 백 장을 더한 이백 장으로도 같은 걸음 수만큼
        학습합니다. 그림과 시작점을 바꾸어 되풀이합니다. 세기는 이 그림에 맞춘 최적값이 아니라 어림수입니다.""",
    )
    lab.code(over_runs)
    strength, p, patience = 0.01, 0.5, 10
    remedies = {
        "none": {},
        "weight decay": {"decay": strength},
        "dropout": {"p": p},
        "both": {"decay": strength, "p": p},
        "early stopping": {"restore_best": True},
        "200 pictures": {},
    }
    seeds = range(lab.scale(5, quick=2))
    runs, measured, best_epoch = {}, {name: [] for name in remedies}, {name: [] for name in remedies}
    for seed in seeds:
        for name, settings in remedies.items():
            train, watched, rounds, stopper = some(pictures, seed), test, epochs, None
            if name == "early stopping":
                watched = some(pictures, seed, first=100)
                stopper = EarlyStopping("val_loss", patience=patience)
            elif name == "200 pictures":
                train, rounds = some(pictures, seed, 200), epochs // 2
            trainer, history = fit(train, watched, rounds, seed, early_stopping=stopper, **settings)
            measured[name].append(measure(trainer, train, test))
            best_epoch[name].append(history.best("val_loss")["epoch"])
            if seed == seeds[0]:
                runs[name] = trainer, history, stopper
    mean = {name: over_runs(np.mean, values) for name, values in measured.items()}
    deviation = {name: over_runs(np.std, values) for name, values in measured.items()}

    lab.figure(
        curves,
        {_word(lab, name): {
            kind: (range(1, len(history) + 1), history[key])
            for kind, key in zip(_kinds(lab), ("loss", "val_loss"), strict=True)
         } for name, (_, history, _) in runs.items()},
        xlabel=lab.say("epoch", "에폭"), ylabel=lab.say("loss", "손실"),
        en="Losses of the first of the runs. With dropout the training loss is that of the thinned network; with early "
        "stopping the other pictures are those that it watches.",
        ko="첫 번째 학습의 손실. 드롭아웃의 훈련 손실은 유닛을 끈 채 잰 것이고, 조기 종료에서는 처음 보는 그림이 "
        "검증용 그림입니다.",
    )  # fmt: skip
    lab.table(
        [lab.say("remedy", "처방"), *lab.say(_LOSSES, _LOSSES_KO), lab.say("best epoch", "최선의 에폭")],
        [[_word(lab, name), *(f"{mean[name][key]:.3f} ± {deviation[name][key]:.3f}" for key in _LOSSES),
          f"{np.mean(best_epoch[name]):.0f}"] for name in remedies],
        en=f"Means and deviations of {len(seeds)} runs of {epochs} epochs. The gap is test loss less training loss; the best "
        "epoch is that with the lowest loss on the pictures watched.",
        ko=f"{epochs}에폭씩 {len(seeds)}번 학습한 평균과 표준편차. 차이는 시험 손실에서 훈련 손실을 뺀 것, 최선의 에폭은 "
        "지켜보는 그림의 손실이 가장 작은 에폭입니다.",
    )  # fmt: skip
    lab.table(
        [lab.say("remedy", "처방"), *lab.say(_ACCURACIES, _ACCURACIES_KO), *lab.say(["norm", "sure"], ["노름", "확신"])],
        [[_word(lab, name), *(f"{mean[name][key]:.3f} ± {deviation[name][key]:.3f}" for key in _ACCURACIES),
          f"{mean[name]['norm']:.1f}", f"{mean[name]['sure']:.3f}"] for name in remedies],
        en="The same runs: accuracies, the norm of all weights, and how sure the network is of its wrong answers.",
        ko="같은 학습의 정확도, 모든 가중치의 노름, 그리고 틀린 답을 얼마나 확신하는가.",
    )  # fmt: skip
    lab.claim(
        "Weight decay keeps the weights small, and the gap between test and training loss, too",
        "가중치 감쇠를 쓰면 가중치가 작게 유지되고, 시험 손실과 훈련 손실의 차이도 작아집니다",
        measured=lab.say("norm {}, gap {}", "노름 {}, 차이 {}").format(
            _change(mean, "weight decay", "norm"), _change(mean, "weight decay", "gap")
        ),
        holds=mean["weight decay"]["norm"] < 0.85 * mean["none"]["norm"]
        and mean["weight decay"]["gap"] < 0.9 * mean["none"]["gap"],
    )
    lab.claim(
        "Yet it is hardly more often right or wrong: it is less sure where it is wrong",
        "그러나 맞히는 비율은 거의 그대로입니다. 틀릴 때 덜 확신하게 될 뿐입니다",
        measured=lab.say("right {}, sure {}", "정확도 {}, 확신 {}").format(
            _change(mean, "weight decay", "test accuracy"), _change(mean, "weight decay", "sure")
        ),
        holds=abs(mean["weight decay"]["test accuracy"] - mean["none"]["test accuracy"]) < 0.03
        and mean["weight decay"]["sure"] < mean["none"]["sure"] - 0.02,
    )
    lab.claim(
        "With dropout the network learns more slowly: the lowest test loss comes later",
        "드롭아웃을 쓰면 천천히 배웁니다. 시험 손실이 가장 작아지는 에폭이 더 늦게 옵니다",
        measured=f"{np.mean(best_epoch['none']):.0f} → {np.mean(best_epoch['dropout']):.0f}",
        holds=np.mean(best_epoch["dropout"]) > 1.2 * np.mean(best_epoch["none"]),
    )
    lab.claim(
        "The hundred pictures that early stopping watches, trained with instead, bring more right answers than any remedy",
        "조기 종료가 지켜보는 그림 백 장을 차라리 학습에 쓰면, 어떤 처방보다도 더 많이 맞힙니다",
        measured=", ".join(f"{values['test accuracy']:.3f}" for values in mean.values()),
        holds=mean["200 pictures"]["test accuracy"] == max(values["test accuracy"] for values in mean.values()),
    )  # fmt: skip
    lab.text(
        en=r"""How strong should a remedy be? Weight decay again, with one factor $\lambda$ after another:""",
        ko=r"""처방은 얼마나 세야 할까요? 가중치 감쇠의 $\lambda$를 바꾸어 가며 다시 학습해 봅시다.""",
    )
    strengths = lab.scale((0.001, 0.003, 0.01, 0.03, 0.1), quick=(0.001, 0.01, 0.1))
    train = some(pictures, lab.seed)
    swept = [measure(fit(train, test, epochs, lab.seed, decay=d)[0], train, test) for d in strengths]
    losses = [[values[key] for values in swept] for key in ("training loss", "test loss")]

    lab.figure(
        curves,
        {title: {name: (strengths, [values[key] for values in swept]) for name, key in zip(_kinds(lab), keys, strict=False)}
         for title, keys in ((lab.say("loss", "손실"), _LOSSES), (lab.say("accuracy", "정확도"), _ACCURACIES))},
        xlabel="λ", logs="x", columns=2, marks=True,
        en="Loss and accuracy after training with a weaker or a stronger penalty.",
        ko="벌점을 약하게, 또 세게 하며 학습한 뒤의 손실과 정확도.",
    )  # fmt: skip
    lab.claim(
        "The training loss grows with every step of λ; the test loss is lowest somewhere between",
        "훈련 손실은 λ가 클수록 커지고, 시험 손실은 그 사이 어딘가에서 가장 작습니다",
        measured=" ".join(f"{loss:.3f}" for loss in losses[1]),
        holds=(np.diff(losses[0]) > 0).all() and 0 < np.argmin(losses[1]) < len(strengths) - 1,
    )

    lab.section("Weight decay is a penalty", "가중치 감쇠는 벌점이다")
    lab.text(
        en=r"""The slide writes the penalty into the loss: $E = E_0 + \frac{\lambda}{2} \|w\|^2$. Its gradient is
        $\lambda w$, so each step of gradient descent first takes a little off every weight:

        $$w ← w - \eta \, (\partial E_0 / \partial w + \lambda w) = (1 - \eta \lambda) \, w - \eta \, \partial E_0 / \partial w$$

        That is all that `weight_decay` does in `optim.SGD` (to the biases, too).""",
        ko=r"""슬라이드는 손실에 벌점을 더합니다: $E = E_0 + \frac{\lambda}{2} \|w\|^2$. 벌점의 기울기는 $\lambda w$이므로,
        경사 하강법은 걸음마다 먼저 모든 가중치를 조금씩 줄이는 셈입니다.

        $$w ← w - \eta \, (\partial E_0 / \partial w + \lambda w) = (1 - \eta \lambda) \, w - \eta \, \partial E_0 / \partial w$$

        `optim.SGD`의 `weight_decay`가 하는 일은 이것이 전부입니다(편향에도 똑같이 합니다).""",
    )
    x, t = (cr.tensor(array) for array in train)
    twins, criterion = [], nn.CrossEntropyLoss()
    for decay, penalty in ((strength, 0.0), (0.0, strength)):
        cr.manual_seed(lab.seed)
        net = network(x.shape[1], p=0.0)
        optimizer = optim.SGD(net.parameters(), lr=0.05, weight_decay=decay)
        for _ in range(20):
            optimizer.zero_grad()
            squares = cr.stack([(w * w).sum() for w in net.parameters()]).sum()
            (criterion(net(x), t) + penalty / 2 * squares).backward()
            optimizer.step()
        twins.append(np.concatenate([w.numpy().ravel() for w in net.parameters()]))

    lab.agrees(
        "After 20 steps with `weight_decay` and 20 with the penalty in the loss, all parameters agree",
        "`weight_decay`로 20걸음, 손실에 벌점을 더해 20걸음을 가면 모든 매개변수가 일치합니다",
        *twins, within=1e-5,
    )  # fmt: skip

    lab.section("Dropout, in training and in use", "드롭아웃: 학습할 때와 쓸 때")
    lab.text(
        en=r"""While training, `nn.Dropout(p)` sets each number to 0 with probability $p$ and divides the others by
        $1 - p$ (**inverted** scaling). Their mean stays what it was, so that in use, after `net.eval()`, the layer
        has nothing to do at all. We send a hundred thousand ones through it:""",
        ko=r"""학습할 때 `nn.Dropout(p)`는 각 수를 확률 $p$로 0으로 만들고, 나머지를 $1 - p$로 나눕니다(**역** 스케일링).
        평균은 그대로이므로 `net.eval()` 뒤에 쓸 때는 아무 일도 하지 않아도 됩니다. 1을 10만 개 통과시켜 봅시다.""",
    )
    ones = cr.ones(100_000)
    through = {}
    for p in (0.2, 0.5, 0.8):
        layer = nn.Dropout(p)
        through[p] = layer(ones).numpy(), layer.eval()(ones).numpy()

    lab.table(
        ["$p$", *lab.say(["share of zeros", "the others", "mean", "deviation", "mean in use"],
                         ["0의 비율", "나머지 값", "평균", "표준편차", "쓸 때의 평균"])],
        [[f"{p:g}", f"{(y == 0).mean():.3f}", f"{y.max():.3f}", f"{y.mean():.3f}", f"{y.std():.3f}", f"{used.mean():.3f}"]
         for p, (y, used) in through.items()],
        en="Ones after dropout.", ko="드롭아웃을 지난 1.",
    )  # fmt: skip
    lab.claim(
        "The share of zeros is p, the others are 1 / (1 − p), and the mean is 1, up to chance",
        "0의 비율은 p, 나머지 값은 1 / (1 − p), 평균은 우연의 범위에서 1입니다",
        measured=", ".join(f"{(y == 0).mean():.3f} {y.max():.3f} {y.mean():.3f}" for y, _ in through.values()),
        holds=all(
            abs((y == 0).mean() - p) < 0.01 and abs(y.max() * (1 - p) - 1) < 1e-6 and abs(y.mean() - 1) < 0.03
            for p, (y, _) in through.items()
        ),
    )
    lab.agrees(
        "In evaluation mode every number passes unchanged", "평가 모드에서는 모든 수가 그대로 통과합니다",
        [used for _, used in through.values()], [ones.numpy()] * 3, within=0,
    )  # fmt: skip
    lab.text(
        en="""Every mask makes another, thinner network; the network in use stands for all of them at once. Does it
        answer as their average does? We take the network that dropout has trained:""",
        ko="""마스크마다 서로 다른, 더 성긴 신경망이 됩니다. 쓸 때의 신경망은 그 모두를 한꺼번에 대신합니다. 과연 그 평균처럼
        답할까요? 드롭아웃으로 학습한 신경망으로 확인해 봅시다.""",
    )
    lab.code(masked)
    trainer = runs["dropout"][0]
    thinned = masked(trainer.model, test[0], passes=lab.scale(100, quick=30))
    one_mask = (thinned.argmax(axis=2) == test[1]).mean()
    average = (thinned.mean(axis=0).argmax(axis=1) == test[1]).mean()
    in_use = trainer.evaluate(test)["accuracy"]

    lab.table(
        lab.say(["network", "test accuracy"], ["신경망", "시험 정확도"]),
        [[lab.say("one mask at a time", "마스크 하나씩"), f"{one_mask:.3f}"],
         [lab.say(f"average of {len(thinned)} masks", f"마스크 {len(thinned)}개의 평균"), f"{average:.3f}"],
         [lab.say("in evaluation mode", "평가 모드"), f"{in_use:.3f}"]],
    )  # fmt: skip
    lab.claim(
        "Evaluation mode is as good as the average of the thinned networks, and better than one of them; forgetting "
        "`net.eval()` costs accuracy",
        "평가 모드는 성긴 신경망들의 평균만큼 잘하고, 그 하나하나보다 낫습니다. `net.eval()`을 잊으면 정확도를 잃습니다",
        measured=f"{one_mask:.3f} < {average:.3f} ≈ {in_use:.3f}",
        holds=in_use > one_mask + 0.01 and abs(in_use - average) < 0.06,
    )

    lab.section("Early stopping gives the best weights back", "조기 종료는 최선의 가중치를 돌려준다")
    lab.text(
        en="""Early stopping changes nothing about the way, only how far it is gone. It needs pictures of its own to
        watch: to stop by the test pictures would be to decide by them. When it stops, the best epoch lies some
        epochs back, so `restore_best=True` keeps the weights of the best one.""",
        ko="""조기 종료는 가는 길을 바꾸지 않고, 어디까지 갈지만 정합니다. 지켜볼 그림은 따로 있어야 합니다. 시험용 그림을 보고
        멈추면 시험용 그림으로 결정을 내리는 셈이기 때문입니다. 멈췄을 때는 가장 좋았던 에폭이 이미 몇 에폭 전이므로,
        `restore_best=True`로 그때의 가중치를 보관해 둡니다.""",
    )
    trainer, history, stopper = runs["early stopping"]
    plain = runs["none"][1]
    again = trainer.evaluate(some(pictures, seeds[0], first=100))["loss"]
    stopped = len(history)

    lab.agrees(
        "Until it stops, its training losses are those of the run without a remedy",
        "멈출 때까지의 훈련 손실은 처방이 없는 학습과 똑같습니다",
        history["loss"], plain["loss"][:stopped], within=1e-6,
    )  # fmt: skip
    lab.claim(
        f"It stops {patience} epochs after the best one, or at the end",
        f"최선의 에폭에서 {patience}에폭이 지나면, 또는 끝까지 가면 멈춥니다",
        measured=f"{stopper.best_epoch} → {stopped}", holds=stopped == min(stopper.best_epoch + patience, epochs),
    )  # fmt: skip
    lab.agrees(
        "The network that it leaves has the lowest validation loss of all epochs",
        "남은 신경망의 검증 손실은 모든 에폭 가운데 가장 작은 값입니다",
        again, min(history["val_loss"]), within=1e-6,
    )  # fmt: skip
    lab.claim(
        "On the mean of all runs the gap between test and training loss is smaller than without a remedy",
        "여러 번의 평균으로 보면 시험 손실과 훈련 손실의 차이가 처방이 없을 때보다 작습니다",
        measured=_change(mean, "early stopping", "gap"),
        holds=mean["early stopping"]["gap"] < 0.95 * mean["none"]["gap"],
    )
    lab.next(
        en=r"""- Watch the accuracy instead of the loss: `EarlyStopping("val_accuracy")`. Where does it stop now, and how
          many test pictures are read?
        - Give dropout no share of the pixels (leave out the first layer). What becomes of its lead?
        - With `optim.Adam(weight_decay=...)` and `optim.AdamW(weight_decay=...)`, which of the two is the penalty of
          the slide?
        - Make more pictures of the hundred: shift each by one pixel to each side. Is that worth more than all
          three remedies?""",
        ko=r"""- 손실 대신 정확도를 지켜보게 해 보세요: `EarlyStopping("val_accuracy")`. 이제 어디서 멈추고, 시험용 그림을
          몇 장이나 맞힐까요?
        - 픽셀에는 드롭아웃을 쓰지 말아 보세요(첫 층을 뺍니다). 앞서던 만큼이 그대로일까요?
        - `optim.Adam(weight_decay=...)`과 `optim.AdamW(weight_decay=...)` 가운데 슬라이드의 벌점과 같은 것은 어느
          쪽일까요?
        - 그림 백 장을 한 픽셀씩 상하좌우로 밀어 그림을 늘려 보세요. 세 처방을 모두 쓰는 것보다 나을까요?""",
    )


def _word(lab: Lab, name: str) -> str:
    korean = ["없음", "가중치 감쇠", "드롭아웃", "감쇠 + 드롭아웃", "조기 종료", "그림 200장"]
    names = ["none", "weight decay", "dropout", "both", "early stopping", "200 pictures"]
    return lab.say("decay + dropout" if name == "both" else name, korean[names.index(name)])


def _change(mean: dict[str, dict[str, float]], name: str, key: str) -> str:
    return f"{mean['none'][key]:.3f} → {mean[name][key]:.3f}"


def _kinds(lab: Lab) -> tuple[str, str]:
    return lab.say(("trained with", "others"), ("훈련에 쓴 그림", "처음 보는 그림"))
