"""Reads a formula as it is printed, and computes it: what a page says can be held against the numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.erf import erf
from chainrule.show.notation import Atom, Fraction, Matrix, Part, Root, Row, Script, parse, to_text

Array = Any

_FUNCTIONS = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "sign": np.sign, "erf": erf,
    "σ": lambda x: 1 / (1 + np.exp(-x)), "mean": np.mean,
}  # fmt: skip
_COMPARE = {"=": np.equal, "≠": np.not_equal, "<": np.less, "≤": np.less_equal, ">": np.greater, "≥": np.greater_equal}
_CLOSING = {"(": ")", "[": "]", "|": "|"}


def evaluate(latex: str, values: Mapping[str, Array]) -> Array:
    """The value of a formula; ``values`` are known by what their names look like in plain text (``z₁``, ``∂L/∂z₁``)."""
    return _Reader(values).expression(_flat(parse(latex)))


def _flat(part: Part) -> list[Part]:
    return list(part.parts) if isinstance(part, Row) else [part]


class _Reader:
    def __init__(self, values: Mapping[str, Array]) -> None:
        self.values = values

    def expression(self, parts: list[Part]) -> Array:
        """Sums of products; a sum over rows or axes reaches to the end of its product."""
        total: Array = None
        sign, product = 1.0, []
        for part in [*_closed_up(parts), Atom("o", "+")]:
            if (
                isinstance(part, Atom)
                and part.text in ("+", "−")
                and (product or total is not None or part.text == "−")
            ):
                if product:
                    value = sign * self.product(product)
                    total = value if total is None else total + value
                sign, product = (-1.0 if part.text == "−" else 1.0), []
            else:
                product.append(part)
        return total

    def product(self, parts: list[Any]) -> Array:
        """Factors beside each other are matrices; with a sign between them they multiply element by element."""
        out: Array = None
        matrices = True
        rest = list(parts)
        while rest:
            part = rest.pop(0)
            if isinstance(part, Atom) and part.text in ("·", "⊙", "×"):
                matrices = False
                continue
            base = part.base if isinstance(part, Script) else part
            if isinstance(base, Atom) and base.text in ("∑", "∏"):
                value, rest = self._over(part, self.product(rest)), []
            elif isinstance(base, Atom) and (base.text in _FUNCTIONS or base.text in ("max", "min")):
                value, rest = self._call(base.text, part, rest)
            else:
                value = self.factor(part)
                if out is not None and not matrices:
                    value = value if not rest or _is_sign(rest[0]) else self._matrices(value, rest)
            out = value if out is None else out @ value if matrices else out * value
            matrices = True
        return out

    def _matrices(self, value: Array, rest: list[Any]) -> Array:
        """Matrix products bind before products element by element."""
        while rest and not _is_sign(rest[0]):
            value = value @ self.factor(rest.pop(0))
        return value

    def _call(self, name: str, part: Part, rest: list[Any]) -> tuple[Array, list[Any]]:
        """A function of what follows: of brackets, of one factor, or of a sum; and what is left."""
        axes = _axes(part.below) if isinstance(part, Script) and part.below is not None else None
        head = rest[0].base if isinstance(rest[0], Script) else rest[0]
        if isinstance(head, Atom) and head.text in ("∑", "∏"):
            return _FUNCTIONS[name](self.product(rest)), []
        if name in ("max", "min"):
            inside = rest[0][1]
            places = _split(inside, ",")
            if len(places) == 2:
                return (np.maximum if name == "max" else np.minimum)(*map(self.expression, places)), rest[1:]
            return getattr(np, name)(self.expression(inside), axes, keepdims=axes is not None), rest[1:]
        value = self.factor(rest[0])
        return np.mean(value, axes, keepdims=axes is not None) if name == "mean" else _FUNCTIONS[name](value), rest[1:]

    def _over(self, part: Part, value: Array) -> Array:
        below = part.below if isinstance(part, Script) else None
        axes = None if below is None else (0,) if to_text_of(below) == "rows" else _axes(below)
        # Axes stay, with length one, so that what follows broadcasts as it is meant.
        return (np.sum if "∑" in str(part) else np.prod)(value, axes, keepdims=axes is not None)

    def factor(self, part: Any) -> Array:
        """One factor: a name, a number, something in brackets, a fraction, a power."""
        if isinstance(part, tuple):
            kind, inside = part
            if kind == "[":
                return self._bracket(inside)
            value = self.expression(inside)
            return np.abs(value) if kind == "|" else value
        name = to_text_of(part) if not isinstance(part, Script) or isinstance(part.base, (Atom, Fraction)) else ""
        if name in self.values:
            return self.values[name]
        if isinstance(part, Atom):
            return float(part.text) if part.kind == "n" else {"π": math.pi, "e": math.e, "∞": math.inf}[part.text]
        if isinstance(part, Fraction):
            return self.expression(_flat(part.top)) / self.expression(_flat(part.bottom))
        if isinstance(part, Root):
            return np.sqrt(self.expression(_flat(part.inside)))
        if isinstance(part, Matrix):
            return np.array([[self.expression(_flat(cell)) for cell in row] for row in part.rows])
        if isinstance(part, Row):
            return self.expression(list(part.parts))
        return self._script(part)

    def _script(self, part: Script) -> Array:
        if isinstance(part.base, Atom) and part.base.style == "bf" and part.base.text == "1":
            return np.ones([int(n) for n in to_text_of(part.below).split(" × ")])
        base = self.factor(Script(part.base, part.below, None) if part.below is not None else part.base)
        if part.above is None:
            return base
        if isinstance(part.above, Atom) and part.above.text == "⊤":
            return base.T
        return base ** self.expression(_flat(part.above))

    def _bracket(self, inside: list[Any]) -> Array:
        """Iverson's bracket: 1 where all comparisons hold."""
        if isinstance(inside[0], Atom) and inside[0].text == "¬":
            return np.logical_not(self.expression(inside[1:])) * 1.0
        signs = [i for i, p in enumerate(inside) if isinstance(p, Atom) and p.text in _COMPARE]
        if not signs:
            return self.expression(inside) * 1.0
        edges = [-1, *signs, len(inside)]
        sides = [self.expression(inside[a + 1 : b]) for a, b in itertools.pairwise(edges)]
        held: Array = True
        for i, at in enumerate(signs):
            held = held & _COMPARE[inside[at].text](sides[i], sides[i + 1])
        return held * 1.0


