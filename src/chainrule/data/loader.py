"""DataLoader: a data set in batches, in an order that a seed fixes and a checkpoint can continue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.core.errors import CheckpointError, ConfigError, DataError, ShapeError
from chainrule.core.philox import Generator
from chainrule.data import convert
from chainrule.data.dataset import Indices, row_reader

__all__ = ["DataLoader", "default_collate"]


class DataLoader:
    """Iterates over ``dataset`` in batches of ``batch_size`` items; each pass over it is one epoch.

    Items are stacked along a new first axis, so items of shape (3,) become batches of shape (batch_size, 3);
    the last batch is smaller when the length is no multiple of ``batch_size``, or left out with
    ``drop_last=True``. With ``shuffle=True`` each epoch draws a new order from ``generator`` (a Generator, a
    seed, or None for the default one, which ``manual_seed`` restarts). ``collate_fn(items)`` replaces the
    stacking. ``num_workers`` and ``pin_memory`` are accepted so that PyTorch programs run unchanged; they
    change no number, here or there.

    ``state_dict()`` may be taken at any point of an epoch: a loader that loads it yields exactly the
    remaining batches of that epoch next, then the same epochs that would have followed.

    Raises ``DataError`` for a data set without items or a ``drop_last`` that leaves no batch; ``ConfigError``
    for arguments outside their domain.

    >>> from chainrule.data.dataset import TensorDataset
    >>> x, y = np.arange(10, dtype=np.float32).reshape(5, 2), np.arange(5)
    >>> loader = DataLoader(TensorDataset(x, y), batch_size=2)
    >>> len(loader), [(tuple(bx.shape), by.numpy().tolist()) for bx, by in loader]
    (3, [((2, 2), [0, 1]), ((2, 2), [2, 3]), ((1, 2), [4])])

    Where PyTorch differs: its default collation makes lists of tuples (here they stay tuples) and float64 of
    Python floats (here float32).
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: Generator | int | None = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self.dataset, self.batch_size, self.shuffle, self.drop_last = (
            dataset,
            batch_size,
            bool(shuffle),
            drop_last,
        )
        self.generator, self.collate_fn = convert.as_generator(generator), collate_fn
        self._latest: _Epoch | None = None
        self._restored: tuple[dict[str, int] | None, int] | None = None
        _check_arguments(self)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        if self._restored is None:
            start, position = (self.generator.state() if self.shuffle else None), 0
            order = self._order(self.generator)
        else:
            (start, position), self._restored = self._restored, None
            order = self._order(_generator_at(start))
        self._latest = _Epoch(self, order, start, position)
        return self._latest

    def _order(self, generator: Generator) -> Indices:
        length = len(self.dataset)
        return generator.permutation(length) if self.shuffle else np.arange(length)

    def _batch(self, indices: Indices) -> Any:
        """The items at ``indices`` as one batch; gathered at once where the data set can do that."""
        read = row_reader(self.dataset) if self.collate_fn is None else None
        if read is not None:
            return tuple(convert.to_tensor(array) for array in read(indices))
        return (self.collate_fn or default_collate)([self.dataset[index] for index in indices.tolist()])

    def state_dict(self) -> dict[str, Any]:
        """The place in the epoch begun last, as plain numbers for JSON.

        ``epoch`` holds the generator's state at the start of that epoch, from which its order is drawn again,
        and the number of batches already given out; it is None between epochs. ``generator`` holds the
        generator's state now.
        """
        epoch = None
        if self._restored is not None:
            epoch = {"generator": self._restored[0], "position": self._restored[1]}
        elif self._latest is not None and not self._latest.finished:
            epoch = {"generator": self._latest.start, "position": self._latest.position}
        return {
            **self._layout(),
            "generator": self.generator.state() if self.shuffle else None,
            "epoch": epoch,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where ``state_dict()`` was taken; the next iterator yields the remaining batches of that epoch.

        Raises ``CheckpointError`` if the data set's length or the loader's settings are not those of the
        checkpoint.
        """
        layout = self._layout()
        missing = [key for key in (*layout, "generator", "epoch") if key not in state]
        if missing:
            raise CheckpointError("restore a DataLoader", f"a state without {', '.join(missing)}", "a state_dict()")
        different = [key for key in layout if state[key] != layout[key]]
        if different:
            raise CheckpointError(
                "restore a DataLoader",
                "a checkpoint with " + ", ".join(f"{key} {state[key]}" for key in different),
                ", ".join(f"{key} {layout[key]}" for key in different),
                "use the data and the settings that the interrupted run used",
            )
        if self.shuffle:
            self.generator.set_state(state["generator"])
        epoch = state["epoch"]
        self._latest, self._restored = (
            None,
            None if epoch is None else (epoch["generator"], int(epoch["position"])),
        )

    def _layout(self) -> dict[str, Any]:
        """What must be the same for a place in the order to mean the same rows."""
        return {
            "length": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }


def _check_arguments(loader: DataLoader) -> None:
    size, dataset = loader.batch_size, loader.dataset
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise ConfigError("DataLoader(dataset, batch_size)", f"batch_size={size!r}", "a whole number, 1 or more")
    loader.batch_size, loader.drop_last = int(size), bool(loader.drop_last)
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise ConfigError(
            "DataLoader(dataset)",
            f"a {type(dataset).__name__}",
            "an object with __len__(self) and __getitem__(self, index)",
            "wrap arrays as TensorDataset(x, y)",
        )
    if len(dataset) == 0:
        raise DataError("DataLoader(dataset)", "a data set without items", "at least one item")
    if len(loader) == 0:
        raise DataError(
            "DataLoader(dataset, batch_size, drop_last=True)",
            f"{len(dataset)} items and batch_size={size}: no batch is left",
            "at least one whole batch",
            f"use a batch_size of {len(dataset)} or less, or drop_last=False",
        )


def _generator_at(state: dict[str, int] | None) -> Generator:
    """A generator of its own at ``state``, so that drawing an old order again leaves the loader's generator alone."""
    generator = Generator(0)
    if state is not None:
        generator.set_state(state)
    return generator


class _Epoch:
    """One pass over a loader's data: its own order and place, so that several passes may run side by side."""

    def __init__(self, loader: DataLoader, order: Indices, start: dict[str, int] | None, position: int) -> None:
        self.loader, self.order, self.start = loader, order, start
        self.batches = len(loader)
        #: Batches already given out.
        self.position = position
        #: Set when the end was seen; until then a checkpoint belongs to this epoch, even after its last batch.
        self.finished = False

    def __iter__(self) -> _Epoch:
        return self

    def __len__(self) -> int:
        return self.batches - self.position

    def rows(self, most: int) -> Indices | None:
        """The numbers of the rows of the next batches, up to ``most`` of them and all of one size: (batches, rows).

        They count as given out. None at the end.
        """
        if self.position >= self.batches:
            self.finished = True
            return None
        size = self.loader.batch_size
        first = self.position * size
        whole = min(most, (len(self.order) - first) // size)
        if whole:
            self.position += whole
            return self.order[first : first + whole * size].reshape(whole, size)
        self.position += 1
        return self.order[first:].reshape(1, -1)

    def __next__(self) -> Any:
        if self.position >= self.batches:
            self.finished = True
            raise StopIteration
        first = self.position * self.loader.batch_size
        batch = self.loader._batch(self.order[first : first + self.loader.batch_size])
        self.position += 1
        return batch


def default_collate(items: list[Any]) -> Any:
    """Stack items into one batch: tensors, arrays and numbers along a new first axis; tuples, lists and dicts by part.

    Python floats become float32 and whole numbers int64; arrays and tensors keep their type; texts stay a
    list. The batch holds values: no gradient flows back into the items.

    Raises ``ShapeError`` for items of different shapes or lengths, ``DataError`` for items that do not stack.

    >>> x, label = default_collate([(np.zeros(3), 1), (np.ones(3), 0)])
    >>> tuple(x.shape), label.numpy().tolist()
    ((2, 3), [1, 0])
    """
    first = items[0]
    if isinstance(first, (str, bytes)):
        return list(items)
    if isinstance(first, Mapping):
        return {key: default_collate([_part(item, key) for item in items]) for key in first}
    if isinstance(first, (tuple, list)):
        lengths = {len(item) if isinstance(item, (tuple, list)) else None for item in items}
        if len(lengths) > 1:
            raise ShapeError("stack items into a batch", "items with different numbers of parts", "equally many parts")
        parts = [default_collate(list(part)) for part in zip(*items, strict=True)]
        if hasattr(first, "_fields"):
            return type(first)(*parts)
        return tuple(parts) if isinstance(first, tuple) else parts
    return convert.to_tensor(_stack(items))


def _part(item: Any, key: Any) -> Any:
    if not isinstance(item, Mapping) or key not in item:
        raise DataError("stack items into a batch", f"an item without {key!r}", "the same keys in every item")
    return item[key]


def _stack(items: list[Any]) -> convert.Array:
    if all(isinstance(item, (bool, int, float)) and not isinstance(item, np.generic) for item in items):
        array = np.array(items)
        return array.astype(np.float32) if array.dtype == np.float64 else array
    arrays = []
    for position, item in enumerate(items):
        array = np.asarray(item.numpy() if convert.is_tensor(item) else item)
        if array.dtype.kind not in "biuf":
            raise DataError(
                "stack items into a batch",
                f"item {position} of the batch is a {type(item).__name__}",
                "tensors, arrays, numbers, or tuples, lists and dicts of them",
                "return numbers from __getitem__, or pass a collate_fn",
            )
        arrays.append(array)
    odd = next((i for i, array in enumerate(arrays) if array.shape != arrays[0].shape), None)
    if odd is not None:
        raise ShapeError(
            "stack items into a batch",
            f"item 0 of shape {arrays[0].shape} and item {odd} of shape {arrays[odd].shape}",
            "one shape for all items",
            "pad or crop them in __getitem__, or pass a collate_fn",
        )
    return np.stack(arrays)
