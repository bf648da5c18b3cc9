"""Scaling and filling of number columns, learned from the training rows and kept as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import CheckpointError, ConfigError, DataError, ShapeError
from chainrule.data import convert
from chainrule.data.arrays import as_array
from chainrule.data.convert import Array

__all__ = ["Imputer", "MinMaxScaler", "StandardScaler", "Transform"]

_BLOCK = 4096  # rows converted to float64 at a time, so that a memory map larger than memory can be scaled


class Transform:
    """Base of what is fitted once and applied often: ``fit``, ``transform``, and a state without pickle.

    A subclass names its constructor's arguments in ``settings`` and its learned attributes, which end in
    ``_``, in ``learned``. The constructor stores its arguments untouched.
    """

    settings: ClassVar[tuple[str, ...]] = ()
    learned: ClassVar[tuple[str, ...]] = ()

    def fit(self, x: Any) -> Self:
        """Learn from the rows of ``x``."""
        raise NotImplementedError

    def transform(self, x: Any) -> Array:
        """Apply what was learned."""
        raise NotImplementedError

    def fit_transform(self, x: Any) -> Array:
        """``fit(x).transform(x)``."""
        return self.fit(x).transform(x)

    def state(self) -> dict[str, Any]:
        """Arguments and learned values as numbers, texts, lists and dicts: what JSON can hold."""
        self._check_fitted()
        return {"kind": type(self).__name__} | {
            name: _plain(getattr(self, name)) for name in self.settings + self.learned
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The fitted object whose ``state()`` this is; the numbers are equal to the last bit."""
        names = cls.settings + cls.learned
        missing = [name for name in names if name not in state]
        if state.get("kind") != cls.__name__ or missing:
            received = f"a state of kind {state.get('kind')!r}" + (f" without {', '.join(missing)}" if missing else "")
            raise CheckpointError(f"restore a {cls.__name__}", received, f"a state() of {cls.__name__}")
        fitted = cls(**{name: state[name] for name in cls.settings})
        for name in cls.learned:
            setattr(fitted, name, fitted._restored(name, state[name]))
        return fitted

    def _restored(self, name: str, value: Any) -> Any:
        return np.asarray(value, np.float64)

    def _check_fitted(self) -> None:
        if any(not hasattr(self, name) for name in self.learned):
            name = type(self).__name__
            raise ConfigError(f"use a {name}", "one that has learned nothing yet", "", "call fit(x) first")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.settings)})"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (type, np.dtype)):
        return np.dtype(value).name
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


class _Affine(Transform):
    """A scaler of the form ``(x - shift) * factor``, column by column.

    Rows lie along the first axis; whatever follows is one column for each position, so inputs (n,), (n, d)
    and (n, h, w) are all taken and given back in the same shape.
    """

    dtype: npt.DTypeLike

    def _shift_and_factor(self) -> tuple[Array, Array]:
        raise NotImplementedError

    def transform(self, x: Any) -> Array:
        """``x`` scaled, in its own shape and in ``self.dtype``; NaN stays NaN."""
        shift, factor = self._shift_and_factor_of_fit()
        return self._blockwise(x, lambda block: (block - shift) * factor)

    def inverse_transform(self, x: Any) -> Array:
        """The values that ``transform`` would turn into ``x``."""
        shift, factor = self._shift_and_factor_of_fit()
        return self._blockwise(x, lambda block: block / factor + shift)

    def _shift_and_factor_of_fit(self) -> tuple[Array, Array]:
        self._check_fitted()
        return self._shift_and_factor()

    def _blockwise(self, x: Any, scale: Any) -> Array:
        x = as_array(x, f"the input of {type(self).__name__}")
        shape = np.shape(getattr(self, self.learned[0]))
        if x.ndim == 0 or x.shape[1:] != shape:
            raise ShapeError(
                f"scale with a {type(self).__name__}",
                f"an array of shape {x.shape}",
                f"rows of shape {shape}, as at fit: {('n', *shape)}".replace("'", ""),
            )
        out = np.empty(x.shape, self.dtype)
        for start in range(0, len(x), _BLOCK):
            out[start : start + _BLOCK] = scale(x[start : start + _BLOCK].astype(np.float64))
        return out


def _finite_or_missing(x: Any, name: str) -> Array:
    """``x`` as numbers with at least one row; NaN stands for missing, infinity is refused."""
    array = as_array(x, f"the input of {name}")
    if array.ndim == 0 or len(array) == 0:
        raise DataError(f"fit a {name}", f"an array of shape {array.shape}", "at least one row")
    for start in range(0, len(array), _BLOCK):
        if array.dtype.kind == "f" and np.isinf(array[start : start + _BLOCK]).any():
            place = tuple(int(i) for i in np.argwhere(np.isinf(array[start : start + _BLOCK]))[0])
            raise DataError(
                f"fit a {name}",
                f"infinity at index {(place[0] + start, *place[1:])}",
                "finite numbers, or NaN for missing",
            )
    return array


