"""A network as a picture: circles and lines for one that fits, boxes for one that is deep or of another kind."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from chainrule.core.errors import ConfigError
from chainrule.nn import Module
from chainrule.show.boxes import draw_boxes
from chainrule.show.probe import Architecture, Step, read_architecture
from chainrule.show.style import Look, Style, mix
from chainrule.train.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["model"]

Array = np.ndarray[Any, Any]

#: A column of more units than this is drawn with dots in its middle.
_MOST_UNITS = 12
_SHOWN_AT_EACH_END = 5

#: A network of more columns than this is drawn as boxes.
_MOST_COLUMNS = 7

#: In columns of at most as many units each weight carries its number.
_MOST_NUMBERED = 4

#: Lengths in em.
_GAP, _RADIUS, _SPACING = 11.0, 1.05, 3.0
_NUMBERED_GAP, _NUMBERED_RADIUS, _NUMBERED_SPACING = 16.0, 1.45, 5.2


def model(
    what: Module | Sequence[int],
    input: Any = None,
    kind: Literal["auto", "circles", "boxes"] = "auto",
    activations: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    **look: Unpack[Look],
) -> Figure:
    """A network: layers as columns of circles, weights as lines whose colour is their sign and whose width their size.

    Args:
        what: a module, or the sizes of the layers, such as ``[784, 50, 10]``.
        input: a batch to run through the module, which tells shapes and order; a tuple for several inputs. Not needed
            where the first layer is Linear.
        kind: "circles", or "boxes" with shapes and numbers of parameters; "auto" draws boxes where there are more than
            7 columns, or where the model is no chain of weighted sums. Repeated layers share one box.
        activations: names to write between the columns, where sizes are given.
        inputs, outputs: names of the first and the last units.
        look: see ``style.Look``.

    Columns of more than 12 units show the first and last 5. In small networks weights and biases carry their numbers.
    The module is run in evaluation mode and left as it was.

    >>> figure = model([2, 3, 1], activations=["sigmoid", "sigmoid"])
    >>> [text.get_text() for text in figure.axes[0].texts if "units" in text.get_text()]
    ['2 units', '3 units']

    Raises:
        ConfigError: something else than a module or sizes, or circles for a model that is no chain of weighted sums.
    """
    style = Style.of("model", **look)
    found = read_architecture(what, input) if isinstance(what, Module) else _from_sizes(what, activations)
    columns = _columns(found)
    if kind not in ("auto", "circles", "boxes"):
        raise ConfigError("show.model(kind=...)", repr(kind), "'auto', 'circles' or 'boxes'", "leave it out")
    if columns is None and kind == "circles":
        raise ConfigError(
            "show.model(kind='circles')",
            "a model that is no chain of weighted sums and activations",
            "Linear layers one after the other",
            "draw it with kind='boxes'",
        )
    if columns is None or kind == "boxes" or (kind == "auto" and len(columns) > _MOST_COLUMNS):
        return draw_boxes(style, found)
    _check_names("inputs", inputs, columns[0].size)
    _check_names("outputs", outputs, columns[-1].size)
    return _draw_circles(style, columns, found, inputs, outputs)


@dataclass
class _Column:
    """The units of a layer, with the weights that lead to them."""

    size: int
    weight: Array | None = None
    bias: Array | None = None
    #: What is between the column before and this one, as text.
    between: list[str] = field(default_factory=list)

    @property
    def shown(self) -> list[int]:
        """The units that are drawn."""
        if self.size <= _MOST_UNITS:
            return list(range(self.size))
        ends = _SHOWN_AT_EACH_END
        return [*range(ends), *range(self.size - ends, self.size)]

    def heights(self, spacing: float) -> dict[int, float]:
        """Where each drawn unit stands; one place in the middle is for the dots."""
        shown = self.shown
        places = len(shown) + (self.size > len(shown))
        rows = [i if i < _SHOWN_AT_EACH_END or places == len(shown) else i + 1 for i in range(len(shown))]
        return {unit: ((places - 1) / 2 - row) * spacing for unit, row in zip(shown, rows, strict=True)}


def _from_sizes(sizes: Any, activations: Sequence[str] | None) -> Architecture:
    whole = isinstance(sizes, (list, tuple, np.ndarray)) and all(isinstance(n, (int, np.integer)) for n in sizes)
    if not whole or len(sizes) < 2 or min(sizes) < 1:
        raise ConfigError(
            "show.model(what)",
            f"{sizes!r}" if whole or isinstance(sizes, (list, tuple)) else f"a {type(sizes).__name__}",
            "a module, or two or more layer sizes from 1",
            "pass a model, or [2, 3, 1]",
        )
    if activations is not None and len(activations) != len(sizes) - 1:
        raise ConfigError(
            "show.model(activations=...)",
            f"{len(activations)} names",
            f"{len(sizes) - 1}, one for each layer after the input",
            "use '' for a layer without",
        )
    found = Architecture()
    for i, (before, size) in enumerate(itertools.pairwise(sizes)):
        found.parameters += int((before + 1) * size)
        found.steps.append(
            Step("", "affine", (int(size),), int((before + 1) * size), np.full((int(size), int(before)), np.nan))
        )
        if activations is not None and activations[i]:
            found.steps.append(Step("", activations[i], (int(size),)))
    return found


def _columns(found: Architecture) -> list[_Column] | None:
    """Columns of units, or None for what is no chain of weighted sums and functions of single units."""
    columns: list[_Column] = []
    for step in found.steps:
        if step.weight is not None:
            outputs, inputs = step.weight.shape
            if columns and columns[-1].size != inputs:
                return None
            columns += [] if columns else [_Column(inputs)]
            columns.append(_Column(outputs, step.weight, step.bias))
        elif columns and step.shape not in (None, (columns[-1].size,)):
            return None
        elif columns and step.kind != "Identity":
            columns[-1].between.append(step.kind)
    return columns if found.chain and len(columns) > 1 else None


def _check_names(argument: str, names: Sequence[str] | None, size: int) -> None:
    if names is not None and len(names) != size:
        raise ConfigError(f"show.model({argument}=...)", f"{len(names)} names", f"{size}, one a unit", "check the list")


# ---- circles


def _draw_circles(
    style: Style, columns: list[_Column], found: Architecture, inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
) -> Figure:  # fmt: skip
    known = not any(c.weight is not None and np.isnan(c.weight).all() for c in columns)
    numbered = known and max(c.size for c in columns) <= _MOST_NUMBERED
    gap, radius, spacing = (
        (_NUMBERED_GAP, _NUMBERED_RADIUS, _NUMBERED_SPACING) if numbered else (_GAP, _RADIUS, _SPACING)
    )
    places = [c.heights(spacing) for c in columns]
    left_names, right_names = _unit_names("x", columns[0], inputs), _unit_names("y", columns[-1], outputs)
    left, right = (1.6 + radius + 0.62 * max(map(len, names.values())) for names in (left_names, right_names))
    top = max(max(p.values()) for p in places) + radius + 4.2
    lines = max(len(_between(c)) for c in columns)
    bottom = min(min(p.values()) for p in places) - radius - 1.6 - 1.5 * lines
    left, right = max(left, 4.5), max(right, 4.5)
    width, height = left + right + gap * (len(columns) - 1), top - bottom
    with style.drawing(max(width, 32) + 1, height + (5.2 if known else 2.2)) as figure:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(-left, gap * (len(columns) - 1) + right)
        axes.set_ylim(bottom, top)
        scale = max((float(np.abs(c.weight).max()) for c in columns if c.weight is not None and known), default=1.0)
        for i in range(1, len(columns)):
            _draw_weights(style, axes, columns[i], (i - 1) * gap, i * gap, places[i - 1], places[i], scale or 1.0)
            if numbered:
                _write_weights(style, axes, columns[i], (i - 1) * gap, gap, places[i - 1], places[i])
        for i, column in enumerate(columns):
            hidden = "hidden layer" if len(columns) == 3 else "hidden layer {n}"
            role = "input layer" if i == 0 else "output layer" if i == len(columns) - 1 else hidden
            _draw_units(style, axes, column, i * gap, places[i], radius, numbered)
            axes.text(i * gap, top - 1.0, style.say(role, n=i), ha="center", va="center", weight="bold")
            count = style.say("1 unit" if column.size == 1 else "{count} units", count=number(column.size))
            axes.text(i * gap, top - 2.5, count, ha="center", va="center", color=style.theme.soft)
            for line, (text, strong) in enumerate(_between(column)):
                axes.text(
                    (i - 0.5) * gap, bottom + 1.5 * (lines - line) - 0.6, text, ha="center", va="center",
                    color=style.theme.ink if strong else style.theme.soft, size=style.points * 0.92,
                )  # fmt: skip
        for unit, height in places[0].items():
            axes.text(-radius - 0.7, height, left_names[unit], ha="right", va="center")
        for unit, height in places[-1].items():
            axes.text((len(columns) - 1) * gap + radius + 0.7, height, right_names[unit], ha="left", va="center")
        if known:
            _legend(style, figure, scale, numbered, found.parameters)
    return figure


def _between(column: _Column) -> list[tuple[str, bool]]:
    """What is written under the lines to a column: the sum's sizes, then what follows it."""
    if column.weight is None:
        return []
    outputs, inputs = column.weight.shape
    return [(f"{number(inputs)} → {number(outputs)}", False), *((name, True) for name in column.between)]