def _is_sign(part: Any) -> bool:
    return isinstance(part, Atom) and part.text in ("·", "⊙", "×")


def _closed_up(parts: list[Part]) -> list[Any]:
    """What stands in brackets as one: ("(", inside)."""
    out: list[Any] = []
    i = 0
    while i < len(parts):
        part = parts[i]
        mark = part.text if isinstance(part, Atom) and part.kind == "o" else ""
        if mark not in _CLOSING:
            if not (isinstance(part, Atom) and part.kind == "t" and not part.text.strip()):
                out.append(part)
            i += 1
            continue
        depth, j = 1, i
        while depth:
            j += 1
            found = parts[j].base if isinstance(parts[j], Script) else parts[j]
            text = found.text if isinstance(found, Atom) and found.kind == "o" else ""
            depth += -1 if text == _CLOSING[mark] else 1 if text == mark else 0
        inside = (mark, _closed_up(list(parts[i + 1 : j])))
        last = parts[j]
        out.append(_Raised(inside, last.above) if isinstance(last, Script) else inside)
        i = j + 1
    return [p.resolved() if isinstance(p, _Raised) else p for p in out]


class _Raised:
    """Brackets with something above them."""

    def __init__(self, inside: tuple[str, list[Any]], above: Part | None) -> None:
        self.inside, self.above = inside, above

    def resolved(self) -> Script:
        return Script(Row((Atom("o", "("), *self.inside[1], Atom("o", ")"))), None, self.above)


def _split(parts: list[Any], mark: str) -> list[list[Any]]:
    places: list[list[Any]] = [[]]
    for part in parts:
        if isinstance(part, Atom) and part.text == mark:
            places.append([])
        else:
            places[-1].append(part)
    return places


def _axes(below: Part | None) -> tuple[int, ...]:
    return tuple(int(n) for n in to_text_of(below).replace("axis", "").split(","))


def to_text_of(part: Part | None) -> str:
    """The plain text of a parsed formula."""
    from chainrule.show import notation

    return "" if part is None else notation._text(part).strip()


__all__ = ["evaluate", "to_text"]
