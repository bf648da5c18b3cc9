"""From an op at an index to a scalar expression: what one element of a node is, in terms of buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.compiler.decompose import ELEMENT
from chainrule.compiler.kernel import Apply, Const, Expr, Linear, Load, Place, Position
from chainrule.compiler.patterns import is_one_a_row, is_range, is_softmax
from chainrule.core.aval import bool_, int32, int64, uint8
from chainrule.core.graph import Node
from chainrule.ops.convert import Cast, StopGradient
from chainrule.ops.index import Index
from chainrule.ops.shape import BroadcastTo, Flip, Pad, Reshape, Transpose

__all__ = ["Lowering", "Unsupported", "can_inline", "flat_index", "indexed"]

Indices = tuple[Linear, ...]

#: Ops that only say where a number comes from.
MOVES = (Reshape, Transpose, BroadcastTo, Flip, Pad)


class Unsupported(Exception):
    """Something that native code cannot do; the NumPy back end takes over."""


def can_inline(node: Node) -> bool:
    """Whether an element of ``node`` is an expression of elements of its inputs."""
    op = node.op
    if op is None:
        return False
    if isinstance(op, Reshape):
        return _adds_ones_only(node.inputs[0].aval.shape, node.aval.shape)
    return op.family == "map" or isinstance(op, (*MOVES, Index)) or is_one_a_row(node)


def _adds_ones_only(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    return tuple(n for n in old if n != 1) == tuple(n for n in new if n != 1)


def flat_index(shape: tuple[int, ...], index: Indices, loops: int) -> Linear:
    """Where the element at ``index`` stands in a buffer, row by row."""
    total, step = Linear(0, (0,) * loops), 1
    for length, at in zip(reversed(shape), reversed(index), strict=True):
        if length != 1:
            total = total.plus(at.times(step))
        step *= length
    return total


class Lowering:
    """Makes the expressions of one kernel with ``loops`` loops; the same element gives the same object.

    ``source(node, index)`` gives the element of a node that has a buffer, or None for one that is to be computed here.
    """

    def __init__(self, loops: int, source: Callable[[Node, Indices], Expr | None]) -> None:
        self.loops, self.source = loops, source
        self.made: dict[Any, Expr] = {}
        self.zero = Linear(0, (0,) * loops)

    def counter(self, loop: int) -> Linear:
        """The counter of a loop."""
        return Linear(0, tuple(int(d == loop) for d in range(self.loops)))

    def element(self, node: Node, index: Indices) -> Expr:
        """The element of ``node`` at ``index``."""
        key = (node, index)
        found = self.made.get(key)
        if found is None:
            found = self._stored(node, index) or self._computed(node, index)
            self.made[key] = found
        return found

    def _stored(self, node: Node, index: Indices) -> Expr | None:
        if node.op is None and node.value is not None and node.aval.size == 1:
            return self._once(("const", node), lambda: Const(node.value.item(), node.aval.dtype))
        return self.source(node, index)

    def _once(self, key: Any, make: Callable[[], Expr]) -> Expr:
        found = self.made.get(key)
        if found is None:
            found = self.made[key] = make()
        return found

    def load(self, buffer: Any, at: Linear) -> Expr:
        """A number in a buffer."""
        return self._once((buffer, at), lambda: Load(buffer, at))

    def _computed(self, node: Node, index: Indices) -> Expr:
        op = node.op
        if isinstance(op, StopGradient):
            return self.element(node.inputs[0], index)
        if isinstance(op, Cast):
            value = self._aligned(node.inputs[0], index)
            return value if value.dtype == op.dtype else Apply("cast", op.dtype, (value,))
        if op is not None and op.family == "map":
            if op.name not in ELEMENT:
                raise Unsupported(f"rule for the op {op.name} (write its expand, and it needs none)")
            values = tuple(self._aligned(i, index) for i in node.inputs)
            if is_softmax(node):
                # The sum lies between 1 and the number of classes, so one reciprocal serves a whole row.
                reciprocal = self._once(
                    ("reciprocal", values[1]),
                    lambda: Apply("divide", node.aval.dtype, (Const(1, node.aval.dtype), values[1])),
                )
                return Apply("multiply", node.aval.dtype, (values[0], reciprocal))
            return Apply(op.name, node.aval.dtype, values)
        (x, *_) = node.inputs
        if isinstance(op, BroadcastTo):
            return self._aligned(x, index)
        if isinstance(op, Transpose):
            order = [index[op.axes.index(axis)] for axis in range(x.aval.ndim)]
            return self.element(x, tuple(order))
        if isinstance(op, Flip):
            flipped = (
                at.times(-1).shifted(n - 1) if axis in op.axes else at
                for axis, (at, n) in enumerate(zip(index, x.aval.shape, strict=True))
            )  # fmt: skip
            return self.element(x, tuple(flipped))
        if isinstance(op, Reshape):
            return self._reshaped(node, x, index)
        if isinstance(op, Pad):
            return self._padded(op, x, index)
        if isinstance(op, Index):
            places = tuple(
                indexed(self, op.entries, x.aval.shape, [(i, i.aval.shape) for i in node.inputs[1:]], index)
            )  # fmt: skip
            return self.element(x, places)
        if is_one_a_row(node):
            x, _, labels = node.inputs
            row, column = index
            label = _place(self._aligned(labels, (row,)), node.aval.shape[1])
            here = Apply("equal", bool_, (Position(column), label))
            return Apply("where", x.aval.dtype, (here, self._aligned(x, (row,)), Const(0, x.aval.dtype)))
        raise Unsupported(f"{op} inside a loop")

    def _aligned(self, node: Node, index: Indices) -> Expr:
        """The element that broadcasting pairs with ``index``: axes align at the right, those of length one repeat."""
        shape = node.aval.shape
        own = index[len(index) - len(shape) :]
        return self.element(node, tuple(self.zero if n == 1 else at for n, at in zip(shape, own, strict=True)))

    def _reshaped(self, node: Node, x: Node, index: Indices) -> Expr:
        kept = [at for at, n in zip(index, node.aval.shape, strict=True) if n != 1]
        old = iter(kept)
        return self.element(x, tuple(self.zero if n == 1 else next(old) for n in x.aval.shape))

    def _padded(self, op: Pad, x: Node, index: Indices) -> Expr:
        """Inside, the element; outside, zero. The place is kept inside even where its number is not used."""
        inside: Expr | None = None
        places = []
        for at, n, (before, after) in zip(index, x.aval.shape, op.widths, strict=True):
            here = at.shifted(-before)
            if before or after:
                position = Position(here)
                ok = Apply(
                    "logical_and", bool_,
                    (Apply("greater_equal", bool_, (position, Const(0, int64))),
                     Apply("less", bool_, (position, Const(n, int64)))),
                )  # fmt: skip
                inside = ok if inside is None else Apply("logical_and", bool_, (inside, ok))
                safe = Apply("where", int64, (ok, position, Const(0, int64)))
                here = Linear(0, self.zero.steps, ((safe, 1),))
            places.append(here)
        if x.aval.size == 0:
            return Const(0, x.aval.dtype)
        value = self.element(x, tuple(places))
        return value if inside is None else Apply("where", x.aval.dtype, (inside, value, Const(0, x.aval.dtype)))


def indexed(
    lowering: Lowering,
    entries: tuple[tuple[Any, ...], ...],
    shape: tuple[int, ...],
    arrays: list[tuple[Node, tuple[int, ...]]],
    index: Indices,
) -> list[Linear]:
    """Where ``x[entries]`` at ``index`` comes from in ``x``: a place for each of its axes (NumPy's rules)."""
    taken = sum(1 for e in entries if e[0] in ("slice", "int", "array"))
    whole: list[tuple[Any, ...]] = []
    for entry in entries:
        if entry[0] == "rest":
            whole += [("slice", None, None, None)] * (len(shape) - taken)
        else:
            whole.append(entry)
    if not any(e[0] == "rest" for e in entries):
        whole += [("slice", None, None, None)] * (len(shape) - taken)
    spread = max((len(s) for _, s in arrays), default=0)
    # With index arrays, whole numbers count as arrays too; all stand where the first does, or in front if apart.
    advanced = [i for i, e in enumerate(whole) if e[0] == "array" or (e[0] == "int" and arrays)]
    together = not advanced or advanced[-1] - advanced[0] + 1 == len(advanced)
    at = 0 if together else spread
    of_arrays = 0
    left, places, axis = iter(arrays), [], 0
    begun = False
    waiting: list[tuple[int, tuple[Any, ...]]] = []
    for number, entry in enumerate(whole):
        if advanced and together and number == advanced[0]:
            of_arrays, begun = at, True
            at += spread
        if entry[0] == "new":
            at += 1
            continue
        length = shape[axis]
        axis += 1
        if entry[0] == "slice":
            start, _, step = slice(*entry[1:]).indices(length)
            places.append(index[at].times(step).shifted(start))
            at += 1
        elif entry[0] == "int":
            places.append(lowering.zero.shifted(entry[1] + (length if entry[1] < 0 else 0)))
        else:
            waiting.append((len(places), next(left)))
            places.append((length, None))  # type: ignore[arg-type]
    assert begun or not (advanced and together)
    around = index[of_arrays : of_arrays + spread]
    for place, (node, own) in waiting:
        length = places[place][0]  # type: ignore[index]
        where = tuple(
            lowering.zero if n == 1 else at for n, at in zip(own, around[len(around) - len(own) :], strict=True)
        )
        if len(own) == 1 and own[0] <= length and is_range(node, own[0]):
            places[place] = where[0]
        else:
            checked = _place(lowering.element(node, where), length)
            places[place] = Linear(0, lowering.zero.steps, ((checked, 1),))
    return places


def _place(index: Expr, length: int) -> Place:
    """A checked index: in 32 bits where the axis and the numbers allow it, since vectors hold twice as many of them."""
    wide = index.dtype == int64 or length >= 1 << 30
    if isinstance(index, Apply) and index.name == "cast" and index.inputs[0].dtype in (int32, uint8):
        (index,) = index.inputs
        wide = length >= 1 << 30
    dtype = int64 if wide else int32
    return Place(index if index.dtype == dtype else Apply("cast", dtype, (index,)), length)
