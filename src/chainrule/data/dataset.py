"""Data sets: things with a length and items. ``rows(indices)``, where there is one, gathers many items at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DataError, ShapeError
from chainrule.data import convert
from chainrule.data.arrays import as_array
from chainrule.data.convert import Array

__all__ = ["ConcatDataset", "Dataset", "Subset", "TensorDataset", "row_reader"]

Item = TypeVar("Item", covariant=True)
Indices = npt.NDArray[np.int64]
RowReader = Callable[[Indices], tuple[Array, ...]]


class Dataset(Generic[Item]):
    """Base of data sets: define ``__len__`` and ``__getitem__``.

    An item may be a tensor, an array, a number, or a tuple or dict of these; ``DataLoader`` stacks them into
    batches. A data set may also define ``rows(indices) -> tuple of ndarray``, which the loader then uses
    instead of asking for the items one by one.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> list(Squares())
    [(0, 0), (1, 1), (2, 4), (3, 9)]
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self), the number of items")

    def __getitem__(self, index: Any) -> Item:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index), one item")

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(len(self)))

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Rows of one or more arrays of equal length: item ``i`` is ``(arrays[0][i], arrays[1][i], ...)`` as tensors.

    Takes NumPy arrays and memory maps (kept as they are, without a copy), tensors, pandas or polars frames,
    and lists; the float64 numbers of frames and lists become float32, since nobody chose their type.

    Raises ``ShapeError`` for lengths that differ and ``DTypeError`` for anything but numbers.

    >>> dataset = TensorDataset(np.array([[0.0, 1.0], [2.0, 3.0]], np.float32), np.array([7, 8]))
    >>> len(dataset), [array.tolist() for array in dataset.rows(np.array([1, 0]))]
    (2, [[[2.0, 3.0], [0.0, 1.0]], [8, 7]])
    """

    def __init__(self, *arrays: Any) -> None:
        self.arrays: tuple[Array, ...] = tuple(_as_rows(data, position) for position, data in enumerate(arrays))
        if not self.arrays:
            raise DataError("TensorDataset()", "no arrays", "at least one", "pass the inputs, and the targets if any")
        if len({len(array) for array in self.arrays}) > 1:
            raise ShapeError(
                "TensorDataset(*arrays)",
                "arrays of shapes " + ", ".join(str(array.shape) for array in self.arrays),
                "the same number of rows (first axis) in each",
            )

    @property
    def tensors(self) -> tuple[Any, ...]:
        """All rows of each array as a tensor."""
        return tuple(convert.to_tensor(array) for array in self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(convert.to_tensor(array[index]) for array in self.arrays)

    def rows(self, indices: Indices) -> tuple[Array, ...]:
        """The rows at ``indices`` (k,) of every array, gathered at once: arrays of shape (k, ...)."""
        # np.asarray: what is gathered from a memory map lies in memory and need not pretend otherwise.
        return tuple(np.asarray(array[indices]) for array in self.arrays)

    def __repr__(self) -> str:
        return f"TensorDataset({', '.join(f'{array.dtype}{list(array.shape)}' for array in self.arrays)})"


def _as_rows(data: Any, position: int) -> Array:
    array = as_array(data, f"array {position} of a TensorDataset")
    if array.dtype == np.float64 and not isinstance(data, np.ndarray) and not convert.is_tensor(data):
        return array.astype(np.float32)
    return array


class Subset(Dataset[Any]):
    """The items of ``dataset`` at ``indices``, in that order.

    >>> subset = Subset(TensorDataset(np.array([10, 20, 30])), [2, 0])
    >>> subset.rows(np.arange(2))[0].tolist()
    [30, 10]
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | Array) -> None:
        self.dataset = dataset
        self.indices = _checked_indices(indices, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        chosen = self.indices[index]
        return self.dataset[int(chosen) if np.ndim(chosen) == 0 else chosen]

    @property
    def rows(self) -> RowReader:
        """Gathers through the data set beneath; absent (``AttributeError``) where that one cannot gather."""
        read = row_reader(self.dataset)
        if read is None:
            raise AttributeError("the data set beneath has no rows(indices)")
        return lambda indices: read(self.indices[indices])


def _checked_indices(indices: Any, length: int) -> Indices:
    array = np.asarray(indices.numpy() if convert.is_tensor(indices) else indices)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            "Subset(dataset, indices)",
            f"indices of type {array.dtype} and shape {array.shape}",
            "a flat list of whole numbers",
            "np.flatnonzero(mask) turns a mask into indices" if array.dtype == bool else "",
        )
    outside = array[(array < -length) | (array >= length)]
    if outside.size:
        raise DataError("Subset(dataset, indices)", f"index {outside[0]}", f"indices of a data set of {length} items")
    return np.where(array < 0, array + length, array).astype(np.int64)


class ConcatDataset(Dataset[Any]):
    """The items of several data sets, one after the other.

    >>> both = ConcatDataset([TensorDataset(np.array([1, 2])), TensorDataset(np.array([3]))])
    >>> len(both), both.rows(np.array([2, 0]))[0].tolist()
    (3, [3, 1])
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise DataError("ConcatDataset(datasets)", "no data sets", "at least one")
        #: Where each data set ends in the common numbering.
        self.ends = np.cumsum([len(dataset) for dataset in self.datasets])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside a data set of {len(self)} items")
        index %= len(self)
        part = int(np.searchsorted(self.ends, index, side="right"))
        return self.datasets[part][index - self._start(part)]

    def _start(self, part: int) -> int:
        return int(self.ends[part - 1]) if part else 0

    @property
    def rows(self) -> RowReader:
        """Gathers from every part; absent (``AttributeError``) where one of them cannot gather."""
        readers = [read for dataset in self.datasets if (read := row_reader(dataset)) is not None]
        if len(readers) < len(self.datasets):
            raise AttributeError("one of the data sets has no rows(indices)")
        return lambda indices: self._gather(readers, indices)

    def _gather(self, readers: list[RowReader], indices: Indices) -> tuple[Array, ...]:
        indices = np.asarray(indices, np.int64) % len(self)
        owners = np.searchsorted(self.ends, indices, side="right")
        # Read part by part, then put the rows back into the order in which they were asked for.
        parts = [part for part in range(len(readers)) if (owners == part).any()] or [0]
        pieces = [readers[part](indices[owners == part] - self._start(part)) for part in parts]
        place = np.argsort(np.argsort(owners, kind="stable"), kind="stable")
        kinds = {tuple((array.dtype, array.shape[1:]) for array in piece) for piece in pieces}
        if len(kinds) > 1:
            raise ShapeError(
                "gather rows from a ConcatDataset",
                " and ".join(sorted(str([f"{dtype}{list(shape)}" for dtype, shape in kind]) for kind in kinds)),
                "rows of one type and shape in every part",
            )
        return tuple(np.concatenate(arrays)[place] for arrays in zip(*pieces, strict=True))


def row_reader(dataset: Any) -> RowReader | None:
    """``dataset.rows`` if it speaks for the items, otherwise None.

    A subclass that redefines ``__getitem__`` alone (to distort pictures, say) changes its items but not the
    inherited ``rows``, so it must be asked item by item.
    """
    for cls in type(dataset).__mro__:
        if "rows" in vars(cls):
            return getattr(dataset, "rows", None)
        if "__getitem__" in vars(cls):
            return None
    return None
