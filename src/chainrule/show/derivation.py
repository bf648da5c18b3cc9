"""``cr.show.derivation``: the forward and backward equations of a network, line by line, with shapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.core.errors import GradientError, GraphError
from chainrule.nn.module import Module
from chainrule.show.circuit import Array, Circuit, Quantity, variables
from chainrule.show.computation import circuit_of, step_of
from chainrule.show.files import frame, open_in_browser, render, save
from chainrule.show.identities import identity
from chainrule.show.listing import listing_of
from chainrule.show.notation import to_mathml, to_text
from chainrule.show.symbols import Symbol, symbols
from chainrule.show.words import check_language, words
from chainrule.show.writer import Writer, chain
from chainrule.tensor import Tensor
from chainrule.train.svg import Svg

if TYPE_CHECKING:
    from chainrule.compiler.compile import Compiled

__all__ = ["Derivation", "Line", "derivation", "find_line"]


@dataclass(frozen=True)
class Line:
    """One equation."""

    #: What it is about, the same for every run: ``fc1 affine``, ``fc1.weight gradient``.
    key: str
    #: "forward" or "backward".
    part: str
    #: Left and right side, in LaTeX.
    left: str
    right: str
    #: Of the left side.
    shape: tuple[int, ...]
    #: The layer, as ``fc1: Linear``, or an empty string.
    layer: str
    #: What programs call the left side, the usual name first: ``z1``, ``z_fc1``, ``z``.
    variables: tuple[str, ...]
    value: Array
    #: The same in one step, where the textbook knows it: ``(softmax(z) - Y) / N``, checked on the numbers.
    shortcut: str = ""
    #: The line of the source that computes it, counted from 1, and what stands there; None where there is none.
    source_line: int | None = None
    source_text: str = ""
    #: What it is about.
    quantity: Quantity | None = field(default=None, repr=False, compare=False)

    @property
    def latex(self) -> str:
        """The equation."""
        return chain(self.left, self.right)

    @property
    def variable(self) -> str:
        """The usual name of the left side in a program: ``z1``, ``dW1``."""
        return self.variables[0]

    def __str__(self) -> str:
        return to_text(self.latex)


def derivation(
    model: Any,
    *inputs: Any,
    target: Any = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    names: Mapping[str, Tensor] | None = None,
    source: str | Compiled | None = None,
    lang: str = "en",
) -> Derivation:
    """The equations that train a network: forward to the loss, then backward to every gradient, with shapes.

    Args:
        model: a module, with ``inputs`` for it, or a tensor that was computed (a loss).
        target, loss: as for ``show.graph``.
        names: what tensors are called; by default as the variables of the calling code.
        source: the program whose lines stand beside the equations: a compiled training step that was called, or the
            text of a program. By default it is what chainrule writes out for the module, where it can be traced.
        lang: "en" or "ko".

    Layers are numbered in the order of use: ``z_1 = x W_1^T + b_1``, ``h_1 = sigma(z_1)``. ``print`` shows the lines;
    ``.latex`` is for a paper, ``.html`` a page that needs no network, with the line of the program that computes it beside
    each equation; ``.save("equations.html")`` (or .tex, .txt).

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    >>> x, t = cr.zeros((4, 2)), cr.zeros((4, 1))
    >>> for line in cr.show.derivation(model, x, target=t, loss=nn.MSELoss()).forward:
    ...     print(f"{line!s:16} {line.source_line}: {line.source_text}")
    z₁ = x W₁ᵀ + b₁  8: z1 = x @ W1.T + b1
    h₁ = σ(z₁)       9: h1 = 1 / (1 + np.exp(-z1))
    z₂ = h₁ W₂ᵀ + b₂ 11: y = h1 @ W2.T + b2
    d = z₂ − t       13: error = y - t
    q = d²           14: loss = (error ** 2).mean()
    L = mean(q)      14: loss = (error ** 2).mean()

    Raises:
        GradientError, GraphError: as show.graph.

    Source: D. Rumelhart, G. Hinton, R. Williams, "Learning Representations by Back-propagating Errors", 1986.
    """
    check_language(lang)
    names = variables() if names is None else names
    circuit = circuit_of(model, inputs, target, loss, None, names)
    made = Derivation(_lines(circuit, lang), lang, circuit=circuit)
    if source is None and isinstance(model, Module):
        # What looks at its own numbers while it runs has equations for these numbers, but no program.
        with suppress(GradientError, GraphError):
            source = step_of(model, inputs, target, loss, names)
    return made if source is None else made.link(source)


class Derivation:
    """Equations of a forward and a backward pass; they print, and make a page or LaTeX."""

    def __init__(self, lines: Sequence[Line], lang: str, source: str = "", circuit: Circuit | None = None) -> None:
        self.lines, self.lang, self.source, self._circuit = tuple(lines), lang, source, circuit

    @property
    def forward(self) -> tuple[Line, ...]:
        """From the inputs to the loss."""
        return tuple(line for line in self.lines if line.part == "forward")

    @property
    def backward(self) -> tuple[Line, ...]:
        """From the loss back to every parameter."""
        return tuple(line for line in self.lines if line.part == "backward")

    def __getitem__(self, key: str) -> Line:
        """The line with a key."""
        return next(line for line in self.lines if line.key == key)

    def link(self, source: str | Compiled, variables: Mapping[str, str] | None = None) -> Derivation:
        """The same with each equation linked to the line of ``source`` that computes it.

        Args:
            source: a compiled step that was called; operation is compared with operation. Or the text of a program:
                then a line is linked that assigns the equation's variable.
            variables: for a text, what a line's left side is called in it, by the line's key, where it is not the usual
                name.
        """
        if isinstance(source, str):
            text, places = source, [self._assigned(line, source, variables or {}) for line in self.lines]
        else:
            assert self._circuit is not None
            listing = listing_of(self._circuit, source)
            text, lines = listing.text, {"forward": listing.values, "backward": listing.gradients}
            places = [lines[line.part].get(line.quantity) if line.quantity else None for line in self.lines]
        rows = text.splitlines()
        linked = [
            replace(line, source_line=place, source_text=rows[place - 1].partition("  #")[0].strip() if place else "")
            for line, place in zip(self.lines, places, strict=True)
        ]
        return Derivation(linked, self.lang, text, self._circuit)

    @staticmethod
    def _assigned(line: Line, source: str, variables: Mapping[str, str]) -> int | None:
        """The line that assigns an equation's variable, the usual name first."""
        names = (variables[line.key],) if line.key in variables else line.variables
        return next((place for place in (find_line(source, name) for name in names) if place), None)

    def __repr__(self) -> str:
        return f"<Derivation: {len(self.forward)} lines forward, {len(self.backward)} backward>"

    def __str__(self) -> str:
        out = []
        for part, lines in (("forward", self.forward), ("backward", self.backward)):
            if not lines:
                continue
            out += ["", words(part, self.lang)]
            texts = [str(line) for line in lines]
            width = min(max(map(len, texts)), 60)
            for text, line in zip(texts, lines, strict=True):
                shape = _shape(line.shape)
                out.append(f"  {text:<{width}}  {shape:<12}{line.layer}".rstrip())
                if line.shortcut:
                    out.append(f"    {words('shortcut', self.lang)}: {to_text(line.shortcut)}")
        return "\n".join(out[1:])

    @property
    def latex(self) -> str:
        """The equations for a paper, as ``align*`` environments (package amsmath)."""
        parts = []
        for lines in (self.forward, self.backward):
            rows = []
            for line in lines:
                size = r" \times ".join(map(str, line.shape)) if line.shape else "1"
                rows.append(rf"  {line.left} &= {line.right} && ({size})")
                if line.shortcut:
                    rows.append(rf"  &= {line.shortcut}")
            if rows:
                parts.append("\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}")
        return "\n".join(parts)

    @property
    def html(self) -> str:
        """A page with the equations in MathML, which browsers draw by themselves, and the source beside them."""
        return self._page(bare=False)

    def _page(self, bare: bool) -> str:
        lang = self.lang
        of = {line.source_line: i for i, line in reversed([*enumerate(self.lines)]) if line.source_line}
        return render(
            "derivation.html",
            title=words("derivation", lang),
            lang=lang,
            bare=bare,
            parts=[
                (words(part, lang), [(i, _view(line)) for i, line in enumerate(self.lines) if line.part == part])
                for part in ("forward", "backward")
            ],
            source=[(n, text, of.get(n)) for n, text in enumerate(self.source.splitlines(), 1)],
            t={
                key: words(key, lang)
                for key in ("equation_column", "layer_column", "shape_column", "source", "shortcut")
            },
        )

    def save(self, path: str | Path) -> Path:
        """Write ``.html``, ``.tex`` or ``.txt``, whole or not at all; returns the path."""
        return save(
            path, {".html": lambda: self.html, ".tex": lambda: self.latex + "\n", ".txt": lambda: str(self) + "\n"}
        )

    def show(self) -> Path:
        """Open the page in a browser window; returns the temporary file."""
        return open_in_browser(self.html, "derivation")

    def _repr_html_(self) -> str:
        return frame(self._page(bare=True), 90.0 + (66.0 if self.source else 52.0) * len(self.lines))

    def _repr_latex_(self) -> str:
        return self.latex


