"""Going on from a checkpoint, with every kind of optimizer, schedule, metric and data; what is another run is refused."""

import json
import os
import signal

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import CheckpointError
from chainrule.core.philox import default_generator
from chainrule.data.dataset import Dataset, TensorDataset
from chainrule.data.loader import DataLoader
from chainrule.train import Callback, EarlyStopping, LambdaCallback, Trainer
from chainrule.train.checkpoint import read_checkpoint


def data(rows=64):
    x = cr.Generator(5).normal((rows, 6))
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def make(schedule="step", seed=1, optimizer="adam", metrics=("accuracy", "f1"), **options):
    cr.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 12),
        nn.Dropout(0.2, generator=cr.Generator(9)), nn.Linear(12, 2),
    )  # fmt: skip
    schedules = {
        "step": lambda o: optim.StepLR(o, 2, 0.5),
        "cycle": lambda o: optim.OneCycleLR(o, max_lr=0.02, total_steps=40, cycle_momentum=False),
        "plateau": lambda o: optim.ReduceLROnPlateau(o, patience=0),
        None: None,
    }
    if callable(optimizer):
        optimizer = optimizer(model.parameters())
        return Trainer(model, optimizer=optimizer, schedule=schedules[schedule], metrics=metrics, **options)
    return Trainer(model, optimizer=optimizer, lr=0.01, schedule=schedules[schedule], metrics=metrics, **options)


FIT = {"epochs": 4, "batch_size": 7, "validation": 0.25, "early_stopping": 3, "restore_best": True}


class Stop(Exception):
    pass


def stop_at(step):
    def stop(trainer, result):
        if trainer.step == step:
            raise Stop

    return LambdaCallback(on_batch_end=stop)


def final(trainer):
    """Every bit that a run leaves behind, except the seconds."""
    state = {f"model.{name}": tensor.numpy() for name, tensor in trainer.model.state_dict().items()}
    for i, memory in trainer.optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{i}.{name}": tensor.numpy() for name, tensor in memory.items()}
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history.rows]
    groups = [{k: v for k, v in g.items() if k != "params"} for g in trainer.optimizer.param_groups]
    schedule = None if trainer.schedule is None else trainer.schedule.schedule.state_dict()
    layers = [m.generator.state() for m in trainer.model.modules() if getattr(m, "generator", None)]
    rest = [rows, groups, schedule, default_generator().state(), layers, trainer.epoch, trainer.step]
    return state, json.dumps(rest, default=str)


def assert_same(one, other):
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    for name, array in one[0].items():
        assert array.dtype == other[0][name].dtype, name
        assert array.tobytes() == other[0][name].tobytes(), name


CASES = {
    "sgd with momentum": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True)},
    "plateau": {"schedule": "plateau"},
    "one cycle": {"schedule": "cycle"},
    "adamw, clipped": {"optimizer": lambda p: optim.AdamW(p, lr=0.01), "clip_norm": 0.1},
    "class weights": {"class_weights": "balanced"},
    "metrics that keep rows": {"metrics": ["roc_auc", "top1", lambda p, t: float(p.mean())]},
    "frozen": {"schedule": None},
}


@pytest.mark.parametrize("step", [1, 7, 8, 9])
@pytest.mark.parametrize("case", CASES)
def test_stopping_at_any_step_changes_nothing(case, step, tmp_path):
    def trainer():
        made = make(**CASES[case])
        if case == "frozen":
            made.model[0].requires_grad_(False)
        return made

    whole, first, second = trainer(), trainer(), trainer()
    whole.fit(data(), **FIT)
    expected = final(whole)
    path = tmp_path / "run.ckpt"
    with pytest.raises(Stop):
        first.fit(data(), checkpoint=path, checkpoint_every=1, callbacks=[stop_at(step + 1)], **FIT)
    second = trainer()
    default_generator().set_state({"key": 1234, "counter": 77})
    second.fit(data(), resume=path, **FIT)
    assert_same(expected, final(second))


