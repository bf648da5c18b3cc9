"""``cr.show.graph``: the computational graph with every value and every gradient on it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from chainrule.core.errors import ConfigError
from chainrule.show.circuit import Call, Circuit, Quantity, variables
from chainrule.show.computation import circuit_of
from chainrule.show.dot import to_dot
from chainrule.show.files import frame, open_in_browser, render, save
from chainrule.show.glyphs import Glyph, Settings
from chainrule.show.picture import Drawing, draw
from chainrule.show.scene import Scene, layers, top_level
from chainrule.show.statistics import FEW
from chainrule.show.svg import STYLE
from chainrule.show.words import check_language, words
from chainrule.tensor import Tensor
from chainrule.train.svg import Svg

__all__ = ["GraphDrawing", "graph"]

#: Graphs of more nodes than this are folded unless one asks otherwise.
FOLD_FROM = 40
#: Pages hold the open drawing with one layer folded only for graphs up to this size.
MOST_OPEN = 120


def graph(
    t: Any,
    *inputs: Any,
    target: Any = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    gradient: Any = None,
    names: Mapping[str, Tensor] | None = None,
    folded: bool | None = None,
    direction: str = "right",
    digits: int = 3,
    numbers: int = FEW,
    lang: str = "en",
) -> GraphDrawing:
    """Draw how a tensor was computed: values above the wires, gradients below them, as on a blackboard.

    Args:
        t: a tensor that was computed (an expression, a loss), or a module, with ``inputs`` for it.
        target, loss: for a module: draw up to ``loss(output, target)``; by default cross entropy for whole-number
            targets, mean squared error for others.
        gradient: the gradient to begin with, for a tensor that is not one number (else such a one has none).
        names: what tensors are called; by default as the variables of the calling code. Parameters have their paths.
        folded: draw each layer as one box; by default if there are more than 40 nodes.
        direction: "right", or "down": then values stand left of the wires, gradients right.
        digits: significant digits.
        numbers: arrays of this many elements or fewer show them all; larger ones their shape, mean, range and picture.
        lang: "en" or "ko".

    Gradients are those of ``backward``: nobody's ``.grad`` changes, no hook is called, and the tape stays. A module
    runs in the mode it is in; its running statistics and the random numbers stay as they were. Numbers written into
    an expression stand in the operation's circle: ``+ 1``, ``1/x``.

    Returns a drawing: ``.save("graph.svg")`` (or .html, .dot), ``.show()`` for a browser window, ``.svg``, ``.html``,
    ``.dot``; a notebook shows it.

    >>> import chainrule as cr
    >>> x, y, z = (cr.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> f = (x + y) * z
    >>> cr.show.graph(f)
    <GraphDrawing of f: 5 nodes>

    Raises:
        GradientError: the tensor was not recorded. GraphError: an earlier ``backward()`` let the tape go.

    Source: F.-F. Li, A. Karpathy, J. Johnson, CS231n, "Backpropagation, Intuitions" (the way of drawing).
    """
    if direction not in ("right", "down"):
        raise ConfigError("show.graph", f"direction={direction!r}", "'right' or 'down'", "pass one of them")
    if digits < 1:
        raise ConfigError("show.graph", f"digits={digits}", "at least 1", "3 is usual")
    circuit = circuit_of(t, inputs, target, loss, gradient, variables() if names is None else names)
    settings = Settings(direction == "down", digits, numbers, check_language(lang))
    return GraphDrawing(circuit, settings, folded)


class GraphDrawing:
    """A computational graph as a picture: a file, a page with layers that fold, or text for Graphviz."""

    def __init__(self, circuit: Circuit, settings: Settings, folded: bool | None = None) -> None:
        self.circuit, self.settings = circuit, settings
        self.layers = layers(top_level(circuit))
        self.folded = bool(self.layers) and (len(circuit.quantities) > FOLD_FROM if folded is None else folded)
        output = circuit.output
        name = output.name or (output.call.kind if output.call is not None else "") or str(output.node.aval)
        self.title = words("graph of", settings.lang, name=name)
        self._name = name
        self._glyphs: dict[Quantity | Call, Glyph] = {}

    def __repr__(self) -> str:
        count = sum(not q.is_number for q in self.circuit.quantities)
        folded = f", {len(self.layers)} layers folded" if self.folded else ""
        return f"<GraphDrawing of {self._name}: {count} nodes{folded}>"

    @cached_property
    def drawing(self) -> Drawing:
        """The drawing in its parts."""
        return self._draw(set(self.layers) if self.folded else set())

    def _draw(self, folded: set[Call]) -> Drawing:
        return draw(Scene(self.circuit, folded, self.settings, self._glyphs), self.layers)

    @property
    def svg(self) -> str:
        """The picture, complete in itself; it adapts to a dark page."""
        return self.drawing.svg(self.title)

    @property
    def html(self) -> str:
        """A page that needs no network; its layers fold and unfold by a click."""
        return self._page(bare=False)

    @property
    def dot(self) -> str:
        """The graph in Graphviz's language."""
        return to_dot(self.circuit, self.title, "down" if self.settings.down else "right", self.settings.digits)

    def _page(self, bare: bool) -> str:
        lang = self.settings.lang
        return render(
            "graph.html",
            title=self.title,
            lang=lang,
            bare=bare,
            drawing_style=Svg(STYLE),
            svg=Svg(self.drawing.svg(self.title, style="")),
            states=self._states() if self.layers else "",
            fold_all=words("fold all", lang),
            unfold_all=words("unfold all", lang),
            click=words("click", lang),
        )

    def _states(self) -> str:
        """All drawings that a click can lead to, with the shapes that they share: JSON, packed, in base 64."""
        every = set(self.layers)
        wanted: dict[str, set[Call]] = {"folded": every, "open": set()}
        wanted |= {f"f{i}": every - {call} for i, call in enumerate(self.layers)}
        if len(self.circuit.quantities) <= MOST_OPEN:
            wanted |= {f"u{i}": {call} for i, call in enumerate(self.layers)}
        shapes: dict[str, str] = {}
        states = {}
        for name, folded in wanted.items():
            drawing = self._draw(folded)
            shapes |= {key: content for key, _, _, _, content in drawing.shapes}
            states[name] = {
                "width": round(drawing.width), "height": round(drawing.height), "under": drawing.under,
                "over": drawing.over, "shapes": [shape[:4] for shape in drawing.shapes],
            }  # fmt: skip
        start = "folded" if self.folded else "open"
        # The drawings differ little from each other, so together they pack to a tenth of their size.
        text = json.dumps({"shapes": shapes, "states": states, "start": start})
        return base64.b64encode(zlib.compress(text.encode(), 9)).decode()

    def save(self, path: str | Path) -> Path:
        """Write ``.svg``, ``.html`` or ``.dot``, whole or not at all; returns the path."""
        return save(path, {".svg": lambda: self.svg, ".html": lambda: self.html, ".dot": lambda: self.dot})

    def show(self) -> Path:
        """Open it in a browser window; returns the temporary file."""
        return open_in_browser(self.html, "graph")

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return frame(self._page(bare=True), self.drawing.height + 90.0)
