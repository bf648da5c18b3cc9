"""NaN, infinities, -0.0, the largest and the smallest numbers go through ops as they go through NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from checker import same

import chainrule as cr
from chainrule.core.op import REGISTRY, Elementwise

NAN, INF = math.nan, math.inf
DTYPES = [np.float32, np.float64]
UNARY = sorted(
    name for name, kind in REGISTRY.items()
    if issubclass(kind, Elementwise) and len(kind.domain) == 1 and hasattr(np, name) and name != "logical_not"
)  # fmt: skip
BINARY = sorted(
    name for name, kind in REGISTRY.items()
    if issubclass(kind, Elementwise) and len(kind.domain) == 2 and hasattr(np, name) and "logical" not in name
)  # fmt: skip
REDUCTIONS = ["sum", "mean", "prod", "max", "min", "argmax", "argmin", "cumsum"]


def special(dtype: Any) -> Any:
    """One of each kind of number there is."""
    limits = np.finfo(dtype)
    numbers = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, NAN, INF, -INF]
    return np.array([*numbers, limits.max, limits.min, limits.tiny, limits.smallest_subnormal, limits.eps], dtype)


def test_every_function_that_numpy_has_is_compared() -> None:
    assert {"absolute", "cos", "exp", "expm1", "isnan", "log", "log1p", "negative", "sign", "sin", "sqrt"} <= set(UNARY)
    assert {"add", "divide", "equal", "less", "maximum", "minimum", "multiply", "power", "subtract"} <= set(BINARY)
    left = {n for n, k in REGISTRY.items() if issubclass(k, Elementwise)} - set(UNARY) - set(BINARY)
    assert left == {
        "clip", "erf", "logical_and", "logical_not", "logical_or", "logical_xor", "relu", "rsqrt", "sigmoid", "softplus",
    }  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary_as_numpy(name: str, dtype: Any) -> None:
    x = special(dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    assert same(getattr(cr, name)(cr.tensor(x)).numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary_as_numpy(name: str, dtype: Any) -> None:
    """Every pair of special numbers."""
    x, y = (np.ascontiguousarray(v).ravel() for v in np.meshgrid(special(dtype), special(dtype)))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)
    assert same(getattr(cr, name)(cr.tensor(x), cr.tensor(y)).numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_as_numpy(name: str, dtype: Any) -> None:
    """A row with each special number between ordinary ones, and rows of one kind alone."""
    for value in special(dtype):
        for row in ([1.0, value, 2.0], [value] * 3, [value, NAN, INF], [INF, value, -INF]):
            x = np.array([row, [1.0, 2.0, 3.0]], dtype)
            with np.errstate(all="ignore"):
                expected = np.asarray(getattr(np, name)(x, axis=1))
            assert same(getattr(cr, name)(cr.tensor(x), axis=1).numpy(), expected), row


@pytest.mark.parametrize("name", ["transpose", "flip"])
def test_moves_keep_every_bit(name: str) -> None:
    x = special(np.float64).reshape(3, 5)
    assert same(getattr(cr, name)(cr.tensor(x)).numpy(), getattr(np, name)(x))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("relu", [NAN, INF, -INF, 0.0, -1.0, 2.0], [NAN, INF, 0.0, 0.0, 0.0, 2.0]),
        ("sigmoid", [NAN, INF, -INF, 0.0, 1000.0, -1000.0], [NAN, 1.0, 0.0, 0.5, 1.0, 0.0]),
        ("softplus", [NAN, INF, -INF, 1000.0, -1000.0], [NAN, INF, 0.0, 1000.0, 0.0]),
        ("rsqrt", [NAN, INF, 0.0, -0.0, -1.0, 4.0], [NAN, 0.0, INF, -INF, NAN, 0.5]),
        ("erf", [NAN, INF, -INF, 0.0, -0.0, 30.0, -30.0], [NAN, 1.0, -1.0, 0.0, -0.0, 1.0, -1.0]),
        ("sign", [NAN, INF, -INF, 0.0, 3.0], [NAN, 1.0, -1.0, 0.0, 1.0]),
        ("sqrt", [NAN, INF, -INF, -0.0, -1.0], [NAN, INF, NAN, -0.0, NAN]),
        ("log", [NAN, INF, 0.0, -0.0, -1.0], [NAN, INF, -INF, -INF, NAN]),
        ("tanh", [NAN, INF, -INF, -0.0], [NAN, 1.0, -1.0, -0.0]),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary_expectations(name: str, given: list[float], expected: list[float], dtype: Any) -> None:
    got = getattr(cr, name)(cr.tensor(given, dtype)).numpy()
    assert same(got, np.array(expected, dtype)), got


def test_relu_of_minus_zero_is_a_zero() -> None:
    assert cr.relu(cr.tensor([-0.0])).item() == 0


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([INF, 1.0], INF), ([-INF, 1.0], 1.0), ([-INF, -INF], -INF), ([INF, -INF], INF), ([INF, INF], INF),
        ([NAN, 1.0], NAN), ([NAN, INF], NAN), ([1000.0, 0.0], 1000.0), ([-1000.0, -2000.0], -1000.0),
    ],
)  # fmt: skip
def test_logsumexp(row: list[float], expected: float) -> None:
    assert same(cr.logsumexp(cr.tensor(row, "float64")).numpy(), np.array(expected))


def test_logsumexp_of_nothing_is_minus_infinity() -> None:
    assert cr.logsumexp(cr.zeros(0, 3), axis=0).tolist() == [-INF] * 3


@pytest.mark.parametrize("value", [NAN, INF, -INF, -0.0])
def test_where_takes_no_notice_of_the_other_branch(value: float) -> None:
    x, y = cr.tensor([1.0, value]), cr.tensor([value, 2.0])
    condition = cr.tensor([True, False])
    assert cr.where(condition, x, y).tolist() == [1.0, 2.0]
    assert same(cr.where(~condition, x, y).numpy(), np.full(2, value, np.float32))


@pytest.mark.parametrize(
    ("value", "expected"), [(NAN, NAN), (INF, 1.0), (-INF, -1.0), (-0.0, -0.0), (1.0, 1.0), (-1.0, -1.0)]
)
def test_clip(value: float, expected: float) -> None:
    assert same(cr.clip(cr.tensor(value, "float64"), -1.0, 1.0).numpy(), np.array(expected))
    assert same(cr.clip(cr.tensor(value, "float64")).numpy(), np.array(value))


def test_maximum_and_minimum_keep_nan_and_infinity() -> None:
    x, y = cr.tensor([NAN, 1.0, INF, -INF]), cr.tensor([1.0, NAN, NAN, 5.0])
    assert same(cr.maximum(x, y).numpy(), np.array([NAN, NAN, NAN, 5.0], np.float32))
    assert same(cr.minimum(x, y).numpy(), np.array([NAN, NAN, NAN, -INF], np.float32))


def test_argmax_finds_the_first_nan() -> None:
    x = cr.tensor([1.0, NAN, INF, NAN])
    assert (cr.argmax(x).item(), cr.argmin(x).item()) == (1, 1)


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("absolute", 0.0, 0.0), ("relu", 0.0, 0.0), ("sqrt", 0.0, INF), ("sigmoid", 1000.0, 0.0),
        ("sigmoid", -1000.0, 0.0), ("tanh", INF, 0.0), ("softplus", 1000.0, 1.0), ("softplus", -1000.0, 0.0),
        ("exp", -INF, 0.0), ("log", 0.0, INF), ("relu", NAN, 0.0), ("erf", 0.0, 2 / math.sqrt(math.pi)),
    ],
)  # fmt: skip
def test_gradients_at_the_edge(name: str, at: float, expected: float) -> None:
    x = cr.tensor(at, "float64", requires_grad=True)
    getattr(cr, name)(x).backward()
    assert x.grad.item() == pytest.approx(expected, abs=0)


def test_equal_ones_share_the_gradient() -> None:
    x, y = cr.tensor([1.0, 3.0], requires_grad=True), cr.tensor([1.0, 2.0], requires_grad=True)
    cr.maximum(x, y).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([0.5, 1.0], [0.5, 0.0])
    z = cr.tensor([[2.0, 2.0, 1.0]], requires_grad=True)
    z.max().backward()
    assert z.grad.tolist() == [[0.5, 0.5, 0.0]]


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_product_with_zeros(zeros: int) -> None:
    """Gradient and Hessian of a product, where some of its factors are zero."""
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[:zeros] = 0.0

    def others(*left_out: int) -> float:
        return float(np.prod([v for i, v in enumerate(x) if i not in left_out]))

    gradient = cr.grad(cr.prod)(cr.tensor(x))
    assert gradient.tolist() == [others(i) for i in range(4)]
    hessian = cr.jacobian(cr.grad(cr.prod))(cr.tensor(x))
    assert hessian.tolist() == [[others(i, j) if i != j else 0.0 for j in range(4)] for i in range(4)]


def test_power_at_zero() -> None:
    x, y = cr.tensor([0.0, 0.0, 2.0], requires_grad=True), cr.tensor([0.0, 2.0, 0.0], requires_grad=True)
    cr.power(x, y).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    assert y.grad.tolist() == [0.0, 0.0, pytest.approx(math.log(2))]


def test_the_guard_in_the_documentation_of_where_works() -> None:
    x = cr.tensor([0.0, 2.0], requires_grad=True)
    cr.where(x > 0, cr.log(cr.where(x > 0, x, 1.0)), 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.5]
