"""Polynomials through points, in the style of ``cr.show``: what was fitted, to what, and what it should have found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import grid_shape, number_ticks, panel_grid
from chainrule.show.style import Look, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["polynomials"]


def polynomials(
    panels: Mapping[str, tuple[Any, Any, Any]], truth: Callable[[Any], Any] | None = None, **look: Unpack[Look]
) -> Figure:
    """Curves ``{title: (w, x, t)}``: sum of w_i x^i on 0 ... 1 with the points (x, t), and the true curve, dotted.

    All panels show heights from -2 to 2: what shoots beyond is cut off.

    >>> figure = polynomials({"a line": ([0, 1], [0.2, 0.7], [0.1, 0.8])})
    >>> figure.axes[0].get_title(loc="left")
    'a line'
    """
    style = Style.of("polynomials", **look)
    rows, across = grid_shape(len(panels), 2 if len(panels) % 2 == 0 else 3)
    line = np.linspace(0, 1, 401)
    with style.drawing(54 if across == 3 else 50, 15.0 * rows) as figure:
        every = panel_grid(figure, rows, across, len(panels))
        for i, (axes, (title, (w, x, t))) in enumerate(zip(every, panels.items(), strict=True)):
            if truth is not None:
                axes.plot(line, truth(line), color=style.theme.soft, linestyle=style.dashes(2))
            axes.plot(line, np.polynomial.polynomial.polyval(line, w), color=style.colour(0))
            axes.plot(
                x, t, linestyle="none", marker=style.marker(0), color=style.colour(1), markersize=style.pt(5),
                markeredgecolor=style.theme.paper, zorder=3,
            )  # fmt: skip
            axes.set(title=title, xlim=(-0.03, 1.03), ylim=(-2, 2), xlabel="x" if i + across >= len(every) else "")
            number_ticks(axes.xaxis, digits=3, most=5)
            number_ticks(axes.yaxis, digits=3, most=5)
    return figure
