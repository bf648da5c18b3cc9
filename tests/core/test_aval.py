"""Shapes and element types: interning, broadcasting, promotion, axes."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.aval import (
    DTYPES,
    Aval,
    broadcast_shapes,
    canonical_dtype,
    is_float,
    normalize_axes,
    normalize_axis,
    short,
)
from chainrule.core.errors import DTypeError, ShapeError

shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)


def test_equal_avals_are_one_object() -> None:
    a = Aval.of((2, 3), np.float32)
    assert a is Aval.of((2, 3), "float32") is Aval.of([2, 3], "f4") is Aval.like(np.zeros((2, 3), np.float32))
    assert a is copy.copy(a) is copy.deepcopy(a) is pickle.loads(pickle.dumps(a))
    assert a is not Aval.of((3, 2), np.float32) and a is not Aval.of((2, 3), np.float64)
    assert a is Aval.of((2, 3), np.dtype(">f4"))


def test_fields_and_text() -> None:
    a = Aval.of((4, 3), np.int64)
    assert (a.shape, a.dtype, a.ndim, a.size) == ((4, 3), np.int64, 2, 12)
    assert [repr(Aval.of((2,), d)) for d in DTYPES] == ["bool[2]", "u8[2]", "i32[2]", "i64[2]", "f32[2]", "f64[2]"]
    assert repr(Aval.of((), "bool")) == "bool[]" and Aval.of((), "bool").size == 1
    assert short(cr.float32) == "f32"


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [(float, "float64"), (int, "int64"), (bool, "bool"), ("f4", "float32"), (np.uint8, "uint8"), (cr.int32, "int32")],
)
def test_canonical_dtype(given_dtype: object, expected: str) -> None:
    assert canonical_dtype(given_dtype) is np.dtype(expected)


@pytest.mark.parametrize("unknown", ["float16", "complex128", "int8", "U3", "nonsense", object(), np.datetime64])
def test_other_dtypes_are_refused_by_name(unknown: object) -> None:
    with pytest.raises(DTypeError, match="one of bool, uint8, int32, int64, float32, float64"):
        canonical_dtype(unknown)


@given(st.lists(shapes, min_size=1, max_size=3))
def test_broadcasting_is_numpys(group: list[tuple[int, ...]]) -> None:
    try:
        expected = np.broadcast_shapes(*group)
    except ValueError:
        with pytest.raises(ShapeError, match="broadcast"):
            broadcast_shapes("add", *group)
    else:
        assert broadcast_shapes("add", *group) == expected


def test_promotion_table() -> None:
    """bool < uint8 < int32 < int64 < float32 and float64; the two floats never mix."""
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = cr.ones(2, dtype=a), cr.ones(2, dtype=b)
        if {a, b} == {np.dtype("float32"), np.dtype("float64")}:
            with pytest.raises(DTypeError, match=r"x.float\(\) gives float32, x.double\(\) gives float64"):
                x * y
        else:
            assert (x * y).dtype is DTYPES[max(DTYPES.index(a), DTYPES.index(b))]


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [
        ("float32", 2, "float32"), ("float32", 2.5, "float32"), ("float32", True, "float32"),
        ("float64", 2, "float64"), ("float64", 2.5, "float64"), ("int64", 2, "int64"), ("int64", 2.5, "float32"),
        ("int32", 2, "int32"), ("uint8", 2, "uint8"), ("uint8", 0.5, "float32"), ("bool", 2, "int64"),
        ("bool", 0.5, "float32"), ("bool", True, "bool"),
    ],
)  # fmt: skip
def test_python_numbers_are_weak(dtype: str, number: float, expected: str) -> None:
    x = cr.ones(3, dtype=dtype)
    assert (x * number).dtype == expected and (number * x).dtype == expected


def test_a_number_that_the_dtype_cannot_hold_is_refused() -> None:
    with pytest.raises(DTypeError, match="a number that uint8 can hold"):
        cr.tensor([1], dtype="uint8") + 300


def test_division_makes_floats() -> None:
    assert (cr.tensor([1, 2]) / 2).dtype == "float32"
    assert (cr.tensor([1, 2]) / cr.tensor([2.0], dtype="float64")).dtype == "float64"
    assert cr.mean(cr.tensor([1, 2])).item() == 1.5


def test_is_float() -> None:
    assert [is_float(d) for d in DTYPES] == [False] * 4 + [True] * 2


def test_axes() -> None:
    assert normalize_axis("sum", -1, 3) == 2 and normalize_axis("sum", np.int64(1), 3) == 1
    assert normalize_axes("sum", None, 2) == (0, 1) and normalize_axes("sum", [-1, 0], 3) == (0, 2)
    for axis, ndim in [(2, 2), (-3, 2), (0, 0)]:
        with pytest.raises(ShapeError, match=f"axis={axis} for {ndim} axes"):
            normalize_axis("sum", axis, ndim)
    with pytest.raises(ShapeError, match="each axis once"):
        normalize_axes("sum", (0, -2), 2)
    with pytest.raises(ShapeError, match="whole number"):
        normalize_axis("sum", 1.5, 2)  # type: ignore[arg-type]
