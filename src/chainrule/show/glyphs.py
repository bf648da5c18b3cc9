"""What is drawn for one quantity, and for one folded layer: its shape, and its value and gradient at the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from chainrule.core import source
from chainrule.show.circuit import Array, Call, Quantity
from chainrule.show.signs import sign
from chainrule.show.statistics import FEW, Summary, exact, norm, number, shape_text, summarise
from chainrule.show.svg import Block, outline, text, text_width
from chainrule.show.words import words
from chainrule.train.svg import element

__all__ = ["Glyph", "Settings", "layer_glyph", "quantity_glyph"]


@dataclass(frozen=True)
class Settings:
    """How a drawing is to look."""

    down: bool = False
    digits: int = 3
    #: Arrays of this many elements or fewer are shown number by number.
    numbers: int = FEW
    lang: str = "en"
    #: Names to write beside operations, besides those the user gave.
    names: Mapping[Quantity, str] | None = None


@dataclass
class Glyph:
    """A drawing with its size, from (0, 0), where the wire goes in, along the flow."""

    svg: str
    length: float
    before: float
    after: float
    kind: str
    #: Half the shape's size across the flow, and the radius of its corners: where wires enter.
    half: float
    radius: float = 0.0

    def indent(self, port: float) -> float:
        """How far along the flow the shape's edge lies, ``port`` away from its line."""
        round_part = abs(port) - (self.half - self.radius)
        return 0.0 if round_part <= 0 else self.radius - (max(self.radius**2 - round_part**2, 0.0)) ** 0.5


def quantity_glyph(quantity: Quantity, settings: Settings, is_output: bool) -> Glyph:
    """The shape with its sign or name; the value above the wire that leaves it, the gradient below.

    When the flow goes down, the value stands left of the wire and the gradient right of it.
    """
    kind = "loss" if is_output and quantity.kind == "operation" else quantity.kind
    plain_number = kind == "constant" and quantity.shape == () and not quantity.name
    value = None if plain_number else _summary(quantity.value, settings, images=kind == "input")
    gradient = None if quantity.gradient is None else _summary(quantity.gradient, settings)
    above, below = Block(value, "value"), Block(gradient, "gradient", with_shape=value is None)
    shape, width, height = _shape(quantity, kind, settings)
    name = (settings.names or {}).get(quantity, "") or quantity.short_name
    tag = name if quantity.kind == "operation" else ""
    tag_width = text_width(tag, 13) if tag else 0.0
    title = element("title", escape(_tooltip(quantity, settings)))
    if settings.down:
        stem = max(above.height, below.height) + 8.0
        wire = element("path", class_="cr-wire", d=f"M0 {height:.1f}V{height + stem:.1f}")
        parts = [
            f'<g transform="translate({-width / 2:.1f} {height / 2:.1f})">{shape}</g>',
            wire,
            above.draw(-7.0, height + 4.0, right=True),
            f'<g class="cr-backward">{below.draw(7.0, height + 4.0)}</g>' if gradient else "",
            text(-width / 2 - 6, height / 2 + 4, tag, "cr-name", "end") if tag else "",
        ]
        before = max(width / 2 + tag_width + 8.0, above.width + 9.0)
        after = max(width / 2, below.width + 9.0)
        length, half = height + stem, width / 2
    else:
        stem = max(above.width, below.width) + 12.0
        wire = element("path", class_="cr-wire", d=f"M{width:.1f} 0H{width + stem:.1f}")
        parts = [
            shape,
            wire,
            above.draw(width + 6.0, -above.height - 3.0),
            f'<g class="cr-backward">{below.draw(width + 6.0, 3.5)}</g>' if gradient else "",
            text(width / 2, -height / 2 - 5, tag, "cr-name", "middle") if tag else "",
        ]
        before = max(height / 2 + (16.0 if tag else 0.0), above.height + 4.0)
        after = max(height / 2, below.height + 4.0)
        length, half = width + stem, height / 2
    return Glyph(title + "".join(parts), length, before, after, kind, half, height / 2)


def _summary(array: Array, settings: Settings, images: bool = False) -> Summary:
    return summarise(array, settings.digits, settings.numbers, images, settings.lang)


