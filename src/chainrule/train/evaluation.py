"""Evaluation and prediction, compiled where there is enough to do: a native call for each batch."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import chainrule
from chainrule.core.config import config
from chainrule.core.errors import GradientError, GraphError
from chainrule.core.modes import local
from chainrule.nn.module import Module
from chainrule.tensor import Tensor
from chainrule.train.callbacks import BatchResult
from chainrule.train.compiled import SECONDS_TO_COMPILE, reason_of, row_weights

if TYPE_CHECKING:
    from chainrule.train.trainer import Trainer

__all__ = ["Evaluation", "forward_seconds"]


def forward_seconds(model: Module, rows: int, batches: int) -> float:
    """About what a model takes to answer for so many rows, in so many batches, without being compiled.

    A guess from sizes alone, as for training steps: the same evaluation always goes the same way, to the same bits.
    """
    weights = sum(p.numel() for p in model.parameters())
    units = sum(p.numel() for p in model.parameters() if p.ndim == 1)
    layers = sum(1 for _ in model.modules())
    return 1e-5 * layers * batches + (2 * weights / 5e10 + 3e-9 * units) * rows


class Evaluation:
    """The batches of a trainer's ``evaluate`` and ``predict``.

    Full batches are compiled where that pays; the last, smaller one would be a program of its own, so the model answers
    for it as it is.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._rows = 0
        #: Why the last evaluation or prediction was not compiled; None if it was.
        self.not_compiled: str | None = None

    def begin(self, batches: int, rows: int, times: int = 1) -> None:
        """``batches`` of ``rows`` follow, and that ``times`` over in all."""
        self._rows = rows
        self.not_compiled = self._why_plain(batches, rows, times)

    def _why_plain(self, batches: int, rows: int, times: int) -> str | None:
        if config.backend == "eager":
            return "cr.config.backend is 'eager'"
        if local.mode.watch is not None:
            return "watch_nan looks at every op"
        seconds = times * forward_seconds(self.trainer.model, batches * rows, batches)
        if config.backend == "auto" and seconds < SECONDS_TO_COMPILE:
            return f"{times * batches} batches are over before a program is compiled"
        return None

    def measure(self, inputs: tuple[Tensor, ...], targets: Tensor, weights: Tensor | None) -> BatchResult:
        """A batch with the model's answers and their loss."""
        trainer = self.trainer
        if self._is_full(inputs):
            v = row_weights(trainer, targets, weights)
            try:
                predictions, loss = self._measured(inputs, targets, v)
                return BatchResult(inputs, targets, weights, predictions, loss)
            except (GradientError, GraphError) as problem:
                self.not_compiled = reason_of(problem)
        predictions = trainer.model(*inputs)
        return BatchResult(inputs, targets, weights, predictions, trainer.objective(predictions, targets, weights))

    def outputs(self, inputs: tuple[Tensor, ...]) -> Any:
        """The model's answers for a batch."""
        if self._is_full(inputs):
            try:
                return self._outputs(inputs)
            except (GradientError, GraphError) as problem:
                self.not_compiled = reason_of(problem)
        return self.trainer.model(*inputs)

    def _is_full(self, inputs: tuple[Tensor, ...]) -> bool:
        return self.not_compiled is None and inputs[0].shape[:1] == (self._rows,)

    # ---- what is traced; the compiler is loaded when it is first wanted

    @cached_property
    def _outputs(self) -> Any:
        return chainrule.compile(self._forward)

    @cached_property
    def _measured(self) -> Any:
        return chainrule.compile(self._forward_and_loss)

    def _forward(self, inputs: tuple[Tensor, ...]) -> Any:
        return self.trainer.model(*inputs)

    def _forward_and_loss(self, inputs: tuple[Tensor, ...], targets: Tensor, v: Tensor | None) -> Any:
        predictions = self.trainer.model(*inputs)
        return predictions, self.trainer.objective(predictions, targets, None, v)
