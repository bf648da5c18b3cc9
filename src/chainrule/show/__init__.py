"""Pictures that show the work: graphs with their numbers, backpropagation step by step, equations, figures.

The figures need matplotlib, so they are loaded when first used.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from chainrule.show.backward import Backpropagation, backward
from chainrule.show.derivation import Derivation, derivation
from chainrule.show.graph import GraphDrawing, graph

__all__ = [
    "Backpropagation",
    "Derivation",
    "GraphDrawing",
    "activations",
    "backward",
    "boundary",
    "confusion",
    "derivation",
    "graph",
    "history",
    "model",
    "save_figure",
    "surface",
    "weights",
]

_FIGURES = {
    **dict.fromkeys(("activations", "confusion", "history", "model", "weights"), "figures"),
    **dict.fromkeys(("boundary", "surface"), "landscape"),
    "save_figure": "style",
}

if _TYPE_CHECKING:
    from chainrule.show.figures import activations, confusion, history, model, weights
    from chainrule.show.landscape import boundary, surface
    from chainrule.show.style import save_figure


def __getattr__(name: str) -> _Any:
    if name in _FIGURES:
        return getattr(_importlib.import_module(f"chainrule.show.{_FIGURES[name]}"), name)
    raise AttributeError(f"module 'chainrule.show' has no attribute {name!r}")
