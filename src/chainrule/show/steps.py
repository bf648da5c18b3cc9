"""Backpropagation as steps: at each node what came in, the local derivative, and what goes on to its inputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.show.circuit import Circuit, Path, Quantity, backward_parts
from chainrule.show.formulas import Formula, fill, formula_of
from chainrule.show.notation import latex_array, latex_name
from chainrule.show.statistics import shape_text
from chainrule.show.words import words

__all__ = ["Onward", "Step", "make_steps"]

Array = np.ndarray[Any, Any]


@dataclass
class Onward:
    """What one step sends to one input. Formulas are in LaTeX."""

    to: str
    #: Which of several equal inputs it is, in words, or nothing.
    which: str
    #: The local derivative with its numbers; empty where there is none of its own, as for a matrix product.
    local: str
    #: The gradient that goes on: formula = formula with numbers = result.
    flow: str
    #: For arrays: the shapes that meet.
    shapes: str
    #: If the input was repeated to fit, that its gradient is summed.
    note: str = ""


@dataclass
class Step:
    """One visit of the walk back. Formulas are in LaTeX."""

    number: int
    quantity: Quantity
    name: str
    #: How the value was computed: formula = formula with numbers = value.
    equation: str
    #: Why it is visited now, and why what came in is added, in words.
    why_now: str
    why_add: str
    #: What came in, from whom.
    incoming: list[tuple[str, str]]
    #: The sum of what came in, if it came along several paths.
    total: str
    #: The gradient that is complete now.
    gradient: str
    onward: list[Onward] = field(default_factory=list)
    #: What becomes of it at an input or parameter.
    ending: str = ""


@dataclass
class _Writer:
    """Writes names and numbers for one circuit."""

    circuit: Circuit
    names: dict[Quantity, str]
    digits: int
    few: int
    lang: str

    def name(self, quantity: Quantity) -> str:
        """The name in LaTeX; the number itself for a number in an expression."""
        if quantity.is_number:
            return self.value(quantity.value.reshape(()), alone=False)
        return latex_name(self.names[quantity])

    def value(self, array: Array, alone: bool = True) -> str:
        """The numbers, in parentheses where they stand in a product."""
        return latex_array(array, self.digits, alone)

    def small(self, *arrays: Array) -> bool:
        """Whether arrays are few enough to be written out."""
        return all(0 < array.size <= self.few for array in arrays)

    def slope(self, quantity: Quantity, by: str = "") -> str:
        """The gradient of the output by a quantity, or of the quantity ``by`` another."""
        top = self.name(quantity) if by else self.name(self.circuit.output)
        return rf"\frac{{\partial {top}}}{{\partial {by or self.name(quantity)}}}"

    def words(self, key: str, **values: Any) -> str:
        """A text of the page."""
        return words(key, self.lang, **values)

    def shapes(self, pairs: list[tuple[str, Array]]) -> str:
        """``G 4 × 3, W 3 × 2``: who meets in a product of arrays."""
        return r",\quad ".join(rf"{name}\;\text{{{shape_text(array.shape)}}}" for name, array in pairs)


def make_steps(circuit: Circuit, digits: int = 3, few: int = 6, lang: str = "en") -> list[Step]:
    """The steps of the walk back through ``circuit``, in its order."""
    writer = _Writer(circuit, circuit.names(), digits, few, lang)
    visited: dict[Quantity, int] = {}
    steps = []
    for quantity in circuit.order:
        visited[quantity] = len(visited) + 1
        steps.append(_step(quantity, visited, writer))
    return steps


def _step(quantity: Quantity, visited: dict[Quantity, int], writer: _Writer) -> Step:
    gradient = quantity.gradient
    assert gradient is not None
    name = writer.names[quantity]
    slope = writer.slope(quantity)
    shown = f"{slope} = {writer.value(gradient)}" if writer.small(gradient) else slope
    incoming = [(_sender(path, writer), _came(path, writer)) for path in quantity.paths]
    step = Step(
        visited[quantity], quantity, name, _equation(quantity, writer), _why_now(quantity, visited, writer), "",
        incoming, "", shown,
    )  # fmt: skip
    if len(quantity.paths) > 1:
        parts = [path.gradient for path in quantity.paths]
        if writer.small(*parts):
            added = " + ".join(writer.value(part, alone=i == 0) for i, part in enumerate(parts))
            step.total = f"{slope} = {added} = {writer.value(gradient)}"
        else:
            step.total = f"{slope} = " + " + ".join(_via(path, writer) for path in quantity.paths)
        step.why_add = writer.words(
            "why add", count=len(parts), name=name, output=writer.names[writer.circuit.output]
        )
    step.onward = [_onward(quantity, *part, writer) for part in backward_parts(quantity, gradient)]
    if quantity.node.op is None:
        step.ending = writer.words("ends at parameter" if quantity.kind == "parameter" else "ends at input", name=name)
    return step


def _sender(path: Path, writer: _Writer) -> str:
    source = path.user.inputs[path.position]
    twice = sum(other is source for other in path.user.inputs) > 1
    which = f" ({writer.words('which', number=path.position + 1)})" if twice else ""
    return writer.names[path.user] + which


def _came(path: Path, writer: _Writer) -> str:
    if writer.small(path.gradient):
        return writer.value(path.gradient)
    return rf"\text{{{shape_text(path.gradient.shape, writer.lang)}}}"


def _via(path: Path, writer: _Writer) -> str:
    source = path.user.inputs[path.position]
    return rf"\left({writer.slope(source)}\right)_{{\mathrm{{{writer.words('via')}}}\,{writer.name(path.user)}}}"


def _why_now(quantity: Quantity, visited: dict[Quantity, int], writer: _Writer) -> str:
    name = writer.names[quantity]
    if quantity is writer.circuit.output:
        return writer.words("first" if quantity.shape == () else "first array", name=name)
    users = list(dict.fromkeys(path.user for path in quantity.paths))
    listed = ", ".join(f"{writer.names[user]} ({writer.words('step', number=visited[user])})" for user in users)
    return writer.words("now one" if len(users) == 1 else "now many", name=name, users=listed)


def _equation(quantity: Quantity, writer: _Writer) -> str:
    """``q = x + y = (-2) + 5 = 3``; for large arrays without the numbers."""
    name, value, op = writer.name(quantity), quantity.value, quantity.node.op
    small = writer.small(value)
    if op is None:
        return f"{name} = {writer.value(value)}" if small else name
    formula = formula_of(op, [source.shape for source in quantity.inputs]).forward
    parts = [name, _filled(formula, quantity, writer, writer.name)]
    if writer.small(value, *(source.value for source in quantity.inputs)):
        parts.append(_filled(formula, quantity, writer, lambda q: writer.value(q.value, alone=False)))
    if small:
        parts.append(writer.value(value))
    return _chain(parts)


def _filled(template: str, quantity: Quantity, writer: _Writer, write: Callable[[Quantity], str], g: str = "") -> str:
    """A formula with names, or numbers, in its places."""
    places = dict(zip(("x", "y", "w"), map(write, quantity.inputs[:3]), strict=False))
    scalar = quantity.shape == () and all(source.shape == () for source in quantity.inputs)
    return fill(template, {**places, "z": write(quantity), "g": g, "m": r"\cdot" if scalar else r"\odot"})


def _onward(quantity: Quantity, position: int, spread: Array, part: Array, writer: _Writer) -> Onward:
    source = quantity.inputs[position]
    formula = formula_of(quantity.node.op, [q.shape for q in quantity.inputs])  # type: ignore[arg-type]
    twice = sum(other is source for other in quantity.inputs) > 1
    which = writer.words("which", number=position + 1) if twice else ""
    local = flow = ""
    if formula.derivatives:
        local, flow = _by_element(quantity, position, formula, spread, part, writer)
    else:
        flow = _as_whole(quantity, position, formula, part, writer)
    shapes = ""
    if (formula.flows and part.ndim) or not writer.small(part, quantity.value):
        pairs = [(writer.slope(quantity), quantity.value)] + [
            (writer.name(q), q.value)
            for letter, q in zip("xyw", quantity.inputs, strict=False)
            if formula.flows and f"${letter}" in (formula.flows[position] or "")
        ]
        shapes = writer.shapes(pairs) + r"\;\to\;" + writer.shapes([(writer.slope(source), part)])
    note = ""
    if spread.shape != part.shape:
        note = writer.words(
            "repeated",
            name=writer.names[source],
            small=shape_text(part.shape, writer.lang),
            large=shape_text(spread.shape, writer.lang),
        )
    return Onward(writer.names[source], which, local, flow, shapes, note)


def _by_element(
    quantity: Quantity, position: int, formula: Formula, spread: Array, part: Array, writer: _Writer
) -> tuple[str, str]:
    """The local derivative, and the chain rule with it: gradient in, times derivative, gives gradient out."""
    source, template = quantity.inputs[position], formula.derivatives[position] or "0"
    derivative = _filled(template, quantity, writer, writer.name)
    local = [writer.slope(quantity, writer.name(source)), derivative]
    flow = [writer.slope(source), f"{writer.slope(quantity)} {_times(spread)} {_closed(derivative)}"]
    small = writer.small(spread, *(q.value for q in (quantity, *quantity.inputs)))
    if small:
        factor = derivative
        if "$" in template:
            slope = _local_value(quantity, position)
            numbers = _filled(template, quantity, writer, lambda q: writer.value(q.value, alone=False))
            local += [numbers, writer.value(slope)]
            factor = writer.value(slope, alone=False)
        came = writer.value(np.asarray(quantity.gradient), alone=False)
        flow.append(f"{came} {_times(spread)} {_closed(factor)}")
        if spread.shape != part.shape:
            flow += [writer.value(spread), rf"\to {writer.value(part)}"]
        else:
            flow.append(writer.value(part))
    return _chain(local), _chain(flow)


def _local_value(quantity: Quantity, position: int) -> Array:
    """The local derivative itself: what a gradient of ones becomes."""
    ones = np.ones(quantity.shape, quantity.node.aval.dtype)
    return next(spread for i, spread, _ in backward_parts(quantity, ones) if i == position)


def _as_whole(quantity: Quantity, position: int, formula: Formula, part: Array, writer: _Writer) -> str:
    source, template = quantity.inputs[position], formula.flows[position] or "0"
    flow = [writer.slope(source), _filled(_raised(template), quantity, writer, writer.name, writer.slope(quantity))]
    inputs = [q.value for letter, q in zip("xyw", quantity.inputs, strict=False) if f"${letter}" in template]
    if writer.small(part, np.asarray(quantity.gradient), *inputs):
        came = writer.value(np.asarray(quantity.gradient), alone=False)
        flow.append(_filled(template, quantity, writer, lambda q: writer.value(q.value, alone=False), came))
    if writer.small(part):
        flow.append(writer.value(part))
    return _chain(flow)


def _raised(template: str) -> str:
    """A fraction that is raised stands in parentheses."""
    return template.replace("$g^", r"\left($g\right)^")


def _times(array: Array) -> str:
    return r"\cdot" if array.ndim == 0 else r"\odot"


def _closed(factor: str) -> str:
    """In parentheses if it is a sum or begins with a minus."""
    depth = 0
    for i, character in enumerate(factor):
        depth += character in "({[" or 0
        depth -= character in ")}]" or 0
        if depth == 0 and (character == "+" or (character == "-" and (i == 0 or factor[i - 1] == " "))):
            return rf"\left({factor}\right)"
    return factor


def _chain(parts: list[str]) -> str:
    """Parts joined by equals signs, each once."""
    kept = parts[:1]
    for part in parts[1:]:
        # A negative number needs no parentheses where it stands alone.
        alone = re.sub(r"^\((-[^()]*)\)$", r"\1", part)
        if alone != kept[-1]:
            kept.append(alone)
    joined = " = ".join(kept)
    return joined.replace(r"= \to", r"\to")
