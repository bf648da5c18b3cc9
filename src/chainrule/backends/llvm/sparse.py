"""Products with data that holds many zeros: pictures, one-hot columns, counts of words.

``Nonzeros`` lists the numbers of each row that are not zero; a product with that data then goes through the lists instead of
through all numbers. Whether it pays is seen when it runs: data with few zeros goes to the BLAS.

A panel of the weights, ``BLOCK`` inputs by ``_VECTORS`` vectors of outputs, is what a core's first cache holds. Forward,
each panel is laid out input by input and meets all rows before the next one comes; backward, a panel of the gradient is
summed in the same layout and then written where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.scalars import literal
from chainrule.backends.llvm.writer import WIDE, Writer
from chainrule.compiler.kernel import BLOCK, Nonzeros, ProductKernel
from chainrule.core.aval import float32

__all__ = ["backward_function", "fill_function", "forward_function", "nonzeros_function"]

#: Numbers in a vector, and vectors of outputs in a panel.
_LANES, _VECTORS = 16, 4
_WIDTH = _LANES * _VECTORS

_FLOATS, _BITS, _WHOLES = f"<{_LANES} x float>", f"<{_LANES} x i1>", f"<{_LANES} x i32>"
_STEPS = f"<{', '.join(f'i32 {i}' for i in range(_LANES))}>"
_DECLARED = (
    f"declare {_FLOATS} @llvm.experimental.vector.compress.v16f32({_FLOATS}, {_BITS}, {_FLOATS})",
    f"declare {_WHOLES} @llvm.experimental.vector.compress.v16i32({_WHOLES}, {_BITS}, {_WHOLES})",
    "declare i16 @llvm.ctpop.i16(i16)",
    "declare i64 @llvm.umin.i64(i64, i64)",
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
)

#: Parameters that several functions have.
_LISTS = ("%places", "%values", "%starts")
_MORE = ", ptr %blas, float %alpha"

#: A function's parameters, and its text.
Function = tuple[str, str]


@dataclass(frozen=True)
class _Part:
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
    def of(cls, width: int) -> list[_Part]:
        """Whole vectors, and the smallest one that holds the rest."""
        rest = width % _LANES
        parts = [cls(at, _LANES, _LANES) for at in range(0, width - rest, _LANES)]
        return parts + [cls(width - rest, 4 if rest <= 4 else 8 if rest <= 8 else _LANES, rest)] * bool(rest)


_WHOLE = _Part(0, _LANES, _LANES)


class _Sparse(Writer):
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
        number = {_FLOATS: "float", _WHOLES: "i32"}.get(kind, kind)
        return self.set(f"getelementptr {number}, ptr {base}, i64 {self.sum(*terms)}")

    def clear(self, address: str, size: Any) -> None:
        """Zeros in so many bytes."""
        self.do(f"call void @llvm.memset.p0.i64(ptr {address}, i8 0, i64 {size}, i1 false)")

    def copy(self, target: str, source: str, size: Any) -> None:
        """So many bytes."""
        self.do(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    def splat(self, kind: str, value: str, size: int = _LANES) -> str:
        """A vector with the same number in all lanes."""
        vector = f"<{size} x {kind}>"
        first = self.set(f"insertelement {vector} poison, {kind} {value}, i64 0")
        return self.set(f"shufflevector {vector} {first}, {vector} poison, <{size} x i32> zeroinitializer")

    def below(self, count: str) -> str:
        """The lanes whose number is below a count."""
        few = self.set(f"trunc i64 {self.umin(count, str(_LANES))} to i32")
        return self.set(f"icmp ult {_WHOLES} {_STEPS}, {self.splat('i32', few)}")

    def umin(self, a: str, b: str) -> str:
        return self.set(f"call i64 @llvm.umin.i64(i64 {a}, i64 {b})")

    def take(self, address: str, part: _Part = _WHOLE, lanes: str | None = None) -> str:
        """A vector; where ``lanes`` are given, only those, and zeros."""
        if lanes is None:
            return self.set(f"load {part.kind}, ptr {address}, align 4")
        return self.set(
            f"call {part.kind} @llvm.masked.load.v{part.size}f32.p0"
            f"(ptr {address}, i32 4, <{part.size} x i1> {lanes}, {part.kind} zeroinitializer)"
        )

    def put(self, value: str, address: str, part: _Part = _WHOLE, lanes: str | None = None) -> None:
        """Store a vector, or some of its lanes."""
        if lanes is None:
            self.do(f"store {part.kind} {value}, ptr {address}, align 4")
        else:
            self.do(
                f"call void @llvm.masked.store.v{part.size}f32.p0"
                f"({part.kind} {value}, ptr {address}, i32 4, <{part.size} x i1> {lanes})"
            )

    def fma(self, a: str, b: str, c: str, part: _Part = _WHOLE) -> str:
        kind = part.kind
        return self.set(f"call {kind} @llvm.fma.v{part.size}f32({kind} {a}, {kind} {b}, {kind} {c})")

    def finish(self, adds: bool, total: str, address: str, part: _Part, lanes: str | None) -> None:
        """Store a total, or add ``alpha`` times it to what is there."""
        if adds:
            total = self.fma(self.splat("float", "%alpha", part.size), total, self.take(address, part, lanes), part)
        self.put(total, address, part, lanes)

    def transposed(self, rows: list[str]) -> list[str]:
        """A square of 16 x 16 numbers: blocks of 8, 4, 2 and 1 change places across its diagonal."""
        for d in (8, 4, 2, 1):
            upper = ", ".join(f"i32 {lane if not lane & d else _LANES + lane - d}" for lane in range(_LANES))
            lower = ", ".join(f"i32 {lane + d if not lane & d else _LANES + lane}" for lane in range(_LANES))
            new = list(rows)
            for i in range(_LANES):
                if not i & d:
                    pair = f"{_FLOATS} {rows[i]}, {_FLOATS} {rows[i + d]}"
                    new[i] = self.set(f"shufflevector {pair}, <{_LANES} x i32> <{upper}>")
                    new[i + d] = self.set(f"shufflevector {pair}, <{_LANES} x i32> <{lower}>")
            rows = new
        return rows


def nonzeros_function(
    kernel: Nonzeros, declare: Callable[[str], None], maker: str = "", names: Sequence[str] = ()
) -> Function:
    """For rows ``from`` to ``to``: places and values of what is not zero, and where each block of the row starts.

    ``maker`` is the function that makes a row; ``names`` are its pointers, which become parameters here but for ``%row``,
    where it writes. Without it the rows stand in ``x``. A row that was made is kept in ``x`` if half of its numbers or more
    are not zero.
    """
    w = _Sparse(declare)
    count, blocks, room = kernel.columns, kernel.blocks, kernel.room
    listed = w.slot("i64")
    made = w.slot(f"[{count} x float], align 64") if maker else ""

    def row(i: str) -> None:
        w.do(f"store i64 0, ptr {listed}")
        if made:
            arguments = ", ".join(f"ptr {made if name == '%row' else name}" for name in names)
            w.do(f"call void @{maker}({arguments}, i64 {i}, i64 {w.sum((i, 1), (1, 1))})")
        numbers = made or w.at("float", "%x", (i, count))
        w.loop("0", str(blocks), lambda b: block(i, b, numbers))
        n = w.set(f"load i64, ptr {listed}")
        w.do(f"store i32 {w.set(f'trunc i64 {n} to i32')}, ptr {w.at('i32', '%starts', (i, blocks + 1), (blocks, 1))}")
        if made:
            many = w.set(f"icmp uge i64 {n}, {count // 2}")
            w.when(many, lambda: w.copy(w.at("float", "%x", (i, count)), made, 4 * count))

    def block(i: str, b: str, numbers: str) -> None:
        start = w.set(f"trunc i64 {w.set(f'load i64, ptr {listed}')} to i32")
        w.do(f"store i32 {start}, ptr {w.at('i32', '%starts', (i, blocks + 1), (b, 1))}")
        first = w.set(f"mul i64 {b}, {BLOCK}")
        w.loop(first, w.umin(w.sum((first, 1), (BLOCK, 1)), str(count)), lambda k: chunk(i, k, numbers), _LANES)
        # A zero makes the number even: lists are read in pairs.
        n = w.set(f"load i64, ptr {listed}")
        place = w.set(f"trunc i64 {first} to i32")
        w.do(f"store i32 {place}, ptr {w.at('i32', '%places', (i, room), (n, 1))}")
        w.do(f"store float 0.0, ptr {w.at('float', '%values', (i, room), (n, 1))}")
        even = w.set(f"and i64 {w.sum((n, 1), (1, 1))}, -2")
        w.do(f"store i64 {even}, ptr {listed}")

    def chunk(i: str, k: str, numbers: str) -> None:
        lanes = w.below(w.set(f"sub i64 {count}, {k}")) if count % _LANES else None
        vector = w.take(w.at("float", numbers, (k, 1)), _WHOLE, lanes)
        some = w.set(f"fcmp une {_FLOATS} {vector}, zeroinitializer")
        bits = w.set(f"bitcast {_BITS} {some} to i16")
        w.when(w.set(f"icmp ne i16 {bits}, 0"), lambda: keep(i, k, vector, some, bits))

    def keep(i: str, k: str, numbers: str, some: str, bits: str) -> None:
        n = w.set(f"load i64, ptr {listed}")
        places = w.set(f"add {_WHOLES} {_STEPS}, {w.splat('i32', w.set(f'trunc i64 {k} to i32'))}")
        for kind, name, base, vector in (("f32", "float", "%values", numbers), ("i32", "i32", "%places", places)):
            whole = f"<{_LANES} x {name}>"
            kept = w.set(
                f"call {whole} @llvm.experimental.vector.compress.v16{kind}"
                f"({whole} {vector}, {_BITS} {some}, {whole} zeroinitializer)"
            )
            w.do(f"store {whole} {kept}, ptr {w.at(name, base, (i, room), (n, 1))}, align 4")
        more = w.set(f"zext i16 {w.set(f'call i16 @llvm.ctpop.i16(i16 {bits})')} to i64")
        w.do(f"store i64 {w.sum((n, 1), (more, 1))}, ptr {listed}")

    w.loop("%from", "%to", row)
    return _parameters("%x", *_LISTS, *(name for name in names if name != "%row")), w.body()


def _parameters(*pointers: str, more: str = "") -> str:
    return f"({', '.join(f'ptr noalias nocapture {name}' for name in pointers)}{more}, i64 %from, i64 %to)"


def fill_function(kernel: Nonzeros, declare: Callable[[str], None]) -> Function:
    """Rows ``from`` to ``to`` of ``x`` where the BLAS will want them: those that were not kept are made from their lists."""
    w = _Product(kernel, declare)
    count, blocks, room = kernel.columns, kernel.blocks, kernel.room

    def row(i: str) -> None:
        n = w.set(f"zext i32 {w.load('i32', '%starts', (i, blocks + 1), (blocks, 1))} to i64")
        w.when(w.set(f"icmp ult i64 {n}, {count // 2}"), lambda: make(i, n))

    def make(i: str, n: str) -> None:
        w.clear(w.at("float", "%x", (i, count)), str(4 * count))

        def one(number: str) -> None:
            place = w.set(f"zext i32 {w.load('i32', '%places', (i, room), (number, 1))} to i64")
            value = w.load("float", "%values", (i, room), (number, 1))
            w.when(
                w.set(f"fcmp une float {value}, 0.0"),
                lambda: w.do(f"store float {value}, ptr {w.at('float', '%x', (i, count), (place, 1))}"),
            )

        w.loop("0", n, one)

    w.choose(lambda: w.loop("%from", "%to", row), lambda: None)
    return _parameters("%x", *_LISTS), w.body()


class _Product(_Sparse):
    """What both directions share: the choice between lists and BLAS, and the walk over panels."""

    def __init__(self, lists: Nonzeros | None, declare: Callable[[str], None]) -> None:
        super().__init__(declare)
        assert lists is not None
        self.lists = lists
        self.rows, self.inputs = self.lists.rows, self.lists.columns
        self.panel = self.slot(f"[{BLOCK * _WIDTH} x float], align 64")

    def choose(self, dense: Callable[[], None], sparse: Callable[[], None]) -> None:
        """The BLAS where half of the numbers or more are not zero."""
        blocks = self.lists.blocks
        total = self.slot("i64")
        self.do(f"store i64 0, ptr {total}")

        def add(i: str) -> None:
            count = self.set(f"zext i32 {self.load('i32', '%starts', (i, blocks + 1), (blocks, 1))} to i64")
            self.do(f"store i64 {self.sum((self.set(f'load i64, ptr {total}'), 1), (count, 1))}, ptr {total}")

        self.loop("0", str(self.rows), add)
        many = self.set(f"icmp uge i64 {self.set(f'load i64, ptr {total}')}, {self.rows * self.inputs // 2}")
        self.when(many, dense, sparse)

    def size(self, number: str, integer: str) -> str:
        """A size as the BLAS takes it."""
        return number if integer == "i64" else self.set(f"trunc i64 {number} to {integer}")

    def blas(
        self, kernel: ProductKernel, integer: str, sizes: tuple[Any, Any, Any], a: str, lead_a: int, b: str, lead_b: int,
        out: str, lead: int,
    ) -> None:  # fmt: skip
        """The dense product."""
        adds = kernel.start is not None
        self.do(
            f"call void %blas(i32 101, i32 {112 if kernel.transpose_a else 111}, i32 {112 if kernel.transpose_b else 111}, "
            + "".join(f"{integer} {size}, " for size in sizes)
            + f"float {'%alpha' if adds else literal(1, float32)}, ptr {a}, {integer} {lead_a}, ptr {b}, {integer} {lead_b}, "
            + f"float {literal(int(adds), float32)}, ptr {out}, {integer} {lead})"
        )

    def panels(self, outputs: int, body: Callable[[str, int], None]) -> None:
        """``body(first output, number of outputs)`` for each panel's width."""
        whole, rest = divmod(outputs, _WIDTH)
        if whole:
            self.loop("0", str(whole * _WIDTH), lambda j: body(j, _WIDTH), _WIDTH)
        if rest:
            body(str(whole * _WIDTH), rest)

    def inputs_of(self, b: str) -> tuple[str, str]:
        """The first input of a block, and its end."""
        first = self.set(f"mul i64 {b}, {BLOCK}")
        return first, self.umin(self.sum((first, 1), (BLOCK, 1)), str(self.inputs))

    def in_panel(self, k: str, first: str, *terms: tuple[Any, Any]) -> str:
        """The address of input k's numbers in a panel that begins with input ``first``."""
        return self.at("float", self.panel, (k, _WIDTH), (first, -_WIDTH), *terms)

    def listed(self, i: str, b: str, body: Callable[[list[tuple[str, str]]], None]) -> None:
        """``body([(input, value), (input, value)])`` for all that is not zero in block b of row i, two at a time."""
        blocks, room = self.lists.blocks, self.lists.room
        start, end = (
            self.set(f"zext i32 {self.load('i32', '%starts', (i, blocks + 1), (b, 1), (more, 1))} to i64") for more in (0, 1)
        )  # fmt: skip
        row = self.set(f"mul i64 {i}, {room}")

        def pair(n: str) -> None:
            body([self._one(row, n, more) for more in (0, 1)])

        self.loop(start, end, pair, 2)

    def _one(self, row: str, n: str, more: int) -> tuple[str, str]:
        place = self.load("i32", "%places", (row, 1), (n, 1), (more, 1))
        return self.set(f"zext i32 {place} to i64"), self.load("float", "%values", (row, 1), (n, 1), (more, 1))


