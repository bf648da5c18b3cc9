"""Rules about numbers: arithmetic, powers, choice, change of dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.compiler.passes.rules import is_number, multiple, number, rule, spread, times
from chainrule.compiler.rewrite import Builder
from chainrule.core.aval import bool_, float32, float64, int32, int64, is_float, uint8
from chainrule.core.graph import Node
from chainrule.ops.arithmetic import Add, Divide, Multiply, Negative, Power, Subtract
from chainrule.ops.compare import Equal, LogicalNot, NotEqual, Where
from chainrule.ops.convert import Cast, StopGradient
from chainrule.ops.exponential import Exp, Log, Rsqrt, Sqrt, Square
from chainrule.ops.reduce import Mean, Sum


@rule(StopGradient)
def stop_gradient(build: Builder, node: Node, x: Node) -> Node | None:
    """``stop_gradient(x) -> x``: derivatives are taken before passes run. Exact."""
    return x


# ---- sums and products


@rule(Multiply)
def multiply_by_one(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x * 1 -> x``, ``1 * x -> x``. Exact."""
    for factor, one in ((x, y), (y, x)):
        if is_number(one, 1):
            return spread(build, factor, node.aval.shape)
    return None


@rule(Multiply)
def multiply_by_minus_one(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x * -1 -> -x``. Exact."""
    for factor, one in ((x, y), (y, x)):
        if is_number(one, -1):
            return spread(build, build(Negative.of(), factor), node.aval.shape)
    return None


@rule(Multiply)
def multiply_by_itself(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x * x -> square(x)``. Exact."""
    return build(Square.of(), x) if x is y and x.aval.dtype is not bool_ else None


@rule(Multiply)
def number_times_multiple(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``2 * (0.1 * x) -> 0.2 * x``: two roundings, of the product of the numbers and of that with x, as before."""
    outer = multiple(node)
    inner = multiple(outer[0]) if outer is not None else None
    if outer is None or inner is None or build.users[outer[0]] > 1:
        return None
    limits = np.finfo(node.aval.dtype)
    product = outer[1] * inner[1]
    return times(build, inner[0], product, node) if limits.tiny <= abs(product) <= limits.max else None


@rule(Multiply)
def number_times_negative(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``2 * -x -> -2 * x``. Exact."""
    found = multiple(node)
    if found is None or not isinstance(found[0].op, Negative) or build.users[found[0]] > 1:
        return None
    return times(build, found[0].inputs[0], -found[1], node)


@rule(Divide)
def divide_by_one(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x / 1 -> x``. Exact."""
    return spread(build, x, node.aval.shape) if is_number(y, 1) else None


@rule(Divide)
def divide_by_power_of_two(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x / 8 -> x * 0.125``, for powers of two whose inverse is a normal number. Exact."""
    divisor = number(y)
    if not divisor or not math.isfinite(divisor) or abs(math.frexp(divisor)[0]) != 0.5:
        return None
    limits = np.finfo(node.aval.dtype)
    if not limits.tiny <= abs(1 / divisor) <= limits.max:
        return None
    return spread(build, build(Multiply.of(), x, build.constant(1 / divisor, x.aval.dtype)), node.aval.shape)


@rule(Add)
def add_nothing(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x + -0.0 -> x``, and ``x + 0 -> x`` of whole numbers. Exact; of floats 0.0 would turn -0.0 into 0.0."""
    nothing = -0.0 if node.aval.floating else 0.0
    for term, zero in ((x, y), (y, x)):
        if is_number(zero, nothing):
            return spread(build, term, node.aval.shape)
    return None


@rule(Add)
def twice_a_multiple(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``0.1 * x + 0.1 * x -> 0.2 * x``, the same product twice. Exact among normal numbers."""
    found = multiple(x)
    if x is not y or found is None or build.users[x] > 2 or abs(found[1]) > np.finfo(node.aval.dtype).max / 2:
        return None
    return times(build, found[0], 2 * found[1], node)


@rule(Subtract)
def subtract_nothing(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x - 0 -> x``. Exact."""
    return spread(build, x, node.aval.shape) if is_number(y, 0.0) else None


@rule(Add)
def add_negative(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x + (-y) -> x - y``, ``(-x) + y -> y - x``. Exact."""
    for term, negative in ((x, y), (y, x)):
        if isinstance(negative.op, Negative):
            return build(Subtract.of(), term, negative.inputs[0])
    return None


@rule(Subtract)
def subtract_negative(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x - (-y) -> x + y``. Exact."""
    return build(Add.of(), x, y.inputs[0]) if isinstance(y.op, Negative) else None


@rule(Subtract)
def subtract_negative_multiple(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x - y * -2 -> x + y * 2``. Exact."""
    if not isinstance(y.op, Multiply) or build.users[y] > 1 or not is_float(y.aval.dtype):
        return None
    a, b = y.inputs
    factor = number(b)
    if factor is None or not factor < 0:
        return None
    return build(
        Add.of(), x, spread(build, build(Multiply.of(), a, build.constant(-factor, b.aval.dtype)), y.aval.shape)
    )


@rule(Add)
def add_negative_multiple(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x + y * -2 -> x - y * 2``, ``x * -2 + y -> y - x * 2``. Exact."""
    for term, other in ((x, y), (y, x)):
        found = multiple(other)
        if found is not None and found[1] < 0 and build.users[other] <= 1:
            return build(Subtract.of(), term, times(build, found[0], -found[1], other))
    return None


@rule(Negative)
def negative_of_multiple(build: Builder, node: Node, x: Node) -> Node | None:
    """``-(2 * x) -> -2 * x``. Exact."""
    found = multiple(x)
    return None if found is None or build.users[x] > 1 else times(build, found[0], -found[1], node)


@rule(Sum, Mean)
def reduction_of_negative(build: Builder, node: Node, x: Node) -> Node | None:
    """``sum(-x) -> -sum(x)`` of floats, mean alike: fewer signs to change. Exact but for the sign of zeros.

    A single number's sign would be changed after the loop, by a loop of its own.
    """
    if not isinstance(x.op, Negative) or build.users[x] > 1 or not node.aval.floating or node.aval.size == 1:
        return None
    return build(Negative.of(), build.again(node, x.inputs[0]))


@rule(Negative)
def negative_of_negative(build: Builder, node: Node, x: Node) -> Node | None:
    """``-(-x) -> x``. Exact."""
    return x.inputs[0] if isinstance(x.op, Negative) else None


# ---- powers and logarithms


@rule(Power)
def power_by_number(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``x ** 2 -> square(x)``; 0, 1, 3, and of floats 0.5, -0.5, -1 in their ways.

    Within two roundings; at -0.0 and -inf with the square root's answers (-0.0 and NaN), where C's ``pow`` has 0 and inf.
    """
    exponent, dtype = number(y), node.aval.dtype
    if exponent == 0:
        result = build.constant(1, dtype)
    elif exponent == 1:
        result = x
    elif exponent == 2:
        result = build(Square.of(), x)
    elif exponent == 3:
        result = build(Multiply.of(), x, build(Square.of(), x))
    elif exponent == 0.5:
        result = build(Sqrt.of(), x)
    elif exponent == -0.5:
        result = build(Rsqrt.of(), x)
    elif exponent == -1 and is_float(dtype):
        result = build(Divide.of(), build.constant(1, dtype), x)
    else:
        return None
    return spread(build, result, node.aval.shape)


@rule(Log)
def log_of_softmax(build: Builder, node: Node, x: Node) -> Node | None:
    """``log(exp(z) / sum(exp(z))) -> z - log(sum(exp(z)))``: finite where the quotient vanishes (so not exact there)."""
    if not isinstance(x.op, Divide):
        return None
    top, total = x.inputs
    if not isinstance(top.op, Exp) or not isinstance(total.op, Sum) or total.inputs[0] is not top:
        return None
    return build(Subtract.of(), top.inputs[0], build(Log.of(), total))


# ---- choice and logic


@rule(Where)
def where_both_are_one(build: Builder, node: Node, condition: Node, x: Node, y: Node) -> Node | None:
    """``where(c, x, x) -> x``. Exact."""
    return spread(build, x, node.aval.shape) if x is y else None


@rule(Where)
def where_decided(build: Builder, node: Node, condition: Node, x: Node, y: Node) -> Node | None:
    """``where(True, x, y) -> x``, ``where(False, x, y) -> y``. Exact."""
    decided = number(condition)
    return None if decided is None else spread(build, x if decided else y, node.aval.shape)


@rule(Where)
def where_within_where(build: Builder, node: Node, condition: Node, x: Node, y: Node) -> Node | None:
    """``where(c, where(c, x, z), y) -> where(c, x, y)``; also in a factor of a branch, and in the other branch. Exact."""
    inside = _chosen(build, condition, x, 1), _chosen(build, condition, y, 2)
    return None if inside == (x, y) else build(Where.of(), condition, *inside)


def _chosen(build: Builder, condition: Node, x: Node, branch: int) -> Node:
    """``x`` where ``condition`` chooses this branch of ``where``: 1 where it holds, 2 where it does not."""
    if isinstance(x.op, Where) and x.inputs[0] is condition:
        return _chosen(build, condition, spread(build, x.inputs[branch], x.aval.shape), branch)
    if isinstance(x.op, Multiply) and build.users[x] <= 1:
        factors = tuple(_chosen(build, condition, factor, branch) for factor in x.inputs)
        return x if factors == x.inputs else build(Multiply.of(), *factors)
    return x


@rule(Add)
def add_branches(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``where(c, x, 0) + where(c, 0, y) -> where(c, x, y)``. Exact but for the sign of zeros."""
    for first, second in ((x, y), (y, x)):
        if not (isinstance(first.op, Where) and isinstance(second.op, Where)):
            return None
        (c, a, nothing), (other, zero, b) = first.inputs, second.inputs
        used_once = build.users[first] <= 1 and build.users[second] <= 1
        if c is other and used_once and number(nothing) == 0 and number(zero) == 0:
            return spread(build, build(Where.of(), c, a, b), node.aval.shape)
    return None


@rule(Multiply)
def number_times_branch(build: Builder, node: Node, x: Node, y: Node) -> Node | None:
    """``2 * where(c, x, 0) -> where(c, 2 * x, 0)``, and the other way round. Exact but for the sign of zeros."""
    found = multiple(node)
    if found is None or not math.isfinite(found[1]):
        return None
    chosen, factor = found
    if not isinstance(chosen.op, Where) or build.users[chosen] > 1:
        return None
    condition, a, b = chosen.inputs
    if number(b) == 0:
        return spread(build, build(Where.of(), condition, times(build, a, factor, a), b), node.aval.shape)
    if number(a) == 0:
        return spread(build, build(Where.of(), condition, a, times(build, b, factor, b)), node.aval.shape)
    return None


@rule(Where)
def where_not(build: Builder, node: Node, condition: Node, x: Node, y: Node) -> Node | None:
    """``where(not c, x, y) -> where(c, y, x)``. Exact."""
    return build(Where.of(), condition.inputs[0], y, x) if isinstance(condition.op, LogicalNot) else None


@rule(LogicalNot)
def not_not(build: Builder, node: Node, x: Node) -> Node | None:
    """``not not x -> x``. Exact."""
    return x.inputs[0] if isinstance(x.op, LogicalNot) else None


@rule(LogicalNot)
def not_equal(build: Builder, node: Node, x: Node) -> Node | None:
    """``not (x == y) -> x != y`` and the reverse. Exact; the other comparisons have no opposite, because of NaN."""
    if isinstance(x.op, (Equal, NotEqual)):
        opposite = NotEqual if isinstance(x.op, Equal) else Equal
        return build(opposite.of(), *x.inputs)
    return None


# ---- dtypes

#: For each dtype, those that hold all its numbers.
EXACT: dict[np.dtype[Any], set[np.dtype[Any]]] = {
    bool_: {uint8, int32, int64, float32, float64},
    uint8: {int32, int64, float32, float64},
    int32: {int64, float64},
    int64: set(),
    float32: {float64},
    float64: set(),
}


@rule(Cast)
def cast_to_its_own(build: Builder, node: Node, x: Node) -> Node | None:
    """``cast[f32](x of f32) -> x``. Exact."""
    return x if x.aval.dtype is node.aval.dtype else None


@rule(Cast)
def cast_of_cast(build: Builder, node: Node, x: Node) -> Node | None:
    """``cast[c](cast[b](x of a)) -> cast[c](x)`` where b holds every number of a. Exact."""
    if not isinstance(x.op, Cast):
        return None
    (inner,) = x.inputs
    a, b, c = inner.aval.dtype, x.aval.dtype, node.aval.dtype
    # A float too large for a whole number has no defined cast, where whole numbers wrap around.
    narrowing = is_float(b) and not is_float(a) and not (is_float(c) or c is bool_ or c is a or c in EXACT[a])
    return build(Cast.of(c), inner) if b in EXACT[a] and not narrowing else None
