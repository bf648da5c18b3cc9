"""Element rules against NumPy on every dtype, and their accuracy in units in the last place (ulp).

Everything runs on two sets of instructions: ``ArrayScalars``, whose ``fma`` rounds twice, and one whose ``fma`` rounds
once, as that of most machines does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.decompose import ELEMENT
from chainrule.compiler.decompose_log import integer_power
from chainrule.compiler.scalars import ArrayScalars
from chainrule.core.aval import Aval
from chainrule.core.erf import erf as erf_float64
from chainrule.core.errors import DTypeError
from chainrule.core.op import REGISTRY

Array = np.ndarray[Any, Any]
FLOATS = [np.float32, np.float64]
NAN, INF = math.nan, math.inf
#: 64 bits of significand: the truth for float64. Not every machine has them.
LONG = np.longdouble
needs_long = pytest.mark.skipif(np.finfo(LONG).nmant < 63, reason="no long double to measure float64 by")


class FusedScalars(ArrayScalars):
    """``fma`` computed wide and rounded to its dtype: a double rounding in 1 of about 2000 cases, else the machine's."""

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        wide = np.float64 if x.dtype == np.float32 else LONG
        with np.errstate(all="ignore"):
            return (np.asarray(x).astype(wide) * y + z).astype(x.dtype)


BOTH = [ArrayScalars(), FusedScalars()]


def quietly(function: Callable[..., Any], *arrays: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(function(*arrays))


# ---- measures


def ordered(x: Array) -> Array:
    """Floats as integers in the same order, neighbours one apart."""
    bits = x.view(np.int32 if x.dtype == np.float32 else np.int64).astype(np.int64)
    return np.where(bits < 0, np.int64(-(2**31) if x.dtype == np.float32 else -(2**63)) - bits, bits)


def distance(received: Array, expected: Array) -> int:
    """The largest number of floats between the two; NaN only answers NaN."""
    assert received.dtype == expected.dtype and received.shape == expected.shape
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(received), nan)
    a, b = ordered(received)[~nan], ordered(expected)[~nan]
    apart = np.abs(a).astype(np.float64) + np.abs(b)  # of unlike sign: as integers they could overflow
    return int(np.where((a < 0) == (b < 0), np.abs(a - b), apart).max(initial=0))


def error(received: Array, truth: Array) -> float:
    """The largest distance from numbers of higher precision, in ulp; a wrong NaN or infinity is infinitely far."""
    digits, lowest = (24, -149) if received.dtype == np.float32 else (53, -1074)
    with np.errstate(all="ignore"):
        rounded, wide = truth.astype(received.dtype), received.astype(truth.dtype)
        ulp = np.ldexp(np.ones_like(truth), np.maximum(np.frexp(truth)[1] - digits, lowest))
        off = np.abs(wide - truth) / ulp
    same = ((received == rounded) & ~np.isfinite(received)) | (np.isnan(received) & np.isnan(rounded))
    return float(np.where(same, 0, np.where(np.isnan(off), np.inf, off)).max(initial=0))


# ---- the table against NumPy


def test_every_elementwise_op_has_its_rule() -> None:
    assert set(ELEMENT) == {n for n, op in REGISTRY.items() if op.family == "map"} - {"cast", "stop_gradient"}


#: Ops whose result must be NumPy's to the bit.
EXACT = sorted(
    set(ELEMENT)
    - {"cos", "erf", "exp", "expm1", "log", "log1p", "power", "rsqrt", "sigmoid", "sin", "softplus", "tanh"}
)
#: Ops for which +0 and -0 are one.
ZEROS_ALIKE = {"clip", "maximum", "minimum", "relu"}


def compare(name: str, s: ArrayScalars, arrays: tuple[Array, ...], ulp: int = 4) -> None:
    """The rule against the op's own ``compute``, which has errors of its own."""
    expected = quietly(REGISTRY[name].of().compute, *arrays)
    received = quietly(lambda *v: ELEMENT[name](s, *v), *arrays)
    assert received.dtype == expected.dtype and received.shape == expected.shape
    if expected.dtype.kind != "f" or name in EXACT:
        np.testing.assert_array_equal(received, expected)
    else:
        assert distance(received, expected) <= ulp
    if expected.dtype.kind == "f" and name not in ZEROS_ALIKE:
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(received[zero]), np.signbit(expected[zero]))


