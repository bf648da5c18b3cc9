"""What a back end makes of a program: something that takes arrays and gives arrays, for one step or for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.compiler.program import Program

__all__ = ["Executable", "Interpreter"]

Array = np.ndarray[Any, Any]


class Executable:
    """A program that can be run. Arrays that it is given are never changed; those it returns are new."""

    #: Who runs it: ``numpy``, ``llvm``.
    backend = "interpreter"

    def __init__(self, program: Program) -> None:
        self.program = program

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """One step: the outputs, from one array for each input."""
        raise NotImplementedError

    def scan(self, arrays: Sequence[Array], steps: int) -> list[Array]:
        """``steps`` steps, what is carried passed on from each to the next.

        The last ``program.streams`` arrays have a leading axis, one entry a step. Returns the results of all steps,
        stacked along a leading axis, and the last values of what was carried or put out.
        """
        program = self.program
        first_stream = len(program.inputs) - program.streams
        state, results = list(arrays[:first_stream]), []
        carried: list[Array] = []
        for step in range(steps):
            outputs = self([*state, *(a[step] for a in arrays[first_stream:])])
            results.append(outputs[: program.results])
            carried = outputs[program.results :]
            for place, value in zip(program.carried, carried, strict=True):
                if place is not None:
                    state[place] = value
        stacked = [np.stack([r[i] for r in results]) for i in range(program.results)]
        return [*stacked, *carried]

    def bind(self, fixed: Sequence[Array]) -> Callable[[Array], Array]:
        """The program as a function of its one remaining input, giving its one result."""
        return lambda x: self([*fixed, x])[0]


class Interpreter(Executable):
    """Computes a program node by node with NumPy: the meaning that back ends are tested against."""

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        graph = self.program.graph
        values: dict[Any, Array] = {n: n.value for n in self.program.constants}
        values.update(zip(self.program.inputs, arrays, strict=True))
        for node in graph.nodes:
            op = node.op
            assert op is not None
            values[node] = np.asarray(op.compute(*[values[i] for i in node.inputs]), node.aval.dtype)
        # Copies, since an op may return a view of its input, and the caller's arrays may change later.
        return [values[node].copy() for node in graph.outputs]
