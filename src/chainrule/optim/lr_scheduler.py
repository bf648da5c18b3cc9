"""All schedules, under the module name that PyTorch programs use: ``optim.lr_scheduler.StepLR``."""

from chainrule.optim.one_cycle import OneCycleLR
from chainrule.optim.plateau import ReduceLROnPlateau
from chainrule.optim.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    SequentialLR,
    StepLR,
)

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
