"""What stands in an operation's circle: its sign, with the numbers that were written into the expression."""

from __future__ import annotations

from chainrule.show.circuit import Quantity
from chainrule.show.statistics import number

__all__ = ["COMMUTATIVE", "shows_number", "sign"]

#: Operations whose inputs may be drawn in any order.
COMMUTATIVE = {
    "add",
    "multiply",
    "maximum",
    "minimum",
    "logical_and",
    "logical_or",
    "logical_xor",
    "equal",
    "not_equal",
}

_SIGNS = {
    "absolute": "|x|", "add": "+", "affine": "x·Wᵀ + b", "argmax": "arg max", "argmin": "arg min",
    "broadcast_to": "repeat", "cast": "cast", "clip": "clip", "concatenate": "join", "cumsum": "cumsum",
    "divide": "÷", "einsum": "einsum", "equal": "=", "expm1": "eˣ-1", "greater": ">", "greater_equal": "≥",
    "index": "x[i]", "index_add": "add at i", "isfinite": "finite?", "isnan": "NaN?", "less": "<", "less_equal": "≤",
    "log1p": "log(1+x)", "log_softmax": "log softmax", "logical_and": "and", "logical_not": "not", "logical_or": "or",
    "logical_xor": "xor", "logsumexp": "log Σ eˣ", "matmul": "X·Y", "matmul_add": "C + αX·Y", "maximum": "max", "minimum": "min",
    "multiply": "×", "negative": "× -1", "normal": "random", "not_equal": "≠", "permutation": "shuffle", "power": "xʸ",
    "prod": "Π", "relu": "ReLU", "rsqrt": "1/√x", "sigmoid": "σ", "sqrt": "√", "square": "x²",
    "stop_gradient": "stop", "subtract": "−", "sum": "Σ", "uniform": "random",
}  # fmt: skip

#: With a number in the place of the first or the second input: the usual way to write it.
_WITH_NUMBER = {
    ("add", 0): "+ {}", ("add", 1): "+ {}", ("subtract", 0): "{} − x", ("subtract", 1): "− {}",
    ("multiply", 0): "× {}", ("multiply", 1): "× {}", ("divide", 0): "{}/x", ("divide", 1): "÷ {}",
    ("maximum", 0): "max(x, {})", ("maximum", 1): "max(x, {})", ("minimum", 0): "min(x, {})",
    ("minimum", 1): "min(x, {})", ("power", 0): "{}ˣ", ("power", 1): "x^{}",
}  # fmt: skip

_RAISED = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")
_MATMUL = {(False, False): "X·Y", (False, True): "X·Yᵀ", (True, False): "Xᵀ·Y", (True, True): "Xᵀ·Yᵀ"}


def sign(quantity: Quantity) -> str:
    """The sign of the operation that made ``quantity``: ``+``, ``×``, ``1/x``, ``σ``; else the operation's name.

    >>> import chainrule as cr
    >>> from chainrule.show.circuit import Circuit
    >>> x = cr.tensor(2.0, requires_grad=True)
    >>> [sign(Circuit.of(t).output) for t in (x * x, 1 / x, x + 3, x**3, x.tanh())]
    ['×', '1/x', '+ 3', 'x³', 'tanh']
    """
    op = quantity.node.op
    if op is None:
        return quantity.short_name
    numbers = [(i, q) for i, q in enumerate(quantity.inputs) if q.is_number]
    if len(numbers) == 1 and (op.name, numbers[0][0]) in _WITH_NUMBER:
        position, constant = numbers[0]
        text = number(constant.value.reshape(()))
        if (op.name, position) == ("power", 1):
            return "x" + text.translate(_RAISED)
        return _WITH_NUMBER[op.name, position].format(text)
    if op.name == "clip" and [i for i, _ in numbers] == [1, 2]:
        return "clip [{}, {}]".format(*(number(q.value.reshape(())) for _, q in numbers))
    if op.name == "matmul":
        return _MATMUL[op.params["transpose_a"], op.params["transpose_b"]]
    return _SIGNS.get(op.name, op.name.replace("_", " "))


def shows_number(quantity: Quantity, position: int) -> bool:
    """Whether the sign of ``quantity`` holds its input at ``position``, so that it needs no wire."""
    op = quantity.node.op
    numbers = [i for i, q in enumerate(quantity.inputs) if q.is_number]
    if op is None or position not in numbers:
        return False
    return (len(numbers) == 1 and (op.name, position) in _WITH_NUMBER) or (op.name == "clip" and numbers == [1, 2])
