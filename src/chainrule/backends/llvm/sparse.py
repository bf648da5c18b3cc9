"""Products with data that holds many zeros: pictures, one-hot columns, counts of words.

``Nonzeros`` lists the numbers of each row that are not zero; a product with that data then goes through the lists instead of
through all numbers. Whether it pays is seen when it runs: data with few zeros meets the weights in dense tiles.

A panel of the weights, ``BLOCK`` inputs by ``_WIDTH`` outputs, is what a core's first cache holds. Forward,
each panel is laid out input by input and meets all rows before the next one comes; backward, a panel of the gradient is
summed in the same layout and then written where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chainrule.backends.llvm.vectors import BITS, FLOATS, LANES, STEPS, WHOLE, WHOLES, Part, Vectors
from chainrule.backends.llvm.writer import FINAL, WIDE
from chainrule.compiler.kernel import BLOCK, Nonzeros, ProductKernel

__all__ = ["backward_function", "fill_function", "forward_function", "nonzeros_function"]

#: Outputs in a panel: four vectors.
_WIDTH = 4 * LANES

#: Rows that are searched before data counts as full, and the length of the lists of those that are not searched then.
_TRIED, _MANY = 8, 1 << 30

#: Parameters that several functions have.
_LISTS = ("%places", "%values", "%starts")
_ALPHA = ", float %alpha"

#: A function's parameters, and its text.
Function = tuple[str, str]


class _Lists(Vectors):
    """A writer that knows where the lists of a matrix are."""

    def __init__(self, lists: Nonzeros, declare: Callable[[str], None]) -> None:
        super().__init__(declare)
        self.lists = lists
        self.rows, self.inputs = lists.rows, lists.columns

    def start_at(self, i: str, *b: tuple[Any, Any]) -> str:
        """The address of where block b of row i starts; that of the block behind the last holds the list's length."""
        return self.at("i32", "%starts", (i, self.lists.blocks + 1), *b)

    def start(self, i: str, b: Any, more: int = 0) -> str:
        """Where block ``b + more`` of row i starts in the row's list."""
        return self.set(f"zext i32 {self.set(f'load i32, ptr {self.start_at(i, (b, 1), (more, 1))}, align 4')} to i64")

    def entry(self, row: str, n: str, more: int = 0) -> tuple[str, str]:
        """Column and value of entry ``n + more`` of the row whose list begins at ``row``."""
        place = self.load("i32", "%places", (row, 1), (n, 1), (more, 1))
        return self.set(f"zext i32 {place} to i64"), self.load("float", "%values", (row, 1), (n, 1), (more, 1))

    def inputs_of(self, b: str) -> tuple[str, str]:
        """The first input of a block, and its end."""
        first = self.set(f"mul i64 {b}, {BLOCK}")
        return first, self.umin(self.sum((first, 1), (BLOCK, 1)), str(self.inputs))

    def choose(self, dense: Callable[[], None], sparse: Callable[[], None]) -> None:
        """The dense way where half of the numbers or more are not zero."""
        total = self.slot("i64")
        self.do(f"store i64 0, ptr {total}")

        def add(i: str) -> None:
            before = self.set(f"load i64, ptr {total}")
            self.do(f"store i64 {self.sum((before, 1), (self.start(i, self.lists.blocks), 1))}, ptr {total}")

        self.loop("0", str(self.rows), add)
        many = self.set(f"icmp uge i64 {self.set(f'load i64, ptr {total}')}, {self.rows * self.inputs // 2}")
        self.when(many, dense, sparse)


