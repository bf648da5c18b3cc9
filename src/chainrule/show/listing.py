"""Which line of a listing computes each value and each gradient of a circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.core.graph import Node
from chainrule.show.circuit import Circuit, Quantity

if TYPE_CHECKING:
    from chainrule.compiler.compile import Compiled

__all__ = ["Listing", "listing_of"]


class Listing:
    """The text of a program, and the lines of a circuit's values and gradients in it, counted from 1.

    A value that has no line of its own, because it is folded into another, stands where it is used.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.values: dict[Quantity, int] = {}
        self.gradients: dict[Quantity, int] = {}


def listing_of(circuit: Circuit, step: Compiled) -> Listing:
    """The listing of a compiled step that computes the same as the circuit, perhaps on other numbers, and more besides.

    Raises GraphError for a step that was never called.
    """
    program = step.graph()
    text, lines = step.source_lines()
    listing = Listing(text)
    nodes = _counterparts(circuit, program)
    for quantity in reversed(circuit.quantities):
        users = [listing.values.get(user) for user, _ in quantity.users]
        node = nodes.get(quantity)
        _note(listing.values, quantity, lines.get(node) if node else None, users)
    for quantity in circuit.quantities:
        # A factor that is multiplied into what comes before stands there.
        before = [listing.values[x] for x in quantity.inputs if x in listing.values]
        if quantity not in listing.values and before:
            listing.values[quantity] = max(before)
    for quantity in reversed(circuit.order):
        node = nodes.get(quantity)
        gradient = program.gradient_of.get(node) if node else None
        receivers = [listing.gradients.get(quantity.inputs[path.position]) for path in quantity.sent]
        _note(listing.gradients, quantity, lines.get(gradient) if gradient else None, receivers)
    return listing


def _note(found: dict[Quantity, int], quantity: Quantity, line: int | None, uses: list[int | None]) -> None:
    line = line or min((use for use in uses if use is not None), default=None)
    if line is not None:
        found[quantity] = line


def _counterparts(circuit: Circuit, program: Any) -> dict[Quantity, Node]:
    """The node of the program for each quantity: the same operations lead from it to the output."""
    best: dict[Quantity, Node] = {}
    for node in program.graph.nodes:
        found: dict[Quantity, Node] = {}
        waiting = [(circuit.output, node)]
        while waiting:
            quantity, other = waiting.pop()
            if quantity in found or not _alike(quantity.node, other):
                continue
            found[quantity] = other
            waiting += zip(quantity.inputs, other.inputs, strict=False)
        if len(found) > len(best):
            best = found
    return best


def _alike(one: Node, other: Node) -> bool:
    """Whether both are made by the same operation, or by none."""
    if one.op is None or other.op is None:
        return one.op is other.op
    return one.op.name == other.op.name and len(one.inputs) == len(other.inputs)
