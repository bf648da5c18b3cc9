"""The words of the drawings: text with its width, shapes that tell kinds apart, and one style for light, dark and print."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape

from chainrule.show.statistics import Summary
from chainrule.train.png import data_uri
from chainrule.train.svg import element

__all__ = ["Block", "curve", "document", "minus", "outline", "text", "text_width"]

Point = tuple[float, float]

#: Colours by role. Values and gradients are told apart by their place too, kinds by their shape.
_LIGHT = {
    "page": "#ffffff", "ink": "#1b1f24", "soft": "#57606a", "wire": "#6b747e", "plate": "#f4f5f6", "line": "#c9ced4",
    "value": "#00705a", "gradient": "#b83a00", "input": "#0069a6", "input-fill": "#e6f1f9", "parameter": "#86407a",
    "parameter-fill": "#f6ebf3", "constant": "#57606a", "constant-fill": "#ffffff", "operation": "#1b1f24",
    "operation-fill": "#ffffff", "loss": "#7a5600", "loss-fill": "#fff3cf", "layer": "#3f4a56", "layer-fill": "#f4f6f8",
}  # fmt: skip
_DARK = {
    "page": "#14171a", "ink": "#e9ebee", "soft": "#a3acb6", "wire": "#8b949e", "plate": "#1e2328", "line": "#3d454d",
    "value": "#4fd0a5", "gradient": "#ff9466", "input": "#6bbcf0", "input-fill": "#16293a", "parameter": "#dfa3d2",
    "parameter-fill": "#33212f", "constant": "#a3acb6", "constant-fill": "#14171a", "operation": "#e9ebee",
    "operation-fill": "#1e2328", "loss": "#f2c94c", "loss-fill": "#37301a", "layer": "#b6c0ca", "layer-fill": "#1e2328",
}  # fmt: skip

FONT = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Apple SD Gothic Neo", "Malgun Gothic", '
    '"Noto Sans KR", "Noto Sans CJK KR", sans-serif'
)

_FIXED = f"""
.cr-graph text {{ font-family: {FONT}; font-size: 12px; font-variant-numeric: tabular-nums; stroke: none; }}
.cr-graph .cr-small {{ font-size: 10.5px; }}
.cr-graph .cr-sign {{ font-size: 15px; }}
.cr-graph .cr-name {{ font-size: 13px; font-style: italic; }}
.cr-graph .cr-title {{ font-weight: 600; }}
.cr-graph .cr-gradient {{ font-style: italic; }}
.cr-graph .cr-wire {{ fill: none; stroke-width: 1.3; }}
.cr-graph .cr-shape {{ stroke-width: 1.6; stroke-linejoin: round; }}
.cr-graph .cr-constant .cr-shape {{ stroke-dasharray: 4 3; }}
.cr-graph .cr-ring {{ fill: none; stroke-width: 1.2; }}
.cr-graph .cr-frame {{ stroke-width: 1; }}
.cr-graph image {{ image-rendering: pixelated; }}
.cr-graph [data-call] {{ cursor: pointer; }}
"""

_COLOURED = """
.cr-graph .cr-page { fill: {page}; }
.cr-graph text { fill: {ink}; }
.cr-graph .cr-soft { fill: {soft}; }
.cr-graph .cr-value { fill: {value}; }
.cr-graph .cr-gradient { fill: {gradient}; }
.cr-graph .cr-wire { stroke: {wire}; }
.cr-graph .cr-tip { fill: {wire}; stroke: none; }
.cr-graph .cr-bracket-value { fill: none; stroke: {value}; }
.cr-graph .cr-bracket-gradient { fill: none; stroke: {gradient}; }
.cr-graph .cr-bars-value { fill: {value}; }
.cr-graph .cr-bars-gradient { fill: {gradient}; }
.cr-graph .cr-axis { stroke: {soft}; stroke-width: 1; }
.cr-graph .cr-edge { fill: none; stroke: {line}; }
.cr-graph .cr-frame { fill: {plate}; stroke: {line}; }
.cr-graph .cr-heading { fill: {soft}; stroke: {plate}; stroke-width: 5px; paint-order: stroke; }
.cr-graph .cr-alarm { fill: {page}; font-weight: 700; stroke: {gradient}; stroke-width: 5px; paint-order: stroke; }
"""

_KINDS = ("input", "parameter", "constant", "operation", "loss", "layer")


def _coloured(colours: dict[str, str]) -> str:
    rules = re.sub(r"\{([a-z-]+)\}", lambda m: colours[m[1]], _COLOURED)
    for kind in _KINDS:
        rules += f".cr-graph .cr-{kind} .cr-shape {{ fill: {colours[kind + '-fill']}; stroke: {colours[kind]}; }}\n"
        rules += f".cr-graph .cr-{kind} .cr-ring {{ stroke: {colours[kind]}; }}\n"
        rules += f".cr-graph .cr-{kind} .cr-mark {{ fill: {colours[kind]}; }}\n"
    return rules


#: Colours are spelled out twice rather than held in variables, which programs that print SVG do not know.
STYLE = _FIXED + _coloured(_LIGHT) + "@media (prefers-color-scheme: dark) {" + _coloured(_DARK) + "}\n"


def minus(words: str) -> str:
    """Hyphens before numbers as minus signs.

    >>> minus("-1 to x-2, e-7, [-.5]")
    '−1 to x-2, e−7, [−.5]'
    """
    return re.sub(r"(?<![A-Za-df-z0-9_)])-(?=[\d.∞])", "−", words)


#: Widths in em of a wide face (DejaVu Sans), so that nothing is cut where a page falls back to it.
_WIDTHS = {
    **dict.fromkeys(" .,:;|!'ijlI·", 0.33), **dict.fromkeys("[]()ftr-", 0.4), **dict.fromkeys("mwMW@%", 0.95),
    **dict.fromkeys("0123456789", 0.64), **dict.fromkeys("−+×÷=<>≤≥≠→∞", 0.84),
}  # fmt: skip


def text_width(words: str, size: float = 12.0) -> float:
    """About how wide the words are; Chinese, Japanese and Korean characters are square."""
    return size * sum(1.0 if ord(c) > 0x2E80 else _WIDTHS.get(c, 0.7 if c.isupper() else 0.61) for c in minus(words))


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> str:
    """Words at (x, y), with proper minus signs."""
    more = {"class_": class_} if class_ else {}
    return element("text", escape(minus(words)), x=round(x, 1), y=round(y, 1), text_anchor=anchor, **more)


class Block:
    """The words and the small picture beside a wire, drawn from their upper edge."""

    def __init__(self, summary: Summary | None, role: str, with_shape: bool = True) -> None:
        self.role, self.summary = role, summary
        self.width = self.height = 0.0
        #: Parts from the top: (height, width, words or a function that draws from the upper left corner).
        self._parts: list[tuple[float, float, Callable[[float, float], str] | tuple[str, str]]] = []
        if summary is None:
            return
        if summary.picture is not None:
            wide, high = _fit(*summary.picture.shape[1::-1])
            self._add(high + 3.0, wide, lambda x, y: self._picture(x, y, wide, high))
        elif summary.histogram is not None:
            self._add(18.0, 56.0, lambda x, y: self._bars(x, y, 56.0, 15.0))
        if summary.numbers is not None:
            self._add_numbers(summary)
        elif with_shape:
            self._add_line(summary.shape)
        for line in summary.lines:
            self._add_line(line)
        if summary.alarm:
            self._add_line(summary.alarm, "cr-alarm")

    def _add(self, height: float, width: float, draw: Callable[[float, float], str] | tuple[str, str]) -> None:
        self._parts.append((height, width, draw))
        self.width, self.height = max(self.width, width), self.height + height

    def _add_line(self, words: str, more: str = "") -> None:
        class_ = f"cr-{self.role} cr-small {more}".rstrip()
        self._add(12.0, text_width(words, 10.5), (words, class_))

    def _add_numbers(self, summary: Summary) -> None:
        """A number, or a matrix in brackets with its columns flush right."""
        rows = summary.numbers or ()
        size = 12.0 if not summary.brackets else 11.5
        line, edge = size + 1.5, 5.0 if summary.brackets else 0.0
        columns = [max(text_width(minus(cell), size) for cell in column) for column in zip(*rows, strict=True)]
        width = sum(columns) + 7.0 * (len(columns) - 1) + 2 * edge
        high = line * len(rows) + (1.0 if summary.brackets else 0.0)

        def draw(x: float, y: float) -> str:
            parts, right = [], x + edge
            for i, column in enumerate(columns):
                right += column + (7.0 if i else 0.0)
                parts += [
                    text(right, y + size - 1.5 + line * j, row[i], f"cr-{self.role}", "end")
                    for j, row in enumerate(rows)
                ]
            if summary.brackets:
                path = f"M{x + 3:.1f} {y:.1f}h-2.5v{high:.1f}h2.5M{x + width - 3:.1f} {y:.1f}h2.5v{high:.1f}h-2.5"
                parts.append(element("path", class_=f"cr-bracket-{self.role}", d=path))
            return "".join(parts)

        self._add(high + 1.0, width, draw)

    def draw(self, x: float, y: float, right: bool = False) -> str:
        """The block with its upper edge at y; x is its left edge, or its right edge."""
        parts = []
        for height, width, draw in self._parts:
            if isinstance(draw, tuple):
                parts.append(text(x, y + 9.0, *draw, "end" if right else "start"))
            else:
                parts.append(draw(x - width if right else x, y))
            y += height
        return "".join(parts)

    def _picture(self, x: float, y: float, wide: float, high: float) -> str:
        assert self.summary is not None and self.summary.picture is not None
        address = data_uri(self.summary.picture)
        image = element("image", href=address, x=x, y=y, width=wide, height=high, preserveAspectRatio="none")
        return image + element("rect", class_="cr-edge", x=x, y=y, width=wide, height=high)

    def _bars(self, x: float, y: float, wide: float, high: float) -> str:
        assert self.summary is not None and self.summary.histogram is not None
        heights, zero = self.summary.histogram, self.summary.zero
        step = wide / len(heights)
        bars = "".join(
            f"M{x + i * step:.1f} {y + high:.1f}v{-max(bar * (high - 1), 0.8):.1f}h{step - 0.8:.1f}V{y + high:.1f}z"
            for i, bar in enumerate(heights)
            if bar
        )
        axis = f"M{x:.1f} {y + high + 0.5:.1f}h{wide:.1f}"
        if zero is not None:
            axis += f"M{x + zero * wide:.1f} {y + high + 0.5:.1f}v2.5"
        return element("path", d=bars, class_=f"cr-bars-{self.role}") + element("path", d=axis, class_="cr-axis")


def _fit(columns: int, rows: int, wide: float = 84.0, high: float = 34.0) -> tuple[float, float]:
    """A size with room for the picture's own shape, in whole pixels a cell where it is small."""
    scale = min(wide / columns, high / rows, 8.0)
    scale = float(int(scale)) if scale > 2 else scale
    return columns * scale, rows * scale


