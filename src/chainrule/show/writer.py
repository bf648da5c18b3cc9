"""Formulas of one circuit: its names and numbers put into the textbook's formulas."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.show.circuit import Array, Circuit, Path, Quantity
from chainrule.show.formulas import LETTERS, Formula, fill, formula_of
from chainrule.show.notation import latex_array
from chainrule.show.statistics import FEW, shape_text
from chainrule.show.words import words

__all__ = ["Writer", "chain", "closed", "times"]


@dataclass
class Writer:
    """Writes LaTeX for one circuit."""

    circuit: Circuit
    #: What each quantity is called, in LaTeX.
    symbols: Mapping[Quantity, str]
    digits: int = 3
    #: Arrays of this many elements or fewer are written out.
    few: int = FEW
    lang: str = "en"

    def name(self, quantity: Quantity) -> str:
        """The symbol; the number itself for a number in an expression."""
        if quantity.is_number:
            return self.numbers(quantity)
        return self.symbols[quantity]

    def value(self, array: Any, alone: bool = True) -> str:
        """The numbers, negative ones in parentheses where they stand in a product."""
        return latex_array(array, self.digits, alone)

    def numbers(self, quantity: Quantity) -> str:
        """The numbers of a quantity as they stand in a product."""
        value = quantity.value.reshape(()) if quantity.is_number else quantity.value
        return self.value(value, alone=False)

    def small(self, *arrays: Array) -> bool:
        """Whether arrays are few enough to be written out."""
        return all(0 < array.size <= self.few for array in arrays)

    def slope(self, quantity: Quantity, by: Quantity | None = None) -> str:
        """The gradient of the output by a quantity, or of the quantity ``by`` another."""
        top, bottom = (self.circuit.output, quantity) if by is None else (quantity, by)
        return rf"\frac{{\partial {self.name(top)}}}{{\partial {self.name(bottom)}}}"

    def words(self, key: str, **values: Any) -> str:
        """A text of the page."""
        return words(key, self.lang, **values)

    def shape(self, array: Array) -> str:
        """The shape in words."""
        return shape_text(array.shape, self.lang)

    def formula(self, quantity: Quantity) -> Formula:
        """The textbook's formula of the operation that made a quantity."""
        assert quantity.node.op is not None
        return formula_of(quantity.node.op, [source.shape for source in quantity.inputs])

    def fill(
        self, template: str, quantity: Quantity, write: Callable[[Quantity], str] | None = None, g: str = ""
    ) -> str:
        """A formula with what ``write`` gives, names by default, in the places of inputs and output."""
        write = write or self.name
        places = dict(zip(LETTERS, map(write, quantity.inputs), strict=False))
        scalar = quantity.shape == () and all(source.shape == () for source in quantity.inputs)
        # A fraction that is raised stands in parentheses.
        template = template.replace("$g^", r"\left($g\right)^") if g.startswith(r"\frac") else template
        filled = fill(template, {**places, "z": write(quantity), "g": g, "m": r"\cdot" if scalar else r"\odot"})
        # Between brackets and commas a negative number needs no parentheses of its own.
        return re.sub(r"(?<=[(,{\[])( ?)\((-[\d.]+)\)(?=[,)}\]]| \\le)", r"\1\2", filled)

    def computed(self, quantity: Quantity) -> str:
        """The operation on its inputs' names: ``x + y``."""
        return self.fill(self.formula(quantity).forward, quantity)

    def part(self, path: Path) -> str:
        """What one path brings, from the gradient at its end: ``(dL/dz) W``, summed over what was repeated."""
        user, source = path.user, path.user.inputs[path.position]
        formula, slope = self.formula(user), self.slope(path.user)
        if formula.derivatives:
            factor = self.fill(formula.derivatives[path.position] or "0", user)
            words_ = {"1": slope, "-1": f"-{slope}"}.get(factor) or f"{slope} {times(path.spread)} {closed(factor)}"
        else:
            words_ = self.fill(formula.flows[path.position] or "0", user, g=slope)
        if path.spread.shape == source.shape:
            return words_
        axes = ", ".join(map(str, _summed(path.spread.shape, source.shape)))
        return rf"\sum_{{\mathrm{{axis}}\,{axes}}} {closed(words_)}"


def _summed(large: tuple[int, ...], small: tuple[int, ...]) -> list[int]:
    """The axes along which an array of the small shape was repeated to the large one."""
    lead = len(large) - len(small)
    return [*range(lead), *(i + lead for i, n in enumerate(small) if n == 1 and large[i + lead] != 1)]


def times(array: Array) -> str:
    """The sign of multiplication between gradients of this shape."""
    return r"\cdot" if np.ndim(array) == 0 else r"\odot"


def closed(factor: str) -> str:
    """A factor in parentheses, if it is a sum or begins with a minus.

    >>> closed("1 - z"), closed("x"), closed("(1 - z) z")
    ('\\\\left(1 - z\\\\right)', 'x', '(1 - z) z')
    """
    depth = 0
    outside = re.sub(r"\\begin\{bmatrix\}.*?\\end\{bmatrix\}", "M", factor)
    for i, character in enumerate(outside):
        depth += (character in "({[") - (character in ")}]")
        if depth == 0 and (character == "+" or (character == "-" and (i == 0 or outside[i - 1] == " "))):
            return rf"\left({factor}\right)"
    return factor


def chain(*parts: str) -> str:
    """Parts joined by equals signs, each once; a negative number that stands alone needs no parentheses.

    >>> chain("z", "x", "(-4)", "-4")
    'z = x = -4'
    """
    kept: list[str] = []
    for part in parts:
        alone = re.sub(r"^\((-[^()]*)\)$", r"\1", part)
        if not kept or alone != kept[-1]:
            kept.append(alone)
    return " = ".join(kept)
