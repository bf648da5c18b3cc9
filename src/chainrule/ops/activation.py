"""Activations. All but ReLU are made of other ops (LogSoftmax by ``expand``), so they cost a back end nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.aval import Aval, normalize_axis
from chainrule.core.errors import ConfigError, ShapeError
from chainrule.core.op import Elementwise, Op, Sample, draw, register
from chainrule.ops import compare, exponential, reduce
from chainrule.tensor import Tensor

#: Constants of SELU: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@register
class ReLU(Elementwise):
    """``max(x, 0)``; derivative 1 for x > 0, else 0. NaN stays NaN."""

    name = "relu"
    function = staticmethod(lambda x: np.maximum(x, x.dtype.type(0)))

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * (out > 0)


@register
@dataclass(frozen=True, eq=False)
class LogSoftmax(Op):
    """``z - log sum e^z`` with ``z = x - max x``: log-probabilities that keep their digits for any scores."""

    name, family, promotion = "log_softmax", "composite", "float"
    axis: int

    def infer(self, *avals: Aval) -> Aval:
        """The same shape, with something along the axis to choose from."""
        (x,) = avals
        if not x.shape[self.axis]:
            raise ShapeError(
                "log_softmax", f"a tensor of shape {x.shape}", f"scores along axis {self.axis}", "add a class"
            )
        return x

    def compute(self, *arrays: Any) -> Any:
        """As the formula says."""
        (x,) = arrays
        z = x - np.maximum.reduce(x, self.axis, keepdims=True)
        z -= np.log(np.add.reduce(np.exp(z), self.axis, keepdims=True))
        return z

    def expand(self, *inputs: Any) -> Tensor:
        """As ``compute`` does it: one maximum, taken out as a constant, one exponential."""
        (x,) = inputs
        z = x - reduce.max(x, self.axis, keepdims=True).detach()
        return z - exponential.log(reduce.sum(exponential.exp(z), self.axis, keepdims=True))

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g - exponential.exp(out) * reduce.sum(g, self.axis, keepdims=True)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Each axis; one class; no rows."""
        for shape, axis in [((2, 3), 1), ((2, 3), 0), ((4,), 0), ((3, 1), 1), ((0, 3), 1)]:
            yield Sample(cls.of(axis), (draw(*shape),))


_RELU = ReLU.of()


def relu(x: Any) -> Tensor:
    """``max(x, 0)``; derivative 1 for x > 0, else 0 (so 0 at 0).

    >>> relu(Tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    return apply(_RELU, x)


def step(x: Any) -> Tensor:
    """The perceptron's step: 1 where x > 0, else 0. Flat, so no gradient passes.

    >>> step(Tensor([-0.7, 0.0, 0.3]))
    tensor([0., 0., 1.])
    """
    return (x > 0).astype(x.dtype)


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Tensor:
    """``x`` where x > 0, else ``negative_slope * x``.

    >>> leaky_relu(Tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    return compare.where(x > 0, x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """``x`` where x > 0, else ``alpha (e^x - 1)`` (Clevert et al., 2015).

    >>> elu(Tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.    ])
    """
    # The exponential sees only negative numbers, so the branch that is not taken cannot overflow.
    return compare.where(x > 0, x, exponential.expm1(compare.where(x > 0, 0.0, x)) * alpha)


def selu(x: Any) -> Tensor:
    """``scale * elu(x, alpha)`` with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017).

    >>> selu(Tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return elu(x, SELU_ALPHA) * SELU_SCALE


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """``x Phi(x)`` with the normal distribution's Phi (Hendrycks and Gimpel, 2016); ``"tanh"`` for their approximation.

    >>> gelu(Tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    if approximate == "tanh":
        inner = (x + exponential.square(x) * x * 0.044715) * math.sqrt(2.0 / math.pi)
        return x * 0.5 * (exponential.tanh(inner) + 1.0)
    if approximate != "none":
        raise ConfigError("gelu", f"approximate={approximate!r}", "'none' or 'tanh'", "pass one of them")
    return x * 0.5 * (exponential.erf(x * math.sqrt(0.5)) + 1.0)


def silu(x: Any) -> Tensor:
    """``x sigmoid(x)``, also called swish (Elfwing et al., 2017).

    >>> silu(Tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    return x * exponential.sigmoid(x)


def _axis(name: str, x: Any, axis: int | None) -> int:
    if not x.ndim:
        raise ShapeError(name, "a tensor without axes", "at least one axis", "reshape it to (1,)")
    return normalize_axis(name, -1 if axis is None else axis, x.ndim)


def softmax(x: Any, axis: int | None = None) -> Tensor:
    """``e^x / sum e^x`` along ``axis`` (the last by default): positive numbers that sum to 1.

    Gradient: ``p (g - sum(g p))``.

    >>> softmax(Tensor([3.2, 5.1, -1.7]))
    tensor([0.13 , 0.869, 0.001])
    """
    axis = _axis("softmax", x, axis)
    # The largest score is taken out first, as a constant: the result is the same, and e^x cannot overflow.
    shifted = exponential.exp(x - reduce.max(x, axis, keepdims=True).detach())
    return shifted / reduce.sum(shifted, axis, keepdims=True)


def log_softmax(x: Any, axis: int | None = None) -> Tensor:
    """``x - log sum e^x`` along ``axis`` (the last by default), with the largest score taken out first.

    Gradient: ``g - softmax(x) sum(g)``.

    >>> log_softmax(Tensor([0.0, 0.0]))
    tensor([-0.6931, -0.6931])
    """
    return apply(LogSoftmax.of(_axis("log_softmax", x, axis)), x)


def maxout(x: Any, pieces: int) -> Tensor:
    """The largest of ``pieces`` neighbours on the last axis: (..., k * pieces) to (..., k) (Goodfellow et al., 2013).

    >>> maxout(Tensor([1.0, 3.0, 2.0, 0.0]), 2)
    tensor([3., 2.])
    """
    if not x.ndim or x.shape[-1] % pieces:
        raise ShapeError(
            f"maxout with {pieces} pieces",
            f"a tensor of shape {x.shape}",
            f"a last axis divisible by {pieces}",
            "change the number of features or pieces",
        )
    return reduce.max(x.reshape((*x.shape[:-1], x.shape[-1] // pieces, pieces)), -1)
