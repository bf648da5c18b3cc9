"""Logarithms and powers out of scalar instructions: log, log1p, and the powers of floats and of integers.

``x = 2^e m`` with ``2/3 <= m < 4/3`` by integer arithmetic on the bits of x; then ``log x = e ln 2 + log m`` and
``log(1 + f) = f + f^2 Q(f)``, with a polynomial Q of least maximum relative error (how it was found: ``decompose_exp``).
Straight code, without a division but for one in the power of float64.
"""

from __future__ import annotations

import math

import numpy as np

from chainrule.compiler.decompose_exp import FORMAT, LN2, LN2_PARTS, at_least, at_most, exp, exp_sum
from chainrule.compiler.scalars import Scalars, Value
from chainrule.core.aval import float32, float64, int32

__all__ = ["integer_power", "log", "log1p", "power"]

#: Q(f) for |f| <= 1/3: log(1 + f) to 2^-27 and 2^-59 of itself.
LOG = {
    float32: (
        -0.5,
        0.33333197,
        -0.2499992,
        0.20011428,
        -0.16674405,
        0.13989817,
        -0.122743174,
        0.14059676,
        -0.12484612,
    ),
    float64: (
        -0.5,
        0.3333333333333313,
        -0.24999999999999892,
        0.20000000000086432,
        -0.1666666666671603,
        0.1428571427289878,
        -0.12499999991936944,
        0.1111111204997455,
        -0.10000000646738605,
        0.09090869668526311,
        -0.083333039720637,
        0.07693328131842915,
        -0.07143668549658706,
        0.0664986998027745,
        -0.06235903113009345,
        0.060577657508546275,
        -0.05709389497218177,
        0.041501820887498604,
        -0.03988796476367447,
        0.08544626824344205,
        -0.08081173430157507,
    ),
}

#: P in 2 atanh(s) = 2s + s^3 (2/3 + s^2 P(s^2)) for |s| <= 1/5: the logarithm to 2^-69 of itself.
ATANH = (
    0.39999999999999725,
    0.28571428571577356,
    0.22222222191235586,
    0.18181821527613645,
    0.1538440654516742,
    0.13341148166694494,
    0.11592292646411383,
    0.1257189680689389,
)
#: 2/3 in two floats.
TWO_THIRDS = (2 / 3, 3.700743415417188e-17)

#: 2^23 and 2^52 / 2^32: what ``_minus_e`` gives for an exponent of -1.
_STEP = {float32: 2.0**23, float64: 2.0**20}
#: The bits of 2/3 plus a fraction of ones, so that clearing the fraction of a difference rounds it up.
_TOP = {
    dtype: int(np.array(2 / 3, dtype).view(layout.integer)) + (1 << layout.fraction) - 1
    for dtype, layout in FORMAT.items()
}


def _exponent(s: Scalars, x: Value, bits: Value) -> Value:
    """``-e`` in the place of the exponent, for the bits of ``2^e m`` with ``2/3 <= m < 4/3``."""
    layout = FORMAT[x.dtype]
    top, mask = s.const(_TOP[x.dtype], layout.integer), s.const(-1 << layout.fraction, layout.integer)
    return s.and_(s.sub(top, bits), mask)


def _minus_e(s: Scalars, x: Value, exponent: Value) -> Value:
    """``-e`` as a float, times ``_STEP``. Its factor is negative, too: 0 times that keeps the -0 of a sum."""
    if x.dtype == float64:
        # Many machines are slow to turn vectors of 64-bit integers into floats; the upper half says it all.
        exponent = s.cast(s.shr(exponent, 32), int32)
    return s.cast(exponent, x.dtype)


def _split(s: Scalars, x: Value) -> tuple[Value, Value]:
    """``m - 1`` and ``-e`` in the place of the exponent, of a positive ``x = 2^e m``."""
    layout = FORMAT[x.dtype]
    # Subnormal numbers have no exponent of their own: they are made larger first.
    lift = layout.fraction + 1
    subnormal = s.lt(x, s.like(x, 2.0 ** (1 - layout.bias)))
    bits = s.bitcast(s.select(subnormal, s.mul(x, s.like(x, 2.0**lift)), x), layout.integer)
    exponent = _exponent(s, x, bits)
    m = s.bitcast(s.add(bits, exponent), x.dtype)
    lifted, zero = s.const(lift << layout.fraction, layout.integer), s.const(0, layout.integer)
    return s.sub(m, s.like(x, 1.0)), s.add(exponent, s.select(subnormal, lifted, zero))


