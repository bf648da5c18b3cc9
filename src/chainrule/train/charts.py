"""Charts as inline SVG: curves, scatter, histograms, dots on a log axis.

Geometry and text only; colours come from the page's style sheet by class (``series-0``, ``grid`` ...), so that a chart
follows light, dark and print. Every chart has a ``<title>`` and is announced as a picture with that name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from chainrule.train.png import Array
from chainrule.train.svg import Axis, Svg, drawing, element, label, text_width
from chainrule.train.wording import number, short

__all__ = ["Series", "dot_chart", "histogram_chart", "line_chart", "scatter_chart"]

#: A curve wider than the screen has pixels shows nothing more; spikes are kept (see ``thin``).
MOST_POINTS = 400

#: Markers are drawn on curves of at most this many points.
MOST_MARKERS = 30

#: A positive curve that spans more than this factor is drawn on a logarithmic axis.
LOG_SPAN = 50.0


@dataclass
class Series:
    """A named curve; NaN breaks it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def thin(x: Array, y: Array, limit: int = MOST_POINTS) -> tuple[Array, Array]:
    """At most about ``limit`` of the points: the lowest and the highest of each stretch, the ends, and the breaks."""
    if len(x) <= limit:
        return x, y
    keep = {0, len(x) - 1}
    for part in np.array_split(np.arange(len(x)), limit // 2):
        values = y[part]
        if np.isnan(values).all():
            keep.add(int(part[0]))
            continue
        keep |= {int(part[np.nanargmin(values)]), int(part[np.nanargmax(values)])}
        keep |= {int(i) for i in part[np.isnan(values)][:1]}
    index = np.array(sorted(keep))
    return x[index], y[index]


def _frame(x: Axis, y: Axis, x_label: str, y_text: Callable[[float], str]) -> list[str]:
    """Grid lines with their numbers, and the name of the horizontal axis."""
    parts = []
    for tick in y.ticks():
        parts.append(element("line", x1=x.start, x2=x.end, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(label(x.start - 8, y(tick) + 4, y_text(tick), anchor="end"))
    for tick in x.ticks():
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=y.start, y2=y.start + 4, class_="axis"))
        parts.append(label(x(tick), y.start + 17, number(tick)))
    parts.append(element("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis"))
    parts.append(label((x.start + x.end) / 2, y.start + 35, x_label, "axis-name"))
    return parts


def _padded(values: Array, log: bool) -> tuple[float, float]:
    """The range of ``values`` with a little room, never empty."""
    low, high = float(values.min()), float(values.max())
    if log:
        return low / 1.15, high * 1.15
    room = (high - low) * 0.06 or abs(high) * 0.1 or 0.5
    return low - room, high + room


def line_chart(series: Sequence[Series], title: str, as_percent: bool = False) -> Svg:
    """Curves over epochs with a legend; the vertical axis is logarithmic when the values span a factor of 50."""
    width, height = 480.0, 290.0
    points = [thin(np.asarray(s.x, float), np.where(np.isfinite(s.y), s.y, np.nan)) for s in series]
    every_x, every_y = (np.concatenate([p[i] for p in points]) for i in (0, 1))
    finite = every_y[np.isfinite(every_y)]
    if finite.size == 0:
        return drawing(width, height, title, [label(width / 2, height / 2, "no finite values", "axis-name")])
    log = bool(finite.min() > 0 and finite.max() > LOG_SPAN * finite.min())
    low, high = _padded(finite, log)
    high = min(high, 1.004) if as_percent else high
    first, last = float(every_x.min()), float(every_x.max())
    if first == last:
        first, last = first - 1, last + 1
    x, y = Axis(first, last, 58, width - 14, whole=True), Axis(low, high, height - 46, 34, log)
    write = (lambda value: f"{100 * value:.4g} %") if as_percent else (lambda value: number(value, 3))
    parts = _frame(x, y, "epoch" + (" (vertical axis logarithmic)" if log else ""), write)
    place = x.start
    for index, (one, (xs, ys)) in enumerate(zip(series, points, strict=True)):
        parts += _curve(x, y, xs, ys, index, f"{one.name}, epoch ", write)
        parts.append(element("line", x1=place, x2=place + 22, y1=14.0, y2=14.0, class_=f"curve series-{index}"))
        parts.append(label(place + 28, 18, one.name, "legend", "start"))
        place += 50 + text_width(one.name)
    broken = [float(xs[np.isnan(ys)].min()) for xs, ys in points[:1] if np.isnan(ys).any()]
    if broken:
        middle = (x.start + x.end) / 2
        parts.append(label(middle, 50, f"not a finite number from epoch {broken[0]:.0f}", "alarm"))
    return drawing(width, height, title, parts)


def _curve(x: Axis, y: Axis, xs: Array, ys: Array, index: int, name: str, write: Callable[[float], str]) -> list[str]:
    """One path that jumps over NaN, and markers where points are few or stand alone."""
    path, pen = [], "M"
    for a, b in zip(xs, ys, strict=True):
        if np.isnan(b):
            pen = "M"
            continue
        path.append(f"{pen}{x(a):.1f} {y(b):.1f}")
        pen = "L"
    parts = [element("path", d="".join(path), class_=f"curve series-{index}")] if len(path) > 1 else []
    if len(path) <= MOST_MARKERS:
        for a, b in zip(xs, ys, strict=True):
            if not np.isnan(b):
                tip = element("title", escape(f"{name}{a:.0f}: {write(float(b))}"))
                parts.append(element("circle", tip, cx=x(a), cy=y(b), r=2.6, class_=f"dot series-{index}"))
    return parts


def scatter_chart(true: Sequence[float], predicted: Sequence[float], title: str) -> Svg:
    """Predicted over true numbers on equal axes, with the diagonal on which a perfect model would lie."""
    size = 420.0
    pairs = np.array([pair for pair in zip(true, predicted, strict=True) if np.isfinite(pair).all()])
    if not len(pairs):
        return drawing(size, size, title, [label(size / 2, size / 2, "no finite values", "axis-name")])
    low, high = _padded(pairs, log=False)
    x, y = Axis(low, high, 62, size - 14), Axis(low, high, size - 46, 20)
    parts = _frame(x, y, "true", lambda value: number(value, 3))
    parts.append(element("line", x1=x(low), y1=y(low), x2=x(high), y2=y(high), class_="ideal"))
    parts.append(label(16, size / 2 - 12, "predicted", "axis-name", transform=f"rotate(-90 16 {size / 2 - 12:.0f})"))
    for a, b in pairs:
        tip = element("title", f"true {number(float(a))}, predicted {number(float(b))}")
        parts.append(element("circle", tip, cx=x(a), cy=y(b), r=3.0, class_="point series-0"))
    return drawing(size, size, title, parts)


def histogram_chart(edges: Sequence[float], counts: Sequence[float], title: str, x_label: str = "") -> Svg:
    """Bars over ``edges``. Without ``x_label`` it is a small one for a table cell, with its range written below."""
    small = not x_label
    width, height = (132.0, 44.0) if small else (480.0, 290.0)
    if not len(counts) or max(counts) == 0 or edges[0] == edges[-1]:
        return drawing(width, height, title, [], "spark" if small else "chart")
    if small:
        x, y = Axis(edges[0], edges[-1], 1, width - 1), Axis(0, max(counts), height - 14, 1)
        span = edges[-1] - edges[0]
        left, right = (number(0 if abs(end) < 1e-6 * span else end, 2) for end in (edges[0], edges[-1]))
        parts = [label(1, height - 2, left, "tiny", "start"), label(width - 1, height - 2, right, "tiny", "end")]
        parts.append(element("line", x1=x.start, x2=x.end, y1=y.start, y2=y.start, class_="axis"))
    else:
        x, y = Axis(edges[0], edges[-1], 58, width - 14), Axis(0, max(counts) * 1.05, height - 46, 20)
        parts = _frame(x, y, x_label, number)
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        if count:
            tip = element("title", f"{number(low, 3)} to {number(high, 3)}: {number(count)}")
            size = {"width": max(0.6, x(high) - x(low) - 0.5), "height": y.start - y(count)}
            parts.append(element("rect", tip, class_="bar series-0", x=x(low), y=y(count), **size))
    if edges[0] < 0 < edges[-1]:
        parts.append(element("line", x1=x(0), x2=x(0), y1=y.start, y2=y.end, class_="zero"))
    return drawing(width, height, title, parts, "spark" if small else "chart")


def dot_chart(
    names: Sequence[str], values: Sequence[float], title: str, band: tuple[float, float] | None = None
) -> Svg:
    """A row a name with its value as a dot on a logarithmic axis; ``band`` shades the usual range; 0 is at the edge."""
    gutter = 24 + max(text_width(short(name)) for name in names)
    width, row = 480.0, 24.0
    height = row * len(names) + 50
    shown = np.array([v for v in values if v > 0 and math.isfinite(v)] + list(band or ()))
    low, high = (shown.min() / 2, shown.max() * 2) if shown.size else (0.1, 10.0)
    if high / low < 100:
        low, high = low / 3, high * 3
    x, bottom = Axis(float(low), float(high), gutter, width - 66, log=True), row * len(names) + 10
    parts = []
    if band:
        left, right = x(band[0]), x(band[1])
        parts.append(element("rect", x=left, y=4.0, width=right - left, height=bottom - 4, class_="band"))
    for tick in x.ticks():
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=4.0, y2=bottom, class_="grid"))
        parts.append(label(x(tick), bottom + 17, number(tick)))
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        middle = row * index + row / 2 + 6
        place = x(min(max(value, low), high)) if math.isfinite(value) else x.end
        tip = element("title", escape(f"{name}: {number(value)}"))
        parts.append(label(gutter - 10, middle + 4, short(name), "legend", "end"))
        parts.append(element("line", x1=x.start, x2=place, y1=middle, y2=middle, class_="stem"))
        parts.append(element("circle", tip, cx=place, cy=middle, r=4.5, class_="dot series-0"))
        parts.append(label(width - 4, middle + 4, number(value, 3), anchor="end"))
    parts.append(label((x.start + x.end) / 2, bottom + 35, "logarithmic", "axis-name"))
    return drawing(width, height, title, parts)
