"""Compositions that people know by a name, recognised in a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.compiler.program import Program
from chainrule.core.aval import bool_
from chainrule.core.graph import Node

__all__ = ["is_affine", "is_log_softmax", "is_softmax", "made_by", "noun"]

Operands = Mapping[Node, Sequence[Node]]

#: A noun for a value by the op that makes it; anything else is u.
_NOUNS = {
    "mean": "mean", "rsqrt": "inv_std", "sqrt": "root", "exp": "e", "sum": "total", "max": "top", "min": "least",
    "not_equal": "counted", "less": "mask", "less_equal": "mask", "greater": "positive", "greater_equal": "mask",
    "equal": "mask", "logical_and": "mask", "logical_or": "mask", "logical_not": "mask", "index": "picked",
    "argmax": "predicted", "argmin": "place", "isfinite": "finite", "concatenate": "joined", "uniform": "noise",
    "normal": "noise", "permutation": "order", "clip": "clipped", "index_add": "placed", "square": "squares",
    "relu": "h", "sigmoid": "s", "tanh": "squashed", "cumsum": "sums",
}  # fmt: skip
#: Nouns that are numbered as the layer in which they stand.
_OF_LAYER = {"centred", "inv_std", "kept", "mask", "mean", "scale", "var", "xhat", "h", "a"}


def made_by(node: Node, *ops: str) -> bool:
    """Whether one of these ops made the node."""
    return node.op is not None and node.op.name in ops


def is_log_softmax(node: Node, operands: Operands) -> bool:
    """``z - log(sum(exp(z)))``."""
    if made_by(node, "log_softmax"):
        return True
    if not made_by(node, "subtract"):
        return False
    z, other = operands[node]
    for name in ("log", "sum", "exp"):
        if not made_by(other, name):
            return made_by(other, "logsumexp") and operands[other][0] is z
        other = operands[other][0]
    return other is z


def is_softmax(node: Node, operands: Operands) -> bool:
    """``exp(z) / sum(exp(z))``."""
    if not made_by(node, "divide"):
        return False
    e, total = operands[node]
    return made_by(e, "exp") and made_by(total, "sum") and operands[total][0] is e


def is_affine(
    node: Node, operands: Operands, users: Mapping[Node, Sequence[Node]], weights: Mapping[Node, Any]
) -> bool:
    """A product by weights, with the bias that is added to it."""
    if made_by(node, "affine"):
        return True
    if made_by(node, "add"):
        return any(made_by(i, "matmul") and any(j in weights for j in operands[i]) for i in operands[node])
    if not made_by(node, "matmul") or not any(i in weights for i in operands[node]):
        return False
    return not any(made_by(user, "add") and any(i in weights for i in operands[user]) for user in users[node])


def noun(node: Node, program: Program, operands: Operands, names: Mapping[Node, str], suffix: str) -> str:
    """A name for a value that has none of its own; others are called ``names``, and its layer's end in ``suffix``."""
    if node.op is None:
        return "rows" if node.aval.dtype.kind == "i" else "constant"
    inputs = operands[node]
    base = _composed(node, program, operands)
    if base == "eps":
        (near,) = (i for i in inputs if i.value is None)
        return f"{names.get(near) or noun(near, program, operands, names, suffix)}_eps"
    base = base or _NOUNS.get(node.op.name, "u")
    return base + (suffix if base in _OF_LAYER and node.aval.ndim else "")


def _composed(node: Node, program: Program, operands: Operands) -> str:
    """A noun for what several ops make together."""
    inputs = operands[node]
    first, last = inputs[0], inputs[-1]
    kinds = program.kinds
    if made_by(node, "subtract"):
        if made_by(last, "mean") and operands[last][0] is first:
            return "centred"
        if made_by(last, "max"):
            return "shifted"
        if "argument" in (kinds.get(first), kinds.get(last)) and first.value is None and last.value is None:
            return "error"
    elif made_by(node, "add"):
        small = [i for i in inputs if i.value is not None and not i.aval.ndim and 0 < i.value < 1e-3]
        if small and len(inputs) == 2:
            return "eps" if any(made_by(i, "mean") for i in inputs) else "denominator"
        if any(kinds.get(i) == "random counter" for i in inputs):
            return "counter"
    elif made_by(node, "multiply"):
        if any(made_by(i, "rsqrt") for i in inputs):
            centred = any(i.op is not None and _composed(i, program, operands) == "centred" for i in inputs)
            return "xhat" if centred else "scale"
        if any(made_by(i, "cast") and operands[i][0].aval.dtype is bool_ for i in inputs):
            return "mask"
    elif made_by(node, "mean"):
        return "var" if made_by(first, "square") else "mean"
    elif made_by(node, "less"):
        return "kept" if made_by(first, "uniform") else "mask"
    elif made_by(node, "equal"):
        return "correct" if any(made_by(i, "argmax") for i in inputs) else "mask"
    elif made_by(node, "divide"):
        return "p" if made_by(first, "exp") else ""
    elif made_by(node, "where"):
        return "labels" if node.aval.dtype.kind == "i" else ""
    elif made_by(node, "sum") and made_by(first, "cast") and operands[first][0].aval.dtype is bool_:
        return "n"
    elif made_by(node, "sqrt") and made_by(first, "sum") and made_by(operands[first][0], "square"):
        return "norm"
    elif made_by(node, "reshape"):
        return "flat" if node.aval.ndim > 1 else (_composed(first, program, operands) if first.op is not None else "")
    return ""
