"""Writing with vectors of 16 numbers: parts of them, masks, squares that are transposed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.writer import Writer

__all__ = ["BITS", "FLOATS", "LANES", "STEPS", "WHOLE", "WHOLES", "Part", "Vectors"]

#: Numbers in a vector.
LANES = 16

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

    @property
    def kind(self) -> str:
        return f"<{self.size} x float>"

    @property
    def lanes(self) -> str | None:
        """The lanes that are meant; None for all."""
        if self.used == self.size:
            return None
        return f"<{', '.join(f'i1 {str(lane < self.used).lower()}' for lane in range(self.size))}>"

    @classmethod
    def of(cls, width: int) -> list[Part]:
        """Whole vectors, and the smallest one that holds the rest."""
        rest = width % LANES
        parts = [cls(at, LANES, LANES) for at in range(0, width - rest, LANES)]
        return parts + [cls(width - rest, 4 if rest <= 4 else 8 if rest <= 8 else LANES, rest)] * bool(rest)


WHOLE = Part(0, LANES, LANES)


class Vectors(Writer):
    """A writer that knows the vectors of this file."""

    def __init__(self, declare: Callable[[str], None]) -> None:
        super().__init__()
        for line in _DECLARED:
            declare(line)
        for n in (4, 8, 16):
            kind, bits = f"<{n} x float>", f"<{n} x i1>"
            declare(f"declare {kind} @llvm.masked.load.v{n}f32.p0(ptr, i32 immarg, {bits}, {kind})")
            declare(f"declare void @llvm.masked.store.v{n}f32.p0({kind}, ptr, i32 immarg, {bits})")
            declare(f"declare {kind} @llvm.fma.v{n}f32({kind}, {kind}, {kind})")

    def load(self, kind: str, base: str, *terms: tuple[Any, Any]) -> str:
        return self.set(f"load {kind}, ptr {self.at(kind, base, *terms)}, align 4")

    def at(self, kind: str, base: str, *terms: tuple[Any, Any]) -> str:
        """The address of number ``sum(value * step)`` of an array of numbers."""
        number = {FLOATS: "float", WHOLES: "i32"}.get(kind, kind)
        return self.set(f"getelementptr {number}, ptr {base}, i64 {self.sum(*terms)}")

    def clear(self, address: str, size: Any) -> None:
        """Zeros in so many bytes."""
        self.do(f"call void @llvm.memset.p0.i64(ptr {address}, i8 0, i64 {size}, i1 false)")

    def copy(self, target: str, source: str, size: Any) -> None:
        """So many bytes."""
        self.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    def splat(self, kind: str, value: str, size: int = LANES) -> str:
        """A vector with the same number in all lanes."""
        vector = f"<{size} x {kind}>"
        first = self.set(f"insertelement {vector} poison, {kind} {value}, i64 0")
        return self.set(f"shufflevector {vector} {first}, {vector} poison, <{size} x i32> zeroinitializer")

    def below(self, count: str) -> str:
        """The lanes whose number is below a count."""
        few = self.set(f"trunc i64 {self.umin(count, str(LANES))} to i32")
        return self.set(f"icmp ult {WHOLES} {STEPS}, {self.splat('i32', few)}")

    def umin(self, a: str, b: str) -> str:
        return self.set(f"call i64 @llvm.umin.i64(i64 {a}, i64 {b})")

    def take(self, address: str, part: Part = WHOLE, lanes: str | None = None) -> str:
        """A vector; where ``lanes`` are given, only those, and zeros."""
        if lanes is None:
            return self.set(f"load {part.kind}, ptr {address}, align 4")
        return self.set(
            f"call {part.kind} @llvm.masked.load.v{part.size}f32.p0"
            f"(ptr {address}, i32 4, <{part.size} x i1> {lanes}, {part.kind} zeroinitializer)"
        )

    def put(self, value: str, address: str, part: Part = WHOLE, lanes: str | None = None) -> None:
        """Store a vector, or some of its lanes."""
        if lanes is None:
            self.do(f"store {part.kind} {value}, ptr {address}, align 4")
        else:
            self.do(
                f"call void @llvm.masked.store.v{part.size}f32.p0"
                f"({part.kind} {value}, ptr {address}, i32 4, <{part.size} x i1> {lanes})"
            )

    def fma(self, a: str, b: str, c: str, part: Part = WHOLE) -> str:
        kind = part.kind
        return self.set(f"call {kind} @llvm.fma.v{part.size}f32({kind} {a}, {kind} {b}, {kind} {c})")

    def finish(self, adds: bool, total: str, address: str, part: Part, lanes: str | None) -> None:
        """Store a total, or add ``alpha`` times it to what is there."""
        if adds:
            total = self.fma(self.splat("float", "%alpha", part.size), total, self.take(address, part, lanes), part)
        self.put(total, address, part, lanes)

    def transposed(self, rows: list[str]) -> list[str]:
        """A square of 16 x 16 numbers: blocks of 8, 4, 2 and 1 change places across its diagonal."""
        for d in (8, 4, 2, 1):
            upper = ", ".join(f"i32 {lane if not lane & d else LANES + lane - d}" for lane in range(LANES))
            lower = ", ".join(f"i32 {lane + d if not lane & d else LANES + lane}" for lane in range(LANES))
            new = list(rows)
            for i in range(LANES):
                if not i & d:
                    pair = f"{FLOATS} {rows[i]}, {FLOATS} {rows[i + d]}"
                    new[i] = self.set(f"shufflevector {pair}, <{LANES} x i32> <{upper}>")
                    new[i + d] = self.set(f"shufflevector {pair}, <{LANES} x i32> <{lower}>")
            rows = new
        return rows
