"""Every set that has a name, for the command line and for ``load``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from chainrule.core.philox import Generator
from chainrule.data.embedded import digits, iris
from chainrule.data.examples import Examples
from chainrule.data.images import IMAGE_SETS, load_image_set
from chainrule.data.sets import GATES, blobs, circles, gaussian_quantiles, logic_gate, moons, sine, spirals
from chainrule.data.tables import unknown_name

__all__ = ["load", "set_names"]

_GENERATED: dict[str, Callable[..., Examples]] = {
    **{gate: partial(logic_gate, gate) for gate in GATES},
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "blobs": blobs,
    "gaussian-quantiles": gaussian_quantiles,
    "sine": sine,
}
_EMBEDDED: dict[str, Callable[..., Examples]] = {"iris": iris, "digits": digits}


def set_names() -> tuple[str, ...]:
    """Names that ``load`` knows.

    >>> set_names()  # doctest: +ELLIPSIS
    ('and', 'or', ..., 'iris', 'digits', 'mnist', 'fashion-mnist', 'kmnist')
    """
    return (*_GENERATED, *_EMBEDDED, *IMAGE_SETS)


def load(name: str, data_dir: str | Path | None = None, seed: int | Generator = 0, **options: Any) -> Examples:
    """The set of that name; underscores and capitals are forgiven.

    ``seed`` counts for generated sets, ``data_dir`` for downloaded ones; ``options`` go to the set's own
    function (see ``chainrule.data.sets``) or to ``load_image_set``.

    Errors: DataError that lists the names, and the nearest, for one that is not known.

    >>> load("Fashion_Blobs")
    Traceback (most recent call last):
    ...
    chainrule.core.errors.DataError: loading the set 'Fashion_Blobs'
      received: no 'fashion-blobs'
      expected: one of 'and', 'or', ... 'fashion-mnist', 'kmnist'
      fix:      did you mean 'fashion-mnist'?
    >>> load("spirals", n=30, classes=3)
    Examples 'spirals': 30 examples of shape (2,) float32, 3 classes
    """
    key = name.lower().replace("_", "-")
    if key in _GENERATED:
        return _GENERATED[key](seed=seed, **options)
    if key in _EMBEDDED:
        return _EMBEDDED[key](**options)
    if key in IMAGE_SETS:
        return load_image_set(IMAGE_SETS[key], data_dir, **options)
    raise unknown_name(f"loading the set {name!r}", key, set_names())