def nonzeros_function(
    kernel: Nonzeros, declare: Callable[[str], None], compress: bool, maker: str = "", names: Sequence[str] = ()
) -> Function:
    """For rows ``from`` to ``to``: places and values of what is not zero, and where each block of the row starts.

    ``compress``: whether the processor moves chosen lanes together by one instruction; LLVM's substitute for it is slow, or
    fails. ``maker`` is the function that makes a row; ``names`` are its pointers, which become parameters here but for ``%row``,
    where it writes. Without it the rows stand in ``x``. A row that was made is kept in ``x`` if half of its numbers or more
    are not zero. Once the rows before were like that, those that follow are not searched: ``_MANY`` says so.
    """
    w = _Lists(kernel, declare)
    count, blocks, room = kernel.columns, kernel.blocks, kernel.room
    listed, found = w.slot("i64"), w.slot("i64")
    made = w.slot(f"[{count} x float], align 64") if maker else ""

    def row(i: str) -> None:
        so_far, gone = w.set(f"load i64, ptr {found}"), w.sum((i, 1), ("%from", -1))
        many = w.set(f"icmp uge i64 {so_far}, {w.sum((gone, count // 2))}")
        enough = w.set(f"icmp uge i64 {gone}, {_TRIED}")
        w.when(w.set(f"and i1 {many}, {enough}"), lambda: leave(i), lambda: search(i))

    def leave(i: str) -> None:
        make(i, w.at("float", "%x", (i, count)))
        w.do(f"store i32 {_MANY}, ptr {w.start_at(i, (blocks, 1))}")

    def make(i: str, target: str) -> None:
        if made:
            arguments = ", ".join(f"ptr {target if name == '%row' else name}" for name in names)
            w.do(f"call void @{maker}({arguments}, i64 {i}, i64 {w.sum((i, 1), (1, 1))})")

    def search(i: str) -> None:
        w.do(f"store i64 0, ptr {listed}")
        make(i, made)
        numbers = made or w.at("float", "%x", (i, count))
        w.loop("0", str(blocks), lambda b: block(i, b, numbers))
        n = w.set(f"load i64, ptr {listed}")
        w.do(f"store i64 {w.sum((w.set(f'load i64, ptr {found}'), 1), (n, 1))}, ptr {found}")
        w.do(f"store i32 {w.set(f'trunc i64 {n} to i32')}, ptr {w.start_at(i, (blocks, 1))}")
        if made:
            many = w.set(f"icmp uge i64 {n}, {count // 2}")
            w.when(many, lambda: w.copy(w.at("float", "%x", (i, count)), made, 4 * count))

    def block(i: str, b: str, numbers: str) -> None:
        start = w.set(f"trunc i64 {w.set(f'load i64, ptr {listed}')} to i32")
        w.do(f"store i32 {start}, ptr {w.start_at(i, (b, 1))}")
        first, end = w.inputs_of(b)
        w.loop(first, end, lambda k: chunk(i, k, numbers), LANES)
        # A zero makes the number even: lists are read in pairs.
        n = w.set(f"load i64, ptr {listed}")
        place = w.set(f"trunc i64 {first} to i32")
        w.do(f"store i32 {place}, ptr {w.at('i32', '%places', (i, room), (n, 1))}")
        w.do(f"store float 0.0, ptr {w.at('float', '%values', (i, room), (n, 1))}")
        even = w.set(f"and i64 {w.sum((n, 1), (1, 1))}, -2")
        w.do(f"store i64 {even}, ptr {listed}")

    def chunk(i: str, k: str, numbers: str) -> None:
        lanes = w.below(w.set(f"sub i64 {count}, {k}")) if count % LANES else None
        vector = w.take(w.at("float", numbers, (k, 1)), WHOLE, lanes)
        some = w.set(f"fcmp une {FLOATS} {vector}, zeroinitializer")
        bits = w.set(f"bitcast {BITS} {some} to i16")
        how = partial(at_once, i, k, vector, some, bits) if compress else partial(one_by_one, i, k, numbers, bits)
        w.when(w.set(f"icmp ne i16 {bits}, 0"), how)

    def at_once(i: str, k: str, vector: str, some: str, bits: str) -> None:
        """By the instruction that AVX-512 has for it."""
        n = w.set(f"load i64, ptr {listed}")
        places = w.set(f"add {WHOLES} {STEPS}, {w.splat('i32', w.set(f'trunc i64 {k} to i32'))}")
        words = w.set(f"bitcast {FLOATS} {vector} to {WHOLES}")
        declare(f"declare {WHOLES} @llvm.experimental.vector.compress.v16i32({WHOLES}, {BITS}, {WHOLES})")
        declare("declare i16 @llvm.ctpop.i16(i16)")
        for base, whole in (("%values", words), ("%places", places)):
            kept = w.set(
                f"call {WHOLES} @llvm.experimental.vector.compress.v16i32"
                f"({WHOLES} {whole}, {BITS} {some}, {WHOLES} poison)"
            )
            w.do(f"store {WHOLES} {kept}, ptr {w.at('i32', base, (i, room), (n, 1))}, align 4")
        more = w.set(f"zext i16 {w.set(f'call i16 @llvm.ctpop.i16(i16 {bits})')} to i64")
        w.do(f"store i64 {w.sum((n, 1), (more, 1))}, ptr {listed}")

    def one_by_one(i: str, k: str, numbers: str, bits: str) -> None:
        """Bit by bit, the lowest first."""
        declare("declare i16 @llvm.cttz.i16(i16, i1)")
        left = w.slot("i16")
        w.do(f"store i16 {bits}, ptr {left}")

        def one() -> str:
            rest = w.set(f"load i16, ptr {left}")
            lane = w.set(f"zext i16 {w.set(f'call i16 @llvm.cttz.i16(i16 {rest}, i1 true)')} to i64")
            n = w.set(f"load i64, ptr {listed}")
            place = w.sum((k, 1), (lane, 1))
            w.do(f"store i32 {w.set(f'trunc i64 {place} to i32')}, ptr {w.at('i32', '%places', (i, room), (n, 1))}")
            value = w.load("float", numbers, (place, 1))
            w.do(f"store float {value}, ptr {w.at('float', '%values', (i, room), (n, 1))}, align 4")
            w.do(f"store i64 {w.sum((n, 1), (1, 1))}, ptr {listed}")
            less = w.set(f"and i16 {rest}, {w.set(f'sub i16 {rest}, 1')}")
            w.do(f"store i16 {less}, ptr {left}")
            return w.set(f"icmp ne i16 {less}, 0")

        w.repeat(one)

    w.do(f"store i64 0, ptr {found}")
    w.loop("%from", "%to", row)
    return _parameters("%x", *_LISTS, *(name for name in names if name != "%row")), w.body()


