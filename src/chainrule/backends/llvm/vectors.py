"""Writing with vectors of 16 numbers: parts of them, masks, squares that are transposed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.writer import FINAL, WIDE, Writer

__all__ = ["BITS", "FLOATS", "LANES", "STEPS", "WHOLE", "WHOLES", "Part", "Processor", "Vectors"]

#: Numbers in a vector.
LANES = 16


@dataclass(frozen=True)
class Processor:
    """What the text of a program depends on: LLVM writes any vectors for any processor, but not equally well.

    ``lanes`` are the float32 in a vector register; ``compress``: an instruction moves chosen lanes together.
    """

    lanes: int = LANES
    registers: int = 32
    compress: bool = True

    @classmethod
    def of(cls, has_feature: Callable[[str], bool]) -> Processor:
        """By what LLVM calls its extensions."""
        if has_feature("avx512f"):
            return cls()
        if has_feature("avx"):
            return cls(8, 16, False)
        return cls(4, 32 if has_feature("neon") else 16, False)


FLOATS, BITS, WHOLES = f"<{LANES} x float>", f"<{LANES} x i1>", f"<{LANES} x i32>"
STEPS = f"<{', '.join(f'i32 {i}' for i in range(LANES))}>"
_DECLARED = (
    "declare i64 @llvm.umin.i64(i64, i64)",
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
)


@dataclass(frozen=True)
class Part:
    """One vector of a panel's width: where it begins, how many numbers it holds, and how many of those are meant."""

    at: int
    size: int
    used: int
    number: str = "float"

    @property
    def kind(self) -> str:
        return f"<{self.size} x {self.number}>"

    @property
    def name(self) -> str:
        """As it stands in the names of LLVM's functions."""
        return f"v{self.size}f{32 if self.number == 'float' else 64}"

    @property
    def lanes(self) -> str | None:
        """The lanes that are meant; None for all."""
        if self.used == self.size:
            return None
        return f"<{', '.join(f'i1 {str(lane < self.used).lower()}' for lane in range(self.size))}>"

    @classmethod
    def of(cls, width: int, lanes: int = LANES, number: str = "float") -> list[Part]:
        """Whole vectors, and the smallest one that holds the rest."""
        rest = width % lanes
        parts = [cls(at, lanes, lanes, number) for at in range(0, width - rest, lanes)]
        size = next(n for n in (2, 4, 8, 16) if n >= rest and (n > 2 or number != "float"))
        return parts + [cls(width - rest, size, rest, number)] * bool(rest)


WHOLE = Part(0, LANES, LANES)