def _pack() -> str:
    """A square of 16 by 16 weights, transposed into a panel; of what lies outside there are copies and zeros."""
    w = _Sparse(lambda line: None)
    lanes, last = w.below("%lanes"), w.set("sub i64 %rows, 1")
    rows = [w.take(w.at("float", "%from", (w.umin(str(r), last), "%step")), _WHOLE, lanes) for r in range(_LANES)]
    for r, column in enumerate(w.transposed(rows)):
        w.put(column, w.at("float", "%to", (r * _WIDTH, 1)))
    return _internal("pack(ptr noalias %from, i64 %step, i64 %rows, i64 %lanes, ptr noalias %to)", w.body())


def _unpack(adds: bool) -> str:
    """A square of a panel, transposed to where it belongs."""
    w = _Sparse(lambda line: None)
    inside = w.below("%lanes")
    columns = [w.take(w.at("float", "%from", (r * _WIDTH, 1))) for r in range(_LANES)]
    for r, total in enumerate(w.transposed(columns)):
        meant = w.set(f"icmp ult i64 {r}, %rows")
        lanes = w.set(f"select i1 {meant}, {_BITS} {inside}, {_BITS} zeroinitializer")
        w.finish(adds, total, w.at("float", "%to", (r, "%step")), _WHOLE, lanes)
    name = f"unpack{'_add' * adds}"
    return _internal(
        f"{name}(ptr noalias %from, ptr noalias %to, i64 %step, i64 %rows, i64 %lanes, float %alpha)", w.body()
    )


