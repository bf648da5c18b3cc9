"""The confusion matrix: which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.core.errors import DataError
from chainrule.data.arrays import as_array
from chainrule.show.style import Look, Style, mix
from chainrule.train.metrics import confusion_matrix
from chainrule.train.wording import number, percent, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion"]

Array = np.ndarray[Any, Any]

#: Beyond as many classes the matrix is a picture without numbers; beyond the second, without names.
_MOST_NUMBERED, _MOST_NAMED = 20, 60


def confusion(
    true: Any, predicted: Any, classes: Sequence[Any] | None = None, normalise: bool = False, **look: Unpack[Look]
) -> Figure:
    """The confusion matrix: rows are true classes, columns predicted ones; what is right is blue, mistakes are orange.

    Args:
        true: class numbers (n,), one-hot rows (n, k), or labels such as words (n,).
        predicted: class numbers or labels likewise, or scores (n, k), of which the highest is taken.
        classes: names of the classes 0, 1, ...; for labels, their order.
        normalise: write the share of the true class large and the count small, instead of the reverse.
        look: see ``style.Look``.

    A cell is the darker the larger its share of the true class; mistakes, which are few, get the square root of it, so
    that one of a hundred is seen. From 21 classes on, the numbers are left out.

    >>> figure = confusion(["cat", "dog", "dog"], ["cat", "cat", "dog"])
    >>> figure.axes[0].images[0].get_array().filled(0).tolist()  # what is right, as shares
    [[1.0, 0.0], [0.0, 0.5]]

    Raises:
        DataError: no rows, NaN scores, or a class that has no name.
        ShapeError: numbers of rows that differ.
    """
    style = Style.of("confusion", **look)
    matrix, names = _count(true, predicted, classes)
    size = len(matrix)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    numbered = size <= _MOST_NUMBERED
    cell = min(7.0, max(3.6, 40 / size)) if numbered else 46 / size
    longest = min(16, max(map(len, names)))
    slanted = numbered and longest * 0.58 > cell - 0.6
    side = size * cell
    with style.drawing(max(side + 0.55 * longest + 5, 20), side + 7.5 + (0.45 * longest if slanted else 0)) as figure:
        axes = figure.add_subplot()
        hit = np.eye(size, dtype=bool)
        paper = style.theme.plate
        for part, shade, colour in ((hit, shares, style.colour(0)), (~hit, np.sqrt(shares), style.colour(1))):
            colours = style.ramp(paper, colour).with_extremes(bad="none")
            axes.imshow(np.ma.masked_where(~part, shade), cmap=colours, vmin=0, vmax=1, interpolation="nearest")
        if numbered:
            _write(style, axes, matrix, shares, normalise, cell)
        _label_axes(style, axes, names, slanted)
        right = int(np.trace(matrix))
        axes.set_title(
            style.say(
                "{share} right: {right} of {rows} rows", share=percent(right / matrix.sum()), right=number(right),
                rows=number(int(matrix.sum())),
            )
        )  # fmt: skip
    return figure


def _count(true: Any, predicted: Any, classes: Sequence[Any] | None) -> tuple[Array, list[str]]:
    """The matrix, and the classes' names."""
    asked = "show.confusion"
    first, second = (as_array(v, name, numeric=False) for v, name in ((true, "true"), (predicted, "predicted")))
    if first.dtype.kind in "biuf" and second.dtype.kind in "biuf":
        count = None if classes is None else len(classes)
        matrix = confusion_matrix(second, first, classes=count)
        return matrix, [str(i) for i in range(len(matrix))] if classes is None else list(map(str, classes))
    labels = list(map(str, classes)) if classes is not None else sorted({*map(str, first), *map(str, second)})
    place = {label: i for i, label in enumerate(labels)}
    unknown = [label for label in (*map(str, first), *map(str, second)) if label not in place]
    if unknown:
        raise DataError(asked, f"the label {unknown[0]!r}", f"one of classes={labels}", "add it to classes")
    as_numbers = [np.array([place[str(label)] for label in part], np.int64) for part in (second, first)]
    return confusion_matrix(*as_numbers, classes=len(labels)), labels


def _write(style: Style, axes: Axes, matrix: Array, shares: Array, normalise: bool, cell: float) -> None:
    """Count and share in each cell; a mistake that never happened is a pale 0."""
    theme = style.theme
    for t, p in np.ndindex(matrix.shape):
        count, share, hit = int(matrix[t, p]), float(shares[t, p]), t == p
        shade = mix(theme.plate, style.colour(0 if hit else 1), share if hit else share**0.5)
        ink = style.ink_on(shade) if count else theme.soft
        part = percent(share, 0 if share >= 0.0095 or not count else 1)
        large, small = (part, number(count)) if normalise else (number(count), part)
        scale = min(1.0, cell / 4.2) * style.points
        axes.text(
            p, t, large, ha="center", va="bottom" if count else "center", color=ink,
            size=scale * (1 if count else 0.85), weight="bold" if count and hit else "normal",
        )  # fmt: skip
        if count:
            axes.text(p, t + 0.06, small, ha="center", va="top", color=ink, size=scale * 0.75)


def _label_axes(style: Style, axes: Axes, names: list[str], slanted: bool) -> None:
    shown = [short(name) for name in names]
    every = 1 if len(names) <= _MOST_NAMED else 10
    places = range(0, len(names), every)
    size = style.points * min(0.9, 46 / len(names) * every / 1.15)
    axes.set_xticks(places, shown[::every], size=size)
    axes.set_yticks(places, shown[::every], size=size)
    if slanted or len(names) > _MOST_NUMBERED:
        for label in axes.get_xticklabels():
            label.set(rotation=45 if slanted else 90, ha="right" if slanted else "center", rotation_mode="anchor")
    axes.set_xlabel(style.say("predicted class"))
    axes.set_ylabel(style.say("true class"))
    axes.tick_params(length=0)
    axes.spines[:].set(visible=True, color=style.theme.line)
    if len(names) <= _MOST_NUMBERED:
        edges = np.arange(len(names) - 1) + 0.5
        axes.vlines(edges, -0.5, len(names) - 0.5, color=style.theme.paper, linewidth=style.pt(1.5))
        axes.hlines(edges, -0.5, len(names) - 0.5, color=style.theme.paper, linewidth=style.pt(1.5))