def _unit_names(letter: str, column: _Column, names: Sequence[str] | None) -> dict[int, str]:
    if names is not None:
        return {unit: str(names[unit]) for unit in column.shown}
    if column.size == 1:
        return {0: letter}
    lowered = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    return {unit: letter + str(unit + 1).translate(lowered) for unit in column.shown}


def _draw_weights(
    style: Style, axes: Axes, column: _Column, start: float, end: float, sources: dict[int, float],
    targets: dict[int, float], scale: float,
) -> None:  # fmt: skip
    """Lines, the weak ones first, so that the strong lie on top."""
    from matplotlib.collections import LineCollection

    assert column.weight is not None
    edges = [
        (abs(w), w, [(start, y0), (end, y1)])
        for t, y1 in targets.items()
        for s, y0 in sources.items()
        for w in [float(column.weight[t, s])]
    ]
    if math.isnan(edges[0][0]):
        axes.add_collection(
            LineCollection(
                [e[2] for e in edges], colors=style.theme.soft, linewidths=style.pt(0.7), alpha=0.7, zorder=1
            )
        )
        return
    edges.sort(key=lambda edge: edge[0])
    strength = [size / scale for size, _, _ in edges]
    widest = 2.5 if len(edges) <= 40 else 1.5
    axes.add_collection(
        LineCollection(
            [points for _, _, points in edges],
            colors=[style.theme.positive if w >= 0 else style.theme.negative for _, w, _ in edges],
            linewidths=[style.pt(0.3 + widest * s) for s in strength],
            linestyles=["-" if w >= 0 else (0, (3.5, 1.5)) for _, w, _ in edges],
            alpha=[0.25 + 0.75 * s for s in strength],
            zorder=1,
        )
    )


