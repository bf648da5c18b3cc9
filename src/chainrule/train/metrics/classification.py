"""Metrics of predicted classes: accuracy, top-k accuracy, the confusion matrix and what is read from it.

All take ``(predictions, targets)`` in the forms of :mod:`chainrule.train.metrics.inputs`. A NaN among the predictions
gives a NaN result, because a broken run should not look like a bad one; ``confusion_matrix``, which has no place for
it, raises an error.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.train.metrics.inputs import NO_CLASS, Array, as_array, class_labels, class_targets, row_weights

__all__ = [
    "Average",
    "accuracy",
    "confusion_matrix",
    "f1",
    "precision",
    "recall",
    "score_confusion",
    "top_k_accuracy",
]

Average = Literal["auto", "binary", "macro", "micro", "weighted"]
Score = Literal["precision", "recall", "f1"]


def row_hits(predictions: Any, targets: Any, threshold: float = 0.5) -> Array:
    """(n,) float64: 1 where the predicted class is the target, 0 where not, NaN where the scores held a NaN."""
    labels = class_labels(predictions, targets, threshold)
    return np.where(labels.predicted == NO_CLASS, np.nan, labels.predicted == labels.true)


def row_top_k_hits(predictions: Any, targets: Any, k: int) -> Array:
    """(n,) float64: 1 where the target is among the k highest scores; equal scores rank by class index."""
    scores, true = as_array(predictions, "predictions"), class_targets(targets)
    if scores.ndim != 2 or len(scores) != len(true):
        raise ShapeError(f"top-{k} accuracy", f"{scores.shape} and {true.shape}", "(n, k) scores and n targets")
    if true.max() >= scores.shape[1]:
        raise DataError("class targets", f"class {true.max()}", f"classes 0 to {scores.shape[1] - 1}")
    own = np.take_along_axis(scores, true[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < true[:, None]
    rank = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
    return np.where(np.isnan(scores).any(axis=1), np.nan, rank < k)


def weighted_mean(values: Array, weights: Array) -> float:
    """sum(w v) / sum(w); NaN when the weights add up to 0."""
    total = weights.sum()
    return float((weights * values).sum() / total) if total > 0 else float("nan")


def accuracy(predictions: Any, targets: Any, weights: Any = None, *, threshold: float = 0.5) -> float:
    """Share of rows whose predicted class is the target.

    ``sum_i w_i [argmax_j p_ij = t_i] / sum_i w_i``; a single score a row chooses class 1 above ``threshold``
    (0.5 for probabilities; pass 0 for logits). Equal scores choose the first class.

    NaN when a prediction is NaN or the weights add up to 0. Raises DataError for no rows, ShapeError for lengths that
    differ.

    >>> accuracy([[0.1, 0.9], [0.8, 0.2], [0.6, 0.4]], [1, 0, 1])
    0.6666666666666666
    >>> accuracy([-2.0, 0.3], [0, 1], threshold=0)
    1.0
    >>> accuracy([0, 2, 1], [0, 2, 2], weights=[1, 1, 2])
    0.5
    """
    hits = row_hits(predictions, targets, threshold)
    return weighted_mean(hits, row_weights(weights, len(hits)))


def top_k_accuracy(predictions: Any, targets: Any, k: int = 5, weights: Any = None) -> float:
    """Share of rows whose target is among the ``k`` highest of the (n, classes) scores.

    Equal scores rank by class index, so that k = 1 is ``accuracy`` (scikit-learn ranks them the other way round).
    1 when k is at least the number of classes. NaN when a prediction is NaN.

    >>> scores = [[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.1, 0.3, 0.6]]
    >>> top_k_accuracy(scores, [0, 1, 0], k=2)
    0.6666666666666666
    """
    if k < 1:
        raise ConfigError("top_k_accuracy", f"k={k}", "k of 1 or more")
    hits = row_top_k_hits(predictions, targets, k)
    return weighted_mean(hits, row_weights(weights, len(hits)))


def confusion_matrix(
    predictions: Any, targets: Any, weights: Any = None, *, classes: int | None = None, threshold: float = 0.5
) -> Array:
    """How often each class was taken for each: ``C[t, p]`` = rows (or their weight) of true class t predicted as p.

    Shape (k, k): int64 counts, or float64 with weights. k is ``classes``, or the number of score columns,
    or one more than the largest index seen. Raises DataError when a prediction is NaN.

    >>> confusion_matrix([0, 2, 1, 1], [0, 2, 2, 1])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    labels = class_labels(predictions, targets, threshold)
    if (labels.predicted == NO_CLASS).any():
        count = int((labels.predicted == NO_CLASS).sum())
        raise DataError("confusion_matrix", f"{count} rows with NaN scores", "finite scores")
    size = labels.classes if classes is None else classes
    largest = int(max(labels.predicted.max(), labels.true.max()))
    if largest >= size:
        raise DataError("confusion_matrix", f"class {largest}", f"classes 0 to {size - 1}, as classes={size}")
    matrix = np.zeros((size, size), np.int64 if weights is None else np.float64)
    amount = 1 if weights is None else row_weights(weights, len(labels.true))
    np.add.at(matrix, (labels.true, labels.predicted), amount)
    return matrix


