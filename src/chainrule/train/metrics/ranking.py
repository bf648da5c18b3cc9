"""Metrics of ranked scores: the ROC curve and the area under it."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.errors import DataError, ShapeError
from chainrule.train.metrics.inputs import ROW_SUM_TOLERANCE, Array, as_array, class_targets, row_weights

__all__ = ["roc_auc", "roc_curve"]


def roc_curve(predictions: Any, targets: Any, weights: Any = None) -> tuple[Array, Array, Array]:
    """False positive rate, true positive rate and threshold, as the threshold on the score of class 1 comes down.

    ``TPR = TP / positives``, ``FPR = FP / negatives``, counting rows with score >= threshold. Predictions are scores
    (n,), (n, 1) or (n, 2), probabilities or logits alike. Returns three arrays of one point for each different
    score and a first one at (0, 0), threshold infinity.

    Raises DataError when the targets hold only one class (a rate would be 0/0) or a score is NaN.

    >>> false_positive, true_positive, threshold = roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    >>> false_positive.tolist(), true_positive.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])

    Source: T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006), algorithm 1.
    """
    scores, true = _scores_and_targets(predictions, targets)
    if scores.ndim != 1 or true.max() > 1:
        raise ShapeError("roc_curve", f"scores {scores.shape}, classes to {true.max()}", "two classes", "use roc_auc")
    if np.isnan(scores).any():
        raise DataError("roc_curve", f"{int(np.isnan(scores).sum())} NaN scores", "finite scores")
    amount = row_weights(weights, len(true))
    positives, negatives = amount[true == 1].sum(), amount[true == 0].sum()
    if positives == 0 or negatives == 0:
        raise DataError("roc_curve", "targets of one class only", "rows of class 0 and of class 1")
    return _curve(scores, true == 1, amount)


def roc_auc(predictions: Any, targets: Any, weights: Any = None) -> float:
    """Area under the ROC curve: the chance that a random row of the class scores above a random other row.

    ``P(s+ > s-) + P(s+ = s-) / 2``. Two classes: scores (n,), (n, 1) or (n, 2). More: (n, k) probabilities or logits
    (which are put through softmax); each class against the rest, and the mean over classes.

    Undefined cases: NaN when all targets are of one class or a score is NaN. A class without rows is left out
    of the mean.

    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    >>> roc_auc([0.2, 0.9], [1, 1])
    nan

    Source: Fawcett (2006), section 7; J. Hanley and B. McNeil, Radiology 143 (1982).
    """
    scores, true = _scores_and_targets(predictions, targets)
    amount = row_weights(weights, len(true))
    if np.isnan(scores).any():
        return float("nan")
    if scores.ndim == 1:
        return _area(scores, true == 1, amount)
    areas = np.array([_area(column, true == index, amount) for index, column in enumerate(scores.T)])
    defined = ~np.isnan(areas)
    return float(areas[defined].mean()) if defined.any() else float("nan")


def _scores_and_targets(predictions: Any, targets: Any) -> tuple[Array, Array]:
    """Scores (n,) of class 1, or probabilities (n, k) for three classes and more; and class indices (n,)."""
    scores, true = as_array(predictions, "predictions").astype(np.float64), class_targets(targets)
    if scores.ndim > 2 or len(scores) != len(true):
        raise ShapeError("an ROC metric", f"{scores.shape} and {true.shape}", "(n,) or (n, k) scores and n targets")
    classes = 2 if scores.ndim == 1 else scores.shape[1]
    if true.max() >= classes:
        raise DataError("an ROC metric", f"target class {true.max()}", f"classes 0 to {classes - 1}")
    if scores.ndim == 1:
        return scores, true
    if classes == 2:
        # The difference ranks as softmax does, for logits and for probabilities alike.
        return scores[:, 1] - scores[:, 0], true
    probabilities = (scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) <= ROW_SUM_TOLERANCE).all()
    return (scores if probabilities else _softmax(scores)), true


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _curve(scores: Array, positive: Array, weights: Array) -> tuple[Array, Array, Array]:
    order = np.argsort(-scores, kind="stable")
    scores, positive, weights = scores[order], positive[order], weights[order]
    # Rows of equal score cross the threshold together.
    last = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    true_positive = np.append(0.0, np.cumsum(weights * positive)[last])
    false_positive = np.append(0.0, np.cumsum(weights * ~positive)[last])
    return false_positive / false_positive[-1], true_positive / true_positive[-1], np.append(np.inf, scores[last])


def _area(scores: Array, positive: Array, weights: Array) -> float:
    if weights[positive].sum() == 0 or weights[~positive].sum() == 0:
        return float("nan")
    false_positive, true_positive, _ = _curve(scores, positive, weights)
    return float(np.trapezoid(true_positive, false_positive))
