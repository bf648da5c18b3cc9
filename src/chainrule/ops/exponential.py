"""Exponentials, logarithms, roots, and functions built on them, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.aval import float32, float64
from chainrule.core.op import Elementwise, register
from chainrule.tensor import Tensor


class _Function(Elementwise):
    """A smooth function of one float."""

    promotion = "float"


@register
class Exp(_Function):
    """``e^x``, its own derivative."""

    name, function = "exp", np.exp

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * out


@register
class Log(_Function):
    """Natural logarithm; derivative ``1/x``."""

    name, function, domain = "log", np.log, ((0.2, 3.0),)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g / x


@register
class Log1p(_Function):
    """``log(1 + x)``, exact for small x; derivative ``1/(1 + x)``."""

    name, function, domain = "log1p", np.log1p, ((-0.8, 3.0),)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g / (x + 1.0)


@register
class Expm1(_Function):
    """``e^x - 1``, exact for small x; derivative ``e^x``."""

    name, function = "expm1", np.expm1

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * (out + 1.0)


@register
class Sqrt(_Function):
    """Square root; derivative ``1/(2 sqrt x)``."""

    name, function, domain = "sqrt", np.sqrt, ((0.2, 3.0),)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * 0.5 / out


@register
class Rsqrt(_Function):
    """``1/sqrt(x)``; derivative ``-1/2 x^(-3/2)``."""

    name, domain = "rsqrt", ((0.2, 3.0),)
    function = staticmethod(lambda x: 1.0 / np.sqrt(x))

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * -0.5 * out / x


@register
class Square(Elementwise):
    """``x^2``; derivative ``2x``."""

    name, function, booleans = "square", np.square, False

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return (g + g) * x


@register
class Sin(_Function):
    """Sine; derivative cosine."""

    name, function = "sin", np.sin

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * cos(x)


@register
class Cos(_Function):
    """Cosine; derivative minus sine."""

    name, function = "cos", np.cos

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return -g * sin(x)


@register
class Tanh(_Function):
    """Hyperbolic tangent; derivative ``1 - tanh^2``."""

    name, function = "tanh", np.tanh

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * (1.0 - out * out)


#: One as an array: NumPy takes it in half the time of a Python number.
_ONE = {dtype: np.ones((), dtype) for dtype in (float32, float64)}


def _sigmoid(x: Any) -> Any:
    """e^-x overflows to infinity for very negative x, and 1/infinity is the right limit, 0."""
    one = _ONE[x.dtype]
    return one / (one + np.exp(-x))


@register
class Sigmoid(_Function):
    """``1/(1 + e^-x)``; derivative ``(1 - s) s``."""

    name = "sigmoid"
    function = staticmethod(_sigmoid)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * out * (1.0 - out)


def _erf(x: Any) -> Any:
    """The error function by NumPy alone: see ``chainrule.core.erf``."""
    from chainrule.core.erf import erf

    return erf(x)


@register
class Erf(_Function):
    """``2/sqrt(pi) * integral from 0 to x of e^-t^2``; derivative ``2/sqrt(pi) e^-x^2``."""

    name, function = "erf", _erf

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * (2.0 / math.sqrt(math.pi)) * exp(-(x * x))


@register
class Softplus(_Function):
    """``log(1 + e^x)``, a smooth ReLU; derivative the sigmoid."""

    name = "softplus"
    function = staticmethod(lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * sigmoid(x)


_EXP, _LOG, _SQUARE, _TANH, _SIGMOID, _SQRT = Exp.of(), Log.of(), Square.of(), Tanh.of(), Sigmoid.of(), Sqrt.of()


def exp(x: Any) -> Any:
    """``e^x``.

    >>> exp(Tensor([0.0, 1.0]))
    tensor([1.    , 2.7183])
    """
    return apply(_EXP, x)


def log(x: Any) -> Any:
    """Natural logarithm; -inf at 0 and NaN below.

    >>> log(Tensor([1.0, 10.0]))
    tensor([0.    , 2.3026])
    """
    return apply(_LOG, x)


def log1p(x: Any) -> Tensor:
    """``log(1 + x)``, exact for small x.

    >>> log1p(Tensor([0.0, 1.0]))
    tensor([0.    , 0.6931])
    """
    return apply(Log1p.of(), x)


def expm1(x: Any) -> Tensor:
    """``e^x - 1``, exact for small x.

    >>> expm1(Tensor([0.0, 1.0]))
    tensor([0.    , 1.7183])
    """
    return apply(Expm1.of(), x)


def sqrt(x: Any) -> Any:
    """Square root; NaN below 0, and an infinite gradient at 0.

    >>> sqrt(Tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    return apply(_SQRT, x)


def rsqrt(x: Any) -> Tensor:
    """``1/sqrt(x)``.

    >>> rsqrt(Tensor([4.0, 16.0]))
    tensor([0.5 , 0.25])
    """
    return apply(Rsqrt.of(), x)


def square(x: Any) -> Any:
    """``x^2``.

    >>> square(Tensor([2.0, -3.0]))
    tensor([4., 9.])
    """
    return apply(_SQUARE, x)


def sin(x: Any) -> Any:
    """Sine of an angle in radians.

    >>> sin(Tensor([0.0, math.pi / 2]))
    tensor([0., 1.])
    """
    return apply(Sin.of(), x)


def cos(x: Any) -> Any:
    """Cosine of an angle in radians.

    >>> cos(Tensor([0.0, math.pi]))
    tensor([ 1., -1.])
    """
    return apply(Cos.of(), x)


def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent, from -1 to 1.

    >>> tanh(Tensor([0.0, 1.0]))
    tensor([0.    , 0.7616])
    """
    return apply(_TANH, x)


def sigmoid(x: Any) -> Tensor:
    """Logistic function ``1/(1 + e^-x)``, from 0 to 1.

    >>> sigmoid(Tensor([0.0, 8.0]))
    tensor([0.5   , 0.9997])
    """
    return apply(_SIGMOID, x)


def erf(x: Any) -> Tensor:
    """The error function.

    >>> erf(Tensor([0.0, 1.0]))
    tensor([0.    , 0.8427])
    """
    return apply(Erf.of(), x)


def softplus(x: Any, beta: float = 1.0) -> Tensor:
    """``log(1 + e^(beta x)) / beta``, a smooth ReLU.

    >>> softplus(Tensor([0.0, 2.0]))
    tensor([0.6931, 2.1269])
    """
    if beta != 1.0:
        return apply(Softplus.of(), x * beta) / beta
    return apply(Softplus.of(), x)
