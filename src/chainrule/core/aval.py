"""Abstract values: the shape and element type of a tensor, without its numbers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from chainrule.core.errors import DTypeError, ShapeError

__all__ = [
    "DTYPES",
    "Aval",
    "broadcast_shapes",
    "canonical_dtype",
    "is_float",
    "normalize_axes",
    "normalize_axis",
    "short",
]

float32, float64 = np.dtype("float32"), np.dtype("float64")
int32, int64, uint8 = np.dtype("int32"), np.dtype("int64"), np.dtype("uint8")
bool_ = np.dtype("bool")

#: Every element type there is, from the one that gives way to the one that wins in mixed arithmetic.
DTYPES = (bool_, uint8, int32, int64, float32, float64)
_RANK = {dtype: rank for rank, dtype in enumerate(DTYPES)}
_SHORT = {bool_: "bool", uint8: "u8", int32: "i32", int64: "i64", float32: "f32", float64: "f64"}


def canonical_dtype(dtype: Any) -> np.dtype[Any]:
    """The NumPy dtype for ``dtype``, or a DTypeError that names the ones there are.

    >>> canonical_dtype("float32"), canonical_dtype(int), canonical_dtype(float)
    (dtype('float32'), dtype('int64'), dtype('float64'))
    """
    try:
        found = np.dtype(dtype).newbyteorder("=")
    except TypeError:
        found = None
    if found not in _RANK:
        names = ", ".join(str(d) for d in DTYPES)
        raise DTypeError(
            "an element type", f"{dtype}", f"one of {names}", 'convert first, for example x.astype("float32")'
        )
    return DTYPES[_RANK[found]]


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this type can carry a gradient."""
    return dtype is float32 or dtype is float64


def short(dtype: np.dtype[Any]) -> str:
    """The name that printed graphs use: f32, i64, bool."""
    return _SHORT[dtype]


def promote_dtypes(asked: str, dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    """The common element type of mixed arithmetic.

    Booleans and integers give way to floats, small integers to large ones; float32 and float64 never mix silently.
    """
    best = max(dtypes, key=_RANK.__getitem__)
    if best is float64 and float32 in dtypes:
        raise DTypeError(
            asked,
            "float32 and float64",
            "one float type",
            "cast one of them: x.float() gives float32, x.double() gives float64",
        )
    return best


class Aval:
    """Shape and dtype, interned: equal avals are the same object, so they compare and hash by identity.

    >>> Aval.of((4, 3), np.float32)
    f32[4,3]
    >>> Aval.of((4, 3), np.float32) is Aval.of((4, 3), "float32")
    True
    """

    __slots__ = ("dtype", "floating", "ndim", "shape", "size")

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    ndim: int
    size: int
    #: Whether it can carry a gradient.
    floating: bool

    _interned: ClassVar[dict[tuple[tuple[int, ...], np.dtype[Any]], Aval]] = {}

    @classmethod
    def of(cls, shape: tuple[int, ...], dtype: Any) -> Aval:
        """The one aval with this shape and dtype."""
        try:
            return cls._interned[shape, dtype]
        except (KeyError, TypeError):
            pass
        dtype, shape = canonical_dtype(dtype), tuple(int(n) for n in shape)
        aval = cls._interned.get((shape, dtype))
        if aval is None:
            aval = object.__new__(cls)
            aval.shape, aval.dtype, aval.ndim, aval.size = shape, dtype, len(shape), math.prod(shape)
            aval.floating = is_float(dtype)
            aval = cls._interned.setdefault((shape, dtype), aval)
        return aval

    @classmethod
    def like(cls, array: np.ndarray[Any, Any]) -> Aval:
        """The aval of a NumPy array."""
        return cls.of(array.shape, array.dtype)

    def __repr__(self) -> str:
        return f"{_SHORT[self.dtype]}[{','.join(map(str, self.shape))}]"

    def __reduce__(self) -> Any:
        return Aval.of, (self.shape, str(self.dtype))

    def __copy__(self) -> Aval:
        return self

    def __deepcopy__(self, memo: Any) -> Aval:
        return self


def broadcast_shapes(asked: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape of arrays combined element by element (NumPy's rule).

    >>> broadcast_shapes("add", (4, 1), (3,))
    (4, 3)
    """
    ndim = max(map(len, shapes))
    result = [1] * ndim
    for shape in shapes:
        for i, n in enumerate(shape, ndim - len(shape)):
            if n == 1 or n == result[i]:
                continue
            if result[i] != 1:
                raise ShapeError(
                    asked,
                    " and ".join(map(str, shapes)),
                    "shapes that broadcast: aligned at the right, each pair of lengths equal or one of them 1",
                    f"reshape or expand the axis of length {n} (or {result[i]})",
                )
            result[i] = n
    return tuple(result)


def normalize_axis(asked: str, axis: int, ndim: int) -> int:
    """``axis`` counted from the front, checked."""
    try:
        number = axis.__index__()
    except AttributeError:
        raise ShapeError(asked, f"axis={axis!r}", "a whole number", "pass axis as an int") from None
    if not -ndim <= number < ndim:
        allowed = f"an axis from {-ndim} to {ndim - 1}" if ndim else "no axis: the tensor has no axes"
        raise ShapeError(asked, f"axis={number} for {ndim} axes", allowed, "choose an axis that the tensor has")
    return number % ndim


def normalize_axes(asked: str, axis: int | tuple[int, ...] | list[int] | None, ndim: int) -> tuple[int, ...]:
    """``axis`` as a sorted tuple of axes counted from the front; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = sorted(normalize_axis(asked, a, ndim) for a in axes)
    if len(set(found)) != len(found):
        raise ShapeError(asked, f"axis={axis}", "each axis once", "drop the repeated axis")
    return tuple(found)
