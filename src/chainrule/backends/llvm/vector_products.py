"""Products of a matrix and a vector as loops that read and write less.

Where rows are summed, some are summed side by side: a number of the vector is loaded once for all of them, and no sum waits for
itself. Where rows are added up, some are added at once: a sum in memory is loaded and stored once for all of them.
"""

from __future__ import annotations

from chainrule.backends.llvm.loops import LoopFunction
from chainrule.backends.llvm.scalars import TYPES, Register
from chainrule.compiler.kernel import Apply, Kernel, Load, LoopKernel, Reduce

__all__ = ["VectorProduct", "is_vector_product"]

#: Rows that are summed side by side, and rows that are added at once.
_SUMMED, _ADDED = 4, 8
#: Numbers in a row from which this is worth it.
_LONG = 16


def is_vector_product(kernel: Kernel) -> bool:
    """Whether a kernel only sums products of two numbers, of which one is the same in all rows, or all along a row."""
    if not isinstance(kernel, LoopKernel) or len(kernel.body) != 1:
        return False
    (r,), loops = kernel.body, [d for d, length in enumerate(kernel.dims) if length != 1]
    if not isinstance(r, Reduce) or (r.kind, r.divide) != ("sum", 1) or len(loops) < 2:
        return False
    product = r.value
    factors = product.inputs if isinstance(product, Apply) and product.name == "multiply" else ()
    places = [factor.at for factor in factors if isinstance(factor, Load) and not factor.at.values]
    summed, added = kernel.reduced == (loops[-1],), kernel.reduced == (loops[0],)
    rows, same = (loops[-2], loops[-2]) if summed else (loops[0], loops[-1])
    return (
        (summed or added)
        and kernel.dims[rows] >= _SUMMED
        and kernel.dims[loops[-1]] >= _LONG
        and r.buffer.aval.floating
        and len(places) == 2
        and any(not at.steps[same] for at in places)
    )


class VectorProduct(LoopFunction):
    """Emits such a kernel."""

    def _nest(self) -> None:
        dims = list(self.kernel.dims)
        (r,) = self.kernel.body
        assert isinstance(r, Reduce)
        if self.kernel.reduced == (0,):
            self._add(dims, r)
        else:
            self._loops(dims[:-2], lambda: self._sum(dims, r))

    def _sum(self, dims: list[int], r: Reduce) -> None:
        start, end = ("%from", "%to") if self.shared and len(dims) == 2 else ("0", str(dims[-2]))
        last = self.set(f"sub i64 {end}, 1")
        self._declare("declare i64 @llvm.umin.i64(i64, i64)")

        def some(first: str) -> None:
            # Beyond the end the last row is summed again: all go the same way, so the bits do not depend on where a part ends.
            following = self._following(first, _SUMMED)
            self._sums(r, [self.set(f"call i64 @llvm.umin.i64(i64 {row}, i64 {last})") for row in following])

        self.loop(start, end, some, _SUMMED)

    def _sums(self, r: Reduce, rows: list[str]) -> None:
        depth = len(self._counters)
        slots = [self._accumulators(r) for _ in rows]
        for ((slot, start),) in slots:
            self.do(f"store {TYPES[start.dtype]} {start}, ptr {slot}")

        def term(n: str) -> None:
            for row, own in zip(rows, slots, strict=True):
                self._counters[depth:] = [row, n]
                self._made.clear()
                self._accumulate(r, own)

        self.loop("0", str(self.kernel.dims[-1]), term)
        for row, ((slot, start),) in zip(rows, slots, strict=True):
            self._counters[depth:] = [row, "0"]
            total = self.set(f"load {TYPES[start.dtype]}, ptr {slot}")
            self._write(r.buffer, r.at, Register(total, start.dtype))
        del self._counters[depth:]

    def _add(self, dims: list[int], r: Reduce) -> None:
        zero = self._start(r.kind, r.buffer.aval.dtype)
        self._loops([1, *dims[1:]], lambda: self._write(r.buffer, r.at, zero))
        middle = dims[0] - dims[0] % _ADDED
        self.loop("0", str(middle), lambda row: self._added(dims, r, self._following(row, _ADDED)), _ADDED)
        self.loop(str(middle), str(dims[0]), lambda row: self._added(dims, r, [row]))

    def _added(self, dims: list[int], r: Reduce, rows: list[str]) -> None:
        def add() -> None:
            total: Register | None = None
            for row in rows:
                self._counters[0] = row
                self._made.clear()
                value = self._value(r.value)
                total = value if total is None else self._combine(r, total, value)
            assert total is not None
            at = self._address(r.buffer, r.at)
            # An addition that LLVM may not rearrange: what is in memory is added last, so that the next rows wait only for that.
            self._put(r.buffer, at, self._scalars.add(self._read(r.buffer, at), total))

        self._counters.append(rows[0])
        self._loops(dims[1:], add)
        self._counters.clear()

    def _following(self, first: str, number: int) -> list[str]:
        """A counter and those after it."""
        return [first, *(self.set(f"add nuw nsw i64 {first}, {n}") for n in range(1, number))]