def _edges(s: Scalars, x: Value, y: Value) -> Value:
    """y, the logarithm of x, but -inf at 0, NaN below, and x where x is infinite or NaN."""
    y = s.select(s.lt(x, s.like(x, math.inf)), y, x)
    edge = s.select(s.eq(x, s.like(x, 0.0)), s.like(x, -math.inf), s.like(x, math.nan))
    return s.select(s.lt(s.like(x, 0.0), x), y, edge)


def log(s: Scalars, x: Value) -> Value:
    """Natural logarithm; -inf at 0, NaN below.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> log(ArrayScalars(), np.array([1.0, 10.0, 0.0, 5e-324])).round(6).tolist()
    [0.0, 2.302585, -inf, -744.440072]
    """
    f, exponent = _split(s, x)
    y = s.fma(s.mul(f, f), s.polynomial(f, LOG[x.dtype]), f)
    return _edges(s, x, s.fma(_minus_e(s, x, exponent), s.like(x, -LN2 / _STEP[x.dtype]), y))


def log1p(s: Scalars, x: Value) -> Value:
    """``log(1 + x)``, to all digits for small x, too; -inf at -1, NaN below.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> log1p(ArrayScalars(), np.array([1e-20, 1.0, -1.0])).tolist()
    [1e-20, 0.6931471805599453, -inf]
    """
    layout = FORMAT[x.dtype]
    u = s.add(x, s.like(x, 1.0))
    # 1 + x = 2^e m with the e of its rounded sum u, and m - 1 = 2^-e x + (2^-e - 1), of which nothing is lost in u.
    exponent = _exponent(s, x, s.bitcast(u, layout.integer))
    four = s.const((layout.bias + 2) << layout.fraction, layout.integer)  # 2^-e need not be a float, but 4 * 2^-e is
    scale = s.bitcast(s.add(four, exponent), x.dtype)
    scaled = s.bitcast(s.add(s.bitcast(x, layout.integer), exponent), x.dtype)
    f = s.sub(scaled, s.fma(scale, s.like(x, -0.25), s.like(x, 1.0)))  # -0 - 0 is -0
    y = s.fma(s.mul(f, f), s.polynomial(f, LOG[x.dtype]), f)
    return _edges(s, u, s.fma(_minus_e(s, x, exponent), s.like(x, -LN2 / _STEP[x.dtype]), y))


def power(s: Scalars, x: Value, y: Value) -> Value:
    """``x ** y`` of floats with the special cases of C and NumPy; ``integer_power`` of integers.

    Within 1 ulp in float32, by ``e^(y log |x|)`` in float64, and within 2 ulp in float64, with the logarithm and its
    product in two floats each (Dekker, "A floating-point technique for extending the available precision",
    Numerische Mathematik 18, 1971).

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> power(ArrayScalars(), np.array([2.0, -2.0, -8.0, 0.0]), np.array([0.5, 3.0, 1 / 3, -1.0])).round(6).tolist()
    [1.414214, -8.0, nan, inf]
    """
    if x.dtype.kind != "f":
        return integer_power(s, x, y)
    a = s.abs(x)
    if x.dtype == float32:
        product = s.mul(s.cast(y, float64), log(s, s.cast(a, float64)))
        p = s.cast(exp(s, product), float32)
    else:
        p = _power_of_positive(s, a, y)
    zero, one = s.like(x, 0.0), s.like(x, 1.0)
    p = s.select(s.or_(s.eq(a, one), s.eq(y, zero)), one, p)
    half = s.mul(y, s.like(x, 0.5))
    whole = s.eq(s.floor(y), y)
    odd = s.and_(whole, s.ne(s.floor(half), half))
    negative = s.lt(s.bitcast(x, FORMAT[x.dtype].integer), s.const(0, FORMAT[x.dtype].integer))
    p = s.select(s.and_(negative, odd), s.neg(p), p)
    finite_negative = s.and_(s.lt(x, zero), s.lt(s.like(x, -math.inf), x))
    return s.select(s.and_(finite_negative, s.not_(whole)), s.like(x, math.nan), p)


