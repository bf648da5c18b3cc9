"""Every registered op in every back end: interpreter, NumPy source and native code agree, on special values too."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.apply import apply
from chainrule.core.op import REGISTRY, Op

BACKENDS = ("numpy", "llvm")
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, -3.0, 88.8, -104.0, 1e30, 7.25])
#: Ops whose native form sums in another order, or approximates: relative difference allowed, by dtype.
LOOSE = {"float32": 2e-6, "float64": 1e-14}
#: Functions of large numbers, and powers, lose more in both libraries.
LOOSER = {"power": 16, "sin": 4, "cos": 4, "prod": 4, "logsumexp": 2, "einsum": 4, "normal": 8}


def samples() -> Iterator[Any]:
    for name, op_class in sorted(REGISTRY.items()):
        for i, sample in enumerate(op_class.samples()):
            yield pytest.param(sample.op, sample.inputs, id=f"{name}-{i}")


def as_dtype(inputs: tuple[Any, ...], dtype: str) -> list[Any]:
    return [x.astype(dtype) if np.asarray(x).dtype.kind == "f" else np.asarray(x) for x in inputs]


def check(op: Op, inputs: list[Any], backend: str, signs: bool = False) -> None:
    @cr.compile(backend=backend)
    def program(*tensors: Any) -> Any:
        return apply(op, *tensors)

    with np.errstate(all="ignore"):
        expected = np.asarray(op.compute(*inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        received = program(*[cr.tensor(x) for x in inputs]).numpy()
    assert received.dtype == expected.dtype and received.shape == expected.shape
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(received, expected)
        return
    allowed = LOOSE[str(expected.dtype)] * LOOSER.get(op.name, 1)
    np.testing.assert_allclose(received, expected, rtol=allowed, atol=allowed * 1e-1, equal_nan=True)
    if signs:
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(received[zero]), np.signbit(expected[zero]), "the sign of zero")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("op", "inputs"), list(samples()))
def test_samples(op: Op, inputs: tuple[Any, ...], backend: str) -> None:
    for dtype in ("float32", "float64"):
        check(op, as_dtype(inputs, dtype), backend)


ELEMENTWISE = sorted(
    name for name, op in REGISTRY.items()
    if op.family == "map" and op.params is not None and name not in ("cast", "where", "clip") and hasattr(op, "domain")
    and not name.startswith("logical")
)  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_special_values(name: str, dtype: str, backend: str) -> None:
    """NaN, infinities, zeros of both signs, tiny and huge numbers: each alone, or each with each."""
    op: Any = REGISTRY[name].of()
    # Native sine and cosine state the range in which they are accurate.
    values = (SPECIAL[np.abs(np.nan_to_num(SPECIAL)) < 1e4] if name in ("sin", "cos") else SPECIAL).astype(dtype)
    inputs = [values] if len(op.domain) == 1 else [a.ravel().copy() for a in np.meshgrid(values, values)]
    # Which zero is the larger is open.
    check(op, inputs, backend, signs=name not in ("relu", "maximum", "minimum"))
