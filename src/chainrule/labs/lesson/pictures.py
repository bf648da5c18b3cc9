"""From a drawing function to SVG."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.core.errors import ConfigError
from chainrule.show.backward import Backpropagation
from chainrule.show.graph import GraphDrawing

__all__ = ["draw"]


def draw(
    drawing: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any], lang: str, themes: Sequence[str]
) -> tuple[str, ...] | Backpropagation:
    """SVG for each theme, or one that adapts by itself. Steps of backpropagation stay what they are."""
    takes = inspect.signature(drawing).parameters
    if "theme" in takes or "look" in takes:
        return tuple(_svg(drawing(*arguments, **options, lang=lang, theme=theme)) for theme in themes)
    made = drawing(*arguments, **options, lang=lang)
    if isinstance(made, GraphDrawing):
        return (made.svg,)
    if not isinstance(made, Backpropagation):
        raise ConfigError(
            f"lab.figure({getattr(drawing, '__name__', drawing)}, ...)", f"a {type(made).__name__}",
            "a figure of show.style, a graph, or the steps of backpropagation", "draw it over show.style, as lesson.plots does",
        )  # fmt: skip
    return made


def _svg(figure: Any) -> str:
    """A figure of ``show.style`` as text; the same figure gives the same text."""
    file = io.StringIO()
    with figure.style.context():
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
