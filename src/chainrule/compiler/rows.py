"""Kernels over the same short rows become one that goes row by row: (150, 3) scores, their softmax, its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable

from chainrule.compiler.kernel import Buffer, Kernel, Linear, Load, LoopKernel, Place, Reduce, RowsKernel, walk

__all__ = ["merge_rows"]

#: Rows from which vectors run over rows, and numbers in a row up to which they are written out one by one.
MANY_ROWS, SHORT_ROW = 16, 8
#: Values made in a row by one loop nest, and by all that are merged.
_MOST_PLACES, _MOST_VALUES = 16, 96


def merge_rows(kernels: list[Kernel], kept: Iterable[Buffer]) -> list[Kernel]:
    """Neighbours over the same short rows as one kernel; ``kept`` are buffers that are read after all of them.

    Before -> after::

        loop 150 x 3 reduce i1:                         150 rows:
            t1[i0] = max(t0[3*i0+i1])                       loop 150 x 3 reduce i1:
        loop 150 x 3:                              ->           t1[i0] = max(t0[3*i0+i1])
            t2[3*i0+i1] = subtract(t0[...], t1[i0])         loop 150 x 3:
                                                                t2[3*i0+i1] = subtract(t0[...], t1[i0])
    """
    merged: list[Kernel] = []
    results = set(kept)
    for kernel in kernels:
        if not isinstance(kernel, LoopKernel) or not _has_short_rows(kernel):
            merged.append(kernel)
        elif merged and isinstance(merged[-1], RowsKernel) and _fits(kernel, merged[-1]):
            merged[-1].loops.append(kernel)
        else:
            merged.append(RowsKernel([kernel]))
    for i, kernel in enumerate(merged):
        if isinstance(kernel, RowsKernel):
            others = (buffer for j, other in enumerate(merged) if j != i for buffer in other.reads())
            read = {*results, *others}
            kernel.inner = frozenset(b for loop in kernel.loops for b in loop.writes() if b not in read)
    return merged


def _has_short_rows(kernel: LoopKernel) -> bool:
    dims = kernel.dims
    return (
        len(dims) > 0
        and dims[0] >= MANY_ROWS
        and all(0 < n <= SHORT_ROW for n in dims[1:])
        and math.prod(dims[1:]) <= _MOST_PLACES
        and all(s.kind in ("sum", "prod", "max", "min") if isinstance(s, Reduce) else not s.add for s in kernel.body)
        and (len(dims) > 1 or 0 in kernel.reduced)
    )


def _fits(kernel: LoopKernel, group: RowsKernel) -> bool:
    """Whether it can be done row by row with the others."""
    loops = [*group.loops, kernel]
    if kernel.dims[0] != group.rows or sum(math.prod(x.dims[1:]) * len(x.body) for x in loops) > _MOST_VALUES:
        return False
    made = {s.buffer: (x, s) for x in group.loops for s in x.body}
    for statement in kernel.body:
        for root in (statement.value, *(e for e, _ in statement.at.values)):
            for expr in walk(root):
                if not isinstance(expr, Load) or expr.buffer not in made:
                    continue
                loop, source = made[expr.buffer]
                if isinstance(source, Reduce) and 0 in loop.reduced:
                    return False
                if not _in_row(expr.at, expr.buffer.aval.size // group.rows, kernel.dims):
                    return False
    return True


def _in_row(at: Linear, length: int, dims: tuple[int, ...]) -> bool:
    """Whether a place stands in the row that the first counter names, of so many numbers."""
    if at.steps[0] != length or min(at.offset, *at.steps) < 0:
        return False
    if at.values:
        ((place, scale), *others) = at.values
        fixed = at.offset == 0 and not any(at.steps[1:])
        return not others and fixed and scale == 1 and isinstance(place, Place) and place.length == length
    return at.offset + sum(step * (n - 1) for step, n in zip(at.steps[1:], dims[1:], strict=True)) < length
