"""How each op is written in NumPy: one short function an op, from the texts of its inputs to its own.

What is written computes the same bits as the op's ``compute``; ``tests/backends/test_numpy_source.py`` holds that for
every op there is. A new op is written by a function of its own, or by the user: ``@writes("my_op")``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.backends.numpy.text import (
    AND,
    ATOM,
    COMPARE,
    OR,
    POWER,
    PRODUCT,
    SUM,
    XOR,
    Text,
    axes_text,
    binary,
    bound,
    call,
    literal,
    negated,
    strong,
    type_name,
    unary,
)  # fmt: skip
from chainrule.core.aval import Aval, bool_, float64, is_float
from chainrule.core.errors import GraphError
from chainrule.core.graph import Node
from chainrule.ops.linalg import _EINSUM_SMALL

__all__ = ["WRITERS", "expression", "writes"]

#: Gets the node, the texts of its inputs and their avals.
Writer = Callable[[Node, Sequence[Text], Sequence[Aval]], Text]

WRITERS: dict[str, Writer] = {}


def writes(*names: str) -> Callable[[Writer], Writer]:
    """Register how the ops of these names are written."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(names, writer))
        return writer

    return register


def expression(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    """The text of ``node``, given those of its inputs; ``avals`` are the inputs' types and shapes as written.

    Raises:
        GraphError: an op that nobody has said how to write.
    """
    op = node.op
    assert op is not None
    writer = WRITERS.get(op.name)
    if writer is None:
        raise GraphError(
            "source()", f"the op {op.name}", "ops that can be written in NumPy",
            f'register one with @chainrule.backends.numpy.writes("{op.name}")',
        )  # fmt: skip
    return writer(node, inputs, avals)


# ---- arithmetic


def _met(inputs: Sequence[Text], avals: Sequence[Aval]) -> list[Text]:
    """The inputs, with at least one that has its exact type: two Python numbers would be computed as Python does."""
    if all(x.weak for x in inputs):
        return [strong(inputs[0], avals[0].dtype), *inputs[1:]]
    return list(inputs)


def _arithmetic(inputs: Sequence[Text], avals: Sequence[Aval]) -> Sequence[Text]:
    """As ``_met``, but Python may add and multiply its own numbers where they are float64: the bits are the same."""
    weak = all(x.weak for x in inputs) and avals[0].dtype is float64
    return inputs if weak and any(x.weak == "names" for x in inputs) else _met(inputs, avals)


@writes("add")
def _add(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    if len(inputs) == 1:  # x + x
        return binary("*", PRODUCT, Text("2"), inputs[0])
    x, y = _arithmetic(inputs, avals)
    if node.aval.dtype is not bool_:
        if y.opposite is not None:
            return binary("-", SUM, x, y.opposite)
        if x.opposite is not None:
            return binary("-", SUM, y, x.opposite)
    return binary("+", SUM, x, y)


@writes("subtract")
def _subtract(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    x, y = _arithmetic(inputs, avals)
    return binary("-", SUM, x, y) if y.opposite is None else binary("+", SUM, x, y.opposite)


@writes("multiply")
def _multiply(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    x, y = _arithmetic(inputs, avals)
    # Numbers stand in front, where that needs no further parentheses.
    if y.weak and not x.weak and x.rank != PRODUCT and y.rank > SUM:
        x, y = y, x
    return binary("*", PRODUCT, x, y)


@writes("divide")
def _divide(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    return binary("/", PRODUCT, *_met(inputs, avals))


@writes("power")
def _power(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    x, y = _met(inputs, avals)
    # For these exponents the operator takes other ways than the function: sqrt differs from it at -infinity.
    if y.code in ("-1", "0", "0.5", "1", "2"):
        return call("np.power", x, y)
    return binary("**", POWER, x, y)


@writes("square")
def _square(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,) = inputs
    # An array's ** 2 is its square; a number's is a power.
    return binary("**", POWER, x, Text("2")) if avals[0].ndim else call("np.square", strong(x, avals[0].dtype))


@writes("negative")
def _negative(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    x = inputs[0] if inputs[0].weak == "names" else strong(inputs[0], avals[0].dtype)
    return negated(x, is_float(node.aval.dtype))


# ---- functions of one or two numbers


def _function(name: str) -> Writer:
    def write(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
        return call(name, *_met(inputs, avals))

    return write


for _name in (
    "sign", "isfinite", "isnan", "exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tanh", "maximum", "minimum",
):  # fmt: skip
    WRITERS[_name] = _function(f"np.{_name}")
WRITERS["absolute"] = _function("np.abs")
WRITERS["erf"] = _function("erf")
WRITERS["softplus"] = _function("softplus")


@writes("clip")
def _clip(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    x, low, high = _met(inputs, avals)
    if high.code == "np.inf":
        return call("np.maximum", x, low)
    if low.code == "-np.inf":
        return call("np.minimum", x, high)
    return call("np.minimum", call("np.maximum", x, low), high)


@writes("rsqrt")
def _rsqrt(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    return binary("/", PRODUCT, Text("1"), call("np.sqrt", *_met(inputs, avals)))


@writes("sigmoid")
def _sigmoid(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,) = _met(inputs, avals)
    return binary("/", PRODUCT, Text("1"), binary("+", SUM, Text("1"), call("np.exp", negated(x))))


@writes("relu")
def _relu(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,) = _met(inputs, avals)
    return call("np.maximum", x, literal(np.zeros((), avals[0].dtype)))


# ---- comparison, logic, choice


def _operator(symbol: str, rank: int) -> Writer:
    def write(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
        x, y = _met(inputs, avals)
        return binary(symbol, rank, x, y)

    return write


for _name, _symbol, _rank in (
    ("equal", "==", COMPARE), ("not_equal", "!=", COMPARE), ("less", "<", COMPARE), ("less_equal", "<=", COMPARE),
    ("greater", ">", COMPARE), ("greater_equal", ">=", COMPARE),
    ("logical_and", "&", AND), ("logical_or", "|", OR), ("logical_xor", "^", XOR),
):  # fmt: skip
    WRITERS[_name] = _operator(_symbol, _rank)


@writes("logical_not")
def _not(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    return unary("~", *_met(inputs, avals))


@writes("where")
def _where(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    condition, *choices = inputs
    return call("np.where", strong(condition, bool_), *_met(choices, avals[1:]))


@writes("cast")
def _cast(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,), dtype = inputs, node.aval.dtype
    if x.weak and is_float(dtype) and avals[0].dtype in (float64, dtype):
        return x
    name = type_name(dtype)
    if avals[0].ndim:
        return Text(f"{bound(x, ATOM)}.astype({name})")
    return call("np.bool_" if dtype is bool_ else name, strong(x, avals[0].dtype))


@writes("stop_gradient")
def _same(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    return inputs[0]


# ---- reductions


def _reduction(method: str, counts: bool) -> Writer:
    def write(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
        (x,), (aval,), params = inputs, avals, node.op.params  # type: ignore[union-attr]
        if method in ("sum", "mean") and x.opposite is not None and is_float(aval.dtype):
            return negated(write(node, [x.opposite], avals))  # -x.mean() is (-x).mean()
        arguments = axes_text(params["axes"], aval.ndim, params["keepdims"])
        if counts and not is_float(aval.dtype):
            arguments.append("dtype=np.int64")
        return Text(f"{bound(strong(x, aval.dtype), ATOM)}.{method}({', '.join(arguments)})")

    return write


for _name, _counts in (("sum", True), ("prod", True), ("max", False), ("min", False)):
    WRITERS[_name] = _reduction(_name, _counts)


@writes("mean")
def _mean(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    if not avals[0].size:  # numpy.mean would warn
        return call("np.full", str(node.aval.shape), "np.nan", type_name(node.aval.dtype))
    return _reduction("mean", False)(node, inputs, avals)


@writes("logsumexp")
def _logsumexp(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,), params = inputs, node.op.params  # type: ignore[union-attr]
    axes = params["axes"]
    arguments = [str(axes[0]) if len(axes) == 1 else str(axes)] + (["keepdims=True"] if params["keepdims"] else [])
    return call("logsumexp", strong(x, avals[0].dtype), *arguments)


@writes("argmax", "argmin")
def _arg(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    params = node.op.params  # type: ignore[union-attr]
    arguments = f"axis={params['axis']}" + (", keepdims=True" if params["keepdims"] else "")
    return Text(f"{bound(inputs[0], ATOM)}.{node.op.name}({arguments})")  # type: ignore[union-attr]


@writes("cumsum")
def _cumsum(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,), (aval,), params = inputs, avals, node.op.params  # type: ignore[union-attr]
    axis = params["axis"]
    arguments = f"axis={axis}" + ("" if is_float(aval.dtype) else ", dtype=np.int64")
    if not params["reverse"]:
        return Text(f"{bound(x, ATOM)}.cumsum({arguments})")
    return call("np.flip", Text(f"np.flip({x.code}, {axis}).cumsum({arguments})"), str(axis))


# ---- contractions


def _matrix(x: Text, aval: Aval, transposed: bool) -> Text:
    """A matrix as a product reads it."""
    return Text(bound(x, ATOM) + (".T" if aval.ndim == 2 else ".mT")) if transposed else x


@writes("matmul")
def _matmul(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    params = node.op.params  # type: ignore[union-attr]
    a = _matrix(inputs[0], avals[0], params["transpose_a"])
    return binary("@", PRODUCT, a, _matrix(inputs[1], avals[1], params["transpose_b"]))


@writes("matmul_add")
def _matmul_add(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    c, a, b, alpha = inputs
    product = _matmul(node, (a, b), avals[1:3])
    scaled = binary("*", PRODUCT, alpha, product)
    return binary("+", SUM, c, scaled) if scaled.opposite is None else binary("-", SUM, c, scaled.opposite)


@writes("affine")
def _affine(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    x, weight, bias = inputs
    return binary("+", SUM, binary("@", PRODUCT, x, _matrix(weight, avals[1], True)), bias)


@writes("einsum")
def _einsum(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    subscripts = f'"{node.op.params["subscripts"]}"'  # type: ignore[union-attr]
    small = len(avals) < 2 or (len(avals) == 2 and max(a.size for a in avals) < _EINSUM_SMALL)
    return call("np.einsum", subscripts, *inputs, *([] if small else ["optimize=True"]))


# ---- moves


@writes("reshape")
def _reshape(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,), old, new = inputs, avals[0].shape, node.aval.shape
    x = strong(x, avals[0].dtype)
    if len(new) > len(old) and tuple(n for n in new if n != 1) == old and 1 not in old:
        entries = ", ".join("None" if n == 1 else ":" for n in new)
        return Text(f"{bound(x, ATOM)}[{entries.rstrip(', :')}]")
    return Text(f"{bound(x, ATOM)}.reshape({', '.join(map(str, new)) or '()'})")


@writes("transpose")
def _transpose(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    axes, x = node.op.params["axes"], bound(strong(inputs[0], avals[0].dtype), ATOM)  # type: ignore[union-attr]
    if axes == tuple(reversed(range(len(axes)))):
        return Text(f"{x}.T")
    return Text(f"{x}.transpose({', '.join(map(str, axes))})")


@writes("broadcast_to")
def _broadcast_to(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    (x,), shape = inputs, str(node.aval.shape)
    if x.weak:
        return call("np.full", shape, x, type_name(node.aval.dtype))
    return call("np.broadcast_to", x, shape)


@writes("concatenate")
def _concatenate(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    axis = node.op.params["axis"]  # type: ignore[union-attr]
    return call("np.concatenate", f"[{', '.join(x.code for x in inputs)}]", *([f"axis={axis}"] if axis else []))


@writes("pad")
def _pad(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    widths = node.op.params["widths"]  # type: ignore[union-attr]
    return call("np.pad", inputs[0], str(widths)) if widths else inputs[0]


@writes("flip")
def _flip(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    axes = node.op.params["axes"]  # type: ignore[union-attr]
    return call("np.flip", inputs[0], str(axes[0]) if len(axes) == 1 else str(axes))


def place_text(entries: Sequence[Any], indexes: Sequence[Text]) -> str:
    """The text between the brackets of an index."""
    left = iter(indexes)

    def one(entry: Any) -> str:
        kind, *values = entry
        if kind == "slice":
            start, stop, step = ("" if v is None else str(v) for v in values)
            return f"{start}:{stop}" + (f":{step}" if step else "")
        return str(values[0]) if kind == "int" else {"new": "None", "rest": "..."}.get(kind) or next(left).code

    return ", ".join(map(one, entries)) or "()"


@writes("index")
def _index(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    x, *indexes = inputs
    indexes = [strong(i, a.dtype) for i, a in zip(indexes, avals[1:], strict=True)]
    entries = node.op.params["entries"]  # type: ignore[union-attr]
    return Text(f"{bound(strong(x, avals[0].dtype), ATOM)}[{place_text(entries, indexes)}]")


# ---- random numbers


@writes("uniform", "normal")
def _random(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    return call(node.op.name, *inputs, str(node.aval.shape), type_name(node.aval.dtype))  # type: ignore[union-attr]


@writes("permutation")
def _permutation(node: Node, inputs: Sequence[Text], avals: Sequence[Aval]) -> Text:
    return call("permutation", *inputs, str(node.aval.size))
