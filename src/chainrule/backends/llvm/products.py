"""Products of matrices of which a batch is one: too few rows, columns or terms for what a BLAS prepares to pay.

A tile of the result, some rows by two vectors of columns, stays in registers while the terms of its sums go by: each term is
two vectors of ``b`` and a number of ``a`` for each row. ``b`` is copied, a panel of columns after the other, where it
stands the wrong way round or is large; ``a`` where it is large and many panels meet it.
Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.

Every number of the result is summed in the same order wherever its tile begins, so cutting the work changes no bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.backends.llvm.scalars import TYPES
from chainrule.backends.llvm.vectors import LANES, Part, Processor, Vectors
from chainrule.compiler.kernel import ProductKernel

__all__ = ["Tiling", "is_for_tiles", "product_function"]

#: Terms that are summed before the next ones are copied: a panel of them, and some rows of a, fit a first cache.
_TERMS = 400
#: Rows of a that are copied at a time: they fit a second cache.
_ROWS = 128
#: Numbers from which a factor is copied rather than read where it stands, and panels or tiles that must meet it.
_LARGE, _OFTEN = 1 << 13, 4
#: Numbers from which a result is fetched before it is changed.
_FAR = 1 << 19
#: With more rows, columns and terms than this, a BLAS does as well; with short vectors, with more multiplications.
_FEW, _SMALL = 512, 1 << 21


def is_for_tiles(kernel: ProductKernel, processor: Processor) -> bool:
    """Whether these tiles are faster than a BLAS (measured with OpenBLAS 0.3.31 on Zen 4, with AVX-512 and without)."""
    rows, columns, inner = kernel.rows, kernel.columns, kernel.inner
    wide = processor.lanes == LANES and min(rows, columns, inner) <= _FEW
    return wide or rows * columns * inner <= _SMALL


@dataclass(frozen=True)
class Tiling:
    """How a product is cut: tiles of ``high`` rows by ``wide`` columns, the terms in so many ``blocks``."""

    kernel: ProductKernel
    #: Numbers in a vector.
    lanes: int
    high: int
    wide: int
    blocks: int

    @classmethod
    def of(cls, kernel: ProductKernel, processor: Processor) -> Tiling:
        """What the registers hold: all sums of a tile, a term of b, and a number of a."""
        number = TYPES[kernel.out.aval.dtype]
        lanes = processor.lanes if number == "float" else processor.lanes // 2
        # Two vectors of columns, or all: where none are left over, there is half as much to compile.
        wide = kernel.columns if kernel.columns <= (processor.registers // 8) * lanes else 2 * lanes
        most = min((processor.registers - 2) // len(Part.of(wide, lanes, number)) - 1, lanes)
        high = kernel.rows if kernel.rows <= most else _height(kernel.rows, most)
        return cls(kernel, lanes, high, wide, -(-kernel.inner // _TERMS))

    @property
    def number(self) -> str:
        """The type of the numbers."""
        return TYPES[self.kernel.out.aval.dtype]

    @property
    def terms(self) -> int:
        """Terms of a block, whole squares if there are several."""
        terms, inner = -(-self.kernel.inner // self.blocks), self.kernel.inner
        return inner if self.blocks == 1 else -(-terms // self.lanes) * self.lanes

    @property
    def by_rows(self) -> bool:
        """Whether threads share the rows, as loops over them do, or the columns."""
        return 4 * self.kernel.rows > self.kernel.columns and self._tiles >= _OFTEN

    @property
    def rounds(self) -> int:
        """The rows of tiles, or the panels, that threads share."""
        return self._tiles if self.by_rows else self._panels

    @property
    def copies_a(self) -> bool:
        """Whether rows of a are copied in the order in which tiles read them."""
        return self.kernel.rows * self.kernel.inner > _LARGE and self._panels >= _OFTEN

    @property
    def copies_b(self) -> bool:
        """Whether panels of b are copied."""
        far = self.kernel.columns * self.kernel.inner > _LARGE and self._tiles >= _OFTEN
        return far or self.kernel.transpose_b

    @property
    def _tiles(self) -> int:
        return -(-self.kernel.rows // self.high)

    @property
    def _panels(self) -> int:
        return -(-self.kernel.columns // self.wide)


def _height(rows: int, most: int) -> int:
    """The rows of a tile: they divide quarters of all rows, which threads share, or all rows, or at least 16."""
    least = max(most // 3, min(most, 4))
    for whole in [rows // 4] * (rows % 4 == 0) + [rows]:
        for high in range(most, least - 1, -1):
            if whole % high == 0:
                return high
    return next(high for high in (8, 4, 2, 1) if high <= most)


def product_function(tiling: Tiling, declare: Callable[[str], None]) -> tuple[str, str]:
    """Parameters and text: rounds ``from`` to ``to`` of ``out = a @ b``, or of ``out += alpha * a @ b``."""
    parameters = f"(ptr noalias %out, ptr noalias %a, ptr noalias %b, {tiling.number} %alpha, i64 %from, i64 %to)"
    return parameters, _Product(tiling, declare).body()


class _Product(Vectors):
    def __init__(self, tiling: Tiling, declare: Callable[[str], None]) -> None:
        super().__init__(declare)
        self.tiling, self.kernel = tiling, tiling.kernel
        self.number, lanes = tiling.number, tiling.lanes
        room = -(-tiling.terms // lanes) * lanes
        #: Columns of a copied panel, and rows of a that are copied together.
        self.line = -(-tiling.wide // lanes) * lanes
        self.some = max(1, _ROWS // tiling.high) * tiling.high
        if tiling.copies_a:
            # Squares are written whole: beyond the last rows there is place for another one.
            self.rows_of_a = self.slot(
                f"[{self.some * room + (tiling.high + lanes) * lanes} x {self.number}], align 64"
            )
        if tiling.copies_b:
            self.panel_of_b = self.slot(f"[{room * self.line} x {self.number}], align 64")
        self._all_terms()

    # ---- walks

    def _all_terms(self) -> None:
        inner, terms = self.kernel.inner, self.tiling.terms
        if self.tiling.blocks == 1:
            self._all_rows("0", str(inner))
        else:
            self.loop(
                "0",
                str(inner),
                lambda k: self._all_rows(k, self.umin(self.sum((inner, 1), (k, -1)), str(terms))),
                terms,
            )

    def _all_rows(self, k: str, terms: str) -> None:
        start, end = self._share(self.tiling.by_rows, self.tiling.high, self.kernel.rows)
        if not self.tiling.copies_a:
            self._panels(start, end, k, terms)
            return

        def some(i: str) -> None:
            stop = self.umin(self.sum((i, 1), (self.some, 1)), end)
            self._pieces(
                i, stop, self.kernel.rows, self.tiling.high, lambda r, high: self._copy_rows(r, high, i, k, terms)
            )
            self._panels(i, stop, k, terms)

        self.loop(start, end, some, self.some)

    def _panels(self, start: str, end: str, k: str, terms: str) -> None:
        """All that rows ``start`` to ``end`` of a meet of b."""

        def panel(j: str, width: int) -> None:
            if self.tiling.copies_b:
                self._copy_panel(j, width, k, terms)
            self._pieces(
                start, end, self.kernel.rows, self.tiling.high,
                lambda i, high: self._tile((i, high), (j, width), (k, terms), start),
            )  # fmt: skip

        first, last = self._share(not self.tiling.by_rows, self.tiling.wide, self.kernel.columns)
        self._pieces(first, last, self.kernel.columns, self.tiling.wide, panel)

    def _share(self, shared: bool, size: int, total: int) -> tuple[str, str]:
        """What this call does of so many rows or columns: a part, or all."""
        if not shared:
            return "0", str(total)
        return self.sum(("%from", size)), self.umin(self.sum(("%to", size)), str(total))

    def _pieces(self, start: str, end: str, total: int, size: int, body: Callable[[str, int], None]) -> None:
        """``body(first, how many)`` for whole pieces, and for the rest of ``total`` if ``end`` is there."""
        whole, rest = total - total % size, total % size
        if whole:
            self.loop(start, self.umin(end, str(whole)) if rest else end, lambda i: body(i, size), size)
        if rest:
            self.when(self.set(f"icmp eq i64 {end}, {total}"), lambda: body(str(whole), rest))

    # ---- copies

    def _copy_panel(self, j: str, width: int, k: str, terms: str) -> None:
        """A panel of b, term by term."""
        columns, inner, line = self.kernel.columns, self.kernel.inner, self.line
        if self.kernel.transpose_b:
            for at in range(0, width, self.tiling.lanes):
                source = self.at(self.number, "%b", (j, inner), (at, inner), (k, 1))
                self._squares(source, inner, min(width - at, self.tiling.lanes), terms, (self.panel_of_b, at), line)
            return

        def term(n: str) -> None:
            source = self.at(self.number, "%b", (k, columns), (n, columns), (j, 1))
            for part in self._parts(width):
                numbers = self.take(self.at(self.number, source, (part.at, 1)), part, part.lanes)
                self.put(numbers, self.at(self.number, self.panel_of_b, (n, line), (part.at, 1)), part)
                if columns * inner > _FAR:
                    # The next panel's numbers, while tiles are made with these.
                    self.prefetch(self.at(self.number, source, (width + part.at, 1)), 0)

        self.loop("0", terms, term)

    def _copy_rows(self, i: str, high: int, first: str, k: str, terms: str) -> None:
        """The rows of one tile, term by term."""
        rows, inner = self.kernel.rows, self.kernel.inner
        target = self._copied(i, first)
        if not self.kernel.transpose_a:
            self._squares(self.at(self.number, "%a", (i, inner), (k, 1)), inner, high, terms, (target, 0), high)
            return

        def term(n: str) -> None:
            source = self.at(self.number, "%a", (k, rows), (n, rows), (i, 1))
            for part in self._parts(high):
                numbers = self.take(self.at(self.number, source, (part.at, 1)), part, part.lanes)
                self.put(numbers, self.at(self.number, target, (n, high), (part.at, 1)), part)

        self.loop("0", terms, term)

    def _squares(self, source: str, step: int, rows: int, terms: str, target: tuple[str, int], wide: int) -> None:
        """Rows that are ``step`` apart become columns of lines that are ``wide``; what is written beyond is written over."""

        def square(n: str) -> None:
            here = self.at(self.number, source, (n, 1))
            there = self.at(self.number, target[0], (n, wide), (target[1], 1))
            lanes = self.sum((terms, 1), (n, -1))
            self.transpose((here, step, rows, lanes), (there, wide), self.tiling.lanes, self.number)

        self.loop("0", terms, square, self.tiling.lanes)

    def _copied(self, i: str, first: str) -> str:
        """Where the copy of the tile's rows is that begins at row ``i``."""
        return self.at(self.number, self.rows_of_a, (self.sum((i, 1), (first, -1)), self.tiling.terms))

    def _parts(self, width: int) -> list[Part]:
        return Part.of(width, self.tiling.lanes, self.number)

    # ---- the tile

    def _tile(self, rows: tuple[str, int], columns: tuple[str, int], terms: tuple[str, str], first: str) -> None:
        """Some terms of the sums of a tile; each pair is where it begins, and how many."""
        (i, high), (j, width), (k, count) = rows, columns, terms
        kernel, tiling, number, parts = self.kernel, self.tiling, self.number, self._parts(width)
        if tiling.copies_a:
            a, row_step, a_step = self._copied(i, first), 1, high
        elif kernel.transpose_a:
            a, row_step, a_step = self.at(number, "%a", (k, kernel.rows), (i, 1)), 1, kernel.rows
        else:
            a, row_step, a_step = self.at(number, "%a", (i, kernel.inner), (k, 1)), kernel.inner, 1
        b, b_step = self.at(number, "%b", (k, kernel.columns), (j, 1)), kernel.columns
        if tiling.copies_b:
            b, b_step = self.panel_of_b, self.line

        out = self.at(number, "%out", (i, kernel.columns), (j, 1))
        places = [self.at(number, out, (r * kernel.columns + part.at, 1)) for r in range(high) for part in parts]
        if kernel.rows * kernel.columns > _FAR:
            for place in places:
                self.prefetch(place)

        def term(n: str, sums: list[str]) -> list[str]:
            here, there = self.at(number, a, (n, a_step)), self.at(number, b, (n, b_step))
            line = [
                self.take(self.at(number, there, (part.at, 1)), part, None if tiling.copies_b else part.lanes)
                for part in parts
            ]
            more = iter(sums)
            result = []
            for r in range(high):
                value = self.load(number, here, (r * row_step, 1))
                spread = {size: self.splat(number, value, size) for size in sorted({part.size for part in parts})}
                result += [
                    self.fma(spread[part.size], vector, next(more), part)
                    for part, vector in zip(parts, line, strict=True)
                ]
            return result

        sums = self.fold(count, [(part.kind, "zeroinitializer") for part in parts * high], term)
        for part, place, total in zip(parts * high, places, sums, strict=True):
            if tiling.blocks > 1 and kernel.start is None:
                total = self._added(total, place, part, k)
            self.finish(kernel.start is not None, total, place, part, part.lanes)

    def _added(self, total: str, place: str, part: Part, k: str) -> str:
        """A sum, and what the terms before these came to."""
        lanes = self.splat("i1", self.set(f"icmp ne i64 {k}, 0"), part.size)
        if part.lanes is not None:
            lanes = self.set(f"and <{part.size} x i1> {lanes}, {part.lanes}")
        return self.set(f"fadd {part.kind} {total}, {self.take(place, part, lanes)}")
