"""Callbacks are called in their order, judge by the right measure, and remember what a checkpoint needs."""

import csv
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import CheckpointError, ConfigError
from chainrule.train import Callback, CsvHistory, EarlyStopping, LambdaCallback, RestoreBest, ScheduleSteps, Trainer
from chainrule.train.callbacks import CallbackList


def data(rows=20):
    x = cr.Generator(0).normal((rows, 2))
    return x, (x[:, 0] > 0).astype(np.int64)


class Script(Callback):
    """Writes given losses over the measured ones, before anybody judges them."""

    def __init__(self, values, name="val_loss"):
        self.values, self.name = values, name

    def on_epoch_end(self, trainer):
        trainer.row[self.name] = self.values[trainer.epoch - 1]


def run(judge, values, name="val_loss", epochs=None, **options):
    trainer = Trainer(nn.Linear(2, 2), callbacks=[Script(values, name), *judge], **options)
    trainer.fit(data(), epochs=epochs or len(values), batch_size=10)
    return trainer


def test_events_come_in_order_and_close_comes_always():
    heard = []

    class Ear(Callback):
        def on_fit_start(self, trainer):
            heard.append("fit start")

        def on_epoch_start(self, trainer):
            heard.append("epoch start")

        def on_batch_end(self, trainer, result):
            heard.append(f"batch {trainer.step} {result.predictions.shape} {result.loss.shape}")

        def on_epoch_end(self, trainer):
            heard.append(f"epoch {trainer.row['epoch']} {len(trainer.history)}")

        def on_fit_end(self, trainer):
            heard.append("fit end")

        def close(self):
            heard.append("close")

    trainer = Trainer(nn.Linear(2, 2))
    trainer.fit(data(), epochs=1, batch_size=15, callbacks=[Ear()])
    batches = ["batch 1 (15, 2) ()", "batch 2 (5, 2) ()"]
    assert heard == ["fit start", "epoch start", *batches, "epoch 1 1", "fit end", "close"]
    heard.clear()

    def fail(trainer, result):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        trainer.fit(data(), callbacks=[LambdaCallback(on_batch_end=fail), Ear()])
    assert heard == ["fit start", "epoch start", "close"]


def test_functions_as_callbacks():
    heard = []
    trainer = Trainer(nn.Linear(2, 2))
    names = ["on_fit_start", "on_epoch_start", "on_epoch_end", "on_fit_end"]
    trainer.fit(data(), epochs=1, callbacks=[LambdaCallback(**{n: lambda t, n=n: heard.append(n) for n in names})])
    assert heard == names


def test_a_callback_may_stop_the_run():
    def stop(trainer, result):
        trainer.stop = True

    trainer = Trainer(nn.Linear(2, 2))
    assert len(trainer.fit(data(), epochs=9, batch_size=5, callbacks=[LambdaCallback(on_batch_end=stop)])) == 1
    assert trainer.step == 4
    assert len(trainer.fit(data(), epochs=2)) == 2


@pytest.mark.parametrize(
    ("values", "options", "stopped", "best"),
    [
        ([3, 2, 1, 1.5, 1.5, 0.5], {"patience": 2}, 5, 3),
        ([3, 2, 1, 1.5, 0.5, 0.6], {"patience": 2}, None, 5),
        ([3, 2.95, 2.91, 2.85], {"patience": 2, "min_delta": 0.1}, 3, 1),
        ([math.nan, 2, math.nan, math.nan], {"patience": 2}, 4, 2),
        ([1, 2, 3, 2], {"patience": 1, "better": "higher"}, 4, 3),
    ],
)
def test_early_stopping_waits_for_patience_epochs(values, options, stopped, best):
    early = EarlyStopping(**options)
    trainer = run([early], values)
    assert (early.stopped_epoch, early.best_epoch) == (stopped, best)
    assert trainer.epoch == (stopped or len(values))


