"""Meter: the mean loss and the metrics over many batches, at little cost for each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.errors import CheckpointError
from chainrule.tensor import Tensor
from chainrule.train.callbacks import BatchResult, Callback, StepResults
from chainrule.train.metrics import Metric

if TYPE_CHECKING:
    from chainrule.train.feed import Feed
    from chainrule.train.trainer import Trainer

__all__ = ["Measure", "Meter"]

Array = np.ndarray[Any, Any]

#: Predictions of small batches are gathered up to this many numbers before the metrics see them: looking at each
#: batch of a tiny network would cost more than training on it.
_MOST_WAITING = 65_536


class Meter:
    """Adds up losses by the number of rows (or their weights), and feeds metrics."""

    def __init__(self, metrics: Sequence[Metric], amount: Callable[[Any, Any], float]) -> None:
        self.metrics = list(metrics)
        #: What a batch's mean loss counts for, from its targets and weights.
        self._amount = amount
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.total, self.amount = 0.0, 0.0
        self._waiting: list[tuple[Array, Array, Array | None]] = []
        self._numbers = 0
        for metric in self.metrics:
            metric.reset()

    def add(self, result: BatchResult) -> None:
        """Take in one batch: its mean loss counts by its rows, or by their weights."""
        _, targets, weights, predictions, loss = result
        amount = self._amount(targets, weights)
        self.total += loss.item() * amount
        self.amount += amount
        if self.metrics:
            self._wait(predictions.numpy(), targets.numpy(), None if weights is None else weights.numpy())

    def _wait(self, predictions: Array, targets: Array, weights: Array | None) -> None:
        """Lay a batch by until there are enough."""
        self._waiting.append((predictions, targets, weights))
        self._numbers += predictions.size
        if self._numbers >= _MOST_WAITING:
            self._feed()

    def add_steps(self, results: StepResults) -> None:
        """Take in the batches of one call, in their order: without metrics only their losses are looked at."""
        if isinstance(results.batches, list):
            for result in results.batches:
                self.add(result)
            return
        predictions, targets, weights = results.batches.measured()
        for i, loss in enumerate(results.losses.tolist()):
            own = None if weights is None else weights[i]
            amount = self._amount(targets[i], own)
            self.total += loss * amount
            self.amount += amount
            if self.metrics:
                self._wait(predictions[i], targets[i], own)

    @property
    def loss(self) -> float:
        """The mean loss so far; NaN before the first batch."""
        return self.total / self.amount if self.amount else math.nan

    def values(self) -> dict[str, float]:
        """The mean loss and the value of each metric."""
        self._feed()
        return {"loss": self.loss, **{metric.name: float(metric.compute()) for metric in self.metrics}}

    def _feed(self) -> None:
        waiting, self._waiting, self._numbers = self._waiting, [], 0
        parts = (
            [waiting]
            if len({(p.shape[1:], t.shape[1:]) for p, t, _ in waiting}) == 1
            else [[batch] for batch in waiting]
        )
        for part in parts:
            predictions, targets = (np.concatenate([batch[i] for batch in part]) for i in (0, 1))
            weights = None if part[0][2] is None else np.concatenate([batch[2] for batch in part])
            for metric in self.metrics:
                metric.update(predictions, targets, weights)

    # ---- state, exact to the bit: a resumed epoch ends with the sums of one that was never interrupted

    def state_dict(self) -> dict[str, Any]:
        """All sums, what waits to be fed, and what each metric has gathered."""
        return {
            "total": self.total,
            "amount": self.amount,
            "waiting": list(self._waiting),
            "metrics": [{"name": metric.name, "state": _remembered(metric)} for metric in self.metrics],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with what ``state_dict`` gave. Raises CheckpointError for other metrics."""
        names, mine = [entry["name"] for entry in state["metrics"]], [metric.name for metric in self.metrics]
        if names != mine:
            raise CheckpointError(
                "resume the run",
                f"metrics {', '.join(mine) or 'none'}",
                f"{', '.join(names) or 'none'}, as it was begun",
                "make the trainer with the metrics of the interrupted run",
            )
        self.total, self.amount = state["total"], state["amount"]
        self._waiting = [tuple(batch) for batch in state["waiting"]]
        self._numbers = sum(batch[0].size for batch in self._waiting)
        for metric, entry in zip(self.metrics, state["metrics"], strict=True):
            _remember(metric, entry["state"])


def _remembered(thing: Any) -> dict[str, Any]:
    """The attributes of a metric, and of objects inside it, as plain values; its functions stay behind."""
    if hasattr(thing, "state_dict"):
        return {"$own": thing.state_dict()}
    kept = {}
    for name, value in vars(thing).items():
        if callable(value):
            continue
        plain = value is None or isinstance(
            value, (bool, int, float, str, list, tuple, dict, np.ndarray, np.generic, Tensor)
        )
        kept[name] = value if plain else {"$inside": _remembered(value)}
    return kept


def _remember(thing: Any, state: dict[str, Any]) -> None:
    if "$own" in state:
        thing.load_state_dict(state["$own"])
        return
    for name, value in state.items():
        if isinstance(value, dict) and set(value) == {"$inside"}:
            _remember(getattr(thing, name), value["$inside"])
        else:
            setattr(thing, name, value)


class Measure(Callback):
    """Keeps the epoch's loss and metrics, evaluates on the held-out rows, and adds the row to the history."""

    def __init__(self, held_out: Feed | None) -> None:
        self.held_out = held_out
        self._started = 0.0

    def on_fit_start(self, trainer: Trainer) -> None:
        self._started = time.perf_counter()

    def on_epoch_start(self, trainer: Trainer) -> None:
        self._started = time.perf_counter()
        trainer.seconds = 0.0

    def steps_to_look(self, trainer: Trainer) -> float:
        return math.inf

    def on_steps_end(self, trainer: Trainer, results: StepResults) -> None:
        trainer.meter.add_steps(results)

    def on_epoch_end(self, trainer: Trainer) -> None:
        row: dict[str, Any] = {"epoch": trainer.epoch, **trainer.meter.values()}
        trainer.meter.reset()
        if self.held_out is not None:
            held_out = trainer.evaluate_feed(self.held_out, times=trainer.epochs)
            row |= {f"val_{name}": value for name, value in held_out.items()}
        row["lr"] = trainer.optimizer.param_groups[0]["lr"]
        row["seconds"] = trainer.seconds + time.perf_counter() - self._started
        trainer.row = row
        trainer.history.rows.append(row)
