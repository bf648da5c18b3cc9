"""Sums over the rows of a batch, cut into quarters: threads sum what they made, and little goes from core to core.

The quarters are the same on any number of threads, and so are the bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.backends.llvm.collapse import Relooped
from chainrule.backends.llvm.parallel import QUARTERS, has_quarters, nanoseconds
from chainrule.compiler.fuse import Schedule
from chainrule.compiler.kernel import (
    Apply,
    Buffer,
    Const,
    Expr,
    Kernel,
    Linear,
    Load,
    LoopKernel,
    ProductKernel,
    Reduce,
    RowsKernel,
    Store,
)
from chainrule.core.aval import Aval

__all__ = ["split_sums"]

#: Nanoseconds from which a sum is worth it.
_WORTH = 50


def split_sums(schedule: Schedule) -> None:
    """Cut the sums of a schedule.

    Before -> after::

        product 32 x 256 x 64:                     product 32 x 64 x 64 4 times:
            t9 = t7.T @ t3                   ->        t9_quarters = t7.T @ t3
                                                   loop 32 x 64:
                                                       t9[64*i0+i1] = add(add(t9_quarters[...], ...), ...)
    """
    schedule.kernels = [new for kernel in schedule.kernels for new in _split(kernel)]


def _split(kernel: Kernel) -> Iterator[Kernel]:
    if isinstance(kernel, ProductKernel) and _is_long(kernel):
        yield from _split_product(kernel)
    elif isinstance(kernel, LoopKernel) and _is_sum_over_rows(kernel):
        yield from _split_loop(kernel)
    elif isinstance(kernel, RowsKernel) and any(0 in loop.reduced for loop in kernel.loops):
        for part in _sums_apart(kernel):
            yield from _split(part)
    else:
        yield kernel


# ---- products


def _is_long(kernel: ProductKernel) -> bool:
    """Whether a product's terms are rows of a batch, and quarters of it are less to move than its factors."""
    rows, columns, inner = kernel.rows, kernel.columns, kernel.inner
    plain = kernel.transpose_a and not kernel.transpose_b and not kernel.batch and kernel.nonzeros is None
    return plain and has_quarters(inner) and QUARTERS * rows * columns <= inner * (rows + columns)


def _split_product(kernel: ProductKernel) -> Iterator[Kernel]:
    rows, columns, terms = kernel.rows, kernel.columns, kernel.inner // QUARTERS
    parts = _parts(kernel.out)
    yield ProductKernel(
        parts, kernel.a, kernel.b, rows, columns, terms, True, False,
        (QUARTERS,), ((rows * columns,), (terms * rows,), (terms * columns,)),
    )  # fmt: skip
    at = Linear(0, (columns, 1))
    total = _total(parts, at)
    if kernel.start is not None:
        assert kernel.alpha is not None
        dtype = kernel.out.aval.dtype
        step = Apply("multiply", dtype, (_alpha(kernel.alpha), total))
        total = Apply("add", dtype, (Load(kernel.start, at), step))
    yield LoopKernel((rows, columns), (), [Store(kernel.out, at, total)])


def _alpha(alpha: Expr) -> Expr:
    return Load(alpha.buffer, Linear(alpha.at.offset, (0, 0))) if isinstance(alpha, Load) else alpha


# ---- loops


def _sums_apart(kernel: RowsKernel) -> Iterator[Kernel]:
    """Rows without the sums over all of them, and then these, which no row waits for."""
    sums = [loop for loop in kernel.loops if 0 in loop.reduced]
    rows = [loop for loop in kernel.loops if 0 not in loop.reduced]
    if rows:
        read = {buffer for loop in sums for buffer in loop.reads()}
        yield RowsKernel(rows, frozenset(kernel.inner - read))
    yield from sums


def _is_sum_over_rows(kernel: LoopKernel) -> bool:
    if 0 not in kernel.reduced or not has_quarters(kernel.dims[0]):
        return False
    # What the rows are needed for does not wait for their sum.
    worth = nanoseconds(kernel) >= _WORTH or any(isinstance(s, Store) for s in kernel.body)
    return worth and all(s.kind == "sum" if isinstance(s, Reduce) else not s.add for s in kernel.body)


def _split_loop(kernel: LoopKernel) -> Iterator[Kernel]:
    """The first loop becomes one over quarters, and one over the rows of a quarter."""
    length = kernel.dims[0] // QUARTERS
    dims, reduced = (QUARTERS, length, *kernel.dims[1:]), tuple(d + 1 for d in kernel.reduced)
    kept = [d for d in range(len(kernel.dims)) if d not in kernel.reduced]
    loop = Relooped(dims, reduced, lambda steps: (steps[0] * length, *steps))
    last: list[LoopKernel] = []
    for s in kernel.body:
        if isinstance(s, Store):
            loop.kernel.body.append(Store(s.buffer, loop.linear(s.at), loop.expr(s.value)))
            continue
        parts, size = _parts(s.buffer), s.buffer.aval.size
        at = Linear(s.at.offset, (size, 0, *s.at.steps[1:]))
        loop.kernel.body.append(Reduce("sum", parts, at, loop.expr(s.value)))
        place = Linear(s.at.offset, tuple(s.at.steps[d] for d in kept))
        total = _total(parts, place)
        if s.divide != 1:
            total = Apply("divide", total.dtype, (total, Const(s.divide, total.dtype)))
        last.append(LoopKernel(tuple(kernel.dims[d] for d in kept), (), [Store(s.buffer, place, total)]))
    yield loop.kernel
    yield from last


def _parts(total: Buffer) -> Buffer:
    return Buffer(Aval.of((QUARTERS, *total.aval.shape), total.aval.dtype), f"{total.name}_quarters")


def _total(parts: Buffer, at: Linear) -> Expr:
    """The sum of the quarters at a place."""
    size, dtype = parts.aval.size // QUARTERS, parts.aval.dtype
    total: Expr = Load(parts, at)
    for quarter in range(1, QUARTERS):
        total = Apply("add", dtype, (total, Load(parts, at.shifted(quarter * size))))
    return total
