"""What metrics accept, brought to one form: class indices, scores, weights.

Predictions are class indices (n,), probabilities of class 1 (n,) or (n, 1), or one score a class (n, k).
Targets are class indices (n,) or (n, 1), or one-hot rows (n, k). A Tensor works wherever an array does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DataError, DTypeError, ShapeError

__all__ = ["Labels", "as_array", "class_labels", "class_targets", "row_weights"]

Array = npt.NDArray[Any]

#: Rows of a one-hot or soft target add up to one, up to float32 rounding over many classes.
ROW_SUM_TOLERANCE = 1e-3

#: What a row is predicted as when its scores hold a NaN: no class.
NO_CLASS = -1


class Labels(NamedTuple):
    """Class indices of predictions and targets, and how many classes there are."""

    predicted: Array  #: (n,) int64; NO_CLASS where the scores held a NaN
    true: Array  #: (n,) int64
    classes: int


def as_array(values: Any, name: str) -> Array:
    """``values`` (array, list, Tensor, column of a frame) as an array of numbers with rows; (n, 1) becomes (n,)."""
    array = np.asarray(values.numpy() if hasattr(values, "numpy") else values)
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"a metric of {name}", f"dtype {array.dtype}", "numbers", "encode class names as 0, 1, 2, ...")
    if array.ndim == 0 or array.shape[0] == 0:
        raise DataError(f"a metric of {name}", f"no rows, shape {array.shape}", "at least one row")
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def class_targets(targets: Any) -> Array:
    """Targets as class indices (n,) int64.

    >>> class_targets([[0, 0, 1], [1, 0, 0]]).tolist(), class_targets([[1.0], [0.0]]).tolist()
    ([2, 0], [1, 0])
    """
    array = as_array(targets, "targets")
    if array.ndim == 1:
        indices = array.astype(np.int64)
        if not np.array_equal(indices, array) or indices.min() < 0:
            raise DataError("class targets", f"values from {array.min()} to {array.max()}", "whole numbers from 0")
        return indices
    if array.ndim != 2:
        raise ShapeError("class targets", f"shape {array.shape}", "(n,) indices or (n, k) one-hot rows")
    if (array < 0).any() or (np.abs(array.sum(axis=1) - 1) > ROW_SUM_TOLERANCE).any():
        raise DataError(
            f"class targets of shape {array.shape}",
            "rows that do not add up to 1",
            "one-hot rows, one class each",
            "for several labels a row, measure each column on its own",
        )
    return np.asarray(array.argmax(axis=1))


def class_labels(predictions: Any, targets: Any, threshold: float = 0.5) -> Labels:
    """Both sides as class indices; (n,) of floats are scores of class 1, which is chosen above ``threshold``.

    >>> class_labels([0.2, 0.7], [0, 1])
    Labels(predicted=array([0, 1]), true=array([0, 1]), classes=2)
    """
    scores, true = as_array(predictions, "predictions"), class_targets(targets)
    if scores.ndim > 2 or len(scores) != len(true):
        raise ShapeError("predictions and targets", f"{scores.shape} and {true.shape}", "(n,) or (n, k), and n targets")
    if scores.ndim == 2:
        classes = scores.shape[1]
        if true.max() >= classes:
            raise DataError("class targets", f"class {true.max()}", f"classes 0 to {classes - 1}, one for each column")
        predicted = np.where(np.isnan(scores).any(axis=1), NO_CLASS, scores.argmax(axis=1))
        return Labels(predicted, true, classes)
    if scores.dtype.kind == "f":
        _check_binary(scores, true, threshold)
        predicted = np.where(np.isnan(scores), NO_CLASS, scores > threshold)
        return Labels(predicted, true, 2)
    predicted = scores.astype(np.int64)
    if predicted.min() < 0:
        raise DataError("class predictions", f"class {predicted.min()}", "class indices from 0")
    return Labels(predicted, true, max(2, 1 + int(max(predicted.max(), true.max()))))


def _check_binary(scores: Array, true: Array, threshold: float) -> None:
    """One float a row means two classes; with a threshold inside (0, 1) the floats must be probabilities."""
    if true.max() > 1:
        raise ShapeError(
            "a classification metric", f"one score a row, but target class {true.max()}", "(n, k) scores, one a class"
        )
    low, high = np.nanmin(scores, initial=0.0), np.nanmax(scores, initial=0.0)
    if 0 < threshold < 1 and (low < 0 or high > 1):
        raise DataError(
            f"a classification metric at probability {threshold:g}",
            f"values from {low:g} to {high:g}",
            "probabilities from 0 to 1",
            "pass threshold=0 if these are logits, or whole-number arrays if they are class indices",
        )


def row_weights(weights: Any, rows: int) -> Array:
    """One weight a row, float64; ones when none are given."""
    if weights is None:
        return np.ones(rows)
    array = as_array(weights, "weights").astype(np.float64)
    if array.shape != (rows,):
        raise ShapeError("sample weights", f"shape {array.shape}", f"({rows},), one for each row")
    if not np.isfinite(array).all() or array.min() < 0:
        raise DataError("sample weights", f"values from {array.min()} to {array.max()}", "finite, 0 or more")
    return array
