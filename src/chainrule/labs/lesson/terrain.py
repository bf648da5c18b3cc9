"""Drawings of ways downhill: the steps on a curve, and the family tree of those who walk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.panels import grid_shape, number_ticks, panel_grid
from chainrule.show.style import Look, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Relative", "before_and_after", "descents", "family_tree", "terrains"]

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


@dataclass(frozen=True)
class Relative:
    """One box of a family tree: where it stands (column from the left, row from the top), which branch it belongs to (a
    number, which is its colour), and a few lines on what it brought."""

    column: float
    row: float
    branch: int
    lines: Sequence[str]


#: Em: from box to box, and a box.
_ACROSS, _DOWN, _WIDE, _HIGH = 10.4, 7.2, 8.6, 5.0


def family_tree(
    members: Mapping[str, Relative], children: Iterable[tuple[str, str]], branches: Sequence[str], **look: Unpack[Look]
) -> Figure:
    """Boxes with names and lines, an arrow for each (parent, child), and what the colours of the branches mean.

    >>> members = {"GD": Relative(0, 0, 0, ["all rows"]), "SGD": Relative(1, 0, 0, ["some rows"])}
    >>> figure = family_tree(members, [("GD", "SGD")], ["the trunk"])
    >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    ['GD', 'all rows', 'SGD', 'some rows']
    """
    style = Style.of("family_tree", **look)
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch

    width = max(member.column for member in members.values()) * _ACROSS + _WIDE + 1
    height = max(member.row for member in members.values()) * _DOWN + _HIGH + 1
    corner = f"round,pad=0,rounding_size={0.5}"
    with style.drawing(width, height + 2.2) as figure:
        axes = figure.add_subplot()
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
        axes.axis("off")
        for name, member in members.items():
            x, y = member.column * _ACROSS, member.row * _DOWN
            axes.add_patch(
                FancyBboxPatch(
                    (x, y), _WIDE, _HIGH, boxstyle=corner, facecolor=style.tint(member.branch, 0.16),
                    edgecolor=style.colour(member.branch), linewidth=style.pt(1.2), zorder=2,
                )
            )  # fmt: skip
            look_of_text: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 3}
            axes.text(x + _WIDE / 2, y + 1.05, name, weight="bold", **look_of_text)
            axes.text(
                x + _WIDE / 2, y + 3.1, "\n".join(member.lines), size=style.points * 0.78, linespacing=1.25,
                **look_of_text,
            )  # fmt: skip
        for parent, child in children:
            axes.add_patch(
                FancyArrowPatch(
                    *_ends(members[parent], members[child]), arrowstyle="-|>", mutation_scale=style.pt(9),
                    color=style.theme.soft, linewidth=style.pt(1.2), shrinkA=0, shrinkB=0, zorder=1,
                )
            )  # fmt: skip
        handles = [
            Patch(facecolor=style.tint(i, 0.16), edgecolor=style.colour(i), label=name)
            for i, name in enumerate(branches)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _ends(parent: Relative, child: Relative) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow leaves its parent's right edge and meets its child's left one; what comes from above enters above."""
    rise = float(np.sign(parent.row - child.row)) * 0.22 * _HIGH
    start = parent.column * _ACROSS + _WIDE, parent.row * _DOWN + _HIGH / 2 - rise
    return start, (child.column * _ACROSS, child.row * _DOWN + _HIGH / 2 + rise)