def _shape(quantity: Quantity, kind: str, settings: Settings) -> tuple[str, float, float]:
    """The shape with what stands in it, and its width and height."""
    if kind in ("operation", "loss"):
        words_, class_, size, height = sign(quantity), "cr-sign", 15.0, 34.0
        width = max(height, text_width(words_, size) + 18.0)
    else:
        words_, class_, size, height = quantity.short_name, "cr-name", 13.0, 28.0
        if not words_:
            few = quantity.shape == ()
            words_ = number(quantity.value, settings.digits) if few else words(kind, settings.lang)
            class_, size = "cr-plain", 12.0
        width = max(text_width(words_, size) + (14.0 if kind == "constant" else 24.0), 34.0)
    if kind == "loss":
        width, height = width + 8.0, height + 8.0
    drawn = outline(kind, width, height)
    if kind == "loss":  # two rings
        drawn += element("rect", class_="cr-ring", x=4, y=4 - height / 2, width=width - 8, height=height - 8, rx=17)
    middle = width / 2 - (3.0 if kind == "input" else 0.0)
    return drawn + text(middle, size * 0.36, words_, class_, "middle"), width, height


def _tooltip(quantity: Quantity, settings: Settings) -> str:
    """All that is known, for reading with the pointer."""
    node, lang = quantity.node, settings.lang
    lines = [quantity.name or words(quantity.kind, lang)]
    if node.op is not None:
        lines[0] = f"{quantity.name} = {node.op}" if quantity.name else str(node.op)
    lines.append(f"{node.aval!r}, {words(quantity.kind, lang)}")
    for role, array in (("value", quantity.value), ("gradient", quantity.gradient)):
        if array is not None:
            few = array.size <= settings.numbers
            lines.append(f"{words(role, lang)} " + (exact(array) if few else shape_text(array.shape, lang)))
    if node.source is not None:
        code = source.line_text(node.source)
        lines.append(source.describe(node.source) + (f"  {code}" if code else ""))
    return "\n".join(lines)


#: Lines of a layer's box, and its usual width.
_BOX_WIDTH, _LINE = 138.0, 15.0


def layer_glyph(call: Call, title: str, exports: list[Quantity], settings: Settings) -> Glyph:
    """A folded layer: its name, the shape that leaves it, its parameters, how its output and gradient are spread."""
    lang = settings.lang
    inside = list(call.quantities())
    parameters = [q for q in inside if q.kind == "parameter"]
    rows: list[tuple[str, str]] = []
    count = sum(q.node.aval.size for q in parameters)
    operations = sum(q.kind == "operation" for q in inside)
    rows.append((words("parameters", lang, count=f"{count:,}") if count else "", "cr-soft cr-small"))
    block = Block(None, "value")
    if exports:
        out = exports[-1]
        rows.insert(0, (f"→ {shape_text(out.shape, lang)}", "cr-soft cr-small"))
        block = Block(_summary(out.value, settings), "value", with_shape=False)
        if out.gradient is not None:
            length = number(norm(out.gradient), settings.digits)
            rows.append((f"{words('gradient norm', lang)} {length}", "cr-gradient cr-small cr-backward"))
        learned = [q.gradient.ravel() for q in parameters if q.gradient is not None]
        if learned:
            length = number(norm(np.concatenate(learned)), settings.digits)
            rows.append((f"{words('of parameters', lang)} {length}", "cr-gradient cr-small cr-backward"))
    rows = [row for row in rows if row[0]]
    width = max(_BOX_WIDTH, *(text_width(line, 10.5) + 22.0 for line, _ in rows), text_width(title, 12) * 1.06 + 24.0)
    height = 26.0 + _LINE * len(rows) + (block.height + 5.0 if block.height else 0.0)
    top, left = (0.0, -width / 2) if settings.down else (-height / 2, 0.0)
    parts = [
        element("title", escape(f"{title}\n{words('fold hint', lang, count=operations)}")),
        element("rect", class_="cr-shape", x=left + 4, y=top + 4, width=width, height=height, rx=5),
        element("rect", class_="cr-shape", x=left, y=top, width=width, height=height, rx=5),
        element("rect", class_="cr-mark", x=left, y=top + 3, width=4, height=height - 6),
        text(left + 13, top + 17, title, "cr-title"),
    ]
    y = top + 17 + _LINE
    for line, class_ in (row for row in rows if "gradient" not in row[1]):
        parts.append(text(left + 13, y, line, class_))
        y += _LINE
    if block.height:
        parts.append(block.draw(left + 13, y - 9.0))
        y += block.height + 5.0
    for line, class_ in (row for row in rows if "gradient" in row[1]):
        parts.append(text(left + 13, y, line, class_))
        y += _LINE
    if settings.down:
        return Glyph("".join(parts), height + 4, width / 2, width / 2 + 4, "layer", width / 2)
    return Glyph("".join(parts), width + 4, height / 2, height / 2 + 4, "layer", height / 2)
