"""Whatever holds numbers, as a NumPy array or a table: lists, tensors, pandas and polars frames and series.

Frames are known by what they can do; pandas and polars are never imported here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DataError, DTypeError, ShapeError
from chainrule.data.examples import value_name
from chainrule.data.tables import Table, words_kind

__all__ = ["as_array", "frame_to_table", "is_frame"]

Array = npt.NDArray[Any]


def is_frame(value: Any) -> bool:
    """Whether ``value`` is a data frame: it has columns, a two-axis shape, and can become an array.

    >>> is_frame(np.zeros((2, 2)))
    False
    """
    return hasattr(value, "to_numpy") and hasattr(value, "columns") and len(getattr(value, "shape", ())) == 2


def as_array(value: Any, what: str = "data", numeric: bool = True) -> Array:
    """``value`` as an array with at least one axis; ``what`` names it in errors.

    Arrays and memory-mapped files pass through untouched. Python floats become float32, the library's
    default; tensors, frames and series keep their type, and a frame's or series' missing numbers become NaN.
    With ``numeric=False`` text is let through as well.

    Errors: ShapeError for a single number or rows of different lengths; DTypeError for text, objects or
    complex numbers, naming a frame's first column that has no numbers; DataError for a tensor that will not
    give its array.

    >>> as_array([[1.0, 2.0], [3.0, 4.0]]).dtype.name, as_array([1, 2]).dtype.name
    ('float32', 'int64')
    """
    if is_frame(value):
        table = frame_to_table(value)
        if numeric:
            return _matrix(table, what)
        value = np.stack([np.asarray(column) for column in table.columns.values()], axis=1)
    elif not isinstance(value, np.ndarray):
        value = _from_other(value, what)
    if value.ndim == 0:
        raise ShapeError(f"{what} as an array", f"a single value, {value.item()!r}", "at least one axis of rows")
    if numeric and value.dtype.kind not in "biuf":
        received = f"elements of type {value.dtype}"
        fix = "encode text as numbers first (class_indices, OneHotEncoder)" if value.dtype.kind in "UO" else ""
        raise DTypeError(f"{what} as numbers", received, "numbers or booleans", fix)
    array: Array = value
    return array


def _from_other(value: Any, what: str) -> Array:
    """Series, tensors, and sequences of Python's own numbers."""
    if hasattr(value, "to_numpy"):
        array = _series(value)
        if array.dtype == object:
            column, kind = _words_or_numbers(array)
            return column.astype(str) if kind != "number" and all(v is not None for v in column) else column
        return array
    if callable(getattr(value, "numpy", None)):
        try:
            return np.asarray(value.numpy())
        except (RuntimeError, TypeError) as error:
            fix = "pass value.detach().cpu()"
            raise DataError(f"{what} as an array", f"a tensor that gives none ({error})", "its values", fix) from None
    if hasattr(value, "collect"):
        raise DTypeError(f"{what} as an array", f"a {type(value).__name__}", "data in memory", "call .collect() first")
    if hasattr(value, "__array__"):
        return np.asarray(value)
    try:
        array = np.asarray(value)
    except ValueError:
        received = "rows of different lengths"
        raise ShapeError(f"{what} as an array", received, "rows of one length", "pad or cut them") from None
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _matrix(table: Table, what: str) -> Array:
    """Columns of numbers and booleans side by side, (n, columns)."""
    for name, kind in table.kinds.items():
        if kind not in ("number", "boolean"):
            fix = "encode it as numbers, or leave it out; frame_to_table() keeps it"
            raise DTypeError(f"{what} as numbers", f"column {name!r} of {kind}", "numbers or booleans", fix)
    columns = [_filled(column) for column in table.columns.values()]
    return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0), np.float32)


def _filled(column: Array) -> Array:
    """Booleans with gaps as numbers with NaN."""
    if column.dtype != object:
        return column
    return np.array([np.nan if value is None else float(value) for value in column])


def frame_to_table(frame: Any, target: str | None = None) -> Table:
    """A pandas or polars data frame as a ``Table``.

    Numbers keep their type, with NaN where some are missing; categoricals become categories; words become
    categories or text as in ``read_csv``; dates and everything else become text.

    Errors: DataError for a column named twice, or an unknown target.
    """
    if hasattr(frame, "collect") and not hasattr(frame, "to_numpy"):
        raise DTypeError("frame_to_table", f"a {type(frame).__name__}", "a data frame", "call .collect() first")
    if not is_frame(frame):
        raise DTypeError("frame_to_table", f"a {type(frame).__name__}", "a pandas or polars data frame")
    names = [str(name) for name in frame.columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError("frame_to_table", f"two columns named {twice[0]!r}", "different names", "rename one")
    columns: dict[str, Array] = {}
    kinds: dict[str, str] = {}
    for name, key in zip(names, frame.columns, strict=True):
        columns[name], kinds[name] = _frame_column(frame[key])
    return Table(columns, kinds, target)


def _frame_column(series: Any) -> tuple[Array, str]:
    array = _series(series)
    if str(series.dtype).lower().startswith(("categorical", "category", "enum")):
        names = [None if _is_missing(value) else value_name(value) for value in array.tolist()]
        return np.array(names, object), "category"
    if array.dtype.kind == "b":
        return array, "boolean"
    return (array, "number") if array.dtype.kind in "iuf" else _words_or_numbers(array)


def _series(series: Any) -> Array:
    array = np.asarray(series.to_numpy())
    # Dates are words here: no unit that a network could use is meant.
    return array.astype(str).astype(object) if array.dtype.kind in "mM" else array


def _words_or_numbers(array: Array) -> tuple[Array, str]:
    """The kind of an array of objects, from what the objects are."""
    values = [None if _is_missing(value) else value for value in array.tolist()]
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool | np.bool_) for value in known):
        return np.array(values, object if len(known) < len(values) else np.bool_), "boolean"
    if all(_is_number(value) for value in known):
        whole = bool(known) and len(known) == len(values) and all(isinstance(value, int) for value in known)
        numbers = [np.nan if value is None else value for value in values]
        return np.array(numbers, np.int64 if whole else np.float64), "number"
    words = np.array([value if value is None else str(value) for value in values], object)
    return words, words_kind(words)


def _is_missing(value: Any) -> bool:
    """None, NaN, a date that is NaT, and pandas' NA and NaT (by name, for comparing NA gives no answer)."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or isinstance(value, str):
        return value is None or not isinstance(value, str) or value == "NaT"
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int | float) or type(value).__name__ == "Decimal")