def _blocks(x: Array) -> Iterator[Array]:
    return (x[start : start + _BLOCK].astype(np.float64) for start in range(0, len(x), _BLOCK))


def _moments(x: Array) -> tuple[Array, Array, Array]:
    """Count, mean and variance (over n) of each column, without the NaNs; 0 and 1 for a column of nothing but NaN.

    Two passes, as the difference of squares cancels for means far from 0. In the second one the sum of
    deviations, exactly 0 on paper, takes out the rounding of the mean. Source: T. Chan, G. Golub, R. LeVeque,
    "Algorithms for Computing the Sample Variance", 1983, equation 1.7.
    """
    count = sum((~np.isnan(block)).sum(axis=0) for block in _blocks(x))
    known = np.maximum(count, 1)
    mean = sum(np.nansum(block, axis=0) for block in _blocks(x)) / known
    squares, rest = np.zeros_like(mean), np.zeros_like(mean)
    for block in _blocks(x):
        deviation = block - mean
        squares += np.nansum(deviation**2, axis=0)
        rest += np.nansum(deviation, axis=0)
    mean = mean + rest / known
    variance = np.where(count > 0, (squares - rest**2 / known) / known, 1.0)
    return np.asarray(count), np.asarray(mean), np.maximum(variance, 0.0)


class StandardScaler(_Affine):
    """Each column to mean 0 and standard deviation 1: ``(x - mean_) / scale_``.

    NaN is left out of the statistics and stays NaN. A constant column is only shifted (``scale_`` is 1). It
    counts in float64 and returns ``dtype``, float32 by default. After ``fit``: ``mean_``, ``var_`` (divided
    by n, as in scikit-learn) and ``scale_``, each of the shape of one row.

    >>> scaler = StandardScaler()
    >>> scaler.fit_transform([[1.0, 5.0], [3.0, 5.0]])
    array([[-1.,  0.],
           [ 1.,  0.]], dtype=float32)
    >>> scaler.inverse_transform([[-1.0, 0.0]]).tolist(), scaler.scale_.tolist()
    ([[1.0, 5.0]], [1.0, 1.0])
    """

    settings = ("with_mean", "with_std", "dtype")
    learned = ("mean_", "var_", "scale_")
    mean_: Array
    var_: Array
    scale_: Array

    def __init__(self, with_mean: bool = True, with_std: bool = True, dtype: npt.DTypeLike = np.float32) -> None:
        self.with_mean, self.with_std, self.dtype = with_mean, with_std, dtype

    def fit(self, x: Any) -> Self:
        """Learn mean and variance of each column of ``x`` (n, ...)."""
        array = _finite_or_missing(x, "StandardScaler")
        count, self.mean_, self.var_ = _moments(array)
        # Rounding alone gives a constant column a variance of about (mean * eps)^2: such a spread is none.
        epsilon = np.finfo(np.float64).eps
        constant = self.var_ <= count * epsilon * self.var_ + (count * self.mean_ * epsilon) ** 2
        self.scale_ = np.where(constant, 1.0, np.sqrt(self.var_))
        return self

    def _shift_and_factor(self) -> tuple[Array, Array]:
        shift = self.mean_ if self.with_mean else np.zeros_like(self.mean_)
        return shift, 1 / self.scale_ if self.with_std else np.ones_like(self.scale_)