def with_dtype(arrays: tuple[Array, ...], dtype: Any) -> tuple[Array, ...]:
    return tuple(np.asarray(x).astype(dtype) if np.asarray(x).dtype.kind == "f" else np.asarray(x) for x in arrays)


@pytest.mark.parametrize("s", BOTH, ids=["array", "fused"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", sorted(ELEMENT))
def test_samples_as_numpy(name: str, dtype: Any, s: ArrayScalars) -> None:
    for sample in REGISTRY[name].samples():
        compare(name, s, with_dtype(sample.inputs, dtype))


def special(dtype: Any) -> Array:
    limits = np.finfo(dtype)
    numbers = [0.0, 1.0, 0.5, 2.0, 2.5, 3.0, INF, limits.max, limits.tiny, limits.smallest_subnormal, limits.eps]
    numbers += [limits.tiny / 2, 2.0 ** (limits.nmant + 1) - 1, 2.0**limits.nmant + 1]
    return np.array([NAN, *numbers, *(-x for x in numbers)], dtype)


def arity(name: str) -> int:
    return len(next(iter(REGISTRY[name].samples())).inputs)


def every_combination(name: str, values: Array) -> tuple[Array, ...]:
    inputs = [values] * arity(name)
    if name == "where" or name.startswith("logical"):
        inputs[: 1 if name == "where" else None] = [np.array([False, True])] * (1 if name == "where" else arity(name))
    return tuple(np.ascontiguousarray(x).ravel() for x in np.meshgrid(*inputs))


@pytest.mark.parametrize("s", BOTH, ids=["array", "fused"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", sorted(ELEMENT))
def test_special_values_as_numpy(name: str, dtype: Any, s: ArrayScalars) -> None:
    values = special(dtype)
    if name in ("sin", "cos"):  # the largest numbers are beyond their reduction
        values = values[~(np.isfinite(values) & (np.abs(values) > 1e6))]
    compare(name, s, every_combination(name, values))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", sorted(ELEMENT))
def test_random_draws_as_numpy(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    arrays = [
        (rng.standard_normal(3000) * 10.0 ** rng.uniform(-3, 1.5, 3000)).astype(dtype) for _ in range(arity(name))
    ]
    if name == "where" or name.startswith("logical"):
        arrays[: 1 if name == "where" else None] = [x > 0 for x in (arrays[:1] if name == "where" else arrays)]
    if (
        name == "sigmoid"
    ):  # NumPy's own formula is 0 where e^-x overflows: the rule goes on to the last subnormal number
        arrays = [x[x > -80] for x in arrays]
    compare(name, BOTH[0], tuple(arrays))


def accepts(name: str, dtype: Any) -> bool:
    op = REGISTRY[name]
    avals = [Aval.of((), np.dtype(dtype))] * arity(name)
    if name == "where":
        avals[0] = Aval.of((), np.dtype(bool))
    try:
        op.of().infer(*avals)
    except DTypeError:
        return False
    return op.promotion == "same"


WHOLE = {
    np.bool_: np.array([False, True]),
    np.uint8: np.array([0, 1, 2, 3, 7, 100, 127, 128, 200, 255], np.uint8),
    np.int32: np.array([0, 1, -1, 2, -2, 3, 10, -77, 31, 2**31 - 1, -(2**31), 46341], np.int32),
    np.int64: np.array([0, 1, -1, 2, -2, 3, 10, -77, 63, 2**63 - 1, -(2**63), 3037000500], np.int64),
}


@pytest.mark.parametrize(("name", "dtype"), [(n, d) for n in sorted(ELEMENT) for d in WHOLE if accepts(n, d)])
def test_whole_numbers_and_booleans_as_numpy(name: str, dtype: Any) -> None:
    arrays = every_combination(name, WHOLE[dtype])
    if name == "power":  # NumPy refuses negative exponents
        arrays = tuple(x[arrays[1] >= 0] for x in arrays)
    compare(name, BOTH[0], arrays)


def test_which_dtypes_ops_take() -> None:
    taken = {dtype: {name for name in ELEMENT if accepts(name, dtype)} for dtype in WHOLE}
    assert taken[np.int32] == taken[np.int64] == taken[np.uint8]
    assert taken[np.int32] - taken[np.bool_] == {"negative", "power", "sign", "square", "subtract"}
    assert taken[np.bool_] - taken[np.int32] == {"logical_and", "logical_not", "logical_or", "logical_xor"}


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_negative_exponents_of_integers_cut_the_fraction(dtype: Any) -> None:
    x, y = np.array([1, 1, -1, -1, 2, -3, 0], dtype), np.array([-1, -2, -1, -2, -1, -1, -1], dtype)
    np.testing.assert_array_equal(integer_power(BOTH[0], x, y), np.array([1, 1, -1, 1, 0, 0, 0], dtype))


# ---- accuracy

#: The largest errors in ulp, measured on 20 times as many numbers as are drawn here and rounded up: where ``fma`` rounds
#: twice, and where it rounds once. Up to 2.5, a result is at most the second neighbour of the correctly rounded one.
MEASURED = {
    "exp": {np.float32: (1.2, 0.9), np.float64: (1.2, 0.9)},
    "expm1": {np.float32: (1.7, 1.6), np.float64: (2.1, 1.9)},
    "sigmoid": {np.float32: (2.5, 2.5), np.float64: (2.5, 2.5)},
    "tanh": {np.float32: (2.1, 1.9), np.float64: (2.4, 2.3)},
    "erf": {np.float32: (1.9, 1.8), np.float64: (2.0, 1.8)},
    "softplus": {np.float32: (2.4, 2.0), np.float64: (2.4, 2.0)},
    "log": {np.float32: (1.2, 0.9), np.float64: (1.6, 1.3)},
    "log1p": {np.float32: (1.7, 1.5), np.float64: (2.0, 1.9)},
    "sin": {np.float32: (1.6, 1.6), np.float64: (2.4, 2.4)},
    "cos": {np.float32: (1.6, 1.6), np.float64: (2.4, 2.4)},
}


def erf_long(x: Array) -> Array:
    """``2/sqrt(pi) e^-x^2 sum 2^n x^(2n+1) / (1 3 5 ... (2n+1))``: all terms of one sign."""
    term = np.minimum(np.abs(x), LONG(6.5))
    square, total = term * term, term.copy()
    for n in range(1, 150):
        term = term * (2 * square) / (2 * n + 1)
        total = total + term
    return np.copysign(total * np.exp(-square) * (2 / np.sqrt(4 * np.arctan(LONG(1)))), x) + np.where(np.isnan(x), x, 0)


TRUTH: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "erf": lambda x: erf_float64(x) if x.dtype == np.float64 else erf_long(x),
}


def numbers(name: str, dtype: Any, stride: int) -> Array:
    """Float32: every so many of all bit patterns. Float64: random bits, and where the function has its shape."""
    if dtype == np.float32:
        x = np.arange(0, 2**32, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
    else:
        rng, size = np.random.default_rng(stride), 2**30 // stride // 12
        ranges = [rng.uniform(-top, top, size) for top in (0.4, 1, 3, 40, 750)]
        small = np.exp(rng.uniform(-40, 3, size)) * rng.choice([-1, 1], size)
        near_one = 1 + rng.uniform(-1, 1, size) * 2.0 ** rng.integers(-50, 1, size)
        bits = rng.integers(0, 2**64, size, dtype=np.uint64).view(np.float64)
        x = np.concatenate([*ranges, small, near_one, bits])
    if name in ("sin", "cos"):
        n = np.arange(-600_000, 600_000, stride // 100)
        x = np.concatenate([x[np.abs(x) < 1e6], (n * (np.pi / 2)).astype(dtype), (n * 1.3).astype(dtype)])
    return x


def truth(name: str, x: Array) -> Array:
    wide = np.float64 if x.dtype == np.float32 else LONG
    function = TRUTH[name] if name in TRUTH else getattr(np, name)
    return quietly(lambda: function(x.astype(wide)))


@pytest.mark.parametrize("fused", [False, True], ids=["array", "fused"])
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=needs_long)])
@pytest.mark.parametrize("name", sorted(MEASURED))
def test_ulp(name: str, dtype: Any, fused: bool) -> None:
    slow = name == "erf" or (dtype == np.float32 and fused)
    x = numbers(name, dtype, 16411 if slow else 4099)
    right = truth(name, x)
    received = quietly(lambda: ELEMENT[name](BOTH[fused], x))
    assert distance(received, quietly(lambda: right.astype(dtype))) <= 2
    assert error(received, right) <= MEASURED[name][dtype][fused]


@pytest.mark.parametrize("fused", [False, True], ids=["array", "fused"])
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=needs_long)])
def test_ulp_of_power(dtype: Any, fused: bool) -> None:
    """Powers over the whole range of results; measured: 0.51 and 1.25 (1.0 with one rounding)."""
    rng, size, top = np.random.default_rng(0), 40_000, 88 if dtype == np.float32 else 709
    x = np.exp(rng.uniform(-1, 1, size) * np.where(rng.random(size) < 0.5, top, 10.0 ** rng.uniform(-6, 0, size)))
    y = (rng.uniform(-1.1, 1.1, size) * top / np.log(x)).astype(dtype)
    x = (x * rng.choice([-1, 1], size)).astype(dtype)
    y = np.where(rng.random(size) < 0.5, np.rint(y), y)
    wide = np.float64 if dtype == np.float32 else LONG
    right = quietly(np.power, x.astype(wide), y.astype(wide))
    assert error(quietly(lambda: ELEMENT["power"](BOTH[fused], x, y)), right) <= (0.52 if dtype == np.float32 else 1.3)


