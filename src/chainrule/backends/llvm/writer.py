"""Writing LLVM's language: registers, blocks, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["AS_WRITTEN", "FINAL", "THOROUGH", "UNROLL", "WIDE", "Writer", "vectors_of"]

#: How the text of a module begins that is worth every effort of LLVM's, of one whose loops are to be unrolled, and of one that is
#: written with vectors, and in which LLVM has nothing to find.
THOROUGH, UNROLL, AS_WRITTEN = "; thoroughly\n", "; unroll loops\n", "; as written\n"
#: The attribute of a function that belongs in a module of that last kind, where there are several.
FINAL = '"final"'

#: The widest vectors there are: measured 15 to 30 % faster on exp, log and tanh than half as wide ones (Zen 4).
WIDE = '"prefer-vector-width"="512"'


def vectors_of(number: int) -> str:
    """The module's line that names the wish for vectors of so many rounds."""
    # A wish, no order: of an order that it cannot follow, LLVM complains on the terminal.
    return (
        f'!{number} = distinct !{{!{number}, !{{!"llvm.loop.vectorize.width", i32 {number}}}, '
        f'!{{!"llvm.loop.interleave.count", i32 1}}}}'
    )


class Writer:
    """The body of one function, line by line. ``block`` is where the next line goes."""

    def __init__(self) -> None:
        self.block = "entry"
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def body(self) -> str:
        """The whole body; memory on the stack is taken at its beginning."""
        return "\n".join(["entry:", *self._entry, *self._lines, "  ret void"])

    def set(self, text: str) -> str:
        """A new register with the value of an instruction."""
        self._count += 1
        self._lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def do(self, text: str) -> None:
        """An instruction without a value."""
        self._lines.append(f"  {text}")

    def slot(self, kind: str) -> str:
        """Room on the stack for one value; LLVM keeps it in a register."""
        self._count += 1
        self._entry.append(f"  %a{self._count} = alloca {kind}")
        return f"%a{self._count}"

    def label(self) -> str:
        """A name for a new block."""
        self._count += 1
        return f"b{self._count}"

    def begin(self, label: str) -> None:
        """What follows is in the block of that name."""
        self._lines.append(f"{label}:")
        self.block = label

    def sum(self, *terms: tuple[Any, Any]) -> str:
        """``sum(value * step)`` of whole numbers."""
        total = None
        for value, step in terms:
            term = str(value) if step == 1 else self.set(f"mul nsw i64 {value}, {step}")
            total = term if total is None else self.set(f"add nsw i64 {total}, {term}")
        return total or "0"

    def loop(self, start: str, end: str, body: Callable[[str], None], step: int = 1, vectors: int = 0) -> None:
        """``body(counter)`` from ``start`` to below ``end``; not at all where there is nothing between.

        ``vectors``: the number of rounds that LLVM is to do at once; it must be declared with ``vectors_of``.
        """
        head, inside, after = self.label(), self.label(), self.label()
        counter, before = f"%i{self._count}", self.block
        self.do(f"br label %{head}")
        # The latch's name is known only after the body.
        place = len(self._lines) + 1
        self.begin(head)
        self._lines.append("")
        self.do(f"{counter}.in = icmp ult i64 {counter}, {end}")
        self.do(f"br i1 {counter}.in, label %{inside}, label %{after}")
        self.begin(inside)
        body(counter)
        self.do(f"{counter}.next = add nuw nsw i64 {counter}, {step}")
        self._lines[place] = f"  {counter} = phi i64 [ {start}, %{before} ], [ {counter}.next, %{self.block} ]"
        self.do(f"br label %{head}{f', !llvm.loop !{vectors}' if vectors else ''}")
        self.begin(after)

    def fold(
        self, end: str, starts: list[tuple[str, str]], body: Callable[[str, list[str]], list[str]], step: int = 1
    ) -> list[str]:
        """``values = body(counter, values)`` from 0 to below ``end``, at least once; ``starts`` are (type, first value)."""
        head, after = self.label(), self.label()
        before, names = self.block, [f"%f{self._count}.{i}" for i in range(len(starts) + 1)]
        counter, *values = names
        self.do(f"br label %{head}")
        self.begin(head)
        place = len(self._lines)
        results = body(counter, values)
        following = self.set(f"add nuw nsw i64 {counter}, {step}")
        self._lines[place:place] = [
            f"  {name} = phi {kind} [ {start}, %{before} ], [ {result}, %{self.block} ]"
            for name, (kind, start), result in zip(names, [("i64", "0"), *starts], [following, *results], strict=True)
        ]
        self.do(f"br i1 {self.set(f'icmp ult i64 {following}, {end}')}, label %{head}, label %{after}")
        self.begin(after)
        return results

    def repeat(self, body: Callable[[], str]) -> None:
        """Once, and again as long as what the body returns is true."""
        again, after = self.label(), self.label()
        self.do(f"br label %{again}")
        self.begin(again)
        self.do(f"br i1 {body()}, label %{again}, label %{after}")
        self.begin(after)

    def when(self, condition: str, then: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        """One of two ways."""
        yes, no, after = self.label(), self.label(), self.label()
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")
        for label, body in ((yes, then), (no, otherwise)):
            self.begin(label)
            if body is not None:
                body()
            self.do(f"br label %{after}")
        self.begin(after)
