"""Drawings of a pole on a cart: a strip of moments, and where a policy pushes which way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import grid_shape, number_ticks, panel_grid
from chainrule.show.style import Look, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["pole_strips", "push_planes"]

Array = np.ndarray[Any, Any]

#: Metres: half a cart, the pole, and what one frame of the strip is wide.
_CART, _POLE, _FRAME = 0.25, 1.0, 1.5


def pole_strips(strips: Mapping[str, Array], words: str = "{}", moments: int = 10, **look: Unpack[Look]) -> Figure:
    """Some moments from first to last of a cart and its pole, a row for each label: states (steps, 4), the angle third.

    Carts are drawn beside each other, whatever their place; ``words`` stands below each with the step put in.

    >>> figure = pole_strips({"upright": np.zeros((30, 4))})
    >>> figure.axes[0].get_title(loc="left")
    'upright'
    """
    style = Style.of("pole_strips", **look)
    ends = -_FRAME / 2, _FRAME * (moments - 0.5)
    with style.drawing(50, (50 * 1.7 / (ends[1] - ends[0]) + 2.0) * len(strips)) as figure:
        every = panel_grid(figure, len(strips), 1, len(strips))
        for axes, (label, states) in zip(every, strips.items(), strict=True):
            axes.plot(ends, [-0.12, -0.12], color=style.theme.line, linewidth=style.pt(1))
            for i, step in enumerate(np.linspace(0, len(states) - 1, moments).round().astype(int)):
                _cart(style, axes, _FRAME * i, float(states[step, 2]))
                axes.text(
                    _FRAME * i, -0.2, words.format(step), ha="center", va="top", color=style.theme.soft,
                    size=0.85 * style.points,
                )  # fmt: skip
            axes.set(xlim=ends, ylim=(-0.5, 1.2), title=label, aspect="equal")
            axes.set_axis_off()
    return figure


def _cart(style: Style, axes: Axes, place: float, angle: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((place - _CART, -0.1), 2 * _CART, 0.16, color=style.tint(0, 0.55), linewidth=0))
    tip = place + _POLE * np.sin(angle), 0.06 + _POLE * np.cos(angle)
    axes.plot(
        [place, tip[0]], [0.06, tip[1]], color=style.colour(1), linewidth=style.pt(3.2), solid_capstyle="round",
    )  # fmt: skip


def push_planes(
    panels: Mapping[str, Array], x: Array, y: Array, xlabel: str = "", ylabel: str = "", **look: Unpack[Look]
) -> Figure:
    """How much is in favour of pushing right, (len(y), len(x)), in planes beside each other; a line where it is even.

    Each panel is coloured on its own scale: one colour pushes left, the other right, the paler the less decided.

    >>> figure = push_planes({"a policy": np.outer([-1, 1], [1, 2])}, np.arange(2), np.arange(2))
    >>> figure.axes[0].get_title(loc="left")
    'a policy'
    """
    style = Style.of("push_planes", **look)
    rows, across = grid_shape(len(panels), 3)
    side = {1: 30, 2: 25}.get(across, 18)
    with style.drawing(side * across, side * rows) as figure:
        every = panel_grid(figure, rows, across, len(panels))
        for axes, (title, values) in zip(every, panels.items(), strict=True):
            strongest = float(np.abs(values).max())
            axes.pcolormesh(
                x, y, values, cmap=style.diverging(), vmin=-strongest, vmax=strongest, shading="gouraud", rasterized=True,
            )  # fmt: skip
            axes.contour(x, y, values, levels=[0], colors=[style.theme.ink], linewidths=style.pt(1.2))
            axes.set(title=title, xlabel=xlabel, ylabel=ylabel if axes is every[0] else "")
            axes.set_box_aspect(1)
            number_ticks(axes.xaxis, digits=3, most=5)
            number_ticks(axes.yaxis, digits=3, most=5)
    return figure
