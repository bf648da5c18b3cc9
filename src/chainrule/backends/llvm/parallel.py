"""Threads: every thread calls ``run`` and does its part of the large kernels; small ones are the first thread's.

Kernels are cut into shards by their size alone, so any number of threads computes the same shards and gives the same
bits. Threads wait for each other at a barrier between kernels: they spin, since a step takes microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chainrule.compiler.kernel import Apply, LoopKernel, Nonzeros, ProductKernel, Reduce, RowsKernel, Store, walk

__all__ = ["BARRIER", "Phases", "ranges", "shards"]

#: Multiplications from which a product of matrices is worth a barrier, and from which it is cut finer.
_LARGE_PRODUCT, _HUGE_PRODUCT = 1 << 19, 1 << 26
#: Scalar operations from which a loop is worth a barrier.
_LARGE_LOOP = 1 << 18
_LOOP_SHARDS = 16
#: Numbers to look through from which lists of what is not zero are worth one.
_LARGE_LIST = 1 << 16

#: A barrier for ``threads`` threads: the last one to come opens it by counting up the second word. Who waits long lets
#: others run.
BARRIER = (
    "(ptr %words, ptr %give_way, i64 %threads)",
    """entry:
  %opened = getelementptr inbounds i64, ptr %words, i64 8
  %round = load atomic i64, ptr %opened acquire, align 8
  %before = atomicrmw add ptr %words, i64 1 acq_rel
  %come = add i64 %before, 1
  %last = icmp eq i64 %come, %threads
  br i1 %last, label %open, label %spin
open:
  store atomic i64 0, ptr %words monotonic, align 8
  %next = add i64 %round, 1
  store atomic i64 %next, ptr %opened release, align 8
  ret void
spin:
  %n = phi i64 [ 0, %entry ], [ %n.next, %again ]
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
    False,
)


def shards(kernel: Any) -> int:
    """Into how many parts a kernel is cut; 1 for one that is not."""
    if isinstance(kernel, ProductKernel):
        work = kernel.rows * kernel.columns * kernel.inner
        for length in kernel.batch:
            work *= length
        if work < _LARGE_PRODUCT or max(kernel.rows, kernel.columns) < 16:
            return 1
        return 2 if work < _HUGE_PRODUCT else 4
    if isinstance(kernel, Nonzeros):
        return 2 if kernel.rows * kernel.columns >= _LARGE_LIST and kernel.rows > 1 else 1
    if isinstance(kernel, RowsKernel):
        return _LOOP_SHARDS if all(shards(loop) > 1 for loop in kernel.loops) else 1
    assert isinstance(kernel, LoopKernel)
    dims = kernel.dims
    if not dims or 0 in kernel.reduced or dims[0] < _LOOP_SHARDS:
        return 1
    if any((isinstance(s, Store) and s.add) or (isinstance(s, Reduce) and not _suffix(kernel)) for s in kernel.body):
        return 1
    seen = {id(e): e for s in kernel.body for e in walk(s.value)}
    cost = 2 * len(kernel.body) + sum(1 + 8 * (e.name in _SLOW) for e in seen.values() if isinstance(e, Apply))
    for length in dims:
        cost *= length
    return _LOOP_SHARDS if cost >= _LARGE_LOOP else 1


_SLOW = {"exp", "log", "tanh", "sigmoid", "erf", "softplus", "power", "sin", "cos", "expm1", "log1p", "divide", "sqrt"}


def _suffix(kernel: LoopKernel) -> bool:
    return kernel.reduced == tuple(range(len(kernel.dims) - len(kernel.reduced), len(kernel.dims)))


def ranges(length: int, parts: int) -> Iterator[tuple[int, int]]:
    """``parts`` neighbouring pieces of 0 .. length; multiples of 16 rounds where that is possible."""
    grain = 16 if length >= 32 * parts else 1
    blocks = -(-length // grain)
    for i in range(parts):
        yield min(length, blocks * i // parts * grain), min(length, blocks * (i + 1) // parts * grain)


class Phases:
    """Writes the control flow around kernels: alone, together, and the barriers between."""

    def __init__(self, lines: list[str], name: Callable[[], str]) -> None:
        self.lines, self.name = lines, name
        #: The block that lines are written to.
        self.block = "step"
        self.together: bool | None = None
        self._after = ""
        self._parts = 0
        self._count = 0

    def begin(self, together: bool) -> None:
        """What follows is done by all threads, each a part, or by the first alone."""
        if self.together is False and not together:
            return
        self._leave()
        if self.together is not None:
            self.lines.append("  call void @wait(ptr WORDS, ptr GIVE_WAY, i64 %threads)")
        self.together, self._parts = together, 0
        if not together:
            self._guard("icmp eq i64 %thread, 0")

    def _guard(self, condition: str) -> None:
        self._count += 1
        test, inside, self._after = self.name(), f"in{self._count}", f"out{self._count}"
        self.lines += [
            f"  {test} = {condition}",
            f"  br i1 {test}, label %{inside}, label %{self._after}",
            f"{inside}:",
        ]
        self.block = inside

    def _leave(self) -> None:
        if self._after:
            self.lines += [f"  br label %{self._after}", f"{self._after}:"]
            self.block, self._after = self._after, ""

    def part(self, lines: list[str], parts: int) -> None:
        """One of ``parts`` shards: neighbouring ones belong to one thread."""
        owner, scaled = self.name(), self.name()
        self.lines += [
            f"  {scaled} = mul i64 %threads, {self._parts}",
            f"  {owner} = udiv i64 {scaled}, {parts}",
        ]
        self._parts += 1
        self._guard(f"icmp eq i64 {owner}, %thread")
        self.lines += lines
        self._leave()

    def end(self) -> None:
        """The end of the step: all wait, since the next one begins with what this one made."""
        self._leave()
        self.lines.append("  call void @wait(ptr WORDS, ptr GIVE_WAY, i64 %threads)")

    def names(self, words: str, give_way: str) -> None:
        """Fill in where the barrier's words are, and the function that lets others run."""
        self.lines[:] = [line.replace("WORDS", words).replace("GIVE_WAY", give_way) for line in self.lines]
