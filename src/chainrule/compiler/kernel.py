"""Kernels: what is left of a program once ops are fused into loops.

A loop kernel is a nest of loops over ``dims``. Its body stores values, and reduces values along some of the loops; a
value is an expression: numbers loaded from buffers at places that are linear in the loop counters, constants, and
scalar operations on them. The other kind of kernel is a product of matrices, which a BLAS computes.

    loop 4 x 3: h1[i, j] = sigmoid(z1[i, j] + b1[j])
    loop 4 x 3 reduce 0: db1[j] = sum over i of dz1[i, j]
    product: dW1 (3 x 2) = dz1.T (4 x 3) @ x (4 x 2)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.aval import Aval, float32, int32, int64

__all__ = [
    "BLOCK", "Apply", "Buffer", "Const", "Draw", "Expr", "Kernel", "Linear", "Load", "LoopKernel", "Nonzeros", "Place",
    "Position", "ProductKernel", "Reduce", "RowsKernel", "Store", "is_small_product", "walk",
]  # fmt: skip


#: Products of matrices up to this many multiplications are loops of our own: a BLAS call costs more.
SMALL_PRODUCT = 4096


def is_small_product(rows: int, columns: int, inner: int) -> bool:
    """Products of a few numbers, and those with a vector, which read the matrix only once."""
    return rows * columns * inner <= SMALL_PRODUCT or min(rows, columns, inner) == 1


#: Columns of data whose nonzero numbers are listed together: with 64 outputs their weights fit a core's first cache.
BLOCK = 128


class Buffer:
    """Storage for one array, row by row."""

    def __init__(self, aval: Aval, name: str) -> None:
        self.aval, self.name = aval, name

    def __repr__(self) -> str:
        return self.name


class Expr:
    """A scalar value inside a loop nest. Compared by identity: the builder makes each value once."""

    __slots__ = ("dtype",)
    dtype: np.dtype[Any]


class Const(Expr):
    """A number."""

    __slots__ = ("value",)

    def __init__(self, value: Any, dtype: np.dtype[Any]) -> None:
        self.value, self.dtype = value, dtype

    def __repr__(self) -> str:
        return f"{self.value:.9g}" if isinstance(self.value, float) else str(self.value)


@dataclass(frozen=True)
class Linear:
    """A whole number that is linear in the loop counters: ``offset + sum(steps[d] * i_d) + sum(scale * value)``."""

    offset: int
    steps: tuple[int, ...]
    values: tuple[tuple[Expr, int], ...] = ()

    def times(self, factor: int) -> Linear:
        """This number times a constant."""
        return Linear(
            self.offset * factor, tuple(s * factor for s in self.steps), tuple((e, s * factor) for e, s in self.values)
        )

    def plus(self, other: Linear) -> Linear:
        """The sum of two."""
        steps = tuple(a + b for a, b in zip(self.steps, other.steps, strict=True))
        return Linear(self.offset + other.offset, steps, self.values + other.values)

    def shifted(self, by: int) -> Linear:
        """This number plus a constant."""
        return Linear(self.offset + by, self.steps, self.values)

    def __repr__(self) -> str:
        terms = [f"{'' if s == 1 else f'{s}*'}i{d}" for d, s in enumerate(self.steps) if s]
        terms += [f"{'' if s == 1 else f'{s}*'}({e!r})" for e, s in self.values]
        terms += [str(self.offset)] if self.offset or not terms else []
        return "+".join(terms).replace("+-", "-")


class Load(Expr):
    """The number in a buffer at a place."""

    __slots__ = ("at", "buffer")

    def __init__(self, buffer: Buffer, at: Linear) -> None:
        self.buffer, self.at, self.dtype = buffer, at, buffer.aval.dtype

    def __repr__(self) -> str:
        return f"{self.buffer!r}[{self.at!r}]"


class Position(Expr):
    """A linear number as a value, for conditions on places."""

    __slots__ = ("at",)

    def __init__(self, at: Linear) -> None:
        self.at, self.dtype = at, int64

    def __repr__(self) -> str:
        return f"({self.at!r})"


class Place(Expr):
    """A checked index: ``index`` counted from the end if negative. One outside ``length`` is reported, and taken as 0."""

    __slots__ = ("index", "length")

    def __init__(self, index: Expr, length: int) -> None:
        self.index, self.length, self.dtype = index, length, int64

    def __repr__(self) -> str:
        return f"place({self.index!r}, {self.length})"


class Apply(Expr):
    """A scalar operation: the name of an elementwise op, or ``cast``."""

    __slots__ = ("inputs", "name")

    def __init__(self, name: str, dtype: np.dtype[Any], inputs: tuple[Expr, ...]) -> None:
        self.name, self.dtype, self.inputs = name, dtype, inputs

    def __repr__(self) -> str:
        name = f"cast[{self.dtype}]" if self.name == "cast" else self.name
        return f"{name}({', '.join(map(repr, self.inputs))})"


class Draw(Expr):
    """Number ``lane`` of one block of random numbers: ``uniform`` or ``normal``, from a key and a counter."""

    __slots__ = ("block", "counter", "key", "kind", "lane")

    def __init__(self, kind: str, dtype: np.dtype[Any], key: Expr, counter: Expr, block: Linear, lane: int) -> None:
        self.kind, self.dtype, self.key, self.counter, self.block, self.lane = kind, dtype, key, counter, block, lane

    def __repr__(self) -> str:
        return f"{self.kind}({self.key!r}, {self.counter!r} + {self.block!r})[{self.lane}]"


@dataclass
class Store:
    """``buffer[at] = value``; with ``add``, the value is added to what is there, one after the other."""

    buffer: Buffer
    at: Linear
    value: Expr
    add: bool = False

    def __repr__(self) -> str:
        return f"{self.buffer!r}[{self.at!r}] {'+=' if self.add else '='} {self.value!r}"


@dataclass
class Reduce:
    """``buffer[at] = reduction of value`` over the kernel's reduced loops.

    ``kind`` is ``sum``, ``prod``, ``max``, ``min``, ``argmax``, ``argmin`` or ``cumsum``, which stores each partial
    sum. The result is divided by ``divide`` (for a mean).
    """

    kind: str
    buffer: Buffer
    at: Linear
    value: Expr
    divide: int = 1

    def __repr__(self) -> str:
        over = f" / {self.divide}" if self.divide != 1 else ""
        return f"{self.buffer!r}[{self.at!r}] = {self.kind}({self.value!r}){over}"


class Kernel:
    """A step of the schedule."""

    def reads(self) -> Iterator[Buffer]:
        """The buffers whose numbers it uses."""
        raise NotImplementedError

    def writes(self) -> Iterator[Buffer]:
        """The buffers that it fills."""
        raise NotImplementedError


@dataclass
class LoopKernel(Kernel):
    """Loops over ``dims``, the last innermost; ``reduced`` are the loops that reductions run over."""

    dims: tuple[int, ...]
    reduced: tuple[int, ...]
    body: list[Store | Reduce] = field(default_factory=list)

    def reads(self) -> Iterator[Buffer]:
        """Every buffer that a value is loaded from, and those that are added to."""
        for statement in self.body:
            if isinstance(statement, Store) and statement.add:
                yield statement.buffer
            for root in (statement.value, *(e for e, _ in statement.at.values)):
                for expr in walk(root):
                    if isinstance(expr, Load):
                        yield expr.buffer

    def writes(self) -> Iterator[Buffer]:
        """The buffers of its statements."""
        for statement in self.body:
            yield statement.buffer

    def __str__(self) -> str:
        over = " x ".join(map(str, self.dims)) or "once"
        reduced = f" reduce {', '.join(f'i{d}' for d in self.reduced)}" if self.reduced else ""
        return "\n".join([f"loop {over}{reduced}:", *(f"    {s!r}" for s in self.body)])


@dataclass
class RowsKernel(Kernel):
    """Loop kernels over the same short rows, done together row by row.

    Each reads what the others made only in its own row, so those numbers need not be stored: ``inner`` are the buffers that
    nobody else reads.
    """

    loops: list[LoopKernel]
    inner: frozenset[Buffer] = frozenset()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.loops[0].dims[0]

    def reads(self) -> Iterator[Buffer]:
        """What comes from outside."""
        made = {buffer for loop in self.loops for buffer in loop.writes()}
        yield from (buffer for loop in self.loops for buffer in loop.reads() if buffer not in made)

    def writes(self) -> Iterator[Buffer]:
        """What others read."""
        yield from (buffer for loop in self.loops for buffer in loop.writes() if buffer not in self.inner)

    def __str__(self) -> str:
        lines = [line for loop in self.loops for line in str(loop).splitlines()]
        return "\n".join([f"{self.rows} rows:", *(f"    {line}" for line in lines)])


@dataclass
class Nonzeros(Kernel):
    """The numbers of each row of ``x`` that are not zero: their columns and values, row after row, ``room`` for each.

    ``starts`` says for each row where the columns of each block of ``BLOCK`` begin in its list, and how long it is. Where
    ``loop`` is given, it makes the numbers, and ``x`` itself is filled only if it turns out to have few zeros.
    """

    x: Buffer
    rows: int
    columns: int
    places: Buffer
    values: Buffer
    starts: Buffer
    loop: LoopKernel | None = None

    @classmethod
    def of(cls, x: Buffer) -> Nonzeros:
        """The lists of a matrix, with new buffers."""
        rows, columns = x.aval.shape
        room = (rows, cls.room_for(columns))
        return cls(
            x, rows, columns,
            Buffer(Aval.of(room, int32), f"{x.name}_places"),
            Buffer(Aval.of(room, float32), f"{x.name}_values"),
            Buffer(Aval.of((rows, -(-columns // BLOCK) + 1), int32), f"{x.name}_starts"),
        )  # fmt: skip

    @staticmethod
    def room_for(columns: int) -> int:
        """Numbers kept free for a row: lists are written in whole vectors of 16."""
        return 16 * (-(-columns // 16) + 1)

    @property
    def room(self) -> int:
        """Numbers kept free for each row."""
        return self.room_for(self.columns)

    @property
    def blocks(self) -> int:
        """How many blocks of columns there are."""
        return -(-self.columns // BLOCK)

    def reads(self) -> Iterator[Buffer]:
        """The data, or what it is made of."""
        yield from [self.x] if self.loop is None else self.loop.reads()

    def writes(self) -> Iterator[Buffer]:
        """The lists, and the data where it is made here."""
        yield from self.lists
        if self.loop is not None:
            yield self.x

    @property
    def lists(self) -> tuple[Buffer, Buffer, Buffer]:
        """Places, values and starts."""
        return self.places, self.values, self.starts

    def __str__(self) -> str:
        made = self.loop.body[0].value if self.loop is not None else f"{self.x!r}[i0, i1]"
        return f"nonzeros {self.rows} x {self.columns}:\n    {', '.join(map(repr, self.lists))} = {made!r}"


@dataclass
class ProductKernel(Kernel):
    """``out = a @ b`` for matrices of ``rows x inner`` and ``inner x columns``, each read transposed or not.

    With ``start``, ``out = start + alpha * a @ b``. ``batch`` products follow each other; the steps say how far apart
    their matrices are. Where one of the matrices is data, ``nonzeros`` are its lists.
    """

    out: Buffer
    a: Buffer
    b: Buffer
    rows: int
    columns: int
    inner: int
    transpose_a: bool
    transpose_b: bool
    batch: tuple[int, ...] = ()
    steps: tuple[tuple[int, ...], ...] = ((), (), ())
    start: Buffer | None = None
    alpha: Expr | None = None
    nonzeros: Nonzeros | None = None

    def reads(self) -> Iterator[Buffer]:
        """Both matrices, the lists of one, and what is added to."""
        yield self.a
        yield self.b
        if self.nonzeros is not None:
            yield from self.nonzeros.lists
        if self.start is not None:
            yield self.start
        if isinstance(self.alpha, Load):
            yield self.alpha.buffer

    def writes(self) -> Iterator[Buffer]:
        """The result."""
        yield self.out

    def __str__(self) -> str:
        a, b = (f"{m!r}{'.T' if t else ''}" for m, t in ((self.a, self.transpose_a), (self.b, self.transpose_b)))
        start = f"{self.start!r} + {self.alpha!r} * " if self.start is not None else ""
        times = f" {' x '.join(map(str, self.batch))} times" if self.batch else ""
        lists = f" by nonzeros of {self.nonzeros.x!r}" if self.nonzeros is not None else ""
        return (
            f"product {self.rows} x {self.inner} x {self.columns}{times}{lists}:\n    {self.out!r} = {start}{a} @ {b}"
        )


def walk(root: Expr) -> Iterator[Expr]:
    """An expression and everything in it, each once."""
    seen, stack = {id(root)}, [root]
    while stack:
        expr = stack.pop()
        yield expr
        for other in parts(expr):
            if id(other) not in seen:
                seen.add(id(other))
                stack.append(other)


def parts(expr: Expr) -> tuple[Expr, ...]:
    """What an expression is made of."""
    if isinstance(expr, Apply):
        return expr.inputs
    if isinstance(expr, (Load, Position)):
        return tuple(e for e, _ in expr.at.values)
    if isinstance(expr, Place):
        return (expr.index,)
    if isinstance(expr, Draw):
        return (expr.key, expr.counter)
    return ()
