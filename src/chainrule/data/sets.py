"""Sets made by formula: small, seeded, and the same on every machine that rounds alike.

Each function returns ``Examples``: inputs (n, features) of ``dtype``, computed in float64 and rounded once,
and class indices (n,), or (n, 1) numbers for regression. Rows come shuffled, except in the logic gates'
truth tables. ``seed`` is a whole number, or a ``Generator`` to draw from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ConfigError
from chainrule.core.philox import Generator
from chainrule.data.examples import Examples

__all__ = ["GATES", "blobs", "circles", "gaussian_quantiles", "logic_gate", "moons", "sine", "spirals", "xor"]

Array = npt.NDArray[Any]

#: Outputs for the inputs (0, 0), (1, 0), (0, 1), (1, 1).
GATES = {
    "and": (0, 0, 0, 1),
    "or": (0, 1, 1, 1),
    "nand": (1, 1, 1, 0),
    "nor": (1, 0, 0, 0),
    "xor": (0, 1, 1, 0),
}
_CORNERS = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], np.float64)


def logic_gate(
    name: str, n: int = 4, noise: float = 0.0, seed: int | Generator = 0, dtype: npt.DTypeLike = np.float32
) -> Examples:
    """The truth table of a logic gate: ``and``, ``or``, ``nand``, ``nor`` or ``xor``.

    Row i is corner i mod 4 of the unit square plus N(0, noise^2) on each axis; its class is the gate's
    output there.

    >>> gate = logic_gate("nand")
    >>> gate.inputs.tolist(), gate.targets.tolist()
    ([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1, 1, 1, 0])
    """
    if name not in GATES:
        raise ConfigError(f"logic_gate({name!r})", repr(name), f"one of {', '.join(map(repr, GATES))}")
    generator = _begin(f"logic_gate({name!r})", n, noise, seed)
    corner = np.arange(n) % 4
    points = _CORNERS[corner] + _noise(generator, (n, 2), noise)
    return _classes(name, points, np.array(GATES[name])[corner], 2, dtype)


def xor(n: int = 4, noise: float = 0.0, seed: int | Generator = 0, dtype: npt.DTypeLike = np.float32) -> Examples:
    """Exclusive or, which no straight line separates: inputs (n, 2), class 1 where exactly one input is 1.

    >>> xor().targets.tolist()
    [0, 1, 1, 0]
    """
    return logic_gate("xor", n, noise, seed, dtype)


def moons(n: int = 200, noise: float = 0.1, seed: int | Generator = 0, dtype: npt.DTypeLike = np.float32) -> Examples:
    """Two interleaved half circles, inputs (n, 2).

    With t evenly spaced over [0, pi]: class 0 is (cos t, sin t), class 1 is (1 - cos t, 1/2 - sin t); N(0,
    noise^2) is added to each coordinate. The formula is that of scikit-learn's ``make_moons``.

    >>> moons(4, noise=0).inputs.round(3).tolist()
    [[1.0, 0.0], [2.0, 0.5], [-1.0, 0.0], [0.0, 0.5]]
    """
    generator = _begin("moons", n, noise, seed)
    t_outer, t_inner = np.linspace(0, np.pi, n - n // 2), np.linspace(0, np.pi, n // 2)
    outer = np.stack([np.cos(t_outer), np.sin(t_outer)], axis=1)
    inner = np.stack([1 - np.cos(t_inner), 0.5 - np.sin(t_inner)], axis=1)
    return _two_curves("moons", outer, inner, noise, generator, dtype)


def circles(
    n: int = 200,
    noise: float = 0.05,
    factor: float = 0.5,
    seed: int | Generator = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Examples:
    """A circle inside a circle, inputs (n, 2).

    With t evenly spaced over [0, 2 pi): class 0 is (cos t, sin t), class 1 is ``factor`` times that, 0 <
    factor < 1; N(0, noise^2) is added to each coordinate.

    >>> np.hypot(*circles(6, noise=0).inputs.T).round(3).tolist()
    [0.5, 0.5, 1.0, 0.5, 1.0, 1.0]
    """
    generator = _begin("circles", n, noise, seed)
    if not 0 < factor < 1:
        raise ConfigError("circles", f"factor={factor}", "0 < factor < 1, the inner circle's radius")
    t_outer, t_inner = (np.linspace(0, 2 * np.pi, count, endpoint=False) for count in (n - n // 2, n // 2))
    outer = np.stack([np.cos(t_outer), np.sin(t_outer)], axis=1)
    inner = factor * np.stack([np.cos(t_inner), np.sin(t_inner)], axis=1)
    return _two_curves("circles", outer, inner, noise, generator, dtype)


def spirals(
    n: int = 300,
    noise: float = 0.02,
    classes: int = 2,
    turns: float = 1.0,
    seed: int | Generator = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Examples:
    """Arms of a spiral wound around each other, one a class, inputs (n, 2).

    Point i of the m in arm c lies at radius r = (i + 1/2) / m and angle 2 pi (turns r + c / classes);
    N(0, noise^2) is added to each coordinate. Arms differ by at most one point.

    >>> arms = spirals(300, classes=3)
    >>> arms.inputs.shape, np.bincount(arms.targets).tolist()
    ((300, 2), [100, 100, 100])
    """
    generator = _begin("spirals", n, noise, seed)
    _at_least("spirals", "classes", classes, 2)
    targets = np.arange(n) % classes
    count = np.bincount(targets, minlength=classes)[targets]
    radius = (np.arange(n) // classes + 0.5) / count
    angle = 2 * np.pi * (turns * radius + targets / classes)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _shuffled("spirals", points + _noise(generator, (n, 2), noise), targets, classes, generator, dtype)


def blobs(
    n: int = 300,
    centers: int | Sequence[Sequence[float]] | Array = 3,
    spread: float = 1.0,
    features: int = 2,
    seed: int | Generator = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Examples:
    """Round clouds of points, one a class: x ~ N(center, spread^2 I), inputs (n, features).

    ``centers`` is how many, drawn uniformly from the box [-10, 10), or the centres themselves, (classes,
    features).

    >>> cloud = blobs(4, centers=[(0, 0, 0), (5, 5, 5)], spread=0)
    >>> cloud.inputs.tolist() == [[5 * label] * 3 for label in cloud.targets.tolist()]
    True
    """
    generator = _begin("blobs", n, spread, seed)
    if isinstance(centers, int | np.integer):
        _at_least("blobs", "centers", int(centers), 1)
        _at_least("blobs", "features", features, 1)
        places = 20 * generator.uniform((int(centers), features), np.float64) - 10
    else:
        places = np.asarray(centers, np.float64)
        if places.ndim != 2 or places.size == 0:
            raise ConfigError("blobs", f"centers of shape {places.shape}", "(classes, features)")
    targets = np.arange(n) % len(places)
    points = places[targets] + _noise(generator, (n, places.shape[1]), spread)
    return _shuffled("blobs", points, targets, len(places), generator, dtype)


def gaussian_quantiles(
    n: int = 300,
    classes: int = 3,
    features: int = 2,
    seed: int | Generator = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Examples:
    """One Gaussian cloud cut into nested shells of equal count: x ~ N(0, I), inputs (n, features).

    The class is floor(classes * rank(|x|) / n), rank 0 nearest the middle: no straight line helps.

    >>> shells = gaussian_quantiles(9)
    >>> radius = np.linalg.norm(shells.inputs, axis=1)
    >>> shells.targets[np.argsort(radius)].tolist()
    [0, 0, 0, 1, 1, 1, 2, 2, 2]
    """
    generator = _begin("gaussian_quantiles", n, 0.0, seed)
    _at_least("gaussian_quantiles", "classes", classes, 2)
    _at_least("gaussian_quantiles", "features", features, 1)
    points = generator.normal((n, features), np.float64)
    targets = np.empty(n, np.int64)
    targets[np.argsort((points**2).sum(axis=1), kind="stable")] = classes * np.arange(n) // max(n, 1)
    return _classes("gaussian-quantiles", points, targets, classes, dtype)


def sine(
    n: int = 100,
    noise: float = 0.1,
    low: float = 0.0,
    high: float = 1.0,
    frequency: float = 1.0,
    seed: int | Generator = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Examples:
    """A noisy sine wave to fit a curve to: y = sin(2 pi frequency x) + N(0, noise^2), a regression.

    inputs (n, 1): x evenly spaced from ``low`` to ``high``, both included, in order; targets (n, 1): y.

    >>> wave = sine(5, noise=0)
    >>> wave.inputs.ravel().tolist(), wave.targets.ravel().round(3).tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 1.0, 0.0, -1.0, -0.0])
    """
    generator = _begin("sine", n, noise, seed)
    x = np.linspace(low, high, n)[:, None]
    y = np.sin(2 * np.pi * frequency * x) + _noise(generator, (n, 1), noise)
    source = "chainrule.data.sets.sine"
    return Examples(x.astype(dtype), y.astype(dtype), ("x",), "y", name="sine", source=source)


def _begin(name: str, n: int, noise: float, seed: int | Generator) -> Generator:
    """Check the size and spread of a set, and give the generator it draws from."""
    _at_least(name, "n", n, 1)
    if not 0 <= noise < np.inf:
        raise ConfigError(name, f"noise={noise}", "a standard deviation: 0 or more")
    return seed if isinstance(seed, Generator) else Generator(seed)


def _at_least(name: str, argument: str, value: int, least: int) -> None:
    if not isinstance(value, int | np.integer) or value < least:
        raise ConfigError(name, f"{argument}={value!r}", f"a whole number, {least} or more")


def _noise(generator: Generator, shape: tuple[int, ...], deviation: float) -> Array:
    return deviation * generator.normal(shape, np.float64) if deviation else np.zeros(shape)


def _two_curves(
    name: str, first: Array, second: Array, noise: float, generator: Generator, dtype: npt.DTypeLike
) -> Examples:
    points = np.concatenate([first, second])
    targets = np.repeat([0, 1], [len(first), len(second)])
    return _shuffled(name, points + _noise(generator, points.shape, noise), targets, 2, generator, dtype)


def _shuffled(
    name: str, points: Array, targets: Array, classes: int, generator: Generator, dtype: npt.DTypeLike
) -> Examples:
    order = generator.permutation(len(points))
    return _classes(name, points[order], targets[order], classes, dtype)


def _classes(name: str, points: Array, targets: Array, classes: int, dtype: npt.DTypeLike) -> Examples:
    return Examples(
        points.astype(dtype),
        targets.astype(np.int64),
        feature_names=tuple(f"x{axis + 1}" for axis in range(points.shape[1])),
        target_name="class",
        class_names=tuple(str(label) for label in range(classes)),
        name=name,
        source=f"chainrule.data.sets.{name.replace('-', '_')}",
    )
