"""From a circuit to an arrangement: folded and open layers, each laid out on its own, one inside the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chainrule.show.circuit import Call, Circuit, Quantity
from chainrule.show.glyphs import Glyph, Settings, layer_glyph, quantity_glyph
from chainrule.show.layout import Box, End, Wire, arrange
from chainrule.show.signs import COMMUTATIVE, shows_number
from chainrule.show.statistics import number
from chainrule.show.svg import text_width

__all__ = ["HEADING", "PADDING", "Level", "Scene", "Unit", "layers", "top_level"]

Item = Quantity | Call

#: Rows are about this long; the room inside a frame, and for its heading; the room for an input beside it.
WIDTH, PADDING, HEADING, INPUTS = 1180.0, 16.0, 20.0, 130.0
#: The most boxes and operations that a folded drawing has, if folding larger parts can prevent it.
MOST_BOXES = 120


def top_level(circuit: Circuit) -> list[Item]:
    """What stands in no frame: a frame around all but the loss would only take room, so its inside is taken."""
    items = list(circuit.inside)
    while True:
        calls = [item for item in items if isinstance(item, Call)]
        nested = [call for call in calls if call.calls]
        if len(nested) != 1:
            return items
        (outer,) = nested
        if outer.parent is not None and any(c is not outer and c.parent is outer.parent for c in calls):
            return items
        place = items.index(outer)
        items[place : place + 1] = outer.inside


def layers(items: Sequence[Item]) -> list[Call]:
    """The calls that fold: the innermost ones, or what holds them where the folded drawing would have too much."""
    found = [call for call in all_calls(items) if not call.calls]
    allowed = set(all_calls(items))
    while _drawn(items, set(found)) > MOST_BOXES:
        depth = max((_depth(call) for call in found if call.parent in allowed), default=-1)
        raised = dict.fromkeys(c.parent if _depth(c) == depth and c.parent in allowed else c for c in found)
        if depth < 0:
            break
        # Where a whole is folded, none of its parts is.
        found = [c for c in raised if c is not None and not any(other in raised for other in _above(c))]
    return found


def _drawn(items: Sequence[Item], folded: set[Call]) -> int:
    """How many boxes and operations the drawing has."""
    count, stack = 0, list(items)
    while stack:
        item = stack.pop()
        if isinstance(item, Call) and item not in folded:
            stack.extend(item.inside)
        else:
            count += isinstance(item, Call) or item.kind == "operation"
    return count


def all_calls(items: Sequence[Item]) -> Iterator[Call]:
    """Every call among ``items`` and inside them, in the order of the calls."""
    stack = [item for item in reversed(items) if isinstance(item, Call)]
    while stack:
        call = stack.pop()
        yield call
        stack.extend(reversed(call.calls))


def _above(call: Call) -> Iterator[Call]:
    while call.parent is not None:
        call = call.parent
        yield call


def _depth(call: Call) -> int:
    return sum(1 for _ in _above(call))


@dataclass(eq=False)
class Unit:
    """One placed thing: a quantity, a folded layer, a frame with what is in it, or a port of the frame around it."""

    item: Item | None
    box: Box
    glyph: Glyph | None = None
    inner: Level | None = None
    #: What stands at the top of a frame.
    title: str = ""


@dataclass(eq=False)
class Lead:
    """A wire that ends at a unit; ``mark`` says which input it is, where the drawing does not."""

    unit: Unit
    end: End
    mark: str = ""


@dataclass(eq=False)
class Level:
    """What stands directly in one frame (or in none), arranged."""

    call: Call | None
    units: list[Unit] = field(default_factory=list)
    wires: list[tuple[Quantity, Wire, list[Lead]]] = field(default_factory=list)
    length: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    #: The ports, by what passes them.
    entries: dict[Quantity, Box] = field(default_factory=dict)
    exits: dict[Quantity, Box] = field(default_factory=dict)

    @property
    def line(self) -> float:
        """Where the main wire leaves, or the last unit stands."""
        last = [*self.exits.values()] or [unit.box for unit in self.units[-1:]]
        return last[0].across if last else 0.0


class Scene:
    """``circuit`` arranged, with the calls in ``folded`` as single boxes."""

    def __init__(
        self, circuit: Circuit, folded: set[Call], settings: Settings, glyphs: dict[Item, Glyph] | None = None
    ) -> None:
        self.circuit, self.folded, self.settings = circuit, folded, settings
        #: Shapes that are ready, for those who arrange one circuit many times.
        self._glyphs = {} if glyphs is None else glyphs
        items = top_level(circuit)
        #: Inputs of a plain expression stand at the left; where there are layers, data stand beside what uses them.
        self.flat = all(q.call is None for q in circuit.quantities)
        self._contents = {call: set(call.quantities()) for call in all_calls(items)}
        #: The kinds that are drawn, for the legend.
        self.kinds: set[str] = set()
        # A page is as wide as it is, and as long as it needs to be.
        self.level = self._arrange(None, items, float("inf") if settings.down else WIDTH)

    def _arrange(self, call: Call | None, items: Sequence[Item], limit: float) -> Level:
        level = Level(call)
        owner: dict[Quantity, Unit] = {}
        for item in items:
            unit = self._unit(item, call, limit)
            if unit is not None:
                level.units.append(unit)
                owner.update(dict.fromkeys(self._contents[item] if isinstance(item, Call) else (item,), unit))
        if call is not None:
            self._add_ports(level, owner)
        self._connect(level, owner)
        arranged = arrange([unit.box for unit in level.units], [wire for _, wire, _ in level.wires], limit)
        level.length, level.top, level.bottom = arranged.length, arranged.top, arranged.bottom
        self._enter(level)
        return level

    def _unit(self, item: Item, outer: Call | None, limit: float) -> Unit | None:
        """A box for the item; numbers that stand in their users' signs need none."""
        if isinstance(item, Quantity):
            if item.is_number and all(shows_number(user, position) for user, position in item.users):
                return None
            glyph = self._glyphs.get(item) or quantity_glyph(item, self.settings, item is self.circuit.output)
            box = Box(glyph.length, glyph.before, glyph.after)
            if self._beside(item):
                box.place, box.pull = "late", 0.004
        elif item in self.folded:
            glyph = self._glyphs.get(item) or layer_glyph(
                item, item.title_in(outer), self._exports(item), self.settings
            )
            box = Box(glyph.length, glyph.before, glyph.after)
        else:
            # At the left of an outermost frame there is room for what goes in.
            return self._frame(item, item.title_in(outer), limit - 2 * PADDING - (INPUTS if outer is None else 0.0))
        self._glyphs[item] = glyph
        self.kinds.add(glyph.kind)
        return Unit(item, box, glyph)

    def _beside(self, quantity: Quantity) -> bool:
        """Whether it stands just before its user rather than at the beginning."""
        return quantity.node.op is None and not (self.flat and quantity.kind == "input")

    def _frame(self, call: Call, title: str, limit: float) -> Unit:
        inner = self._arrange(call, call.inside, limit)
        length, before, after = inner.length + 2 * PADDING, inner.line - inner.top, inner.bottom - inner.line
        before, after = before + PADDING, after + PADDING
        heading = text_width(title) * 1.06 + 24.0
        if self.settings.down:
            length, after = length + HEADING, max(after, heading - before)
        else:
            length, before = max(length, heading), before + HEADING
        return Unit(call, Box(length, before, after), inner=inner, title=title)

    def _exports(self, call: Call) -> list[Quantity]:
        """What leaves a call, in the order of computation."""
        inside = self._contents[call]
        found = (q for q in inside if q is self.circuit.output or any(user not in inside for user, _ in q.users))
        return sorted(found, key=lambda q: q.index)

    # ---- wires

    def _add_ports(self, level: Level, owner: dict[Quantity, Unit]) -> None:
        used = {source for q in owner for source in q.inputs if source not in owner and not source.is_number}
        for quantity in sorted(used, key=lambda q: q.index):
            level.entries[quantity] = Box(0.0, 4.0, 4.0, "first")
        for quantity in self._exports(level.call) if level.call else ():
            if any(user not in owner for user, _ in quantity.users):
                level.exits[quantity] = Box(0.0, 4.0, 4.0, "last")
        level.units += [Unit(None, box) for box in (*level.entries.values(), *level.exits.values())]

    def _connect(self, level: Level, owner: dict[Quantity, Unit]) -> None:
        """A wire for each value that goes from one unit of the level to others."""
        needs: dict[Quantity, dict[tuple[Unit, int], Lead]] = {}
        for quantity in sorted(owner, key=lambda q: q.index):
            unit = owner[quantity]
            for position, source in enumerate(quantity.inputs):
                if owner.get(source) is unit or (source not in owner and source not in level.entries):
                    continue
                if unit.item is quantity:
                    end = End(unit.box, self._port(quantity, position, unit), position, self._room(source))
                    needs.setdefault(source, {})[unit, position] = Lead(unit, end)
                else:
                    port = _offset(unit, unit.inner.entries[source]) if unit.inner is not None else 0.0
                    # A frame's ports have an order; a folded layer takes its wires as they come.
                    order = round(port) if unit.inner is not None else source.index
                    needs.setdefault(source, {})[unit, -1] = Lead(unit, End(unit.box, port, order))
        ports = {unit.box: unit for unit in level.units if unit.item is None}
        for quantity, box in level.exits.items():
            needs.setdefault(quantity, {})[ports[box], -1] = Lead(ports[box], End(box))
        for source, found in sorted(needs.items(), key=lambda pair: pair[0].index):
            start, leads = owner.get(source), list(found.values())
            if start is None:
                wire = Wire(level.entries[source], [lead.end for lead in leads])
            else:
                port = _offset(start, start.inner.exits[source]) if start.inner is not None else 0.0
                wire = Wire(start.box, [lead.end for lead in leads], port)
            level.wires.append((source, wire, leads))

    def _port(self, quantity: Quantity, position: int, unit: Unit) -> float:
        """Where the wire enters: inputs spread over the side, but the one that is no parameter in the middle."""
        drawn = [i for i, q in enumerate(quantity.inputs) if not shows_number(quantity, i)]
        reach = unit.glyph.half - 6.0 if unit.glyph is not None else 0.0
        main = [i for i in drawn if not self._beside(quantity.inputs[i])]
        place = drawn.index(position)
        if len(drawn) == 1:
            return 0.0
        if len(main) == 1:
            from_main = place - drawn.index(main[0])
            return reach * from_main / max(len(drawn) - 1 - drawn.index(main[0]), drawn.index(main[0]), 1)
        return reach * (2 * place / (len(drawn) - 1) - 1) * (0.75 if len(drawn) == 2 else 1.0)

    def _enter(self, level: Level) -> None:
        """Let wires enter a shape in the order in which they arrive, at its edge; mark inputs that swapped places."""
        arriving: dict[Unit, list[Lead]] = {}
        for _, _, leads in level.wires:
            for lead in leads:
                if lead.unit.glyph is not None:
                    arriving.setdefault(lead.unit, []).append(lead)
        for unit, leads in arriving.items():
            leads.sort(key=lambda lead: (_approach(lead.end), lead.end.position))
            quantity = unit.item
            if isinstance(quantity, Quantity):
                ports = sorted(lead.end.port for lead in leads)
                positions = [lead.end.position for lead in leads]
                op = quantity.node.op
                swapped = op is not None and op.name not in COMMUTATIVE and positions != sorted(positions)
            else:
                count = len(leads)
                ports = [12.0 * (i - (count - 1) / 2) for i in range(count)]
                swapped = False
            for lead, port in zip(leads, ports, strict=True):
                lead.end.port = port
                lead.mark = str(lead.end.position + 1) if swapped else ""
                indent = unit.glyph.indent(port) if unit.glyph is not None else 0.0
                lead.end.route[-1][-1] = (unit.box.along + indent, unit.box.across + port)

    # ---- what comes back

    def share(self, source: Quantity, user: Quantity, position: int) -> str:
        """What comes back along one of several paths, if it is a number."""
        if len(source.paths) < 2 or source.shape != ():
            return ""
        for path in source.paths:
            if path.user is user and path.position == position:
                return number(path.gradient, self.settings.digits)
        return ""

    def _room(self, source: Quantity) -> float:
        longest = max((text_width(self.share(source, u, p), 10.5) for u, p in source.users), default=0.0)
        return longest + 6.0 if longest and not self.settings.down else longest and 14.0


def _offset(unit: Unit, port: Box) -> float:
    """How far from a frame's line its port lies."""
    return port.across - unit.inner.line if unit.inner is not None else 0.0


def _approach(end: End) -> float:
    """Where a wire comes from, across the flow."""
    points = end.route[-2] if len(end.route) > 1 else end.route[-1][:-1]
    return points[-1][1]