def test_regression_metrics_and_sample_weights_resume_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr("chainrule.train.meter._MOST_WAITING", 15)
    x, _ = data()
    y = (x[:, :1] * 3 + 1).astype(np.float32)
    weight = np.abs(x[:, 1]) + 0.1

    def trainer():
        cr.manual_seed(0)
        return Trainer(nn.Linear(6, 1), "mse", "rmsprop", metrics=["r2", "mae", "rmse"])

    options = {"epochs": 2, "batch_size": 5, "sample_weight": weight}
    whole, first = trainer(), trainer()
    whole.fit((x, y), **options)
    expected = final(whole)
    with pytest.raises(Stop):
        first.fit((x, y), checkpoint=tmp_path / "c", checkpoint_every=3, callbacks=[stop_at(20)], **options)
    second = trainer()
    second.fit((x, y), resume=tmp_path / "c", **options)
    assert_same(expected, final(second))


def test_lbfgs_and_a_users_loader_with_its_own_generator_resume_to_the_bit(tmp_path):
    x, y = data()

    def trainer():
        cr.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        return Trainer(model, optimizer=optim.LBFGS(model.parameters(), lr=0.1, max_iter=3, history_size=4))

    def loader():
        return DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True, generator=3)

    whole, first, second = trainer(), trainer(), trainer()
    whole.fit(loader(), epochs=2)
    with pytest.raises(Stop):
        first.fit(loader(), epochs=2, checkpoint=tmp_path / "c", checkpoint_every=1, callbacks=[stop_at(6)])
    second.fit(loader(), epochs=2, resume=tmp_path / "c")
    whole_arrays, resumed = final(whole)[0], final(second)[0]
    for name in whole_arrays:
        assert whole_arrays[name].tobytes() == resumed[name].tobytes(), name


def test_a_dataset_that_draws_random_numbers_and_seed_none_resume_to_the_bit(tmp_path):
    x, y = data()

    class Noisy(Dataset):
        def __len__(self):
            return len(x)

        def __getitem__(self, index):
            return x[index] + default_generator().normal((6,)) * 0.1, y[index]

    options = {**FIT, "seed": None}
    whole, first = make(), make()
    start = default_generator().state()
    whole = make()
    whole.fit(Noisy(), **options)
    expected = final(whole)
    default_generator().set_state(start)
    with pytest.raises(Stop):
        first.fit(Noisy(), checkpoint=tmp_path / "c", checkpoint_every=4, callbacks=[stop_at(11)], **options)
    second = make(seed=1)
    second.fit(Noisy(), resume=tmp_path / "c", **options)
    assert_same(expected, final(second))


def test_checkpoints_of_whole_epochs_and_going_on_for_longer(tmp_path):
    whole, first, second = make(), make(), make()
    longer = FIT | {"epochs": 6, "early_stopping": None, "restore_best": False}
    whole.fit(data(), **longer)
    expected = final(whole)
    first.fit(data(), checkpoint=tmp_path / "c", **longer | {"epochs": 2})
    assert read_checkpoint(tmp_path / "c")["epoch"] == 2
    second.fit(data(), resume=tmp_path / "c", **longer)
    assert_same(expected, final(second))


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    options = {"epochs": 9, "batch_size": 32, "early_stopping": EarlyStopping(patience=1)}
    first = make(optimizer=lambda p: optim.SGD(p, lr=0.0), schedule=None)
    first.fit(data(), checkpoint=tmp_path / "c", **options)
    stopped = first.epoch
    second = make(optimizer=lambda p: optim.SGD(p, lr=0.0), schedule=None)
    second.fit(data(), resume=tmp_path / "c", **options)
    assert stopped < 9 and second.epoch == stopped and second.stop


def test_events_of_an_epoch_under_way_are_not_repeated(tmp_path):
    heard = []
    count = LambdaCallback(on_epoch_start=lambda trainer: heard.append(trainer.epoch))
    with pytest.raises(Stop):
        make().fit(data(), checkpoint=tmp_path / "c", checkpoint_every=1, callbacks=[count, stop_at(10)], **FIT)
    assert heard == [0, 1]
    make().fit(data(), resume=tmp_path / "c", callbacks=[count], **FIT)
    assert heard == [0, 1, 2, 3]


