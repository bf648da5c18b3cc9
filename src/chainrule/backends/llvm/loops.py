"""A loop kernel as an LLVM function: nested loops around straight-line code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.backends.llvm.division import divide_byte
from chainrule.backends.llvm.philox import draw_block
from chainrule.backends.llvm.scalars import TYPES, LlvmScalars, Register, literal
from chainrule.backends.llvm.writer import Writer
from chainrule.compiler.decompose import ELEMENT
from chainrule.compiler.kernel import (
    Apply,
    Buffer,
    Const,
    Draw,
    Expr,
    Linear,
    Load,
    LoopKernel,
    Place,
    Position,
    Reduce,
    Store,
    walk,
)
from chainrule.core.aval import bool_, float32, float64, int64, uint8

__all__ = ["LoopFunction"]

#: What a reduction starts from, and the name of the elementwise op that goes on.
_STARTS: dict[str, tuple[Any, Any, str]] = {
    "sum": (0, 0, "add"),
    "prod": (1, 1, "multiply"),
    "max": (-math.inf, "lowest", "maximum"),
    "min": (math.inf, "highest", "minimum"),
}


#: Ops whose products and sums may be rounded together.
_ARITHMETIC = {"add", "subtract", "multiply", "square"}


#: Bytes in a line of the cache, and how many lines of a row are asked for ahead; the rest comes by itself.
_LINE, _MOST_LINES = 64, 16


class LoopFunction(Writer):
    """Emits one kernel. ``text`` is the function without its name, so that equal kernels are found to be equal.

    The function takes one pointer for each of ``pointers`` (keys given by ``place``), which do not overlap, and
    a pointer to the status word if it checks places. A ``shared`` kernel does the rounds ``from`` to ``to`` of its
    first loop, which must not be a reduced one.
    """

    def __init__(
        self, kernel: LoopKernel, place: Callable[[Buffer], Any], declare: Callable[[str], None], shared: bool = False
    ) -> None:
        super().__init__()
        self.kernel, self.place, self.shared = kernel, place, shared
        self.pointers: list[Any] = []
        self.checks: list[Place] = []
        self._counters: list[str] = []
        self._made: dict[Any, Any] = {}
        self._declare = declare
        self._scalars = LlvmScalars(self.set, declare)
        self._arithmetic = LlvmScalars(self.set, declare, contract=True)
        self._nest()
        if self.checks:
            self._report()
        parameters = [f"ptr noalias nocapture %p{i}" for i in range(len(self.pointers))]
        if self.checks:
            parameters.append("ptr noalias nocapture %status")
        if shared:
            parameters += ["i64 %from", "i64 %to"]
        self.text = f"({', '.join(parameters)})", self.body()

    # ---- loops

    def _loop(self, length: int, body: Callable[[], None]) -> None:
        """``body`` for each value of the next counter."""
        head, latch, after = self.label(), self.label(), self.label()
        before, counter = self.block, f"%i{self._count}"
        self.do(f"br label %{head}")
        self.begin(head)
        part = self.shared and not self._counters
        start, end = ("%from", "%to") if part else ("0", str(length))
        self.do(f"{counter} = phi i64 [ {start}, %{before} ], [ {counter}.next, %{latch} ]")
        self._counters.append(counter)
        if len(self._counters) == 1:
            self._look_ahead()
        body()
        self._counters.pop()
        self.do(f"br label %{latch}")
        self.begin(latch)
        self.do(f"{counter}.next = add nuw nsw i64 {counter}, 1")
        self.do(f"{counter}.more = icmp ult i64 {counter}.next, {end}")
        self.do(f"br i1 {counter}.more, label %{head}, label %{after}")
        self.begin(after)

    def _loops(self, lengths: list[int], body: Callable[[], None]) -> None:
        if 0 in lengths:
            return
        if not lengths:
            body()
            return
        self._loop(lengths[0], lambda: self._loops(lengths[1:], body))

    # ---- the nest

    def _nest(self) -> None:
        kernel = self.kernel
        dims, reduced = list(kernel.dims), kernel.reduced
        reductions = [s for s in kernel.body if isinstance(s, Reduce)]
        suffix = reduced == tuple(range(len(dims) - len(reduced), len(dims)))
        if not reductions or suffix:
            self._with_registers(dims, len(dims) - len(reduced), reductions)
        else:
            self._in_memory(dims, reductions)

    def _with_registers(self, dims: list[int], outer: int, reductions: list[Reduce]) -> None:
        """Reductions over the innermost loops: their totals stay in registers."""
        slots = {id(r): self._accumulators(r) for r in reductions}

        def inner() -> None:
            self._made.clear()
            for statement in self.kernel.body:
                if isinstance(statement, Reduce):
                    self._accumulate(statement, slots[id(statement)])
                else:
                    self._store(statement)

        def nest() -> None:
            for r in reductions:
                for slot, start in slots[id(r)]:
                    self.do(f"store {TYPES[start.dtype]} {start}, ptr {slot}")
            self._loops(dims[outer:], inner)
            counters = list(self._counters)
            self._counters += ["0"] * (len(dims) - outer)
            for r in reductions:
                if r.kind != "cumsum":
                    self._made.clear()
                    slot, start = slots[id(r)][-1]
                    total = Register(self.set(f"load {TYPES[start.dtype]}, ptr {slot}"), start.dtype)
                    self._write(r.buffer, r.at, self._divided(r, total))
            self._counters[:] = counters

        self._loops(dims[:outer], nest)

    def _in_memory(self, dims: list[int], reductions: list[Reduce]) -> None:
        """Reductions over outer loops: totals are kept where the results stand."""
        reduced = self.kernel.reduced
        kept = [1 if d in reduced else n for d, n in enumerate(dims)]

        def start() -> None:
            self._made.clear()
            for r in reductions:
                self._write(r.buffer, r.at, self._start(r.kind, r.buffer.aval.dtype))

        def body() -> None:
            self._made.clear()
            for statement in self.kernel.body:
                if isinstance(statement, Reduce):
                    at = self._address(statement.buffer, statement.at)
                    before = self._read(statement.buffer, at)
                    self._put(statement.buffer, at, self._combine(statement, before, self._value(statement.value)))
                else:
                    self._store(statement)

        def finish() -> None:
            self._made.clear()
            for r in reductions:
                if r.divide != 1:
                    at = self._address(r.buffer, r.at)
                    self._put(r.buffer, at, self._divided(r, self._read(r.buffer, at)))

        self._loops(kept, start)
        self._loops(dims, body)
        if any(r.divide != 1 for r in reductions):
            self._loops(kept, finish)

    # ---- reductions

    def _start(self, kind: str, dtype: np.dtype[Any]) -> Register:
        real, whole, _ = _STARTS["sum" if kind == "cumsum" else kind]
        if dtype in (float32, float64):
            return self._scalars.const(real, dtype)
        if isinstance(whole, str):
            limits: Any = np.iinfo(dtype) if dtype != bool_ else None
            whole = (whole == "highest") if limits is None else limits.min if whole == "lowest" else limits.max
        return self._scalars.const(whole, dtype)

    def _accumulators(self, r: Reduce) -> list[tuple[str, Register]]:
        """Stack slots with their starts; the last one holds the result. LLVM keeps them in registers."""
        if r.kind in ("argmax", "argmin"):
            starts = [self._start(r.kind[3:], r.value.dtype), self._scalars.const(-1, int64)]
        else:
            starts = [self._start(r.kind, r.buffer.aval.dtype)]
        slots = []
        for start in starts:
            slots.append((self.slot(TYPES[start.dtype]), start))
        return slots

    def _accumulate(self, r: Reduce, slots: list[tuple[str, Register]]) -> None:
        value = self._value(r.value)
        before = [Register(self.set(f"load {TYPES[s.dtype]}, ptr {slot}"), s.dtype) for slot, s in slots]
        if r.kind in ("argmax", "argmin"):
            after = self._extreme(r.kind, before, value)
        else:
            after = [self._combine(r, before[0], value)]
        for (slot, start), new in zip(slots, after, strict=True):
            self.do(f"store {TYPES[start.dtype]} {new}, ptr {slot}")
        if r.kind == "cumsum":
            self._write(r.buffer, r.at, after[0])

    def _extreme(self, kind: str, before: list[Register], value: Register) -> list[Register]:
        """The first extremum wins, and the first NaN over all numbers."""
        s = self._scalars
        best, place = before
        better = s.lt(best, value) if kind == "argmax" else s.lt(value, best)
        better = s.or_(better, s.eq(place, s.const(-1, int64)))
        if value.dtype in (float32, float64):
            better = s.and_(
                s.or_(better, s.isnan(value)), s.not_(s.and_(s.isnan(best), s.ne(place, s.const(-1, int64))))
            )
        here = Register(self._counters[-1], int64)
        return [s.select(better, value, best), s.select(better, here, place)]

    def _combine(self, r: Reduce, before: Register, value: Register) -> Register:
        kind = "sum" if r.kind == "cumsum" else r.kind
        dtype = before.dtype
        if dtype in (float32, float64) and kind in ("sum", "prod"):
            # The order of a sum is the compiler's choice, so that it can use all lanes; it is fixed by the code.
            flags = "contract" if r.kind == "cumsum" else "reassoc nsz contract"
            name = "fadd" if kind == "sum" else "fmul"
            return Register(self.set(f"{name} {flags} {TYPES[dtype]} {before}, {value}"), dtype)
        result: Register = ELEMENT[_STARTS[kind][2]](self._scalars, before, value)
        return result

    def _divided(self, r: Reduce, total: Register) -> Register:
        if r.divide == 1:
            return total
        return self._scalars.div(total, self._scalars.const(r.divide, total.dtype))

    # ---- memory

    def _pointer(self, buffer: Buffer) -> str:
        key = self.place(buffer)
        if key not in self.pointers:
            self.pointers.append(key)
        return f"%p{self.pointers.index(key)}"

    def _number(self, at: Linear) -> str:
        """A linear number as an i64."""
        total, offset = None, at.offset
        for d, step in enumerate(at.steps):
            counter = self._counters[d]
            if not step or counter.isdigit():
                offset += step * int(counter) if step else 0
                continue
            term = counter if step == 1 else self.set(f"mul nsw i64 {counter}, {step}")
            total = term if total is None else self.set(f"add nsw i64 {total}, {term}")
        for expr, scale in at.values:
            value = str(self._value(expr))
            term = value if scale == 1 else self.set(f"mul nsw i64 {value}, {scale}")
            total = term if total is None else self.set(f"add nsw i64 {total}, {term}")
        if total is None:
            return str(offset)
        return total if not offset else self.set(f"add nsw i64 {total}, {offset}")

    def _address(self, buffer: Buffer, at: Linear) -> str:
        kind = "i8" if buffer.aval.dtype == bool_ else TYPES[buffer.aval.dtype]
        return self.set(f"getelementptr inbounds {kind}, ptr {self._pointer(buffer)}, i64 {self._number(at)}")

    def _read(self, buffer: Buffer, address: str) -> Register:
        dtype = buffer.aval.dtype
        if dtype == bool_:
            byte = self.set(f"load i8, ptr {address}")
            return Register(self.set(f"icmp ne i8 {byte}, 0"), dtype)
        return Register(self.set(f"load {TYPES[dtype]}, ptr {address}"), dtype)

    def _put(self, buffer: Buffer, address: str, value: Register) -> None:
        text, kind = str(value), TYPES[value.dtype]
        if value.dtype == bool_:
            text, kind = self.set(f"zext i1 {value} to i8"), "i8"
        self.do(f"store {kind} {text}, ptr {address}")

    def _write(self, buffer: Buffer, at: Linear, value: Register) -> None:
        self._put(buffer, self._address(buffer, at), value)

    def _store(self, statement: Store) -> None:
        value = self._value(statement.value)
        address = self._address(statement.buffer, statement.at)
        if statement.add:
            value = ELEMENT["add"](self._scalars, self._read(statement.buffer, address), value)
        self._put(statement.buffer, address, value)

    def _look_ahead(self) -> None:
        """Ask for rows that are gathered by index before they are needed: where they stand, no processor can guess."""
        kernel = self.kernel
        if len(kernel.dims) != 2 or 0 in kernel.reduced:
            return
        loads = {id(e): e for s in kernel.body for e in walk(s.value) if isinstance(e, Load) and _is_gathered_row(e)}
        if not loads:
            return
        lines = {key: -(-kernel.dims[1] * load.dtype.itemsize // _LINE) for key, load in loads.items()}
        counter = self._counters[0]
        later = self.set(f"add nuw nsw i64 {counter}, {max(4, 32 // max(lines.values()))}")
        self._declare("declare i64 @llvm.umin.i64(i64, i64)")
        self._declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self._counters[0] = self.set(f"call i64 @llvm.umin.i64(i64 {later}, i64 {kernel.dims[0] - 1})")
        self._counters.append("0")
        self._made.clear()
        for key, load in loads.items():
            row = self._address(load.buffer, load.at)
            for line in range(min(lines[key], _MOST_LINES)):
                address = self.set(f"getelementptr i8, ptr {row}, i64 {_LINE * line}")
                self.do(f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 3, i32 1)")
        self._made.clear()
        self._counters[:] = [counter]

    def _report(self) -> None:
        """Set the status word if an index stood outside its axis."""
        before = self.set("load i64, ptr %status")
        outside = self.set(f"load i1, ptr {self._outside}")
        self.do(f"store i64 {self.set(f'select i1 {outside}, i64 1, i64 {before}')}, ptr %status")

    # ---- values

    def _value(self, expr: Expr) -> Register:
        found: Register | None = self._made.get(id(expr))
        if found is None:
            found = self._made[id(expr)] = self._compute(expr)
        return found

    def _compute(self, expr: Expr) -> Register:
        if isinstance(expr, Const):
            return Register(literal(expr.value, expr.dtype), expr.dtype)
        if isinstance(expr, Load):
            return self._read(expr.buffer, self._address(expr.buffer, expr.at))
        if isinstance(expr, Position):
            return Register(self._number(expr.at), int64)
        if isinstance(expr, Place):
            return self._checked(expr)
        if isinstance(expr, Draw):
            return self._drawn(expr)
        assert isinstance(expr, Apply)
        values = [self._value(i) for i in expr.inputs]
        if expr.name == "divide" and _is_byte(expr.inputs[0]) and isinstance(expr.inputs[1], Const):
            return divide_byte(self._scalars, values[0], expr.inputs[1].value)
        if expr.name == "cast":
            return self._scalars.cast(values[0], expr.dtype)
        scalars = self._arithmetic if expr.name in _ARITHMETIC else self._scalars
        result: Register = ELEMENT[expr.name](scalars, *values)
        return result

    def _checked(self, expr: Place) -> Register:
        """An index outside is reported at the end, and replaced by 0."""
        if not self.checks:
            self._outside = self.slot("i1")
            self._entry.append(f"  store i1 false, ptr {self._outside}")
        if not any(expr is known for known in self.checks):
            self.checks.append(expr)
        s = self._scalars
        index = self._value(expr.index)
        zero, length = s.like(index, 0), s.like(index, expr.length)
        moved = s.select(s.lt(index, zero), s.add(index, length), index)
        inside = Register(self.set(f"icmp ult {TYPES[index.dtype]} {moved}, {length}"), bool_)
        before = Register(self.set(f"load i1, ptr {self._outside}"), bool_)
        self.do(f"store i1 {s.or_(before, s.not_(inside))}, ptr {self._outside}")
        place = s.select(inside, moved, zero)
        return (
            place
            if place.dtype == int64
            else Register(self.set(f"zext nneg {TYPES[place.dtype]} {place} to i64"), int64)
        )

    def _drawn(self, expr: Draw) -> Register:
        block = (id(expr.key), id(expr.counter), expr.block, expr.kind)
        lanes: Any = self._made.get(block)
        if lanes is None:
            key, counter = self._value(expr.key), self._value(expr.counter)
            at = self._scalars.add(counter, Register(self._number(expr.block), int64))
            lanes = self._made[block] = draw_block(self._scalars, expr.kind, expr.dtype, key, at)
        result: Register = lanes[expr.lane]
        return result


def _is_gathered_row(load: Load) -> bool:
    """Whether it reads the row of a table that an index names, one number after the other."""
    return (
        load.at.steps == (0, 1)
        and bool(load.at.values)
        and all(not x.at.steps[1] for e, _ in load.at.values for x in walk(e) if isinstance(x, (Load, Position)))
    )


def _is_byte(expr: Expr) -> bool:
    """Whether it is a byte as a floating-point number."""
    return isinstance(expr, Apply) and expr.name == "cast" and expr.inputs[0].dtype == uint8 and expr.dtype.kind == "f"
