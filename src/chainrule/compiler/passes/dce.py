"""Dead code: what no output needs is not computed."""

from __future__ import annotations

from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import reachable
from chainrule.core.graph import Graph

__all__ = ["eliminate_dead_code"]


def eliminate_dead_code(program: Program) -> Program:
    """Leave out nodes and constants that no output needs. Inputs stay: they are given whether used or not.

    >>> import chainrule as cr
    >>> def f(x):
    ...     y = cr.exp(x)
    ...     return x * 2
    >>> program = cr.compile(f).graph(cr.ones(3))
    >>> print(eliminate_dead_code(program))
    inputs: x: f32[3]
    %2: f32[3] = multiply x 2
    return %2
    """
    graph = program.graph
    live = reachable(graph)
    leaves = [n for n in graph.inputs if n in live or n.value is None]
    return program.with_graph(Graph(leaves, [n for n in graph.nodes if n in live], graph.outputs))
