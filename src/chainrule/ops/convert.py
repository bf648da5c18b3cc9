"""Change of element type, and values through which no gradient passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.aval import Aval, canonical_dtype, is_float
from chainrule.core.op import Op, Sample, draw, register
from chainrule.tensor import Tensor


@register
@dataclass(frozen=True, eq=False)
class Cast(Op):
    """The same numbers in another element type; the gradient is cast back. Floats are cut toward zero for integers."""

    name, family, promotion = "cast", "map", "none"
    dtype: np.dtype[Any]

    def infer(self, *avals: Aval) -> Aval:
        """The same shape in the new dtype."""
        return Aval.of(avals[0].shape, self.dtype)

    def compute(self, *arrays: Any) -> Any:
        """``array.astype``."""
        return arrays[0].astype(self.dtype)

    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return cast(g, x.dtype) if is_float(x.dtype) else None

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Between floats, to whole numbers and to booleans."""
        for dtype in ("float64", "float32", "int64", "bool"):
            yield Sample(cls.of(np.dtype(dtype)), (draw(2, 3),))
        yield Sample(cls.of(np.dtype("float64")), (draw(0, 3),))
        yield Sample(cls.of(np.dtype("float64")), (draw(4) > 0,))


@register
class StopGradient(Op):
    """The value itself; no gradient passes."""

    name, family, differentiable = "stop_gradient", "map", False

    def infer(self, *avals: Aval) -> Aval:
        """As it comes."""
        return avals[0]

    def compute(self, *arrays: Any) -> Any:
        """The same array."""
        return arrays[0]

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A matrix and an empty one."""
        yield Sample(cls.of(), (draw(2, 3),))
        yield Sample(cls.of(), (draw(0, 3),))


def cast(x: Any, dtype: Any) -> Any:
    """The same numbers in another element type.

    Gradient: cast back, between floats; none through integers and booleans.

    >>> cast(Tensor([1.7, -1.7]), "int64")
    tensor([ 1, -1])
    """
    return apply(Cast.of(canonical_dtype(dtype)), x)


def stop_gradient(x: Any) -> Tensor:
    """The value as a constant: no gradient passes.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> (x * stop_gradient(x)).backward()
    >>> x.grad
    tensor(3.)
    """
    return apply(StopGradient.of(), x)
