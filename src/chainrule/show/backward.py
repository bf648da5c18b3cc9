"""``cr.show.backward``: backpropagation one node at a time, as text and as a page to step through."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from chainrule.core.errors import ConfigError, ShapeError
from chainrule.show.circuit import Circuit, variables
from chainrule.show.computation import circuit_of
from chainrule.show.files import frame, open_in_browser, render, save
from chainrule.show.glyphs import Settings
from chainrule.show.graph import GraphDrawing
from chainrule.show.notation import to_mathml, to_text
from chainrule.show.statistics import FEW
from chainrule.show.steps import Step, make_steps
from chainrule.show.svg import STYLE, minus
from chainrule.show.words import check_language, words
from chainrule.tensor import Tensor
from chainrule.train.svg import Svg

__all__ = ["Backpropagation", "backward"]


def backward(
    t: Any,
    *inputs: Any,
    target: Any = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    gradient: Any = None,
    names: Mapping[str, Tensor] | None = None,
    digits: int = 3,
    numbers: int = FEW,
    lang: str = "en",
) -> Backpropagation:
    """Backpropagation one node at a time: what comes in, the local derivative, what goes on, and why in this order.

    Takes what ``show.graph`` takes: a tensor, or a module with inputs and a target. ``print`` shows all steps as text;
    ``.print()`` with colours on a terminal; ``.save("steps.html")`` and ``.show()`` give a page with the graph beside
    the steps, to go through by buttons or arrow keys. Nobody's ``.grad`` changes, and the tape stays.

    Formula: gradient of an input += gradient of the node times the derivative of the node by that input.

    >>> import chainrule as cr
    >>> x, y, z = (cr.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> q = x + y
    >>> f = q * z
    >>> print(cr.show.backward(f).steps[0].text())
    Step 1: f = q · z = 3 · (−4) = −12
      Why now?  f is the output: the walk back begins here. The derivative of f by itself is 1.
      Comes in  ∂f/∂f = 1
      Goes out  to q
                  local derivative  ∂f/∂q = z = −4
                  chain rule        ∂f/∂q = ∂f/∂f · z = 1 · (−4) = −4
                to z
                  local derivative  ∂f/∂z = q = 3
                  chain rule        ∂f/∂z = ∂f/∂f · q = 1 · 3 = 3

    Raises:
        ShapeError: a tensor that is not one number, without ``gradient``. GradientError, GraphError: as show.graph.

    Source: D. Rumelhart, G. Hinton, R. Williams, "Learning Representations by Back-propagating Errors", 1986.
    """
    check_language(lang)
    if digits < 1:
        raise ConfigError("show.backward", f"digits={digits}", "at least 1", "3 is usual")
    circuit = circuit_of(t, inputs, target, loss, gradient, variables() if names is None else names)
    if circuit.output.gradient is None:
        raise ShapeError(
            "show.backward",
            f"an output of shape {circuit.output.shape}",
            "one number, or the gradient of what follows",
            "give target= and loss=, reduce it with .sum() or .mean(), or pass gradient= in its shape",
        )
    return Backpropagation(circuit, digits, numbers, lang)


class Backpropagation:
    """The steps of one walk back; it prints, and it makes a page."""

    def __init__(self, circuit: Circuit, digits: int, numbers: int, lang: str) -> None:
        self.circuit, self.lang = circuit, lang
        settings = Settings(digits=digits, numbers=numbers, lang=lang, names=circuit.names())
        self.drawing = GraphDrawing(circuit, settings)
        self.title = words("backward of", lang, name=circuit.names()[circuit.output])
        self._steps = make_steps(circuit, digits, numbers, lang)

    @cached_property
    def steps(self) -> tuple[StepText, ...]:
        """The steps in the order of the walk."""
        return tuple(StepText(step, self.lang) for step in self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def __repr__(self) -> str:
        return f"<Backpropagation: {len(self)} steps>"

    def __str__(self) -> str:
        return "\n\n".join([self.title, *(step.text() for step in self.steps)])

    def __rich__(self) -> Any:
        from rich.text import Text

        out = Text(self.title + "\n", style="bold")
        for step in self.steps:
            out.append("\n")
            for role, line in step.lines():
                out.append(line + "\n", style=_STYLES.get(role, ""))
        out.rstrip()
        return out

    def print(self) -> None:
        """Write the steps to the terminal, in colour where there is one."""
        if sys.stdout.isatty():
            from rich.console import Console

            Console().print(self)
        else:
            print(self)

    @property
    def html(self) -> str:
        """A page that needs no network: the graph, and beside it one step after the other."""
        return self._page(bare=False)

    def _page(self, bare: bool) -> str:
        lang = self.lang
        keys = ("previous", "next", "keys", "computed", "why now", "why add?", "comes in", "goes out", "local",
                "chain rule", "shapes")  # fmt: skip
        return render(
            "backward.html",
            title=self.title,
            lang=lang,
            bare=bare,
            drawing_style=Svg(STYLE),
            svg=Svg(self.drawing.drawing.svg(self.title, style="")),
            steps=[_view(step, len(self), lang) for step in self._steps],
            t={key.replace(" ", "_").rstrip("?"): words(key, lang) for key in keys},
        )

    def save(self, path: str | Path) -> Path:
        """Write ``.html``, or the text as ``.txt``, whole or not at all; returns the path."""
        return save(path, {".html": lambda: self.html, ".txt": lambda: str(self) + "\n"})

    def show(self) -> Path:
        """Open the page in a browser window; returns the temporary file."""
        return open_in_browser(self.html, "backward")

    def _repr_html_(self) -> str:
        return frame(self._page(bare=True), max(self.drawing.drawing.height + 120.0, 560.0))


#: How roles of lines look on a terminal.
_STYLES = {"head": "bold", "in": "red", "sum": "bold red", "out": "green", "why": "dim"}


class StepText:
    """A step in words."""

    def __init__(self, step: Step, lang: str) -> None:
        self.step, self.lang = step, lang

    def __repr__(self) -> str:
        return f"<step {self.step.number}: {self.step.name}>"

    def text(self) -> str:
        """All of it, as lines."""
        return "\n".join(line for _, line in self.lines())

    def lines(self) -> Iterator[tuple[str, str]]:
        """Lines with their roles."""
        step, lang = self.step, self.lang
        yield "head", words("step", lang, number=step.number).capitalize() + ": " + to_text(step.equation)
        heads = [words(key, lang) for key in ("why now", "comes in", "why add?", "goes out")]
        width = max(map(_columns, heads)) + 2
        why, come, add, out = (f"  {head}{' ' * (width - _columns(head))}" for head in heads)
        blank = " " * (width + 2)
        yield "why", why + minus(step.why_now)
        if step.total:
            for i, (sender, latex) in enumerate(step.incoming):
                yield "in", (blank if i else come) + f"{words('comes from', lang, name=sender)}: {to_text(latex)}"
            yield "sum", blank + to_text(step.total)
            yield "why", add + step.why_add
        else:
            yield "in", come + to_text(step.gradient)
        if step.ending:
            yield "why", blank + step.ending
        for i, onward in enumerate(step.onward):
            which = f" ({onward.which})" if onward.which else ""
            yield "out", (blank if i else out) + words("goes to", lang, name=onward.to) + which
            rows = [("local", onward.local), ("chain rule", onward.flow), ("shapes", onward.shapes)]
            labels = max(_columns(words(key, lang)) for key, latex in rows if latex) + 2
            for key, latex in rows:
                if latex:
                    label = words(key, lang)
                    yield "out", f"{blank}  {label}{' ' * (labels - _columns(label))}{to_text(latex)}"
            if onward.note:
                yield "why", f"{blank}  {onward.note}"


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(2 if ord(c) > 0x2E80 else 1 for c in text)


def _view(step: Step, count: int, lang: str) -> dict[str, Any]:
    """A step as the page shows it."""

    def formula(latex: str) -> Svg:
        return Svg(to_mathml(latex)) if latex else Svg("")

    return {
        "number": step.number,
        "index": step.quantity.index,
        "name": step.name,
        "heading": words("step of", lang, number=step.number, count=count),
        "equation": formula(step.equation),
        "why_now": step.why_now,
        "why_add": step.why_add,
        "incoming": [(words("comes from", lang, name=sender), formula(latex)) for sender, latex in step.incoming],
        "total": formula(step.total),
        "gradient": formula(step.gradient),
        "ending": step.ending,
        "onward": [
            {
                "to": words("goes to", lang, name=onward.to) + (f" ({onward.which})" if onward.which else ""),
                "local": formula(onward.local),
                "flow": formula(onward.flow),
                "shapes": formula(onward.shapes),
                "note": onward.note,
            }
            for onward in step.onward
        ],
    }
