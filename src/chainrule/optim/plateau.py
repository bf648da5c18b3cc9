"""A learning rate that falls when a metric stops improving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.core.errors import ConfigError
from chainrule.optim.optimizer import Optimizer, check_settings
from chainrule.optim.schedules import LRScheduler

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """The learning rate times ``factor`` when a metric has not improved for more than ``patience`` epochs.

    An improvement is a metric below ``best * (1 - threshold)`` for mode "min" and above ``best * (1 + threshold)`` for
    mode "max"; with threshold_mode "abs", below ``best - threshold`` and above ``best + threshold``. A NaN is none.

    Args:
        optimizer: whose learning rates to change.
        mode: "min" for losses, "max" for accuracies.
        factor: what the rate is multiplied by, below 1.
        patience: how many epochs without an improvement are let pass.
        threshold: the least change that counts.
        threshold_mode: "rel" or "abs".
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the least learning rate, or one a group.
        eps: a reduction smaller than this is not made.

    Raises:
        ConfigError: a setting outside its range, or another number of ``min_lr`` than of groups.

    PyTorch is the same. Keras reduces one epoch earlier (when ``patience`` epochs, not more, brought nothing) and
    has an absolute ``min_delta`` for the threshold.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = ReduceLROnPlateau(SGD([cr.zeros(1)], lr=1.0), factor=0.5, patience=1)
    >>> [(schedule.step(loss), schedule.get_last_lr()[0])[1] for loss in (3.0, 2.0, 2.0, 2.0, 1.0)]
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    needs_metric = True

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        check_settings(
            "ReduceLROnPlateau",
            factor=(factor, 0, 1),
            patience=(patience, 0, math.inf),
            threshold=(threshold, 0, math.inf),
            cooldown=(cooldown, 0, math.inf),
        )
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ConfigError(
                "ReduceLROnPlateau", f"mode={mode!r}, threshold_mode={threshold_mode!r}",
                'mode "min" or "max", threshold_mode "rel" or "abs"', 'pass mode="min" for a loss',
            )  # fmt: skip
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self._attach(optimizer)
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ConfigError(
                "ReduceLROnPlateau", f"{len(self.min_lrs)} min_lr", f"{groups}, one a group", "pass one a group"
            )
        self.start()

    def start(self) -> None:
        """Forget the metrics seen; the learning rates stay as they are."""
        self.last_epoch = 0
        #: The best metric so far; None before the first.
        self.best: float | None = None
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def step(self, metrics: Any = None) -> None:
        """Go to the next epoch, with the metric of the one that ended: a number, or a tensor of one element."""
        if metrics is None:
            raise ConfigError(
                "ReduceLROnPlateau.step()", "no metric", "the loss or metric to watch", "schedule.step(validation_loss)"
            )
        metric = float(metrics)
        self.last_epoch += 1
        if self._improves(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            reduced = [(lr, max(lr * self.factor, low)) for lr, low in zip(self._rates(), self.min_lrs, strict=True)]
            self._set(new if lr - new > self.eps else lr for lr, new in reduced)
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _improves(self, metric: float) -> bool:
        if self.best is None:
            return math.isfinite(metric)
        sign = 1 if self.mode == "max" else -1
        margin = self.best * self.threshold if self.threshold_mode == "rel" else self.threshold
        limit = self.best + sign * margin
        return metric > limit if self.mode == "max" else metric < limit
