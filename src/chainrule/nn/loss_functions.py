"""Losses as functions: how wrong predictions are, as one number (or one an element, with ``reduction="none"``).

Prediction and target have one shape: broadcasting (N,) against (N, 1) would silently compare every prediction with
every target, so it is refused.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from chainrule import ops
from chainrule.core.apply import apply
from chainrule.core.aval import bool_, int64, is_float
from chainrule.core.errors import ConfigError, DataError, DTypeError, ShapeError
from chainrule.core.modes import local
from chainrule.ops.index import Index
from chainrule.tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "kl_div", "l1_loss",
    "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip

#: ``x[rows, columns]`` as an op, so that the commonest loss does not spell the index out at each step.
_PICK = Index.of((("array",), ("array",)))
#: PyTorch bounds the slope of binary cross entropy by 1 / this, a float32 for both dtypes.
_SMALLEST_VARIANCE = float(np.float32(1e-12))
_LOWEST_LOG = -100.0
#: By the size of a whole number in bytes.
_UNSIGNED = {size: np.dtype(f"u{size}") for size in (1, 4, 8)}


def check_reduction(reduction: str, allowed: tuple[str, ...] = ("mean", "sum", "none")) -> str:
    """``reduction`` if it is one of the ``allowed``."""
    if reduction not in allowed:
        raise ConfigError("a loss", f"reduction={reduction!r}", " or ".join(map(repr, allowed)), "pass one of them")
    return reduction


def _reduce(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return ops.mean(losses)
    check_reduction(reduction)
    return ops.sum(losses) if reduction == "sum" else losses


def _pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Prediction and target as tensors of one shape."""
    if not isinstance(input, Tensor):
        input = Tensor(input)
    if not isinstance(target, Tensor):
        target = Tensor(target, input.dtype)
    if input.shape != target.shape:
        if target.numel() != input.numel():
            fix = "give both one shape; broadcast one of them explicitly if that is what you mean"
        elif input.ndim == target.ndim + 1 == 2:
            fix = "use target.reshape(-1, 1), or reshape the prediction to (-1,)"
        else:
            fix = f"use target.reshape{'(-1)' if input.ndim == 1 else input.shape}"
        raise ShapeError(
            f"{name}(input, target)", f"input {input.shape} and target {target.shape}",
            "one shape: broadcasting would compare each prediction with other rows' targets", fix,
        )  # fmt: skip
    return input, target


def _constant(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value, like.dtype)


