"""Parts of programs that several stages know by sight."""

from __future__ import annotations

import numpy as np

from chainrule.core.graph import Node
from chainrule.ops.arithmetic import Divide, Subtract
from chainrule.ops.exponential import Exp
from chainrule.ops.index import IndexAdd
from chainrule.ops.reduce import Max, Sum
from chainrule.ops.shape import BroadcastTo

__all__ = ["is_one_a_row", "is_range", "is_softmax", "is_sum_of_shifted_exp", "plain"]


def plain(node: Node) -> Node:
    """A node before it was broadcast."""
    return node.inputs[0] if isinstance(node.op, BroadcastTo) else node


def is_range(node: Node, length: int) -> bool:
    """Whether it is the constant 0, 1, ... below ``length``."""
    if node.op is not None or node.value is None or node.aval.shape != (length,):
        return False
    return bool((np.asarray(node.value) == np.arange(length)).all())


def is_one_a_row(node: Node) -> bool:
    """Whether it is a matrix of zeros with one number put into each row, as the gradient of ``x[arange(n), labels]`` is."""
    op = node.op
    if not isinstance(op, IndexAdd) or [entry[0] for entry in op.entries] != ["array", "array"]:
        return False
    x, rows, labels = node.inputs
    return len(op.shape) == 2 and x.aval.shape == labels.aval.shape == op.shape[:1] and is_range(rows, op.shape[0])


def is_sum_of_shifted_exp(total: Node, shifted: Node) -> bool:
    """Whether ``total`` is ``sum(exp(shifted))`` and ``shifted`` is ``z - max(z)`` along the same axes: at least 1."""
    if not isinstance(total.op, Sum) or not isinstance(shifted.op, Subtract):
        return False
    (e,), largest = total.inputs, plain(shifted.inputs[1])
    if not isinstance(e.op, Exp) or not isinstance(largest.op, Max):
        return False
    same = e.inputs[0] is shifted and largest.inputs[0] is shifted.inputs[0]
    return same and total.op.axes == largest.op.axes and total.op.keepdims


def is_softmax(node: Node) -> bool:
    """Whether it is ``exp(z - max(z))`` by its own sum."""
    if not isinstance(node.op, Divide):
        return False
    e, total = node.inputs[0], plain(node.inputs[1])
    return (
        isinstance(e.op, Exp)
        and bool(total.inputs)
        and total.inputs[0] is e
        and is_sum_of_shifted_exp(total, e.inputs[0])
    )
