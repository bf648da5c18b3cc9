"""The training loop, compiled: many steps in one native call, with a look around in between."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import chainrule
from chainrule.core.config import config
from chainrule.core.errors import ChainruleError, GraphError
from chainrule.core.modes import local
from chainrule.data.dataset import Subset, TensorDataset
from chainrule.data.loader import DataLoader
from chainrule.optim.lbfgs import LBFGS
from chainrule.tensor import Tensor
from chainrule.train.callbacks import BatchResult, StepResults
from chainrule.train.feed import Feed, WeightedRows

if TYPE_CHECKING:
    from chainrule.train.trainer import Trainer

__all__ = ["SECONDS_TO_COMPILE", "CompiledSteps", "reason_of", "row_weights", "tell_eager", "why_eager"]

Array = np.ndarray[Any, Any]

#: Seconds between looks at callbacks, the clock and Ctrl-C.
_SECONDS_A_CALL = 0.05
#: What compiling a step takes, about; runs that are over by then are not compiled.
SECONDS_TO_COMPILE = 0.5
#: Bytes of predictions that one call may put out.
_MOST_BYTES = 32 << 20


def why_eager(trainer: Trainer) -> str | None:
    """Why this run cannot be compiled; None if it can."""
    if config.backend == "eager":
        return "cr.config.backend is 'eager'"
    if isinstance(trainer.optimizer, LBFGS):
        return "L-BFGS decides by the values that it meets"
    if local.mode.watch is not None:
        return "watch_nan looks at every op"
    steps = trainer.epochs * len(trainer.feed)
    if config.backend == "auto" and steps * _eager_seconds(trainer) < SECONDS_TO_COMPILE:
        return f"{steps} steps are over before a program is compiled"
    return None


def _eager_seconds(trainer: Trainer) -> float:
    """About what an eager step takes: a guess from sizes alone, so that the same run always goes the same way."""
    weights = sum(p.numel() for p in trainer.model.parameters())
    layers = sum(1 for _ in trainer.model.modules())
    return 1e-4 + 3e-5 * layers + 6 * weights * trainer.feed.loader.batch_size / 5e10


def row_weights(trainer: Trainer, targets: Tensor, weights: Tensor | None) -> Tensor | None:
    """What each row's loss counts for, computed before the step: a compiled function cannot look at classes."""
    objective = trainer.objective
    if weights is None and objective.class_weights is None:
        return None
    return Tensor(objective.row_weights(targets, weights), trainer.dtype)