def score_confusion(
    matrix: Array, score: Score, average: Average = "auto", positive: int = 1, zero_division: float = 0.0
) -> float:
    """Precision, recall or F1 from a (k, k) confusion matrix; see :func:`precision` for the averages.

    >>> score_confusion(np.array([[3, 1], [1, 5]]), "recall")
    0.8333333333333334
    """
    if average not in ("auto", "binary", "macro", "micro", "weighted"):
        raise ConfigError(score, f"average={average!r}", "auto, binary, macro, micro or weighted")
    if average == "auto":
        average = "binary" if len(matrix) == 2 else "macro"
    if average == "binary" and len(matrix) != 2:
        raise ConfigError(score, f"average='binary' for {len(matrix)} classes", "two classes", "pass average='macro'")
    hits = np.diag(matrix).astype(np.float64)
    predicted, actual = matrix.sum(axis=0).astype(np.float64), matrix.sum(axis=1).astype(np.float64)
    if average == "micro":
        hits, predicted, actual = hits.sum(keepdims=True), predicted.sum(keepdims=True), actual.sum(keepdims=True)
    bottom = {"precision": predicted, "recall": actual, "f1": (predicted + actual) / 2}[score]
    by_class = np.divide(hits, bottom, out=np.full_like(hits, zero_division), where=bottom > 0)
    if average == "binary":
        return float(by_class[positive])
    if average == "weighted":
        return weighted_mean(by_class, actual)
    seen = predicted + actual > 0
    return float(by_class[seen].mean()) if seen.any() else float("nan")


def _score(
    score: Score,
    predictions: Any,
    targets: Any,
    weights: Any,
    average: Average,
    positive: int,
    threshold: float,
    zero_division: float,
) -> float:
    labels = class_labels(predictions, targets, threshold)
    if (labels.predicted == NO_CLASS).any():
        return float("nan")
    matrix = confusion_matrix(labels.predicted, labels.true, weights, classes=labels.classes)
    return score_confusion(matrix, score, average, positive, zero_division)


def precision(
    predictions: Any,
    targets: Any,
    weights: Any = None,
    *,
    average: Average = "auto",
    positive: int = 1,
    threshold: float = 0.5,
    zero_division: float = 0.0,
) -> float:
    """Of the rows predicted as a class, the share that are of it: ``TP / (TP + FP)``.

    ``average``: "binary" scores class ``positive`` of two; "macro" is the mean over the classes that occur in targets
    or predictions; "weighted" weighs that mean by each class's rows; "micro" pools all classes (and equals accuracy);
    "auto" is binary for two classes, macro for more.

    A class that is never predicted has no precision: it counts as ``zero_division``. NaN when a prediction is NaN.

    >>> precision([1, 1, 0, 1], [1, 0, 0, 1])
    0.6666666666666666
    >>> precision([0, 0], [1, 0])
    0.0
    """
    return _score("precision", predictions, targets, weights, average, positive, threshold, zero_division)


def recall(
    predictions: Any,
    targets: Any,
    weights: Any = None,
    *,
    average: Average = "auto",
    positive: int = 1,
    threshold: float = 0.5,
    zero_division: float = 0.0,
) -> float:
    """Of the rows of a class, the share that were found: ``TP / (TP + FN)``; averages as in :func:`precision`.

    A class without rows has no recall: it counts as ``zero_division``. NaN when a prediction is NaN.

    >>> recall([1, 1, 0, 0], [1, 0, 1, 1])
    0.3333333333333333
    """
    return _score("recall", predictions, targets, weights, average, positive, threshold, zero_division)


def f1(
    predictions: Any,
    targets: Any,
    weights: Any = None,
    *,
    average: Average = "auto",
    positive: int = 1,
    threshold: float = 0.5,
    zero_division: float = 0.0,
) -> float:
    """Harmonic mean of precision and recall: ``2 TP / (2 TP + FP + FN)``; averages as in :func:`precision`.

    A class neither predicted nor present has no F1: it counts as ``zero_division`` when "binary" asks for it, and is
    left out of the means. NaN when a prediction is NaN.

    >>> f1([1, 1, 0, 1], [1, 0, 0, 1])
    0.8
    >>> f1([0, 1, 2, 2], [0, 1, 1, 2], average="macro")
    0.7777777777777777
    """
    return _score("f1", predictions, targets, weights, average, positive, threshold, zero_division)
