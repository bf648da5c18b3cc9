"""Pieces of Python text that know how tightly they bind, so that parentheses stand only where they are needed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.aval import bool_

__all__ = [
    "AND", "ATOM", "COMPARE", "OR", "POWER", "PRODUCT", "SUM", "UNARY", "WIDTH", "XOR", "Text", "axes_text", "binary",
    "bound", "call", "literal", "negated", "strong", "type_name", "unary", "wrapped",
]  # fmt: skip

#: How tightly Python's operators bind, from loose to tight; an atom is a name, a number, a call or an index.
COMPARE, OR, XOR, AND, SUM, PRODUCT, UNARY, POWER, ATOM = range(9)

#: How long a line of code is, without its indent and remark.
WIDTH = 76


class Text(NamedTuple):
    """An expression.

    A *weak* one is a Python number, which takes the element type of the array that it meets: a ``"literal"``, or made of
    ``"names"`` such as ``lr``. All others have exactly the type that the program gives them.
    """

    code: str
    rank: int = ATOM
    weak: str = ""
    #: ``x`` for the text ``-x``, ``x * y`` for ``-x * y``: what a sum may subtract instead, to the same bits.
    opposite: Text | None = None


def bound(text: Text, rank: int) -> str:
    """The code, in parentheses if it binds less tightly than ``rank``."""
    return text.code if text.rank >= rank else f"({text.code})"


def call(function: str, *arguments: Text | str) -> Text:
    """``function(a, b)``."""
    return Text(f"{function}({', '.join(a.code if isinstance(a, Text) else a for a in arguments)})")


def unary(symbol: str, x: Text) -> Text:
    """``~x``."""
    return Text(symbol + bound(x, UNARY), UNARY, x.weak)


def negated(x: Text, floating: bool = True) -> Text:
    """``-x``; a minus in front of a minus goes away, and of ``floating`` numbers ``-(2 * x)`` is ``-2 * x``."""
    if x.opposite is not None:
        return x.opposite
    if floating and x.rank == PRODUCT and x.code[0].isdigit() and not x.code.startswith("0 ") and "@" not in x.code:
        return Text("-" + x.code, PRODUCT, x.weak, x)
    return unary("-", x)._replace(opposite=x)


def binary(symbol: str, rank: int, left: Text, right: Text) -> Text:
    """``left symbol right``, computed in the order in which it is given: operators of one rank go from left to right."""
    weak = "names" if left.weak and right.weak else ""
    if rank == COMPARE:  # Python would chain them
        return Text(f"{bound(left, OR)} {symbol} {bound(right, OR)}", rank, weak)
    if rank == POWER:
        return Text(f"{bound(left, ATOM)} ** {bound(right, UNARY)}", rank, weak)
    opposite = None
    if rank == PRODUCT and left.opposite is not None:
        opposite = binary(symbol, rank, left.opposite, right)
    return Text(f"{bound(left, rank)} {symbol} {bound(right, rank + 1)}", rank, weak, opposite)


def type_name(dtype: np.dtype[Any]) -> str:
    """``np.float32``; ``bool`` is Python's own."""
    return "bool" if dtype is bool_ else f"np.{dtype}"


def strong(text: Text, dtype: np.dtype[Any]) -> Text:
    """A Python number as a number of the type ``dtype``."""
    if not text.weak:
        return text
    return call("np.bool_" if dtype is bool_ else type_name(dtype), text)


def literal(value: Any) -> Text:
    """A NumPy number as the shortest Python number that gives the same bits in its type."""
    if value.dtype.kind == "b":
        return Text(str(bool(value)), ATOM, "literal")
    number = value.item()
    if value.dtype.kind in "iu":
        code = str(number)
    elif not np.isfinite(value):
        code = "np.nan" if np.isnan(value) else "np.inf" if number > 0 else "-np.inf"
    elif number == int(number) and abs(number) < 1e6 and not (number == 0 and np.signbit(value)):
        code = str(int(number))
    else:
        code = str(value.dtype.type(number))
        # The shortest digits of a float32 are read as a float64 first: nearly always, that rounds to the same float32.
        code = code if value.dtype.type(float(code)) == value else repr(number)
    positive = Text(code.removeprefix("-"), ATOM, "literal")
    return Text(code, UNARY, "literal", positive) if code.startswith("-") else positive


def axes_text(axes: Sequence[int], ndim: int, keepdims: bool, keyword: str = "axis=") -> list[str]:
    """The arguments of a reduction: nothing for all axes, a number for one."""
    arguments = []
    if len(axes) != ndim:
        arguments.append(keyword + (str(axes[0]) if len(axes) == 1 else str(tuple(axes))))
    if keepdims:
        arguments.append("keepdims=True")
    return arguments


def wrapped(start: str, groups: Iterable[Sequence[str]], end: str) -> list[str]:
    """``start``, the items and ``end`` in one line; if that is too long, each group from a line of its own on.

    ``start`` is then an open bracket that stands alone.
    """
    groups = [group for group in groups if group]
    line = start + ", ".join(item for group in groups for item in group) + end
    if len(line) <= WIDTH + 8:
        return [line]
    indent = " " * (len(start) - len(start.lstrip()))
    inner = f"{indent}    "
    lines = [
        textwrap.wrap(", ".join(group) + ",", WIDTH + 8, initial_indent=inner, subsequent_indent=inner)
        for group in groups
    ]
    return [start, *(line for part in lines for line in part), indent + end]
