"""Rewriting a program: walk its nodes in order, ask a rule about each, and keep what it leaves alone.

Nodes never change, so a node about which the rule has nothing to say, and whose inputs stay, is itself part of the new
program. A rewrite that changes nothing returns the program that it was given: that is how passes know that they are done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.compiler.program import Program
from chainrule.core.aval import Aval
from chainrule.core.graph import Graph, Node
from chainrule.core.op import Op

__all__ = ["Builder", "Rule", "reachable", "rewrite"]

#: Asked about a node whose inputs are already the new ones: the node to use in its place, or None to keep it.
Rule = Callable[["Builder", Node], Node | None]


class Builder:
    """Makes the nodes of the new graph, one after another. Every node passes the rule before it is placed."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.nodes: list[Node] = []
        self.constants: list[Node] = []
        #: How often a node is used by the live part of the old program; never less than in the new one.
        self.users: Counter[Node] = Counter()
        #: The old node that is being rewritten: new nodes belong to its line and layer.
        self.origin: Node | None = None
        self._known: dict[tuple[Aval, bytes], Node] = {}

    def __call__(self, op: Op, *inputs: Node) -> Node:
        """A node of ``op``, or what the rule makes of it."""
        return self.place(self.made(op, inputs, op.infer_memo(tuple(n.aval for n in inputs))))

    def again(self, node: Node, *inputs: Node) -> Node:
        """The op of ``node`` on other inputs."""
        assert node.op is not None
        return self(node.op, *inputs)

    def made(self, op: Op | None, inputs: tuple[Node, ...], aval: Aval) -> Node:
        """A node that stands nowhere yet, with the line and layer of the one being rewritten."""
        source, scope = (self.origin.source, self.origin.scope) if self.origin is not None else (None, None)
        return Node(op, inputs, aval, None, False, source, scope)

    def place(self, node: Node) -> Node:
        """Put ``node`` into the program, unless the rule has something better."""
        better = self.rule(self, node)
        if better is not None:
            return better
        self.nodes.append(node)
        return node

    def constant(self, value: Any, dtype: np.dtype[Any]) -> Node:
        """A leaf that holds ``value``; equal ones are the same leaf."""
        leaf = Node.leaf(np.array(value, dtype, order="C"))
        found = self.know(leaf)
        if found is leaf:
            self.constants.append(leaf)
        return found

    def know(self, leaf: Node) -> Node:
        """The first constant that was known with this value: ``leaf``, if there is none yet."""
        return self._known.setdefault((leaf.aval, leaf.value.tobytes()), leaf)


def rewrite(program: Program, rule: Rule, constant: Rule | None = None) -> Program:
    """The program that ``rule`` makes of ``program``; ``constant`` is asked about the constants in the same way."""
    graph = program.graph
    build = Builder(rule)
    users = _users(graph)
    new: dict[Node, Node] = {}
    for leaf in graph.inputs:
        better = constant(build, leaf) if constant is not None and leaf.value is not None else None
        new[leaf] = leaf if better is None else better
        build.users[new[leaf]] += users[leaf]
        if leaf.value is not None and leaf.aval.size == 1 and new[leaf] is leaf:
            build.know(leaf)
    for node in graph.nodes:
        inputs = tuple(new[i] for i in node.inputs)
        build.origin = node
        new[node] = build.place(node if inputs == node.inputs else build.made(node.op, inputs, node.aval))
        build.users[new[node]] += users[node]
    leaves = [*(n for n in graph.inputs if new[n] is n), *build.constants]
    return program.with_graph(Graph(leaves, build.nodes, [new[n] for n in graph.outputs]), new)


def reachable(graph: Graph) -> set[Node]:
    """What the outputs are computed from, themselves included."""
    seen, stack = set(graph.outputs), list(graph.outputs)
    while stack:
        for node in stack.pop().inputs:
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return seen


def _users(graph: Graph) -> Counter[Node]:
    """How often each node is an input of something that the outputs need, or an output."""
    users = Counter(graph.outputs)
    for node in reachable(graph):
        users.update(node.inputs)
    return users
