"""Planes in the space of a model's parameters: by random directions, by an optimizer's path, or given.

Source: H. Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.nn import Module
from chainrule.show.style import Style
from chainrule.tensor import Parameter, Tensor
from chainrule.train.wording import percent

__all__ = ["Plane"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Plane:
    """Two directions in the space of a model's parameters, through where it is now."""

    parameters: dict[str, Parameter]
    centre: Array
    #: (2, all parameters' numbers)
    directions: Array
    #: How much of the paths' variance each direction shows, where they come from paths.
    shares: tuple[float, float] | None = None

    @staticmethod
    def of(model: Module, directions: Any, paths: Mapping[str, Any], seed: int) -> Plane:
        parameters = dict(model.named_parameters())
        if not parameters:
            raise ConfigError("show.surface(model)", "a model without parameters", "parameters to move", "")
        centre = np.concatenate([p.numpy().ravel() for p in parameters.values()]).astype(np.float64)
        chosen = directions if directions is not None else "path" if paths else "random"
        if isinstance(chosen, str):
            if chosen == "random":
                return Plane(parameters, centre, _random_directions(parameters, seed))
            if chosen == "path" and paths:
                return Plane(parameters, centre, *_main_directions(parameters, centre, paths))
        elif isinstance(chosen, Sequence) and len(chosen) == 2:
            return Plane(parameters, centre, np.stack([_flat(parameters, one, "directions") for one in chosen]))
        raise ConfigError(
            "show.surface(directions=...)",
            repr(chosen) + " without a path" * (chosen == "path")
            if isinstance(chosen, str)
            else f"{len(chosen)} parts",
            "'random', 'path' with path=, or two directions",
            "leave it out",
        )

    def project(self, states: Any) -> Array:
        """Where states lie on the plane: the nearest points of it."""
        moves = np.stack([_flat(self.parameters, state, "path") for state in states]) - self.centre
        return np.linalg.lstsq(self.directions.T, moves.T, rcond=None)[0].T

    def names(self, style: Style) -> tuple[str, str]:
        first, second = (style.say("direction {n}", n=n) for n in (1, 2))
        if self.shares is None:
            return first, second
        words = "{direction} ({share} of the path's variance)"
        return tuple(
            style.say(words, direction=d, share=percent(s, 0))
            for d, s in zip((first, second), self.shares, strict=True)
        )  # type: ignore[return-value]

    def go_to(self, a: float, b: float) -> None:
        """Move the model to a point of the plane; who calls puts the parameters back."""
        place, moved = 0, self.centre + a * self.directions[0] + b * self.directions[1]
        for parameter in self.parameters.values():
            values = moved[place : place + parameter.numel()].reshape(parameter.shape)
            parameter.data = Tensor(values.astype(parameter.dtype))
            place += parameter.numel()


def _flat(parameters: Mapping[str, Parameter], values: Any, argument: str) -> Array:
    """A direction or state as one vector in the order of the parameters."""
    asked = f"show.surface({argument}=...)"
    if isinstance(values, Mapping):
        unknown = [name for name in values if name not in parameters]
        missing = [name for name in parameters if name not in values]
        # A state has buffers too; a direction may leave parameters out, which then stay.
        if (argument == "directions" and unknown) or (argument == "path" and missing):
            raise ShapeError(
                asked, f"the names {', '.join(unknown or missing)}", ", ".join(parameters), "check the names"
            )
        parts = [values.get(name, np.zeros(p.shape)) for name, p in parameters.items()]
    else:
        parts = list(values)
    arrays = [np.asarray(part.numpy() if isinstance(part, Tensor) else part, np.float64) for part in parts]
    shapes = [p.shape for p in parameters.values()]
    if [a.shape for a in arrays] != shapes:
        raise ShapeError(
            asked,
            f"arrays of shapes {[a.shape for a in arrays]}",
            f"one a parameter: {shapes}",
            "take model.state_dict()",
        )
    return np.concatenate([a.ravel() for a in arrays])


def _random_directions(parameters: Mapping[str, Parameter], seed: int) -> Array:
    """Normal numbers, each filter (row of a weight) as long as the model's own; biases and scales stay (Li et al.)."""
    random = np.random.default_rng(seed)
    directions = []
    for _ in range(2):
        parts = []
        for parameter in parameters.values():
            drawn, own = random.normal(size=parameter.shape), parameter.numpy().astype(np.float64)
            if parameter.ndim < 2:
                parts.append(np.zeros(parameter.numel()))
                continue
            axes = tuple(range(1, parameter.ndim))
            lengths = [np.sqrt((v**2).sum(axis=axes, keepdims=True)) for v in (own, drawn)]
            parts.append((drawn * lengths[0] / lengths[1]).ravel())
        directions.append(np.concatenate(parts))
    if not any(map(np.any, directions)):
        raise ConfigError(
            "show.surface(directions='random')", "a model whose weights are all 0", "weights to measure by",
            "give two directions",
        )  # fmt: skip
    return np.stack(directions)


def _main_directions(
    parameters: Mapping[str, Parameter], centre: Array, paths: Mapping[str, Any]
) -> tuple[Array, tuple[float, float]]:
    """The principal components of all paths' steps away from the centre, as unit vectors, and their shares."""
    moves = np.stack([_flat(parameters, state, "path") for states in paths.values() for state in states]) - centre
    _, sizes, components = np.linalg.svd(moves, full_matrices=False)
    if len(sizes) < 2 or not sizes[1] > 1e-12 * sizes[0]:
        raise DataError(
            "show.surface(directions='path')", "a path along one line", "a path that bends", "pass directions='random'"
        )
    shares = sizes**2 / (sizes**2).sum()
    return components[:2], (float(shares[0]), float(shares[1]))