class MinMaxScaler(_Affine):
    """Each column to a range, [0, 1] by default: ``low + (x - data_min_) / (data_max_ - data_min_) * (high - low)``.

    NaN is left out and stays NaN; a constant column becomes ``low``. New values outside the range seen at fit
    land outside the target range, unless ``clip=True``. After ``fit``: ``data_min_`` and ``data_max_``.

    >>> MinMaxScaler(feature_range=(-1, 1)).fit_transform([2.0, 4.0, 3.0])
    array([-1.,  1.,  0.], dtype=float32)
    """

    settings = ("feature_range", "clip", "dtype")
    learned = ("data_min_", "data_max_")
    data_min_: Array
    data_max_: Array

    def __init__(
        self,
        feature_range: tuple[float, float] = (0, 1),
        clip: bool = False,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.feature_range, self.clip, self.dtype = feature_range, clip, dtype

    def fit(self, x: Any) -> Self:
        """Learn the smallest and largest value of each column of ``x`` (n, ...)."""
        if len(self.feature_range) != 2 or not self.feature_range[0] < self.feature_range[1]:
            raise ConfigError("MinMaxScaler(feature_range)", repr(self.feature_range), "(low, high) with low < high")
        array = _finite_or_missing(x, "MinMaxScaler")
        low, high = np.full(array.shape[1:], np.inf), np.full(array.shape[1:], -np.inf)
        for block in _blocks(array):
            low, high = (
                np.fmin(low, np.fmin.reduce(block, axis=0)),
                np.fmax(high, np.fmax.reduce(block, axis=0)),
            )
        unseen = low > high  # nothing but NaN
        self.data_min_, self.data_max_ = np.where(unseen, 0.0, low), np.where(unseen, 1.0, high)
        return self

    def _shift_and_factor(self) -> tuple[Array, Array]:
        low, high = (float(end) for end in self.feature_range)
        extent = self.data_max_ - self.data_min_
        extent = np.where(extent < 10 * np.finfo(np.float64).eps, 1.0, extent)
        factor = (high - low) / extent
        return self.data_min_ - low / factor, factor

    def transform(self, x: Any) -> Array:
        """``x`` scaled, in its own shape and in ``self.dtype``; NaN stays NaN."""
        out = super().transform(x)
        return np.clip(out, *self.feature_range) if self.clip else out


class Imputer(Transform):
    """Fills missing values (NaN, None) of a table (n, d) column by column, as scikit-learn's SimpleImputer does.

    ``strategy`` is ``"mean"``, ``"median"``, ``"most_frequent"`` (the smallest of equally frequent ones) or
    ``"constant"`` (``fill_value``, 0 for numbers and "missing" for texts if None). The last two also take
    texts. With ``add_indicator=True`` a column of 0 and 1 follows for each column that had gaps at fit. After
    ``fit``: ``statistics_``, the value that fills each column, and ``gaps_``, which columns had gaps.

    Raises ``DataError`` for a column without a single value, unless the strategy is ``"constant"``.

    >>> Imputer("median", add_indicator=True).fit_transform([[1.0, 5.0], [float("nan"), 6.0], [3.0, 9.0]])
    array([[1., 5., 0.],
           [2., 6., 1.],
           [3., 9., 0.]], dtype=float32)
    """

    settings = ("strategy", "fill_value", "add_indicator", "dtype")
    learned = ("statistics_", "gaps_")
    statistics_: Array
    gaps_: npt.NDArray[np.bool_]

    def __init__(
        self,
        strategy: str = "mean",
        fill_value: float | str | None = None,
        add_indicator: bool = False,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.strategy, self.fill_value, self.add_indicator, self.dtype = (
            strategy,
            fill_value,
            add_indicator,
            dtype,
        )

    def fit(self, x: Any) -> Self:
        """Learn what fills each column of ``x`` (n, d)."""
        if self.strategy not in ("mean", "median", "most_frequent", "constant"):
            raise ConfigError("Imputer(strategy)", repr(self.strategy), "mean, median, most_frequent or constant")
        table, missing = self._table(x)
        if len(table) == 0:
            raise DataError("fit an Imputer", "a table without rows", "at least one row")
        fills = [self._fill(table[:, j], missing[:, j], j) for j in range(table.shape[1])]
        self.statistics_ = np.array(fills, table.dtype)
        self.gaps_ = np.asarray(missing.any(axis=0))
        return self

    def _fill(self, column: Array, missing: Array, position: int) -> Any:
        if self.strategy == "constant":
            default = 0.0 if column.dtype != object else "missing"
            return default if self.fill_value is None else self.fill_value
        known = column[~missing]
        if known.size == 0:
            raise DataError(
                f"fit an Imputer with strategy {self.strategy!r}",
                f"column {position} without a single value",
                "at least one value a column",
                "drop the column, or use strategy='constant'",
            )
        if self.strategy == "most_frequent":
            counts: dict[Any, int] = {}
            for value in sorted(known.tolist()):
                counts[value] = counts.get(value, 0) + 1
            return max(counts, key=counts.__getitem__)  # the first, hence smallest, of equals
        return np.mean(known) if self.strategy == "mean" else np.median(known)

    def transform(self, x: Any) -> Array:
        """``x`` (n, d) without gaps, and the indicator columns if asked: numbers as ``dtype``, texts as objects."""
        self._check_fitted()
        table, missing = self._table(x)
        if table.shape[1] != len(self.statistics_):
            expected = f"{len(self.statistics_)} columns, as at fit"
            raise ShapeError("fill gaps with an Imputer", f"a table of shape {table.shape}", expected)
        filled = np.where(missing, self.statistics_, table)
        parts = [filled, missing[:, self.gaps_]] if self.add_indicator else [filled]
        dtype = object if table.dtype == object else self.dtype
        return np.concatenate([part.astype(dtype) for part in parts], axis=1)

    def _table(self, x: Any) -> tuple[Array, npt.NDArray[np.bool_]]:
        """The table as float64, or as objects if it holds texts, and where its values are missing."""
        array = as_array(x, "the input of Imputer", numeric=False)
        if array.dtype.kind not in "biuf" and self.strategy in ("most_frequent", "constant"):
            array = array.astype(object)
            missing = np.array([convert.is_missing(item) for item in array.reshape(-1)], bool).reshape(array.shape)
        else:
            array = as_array(array, "the input of Imputer").astype(np.float64)
            missing = np.isnan(array)
        if array.ndim != 2:
            raise ShapeError(
                "fill gaps with an Imputer",
                f"an array of shape {array.shape}",
                "a table (n, d)",
                "x.reshape(-1, 1)",
            )
        return array, missing

    def _restored(self, name: str, value: Any) -> Any:
        if name == "gaps_":
            return np.array(value, bool)
        texts = any(isinstance(item, str) for item in value)
        return np.array(value, object if texts else np.float64)
