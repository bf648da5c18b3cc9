"""Arrays as blocks of cells, in the style of ``cr.show``: many axes folded into a plane, and small arrays with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import grid_shape, panel_grid
from chainrule.show.style import Look, Style
from chainrule.train.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Grid", "grids", "nested"]

Array = np.ndarray[Any, Any]

#: A panel is at least so many cells wide.
_LEAST = 6


def nested(shapes: Mapping[str, Sequence[int]], **look: Unpack[Look]) -> Figure:
    """Arrays of one axis or more ``{title: shape}`` as cells: the last axis lies to the right, the one before downwards.

    Each further pair of axes arranges whole blocks, again to the right and downwards, with wider gaps. Cells are shaded
    in the order in which they lie in memory.

    >>> figure = nested({"a table": (2, 3), "a batch": (4, 2, 3)})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['a table', 'a batch']
    """
    from matplotlib.collections import PolyCollection

    style = Style.of("nested", **look)
    rows, across = grid_shape(len(shapes), 3)
    width = 58 / across
    cells = {title: _places(shape) for title, shape in shapes.items()}
    # Few cells are drawn as large as they are among many, not stretched over the panel.
    sizes = [np.maximum(corners.max(axis=0) + 1, (_LEAST, 1)) for corners in cells.values()]
    heights = [
        2.5 + width * max(tall / wide for wide, tall in sizes[i : i + across]) for i in range(0, len(sizes), across)
    ]
    with style.drawing(58, sum(heights)) as figure:
        panels = panel_grid(figure, rows, across, len(shapes), height_ratios=heights)
        for axes, (title, corners), (wide, tall) in zip(panels, cells.items(), sizes, strict=True):
            ramp = style.ramp(style.tint(0, 0.15), style.colour(0))
            shades = ramp(np.linspace(0, 1, len(corners)))
            square = np.array([[0, 0], [0.92, 0], [0.92, 0.92], [0, 0.92]])
            axes.add_collection(PolyCollection(corners[:, None] + square, facecolors=shades, edgecolors="none"))
            axes.set_title(title)
            axes.set(xlim=(-0.2, wide), ylim=(tall, -0.2), aspect="equal", anchor="NW")
            axes.axis("off")
    return figure


def _places(shape: Sequence[int]) -> Array:
    """Where each cell's corner lies: (cells, 2), in the order of memory."""
    index = np.indices(shape).reshape(len(shape), -1)
    corners = np.zeros((2, index.shape[1]))
    stride, gap = [1.0, 1.0], 0.0
    for depth, axis in enumerate(reversed(range(len(shape)))):
        side = depth % 2
        if depth > 1 and side == 0:
            gap = 0.7 * (depth // 2)
        corners[side] += index[axis] * (stride[side] + gap)
        stride[side] = shape[axis] * (stride[side] + gap) - gap
    return corners.T


@dataclass(frozen=True)
class Grid:
    """A small array of one or two axes as ``grids`` draws it.

    ``faint``: which cells are repetitions, a mask of the array's shape. ``before``: the sign that stands before it.
    """

    values: Any
    faint: Any = False
    before: str = ""


def grids(rows: Sequence[Mapping[str, Grid]], **look: Unpack[Look]) -> Figure:
    """Rows of small arrays ``{title: Grid}`` with their numbers, such as an equation of arrays in each row.

    >>> figure = grids([{"a": Grid([1, 2]), "2 a": Grid([2, 4], before="=")}])
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['2', '4', '=']
    """
    style = Style.of("grids", **look)
    across = max(map(len, rows))
    tall = [max(np.atleast_2d(grid.values).shape[0] for grid in row.values()) for row in rows]
    wide = max(np.atleast_2d(grid.values).shape[1] for row in rows for grid in row.values())
    cell = min(4.0, 56 / (across * (wide + 1.4)))
    with style.drawing(across * (wide + 1.4) * cell, sum(n * 0.75 * cell + 3.2 for n in tall)) as figure:
        every = figure.subplots(len(rows), across, squeeze=False, gridspec_kw={"height_ratios": [n + 1 for n in tall]})
        for line, row, height in zip(every, rows, tall, strict=True):
            for axes, (title, grid) in zip(line, row.items(), strict=False):
                _draw_grid(style, axes, title, grid, (wide, height))
            for unused in line[len(row) :]:
                unused.remove()
    return figure


def _draw_grid(style: Style, axes: Axes, title: str, grid: Grid, size: tuple[int, int]) -> None:
    from matplotlib.patches import Rectangle

    values = np.atleast_2d(grid.values)
    faint = np.broadcast_to(np.atleast_2d(grid.faint), values.shape)
    for (row, column), value in np.ndenumerate(values):
        pale = bool(faint[row, column])
        edge, ink = (style.theme.line, style.theme.soft) if pale else (style.theme.soft, style.theme.ink)
        face = "none" if pale else style.tint(0, 0.18)
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor=edge, linewidth=style.pt(0.8)))
        axes.text(
            column + 0.5, row + 0.5, number(value, 3), ha="center", va="center", color=ink, alpha=0.75 if pale else 1
        )
    if grid.before:
        axes.text(-0.35, values.shape[0] / 2, grid.before, ha="center", va="center", size=style.points * 1.3)
    axes.set_title(title)
    axes.set(xlim=(-0.7, size[0] + 0.1), ylim=(size[1] + 0.1, -0.1), aspect=0.75, anchor="NW")
    axes.axis("off")
