"""Training: the Trainer and its callbacks, metrics, checkpoints, saved models, and the report of a run."""

from chainrule.train import metrics
from chainrule.train.callbacks import (
    BatchResult,
    Callback,
    CsvHistory,
    EarlyStopping,
    LambdaCallback,
    RestoreBest,
    ScheduleSteps,
)
from chainrule.train.diagnosis import Finding, diagnose
from chainrule.train.history import History
from chainrule.train.objective import Objective
from chainrule.train.progress import ProgressBar
from chainrule.train.record import DataDescription, LayerStatistics, RegressionSample, RunRecord, WrongExample
from chainrule.train.report import render_report, write_report
from chainrule.train.run import make_record
from chainrule.train.saving import load, load_with_extra, save
from chainrule.train.statistics import layer_statistics
from chainrule.train.trainer import Trainer

__all__ = [
    "BatchResult",
    "Callback",
    "CsvHistory",
    "DataDescription",
    "EarlyStopping",
    "Finding",
    "History",
    "LambdaCallback",
    "LayerStatistics",
    "Objective",
    "ProgressBar",
    "RegressionSample",
    "RestoreBest",
    "RunRecord",
    "ScheduleSteps",
    "Trainer",
    "WrongExample",
    "diagnose",
    "layer_statistics",
    "load",
    "load_with_extra",
    "make_record",
    "metrics",
    "render_report",
    "save",
    "write_report",
]
