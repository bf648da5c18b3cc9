"""Common subexpressions: what is computed twice is computed once."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import Builder, rewrite
from chainrule.core.aval import Aval
from chainrule.core.graph import Node
from chainrule.ops.arithmetic import Add, Multiply
from chainrule.ops.compare import Equal, LogicalAnd, LogicalOr, LogicalXor, NotEqual

__all__ = ["eliminate_common_subexpressions"]

#: Ops that give the same bits with their inputs exchanged. ``maximum`` does not: of 0.0 and -0.0 it takes one by order.
COMMUTATIVE = (Add, Multiply, Equal, NotEqual, LogicalAnd, LogicalOr, LogicalXor)


def eliminate_common_subexpressions(program: Program) -> Program:
    """Use the first of several nodes with equal ops and equal inputs, and the first of several equal constants.

    All ops are pure, random draws too: their key and counter are inputs.

    >>> import chainrule as cr
    >>> program = cr.compile(lambda x, y: cr.exp(x * y) / (1 + cr.exp(y * x))).graph(cr.ones(2), cr.ones(2))
    >>> print(program)
    inputs: x: f32[2], y: f32[2]
    %3: f32[2] = multiply x y
    %4: f32[2] = exp %3
    %5: f32[2] = multiply y x
    %6: f32[2] = exp %5
    %7: f32[2] = add 1 %6
    %8: f32[2] = divide %4 %7
    return %8
    >>> print(eliminate_common_subexpressions(program))
    inputs: x: f32[2], y: f32[2]
    %3: f32[2] = multiply x y
    %4: f32[2] = exp %3
    %5: f32[2] = add 1 %4
    %6: f32[2] = divide %4 %5
    return %6
    """
    computed: dict[Any, Node] = {}
    constants: defaultdict[Aval, list[Node]] = defaultdict(list)

    def first(build: Builder, node: Node) -> Node | None:
        op, inputs = node.op, node.inputs
        assert op is not None
        if isinstance(op, COMMUTATIVE):
            inputs = tuple(sorted(inputs, key=lambda n: n.serial))
        found = computed.setdefault((type(op), *op.params.values(), inputs), node)
        return None if found is node else found

    def first_constant(build: Builder, leaf: Node) -> Node | None:
        others = constants[leaf.aval]
        for other in others:
            if other.value.tobytes() == leaf.value.tobytes():
                return other
        others.append(leaf)
        return None

    return rewrite(program, first, constant=first_constant)