# ---- regression


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean squared error: ``(x - t)^2``. Gradient: ``2 (x - t) / n``.

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(2.)
    """
    input, target = _pair("mse_loss", input, target)
    return _reduce(ops.square(input - target), reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean absolute error: ``|x - t|``. Gradient: ``sign(x - t) / n``, 0 where they are equal.

    >>> l1_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0]))
    tensor(1.)
    """
    input, target = _pair("l1_loss", input, target)
    return _reduce(ops.absolute(input - target), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Squared near, absolute far: ``d^2 / 2`` where ``|d| = |x - t| <= delta``, else ``delta (|d| - delta / 2)``.

    >>> huber_loss(Tensor([1.0, 2.0]), Tensor([1.5, 4.0]), reduction="none")
    tensor([0.125, 1.5  ])

    Source: P. Huber, "Robust Estimation of a Location Parameter", 1964.
    """
    input, target = _pair("huber_loss", input, target)
    if not delta > 0:
        raise ConfigError("huber_loss", f"delta={delta}", "a positive number", "delta is where squares become lines")
    return _reduce(_huber(input - target, delta), reduction)


def _huber(d: Tensor, delta: float) -> Tensor:
    # With c = d limited to [-delta, delta], both branches are c (d - c / 2), and so are their slopes.
    c = ops.clip(d, -delta, delta)
    return c * (d - c * 0.5)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """``huber_loss`` with delta = beta, divided by beta, so that the slope far out is 1; ``beta=0`` is ``l1_loss``.

    >>> smooth_l1_loss(Tensor([1.0, 2.0]), Tensor([1.5, 4.0]), reduction="none", beta=0.5)
    tensor([0.25, 1.75])
    """
    input, target = _pair("smooth_l1_loss", input, target)
    if beta < 0:
        raise ConfigError("smooth_l1_loss", f"beta={beta}", "0 or more", "beta is where squares become lines")
    d = input - target
    return _reduce(ops.absolute(d) if beta == 0 else _huber(d, beta) / beta, reduction)


# ---- two classes


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """``-(t log p + (1 - t) log(1 - p))`` for probabilities p; logarithms are at least -100, as in PyTorch.

    Gradient: ``(p - t) / max(p (1 - p), 1e-12)``, which stays finite where p is exactly 0 or 1.

    >>> binary_cross_entropy(Tensor([0.5, 1.0]), Tensor([1.0, 0.0]), reduction="none")
    tensor([  0.6931, 100.    ])

    Raises:
        DataError: numbers outside [0, 1], which are no probabilities.
    """
    input, target = _pair("binary_cross_entropy", input, target)
    if _is_inside(input):
        losses = _bernoulli(input, target)
    else:
        losses = _bernoulli_saturated(input, target)
    return _reduce(losses if weight is None else losses * _constant(weight, input), reduction)


def _is_inside(p: Tensor) -> bool:
    """Whether every p is known and far enough from 0 and 1 for plain logarithms; an error if one is no probability."""
    values = p.node.value
    if values is None or not values.size or local.mode.tracer is not None:
        return False
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        nan = low != low
        raise DataError(
            "binary_cross_entropy(input, target)", "an input with NaN" if nan else f"inputs from {low:g} to {high:g}",
            "probabilities, from 0 to 1",
            "find where NaN came from: `with cr.watch_nan():`" if nan
            else "use BCEWithLogitsLoss for raw scores, or end the model with nn.Sigmoid()",
        )  # fmt: skip
    return min(low * (1 - low), high * (1 - high)) >= _SMALLEST_VARIANCE


def _bernoulli(p: Tensor, t: Tensor) -> Tensor:
    return (t - 1.0) * ops.log1p(-p) - t * ops.log(p)


def _bernoulli_saturated(p: Tensor, t: Tensor) -> Tensor:
    """The loss where p may be 0 or 1: there, a bounded value with PyTorch's slope ``(p - t) / 1e-12``.

    The slope is that of a parabola, of which only the change (which is 0) is added to the value.
    """
    inside = p * (1.0 - p) >= _SMALLEST_VARIANCE
    usual = _bernoulli(ops.where(inside, p, 0.5), t)
    fixed = p.detach()
    value = (t - 1.0) * ops.clip(ops.log1p(-fixed), _LOWEST_LOG) - t * ops.clip(ops.log(fixed), _LOWEST_LOG)
    parabola = (ops.square(p) * 0.5 - p * t.detach()) / _SMALLEST_VARIANCE
    return ops.where(inside, usual, value + (parabola - parabola.detach()))


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """Binary cross entropy of raw scores: ``pos_weight t log(1 + e^-x) + (1 - t) log(1 + e^x)``. Cannot overflow.

    Gradient (pos_weight 1): ``sigmoid(x) - t``. ``weight`` multiplies each loss, ``pos_weight`` those of positive
    examples.

    >>> binary_cross_entropy_with_logits(Tensor([0.0, 1000.0]), Tensor([1.0, 0.0]), reduction="none")
    tensor([6.9315e-01, 1.0000e+03])
    """
    input, target = _pair("binary_cross_entropy_with_logits", input, target)
    positive = target * ops.softplus(-input)
    if pos_weight is not None:
        positive = positive * _constant(pos_weight, input)
    losses = positive + (1.0 - target) * ops.softplus(input)
    return _reduce(losses if weight is None else losses * _constant(weight, input), reduction)


# ---- several classes


def nll_loss(input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """Negative log likelihood: ``-w[t] log p[t]``, for log-probabilities such as ``LogSoftmax`` gives.

    Input (N, C), (C,) or (N, C, d1, ...); target (N,), () or (N, d1, ...) whole numbers from 0 to C - 1. The mean is
    weighted: the sum of the losses by the sum of their weights. Labels equal to ``ignore_index`` do not count.

    >>> nll_loss(ops.log(Tensor([[0.7, 0.3], [0.2, 0.8]])), Tensor([0, 1]), reduction="none")
    tensor([0.3567, 0.2231])
    """
    log_p, labels, shape = _rows("nll_loss", input, target)
    known = _all_classes("nll_loss", labels, log_p.shape[1], ignore_index)
    return _class_losses(log_p, labels, shape, _class_weight(weight, log_p), known, ignore_index, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of raw scores x: ``-w[t] log p[t]``, soft ``-sum_c w[c] t[c] log p[c]``, with p = softmax(x).

    Gradient (without weights): ``(softmax(x) - onehot(t)) / N``. ``label_smoothing`` s mixes the target with equal
    chances: ``(1 - s) t + s / C``.

    Input (N, C), (C,) or (N, C, d1, ...). Target: whole numbers from 0 to C - 1 in the input's shape without the
    class axis, or probabilities in the input's shape. The mean of hard labels is weighted: the sum of the losses by
    the sum of ``w[t]``. Labels equal to ``ignore_index`` do not count.

    >>> cross_entropy(Tensor([[3.2, 5.1, -1.7]]), Tensor([0]))
    tensor(2.0404)
    >>> cross_entropy(Tensor([[3.2, 5.1, -1.7]]), Tensor([[0.5, 0.5, 0.0]]))
    tensor(1.0904)

    Raises:
        ShapeError: a target of another shape.
        DTypeError: labels that are not whole numbers.
        DataError: a label outside 0 to C - 1.

    Source: label smoothing: C. Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7.
    """
    if not 0 <= label_smoothing <= 1:
        raise ConfigError("cross_entropy", f"label_smoothing={label_smoothing}", "a number from 0 to 1", "0.1 is usual")
    scores, labels, shape = _rows("cross_entropy", input, target, soft=True)
    weights = _class_weight(weight, scores)
    if labels.ndim == 2:
        return _soft_losses(scores, labels, shape, weights, label_smoothing, reduction)
    known = _all_classes("cross_entropy", labels, scores.shape[1], ignore_index)
    log_p = ops.log_softmax(scores, 1)
    return _class_losses(log_p, labels, shape, weights, known, ignore_index, reduction, label_smoothing)


def _class_losses(
    log_p: Tensor,
    labels: Tensor,
    shape: tuple[int, ...],
    weight: Tensor | None,
    known: bool | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-w[t] log p[t]`` for rows of log-probabilities, with what is ignored as zeros; the mean is by weight.

    ``known`` says whether all labels are classes that count, as ``_all_classes`` does.
    """
    check_reduction(reduction)
    counted = None
    if not known:
        labels = labels.astype(int64)
        counted = labels != ignore_index
        if known is None:  # a negative label would count from the last class; one beyond the classes is refused
            labels = ops.where(labels < 0, log_p.shape[1], labels)
        labels = ops.where(counted, labels, 0)
    losses, share = -_pick(log_p, labels), None
    if weight is not None:
        share = weight[labels]
        losses = losses * share
    if label_smoothing:
        even = -(log_p if weight is None else log_p * weight).sum(1)
        losses = losses * (1 - label_smoothing) + even * (label_smoothing / log_p.shape[1])
    if counted is not None:
        losses = ops.where(counted, losses, 0.0)
        share = counted.astype(log_p.dtype) if share is None else ops.where(counted, share, 0.0)
    if reduction == "mean" and share is not None:
        return losses.sum() / share.sum()
    return _reduce(losses if losses.shape == shape else losses.reshape(shape), reduction)


def _soft_losses(
    scores: Tensor,
    target: Tensor,
    shape: tuple[int, ...],
    weight: Tensor | None,
    label_smoothing: float,
    reduction: str,
) -> Tensor:
    """``-sum_c w[c] t[c] log p[c]`` for rows of scores and of probabilities."""
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / scores.shape[1]
    if weight is not None:
        target = target * weight
    return _reduce(-(ops.log_softmax(scores, 1) * target).sum(1).reshape(shape), reduction)


def _pick(rows: Tensor, labels: Tensor) -> Tensor:
    """One entry of each row."""
    return apply(_PICK, rows, _row_numbers(rows.shape[0]), labels)


@functools.lru_cache(maxsize=32)
def _row_numbers(count: int) -> Tensor:
    return Tensor._constant(np.arange(count))


def _rows(name: str, input: Any, target: Any, soft: bool = False) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Scores (rows, C), labels (rows,) or soft targets (rows, C), and the shape that the losses have in the end."""
    x = input if isinstance(input, Tensor) else Tensor(input)
    t = target if isinstance(target, Tensor) else Tensor(target)
    if not x.ndim:
        raise ShapeError(name, "an input without axes", "scores (N, C), (C,) or (N, C, d1, ...)", "score each class")
    shape = (x.shape[0], *x.shape[2:]) if x.ndim > 1 else ()
    hard = not is_float(t.dtype)
    if hard and t.dtype is not bool_ and t.shape == shape:
        return _classes_last(x), t if t.ndim == 1 else t.reshape(-1), shape
    if not hard and soft and t.shape == x.shape:
        return _classes_last(x), _classes_last(t), shape
    raise _target_error(name, x, t, shape, soft)


def _target_error(name: str, x: Tensor, t: Tensor, shape: tuple[int, ...], soft: bool) -> ShapeError | DTypeError:
    """What is wrong with a target for scores ``x``."""
    expected = f"whole-number labels of shape {shape}"
    if soft:
        expected += f", or probabilities (floats) of shape {x.shape}"
    received = f"input {x.shape} and target {t.shape} of {t.dtype}"
    if t.shape == shape:
        return DTypeError(f"{name}(input, target)", received, expected, "use target.long()")
    if t.shape == x.shape:
        labels = f"target.argmax(axis={min(1, x.ndim - 1)}) for labels"
        fix = f"use target.float() for probabilities, or {labels}" if soft else f"use {labels}"
        return DTypeError(f"{name}(input, target)", received, expected, fix)
    fix = "use target.reshape(-1)" if t.shape == (*shape, 1) else "check that each row of the input has one label"
    return ShapeError(f"{name}(input, target)", received, expected, fix)


def _classes_last(x: Tensor) -> Tensor:
    """(N, C, d1, ...) or (C,) as rows of C."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return x.reshape(1, -1)
    return x.permute(0, *range(2, x.ndim), 1).reshape(-1, x.shape[1])


def _all_classes(name: str, labels: Tensor, count: int, ignore_index: int) -> bool | None:
    """Whether every label is a class that counts; None where that is not known before a compiled function runs.

    An error if a label is neither a class nor ignored.
    """
    check = functools.partial(_check_classes, name, count, ignore_index)
    tracer = local.mode.tracer
    if tracer is not None:  # the numbers of a later call may be others
        known: bool | None = tracer.known(labels, "whether every label is a class", check)
        return known
    return check(labels.node.value)


def _check_classes(name: str, count: int, ignore_index: int, values: np.ndarray[Any, Any]) -> bool:
    # Read as unsigned, a negative label is a huge one: one pass finds both kinds that are out of range.
    if not values.size or values.view(_UNSIGNED[values.itemsize]).max() < count:
        return not 0 <= ignore_index < count
    wrong = values[(values != ignore_index) & ((values < 0) | (values >= count))]
    if wrong.size:
        many = f"give the model's last layer {wrong.max() + 1} outputs, or " if wrong.max() >= count else ""
        raise DataError(
            f"{name}(input, target)", f"label {wrong[0]} for {count} classes", f"labels from 0 to {count - 1}",
            f"{many}count the classes from 0; ignore_index={ignore_index} marks rows to leave out",
        )  # fmt: skip
    return False


def _class_weight(weight: Any, scores: Tensor) -> Tensor | None:
    if weight is None:
        return None
    weight = _constant(weight, scores)
    if weight.shape != scores.shape[1:]:
        raise ShapeError(
            "class weights", f"weight of shape {weight.shape}", f"one a class: {scores.shape[1:]}", "check the classes"
        )
    return weight


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence ``t (log t - x)`` for log-probabilities x; 0 where t is 0.

    With ``log_target`` the target is log-probabilities too: ``e^t (t - x)``. ``reduction="batchmean"`` divides the
    sum by the number of rows, which is the divergence; ``"mean"`` divides by the number of elements, as in PyTorch.

    >>> p, q = Tensor([[0.5, 0.5]]), Tensor([[0.9, 0.1]])
    >>> kl_div(ops.log(q), p, reduction="batchmean")
    tensor(0.5108)

    Source: S. Kullback and R. Leibler, "On Information and Sufficiency", 1951.
    """
    check_reduction(reduction, ("mean", "sum", "none", "batchmean"))
    input, target = _pair("kl_div", input, target)
    if log_target:
        losses = ops.exp(target) * (target - input)
    else:
        positive = target > 0
        entropy = target * ops.log(ops.where(positive, target, 1.0))
        losses = ops.where(positive, entropy, 0.0) - target * input
    if reduction == "batchmean":
        return losses.sum() / (input.shape[0] if input.ndim else 1)
    return _reduce(losses, reduction)
