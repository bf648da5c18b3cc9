"""A layered layout: boxes in columns along the flow, wires between them, few crossings, straight main lines.

The steps are Sugiyama's: columns by longest path; wires that pass a column get a place in it; the order in each column
by barycentres; then positions across the flow, by least squares under the order (isotonic regression). Long rows are
broken as lines of text are.

Coordinates are along and across the flow; the drawing decides whether that is to the right or down.

Source: K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Arrangement", "Box", "End", "Wire", "arrange", "isotonic"]

Point = tuple[float, float]

#: The corners of a piece of wire that turns into the next row: by where it starts and ends.
Lanes = dict[tuple["Box", "Box", float], list[Point]]

#: Between neighbours in a column; between columns; between a row's end and where its wires turn.
NEIGHBOURS, COLUMNS, LANE = 12.0, 26.0, 8.0


@dataclass(eq=False)
class Box:
    """Something to place: ``length`` along the flow, ``before`` and ``after`` across it, measured from its line."""

    length: float
    before: float
    after: float
    #: "first" and "last" stand at the ends; a "late" box without inputs stands just before what uses it.
    place: str = ""
    #: How strongly its wires pull what they lead to.
    pull: float = 1.0
    #: Where it was put: its start along the flow, and its line.
    along: float = 0.0
    across: float = 0.0


@dataclass(eq=False)
class End:
    """Where a wire ends: at a box, ``port`` away from its line; ``position`` is its place among the box's inputs."""

    box: Box
    port: float = 0.0
    position: int = 0
    #: What the wire needs before it, for a label.
    room: float = 0.0
    #: The wire's course, as polylines that curves join.
    route: list[list[Point]] = field(default_factory=list)


@dataclass(eq=False)
class Wire:
    """One value on its way from a box to all that use it."""

    source: Box
    ends: list[End]
    port: float = 0.0
    #: Where it forks.
    forks: list[Point] = field(default_factory=list)


@dataclass
class Arrangement:
    """How much room everything takes: along from 0 to ``length``, across from ``top`` to ``bottom``."""

    length: float
    top: float
    bottom: float
    crossings: int


def arrange(boxes: Sequence[Box], wires: Sequence[Wire], limit: float = float("inf")) -> Arrangement:
    """Place ``boxes`` and route ``wires``; columns beyond ``limit`` begin a new row."""
    if not boxes:
        return Arrangement(0.0, 0.0, 0.0, 0)
    layers = _Layers(boxes, wires)
    crossings = layers.order()
    layers.spread(layers.columns)
    return layers.place(wires, limit, crossings)


@dataclass(eq=False)
class _Link:
    """A piece of a wire between neighbouring columns."""

    start: Box
    end: Box
    leaves: float
    enters: float
    pull: float
    position: int = 0
    room: float = 0.0


