"""The error function against Python's, in units in the last place."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.erf import erf

RANGES = {
    "small": np.linspace(-0.5, 0.5, 10_001),
    "middle": np.linspace(-6.5, 6.5, 40_001),
    "tiny": np.concatenate([-np.logspace(-300, 0, 500), np.logspace(-300, 0, 500)]),
    "seams": np.nextafter(np.array([0.5, 0.5, 6.0, 6.0, -0.5, -6.0]), np.array([0, 1, 0, 9, 0, -9])),
}


@pytest.mark.parametrize("name", RANGES)
def test_double_precision(name: str) -> None:
    x = RANGES[name]
    expected = np.array([math.erf(v) for v in x])
    ulps = np.abs(erf(x) - expected) / np.spacing(np.abs(expected))
    assert ulps.max() <= 4


def test_single_precision_is_the_rounded_double() -> None:
    x = np.linspace(-5, 5, 10_001).astype(np.float32)
    expected = np.array([math.erf(float(v)) for v in x])
    got = cr.erf(cr.tensor(x)).numpy()
    assert got.dtype == np.float32
    assert (np.abs(got - expected) <= 0.5001 * np.spacing(np.abs(expected).astype(np.float32))).all()


def test_odd_and_increasing() -> None:
    x = np.linspace(0, 7, 5_001)
    assert (erf(-x) == -erf(x)).all()
    assert (np.diff(erf(x)) >= -2e-16).all() and erf(x).max() == 1.0