def _parameters(*pointers: str, more: str = "") -> str:
    return f"({', '.join(f'ptr noalias nocapture {name}' for name in pointers)}{more}, i64 %from, i64 %to)"


def fill_function(kernel: Nonzeros, declare: Callable[[str], None]) -> Function:
    """Rows ``from`` to ``to`` of ``x``, for the dense product: those that were not kept are made from their lists."""
    w = _Lists(kernel, declare)
    count = kernel.columns

    def row(i: str) -> None:
        n = w.start(i, kernel.blocks)
        w.when(w.set(f"icmp ult i64 {n}, {count // 2}"), lambda: make(i, n))

    def make(i: str, n: str) -> None:
        w.clear(w.at("float", "%x", (i, count)), str(4 * count))

        row = w.set(f"mul i64 {i}, {kernel.room}")

        def one(number: str) -> None:
            place, value = w.entry(row, number)
            w.when(
                w.set(f"fcmp une float {value}, 0.0"),
                lambda: w.do(f"store float {value}, ptr {w.at('float', '%x', (i, count), (place, 1))}"),
            )

        w.loop("0", n, one)

    w.choose(lambda: w.loop("%from", "%to", row), lambda: None)
    return _parameters("%x", *_LISTS), w.body()


class _Product(_Lists):
    """What both directions share: the dense product, and the walk over panels."""

    def __init__(self, lists: Nonzeros | None, declare: Callable[[str], None]) -> None:
        assert lists is not None
        super().__init__(lists, declare)
        self.panel = self.slot(f"[{BLOCK * _WIDTH} x float], align 64")

    def dense(self, function: tuple[str, int], a: str, b: str, rounds: int) -> None:
        """The part of the dense product that ``from`` and ``to`` of so many rounds stand for, by its function."""
        name, pieces = function
        part = [self.set(f"udiv i64 {self.sum((end, pieces))}, {rounds}") for end in ("%from", "%to")]
        self.do(f"call void @{name}(ptr %out, ptr {a}, ptr {b}, float %alpha, i64 {part[0]}, i64 {part[1]})")

    def panels(self, outputs: int, body: Callable[[str, int], None]) -> None:
        """``body(first output, number of outputs)`` for each panel's width."""
        whole, rest = divmod(outputs, _WIDTH)
        if whole:
            self.loop("0", str(whole * _WIDTH), lambda j: body(j, _WIDTH), _WIDTH)
        if rest:
            body(str(whole * _WIDTH), rest)

    def in_panel(self, k: str, first: str, *terms: tuple[Any, Any]) -> str:
        """The address of input k's numbers in a panel that begins with input ``first``."""
        return self.at("float", self.panel, (k, _WIDTH), (first, -_WIDTH), *terms)

    def listed(self, i: str, b: str, body: Callable[[list[tuple[str, str]]], None]) -> None:
        """``body([(input, value), (input, value)])`` for all that is not zero in block b of row i, two at a time."""
        start, end = self.start(i, b), self.start(i, b, more=1)
        row = self.set(f"mul i64 {i}, {self.lists.room}")

        def pair(n: str) -> None:
            body([self.entry(row, n, more) for more in (0, 1)])

        self.loop(start, end, pair, 2)


def _unpack(adds: bool, declare: Callable[[str], None]) -> str:
    """A square of a panel, transposed to where it belongs; whole rows without a mask, which costs several stores."""
    w = Vectors(declare)
    columns = w.transposed([w.take(w.at("float", "%from", (r * _WIDTH, 1))) for r in range(LANES)])

    def write(lanes: str | None) -> None:
        for r, total in enumerate(columns):
            meant = w.set(f"icmp ult i64 {r}, %rows")
            address = w.at("float", "%to", (r, "%step"))
            w.when(meant, partial(w.finish, adds, total, address, WHOLE, lanes))

    w.when(w.set(f"icmp uge i64 %lanes, {LANES}"), lambda: write(None), lambda: write(w.below("%lanes")))
    name = f"unpack{'_add' * adds}"
    return _internal(
        f"{name}(ptr noalias %from, ptr noalias %to, i64 %step, i64 %rows, i64 %lanes, float %alpha)", w.body()
    )