class _Layers:
    """Columns of boxes, with boxes of no size where a wire passes."""

    def __init__(self, boxes: Sequence[Box], wires: Sequence[Wire]) -> None:
        rank = _ranks(boxes, wires)
        self.columns: list[list[Box]] = [[] for _ in range(max(rank.values()) + 1)]
        self.inputs: dict[Box, list[_Link]] = {box: [] for box in boxes}
        self.outputs: dict[Box, list[_Link]] = {box: [] for box in boxes}
        #: For each wire the boxes that it leaves columns at: its source, then the places it passes.
        self.chains: list[list[Box]] = []
        self.rank = rank
        self.passing: set[Box] = set()
        for wire in wires:
            self._lay(wire)
        self._first_order(boxes)

    def _lay(self, wire: Wire) -> None:
        chain, start = [wire.source], self.rank[wire.source]
        for column in range(start + 1, max((self.rank[end.box] for end in wire.ends), default=start)):
            through = Box(0.0, 1.0, 1.0)
            self.rank[through] = column
            self.inputs[through], self.outputs[through] = [], []
            self.passing.add(through)
            leaves = wire.port if len(chain) == 1 else 0.0
            # A wire that passes wants to be straight more than anything else wants to be near.
            self._link(_Link(chain[-1], through, leaves, 0.0, wire.source.pull * (1.0 if len(chain) == 1 else 4.0)))
            chain.append(through)
        for end in wire.ends:
            last = chain[self.rank[end.box] - start - 1]
            leaves = wire.port if last is wire.source else 0.0
            self._link(_Link(last, end.box, leaves, end.port, wire.source.pull, end.position, end.room))
        self.chains.append(chain)

    def _link(self, link: _Link) -> None:
        self.outputs[link.start].append(link)
        self.inputs[link.end].append(link)

    # ---- the order in each column

    def _first_order(self, boxes: Sequence[Box]) -> None:
        """From the results back, first inputs first: a tree comes out without crossings."""
        seen: set[Box] = set()
        for links in self.inputs.values():
            links.sort(key=lambda link: link.position)
        for sink in (box for box in boxes if not self.outputs[box]):
            stack = [sink]
            while stack:
                box = stack.pop()
                if box not in seen:
                    seen.add(box)
                    self.columns[self.rank[box]].append(box)
                    stack.extend(link.start for link in reversed(self.inputs[box]))

    def order(self, sweeps: int = 8) -> int:
        """Sort columns by barycentres, to and fro, and keep the order with the fewest crossings."""
        best, crossings = [list(c) for c in self.columns], self.crossings()
        for sweep in range(sweeps):
            if not crossings:
                break
            self._sort_columns(forward=sweep % 2 == 0)
            found = self.crossings()
            if found < crossings:
                best, crossings = [list(c) for c in self.columns], found
        self.columns = best
        return crossings

    def _sort_columns(self, forward: bool) -> None:
        links = self.inputs if forward else self.outputs
        columns = self.columns if forward else self.columns[::-1]
        place = {box: float(i) for column in self.columns for i, box in enumerate(column)}
        for column in columns:

            def centre(box: Box) -> float:
                near = [place[link.start if forward else link.end] for link in links[box]]
                return sum(near) / len(near) if near else place[box]

            column.sort(key=centre)
            place.update({box: float(i) for i, box in enumerate(column)})

    def crossings(self) -> int:
        """How often wires cross, between all neighbouring columns."""
        place = {box: i for column in self.columns for i, box in enumerate(column)}
        total = 0
        for column in self.columns[:-1]:
            pairs = sorted(
                ((place[k.start], k.leaves), (place[k.end], k.enters)) for box in column for k in self.outputs[box]
            )
            seen: list[tuple[int, float]] = []
            for _, end in pairs:
                total += len(seen) - bisect.bisect_right(seen, end)
                bisect.insort(seen, end)
        return total

    # ---- positions across the flow

    def spread(self, columns: list[list[Box]]) -> None:
        """Pull boxes toward what they are wired to, in their order and without overlap; end with straight main lines.

        Only wires between these columns pull: a row of its own is spread by itself.
        """
        inside = {box for column in columns for box in column}
        for column in columns:
            line = 0.0
            for i, box in enumerate(column):
                line += _apart(column[i - 1], box) if i else 0.0
                box.across = line
        for _ in range(6):
            moved = self._settle(columns[::-1], False, inside)
            moved = max(moved, self._settle(columns, True, inside))
            if moved < 0.1:
                break
        # Sources last: they go where their users are, as far as there is room.
        for column in columns:
            self._settle([column], False, inside, {box for box in column if not self.inputs[box]})

    def _settle(
        self, columns: Iterable[list[Box]], forward: bool, inside: set[Box], only: set[Box] | None = None
    ) -> float:
        """Move boxes to where their wires pull them; returns how far the furthest went."""
        furthest = 0.0
        for column in columns:
            wanted, weights = [], []
            for box in column:
                if forward:
                    links = [link for link in self.inputs[box] if link.start in inside]
                else:
                    links = [link for link in self.outputs[box] if link.end in inside]
                weight = sum(link.pull for link in links)
                if not weight or (only is not None and box not in only):
                    wanted.append(box.across)
                    weights.append(1e-3 if only is None else 1e3)
                    continue
                wanted.append(sum(link.pull * _aim(link, forward) for link in links) / weight)
                weights.append(weight)
            gaps = [_apart(a, b) for a, b in pairwise(column)]
            for box, across in zip(column, isotonic(wanted, weights, gaps), strict=True):
                furthest = max(furthest, abs(across - box.across))
                box.across = across
        return furthest

    # ---- positions along the flow, and rows

    def place(self, wires: Sequence[Wire], limit: float, crossings: int) -> Arrangement:
        """Put columns beside each other, in rows of at most ``limit``, and lead the wires."""
        lengths = [max((box.length for box in column), default=0.0) for column in self.columns]
        gaps = [self._gap(column) for column in self.columns]
        crossing = [sum(len(self.outputs[box]) for box in column) for column in self.columns]
        rows = _rows(lengths, gaps, crossing, limit)
        if len(rows) > 1:
            for row in rows:
                self.spread([self.columns[r] for r in row])
            gaps = [self._gap(column) for column in self.columns]
        turns = [self._turning(row[-1]) for row in rows[:-1]]
        margin = LANE * (max(map(len, turns), default=0) + 1) if turns else 0.0
        starts, ends = [0.0] * len(lengths), [0.0] * len(lengths)
        width, top, shift = 0.0, 0.0, 0.0
        floors: list[float] = []
        for i, row in enumerate(rows):
            inside = [box for r in row for box in self.columns[r]]
            high, low = min(b.across - b.before for b in inside), max(b.across + b.after for b in inside)
            shift = 0.0 if i == 0 else floors[-1] + LANE * (len(turns[i - 1]) + 1) + NEIGHBOURS - high
            top = high if i == 0 else top
            x = margin + max((link.room for link in turns[i - 1]), default=0.0) if i else margin
            for r in row:
                starts[r], ends[r] = x, x + lengths[r]
                for box in self.columns[r]:
                    box.along, box.across = x, box.across + shift
                x = ends[r] + gaps[r]
            width = max(width, ends[row[-1]])
            floors.append(low + shift)
        lanes = self._lanes(turns, floors, width, margin)
        self._lead(wires, starts, ends, lanes)
        return Arrangement(width + margin, top, max(floors), crossings)

    def _gap(self, column: list[Box]) -> float:
        """Wider where a wire is steep or carries a label."""
        links = [link for box in column for link in self.outputs[box]]
        steep = max((abs(_aim(k, True) - k.end.across) for k in links), default=0.0)
        return COLUMNS + max((link.room for link in links), default=0.0) + min(0.2 * steep, 44.0)

    def _turning(self, column: int) -> list[_Link]:
        """Wires that go on in the next row, the lowest first."""
        links = [link for box in self.columns[column] for link in self.outputs[box]]
        return sorted(links, key=lambda link: -(link.start.across + link.leaves))

    def _lanes(self, turns: list[list[_Link]], floors: list[float], width: float, margin: float) -> Lanes:
        """The corners of each wire that turns: nested, so that they do not cross each other."""
        lanes: Lanes = {}
        for row, links in enumerate(turns):
            for i, link in enumerate(links):
                right, left = width + LANE * (i + 1), margin - LANE * (len(links) - i)
                between = floors[row] + NEIGHBOURS / 2 + LANE * (i + 0.5)
                start, end = link.start.across + link.leaves, link.end.across + link.enters
                corners = [(right, start), (right, between), (left, between), (left, end)]
                lanes[link.start, link.end, link.enters] = corners
        return lanes

    def _lead(self, wires: Sequence[Wire], starts: list[float], ends: list[float], lanes: Lanes) -> None:
        for wire, chain in zip(wires, self.chains, strict=True):
            first = self.rank[wire.source]
            for end in wire.ends:
                passed = chain[: self.rank[end.box] - first]
                runs: list[list[Point]] = []
                before: list[Point] = []
                for i, box in enumerate(passed):
                    across = box.across + (wire.port if i == 0 else 0.0)
                    along = box.along + box.length if i == 0 else starts[first + i]
                    run = [*before, (along, across), (ends[first + i], across)]
                    following = passed[i + 1] if i + 1 < len(passed) else end.box
                    turn = lanes.get((box, following, end.port if following is end.box else 0.0))
                    if turn is None:
                        runs.append(run)
                        before = []
                    else:
                        before = [*run, *turn]
                runs.append([*before, (end.box.along, end.box.across + end.port)])
                end.route = runs
            for i, box in enumerate(chain):
                if len(self.outputs[box]) > 1 and (i or _shares(self.outputs[box], wire)):
                    wire.forks.append((ends[first + i], box.across + (0.0 if i else wire.port)))


