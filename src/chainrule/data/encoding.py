"""Categories to numbers and back: one-hot columns for inputs, whole numbers for labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.data import convert
from chainrule.data.arrays import as_array
from chainrule.data.convert import Array
from chainrule.data.scaling import Transform

__all__ = ["LabelEncoder", "OneHotEncoder"]


def _values(x: Any) -> Array:
    """``x`` as an array; numbers in lists keep all their digits, for 0.1 is to remain the category 0.1."""
    array = as_array(x, "categories", numeric=False)
    return np.asarray(x) if isinstance(x, (list, tuple)) else array


def _sorted_categories(values: list[Any], asked: str) -> list[Any]:
    """The distinct values in order, with None for the missing ones at the end."""
    known = {value for value in values if not convert.is_missing(value)}
    try:
        ordered = sorted(known)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in known})
        raise DataError(
            asked, f"a mixture of {' and '.join(kinds)}", "values of one kind", "make them all texts"
        ) from None
    return ordered + [None] * any(convert.is_missing(value) for value in values)


def _codes(values: list[Any], categories: Sequence[Any]) -> npt.NDArray[np.int64]:
    """The position of each value among ``categories``, -1 for an unknown one."""
    positions = {category: position for position, category in enumerate(categories)}
    return np.array([positions.get(None if convert.is_missing(v) else v, -1) for v in values], np.int64)


class OneHotEncoder(Transform):
    """A column of categories to one column of 0 and 1 for each category, in sorted order.

    Takes (n, d), or (n,) for a single column, of texts, whole numbers or bools. Missing values (None, NaN,
    empty text) are a category of their own, the last one, if there are any at fit. A value that was not there
    at fit is an error, or a row of zeros with ``unknown="ignore"``. After ``fit``: ``categories_``, a list
    for each column.

    >>> encoder = OneHotEncoder(unknown="ignore")
    >>> encoder.fit_transform(np.array([["red"], ["blue"], ["red"]]))
    array([[0., 1.],
           [1., 0.],
           [0., 1.]], dtype=float32)
    >>> encoder.names(["colour"]), encoder.transform(["green"]).tolist()
    (['colour=blue', 'colour=red'], [[0.0, 0.0]])
    """

    settings = ("unknown", "dtype")
    learned = ("categories_",)
    categories_: list[list[Any]]

    def __init__(self, unknown: str = "error", dtype: npt.DTypeLike = np.float32) -> None:
        self.unknown, self.dtype = unknown, dtype

    def fit(self, x: Any) -> Self:
        """Learn the categories of each column."""
        if self.unknown not in ("error", "ignore"):
            raise ConfigError("OneHotEncoder(unknown)", repr(self.unknown), "'error' or 'ignore'")
        columns = _columns(x)
        if not columns or not columns[0]:
            raise DataError("fit a OneHotEncoder", "a table without values", "at least one row and one column")
        self.categories_ = [_sorted_categories(column, f"encode column {j}") for j, column in enumerate(columns)]
        return self

    def transform(self, x: Any) -> Array:
        """Zeros and ones, (n, total number of categories)."""
        columns = self._checked(_columns(x))
        blocks = []
        for position, (column, categories) in enumerate(zip(columns, self.categories_, strict=True)):
            codes = _codes(column, categories)
            if self.unknown == "error" and (codes < 0).any():
                row = int(np.argmax(codes < 0))
                raise DataError(
                    "encode with a OneHotEncoder",
                    f"{column[row]!r} in row {row} of column {position}",
                    "one of " + _listing(categories),
                    "use OneHotEncoder(unknown='ignore') to encode unknown values as zeros",
                )
            blocks.append(codes[:, None] == np.arange(len(categories)))
        return np.concatenate(blocks, axis=1).astype(self.dtype)

    def inverse_transform(self, x: Any) -> Array:
        """The categories (n, d) whose columns are largest; None where all of a column's are 0."""
        self._check_fitted()
        array = as_array(x, "the input of OneHotEncoder")
        widths = [len(categories) for categories in self.categories_]
        if array.ndim != 2 or array.shape[1] != sum(widths):
            raise ShapeError("undo a OneHotEncoder", f"an array of shape {array.shape}", f"(n, {sum(widths)})")
        out = np.empty((len(array), len(widths)), object)
        for j, part in enumerate(np.split(array, np.cumsum(widths)[:-1], axis=1)):
            chosen = np.array([*self.categories_[j], None], object)
            out[:, j] = chosen[np.where((part == 0).all(axis=1), widths[j], part.argmax(axis=1))]
        return out

    def names(self, columns: Sequence[str] | None = None) -> list[str]:
        """A name for each output column, such as ``colour=red``; missing values are ``colour=missing``."""
        self._check_fitted()
        columns = [f"x{j}" for j in range(len(self.categories_))] if columns is None else list(columns)
        if len(columns) != len(self.categories_):
            raise ShapeError("OneHotEncoder.names(columns)", f"{len(columns)} names", f"{len(self.categories_)}")
        return [
            f"{column}={'missing' if category is None else category}"
            for column, categories in zip(columns, self.categories_, strict=True)
            for category in categories
        ]

    def _checked(self, columns: list[list[Any]]) -> list[list[Any]]:
        self._check_fitted()
        if len(columns) != len(self.categories_):
            expected = f"{len(self.categories_)} columns, as at fit"
            raise ShapeError("encode with a OneHotEncoder", f"{len(columns)} columns", expected)
        return columns

    def _restored(self, name: str, value: Any) -> Any:
        return [list(categories) for categories in value]


