"""The drawings that several labs share, in the style of ``cr.show``: curves, and points and lines in a plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import grid_shape, logarithmic, number_ticks, panel_grid
from chainrule.show.style import Look, Style, mix
from chainrule.train.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Plane", "curves", "planes"]

Array = np.ndarray[Any, Any]


def curves(
    panels: Mapping[str, Mapping[str, tuple[Any, Any]]],
    xlabel: str = "",
    ylabel: str = "",
    columns: int = 3,
    logs: str = "",
    zero: bool = False,
    marks: bool = False,
    **look: Unpack[Look],
) -> Figure:
    """Curves ``{title: {label: (x, y)}}``, a panel for each title; equal labels look alike in all panels, "" has none.

    Args:
        columns: the most panels beside each other. logs: axes with a logarithmic scale: "x", "y" or "xy".
        zero: whether lines through 0 are drawn. marks: whether each point has its marker.

    >>> figure = curves({"a square": {"y": ([0, 1, 2], [0, 1, 4])}})
    >>> figure.axes[0].get_title(loc="left")
    'a square'
    """
    style = Style.of("curves", **look)
    rows, across = grid_shape(len(panels), columns)
    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel))
    width, height = {1: (44, 24), 2: (25, 19)}.get(across, (54 / across, 15.0))
    with style.drawing(width * across, height * rows + 2.2) as figure:
        drawn: dict[str, Any] = {}
        every = panel_grid(figure, rows, across, len(panels))
        for axes, (title, panel) in zip(every, panels.items(), strict=True):
            for label, (x, y) in panel.items():
                i = labels.index(label)
                (drawn[label],) = axes.plot(
                    np.asarray(x), np.asarray(y), color=style.colour(i), linestyle=style.dashes(i), label=label,
                    marker=style.marker(i) if marks else None,
                )  # fmt: skip
            axes.set_title(title)
            _scales(style, axes, logs, zero, panel)
        for i, axes in enumerate(every):
            axes.set_xlabel(xlabel if i + across >= len(every) else "")
            axes.set_ylabel(ylabel if i % across == 0 else "")
        drawn.pop("", None)
        if drawn:
            room = 2 * figure.get_figwidth() * 72 / style.points
            in_a_row = len(drawn) if sum(map(len, drawn)) + 8 * len(drawn) < room else 3
            figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=in_a_row)
    return figure


def _scales(style: Style, axes: Axes, logs: str, zero: bool, panel: Mapping[str, tuple[Any, Any]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    if "x" in logs:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 3)))
    else:
        places = np.concatenate([np.asarray(x, np.float64).ravel() for x, _ in panel.values()])
        number_ticks(axes.xaxis, digits=4, most=5, whole=bool((places == np.round(places)).all()))
    if "y" in logs:
        heights = np.concatenate([np.asarray(y, np.float64).ravel() for _, y in panel.values()])
        heights = heights[np.isfinite(heights) & (heights > 0)]
        logarithmic(axes, float(heights.min()), float(heights.max()))
    else:
        number_ticks(axes.yaxis, digits=4, most=5)
    if zero:
        axes.axhline(0, color=style.theme.line, linewidth=style.pt(0.8), zorder=0)
        axes.axvline(0, color=style.theme.line, linewidth=style.pt(0.8), zorder=0)


@dataclass(frozen=True)
class Plane:
    """What ``planes`` draws in one panel.

    points (n, 2) with their classes (n,), 0 or 1, and words beside them; lines ``(w1, w2, b)`` where w1 x1 + w2 x2 + b = 0,
    class 1 lying where it is positive (of several lines the later ones are stronger, and only the last shades its side);
    a grid (rows, columns, 2) of points that was bent.
    """

    points: Any
    classes: Any
    words: Sequence[str] = ()
    lines: Sequence[tuple[float, float, float]] = ()
    labels: Sequence[str] = ()
    grid: Any = None
    axes: tuple[str, str] = ("x₁", "x₂")
    fades: bool = False


def planes(panels: Mapping[str, Plane], names: tuple[str, str] = ("0", "1"), **look: Unpack[Look]) -> Figure:
    """Points of two classes in planes beside each other, with the lines that separate them.

    Args:
        panels: by title. names: of the two classes.

    >>> figure = planes({"AND": Plane([[0, 0], [1, 1]], [0, 1], lines=[(1, 1, -1.5)])})
    >>> figure.axes[0].get_title(loc="left")
    'AND'
    """
    style = Style.of("planes", **look)
    from matplotlib.lines import Line2D

    rows, across = grid_shape(len(panels), 4)
    side = {1: 30, 2: 24, 3: 18}.get(across, 14.0)
    with style.drawing(side * across, (side + 1.2) * rows + 2.0) as figure:
        every = panel_grid(figure, rows, across, len(panels))
        for axes, (title, plane) in zip(every, panels.items(), strict=True):
            _draw_plane(style, axes, plane)
            axes.set_title(title)
        same = len({plane.axes for plane in panels.values()}) == 1
        for i, axes in enumerate(every):
            axes.set_ylabel("" if same and i % across else axes.get_ylabel())
        dots: dict[str, Any] = {"linestyle": "none", "markersize": style.pt(6)}
        handles = [Line2D([], [], marker=style.marker(k), color=style.colour(k), **dots) for k in (0, 1)]
        figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure


def _draw_plane(style: Style, axes: Axes, plane: Plane) -> None:
    points, classes = np.asarray(plane.points, np.float64), np.asarray(plane.classes).ravel()
    spread = np.concatenate([points, np.asarray(plane.grid).reshape(-1, 2)]) if plane.grid is not None else points
    low, high = spread.min(axis=0), spread.max(axis=0)
    room = 0.28 * max(float((high - low).max()), 1e-9)
    ends = np.stack([low - room, high + room])
    if plane.grid is not None:
        grid = np.asarray(plane.grid)
        for line in [*grid, *grid.transpose(1, 0, 2)]:
            axes.plot(*line.T, color=mix(style.theme.paper, style.theme.soft, 0.5), linewidth=style.pt(0.7), zorder=1)
    for i in range(len(plane.lines)):
        _draw_line(style, axes, plane, i, ends)
    for k in (0, 1):
        chosen = points[classes == k]
        axes.plot(
            *chosen.T, linestyle="none", marker=style.marker(k), color=style.colour(k), markersize=style.pt(8),
            markeredgecolor=style.theme.paper, zorder=4,
        )  # fmt: skip
    for point, word in _near(points, plane.words, 0.06 * float((ends[1] - ends[0]).max())):
        axes.annotate(
            word, (point[0], point[1]), (0, style.pt(6)), textcoords="offset points", ha="center", va="bottom", zorder=5
        )
    axes.set(xlim=ends[:, 0], ylim=ends[:, 1], xlabel=plane.axes[0], ylabel=plane.axes[1])
    axes.set_box_aspect(1)
    number_ticks(axes.xaxis, digits=3, most=4)
    number_ticks(axes.yaxis, digits=3, most=4)


def _near(points: Array, words: Sequence[str], distance: float) -> list[tuple[Array, str]]:
    """Points with their words; those that lie nearly on one another share theirs."""
    merged: list[tuple[Array, str]] = []
    for point, word in zip(points, words, strict=False):
        same = next((i for i, (p, _) in enumerate(merged) if np.abs(p - point).max() < distance), None)
        if same is None:
            merged.append((point, word))
        else:
            merged[same] = (merged[same][0], f"{merged[same][1]}, {word}")
    return merged


def _draw_line(style: Style, axes: Axes, plane: Plane, i: int, ends: Array) -> None:
    """The i-th line, where w1 x1 + w2 x2 + b is 0; of one line, or of the last that fades in, the positive side is shaded."""
    w1, w2, b = (float(v) for v in plane.lines[i])
    count = len(plane.lines)
    # The height is linear, so four corners are enough; a label needs a line of some points to stand in.
    places = np.linspace(ends[0], ends[1], 41 if plane.labels else 2)
    x, y = np.meshgrid(places[:, 0], places[:, 1])
    height = w1 * x + w2 * y + b
    if i == count - 1 and (count == 1 or plane.fades) and height.max() > 0:
        axes.contourf(x, y, height, levels=[0, height.max()], colors=[style.tint(1, 0.22)], zorder=0)
    if w1 == w2 == 0:
        return
    strength = 0.25 + 0.75 * (i + 1) / count if plane.fades else 1.0
    drawn = axes.contour(
        x, y, height, levels=[0], colors=[mix(style.theme.paper, style.theme.ink, strength)], zorder=2,
        linestyles=[style.dashes(0 if plane.fades else i)], linewidths=style.pt(1.6),
    )  # fmt: skip
    if i < len(plane.labels):
        axes.clabel(drawn, fmt=lambda _: plane.labels[i], fontsize=style.points * 0.9, inline=True)
