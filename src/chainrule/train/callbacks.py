"""Callbacks: what happens around the training loop, so that the loop itself stays short."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from chainrule.core.errors import CheckpointError, ConfigError
from chainrule.optim.one_cycle import OneCycleLR
from chainrule.optim.schedules import LRScheduler
from chainrule.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.train.trainer import Trainer

__all__ = [
    "BatchResult",
    "Callback",
    "CsvHistory",
    "EarlyStopping",
    "LambdaCallback",
    "RestoreBest",
    "ScheduleSteps",
    "StepResults",
]


#: Steps between looks where no callback asks for one.
_UNLIMITED = 1 << 30


class BatchResult(NamedTuple):
    """What a training step saw and made; tensors, so a number costs ``loss.item()`` only where it is wanted."""

    inputs: tuple[Any, ...]
    targets: Any
    weights: Any
    predictions: Any
    loss: Any


class StepResults(NamedTuple):
    """What one call of a compiled loop did: the loss of each step, and the batches, made when they are asked for."""

    losses: np.ndarray[Any, Any]
    batches: Any


class Callback:
    """Base of callbacks; define the methods you need.

    ``trainer.epoch`` (finished epochs), ``trainer.step`` (finished steps), ``trainer.row`` (this epoch's measures, in
    ``on_epoch_end``), ``trainer.history``, ``trainer.model`` and ``trainer.optimizer`` may be read; ``trainer.stop =
    True`` ends the run after this epoch. What a callback remembers from epoch to epoch belongs into ``state_dict``,
    so that a resumed run continues with it.
    """

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before the first batch of an epoch."""

    def on_batch_end(self, trainer: Trainer, result: BatchResult) -> None:
        """After an optimizer step. Called often: keep it short."""

    def on_steps_end(self, trainer: Trainer, results: StepResults) -> None:
        """After one or more optimizer steps: a compiled loop looks around several times a second, not at each step.

        By default ``on_batch_end`` of each. A callback that defines this says in ``steps_to_look`` how many steps it
        can miss.
        """
        for result in results.batches:
            self.on_batch_end(trainer, result)

    def steps_to_look(self, trainer: Trainer) -> float:
        """The most steps until this callback must be told: each one if it wants to know of batches."""
        return 1 if type(self).on_batch_end is not Callback.on_batch_end else math.inf

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After an epoch and its validation."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch; not after an error or Ctrl-C."""

    def close(self) -> None:
        """However ``fit`` ends: let go of files and screens."""

    def state_dict(self) -> dict[str, Any]:
        """What to write into a checkpoint: plain values, arrays and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with what ``state_dict`` gave."""


