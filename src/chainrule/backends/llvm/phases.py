"""Phases: kernels that threads may do without waiting for each other, and the barriers between.

A thread need not wait where it goes on with what it made itself: its rows of one kernel are its rows of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from chainrule.backends.llvm.parallel import Share
from chainrule.backends.llvm.products import Tiling
from chainrule.compiler.kernel import Buffer, Kernel, Linear, Load, LoopKernel, Place, ProductKernel, RowsKernel, walk
from chainrule.compiler.plan import Location

__all__ = ["Access", "Task", "accesses", "copy_accesses", "phases", "write_phases"]

#: Kernels that wait, at most, while others are looked at that could be done before them.
_WINDOW = 24


@dataclass(frozen=True)
class Access:
    """Bytes that a task reads or writes. ``piece``: each piece of its rounds has so many to itself, 0 where it has not."""

    where: tuple[str, int]
    start: int
    end: int
    writes: bool
    piece: int = 0

    def meets(self, other: Access) -> bool:
        """Whether the order of the two matters."""
        return (
            self.where == other.where
            and (self.writes or other.writes)
            and self.start < other.end
            and other.start < self.end
        )


@dataclass
class Task:
    """A kernel, or a copy: what it touches, who does it, and the lines that do rounds ``from`` to ``to``."""

    touched: list[Access]
    share: Share | None
    rounds: int
    lines: Callable[[str, str], list[str]]
    name: str = ""
    #: Whether one thread may as well do what could be shared.
    small: bool = False
    #: Which thread does what is not shared: this number modulo their number.
    owner: int = 0

    @property
    def heading(self) -> list[str]:
        """A comment that says what follows."""
        return [f"  ; {self.name}"] * bool(self.name)

    def must_follow(self, other: Task) -> bool:
        """Whether the order of the two matters."""
        return any(a.meets(b) for a in self.touched for b in other.touched)

    def waits_for(self, other: Task) -> bool:
        """Whether one thread's part of this follows another thread's part of the other."""
        if self.share is None and other.share is None:
            return self.owner != other.owner and self.must_follow(other)
        same = self.share is not None and other.share is not None and self.share.pieces == other.share.pieces
        return any(
            a.meets(b) and not (same and a.piece and (a.start, a.piece) == (b.start, b.piece))
            for a in self.touched
            for b in other.touched
        )


def phases(tasks: list[Task]) -> Iterator[list[Task]]:
    """The tasks, group by group: as many as threads can do without waiting; those that wait keep their order."""
    while tasks:
        phase: list[Task] = []
        waiting: list[Task] = []
        rest = iter(tasks)
        for task in rest:
            if any(task.must_follow(other) for other in waiting) or not _joins(task, phase):
                waiting.append(task)
                if len(waiting) == _WINDOW:
                    break
        yield phase
        tasks = [*waiting, *rest]


def _joins(task: Task, phase: list[Task]) -> bool:
    """Add a task to a phase, if it need not wait for what is there: shared as it is, or else, if it is small, alone."""
    share = task.share
    if share is not None:
        if not any(task.waits_for(other) for other in phase):
            phase.append(task)
            return True
        if not task.small:
            return False
    # One thread goes on with what it did; what is new is for the next one.
    alone = [other for other in phase if other.share is None]
    before = [other.owner for other in alone if task.must_follow(other)]
    task.share, task.owner = None, max(before, default=max((other.owner + 1 for other in alone), default=0))
    if any(task.waits_for(other) for other in phase):
        task.share = share
        return False
    phase.append(task)
    return True


# ---- what is touched


def accesses(kernel: Kernel, share: Share | None, tiling: Tiling | None, where: dict[Buffer, Location]) -> list[Access]:
    """What a kernel touches, each once. ``tiling`` is that of a product done in tiles."""
    found: dict[Access, None] = {}
    if share is not None and isinstance(kernel, ProductKernel) and kernel.nonzeros is not None:
        # Where data turns out to have few zeros, tiles take the place of rows.
        tiling = tiling if tiling is not None and share.unit % tiling.high == 0 else None
    for buffer, step, writes in _steps(kernel, tiling):
        place, size = where[buffer], buffer.aval.dtype.itemsize
        piece = 0 if share is None else share.unit * step * size
        found[
            Access((place.kind, place.number), place.offset, place.offset + buffer.aval.size * size, writes, piece)
        ] = None
    return list(found)


def copy_accesses(buffer: Buffer, source: Location, target: Location) -> list[Access]:
    """What a copy touches."""
    size = buffer.aval.size * buffer.aval.dtype.itemsize
    return [
        Access((place.kind, place.number), place.offset, place.offset + size, writes)
        for place, writes in ((source, False), (target, True))
    ]


def _steps(kernel: Kernel, tiling: Tiling | None) -> Iterator[tuple[Buffer, int, bool]]:
    """Each buffer that a kernel touches: numbers that a round has to itself, or 0, and whether it writes them."""
    if isinstance(kernel, LoopKernel):
        yield from _loop_steps(kernel)
    elif isinstance(kernel, RowsKernel):
        for loop in kernel.loops:
            yield from (found for found in _loop_steps(loop) if found[0] not in kernel.inner)
    else:
        rows: dict[Buffer, int] = {}
        if isinstance(kernel, ProductKernel) and len(kernel.batch) == 1:
            # A round is a product; matrices may also stand between each other.
            n, m, k = kernel.rows, kernel.columns, kernel.inner
            matrices = zip((kernel.out, kernel.a, kernel.b), (n * m, n * k, k * m), kernel.steps, strict=True)
            rows = {x: step for x, size, (step,) in matrices if step >= size}
        elif isinstance(kernel, ProductKernel) and tiling is not None and tiling.by_rows and not kernel.batch:
            # A round is a tile, or a row where lists are walked, which are not cut by rows the other way round.
            high = tiling.high if kernel.nonzeros is None else 1
            if kernel.nonzeros is None or not kernel.transpose_a:
                rows[kernel.out] = high * kernel.columns
            if kernel.nonzeros is None and not kernel.transpose_a:
                rows[kernel.a] = high * kernel.inner
        yield from ((buffer, rows.get(buffer, 0), False) for buffer in kernel.reads())
        yield from ((buffer, rows.get(buffer, 0), True) for buffer in kernel.writes())


def _loop_steps(kernel: LoopKernel) -> Iterator[tuple[Buffer, int, bool]]:
    for statement in kernel.body:
        yield statement.buffer, _step(statement.at, kernel.dims), True
        for root in (statement.value, *(e for e, _ in statement.at.values)):
            for expr in walk(root):
                if isinstance(expr, Load):
                    yield expr.buffer, _step(expr.at, kernel.dims), False


def _step(at: Linear, dims: Iterable[int]) -> int:
    """How far a round of the first loop is from the next, if none goes where another one is; 0 otherwise."""
    lengths = list(dims)
    places = [(expr.length, scale) for expr, scale in at.values if isinstance(expr, Place)]
    if not lengths or len(places) < len(at.values) or min(at.offset, *at.steps, *(scale for _, scale in places)) < 0:
        return 0
    last = at.offset + sum(step * (n - 1) for step, n in zip(at.steps[1:], lengths[1:], strict=True))
    last += sum(scale * (n - 1) for n, scale in places)
    return at.steps[0] if last < at.steps[0] else 0


# ---- writing


def write_phases(
    tasks: list[Task], name: Callable[[], str], head: list[str], words: str, give_way: str
) -> tuple[list[str], str]:
    """The lines of all phases, and the block in which they end. ``head`` gets what does not change from step to step."""
    writer = _PhaseWriter(name, head)
    for phase in phases(tasks):
        for task in phase:
            writer.task(task)
        writer.lines.append(f"  call void @wait(ptr {words}, ptr {give_way}, i64 %threads)")
    return writer.lines, writer.block


class _PhaseWriter:
    def __init__(self, name: Callable[[], str], head: list[str]) -> None:
        self.name, self.head = name, head
        self.lines: list[str] = []
        self.block = "step"
        self._ends: dict[Share | int, tuple[str, str]] = {}
        self._count = 0

    def task(self, task: Task) -> None:
        """What each thread does of a task."""
        self.lines += task.heading
        share = task.share
        if share is None:
            owner = "0" if task.owner == 0 else self._set(self.lines, f"urem i64 {task.owner}, %threads")
            self._guard(f"icmp eq i64 {owner}, %thread", task.lines("0", str(task.rounds)))
        elif share.apart:
            first, end = self._pieces(share.pieces)
            for piece in range(share.pieces):
                after = self._set(self.lines, f"icmp ule i64 {first}, {piece}")
                before = self._set(self.lines, f"icmp ugt i64 {end}, {piece}")
                part = piece * share.unit, min(share.rounds, (piece + 1) * share.unit)
                self._guard(f"and i1 {after}, {before}", task.lines(str(part[0]), str(part[1])))
        else:
            start, stop = self._rounds(share)
            self._guard(f"icmp ult i64 {start}, {stop}", task.lines(start, stop))

    def _set(self, lines: list[str], text: str) -> str:
        name = self.name()
        lines.append(f"  {name} = {text}")
        return name

    def _guard(self, condition: str, lines: list[str]) -> None:
        self._count += 1
        inside, after = f"in{self._count}", f"out{self._count}"
        test = self._set(self.lines, condition)
        self.lines += [f"  br i1 {test}, label %{inside}, label %{after}", f"{inside}:", *lines]
        self.lines += [f"  br label %{after}", f"{after}:"]
        self.block = after

    def _pieces(self, pieces: int) -> tuple[str, str]:
        """The first piece of a thread, and the one behind its last."""
        if pieces not in self._ends:
            scaled = self._set(self.head, f"mul i64 %thread, {pieces}")
            further = self._set(self.head, f"add i64 {scaled}, {pieces}")
            first, end = (self._set(self.head, f"udiv i64 {number}, %threads") for number in (scaled, further))
            self._ends[pieces] = first, end
        return self._ends[pieces]

    def _rounds(self, share: Share) -> tuple[str, str]:
        if share not in self._ends:
            scaled = [self._set(self.head, f"mul i64 {piece}, {share.unit}") for piece in self._pieces(share.pieces)]
            start, end = (
                self._set(self.head, f"call i64 @llvm.umin.i64(i64 {number}, i64 {share.rounds})") for number in scaled
            )
            self._ends[share] = start, end
        return self._ends[share]
