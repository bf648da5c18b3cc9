"""Sine and cosine out of scalar instructions.

``x = n pi/2 + r`` with ``|r| <= pi/4`` (Cody and Waite, "Software Manual for the Elementary Functions", 1980: pi/2 in
parts whose products with n are exact); polynomials give the sine and cosine of r, and n picks one and its sign. Float32
is reduced in float64. Polynomials of least maximum relative error (how they were found: ``decompose_exp``).
"""

from __future__ import annotations

import math

from chainrule.compiler.decompose_exp import FORMAT, at_least, at_most
from chainrule.compiler.scalars import Scalars, Value
from chainrule.core.aval import float32, float64

__all__ = ["cos", "sin"]

#: S in sin r = r + r^3 S(r^2) and C in cos r = 1 - r^2/2 + r^4 C(r^2), for |r| <= pi/4: to 2^-27, 2^-33; 2^-57, 2^-63.
SIN = {
    float32: (
        -0.16666655,
        0.008332189,
        -0.00019518292,
    ),
    float64: (
        -0.1666666666666663,
        0.00833333333332184,
        -0.00019841269829358444,
        2.7557313538576516e-06,
        -2.5050734491861228e-08,
        1.589544971438276e-10,
    ),
}
COS = {
    float32: (
        0.041666646,
        -0.001388731,
        2.4432327e-05,
    ),
    float64: (
        0.041666666666666595,
        -0.0013888888888873342,
        2.4801587289002154e-05,
        -2.7557314217080037e-07,
        2.087570540327995e-09,
        -1.1358749648755203e-11,
    ),
}

#: pi/2 in three parts, the first two of 33 bits: their products with n are exact for |n| < 2^20.
HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)


def _reduce(s: Scalars, x: Value) -> tuple[Value, Value]:
    """``r = x - n pi/2``, and an integer of the size of x whose lowest bits are those of n."""
    wide = s.cast(x, float64)
    shifter = s.like(wide, 1.5 * 2.0**52)
    shifted = s.fma(wide, s.like(wide, 2 / math.pi), shifter)
    n = s.sub(shifted, shifter)
    for part in HALF_PI:
        wide = s.fma(n, s.like(wide, -part), wide)
    # Where x is so large that n is wrong, the result stays a sine of something.
    r = at_least(s, at_most(s, wide, 0.79), -0.79)
    return s.cast(r, x.dtype), s.cast(s.bitcast(shifted, FORMAT[float64].integer), FORMAT[x.dtype].integer)


def _sine(s: Scalars, r: Value, n: Value) -> Value:
    """``sin(r + n pi/2)``."""
    square = s.mul(r, r)
    sine = s.fma(s.mul(square, r), s.polynomial(square, SIN[r.dtype]), r)
    cosine = s.polynomial(square, (1.0, -0.5, *COS[r.dtype]))
    integer = FORMAT[r.dtype].integer
    odd = s.ne(s.and_(n, s.const(1, integer)), s.const(0, integer))
    sign = s.shl(s.and_(n, s.const(2, integer)), 8 * integer.itemsize - 2)
    return s.bitcast(s.xor(s.bitcast(s.select(odd, cosine, sine), integer), sign), r.dtype)


def sin(s: Scalars, x: Value) -> Value:
    """Sine of an angle in radians, to 2 ulp for ``|x| < 10^6``; NaN at infinity.

    Beyond that range digits are lost until any number in [-1, 1] may come. Float64 next to a zero: to 10^-31.

    >>> import numpy as np
    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> sin(ArrayScalars(), np.array([0.0, 1.0, np.pi])).tolist()
    [0.0, 0.8414709848078965, 1.2246467991473532e-16]
    """
    r, n = _reduce(s, x)
    return s.select(s.eq(x, s.like(x, 0.0)), x, _sine(s, r, n))  # keeps -0


def cos(s: Scalars, x: Value) -> Value:
    """Cosine of an angle in radians, to 2 ulp for ``|x| < 10^6``; NaN at infinity.

    Beyond that range digits are lost until any number in [-1, 1] may come. Float64 next to a zero: to 10^-31.

    >>> import numpy as np
    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> cos(ArrayScalars(), np.array([0.0, 1.0, np.pi / 2])).tolist()
    [1.0, 0.5403023058681398, 6.123233995736766e-17]
    """
    r, n = _reduce(s, x)
    return _sine(s, r, s.add(n, s.const(1, n.dtype)))
