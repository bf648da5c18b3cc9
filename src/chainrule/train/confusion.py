"""The confusion matrix as a picture: numbers in shaded cells, or for many classes the shades alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from chainrule.train.png import Array, data_uri
from chainrule.train.svg import Svg, drawing, element, label, text_width
from chainrule.train.wording import number, percent, short

__all__ = ["confusion_chart"]

#: Beyond this many classes the matrix is a picture without numbers.
MOST_NUMBERED_CLASSES = 25


def confusion_chart(matrix: Array, names: Sequence[str], title: str) -> Svg:
    """The confusion matrix: hits in one colour, mistakes in another, each shaded by its share of the true class."""
    classes = len(matrix)
    numbered = classes <= MOST_NUMBERED_CLASSES
    cell = min(72.0, max(30.0, 440 / classes)) if numbered else max(4.0, 560 / classes)
    longest = max(text_width(short(name)) for name in names)
    gutter, slanted = 34 + longest, longest > cell - 4
    top = 30 + (longest * 0.71 + 14 if slanted else 16)
    side, right = cell * classes, (longest * 0.71 if slanted else 0) + 14
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    parts = [label(gutter + side / 2, 14, "predicted class", "axis-name")]
    middle = top + side / 2
    parts.append(label(12, middle, "true class", "axis-name", transform=f"rotate(-90 12 {middle:.1f})"))
    parts += _class_labels(names, cell, gutter, top, slanted)
    if numbered:
        parts += _cells(matrix, shares, names, cell, gutter, top)
    else:
        picture = data_uri(_heat_pixels(shares))
        parts.append(element("image", href=picture, x=gutter, y=top, width=side, height=side, class_="pixels"))
    parts.append(element("rect", x=gutter, y=top, width=side, height=side, class_="outline"))
    return drawing(gutter + side + right, top + side + 6, title, parts, "chart confusion")


def _class_labels(names: Sequence[str], cell: float, gutter: float, top: float, slanted: bool) -> list[str]:
    parts = []
    every = max(1, math.ceil(13 / cell))
    for index in range(0, len(names), every):
        name, centre = names[index], (index + 0.5) * cell
        parts.append(label(gutter - 8, top + centre + 4, short(name), "class-name", "end"))
        x, y = gutter + centre, top - 8
        turned = {"transform": f"rotate(-45 {x:.1f} {y:.1f})"} if slanted else {}
        parts.append(label(x, y, short(name), "class-name", "start" if slanted else "middle", **turned))
    return parts


def _shade(share: float, hit: bool) -> float:
    """Opacity of a cell. Mistakes are few, so that a square root is needed to tell them from none."""
    return (share if hit else math.sqrt(share)) * 0.88 + 0.08


def _cells(matrix: Array, shares: Array, names: Sequence[str], cell: float, gutter: float, top: float) -> list[str]:
    parts = []
    for t, p in np.ndindex(matrix.shape):
        count, share, hit = float(matrix[t, p]), float(shares[t, p]), t == p
        x, y = gutter + p * cell, top + t * cell
        if count == 0:
            continue
        shade = _shade(share, hit)
        about = f"true {names[t]}, predicted {names[p]}: {number(count)} ({percent(share)})"
        box = {"x": x + 0.5, "y": y + 0.5, "width": cell - 1, "height": cell - 1, "fill_opacity": shade}
        parts.append(element("rect", element("title", escape(about)), class_="heat-hit" if hit else "heat-miss", **box))
        strong = "cell-strong" if shade > 0.55 else "cell"
        text = number(count, 3) if count < 1e4 else f"{count / 1000:.0f}k"
        parts.append(label(x + cell / 2, y + cell / 2 + 4, text, strong))
    return parts


def _heat_pixels(shares: Array) -> Array:
    """RGBA (k, k, 4): the shade is the alpha, so that the picture suits a light and a dark page."""
    pixels = np.zeros((*shares.shape, 4), np.uint8)
    pixels[:, :, :3] = (213, 94, 0)
    pixels[np.arange(len(shares)), np.arange(len(shares)), :3] = (0, 114, 178)
    hit = np.eye(len(shares), dtype=bool)
    shade = np.where(hit, shares, np.sqrt(shares)) * 0.88 + 0.08
    pixels[:, :, 3] = np.where(shares > 0, shade * 255, 0)
    return pixels
