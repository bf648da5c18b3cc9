"""From a network's outputs to answers, their scores, and what a model without any learning would have scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.target import Target
from chainrule.train import metrics

__all__ = ["Results", "answers", "baseline", "probabilities", "score", "sentence"]

Array = npt.NDArray[Any]

#: A class number for a class that the model does not know: never right.
UNKNOWN_CLASS = -1


@dataclass
class Results:
    """Scores on ``rows`` rows: the ``test`` rows, or the ``training`` rows where nothing was held out."""

    where: str
    rows: int
    scores: dict[str, float]
    baseline: dict[str, float]


def probabilities(outputs: Array) -> Array:
    """Softmax over the last axis, in float64: (n, classes) scores -> (n, classes) that sum to 1.

    >>> probabilities(np.array([[0.0, np.log(3.0)]], np.float32)).round(3).tolist()
    [[0.25, 0.75]]
    """
    scores = outputs.astype(np.float64)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def answers(target: Target, outputs: Array) -> Array:
    """Class numbers (n,), or amounts (n,) in the target's own unit."""
    return outputs.argmax(axis=1) if target.task == "classification" else target.decode(outputs)


def score(target: Target, truth: Array, given: Array) -> dict[str, float]:
    """How right the answers are: accuracy; or R2, and mean absolute and root mean squared error in the target's unit."""
    if target.task == "classification":
        return {"accuracy": float((truth == given).mean())}
    scores = {
        "mae": float(metrics.mean_absolute_error(given, truth)),
        "rmse": float(metrics.root_mean_squared_error(given, truth)),
    }
    # R2 compares with the spread of the true values: one row has none.
    return {"r2": float(metrics.r2_score(given, truth)), **scores} if np.ptp(truth) > 0 else scores


def baseline(target: Target, train: Array, truth: Array) -> dict[str, float]:
    """The score of always answering the most common class, or the mean, of the training targets."""
    if target.task == "classification":
        guess = np.full(len(truth), np.bincount(train, minlength=len(target.classes)).argmax())
    else:
        guess = np.full(len(truth), train.mean())
    return score(target, truth, guess)


def sentence(scores: dict[str, float], rows: int, beside: dict[str, float] | None = None) -> str:
    """Scores in words, beside those of the baseline.

    >>> sentence({"accuracy": 0.95}, 40, {"accuracy": 0.25})
    'accuracy 0.950 (38 of 40 rows right); always answering the most common class: 0.250'
    >>> sentence({"r2": 0.5, "mae": 12.0, "rmse": 20.0}, 40, {"r2": 0.0, "mae": 30.0, "rmse": 28.0})
    'R2 0.500, mean absolute error 12, root mean squared error 20; always answering the mean: R2 0.000, error 30'
    """
    if "accuracy" in scores:
        share = scores["accuracy"]
        text = f"accuracy {share:.3f} ({round(share * rows):,} of {rows:,} rows right)"
        return text + (f"; always answering the most common class: {beside['accuracy']:.3f}" if beside else "")
    r2 = f"R2 {scores['r2']:.3f}, " if "r2" in scores else ""
    text = f"{r2}mean absolute error {scores['mae']:.4g}, root mean squared error {scores['rmse']:.4g}"
    if beside:
        r2 = f"R2 {beside['r2']:.3f}, " if "r2" in beside else ""
        text += f"; always answering the mean: {r2}error {beside['mae']:.4g}"
    return text
