"""Rules of algebra, one after another, until none applies."""

from __future__ import annotations

# The rules are entered into their table when their files are read.
from chainrule.compiler.passes import rules_arithmetic, rules_shape, rules_softmax  # noqa: F401
from chainrule.compiler.passes.rules import rules_for
from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import Builder, rewrite
from chainrule.core.graph import Node

__all__ = ["simplify"]


def simplify(program: Program) -> Program:
    """Replace nodes by simpler ones that compute the same: the rules stand in the files ``rules_...``.

    A rule changes a result by no more than a rounding or two, and says so where it is not exact.

    >>> import chainrule as cr
    >>> program = cr.compile(lambda x, w: (x / 4) @ w.T * 1).graph(cr.ones(2, 3), cr.ones(2, 3))
    >>> print(program)
    inputs: x: f32[2,3], w: f32[2,3]
    %4: f32[2,3] = divide x 4
    %5: f32[3,2] = transpose[axes=(1, 0)] w
    %6: f32[2,2] = matmul[transpose_a=False, transpose_b=False] %4 %5
    %7: f32[2,2] = multiply %6 1
    return %7
    >>> print(simplify(program))
    inputs: x: f32[2,3], w: f32[2,3]
    %5: f32[2,3] = multiply x 0.25
    %6: f32[3,2] = transpose[axes=(1, 0)] w
    %7: f32[2,2] = matmul[transpose_a=False, transpose_b=True] %5 w
    return %7

    (``dce`` then drops the transpose.)
    """
    return rewrite(program, _simpler)


def _simpler(build: Builder, node: Node) -> Node | None:
    """What the first rule that applies makes of a node; what it builds has met the rules itself."""
    assert node.op is not None
    for rule in rules_for(type(node.op)):
        better = rule(build, node, *node.inputs)
        if better is not None:
            return better
    return None
