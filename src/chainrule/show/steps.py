"""Backpropagation as steps: at each node what came in, the local derivative, and what goes on to its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chainrule.show.circuit import Array, Circuit, Path, Quantity, send_back
from chainrule.show.formulas import LETTERS, Formula
from chainrule.show.notation import latex_name
from chainrule.show.writer import Writer, chain, closed, times

__all__ = ["Onward", "Step", "make_steps"]


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
    note: str


@dataclass
class Step:
    """One visit of the walk back. Formulas are in LaTeX."""

    number: int
    quantity: Quantity
    name: str
    #: How the value was computed: formula = formula with numbers = value.
    equation: str
    #: Why it is visited now, in words.
    why_now: str
    #: What came in, from whom.
    incoming: list[tuple[str, str]]
    #: The gradient that is complete now.
    gradient: str
    #: The sum of what came in, if it came along several paths, and why it is added, in words.
    total: str = ""
    why_add: str = ""
    onward: list[Onward] = field(default_factory=list)
    #: What becomes of it at an input or parameter.
    ending: str = ""


def make_steps(circuit: Circuit, digits: int = 3, few: int = 6, lang: str = "en") -> list[Step]:
    """The steps of the walk back through ``circuit``, in its order."""
    names = circuit.names()
    writer = Writer(circuit, {q: latex_name(name) for q, name in names.items()}, digits, few, lang)
    maker = _Maker(writer, names)
    return [maker.step(quantity) for quantity in circuit.order]


class _Maker:
    def __init__(self, writer: Writer, names: dict[Quantity, str]) -> None:
        self.writer, self.names = writer, names
        self.visited: dict[Quantity, int] = {}

    def step(self, quantity: Quantity) -> Step:
        """One visit, with all that is to be said about it."""
        writer, gradient, name = self.writer, quantity.gradient, self.names[quantity]
        assert gradient is not None
        number = self.visited[quantity] = len(self.visited) + 1
        slope = writer.slope(quantity)
        step = Step(
            number,
            quantity,
            name,
            self._equation(quantity),
            self._why_now(quantity),
            [(self._sender(path), self._came(path)) for path in quantity.paths],
            f"{slope} = {writer.value(gradient)}" if writer.small(gradient) else f"{slope}: {self._shape(gradient)}",
        )
        if len(quantity.paths) > 1:
            step.total = self._total(quantity)
            output = self.names[writer.circuit.output]
            step.why_add = writer.words("why add", count=len(quantity.paths), name=name, output=output)
        step.onward = [self._onward(path) for path in quantity.sent]
        if quantity.node.op is None:
            ending = "ends at parameter" if quantity.kind == "parameter" else "ends at input"
            step.ending = writer.words(ending, name=name)
        return step

    def _equation(self, quantity: Quantity) -> str:
        """``q = x + y = (-2) + 5 = 3``; for large arrays without the numbers."""
        writer, parts = self.writer, [self.writer.name(quantity)]
        if quantity.node.op is not None:
            parts.append(writer.computed(quantity))
            if writer.small(quantity.value, *(source.value for source in quantity.inputs)):
                parts.append(writer.fill(writer.formula(quantity).forward, quantity, writer.numbers))
        if writer.small(quantity.value):
            return chain(*parts, writer.value(quantity.value))
        return f"{chain(*parts)},\\quad {self._shape(quantity.value)}"

    def _shape(self, array: Array) -> str:
        return rf"\text{{{self.writer.shape(array)}}}"

    def _why_now(self, quantity: Quantity) -> str:
        words, name = self.writer.words, self.names[quantity]
        if quantity is self.writer.circuit.output:
            return words("first" if quantity.shape == () else "first array", name=name)
        users = list(dict.fromkeys(path.user for path in quantity.paths))
        listed = ", ".join(f"{self.names[user]} ({words('step', number=self.visited[user])})" for user in users)
        return words("now one" if len(users) == 1 else "now many", name=name, users=listed)

    # ---- what comes in

    def _sender(self, path: Path) -> str:
        which = self._which(path.user, path.position)
        return self.names[path.user] + (f" ({which})" if which else "")

    def _which(self, user: Quantity, position: int) -> str:
        """Which input it is, where one quantity is several of them."""
        source = user.inputs[position]
        twice = sum(other is source for other in user.inputs) > 1
        return self.writer.words("which", number=position + 1) if twice else ""

    def _came(self, path: Path) -> str:
        small = self.writer.small(path.gradient)
        return self.writer.value(path.gradient) if small else self._shape(path.gradient)

    def _total(self, quantity: Quantity) -> str:
        writer, slope = self.writer, self.writer.slope(quantity)
        parts = [path.gradient for path in quantity.paths]
        if writer.small(*parts):
            added = " + ".join(writer.value(part, alone=i == 0) for i, part in enumerate(parts))
            return chain(slope, added, writer.value(quantity.gradient))
        return chain(slope, " + ".join(closed(writer.part(path)) for path in quantity.paths))

    # ---- what goes out

    def _onward(self, path: Path) -> Onward:
        writer, quantity, position, part = self.writer, path.user, path.position, path.gradient
        source, formula = quantity.inputs[position], writer.formula(quantity)
        local, flow = self._by_element(path, formula) if formula.derivatives else ("", self._as_whole(path, formula))
        shapes = note = ""
        if (formula.flows and part.ndim) or not writer.small(part, quantity.value):
            shapes = self._shapes(path, formula)
        if path.spread.shape != part.shape:
            small, large = writer.shape(part), writer.shape(path.spread)
            note = writer.words("repeated", name=self.names[source], small=small, large=large)
        return Onward(self.names[source], self._which(quantity, position), local, flow, shapes, note)

    def _shapes(self, path: Path, formula: Formula) -> str:
        """The shapes of what meets, and of what comes of it."""
        writer, quantity = self.writer, path.user
        template = formula.flows[path.position] or "" if formula.flows else ""
        met = [(writer.slope(quantity), quantity.value)]
        met += [
            (writer.name(q), q.value)
            for q, place in zip(quantity.inputs, LETTERS, strict=False)
            if f"${place}" in template
        ]
        pairs = [rf"{name}\;{self._shape(array)}" for name, array in met]
        return (
            r",\quad ".join(pairs)
            + rf"\;\to\;{writer.slope(quantity.inputs[path.position])}\;{self._shape(path.gradient)}"
        )

    def _by_element(self, path: Path, formula: Formula) -> tuple[str, str]:
        """The local derivative, and the chain rule with it: gradient in, times derivative, gives gradient out."""
        writer, quantity, position = self.writer, path.user, path.position
        source, spread = quantity.inputs[position], path.spread
        template = formula.derivatives[position] or "0"
        derivative = writer.fill(template, quantity)
        local = [writer.slope(quantity, source), derivative]
        flow = [writer.slope(source), f"{writer.slope(quantity)} {times(spread)} {closed(derivative)}"]
        if writer.small(spread, *(q.value for q in (quantity, *quantity.inputs))):
            factor = derivative
            if "$" in template:
                slope = _local_value(quantity, position)
                local += [writer.fill(template, quantity, writer.numbers), writer.value(slope)]
                factor = writer.value(slope, alone=False)
            came = writer.value(quantity.gradient, alone=False)
            flow += [f"{came} {times(spread)} {closed(factor)}", writer.value(spread)]
            if spread.shape != path.gradient.shape:
                return chain(*local), chain(*flow) + rf" \to {writer.value(path.gradient)}"
        return chain(*local), chain(*flow)

    def _as_whole(self, path: Path, formula: Formula) -> str:
        """The gradient that a product of matrices, a sum or a movement sends on."""
        writer, quantity, part = self.writer, path.user, path.gradient
        template = formula.flows[path.position] or "0"
        flow = [writer.slope(quantity.inputs[path.position]), writer.fill(template, quantity, g=writer.slope(quantity))]
        met = [q.value for place, q in zip(LETTERS, quantity.inputs, strict=False) if f"${place}" in template]
        if writer.small(part, np.asarray(quantity.gradient), *met):
            came = writer.value(quantity.gradient, alone=False)
            flow.append(writer.fill(template, quantity, writer.numbers, came))
        if writer.small(part):
            flow.append(writer.value(part))
        return chain(*flow)


def _local_value(quantity: Quantity, position: int) -> Array:
    """The local derivative itself: what a gradient of ones becomes."""
    ones = np.ones(quantity.shape, quantity.node.aval.dtype)
    return next(path.spread for path in send_back(quantity, ones) if path.position == position)
