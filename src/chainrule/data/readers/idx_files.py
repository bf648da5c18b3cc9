"""IDX files, the format of MNIST: two zero bytes, a type, a number of axes, their lengths, then the elements.

All numbers are big-endian. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten
digits", section "File formats".
"""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DataError, DTypeError
from chainrule.core.files import atomic_write
from chainrule.data.storage import gunzip, is_gzip, read_raw, reading

__all__ = ["parse_idx", "read_idx", "write_idx"]

Array = npt.NDArray[Any]

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype.newbyteorder("="): code for code, dtype in TYPES.items()}
_MOST_AXES = 64


def read_idx(path: str | Path, mmap: bool = False) -> Array:
    """Read an IDX file, gzipped or not, into an array in the machine's own byte order.

    With ``mmap`` the file (not gzipped) stays on disk and rows are read when used; its elements stay
    big-endian.

    Errors: DataError naming the file and what is wrong: its type, its header, bytes missing or left over.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "small.idx"
    >>> write_idx(path, np.array([[1, -2], [3, 4]], np.int16))
    >>> read_idx(path)
    array([[ 1, -2],
           [ 3,  4]], dtype=int16)
    """
    if not mmap:
        content = read_raw(path)
        return parse_idx(gunzip(content, str(path)) if is_gzip(content) else content, str(path))
    with reading(path), open(path, "rb") as file:
        head = file.read(4 + 4 * _MOST_AXES)
        size = file.seek(0, 2)
    if is_gzip(head):
        raise DataError(f"mapping {path}", "a gzip file", "a file that is not compressed", "gunzip it first")
    dtype, shape, start = _header(head, size, str(path))
    # An empty file region cannot be mapped.
    return np.memmap(path, dtype, "r", start, shape) if math.prod(shape) else np.zeros(shape, dtype)


def parse_idx(content: bytes, name: str) -> Array:
    """The array held by the bytes of an IDX file; ``name`` is for the errors."""
    dtype, shape, start = _header(content, len(content), name)
    return np.frombuffer(content, dtype, offset=start).astype(dtype.newbyteorder("=")).reshape(shape)


def write_idx(path: str | Path, array: Array) -> None:
    """Write an array as an IDX file, gzipped where ``path`` ends in .gz.

    Errors: DTypeError for an element type that IDX lacks; DataError for an array without axes, or an axis of
    2^32.
    """
    array = np.asarray(array)
    asked = f"writing {path}"
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(dtype.name for dtype in _CODES)
        raise DTypeError(asked, f"elements of type {array.dtype}", f"one of {known}", "cast with .astype(...)")
    if not 1 <= array.ndim <= _MOST_AXES or max(array.shape) >= 2**32:
        raise DataError(asked, f"an array of shape {array.shape}", f"1 to {_MOST_AXES} axes shorter than 2^32")
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    content += array.astype(TYPES[code]).tobytes()
    with atomic_write(path, DataError) as file:
        # A fixed time stamp makes the same array the same file.
        file.write(gzip.compress(content, mtime=0) if str(path).endswith(".gz") else content)


def _header(head: bytes, size: int, name: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Element type, shape, and where elements begin, checked against the ``size`` of the whole file."""
    asked = f"reading {name}"
    if len(head) < 4 or head[:2] != b"\0\0":
        received = f"{len(head)} bytes" if len(head) < 4 else f"first bytes {head[:4].hex(' ')}"
        raise DataError(asked, received, "an IDX file: 00 00, type, axes", "this is another kind of file, or damaged")
    code, axes = head[2], head[3]
    if code not in TYPES or not 1 <= axes <= _MOST_AXES:
        known = ", ".join(f"{known:#04x} {dtype.name}" for known, dtype in TYPES.items())
        raise DataError(asked, f"type {code:#04x} and {axes} axes", f"type one of {known}; 1 to {_MOST_AXES} axes")
    start = 4 + 4 * axes
    if size < start:
        raise DataError(asked, f"a file cut short: {size} bytes", f"{start} bytes of header", "fetch it again")
    dtype, shape = TYPES[code], struct.unpack_from(f">{axes}I", head, 4)
    wanted = start + math.prod(shape) * dtype.itemsize
    if size != wanted:
        wrong = "a file cut short" if size < wanted else "bytes left over"
        expected = f"{wanted} bytes for shape {shape} of {dtype.name}"
        raise DataError(asked, f"{wrong}: {size} bytes", expected, "fetch it again")
    return dtype, shape, start
