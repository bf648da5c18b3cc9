"""Drawings of ways downhill: on a curve and on a surface, how far a race was decided, and the family tree of the runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import grid_shape, number_ticks, panel_grid
from chainrule.show.style import Look, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["before_and_after", "descents", "family_tree", "terrains"]

Array = np.ndarray[Any, Any]


def descents(
    function: Callable[[Array], Array], paths: Mapping[str, Sequence[float]], columns: int = 5, **look: Unpack[Look]
) -> Figure:
    """A curve with the points that a walker visits on it, a panel for each path; the first is hollow, the last a star.

    >>> figure = descents(lambda w: w**2, {"half the way": [1, 0.5, 0.25]})
    >>> figure.axes[0].get_title(loc="left")
    'half the way'
    """
    style = Style.of("descents", **look)
    rows, across = grid_shape(len(paths), columns)
    reach = 1.15 * max(abs(place) for path in paths.values() for place in path)
    x = np.linspace(-reach, reach, 201)
    with style.drawing(54, 54 / across * 1.1 * rows) as figure:
        for axes, (title, path) in zip(panel_grid(figure, rows, across, len(paths)), paths.items(), strict=True):
            places = np.asarray(path, np.float64)
            axes.plot(x, function(x), color=style.theme.soft, linewidth=style.pt(1), zorder=1)
            axes.plot(
                places, function(places), color=style.colour(1), marker="o", markersize=style.pt(3),
                linewidth=style.pt(1.1), zorder=2,
            )  # fmt: skip
            for place, marker, inside, size in (
                (places[:1], "o", style.theme.paper, 7),
                (places[-1:], "*", style.colour(1), 11),
            ):
                axes.plot(
                    place, function(place), marker, color=inside, markeredgecolor=style.theme.ink,
                    markersize=style.pt(size), zorder=3,
                )  # fmt: skip
            axes.set_title(title)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            number_ticks(axes.xaxis, digits=3, most=3)
    return figure


def terrains(
    function: Callable[[Array, Array], Array],
    panels: Mapping[str, Mapping[str, Array]],
    x: tuple[float, float],
    y: tuple[float, float],
    columns: int = 4,
    **look: Unpack[Look],
) -> Figure:
    """One surface as contour lines, a panel for each title, with paths ``{label: (n, 2)}`` on it; equal labels look alike.

    >>> figure = terrains(lambda x, y: x**2 + y**2, {"down": {"": np.array([[1, 1], [0, 0]])}}, (-2, 2), (-2, 2))
    >>> figure.axes[0].get_title(loc="left")
    'down'
    """
    style = Style.of("terrains", **look)
    rows, across = grid_shape(len(panels), columns)
    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel))
    grid = np.meshgrid(np.linspace(*x, 81), np.linspace(*y, 81))
    heights = np.asarray(function(*grid))
    # Closer together near the bottom, where the paths end.
    levels = heights.min() + np.ptp(heights) * np.linspace(0, 1, 13)[1:-1] ** 3
    width = {1: 30.0, 2: 26.0}.get(across, 54 / across)
    with style.drawing(width * across, (width * 0.62 + 1.6) * rows + 2.0 * (len(labels) > 1)) as figure:
        for i, (axes, (title, panel)) in enumerate(
            zip(panel_grid(figure, rows, across, len(panels)), panels.items(), strict=True)
        ):
            axes.contour(*grid, heights, levels, colors=style.theme.soft, linewidths=style.pt(0.5), alpha=0.6)
            for label, path in panel.items():
                k = labels.index(label)
                axes.plot(
                    *path.T, color=style.colour(k), linestyle=style.dashes(k), marker=style.marker(k), zorder=3 - k / 9,
                    markersize=style.pt(2.6), linewidth=style.pt(1.2), label="_" * (i > 0 or not label) + label,
                    markevery=max(1, len(path) // 40),
                )  # fmt: skip
                axes.plot(
                    *path[-1],
                    "*",
                    color=style.colour(k),
                    markeredgecolor=style.theme.ink,
                    markersize=style.pt(9),
                    zorder=4,
                )
            start = next(iter(panel.values()))[0]
            axes.plot(
                *start, "o", color=style.theme.paper, markeredgecolor=style.theme.ink, markersize=style.pt(6), zorder=4
            )
            axes.set(xlim=x, ylim=y)
            axes.set_title(title)
            number_ticks(axes.xaxis, digits=3, most=4)
            number_ticks(axes.yaxis, digits=3, most=4)
        if len(labels) > 1:
            figure.legend(loc="outside lower center", ncols=len(labels))
    return figure


def before_and_after(
    rows: Mapping[str, Sequence[float]], labels: Sequence[str], xlabel: str = "", **look: Unpack[Look]
) -> Figure:
    """Two shares from 0 to 1 for each row, before and after, joined by a line.

    >>> figure = before_and_after({"SGD": (0.2, 0.9)}, ("before", "after"))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['SGD']
    """
    style = Style.of("before_and_after", **look)
    places = np.arange(len(rows))
    both = np.array(list(rows.values()))
    with style.drawing(44, 1.9 * len(rows) + 5) as figure:
        axes = figure.add_subplot()
        axes.hlines(
            places, both.min(axis=1), both.max(axis=1), color=style.theme.line, linewidth=style.pt(2.5), zorder=1
        )
        for i, label in enumerate(labels):
            axes.plot(
                both[:, i], places, linestyle="none", marker=style.marker(i), color=style.colour(1 - i),
                markersize=style.pt(7), markeredgecolor=style.theme.paper, label=label,
            )  # fmt: skip
        axes.set_yticks(places, list(rows))
        axes.tick_params(axis="y", length=0, labelcolor=style.theme.ink)
        axes.spines["left"].set_visible(False)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel(xlabel)
        axes.grid(axis="x")
        number_ticks(axes.xaxis, as_percent=True)
        figure.legend(loc="outside lower center", ncols=2)
    return figure


#: The optimizers: column from the left, row from the top, branch, year, and what is new in each, in English and Korean.
_FAMILY = {
    "GD": (0, 1.15, 0, "1847", "all rows,\none step", "모두 보고\n한 걸음"),
    "SGD": (1, 1.15, 0, "1951", "a few rows,\nmany steps", "조금 보고\n여러 걸음"),
    "Momentum": (2, 0.3, 1, "1964", "keep rolling", "구르던 대로"),
    "NAG": (3, 0, 1, "1983", "look ahead", "앞을 내다보기"),
    "Adagrad": (2, 2.1, 2, "2011", "a rate for\neach weight", "가중치마다\n다른 학습률"),
    "RMSProp": (3, 1.6, 2, "2012", "forget\nold slopes", "옛 기울기는\n잊기"),
    "Adadelta": (3, 2.6, 2, "2012", "measure by own\nearlier steps", "지난 걸음에\n맞추기"),
    "Adam": (4, 1, 3, "2014", "Momentum\nand RMSProp", "모멘텀과\nRMSProp"),
    "Nadam": (5, 0.4, 3, "2016", "Adam and NAG", "Adam과 NAG"),
    "AdamW": (5, 1.6, 3, "2017", "weight decay\napart", "가중치 감쇠를\n따로"),
}
_CHILDREN = {
    "GD": ["SGD"], "SGD": ["Momentum", "Adagrad"], "Momentum": ["NAG", "Adam"], "NAG": ["Nadam"],
    "Adagrad": ["RMSProp", "Adadelta"], "RMSProp": ["Adam"], "Adam": ["Nadam", "AdamW"],
}  # fmt: skip
_BRANCHES = {"en": ("the trunk", "which way", "how far", "both"), "ko": ("뿌리", "어느 방향으로", "얼마나", "둘 다")}

#: Em: from box to box, and a box.
_ACROSS, _DOWN, _WIDE, _HIGH = 10.4, 7.2, 8.6, 5.0


def family_tree(**look: Unpack[Look]) -> Figure:
    """The optimizers in boxes, an arrow from each parent to each child; the colours of the branches say what they ask.

    >>> figure = family_tree()
    >>> [text.get_text() for text in figure.axes[0].texts][:4]
    ['GD', '1847\\nall rows,\\none step', 'SGD', '1951\\na few rows,\\nmany steps']
    """
    style = Style.of("family_tree", **look)
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

    width, height = 5 * _ACROSS + _WIDE, 2.6 * _DOWN + _HIGH
    with style.drawing(width + 1, height + 3) as figure:
        axes = figure.add_subplot()
        axes.set(xlim=(-0.5, width + 0.5), ylim=(height + 0.5, -0.5), aspect="equal")
        axes.axis("off")
        for name, (column, row, branch, year, english, korean) in _FAMILY.items():
            x, y = column * _ACROSS, row * _DOWN
            axes.add_patch(
                FancyBboxPatch(
                    (x, y), _WIDE, _HIGH, boxstyle="round,pad=0,rounding_size=0.5", facecolor=style.tint(branch, 0.16),
                    edgecolor=style.colour(branch), linewidth=style.pt(1.2), zorder=2,
                )
            )  # fmt: skip
            middle: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 3}
            axes.text(x + _WIDE / 2, y + 1.05, name, weight="bold", **middle)
            axes.text(
                x + _WIDE / 2, y + 3.1, f"{year}\n{korean if style.lang == 'ko' else english}", size=style.points * 0.78,
                linespacing=1.25, **middle,
            )  # fmt: skip
        for start, end in ((start, end) for start, ends in _CHILDREN.items() for end in ends):
            axes.add_patch(
                FancyArrowPatch(
                    *_arrow(start, end), arrowstyle="-|>", mutation_scale=style.pt(9), color=style.theme.soft,
                    linewidth=style.pt(1.2), shrinkA=0, shrinkB=0, zorder=1,
                )
            )  # fmt: skip
        handles = [
            Patch(facecolor=style.tint(i, 0.16), edgecolor=style.colour(i), label=name)
            for i, name in enumerate(_BRANCHES[style.lang])
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _arrow(parent: str, child: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """From the parent's right edge to the child's left one; what comes from above enters above the middle."""
    (left, above), (right, below) = _FAMILY[parent][:2], _FAMILY[child][:2]
    shift = float(np.sign(above - below)) * 0.22 * _HIGH
    start = left * _ACROSS + _WIDE, above * _DOWN + _HIGH / 2 - shift
    return start, (right * _ACROSS, below * _DOWN + _HIGH / 2 + shift)
