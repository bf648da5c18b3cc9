"""The surface of a loss over a plane, with the paths that optimizers take on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.core.modes import get_default_dtype, no_grad
from chainrule.nn import Module
from chainrule.show.panels import note, number_ticks
from chainrule.show.plane import Plane
from chainrule.show.probe import untouched
from chainrule.show.regions import boundary
from chainrule.show.style import Look, Style
from chainrule.tensor import Tensor
from chainrule.train.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["boundary", "surface"]

Array = np.ndarray[Any, Any]
Ends = tuple[tuple[float, float], tuple[float, float]]

#: The lowest of the levels at equal factors lies at least this share of the whole height above the lowest point.
_LOWEST_LEVEL = 1e-4

#: Levels at equal steps, and numbers beside the colours.
_STEPS, _MOST_TICKS = 14, 8

#: Heights above this share of the points are cut off where they would leave no level for the others.
_TALL = 0.98

#: The lowest level lies above this share of the points.
_DEEP = 0.004

_MOST_MARKED = 60

#: Em.
_WIDTH = 40


def surface(
    what: Any,
    loss: Callable[[Any], Any] | None = None,
    directions: Any = None,
    path: Any = None,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    levels: Literal["log", "linear"] = "log",
    resolution: int | None = None,
    seed: int = 0,
    **look: Unpack[Look],
) -> Figure:
    """A loss over a plane as filled contours, and optimizers' paths on it.

    The plane of a model with parameters ``w`` is ``w + a d1 + b d2``.

    Args:
        what: a function ``f(x, y)`` of two tensors (or arrays) of one shape, element by element; or a module.
        loss: for a module: a function of it, such as ``lambda m: criterion(m(inputs), targets)``.
        directions: for a module: "random", two directions normalised filter by filter; "path", the two in which the
            paths vary most (principal components); or two directions, each a list of one array a parameter, or a dict
            by parameter name (what is left out stays). By default "path" where there is one, else "random".
        path: the points (n, 2) that an optimizer visits, or, for a module, its ``state_dict``s; for several optimizers a
            dict ``{name: path}``.
        x, y: the ends of the axes; by default room around the paths, or (-2, 2), or (-1, 1) for a module.
        levels: "log": at equal factors above the lowest point, which shows the bottom of a valley; "linear": at equal
            steps, which shows a saddle.
        resolution: points of the grid along each axis; 121 for a function, 25 for a module.
        seed: of the random directions.
        look: see ``style.Look``.

    A module's states are seen from above: projected onto the plane at right angles. It runs in evaluation mode
    without gradients, and its parameters, gradients, buffers and modes are as before afterwards, to the bit and also
    after an error. Where the loss is not finite the plane is grey; what leaves the picture is noted.

    >>> figure = surface(lambda x, y: x**2 + 10 * y**2, path=[(1.5, 0.5), (0.5, -0.2), (0.1, 0.0)])
    >>> figure.axes[0].get_xlabel()
    'x'

    Raises:
        ConfigError: a module without a loss, unknown directions, or axes without length.
        ShapeError: a function or loss that returns another shape, a path or directions that do not fit.
        DataError: an empty path, or a loss that is nowhere finite.

    Source: H. Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018 (filter normalisation, paths in the plane
    of their principal components).
    """
    style = Style.of("surface", **look)
    if levels not in ("log", "linear"):
        raise ConfigError("show.surface(levels=...)", repr(levels), "'log' or 'linear'", "choose one of them")
    paths = _by_name(path)
    if isinstance(what, Module):
        if not callable(loss):
            raise ConfigError(
                "show.surface(model)", "no loss", "a function of the model that returns its loss",
                "pass loss=lambda model: criterion(model(x), y)",
            )  # fmt: skip
        plane = Plane.of(what, directions, paths, seed)
        points = {name: plane.project(states) for name, states in paths.items()}
        ends = _ends(points, x, y, 1.0)
        heights = _heights_of_model(what, loss, plane, *_axes(ends, resolution or 25))
        names = plane.names(style)
    else:
        if not callable(what):
            raise ConfigError("show.surface(what)", f"a {type(what).__name__}", "a function f(x, y), or a module", "")
        if loss is not None or directions is not None:
            raise ConfigError(
                "show.surface(f)", "loss or directions", "neither, for a function of x and y", "drop them"
            )
        points = {name: _points(name, one) for name, one in paths.items()}
        ends = _ends(points, x, y, 2.0)
        heights = _heights_of_function(what, *_axes(ends, resolution or 121))
        names = ("x", "y")
    if not np.isfinite(heights).any():
        raise DataError("show.surface", "a loss that is nowhere finite", "numbers", "choose other ends for the axes")
    with style.drawing(_WIDTH, 30) as figure:
        axes = figure.add_subplot()
        _contours(style, figure, axes, heights, ends, levels)
        notes = [style.say("hatched: the loss is not finite")] if not np.isfinite(heights).all() else []
        notes += [line for i, (name, p) in enumerate(points.items()) for line in _path(style, axes, i, name, p, ends)]
        axes.set(xlim=ends[0], ylim=ends[1], xlabel=names[0], ylabel=names[1])
        number_ticks(axes.xaxis, digits=3)
        number_ticks(axes.yaxis, digits=3)
        if points:
            _legend(style, axes, points)
        note(style, axes, notes, below=3.2)
    return figure


def _by_name(path: Any) -> dict[str, Any]:
    """Paths by name; one alone has none. A dict that holds arrays by parameter name is a state, not a name."""
    if path is None:
        return {}
    paths = dict(path) if isinstance(path, Mapping) else {"": path}
    for name, one in paths.items():
        if not hasattr(one, "__len__") or not len(one):
            raise DataError(f"show.surface(path={name!r})", "an empty path", "at least one point", "leave it out")
    return paths


def _axes(ends: Ends, resolution: int) -> tuple[Array, Array]:
    if resolution < 2:
        raise ConfigError("show.surface(resolution=...)", f"{resolution}", "2 or more", "leave it out")
    return np.linspace(*ends[0], resolution), np.linspace(*ends[1], resolution)


def _points(name: str, path: Any) -> Array:
    points = np.asarray([[float(v) for v in point] for point in path], np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(
            f"show.surface(path={name!r})",
            f"shape {points.shape}",
            "(n, 2), x and y of each step",
            "note both after each step",
        )
    return points


def _ends(
    points: Mapping[str, Array], x: tuple[float, float] | None, y: tuple[float, float] | None, half: float
) -> Ends:
    """The ends of both axes: as given, or room around the paths."""
    every = np.concatenate([*points.values(), np.empty((0, 2))])
    # A path that runs away does not make the picture so large that the rest cannot be seen.
    every = every[np.isfinite(every).all(axis=1)]
    if len(every):
        start = np.concatenate([p[:1] for p in points.values()])
        reach = max(float(np.abs(start - np.median(every, axis=0)).max()), half) * 2.5
        every = every[(np.abs(every - np.median(every, axis=0)) <= reach).all(axis=1)]
    ends = []
    for axis, given in enumerate((x, y)):
        if given is not None:
            low, high = map(float, given)
        elif not len(every):
            low, high = -half, half
        else:
            low, high = float(every[:, axis].min()), float(every[:, axis].max())
            # A narrow path gets a plane that is not a slit.
            width = max(1.4 * (high - low), 0.6 * (float(np.ptp(every, axis=0).max()) or 2 * half))
            low, high = (low + high - width) / 2, (low + high + width) / 2
        if not (np.isfinite([low, high]).all() and low < high):
            name = "xy"[axis]
            raise ConfigError(f"show.surface({name}=...)", f"({low}, {high})", "(low, high)", f"pass {name}=(-1, 1)")
        ends.append((low, high))
    return ends[0], ends[1]


# ---- heights


def _heights_of_function(function: Callable[..., Any], xs: Array, ys: Array) -> Array:
    """``f`` on the grid (rows are y): with tensors, or with arrays where it wants those."""
    grid = [part.astype(get_default_dtype()) for part in np.meshgrid(xs, ys)]
    with no_grad():
        try:
            result = function(*map(Tensor, grid))
        except TypeError:
            # NumPy's functions refuse tensors.
            result = function(*grid)
    heights = np.asarray(result.numpy() if isinstance(result, Tensor) else result, np.float64)
    if heights.shape not in (grid[0].shape, ()):
        raise ShapeError(
            "show.surface(f)",
            f"f(x, y) of shape {heights.shape} for x and y of shape {grid[0].shape}",
            "one number for each pair",
            "let f work element by element",
        )
    return np.broadcast_to(heights, grid[0].shape)


def _heights_of_model(model: Module, loss: Callable[[Any], Any], plane: Plane, xs: Array, ys: Array) -> Array:
    heights = np.empty((len(ys), len(xs)))
    with untouched(model), no_grad():
        for row, column in np.ndindex(heights.shape):
            plane.go_to(float(xs[column]), float(ys[row]))
            value = loss(model)
            if np.size(value.numpy() if isinstance(value, Tensor) else value) != 1:
                raise ShapeError(
                    "show.surface(loss=...)", f"a loss of shape {np.shape(value)}", "one number", "take its mean"
                )
            heights[row, column] = float(value)
    return heights


# ---- drawing


def _levels(heights: Array, kind: str) -> tuple[float, Array]:
    """The height that levels are counted from, and the levels above it, round numbers.

    >>> _levels(np.array([0.0, 30.0, 100.0]), "log")[1].tolist()[-4:]
    [10.0, 20.0, 50.0, 100.0]
    """
    from matplotlib.ticker import MaxNLocator

    finite = heights[np.isfinite(heights)]
    bottom, top = float(finite.min()), float(finite.max())
    if kind == "linear" or not top > bottom:
        return 0.0, np.asarray(MaxNLocator(_STEPS).tick_values(bottom, top))
    # A valley that ends near 0 is counted from 0, so that the levels are plain losses.
    base = 0.0 if 0 <= bottom <= 0.01 * (top - bottom) else bottom
    height = top - base
    # Few points as high as the sky would leave one level for all the others.
    tall = float(np.quantile(finite, _TALL)) - base
    height = tall if 0 < tall < height / 1e3 else height
    lowest = max(height * _LOWEST_LEVEL, float(np.quantile(finite, _DEEP)) - base, bottom - base)
    lowest = min(lowest, height / 20)
    factors = (1, 2, 5) if height / lowest < 3000 else (1, 3)
    powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(height)) + 1)
    levels = np.array([factor * 10.0**power for power in powers for factor in factors])
    return base, levels[(levels > lowest * 0.999) & (levels < height * 1.001)]


def _contours(style: Style, figure: Figure, axes: Axes, heights: Array, ends: Ends, kind: str) -> None:
    from matplotlib.colors import BoundaryNorm
    from matplotlib.ticker import FixedFormatter, FixedLocator

    base, levels = _levels(heights, kind)
    ys, xs = (np.linspace(low, high, size) for (low, high), size in zip(ends[::-1], heights.shape, strict=True))
    above = np.ma.masked_invalid(heights - base)
    edges = levels if kind == "linear" else np.concatenate([[0.0], levels])
    colours = style.ramp(style.theme.low, style.theme.high)
    extend: Any = "max" if above.max() > edges[-1] else "neither"
    if not np.isfinite(heights).all():
        # What shows through where there are no heights.
        axes.patch.set(facecolor=style.theme.line, edgecolor=style.theme.soft, hatch="////", linewidth=0)
    norm = BoundaryNorm(edges, colours.N, extend=extend)
    filled = axes.contourf(xs, ys, above, edges, cmap=colours, norm=norm, extend=extend)
    axes.contour(xs, ys, above, levels, colors=style.theme.soft, linewidths=style.pt(0.4), alpha=0.7)
    bar = figure.colorbar(filled, ax=axes, pad=0.02, fraction=0.05, spacing="uniform", extendfrac=0.04)
    shown = edges[:: -(-len(edges) // _MOST_TICKS)].tolist()
    bar.locator = FixedLocator(shown)
    bar.formatter = FixedFormatter([number(base + edge, 3) for edge in shown])
    bar.update_ticks()
    bar.outline.set(edgecolor=style.theme.line, linewidth=style.pt(0.6))
    bar.set_label(style.say("loss"))


def _path(style: Style, axes: Axes, index: int, name: str, points: Array, ends: Ends) -> list[str]:
    """One optimizer's path with its start and end; what is to be said about it."""
    from matplotlib.patheffects import Normal, withStroke

    colour, marker = style.colour(index), style.marker(index)
    halo = [withStroke(linewidth=style.pt(3.2), foreground=style.theme.paper, alpha=0.8), Normal()]
    known = points[np.isfinite(points).all(axis=1)]
    every = max(1, len(known) // 12)
    axes.plot(
        known[:, 0], known[:, 1], color=colour, linestyle=style.dashes(index), marker=marker, label=name or "_path",
        markersize=style.pt(3.4), linewidth=style.pt(1.6), path_effects=halo, zorder=3,
        markevery=None if len(known) <= _MOST_MARKED else every,
    )  # fmt: skip
    notes = []
    if len(known):
        axes.plot(
            *known[0], "o", markerfacecolor=style.theme.paper, markeredgecolor=style.theme.ink, markersize=style.pt(8),
            markeredgewidth=style.pt(1.6), zorder=5,
        )  # fmt: skip
        axes.plot(
            *known[-1], "*", color=colour, markeredgecolor=style.theme.ink, markersize=style.pt(12),
            markeredgewidth=style.pt(0.8), zorder=6,
        )  # fmt: skip
        inside = np.all([(end[0] <= known[:, i]) & (known[:, i] <= end[1]) for i, end in enumerate(ends)], axis=0)
        if not inside.all():
            notes.append(style.say("{name} leaves the picture at step {n}", name=name or style.say("the path"),
                                   n=number(int(np.argmin(inside)))))  # fmt: skip
    if len(known) < len(points):
        step = int(np.argmin(np.isfinite(points).all(axis=1)))
        notes.append(
            style.say("{name} is not finite from step {n}", name=name or style.say("the path"), n=number(step))
        )
    return notes


def _legend(style: Style, axes: Axes, points: Mapping[str, Array]) -> None:
    from matplotlib.lines import Line2D

    ink = style.theme.ink
    handles = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    look: dict[str, Any] = {"linestyle": "", "markeredgecolor": ink}
    handles.append(
        Line2D(
            [],
            [],
            marker="o",
            markerfacecolor=style.theme.paper,
            markersize=style.pt(7),
            label=style.say("start"),
            **look,
        )
    )
    handles.append(
        Line2D(
            [],
            [],
            marker="*",
            markerfacecolor=style.theme.soft,
            markersize=style.pt(10),
            label=style.say("end"),
            **look,
        )
    )
    letters = sum(len(str(handle.get_label())) for handle in handles)
    one_row = 0.55 * letters + 5 * len(handles) < _WIDTH
    columns = len(handles) if one_row else -(-len(handles) // 2)
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.4)
