"""What ``fit``, ``evaluate`` and ``predict`` accept as data, brought to batches of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.data.arrays import as_array
from chainrule.data.dataset import Dataset, Subset, TensorDataset, row_reader
from chainrule.data.examples import Examples
from chainrule.data.loader import DataLoader
from chainrule.data.split import random_split
from chainrule.tensor import Tensor

__all__ = ["Feed", "WeightedRows", "as_dataset", "hold_out", "row_targets", "with_weights"]

Batch = tuple[tuple[Tensor, ...], Tensor, "Tensor | None"]

_EXPECTED = "a Dataset, a DataLoader, a pair of arrays (x, y), or Examples"


def as_dataset(data: Any, asked: str) -> Any:
    """The data set behind ``data``; a DataLoader stays as it is. Raises ConfigError for anything else."""
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, Examples):
        return TensorDataset(data.inputs, data.targets)
    if isinstance(data, (tuple, list)) and len(data) in (2, 3) and all(hasattr(part, "__len__") for part in data):
        return TensorDataset(*data)
    arrays = isinstance(data, (np.ndarray, Tensor, tuple, list)) or hasattr(data, "to_numpy")
    if arrays or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise ConfigError(
            asked,
            "inputs without targets" if arrays else f"a {type(data).__name__}",
            _EXPECTED,
            "pass one pair: fit((x, y))" if arrays else "wrap it in a Dataset with __len__ and __getitem__",
        )
    return data


class WeightedRows(Dataset[tuple[Any, ...]]):
    """A data set whose items end in the weight of the row."""

    def __init__(self, dataset: Any, weights: np.ndarray[Any, Any]) -> None:
        self.dataset, self.weights = dataset, weights

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return (*self.dataset[index], self.weights[index])

    @property
    def rows(self) -> Any:
        """Gathers through the data set beneath, where that one can gather."""
        read = row_reader(self.dataset)
        if read is None:
            raise AttributeError("the data set beneath has no rows(indices)")
        return lambda indices: (*read(indices), self.weights[indices])


def with_weights(dataset: Any, weights: Any) -> Any:
    """``dataset`` with one weight a row. Raises where the weights do not fit, or a DataLoader hides its rows."""
    if isinstance(dataset, DataLoader):
        raise ConfigError(
            "fit(loader, sample_weight=...)",
            "a DataLoader, which draws its own rows",
            "a Dataset or arrays",
            "pass the loader's data set and batch_size= to fit",
        )
    array = as_array(weights, "sample_weight").astype(np.float32)
    if array.shape != (len(dataset),):
        raise ShapeError(
            "fit(sample_weight=...)", f"shape {array.shape}", f"({len(dataset)},), one a row", "check its length"
        )
    if not np.isfinite(array).all() or array.min() < 0 or not array.any():
        raise DataError(
            "fit(sample_weight=...)", f"values from {array.min()} to {array.max()}", "finite, 0 or more, not all 0", ""
        )
    return WeightedRows(dataset, array)


def hold_out(dataset: Any, fraction: float) -> tuple[Any, Any]:
    """(training part, validation part), drawn with the default generator."""
    if isinstance(dataset, DataLoader):
        raise ConfigError(
            f"fit(loader, validation={fraction})",
            "a DataLoader, which draws its own rows",
            "a Dataset or arrays",
            "split the data set first: data.random_split(dataset, [0.8, 0.2])",
        )
    if not 0 < fraction < 1:
        raise ConfigError("fit(validation=...)", f"{fraction}", "data, or a fraction between 0 and 1", "pass 0.2")
    train, held_out = random_split(dataset, [1 - fraction, fraction])
    if not len(train) or not len(held_out):
        raise DataError(
            f"fit(validation={fraction})", f"{len(dataset)} rows", "at least one row in each part", "use more rows"
        )
    return train, held_out


def row_targets(dataset: Any) -> np.ndarray[Any, Any]:
    """The targets of all rows, for ``class_weights="balanced"``."""
    dataset = dataset.dataset if isinstance(dataset, DataLoader) else dataset
    if isinstance(dataset, WeightedRows):
        return row_targets(dataset.dataset)
    if isinstance(dataset, Subset):
        return row_targets(dataset.dataset)[dataset.indices]
    if isinstance(dataset, TensorDataset):
        return np.asarray(dataset.arrays[-1])
    return np.array([np.asarray(dataset[index][-1]) for index in range(len(dataset))])


class Feed:
    """A loader's batches as ``(inputs, targets, weights)``, in the dtypes that the model and the loss want.

    Inputs that are bytes (images) or floats of another width are cast to the model's dtype, whole numbers stay as they
    are (an Embedding wants them). Targets become int64 for a loss over classes, else the model's dtype. Shapes stay.
    """

    def __init__(
        self, loader: DataLoader, dtype: np.dtype[Any], class_targets: bool, weighted: bool, name: str
    ) -> None:
        self.loader, self.dtype, self.class_targets = loader, dtype, class_targets
        self.weighted, self.name = weighted, name
        self._parts = 3 if weighted else 2

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            if type(batch) not in (tuple, list) or len(batch) < self._parts:
                raise self._unfit(batch)
            weights = batch[-1] if self.weighted else None
            inputs, targets = (batch[:-2], batch[-2]) if self.weighted else (batch[:-1], batch[-1])
            yield self.cast_inputs(inputs, self.dtype), self.cast_target(targets), weights

    @staticmethod
    def cast_inputs(inputs: Sequence[Any], dtype: np.dtype[Any]) -> tuple[Tensor, ...]:
        """Bytes, booleans and floats in the model's float type; whole numbers as they are."""
        return tuple([x.astype(dtype) if x.dtype is not dtype and x.dtype.kind in "fub" else x for x in inputs])

    def cast_target(self, y: Any) -> Tensor:
        """Classes as int64, numbers in the model's float type."""
        kind = y.dtype.kind
        if self.class_targets and kind != "f":
            return y if y.dtype == np.int64 else y.astype(np.int64)
        return y if y.dtype is self.dtype else y.astype(self.dtype)

    def _unfit(self, batch: Any) -> DataError:
        received = f"batches of {len(batch)} parts" if isinstance(batch, (tuple, list)) else f"a {type(batch).__name__}"
        wanted = "(inputs, targets, weights)" if self.weighted else "(inputs, targets)"
        return DataError(self.name, received, f"batches {wanted}", f"let the data set's items be {wanted}")
