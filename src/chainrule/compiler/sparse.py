"""Which matrices of a program are data, whose zeros are worth looking for."""

from __future__ import annotations

from typing import Any

from chainrule.compiler.lower import can_inline
from chainrule.compiler.program import Program
from chainrule.core.aval import Aval, float32
from chainrule.core.graph import Node
from chainrule.ops.linalg import MatMulAdd

__all__ = ["Data"]


class Data:
    """Tells what a program is given from what it learns or computes."""

    def __init__(self, program: Program) -> None:
        self.given = set(program.inputs)
        self.changed = {program.inputs[home] for home in program.carried if home is not None}

    def factor(self, product: Node) -> Node | None:
        """The factor of a matrix product that is data: x of ``x @ w``, ``x.T @ g`` or ``g.T @ x``; None where none is."""
        op: Any = product.op
        a, b = product.inputs[1:3] if isinstance(op, MatMulAdd) else product.inputs
        if a.aval.ndim != 2 or b.aval.ndim != 2 or (op.transpose_a and op.transpose_b):
            return None
        x = a if not op.transpose_a or self.holds(a) else b
        return x if _worth_looking(x.aval, product.aval) and self.holds(x) else None

    def holds(self, node: Node) -> bool:
        """Whether it is made number by number from what the program is given; weights, which it changes, are not."""
        if node.op is None:
            return bool(self.changed) and node not in self.changed
        rest, given = [node], False
        while rest:
            node = rest.pop()
            if node in self.changed or (node.op is not None and not can_inline(node)):
                return False
            given = given or (node in self.given and node.aval.size > 1)
            rest += node.inputs
        return given


def _worth_looking(data: Aval, out: Aval) -> bool:
    """Long rows of many numbers, each met by several others."""
    many = data.size >= 1 << 12 and data.size * min(out.shape) >= 1 << 18
    return data.dtype == float32 and data.shape[1] >= 64 and many
