"""Comparisons, logic, and choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.aval import Aval, bool_, broadcast_shapes
from chainrule.core.errors import DTypeError
from chainrule.core.op import Elementwise, Op, Sample, draw, register
from chainrule.tensor import Tensor


class _Comparison(Elementwise):
    """A yes or no about two numbers."""

    domain, result, differentiable = ((-2.0, 2.0), (-2.0, 2.0)), "bool", False


@register
class Equal(_Comparison):
    """``x == y``; NaN equals nothing."""

    name, function = "equal", np.equal


@register
class NotEqual(_Comparison):
    """``x != y``."""

    name, function = "not_equal", np.not_equal


@register
class Less(_Comparison):
    """``x < y``."""

    name, function = "less", np.less


@register
class LessEqual(_Comparison):
    """``x <= y``."""

    name, function = "less_equal", np.less_equal


@register
class Greater(_Comparison):
    """``x > y``."""

    name, function = "greater", np.greater


@register
class GreaterEqual(_Comparison):
    """``x >= y``."""

    name, function = "greater_equal", np.greater_equal


@register
class IsFinite(Elementwise):
    """Whether a number is neither NaN nor infinite."""

    name, function, result, differentiable = "isfinite", np.isfinite, "bool", False


@register
class IsNan(Elementwise):
    """Whether a number is NaN."""

    name, function, result, differentiable = "isnan", np.isnan, "bool", False


class _Logic(Elementwise):
    """An operation on truth values."""

    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-2.0, 2.0), (-2.0, 2.0))
    result, differentiable = "bool", False

    def infer(self, *avals: Aval) -> Aval:
        """Booleans in, booleans out."""
        for aval in avals:
            if aval.dtype is not bool_:
                raise DTypeError(self.name, f"{aval.dtype}", "booleans", "compare first, for example x > 0")
        return super().infer(*avals)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The family's samples, as truth values."""
        for sample in super().samples():
            yield Sample(sample.op, tuple(x > 0 for x in sample.inputs))


@register
class LogicalAnd(_Logic):
    """Whether both are true."""

    name, function = "logical_and", np.logical_and


@register
class LogicalOr(_Logic):
    """Whether one of them is true."""

    name, function = "logical_or", np.logical_or


@register
class LogicalXor(_Logic):
    """Whether exactly one is true."""

    name, function = "logical_xor", np.logical_xor


@register
class LogicalNot(_Logic):
    """Whether it is false."""

    name, function, domain = "logical_not", np.logical_not, ((-2.0, 2.0),)


@register
class Where(Op):
    """``x`` where the condition holds, else ``y``; the gradient follows the choice."""

    name, family = "where", "map"

    def common_dtype(self, dtypes: list[np.dtype[Any]], scalars: list[Any]) -> np.dtype[Any] | None:
        """The dtype of the choices; the condition stays as it is."""
        return super().common_dtype(dtypes[1:], scalars)

    def cast_inputs(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any] | None, ...]:
        """The condition stays as it is."""
        return None, dtype, dtype

    def infer(self, *avals: Aval) -> Aval:
        """Broadcast all three; the choices share one dtype."""
        condition, x, y = avals
        if condition.dtype is not bool_:
            raise DTypeError(
                "where(condition, x, y)", f"condition {condition.dtype}", "booleans", "compare, like x > 0"
            )
        if x.dtype is not y.dtype:
            raise DTypeError("where(condition, x, y)", f"{x.dtype} and {y.dtype}", "one dtype", "cast one of them")
        return Aval.of(broadcast_shapes("where", condition.shape, x.shape, y.shape), x.dtype)

    def compute(self, *arrays: Any) -> Any:
        """``numpy.where``."""
        return np.where(*arrays)

    def vjp(self, g: Any, out: Any, condition: Any, x: Any, y: Any) -> Any:
        return None, lambda: where(condition, g, 0.0), lambda: where(condition, 0.0, g)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Equal shapes, broadcasting in each input, empty."""
        for c, x, y in [
            ((), (), ()),
            ((3,), (3,), (3,)),
            ((2, 1), (3,), ()),
            ((3,), (), (2, 1)),
            ((0, 3), (0, 3), (3,)),
        ]:
            yield Sample(cls.of(), (draw(*c) > 0, draw(*x, seed=1), draw(*y, seed=2)))


def equal(x: Any, y: Any) -> Tensor:
    """Whether ``x == y``, element by element.

    >>> equal(Tensor([1.0, 2.0]), 2)
    tensor([False,  True])
    """
    return apply(Equal.of(), x, y)


def not_equal(x: Any, y: Any) -> Tensor:
    """Whether ``x != y``, element by element.

    >>> not_equal(Tensor([1.0, 2.0]), 2)
    tensor([ True, False])
    """
    return apply(NotEqual.of(), x, y)


def less(x: Any, y: Any) -> Tensor:
    """Whether ``x < y``, element by element.

    >>> less(Tensor([1.0, 2.0]), 2)
    tensor([ True, False])
    """
    return apply(Less.of(), x, y)


def less_equal(x: Any, y: Any) -> Tensor:
    """Whether ``x <= y``, element by element.

    >>> less_equal(Tensor([1.0, 2.0]), 2)
    tensor([ True,  True])
    """
    return apply(LessEqual.of(), x, y)


def greater(x: Any, y: Any) -> Tensor:
    """Whether ``x > y``, element by element.

    >>> greater(Tensor([1.0, 3.0]), 2)
    tensor([False,  True])
    """
    return apply(Greater.of(), x, y)


def greater_equal(x: Any, y: Any) -> Tensor:
    """Whether ``x >= y``, element by element.

    >>> greater_equal(Tensor([1.0, 2.0]), 2)
    tensor([False,  True])
    """
    return apply(GreaterEqual.of(), x, y)


def isfinite(x: Any) -> Tensor:
    """Whether each element is a plain number: not NaN, not infinite.

    >>> isfinite(Tensor([1.0, float("nan"), float("inf")]))
    tensor([ True, False, False])
    """
    return apply(IsFinite.of(), x)


def isnan(x: Any) -> Tensor:
    """Whether each element is NaN.

    >>> isnan(Tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return apply(IsNan.of(), x)


def logical_and(x: Any, y: Any) -> Tensor:
    """Whether both are true, also written ``x & y``.

    >>> logical_and(Tensor([True, True]), Tensor([True, False]))
    tensor([ True, False])
    """
    return apply(LogicalAnd.of(), x, y)


def logical_or(x: Any, y: Any) -> Tensor:
    """Whether one of them is true, also written ``x | y``.

    >>> logical_or(Tensor([True, False]), Tensor([False, False]))
    tensor([ True, False])
    """
    return apply(LogicalOr.of(), x, y)


def logical_xor(x: Any, y: Any) -> Tensor:
    """Whether exactly one is true, also written ``x ^ y``.

    >>> logical_xor(Tensor([True, False]), Tensor([True, True]))
    tensor([False,  True])
    """
    return apply(LogicalXor.of(), x, y)


def logical_not(x: Any) -> Tensor:
    """Whether each element is false, also written ``~x``.

    >>> logical_not(Tensor([True, False]))
    tensor([False,  True])
    """
    return apply(LogicalNot.of(), x)


def where(condition: Any, x: Any, y: Any) -> Any:
    """``x`` where the condition holds, else ``y``; all three broadcast.

    Gradient: goes to the one that was chosen, 0 to the other. The other branch is computed too: guard it against NaN
    *before* the choice, for example ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    >>> where(Tensor([True, False]), Tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    return apply(_WHERE, condition, x, y)


_WHERE = Where.of()
