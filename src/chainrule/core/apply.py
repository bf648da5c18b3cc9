"""The one door: nothing but ``apply`` executes, records or traces an op."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core import source
from chainrule.core.aval import Aval, canonical_dtype
from chainrule.core.errors import ChainruleError, DTypeError
from chainrule.core.graph import Node, layer_path
from chainrule.core.modes import get_default_dtype, local
from chainrule.core.op import Op
from chainrule.tensor import Tensor

__all__ = ["apply", "as_node", "compute_arrays"]

_ndarray = np.ndarray
_NUMBERS = (float, int)
_NOTHING = object()
_new_tensor = Tensor.__new__
_caller = source.caller


def apply(op: Op, x: Any, y: Any = _NOTHING, *rest: Any) -> Tensor:
    """Interpret ``op`` on its inputs in this thread's mode. Inputs may be tensors, Python numbers or arrays.

    Eagerly: shape and dtype are inferred (or remembered) first, the value is computed by NumPy, and a node that can be
    walked back is recorded if a gradient may be wanted. One to three inputs, nearly all ops, go without loops.
    """
    mode = local.mode
    interpret = mode.interpret
    if interpret is not None:
        if interpret is compute_arrays:  # without the detour
            return op.compute(x) if y is _NOTHING else op.compute(x, y, *rest)  # type: ignore[return-value]
        return interpret(op, (x,) if y is _NOTHING else (x, y, *rest))  # type: ignore[no-any-return]
    nodes: tuple[Node, ...]
    try:
        if y is _NOTHING:
            a = x.node
            nodes = (a,)
            aval = op.memo[a.aval]
            value = op.compute(a.value)
            wanted = a.requires_grad
        elif not rest:
            if type(y) in _NUMBERS and x.node.aval.floating:
                a = x.node
                b = _scalar(y, a.aval.dtype)
            elif type(x) in _NUMBERS and y.node.aval.floating:
                b = y.node
                a = _scalar(x, b.aval.dtype)
            else:
                a, b = x.node, y.node
            nodes = (a, b)
            aval = op.memo[a.aval, b.aval]
            value = op.compute(a.value, b.value)
            wanted = a.requires_grad or b.requires_grad
        else:
            (z,) = rest
            a, b, c = nodes = x.node, y.node, z.node
            aval = op.memo[a.aval, b.aval, c.aval]
            value = op.compute(a.value, b.value, c.value)
            wanted = a.requires_grad or b.requires_grad or c.requires_grad
    except (KeyError, AttributeError, ValueError):
        nodes, aval = _prepare(op, (x,) if y is _NOTHING else (x, y, *rest))
        value = op.compute(*[n.value for n in nodes])
        wanted = any(n.requires_grad for n in nodes)
    if type(value) is not _ndarray:
        value = np.asarray(value)
    if wanted and mode.grad and op.differentiable and aval.floating:
        scope = mode.scope
        where = scope[2] if scope is not None else None
        node = Node(op, nodes, aval, value, True, where or _caller(2), scope)
    else:
        node = Node(None, (), aval, value)
    if mode.watch is not None:
        mode.watch(op, node, nodes)
    tensor = _new_tensor(Tensor)
    tensor.node = node
    return tensor


def _prepare(op: Op, inputs: tuple[Any, ...]) -> tuple[tuple[Node, ...], Aval]:
    """The long way in: lift what is not a tensor, cast to the common dtype, infer, and say where if that fails."""
    try:
        nodes = _lift(op, inputs)
        return nodes, op.infer_memo(tuple([n.aval for n in nodes]))
    except ChainruleError as error:
        _add_context(error, local.mode.scope)
        raise


_scalars: dict[tuple[Any, np.dtype[Any]], Node] = {}


def _scalar(number: float | int, dtype: np.dtype[Any]) -> Node:
    """A constant node for a Python number; the ones used again and again are kept."""
    key = (number, dtype)
    node = _scalars.get(key)
    if node is None or number == 0:  # 0.0 and -0.0 are equal keys, and different numbers
        node = Node.leaf(_number_array(number, dtype))
        if len(_scalars) > 1024:
            _scalars.clear()
        _scalars[key] = node
    return node


def _number_array(number: float | int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(number, dtype)
    except OverflowError:
        raise DTypeError(
            "a Python number beside a tensor", f"{number}", f"a number that {dtype} can hold", "cast the tensor first"
        ) from None


def as_node(x: Any, dtype: np.dtype[Any] | None = None) -> Node:
    """The node of a tensor, or a constant node for a number, array or list."""
    if isinstance(x, Tensor):
        return x.node
    if isinstance(x, (bool, int, float)):
        if dtype is None:
            dtype = get_default_dtype() if isinstance(x, float) else canonical_dtype(type(x))
        return _scalar(x, dtype)
    return Tensor(x).node


def _lift(op: Op, inputs: tuple[Any, ...]) -> tuple[Node, ...]:
    """Constant nodes for what is not a tensor yet, and casts to the common dtype that ``op`` asks for."""
    numbers = [isinstance(x, (bool, int, float)) for x in inputs]
    nodes = [None if number else as_node(x) for x, number in zip(inputs, numbers, strict=True)]
    dtype = op.common_dtype(
        [n.aval.dtype for n in nodes if n is not None],
        [x for x, number in zip(inputs, numbers, strict=True) if number],
    )
    lifted = [as_node(x, dtype) if node is None else node for x, node in zip(inputs, nodes, strict=True)]
    if dtype is None:
        return tuple(lifted)
    wanted = op.cast_inputs(dtype) or (dtype,) * len(lifted)
    return tuple(n if d is None else cast_node(n, d) for n, d in zip(lifted, wanted, strict=True))


def cast_node(node: Node, dtype: np.dtype[Any]) -> Node:
    """``node`` in another dtype, by an explicit cast: a typed graph has no hidden ones."""
    if node.aval.dtype is dtype:
        return node
    from chainrule.ops.convert import Cast

    result: Tensor = apply(Cast.of(dtype), Tensor._of(node))
    return result.node


def _add_context(error: ChainruleError, scope: Any) -> None:
    """Say at which line of the user's, and in which layer, an op could not be applied."""
    where = _caller(1)
    text = source.line_text(where)
    error.context.append(f"  {'at:':<9} {source.describe(where)}" + (f"  {text}" if text else ""))
    if scope is not None:
        error.context.append(f"  {'layer:':<9} {layer_path(scope)}")


def compute_arrays(op: Op, inputs: tuple[Any, ...]) -> Any:
    """The interpretation that only computes: plain NumPy arrays in and out, nothing inferred or recorded.

    Derivative rules and update rules are written in operators that arrays have too, so the same text runs at NumPy's
    speed where no one records or traces.
    """
    return op.compute(*inputs)
