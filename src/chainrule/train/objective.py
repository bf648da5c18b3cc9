"""What training makes small: a loss by name, module or function, with weights for classes and rows."""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule import nn, ops, optim
from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.tensor import Tensor

__all__ = ["Objective"]

LOSSES: dict[str, Callable[[], nn.Module]] = {
    "cross_entropy": nn.CrossEntropyLoss,
    "nll": nn.NLLLoss,
    "bce": nn.BCELoss,
    "bce_with_logits": nn.BCEWithLogitsLoss,
    "mse": nn.MSELoss,
    "l1": nn.L1Loss,
    "mae": nn.L1Loss,
    "huber": nn.HuberLoss,
    "smooth_l1": nn.SmoothL1Loss,
    "kl_div": nn.KLDivLoss,
}

#: The weights of a batch may all be zero; its loss is 0 then, not 0/0.
_LEAST_WEIGHT = 1e-12

ClassWeights = Mapping[int, float] | Any


class Objective:
    """``objective(predictions, targets, weights)``: the loss, a weighted mean over rows where there are weights.

    Formula with weights: ``sum(v loss) / sum(v)``, v = weight of the row times weight of its class. So a row of
    weight 2 counts as two rows, and class weights do what PyTorch's ``CrossEntropyLoss(weight=...)`` does.

    Args:
        loss: a name (``cross_entropy``, ``mse``, ``bce``, ...), a loss module, or a function of (predictions, targets).
        class_weights: one number a class, ``{class: weight}`` (1 for the others), or ``"balanced"``: rows / (classes *
            rows of the class).

    >>> import chainrule as cr
    >>> objective = Objective("mse")
    >>> objective(cr.tensor([[1.0], [3.0]]), cr.tensor([[0.0], [0.0]]), cr.tensor([3.0, 1.0]))
    tensor(3.)
    """

    def __init__(self, loss: Any, class_weights: ClassWeights | None = None) -> None:
        self.loss = _resolve(loss)
        self.name = type(self.loss).__name__ if isinstance(self.loss, nn.Module) else _name_of(self.loss)
        kind = nn.functional
        #: Whether whole-number targets are classes; else they are cast to the model's floats.
        self.class_targets = isinstance(self.loss, (nn.CrossEntropyLoss, nn.NLLLoss)) or self.loss in (
            kind.cross_entropy,
            kind.nll_loss,
        )
        logits = isinstance(self.loss, nn.BCEWithLogitsLoss) or self.loss is kind.binary_cross_entropy_with_logits
        #: Above which a single score means class 1.
        self.threshold = 0.0 if logits else 0.5
        self.balanced = isinstance(class_weights, str)
        if self.balanced and class_weights != "balanced":
            raise ConfigError(
                "class_weights=", repr(class_weights), 'numbers, a dict, or "balanced"', 'pass "balanced"'
            )
        self.class_weights = None if class_weights is None or self.balanced else _table(class_weights)
        self._row_loss: Callable[..., Any] | None = None

    def balance(self, targets: np.ndarray[Any, Any]) -> None:
        """Weigh the classes of ``targets`` (n,) so that each counts as much as the others.

        Source: G. King and L. Zeng, "Logistic Regression in Rare Events Data", 2001, as in scikit-learn.
        """
        counts = np.bincount(_classes(targets))
        present = np.maximum(counts, 1)
        self.class_weights = np.where(counts > 0, counts.sum() / (np.count_nonzero(counts) * present), 0.0)

    def __call__(self, predictions: Any, targets: Any, weights: Any = None, v: Any = None) -> Any:
        """The loss. ``v`` are the weights of the rows, with those of their classes, where they are known already."""
        if weights is None and v is None and self.class_weights is None:
            return self.loss(predictions, targets)
        by_row = self._rows(predictions, targets)
        if v is None:
            v = Tensor(self.row_weights(targets, weights), by_row.dtype)
        return (by_row * v).sum() / ops.maximum(v.sum(), _LEAST_WEIGHT)

    def row_weights(self, targets: Any, weights: Any = None) -> np.ndarray[Any, Any]:
        """Weight of each row (n,): its own times that of its class."""
        total = np.ones(targets.shape[0]) if weights is None else np.asarray(weights, np.float64)
        if self.class_weights is None:
            return total
        classes = _classes(np.asarray(targets))
        if classes.size and classes.max() >= len(self.class_weights):
            raise DataError(
                "class_weights=",
                f"a row of class {classes.max()}",
                f"classes 0 to {len(self.class_weights) - 1}, one weight each",
                "give a weight for every class",
            )
        return total * self.class_weights[classes]

    def amount(self, targets: Any, weights: Any = None) -> float:
        """What a batch's mean loss counts for: its rows, or their weights."""
        if weights is None and self.class_weights is None:
            return float(targets.shape[0])
        return float(self.row_weights(targets, weights).sum())

    def _rows(self, predictions: Any, targets: Any) -> Any:
        if self._row_loss is None:
            self._row_loss = _by_row(self.loss, self.name)
        losses = self._row_loss(predictions, targets)
        if not losses.shape or losses.shape[0] != predictions.shape[0]:
            raise ShapeError(
                f"weights with the loss {self.name}",
                f"losses of shape {losses.shape} for {predictions.shape[0]} rows",
                "one loss a row",
                "let the function return one loss a row for reduction='none'",
            )
        return losses if losses.ndim == 1 else losses.reshape(losses.shape[0], -1).mean(axis=1)


