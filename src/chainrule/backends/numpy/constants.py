"""Arrays that are part of a program, written as shortly as they can be."""

from __future__ import annotations

import base64
import textwrap
import zlib
from typing import Any

import numpy as np

from chainrule.backends.numpy.text import Text, call, literal, type_name

__all__ = ["array_lines", "array_text"]

Array = np.ndarray[Any, Any]

#: An array with more elements than this is written as compressed bytes.
MOST_WRITTEN = 2000


def array_text(value: Array) -> Text | None:
    """An expression for an array in a few words, such as ``np.arange(10)``; None if it takes more."""
    dtype = type_name(value.dtype)
    flat = np.ascontiguousarray(value).reshape(-1)
    if not value.ndim:
        return literal(value)
    shape = str(value.shape if value.ndim > 1 else value.size)
    if not flat.size or flat.tobytes() == flat[:1].tobytes() * flat.size:
        number = literal(flat[0]) if flat.size else Text("0")
        short = {"0": "np.zeros", "1": "np.ones"}.get(number.code if number.code != "-0.0" else "")
        return call(short, shape, dtype) if short else call("np.full", shape, number, dtype)
    if value.ndim == 1 and _same(value, np.arange(value.size).astype(value.dtype)):
        return call("np.arange", shape, *([] if value.dtype == np.int64 else [f"dtype={dtype}"]))
    if value.ndim == 2 and value.shape[0] == value.shape[1] and _same(value, np.eye(len(value), dtype=value.dtype)):
        return call("np.eye", str(len(value)), f"dtype={dtype}")
    text = call("np.array", _nested(value), dtype)
    return text if len(text.code) <= 40 else None


def array_lines(name: str, value: Array, width: int) -> list[str]:
    """``name = ...`` for any array, on as many lines as it takes."""
    dtype = type_name(value.dtype)
    if value.size <= MOST_WRITTEN:
        lines = textwrap.wrap(_nested(value), width - 4, break_on_hyphens=False)
        return [f"{name} = np.array(", *(f"    {line}" for line in lines[:-1]), f"    {lines[-1]}, {dtype}", ")"]
    packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 9)).decode()
    pieces = textwrap.wrap(packed, width - 8)
    return [
        f"{name} = np.frombuffer(",
        "    zlib.decompress(",
        "        base64.b64decode(",
        *(f'            "{piece}"' for piece in pieces),
        "        )",
        "    ),",
        f"    {dtype},",
        f").reshape({value.shape})",
    ]


def _same(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


def _nested(value: Array) -> str:
    if not value.ndim:
        return literal(value).code
    return f"[{', '.join(_nested(part) for part in value)}]"