def _apart(first: Box, second: Box) -> float:
    """The least distance between the lines of neighbours."""
    return first.after + second.before + NEIGHBOURS


def _shares(links: list[_Link], wire: Wire) -> bool:
    """Whether more than one piece leaves the source at this wire's port."""
    return sum(link.leaves == wire.port for link in links) > 1


def _aim(link: _Link, forward: bool) -> float:
    """Where the wire would have the box at its one end stand, as the other end stands now."""
    if forward:
        return link.start.across + link.leaves - link.enters
    return link.end.across + link.enters - link.leaves


def _ranks(boxes: Sequence[Box], wires: Sequence[Wire]) -> dict[Box, int]:
    """The column of each box: after all its inputs; sources that are late, just before their first user."""
    outputs: dict[Box, list[Box]] = {box: [] for box in boxes}
    waiting = dict.fromkeys(boxes, 0)
    for wire in wires:
        for end in wire.ends:
            outputs[wire.source].append(end.box)
            waiting[end.box] += 1
    ends = any(box.place == "first" for box in boxes)
    rank = {box: 0 if box.place in ("first", "late") or not ends else 1 for box in boxes}
    ready = [box for box in boxes if not waiting[box]]
    for box in ready:  # grows while it is walked
        for user in outputs[box]:
            rank[user] = max(rank[user], rank[box] + 1)
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    for box in boxes:
        if box.place == "late" and outputs[box]:
            rank[box] = min(rank[user] for user in outputs[box]) - 1
    furthest = max(rank.values())
    for box in boxes:
        if box.place == "last":
            rank[box] = furthest if all(b.place == "last" for b in boxes if rank[b] == furthest) else furthest + 1
    # Columns that are empty now close up.
    places = {old: new for new, old in enumerate(sorted(set(rank.values())))}
    return {box: places[column] for box, column in rank.items()}


