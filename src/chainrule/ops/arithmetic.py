"""Arithmetic, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.errors import DTypeError
from chainrule.core.op import Elementwise, register
from chainrule.ops import compare, exponential
from chainrule.tensor import Tensor


@register
class Add(Elementwise):
    """``x + y``; passes its gradient on to both."""

    name, domain, function = "add", ((-2.0, 2.0), (-2.0, 2.0)), np.add

    def vjp(self, g: Any, out: Any, x: Any, y: Any) -> Any:
        return g, g


@register
class Subtract(Elementwise):
    """``x - y``."""

    name, domain, function, booleans = "subtract", ((-2.0, 2.0), (-2.0, 2.0)), np.subtract, False

    def vjp(self, g: Any, out: Any, x: Any, y: Any) -> Any:
        return g, lambda: -g


@register
class Multiply(Elementwise):
    """``x * y``; swaps its inputs: each gets the gradient times the other."""

    name, domain, function = "multiply", ((-2.0, 2.0), (-2.0, 2.0)), np.multiply

    def vjp(self, g: Any, out: Any, x: Any, y: Any) -> Any:
        return lambda: g * y, lambda: g * x


@register
class Divide(Elementwise):
    """``x / y``, always in floats."""

    name, domain, function, promotion = "divide", ((-2.0, 2.0), (0.5, 2.0)), np.divide, "float"

    def vjp(self, g: Any, out: Any, x: Any, y: Any) -> Any:
        return lambda: g / y, lambda: -g * out / y


@register
class Power(Elementwise):
    """``x ** y``. Where x <= 0 the derivative by y is 0 (PyTorch's convention at x = 0)."""

    name, domain, function, booleans = "power", ((0.3, 2.0), (-2.0, 2.0)), np.power, False

    def vjp(self, g: Any, out: Any, x: Any, y: Any) -> Any:
        # The exponent 0 is masked before the power, so that 0 ** -1 does not make a NaN of a plain zero.
        def base() -> Any:
            return g * compare.where(y == 0, 0.0, y * power(x, compare.where(y == 0, 1.0, y) - 1.0))

        def exponent() -> Any:
            return g * compare.where(x > 0, out * exponential.log(compare.where(x > 0, x, 1.0)), 0.0)

        return base, exponent


@register
class Negative(Elementwise):
    """``-x``."""

    name, function, booleans = "negative", np.negative, False

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return -g


@register
class Absolute(Elementwise):
    """``|x|``; derivative sign(x), so 0 at 0."""

    name, function = "absolute", np.absolute

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * sign(x)


@register
class Sign(Elementwise):
    """-1, 0 or 1; flat, so its derivative is 0."""

    name, function, differentiable, booleans = "sign", np.sign, False, False


@register
class Maximum(Elementwise):
    """The larger of x and y; NaN wins. Where they are equal each gets half the gradient."""

    name, domain, function = "maximum", ((-2.0, 2.0), (-2.0, 2.0)), np.maximum

    def vjp(self, g: Any, out: Any, x: Any, y: Any) -> Any:
        return lambda: g * _share(x, y, x > y), lambda: g * _share(x, y, y > x)


@register
class Minimum(Elementwise):
    """The smaller of x and y; NaN wins. Where they are equal each gets half the gradient."""

    name, domain, function = "minimum", ((-2.0, 2.0), (-2.0, 2.0)), np.minimum

    def vjp(self, g: Any, out: Any, x: Any, y: Any) -> Any:
        return lambda: g * _share(x, y, x < y), lambda: g * _share(x, y, y < x)


def _share(x: Any, y: Any, chosen: Any) -> Any:
    """1 where an input was chosen, 1/2 where both are equal, else 0."""
    return compare.where(x == y, 0.5, compare.where(chosen, 1.0, 0.0)).astype(x.dtype)


@register
class Clip(Elementwise):
    """``min(max(x, low), high)``; the gradient goes to x inside and on the bounds, else to the bound."""

    name, domain = "clip", ((-2.0, 2.0), (-1.0, -0.5), (0.5, 1.0))
    function = staticmethod(lambda x, low, high: np.minimum(np.maximum(x, low), high))

    def vjp(self, g: Any, out: Any, x: Any, low: Any, high: Any) -> Any:
        return (
            lambda: compare.where((x >= low) & (x <= high), g, 0.0),
            lambda: compare.where(x < low, g, 0.0),
            lambda: compare.where(x > high, g, 0.0),
        )


ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER = Add.of(), Subtract.of(), Multiply.of(), Divide.of(), Power.of()


def add(x: Any, y: Any) -> Tensor:
    """Sum, element by element: ``x + y``.

    >>> add(Tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    return apply(ADD, x, y)


def subtract(x: Any, y: Any) -> Tensor:
    """Difference, element by element: ``x - y``.

    >>> subtract(Tensor([1.0, 2.0]), 10)
    tensor([-9., -8.])
    """
    return apply(SUBTRACT, x, y)


def multiply(x: Any, y: Any) -> Tensor:
    """Product, element by element: ``x * y``.

    >>> multiply(Tensor([1.0, 2.0]), 10)
    tensor([10., 20.])
    """
    return apply(MULTIPLY, x, y)


def divide(x: Any, y: Any) -> Tensor:
    """Quotient, element by element: ``x / y``; integers become floats first.

    >>> divide(Tensor([1, 2]), 4)
    tensor([0.25, 0.5 ])
    """
    return apply(DIVIDE, x, y)


def power(x: Any, y: Any) -> Tensor:
    """Power, element by element: ``x ** y``.

    Gradient: ``y x^(y-1)`` by x, ``x^y log x`` by y (0 where x <= 0).

    >>> power(Tensor([1.0, 2.0, 3.0]), 3)
    tensor([ 1.,  8., 27.])
    """
    if type(y) in (int, float) and y == 2:
        return exponential.square(x)
    if type(y) is int and y < 0 and hasattr(x, "dtype") and x.dtype.kind in "iu":
        raise DTypeError(
            f"power(x, {y})", f"x of {x.dtype}", "floats: a negative power is a fraction", "cast x: x.float()"
        )
    return apply(POWER, x, y)


def negative(x: Any) -> Tensor:
    """``-x``.

    >>> negative(Tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return apply(Negative.of(), x)


def absolute(x: Any) -> Tensor:
    """Absolute value; its gradient at 0 is 0.

    >>> absolute(Tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    return apply(Absolute.of(), x)


def sign(x: Any) -> Any:
    """-1, 0 or 1 by the sign of each element; no gradient passes.

    >>> sign(Tensor([3.0, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    return apply(Sign.of(), x)


def maximum(x: Any, y: Any) -> Tensor:
    """The larger of two, element by element; NaN wins; equal inputs share the gradient.

    >>> maximum(Tensor([1.0, 5.0]), 3)
    tensor([3., 5.])
    """
    return apply(Maximum.of(), x, y)


def minimum(x: Any, y: Any) -> Tensor:
    """The smaller of two, element by element; NaN wins; equal inputs share the gradient.

    >>> minimum(Tensor([1.0, 5.0]), 3)
    tensor([1., 3.])
    """
    return apply(Minimum.of(), x, y)


def clip(x: Any, low: Any = None, high: Any = None) -> Tensor:
    """Limit each element to [low, high]; None leaves a side open. The gradient is 1 inside and on the bounds.

    >>> clip(Tensor([-3.0, 0.5, 3.0]), -1, 1)
    tensor([-1. ,  0.5,  1. ])
    """
    if low is None or high is None:
        x = x if isinstance(x, Tensor) else Tensor(x)
        floats = np.issubdtype(x.dtype, np.floating)
        limits: Any = (-np.inf, np.inf) if floats else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
        low, high = (limits[0] if low is None else low), (limits[1] if high is None else high)
    return apply(Clip.of(), x, low, high)
