"""Metrics of predicted numbers: mean absolute and squared error, and the coefficient of determination."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.errors import ShapeError
from chainrule.train.metrics.inputs import Array, as_array, row_weights

__all__ = ["mean_absolute_error", "mean_squared_error", "r2_score", "root_mean_squared_error"]


def number_pairs(predictions: Any, targets: Any) -> tuple[Array, Array]:
    """Both as float64 of one shape (n, outputs); (n,) and (n, 1) are the same thing here."""
    predicted, true = as_array(predictions, "predictions"), as_array(targets, "targets")
    if predicted.shape != true.shape:
        raise ShapeError("a regression metric", f"{predicted.shape} and {true.shape}", "equal shapes")
    rows = len(true)
    return predicted.reshape(rows, -1).astype(np.float64), true.reshape(rows, -1).astype(np.float64)


def row_mean(values: Array, weights: Array) -> float:
    """Weighted mean over rows of each row's mean over outputs; NaN when the weights add up to 0."""
    total = weights.sum()
    return float((weights * values.mean(axis=1)).sum() / total) if total > 0 else float("nan")


def mean_absolute_error(predictions: Any, targets: Any, weights: Any = None) -> float:
    """``mean |p - t|`` over rows and outputs, in the target's unit. NaN when either side holds a NaN.

    >>> mean_absolute_error([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
    1.0
    """
    predicted, true = number_pairs(predictions, targets)
    return row_mean(np.abs(predicted - true), row_weights(weights, len(true)))


def mean_squared_error(predictions: Any, targets: Any, weights: Any = None) -> float:
    """``mean (p - t)^2`` over rows and outputs, in the target's unit squared. NaN when either side holds a NaN.

    >>> mean_squared_error([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
    1.6666666666666667
    """
    predicted, true = number_pairs(predictions, targets)
    return row_mean((predicted - true) ** 2, row_weights(weights, len(true)))


def root_mean_squared_error(predictions: Any, targets: Any, weights: Any = None) -> float:
    """``sqrt(mean (p - t)^2)`` over rows and outputs, in the target's unit.

    >>> root_mean_squared_error([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    return float(np.sqrt(mean_squared_error(predictions, targets, weights)))


def r2_score(predictions: Any, targets: Any, weights: Any = None) -> float:
    """Coefficient of determination, the share of the targets' variance that is explained.

    ``1 - sum (t - p)^2 / sum (t - mean t)^2``, for several outputs the mean of each output's. 1 is perfect, 0 is as
    good as always predicting the mean, below 0 is worse.

    Undefined cases: fewer than two rows give NaN; a constant target gives 1 if it is met exactly and 0 if not
    (as in scikit-learn); a NaN on either side gives NaN.

    >>> r2_score([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0])
    0.9486081370449679
    >>> r2_score([1.0, 2.0], [3.0, 3.0])
    0.0
    """
    predicted, true = number_pairs(predictions, targets)
    moments = TargetMoments()
    moments.update(predicted, true, row_weights(weights, len(true)))
    return moments.r2()


class TargetMoments:
    """Running residual and total sums of squares of R2, exact over batches and stable for far-off means.

    Batches are merged by Chan, Golub and LeVeque's update (1979), on targets shifted by the first row, so that a
    constant target has a total of exactly zero.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.weight = 0.0
        self.shift: Array | None = None
        self.mean: Array = np.zeros(1)
        self.total: Array = np.zeros(1)
        self.residual: Array = np.zeros(1)

    def update(self, predicted: Array, true: Array, weights: Array) -> None:
        """Add a batch (n, outputs) with weights (n,)."""
        if self.shift is None:
            self.shift = true[0]
            self.mean, self.total, self.residual = (np.zeros(true.shape[1]) for _ in range(3))
        added = weights.sum()
        self.rows += len(true)
        if added == 0:
            return
        column, shifted = weights[:, None], true - self.shift
        mean = (column * shifted).sum(axis=0) / added
        step = mean - self.mean
        together = self.weight + added
        self.residual = self.residual + (column * (true - predicted) ** 2).sum(axis=0)
        within = (column * (shifted - mean) ** 2).sum(axis=0)
        self.total = self.total + within + step**2 * self.weight * added / together
        self.mean = self.mean + step * added / together
        self.weight = together

    def r2(self) -> float:
        """The mean over outputs; NaN for fewer than two rows or no weight."""
        if self.rows < 2 or self.weight == 0:
            return float("nan")
        ratio = np.divide(self.residual, self.total, out=np.ones_like(self.total), where=self.total != 0)
        ratio = np.where((self.total == 0) & (self.residual == 0), 0.0, ratio)
        return float((1 - ratio).mean())
