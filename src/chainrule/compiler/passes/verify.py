"""The rules that every pass keeps, checked."""

from __future__ import annotations

from chainrule.compiler.program import Program
from chainrule.core.aval import Aval
from chainrule.core.errors import GraphError

__all__ = ["verify"]


def verify(program: Program, before: Program) -> None:
    """Check a program that was made from ``before``: the graph's own rules, the same roles, the same types.

    Raises:
        GraphError: at the first rule that is broken.
    """
    graph = program.graph
    graph.verify()
    for node in graph.inputs:
        if node.value is not None and Aval.like(node.value) is not node.aval:
            raise _broken(f"a constant {node.aval!r} that holds {Aval.like(node.value)!r}", "the array's own type")
    leaves = set(graph.inputs)
    if len(leaves) != len(graph.inputs):
        raise _broken("a leaf that is listed twice", "each leaf once")
    if program.inputs != before.inputs or program.names != before.names:
        raise _broken("other inputs than before", "the same inputs under the same names, in the same order")
    if missing := [n for n in program.inputs if n not in leaves or n.value is not None]:
        raise _broken(f"the input {program.names[missing[0]]} is missing from the graph", "every input as a leaf")
    if unknown := [n for n in leaves.difference(program.inputs) if n.value is None]:
        raise _broken(
            f"a leaf {unknown[0]!r} that is neither input nor constant", "leaves that are given or hold a value"
        )
    roles = (program.results, program.carried, program.streams)
    if roles != (before.results, before.carried, before.streams):
        raise _broken("other roles of inputs and outputs than before", "the same results, carried state and streams")
    now, then = [n.aval for n in graph.outputs], [n.aval for n in before.outputs]
    if now != then:
        raise _broken(f"outputs {now}", f"{then}, as before")
    for place, output in zip(program.carried, program.outputs[program.results :], strict=True):
        if place is not None and program.inputs[place].aval is not output.aval:
            name = program.names[program.inputs[place]]
            raise _broken(f"{output.aval!r} as the new {name}", f"{program.inputs[place].aval!r}")


def _broken(received: str, expected: str) -> GraphError:
    return GraphError("verify the program", received, expected, "mend the pass that made it")
