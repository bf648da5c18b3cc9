"""The figure class. This file needs matplotlib and is loaded by the first figure."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.text import Text

from chainrule.show import fonts

if TYPE_CHECKING:
    from chainrule.show.style import Style

__all__ = ["StyledFigure"]

_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")


class StyledFigure(Figure):
    """A figure that keeps its style whenever it is drawn, and that a notebook shows without pyplot.

    matplotlib makes ticks, hints letters and chooses minus signs only while drawing, by settings that may be others then.
    """

    def __init__(self, style: Style, **options: Any) -> None:
        self.style = style
        super().__init__(**options)

    def draw(self, renderer: Any) -> None:
        """Draw in the figure's own style."""
        with self.style.context(), warnings.catch_warnings():
            # ``settle`` has said it once, for all letters together.
            warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
            super().draw(renderer)

    def settle(self) -> None:
        """Lay the figure out, and say once if it holds Hangul that no installed font has."""
        if any(_HANGUL.search(text.get_text()) for text in self.findobj(Text)):
            fonts.warn_without_hangul()
        self.draw_without_rendering()

    def _repr_png_(self) -> bytes:
        """What Jupyter shows."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=self.dpi)
        return file.getvalue()
