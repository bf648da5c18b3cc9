"""Rules about shapes: movements, broadcasting, reductions of what is broadcast, transposed matrix products."""

from __future__ import annotations

import math

from chainrule.compiler.passes.rules import number, rule, spread
from chainrule.compiler.rewrite import Builder
from chainrule.core.aval import broadcast_shapes
from chainrule.core.graph import Node
from chainrule.core.op import Elementwise
from chainrule.ops.arithmetic import Multiply
from chainrule.ops.compare import Where
from chainrule.ops.convert import Cast
from chainrule.ops.linalg import MATMUL, MatMul
from chainrule.ops.reduce import Max, Mean, Min, Prod, Reduction, Sum
from chainrule.ops.shape import BroadcastTo, Reshape, Transpose

# ---- reshape and transpose


@rule(Reshape)
def reshape_to_its_own(build: Builder, node: Node, x: Node) -> Node | None:
    """``reshape[2,3](x of 2,3) -> x``. Exact, as all rules about movements are."""
    return x if x.aval.shape == node.aval.shape else None


@rule(Reshape)
def reshape_in_numbers(build: Builder, node: Node, x: Node) -> Node | None:
    """``reshape[-1](x of 2,3) -> reshape[6](x)``, so that equal reshapes are found to be equal."""
    exact = isinstance(node.op, Reshape) and node.op.shape == node.aval.shape
    return None if exact else build(Reshape.of(node.aval.shape), x)


@rule(Reshape)
def reshape_of_reshape(build: Builder, node: Node, x: Node) -> Node | None:
    """``reshape[6](reshape[3,2](x)) -> reshape[6](x)``."""
    return build.again(node, x.inputs[0]) if isinstance(x.op, Reshape) else None


@rule(Transpose)
def transpose_that_keeps_the_order(build: Builder, node: Node, x: Node) -> Node | None:
    """``transpose[0,1](x) -> x``."""
    return x if isinstance(node.op, Transpose) and node.op.axes == tuple(range(x.aval.ndim)) else None


@rule(Transpose)
def transpose_of_transpose(build: Builder, node: Node, x: Node) -> Node | None:
    """``transpose[1,0](transpose[1,0](x)) -> x``; other orders are combined into one."""
    if not isinstance(node.op, Transpose) or not isinstance(x.op, Transpose):
        return None
    return build(Transpose.of(tuple(x.op.axes[a] for a in node.op.axes)), x.inputs[0])


@rule(Reshape, Transpose)
def movement_of_one_number(build: Builder, node: Node, x: Node) -> Node | None:
    """``reshape[6](broadcast_to[2,3](number)) -> broadcast_to[6](number)``; transpose alike."""
    if not isinstance(x.op, BroadcastTo) or x.inputs[0].aval.size != 1:
        return None
    return build(BroadcastTo.of(node.aval.shape), build(Reshape.of(()), x.inputs[0]))


# ---- matrix products


def _swaps(node: Node) -> bool:
    """Whether a node exchanges the last two axes."""
    n = node.aval.ndim
    return isinstance(node.op, Transpose) and n > 1 and node.op.axes == (*range(n - 2), n - 1, n - 2)


@rule(MatMul)
def matmul_of_transpose(build: Builder, node: Node, a: Node, b: Node) -> Node | None:
    """``transpose(a) @ b -> matmul[transpose_a](a, b)``; b alike; in stacks where the last two axes are exchanged."""
    if not isinstance(node.op, MatMul) or not (_swaps(a) or _swaps(b)):
        return None
    flags = node.op.transpose_a ^ _swaps(a), node.op.transpose_b ^ _swaps(b)
    return build(MATMUL[flags], *(x.inputs[0] if _swaps(x) else x for x in (a, b)))


@rule(Transpose)
def transpose_of_matmul(build: Builder, node: Node, x: Node) -> Node | None:
    """``transpose(a @ b) -> matmul[transpose_a, transpose_b](b, a)`` where only this needs it; sums in another order."""
    if not _swaps(node) or not isinstance(x.op, MatMul) or build.users[x] > 1:
        return None
    return build(MATMUL[not x.op.transpose_b, not x.op.transpose_a], *x.inputs[::-1])


# ---- broadcasting