def _internal(head: str, body: str) -> str:
    return f"define internal void @{head} noinline nounwind {WIDE} {{\n{body}\n}}"


def forward_function(kernel: ProductKernel, declare: Callable[[str], None], integer: str) -> Function:
    """Rows ``from`` to ``to`` of ``out = x @ w``, or of ``x @ w.T``; ``integer`` is the type of the BLAS's sizes."""
    w = _Product(kernel.nonzeros, declare)
    outputs, inputs = kernel.columns, w.inputs

    def dense() -> None:
        rows = w.size(w.set("sub i64 %to, %from"), integer)
        out, x = w.at("float", "%out", ("%from", outputs)), w.at("float", "%x", ("%from", inputs))
        w.blas(
            kernel,
            integer,
            (rows, outputs, inputs),
            x,
            inputs,
            "%w",
            inputs if kernel.transpose_b else outputs,
            out,
            outputs,
        )

    def sparse() -> None:
        size = w.set(f"mul i64 {w.set('sub i64 %to, %from')}, {4 * outputs}")
        w.clear(w.at("float", "%out", ("%from", outputs)), size)
        w.panels(outputs, lambda j, width: w.loop("0", str(w.lists.blocks), lambda b: meet(j, width, b)))

    def meet(j: str, width: int, b: str) -> None:
        first, end = w.inputs_of(b)
        lay_out(j, width, first, end)
        w.loop("%from", "%to", lambda i: row(i, j, width, b, first))

    def lay_out(j: str, width: int, first: str, end: str) -> None:
        def square(k: str) -> None:
            lanes = w.set(f"sub i64 {end}, {k}")
            for at in range(0, width, _LANES):
                weights, target = (
                    w.at("float", "%w", (j, inputs), (at * inputs, 1), (k, 1)),
                    w.in_panel(k, first, (at, 1)),
                )
                rows = min(width - at, _LANES)
                w.do(f"call void @pack(ptr {weights}, i64 {inputs}, i64 {rows}, i64 {lanes}, ptr {target})")

        def line(k: str) -> None:
            for part in _Part.of(width):
                numbers = w.take(w.at("float", "%w", (k, outputs), (j, 1), (part.at, 1)), part, part.lanes)
                w.put(numbers, w.in_panel(k, first, (part.at, 1)), part)

        if kernel.transpose_b:
            declare(_pack())
            w.loop(first, end, square, _LANES)
        else:
            w.loop(first, end, line)

    def row(i: str, j: str, width: int, b: str, first: str) -> None:
        parts = _Part.of(width)
        targets = [w.at("float", "%out", (i, outputs), (j, 1), (part.at, 1)) for part in parts]
        # Two sums side by side, so that one need not wait for the other.
        sums = [[w.slot(part.kind) for part in parts] for _ in range(2)]
        for part, target, one, other in zip(parts, targets, *sums, strict=True):
            w.put(w.take(target, part, part.lanes), one, part)
            w.do(f"store {part.kind} zeroinitializer, ptr {other}")

        def add(pair: list[tuple[str, str]]) -> None:
            for (k, value), slots in zip(pair, sums, strict=True):
                for part, slot in zip(parts, slots, strict=True):
                    weight = w.take(w.in_panel(k, first, (part.at, 1)), part)
                    w.put(w.fma(w.splat("float", value, part.size), weight, w.take(slot, part), part), slot, part)

        w.listed(i, b, add)
        for part, target, one, other in zip(parts, targets, *sums, strict=True):
            total = w.set(f"fadd {part.kind} {w.take(one, part)}, {w.take(other, part)}")
            w.put(total, target, part, part.lanes)

    w.choose(dense, sparse)
    return _parameters("%out", "%x", "%w", *_LISTS, more=_MORE), w.body()


