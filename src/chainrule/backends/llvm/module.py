"""A planned schedule as one LLVM module: a function for each kernel, and ``run``, which calls them step after step."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from chainrule.backends.llvm.blas import Blas, product_call
from chainrule.backends.llvm.collapse import collapse
from chainrule.backends.llvm.loops import LoopFunction
from chainrule.backends.llvm.parallel import BARRIER, Phases, ranges, shards
from chainrule.backends.llvm.rows import RowsFunction
from chainrule.backends.llvm.scalars import TYPES, literal
from chainrule.backends.llvm.sparse import backward_function, fill_function, forward_function, nonzeros_function
from chainrule.backends.llvm.writer import THOROUGH, UNROLL, WIDE
from chainrule.compiler.kernel import (
    Buffer,
    Const,
    Linear,
    Load,
    LoopKernel,
    Nonzeros,
    ProductKernel,
    RowsKernel,
    Store,
)
from chainrule.compiler.lower import Unsupported
from chainrule.compiler.plan import Location, Plan
from chainrule.core.aval import Aval, bool_, float32

__all__ = ["Layout", "Module", "emit"]

#: A program whose kernels have no more rounds than this, all together, becomes one function that LLVM can unroll and
#: see through, with its buffers on the stack.
_SMALL_ROUNDS = 2048
_STACK_BYTES = 8192
#: Products in a stack of matrices beyond which calls are no longer written out one by one.
_MOST_CALLS = 1024


@dataclass
class Layout:
    """What stands where in the table of pointers that ``run`` is given."""

    inputs: int
    constants: int
    results: int
    lasts: int
    names: list[str] = field(default_factory=list)

    def place(self, location: Location) -> int:
        """The number of a location's entry."""
        start = {
            "input": 0,
            "constant": self.inputs,
            "result": self.inputs + self.constants,
            "last": self.inputs + self.constants + self.results,
            "arena": self.arena,
        }[location.kind]
        return start + location.number

    @property
    def arena(self) -> int:
        """The entry of scratch memory; these follow it."""
        return self.inputs + self.constants + self.results + self.lasts

    @property
    def status(self) -> int:
        """The entry of the status word, which an index outside its axis sets."""
        return self.arena + 1

    def product(self, single: bool) -> int:
        """The entry of a BLAS's product in single or double precision."""
        return self.arena + (2 if single else 3)

    @property
    def barrier(self) -> int:
        """The entry of the words at which threads wait for each other; that of ``sched_yield`` follows."""
        return self.arena + 4

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.arena + 6


@dataclass
class Module:
    """The text, and what its caller must know."""

    text: str
    layout: Layout
    #: Whether several threads may call ``run`` together.
    parallel: bool


def emit(plan: Plan, blas: Blas | None, compress: bool = False) -> Module:
    """The module of a plan. Products of matrices are calls of ``blas``.

    ``compress``: whether the processor has an instruction that moves chosen lanes of a vector together.
    """
    return _Emitter(plan, blas, compress).module()


