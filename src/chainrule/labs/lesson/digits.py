"""Drawings of small pictures: rows of them, a map of them, and their codes in a plane, each digit written where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import grid_shape, number_ticks, panel_grid
from chainrule.show.style import Look, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["digit_planes", "picture_map", "picture_rows"]

Array = np.ndarray[Any, Any]


def picture_rows(rows: Mapping[str, Array], **look: Unpack[Look]) -> Figure:
    """Pictures (n, height, width) from 0, paper, to 1, ink: a row for each label, what belongs together in a column.

    >>> figure = picture_rows({"a cross": np.eye(3)[None]})
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['a cross']
    """
    style = Style.of("picture_rows", **look)
    count = max(map(len, rows.values()))
    height, width = next(iter(rows.values())).shape[1:]
    # One image with gaps between its tiles: an axes for each picture would take a hundred times as long.
    gap = 1 + height // 12
    tiles = np.full((len(rows), height + gap, count, width + gap), np.nan)
    for i, pictures in enumerate(rows.values()):
        tiles[i, :height, : len(pictures), :width] = pictures.transpose(1, 0, 2)
    image = tiles.reshape(len(rows) * (height + gap), count * (width + gap))[:-gap, :-gap]
    side = min(4.4, 44 / count)
    with style.drawing(side * count + 10, side * len(rows) * height / width + 0.6) as figure:
        axes = figure.subplots()
        paper = _ink(style).with_extremes(bad=(0, 0, 0, 0))
        axes.imshow(image, cmap=paper, vmin=0, vmax=1, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([height / 2 + i * (height + gap) for i in range(len(rows))], list(rows))
        axes.tick_params(length=0, labelsize=style.points, labelcolor=style.theme.ink)
        axes.spines[:].set_visible(False)
    return figure


def picture_map(
    pictures: Array, x: Array, y: Array, xlabel: str = "", ylabel: str = "", **look: Unpack[Look]
) -> Figure:
    """Pictures (rows, columns, height, width) laid out over a plane: that of ``x[j]`` and ``y[i]`` stands at (x, y).

    >>> figure = picture_map(np.zeros((2, 3, 8, 8)), np.arange(3), np.arange(2))
    >>> figure.axes[0].images[0].get_array().shape
    (16, 24)
    """
    style = Style.of("picture_map", **look)
    rows, columns, height, width = pictures.shape
    # The first row of the plane is its lowest, the first of a picture its highest.
    tiles = pictures[::-1].transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    dx, dy = (places[1] - places[0] for places in (x, y))
    ends = (x[0] - dx / 2, x[-1] + dx / 2, y[0] - dy / 2, y[-1] + dy / 2)
    with style.drawing(36, 36 * rows * height / (columns * width)) as figure:
        axes = figure.subplots()
        axes.imshow(tiles, cmap=_ink(style), vmin=0, vmax=1, extent=ends, aspect="auto", interpolation="nearest")
        axes.set_box_aspect(rows * height / (columns * width))
        _axes(axes, xlabel, ylabel)
    return figure


def digit_planes(
    panels: Mapping[str, tuple[Array, Array]], xlabel: str = "", ylabel: str = "", **look: Unpack[Look]
) -> Figure:
    """Points (n, 2) with their classes (n,), 0 to 9, in planes beside each other: each written as its digit.

    >>> figure = digit_planes({"a plane": (np.array([[0, 0], [1, 2]]), np.array([3, 7]))})
    >>> figure.axes[0].get_title(loc="left")
    'a plane'
    """
    style = Style.of("digit_planes", **look)
    rows, across = grid_shape(len(panels), 2)
    side = 36 if across == 1 else 27
    with style.drawing(side * across, side * rows) as figure:
        every = panel_grid(figure, rows, across, len(panels))
        for axes, (title, (points, classes)) in zip(every, panels.items(), strict=True):
            for digit in np.unique(classes):
                axes.plot(
                    *points[classes == digit].T, linestyle="none", marker=f"${digit}$", markersize=style.pt(5),
                    color=style.colour(digit), markeredgewidth=0,
                )  # fmt: skip
            axes.set_title(title)
            axes.set_box_aspect(1)
            _axes(axes, xlabel, ylabel if axes is every[0] else "")
    return figure


def _ink(style: Style) -> Any:
    return style.ramp(style.theme.plate, style.theme.ink)


def _axes(axes: Axes, xlabel: str, ylabel: str) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel)
    number_ticks(axes.xaxis, digits=3, most=5)
    number_ticks(axes.yaxis, digits=3, most=5)
