"""Numbers and arrays in few words: rounded numbers, and for arrays their shape, range, histogram or picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.show.words import words

__all__ = ["Summary", "exact", "matrix", "norm", "number", "shape_text", "summarise"]

Array = np.ndarray[Any, Any]

#: Arrays of this many elements or fewer are shown number by number.
FEW = 6
#: A rounded number that is this near the true one is written without trailing zeros.
_EXACT = 2e-7
_BINS = 11
_BLUE, _WHITE, _ORANGE = (np.array(c, float) for c in ((0, 114, 178), (250, 250, 248), (213, 94, 0)))


def number(value: Any, digits: int = 3) -> str:
    """A number to ``digits`` significant digits; zeros at the end are kept where they stand for rounding.

    >>> [number(v) for v in (0.5, 0.49999, -0.1966, 715.0, 12345.6, 1.2e-7, 3, True)]
    ['0.5', '0.500', '-0.197', '715', '12346', '1.2e-7', '3', 'true']
    """
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if value == round(value) and abs(value) < 1e7:
        return str(round(value))
    # The exponent after rounding: 0.9999 is 1.00.
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if -4 < exponent < 7:
        return _trimmed(f"{value:.{max(digits - 1 - exponent, 0)}f}", value)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{_trimmed(mantissa, value / 10.0 ** int(power))}e{int(power)}"


def _trimmed(text: str, value: float) -> str:
    rounded = float(text)
    if "." in text and abs(rounded - value) <= _EXACT * abs(value):
        return text.rstrip("0").rstrip(".")
    return text


def exact(value: Any) -> str:
    """All digits that a float32 or float64 holds, for reading with the pointer.

    >>> exact(np.float32(0.1)), exact(np.array([1.0, -2.5]))
    ('0.1', '[1.0, -2.5]')
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return str(array[()])
    return "[" + ", ".join(exact(part) for part in array) + "]"


def shape_text(shape: tuple[int, ...], lang: str = "en") -> str:
    """``100 × 784``; a single axis is written ``784 numbers``.

    >>> shape_text((100, 784)), shape_text((3,)), shape_text(())
    ('100 × 784', '3 numbers', 'a number')
    """
    if len(shape) < 2:
        return words("numbers", lang, count=shape[0]) if shape else words("a number", lang)
    return " × ".join(map(str, shape))


def norm(array: Array) -> float:
    """The Euclidean length of all elements together, without overflow."""
    values = np.asarray(array, np.float64)
    top = float(np.abs(values).max(initial=0.0))
    return top * float(np.sqrt(np.square(values / top).sum())) if 0 < top < math.inf else top


def matrix(array: Array, digits: int = 3) -> tuple[tuple[str, ...], ...]:
    """The numbers of a small array in rows; a number or a vector is one row.

    >>> matrix(np.array([[1.0, 0.5], [-0.25, 3.0]]))
    (('1', '0.5'), ('-0.25', '3'))
    """
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    return tuple(tuple(number(value, digits) for value in row) for row in rows)


@dataclass(frozen=True)
class Summary:
    """What stands at a wire: the numbers if they are few; else lines of text and a picture or a histogram."""

    #: Rows of numbers, or None; whether they stand in brackets.
    numbers: tuple[tuple[str, ...], ...] | None = None
    brackets: bool = False
    shape: str = ""
    lines: tuple[str, ...] = ()
    #: Pixels (h, w, 3), or None.
    picture: Array | None = None
    #: Heights of the bars from 0 to 1, and where zero lies among them (None if outside), or None.
    histogram: tuple[float, ...] | None = None
    zero: float | None = None
    #: NaN or infinity, in words; empty if all is well.
    alarm: str = ""


def summarise(array: Array, digits: int = 3, few: int = FEW, images: bool = False, lang: str = "en") -> Summary:
    """An array as it is shown at a wire: its numbers if they are ``few``, else shape, mean, range and a small picture.

    With ``images``, rows that can be square pictures are shown as such.

    >>> summarise(np.array([[0.22], [0.26]])).numbers
    (('0.22',), ('0.26',))
    >>> summarise(np.linspace(-1, 1, 8)).shape, summarise(np.linspace(-1, 1, 8)).lines
    ('8 numbers', ('mean 0', '-1 to 1'))
    """
    finite = np.isfinite(array) if array.dtype.kind == "f" else np.ones(array.shape, bool)
    alarm = "" if finite.all() else words("not finite", lang, count=int((~finite).sum()))
    shape = shape_text(array.shape, lang)
    if array.size <= few:
        if not array.size:
            return Summary(shape=shape, lines=(words("empty", lang),))
        return Summary(matrix(array, digits), brackets=array.ndim > 0, shape=shape, alarm=alarm)
    if array.dtype.kind == "b":
        return Summary(
            shape=shape, lines=(words("share true", lang, percent=number(100 * float(array.mean()), digits)),)
        )
    values = np.asarray(array[finite], np.float64)
    if not values.size:
        return Summary(shape=shape, alarm=alarm)
    if values.min() == values.max():
        return Summary(
            shape=shape, lines=(words("all equal", lang, value=number(array[finite][0], digits)),), alarm=alarm
        )
    if array.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        return Summary(shape=shape, lines=(words("range", lang, low=low, high=high),), histogram=_bars(values)[0])
    # What is left where numbers cancel is rounding: it counts as nothing beside the largest.
    least = float(np.finfo(array.dtype).eps * np.abs(values).max())
    mean, lowest, highest = (
        number(v if abs(v) > least else 0.0, digits) for v in (float(values.mean()), values.min(), values.max())
    )
    lines = (words("mean", lang, value=mean), words("range", lang, low=lowest, high=highest))
    picture = _picture(array, images) if not alarm else None
    bars, zero = _bars(values) if picture is None else (None, None)
    return Summary(None, False, shape, lines, picture, bars, zero, alarm)


def _bars(values: Array) -> tuple[tuple[float, ...] | None, float | None]:
    if np.ptp(values) <= 1e-12 * np.abs(values).max():  # too near each other to be told apart
        return None, None
    counts, edges = np.histogram(values, _BINS)
    place = (0.0 - edges[0]) / (edges[-1] - edges[0])
    return tuple(float(c) for c in counts / counts.max()), float(place) if 0 <= place <= 1 else None


def _picture(array: Array, images: bool) -> Array | None:
    """A matrix that is small enough to be looked at, or rows that are images."""
    if array.ndim != 2:
        return None
    side = math.isqrt(array.shape[1])
    if images and side * side == array.shape[1] >= 64:
        rows = np.asarray(array[:3], np.float64).reshape(-1, side, side)
        low, high = rows.min(), rows.max()
        grey = (rows - low) / ((high - low) or 1.0)
        strip = np.concatenate(list(grey), 1)
        return np.repeat((strip * 255).astype(np.uint8)[:, :, None], 3, 2)
    if min(array.shape) < 3 or max(array.shape) > 40 or array.size > 900:
        return None
    values = np.asarray(array, np.float64)
    strength = values / (np.abs(values).max() or 1.0)
    end = np.where(strength[:, :, None] < 0, _BLUE, _ORANGE)
    return np.asarray((_WHITE + (end - _WHITE) * np.abs(strength)[:, :, None]).astype(np.uint8))
