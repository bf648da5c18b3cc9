"""The arranged scene as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.show.circuit import Call, Quantity
from chainrule.show.layout import Point
from chainrule.show.scene import HEADING, PADDING, Lead, Level, Scene, Unit
from chainrule.show.svg import STYLE, curve, document, outline, text, text_width
from chainrule.show.words import words
from chainrule.train.svg import element

__all__ = ["Drawing", "draw"]

MARGIN = 18.0


@dataclass
class Drawing:
    """A drawing in parts, so that a page can hold many that share their shapes."""

    width: float
    height: float
    #: Frames and wires; what stands over the shapes; the legend.
    under: str
    over: str
    #: (key, attributes, x, y, what is drawn there).
    shapes: list[tuple[str, str, float, float, str]]

    def svg(self, title: str, style: str = STYLE) -> str:
        """The whole picture as a file."""
        shapes = "".join(
            f'<g {attributes} transform="translate({x:.1f} {y:.1f})">{content}</g>'
            for _, attributes, x, y, content in self.shapes
        )
        return document(self.width, self.height, title, self.under + shapes + self.over, style)


def draw(scene: Scene, foldable: Sequence[Call] = ()) -> Drawing:
    """The scene as a drawing; calls in ``foldable`` carry their number, for a page that folds them."""
    return _Picture(scene, foldable).drawing()


class _Picture:
    def __init__(self, scene: Scene, foldable: Sequence[Call]) -> None:
        self.scene, self.down = scene, scene.settings.down
        self.numbers = {call: i for i, call in enumerate(foldable)}
        # Frames lie under wires, and wires under shapes.
        self.frames: list[str] = []
        self.wires: list[str] = []
        self.shapes: list[tuple[str, str, float, float, str]] = []
        self.labels: list[str] = []

    def drawing(self) -> Drawing:
        """Everything, with the legend."""
        level = self.scene.level
        self._level(level, MARGIN, MARGIN - level.top)
        width, height = self._xy(level.length + 2 * MARGIN, level.bottom - level.top + 2 * MARGIN)
        legend, wide, high = self._legend(height, max(width, 460.0))
        under, over = "".join([*self.frames, *self.wires]), "".join([*self.labels, legend])
        return Drawing(max(width, wide + MARGIN), height + high, under, over, self.shapes)

    def _xy(self, along: float, across: float) -> Point:
        return (across, along) if self.down else (along, across)

    def _level(self, level: Level, along: float, across: float) -> None:
        for unit in level.units:
            if unit.inner is not None:
                self._frame(unit, unit.inner, along + unit.box.along, across + unit.box.across)
            elif unit.glyph is not None:
                self._shape(unit, *self._xy(along + unit.box.along, across + unit.box.across))
        for source, wire, leads in level.wires:
            for lead in leads:
                self._wire(source, lead, along, across)
            for a, c in dict.fromkeys(wire.forks):
                x, y = self._xy(along + a, across + c)
                self.wires.append(element("circle", class_="cr-tip", cx=x, cy=y, r=2.6))

    def _shape(self, unit: Unit, x: float, y: float) -> None:
        glyph, item = unit.glyph, unit.item
        assert glyph is not None and item is not None
        inside = [item] if isinstance(item, Quantity) else list(item.quantities())
        data = f'class="cr-{glyph.kind} cr-unit" data-ids="{" ".join(str(q.index) for q in inside)}"'
        if isinstance(item, Call) and item in self.numbers:
            data += f' data-call="{self.numbers[item]}"'
        key = f"q{item.index}" if isinstance(item, Quantity) else f"c{inside[0].index}-{len(inside)}"
        self.shapes.append((key, data, round(x, 1), round(y, 1), glyph.svg))

    def _frame(self, unit: Unit, inner: Level, along: float, across: float) -> None:
        call, box = inner.call, unit.box
        assert call is not None
        x, y = self._xy(along, across - box.before)
        width, height = self._xy(box.length, box.before + box.after)
        frame = element("rect", class_="cr-frame", x=x, y=y, width=width, height=height, rx=7)
        heading = text(x + 10, y + 17, unit.title, "cr-title cr-heading")
        data = f' data-call="{self.numbers[call]}"' if call in self.numbers else ""
        # The heading covers a wire that passes under it.
        self.frames.append(f"<g{data}>{frame}</g>")
        self.labels.append(f'<g{data} data-heading="">{heading}</g>')
        start = along + PADDING + (HEADING if self.down else 0.0)
        shift = across - inner.line
        self._level(inner, start, shift)
        # Ports lead from the frame's edge to where its inside begins, and from its end to the edge.
        for quantity, port in inner.entries.items():
            self._port(quantity, (along, shift + port.across), (start + port.along, shift + port.across))
        for quantity, port in inner.exits.items():
            self._port(quantity, (start + port.along, shift + port.across), (along + box.length, shift + port.across))

    def _port(self, quantity: Quantity, start: Point, end: Point) -> None:
        path = curve([[self._xy(*start), self._xy(*end)]], self.down)
        self.wires.append(f'<path class="cr-wire" data-from="{quantity.index}" d="{path}"/>')

    def _wire(self, source: Quantity, lead: Lead, along: float, across: float) -> None:
        runs = [[self._xy(along + a, across + c) for a, c in run] for run in lead.end.route]
        item = lead.unit.item
        data = f'data-from="{source.index}"'
        if isinstance(item, Quantity):
            data += f' data-to="{item.index}"'
        self.wires.append(f'<path class="cr-wire" {data} d="{curve(runs, self.down)}"/>')
        if lead.unit.glyph is None:
            return
        x, y = runs[-1][-1]
        tip = f"M{x:.1f} {y:.1f}l-3.6 -6.5h7.2z" if self.down else f"M{x:.1f} {y:.1f}l-6.5 -3.6v7.2z"
        self.wires.append(element("path", class_="cr-tip", d=tip))
        if lead.mark:
            at = (x + 6, y - 7) if self.down else (x - 9, y - 5)
            self.labels.append(text(*at, lead.mark, "cr-soft cr-small", "end"))
        share = self.scene.share(source, item, lead.end.position) if isinstance(item, Quantity) else ""
        if share and isinstance(item, Quantity):
            # Beside the wire, on the side where no other wire comes in.
            above = lead.end.port < 0 and not lead.mark
            at, anchor = ((x + 5, y - 9), "start") if self.down else ((x - 9, y - 5 if above else y + 12), "end")
            if self.down and above:
                at, anchor = (x - 5, y - 9), "end"
            words_ = text(*at, share, "cr-gradient cr-small", anchor)
            self.labels.append(f'<g class="cr-backward" data-user="{item.index}">{words_}</g>')

    def _legend(self, top: float, width: float) -> tuple[str, float, float]:
        """Which shape is what, under the drawing; with the width and height it takes."""
        scene, lang = self.scene, self.scene.settings.lang
        output = scene.circuit.output
        parts, x, y, widest = [], MARGIN, top + 12.0, 0.0
        for kind in ("input", "parameter", "constant", "operation", "loss", "layer"):
            if kind not in scene.kinds:
                continue
            word = words("output" if kind == "loss" and not _is_loss(output) else kind, lang)
            take = 34.0 + text_width(word, 10.5) + 20.0
            if x + take > width:
                x, y = MARGIN, y + 22.0
            parts.append(f'<g class="cr-{kind}" transform="translate({x:.1f} {y:.1f})">{_sample(kind)}</g>')
            parts.append(text(x + 34.0, y + 3.7, word, "cr-soft cr-small"))
            x += take
            widest = max(widest, x)
        key = "legend no gradient" if output.gradient is None else "legend down" if self.down else "legend right"
        note = words(key, lang)
        if x + text_width(note, 10.5) > width:
            x, y = MARGIN, y + 20.0
        parts.append(text(x, y + 3.7, note, "cr-soft cr-small"))
        return "".join(parts), max(widest, x + text_width(note, 10.5)), y - top + 16.0


def _is_loss(output: Quantity) -> bool:
    """Whether the output is what training makes small: by its name, or by the module that computed it."""
    kind = output.call.kind if output.call is not None else ""
    return output.node.aval.size == 1 and (kind.endswith("Loss") or output.name.lower() in ("loss", "cost", "l", "e"))


def _sample(kind: str) -> str:
    """A small shape of the kind."""
    if kind == "layer":
        back = element("rect", class_="cr-shape", x=3, y=-5, width=25, height=14, rx=3)
        return back + element("rect", class_="cr-shape", x=0, y=-8, width=25, height=14, rx=3)
    if kind in ("operation", "loss"):
        ring = element("circle", class_="cr-ring", cx=13, cy=0, r=5) if kind == "loss" else ""
        return element("circle", class_="cr-shape", cx=13, cy=0, r=8) + ring
    return outline(kind, 28.0, 15.0)
