"""The exponential family out of scalar instructions: exp, expm1, sigmoid, tanh, erf and softplus.

All follow one plan (Tang, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic",
ACM TOMS 15, 1989, here without the table): write ``x = n ln 2 + r`` with a whole number n and ``|r| <= ln 2 / 2``; then
``e^x = 2^n e^r``. Writing n into the exponent field of a float makes ``2^n``, and ``e^r - 1 = r + r^2 P(r)`` with a
short polynomial P. The code is straight: no branch, no table, at most one division, so loops of it become vector code.

Polynomials have the least maximum relative error in the result (Remez exchange in 50 digits); their coefficients were
rounded one after the other, the rest fitted anew each time. The lowest power stands first. A result is at most 2 units
in the last place (ulp) from the correctly rounded one, whether ``fma`` rounds once or twice; the tests hold the measured
errors. Roundings are part of the plan: a back end must emit the instructions as they stand, without fast-math flags,
contraction into ``fma``, or flushing of subnormal numbers to 0.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from chainrule.compiler.scalars import Scalars, Value
from chainrule.core.aval import float32, float64, int32, int64

__all__ = ["FORMAT", "Format", "at_least", "at_most", "erf", "exp", "exp_sum", "expm1", "sigmoid", "softplus", "tanh"]


class Format(NamedTuple):
    """The bits of a float: a sign, an exponent with ``bias`` added, and ``fraction`` bits; ``integer`` is as wide."""

    integer: np.dtype[Any]
    fraction: int
    bias: int


FORMAT: dict[np.dtype[Any], Format] = {float32: Format(int32, 23, 127), float64: Format(int64, 52, 1023)}

LOG2_E, LN2 = 1 / math.log(2.0), math.log(2.0)
#: ln 2 in two parts; n times the first is exact for every n that occurs, even where ``fma`` rounds twice.
LN2_PARTS = {
    float32: (0.693145751953125, 1.4286068203094173e-06),
    float64: (0.6931471805598903, 5.497923018708371e-14),
}

#: P(r) for |r| <= ln 2 / 2: e^r - 1 to 2^-26 and 2^-61 of itself.
EXP = {
    float32: (0.49999997, 0.16666539, 0.041667752, 0.008367132, 0.0013836032),
    float64: (
        0.5,
        0.16666666666666677,
        0.041666666666666685,
        0.008333333333321827,
        0.0013888888888896117,
        0.00019841269885257878,
        2.480158727164682e-05,
        2.755724522644645e-06,
        2.755733621975404e-07,
        2.5108666929800328e-08,
        2.0892068540733904e-09,
    ),
}

#: (-log erfc(a) / a - 1) for 0 <= a <= 4 and 6: erf to 2^-27 and 2^-55 of itself.
ERF = {
    float32: (
        0.12837917,
        0.63661957,
        0.102776304,
        -0.019147826,
        -0.00016948445,
        0.0016756387,
        -0.00063733076,
        0.00011884823,
        -9.385998e-06,
    ),
    float64: (
        0.12837916709551256,
        0.6366197723675898,
        0.1027726033013577,
        -0.019128446993820002,
        -0.0002091948468381577,
        0.0016962076258333506,
        -0.0005901322433122211,
        2.5903931835510456e-05,
        6.442175197134373e-05,
        -2.9577860988109118e-05,
        3.172583243093135e-06,
        3.1299276607889056e-06,
        -2.034681010359578e-06,
        5.689796567155488e-07,
        -1.0836587787158017e-08,
        -6.610116129478756e-08,
        3.4708356669745705e-08,
        -1.080613116619089e-08,
        2.3672934760122605e-09,
        -3.771394484230381e-10,
        4.3141726913589354e-11,
        -3.3743068090562453e-12,
        1.61982590554863e-13,
        -3.6036894701757165e-15,
    ),
}

#: log(1 + e) / e for 0 <= e <= 1, to 2^-27 and 2^-56 of itself.
LOG1P = {
    float32: (
        1.0,
        -0.4999993,
        0.33330464,
        -0.2495802,
        0.19692118,
        -0.15344952,
        0.106612876,
        -0.057459157,
        0.020087443,
        -0.0032907724,
    ),
    float64: (
        1.0,
        -0.4999999999999946,
        0.3333333333323525,
        -0.24999999993685731,
        0.19999999791547543,
        -0.16666662501966073,
        0.14285658933464318,
        -0.12499479883733675,
        0.11107507495576925,
        -0.09981021221893628,
        0.09013174088918598,
        -0.08081263264486468,
        0.07035644983671914,
        -0.057503614333950355,
        0.042302041677004826,
        -0.026745732972504894,
        0.013839803588627247,
        -0.005543709181340933,
        0.0015959425474948896,
        -0.00029180205943861865,
        2.5333687558051322e-05,
    ),
}


def at_most(s: Scalars, x: Value, limit: float) -> Value:
    """``min(x, limit)`` with a constant limit; a NaN stays. In this form it is one instruction on x86."""
    bound = s.like(x, limit)
    return s.select(s.lt(bound, x), bound, x)


def at_least(s: Scalars, x: Value, limit: float) -> Value:
    """``max(x, limit)`` with a constant limit; a NaN stays. In this form it is one instruction on x86."""
    bound = s.like(x, limit)
    return s.select(s.lt(x, bound), bound, x)


def with_sign_of(s: Scalars, magnitude: Value, x: Value) -> Value:
    """A number that is not negative, with the sign of x: right for -0, too."""
    integer = FORMAT[x.dtype].integer
    sign = s.and_(s.bitcast(x, integer), s.const(np.iinfo(integer).min, integer))
    return s.bitcast(s.or_(s.bitcast(magnitude, integer), sign), x.dtype)


def _reduce(s: Scalars, x: Value, scale: float, parts: tuple[float, ...], offset: int) -> tuple[Value, Value]:
    """``r = x + n * sum(parts)`` for ``n = rint(x * scale)``, and an integer whose lowest bits are ``n + offset``.

    Adding ``1.5 * 2^fraction`` rounds to a whole number and leaves it in the lowest bits: three steps in one.
    """
    layout = FORMAT[x.dtype]
    shifter = s.like(x, 1.5 * 2.0**layout.fraction + offset)
    shifted = s.fma(x, s.like(x, scale), shifter)
    n = s.sub(shifted, shifter)
    for part in parts:
        x = s.fma(n, s.like(x, part), x)
    return x, s.bitcast(shifted, layout.integer)


def _power_of_two(s: Scalars, exponent: Value, like: Value) -> Value:
    """The float with these exponent bits; whatever stands above them is shifted out."""
    return s.bitcast(s.shl(exponent, FORMAT[like.dtype].fraction), like.dtype)


def _series(s: Scalars, r: Value, coefficients: Any) -> Value:
    """``r + r^2 P(r)``."""
    return s.fma(s.mul(r, r), s.polynomial(r, coefficients), r)


def exp(s: Scalars, x: Value) -> Value:
    """``e^x``; infinite above 88.7 (709.8 in float64), gradually 0 below -87.3 (-708.4).

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> exp(ArrayScalars(), np.array([0.0, 1.0, -1e5])).round(6).tolist()
    [1.0, 2.718282, 0.0]
    """
    return exp_sum(s, x, None)


def exp_sum(s: Scalars, x: Value, low: Value | None) -> Value:
    """``e^(x + low)`` for a ``low`` that is too small to change x, or None."""
    wide = x.dtype == float64
    x = at_least(s, at_most(s, x, 710.0 if wide else 89.0), -746.0 if wide else -104.0)
    high_part, low_part = LN2_PARTS[x.dtype]
    r, n = _reduce(s, x, LOG2_E, (-high_part, -low_part), 2 * FORMAT[x.dtype].bias)
    if low is not None:
        r = s.add(r, low)
    p = s.polynomial(r, (1.0, 1.0, *EXP[x.dtype]))
    # 2^n itself need not be a float: n reaches 128 and -150 (1024 and -1075). Its halves are, and the last product
    # rounds once, to infinity or to a subnormal number.
    half = s.shr(n, 1)
    return s.mul(s.mul(p, _power_of_two(s, half, x)), _power_of_two(s, s.sub(n, half), x))


def expm1(s: Scalars, x: Value) -> Value:
    """``e^x - 1``, to all digits for small x, too.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> expm1(ArrayScalars(), np.array([1e-20, 0.5, -50.0])).tolist()
    [1e-20, 0.6487212707001282, -1.0]
    """
    wide = x.dtype == float64
    clipped = at_least(s, at_most(s, x, 710.0 if wide else 89.0), -40.0 if wide else -20.0)
    high_part, low_part = LN2_PARTS[x.dtype]
    r, n = _reduce(s, clipped, LOG2_E, (-high_part, -low_part), FORMAT[x.dtype].bias - 1)
    # 2^n (e^r - 1) + (2^n - 1), halved on the way, because 2^n can be twice the largest power of two.
    half = _power_of_two(s, n, x)
    y = s.fma(_series(s, r, EXP[x.dtype]), half, s.sub(half, s.like(x, 0.5)))
    tiny = s.lt(s.abs(x), s.like(x, 2.0**-54 if wide else 2.0**-25))  # keeps -0 and subnormal numbers
    return s.select(tiny, x, s.add(y, y))


def sigmoid(s: Scalars, x: Value) -> Value:
    """``1 / (1 + e^-x)``, to all digits down to the smallest subnormal number.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> sigmoid(ArrayScalars(), np.array([0.0, -1.0, -np.inf])).round(6).tolist()
    [0.5, 0.268941, 0.0]
    """
    wide = x.dtype == float64
    x = at_least(s, at_most(s, x, 40.0 if wide else 20.0), -746.0 if wide else -104.0)
    # Both parts of the fraction are made smaller by a power of two, so that e^-x is a float for every x.
    shift = 53 if wide else 24
    r, n = _reduce(s, x, -LOG2_E, LN2_PARTS[x.dtype], FORMAT[x.dtype].bias - shift)  # -x = n ln 2 - r
    p = s.polynomial(r, (1.0, -1.0, *_mirror(EXP[x.dtype])))
    one = s.like(x, 2.0**-shift)
    return s.div(one, s.fma(p, _power_of_two(s, n, x), one))


def tanh(s: Scalars, x: Value) -> Value:
    """Hyperbolic tangent, as ``h / (h + 1)`` with ``h = (e^2|x| - 1) / 2``, and the sign of x.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> tanh(ArrayScalars(), np.array([-0.0, 1e-20, -1.0, np.inf])).round(6).tolist()
    [-0.0, 0.0, -0.761594, 1.0]
    """
    a = at_most(s, s.abs(x), 20.0 if x.dtype == float64 else 10.0)
    # 2a = n ln 2 + 2r. Once n counts, the result hangs so little on a that ln 2 in one part is enough.
    r, n = _reduce(s, a, 2 * LOG2_E, (-LN2 / 2,), FORMAT[x.dtype].bias)
    scale = _power_of_two(s, n, x)
    coefficients = tuple(c * 2.0 ** (k + 1) for k, c in enumerate(EXP[x.dtype]))  # (e^2r - 1)/2 = r + r^2 2 P(2r)
    half = s.like(x, 0.5)
    h = s.fma(_series(s, r, coefficients), scale, s.fma(scale, half, s.neg(half)))
    y = s.div(h, s.add(h, s.like(x, 1.0)))
    # h / (h + 1) = h - h * h / (h + 1): where h is small the second form forgets most of the roundings on the way.
    y = s.select(s.lt(h, s.like(x, 0.4)), s.fma(s.neg(h), y, h), y)
    return with_sign_of(s, y, x)


def erf(s: Scalars, x: Value) -> Value:
    """``2/sqrt(pi) * integral from 0 to x of e^-t^2 dt``, as ``1 - e^-w`` with ``w = -log erfc |x|``, and the sign of x.

    For small x both w and ``1 - e^-w`` keep all their digits, so one formula serves everywhere.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> erf(ArrayScalars(), np.array([0.0, -1.0, 9.0])).round(6).tolist()
    [0.0, -0.842701, 1.0]
    """
    a = at_most(s, s.abs(x), 6.0 if x.dtype == float64 else 4.0)
    w = s.fma(a, s.polynomial(a, ERF[x.dtype]), a)
    r, n = _reduce(s, w, -LOG2_E, (LN2,), FORMAT[x.dtype].bias)  # -w = n ln 2 - r
    scale = _power_of_two(s, n, x)
    rise = _series(s, r, tuple(-c for c in _mirror(EXP[x.dtype])))  # 1 - e^-r
    return with_sign_of(s, s.fma(rise, scale, s.sub(s.like(x, 1.0), scale)), x)


def softplus(s: Scalars, x: Value) -> Value:
    """``log(1 + e^x)`` as ``max(x, 0) + log(1 + e^-|x|)``.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> softplus(ArrayScalars(), np.array([0.0, 100.0, -100.0])).tolist()
    [0.6931471805599453, 100.0, 3.720075976020836e-44]
    """
    e = exp(s, s.neg(s.abs(x)))
    return s.fma(e, s.polynomial(e, LOG1P[x.dtype]), at_least(s, x, 0.0))


def _mirror(coefficients: tuple[float, ...]) -> tuple[float, ...]:
    """Those of ``P(-r)``."""
    return tuple(-c if k % 2 else c for k, c in enumerate(coefficients))
