"""A program as a person would write it: without ops that say nothing, and without the spreading that NumPy does itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from chainrule.compiler.program import Program
from chainrule.core.aval import bool_, is_float
from chainrule.core.graph import Graph, Node
from chainrule.core.op import Elementwise
from chainrule.ops.arithmetic import Add, Multiply, Negative, Subtract
from chainrule.ops.compare import Where
from chainrule.ops.convert import Cast, StopGradient
from chainrule.ops.index import IndexAdd
from chainrule.ops.linalg import MATMUL, MatMulAdd
from chainrule.ops.shape import BroadcastTo, Flip, Pad, Reshape, Transpose

__all__ = ["live_nodes", "numbers", "operands_of", "prepared"]

Moved = dict[Node, Node]


def prepared(program: Program) -> tuple[Program, Moved]:
    """The program with each value standing for itself alone, and what became of each of its nodes.

    Left out are ops that change nothing. A product that a pass has fused into the sum that uses it stands on its own
    again: it is the gradient of a weight, which readers look for.
    """
    moved: Moved = {leaf: leaf for leaf in program.graph.inputs}
    nodes: list[Node] = []
    gradients: Moved = {}
    for node in program.graph.nodes:
        inputs = tuple(moved[i] for i in node.inputs)
        if _changes_nothing(node):
            moved[node] = inputs[0]
        elif isinstance(node.op, MatMulAdd):
            c, a, b, alpha = inputs
            op = MATMUL[node.op.transpose_a, node.op.transpose_b]
            product = Node(op, (a, b), node.aval, None, False, node.source, None)
            scaled = Node(Multiply.of(), (alpha, product), node.aval, None, False, node.source, node.scope)
            moved[node] = Node(Add.of(), (c, scaled), node.aval, None, False, node.source, node.scope)
            nodes += [product, scaled, moved[node]]
            gradients[c] = product
        elif inputs == node.inputs:
            moved[node] = node
            nodes.append(node)
        else:
            moved[node] = Node(node.op, inputs, node.aval, None, False, node.source, node.scope)
            nodes.append(moved[node])
    graph = Graph(program.graph.inputs, nodes, [moved[n] for n in program.graph.outputs])
    made = program.with_graph(graph, moved)
    present = {*graph.inputs, *nodes}
    for source, gradient in gradients.items():
        if source in program.inputs and made.gradient_of.get(source) not in present:
            made.gradient_of[source] = gradient
    return made, moved


def _changes_nothing(node: Node) -> bool:
    op, before = node.op, node.inputs[0] if node.inputs else None
    if before is None or before.aval is not node.aval:
        return False
    if isinstance(op, Transpose):
        return op.axes == tuple(range(len(op.axes)))
    if isinstance(op, Flip):
        return not op.axes
    return isinstance(op, (StopGradient, Cast, Reshape, BroadcastTo, Pad))


def numbers(program: Program) -> set[Node]:
    """Values that can be written as Python numbers: constants, settings such as ``lr``, and sums and products of them."""
    found = {n for n in program.constants if not n.aval.ndim}
    found |= {n for n in program.inputs if program.kinds.get(n) == "setting"}
    for node in program.graph.nodes:
        simple = isinstance(node.op, (Cast, Negative, Add, Subtract, Multiply)) and is_float(node.aval.dtype)
        if simple and found.issuperset(node.inputs):
            found.add(node)
    return found


def operands_of(program: Program) -> dict[Node, list[Node]]:
    """What each op is written with: its inputs, without repetition that NumPy does by itself.

    ``x * broadcast_to(y, x.shape)`` is ``x * y``, a constant full of one number is that number, and a mask that is cast
    only to be multiplied is multiplied as it is.
    """
    weak = numbers(program)
    single = {n: _one_number(n) for n in program.constants}
    found: dict[Node, list[Node]] = {}
    for node in program.graph.nodes:
        inputs = list(node.inputs)
        spreads = isinstance(node.op, (Elementwise, Where))
        if spreads:
            _drop_spreading(inputs, node.aval.shape, single)
        if isinstance(node.op, IndexAdd):
            value, target = inputs[:1], inputs[0].aval.shape
            _drop_spreading(value, target, single, exact=False)
            inputs[:1] = value
        if isinstance(node.op, (Add, Subtract, Multiply)):
            _drop_casts(inputs, weak)
        if (
            isinstance(node.op, Add)
            and inputs[0] is inputs[1]
            and inputs[0] not in weak
            and node.aval.dtype is not bool_
        ):
            del inputs[1]  # written as 2 * x
        found[node] = inputs
    return found


def _one_number(constant: Node) -> Node | None:
    """A constant leaf of the number that an array of one number over and over holds."""
    value = constant.value
    if not value.ndim or not value.size:
        return None
    flat = np.ascontiguousarray(value).reshape(-1)
    if flat.tobytes() != flat[:1].tobytes() * flat.size:
        return None
    return Node.leaf(flat[0].reshape(()))


def _drop_spreading(
    inputs: list[Node], shape: tuple[int, ...], single: dict[Node, Node | None], exact: bool = True
) -> None:
    """Replace inputs by what they repeat, as long as broadcasting still gives ``shape``."""
    for i in range(len(inputs)):
        while True:
            node = inputs[i]
            smaller = single.get(node) if node.op is None else _unspread(node)
            if smaller is None:
                break
            shapes = [(smaller if j == i else other).aval.shape for j, other in enumerate(inputs)]
            try:
                if np.broadcast_shapes(*shapes, *(() if exact else (shape,))) != shape:
                    break
            except ValueError:
                break
            inputs[i] = smaller


def _unspread(node: Node) -> Node | None:
    """What a node only repeats, or only gives more axes in front."""
    if isinstance(node.op, BroadcastTo):
        return node.inputs[0]
    if isinstance(node.op, Reshape):
        (before,) = node.inputs
        lead = node.aval.ndim - before.aval.ndim
        if lead > 0 and node.aval.shape == (1,) * lead + before.aval.shape:
            return before
    return None


def _drop_casts(inputs: list[Node], weak: set[Node]) -> None:
    """A truth value beside a float counts as 0 or 1 of that float's type."""
    for i, node in enumerate(inputs):
        other = inputs[1 - i]
        if isinstance(node.op, Cast) and node.inputs[0].aval.dtype is bool_ and is_float(node.aval.dtype):
            number = other in weak or (other.value is not None and not other.aval.ndim)
            if other.aval.dtype is node.aval.dtype and not number:
                inputs[i] = node.inputs[0]


def live_nodes(nodes: Sequence[Node], operands: Mapping[Node, Sequence[Node]], outputs: Iterable[Node]) -> list[Node]:
    """The nodes that the outputs need, in order, when each is written with its operands."""
    seen = set(outputs)
    stack = list(seen)
    while stack:
        for node in operands.get(stack.pop(), ()):
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return [node for node in nodes if node in seen]
