"""Threads: every thread calls ``run``. They share large kernels, piece by piece; small ones are done by one of them.

A kernel's pieces follow from its size alone, and what a piece comes to does not depend on who does it, so any number of threads
gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.products import Tiling, is_for_tiles
from chainrule.backends.llvm.vectors import Processor
from chainrule.compiler.kernel import Apply, Kernel, LoopKernel, Nonzeros, ProductKernel, RowsKernel, Store, walk

__all__ = ["BARRIER", "QUARTERS", "Share", "Sharing", "has_quarters", "is_small", "nanoseconds"]

#: Nanoseconds of a barrier, and of work in a step from which threads share it, and in a product and in a loop.
_BARRIER, _STEP, _PRODUCT, _LOOP = 400, 10_000, 400, 20
#: Pieces into which a small step's batch is cut, and what else is one call for each piece.
QUARTERS = 4
#: Rows in a piece of others, and of few: vectors of rows, and tiles of products, fill them.
_PIECE, _FEW = 16, 8
#: Nanoseconds of a barrier, and of work in a step from which more threads than there are quarters may have something to do.
_LONG = 2_500_000

#: A barrier for ``threads`` threads: the last one to come opens it by counting up the second word. Who waits long lets
#: others run.
BARRIER = (
    "(ptr %words, ptr %give_way, i64 %threads)",
    """entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %come
come:
  %opened = getelementptr inbounds i64, ptr %words, i64 8
  %round = load atomic i64, ptr %opened acquire, align 8
  %before = atomicrmw add ptr %words, i64 1 acq_rel
  %here = add i64 %before, 1
  %last = icmp eq i64 %here, %threads
  br i1 %last, label %open, label %spin
open:
  store atomic i64 0, ptr %words monotonic, align 8
  %next = add i64 %round, 1
  store atomic i64 %next, ptr %opened release, align 8
  ret void
spin:
  %n = phi i64 [ 0, %come ], [ %n.next, %again ]
  %now = load atomic i64, ptr %opened acquire, align 8
  %go = icmp ne i64 %now, %round
  br i1 %go, label %done, label %wait
wait:
  %n.next = add i64 %n, 1
  %low = and i64 %n.next, 255
  %tired = icmp eq i64 %low, 0
  br i1 %tired, label %yield, label %again
yield:
  %ignored = call i32 %give_way()
  br label %again
again:
  br label %spin
done:
  ret void""",
)


@dataclass(frozen=True)
class Share:
    """A kernel's rounds in pieces of ``unit``; neighbouring pieces belong to one thread, which does them in one call.

    ``apart``: each piece is a call of its own, where the bits depend on how it is cut.
    """

    rounds: int
    unit: int
    apart: bool = False

    @property
    def pieces(self) -> int:
        """How many there are."""
        return -(-self.rounds // self.unit)


def is_small(kernel: Kernel) -> bool:
    """Whether a barrier takes longer than sharing a kernel saves."""
    return nanoseconds(kernel) < _BARRIER


def has_quarters(rows: int) -> bool:
    """Whether so many rows can be cut into quarters that are worth a call."""
    return rows % QUARTERS == 0 and rows >= QUARTERS * _FEW


class Sharing:
    """How threads share the kernels of a program, if it is worth several: ``for_threads``.

    Kernels over as many rows are cut alike, so that a thread meets its own rows again. Where a step is short, they are quarters,
    and so are the parts of sums over rows (see ``split.py``).
    """

    def __init__(self, kernels: Sequence[Kernel], processor: Processor, has_blas: bool) -> None:
        self.processor, self.has_blas = processor, has_blas
        work = sum(map(nanoseconds, kernels))
        self.for_threads = work >= _STEP
        self.by_quarters = _STEP <= work < _LONG

    def tiling(self, kernel: ProductKernel) -> Tiling | None:
        """The tiles of a product; None for one that the BLAS does."""
        tiles = kernel.nonzeros is not None or not self.has_blas or is_for_tiles(kernel, self.processor)
        return Tiling.of(kernel, self.processor) if tiles else None

    def of(self, kernel: Any, rows: int) -> Share | None:
        """How a kernel is shared; None where one thread does it. ``rows``: the first loop's length before loops were joined."""
        if not self.for_threads or nanoseconds(kernel) < (_PRODUCT if isinstance(kernel, ProductKernel) else _LOOP):
            return None
        if isinstance(kernel, ProductKernel):
            share = self._product(kernel)
        elif isinstance(kernel, Nonzeros):
            share = _in_calls(kernel.rows, 1)
        elif not all(map(_rows_are_apart, kernel.loops if isinstance(kernel, RowsKernel) else [kernel])):
            return None
        elif isinstance(kernel, RowsKernel):
            # Vectors of rows must begin at the same ones.
            share = Share(rows, self._unit(rows), apart=self._unit(rows) % _PIECE != 0)
        else:
            share = Share(kernel.dims[0], self._unit(rows) * (kernel.dims[0] // rows))
        return share if share.pieces > 1 else None

    def _product(self, kernel: ProductKernel) -> Share:
        tiling, unit = self.tiling(kernel), self._unit(kernel.rows)
        if kernel.batch:
            return _in_calls(math.prod(kernel.batch), 1)
        if tiling is None:
            return _in_calls(max(kernel.rows, kernel.columns), _PIECE)
        if kernel.nonzeros is not None:
            return Share(kernel.nonzeros.blocks, 1) if kernel.transpose_a else Share(kernel.rows, unit)
        fits = tiling.by_rows and unit % tiling.high == 0
        return Share(tiling.rounds, unit // tiling.high if fits else 1)

    def _unit(self, rows: int) -> int:
        """Rows in a piece."""
        if self.by_quarters and has_quarters(rows):
            return rows // QUARTERS
        return _PIECE if rows >= QUARTERS * _PIECE else _FEW if rows >= 2 * _FEW else 1


def _in_calls(rounds: int, grain: int) -> Share:
    return Share(rounds, -(-rounds // (QUARTERS * grain)) * grain, apart=True)


def _rows_are_apart(kernel: LoopKernel) -> bool:
    """Whether rounds of the first loop have nothing to do with each other."""
    alone = not kernel.dims or 0 in kernel.dims or 0 in kernel.reduced or kernel.dims[0] == 1
    return not alone and not any(isinstance(s, Store) and s.add for s in kernel.body)


_SLOW = {"exp", "log", "tanh", "sigmoid", "erf", "softplus", "power", "sin", "cos", "expm1", "log1p", "divide", "sqrt"}


def nanoseconds(kernel: Any) -> int:
    """About how long one thread works on a kernel."""
    if isinstance(kernel, ProductKernel):
        work = math.prod(kernel.batch) * kernel.rows * kernel.columns * kernel.inner
        return work // (50 if kernel.nonzeros is None else 150)
    if isinstance(kernel, Nonzeros):
        return kernel.rows * kernel.columns // 6
    if isinstance(kernel, RowsKernel):
        return sum(map(nanoseconds, kernel.loops))
    seen = {id(e): e for s in kernel.body for e in walk(s.value)}
    cost = 2 * len(kernel.body) + sum(1 + 8 * (e.name in _SLOW) for e in seen.values() if isinstance(e, Apply))
    return math.prod(kernel.dims) * cost // 48