def integer_power(s: Scalars, x: Value, y: Value) -> Value:
    """``x ** y`` of integers by repeated squaring, wrapping around.

    NumPy refuses negative exponents; here the fraction is cut toward 0, as a cast would: 0 unless ``|x| = 1``.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> integer_power(ArrayScalars(), np.array([3, 2, -1, 2]), np.array([4, 63, -3, -1])).tolist()
    [81, -9223372036854775808, -1, 0]
    """
    zero, one, result, base = s.like(x, 0), s.like(x, 1), s.like(x, 1), x
    signed = x.dtype.kind == "i"
    for k in range(8 * x.dtype.itemsize - signed):
        bit = s.ne(s.and_(y, s.like(x, 1 << k)), zero)
        result = s.select(bit, s.mul(result, base), result)
        base = s.mul(base, base)
    if not signed:
        return result
    fraction = s.and_(s.lt(y, zero), s.ne(s.mul(x, x), one))
    return s.select(fraction, zero, result)


# ---- the power of float64: numbers as unevaluated sums of two floats


def _sum(s: Scalars, x: Value, y: Value) -> tuple[Value, Value]:
    """``x + y`` and what rounding took from it, for ``|x| >= |y|`` or ``x = 0``."""
    total = s.add(x, y)
    return total, s.sub(y, s.sub(total, x))


def _halves(s: Scalars, x: Value) -> tuple[Value, Value]:
    """The upper 26 bits of the significand and the rest: products of such halves are exact."""
    integer = FORMAT[x.dtype].integer
    high = s.bitcast(s.and_(s.bitcast(x, integer), s.const(-1 << 27, integer)), x.dtype)
    return high, s.sub(x, high)


def _product(s: Scalars, x: Value, y: Value) -> tuple[Value, Value]:
    """``x * y`` and what rounding took from it, whether ``fma`` rounds once or twice."""
    product = s.mul(x, y)
    (x_high, x_low), (y_high, y_low) = _halves(s, x), _halves(s, y)
    rest = s.fma(x_high, y_low, s.fma(x_high, y_high, s.neg(product)))
    return product, s.fma(x_low, y_low, s.fma(x_low, y_high, rest))


def _log_pair(s: Scalars, x: Value) -> tuple[Value, Value]:
    """The logarithm of a positive float64 as a sum of two floats, good to about 2^-66 of itself.

    ``log m = 2 atanh(t) = 2t + t^3 (2/3 + t^2 P(t^2))`` with ``t = f / (2 + f)``.
    """
    f, exponent = _split(s, x)
    e = s.mul(_minus_e(s, x, exponent), s.like(x, -1 / _STEP[x.dtype]))
    d, d_low = _sum(s, s.like(x, 2.0), f)
    reciprocal = s.div(s.like(x, 1.0), d)
    t = s.mul(f, reciprocal)
    product, product_low = _product(s, t, d)
    t_low = s.mul(s.sub(s.sub(s.sub(f, product), product_low), s.mul(t, d_low)), reciprocal)
    square, square_low = _product(s, t, t)
    square_low = s.fma(s.add(t, t), t_low, square_low)
    third, third_low = s.like(x, TWO_THIRDS[0]), s.like(x, TWO_THIRDS[1])
    u, u_low = _sum(s, third, s.fma(square, s.polynomial(square, ATANH), third_low))
    v, v_low = _product(s, square, u)
    v_low = s.add(v_low, s.fma(square, u_low, s.mul(square_low, u)))
    w, w_low = _product(s, t, v)
    w_low = s.add(w_low, s.fma(t, v_low, s.mul(t_low, v)))
    high, low = LN2_PARTS[float64]
    total, rest1 = _sum(s, s.mul(e, s.like(x, high)), s.add(t, t))
    total, rest2 = _sum(s, total, w)
    rest = s.add(s.add(rest1, rest2), s.add(s.fma(e, s.like(x, low), s.add(t_low, t_low)), w_low))
    return _sum(s, total, rest)


def _power_of_positive(s: Scalars, x: Value, y: Value) -> Value:
    """``x ** y`` of float64 for ``x >= 0``, but for 0 ** 0 and the like."""
    high, low = _log_pair(s, x)
    high = _edges(s, x, high)
    y = at_least(s, at_most(s, y, 2.0**70), -(2.0**70))  # beyond, the answer is 0, 1 or infinite; _product stays finite
    product, rest = _product(s, y, high)
    rest = s.fma(y, low, rest)
    near = s.lt(s.abs(product), s.like(x, 1024.0))
    return exp_sum(s, product, s.select(near, rest, s.like(x, 0.0)))