def find_line(source: str, variable: str) -> int | None:
    """The first line of a program that assigns ``variable``, counted from 1; None if none does.

    >>> find_line("z1 = x @ W1.T\\nz1 += b1\\ndW1, db1 = dz1.T @ x, dz1.sum(0)", "db1")
    3
    """
    assigned = re.compile(rf"^\s*(?:[\w.\[\]:]+\s*,\s*)*{re.escape(variable)}\s*(?:,[^=]*)?(?::[^=]+)?[-+*/@]?=(?!=)")
    return next((n for n, line in enumerate(source.splitlines(), 1) if assigned.match(line)), None)


def _lines(circuit: Circuit, lang: str) -> list[Line]:
    """An equation for each operation, then one for each gradient in the order of the walk back."""
    letters = symbols(circuit)
    writer = Writer(circuit, {q: symbol.latex for q, symbol in letters.items()}, lang=lang)
    keys = _keys(circuit)
    lines = []
    for quantity in circuit.quantities:
        if quantity.node.op is not None:
            right = writer.computed(quantity)
            lines.append(_line(keys[quantity], "forward", letters[quantity], writer.name(quantity), right, quantity))
    for quantity in _textbook_order(circuit):
        right = _sum([writer.part(path) for path in quantity.paths]) or "1"
        shortcut = identity(quantity, writer)
        symbol = letters[quantity]
        gradient = Symbol("", f"d{symbol.plain}", tuple(f"d{name}" for name in symbol.others))
        key = f"{keys[quantity]} gradient"
        lines.append(_line(key, "backward", gradient, writer.slope(quantity), right, quantity, shortcut))
    return lines


