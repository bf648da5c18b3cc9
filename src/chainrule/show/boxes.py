"""A model as a row of boxes with shapes and numbers of parameters; what repeats is drawn once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chainrule.core.errors import ConfigError
from chainrule.show.probe import Architecture, Step
from chainrule.show.style import Style, mix
from chainrule.train.wording import number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_boxes"]

#: Lengths in em.
_WIDTH, _HEIGHT, _GAP, _ROW_GAP = 11.4, 7.2, 2.2, 4.8
_IN_A_ROW = 4

#: Patterns of up to this many boxes are found where they repeat.
_LONGEST_PATTERN = 4


@dataclass
class _Box:
    """A layer with parameters, and the functions that follow it."""

    step: Step
    after: list[str] = field(default_factory=list)

    @property
    def sign(self) -> tuple[object, ...]:
        """What makes two boxes look alike."""
        return (self.step.kind, self.step.shape, self.step.parameters, tuple(self.after))


@dataclass
class _Group:
    """Boxes that stand together, drawn once for ``count`` times."""

    boxes: list[_Box]
    count: int
    last: str = ""


def draw_boxes(style: Style, found: Architecture) -> Figure:
    """One box for each layer that has parameters or changes the shape; arrows in the order in which they run."""
    if not found.steps:
        raise ConfigError("show.model(what)", "a model that calls no layer", "layers inside it", "pass a whole model")
    rows = _rows(_fold(_boxes(found.steps)))
    across = max(sum(len(group.boxes) for group in row) for row in rows)
    width = across * _WIDTH + (across - 1) * _GAP
    height = len(rows) * _HEIGHT + (len(rows) - 1) * _ROW_GAP
    with style.drawing(max(width, 24) + 4, height + 5.5) as figure:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(-1.2, width + 1.4)
        axes.set_ylim(-height - 1.2, 1.9)
        for index, row in enumerate(rows):
            _draw_row(style, axes, row, -index * (_HEIGHT + _ROW_GAP))
            if index:
                end = sum(len(group.boxes) for group in rows[index - 1])
                _turn(style, axes, end, -index * (_HEIGHT + _ROW_GAP))
        total = style.say("{count} parameters", count=number(found.parameters))
        if not found.chain:
            total += "; " + style.say("values also skip or meet between layers, which boxes do not show")
        figure.supxlabel(total, size=style.points * 0.9, color=style.theme.soft)
    return figure


def _boxes(steps: list[Step]) -> list[_Box]:
    boxes: list[_Box] = []
    for step in steps:
        if boxes and not step.parameters and step.shape in (None, boxes[-1].step.shape):
            if step.kind != "Identity":
                boxes[-1].after.append(step.kind)
        else:
            boxes.append(_Box(step))
    return boxes


def _fold(boxes: list[_Box]) -> list[_Group]:
    """Groups of boxes: a pattern that follows itself at once becomes one group.

    The pattern that hides most boxes is taken, the shortest of equals.
    """
    groups: list[_Group] = []
    signs = [box.sign for box in boxes]
    start = 0
    while start < len(boxes):
        best, most = (1, 1), 0
        for length in range(1, _LONGEST_PATTERN + 1):
            count = 1
            pattern = signs[start : start + length]
            while signs[start + count * length : start + (count + 1) * length] == pattern:
                count += 1
            # Two alike side by side are as soon read as folded.
            if count * length > 2 and count > 1 and (count - 1) * length > most:
                best, most = (length, count), (count - 1) * length
        length, count = best
        last = boxes[start + count * length - 1]
        groups.append(_Group(boxes[start : start + length], count, last.step.path))
        start += length * count
    return groups


def _rows(groups: list[_Group]) -> list[list[_Group]]:
    """Groups line by line, none broken."""
    rows: list[list[_Group]] = [[]]
    for group in groups:
        if rows[-1] and sum(len(g.boxes) for g in rows[-1]) + len(group.boxes) > _IN_A_ROW:
            rows.append([])
        rows[-1].append(group)
    return rows


def _draw_row(style: Style, axes: Axes, row: list[_Group], top: float) -> None:
    place = 0
    for group in row:
        left = place * (_WIDTH + _GAP)
        if group.count > 1:
            _frame(style, axes, left, top, len(group.boxes), group)
        for box in group.boxes:
            _draw_box(style, axes, box, place * (_WIDTH + _GAP), top)
            if place:
                _arrow(style, axes, place * (_WIDTH + _GAP) - _GAP + 0.15, top - _HEIGHT / 2, _GAP - 0.3)
            place += 1


def _draw_box(style: Style, axes: Axes, box: _Box, left: float, top: float) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    theme, step, size = style.theme, box.step, style.points
    hue = style.colour(0) if step.parameters else theme.soft
    axes.add_patch(
        FancyBboxPatch(
            (left, top - _HEIGHT), _WIDTH, _HEIGHT, boxstyle="round,pad=0,rounding_size=0.5", edgecolor=hue,
            facecolor=mix(theme.paper, hue, 0.1), linewidth=style.pt(1.1), zorder=2,
        )
    )  # fmt: skip
    middle = left + _WIDTH / 2
    lines = [
        (short(step.path, 18), theme.soft, 0.8, "normal"),
        (short(step.kind, 17), theme.ink, 1.0, "bold"),
        ("" if step.shape is None else _shape(step.shape), theme.ink, 0.9, "normal"),
        (style.say("{count} parameters", count=number(step.parameters)), theme.soft, 0.8, "normal"),
    ]
    for row, (text, colour, scale, weight) in enumerate(lines):
        axes.text(
            middle, top - 1.05 - 1.5 * row, text if step.parameters or row < 3 else "", ha="center", va="center",
            color=colour, size=size * scale, weight=weight, zorder=3,
        )  # fmt: skip
    if box.after:
        text = short(" + ".join(box.after), 20)
        axes.add_patch(
            Rectangle(
                (left + 0.7, top - _HEIGHT - 0.75), _WIDTH - 1.4, 1.5, facecolor=theme.paper,
                edgecolor=style.colour(1), linewidth=style.pt(0.9), zorder=4,
            )
        )  # fmt: skip
        axes.text(middle, top - _HEIGHT, text, ha="center", va="center", size=size * 0.8, zorder=5)


def _shape(shape: tuple[int, ...]) -> str:
    """The output of a batch of n rows."""
    return "n × " + " × ".join(map(str, shape)) if shape else "n"


def _frame(style: Style, axes: Axes, left: float, top: float, boxes: int, group: _Group) -> None:
    from matplotlib.patches import FancyBboxPatch

    width = boxes * _WIDTH + (boxes - 1) * _GAP
    axes.add_patch(
        FancyBboxPatch(
            (left - 0.6, top - _HEIGHT - 1.1), width + 1.2, _HEIGHT + 1.7, boxstyle="round,pad=0,rounding_size=0.6",
            facecolor="none", edgecolor=style.theme.ink, linestyle=(0, (3, 2)), linewidth=style.pt(0.9), zorder=1,
        )
    )  # fmt: skip
    text = style.say("{count} times", count=group.count)
    if group.last:
        text += f": {group.boxes[0].step.path} – {group.last}"
    axes.text(left, top + 1.25, text, ha="left", va="center", size=style.points * 0.85, weight="bold")


def _arrow(style: Style, axes: Axes, x: float, y: float, length: float) -> None:
    axes.annotate(
        "", (x + length, y), (x, y),
        arrowprops={"arrowstyle": "-|>", "color": style.theme.ink, "linewidth": style.pt(1), "shrinkA": 0, "shrinkB": 0},
        zorder=3,
    )  # fmt: skip


def _turn(style: Style, axes: Axes, end: int, top: float) -> None:
    """The line from the end of a row to the start of the next."""
    right = end * (_WIDTH + _GAP) - _GAP
    above = top + _ROW_GAP + _HEIGHT / 2
    between = top + _ROW_GAP / 2 + 0.3
    look: dict[str, Any] = {"color": style.theme.ink, "linewidth": style.pt(1), "zorder": 1}
    axes.plot(
        [right, right + 0.9, right + 0.9, -0.6, -0.6], [above, above, between, between, top - _HEIGHT / 2], **look
    )
    _arrow(style, axes, -0.6, top - _HEIGHT / 2, 0.6)