class CallbackList:
    """Several callbacks as one; who does not define an event costs nothing when it happens."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise ConfigError(
                    "callbacks=[...]",
                    f"a {type(callback).__name__}",
                    "Callback objects",
                    "derive from train.Callback, or wrap a function: train.LambdaCallback(on_epoch_end=f)",
                )
        self._batch_ends = [
            callback.on_steps_end
            for callback in self.callbacks
            if type(callback).on_batch_end is not Callback.on_batch_end
            or type(callback).on_steps_end is not Callback.on_steps_end
        ]

    def _defined(self, event: str) -> list[Callable[..., None]]:
        return [getattr(c, event) for c in self.callbacks if getattr(type(c), event) is not getattr(Callback, event)]

    def call(self, event: str, trainer: Trainer) -> None:
        """Tell each, in order."""
        for method in self._defined(event):
            method(trainer)

    def steps_end(self, trainer: Trainer, results: StepResults) -> None:
        """``on_steps_end`` of each."""
        for method in self._batch_ends:
            method(trainer, results)

    def steps_to_look(self, trainer: Trainer) -> int:
        """The most steps that the loop may run before it tells."""
        return int(min([_UNLIMITED, *(callback.steps_to_look(trainer) for callback in self.callbacks)]))

    def wants_batches(self, trainer: Trainer) -> bool:
        """Whether somebody looks at each batch, its predictions too."""
        return any(
            type(c).on_steps_end is Callback.on_steps_end and c.steps_to_look(trainer) == 1 for c in self.callbacks
        )

    def close(self) -> None:
        """``close`` of each."""
        for callback in self.callbacks:
            callback.close()

    def state_dict(self) -> list[dict[str, Any]]:
        """The name and state of each that has one."""
        states = [(type(callback).__name__, callback.state_dict()) for callback in self.callbacks]
        return [{"name": name, "state": state} for name, state in states if state]

    def load_state_dict(self, saved: list[dict[str, Any]]) -> None:
        """Give each its state, the n-th of a class to the n-th of that class.

        Raises CheckpointError where one is missing.
        """
        waiting: dict[str, list[Callback]] = {}
        for callback in self.callbacks:
            waiting.setdefault(type(callback).__name__, []).append(callback)
        for entry in saved:
            if not waiting.get(entry["name"]):
                raise CheckpointError(
                    "resume the run",
                    f"no callback {entry['name']}",
                    "the callbacks that the interrupted run had",
                    f"add {entry['name']} to callbacks=",
                )
            waiting[entry["name"]].pop(0).load_state_dict(entry["state"])


class _Watcher(Callback):
    """Compares one measure of each epoch with the best so far."""

    def __init__(
        self, monitor: str | None = None, better: Literal["higher", "lower"] | None = None, min_delta: float = 0.0
    ) -> None:
        if min_delta < 0:
            raise ConfigError(type(self).__name__, f"min_delta={min_delta}", "0 or more", "leave it out")
        self.monitor, self.better, self.min_delta = monitor, better, min_delta
        self.best = math.nan
        self.best_epoch = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        self.best, self.best_epoch = math.nan, 0

    def improved(self, trainer: Trainer) -> bool:
        """Whether this epoch is the best so far; a NaN never is."""
        name, value = watched(trainer, self.monitor, type(self).__name__)
        better = self.better or trainer.better_of(name)
        gain = (self.best - value) if better == "lower" else (value - self.best)
        if math.isnan(value) or not (math.isnan(self.best) or gain > self.min_delta):
            return False
        self.best, self.best_epoch = value, trainer.epoch
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch = state["best"], state["best_epoch"]


def watched(trainer: Trainer, monitor: str | None, asked: str) -> tuple[str, float]:
    """The name and value of the measure to judge this epoch by: as asked, else the validation loss, else the loss."""
    name = monitor or ("val_loss" if "val_loss" in trainer.row else "loss")
    if name not in trainer.row:
        fix = "pass validation= to fit" if name.startswith("val_") else "add it to metrics=, or choose one of these"
        raise ConfigError(f"{asked}(monitor={name!r})", "a measure that is not there", ", ".join(trainer.row), fix)
    return name, float(trainer.row[name])


class EarlyStopping(_Watcher):
    """Stop when ``monitor`` has not improved by more than ``min_delta`` for ``patience`` epochs.

    ``monitor`` is the validation loss by default, without validation the training loss; ``better`` is known for
    losses and named metrics. After ``fit``: ``best``, ``best_epoch``, ``stopped_epoch`` (None if it ran to the end).

    Source: L. Prechelt, "Early Stopping - But When?", 1998 (his third criterion).
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        better: Literal["higher", "lower"] | None = None,
    ) -> None:
        super().__init__(monitor, better, min_delta)
        if patience < 1:
            raise ConfigError("EarlyStopping", f"patience={patience}", "1 epoch or more", "choose patience=5")
        self.patience = patience
        self.waited = 0
        self.stopped_epoch: int | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        super().on_fit_start(trainer)
        self.waited, self.stopped_epoch = 0, None

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.waited = 0 if self.improved(trainer) else self.waited + 1
        if self.waited >= self.patience:
            self.stopped_epoch, trainer.stop = trainer.epoch, True

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"waited": self.waited, "stopped_epoch": self.stopped_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.waited, self.stopped_epoch = state["waited"], state["stopped_epoch"]


