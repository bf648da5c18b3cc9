"""Kernels as functions, and as tasks that call them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from chainrule.backends.llvm.blas import Blas, product_call
from chainrule.backends.llvm.collapse import collapse
from chainrule.backends.llvm.loops import LoopFunction
from chainrule.backends.llvm.memory import Memory
from chainrule.backends.llvm.parallel import Share, Sharing, is_small
from chainrule.backends.llvm.phases import Task, accesses, copy_accesses
from chainrule.backends.llvm.products import Tiling, product_function
from chainrule.backends.llvm.rows import RowsFunction
from chainrule.backends.llvm.scalars import TYPES, literal
from chainrule.backends.llvm.sparse import backward_function, fill_function, forward_function, nonzeros_function
from chainrule.backends.llvm.vector_products import VectorProduct, is_vector_product
from chainrule.backends.llvm.vectors import Processor
from chainrule.backends.llvm.writer import FINAL
from chainrule.compiler.kernel import (
    Buffer,
    Const,
    Kernel,
    Linear,
    Load,
    LoopKernel,
    Nonzeros,
    ProductKernel,
    RowsKernel,
    Store,
)
from chainrule.compiler.lower import Unsupported
from chainrule.compiler.plan import Location
from chainrule.core.aval import Aval, float32

__all__ = ["Calls"]

#: Products in a stack of matrices beyond which calls are no longer written out one by one.
_MOST_CALLS = 1024


class Calls:
    """Makes tasks of kernels, and the functions that these call.

    ``small``: functions are to be inlined, and what they do unrolled.
    """

    def __init__(self, memory: Memory, blas: Blas | None, processor: Processor, sharing: Sharing, small: bool) -> None:
        self.memory, self.blas, self.processor, self.sharing, self.small = memory, blas, processor, sharing, small
        #: (parameters, text, attributes), and the name.
        self.functions: dict[tuple[str, str, str], str] = {}

    def tasks(self, kernel: Kernel) -> list[Task]:
        """What is to be done for a kernel, in order."""
        if isinstance(kernel, ProductKernel):
            return self._product(kernel)
        if isinstance(kernel, Nonzeros):
            return self._nonzeros(kernel)
        return [self._loops(kernel)]

    def copy(self, buffer: Buffer, source: Location, target: Location) -> Task:
        """A copy, which one thread does."""
        lines = self.memory.copy(self.memory.at(target, buffer), self.memory.at(source, buffer), buffer)
        return Task(copy_accesses(buffer, source, target), None, 1, lambda start, end: lines)

    def _function(self, function: tuple[str, str], kind: str = "") -> str:
        """The name of a function; equal ones are one."""
        attributes = "alwaysinline" if self.small else f"noinline {kind}"
        return self.functions.setdefault((*function, attributes), f"kernel{len(self.functions)}")

    def _task(
        self, kernel: Kernel, share: Share | None, rounds: int, lines: Callable[[str, str], list[str]],
        tiling: Tiling | None = None,
    ) -> Task:  # fmt: skip
        """``lines`` write rounds ``from`` to ``to`` of so many."""
        touched = accesses(kernel, share, tiling, self.memory.plan.where)
        return Task(touched, share, rounds, lines, str(kernel).splitlines()[0], is_small(kernel))

    def _call(
        self, function: tuple[str, str], arguments: list[str], kind: str = FINAL
    ) -> Callable[[str, str], list[str]]:
        """Writes a call of a function of ``from`` and ``to``."""
        given = f"@{self._function(function, kind)}({', '.join(arguments)}"
        return lambda start, end: [f"  call void {given}, i64 {start}, i64 {end})"]

    # ---- loops

    def _loops(self, kernel: Any) -> Task:
        make: Any
        # Small programs are unrolled as a whole. Elsewhere a kernel gets its number of rounds as an argument, so that
        # layers of different sizes share one function and LLVM has less to compile.
        if isinstance(kernel, RowsKernel):
            rows, make, loops = kernel.rows, RowsFunction, kernel.loops
        else:
            rows = next((length for length in kernel.dims if length != 1), 1)
            kernel = collapse(kernel)
            make, loops = VectorProduct if is_vector_product(kernel) else LoopFunction, [kernel]
        by_range = not self.small and all(k.dims and 0 not in k.reduced and 0 not in k.dims for k in loops)
        function = make(kernel, self.memory.of, self.memory.declare, by_range)
        arguments = [f"ptr {p}" for p in function.pointers]
        if function.checks:
            arguments.append(f"ptr {self.memory.entry(self.memory.layout.status)}")
        if by_range:
            return self._task(
                kernel, self.sharing.of(kernel, rows), loops[0].dims[0], self._call(function.text, arguments, "")
            )
        name = self._function(function.text)
        line = f"  call void @{name}({', '.join(arguments)})"
        return self._task(kernel, None, 1, lambda start, end: [line])

    # ---- products

    def _product(self, kernel: ProductKernel) -> list[Task]:
        where, tasks = self.memory.plan.where, []
        if kernel.start is not None and where[kernel.start] != where[kernel.out]:
            tasks.append(self.copy(kernel.out, where[kernel.start], where[kernel.out]))
        if kernel.nonzeros is not None:
            return [*tasks, self._sparse_product(kernel)]
        places = list(itertools.product(*(range(length) for length in kernel.batch)))
        if len(places) > _MOST_CALLS:
            raise Unsupported(f"{len(places)} products in one stack")
        tiling = self.sharing.tiling(kernel)
        if tiling is not None:
            rounds, call = tiling.rounds, self._tiles_call(kernel, tiling)
        else:
            assert self.blas is not None
            rounds, call = max(kernel.rows, kernel.columns), self._blas_call(kernel, self.blas)
        size = kernel.out.aval.dtype.itemsize

        def lines(start: str, end: str) -> list[str]:
            written: list[str] = []
            alpha = self._alpha(kernel, written)
            # Of a stack of products, whole ones are shared.
            some, part = (places[int(start) : int(end)], ("0", str(rounds))) if kernel.batch else (places, (start, end))
            for place in some:
                pointers = [
                    self._shifted(
                        written, self.memory.of(x), size * sum(i * s for i, s in zip(place, steps, strict=True))
                    )
                    for x, steps in zip((kernel.out, kernel.a, kernel.b), kernel.steps, strict=True)
                ]
                call(written, pointers, alpha, *part)
            return written

        share = self.sharing.of(kernel, kernel.rows)
        return [*tasks, self._task(kernel, share, len(places) if kernel.batch else rounds, lines, tiling)]

    def _tiles_call(
        self, kernel: ProductKernel, tiling: Tiling
    ) -> Callable[[list[str], list[str], str, str, str], None]:
        name = self._function(product_function(tiling, self.memory.declare), FINAL)

        def call(lines: list[str], pointers: list[str], alpha: str, start: str, end: str) -> None:
            given = ", ".join(f"ptr {pointer}" for pointer in pointers)
            lines.append(f"  call void @{name}({given}, {tiling.number} {alpha}, i64 {start}, i64 {end})")

        return call

    def _blas_call(self, kernel: ProductKernel, blas: Blas) -> Callable[[list[str], list[str], str, str, str], None]:
        """Writes the call for a part of the rows of a and the result, or of the columns of b and the result."""
        dtype = kernel.out.aval.dtype
        function = self.memory.entry(self.memory.layout.product(dtype is float32))
        m, n, k = kernel.rows, kernel.columns, kernel.inner
        lead_a, lead_b = (m if kernel.transpose_a else k), (k if kernel.transpose_b else n)
        beta = literal(int(kernel.start is not None), dtype)

        def call(lines: list[str], pointers: list[str], alpha: str, start: str, end: str) -> None:
            low, count = int(start), int(end) - int(start)
            skips = [low * n, low * (1 if kernel.transpose_a else k), 0]
            rows, columns = count, n
            if m < n:
                skips, rows, columns = [low, 0, low * (k if kernel.transpose_b else 1)], m, count
            out, a, b = (
                self._shifted(lines, p, dtype.itemsize * skip) for p, skip in zip(pointers, skips, strict=True)
            )
            written = product_call(
                function, blas.integer, TYPES[dtype], (kernel.transpose_a, kernel.transpose_b), (rows, columns, k), alpha,
                (a, lead_a), (b, lead_b), beta, (out, n),
            )  # fmt: skip
            lines.append(f"  {written}")

        return call

    def _alpha(self, kernel: ProductKernel, lines: list[str]) -> str:
        """What the product is multiplied by."""
        alpha, dtype = kernel.alpha, kernel.out.aval.dtype
        if kernel.start is None or alpha is None:
            return literal(1, dtype)
        if isinstance(alpha, Const):
            return literal(alpha.value, dtype)
        assert isinstance(alpha, Load)
        name = self.memory.name()
        lines.append(f"  {name} = load {TYPES[dtype]}, ptr {self.memory.of(alpha.buffer)}")
        return name

    def _shifted(self, lines: list[str], pointer: str, offset: int) -> str:
        if not offset:
            return pointer
        name = self.memory.name()
        lines.append(f"  {name} = getelementptr inbounds i8, ptr {pointer}, i64 {offset}")
        return name

    # ---- data with zeros

    def _nonzeros(self, kernel: Nonzeros) -> list[Task]:
        """The lists; then, all rows known, the data itself if it will be wanted."""
        share = self.sharing.of(kernel, kernel.rows)
        arguments = [f"ptr {self.memory.of(b)}" for b in (kernel.x, *kernel.lists)]
        declare, compress = self.memory.declare, self.processor.compress
        if kernel.loop is None:
            listed = nonzeros_function(kernel, declare, compress)
            return [self._task(kernel, share, kernel.rows, self._call(listed, arguments))]
        row = Buffer(Aval.of((kernel.columns,), float32), "row")
        loop = LoopKernel(kernel.loop.dims, (), [Store(row, Linear(0, (0, 1)), kernel.loop.body[0].value)])
        made = LoopFunction(loop, lambda b: "%row" if b is row else self.memory.of(b), declare, True)
        maker = self._function(made.text)
        pointers = made.pointers + [self.memory.entry(self.memory.layout.status)] * bool(made.checks)
        names = [pointer if pointer == "%row" else f"%q{i}" for i, pointer in enumerate(pointers)]
        listed = nonzeros_function(kernel, declare, compress, maker, names)
        given = [*arguments, *(f"ptr {pointer}" for pointer in pointers if pointer != "%row")]
        return [
            self._task(kernel, share, kernel.rows, self._call(listed, given)),
            self._task(kernel, share, kernel.rows, self._call(fill_function(kernel, declare), arguments)),
        ]

    def _sparse_product(self, kernel: ProductKernel) -> Task:
        """Through the lists of the data, or in tiles where they are long."""
        assert kernel.nonzeros is not None
        x, tiling = kernel.nonzeros.x, Tiling.of(kernel, self.processor)
        dense = self._function(product_function(tiling, self.memory.declare), FINAL), tiling.rounds
        make, rounds = (
            (backward_function, kernel.nonzeros.blocks) if kernel.transpose_a else (forward_function, kernel.rows)
        )
        name = self._function(make(kernel, self.memory.declare, dense), FINAL)
        buffers = (kernel.out, x, kernel.b if x is kernel.a else kernel.a, *kernel.nonzeros.lists)
        pointers = ", ".join(f"ptr {self.memory.of(b)}" for b in buffers)

        def lines(start: str, end: str) -> list[str]:
            written: list[str] = []
            alpha = self._alpha(kernel, written)
            return [*written, f"  call void @{name}({pointers}, float {alpha}, i64 {start}, i64 {end})"]

        share = self.sharing.of(kernel, kernel.rows)
        return self._task(kernel, share, rounds, lines, tiling)