def test_early_stopping_knows_which_way_metrics_improve():
    early = EarlyStopping("accuracy", patience=2)
    run([early], [0.5, 0.6, 0.55, 0.55, 0.9], "accuracy", metrics=["accuracy"])
    assert early.best_epoch == 2 and early.stopped_epoch == 4
    early = EarlyStopping("mine", patience=2)

    def mine(predictions, targets):
        return 0.0

    mine.better = "higher"
    run([early], [1, 2, 3], "mine", metrics=[mine])
    assert early.best_epoch == 3


def test_early_stopping_by_fit_and_again_in_the_next_fit():
    early = EarlyStopping(patience=1)
    trainer = Trainer(nn.Linear(2, 2), optimizer="sgd", lr=0.0)
    for _ in range(2):
        assert len(trainer.fit(data(), epochs=5, shuffle=False, early_stopping=early)) == 2
    assert len(trainer.fit(data(), epochs=5, shuffle=False, early_stopping=3)) == 4


def test_a_measure_that_is_not_there_is_told():
    with pytest.raises(ConfigError, match=r"val_loss(.|\n)*pass validation="):
        Trainer(nn.Linear(2, 2)).fit(data(), early_stopping=EarlyStopping("val_loss"))
    with pytest.raises(ConfigError, match="patience=0"):
        EarlyStopping(patience=0)
    with pytest.raises(ConfigError, match="min_delta"):
        EarlyStopping(min_delta=-1)


def test_the_best_epochs_weights_come_back():
    states = []
    keep = LambdaCallback(on_epoch_end=lambda trainer: states.append(trainer.model.state_dict()))
    trainer = run([keep, RestoreBest()], [3.0, 1.0, 2.0])
    assert (states[1]["weight"] != states[2]["weight"]).any()
    for name, tensor in trainer.model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), states[1][name].numpy())


def test_restore_best_by_fit_uses_the_measure_of_early_stopping():
    trainer = Trainer(nn.Linear(2, 2), metrics=["accuracy"])
    trainer.fit(data(), epochs=2, early_stopping=EarlyStopping("accuracy", patience=3), restore_best=True)
    best = next(c for c in trainer.events.callbacks if isinstance(c, RestoreBest))
    assert best.monitor == "accuracy" and best.best == max(trainer.history["accuracy"])


def test_csv_history_is_written_each_epoch(tmp_path):
    lengths = []
    path = tmp_path / "h.csv"
    count = LambdaCallback(on_epoch_end=lambda trainer: lengths.append(len(path.read_text().splitlines())))
    history = Trainer(nn.Linear(2, 2)).fit(data(), epochs=3, callbacks=[CsvHistory(path), count])
    assert lengths == [2, 3, 4]
    with open(path, newline="") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == history["loss"]


def test_a_schedule_may_be_stepped_as_asked():
    model = nn.Linear(2, 2)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    steps = ScheduleSteps(optim.ExponentialLR(optimizer, 0.5), every="batch")
    assert Trainer(model, optimizer=optimizer, schedule=steps).fit(data(), epochs=2, batch_size=10)["lr"] == [
        0.25,
        0.0625,
    ]
    plateau = ScheduleSteps(optim.ReduceLROnPlateau(optimizer, mode="max", patience=0), monitor="accuracy")
    trainer = Trainer(model, optimizer=optimizer, schedule=plateau, metrics=["accuracy"])
    trainer.fit(data(), epochs=1)
    assert plateau.schedule.best == trainer.row["accuracy"]


def test_states_find_their_callbacks():
    first, second = EarlyStopping(patience=1), EarlyStopping(patience=2)
    first.waited, second.waited = 5, 6
    saved = CallbackList([first, CsvHistory("x"), second]).state_dict()
    assert [entry["name"] for entry in saved] == ["EarlyStopping", "EarlyStopping"]
    third, fourth = EarlyStopping(), EarlyStopping()
    CallbackList([third, fourth]).load_state_dict(saved)
    assert (third.waited, fourth.waited) == (5, 6)
    with pytest.raises(CheckpointError, match="add EarlyStopping to callbacks="):
        CallbackList([third]).load_state_dict(saved)
