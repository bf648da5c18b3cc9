"""Metrics that are fed batch by batch and are exact over all of them, for the Trainer.

A mean of batch values is wrong for F1, R2 or ROC AUC, and for anything when the last batch is short; so each metric
keeps what its formula needs: sums, a confusion matrix, or (ROC AUC, user functions) all rows.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from chainrule.core.errors import ConfigError
from chainrule.train.metrics import classification, ranking, regression
from chainrule.train.metrics.classification import Average, Score
from chainrule.train.metrics.inputs import NO_CLASS, Array, as_array, class_labels, row_weights

__all__ = [
    "Accuracy",
    "ConfusionScore",
    "FunctionMetric",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "R2Score",
    "RocAuc",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "resolve",
]

Better = Literal["higher", "lower"]
NAN = float("nan")


@runtime_checkable
class Metric(Protocol):
    """What the Trainer asks of a metric. ``compute()`` before any ``update`` gives NaN."""

    name: str
    better: Better

    def update(self, predictions: Any, targets: Any, weights: Any = None) -> None:
        """Add a batch."""

    def compute(self) -> float:
        """The value over all batches since ``reset``."""

    def reset(self) -> None:
        """Forget all batches."""


class RunningMean:
    """Base: a weighted mean of one number a row, ``sum(w v) / sum(w)``."""

    name: str = "mean"
    better: Better = "higher"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._sum, self._weight = 0.0, 0.0

    def values(self, predictions: Any, targets: Any) -> Array:
        """One number a row (n,)."""
        raise NotImplementedError

    def update(self, predictions: Any, targets: Any, weights: Any = None) -> None:
        values = self.values(predictions, targets)
        amount = row_weights(weights, len(values))
        self._sum += float((amount * values).sum())
        self._weight += float(amount.sum())

    def compute(self) -> float:
        return self._sum / self._weight if self._weight > 0 else NAN

    def __repr__(self) -> str:
        return f"<{self.name}: {self.compute():.4g}>"


class Accuracy(RunningMean):
    """Streaming :func:`~chainrule.train.metrics.accuracy`.

    >>> metric = Accuracy()
    >>> metric.update([0, 1, 1], [0, 1, 0])
    >>> metric.update([2], [2])
    >>> metric.compute()
    0.75
    """

    name = "accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = threshold

    def values(self, predictions: Any, targets: Any) -> Array:
        return classification.row_hits(predictions, targets, self.threshold)


class TopKAccuracy(RunningMean):
    """Streaming :func:`~chainrule.train.metrics.top_k_accuracy`, named ``top5`` for k = 5."""

    def __init__(self, k: int = 5) -> None:
        if k < 1:
            raise ConfigError("TopKAccuracy", f"k={k}", "k of 1 or more")
        super().__init__()
        self.k, self.name = k, f"top{k}"

    def values(self, predictions: Any, targets: Any) -> Array:
        return classification.row_top_k_hits(predictions, targets, self.k)


class MeanAbsoluteError(RunningMean):
    """Streaming :func:`~chainrule.train.metrics.mean_absolute_error`."""

    name = "mae"
    better: Better = "lower"

    def values(self, predictions: Any, targets: Any) -> Array:
        predicted, true = regression.number_pairs(predictions, targets)
        return np.asarray(np.abs(predicted - true).mean(axis=1))


class MeanSquaredError(RunningMean):
    """Streaming :func:`~chainrule.train.metrics.mean_squared_error`."""

    name = "mse"
    better: Better = "lower"

    def values(self, predictions: Any, targets: Any) -> Array:
        predicted, true = regression.number_pairs(predictions, targets)
        return np.asarray(((predicted - true) ** 2).mean(axis=1))


class RootMeanSquaredError(MeanSquaredError):
    """Streaming :func:`~chainrule.train.metrics.root_mean_squared_error`: the root of the whole mean."""

    name = "rmse"

    def compute(self) -> float:
        return float(np.sqrt(super().compute()))


class R2Score:
    """Streaming :func:`~chainrule.train.metrics.r2_score`."""

    name: str = "r2"
    better: Better = "higher"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._moments = regression.TargetMoments()

    def update(self, predictions: Any, targets: Any, weights: Any = None) -> None:
        predicted, true = regression.number_pairs(predictions, targets)
        self._moments.update(predicted, true, row_weights(weights, len(true)))

    def compute(self) -> float:
        return self._moments.r2()


class ConfusionScore:
    """Streaming precision, recall or F1, from one confusion matrix that grows with the classes seen.

    >>> metric = ConfusionScore("f1", average="macro")
    >>> metric.update([0, 1], [0, 1])
    >>> metric.update([2, 2], [1, 2])
    >>> metric.compute()
    0.7777777777777777
    """

    better: Better = "higher"

    def __init__(self, score: Score, average: Average = "auto", threshold: float = 0.5) -> None:
        self.name = score if average == "auto" else f"{score}_{average}"
        self.score, self.average, self.threshold = score, average, threshold
        self.reset()

    def reset(self) -> None:
        self.matrix: Array = np.zeros((2, 2))
        self._broken = False

    def update(self, predictions: Any, targets: Any, weights: Any = None) -> None:
        labels = class_labels(predictions, targets, self.threshold)
        if (labels.predicted == NO_CLASS).any():
            self._broken = True
            return
        size = max(len(self.matrix), labels.classes)
        grown = np.zeros((size, size))
        grown[: len(self.matrix), : len(self.matrix)] = self.matrix
        self.matrix = grown + classification.confusion_matrix(labels.predicted, labels.true, weights, classes=size)

    def compute(self) -> float:
        if self._broken or self.matrix.sum() == 0:
            return NAN
        return classification.score_confusion(self.matrix, self.score, self.average)


class FunctionMetric:
    """A metric from a function ``(predictions, targets) -> number``, called once on all rows, which it keeps.

    Mind the order: scikit-learn's functions take the targets first. ``better`` is the function's attribute of that
    name, or "higher". Sample weights do not reach the function.

    >>> metric = FunctionMetric(lambda predictions, targets: abs(predictions.mean() - targets.mean()), name="bias")
    >>> metric.update([1.0, 2.0], [1.0, 1.0])
    >>> metric.update([3.0], [1.0])
    >>> float(metric.compute())
    1.0
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None, better: Better | None = None) -> None:
        self.function = function
        self.name: str = name or str(getattr(function, "__name__", "metric"))
        self.better: Better = better or ("lower" if getattr(function, "better", "") == "lower" else "higher")
        self.reset()

    def reset(self) -> None:
        self._rows: list[tuple[Array, Array, Array]] = []

    def update(self, predictions: Any, targets: Any, weights: Any = None) -> None:
        predicted, true = as_array(predictions, "predictions"), as_array(targets, "targets")
        self._rows.append((predicted.copy(), true.copy(), row_weights(weights, len(true))))

    def _all_rows(self) -> list[Array]:
        return [np.concatenate(part) for part in zip(*self._rows, strict=True)]

    def compute(self) -> float:
        if not self._rows:
            return NAN
        predicted, true, _ = self._all_rows()
        return float(self.function(predicted, true))


