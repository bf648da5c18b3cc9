"""A planned schedule as one LLVM module: a function for each kernel, and ``run``, which calls them step after step."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from chainrule.backends.llvm.blas import Blas
from chainrule.backends.llvm.loops import LoopFunction, collapse
from chainrule.backends.llvm.scalars import TYPES, literal
from chainrule.compiler.kernel import Buffer, Const, Load, LoopKernel, ProductKernel
from chainrule.compiler.lower import Unsupported
from chainrule.compiler.plan import Location, Plan
from chainrule.core.aval import bool_, float32

__all__ = ["Layout", "Module", "emit"]

#: Kernels with no more loop rounds than this become part of ``run``, so that LLVM can unroll them and see through them.
_INLINE_ROUNDS = 128
#: A program whose kernels have no more rounds than this, all together, keeps its buffers on the stack.
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
        """The entry of scratch memory; the status word, and the two products of a BLAS, follow."""
        return self.inputs + self.constants + self.results + self.lasts

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.arena + 4


@dataclass
class Module:
    """The text, and what its caller must know."""

    text: str
    layout: Layout
    #: The lengths that checked indexes must stay within.
    checks: int


def emit(plan: Plan, blas: Blas | None) -> Module:
    """The module of a plan. Products of matrices are calls of ``blas``."""
    return _Emitter(plan, blas).module()


class _Emitter:
    def __init__(self, plan: Plan, blas: Blas | None) -> None:
        self.plan, self.blas = plan, blas
        program = self.program = plan.schedule.program
        self.layout = Layout(
            len(program.inputs), len(plan.constants), program.results, len(program.carried)
        )  # fmt: skip
        self.first_stream = len(program.inputs) - program.streams
        self.functions: dict[tuple[str, str, bool], str] = {}
        self.declared: dict[str, None] = {}
        self.head: list[str] = []
        self.body: list[str] = []
        self.tail: list[str] = []
        self.count = 0
        self.checks = 0
        self.bases: dict[int, str] = {}
        self.pointers: dict[Any, str] = {}
        kernels = [collapse(k) if isinstance(k, LoopKernel) else k for k in plan.schedule.kernels]
        self.kernels = kernels
        rounds = sum(_rounds(k) for k in kernels)
        self.small = rounds <= _SMALL_ROUNDS and not any(isinstance(k, ProductKernel) for k in kernels)
        self.on_stack = self.small and plan.arena_bytes <= _STACK_BYTES

    def module(self) -> Module:
        calls = [self._kernel(kernel) for kernel in self.kernels]
        for source, target, buffer in self.plan.copies:
            calls.append(self._copy(self._at(source, buffer), self._at(target, buffer), buffer))
        functions = [
            f"define internal void @{name}{parameters} {attributes} {{\n{text}\n}}\n"
            for (parameters, text, inline), name in self.functions.items()
            for attributes in (["alwaysinline nounwind"] if inline else ["noinline nounwind"])
        ]
        del calls
        run = [
            "define void @run(ptr noalias %table, i64 %steps) nounwind {",
            "entry:",
            *self.head,
            "  br label %step",
            "step:",
            "  %s = phi i64 [ 0, %entry ], [ %s.next, %step ]",
            *self.body,
            "  %s.next = add nuw nsw i64 %s, 1",
            "  %s.more = icmp ult i64 %s.next, %steps",
            "  br i1 %s.more, label %step, label %done",
            "done:",
            *self.tail,
            "  ret void",
            "}",
        ]
        text = "\n".join([*functions, *run, "", *self.declared, ""])
        return Module(text, self.layout, self.checks)

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
            self.body.append(f"  {offset} = mul nuw nsw i64 %s, {size}")
            self.body.append(f"  {name} = getelementptr inbounds i8, ptr {base}, i64 {offset}")
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
        where: dict[str, str] = {}

        def place(buffer: Buffer) -> str:
            pointer = self._at(self.plan.where[buffer], buffer)
            where[pointer] = pointer
            return pointer

        function = LoopFunction(kernel, place, lambda line: self.declared.setdefault(line))
        inline = self.small or _rounds(kernel) <= _INLINE_ROUNDS
        key = (*function.text, inline)
        name = self.functions.setdefault(key, f"kernel{len(self.functions)}")
        arguments = [f"ptr {p}" for p in function.pointers]
        if function.checks:
            self.checks += len(function.checks)
            arguments.append(f"ptr {self._entry(self.layout.arena + 1)}")
        self.body.append(f"  call void @{name}({', '.join(arguments)})")

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
        function = self._entry(self.layout.arena + (2 if single else 3))
        kind, whole = TYPES[dtype], self.blas.integer
        alpha, beta = literal(1, dtype), literal(0, dtype)
        if kernel.start is not None:
            beta = literal(1, dtype)
            start = self._at(self.plan.where[kernel.start], kernel.start)
            if start != out:
                self._memcpy(self.body, out, start, kernel.out.aval.size * dtype.itemsize)
            alpha = self._scalar(kernel.alpha)
        m, n, k = kernel.rows, kernel.columns, kernel.inner
        lead_a, lead_b = (m if kernel.transpose_a else k), (k if kernel.transpose_b else n)
        count = 1
        for length in kernel.batch:
            count *= length
        if count > _MOST_CALLS:
            raise Unsupported(f"{count} products in one stack")
        ranges = [range(length) for length in kernel.batch]
        for place in itertools.product(*ranges):
            size = dtype.itemsize
            moved = [
                self._shifted(p, size * sum(i * s for i, s in zip(place, steps, strict=True)))
                for p, steps in zip((out, a, b), kernel.steps, strict=True)
            ]
            arguments = [
                "i32 101", f"i32 {112 if kernel.transpose_a else 111}", f"i32 {112 if kernel.transpose_b else 111}",
                f"{whole} {m}", f"{whole} {n}", f"{whole} {k}", f"{kind} {alpha}", f"ptr {moved[1]}",
                f"{whole} {lead_a}", f"ptr {moved[2]}", f"{whole} {lead_b}", f"{kind} {beta}", f"ptr {moved[0]}",
                f"{whole} {n}",
            ]  # fmt: skip
            self.body.append(f"  call void {function}({', '.join(arguments)})")

    def _shifted(self, pointer: str, offset: int) -> str:
        if not offset:
            return pointer
        name = self._name()
        self.body.append(f"  {name} = getelementptr inbounds i8, ptr {pointer}, i64 {offset}")
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
    rounds = 1
    for length in kernel.dims:
        rounds *= length
    return rounds
