"""Numbers as people write them, for charts, tables and sentences."""

from __future__ import annotations

import math

__all__ = ["duration", "number", "percent", "short"]

LONGEST_LABEL = 16


def number(value: float | int | None, digits: int = 4) -> str:
    """A number for people: whole ones with commas, others to ``digits`` significant ones, a true minus sign.

    >>> number(1234567), number(0.0312345), number(-2.5), number(1.5e-7), number(float("nan")), number(None)
    ('1,234,567', '0.03123', '−2.5', '1.5e−7', 'NaN', '–')
    """
    if value is None:
        return "–"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif 1e-4 <= abs(value) < 10**digits:
        text = f"{value:.{digits}g}"
    elif 1 <= abs(value) < 1e9:
        text = f"{value:,.0f}"
    else:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        text = f"{float(mantissa):g}e{int(power)}"
    return text.replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent, with a space that does not break: 0.972 is 97.2 %."""
    if value is None or not math.isfinite(value):
        return number(value)
    return f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def short(text: str, longest: int = LONGEST_LABEL) -> str:
    """``text`` cut to fit an axis; the whole of it stands in the tooltip."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it.

    >>> duration(1.284), duration(95), duration(420), duration(7300)
    ('1.3 s', '95 s', '7 min', '2 h 2 min')
    """
    if seconds < 120:
        return f"{number(seconds, 2 if seconds < 10 else 3)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
