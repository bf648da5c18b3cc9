"""Nodes and graphs: one type for the eager tape and for a traced program."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core import source as _source
from chainrule.core.aval import Aval
from chainrule.core.errors import GraphError

if TYPE_CHECKING:
    from chainrule.core.op import Op

__all__ = ["FREED", "Constant", "Graph", "Node", "Result", "Tap", "layer_path"]

_serials = itertools.count()

#: Stands for the inputs of a node whose part of the tape was let go after ``backward()``.
FREED: tuple[Any, ...] = ("freed",)


class Tap:
    """Where a node's gradient goes when it is complete."""

    __slots__ = ("cell", "hooks", "name")

    def __init__(self, cell: Any = None) -> None:
        #: Weak reference to the tensor that wants the gradient in its ``.grad``.
        self.cell = cell
        #: Functions called with the gradient.
        self.hooks: list[Any] = []
        #: The name the node prints under, such as ``fc1.weight``.
        self.name: str | None = None


class Node:
    """One value and how it was made. Nodes never change; a tensor that changes points to a new node.

    ``serial`` grows with every node, so sorting by it is a topological order: a node is always made after its inputs.
    """

    __slots__ = (
        "aval",
        "inputs",
        "op",
        "requires_grad",
        "scope",
        "serial",
        "source",
        "tap",
        "value",
    )

    def __init__(
        self,
        op: Op | None,
        inputs: tuple[Node, ...],
        aval: Aval,
        value: Any,
        requires_grad: bool = False,
        source: _source.Location | None = None,
        scope: Any = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.aval = aval
        #: The NumPy array, or None while a function is traced.
        self.value: Any = value
        self.requires_grad = requires_grad
        self.source = source
        self.scope = scope
        #: Who wants to know this node's gradient; None for most nodes.
        self.tap: Tap | None = None
        self.serial = next(_serials)

    @staticmethod
    def leaf(value: np.ndarray[Any, Any], requires_grad: bool = False) -> Node:
        """A node that nothing computes: an input, a parameter, a constant."""
        return Node(None, (), Aval.of(value.shape, value.dtype), value, requires_grad)

    @property
    def freed(self) -> bool:
        """Whether the tape behind this node was let go."""
        return self.inputs is FREED

    @property
    def path(self) -> str:
        """The dotted path of the layer that made this node, or an empty string."""
        return layer_path(self.scope)

    def __repr__(self) -> str:
        made = self.op.name if self.op is not None else "leaf"
        return f"<Node {made}: {self.aval!r}>"


class Constant(Node):
    """A leaf that the library keeps for itself and never changes: part of a traced program, not an input of it."""

    __slots__ = ()


class Result(Node):
    """A leaf that a compiled function returned and that had a history there, which stayed in the program."""

    __slots__ = ()


def layer_path(scope: Any) -> str:
    """``encoder.2: Linear`` for a linked list of the modules being called."""
    names: list[str] = []
    innermost = scope[1] if scope is not None else None
    while scope is not None:
        outer, module, _ = scope
        if outer is not None:
            names.append(outer[1].child_name(module))
        scope = outer
    if innermost is None:
        return ""
    dotted = ".".join(name for name in reversed(names) if name)
    kind = type(innermost).__name__
    return f"{dotted}: {kind}" if dotted else kind


class Graph:
    """A program: nodes in an order in which they can be computed, with its inputs and outputs.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
    >>> print((x * x).sum().graph())
    inputs: %0: f32[2]
    %1: f32[2] = multiply %0 %0
    %2: f32[] = sum[axes=(0,), keepdims=False] %1
    return %2
    """

    def __init__(self, inputs: Sequence[Node], nodes: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.inputs = tuple(inputs)
        self.nodes = tuple(nodes)
        self.outputs = tuple(outputs)

    @classmethod
    def of(cls, outputs: Iterable[Node]) -> Graph:
        """The graph that ends in ``outputs``: everything they were computed from."""
        outputs = tuple(outputs)
        seen, stack = set(outputs), list(outputs)
        found: list[Node] = []
        while stack:
            node = stack.pop()
            if node.freed:
                raise freed_error(node)
            found.append(node)
            for other in node.inputs:
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        found.sort(key=lambda node: node.serial)
        return cls([n for n in found if n.op is None], [n for n in found if n.op is not None], outputs)

    def verify(self) -> Graph:
        """Check the graph's rules: each name is defined once and before its use, each aval is the one its op infers.

        Returns the graph itself; raises GraphError at the first node that breaks a rule.
        """
        defined: set[Node] = set()
        for node in self.inputs:
            if node.op is not None:
                raise GraphError("verify the graph", f"input {node!r} is computed by an op", "inputs are leaves")
            defined.add(node)
        for node in self.nodes:
            if node in defined:
                raise GraphError("verify the graph", f"{node!r} is defined twice", "each node once")
            if node.op is None:
                raise GraphError("verify the graph", f"{node!r} among the computed nodes", "leaves are inputs")
            for other in node.inputs:
                if other not in defined:
                    raise GraphError("verify the graph", f"{node!r} uses {other!r} before it is made", "inputs first")
            inferred = node.op.infer(*(i.aval for i in node.inputs))
            if inferred is not node.aval:
                raise GraphError("verify the graph", f"{node!r} with aval {node.aval!r}", f"{inferred!r}, as inferred")
            if node.value is not None and Aval.like(node.value) is not node.aval:
                raise GraphError("verify the graph", f"{node!r} holds {Aval.like(node.value)!r}", f"{node.aval!r}")
            defined.add(node)
        for node in self.outputs:
            if node not in defined:
                raise GraphError("verify the graph", f"output {node!r} is not in the graph", "outputs are computed")
        return self

    def names(self) -> dict[Node, str]:
        """The name each node prints under: its own, or its place in the program."""
        return {node: (node.tap and node.tap.name) or f"%{i}" for i, node in enumerate((*self.inputs, *self.nodes))}

    def text(self, sources: bool = False, known: dict[Node, str] | None = None) -> str:
        """The program as text, one node a line; with the user's line and the layer's path if ``sources``.

        ``known`` are names for some of its nodes.
        """
        names = {**self.names(), **(known or {})}
        shown = [n for n in self.inputs if n.value is None or n.aval.ndim or not known]
        lines = ["inputs: " + ", ".join(f"{names[n]}: {n.aval!r}" for n in shown)]
        for node in self.nodes:
            arguments = " ".join(names[i] for i in node.inputs)
            line = f"{names[node]}: {node.aval!r} = {node.op} {arguments}".rstrip()
            if sources:
                line += f"  # {_source.describe(node.source)} {node.path}".rstrip()
            lines.append(line)
        lines.append("return " + ", ".join(names[n] for n in self.outputs))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes>"


def freed_error(node: Node) -> GraphError:
    """What to say when the tape behind ``node`` is gone."""
    return GraphError(
        f"the graph behind {node!r}",
        "a graph that an earlier backward() let go to free its memory",
        "a graph that is still there",
        "call the earlier backward(retain_graph=True), or compute the value again",
    )
