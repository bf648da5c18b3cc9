"""Allowed differences between libraries, absolute and relative, by what is compared and dtype: the one table.

Both sides add up the same products in another order, so what is allowed is rounding, and what the steps make of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

TOLERANCE: dict[str, dict[str, float]] = {
    # A layer or a loss on one batch, its gradients ("Linear gradient"), and anything without a line of its own.
    "default": {"float32": 1e-5, "float64": 1e-12},
    # 20 steps from the same start.
    "optimizer": {"float32": 1e-5, "float64": 1e-12},
    # Line searches decide by comparing sums: rounding can move a step a little.
    "lbfgs": {"float32": 1e-4, "float64": 1e-9},
    # Three steps of a network of any design, compiled: normalised activations of a few rows have gradients that are
    # mostly rounding, and optimizers that divide by the gradient's own size let it through.
    "random network": {"float32": 1e-4, "float64": 1e-10},
    # A few products of Python numbers.
    "schedule": {"float64": 1e-12},
    "clip": {"float32": 1e-6, "float64": 1e-12},
    # Losses of one iteration of an example program; measured on MNIST: 7e-7 and 4e-15.
    "example": {"float32": 1e-6, "float64": 1e-13},
    # The same with Adam, which divides each gradient by its own size and so magnifies the rounding of small ones: the
    # first 50 iterations (measured: 2e-6 and 4e-15), then up to 200 (1e-4 and 2e-14).
    "example, adam": {"float32": 2e-5, "float64": 1e-13},
    "example, adam, late": {"float32": 1e-2, "float64": 1e-9},
}


def assert_near(received: Any, expected: Any, entry: str = "default") -> None:
    """Arrays of one shape and dtype that differ by no more than the table allows."""
    received, expected = np.asarray(received), np.asarray(expected)
    assert received.dtype == expected.dtype, f"{entry}: {received.dtype}, expected {expected.dtype}"
    assert received.shape == expected.shape, f"{entry}: {received.shape}, expected {expected.shape}"
    allowed = TOLERANCE.get(entry, TOLERANCE["default"]).get(str(expected.dtype), 0)
    np.testing.assert_allclose(received, expected, rtol=allowed, atol=allowed, err_msg=entry)