def _resolve(loss: Any) -> Any:
    if isinstance(loss, str):
        name = loss.removesuffix("_loss")
        if name in LOSSES:
            return LOSSES[name]()
        near = difflib.get_close_matches(name, LOSSES, 1)
        raise ConfigError("loss=", repr(loss), ", ".join(LOSSES), f"did you mean {near[0]!r}?" if near else "")
    if isinstance(loss, type) or not callable(loss):
        fix = f"pass {loss.__name__}(), an object" if isinstance(loss, type) else 'pass loss="cross_entropy" or "mse"'
        raise ConfigError("loss=", repr(loss), "a name, a loss module, or a function (predictions, targets)", fix)
    return loss


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _by_row(loss: Any, name: str) -> Callable[..., Any]:
    """The same loss for each row."""
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        by_row = copy.copy(loss)
        object.__setattr__(by_row, "reduction", "none")
        return by_row
    if not isinstance(loss, nn.Module) and "reduction" in inspect.signature(loss).parameters:
        return functools.partial(loss, reduction="none")
    raise ConfigError(
        f"weights with the loss {name}",
        "a loss that gives one number",
        "a loss that can give one number a row",
        "give it an argument reduction= that may be 'none'",
    )


def _table(weights: ClassWeights) -> np.ndarray[Any, Any]:
    """Weights by class number."""
    if isinstance(weights, Mapping):
        if not weights or not all(isinstance(k, (int, np.integer)) and k >= 0 for k in weights):
            raise ConfigError("class_weights=", repr(weights), "{class number: weight}", "count the classes from 0")
        weights = [weights.get(k, 1.0) for k in range(int(max(weights)) + 1)]
    table = np.asarray(weights.numpy() if isinstance(weights, Tensor) else weights, np.float64)
    if table.ndim != 1 or not table.size or not np.isfinite(table).all() or table.min() < 0:
        raise ConfigError("class_weights=", repr(weights), "finite numbers from 0, one a class", "check the numbers")
    return table


def _classes(targets: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Targets (n,) or (n, 1) as class numbers."""
    flat = targets.reshape(-1)
    if len(flat) != len(targets) or (flat != np.floor(flat)).any() or (flat < 0).any():
        raise DataError(
            "class_weights=",
            f"targets of shape {targets.shape} and type {targets.dtype}",
            "one class number a row",
            "weigh rows instead: sample_weight=",
        )
    return flat.astype(np.int64)


def resolve_optimizer(optimizer: Any, model: nn.Module, lr: float | None) -> optim.Optimizer:
    """The optimizer that is meant: itself, by name or class with ``lr``, or what a function of the parameters makes."""
    settings = {} if lr is None else {"lr": lr}
    if isinstance(optimizer, optim.Optimizer):
        if settings:
            raise ConfigError(
                "Trainer(lr=...)", "an optimizer that is made already", "its own lr", "pass lr to the optimizer"
            )
        return optimizer
    if isinstance(optimizer, str):
        known = {
            name.lower(): cls
            for name, cls in vars(optim).items()
            if isinstance(cls, type) and issubclass(cls, optim.Optimizer)
        }
        known.pop("optimizer")
        if optimizer.lower() not in known:
            raise ConfigError("Trainer(optimizer=...)", repr(optimizer), ", ".join(sorted(known)), "choose 'adam'")
        optimizer = known[optimizer.lower()]
    elif settings and not isinstance(optimizer, type):
        raise ConfigError(
            "Trainer(lr=...)", "a function that makes the optimizer", "its own lr", "set lr in the function"
        )
    made = optimizer(model.parameters(), **settings) if callable(optimizer) else optimizer
    if not isinstance(made, optim.Optimizer):
        raise ConfigError(
            "Trainer(optimizer=...)",
            f"a {type(made).__name__}",
            "an optimizer, a name, or a function of the parameters",
            "pass optim.Adam(model.parameters()), or optimizer='adam', lr=1e-3",
        )
    return made
