"""Dead code: what no output needs is not computed."""

from __future__ import annotations

from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import reachable
from chainrule.core.graph import Graph

__all__ = ["eliminate_dead_code"]


def eliminate_dead_code(program: Program) -> Program:
    """Leave out nodes and constants that no output needs. Inputs stay: they are given whether used or not.

    >>> import chainrule as cr
    >>> from chainrule.compiler.passes.simplify import simplify
    >>> program = simplify(cr.compile(lambda x, w: (x * 1) @ w.T).graph(cr.ones(2, 3), cr.ones(2, 3)))
    >>> print(program)
    inputs: x: f32[2,3], w: f32[2,3]
    %3: f32[3,2] = transpose[axes=(1, 0)] w
    %4: f32[2,2] = matmul[transpose_a=False, transpose_b=True] x w
    return %4
    >>> print(eliminate_dead_code(program))
    inputs: x: f32[2,3], w: f32[2,3]
    %2: f32[2,2] = matmul[transpose_a=False, transpose_b=True] x w
    return %2
    """
    graph = program.graph
    live = reachable(graph)
    leaves = [n for n in graph.inputs if n in live or n.value is None]
    return program.with_graph(Graph(leaves, [n for n in graph.nodes if n in live], graph.outputs))