def test_resume_true_starts_or_goes_on(tmp_path):
    one = make()
    one.fit(data(), checkpoint=tmp_path / "c", resume=True, **FIT | {"epochs": 1})
    assert one.epoch == 1
    two = make()
    two.fit(data(), checkpoint=tmp_path / "c", resume=True, **FIT | {"epochs": 2})
    assert two.epoch == 2 and len(two.history) == 2


# ---- Ctrl-C


def test_ctrl_c_finishes_the_step_writes_and_is_raised(tmp_path):
    whole, first, second = make(), make(), make()
    whole.fit(data(), **FIT)
    expected = final(whole)
    before = signal.getsignal(signal.SIGINT)

    def press(trainer, result):
        if trainer.step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        first.fit(data(), checkpoint=tmp_path / "c", callbacks=[LambdaCallback(on_batch_end=press)], **FIT)
    assert signal.getsignal(signal.SIGINT) is before
    assert first.step == 9 and read_checkpoint(tmp_path / "c")["step"] == 9
    second.fit(data(), resume=tmp_path / "c", **FIT)
    assert_same(expected, final(second))


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def press(trainer):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second one should have ended this")

    with pytest.raises(KeyboardInterrupt):
        make().fit(data(), checkpoint=tmp_path / "c", callbacks=[LambdaCallback(on_epoch_end=press)], **FIT)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_without_a_checkpoint_is_the_usual_one():
    def press(trainer, result):
        os.kill(os.getpid(), signal.SIGINT)

    closed = []

    class Ear(Callback):
        def close(self):
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        make().fit(data(), callbacks=[LambdaCallback(on_batch_end=press), Ear()], **FIT)
    assert closed == [True]


# ---- refusals


@pytest.fixture
def checkpoint(tmp_path):
    make().fit(data(), checkpoint=tmp_path / "c", **FIT | {"epochs": 1})
    return tmp_path / "c"


OTHERS = {
    "data": (lambda: make(), {"data": data(60)}, "length 48(.|\n)*length 45"),
    "batch size": (lambda: make(), {"batch_size": 8}, "batch_size 7(.|\n)*batch_size 8"),
    "order": (lambda: make(), {"shuffle": False}, "shuffle"),
    "seed": (lambda: make(), {"seed": 3}, "seed 3(.|\n)*seed 0"),
    "optimizer": (lambda: make(optimizer=lambda p: optim.SGD(p, lr=0.1)), {}, "optimizer SGD(.|\n)*optimizer Adam"),
    "loss": (lambda: make(loss="nll"), {}, "loss NLLLoss(.|\n)*loss CrossEntropyLoss"),
    "schedule": (lambda: make(schedule="cycle"), {}, "OneCycleLR(.|\n)*StepLR"),
    "no schedule": (lambda: make(schedule=None), {}, "ScheduleSteps"),
    "metrics": (lambda: make(metrics=["accuracy"]), {}, "metrics accuracy(.|\n)*accuracy, f1"),
    "callbacks": (lambda: make(), {"early_stopping": None}, "EarlyStopping"),
    "model": (lambda: Trainer(nn.Linear(6, 2), metrics=["accuracy", "f1"]), {}, "missing: weight"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_run_is_refused_by_name(what, checkpoint):
    trainer, options, message = OTHERS[what]
    options = {"data": data(), **FIT, **options}
    with pytest.raises(CheckpointError, match=message) as caught:
        trainer().fit(options.pop("data"), resume=checkpoint, **options)
    assert str(checkpoint) in str(caught.value)


def test_a_full_disk_keeps_the_last_checkpoint(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="full disk"):
        make().fit(data(), checkpoint=checkpoint, **FIT)
    assert checkpoint.read_bytes() == before
    assert [p.name for p in checkpoint.parent.iterdir()] == ["c"]


def test_a_callback_that_remembers_what_is_no_plain_data_is_named(tmp_path):
    class Bad(Callback):
        def state_dict(self):
            return {"thing": object()}

    with pytest.raises(CheckpointError, match=r"thing(.|\n)*a object"):
        make().fit(data(), checkpoint=tmp_path / "c", callbacks=[Bad()], **FIT)