def _bare(node: Node) -> Node:
    """What is broadcast in ``node``, without axes of length one in front, which broadcasting adds by itself."""
    while isinstance(node.op, (BroadcastTo, Reshape)):
        (x,) = node.inputs
        lead = node.aval.ndim - x.aval.ndim
        if isinstance(node.op, Reshape) and node.aval.shape != (1,) * lead + x.aval.shape:
            break
        node = x
    return node


@rule(BroadcastTo)
def broadcast_to_its_own(build: Builder, node: Node, x: Node) -> Node | None:
    """``broadcast_to[2,3](x of 2,3) -> x``."""
    return x if x.aval is node.aval else None


@rule(BroadcastTo)
def broadcast_of_broadcast(build: Builder, node: Node, x: Node) -> Node | None:
    """``broadcast_to[4,3](reshape[1,3](x)) -> broadcast_to[4,3](x)``; of a broadcast alike."""
    bare = _bare(x)
    return build.again(node, bare) if bare is not x else None


@rule(BroadcastTo)
def broadcast_that_repeats_nothing(build: Builder, node: Node, x: Node) -> Node | None:
    """``broadcast_to[1,3](x of 3) -> reshape[1,3](x)``; numbers stay broadcast, as ``fold`` makes them."""
    return build(Reshape.of(node.aval.shape), x) if x.aval.size == node.aval.size and number(x) is None else None


@rule(Elementwise, Where, Cast)
def function_of_broadcasts(build: Builder, node: Node, *inputs: Node) -> Node | None:
    """``f(broadcast_to(x), broadcast_to(y)) -> broadcast_to(f(x, y))`` where that is a smaller f. Exact."""
    bare = [_bare(x) for x in inputs]
    shape = broadcast_shapes("simplify", *(x.aval.shape for x in bare))
    if math.prod(shape) >= node.aval.size:
        return None
    return spread(build, build.again(node, *bare), node.aval.shape)


@rule(Elementwise, Where)
def broadcast_that_another_input_gives(build: Builder, node: Node, *inputs: Node) -> Node | None:
    """``broadcast_to[4,3](x) + y -> x + y`` where y has the whole shape. Exact."""
    bare = list(inputs)
    for i, x in enumerate(inputs):
        shapes = [_bare(x).aval.shape if i == j else other.aval.shape for j, other in enumerate(bare)]
        if broadcast_shapes("simplify", *shapes) == node.aval.shape:
            bare[i] = _bare(x)
    return build.again(node, *bare) if any(a is not b for a, b in zip(bare, inputs, strict=True)) else None


# ---- reductions


@rule(Sum, Mean, Prod, Max, Min)
def reduction_of_nothing(build: Builder, node: Node, x: Node) -> Node | None:
    """``sum(x of 4,1 over axis 1) -> reshape[4](x)``, mean, prod, max, min alike. Exact; a sum keeps -0.0 as it is."""
    if not isinstance(node.op, Reduction) or any(x.aval.shape[a] != 1 for a in node.op.axes):
        return None
    return build(Cast.of(node.aval.dtype), build(Reshape.of(node.aval.shape), x))


@rule(Sum, Mean, Max, Min)
def reduction_of_broadcast(build: Builder, node: Node, x: Node) -> Node | None:
    """``sum(broadcast_to[4,3](x of 3) over axis 0) -> x * 4``; mean, max, min ``-> x``.

    One rounding where the sum has many (or overflows, in a mean). Other axes are reduced as before, of less.
    """
    op = node.op
    if not isinstance(op, Reduction) or not isinstance(x.op, BroadcastTo) or not x.aval.size:
        return None
    (inner,) = x.inputs
    lead = x.aval.ndim - inner.aval.ndim
    once = (1,) * lead + inner.aval.shape
    repeated = {a for a in op.axes if once[a] != x.aval.shape[a]}
    if not repeated:
        return None
    left = spread(build, inner, tuple(1 if a in repeated else n for a, n in enumerate(x.aval.shape)))
    if others := tuple(a for a in op.axes if a not in repeated):
        left = build(type(op).of(others, True), left)
    left = build(Cast.of(node.aval.dtype), build(Reshape.of(node.aval.shape), left))
    if not isinstance(op, Sum):
        return left
    count = math.prod(x.aval.shape[a] for a in repeated)
    return build(Multiply.of(), left, build.constant(count, node.aval.dtype))
