"""Checkpoints: everything a run depends on, in one file, so that going on equals never having stopped.

That is: model, optimizer, schedule and other callbacks, the random generators, the place in the data order, the sums of
the epoch under way, and the history. Only the measured seconds of the history may differ between the two runs.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from chainrule.core.errors import ChainruleError, CheckpointError, ConfigError
from chainrule.core.philox import Generator, default_generator
from chainrule.nn.module import Module
from chainrule.train.callbacks import Callback, StepResults
from chainrule.train.history import History
from chainrule.train.plain import Packer, Unpacker
from chainrule.train.tensor_files import read_tensors, write_tensors

if TYPE_CHECKING:
    from chainrule.train.trainer import Trainer

_SECONDS_BETWEEN = 1.0

__all__ = ["Checkpointer", "read_checkpoint", "write_checkpoint"]


def write_checkpoint(trainer: Trainer, path: str | Path) -> None:
    """Write the state of a run, inside ``fit``: whole, or not at all.

    Raises CheckpointError where the folder cannot be written, or a callback remembers what is not plain data.
    """
    packer = Packer()
    packed = packer.pack(_capture(trainer), "")
    write_tensors(path, packer.arrays, "checkpoint", {"state": packed})


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The state that ``write_checkpoint`` wrote. Raises CheckpointError for a missing, damaged or other file."""
    arrays, header = read_tensors(path, "checkpoint")
    try:
        return dict(Unpacker(arrays).unpack(header["state"]))
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckpointError(
            f"read {path}",
            f"a checkpoint that is not whole ({problem})",
            "the file as it was written",
            "use another one",
        ) from problem


def _capture(trainer: Trainer) -> dict[str, Any]:
    return {
        "epoch": trainer.epoch,
        "step": trainer.step,
        "stop": trainer.stop,
        "seconds": trainer.seconds,
        "seed": trainer.seed,
        "start": trainer.start,
        "loss": trainer.objective.name,
        "model": trainer.model.state_dict(),
        "optimizer": {"class": type(trainer.optimizer).__name__, **trainer.optimizer.state_dict()},
        "generator": default_generator().state(),
        "layer_generators": {path: generator.state() for path, generator in _layer_generators(trainer.model)},
        "loader": trainer.feed.loader.state_dict(),
        "meter": trainer.meter.state_dict(),
        "row": trainer.row,
        "history": trainer.history.rows,
        "callbacks": trainer.events.state_dict(),
    }


def restore(trainer: Trainer, state: dict[str, Any], path: str | Path) -> None:
    """Put a run, ready to start, where the checkpoint was written. Raises CheckpointError if it is another run."""
    try:
        _compare("loss", state["loss"], trainer.objective.name)
        _compare("optimizer", state["optimizer"]["class"], type(trainer.optimizer).__name__)
        trainer.feed.loader.load_state_dict(state["loader"])
        trainer.meter.load_state_dict(state["meter"])
        trainer.model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict({k: v for k, v in state["optimizer"].items() if k != "class"})
        trainer.events.load_state_dict(state["callbacks"])
        own = dict(_layer_generators(trainer.model))
        for name, saved in state["layer_generators"].items():
            own[name].set_state(saved)
        trainer.epoch, trainer.step, trainer.stop = state["epoch"], state["step"], state["stop"]
        trainer.seconds, trainer.row = state["seconds"], state["row"]
        trainer.history = History(state["history"])
        trainer.inside_epoch = state["loader"]["epoch"] is not None
        default_generator().set_state(state["generator"])
    except ChainruleError as problem:
        problem.context.append(f"  {'resuming:':<9} {path}")
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise CheckpointError(
            f"resume from {path}",
            f"a state that does not fit this run ({problem!r})",
            "the same model, data and settings",
            "make the trainer as in the interrupted run",
        ) from problem


def check_seed(state: dict[str, Any], seed: int | None, path: str | Path) -> None:
    """Refuse to continue a run under another seed."""
    try:
        _compare("seed", state.get("seed"), seed)
    except CheckpointError as problem:
        problem.context.append(f"  {'resuming:':<9} {path}")
        raise


def _compare(what: str, saved: Any, here: Any) -> None:
    if saved != here:
        raise CheckpointError(
            "resume the run", f"{what} {here}", f"{what} {saved}, as it was begun", "use what the interrupted run used"
        )


def _layer_generators(model: Module) -> Iterator[tuple[str, Generator]]:
    """Generators that layers keep for themselves."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Generator) and value is not default_generator():
                yield f"{path}.{name}", value


class Checkpointer(Callback):
    """Write a checkpoint after each epoch, or every ``every`` steps; at the end, and on Ctrl-C.

    Where epochs are shorter than a second, not after each of them: writing a file for good takes longer than they do.

    Ctrl-C is held back until the step under way is complete, so that the file holds a state the run really had; then
    KeyboardInterrupt is raised as usual. A second Ctrl-C does not wait.
    """

    def __init__(self, path: str | Path, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ConfigError("fit(checkpoint_every=...)", f"{every}", "1 step or more", "leave it out for each epoch")
        self.path, self.every = Path(path), every
        self._interrupted = False
        self._handler: Any = None
        self._written = -math.inf

    def on_fit_start(self, trainer: Trainer) -> None:
        folder = self.path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK) or self.path.is_dir():
            # Told now, not after an epoch's work.
            raise CheckpointError(
                f"write checkpoints to {self.path}",
                "a path that cannot be written",
                "a file in a folder that can be written",
                "make the folder first, or name another",
            )
        try:
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._handler = signal.signal(signal.SIGINT, self._hold_back)
        except ValueError:
            # Only the main thread may listen for signals; elsewhere Ctrl-C does not arrive anyway.
            self._handler = None

    def _hold_back(self, signum: int, frame: FrameType | None) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def steps_to_look(self, trainer: Trainer) -> float:
        return math.inf if self.every is None else self.every - trainer.step % self.every

    def on_steps_end(self, trainer: Trainer, results: StepResults) -> None:
        if self._interrupted or (self.every is not None and trainer.step % self.every == 0):
            self._write(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        last = trainer.stop or trainer.epoch >= trainer.epochs
        due = self.every is None and time.perf_counter() - self._written >= _SECONDS_BETWEEN
        if self._interrupted or due or last:
            self._write(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._interrupted:
            raise KeyboardInterrupt

    def _write(self, trainer: Trainer) -> None:
        write_checkpoint(trainer, self.path)
        self._written = time.perf_counter()
        if self._interrupted:
            raise KeyboardInterrupt

    def close(self) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        self._handler, self._interrupted = None, False