def backward_function(kernel: ProductKernel, declare: Callable[[str], None], integer: str) -> Function:
    """Blocks ``from`` to ``to`` of the inputs of ``out = g.T @ x`` or ``x.T @ g``.

    Where the kernel has a start, it stands in ``out`` already, and ``alpha`` times the product is added.
    """
    w = _Product(kernel.nonzeros, declare)
    inputs, adds = w.inputs, kernel.start is not None
    by_outputs = w.lists.x is kernel.b  # whether a row of the result is an output rather than an input
    outputs = kernel.rows if by_outputs else kernel.columns

    def dense() -> None:
        first = w.set(f"mul i64 %from, {BLOCK}")
        end = w.umin(w.set(f"mul i64 %to, {BLOCK}"), str(inputs))
        out, x = w.at("float", "%out", (first, 1 if by_outputs else outputs)), w.at("float", "%x", (first, 1))
        some = w.size(w.set(f"sub i64 {end}, {first}"), integer)
        if by_outputs:
            w.blas(kernel, integer, (outputs, some, w.rows), "%g", outputs, x, inputs, out, inputs)
        else:
            w.blas(kernel, integer, (some, outputs, w.rows), x, inputs, "%g", outputs, out, outputs)

    def sparse() -> None:
        w.panels(outputs, lambda j, width: w.loop("%from", "%to", lambda b: gather(j, width, b)))

    def gather(j: str, width: int, b: str) -> None:
        first, end = w.inputs_of(b)
        w.clear(w.panel, 4 * BLOCK * _WIDTH)
        w.loop("0", str(w.rows), lambda i: row(i, j, width, b, first))
        if by_outputs:
            w.loop(first, end, lambda k: square(k, j, width, first, end), _LANES)
        else:
            w.loop(first, end, lambda k: line(k, j, width, first))

    def row(i: str, j: str, width: int, b: str, first: str) -> None:
        parts = _Part.of(width)
        given = [w.take(w.at("float", "%g", (i, outputs), (j, 1), (part.at, 1)), part, part.lanes) for part in parts]

        def add(pair: list[tuple[str, str]]) -> None:
            for k, value in pair:
                for part, g in zip(parts, given, strict=True):
                    place = w.in_panel(k, first, (part.at, 1))
                    w.put(w.fma(w.splat("float", value, part.size), g, w.take(place, part), part), place, part)

        w.listed(i, b, add)

    def square(k: str, j: str, width: int, first: str, end: str) -> None:
        declare(_unpack(adds))
        lanes = w.set(f"sub i64 {end}, {k}")
        for at in range(0, width, _LANES):
            panel, target = w.in_panel(k, first, (at, 1)), w.at("float", "%out", (j, inputs), (at * inputs, 1), (k, 1))
            sizes = f"i64 {inputs}, i64 {min(width - at, _LANES)}, i64 {lanes}"
            w.do(f"call void @unpack{'_add' * adds}(ptr {panel}, ptr {target}, {sizes}, float %alpha)")

    def line(k: str, j: str, width: int, first: str) -> None:
        for part in _Part.of(width):
            total = w.take(w.in_panel(k, first, (part.at, 1)), part)
            w.finish(adds, total, w.at("float", "%out", (k, outputs), (j, 1), (part.at, 1)), part, part.lanes)

    w.choose(dense, sparse)
    return _parameters("%out", "%x", "%g", *_LISTS, more=_MORE), w.body()
