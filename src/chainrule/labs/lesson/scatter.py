"""Many measurements as dots, in the style of ``cr.show``: beside a scale, or against what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import number_ticks, panel_grid
from chainrule.show.style import Look, Style
from chainrule.train.wording import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["against", "strips"]


def strips(
    rows: Mapping[str, Any], xlabel: str = "", truth: float | None = None, scale: float = 1.0, **look: Unpack[Look]
) -> Figure:
    """Measurements ``{label: values}``, a row of dots for each label with a bar at their mean; ``truth`` is a dotted line.

    Rows take turns in two colours, so that pairs are seen.

    Args:
        scale: what all numbers are multiplied by, 100 for percent.

    >>> figure = strips({"first": [0.4, 0.6], "second": [0.5, 0.5]}, truth=0.5)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['first', 'second']
    """
    style = Style.of("strips", **look)
    with style.drawing(46, 3.4 * len(rows) + 3.5) as figure:
        axes = figure.subplots()
        if truth is not None:
            axes.axvline(scale * truth, color=style.theme.soft, linestyle=style.dashes(2), linewidth=style.pt(1.2))
        for i, values in enumerate(rows.values()):
            values = scale * np.asarray(values, np.float64)
            # Equal values would hide each other: the golden ratio spreads them evenly without chance.
            heights = i + 0.6 * (np.arange(len(values)) * 0.618034 % 1 - 0.5)
            axes.plot(
                values, heights, linestyle="none", marker=style.marker(0), color=style.tint(i % 2, 0.75),
                markersize=style.pt(3), markeredgewidth=0,
            )  # fmt: skip
            axes.plot([values.mean()] * 2, [i - 0.4, i + 0.4], color=style.theme.ink, linewidth=style.pt(2))
        axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel=xlabel)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.tick_params(axis="y", length=0, labelcolor=style.theme.ink)
        number_ticks(axes.xaxis, digits=3)
    return figure


def against(panels: Mapping[str, Mapping[str, tuple[Any, Any]]], ylabel: str = "", **look: Unpack[Look]) -> Figure:
    """Dots ``{title: {label: (x, y)}}``, a panel for each title, x on a logarithmic axis; equal labels look alike.

    >>> figure = against({"rate": {"grid": ([0.1, 1, 10], [3, 2, 1])}})
    >>> figure.axes[0].get_xscale()
    'log'
    """
    style = Style.of("against", **look)
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel))
    with style.drawing(54, 18) as figure:
        drawn: dict[str, Any] = {}
        every = panel_grid(figure, 1, len(panels), len(panels), sharey=True)
        for axes, (title, panel) in zip(every, panels.items(), strict=True):
            for label, (x, y) in panel.items():
                i = labels.index(label)
                (drawn[label],) = axes.plot(
                    x, y, linestyle="none", marker=style.marker(i), color=style.colour(i), markersize=style.pt(4.5),
                    markeredgecolor=style.theme.paper, markeredgewidth=style.pt(0.5),
                )  # fmt: skip
            axes.set(xscale="log", xlabel=title)
            span = np.ptp(np.log10(np.concatenate([np.asarray(x, np.float64) for x, _ in panel.values()])))
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 2 else (1,), numticks=6))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 3)))
            axes.xaxis.set_minor_formatter(NullFormatter())
            number_ticks(axes.yaxis, digits=3)
        every[0].set_ylabel(ylabel)
        figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=len(drawn))
    return figure
