"""Fusing: ops become kernels. Elementwise chains with their broadcasts, and the reductions that end them, share loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.compiler.kernel import Apply as Scalar
from chainrule.compiler.kernel import (
    Buffer,
    Const,
    Draw,
    Kernel,
    Linear,
    LoopKernel,
    Nonzeros,
    ProductKernel,
    Reduce,
    Store,
    is_small_product,
)
from chainrule.compiler.lower import Lowering, Unsupported, can_inline, flat_index, indexed
from chainrule.compiler.program import Program
from chainrule.compiler.rows import merge_rows
from chainrule.compiler.sparse import Data
from chainrule.core.aval import Aval, float32
from chainrule.core.graph import Node
from chainrule.ops.convert import Cast, StopGradient
from chainrule.ops.index import Index, IndexAdd
from chainrule.ops.linalg import Einsum, MatMul, MatMulAdd
from chainrule.ops.random import Normal, Uniform
from chainrule.ops.reduce import ArgMax, ArgMin, CumSum, Max, Mean, Min, Prod, Reduction, Sum
from chainrule.ops.shape import Concatenate, Reshape

__all__ = ["Schedule", "fuse"]

#: Statements in one loop nest; more would not stay in registers.
MOST_STATEMENTS = 16

_KINDS: dict[type, str] = {Sum: "sum", Mean: "sum", Prod: "prod", Max: "max", Min: "min"}

#: Ops that cost less to do again than to store and load.
_CHEAP = {
    "add", "subtract", "multiply", "negative", "cast", "less", "less_equal", "greater", "greater_equal", "equal",
    "not_equal", "where", "relu", "maximum", "minimum", "absolute", "square", "logical_and", "logical_or", "logical_not",
}  # fmt: skip


class Schedule:
    """Kernels in the order in which they run, and the buffers between them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.kernels: list[Kernel] = []
        #: The buffer of each node that has one.
        self.buffers: dict[Node, Buffer] = {}

    def __str__(self) -> str:
        return "\n".join(map(str, self.kernels))


class _Group:
    """A loop kernel under construction."""

    def __init__(self, dims: tuple[int, ...], reduced: tuple[int, ...]) -> None:
        self.kernel = LoopKernel(dims, reduced)
        self.local: dict[Node, Any] = {}
        self.lowering: Lowering | None = None


class _Conflict(Exception):
    """A value that is not ready where it would be needed."""


def fuse(program: Program) -> Schedule:
    """The schedule of a program."""
    return _Fuser(program).run()