class CompiledSteps:
    """The steps of a trainer as compiled functions, made once and used for every epoch.

    Where the rows are arrays in memory, a step gathers its own by number, and a call runs as many steps as fit between
    two looks; from other data sets each batch is handed over.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._step = chainrule.compile(self._train_step)
        self._gather = chainrule.compile(self._gather_and_train)
        self._bytes_a_step = 0
        #: What a step takes, once that is known.
        self._seconds = math.inf

    # ---- what is traced

    def _train_step(self, inputs: tuple[Tensor, ...], targets: Tensor, weights: Any, v: Any, keep: bool) -> Any:
        """One step as a person writes it."""
        trainer = self.trainer
        trainer.optimizer.zero_grad()
        predictions = trainer.model(*inputs)
        loss = trainer.objective(predictions, targets, weights, v)
        loss.backward()
        trainer.clip_gradients()
        trainer.optimizer.step()
        return (loss, predictions) if keep else (loss,)

    def _gather_and_train(self, arrays: tuple[Tensor, ...], v: Any, keep: bool, rows: Tensor) -> Any:
        """The rows of a batch, in the types that the model wants, and a step on them."""
        feed = self.trainer.feed
        *inputs, targets = (x[rows] for x in arrays)
        cast, v = feed.cast_inputs(inputs, feed.dtype), None if v is None else v[rows]
        return self._train_step(cast, feed.cast_target(targets), None, v, keep)

    # ---- an epoch

    def epoch(self, feed: Feed) -> Iterator[StepResults]:
        """Run the epoch's batches; what each call has done is given out before the next one."""
        whole = _arrays_of(feed)
        return self._by_batch(feed) if whole is None else self._by_rows(feed, *whole)

    def _by_batch(self, feed: Feed) -> Iterator[StepResults]:
        for inputs, targets, weights in feed:
            v = row_weights(self.trainer, targets, weights)
            loss, predictions = self._step(inputs, targets, None, v, True)
            yield StepResults(loss.numpy()[None], [BatchResult(inputs, targets, weights, predictions, loss)])

    def _by_rows(self, feed: Feed, arrays: tuple[Array, ...], weights: Array | None, lookup: Array | None) -> Any:
        trainer = self.trainer
        targets = Tensor._wrap(np.ascontiguousarray(arrays[-1]))
        v = row_weights(trainer, feed.cast_target(targets), None if weights is None else Tensor._wrap(weights))
        given = tuple(Tensor._wrap(np.ascontiguousarray(a)) for a in arrays)
        epoch = iter(feed.loader)
        keep = bool(trainer.metrics) or trainer.events.wants_batches(trainer)
        while True:
            rows = epoch.rows(self._most_steps())  # type: ignore[attr-defined]
            if rows is None:
                return
            if lookup is not None:
                rows = lookup[rows]
            started = time.perf_counter()
            if rows.shape[1] == feed.loader.batch_size or not self._rest_is_short():
                results = self._gather.scan([given, v, keep], [Tensor._wrap(rows)])
                self._note_time((time.perf_counter() - started) / len(rows), len(rows))
            else:
                # The last, smaller batch would be a program of its own.
                results = [
                    x.reshape((1, *x.shape)) for x in self._gather_and_train(given, v, keep, Tensor._wrap(rows[0]))
                ]
            predictions = results[1].numpy() if keep else None
            self._bytes_a_step = 0 if predictions is None else predictions[0].nbytes
            batches = _Rows(feed, arrays, weights, rows, predictions, results[0])
            yield StepResults(results[0].numpy(), batches)

    def _rest_is_short(self) -> bool:
        """Whether all last batches of the run take less time than a program for them would."""
        seconds = self.trainer.epochs * _eager_seconds(self.trainer)
        return config.backend == "auto" and seconds < SECONDS_TO_COMPILE

    def _most_steps(self) -> int:
        """Steps in the next call: as many as its time allows, and no more than a callback is willing to miss."""
        by_time = 1 if math.isinf(self._seconds) else max(1, int(_SECONDS_A_CALL / max(self._seconds, 1e-9)))
        by_memory = max(1, _MOST_BYTES // max(1, self._bytes_a_step))
        return min(by_time, by_memory, self.trainer.events.steps_to_look(self.trainer))

    def _note_time(self, seconds: float, steps: int) -> None:
        # The first calls compile: their time says nothing. After that, calls grow no more than fourfold at once.
        if steps == 1 and seconds > _SECONDS_A_CALL:
            self._seconds = _SECONDS_A_CALL / 4
        else:
            self._seconds = max(seconds, _SECONDS_A_CALL / (4 * steps))


class _Rows:
    """The batches of one call, each made when it is asked for."""

    def __init__(
        self, feed: Feed, arrays: tuple[Array, ...], weights: Array | None, rows: Array, predictions: Array | None,
        losses: Tensor,
    ) -> None:  # fmt: skip
        self.feed, self.arrays, self.weights, self.numbers = feed, arrays, weights, rows
        self.predictions, self.losses = predictions, losses

    def __len__(self) -> int:
        return len(self.numbers)

    def measured(self) -> tuple[Array | None, Array, Array | None]:
        """Predictions, targets and weights of all batches, gathered at once."""
        targets = self.feed.cast_target(Tensor._wrap(self.arrays[-1][self.numbers])).numpy()
        return self.predictions, targets, None if self.weights is None else self.weights[self.numbers]

    def __getitem__(self, i: int) -> BatchResult:
        rows = self.numbers[range(len(self))[i]]
        *inputs, targets = (Tensor._wrap(x[rows]) for x in self.arrays)
        weights = None if self.weights is None else Tensor._wrap(self.weights[rows])
        predictions = None if self.predictions is None else Tensor._wrap(self.predictions[i])
        feed = self.feed
        return BatchResult(
            feed.cast_inputs(inputs, feed.dtype), feed.cast_target(targets), weights, predictions, self.losses[i]
        )


def _arrays_of(feed: Feed) -> tuple[tuple[Array, ...], Array | None, Array | None] | None:
    """The arrays behind a feed, weights of rows, and which rows of the arrays the data set consists of."""
    loader = feed.loader
    dataset: Any = loader.dataset
    if type(loader) is not DataLoader or loader.collate_fn is not None:
        return None
    weights, lookup = None, None
    if isinstance(dataset, WeightedRows):
        weights, dataset = dataset.weights, dataset.dataset
    while type(dataset) is Subset:
        indices = np.asarray(dataset.indices, np.int64)
        lookup = indices if lookup is None else indices[lookup]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or len(dataset.arrays) < 2 or (weights is not None) != feed.weighted:
        return None
    if weights is not None and lookup is not None:
        return None
    if any(str(a.dtype) not in ("bool", "uint8", "int32", "int64", "float32", "float64") for a in dataset.arrays):
        return None
    return tuple(dataset.arrays), weights, lookup


def reason_of(problem: ChainruleError) -> str:
    """Why something is not compiled, in a line: what was asked of a traced number, or what no back end has."""
    return (problem.received if isinstance(problem, GraphError) else str(problem)).splitlines()[0]


def tell_eager(problem: ChainruleError) -> str:
    """Say once a run that it is not compiled, and where that comes from; returns the reason."""
    where = next((line.strip() for line in str(problem).splitlines() if line.strip().startswith("at:")), "")
    reason = f"{reason_of(problem)} {where}".rstrip()
    warnings.warn(f"fit runs step by step, not compiled: {reason}", UserWarning, stacklevel=4)
    return reason