def outline(kind: str, width: float, height: float) -> str:
    """The shape of a kind of node, from (0, -height/2): each kind has its own, so that colour is not needed."""
    w, h = width, height / 2
    if kind == "input":  # an arrow that feeds in
        path = f"M0 {-h:.1f}H{w - 9:.1f}L{w:.1f} 0L{w - 9:.1f} {h:.1f}H0z"
    elif kind == "parameter":  # a hexagon
        path = f"M9 {-h:.1f}H{w - 9:.1f}L{w:.1f} 0L{w - 9:.1f} {h:.1f}H9L0 0z"
    elif kind == "constant":
        path = f"M0 {-h:.1f}H{w:.1f}V{h:.1f}H0z"
    else:
        return element("rect", class_="cr-shape", x=0, y=-h, width=w, height=height, rx=h)
    return element("path", class_="cr-shape", d=path)


def curve(runs: Sequence[Sequence[Point]], down: bool = False, corner: float = 7.0) -> str:
    """Polylines with rounded corners, joined by S-curves that leave and arrive along the flow."""
    path = ""
    before: Point | None = None
    for run in runs:
        x, y = run[0]
        if before is None:
            path += f"M{x:.1f} {y:.1f}"
        elif abs(before[0 if down else 1] - (x if down else y)) < 0.3:
            path += f"L{x:.1f} {y:.1f}"
        elif down:
            middle = (before[1] + y) / 2
            path += f"C{before[0]:.1f} {middle:.1f} {x:.1f} {middle:.1f} {x:.1f} {y:.1f}"
        else:
            middle = (before[0] + x) / 2
            path += f"C{middle:.1f} {before[1]:.1f} {middle:.1f} {y:.1f} {x:.1f} {y:.1f}"
        path += _polyline(run, corner)
        before = run[-1]
    return path


def _polyline(run: Sequence[Point], corner: float) -> str:
    path = ""
    for i, (x, y) in enumerate(run[1:], 1):
        if i + 1 == len(run):
            path += f"L{x:.1f} {y:.1f}"
            continue
        near, far = _toward((x, y), run[i - 1], corner), _toward((x, y), run[i + 1], corner)
        path += f"L{near[0]:.1f} {near[1]:.1f}Q{x:.1f} {y:.1f} {far[0]:.1f} {far[1]:.1f}"
    return path


def _toward(start: Point, end: Point, distance: float) -> Point:
    across, down = end[0] - start[0], end[1] - start[1]
    length = (across * across + down * down) ** 0.5
    share = min(distance, length / 2) / length if length else 0.0
    return start[0] + across * share, start[1] + down * share


def document(width: float, height: float, title: str, body: str, style: str = STYLE) -> str:
    """A whole SVG file, at its own size and no wider than its place."""
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cr-graph" {size} role="img" '
        f'aria-label="{escape(title)}" style="max-width:100%;height:auto">'
        f"<title>{escape(title)}</title><style>{style}</style>"
        f'<rect class="cr-page" width="100%" height="100%"/>{body}</svg>'
    )