def _write_weights(
    style: Style, axes: Axes, column: _Column, start: float, gap: float, sources: dict[int, float],
    targets: dict[int, float],
) -> None:  # fmt: skip
    """Numbers along the lines, each where its line is farthest from the others."""
    from matplotlib.patheffects import withStroke

    assert column.weight is not None
    halo = [withStroke(linewidth=style.pt(3.2), foreground=style.theme.paper)]
    lines = np.array([(y0, (y1 - y0) / gap) for y1 in targets.values() for y0 in sources.values()])
    weights = [float(column.weight[t, s]) for t in targets for s in sources]
    for index, ((height, slope), weight) in enumerate(zip(lines, weights, strict=True)):
        text = number(weight, 3)
        x = _clear_place(lines, index, gap, 0.25 * len(text))
        axes.text(
            start + x, height + slope * x, text, ha="center", va="center", size=style.points * 0.8, zorder=2,
            path_effects=halo, rotation=math.degrees(math.atan(slope)), rotation_mode="anchor",
        )  # fmt: skip


def _clear_place(lines: Array, index: int, gap: float, half: float) -> float:
    """Where on line ``index`` a text of twice ``half`` is farthest from the other lines, each (height, slope)."""
    height, slope = lines[index]
    others = np.delete(lines, index, axis=0)
    middles = np.linspace(0.16, 0.84, 35) * gap
    x = middles[:, None] + np.linspace(-half, half, 7) / math.hypot(1, slope)
    y = height + slope * x
    away = abs(others[:, :1, None] + others[:, 1:, None] * x - y) / np.hypot(1, others[:, 1:, None])
    # Where there is room enough, the middle of the line is as good as any other place.
    room = np.minimum(away.min(axis=(0, 2), initial=np.inf), 1.6) - 0.3 * abs(middles / gap - 0.5)
    return float(middles[room.argmax()])


def _draw_units(
    style: Style, axes: Axes, column: _Column, x: float, places: dict[int, float], radius: float, numbered: bool
) -> None:
    from matplotlib.patches import Circle

    theme = style.theme
    for unit, y in places.items():
        face = theme.plate
        if column.bias is not None:
            value = float(column.bias[unit])
            face = mix(theme.plate, theme.positive if value > 0 else theme.negative, 0.25) if value else theme.plate
            if numbered:
                axes.text(
                    x, y, number(value, 2), ha="center", va="center", size=style.points * 0.75, zorder=4
                )  # fmt: skip
        axes.add_patch(Circle((x, y), radius, facecolor=face, edgecolor=theme.ink, linewidth=style.pt(1.1), zorder=3))
    if column.size > len(places):
        for step in (-0.55, 0.0, 0.55):
            axes.add_patch(Circle((x, step), 0.16, color=theme.ink, zorder=3))


def _legend(style: Style, figure: Figure, scale: float, numbered: bool, parameters: int) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=style.theme.positive, linewidth=style.pt(2)),
        Line2D([], [], color=style.theme.negative, linewidth=style.pt(2), linestyle=(0, (3.5, 1.5))),
    ]
    words = [style.say("positive weight"), style.say("negative weight")]
    legend = figure.legend(
        lines, words, loc="outside lower center", ncols=2, title=_totals(style, scale, numbered, parameters),
        title_fontsize=style.points * 0.85, columnspacing=2.0,
    )  # fmt: skip
    legend.get_title().set_color(style.theme.soft)


def _totals(style: Style, scale: float, numbered: bool, parameters: int) -> str:
    parts = [style.say("{count} parameters", count=number(parameters))]
    parts.append(style.say("widest line: {value}", value=number(scale, 3)))
    if numbered:
        parts.append(style.say("in the circles: bias"))
    return ", ".join(parts)
