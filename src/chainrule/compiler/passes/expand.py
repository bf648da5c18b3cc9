"""Composite ops become what they are made of."""

from __future__ import annotations

from typing import Any

from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import Builder, rewrite
from chainrule.core.apply import _prepare
from chainrule.core.graph import Node
from chainrule.core.modes import local
from chainrule.core.op import Op
from chainrule.tensor import Tensor

__all__ = ["expand"]


def expand(program: Program) -> Program:
    """Replace composite ops by what their ``expand`` does, so that no later pass and no back end needs to know them.

    >>> import chainrule as cr
    >>> program = cr.compile(cr.affine).graph(cr.ones(4, 3), cr.ones(2, 3), cr.ones(2))
    >>> print(program)
    inputs: x: f32[4,3], weight: f32[2,3], bias: f32[2]
    %3: f32[4,2] = affine x weight bias
    return %3
    >>> print(expand(program))
    inputs: x: f32[4,3], weight: f32[2,3], bias: f32[2]
    %3: f32[4,2] = matmul[transpose_a=False, transpose_b=True] x weight
    %4: f32[4,2] = add %3 bias
    return %4
    """
    return rewrite(program, _expanded)


def _expanded(build: Builder, node: Node) -> Node | None:
    """Run ``expand`` on tensors without values, with an interpretation that builds the nodes."""
    op = node.op
    assert op is not None
    if op.family != "composite":
        return None
    given = set(node.inputs)

    def record(op: Op, inputs: tuple[Any, ...]) -> Tensor:
        nodes, _ = _prepare(op, inputs)
        # Numbers in the text of ``expand`` become constants of this program.
        numbers = {n: build.constant(n.value, n.aval.dtype) for n in nodes if n.value is not None and n not in given}
        return Tensor._of(build(op, *(numbers.get(n, n) for n in nodes)))

    mode = local.mode
    before, mode.interpret = mode.interpret, record
    try:
        result: Tensor = op.expand(*map(Tensor._of, node.inputs))
    finally:
        mode.interpret = before
    return result.node
