"""How far to go along a direction: a line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Point", "strong_wolfe"]

#: Sufficient decrease, and how much of the slope may be left.
_DECREASE, _CURVATURE = 1e-4, 0.9


@dataclass(frozen=True, slots=True)
class Point:
    """A step length, and what was found there; ``slope`` is the loss's derivative by the step length."""

    t: float
    loss: float
    gradient: np.ndarray[Any, Any]
    slope: float


Evaluate = Callable[[float], Point]


def strong_wolfe(
    evaluate: Evaluate, start: Point, t: float, size: float, tolerance: float, limit: int
) -> tuple[Point, int]:
    """A point where the loss fell enough and its slope flattened enough, and how many evaluations that took::

        loss(t) <= loss(0) + 1e-4 * t * slope(0)    and    |slope(t)| <= 0.9 * |slope(0)|

    First steps outward until such points are bracketed, then closes in on one by cubic interpolation.

    Args:
        evaluate: the point at a step length.
        start: the point at 0, with a negative slope.
        t: the first step length to try.
        size: the direction's largest component; a bracket shorter than ``tolerance / size`` is not divided further.
        tolerance: see ``size``.
        limit: how many more evaluations are allowed after the first.

    Source: J. Nocedal, S. Wright, "Numerical optimization", 2nd edition, algorithms 3.5 and 3.6, with the safeguards of
    M. Schmidt's minFunc, which Torch and PyTorch follow. Unlike there, an overflow or NaN counts as an infinite loss,
    so the search turns back from it.

    >>> def parabola(t):
    ...     return Point(t, (t - 3) ** 2, np.zeros(1), 2 * (t - 3))
    >>> point, evaluations = strong_wolfe(parabola, parabola(0), 0.1, 1.0, 1e-9, 25)
    >>> round(point.t, 3), evaluations
    (1.0, 2)
    """
    bracket, tries = _bracket(evaluate, start, t, limit)
    if len(bracket) == 1:
        return bracket[0], tries + 1
    point, tries = _zoom(evaluate, start, bracket, size, tolerance, tries, limit)
    return point, tries + 1


def _too_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + _DECREASE * point.t * start.slope


def _flat_enough(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_CURVATURE * start.slope


def _bracket(evaluate: Evaluate, start: Point, t: float, limit: int) -> tuple[list[Point], int]:
    """One good point, or two with good ones between them; and how often the step was lengthened."""
    before, new = start, evaluate(t)
    for tries in range(limit):
        if _too_high(new, start) or (tries > 1 and new.loss >= before.loss):
            return [before, new], tries
        if _flat_enough(new, start):
            return [new], tries
        if new.slope >= 0:
            return [before, new], tries
        t = _cubic_minimum(before, new, new.t + 0.01 * (new.t - before.t), new.t * 10)
        before, new = new, evaluate(t)
    return [start, new], limit


def _zoom(
    evaluate: Evaluate, start: Point, bracket: list[Point], size: float, tolerance: float, tries: int, limit: int
) -> tuple[Point, int]:
    """The best point found while dividing the bracket; ``tries`` goes on counting up to ``limit``."""
    low, high = sorted(bracket, key=lambda point: point.loss)
    stalled = False
    while tries < limit and abs(high.t - low.t) * size >= tolerance and high.t != low.t:
        left, right = min(low.t, high.t), max(low.t, high.t)
        t = _cubic_minimum(low, high, left, right)
        # Twice in a row close to an end, or on it: go a tenth of the bracket inward, so that it shrinks.
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stalled or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stalled = near
        new = evaluate(t)
        tries += 1
        if _too_high(new, start) or new.loss >= low.loss:
            low, high = (new, low) if new.loss < low.loss else (low, new)
        elif _flat_enough(new, start):
            return new, tries
        else:
            low, high = new, (low if new.slope * (high.t - low.t) >= 0 else high)
    return low, tries


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points and their slopes is lowest, limited to [low, high]; its middle if nowhere."""
    if a.t > b.t:
        a, b = b, a
    middle = (low + high) / 2
    if a.t == b.t:
        return middle
    mixed = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = mixed * mixed - a.slope * b.slope
    if not 0 <= square < math.inf:
        return middle
    root = math.sqrt(square)
    steepness = b.slope - a.slope + 2 * root
    if steepness == 0:
        return middle
    return min(max(b.t - (b.t - a.t) * ((b.slope + root - mixed) / steepness), low), high)
