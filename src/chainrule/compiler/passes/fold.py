"""What does not depend on any input is computed once, before the program runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import Builder, rewrite
from chainrule.core.errors import ChainruleError
from chainrule.core.graph import Node
from chainrule.ops.shape import BroadcastTo

__all__ = ["MOST_ELEMENTS", "fold"]

Array = np.ndarray[Any, Any]

#: A folded constant may have so many elements, or as many as the largest constant that it is made of.
MOST_ELEMENTS = 4096


def fold(program: Program) -> Program:
    """Compute ops whose inputs are all constants, by NumPy; an array of one number over and over becomes that number.

    A number stays a number: ``broadcast_to`` is never computed, so that what uses it can do without the copies.

    >>> import chainrule as cr
    >>> program = cr.compile(lambda x: x * cr.sqrt(cr.full((2, 3), 16.0))).graph(cr.ones(2, 3))
    >>> print(program)
    inputs: x: f32[2,3], %1: f32[2,3]
    %2: f32[2,3] = sqrt %1
    %3: f32[2,3] = multiply x %2
    return %3
    >>> print(fold(program))
    inputs: x: f32[2,3]
    %3: f32[2,3] = broadcast_to[shape=(2, 3)] 16
    %4: f32[2,3] = broadcast_to[shape=(2, 3)] 4
    %5: f32[2,3] = multiply x %4
    return %5
    """
    return rewrite(program, _folded, constant=_single)


def _folded(build: Builder, node: Node) -> Node | None:
    """Constants in, a constant out."""
    op = node.op
    assert op is not None
    if isinstance(op, BroadcastTo):
        return None
    values = [value for i in node.inputs if (value := _known(i)) is not None]
    if not values or len(values) < len(node.inputs):
        return None
    if node.aval.size > max(MOST_ELEMENTS, *(i.aval.size for i in node.inputs)):
        return None
    try:
        value = np.asarray(op.compute(*values), node.aval.dtype)
    except ChainruleError:  # such as an index out of range: raised when the program runs, as it would be eagerly
        return None
    return _spread(build, value) or build.constant(value, node.aval.dtype)


def _known(node: Node) -> Array | None:
    """The value of a constant, or of one that is broadcast."""
    if isinstance(node.op, BroadcastTo):
        value = _known(node.inputs[0])
        return None if value is None else np.broadcast_to(value, node.aval.shape)
    return node.value


def _single(build: Builder, leaf: Node) -> Node | None:
    return _spread(build, leaf.value)


def _spread(build: Builder, array: Array) -> Node | None:
    """An array of one number (to the bit) over and over as that number, broadcast."""
    if not array.ndim or not array.size:
        return None
    flat = array.reshape(-1)
    number = flat[:1].tobytes()
    # Most arrays that are not of one number end with another: they are not read in full.
    if flat[-1:].tobytes() != number or flat.tobytes() != number * flat.size:
        return None
    return build(BroadcastTo.of(array.shape), build.constant(flat[0], array.dtype))