class Vectors(Writer):
    """A writer that knows the vectors of this file."""

    def __init__(self, declare: Callable[[str], None]) -> None:
        super().__init__()
        for line in _DECLARED:
            declare(line)
        self.declare = declare

    def load(self, kind: str, base: str, *terms: tuple[Any, Any]) -> str:
        return self.set(f"load {kind}, ptr {self.at(kind, base, *terms)}, align 4")

    def at(self, kind: str, base: str, *terms: tuple[Any, Any]) -> str:
        """The address of number ``sum(value * step)`` of an array of numbers."""
        number = {FLOATS: "float", WHOLES: "i32"}.get(kind, kind)
        return self.set(f"getelementptr {number}, ptr {base}, i64 {self.sum(*terms)}")

    def clear(self, address: str, size: Any) -> None:
        """Zeros in so many bytes."""
        self.do(f"call void @llvm.memset.p0.i64(ptr {address}, i8 0, i64 {size}, i1 false)")

    def prefetch(self, address: str, writes: int = 1) -> None:
        """Fetch what is going to be needed; what is there no more is no error."""
        self.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.do(f"call void @llvm.prefetch.p0(ptr {address}, i32 {writes}, i32 3, i32 1)")

    def copy(self, target: str, source: str, size: Any) -> None:
        """So many bytes."""
        self.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    def splat(self, kind: str, value: str, size: int = LANES) -> str:
        """A vector with the same number in all lanes."""
        vector = f"<{size} x {kind}>"
        first = self.set(f"insertelement {vector} poison, {kind} {value}, i64 0")
        return self.set(f"shufflevector {vector} {first}, {vector} poison, <{size} x i32> zeroinitializer")

    def below(self, count: str, size: int = LANES) -> str:
        """The lanes whose number is below a count."""
        few = self.set(f"trunc i64 {self.umin(count, str(size))} to i32")
        steps = f"<{', '.join(f'i32 {i}' for i in range(size))}>"
        return self.set(f"icmp ult <{size} x i32> {steps}, {self.splat('i32', few, size)}")

    def umin(self, a: str, b: str) -> str:
        return self.set(f"call i64 @llvm.umin.i64(i64 {a}, i64 {b})")

    def take(self, address: str, part: Part = WHOLE, lanes: str | None = None) -> str:
        """A vector; where ``lanes`` are given, only those, and zeros."""
        if lanes is None:
            return self.set(f"load {part.kind}, ptr {address}, align 4")
        function, bits = f"@llvm.masked.load.{part.name}.p0", f"<{part.size} x i1>"
        self.declare(f"declare {part.kind} {function}(ptr, i32 immarg, {bits}, {part.kind})")
        return self.set(
            f"call {part.kind} {function}(ptr {address}, i32 4, {bits} {lanes}, {part.kind} zeroinitializer)"
        )

    def put(self, value: str, address: str, part: Part = WHOLE, lanes: str | None = None) -> None:
        """Store a vector, or some of its lanes."""
        if lanes is None:
            self.do(f"store {part.kind} {value}, ptr {address}, align 4")
        else:
            function, bits = f"@llvm.masked.store.{part.name}.p0", f"<{part.size} x i1>"
            self.declare(f"declare void {function}({part.kind}, ptr, i32 immarg, {bits})")
            self.do(f"call void {function}({part.kind} {value}, ptr {address}, i32 4, {bits} {lanes})")

    def fma(self, a: str, b: str, c: str, part: Part = WHOLE) -> str:
        kind, function = part.kind, f"@llvm.fma.{part.name}"
        self.declare(f"declare {kind} {function}({kind}, {kind}, {kind})")
        return self.set(f"call {kind} {function}({kind} {a}, {kind} {b}, {kind} {c})")

    def finish(self, adds: bool, total: str, address: str, part: Part, lanes: str | None) -> None:
        """Store a total, or add ``alpha`` times it to what is there."""
        if adds:
            total = self.fma(self.splat(part.number, "%alpha", part.size), total, self.take(address, part, lanes), part)
        self.put(total, address, part, lanes)

    def transposed(self, rows: list[str], number: str = "float") -> list[str]:
        """A square of n x n numbers: blocks of n / 2, ..., 2 and 1 change places across its diagonal."""
        n = len(rows)
        kind, d = f"<{n} x {number}>", n // 2
        while d:
            upper = ", ".join(f"i32 {lane if not lane & d else n + lane - d}" for lane in range(n))
            lower = ", ".join(f"i32 {lane + d if not lane & d else n + lane}" for lane in range(n))
            new = list(rows)
            for i in range(n):
                if not i & d:
                    pair = f"{kind} {rows[i]}, {kind} {rows[i + d]}"
                    new[i] = self.set(f"shufflevector {pair}, <{n} x i32> <{upper}>")
                    new[i + d] = self.set(f"shufflevector {pair}, <{n} x i32> <{lower}>")
            rows, d = new, d // 2
        return rows

    def transpose(
        self, source: tuple[str, int, int, str], target: tuple[str, int], size: int = LANES, number: str = "float"
    ) -> None:
        """A square of ``size`` numbers: rows become columns.

        ``source``: where it begins, how far its rows are apart, how many rows and lanes are there; ``target``: where it goes, and
        how far lines are apart. Of rows that are not there, copies are written; of lanes, zeros.
        """
        name, needed = _square(size, number)
        for line in needed:
            self.declare(line)
        (begin, step, rows, lanes), (end, wide) = source, target
        self.do(f"call void @{name}(ptr {begin}, i64 {step}, i64 {rows}, i64 {lanes}, ptr {end}, i64 {wide})")


@functools.cache
def _square(size: int, number: str) -> tuple[str, tuple[str, ...]]:
    """The name of a function that transposes, and what must be declared for it, with itself."""
    declared: dict[str, None] = {}
    w = Vectors(lambda line: declared.update({line: None}))
    whole, some = Part(0, size, size, number), w.below("%lanes", size)
    last = w.sum(("%rows", 1), (-1, 1))
    rows = [w.take(w.at(number, "%from", (w.umin(str(r), last), "%step")), whole, some) for r in range(size)]
    for r, column in enumerate(w.transposed(rows, number)):
        w.put(column, w.at(number, "%to", (r, "%wide")), whole)
    name = f"pack_{size}_{number}"
    parameters = "ptr noalias %from, i64 %step, i64 %rows, i64 %lanes, ptr noalias %to, i64 %wide"
    head = f"define internal void @{name}({parameters}) noinline nounwind {FINAL} {WIDE}"
    return name, (*declared, f"{head} {{\n{w.body()}\n}}")
