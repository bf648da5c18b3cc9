"""Where buffers stand in memory: state in place, results where they are wanted, everything else in one arena."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.compiler.fuse import Schedule
from chainrule.compiler.kernel import Buffer, Kernel, Load, LoopKernel, ProductKernel, RowsKernel, Store, walk
from chainrule.core.graph import Node

__all__ = ["Location", "Plan", "plan"]

#: Buffers start at multiples of this many bytes: a cache line, and the widest vector.
ALIGNMENT = 64
#: Bytes of a small buffer, and of all of them.
_SMALL, _MOST = 1 << 18, 1 << 21


@dataclass(frozen=True)
class Location:
    """Bytes from ``offset`` in one of: ``input``, ``constant``, ``result``, ``last`` (each by number), ``arena``."""

    kind: str
    number: int = 0
    offset: int = 0

    def __repr__(self) -> str:
        return f"arena+{self.offset}" if self.kind == "arena" else f"{self.kind} {self.number}"


class Plan:
    """Locations of all buffers, and what is copied at the end of a step."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.where: dict[Buffer, Location] = {}
        #: (from, to, buffer): copies when all kernels have run, in this order.
        self.copies: list[tuple[Location, Location, Buffer]] = []
        self.constants: list[Node] = []
        self.arena_bytes = 0

    def __str__(self) -> str:
        lines = [f"{buffer}: {buffer.aval!r} at {place}" for buffer, place in self.where.items()]
        lines += [f"copy {a} to {b}" for a, b, _ in self.copies]
        return "\n".join([*lines, f"arena of {self.arena_bytes} bytes"])


def plan(schedule: Schedule, for_threads: bool = False) -> Plan:
    """Give every buffer of the schedule a place.

    The new value of a cell is written over the old one where no kernel needs the old one any more; buffers whose
    lifetimes do not overlap share the arena. ``for_threads``: small ones do not, since whoever writes where another one
    reads must wait.
    """
    made = Plan(schedule)
    program, buffers = schedule.program, schedule.buffers
    graph = program.graph
    for i, node in enumerate(program.inputs):
        made.where[buffers[node]] = Location("input", i)
    for node in program.constants:
        made.where[buffers[node]] = Location("constant", len(made.constants))
        made.constants.append(node)
    first, last = _lifetimes(schedule.kernels)
    targets: list[tuple[Node, Location]] = []
    for j, node in enumerate(graph.outputs):
        if j < program.results:
            targets.append((node, Location("result", j)))
            continue
        home = program.carried[j - program.results]
        targets.append((node, Location("last", j - program.results) if home is None else Location("input", home)))
    # State first: writing it in place saves most.
    kept_old = {buffers[node] for node, target in targets if node.op is None and made.where[buffers[node]] != target}
    late: list[tuple[Buffer, Location]] = []
    for node, target in sorted(targets, key=lambda t: t[1].kind == "result"):
        buffer = buffers[node]
        place = made.where.get(buffer)
        if place == target:
            continue
        old = buffers[program.inputs[target.number]] if target.kind == "input" else None
        if place is None and (old is None or (old not in kept_old and _in_place(schedule.kernels, buffer, old, first))):
            made.where[buffer] = target
        else:
            late.append((buffer, target))
    for buffer, _ in late:
        last[buffer] = len(schedule.kernels)
    _fill_arena(made, first, last, for_threads)
    _copy_late(made, late)
    return made


def _lifetimes(kernels: list[Kernel]) -> tuple[dict[Buffer, int], dict[Buffer, int]]:
    """The first kernel that writes each buffer, and the last that touches it."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for number, kernel in enumerate(kernels):
        for buffer in kernel.writes():
            first.setdefault(buffer, number)
            last[buffer] = number
        for buffer in kernel.reads():
            last[buffer] = number
    return first, last


def _in_place(kernels: list[Kernel], new: Buffer, old: Buffer, first: dict[Buffer, int]) -> bool:
    """Whether ``new`` can be written over ``old``: read before, or in the same kernel at the very places written."""
    begin = first[new]
    if any(old in kernel.reads() for kernel in kernels[begin + 1 :]):
        return False
    kernel = kernels[begin]
    if isinstance(kernel, ProductKernel):
        return old not in (kernel.a, kernel.b)
    if isinstance(kernel, RowsKernel):
        return old not in kernel.reads()
    assert isinstance(kernel, LoopKernel)
    if old not in kernel.reads():
        return True
    written = [s for s in kernel.body if s.buffer is new]
    if not all(isinstance(s, Store) and not s.add for s in written):
        return False
    places = {s.at for s in written}
    if len(places) != 1:
        return False
    for statement in kernel.body:
        for root in (statement.value, *(e for e, _ in statement.at.values)):
            for expr in walk(root):
                if isinstance(expr, Load) and expr.buffer is old and expr.at not in places:
                    return False
    return True


def _fill_arena(made: Plan, first: dict[Buffer, int], last: dict[Buffer, int], for_threads: bool) -> None:
    """First fit, in the order in which buffers are first written."""
    placed: list[tuple[int, int, int]] = []  # (start, end, last use)
    sizes = {
        b: -(-max(b.aval.size * b.aval.dtype.itemsize, 1) // ALIGNMENT) * ALIGNMENT
        for b in first
        if b not in made.where
    }
    small = {b for b, size in sizes.items() if size <= _SMALL}
    apart = small if for_threads and sum(sizes[b] for b in small) <= _MOST else set()
    for buffer, size in sorted(sizes.items(), key=lambda item: first[item[0]]):
        placed = [p for p in placed if p[2] >= first[buffer]]
        offset = 0
        for start, end, _ in sorted(placed):
            if start - offset >= size:
                break
            offset = max(offset, end)
        placed.append((offset, offset + size, len(made.schedule.kernels) if buffer in apart else last[buffer]))
        made.where[buffer] = Location("arena", 0, offset)
        made.arena_bytes = max(made.arena_bytes, offset + size)


def _copy_late(made: Plan, late: list[tuple[Buffer, Location]]) -> None:
    """Copies at the end: old state is saved first, since other copies may overwrite it."""
    overwritten = {target for _, target in late if target.kind == "input"}
    saved: list[tuple[Location, Location, Buffer]] = []
    final: list[tuple[Location, Location, Buffer]] = []
    for buffer, target in late:
        source = made.where[buffer]
        if source in overwritten:
            size = -(-max(buffer.aval.size * buffer.aval.dtype.itemsize, 1) // ALIGNMENT) * ALIGNMENT
            spare = Location("arena", 0, made.arena_bytes)
            made.arena_bytes += size
            saved.append((source, spare, buffer))
            source = spare
        final.append((source, target, buffer))
    made.copies = saved + final
