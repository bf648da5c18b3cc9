"""How good are the predictions: functions on arrays, and streaming metrics for the Trainer."""

from __future__ import annotations

from chainrule.train.metrics.classification import (
    accuracy,
    confusion_matrix,
    f1,
    precision,
    recall,
    score_confusion,
    top_k_accuracy,
)
from chainrule.train.metrics.ranking import roc_auc, roc_curve
from chainrule.train.metrics.regression import (
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)
from chainrule.train.metrics.streaming import (
    Accuracy,
    ConfusionScore,
    FunctionMetric,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    R2Score,
    RocAuc,
    RootMeanSquaredError,
    TopKAccuracy,
    resolve,
)

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
    "accuracy",
    "confusion_matrix",
    "f1",
    "mean_absolute_error",
    "mean_squared_error",
    "precision",
    "r2_score",
    "recall",
    "resolve",
    "roc_auc",
    "roc_curve",
    "root_mean_squared_error",
    "score_confusion",
    "top_k_accuracy",
]