def _rows(lengths: list[float], gaps: list[float], crossing: list[int], limit: float) -> list[list[int]]:
    """Columns in rows of at most ``limit``, about equally long, broken where few wires cross the break.

    The best breaks are found as lines of text are broken: the least cost up to each column, from the costs before it.

    Source: D. Knuth and M. Plass, "Breaking Paragraphs into Lines", 1981.
    """
    count = len(lengths)
    total = sum(lengths) + sum(gaps[:-1])
    if total <= limit:
        return [list(range(count))]
    ideal = total / -(-total // limit)
    best, start = [0.0] + [float("inf")] * count, [0] * (count + 1)
    for end in range(1, count + 1):
        used, filled = 0.0, 0
        for first in range(end - 1, -1, -1):
            used += lengths[first] + (gaps[first] if first + 1 < end else 0.0)
            filled += lengths[first] > 0
            if used > limit and filled > 1:
                break
            # A column without length holds a frame's ports alone: it stays with its neighbour.
            if (end < count and not filled) or (first and not lengths[first]):
                continue
            # Half a row left empty costs as much as three wires that turn.
            uneven = max(0.0, 1.0 - used / ideal) * (0.3 if end == count else 1.0) + max(0.0, used / ideal - 1.0)
            cost = best[first] + 12.0 * uneven * uneven + (crossing[end - 1] if end < count else 0)
            if cost < best[end]:
                best[end], start[end] = cost, first
    rows: list[list[int]] = []
    end = count
    while end:
        rows.insert(0, list(range(start[end], end)))
        end = start[end]
    return rows


def isotonic(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Numbers as near to ``wanted`` as can be (least squares), each at least the gap after the one before.

    Neighbours that are too near are pooled into blocks until none is.

    >>> isotonic([0.0, 1.0, 10.0], [1.0, 1.0, 1.0], [3.0, 3.0])
    [-1.0, 2.0, 10.0]

    Source: M. Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete Information", 1955.
    """
    if len(wanted) == 1:
        return [wanted[0]]
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, count = want - offset, weight, 1
        while blocks and blocks[-1][0] >= mean:
            other, more, n = blocks.pop()
            mean = (mean * total + other * more) / (total + more)
            total, count = total + more, count + n
        blocks.append((mean, total, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
