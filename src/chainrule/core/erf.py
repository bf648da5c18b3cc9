"""The error function in NumPy alone, to a few units in the last place."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["erf"]

Array = np.ndarray[Any, Any]

# Rational approximations of W. J. Cody, "Rational Chebyshev approximation for the error function",
# Mathematics of Computation 23 (1969), tables II and III. Highest power first.
_SMALL_P = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_SMALL_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_LARGE_P = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_LARGE_Q = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)


def erf(x: Array) -> Array:
    """``2/sqrt(pi) * integral from 0 to x of e^-t^2 dt``, in the dtype of ``x``; right at NaN and infinities.

    Below 1/2 as ``x P(x^2)/Q(x^2)``, above as ``1 - e^-x^2 P(x)/Q(x)``; from 6 on it is 1 to every digit.
    """
    wide = np.asarray(x, np.float64)
    magnitude = np.minimum(np.abs(wide), 6.0)  # keeps NaN
    inner = magnitude * magnitude
    small = wide * np.polyval(_SMALL_P, np.minimum(inner, 0.25)) / np.polyval(_SMALL_Q, np.minimum(inner, 0.25))
    tail = np.exp(-inner) * np.polyval(_LARGE_P, magnitude) / np.polyval(_LARGE_Q, magnitude)
    return np.where(magnitude <= 0.5, small, np.copysign(1.0 - tail, wide)).astype(x.dtype)