def _internal(head: str, body: str) -> str:
    return f"define internal void @{head} noinline nounwind {FINAL} {WIDE} {{\n{body}\n}}"


def forward_function(kernel: ProductKernel, declare: Callable[[str], None], dense: tuple[str, int]) -> Function:
    """Rows ``from`` to ``to`` of ``out = x @ w``, or of ``x @ w.T``; ``dense`` are a function for it, and its rounds."""
    w = _Product(kernel.nonzeros, declare)
    outputs, inputs = kernel.columns, w.inputs

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
            for at in range(0, width, LANES):
                weights, target = (
                    w.at("float", "%w", (j, inputs), (at * inputs, 1), (k, 1)),
                    w.in_panel(k, first, (at, 1)),
                )
                rows = min(width - at, LANES)
                w.transpose((weights, inputs, rows, lanes), (target, _WIDTH))

        def line(k: str) -> None:
            for part in Part.of(width):
                numbers = w.take(w.at("float", "%w", (k, outputs), (j, 1), (part.at, 1)), part, part.lanes)
                w.put(numbers, w.in_panel(k, first, (part.at, 1)), part)

        if kernel.transpose_b:
            w.loop(first, end, square, LANES)
        else:
            w.loop(first, end, line)

    def row(i: str, j: str, width: int, b: str, first: str) -> None:
        parts = Part.of(width)
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

    w.choose(lambda: w.dense(dense, "%x", "%w", w.rows), sparse)
    return _parameters("%out", "%x", "%w", *_LISTS, more=_ALPHA), w.body()


def backward_function(kernel: ProductKernel, declare: Callable[[str], None], dense: tuple[str, int]) -> Function:
    """Blocks ``from`` to ``to`` of the inputs of ``out = g.T @ x`` or ``x.T @ g``.

    Where the kernel has a start, it stands in ``out`` already, and ``alpha`` times the product is added.
    """
    w = _Product(kernel.nonzeros, declare)
    inputs, adds = w.inputs, kernel.start is not None
    by_outputs = w.lists.x is kernel.b  # whether a row of the result is an output rather than an input
    outputs = kernel.rows if by_outputs else kernel.columns

    def sparse() -> None:
        w.panels(outputs, lambda j, width: w.loop("%from", "%to", lambda b: gather(j, width, b)))

    def gather(j: str, width: int, b: str) -> None:
        first, end = w.inputs_of(b)
        w.clear(w.panel, 4 * BLOCK * _WIDTH)
        w.loop("0", str(w.rows), lambda i: row(i, j, width, b, first))
        if by_outputs:
            w.loop(first, end, lambda k: square(k, j, width, first, end), LANES)
        else:
            w.loop(first, end, lambda k: line(k, j, width, first))

    def row(i: str, j: str, width: int, b: str, first: str) -> None:
        parts = Part.of(width)
        given = [w.take(w.at("float", "%g", (i, outputs), (j, 1), (part.at, 1)), part, part.lanes) for part in parts]

        def add(pair: list[tuple[str, str]]) -> None:
            for k, value in pair:
                for part, g in zip(parts, given, strict=True):
                    place = w.in_panel(k, first, (part.at, 1))
                    w.put(w.fma(w.splat("float", value, part.size), g, w.take(place, part), part), place, part)

        w.listed(i, b, add)

    def square(k: str, j: str, width: int, first: str, end: str) -> None:
        declare(_unpack(adds, declare))
        lanes = w.set(f"sub i64 {end}, {k}")
        for at in range(0, width, LANES):
            panel, target = w.in_panel(k, first, (at, 1)), w.at("float", "%out", (j, inputs), (at * inputs, 1), (k, 1))
            sizes = f"i64 {inputs}, i64 {min(width - at, LANES)}, i64 {lanes}"
            w.do(f"call void @unpack{'_add' * adds}(ptr {panel}, ptr {target}, {sizes}, float %alpha)")

    def line(k: str, j: str, width: int, first: str) -> None:
        for part in Part.of(width):
            total = w.take(w.in_panel(k, first, (part.at, 1)), part)
            w.finish(adds, total, w.at("float", "%out", (k, outputs), (j, 1), (part.at, 1)), part, part.lanes)

    factors = ("%g", "%x") if by_outputs else ("%x", "%g")
    w.choose(lambda: w.dense(dense, *factors, w.lists.blocks), sparse)
    return _parameters("%out", "%x", "%g", *_LISTS, more=_ALPHA), w.body()