class RocAuc(FunctionMetric):
    """Streaming :func:`~chainrule.train.metrics.roc_auc`: ranks need all scores, so it keeps n times k of them."""

    def __init__(self) -> None:
        super().__init__(ranking.roc_auc, "roc_auc", "higher")

    def compute(self) -> float:
        return ranking.roc_auc(*self._all_rows()) if self._rows else NAN


_FUNCTIONS: list[tuple[Callable[..., Any], str]] = [
    (classification.accuracy, "accuracy"),
    (classification.top_k_accuracy, "top5"),
    (classification.precision, "precision"),
    (classification.recall, "recall"),
    (classification.f1, "f1"),
    (ranking.roc_auc, "roc_auc"),
    (regression.mean_absolute_error, "mae"),
    (regression.mean_squared_error, "mse"),
    (regression.root_mean_squared_error, "rmse"),
    (regression.r2_score, "r2"),
]
_PLAIN: dict[str, Callable[[], Metric]] = {
    "mae": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "rmse": RootMeanSquaredError,
    "r2": R2Score,
    "roc_auc": RocAuc,
}
_LONG_NAMES = {
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "r2_score": "r2",
    "top_k_accuracy": "top5",
    "auc": "roc_auc",
}
_AVERAGED = re.compile(r"(precision|recall|f1)(?:_(binary|macro|micro|weighted))?")


def resolve(metric: str | Metric | Callable[..., Any], *, threshold: float = 0.5) -> Metric:
    """A fresh streaming metric from a name or a function ``(predictions, targets) -> number``; a Metric stays as it is.

    Names: accuracy, top1, top5 (any k), precision, recall, f1 (each also with _binary, _macro, _micro, _weighted),
    roc_auc, mae, mse, rmse, r2. ``threshold`` is for models with one output: 0.5 for probabilities, 0 for logits.
    Raises ConfigError for an unknown name.

    >>> resolve("top3").name, resolve("f1_macro").name, resolve("mae").better
    ('top3', 'f1_macro', 'lower')
    >>> resolve("acuracy")
    Traceback (most recent call last):
    ...
    chainrule.core.errors.ConfigError: metric
      received: 'acuracy'
      expected: accuracy, top<k>, precision, recall, f1, mae, mse, rmse, r2, roc_auc, a Metric or a function
      fix:      did you mean 'accuracy'?
    """
    if isinstance(metric, Metric) and not isinstance(metric, type):
        return metric
    known = metric if isinstance(metric, str) else next((n for function, n in _FUNCTIONS if function is metric), None)
    if isinstance(known, str):
        name = _LONG_NAMES.get(known, known)
        if name == "accuracy":
            return Accuracy(threshold)
        if name in _PLAIN:
            return _PLAIN[name]()
        if top := re.fullmatch(r"top_?([1-9]\d*)", name):
            return TopKAccuracy(int(top[1]))
        if averaged := _AVERAGED.fullmatch(name):
            return ConfusionScore(averaged[1], averaged[2] or "auto", threshold)  # type: ignore[arg-type]
    elif callable(metric) and not isinstance(metric, type):
        return FunctionMetric(metric)
    plain = ["accuracy", "top<k>", "precision", "recall", "f1", *_PLAIN]
    near = difflib.get_close_matches(str(metric), [*plain, *_LONG_NAMES], 1)
    raise ConfigError(
        "metric",
        repr(metric),
        ", ".join(plain) + ", a Metric or a function",
        f"did you mean {near[0]!r}?" if near else "",
    )
