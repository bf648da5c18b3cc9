"""Going on from a checkpoint equals never having stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.core.errors import CheckpointError, ConfigError
from chainrule.train import Callback, Trainer

ROWS = 300


def examples(rows=ROWS):
    digits = data.digits()
    return (digits.inputs[:rows] / 16).astype("float32"), digits.targets[:rows]


def trainer(hidden=12, optimizer="adam", lr=0.01):
    """A run with everything that has a state: batch norm, dropout, momentum, a schedule, metrics."""
    cr.manual_seed(3)
    model = nn.Sequential(
        nn.Linear(64, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(0.3), nn.Linear(hidden, 10)
    )
    made = optim.Adam(model.parameters(), lr=lr) if optimizer == "adam" else optim.SGD(model.parameters(), lr=lr)
    return Trainer(model, optimizer=made, schedule=optim.StepLR(made, 1, 0.5), metrics=["accuracy"])


def settings(path, **more):
    return {
        "epochs": 3, "batch_size": 32, "seed": 1, "validation": 0.2, "progress": False, "checkpoint": path,
        "checkpoint_every": 3, "early_stopping": 2, "restore_best": True, **more,
    }  # fmt: skip


class StopAt(Callback):
    """Do something after a step: die, or be interrupted as by Ctrl-C."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_batch_end(self, trainer, result):
        if trainer.step == self.step:
            self.action()


def bits(run):
    """All that a run leaves, to the bit."""
    optimizer = run.optimizer.state_dict()
    memory = [t.numpy().tobytes() for state in optimizer["state"].values() for t in state.values()]
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in run.history.rows]
    weights = {name: t.numpy().tobytes() for name, t in run.model.state_dict().items()}
    return (
        weights,
        memory,
        [g["lr"] for g in optimizer["param_groups"]],
        rows,
        cr.core.philox.default_generator().state(),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = trainer()
    run.fit(examples(), **settings(tmp_path_factory.mktemp("whole") / "c"))
    return bits(run)


@pytest.mark.parametrize("step", [4, 8, 9, 20])
def test_killed_and_resumed_ends_with_the_same_bits(tmp_path, whole, step):
    """A process killed without warning, in mid-epoch or at its end; another one goes on."""
    here = Path(__file__)
    program = (
        f"import importlib.util, os, signal\n"
        f"spec = importlib.util.spec_from_file_location('here', {str(here)!r})\n"
        f"t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)\n"
        f"kill = t.StopAt({step}, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        f"t.trainer().fit(t.examples(), **t.settings({str(tmp_path / 'c')!r}, callbacks=[kill]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ}, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    run = trainer()
    run.fit(examples(), **settings(tmp_path / "c", resume=tmp_path / "c"))
    assert bits(run) == whole
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_ctrl_c_keeps_the_step_it_came_in(tmp_path, whole):
    def press():
        os.kill(os.getpid(), signal.SIGINT)

    run = trainer()
    with pytest.raises(KeyboardInterrupt):
        run.fit(examples(), **settings(tmp_path / "c", checkpoint_every=None, callbacks=[StopAt(10, press)]))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = trainer()
    again.fit(examples(), **settings(tmp_path / "c", checkpoint_every=None, resume=True))
    assert bits(again) == whole


def test_resuming_a_finished_run_changes_nothing(tmp_path, whole):
    trainer().fit(examples(), **settings(tmp_path / "c"))
    run = trainer()
    run.fit(examples(), **settings(tmp_path / "c", resume=tmp_path / "c"))
    assert bits(run)[0] == whole[0] and len(run.history) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"run": {"hidden": 13}}, "other shapes"),
        ({"run": {"optimizer": "sgd"}}, "optimizer"),
        ({"rows": 200}, "rows|examples|length|data"),
        ({"fit": {"batch_size": 31}}, "batch"),
        ({"fit": {"seed": 2}}, "seed"),
    ],
)
def test_another_run_is_refused(tmp_path, changed, message):
    path = tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        trainer().fit(examples(), **settings(path, callbacks=[StopAt(10, lambda: os.kill(os.getpid(), signal.SIGINT))]))
    run = trainer(**changed.get("run", {}))
    before = {name: t.numpy().tobytes() for name, t in run.model.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"(?i){message}"):
        run.fit(examples(changed.get("rows", ROWS)), **settings(path, resume=path, **changed.get("fit", {})))
    if "run" in changed:
        assert before == {name: t.numpy().tobytes() for name, t in run.model.state_dict().items()}


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "c"
    with pytest.raises(CheckpointError, match="read"):
        trainer().fit(examples(), **settings(path, resume=tmp_path / "missing"))
    trainer().fit(examples(), **settings(path))
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", content[:40] + bytes(20) + content[60:]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            trainer().fit(examples(), **settings(path, resume=path))
    cr.save(nn.Linear(2, 2), tmp_path / "model")
    with pytest.raises(CheckpointError, match="checkpoint"):
        trainer().fit(examples(), **settings(path, resume=tmp_path / "model"))


def test_where_nothing_can_be_written_is_told_before_training(tmp_path):
    run = trainer()
    with pytest.raises(CheckpointError, match="make the folder first"):
        run.fit(examples(), **settings(tmp_path / "no" / "c"))
    assert run.step == 0
    with pytest.raises(ConfigError, match="checkpoint_every"):
        run.fit(examples(), **settings(tmp_path / "c", checkpoint_every=0))
    with pytest.raises(ConfigError, match="resume"):
        run.fit(examples(), epochs=1, resume=True, progress=False)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    runs = []
    for seed in (0, 0, 1):
        run = trainer()
        run.fit(examples(), epochs=1, batch_size=32, seed=seed, progress=False)
        runs.append(run.model[0].weight.numpy().copy())
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
