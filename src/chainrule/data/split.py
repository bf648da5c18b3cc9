"""Splits: parts of a data set that share no row, at random, class by class, or fold by fold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.core.philox import Generator
from chainrule.data import convert
from chainrule.data.arrays import as_array
from chainrule.data.convert import Array
from chainrule.data.dataset import Indices, Subset, row_reader
from chainrule.data.tables import Table

__all__ = ["KFold", "StratifiedKFold", "random_split", "stratified_split", "train_test_split"]


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | int | None = None
) -> list[Subset]:
    """Cut ``dataset`` at random into subsets of the given lengths: whole numbers, or fractions that sum to 1.

    Fractions are rounded down and the rows left over go one each to the first parts, as in PyTorch.

    >>> from chainrule.data.dataset import TensorDataset
    >>> parts = random_split(TensorDataset(np.arange(10)), [0.75, 0.25], generator=0)
    >>> [len(part) for part in parts]
    [8, 2]
    """
    counts = _counts(len(dataset), lengths)
    order = convert.as_generator(generator).permutation(sum(counts))
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(counts)[:-1])]


def _counts(total: int, lengths: Sequence[int | float]) -> list[int]:
    asked = f"random_split(dataset, {list(lengths)})"
    if not lengths or any(isinstance(length, bool) or not 0 <= length < math.inf for length in lengths):
        raise ConfigError(asked, "", "lengths of 0 or more")
    if all(isinstance(length, (int, np.integer)) for length in lengths):
        if sum(lengths) != total:
            raise ConfigError(asked, f"lengths that sum to {sum(lengths)}", f"{total}, the length of the data set")
        return [int(length) for length in lengths]
    if not math.isclose(sum(lengths), 1, abs_tol=1e-9):
        raise ConfigError(asked, f"fractions that sum to {sum(lengths):g}", "1")
    # 0.1 * 30 is 3.0000000000000004 and 0.7 * 10 may fall just short of 7: forgive the last bits before rounding down.
    counts = [math.floor(total * fraction + 1e-9) for fraction in lengths]
    for position in range(total - sum(counts)):
        counts[position % len(counts)] += 1
    return counts


def stratified_split(labels: Any, fraction: float, generator: Generator | int | None = None) -> tuple[Any, Any]:
    """Split at random into (rest, part), where ``part`` holds about ``fraction`` of every class.

    ``labels`` is one class a row, and two index arrays come back; or a data set whose items end in the class,
    and two subsets come back. Each class keeps at least one row on both sides.

    Raises ``DataError`` for a class with a single row or a fraction too small for the number of classes.

    >>> rest, part = stratified_split(["a"] * 8 + ["b"] * 4, 0.25, generator=0)
    >>> len(rest), part.size, int((part >= 8).sum())
    (9, 3, 1)
    """
    dataset = labels if hasattr(labels, "__getitem__") and _is_dataset(labels) else None
    codes, names = _classes(_last_parts(dataset) if dataset is not None else labels)
    if not 0 < fraction < 1:
        raise ConfigError("stratified_split(labels, fraction)", f"fraction={fraction!r}", "a number between 0 and 1")
    first, second = _stratified(codes, names, math.ceil(len(codes) * fraction - 1e-9), convert.as_generator(generator))
    return (first, second) if dataset is None else (Subset(dataset, first), Subset(dataset, second))


def _is_dataset(value: Any) -> bool:
    holds_values = isinstance(value, (np.ndarray, list, tuple)) or hasattr(value, "to_numpy")
    return not holds_values and not convert.is_tensor(value)


def _last_parts(dataset: Any) -> Array:
    """The last part of every item: the class, where items are (input, class)."""
    read = row_reader(dataset)
    if read is not None:
        return read(np.arange(len(dataset)))[-1]
    parts = [dataset[index][-1] for index in range(len(dataset))]
    return np.array([np.asarray(part.numpy() if convert.is_tensor(part) else part).item() for part in parts])


def _classes(labels: Any) -> tuple[Indices, list[Any]]:
    """Codes 0, 1, ... in the order in which the classes first appear, and their names."""
    values = as_array(labels, "labels", numeric=False)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ShapeError(
            "split by class",
            f"labels of shape {values.shape}",
            "one class a row, (n,)",
            "for one-hot labels, argmax(1)",
        )
    order: dict[Any, int] = {}
    codes = [order.setdefault(value, len(order)) for value in values.tolist()]
    gap = next((row for row, value in enumerate(values.tolist()) if convert.is_missing(value)), None)
    if gap is not None:
        raise DataError("split by class", f"no class in row {gap}", "a class in every row", "drop the row first")
    return np.array(codes, np.int64), list(order)


def _stratified(codes: Indices, names: list[Any], held_out: int, generator: Generator) -> tuple[Indices, Indices]:
    """Indices of (rest, held out), both shuffled; ``held_out`` rows shared among the classes in proportion."""
    counts = np.bincount(codes, minlength=len(names))
    if len(codes) == 0:
        raise DataError("split by class", "no rows", "at least two rows of each class")
    if counts.min() < 2:
        raise DataError(
            "split by class",
            f"class {names[int(counts.argmin())]!r} has a single row",
            "at least two rows of each class, one for either side",
            "drop the class, or split without stratifying",
        )
    if held_out < len(names) or len(codes) - held_out < len(names):
        raise DataError(
            "split by class",
            f"{len(codes) - held_out} and {held_out} rows for {len(names)} classes",
            "a row of each class on both sides",
            "choose another fraction, or split without stratifying",
        )
    shares = _proportional(counts, held_out)
    sides: tuple[list[Indices], list[Indices]] = ([], [])
    for label, share in enumerate(shares):
        members = np.flatnonzero(codes == label)[generator.permutation(int(counts[label]))]
        sides[0].append(members[share:])
        sides[1].append(members[:share])
    rest, part = (np.concatenate(side) for side in sides)
    return rest[generator.permutation(len(rest))], part[generator.permutation(len(part))]


def _proportional(counts: Indices, total: int) -> Indices:
    """``total`` shared in proportion to ``counts`` by largest remainder, between 1 and ``counts - 1`` each.

    >>> _proportional(np.array([50, 30, 2]), 10).tolist()
    [6, 3, 1]
    """
    exact = counts * total / counts.sum()
    shares: Indices = np.clip(np.floor(exact).astype(np.int64), 1, counts - 1)
    while shares.sum() != total:
        step = 1 if shares.sum() < total else -1
        allowed = shares < counts - 1 if step > 0 else shares > 1
        # The class that is furthest from its exact share moves first; equal ones in their order.
        shares[np.argmax(np.where(allowed, step * (exact - shares), -np.inf))] += step
    return shares


def train_test_split(*arrays: Any, test_size: float | int = 0.25, stratify: Any = None, seed: int = 0) -> list[Any]:
    """Split arrays alike at random: ``[first_train, first_test, second_train, second_test, ...]``.

    ``test_size`` is a fraction (rounded up, as in scikit-learn) or a number of rows. ``stratify`` takes one
    class a row and keeps their proportions. Tables and frames stay what they are, as do tensors and lists.

    >>> x_train, x_test = train_test_split(np.arange(8), test_size=0.25)
    >>> len(x_train), len(x_test), sorted([*x_train, *x_test]) == list(range(8))
    (6, 2, True)
    """
    if not arrays:
        raise DataError("train_test_split(*arrays)", "no arrays", "at least one")
    total = len(arrays[0])
    columns = arrays if stratify is None else (*arrays, stratify)
    if any(len(array) != total for array in columns):
        raise ShapeError("train_test_split(*arrays)", f"lengths {[len(array) for array in columns]}", "equal lengths")
    held_out = _held_out(total, test_size)
    if stratify is None:
        order = Generator(seed).permutation(total)
        test, train = order[:held_out], order[held_out:]
    else:
        train, test = _stratified(*_classes(stratify), held_out, Generator(seed))
    return [_take(array, indices) for array in arrays for indices in (train, test)]


def _held_out(total: int, test_size: float | int) -> int:
    whole = isinstance(test_size, (int, np.integer)) and not isinstance(test_size, bool)
    held_out = int(test_size) if whole else math.ceil(total * float(test_size) - 1e-9)
    if (not whole and not 0 < test_size < 1) or not 0 < held_out < total:
        raise ConfigError(
            "train_test_split(test_size)",
            f"test_size={test_size!r} of {total} rows",
            "a fraction between 0 and 1 or a number of rows, leaving a row on both sides",
        )
    return held_out


def _take(data: Any, indices: Indices) -> Any:
    """The rows of ``data`` at ``indices``, in the container they came in."""
    if isinstance(data, Table):
        return data.take(indices)
    if hasattr(data, "iloc"):
        return data.iloc[indices]
    if isinstance(data, (list, tuple)):
        return type(data)([data[index] for index in indices.tolist()])
    if convert.is_tensor(data):
        return convert.to_tensor(as_array(data)[indices])
    return data[indices]


class KFold:
    """``n_splits`` pairs of index arrays (train, test); every row is in the test part of exactly one of them.

    The first ``n % n_splits`` folds are one row larger. Without ``shuffle`` the folds are consecutive rows;
    with it the rows are shuffled first, the same for the same ``seed``.

    >>> [test.tolist() for train, test in KFold(3).split(np.zeros((7, 2)))]
    [[0, 1, 2], [3, 4], [5, 6]]
    """

    def __init__(self, n_splits: int = 5, shuffle: bool = False, seed: int = 0) -> None:
        self.n_splits, self.shuffle, self.seed = n_splits, shuffle, seed
        if isinstance(n_splits, bool) or not isinstance(n_splits, (int, np.integer)) or n_splits < 2:
            raise ConfigError(f"{type(self).__name__}(n_splits)", repr(n_splits), "a whole number, 2 or more")

    def __len__(self) -> int:
        return self.n_splits

    def split(self, x: Any, y: Any = None) -> Iterator[tuple[Indices, Indices]]:
        """Yield (train, test) indices of the rows of ``x``, both in increasing order."""
        folds = self._folds(x, y)
        for fold in range(self.n_splits):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def _folds(self, x: Any, y: Any) -> Indices:
        """The fold, 0 .. n_splits - 1, whose test part each row belongs to."""
        length = len(x)
        if length < self.n_splits:
            raise DataError(
                f"KFold(n_splits={self.n_splits})",
                f"{length} rows",
                f"at least {self.n_splits}",
                "use fewer folds",
            )
        sizes = np.full(self.n_splits, length // self.n_splits)
        sizes[: length % self.n_splits] += 1
        folds = np.repeat(np.arange(self.n_splits), sizes)
        if not self.shuffle:
            return folds
        shuffled = np.empty_like(folds)
        shuffled[Generator(self.seed).permutation(length)] = folds
        return shuffled


class StratifiedKFold(KFold):
    """``KFold`` whose test parts all hold the classes of ``y`` in the same proportions, to within one row.

    Each class is dealt to the folds as scikit-learn deals it, so without ``shuffle`` the folds are equal to
    its own.

    Raises ``DataError`` for a class with fewer rows than folds (scikit-learn only warns).

    >>> y = ["a", "a", "b", "b", "a", "a"]
    >>> [test.tolist() for train, test in StratifiedKFold(2).split(y, y)]
    [[0, 1, 2], [3, 4, 5]]
    """

    def _folds(self, x: Any, y: Any) -> Indices:
        if y is None:
            raise ConfigError("StratifiedKFold.split(x, y)", "y=None", "one class a row")
        if len(x) != len(y):
            raise ShapeError("StratifiedKFold.split(x, y)", f"{len(x)} and {len(y)} rows", "equally many")
        codes, names = _classes(y)
        counts = np.bincount(codes, minlength=len(names))
        if not len(codes) or counts.min() < self.n_splits:
            received = f"class {names[int(counts.argmin())]!r} with {counts.min()} rows" if len(codes) else "no rows"
            raise DataError(
                f"StratifiedKFold(n_splits={self.n_splits})",
                received,
                f"at least {self.n_splits} rows of each class, one for every fold",
                "use fewer folds, drop the class, or use KFold",
            )
        # Dealing the sorted classes like cards gives each fold its share of each class and nearly equal sizes.
        dealt = np.sort(codes)
        shares = [np.bincount(dealt[fold :: self.n_splits], minlength=len(names)) for fold in range(self.n_splits)]
        folds, generator = np.empty_like(codes), Generator(self.seed)
        for label in range(len(names)):
            own = np.repeat(np.arange(self.n_splits), [share[label] for share in shares])
            folds[codes == label] = own[generator.permutation(len(own))] if self.shuffle else own
        return folds
