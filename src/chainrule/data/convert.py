"""Single values and single steps that the data room shares: tensors made, gaps seen, categories named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ConfigError, DataError
from chainrule.core.philox import Generator, default_generator

__all__ = ["as_generator", "column_numbers", "is_missing", "is_tensor", "label_of", "to_tensor"]

Array = npt.NDArray[Any]


def to_tensor(array: Array) -> Any:
    """A chainrule Tensor with the values of ``array``; the only place where the data room makes tensors."""
    from chainrule.ops.create import from_numpy

    array = np.asarray(array)
    # Files such as IDX hold big-endian numbers; arithmetic wants the machine's own order.
    return from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def is_tensor(value: Any) -> bool:
    """Whether ``value`` is a tensor (chainrule's, or another library's that offers ``numpy()``)."""
    return callable(getattr(value, "numpy", None)) and hasattr(value, "shape")


def column_numbers(values: Array, column: str) -> npt.NDArray[np.float64]:
    """A table's column as float64 with NaN for missing values; numbers written as text are read.

    Raises ``DataError`` with column, row (the first one below the header is row 1) and value for anything
    else.

    >>> column_numbers(np.array(["1.5", "", "many"], object), "rooms")
    Traceback (most recent call last):
    ...
    chainrule.core.errors.DataError: read column 'rooms' as numbers
      received: 'many' in row 3
      expected: a finite number, or nothing where it is missing
      fix:      correct that value, or leave the column out
    """
    values = np.asarray(values)
    if values.dtype.kind in "biuf":
        numbers = values.astype(np.float64)
    else:
        numbers = np.array([_number_or_infinity(value) for value in values.tolist()], np.float64)
    wrong = np.flatnonzero(np.isinf(numbers))
    if wrong.size:
        raise DataError(
            f"read column {column!r} as numbers",
            f"{values[wrong[0]]!s:.60}".join(["'", "'"]) + f" in row {wrong[0] + 1}",
            "a finite number, or nothing where it is missing",
            "correct that value, or leave the column out",
        )
    return numbers


def _number_or_infinity(value: Any) -> float:
    """The number that ``value`` is or spells, NaN if it is missing, infinity if it is no number."""
    if is_missing(value):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.inf


def is_missing(value: Any) -> bool:
    """Whether ``value`` stands for no value: None, NaN, NaT, pandas' NA, or an empty text.

    >>> [is_missing(value) for value in (None, float("nan"), "", "  ", 0, False, "a")]
    [True, True, True, True, False, False, False]
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return not value.strip()
    return bool(value != value)


def label_of(value: Any) -> str | None:
    """The text that names a category; 3, 3.0 and "3" are the same category, and missing is None.

    >>> [label_of(value) for value in (3.0, "3", 2.5, True, " red ", None)]
    ['3', '3', '2.5', 'True', 'red', None]
    """
    if is_missing(value):
        return None
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def as_generator(generator: Generator | int | None) -> Generator:
    """The generator itself, a new one for a seed, or the default generator for None."""
    if generator is None:
        return default_generator()
    if isinstance(generator, Generator):
        return generator
    if isinstance(generator, (int, np.integer)) and not isinstance(generator, bool):
        return Generator(int(generator))
    raise ConfigError("choose a random generator", repr(generator), "a Generator, a whole number as seed, or None")
