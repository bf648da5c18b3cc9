"""The words of SVG that the charts are written in: elements, labels, axes with nice ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = ["Axis", "Svg", "drawing", "element", "label", "log_ticks", "nice_ticks", "text_width"]


class Svg(str):
    """SVG text that templates insert as it is."""

    def __html__(self) -> str:
        return str(self)


def element(name: str, content: str = "", **attributes: Any) -> str:
    """One SVG element; ``_`` in attribute names is written ``-``, and ``class_`` is ``class``."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{named}>{content}</{name}>" if content else f"<{name}{named}/>"


def _attribute(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def label(x: float, y: float, content: str, class_: str = "tick", anchor: str = "middle", **more: Any) -> str:
    """Text at (x, y), escaped."""
    return element("text", escape(content), x=x, y=y, class_=class_, text_anchor=anchor, **more)


def drawing(width: float, height: float, title: str, parts: Sequence[str], class_: str = "chart") -> Svg:
    """The whole picture, which fills its column up to a third more than its own size."""
    body = element("title", escape(title)) + "".join(parts)
    box = f"0 0 {_attribute(float(width))} {_attribute(float(height))}"
    return Svg(
        f'<svg class="{class_}" viewBox="{box}" role="img" aria-label="{escape(title)}" '
        f'style="max-width:{_attribute(float(width) * 1.35)}px">{body}</svg>'
    )


def text_width(text: str) -> float:
    """About how wide the text is at 12 px; Chinese, Japanese and Korean characters are square."""
    return sum(12.0 if ord(character) > 0x1100 else 6.8 for character in text)


@dataclass
class Axis:
    """Numbers to pixels, linearly or by logarithm, with its ticks."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def __call__(self, value: float) -> float:
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        place = math.log10(value) if self.log else value
        return self.start + (place - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        return log_ticks(self.low, self.high) if self.log else nice_ticks(self.low, self.high, whole=self.whole)


def nice_ticks(low: float, high: float, count: int = 5, whole: bool = False) -> list[float]:
    """About ``count`` multiples of 1, 2 or 5 times a power of ten within [low, high].

    >>> nice_ticks(0.13, 0.97)
    [0.2, 0.4, 0.6, 0.8]
    >>> nice_ticks(1, 5, whole=True)
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    step = max(1.0, step) if whole else step
    digits = max(0, 1 - math.floor(math.log10(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, digits) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten in [low, high], at most about six; with 2 and 5 between them when they are few.

    >>> log_ticks(0.03, 4.0)
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    step = max(1, math.ceil((last - first) / 6))
    ticks = [float(f"{factor}e{power}") for power in range(first, last + 1, step) for factor in factors]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
