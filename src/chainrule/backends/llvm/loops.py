"""A loop kernel as an LLVM function: nested loops around straight-line code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.backends.llvm.philox import draw_block
from chainrule.backends.llvm.scalars import TYPES, LlvmScalars, Register, literal
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
)
from chainrule.core.aval import bool_, float32, float64, int64

__all__ = ["LoopFunction", "collapse"]

#: What a reduction starts from, and the name of the elementwise op that goes on.
_STARTS: dict[str, tuple[Any, Any, str]] = {
    "sum": (0, 0, "add"),
    "prod": (1, 1, "multiply"),
    "max": (-math.inf, "lowest", "maximum"),
    "min": (math.inf, "highest", "minimum"),
}


#: Ops whose products and sums may be rounded together.
_ARITHMETIC = {"add", "subtract", "multiply", "square"}


class LoopFunction:
    """Emits one kernel. ``text`` is the function without its name, so that equal kernels are found to be equal.

    The function takes one pointer for each of ``pointers`` (keys given by ``place``), which do not overlap, and
    a pointer to the status word if it checks places. A ``shared`` kernel does the rounds ``from`` to ``to`` of its
    first loop, which must not be a reduced one.
    """

    def __init__(
        self, kernel: LoopKernel, place: Callable[[Buffer], Any], declare: Callable[[str], None], shared: bool = False
    ) -> None:
        self.kernel, self.place, self.shared = kernel, place, shared
        self.pointers: list[Any] = []
        self.checks: list[Place] = []
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._block = "entry"
        self._counters: list[str] = []
        self._made: dict[Any, Any] = {}
        self._scalars = LlvmScalars(self._emit, declare)
        self._arithmetic = LlvmScalars(self._emit, declare, contract=True)
        self._nest()
        parameters = [f"ptr noalias nocapture %p{i}" for i in range(len(self.pointers))]
        if self.checks:
            parameters.append("ptr noalias nocapture %status")
        if shared:
            parameters += ["i64 %from", "i64 %to"]
        body = "\n".join(["entry:", *self._entry, *self._lines, "  ret void"])
        self.text = f"({', '.join(parameters)})", body

    # ---- writing lines

    def _emit(self, text: str) -> str:
        self._count += 1
        self._lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def _do(self, text: str) -> None:
        self._lines.append(f"  {text}")

    def _label(self) -> str:
        self._count += 1
        return f"b{self._count}"

    def _begin(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def _loop(self, length: int, body: Callable[[], None]) -> None:
        """``body`` for each value of the next counter."""
        head, latch, after = self._label(), self._label(), self._label()
        before, counter = self._block, f"%i{self._count}"
        self._do(f"br label %{head}")
        self._begin(head)
        part = self.shared and not self._counters
        start, end = ("%from", "%to") if part else ("0", str(length))
        self._do(f"{counter} = phi i64 [ {start}, %{before} ], [ {counter}.next, %{latch} ]")
        self._counters.append(counter)
        body()
        self._counters.pop()
        self._do(f"br label %{latch}")
        self._begin(latch)
        self._do(f"{counter}.next = add nuw nsw i64 {counter}, 1")
        self._do(f"{counter}.more = icmp ult i64 {counter}.next, {end}")
        self._do(f"br i1 {counter}.more, label %{head}, label %{after}")
        self._begin(after)

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
                    self._do(f"store {TYPES[start.dtype]} {start}, ptr {slot}")
            self._loops(dims[outer:], inner)
            counters = list(self._counters)
            self._counters += ["0"] * (len(dims) - outer)
            for r in reductions:
                if r.kind != "cumsum":
                    self._made.clear()
                    slot, start = slots[id(r)][-1]
                    total = Register(self._emit(f"load {TYPES[start.dtype]}, ptr {slot}"), start.dtype)
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
            self._count += 1
            self._entry.append(f"  %a{self._count} = alloca {TYPES[start.dtype]}")
            slots.append((f"%a{self._count}", start))
        return slots

    def _accumulate(self, r: Reduce, slots: list[tuple[str, Register]]) -> None:
        value = self._value(r.value)
        before = [Register(self._emit(f"load {TYPES[s.dtype]}, ptr {slot}"), s.dtype) for slot, s in slots]
        if r.kind in ("argmax", "argmin"):
            after = self._extreme(r.kind, before, value)
        else:
            after = [self._combine(r, before[0], value)]
        for (slot, start), new in zip(slots, after, strict=True):
            self._do(f"store {TYPES[start.dtype]} {new}, ptr {slot}")
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
            return Register(self._emit(f"{name} {flags} {TYPES[dtype]} {before}, {value}"), dtype)
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
        total = None
        for d, step in enumerate(at.steps):
            counter = self._counters[d]
            if not step or counter == "0":
                continue
            term = counter if step == 1 else self._emit(f"mul nsw i64 {counter}, {step}")
            total = term if total is None else self._emit(f"add nsw i64 {total}, {term}")
        for expr, scale in at.values:
            value = str(self._value(expr))
            term = value if scale == 1 else self._emit(f"mul nsw i64 {value}, {scale}")
            total = term if total is None else self._emit(f"add nsw i64 {total}, {term}")
        if total is None:
            return str(at.offset)
        return total if not at.offset else self._emit(f"add nsw i64 {total}, {at.offset}")

    def _address(self, buffer: Buffer, at: Linear) -> str:
        kind = "i8" if buffer.aval.dtype == bool_ else TYPES[buffer.aval.dtype]
        return self._emit(f"getelementptr inbounds {kind}, ptr {self._pointer(buffer)}, i64 {self._number(at)}")

    def _read(self, buffer: Buffer, address: str) -> Register:
        dtype = buffer.aval.dtype
        if dtype == bool_:
            byte = self._emit(f"load i8, ptr {address}")
            return Register(self._emit(f"icmp ne i8 {byte}, 0"), dtype)
        return Register(self._emit(f"load {TYPES[dtype]}, ptr {address}"), dtype)

    def _put(self, buffer: Buffer, address: str, value: Register) -> None:
        text, kind = str(value), TYPES[value.dtype]
        if value.dtype == bool_:
            text, kind = self._emit(f"zext i1 {value} to i8"), "i8"
        self._do(f"store {kind} {text}, ptr {address}")

    def _write(self, buffer: Buffer, at: Linear, value: Register) -> None:
        self._put(buffer, self._address(buffer, at), value)

    def _store(self, statement: Store) -> None:
        value = self._value(statement.value)
        address = self._address(statement.buffer, statement.at)
        if statement.add:
            value = ELEMENT["add"](self._scalars, self._read(statement.buffer, address), value)
        self._put(statement.buffer, address, value)

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
        if expr.name == "cast":
            return self._scalars.cast(values[0], expr.dtype)
        scalars = self._arithmetic if expr.name in _ARITHMETIC else self._scalars
        result: Register = ELEMENT[expr.name](scalars, *values)
        return result

    def _checked(self, expr: Place) -> Register:
        """An index outside is reported in the status word by its number, and replaced by 0."""
        if not any(expr is known for known in self.checks):
            self.checks.append(expr)
        s = self._scalars
        index, length = self._value(expr.index), s.const(expr.length, int64)
        moved = s.select(s.lt(index, s.const(0, int64)), s.add(index, length), index)
        inside = Register(self._emit(f"icmp ult i64 {moved}, {length}"), bool_)
        word = Register(self._emit("load i64, ptr %status"), int64)
        self._do(f"store i64 {s.select(inside, word, s.const(1, int64))}, ptr %status")
        return s.select(inside, moved, s.const(0, int64))

    def _drawn(self, expr: Draw) -> Register:
        block = (id(expr.key), id(expr.counter), expr.block, expr.kind)
        lanes: Any = self._made.get(block)
        if lanes is None:
            key, counter = self._value(expr.key), self._value(expr.counter)
            at = self._scalars.add(counter, Register(self._number(expr.block), int64))
            lanes = self._made[block] = draw_block(self._scalars, expr.kind, expr.dtype, key, at)
        result: Register = lanes[expr.lane]
        return result


def collapse(kernel: LoopKernel) -> LoopKernel:
    """The same kernel with loops of length one dropped and neighbours joined where every place allows it.

    Long inner loops are what vectors are made for.
    """
    linears: list[Linear] = []

    def note(linear: Linear) -> None:
        linears.append(linear)
        for expr, _ in linear.values:
            visit(expr)

    seen: set[int] = set()

    def visit(expr: Expr) -> None:
        if id(expr) in seen:
            return
        seen.add(id(expr))
        if isinstance(expr, (Load, Position)):
            note(expr.at)
        elif isinstance(expr, Place):
            visit(expr.index)
        elif isinstance(expr, Apply):
            for i in expr.inputs:
                visit(i)
        elif isinstance(expr, Draw):
            note(expr.block)
            visit(expr.key)
            visit(expr.counter)

    for statement in kernel.body:
        note(statement.at)
        visit(statement.value)
    if any(isinstance(s, Reduce) and s.kind in ("argmax", "argmin", "cumsum") for s in kernel.body):
        return kernel
    groups: list[list[int]] = []
    for d, length in enumerate(kernel.dims):
        if length == 1:
            continue
        if groups:
            last = groups[-1][-1]
            same = (last in kernel.reduced) == (d in kernel.reduced)
            if same and all(x.steps[last] == x.steps[d] * length for x in linears):
                groups[-1].append(d)
                continue
        groups.append([d])
    if groups == [[d] for d in range(len(kernel.dims))]:
        return kernel
    return _Regrouped(kernel, groups).kernel


class _Regrouped:
    """A kernel rewritten over fewer loops; each expression is copied once."""

    def __init__(self, kernel: LoopKernel, groups: list[list[int]]) -> None:
        self.groups, self.made = groups, {}  # type: ignore[var-annotated]
        dims = tuple(math.prod(kernel.dims[d] for d in group) for group in groups)
        reduced = tuple(i for i, group in enumerate(groups) if group[0] in kernel.reduced)
        self.kernel = LoopKernel(dims, reduced)
        for s in kernel.body:
            at, value = self.linear(s.at), self.expr(s.value)
            if isinstance(s, Store):
                self.kernel.body.append(Store(s.buffer, at, value, s.add))
            else:
                self.kernel.body.append(Reduce(s.kind, s.buffer, at, value, s.divide))

    def linear(self, x: Linear) -> Linear:
        steps = tuple(x.steps[group[-1]] for group in self.groups)
        return Linear(x.offset, steps, tuple((self.expr(e), scale) for e, scale in x.values))

    def expr(self, x: Expr) -> Expr:
        found = self.made.get(id(x))
        if found is None:
            found = self.made[id(x)] = self.copy(x)
        return found

    def copy(self, x: Expr) -> Expr:
        if isinstance(x, Load):
            return Load(x.buffer, self.linear(x.at))
        if isinstance(x, Position):
            return Position(self.linear(x.at))
        if isinstance(x, Place):
            return Place(self.expr(x.index), x.length)
        if isinstance(x, Apply):
            return Apply(x.name, x.dtype, tuple(self.expr(i) for i in x.inputs))
        if isinstance(x, Draw):
            return Draw(x.kind, x.dtype, self.expr(x.key), self.expr(x.counter), self.linear(x.block), x.lane)
        return x
