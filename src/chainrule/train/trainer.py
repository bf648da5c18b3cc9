"""Trainer: fit, evaluate and predict, around a loop that can be read and copied out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chainrule import optim
from chainrule.core.aval import is_float
from chainrule.core.errors import ConfigError, GradientError, GraphError
from chainrule.core.modes import get_default_dtype, is_grad_enabled, no_grad
from chainrule.core.philox import default_generator, manual_seed
from chainrule.data.arrays import as_array
from chainrule.data.dataset import Dataset
from chainrule.data.examples import Examples
from chainrule.data.loader import DataLoader
from chainrule.nn.module import Module
from chainrule.tensor import Tensor
from chainrule.train import checkpoint as checkpoints
from chainrule.train.callbacks import (
    BatchResult,
    Callback,
    CallbackList,
    EarlyStopping,
    RestoreBest,
    ScheduleSteps,
    StepResults,
)
from chainrule.train.compiled import CompiledSteps, tell_eager, why_eager
from chainrule.train.evaluation import Evaluation
from chainrule.train.feed import Feed, as_dataset, hold_out, row_targets, with_weights
from chainrule.train.history import History, better_of
from chainrule.train.meter import Measure, Meter
from chainrule.train.metrics import resolve
from chainrule.train.objective import Objective, resolve_optimizer
from chainrule.train.progress import ProgressBar

__all__ = ["Trainer", "evaluating"]

#: Rows at a time where no gradient is needed.
_EVALUATION_ROWS = 1000


class Trainer:
    """Trains a model: ``fit``, ``evaluate``, ``predict``.

    Args:
        model: any Module; it is called with a batch of inputs.
        loss: a name (``"cross_entropy"``, ``"mse"``, ``"bce"``, ``"bce_with_logits"``, ``"l1"``, ``"huber"``, ...), a
            loss module, or a function of (predictions, targets).
        optimizer: an Optimizer, a name (``"adam"``, ...) or class with ``lr``, or a function of the parameters.
        metrics: names (``"accuracy"``, ``"f1"``, ``"mae"``, ...), functions or Metric objects.
        schedule: a schedule of ``optim``, or a function of the optimizer that makes one; stepped each epoch (OneCycleLR
            each batch; ``callbacks.ScheduleSteps`` chooses).
        class_weights: one number a class, ``{class: weight}`` or ``"balanced"`` (see ``objective.Objective``).
        clip_norm, clip_value: limits on the gradient's norm, and on each of its numbers.
        callbacks: called in every ``fit``.
        lr: learning rate, where the optimizer is given by name or class.

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    >>> y = np.array([[0], [1], [1], [0]], np.float32)
    >>> _ = cr.manual_seed(1)
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
    >>> trainer = Trainer(model, loss="bce", optimizer="adam", lr=0.1, metrics=["accuracy"])
    >>> history = trainer.fit((x, y), epochs=100, batch_size=4)
    >>> len(history), trainer.evaluate((x, y))["accuracy"], trainer.predict(x).shape
    (100, 1.0, (4, 1))
    """

    def __init__(
        self,
        model: Module,
        loss: Any = "cross_entropy",
        optimizer: Any = "adam",
        metrics: Sequence[Any] = (),
        schedule: Any = None,
        class_weights: Any = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        callbacks: Sequence[Callback] = (),
        lr: float | None = None,
    ) -> None:
        if not isinstance(model, Module):
            raise ConfigError("Trainer(model)", f"a {type(model).__name__}", "an nn.Module", "pass the model first")
        self.model = model
        self.objective = Objective(loss, class_weights)
        self.optimizer = resolve_optimizer(optimizer, model, lr)
        if isinstance(metrics, str) or not isinstance(metrics, Sequence):
            raise ConfigError("Trainer(metrics=...)", repr(metrics), "a list", "pass metrics=['accuracy']")
        self.metrics = [resolve(metric, threshold=self.objective.threshold) for metric in metrics]
        self.schedule = self._schedule_steps(schedule)
        self.clip_norm, self.clip_value, self.callbacks = clip_norm, clip_value, list(callbacks)
        self._compiled: CompiledSteps | None = None
        self._evaluation: Evaluation | None = None
        self._reset(epochs=0, seed=None)

    def _schedule_steps(self, schedule: Any) -> ScheduleSteps | None:
        if schedule is None or isinstance(schedule, ScheduleSteps):
            return schedule
        made = (
            schedule if isinstance(schedule, optim.LRScheduler) or not callable(schedule) else schedule(self.optimizer)
        )
        return ScheduleSteps(made)

    def _reset(self, epochs: int, seed: int | None) -> None:
        self.epochs, self.seed = epochs, seed
        #: Finished epochs and steps of the last ``fit``.
        self.epoch = self.step = 0
        #: Set it to end the run after the epoch under way.
        self.stop = False
        #: What the last finished epoch measured, and all of them.
        self.row: dict[str, Any] = {}
        self.history = History()
        #: Whether the run was resumed in the middle of an epoch.
        self.inside_epoch = False
        #: Seconds spent on the epoch under way before the run was interrupted.
        self.seconds = 0.0
        #: Why the last ``fit`` ran step by step; None if its steps were compiled.
        self.not_compiled: str | None = None
        #: The default generator's state when the run began.
        self.start = default_generator().state()
        self.meter = Meter(self.metrics, self.objective.amount)

    # ---- training

    def fit(
        self,
        train: Any,
        validation: Any = None,
        epochs: int = 5,
        batch_size: int = 100,
        shuffle: bool = True,
        seed: int | None = 0,
        progress: bool | None = None,
        resume: str | Path | Literal[True] | None = None,
        callbacks: Sequence[Callback] = (),
        checkpoint: str | Path | None = None,
        checkpoint_every: int | None = None,
        sample_weight: Any = None,
        early_stopping: EarlyStopping | int | None = None,
        restore_best: bool = False,
    ) -> History:
        """Train, and return what each epoch measured.

        Args:
            train: a Dataset, a pair of arrays ``(x, y)``, Examples, or a DataLoader (whose own batch size, order and
                generator count then). x (n, ...): bytes and float64 are cast to the model's dtype. y as the loss
                wants it: class numbers (n,), or numbers in the shape of the model's output; nothing is reshaped.
            validation: the same kinds, or a fraction of ``train`` to hold out.
            epochs, batch_size, shuffle: passes over the data, rows a step, a new order each epoch or not.
            seed: restarts the default generator (order, dropout), so the run repeats to the bit; None leaves it alone.
            progress: a bar on stderr; by default where that is a terminal.
            checkpoint: a path to write checkpoints to, after each epoch (of a second or more) or every
                ``checkpoint_every`` steps, and at the end.
            resume: a checkpoint's path to continue from, with the same model, data and settings: the run ends with the
                bits of one that was never interrupted. True: from ``checkpoint`` if that file exists.
            sample_weight: one number a row; a row of weight 2 counts as two.
            early_stopping: an EarlyStopping, or its patience in epochs.
            restore_best: end with the weights of the best epoch (by the measure of ``early_stopping``, else the loss).

        Raises:
            ConfigError, DataError: arguments or data outside their domain.
            CheckpointError: a checkpoint that cannot be written, read, or is of another run.
            GradientError: within ``no_grad()``, where there is nothing to follow down.
        """
        if not is_grad_enabled():
            raise GradientError(
                "fit(...)",
                "a call within no_grad(), where no gradients are recorded",
                "gradients, which are what training follows",
                "call fit outside the no_grad() block, or within cr.enable_grad()",
            )
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 1:
            raise ConfigError("fit(epochs=...)", repr(epochs), "a whole number, 1 or more", "choose epochs=5")
        saved, resume = self._begin(resume, checkpoint, int(epochs), seed)
        self.feed, held_out = self._feeds(train, validation, batch_size, shuffle, sample_weight)
        # In this order: measured first, then judged, written last, when everything else has its final state.
        chosen: list[Callback] = [Measure(held_out), ProgressBar(progress)]
        chosen += [] if self.schedule is None else [self.schedule]
        chosen += [*_judges(early_stopping, restore_best), *self.callbacks, *callbacks]
        chosen += [] if checkpoint is None else [checkpoints.Checkpointer(checkpoint, checkpoint_every)]
        self.events = CallbackList(chosen)
        try:
            self.events.call("on_fit_start", self)
            if saved is not None:
                checkpoints.restore(self, saved, str(resume))
            self._train(self.feed, self.events)
            self.events.call("on_fit_end", self)
        finally:
            self.events.close()
        return self.history

    def _train(self, feed: Feed, events: CallbackList) -> None:
        """The training loop: epochs of steps, compiled where that is possible."""
        model = self.model
        while self.epoch < self.epochs and not self.stop:
            model.train()
            if not self.inside_epoch:
                events.call("on_epoch_start", self)
            for results in self._steps(feed):
                self.step += len(results.losses)
                events.steps_end(self, results)
            self.epoch += 1
            self.inside_epoch = False
            events.call("on_epoch_end", self)

    def _steps(self, feed: Feed) -> Iterator[StepResults]:
        """The steps of an epoch, many at a time; one by one where they cannot be compiled."""
        if self._compiled is None:
            self._compiled = CompiledSteps(self)
        if self.not_compiled is None:
            self.not_compiled = why_eager(self)
        if self.not_compiled is None:
            place = feed.loader.state_dict()
            before = self.step
            try:
                yield from self._compiled.epoch(feed)
                return
            except (GradientError, GraphError) as problem:
                # Something looks at a traced number, or no back end has an op; at the first step nothing has happened yet.
                if self.step != before:
                    raise
                self.not_compiled = tell_eager(problem)
                feed.loader.load_state_dict(place)
        yield from self._eager_steps(feed)

    def _eager_steps(self, feed: Feed) -> Iterator[StepResults]:
        """The loop that a compiled run does in native code."""
        for inputs, targets, weights in feed:
            self.optimizer.zero_grad()
            predictions = self.model(*inputs)
            loss = self.objective(predictions, targets, weights)
            loss.backward()
            self.clip_gradients()
            self.optimizer.step(self._closure(inputs, targets, weights))
            yield StepResults(loss.numpy()[None], [BatchResult(inputs, targets, weights, predictions, loss)])

    def clip_gradients(self) -> None:
        """Limit the gradients as ``clip_value`` and ``clip_norm`` say."""
        if self.clip_value is not None:
            optim.clip_grad_value_(self.model.parameters(), self.clip_value)
        if self.clip_norm is not None:
            optim.clip_grad_norm_(self.model.parameters(), self.clip_norm)

    def _closure(self, inputs: Any, targets: Any, weights: Any) -> Callable[[], Any] | None:
        """What L-BFGS asks for several times a step; other optimizers need none."""
        if not isinstance(self.optimizer, optim.LBFGS):
            return None

        def closure() -> Any:
            self.optimizer.zero_grad()
            loss = self.objective(self.model(*inputs), targets, weights)
            loss.backward()
            self.clip_gradients()
            return loss

        return closure

    def _begin(
        self, resume: str | Path | Literal[True] | None, path: str | Path | None, epochs: int, seed: int | None
    ) -> tuple[dict[str, Any] | None, str | Path | None]:
        """Seed the run; the checkpoint to go on from, and where it came from."""
        if resume is True:
            if path is None:
                raise ConfigError(
                    "fit(resume=True)", "no checkpoint=", "a path to write to and resume from", "pass checkpoint="
                )
            resume = path if Path(path).exists() else None
        saved = None if resume is None else checkpoints.read_checkpoint(resume)
        if seed is not None:
            manual_seed(seed)
        if saved is not None:
            checkpoints.check_seed(saved, seed, str(resume))
            # What is drawn before the first epoch, such as the rows held out, must be drawn again as it was.
            default_generator().set_state(saved["start"])
        self._reset(epochs, seed)
        return saved, resume

    def _feeds(
        self, train: Any, validation: Any, batch_size: int, shuffle: bool, sample_weight: Any
    ) -> tuple[Feed, Feed | None]:
        """Training and validation batches."""
        dataset = as_dataset(train, "fit(train)")
        if sample_weight is not None:
            dataset = with_weights(dataset, sample_weight)
        weighted, held_out = sample_weight is not None, None
        if isinstance(validation, float):
            dataset, rest = hold_out(dataset, validation)
            held_out = self._feed(rest, _EVALUATION_ROWS, False, weighted, "fit(validation)")
        elif validation is not None:
            rest = as_dataset(validation, "fit(validation=...)")
            held_out = self._feed(rest, _EVALUATION_ROWS, False, False, "fit(validation=...)")
        if self.objective.balanced:
            self.objective.balance(row_targets(dataset))
        return self._feed(dataset, batch_size, shuffle, weighted, "fit(train)"), held_out

    def _feed(self, dataset: Any, batch_size: int, shuffle: bool, weighted: bool, name: str) -> Feed:
        loader = dataset if isinstance(dataset, DataLoader) else DataLoader(dataset, batch_size, shuffle)
        return Feed(loader, self.dtype, self.objective.class_targets, weighted, name)

    @property
    def batches(self) -> int:
        """Steps an epoch."""
        return len(self.feed)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type of the model's parameters."""
        return next((p.dtype for p in self.model.parameters() if is_float(p.dtype)), get_default_dtype())

    def better_of(self, name: str) -> Literal["higher", "lower"]:
        """Which way a measure such as ``val_accuracy`` improves."""
        plain = name.removeprefix("val_")
        return next((metric.better for metric in self.metrics if metric.name == plain), better_of(name))

    # ---- using the model

    def evaluate(self, data: Any, batch_size: int = _EVALUATION_ROWS) -> dict[str, float]:
        """The mean loss and the metrics over ``data``, in evaluation mode: ``{"loss": ..., "accuracy": ...}``."""
        return self.evaluate_feed(
            self._feed(as_dataset(data, "evaluate(data)"), batch_size, False, False, "evaluate(data)")
        )

    def evaluate_feed(self, feed: Feed, times: int = 1) -> dict[str, float]:
        """``evaluate`` for batches that are ready, and that will be measured so many ``times`` in all."""
        # Metrics of their own: a callback may evaluate in the middle of an epoch.
        meter = Meter(copy.deepcopy(self.metrics), self.objective.amount)
        evaluation = self.evaluation
        evaluation.begin(len(feed), feed.loader.batch_size, times)
        with evaluating(self.model):
            for inputs, targets, weights in feed:
                meter.add(evaluation.measure(inputs, targets, weights))
        return meter.values()

    @property
    def evaluation(self) -> Evaluation:
        """How batches are evaluated; its ``not_compiled`` says why the last ones were not compiled."""
        if self._evaluation is None:
            self._evaluation = Evaluation(self)
        return self._evaluation

    def predict(self, x: Any, batch_size: int = _EVALUATION_ROWS) -> Any:
        """The model's outputs for ``x`` (n, ...) in evaluation mode, ``batch_size`` rows at a time.

        An array, list, frame, Examples or Dataset (targets are left out) gives an array; a tensor gives a tensor.
        """
        if isinstance(x, (Dataset, DataLoader)):
            loader = x if isinstance(x, DataLoader) else DataLoader(x, batch_size)
            batches: Iterator[Any] = (batch[:-1] if isinstance(batch, (tuple, list)) else (batch,) for batch in loader)
            count, batch_size = len(loader), loader.batch_size
        else:
            rows = (
                x.inputs
                if isinstance(x, Examples)
                else x.numpy()
                if isinstance(x, Tensor)
                else as_array(x, "predict(x)")
            )
            starts = range(0, max(len(rows), 1), batch_size)
            batches, count = ((Tensor(rows[i : i + batch_size]),) for i in starts), len(starts)
        cast, evaluation = Feed.cast_inputs, self.evaluation
        evaluation.begin(count, batch_size)
        with evaluating(self.model):
            parts = [evaluation.outputs(cast(inputs, self.dtype)).numpy() for inputs in batches]
        outputs = np.concatenate(parts)
        return Tensor(outputs) if isinstance(x, Tensor) else outputs


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode without gradients; each module's own mode is back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _judges(early_stopping: EarlyStopping | int | None, restore_best: bool) -> list[Callback]:
    """Early stopping and the keeping of the best, by one measure."""
    judges: list[Callback] = []
    early = EarlyStopping(patience=early_stopping) if isinstance(early_stopping, int) else early_stopping
    if early is not None:
        judges.append(early)
    if restore_best:
        judges.append(RestoreBest(early.monitor, early.better, early.min_delta) if early is not None else RestoreBest())
    return judges
