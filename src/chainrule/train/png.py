"""A small PNG encoder: pixels to a file's bytes or a ``data:`` address, with zlib alone."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ShapeError

__all__ = ["data_uri", "encode_png", "to_bytes"]

Array = npt.NDArray[Any]

#: PNG's colour type for each number of channels: grey, grey and alpha, RGB, RGBA.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def encode_png(pixels: Array) -> bytes:
    """PNG of ``pixels`` uint8 (h, w) or (h, w, channels), 1 to 4 channels: grey, grey-alpha, RGB, RGBA.

    >>> encode_png(np.zeros((2, 3), np.uint8))[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'

    Source: PNG Specification, third edition (W3C, 2025), sections 5 and 11.
    """
    image = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if image.ndim != 3 or image.shape[2] not in _COLOUR_TYPES or 0 in image.shape or image.dtype != np.uint8:
        raise ShapeError("encode_png", f"{pixels.dtype} {pixels.shape}", "uint8 (h, w) or (h, w, 1 to 4)")
    height, width, channels = image.shape
    # Each row begins with its filter; 0 is none.
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def data_uri(pixels: Array) -> str:
    """The PNG of ``pixels`` as an address that holds the picture itself, for ``<img src>``."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode("ascii")


def to_bytes(image: Array) -> Array:
    """``image`` of any numbers as uint8: its lowest value black, its highest white, NaN black.

    >>> to_bytes(np.array([[0.0, 8.0, 16.0]])).tolist()
    [[0, 127, 255]]
    """
    values = np.asarray(image, np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    scaled = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray((scaled * 255).astype(np.uint8))
