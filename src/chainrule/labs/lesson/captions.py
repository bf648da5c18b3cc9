"""Pictures with a caption below each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.show.style import Look, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["captioned"]

Array = np.ndarray[Any, Any]


def captioned(pictures: Array, captions: Sequence[str], columns: int = 8, **look: Unpack[Look]) -> Figure:
    """Pictures (n, height, width) from 0, paper, to 1, ink, in rows of ``columns``, with words below each.

    >>> figure = captioned(np.eye(3)[None], ["a cross"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a cross']
    """
    style = Style.of("captioned", **look)
    rows = -(-len(pictures) // columns)
    lines = 1 + max(caption.count("\n") for caption in captions)
    side = 5.0
    across, down = side + 1.2, side + 1.0 + 1.35 * lines
    with style.drawing(across * columns, down * rows) as figure:
        axes = figure.subplots()
        # All in one axes, counted in em: an axes for each picture would take many times as long.
        for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            left, top = i % columns * across, i // columns * down
            axes.imshow(
                picture, cmap=style.ramp(style.theme.plate, style.theme.ink), vmin=0, vmax=1, interpolation="nearest",
                extent=(left, left + side, top + side, top),
            )  # fmt: skip
            axes.text(left + side / 2, top + side + 0.3, caption, ha="center", va="top", linespacing=1.25)
        axes.set(xlim=(0, columns * across), ylim=(rows * down, 0), aspect="equal")
        axes.axis("off")
    return figure