@pytest.mark.parametrize("dtype", FLOATS)
def test_powers_that_are_whole_numbers_are_exact(dtype: Any) -> None:
    limit = 2 ** (np.finfo(dtype).nmant + 1)
    pairs = [(x, y) for x in range(2, 200) for y in range(60) if x**y < limit]
    x, y = np.array(pairs, dtype).T
    np.testing.assert_array_equal(ELEMENT["power"](BOTH[0], x, y), np.array([a**b for a, b in pairs], dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["exp", "sigmoid", "softplus"])
def test_gradual_underflow_and_overflow(name: str, dtype: Any) -> None:
    """Where the result becomes subnormal, 0 or infinite, up to the last float before and after."""
    wide = np.float64 if dtype == np.float32 else LONG
    if dtype == np.float64 and np.finfo(LONG).nmant < 63:
        pytest.skip("no long double to measure float64 by")
    limits = np.finfo(dtype)
    edges = np.log(
        np.array([limits.max, limits.tiny, limits.smallest_subnormal, 0.5 * wide(limits.smallest_subnormal)], wide)
    )
    x = np.concatenate([(np.arange(-2000, 2000) * limits.eps * 64 + e).astype(dtype) for e in edges.astype(dtype)])
    x = np.concatenate([x, np.linspace(edges[3] - 5, edges[1] + 5, 5000).astype(dtype)])
    right = truth(name, x)
    for s in BOTH:
        received = quietly(lambda s=s: ELEMENT[name](s, x))
        assert error(received[right < limits.tiny], right[right < limits.tiny]) <= 1.1
        assert distance(received, quietly(lambda: right.astype(dtype))) <= 2


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_beyond_the_reduction_stay_bounded(name: str, dtype: Any) -> None:
    x = 10.0 ** np.linspace(6, 38, 2000)
    received = ELEMENT[name](BOTH[0], np.concatenate([x, -x]).astype(dtype))
    assert np.abs(received).max() <= 1
    assert np.isnan(ELEMENT[name](BOTH[0], np.array([INF, -INF, NAN], dtype))).all()


@pytest.mark.parametrize("name", ["erf", "tanh", "sin", "expm1", "log1p"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_tiny_numbers_pass_through(name: str, dtype: Any) -> None:
    """Where the function is x, or 2/sqrt(pi) x, -0 and subnormal numbers included."""
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([0.0, -0.0, tiny, -tiny, 12345 * tiny, -np.finfo(dtype).tiny], dtype)
    factor = 2 / math.sqrt(math.pi) if name == "erf" else 1.0
    received = ELEMENT[name](BOTH[0], x)
    np.testing.assert_allclose(received, factor * x.astype(np.longdouble), rtol=0, atol=float(tiny) * 0.51)
    np.testing.assert_array_equal(np.signbit(received), np.signbit(x))


# ---- cost


class CountingScalars(ArrayScalars):
    """Counts instructions; a change of dtype that keeps the bits is none."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if name in vars(ArrayScalars) and name not in ("const", "bitcast"):
            self.counts[name] += 1
        return super().__getattribute__(name)


#: Instructions for one float32: more make training slower.
COST = {"relu": 2, "exp": 20, "expm1": 21, "sigmoid": 17, "tanh": 24, "log": 27, "log1p": 25, "erf": 26, "softplus": 34}


@pytest.mark.parametrize("name", sorted(COST))
def test_instructions(name: str) -> None:
    s = CountingScalars()
    ELEMENT[name](s, np.ones(3, np.float32))
    assert s.counts.total() == COST[name]
    assert s.counts["div"] == (name in ("sigmoid", "tanh"))