class RestoreBest(_Watcher):
    """Keep the state of the best epoch in memory, and give it back to the model at the end."""

    state: dict[str, Tensor] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        super().on_fit_start(trainer)
        self.state = None

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.improved(trainer):
            # Values never change in place, so keeping them costs no copy.
            self.state = trainer.model.state_dict()

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.state is not None:
            trainer.model.load_state_dict(self.state)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.state = state["state"]


class ScheduleSteps(Callback):
    """Step a learning-rate schedule: after each epoch, or after each batch as OneCycleLR needs it.

    A ReduceLROnPlateau is given ``monitor``, by default the validation loss, without validation the training loss.
    """

    def __init__(
        self, schedule: LRScheduler, every: Literal["epoch", "batch"] | None = None, monitor: str | None = None
    ) -> None:
        if not isinstance(schedule, LRScheduler):
            raise ConfigError(
                "schedule=",
                f"a {type(schedule).__name__}",
                "a schedule, or a function of the optimizer that makes one",
                "pass schedule=lambda optimizer: optim.StepLR(optimizer, step_size=10)",
            )
        self.schedule, self.monitor = schedule, monitor
        self.every = every or ("batch" if isinstance(schedule, OneCycleLR) else "epoch")

    def on_steps_end(self, trainer: Trainer, results: StepResults) -> None:
        if self.every == "batch":
            self.schedule.step()

    def steps_to_look(self, trainer: Trainer) -> float:
        return 1 if self.every == "batch" else math.inf

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.every == "epoch":
            if self.schedule.needs_metric:
                _, value = watched(trainer, self.monitor, type(self.schedule).__name__)
                self.schedule.step(value)
            else:
                self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        return {"schedule": type(self.schedule).__name__} | self.schedule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["schedule"] != type(self.schedule).__name__:
            raise CheckpointError(
                "resume the run",
                f"the schedule {type(self.schedule).__name__}",
                f"{state['schedule']}, as it was begun",
                "make the trainer with the schedule of the interrupted run",
            )
        self.schedule.load_state_dict({name: value for name, value in state.items() if name != "schedule"})


class CsvHistory(Callback):
    """Write the history to a CSV file after each epoch, whole each time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.history.to_csv(self.path)


class LambdaCallback(Callback):
    """A callback from functions: ``LambdaCallback(on_epoch_end=lambda trainer: print(trainer.row))``."""

    def __init__(
        self,
        on_fit_start: Callable[[Trainer], None] | None = None,
        on_epoch_start: Callable[[Trainer], None] | None = None,
        on_batch_end: Callable[[Trainer, BatchResult], None] | None = None,
        on_epoch_end: Callable[[Trainer], None] | None = None,
        on_fit_end: Callable[[Trainer], None] | None = None,
    ) -> None:
        self._functions: dict[str, Callable[..., None] | None] = {
            "on_fit_start": on_fit_start,
            "on_epoch_start": on_epoch_start,
            "on_batch_end": on_batch_end,
            "on_epoch_end": on_epoch_end,
            "on_fit_end": on_fit_end,
        }

    def _call(self, event: str, *arguments: Any) -> None:
        function = self._functions[event]
        if function is not None:
            function(*arguments)

    def on_fit_start(self, trainer: Trainer) -> None:
        self._call("on_fit_start", trainer)

    def on_epoch_start(self, trainer: Trainer) -> None:
        self._call("on_epoch_start", trainer)

    def on_batch_end(self, trainer: Trainer, result: BatchResult) -> None:
        self._call("on_batch_end", trainer, result)

    def steps_to_look(self, trainer: Trainer) -> float:
        return math.inf if self._functions["on_batch_end"] is None else 1

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._call("on_epoch_end", trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        self._call("on_fit_end", trainer)
