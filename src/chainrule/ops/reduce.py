"""Reductions: many elements to one, along axes."""

from __future__ import annotations

import builtins  # this module's own sum, max, min, all and any hide Python's
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.aval import Aval, float32, float64, int64, is_float, normalize_axes, normalize_axis
from chainrule.core.errors import ShapeError
from chainrule.core.op import Op, Sample, draw, register
from chainrule.ops import compare, exponential
from chainrule.ops import shape as shapes  # each is the other's transpose: sum_to and broadcast_to
from chainrule.tensor import Tensor

Axes = tuple[int, ...]

# As Any, because NumPy's type stubs know keepdims only as a literal.
_FLOATS = (float32, float64)
_add: Any = np.add
_multiply: Any = np.multiply
_maximum: Any = np.maximum
_minimum: Any = np.minimum


@dataclass(frozen=True, eq=False)
class Reduction(Op):
    """Reduces along ``axes`` (counted from the front); with ``keepdims`` they stay with length one."""

    family = "reduce"
    axes: Axes
    keepdims: bool

    def reduced(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape after the reduction."""
        if self.keepdims:
            return tuple(1 if i in self.axes else n for i, n in enumerate(shape))
        return tuple(n for i, n in enumerate(shape) if i not in self.axes)

    def infer(self, *avals: Aval) -> Aval:
        """The shape without the axes."""
        return Aval.of(self.reduced(avals[0].shape), avals[0].dtype)

    def spread(self, g: Any, x: Any) -> Any:
        """``g`` with the reduced axes put back, so that it broadcasts against ``x``."""
        if self.keepdims or not self.axes or not g.ndim:
            return g
        return g.reshape(tuple(1 if i in self.axes else n for i, n in enumerate(x.shape)))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Each axis, all axes, none, with and without keepdims, empty."""
        for shape, axes, keepdims in [
            ((2, 3), (0,), False),
            ((2, 3), (1,), True),
            ((2, 3), (0, 1), False),
            ((2, 3, 2), (0, 2), False),
            ((), (), False),
            ((3, 0), (0,), False),
        ]:
            yield Sample(cls.of(axes, keepdims), (draw(*shape, low=0.5, high=2.0),))


@register
class Sum(Reduction):
    """Sum; the gradient goes to every element. Booleans and small integers are summed as int64."""

    name = "sum"

    def infer(self, *avals: Aval) -> Aval:
        """Whole numbers in int64."""
        (x,) = avals
        return Aval.of(self.reduced(x.shape), x.dtype if is_float(x.dtype) else int64)

    def compute(self, *arrays: Any) -> Any:
        """``numpy.add.reduce``."""
        x: Any = arrays[0]
        return _add.reduce(x, self.axes, None if x.dtype in _FLOATS else int64, None, self.keepdims)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return _broadcast(self.spread(g, x), x.shape)


@register
class Mean(Reduction):
    """Mean; each element gets the gradient divided by their number."""

    name, promotion = "mean", "float"

    def compute(self, *arrays: Any) -> Any:
        """The sum divided by the number of elements that went into it; NaN for none."""
        x: Any = arrays[0]
        total = _add.reduce(x, self.axes, None, None, self.keepdims)
        return total / (x.size / total.size) if x.size else total * np.nan

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        share = math.prod(out.shape) / builtins.max(math.prod(x.shape), 1)
        return _broadcast(self.spread(g * share, x), x.shape)


@register
class Prod(Reduction):
    """Product; each element gets the gradient times the product of the others."""

    name = "prod"

    def infer(self, *avals: Aval) -> Aval:
        """Whole numbers in int64."""
        (x,) = avals
        return Aval.of(self.reduced(x.shape), x.dtype if is_float(x.dtype) else int64)

    def compute(self, *arrays: Any) -> Any:
        """``numpy.multiply.reduce``."""
        x: Any = arrays[0]
        dtype = None if is_float(x.dtype) else int64
        return _multiply.reduce(x, axis=self.axes, dtype=dtype, keepdims=self.keepdims)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        # The product of the others. Zeros are kept apart: `left` is the product of those among the others, written so
        # that its own derivative is right too (with one zero it is that zero, with two each sees the other one).
        zeros = x == 0
        nonzero = compare.where(zeros, 1.0, x)
        product = prod(nonzero, self.axes, keepdims=True)
        count = sum(zeros, self.axes, keepdims=True)
        zero = sum(compare.where(zeros, x, 0.0), self.axes, keepdims=True)
        left_by_zero = compare.where(count == 1, 1.0, compare.where(count == 2, zero - x, 0.0))
        left_by_other = compare.where(count == 0, 1.0, compare.where(count == 1, zero, 0.0))
        factor = compare.where(zeros, product * left_by_zero, product / nonzero * left_by_other)
        return self.spread(g, x) * factor


class _Extremum(Reduction):
    """The largest or smallest; the gradient is shared by equal ones."""

    def infer(self, *avals: Aval) -> Aval:
        """At least one element."""
        _need_elements(self.name, avals[0], self.axes)
        return super().infer(*avals)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        chosen = (x == self.spread(out, x)).astype(x.dtype)
        return self.spread(g, x) * chosen / sum(chosen, self.axes, keepdims=True)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The family's samples with something to choose from."""
        for sample in super().samples():
            if builtins.all(sample.inputs[0].shape[a] for a in sample.op.params["axes"]):
                yield sample


@register
class Max(_Extremum):
    """The largest element; NaN wins."""

    name = "max"

    def compute(self, *arrays: Any) -> Any:
        """``numpy.maximum.reduce``."""
        return _maximum.reduce(arrays[0], axis=self.axes, keepdims=self.keepdims)


@register
class Min(_Extremum):
    """The smallest element; NaN wins."""

    name = "min"

    def compute(self, *arrays: Any) -> Any:
        """``numpy.minimum.reduce``."""
        return _minimum.reduce(arrays[0], axis=self.axes, keepdims=self.keepdims)


@register
class LogSumExp(Reduction):
    """``log sum e^x``, the largest element taken out first; the gradient is shared as softmax."""

    name, family, promotion = "logsumexp", "composite", "float"

    def compute(self, *arrays: Any) -> Any:
        """Stable for any finite numbers; -inf for none, infinities kept."""
        x: Any = arrays[0]
        top = _maximum.reduce(x, axis=self.axes, keepdims=True, initial=-np.inf)
        shift = top if np.isfinite(top).all() else np.where(np.isfinite(top), top, 0).astype(x.dtype)
        total = np.log(_add.reduce(np.exp(x - shift), axis=self.axes, keepdims=True)) + shift
        return total if self.keepdims else total.reshape(self.reduced(x.shape))

    def expand(self, *inputs: Any) -> Any:
        """As ``compute`` does it: the largest, where it is finite, taken out as a constant and added again."""
        (x,) = inputs
        shape = self.reduced(x.shape)
        if builtins.any(x.shape[a] == 0 for a in self.axes):
            return _broadcast(Tensor(-math.inf, x.dtype), shape)
        top = max(x, self.axes, keepdims=True).detach()
        shift = compare.where(compare.isfinite(top), top, 0.0)
        total = exponential.log(sum(exponential.exp(x - shift), self.axes, keepdims=True)) + shift
        return total if self.keepdims else total.reshape(shape)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return self.spread(g, x) * exponential.exp(x - self.spread(out, x))


@dataclass(frozen=True, eq=False)
class _ArgExtremum(Op):
    """Where the first extremum along one axis is."""

    family, differentiable = "reduce", False
    axis: int
    keepdims: bool

    def infer(self, *avals: Aval) -> Aval:
        """An index for each position of the other axes."""
        (x,) = avals
        _need_elements(self.name, x, (self.axis,))
        shape = list(x.shape)
        shape[self.axis : self.axis + 1] = [1] if self.keepdims else []
        return Aval.of(tuple(shape), int64)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Each axis, with and without keepdims, none left."""
        for shape, axis, keepdims in [((2, 3), 0, False), ((2, 3), 1, True), ((4,), 0, False), ((3, 0), 0, False)]:
            yield Sample(cls.of(axis, keepdims), (draw(*shape),))


@register
class ArgMax(_ArgExtremum):
    """Index of the first largest element; the first NaN wins."""

    name = "argmax"

    def compute(self, *arrays: Any) -> Any:
        """``numpy.argmax``."""
        return np.argmax(arrays[0], axis=self.axis, keepdims=self.keepdims)


@register
class ArgMin(_ArgExtremum):
    """Index of the first smallest element; the first NaN wins."""

    name = "argmin"

    def compute(self, *arrays: Any) -> Any:
        """``numpy.argmin``."""
        return np.argmin(arrays[0], axis=self.axis, keepdims=self.keepdims)


@register
@dataclass(frozen=True, eq=False)
class CumSum(Op):
    """Running sum along an axis; the gradient runs the other way."""

    name, family = "cumsum", "reduce"
    axis: int
    reverse: bool = False

    def infer(self, *avals: Aval) -> Aval:
        """The same shape; whole numbers in int64."""
        (x,) = avals
        return Aval.of(x.shape, x.dtype if is_float(x.dtype) else int64)

    def compute(self, *arrays: Any) -> Any:
        """``numpy.add.accumulate``, from the end if ``reverse``."""
        x: Any = arrays[0]
        dtype = None if is_float(x.dtype) else int64
        if self.reverse:
            return np.flip(np.add.accumulate(np.flip(x, self.axis), self.axis, dtype), self.axis)
        return np.add.accumulate(x, self.axis, dtype)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return apply(CumSum.of(self.axis, not self.reverse), g)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both ways, each axis, empty."""
        for shape, axis, reverse in [((4,), 0, False), ((2, 3), 1, True), ((2, 3), 0, False), ((0, 3), 0, False)]:
            yield Sample(cls.of(axis, reverse), (draw(*shape),))


def _need_elements(name: str, x: Aval, axes: Axes) -> None:
    if builtins.any(x.shape[a] == 0 for a in axes):
        raise ShapeError(name, f"a tensor of shape {x.shape} with nothing along axes {axes}", "elements to choose from")


def _broadcast(g: Any, shape: tuple[int, ...]) -> Any:
    return apply(shapes.BroadcastTo.of(shape), g)


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum over what broadcasting repeated, so that ``x`` has ``shape`` again: the reverse of ``broadcast_to``.

    >>> sum_to(Tensor([[1.0, 2.0], [3.0, 4.0]]), (2,))
    tensor([4., 6.])
    """
    key = (x.shape, shape)
    op = _SUM_TO.get(key)
    if op is None:
        lead = x.ndim - len(shape)
        stretched = (i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1)
        if len(_SUM_TO) > 4096:
            _SUM_TO.clear()
        op = _SUM_TO[key] = Sum.of((*range(lead), *stretched), not lead)
    total = apply(op, x) if op.axes else x
    return total if total.shape == shape else total.reshape(shape)


_SUM_TO: dict[tuple[tuple[int, ...], tuple[int, ...]], Sum] = {}


def _axes(name: str, x: Any, axis: Any) -> Axes:
    return tuple(range(x.ndim)) if axis is None else normalize_axes(name, axis, x.ndim)


def _lifted(x: Any) -> Any:
    """Numbers and lists as tensors; tensors, and arrays in a derivative rule, as they are."""
    return x if hasattr(x, "ndim") else Tensor(x)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over ``axis`` (an int, a tuple, or None for all). Booleans and integers give int64.

    >>> sum(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.])
    """
    x = _lifted(x)
    return apply(Sum.of(_axes("sum", x, axis), keepdims), x)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Mean over ``axis``; NaN over nothing. Integers give the default float type.

    >>> mean(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([1.5, 3.5])
    """
    x = _lifted(x)
    return apply(Mean.of(_axes("mean", x, axis), keepdims), x)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over ``axis``; its gradient, and that gradient's own, are right where elements are zero.

    >>> prod(Tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    x = _lifted(x)
    return apply(Prod.of(_axes("prod", x, axis), keepdims), x)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest over ``axis``; NaN wins; equal ones share the gradient.

    >>> max(Tensor([[1.0, 5.0], [3.0, 4.0]]), axis=0)
    tensor([3., 5.])
    """
    x = _lifted(x)
    return apply(Max.of(_axes("max", x, axis), keepdims), x)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest over ``axis``; NaN wins; equal ones share the gradient.

    >>> min(Tensor([[1.0, 5.0], [3.0, 4.0]]), axis=0)
    tensor([1., 4.])
    """
    x = _lifted(x)
    return apply(Min.of(_axes("min", x, axis), keepdims), x)


def _arg(op: type[_ArgExtremum], x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = _lifted(x)
    if axis is None:
        return apply(op.of(0, False), x.reshape(-1))
    return apply(op.of(normalize_axis(op.name, axis, x.ndim), keepdims), x)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the first largest element along ``axis``, or in the flattened tensor.

    >>> argmax(Tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([1, 1])
    """
    return _arg(ArgMax, x, axis, keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the first smallest element along ``axis``, or in the flattened tensor.

    >>> argmin(Tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([0, 0])
    """
    return _arg(ArgMin, x, axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether every element is true (or not zero); true for none.

    >>> all(Tensor([True, False]))
    tensor(False)
    """
    x = _lifted(x)
    return sum(x == 0, axis, keepdims) == 0


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true (or not zero); false for none.

    >>> any(Tensor([True, False]))
    tensor(True)
    """
    x = _lifted(x)
    return sum(x != 0, axis, keepdims) > 0


def var(x: Any, axis: Any = None, keepdims: bool = False, correction: float = 0) -> Any:
    """Variance over ``axis``: mean squared distance from the mean, with ``n - correction`` in the denominator.

    >>> var(Tensor([1.0, 2.0, 3.0, 4.0])), var(Tensor([1.0, 2.0, 3.0, 4.0]), correction=1)
    (tensor(1.25), tensor(1.6667))
    """
    x = _lifted(x)
    axes = _axes("var", x, axis)
    count = math.prod(x.shape[a] for a in axes)
    squares = exponential.square(x - mean(x, axes, keepdims=True))
    if correction == 0:
        return mean(squares, axes, keepdims)
    return sum(squares, axes, keepdims) / (float(count - correction) if count > correction else math.nan)


def std(x: Any, axis: Any = None, keepdims: bool = False, correction: float = 0) -> Tensor:
    """Standard deviation over ``axis``, the square root of ``var``.

    >>> std(Tensor([1.0, 3.0]))
    tensor(1.)
    """
    return exponential.sqrt(var(x, axis, keepdims, correction))


def cumsum(x: Any, axis: int | None = None) -> Tensor:
    """Running sum along ``axis``, or of the flattened tensor.

    >>> cumsum(Tensor([1.0, 2.0, 3.0]))
    tensor([1., 3., 6.])
    """
    x = _lifted(x)
    if axis is None:
        return apply(CumSum.of(0), x.reshape(-1))
    return apply(CumSum.of(normalize_axis("cumsum", axis, x.ndim)), x)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log sum e^x`` over ``axis``, without overflow.

    >>> logsumexp(Tensor([100.0, 100.0]))
    tensor(100.6931)
    """
    x = _lifted(x)
    return apply(LogSumExp.of(_axes("logsumexp", x, axis), keepdims), x)