def _textbook_order(circuit: Circuit) -> list[Quantity]:
    """The order of the walk back, with each parameter as soon as its gradient is complete."""
    waiting = {q: len(q.paths) for q in circuit.order}
    order = []
    for quantity in circuit.order:
        if quantity.node.op is None and quantity is not circuit.output:
            continue
        order.append(quantity)
        for path in quantity.sent:
            source = quantity.inputs[path.position]
            waiting[source] -= 1
            if source.node.op is None and not waiting[source]:
                order.append(source)
    return order


def _line(key: str, part: str, symbol: Symbol, left: str, right: str, quantity: Quantity, shortcut: str = "") -> Line:
    value = quantity.value if part == "forward" else quantity.gradient
    assert value is not None
    layer = quantity.call.title if quantity.call is not None else ""
    called = (symbol.plain, *symbol.others)
    return Line(key, part, left, right, quantity.shape, layer, called, value, shortcut, quantity=quantity)


def _sum(terms: list[str]) -> str:
    """Terms added, equal ones once with their number."""
    counted = Counter(terms)
    parts = [term if count == 1 else rf"{count} \cdot {term}" for term, count in counted.items()]
    return " + ".join(parts).replace("+ -", "- ")


def _keys(circuit: Circuit) -> dict[Quantity, str]:
    """What each quantity is, in words that are the same for every run: names, or layer and operation."""
    seen: Counter[str] = Counter()
    keys = {}
    for quantity in circuit.quantities:
        if quantity.is_number:
            continue
        path = (quantity.call.path or quantity.call.kind) if quantity.call is not None else ""
        made = quantity.node.op.name if quantity.node.op is not None else quantity.kind
        key = quantity.name or f"{path} {made}".strip()
        seen[key] += 1
        keys[quantity] = key if seen[key] == 1 else f"{key} {seen[key]}"
    return keys


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + " × ".join(map(str, shape)) + ")" if shape else "(1)"


def _view(line: Line) -> dict[str, Any]:
    """A line as the page shows it."""
    return {
        "math": Svg(to_mathml(line.latex)),
        "shortcut": Svg(to_mathml(line.shortcut)) if line.shortcut else "",
        "shape": _shape(line.shape).strip("()"),
        "layer": line.layer,
        "key": line.key,
        "source_line": line.source_line,
        "source_text": line.source_text,
    }
