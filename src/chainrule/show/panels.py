"""Panels: how many in a row, the numbers on their axes, the notes below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.show.style import Style
from chainrule.train.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["grid_shape", "logarithmic", "note", "number_ticks", "panel_grid", "ranges", "spans_decades"]

#: Positive numbers that span more than this factor are drawn on a logarithmic axis, as in the report.
_LOG_SPAN = 50.0


def grid_shape(count: int, most_columns: int) -> tuple[int, int]:
    """Rows and columns for ``count`` panels, no row nearly empty.

    >>> grid_shape(4, 3), grid_shape(7, 4), grid_shape(2, 4)
    ((2, 2), (2, 4), (1, 2))
    """
    rows = -(-count // most_columns)
    return rows, -(-count // rows)


def panel_grid(figure: Figure, rows: int, columns: int, count: int, **options: Any) -> list[Axes]:
    """``count`` panels in reading order; the places left over stay empty."""
    every: list[Axes] = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for unused in every[count:]:
        unused.remove()
    return every[:count]


def spans_decades(values: np.ndarray[Any, Any]) -> bool:
    """Whether finite ``values`` ask for a logarithmic axis.

    >>> spans_decades(np.array([0.01, 1.0])), spans_decades(np.array([0.0, 1.0]))
    (True, False)
    """
    return values.size > 0 and float(values.min()) > 0 and float(values.max()) > _LOG_SPAN * float(values.min())


def number_ticks(axis: Any, digits: int = 6, most: int = 6, whole: bool = False, as_percent: bool = False) -> None:
    """Plain numbers on a linear axis, without factors in a corner."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def write(value: float, _: int | None = None) -> str:
        return f"{number(100 * value, digits)}\N{NO-BREAK SPACE}%" if as_percent else number(value, digits)

    axis.set_major_locator(MaxNLocator(most, integer=whole, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(write))


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """A logarithmic vertical axis with plain numbers, enough of them where it spans few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    decades = np.log10(high / low)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.2 else (1,), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 3)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def note(style: Style, axes: Axes, lines: Iterable[str], below: float = 2.9, alarm: bool = True) -> None:
    """Small print below a panel, ``below`` em under its edge."""
    text = "\n".join(lines)
    if text:
        axes.annotate(
            text,
            (0, 0),
            (0, -below * style.points),
            xycoords="axes fraction",
            textcoords="offset points",
            size=style.points * 0.85,
            color=style.theme.alarm if alarm else style.theme.soft,
            va="top",
        )


def ranges(numbers: Sequence[int], most: int = 4) -> str:
    """Whole numbers in short.

    >>> ranges([3, 7, 8, 9, 12]), ranges([1, 3, 5, 7, 9, 11])
    ('3, 7–9, 12', '1, 3, 5, 7, …')
    """
    spans: list[list[int]] = []
    for n in numbers:
        if spans and n == spans[-1][1] + 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    shown = [f"{a}" if a == b else f"{a}–{b}" for a, b in spans[:most]]
    return ", ".join(shown + ["…"] * (len(spans) > most))