class _Fuser:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.schedule = Schedule(program)
        self.steps: list[_Group | Kernel] = []
        #: The step that fills a node's buffer; -1 for what is there from the start.
        self.ready: dict[Node, int] = {}
        self.users: dict[Node, list[Node]] = {}
        self.data = Data(program)
        self.lists: dict[Node, Nonzeros] = {}

    def run(self) -> Schedule:
        graph, names = self.program.graph, self.program.names
        for node in graph.nodes:
            for other in set(node.inputs):
                self.users.setdefault(other, []).append(node)
        for i, node in enumerate(graph.inputs):
            self._own(node, names.get(node, f"c{i}"))
            self.ready[node] = -1
        kept = self._kept()
        count = 0
        for node in graph.nodes:
            if node in kept:
                self._own(node, f"t{count}")
                count += 1
                self._schedule(node)
        kernels = [s.kernel if isinstance(s, _Group) else s for s in self.steps]
        results = (self.schedule.buffers[node] for node in graph.outputs)
        self.schedule.kernels = merge_rows(kernels, results)
        return self.schedule

    def _own(self, node: Node, name: str) -> Buffer:
        buffer = self.schedule.buffers[node] = Buffer(node.aval, name)
        return buffer

    # ---- which nodes get a buffer

    def _kept(self) -> set[Node]:
        outputs = set(self.program.graph.outputs)
        kept: set[Node] = set()
        for node in self.program.graph.nodes:
            if node in outputs or not can_inline(node):
                kept.add(node)
            # What loops over more than its inputs, or reads them in another way, wants them as buffers.
            for other in node.inputs:
                if other.op is not None and self._wants_buffer(node, other):
                    kept.add(other)
        for node in self.program.graph.nodes:
            if node not in kept and len(self.users.get(node, ())) > 1 and not self._cheap(node, kept):
                kept.add(node)
        return kept

    def _wants_buffer(self, user: Node, node: Node) -> bool:
        op = user.op
        if isinstance(op, MatMulAdd) and node is user.inputs[3] and self._done_by_loops(user):
            return not _hoisted(node)
        if isinstance(op, (MatMul, MatMulAdd, Einsum, Uniform, Normal)) or (
            isinstance(op, Reshape) and not can_inline(user)
        ):
            return True
        if isinstance(op, (Index, IndexAdd)) and node in user.inputs[1:]:
            return False
        spread = user.inputs[0].aval.size if isinstance(op, Reduction) else user.aval.size
        return node.aval.size < spread and not _moves_only(node) and not _hoisted(node)

    def _cheap(self, node: Node, kept: set[Node]) -> bool:
        """Whether doing it again costs no more than loading it."""
        if _moves_only(node):
            return True
        name = node.op.name if node.op is not None else ""
        return name in _CHEAP and all(i.op is None or i in kept or _moves_only(i) for i in node.inputs)

    # ---- kernels

    def _schedule(self, node: Node) -> None:
        op = node.op
        if _is_product(node):
            self._product(node)
        elif isinstance(op, Einsum):
            self._einsum(node)
        elif isinstance(op, Reduction) and type(op) in _KINDS:
            self._reduction(node)
        elif isinstance(op, (ArgMax, ArgMin, CumSum)):
            self._along(node)
        elif isinstance(op, IndexAdd) and not can_inline(node):
            self._scatter(node)
        elif isinstance(op, (Uniform, Normal)):
            self._draw(node)
        elif isinstance(op, Concatenate):
            self._concatenate(node)
        elif isinstance(op, Reshape) and not can_inline(node):
            self._copy(node, node.inputs[0].aval.shape, node.inputs[0])
        elif can_inline(node):
            self._loop(node, node.aval.shape, (), lambda low, at: self._store(node, low, at))
        else:
            raise Unsupported(f"{op}")

    def _loop(
        self, node: Node, dims: tuple[int, ...], reduced: tuple[int, ...], make: Callable[[Lowering, Any], list[Any]]
    ) -> None:
        """Into the latest kernel with the same loops where all that it reads is ready, or into a new one."""
        for place in range(len(self.steps) - 1, -1, -1):
            group = self.steps[place]
            if not isinstance(group, _Group) or group.kernel.dims != dims:
                continue
            if group.kernel.reduced and reduced and group.kernel.reduced != reduced:
                continue
            if len(group.kernel.body) >= MOST_STATEMENTS:
                continue
            if self._try(group, place, make):
                group.kernel.reduced = group.kernel.reduced or reduced
                self.ready[node] = place
                if not reduced:
                    group.local[node] = group.kernel.body[-1].value
                return
        group = _Group(dims, reduced)
        self.steps.append(group)
        assert self._try(group, len(self.steps) - 1, make)
        self.ready[node] = len(self.steps) - 1
        if not reduced:
            group.local[node] = group.kernel.body[-1].value

    def _try(self, group: _Group, place: int, make: Callable[[Lowering, Any], list[Any]]) -> bool:
        dims = group.kernel.dims
        if group.lowering is None:
            group.lowering = Lowering(len(dims), lambda n, at: self._source(group, place, n, at))
        at = tuple(group.lowering.counter(d) for d in range(len(dims)))
        try:
            group.kernel.body += make(group.lowering, at)
        except _Conflict:
            return False
        return True

    def _source(self, group: _Group, place: int, node: Node, at: tuple[Linear, ...]) -> Any:
        """The element of a node with a buffer: computed in this kernel, or loaded."""
        buffer = self.schedule.buffers.get(node)
        if buffer is None:
            return None
        low = group.lowering
        assert low is not None
        ready = self.ready[node]
        if ready == place:
            here = tuple(low.counter(d) for d in range(len(group.kernel.dims)))
            flat = flat_index(node.aval.shape, here, low.loops) if len(here) == node.aval.ndim else None
            if node in group.local and flat == flat_index(node.aval.shape, at, low.loops):
                return group.local[node]
            raise _Conflict
        if ready > place:
            raise _Conflict
        return low.load(buffer, flat_index(node.aval.shape, at, low.loops))

    def _store(self, node: Node, low: Lowering, at: tuple[Linear, ...]) -> list[Any]:
        value = low.made.get(("computed", node))
        if value is None:
            value = low.made["computed", node] = low._computed(node, at)
        return [Store(self.schedule.buffers[node], flat_index(node.aval.shape, at, low.loops), value)]

    def _alone(self, node: Node, dims: tuple[int, ...], reduced: tuple[int, ...], make: Any) -> None:
        """A kernel of its own."""
        group = _Group(dims, reduced)
        self.steps.append(group)
        assert self._try(group, len(self.steps) - 1, make)
        self.ready[node] = len(self.steps) - 1
        self.steps[-1] = group.kernel

    def _copy(self, node: Node, dims: tuple[int, ...], x: Node) -> None:
        """The numbers of ``x`` row by row, in another shape."""
        buffer = self.schedule.buffers[node]
        self._alone(
            node, dims, (), lambda low, at: [Store(buffer, flat_index(dims, at, low.loops), low.element(x, at))]
        )

    def _reduction(self, node: Node) -> None:
        (x,) = node.inputs
        op: Any = node.op
        shape, dtype = x.aval.shape, node.aval.dtype
        count = 1
        for axis in op.axes:
            count *= shape[axis]

        def make(low: Lowering, at: tuple[Linear, ...]) -> list[Any]:
            value = low.element(x, at)
            if value.dtype != dtype:
                value = Scalar("cast", dtype, (value,))
            kept = [(n, a) for d, (n, a) in enumerate(zip(shape, at, strict=True)) if d not in op.axes]
            flat = flat_index(tuple(n for n, _ in kept), tuple(a for _, a in kept), low.loops)
            divide = count if isinstance(op, Mean) else 1
            return [Reduce(_KINDS[type(op)], self.schedule.buffers[node], flat, value, divide)]

        self._loop(node, shape, tuple(op.axes), make)

    def _along(self, node: Node) -> None:
        """Along one axis, which becomes the innermost loop."""
        (x,) = node.inputs
        op: Any = node.op
        axis, shape = op.axis, x.aval.shape
        order = [d for d in range(len(shape)) if d != axis] + [axis]
        kind = {ArgMax: "argmax", ArgMin: "argmin", CumSum: "cumsum"}[type(op)]

        def make(low: Lowering, at: tuple[Linear, ...]) -> list[Any]:
            index = [at[order.index(d)] for d in range(len(shape))]
            if isinstance(op, CumSum) and op.reverse:
                index[axis] = index[axis].times(-1).shifted(shape[axis] - 1)
            value = low.element(x, tuple(index))
            if kind == "cumsum" and value.dtype != node.aval.dtype:
                value = Scalar("cast", node.aval.dtype, (value,))
            kept = [d for d in range(len(shape)) if kind == "cumsum" or d != axis]
            flat = flat_index(tuple(shape[d] for d in kept), tuple(index[d] for d in kept), low.loops)
            return [Reduce(kind, self.schedule.buffers[node], flat, value)]

        self._alone(node, tuple(shape[d] for d in order), (len(shape) - 1,), make)

    def _product(self, node: Node) -> None:
        op: Any = node.op
        start, alpha = None, None
        if isinstance(op, MatMulAdd):
            w, a, b, alpha = node.inputs
            start = w
        else:
            a, b = node.inputs
        ta, tb = op.transpose_a, op.transpose_b
        *batch, rows, columns = node.aval.shape
        inner = a.aval.shape[-2 if ta else -1]
        if self._done_by_loops(node):
            self._product_by_loops(node, a, b, ta, tb, (*batch, rows, columns), inner, start, alpha)
            return
        buffers = self.schedule.buffers
        factor = None
        if alpha is not None:
            low = Lowering(0, lambda n, at: low.load(buffers[n], Linear(0, ())))
            factor = low.element(alpha, ())
        kernel = ProductKernel(
            buffers[node], buffers[a], buffers[b], rows, columns, inner, ta, tb, tuple(batch),
            (_steps(node.aval, batch), _steps(a.aval, batch), _steps(b.aval, batch)),
            buffers[start] if start is not None else None, factor, self._nonzeros(node),
        )  # fmt: skip
        self.steps.append(kernel)
        self.ready[node] = len(self.steps) - 1

    def _nonzeros(self, node: Node) -> Nonzeros | None:
        """The lists of the matrix that is data, if one is."""
        x = self._data_of(node)
        if x is not None and x not in self.lists:
            lists = self.lists[x] = Nonzeros.of(self.schedule.buffers[x])
            place = self.ready[x]
            group = self.steps[place] if place >= 0 else None
            lonely = x not in self.program.graph.outputs and all(self._data_of(user) is x for user in self.users[x])
            if isinstance(group, _Group) and len(group.kernel.body) == 1 and not group.kernel.reduced and lonely:
                lists.loop = group.kernel
                self.steps[place] = lists
            else:
                self.steps.append(lists)
        return self.lists[x] if x is not None else None

    def _data_of(self, node: Node) -> Node | None:
        return None if not _is_product(node) or self._done_by_loops(node) else self.data.factor(node)

    def _done_by_loops(self, node: Node) -> bool:
        """Whether a product of matrices is a loop kernel rather than a call of a BLAS."""
        op: Any = node.op
        a = node.inputs[1 if isinstance(op, MatMulAdd) else 0].aval
        *batch, rows, columns = node.aval.shape
        inner = a.shape[-2 if op.transpose_a else -1]
        return is_small_product(rows, columns, inner) or 0 in (rows, columns, inner, *batch) or not node.aval.floating

    def _product_by_loops(
        self, node: Node, a: Node, b: Node, ta: bool, tb: bool, shape: tuple[int, ...], inner: int,
        start: Node | None, alpha: Node | None,
    ) -> None:  # fmt: skip
        """Loops in the order in which rows are read: over b's columns last, or over the inner axis if that is a row of b."""
        *batch, rows, columns = shape
        n = len(batch)
        row, column, mid = n, n + 1, n + 2
        order = (row, column, mid) if tb else ((mid, row, column) if ta else (row, mid, column))
        lengths = {row: rows, column: columns, mid: inner}
        dims = (*batch, *(lengths[d] for d in order))
        place = {d: n + i for i, d in enumerate(order)}
        buffers = self.schedule.buffers
        target = buffers[node]
        if start is not None:
            target = Buffer(node.aval, f"{target.name}_product")

        def make(low: Lowering, at: tuple[Linear, ...]) -> list[Any]:
            i, j, k = (at[place[d]] for d in (row, column, mid))
            lead = at[:n]

            def spread(x: Node, last: tuple[Linear, Linear]) -> Any:
                own = x.aval.shape[:-2]
                index = lead[len(lead) - len(own) :]
                return low.element(
                    x, (*(low.zero if m == 1 else p for m, p in zip(own, index, strict=True)), *last)
                )  # fmt: skip

            x, y = spread(a, (k, i) if ta else (i, k)), spread(b, (j, k) if tb else (k, j))
            value = Scalar("multiply", node.aval.dtype, (x, y))
            return [Reduce("sum", target, flat_index(shape, (*lead, i, j), low.loops), value)]

        self._alone(node, dims, (place[mid],), make)
        if start is None or alpha is None:
            return

        def finish(low: Lowering, at: tuple[Linear, ...]) -> list[Any]:
            flat = flat_index(shape, at, low.loops)
            dtype = node.aval.dtype
            step = Scalar("multiply", dtype, (low.element(alpha, ()), low.load(target, flat)))
            return [Store(buffers[node], flat, Scalar("add", dtype, (low.element(start, at), step)))]

        self._alone(node, shape, (), finish)

    def _einsum(self, node: Node) -> None:
        op: Any = node.op
        terms, output = op.terms
        lengths: dict[str, int] = {}
        for term, x in zip(terms, node.inputs, strict=True):
            lengths |= dict(zip(term, x.aval.shape, strict=True))
        summed = [c for c in dict.fromkeys("".join(terms)) if c not in output]
        letters = [*output, *summed]

        def make(low: Lowering, at: tuple[Linear, ...]) -> list[Any]:
            where = dict(zip(letters, at, strict=True))
            value: Any = None
            for term, x in zip(terms, node.inputs, strict=True):
                factor = low.element(x, tuple(where[c] for c in term))
                value = factor if value is None else Scalar("multiply", node.aval.dtype, (value, factor))
            flat = flat_index(node.aval.shape, at[: len(output)], low.loops)
            return [Reduce("sum", self.schedule.buffers[node], flat, value)]

        reduced = tuple(range(len(output), len(letters)))
        if not reduced:
            # A reduction over nothing: one loop of length one.
            self._alone(node, (*node.aval.shape, 1), (len(output),), lambda low, at: make(low, at[:-1]))
            return
        self._alone(node, tuple(lengths[c] for c in letters), reduced, make)

    def _scatter(self, node: Node) -> None:
        x, *indexes = node.inputs
        op: Any = node.op
        buffer = self.schedule.buffers[node]
        shape = node.aval.shape
        zero = Const(0, node.aval.dtype)
        self._alone(
            node, shape, (), lambda low, at: [Store(buffer, flat_index(shape, at, low.loops), zero)]
        )  # fmt: skip

        def make(low: Lowering, at: tuple[Linear, ...]) -> list[Any]:
            places = indexed(low, op.entries, shape, [(i, i.aval.shape) for i in indexes], at)
            return [Store(buffer, flat_index(shape, tuple(places), low.loops), low.element(x, at), add=True)]

        self._alone(node, x.aval.shape, (), make)

    def _concatenate(self, node: Node) -> None:
        op: Any = node.op
        buffer, shape, start = self.schedule.buffers[node], node.aval.shape, 0
        for x in node.inputs:

            def make(low: Lowering, at: tuple[Linear, ...], x: Node = x, start: int = start) -> list[Any]:
                moved = tuple(a.shifted(start) if d == op.axis else a for d, a in enumerate(at))
                return [Store(buffer, flat_index(shape, moved, low.loops), low.element(x, at))]

            self._alone(node, x.aval.shape, (), make)
            start += x.aval.shape[op.axis]

    def _draw(self, node: Node) -> None:
        """A block of random words at a time; what is left of the last block in a kernel of its own."""
        op: Any = node.op
        buffer, dtype, count = self.schedule.buffers[node], node.aval.dtype, node.aval.size
        lanes = 4 if dtype is float32 else 2
        whole, rest = divmod(count, lanes)

        def stores(low: Lowering, block: Linear, number: int) -> list[Any]:
            key, counter = (low.element(i, ()) for i in node.inputs)
            start = block.times(lanes)
            return [
                Store(buffer, start.shifted(lane), Draw(op.kind, dtype, key, counter, block, lane))
                for lane in range(number)
            ]

        if whole or not rest:
            self._alone(node, (whole,), (), lambda low, at: stores(low, at[0], lanes))
        if rest:
            self._alone(node, (1,), (), lambda low, at: stores(low, at[0].shifted(whole), rest))


def _is_product(node: Node) -> bool:
    return isinstance(node.op, (MatMul, MatMulAdd))


def _moves_only(node: Node) -> bool:
    """Whether it only says where numbers come from, or changes their type."""
    while node.op is not None and can_inline(node):
        if node.op.family == "map" and not isinstance(node.op, (Cast, StopGradient)):
            return False
        node = node.inputs[0]
    return node.op is None


def _hoisted(node: Node) -> bool:
    """Whether it is a number of a few cheap operations, which LLVM takes out of the loop by itself."""
    for _ in range(4):
        if node.op is None:
            return True
        if node.aval.size != 1 or len(node.inputs) != 1 or node.op.name not in _CHEAP:
            return False
        (node,) = node.inputs
    return False


def _steps(aval: Aval, batch: list[int]) -> tuple[int, ...]:
    """How far apart the matrices of a stack stand, for each axis of the batch; 0 where one serves all."""
    own = aval.shape[:-2]
    size = aval.shape[-1] * aval.shape[-2]
    steps = []
    for length in reversed(own):
        steps.append(0 if length == 1 else size)
        size *= length
    return tuple([0] * (len(batch) - len(own)) + steps[::-1])