class _Emitter:
    def __init__(self, plan: Plan, blas: Blas | None, compress: bool) -> None:
        self.plan, self.blas, self.compress = plan, blas, compress
        program = self.program = plan.schedule.program
        self.layout = Layout(
            len(program.inputs), len(plan.constants), program.results, len(program.carried)
        )  # fmt: skip
        self.first_stream = len(program.inputs) - program.streams
        self.functions: dict[tuple[str, str, bool], str] = {}
        self.declared: dict[str, None] = {}
        self.head: list[str] = []
        self.moving: list[str] = []
        self.body: list[str] = []
        self.tail: list[str] = []
        self.count = 0
        self.bases: dict[int, str] = {}
        self.pointers: dict[Any, str] = {}
        kernels = [collapse(k) if isinstance(k, LoopKernel) else k for k in plan.schedule.kernels]
        self.kernels = kernels
        rounds = sum(_rounds(k) for k in kernels)
        self.small = rounds <= _SMALL_ROUNDS and not any(isinstance(k, ProductKernel) for k in kernels)
        # Unrolling is what programs of few numbers live on; elsewhere it is a third of the time to compile, for nothing.
        self.unroll = self.small or any(isinstance(k, RowsKernel) for k in kernels)
        self.on_stack = self.small and plan.arena_bytes <= _STACK_BYTES
        self.parallel = any(shards(k) > 1 for k in kernels)
        self.phases = Phases(self.body, self._name) if self.parallel else None

    def module(self) -> Module:
        phases = self.phases
        for kernel in self.kernels:
            if phases is not None:
                phases.begin(shards(kernel) > 1)
            self._kernel(kernel)
        if phases is not None and self.plan.copies:
            phases.begin(False)
        for source, target, buffer in self.plan.copies:
            self._copy(self._at(source, buffer), self._at(target, buffer), buffer)
        if phases is not None:
            phases.end()
            self.functions[BARRIER] = "wait"
            self._entry(self.layout.barrier), self._entry(self.layout.barrier + 1)
            phases.names(self._entry(self.layout.barrier), self._entry(self.layout.barrier + 1))
        functions = [
            f"define internal void @{name}{parameters} {attributes} {{\n{text}\n}}\n"
            for (parameters, text, inline), name in self.functions.items()
            for attributes in ([f"{'alwaysinline' if inline else 'noinline'} nounwind {WIDE}"])
        ]
        last = phases.block if phases is not None else "step"
        run = [
            f"define void @run(ptr noalias %table, i64 %steps, i64 %thread, i64 %threads) nounwind {WIDE} {{",
            "entry:",
            *self.head,
            "  br label %step",
            "step:",
            f"  %s = phi i64 [ 0, %entry ], [ %s.next, %{last} ]",
            *self.moving,
            *self.body,
            "  %s.next = add nuw nsw i64 %s, 1",
            "  %s.more = icmp ult i64 %s.next, %steps",
            "  br i1 %s.more, label %step, label %done",
            "done:",
            *self.tail,
            "  ret void",
            "}",
        ]
        text = THOROUGH * self.small + UNROLL * self.unroll + "\n".join([*functions, *run, "", *self.declared, ""])
        return Module(text, self.layout, self.parallel)

    # ---- pointers

    def _name(self) -> str:
        self.count += 1
        return f"%x{self.count}"

    def _entry(self, number: int) -> str:
        """The pointer in the table."""
        found = self.bases.get(number)
        if found is None:
            address, found = self._name(), self._name()
            self.head.append(f"  {address} = getelementptr inbounds ptr, ptr %table, i64 {number}")
            self.head.append(f"  {found} = load ptr, ptr {address}")
            self.bases[number] = found
        return found

    def _at(self, location: Location, buffer: Buffer) -> str:
        key = (location, buffer) if location.kind == "arena" and self.on_stack else location
        found = self.pointers.get(key)
        if found is None:
            found = self.pointers[key] = self._make_pointer(location, buffer)
        return found

    def _make_pointer(self, location: Location, buffer: Buffer) -> str:
        size = buffer.aval.size * buffer.aval.dtype.itemsize
        if location.kind == "arena":
            if self.on_stack:
                name = self._name()
                kind = "i8" if buffer.aval.dtype == bool_ else TYPES[buffer.aval.dtype]
                self.head.append(f"  {name} = alloca [{max(buffer.aval.size, 1)} x {kind}], align 64")
                return name
            name = self._name()
            base = self._entry(self.layout.arena)
            self.head.append(f"  {name} = getelementptr inbounds i8, ptr {base}, i64 {location.offset}")
            return name
        base = self._entry(self.layout.place(location))
        moving = location.kind == "result" or (location.kind == "input" and location.number >= self.first_stream)
        if moving:
            offset, name = self._name(), self._name()
            self.moving.append(f"  {offset} = mul nuw nsw i64 %s, {size}")
            self.moving.append(f"  {name} = getelementptr inbounds i8, ptr {base}, i64 {offset}")
            return name
        if location.kind == "input" and self.on_stack and location.number in self.program.carried and size:
            # Small state lives on the stack while the steps run.
            name = self._name()
            kind = "i8" if buffer.aval.dtype == bool_ else TYPES[buffer.aval.dtype]
            self.head.append(f"  {name} = alloca [{buffer.aval.size} x {kind}], align 64")
            self._memcpy(self.head, name, base, size)
            self._memcpy(self.tail, base, name, size)
            return name
        return base

    def _memcpy(self, lines: list[str], target: str, source: str, size: int) -> None:
        self.declared["declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"] = None
        lines.append(f"  call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    # ---- kernels

    def _kernel(self, kernel: Any) -> None:
        self.body.append(f"  ; {str(kernel).splitlines()[0]}")
        if isinstance(kernel, ProductKernel):
            self._product(kernel)
            return
        if isinstance(kernel, Nonzeros):
            self._nonzeros(kernel)
            return

        def place(buffer: Buffer) -> str:
            return self._at(self.plan.where[buffer], buffer)

        parts = shards(kernel)
        # Small programs are unrolled as a whole. Elsewhere a kernel gets its number of rounds as an argument, so that
        # layers of different sizes share one function and LLVM has less to compile.
        inline = self.small
        make: Any = RowsFunction if isinstance(kernel, RowsKernel) else LoopFunction
        loops = kernel.loops if isinstance(kernel, RowsKernel) else [kernel]
        by_range = not inline and all(k.dims and 0 not in k.reduced and 0 not in k.dims for k in loops)
        function = make(kernel, place, self._declare, by_range)
        name = self.functions.setdefault((*function.text, inline), f"kernel{len(self.functions)}")
        arguments = [f"ptr {p}" for p in function.pointers]
        if function.checks:
            arguments.append(f"ptr {self._entry(self.layout.status)}")
        if by_range:
            self._in_parts(function.text, arguments, loops[0].dims[0], parts)
        else:
            self.body.append(f"  call void @{name}({', '.join(arguments)})")

    def _declare(self, line: str) -> None:
        self.declared[line] = None

    def _copy(self, source: str, target: str, buffer: Buffer) -> None:
        size = buffer.aval.size * buffer.aval.dtype.itemsize
        if size:
            self._memcpy(self.body, target, source, size)

    def _product(self, kernel: ProductKernel) -> None:
        if self.blas is None:
            raise Unsupported("a product of matrices without a BLAS")
        dtype = kernel.out.aval.dtype
        single = dtype is float32
        out, a, b = (self._at(self.plan.where[x], x) for x in (kernel.out, kernel.a, kernel.b))
        function = self._entry(self.layout.product(single))
        kind, whole = TYPES[dtype], self.blas.integer
        alpha, beta = literal(1, dtype), literal(0, dtype)
        if kernel.start is not None:
            beta = literal(1, dtype)
            start = self._at(self.plan.where[kernel.start], kernel.start)
            if start != out:
                if self.phases is not None:
                    self.phases.begin(False)
                self._memcpy(self.body, out, start, kernel.out.aval.size * dtype.itemsize)
                if self.phases is not None:
                    self.phases.begin(shards(kernel) > 1)
            alpha = self._scalar(kernel.alpha)
        if kernel.nonzeros is not None:
            self._sparse_product(kernel, function, alpha)
            return
        m, n, k = kernel.rows, kernel.columns, kernel.inner
        lead_a, lead_b = (m if kernel.transpose_a else k), (k if kernel.transpose_b else n)
        count = 1
        for length in kernel.batch:
            count *= length
        if count > _MOST_CALLS:
            raise Unsupported(f"{count} products in one stack")
        parts = shards(kernel)
        by_rows = m >= n
        for low, high in ranges(m if by_rows else n, parts):
            # A part of the rows of a and the result, or of the columns of b and the result.
            skip_a = low * (1 if kernel.transpose_a else k) if by_rows else 0
            skip_b = 0 if by_rows else low * (k if kernel.transpose_b else 1)
            skip_out = low * (n if by_rows else 1)
            rows, columns = (high - low, n) if by_rows else (m, high - low)
            lines: list[str] = []
            for place in itertools.product(*(range(length) for length in kernel.batch)):
                moved = [
                    self._shifted(lines, p, dtype.itemsize * (skip + sum(i * s for i, s in zip(place, steps, strict=True))))
                    for p, skip, steps in zip((out, a, b), (skip_out, skip_a, skip_b), kernel.steps, strict=True)
                ]  # fmt: skip
                call = product_call(
                    function, whole, kind, (kernel.transpose_a, kernel.transpose_b), (rows, columns, k), alpha,
                    (moved[1], lead_a), (moved[2], lead_b), beta, (moved[0], n),
                )  # fmt: skip
                lines.append(f"  {call}")
            if parts == 1:
                self.body += lines
            else:
                assert self.phases is not None
                self.phases.part(lines, parts)

    def _nonzeros(self, kernel: Nonzeros) -> None:
        """The lists; then, all rows known, the data itself if it will be wanted."""
        parts = shards(kernel)
        arguments = [f"ptr {self._at(self.plan.where[b], b)}" for b in (kernel.x, *kernel.lists)]
        if kernel.loop is None:
            self._in_parts(nonzeros_function(kernel, self._declare, self.compress), arguments, kernel.rows, parts)
            return
        row = Buffer(Aval.of((kernel.columns,), float32), "row")
        loop = LoopKernel(kernel.loop.dims, (), [Store(row, Linear(0, (0, 1)), kernel.loop.body[0].value)])
        made = LoopFunction(
            loop, lambda b: "%row" if b is row else self._at(self.plan.where[b], b), self._declare, True
        )
        maker = self.functions.setdefault((*made.text, False), f"kernel{len(self.functions)}")
        pointers = made.pointers + [self._entry(self.layout.status)] * bool(made.checks)
        names = [pointer if pointer == "%row" else f"%q{i}" for i, pointer in enumerate(pointers)]
        arguments += [f"ptr {pointer}" for pointer in pointers if pointer != "%row"]
        self._in_parts(
            nonzeros_function(kernel, self._declare, self.compress, maker, names), arguments, kernel.rows, parts
        )
        if self.phases is not None:
            self.phases.begin(parts > 1)
        self._in_parts(fill_function(kernel, self._declare), arguments[:4], kernel.rows, parts)

    def _sparse_product(self, kernel: ProductKernel, blas: str, alpha: str) -> None:
        """Through the lists of the data, or by a BLAS where they are long."""
        assert kernel.nonzeros is not None and self.blas is not None
        x = kernel.nonzeros.x
        make, rounds = (
            (backward_function, kernel.nonzeros.blocks) if kernel.transpose_a else (forward_function, kernel.rows)
        )
        function = make(kernel, self._declare, self.blas.integer)
        buffers = (kernel.out, x, kernel.b if x is kernel.a else kernel.a, *kernel.nonzeros.lists)
        arguments = [f"ptr {self._at(self.plan.where[b], b)}" for b in buffers]
        self._in_parts(function, [*arguments, f"ptr {blas}", f"float {alpha}"], rounds, shards(kernel))

    def _in_parts(self, function: tuple[str, str], arguments: list[str], rounds: int, parts: int) -> None:
        """Call a function of ``from`` and ``to`` for all rounds, in so many shards."""
        name = self.functions.setdefault((*function, False), f"kernel{len(self.functions)}")
        if parts == 1:
            self.body.append(f"  call void @{name}({', '.join(arguments)}, i64 0, i64 {rounds})")
            return
        assert self.phases is not None
        for start, end in ranges(rounds, parts):
            part = ", ".join([*arguments, f"i64 {start}", f"i64 {end}"])
            self.phases.part([f"  call void @{name}({part})"], parts)

    def _shifted(self, lines: list[str], pointer: str, offset: int) -> str:
        if not offset:
            return pointer
        name = self._name()
        lines.append(f"  {name} = getelementptr inbounds i8, ptr {pointer}, i64 {offset}")
        return name

    def _scalar(self, expr: Any) -> str:
        if isinstance(expr, Const):
            return literal(expr.value, expr.dtype)
        assert isinstance(expr, Load)
        name = self._name()
        self.body.append(
            f"  {name} = load {TYPES[expr.dtype]}, ptr {self._at(self.plan.where[expr.buffer], expr.buffer)}"
        )
        return name


def _rounds(kernel: Any) -> int:
    """How often the innermost body runs."""
    if isinstance(kernel, ProductKernel):
        return kernel.rows * kernel.columns * kernel.inner
    if isinstance(kernel, Nonzeros):
        return kernel.rows * kernel.columns
    if isinstance(kernel, RowsKernel):
        return sum(map(_rounds, kernel.loops))
    rounds = 1
    for length in kernel.dims:
        rounds *= length
    return rounds
