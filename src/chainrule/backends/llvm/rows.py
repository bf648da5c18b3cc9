"""Kernels over short rows: every row's numbers written out, so that LLVM makes vectors of rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from chainrule.backends.llvm.loops import LoopFunction
from chainrule.backends.llvm.scalars import TYPES, Register
from chainrule.backends.llvm.writer import vectors_of
from chainrule.compiler.kernel import Buffer, Expr, Linear, Load, LoopKernel, Reduce, RowsKernel, Store
from chainrule.core.aval import int64

__all__ = ["RowsFunction"]

#: Rows that are done at once: as many as a vector holds, and of what is left at the end.
_LANES = (16, 4, 2)

Place = tuple[int, ...]


class RowsFunction(LoopFunction):
    """Emits a kernel over rows. What is made in a row stays in registers; totals over all rows do, too."""

    def __init__(
        self, kernel: RowsKernel, place: Callable[[Buffer], Any], declare: Callable[[str], None], shared: bool = False
    ) -> None:
        self.group = kernel
        #: The numbers of the row at hand, by buffer and place in the row.
        self._row: dict[tuple[Buffer, int], Register] = {}
        self._totals: dict[tuple[int, Place], tuple[str, Register]] = {}
        super().__init__(kernel.loops[0], place, declare, shared)

    def _nest(self) -> None:
        overall = [(loop, r) for loop in self.group.loops for r in _reductions(loop) if 0 in loop.reduced]
        for loop, r in overall:
            for kept in _kept(loop):
                slot, first = self._totals[id(r), kept] = self._accumulators(r)[-1]
                self.do(f"store {TYPES[first.dtype]} {first}, ptr {slot}")
        start, end = ("%from", "%to") if self.shared else ("0", str(self.group.rows))
        # Whole vectors, then what is left in shorter ones. LLVM does not know a maximum that keeps NaN for a reduction, and of
        # a wish that it cannot follow it complains on the terminal.
        known = all(r.kind in ("sum", "prod") for _, r in overall)
        for lanes in _LANES if known else ():
            self._declare(vectors_of(lanes))
            whole = self.set(f"and i64 {self.set(f'sub i64 {end}, {start}')}, {-lanes}")
            middle = self.sum((start, 1), (whole, 1))
            self.loop(start, middle, self._one_row, vectors=lanes)
            start = middle
        self.loop(start, end, self._one_row)
        for loop, r in overall:
            for kept in _kept(loop):
                slot, first = self._totals[id(r), kept]
                self._counters[:] = ["0", *map(str, kept)]
                total = Register(self.set(f"load {TYPES[first.dtype]}, ptr {slot}"), first.dtype)
                self._write(r.buffer, r.at, self._divided(r, total))
        self._counters.clear()

    def _one_row(self, row: str) -> None:
        self._row.clear()
        for loop in self.group.loops:
            self._loop_in_row(loop, row)

    def _loop_in_row(self, loop: LoopKernel, row: str) -> None:
        totals: dict[tuple[int, Place], Register] = {}
        for place in itertools.product(*(range(n) for n in loop.dims[1:])):
            self._counters[:] = [row, *map(str, place)]
            self._made.clear()
            for statement in loop.body:
                value = self._value(statement.value)
                if isinstance(statement, Store):
                    self._keep(statement.buffer, statement.at, place, value)
                else:
                    key = id(statement), _without_reduced(loop, place)
                    totals[key] = self._combine(statement, totals[key], value) if key in totals else value
        for r, kept in itertools.product(_reductions(loop), _kept(loop)):
            total = totals[id(r), kept]
            if 0 in loop.reduced:
                slot, _ = self._totals[id(r), kept]
                before = Register(self.set(f"load {TYPES[total.dtype]}, ptr {slot}"), total.dtype)
                self.do(f"store {TYPES[total.dtype]} {self._combine(r, before, total)}, ptr {slot}")
            else:
                self._counters[:] = [row, *map(str, kept)]
                self._keep(r.buffer, r.at, kept, self._divided(r, total))

    def _keep(self, buffer: Buffer, at: Linear, place: Place, value: Register) -> None:
        """In its register for the rest of the row, and in memory where others read it."""
        self._row[buffer, _number(at, place)] = value
        if buffer not in self.group.inner:
            self._write(buffer, at, value)

    def _compute(self, expr: Expr) -> Register:
        if not isinstance(expr, Load) or (expr.buffer, 0) not in self._row:
            return super()._compute(expr)
        if not expr.at.values:
            return self._row[expr.buffer, _number(expr.at, tuple(map(int, self._counters[1:])))]
        ((place, _),) = expr.at.values
        chosen = self._value(place)
        found = self._row[expr.buffer, 0]
        for i in range(1, expr.buffer.aval.size // self.group.rows):
            here = self._scalars.eq(chosen, self._scalars.const(i, int64))
            found = self._scalars.select(here, self._row[expr.buffer, i], found)
        return found


def _number(at: Linear, place: Place) -> int:
    """Which number of its row a place is."""
    return at.offset + sum(step * i for step, i in zip(at.steps[1:], place, strict=True))


def _reductions(loop: LoopKernel) -> list[Reduce]:
    return [s for s in loop.body if isinstance(s, Reduce)]


def _without_reduced(loop: LoopKernel, place: Place) -> Place:
    return tuple(0 if d in loop.reduced else i for d, i in enumerate(place, 1))


def _kept(loop: LoopKernel) -> list[Place]:
    """The places of a row that reductions keep."""
    places = itertools.product(*(range(n) for n in loop.dims[1:]))
    return list(dict.fromkeys(_without_reduced(loop, place) for place in places))
