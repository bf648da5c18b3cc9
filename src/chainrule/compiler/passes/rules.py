"""What the rules of ``simplify`` share: how they are registered, and what they ask about nodes.

A rule is a function of the builder, the node and its inputs. It returns what to use instead of the node, or None. Its
docstring shows before -> after; "exact" in it means the same bits, NaN and signs of zeros included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from chainrule.compiler.rewrite import Builder
from chainrule.core.graph import Node
from chainrule.core.op import Op
from chainrule.ops.arithmetic import Multiply
from chainrule.ops.shape import BroadcastTo, Reshape

__all__ = ["RULES", "is_number", "multiple", "number", "rule", "rules_for", "spread", "times"]

#: The ops (with their subclasses) that a rule is asked about, and the rule; asked in this order.
RULES: list[tuple[tuple[type[Op], ...], Callable[..., Node | None]]] = []


def rule(*kinds: type[Op]) -> Callable[[Callable[..., Node | None]], Callable[..., Node | None]]:
    """Enter a rule for nodes of these ops."""

    def enter(function: Callable[..., Node | None]) -> Callable[..., Node | None]:
        RULES.append((kinds, function))
        return function

    return enter


_rules_for: dict[type[Op], list[Callable[..., Node | None]]] = {}


def rules_for(kind: type[Op]) -> list[Callable[..., Node | None]]:
    """The rules to ask about a node of this op."""
    found = _rules_for.get(kind)
    if found is None:
        found = _rules_for[kind] = [function for kinds, function in RULES if issubclass(kind, kinds)]
    return found


def number(node: Node) -> Any:
    """The one number that a constant holds, broadcast or not, as a Python number; None for any other node."""
    while isinstance(node.op, (BroadcastTo, Reshape)) and node.inputs[0].aval.size == 1:
        node = node.inputs[0]
    return node.value.item() if node.value is not None and node.aval.size == 1 else None


def is_number(node: Node, value: float) -> bool:
    """Whether ``node`` is the constant ``value``; 0.0 is not -0.0."""
    found = number(node)
    return found is not None and found == value and math.copysign(1, found) == math.copysign(1, value)


def multiple(node: Node) -> tuple[Node, float] | None:
    """x and c of ``x * c`` or ``c * x``, floats with one number c; None for any other node."""
    if not isinstance(node.op, Multiply) or not node.aval.floating:
        return None
    for x, factor in (node.inputs, node.inputs[::-1]):
        found = number(factor)
        if found is not None and number(x) is None:
            return x, found
    return None


def times(build: Builder, x: Node, factor: float, node: Node) -> Node:
    """``x * factor`` in the shape of ``node``."""
    return spread(build, build(Multiply.of(), x, build.constant(factor, x.aval.dtype)), node.aval.shape)


def spread(build: Builder, x: Node, shape: tuple[int, ...]) -> Node:
    """``x`` in a shape to which it broadcasts."""
    return x if x.aval.shape == shape else build(BroadcastTo.of(shape), x)
