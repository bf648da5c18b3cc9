"""Dividing bytes by a constant without a division, and to the same bits."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.backends.llvm.scalars import LlvmScalars, Register

__all__ = ["corrections", "divide_byte"]


def divide_byte(scalars: LlvmScalars, byte: Register, divisor: Any) -> Register:
    """``byte / divisor`` for a register that holds 0 to 255 as a floating-point number.

    A division takes several times as long as a multiplication by the reciprocal. Where that is off by a rounding, what is
    left over, ``byte - quotient * divisor``, is exact with a fused multiply-add and mends it (Markstein, IBM J. Res. Dev. 34,
    1990).
    """
    dtype = byte.dtype
    steps = corrections(float(divisor), dtype)
    if steps is None:
        return scalars.div(byte, scalars.const(divisor, dtype))
    reciprocal = scalars.const(dtype.type(1) / dtype.type(divisor), dtype)
    quotient = scalars.mul(byte, reciprocal)
    if steps:
        left = scalars.fma(scalars.neg(quotient), scalars.const(divisor, dtype), byte)
        quotient = scalars.fma(left, reciprocal, quotient)
    return quotient


@functools.cache
def corrections(divisor: float, dtype: np.dtype[Any]) -> int | None:
    """How often a product with the reciprocal has to be mended to be the quotient for all 256 bytes; None if it never is.

    >>> corrections(256.0, np.dtype("float32")), corrections(255.0, np.dtype("float32"))
    (0, 1)
    """
    if not np.isfinite(divisor) or divisor == 0:
        return None
    bytes_, c = np.arange(256).astype(dtype), dtype.type(divisor)
    if not np.isfinite(1 / divisor) or abs(1 / divisor) > np.finfo(dtype).max:
        return None
    reciprocal, wanted = dtype.type(1) / c, bytes_ / c
    quotient = bytes_ * reciprocal
    if (quotient == wanted).all():
        return 0
    for x, q, right in zip(bytes_, quotient, wanted, strict=True):
        left = Fraction(float(x)) - Fraction(float(q)) * Fraction(float(c))
        mended = Fraction(float(q)) + left * Fraction(float(reciprocal))
        # It is rounded to what is wanted where it lies between the middles to its neighbours; and the rest must be a number.
        low, high = (
            (Fraction(float(right)) + Fraction(float(np.nextafter(right, end)))) / 2
            for end in dtype.type([-1e30, 1e30])
        )
        if not low < mended < high or Fraction(float(dtype.type(float(left)))) != left:
            return None
    return 1
