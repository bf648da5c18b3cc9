"""A program: a traced function as a graph, with the roles of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chainrule.compiler.stages import stages_of
from chainrule.core.graph import Graph, Node

__all__ = ["Program", "build_program"]


@dataclass(frozen=True)
class Program:
    """A graph whose leaves are inputs (without a value) and constants (with one).

    ``inputs`` are in the order in which arrays are given: cells, then arguments; the last ``streams`` of them are given
    one slice a step when the program is run for many steps. ``outputs`` are the ``results``, then new values of cells:
    ``carried`` says which input each of those replaces in the next step (None: it is only put out).
    """

    graph: Graph
    inputs: tuple[Node, ...]
    results: int
    carried: tuple[int | None, ...]
    streams: int = 0
    #: What inputs are called.
    names: dict[Node, str] = field(default_factory=dict)
    #: The nodes of the trace that are inputs here, and where they stand.
    given: dict[Node, Node] = field(default_factory=dict, repr=False)
    #: What inputs are: "argument", or the kind of the cell behind it, such as "tensor" or "optimizer memory".
    kinds: dict[Node, str] = field(default_factory=dict, repr=False)
    #: The node that is the gradient of a node, as far as known: only names and the order of a listing depend on it.
    gradient_of: dict[Node, Node] = field(default_factory=dict, repr=False)
    #: The part of the step that a node belongs to (see ``compiler.stages``), as far as known.
    stages: dict[Node, int] = field(default_factory=dict, repr=False)
    #: What stands here for each node of the trace, so that a line of a listing is found for it.
    became: dict[Node, Node] = field(default_factory=dict, repr=False)

    @property
    def constants(self) -> tuple[Node, ...]:
        """Leaves that hold their value."""
        return tuple(node for node in self.graph.inputs if node.value is not None)

    @property
    def outputs(self) -> tuple[Node, ...]:
        """Results, then new values of cells."""
        return self.graph.outputs

    def with_graph(self, graph: Graph, moved: Mapping[Node, Node] | None = None) -> Program:
        """The same program with another graph over the same inputs; itself if that graph has the same nodes.

        ``moved`` says which node stands for an old one now, so that what is known about nodes goes with them.
        """
        same = (graph.inputs, graph.nodes, graph.outputs) == (self.graph.inputs, self.graph.nodes, self.graph.outputs)
        if same:
            return self
        moved = moved or {}
        gradient_of = {moved.get(n, n): moved.get(g, g) for n, g in self.gradient_of.items()}
        stages: dict[Node, int] = {}
        for node, stage in self.stages.items():  # the first of equal ones is the one that is kept
            stages.setdefault(moved.get(node, node), stage)
        became = {n: moved.get(now, now) for n, now in self.became.items()}
        return replace(self, graph=graph, gradient_of=gradient_of, stages=stages, became=became)

    def text(self, sources: bool = False) -> str:
        """The graph as text: inputs by their names, small constants as their numbers."""
        names = {n: _number(n.value) for n in self.constants if n.aval.size == 1 and n.aval.ndim == 0}
        return self.graph.text(sources, {**names, **self.names})

    def __str__(self) -> str:
        return self.text()


def _number(value: Any) -> str:
    number = value.item()
    return f"{number:.9g}" if isinstance(number, float) else str(number)


def build_program(
    tracer: Any,
    cells: Sequence[Any],
    arguments: Sequence[Any],
    outputs: Sequence[Node],
    updated: Sequence[Any],
    results: int,
    streams: int,
) -> Program:
    """Copy what the outputs need into a graph of its own, with leaves that were written resolved."""

    def behind(node: Node) -> tuple[Node, ...]:
        return (tracer.aliases[node],) if node in tracer.aliases else node.inputs

    found, seen = [], set(outputs)
    stack = list(outputs)
    while stack:
        node = stack.pop()
        found.append(node)
        for other in behind(node):
            if other not in seen:
                seen.add(other)
                stack.append(other)
    # What was made first comes first; but constants stand where they are first used, since the library keeps some of
    # them from earlier programs.
    computed = (n for n in found if n.op is not None or n in tracer.aliases)
    made = sorted(computed, key=lambda node: node.serial)
    order = list(dict.fromkeys((*(i for node in made for i in (*behind(node), node)), *outputs)))
    new: dict[Node, Node] = {}
    leaves, nodes = [], []
    names: dict[Node, str] = {}
    used = {cell.node for cell in updated}
    known = {cell.node: cell.name for cell in (*cells, *arguments)}
    kinds: dict[Node, str] = {}
    for cell in (*cells, *arguments):
        # Arguments are always given; a cell only if something is computed from it, or it is changed.
        if cell.node in seen or cell.node in used or cell in arguments:
            new[cell.node] = copy = Node(None, (), cell.aval, None)
            names[copy] = known[cell.node]
            kinds[copy] = "argument" if cell in arguments else cell.kind
            leaves.append(copy)
    for node in order:
        if node in new:
            continue
        if node in tracer.aliases:
            new[node] = new[tracer.aliases[node]]
        elif node.op is None:
            new[node] = copy = Node(None, (), node.aval, node.value)
            leaves.append(copy)
        else:
            inputs = tuple(new[i] for i in node.inputs)
            new[node] = copy = Node(node.op, inputs, node.aval, None, False, node.source, node.scope)
            nodes.append(copy)
    places = {node: i for i, node in enumerate(n for n in leaves if n in names)}
    carried = tuple(places.get(new[cell.node]) if cell.node in new else None for cell in updated)
    graph = Graph(leaves, nodes, [new[n] for n in outputs])
    inputs = tuple(n for n in leaves if n in names)
    gradient_of = {new[n]: new[g] for n, g in tracer.gradient_of.items() if n in new and g in new}
    stages = {new[n]: stage for n, stage in stages_of(order, tracer.phases, tracer.aliases).items()}
    became = {node: node for node in nodes}
    return Program(graph, inputs, results, carried, streams, names, new, kinds, gradient_of, stages, became)