def _columns(x: Any) -> list[list[Any]]:
    """The columns of (n, d) or (n,) as lists of Python values."""
    array = _values(x)
    if array.ndim not in (1, 2):
        raise ShapeError("encode with a OneHotEncoder", f"an array of shape {array.shape}", "(n, d) or (n,)")
    return [array.tolist()] if array.ndim == 1 else [column.tolist() for column in array.T]


def _listing(values: Sequence[Any], limit: int = 10) -> str:
    shown = ", ".join(repr(value) for value in values[:limit])
    return shown + (f", ... ({len(values)} in all)" if len(values) > limit else "")


class LabelEncoder(Transform):
    """Labels to whole numbers 0 .. k-1 in sorted order, and back. After ``fit``: ``classes_``.

    >>> encoder = LabelEncoder()
    >>> encoder.fit_transform(["cat", "dog", "ant", "dog"]), encoder.inverse_transform([1, 0]).tolist()
    (array([1, 2, 0, 2]), ['cat', 'ant'])
    """

    learned = ("classes_",)
    classes_: list[Any]

    def fit(self, x: Any) -> Self:
        """Learn the classes from labels (n,)."""
        self.classes_ = _sorted_categories(self._labels(x), "encode labels")
        return self

    def transform(self, x: Any) -> npt.NDArray[np.int64]:
        """The codes of labels (n,) as int64; ``DataError`` for a label that was not there at fit."""
        self._check_fitted()
        labels = self._labels(x)
        codes = _codes(labels, self.classes_)
        if (codes < 0).any():
            row = int(np.argmax(codes < 0))
            raise DataError("encode labels", f"{labels[row]!r} in row {row}", "one of " + _listing(self.classes_))
        return codes

    def inverse_transform(self, codes: Any) -> Array:
        """The labels that belong to ``codes``, whole numbers 0 .. k-1."""
        self._check_fitted()
        array = as_array(codes, "the codes of LabelEncoder")
        last = len(self.classes_) - 1
        if array.dtype.kind not in "iu" or (array.size and not 0 <= array.min() <= array.max() <= last):
            raise DataError(
                "decode labels", f"codes {array.reshape(-1)[:5].tolist()} ...", f"whole numbers 0 .. {last}"
            )
        return np.array(self.classes_)[array]

    def _labels(self, x: Any) -> list[Any]:
        array = _values(x)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1 or array.size == 0:
            raise ShapeError("encode labels", f"an array of shape {array.shape}", "one label a row, (n,)")
        labels: list[Any] = array.tolist()
        row = next((row for row, label in enumerate(labels) if convert.is_missing(label)), None)
        if row is not None:
            raise DataError("encode labels", f"no label in row {row}", "a label in every row", "drop the row first")
        return labels

    def _restored(self, name: str, value: Any) -> Any:
        return list(value)
