"""The element rule of each elementwise op: its meaning for one element, in scalar instructions.

A back end calls ``ELEMENT[op.name](s, *values)`` with its own instructions ``s``; what comes back has the dtype that the
op infers. The rules follow NumPy on every dtype that the op takes, NaN and infinities included. All are straight code
without a branch, so that a loop over elements becomes vector code. ``cast`` and ``stop_gradient`` have no rule: the first
is an instruction, the second nothing at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.compiler.decompose_exp import erf, exp, expm1, sigmoid, softplus, tanh
from chainrule.compiler.decompose_log import log, log1p, power
from chainrule.compiler.decompose_trig import cos, sin
from chainrule.compiler.scalars import Scalars, Value
from chainrule.core.aval import bool_, is_float

__all__ = ["ELEMENT", "Rule"]

#: ``rule(s, *values)``, with one value an input of the op.
Rule = Callable[..., Value]


def instruction(name: str, on_booleans: str | None = None) -> Rule:
    """The rule that is one instruction; another one on booleans, if named."""

    def rule(s: Scalars, *values: Value) -> Value:
        return getattr(s, on_booleans if on_booleans and values[0].dtype == bool_ else name)(*values)

    return rule


def equal(s: Scalars, x: Value, y: Value) -> Value:
    """``x == y``; of booleans, whether both are the same."""
    return s.not_(s.xor(x, y)) if x.dtype == bool_ else s.eq(x, y)


def not_equal(s: Scalars, x: Value, y: Value) -> Value:
    """``x != y``, true where one is NaN; of booleans, whether exactly one is true."""
    return s.xor(x, y) if x.dtype == bool_ else s.ne(x, y)


def less(s: Scalars, x: Value, y: Value) -> Value:
    """``x < y``, where false is less than true."""
    return s.and_(s.not_(x), y) if x.dtype == bool_ else s.lt(x, y)


def less_equal(s: Scalars, x: Value, y: Value) -> Value:
    """``x <= y``, where false is less than true."""
    return s.or_(s.not_(x), y) if x.dtype == bool_ else s.le(x, y)


def isfinite(s: Scalars, x: Value) -> Value:
    """Whether x is neither NaN nor infinite: always so for integers and booleans."""
    return s.lt(s.abs(x), s.like(x, math.inf)) if is_float(x.dtype) else equal(s, x, x)


def absolute(s: Scalars, x: Value) -> Value:
    """``|x|``; x itself where it has no sign."""
    return s.abs(x) if x.dtype.kind in "if" else x


def sign(s: Scalars, x: Value) -> Value:
    """-1, 0 or 1; NaN stays."""
    zero = s.like(x, 0)
    rest = s.add(x, zero)  # x is 0 or NaN here; adding 0 makes a plain 0 of -0
    if x.dtype.kind in "if":
        rest = s.select(s.lt(x, zero), s.like(x, -1), rest)
    return s.select(s.gt(x, zero), s.like(x, 1), rest)


def relu(s: Scalars, x: Value) -> Value:
    """``max(x, 0)``; NaN stays, as the comparison is false. One instruction on x86."""
    if x.dtype == bool_:
        return x
    zero = s.like(x, 0)
    return s.select(s.lt(x, zero), zero, x)


def clip(s: Scalars, x: Value, low: Value, high: Value) -> Value:
    """``min(max(x, low), high)``."""
    return MINIMUM(s, MAXIMUM(s, x, low), high)


def rsqrt(s: Scalars, x: Value) -> Value:
    """``1 / sqrt(x)``."""
    return s.div(s.like(x, 1.0), s.sqrt(x))


MAXIMUM, MINIMUM = instruction("maximum", "or_"), instruction("minimum", "and_")

ELEMENT: dict[str, Rule] = {
    "absolute": absolute,
    "add": instruction("add", "or_"),
    "clip": clip,
    "cos": cos,
    "divide": instruction("div"),
    "equal": equal,
    "erf": erf,
    "exp": exp,
    "expm1": expm1,
    "greater": lambda s, x, y: less(s, y, x),
    "greater_equal": lambda s, x, y: less_equal(s, y, x),
    "isfinite": isfinite,
    "isnan": lambda s, x: not_equal(s, x, x),
    "less": less,
    "less_equal": less_equal,
    "log": log,
    "log1p": log1p,
    "logical_and": instruction("and_"),
    "logical_not": instruction("not_"),
    "logical_or": instruction("or_"),
    "logical_xor": instruction("xor"),
    "maximum": MAXIMUM,
    "minimum": MINIMUM,
    "multiply": instruction("mul", "and_"),
    "negative": instruction("neg"),
    "not_equal": not_equal,
    "power": power,
    "relu": relu,
    "rsqrt": rsqrt,
    "sigmoid": sigmoid,
    "sign": sign,
    "sin": sin,
    "softplus": softplus,
    "sqrt": instruction("sqrt"),
    "square": lambda s, x: s.mul(x, x),
    "subtract": instruction("sub"),
    "tanh": tanh,
    "where": instruction("select"),
}
