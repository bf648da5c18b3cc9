"""Indexing, basic and advanced, and its transpose: adding into the indexed places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.aval import Aval, bool_, canonical_dtype, is_float
from chainrule.core.errors import DTypeError, GradientError, ShapeError
from chainrule.core.op import Op, Sample, draw, register
from chainrule.ops import convert
from chainrule.tensor import Tensor

#: One entry of an index, hashable: ("slice", start, stop, step), ("int", i), ("new",), ("rest",) or ("array",).
Entry = tuple[Any, ...]


def _fill(entries: tuple[Entry, ...], arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """The NumPy index: entries with the arrays in their places."""
    left = iter(arrays)
    kinds: dict[str, Any] = {
        "slice": lambda e: slice(*e[1:]),
        "int": lambda e: e[1],
        "new": lambda e: None,
        "rest": lambda e: Ellipsis,
        "array": lambda e: next(left),
    }
    return tuple(kinds[entry[0]](entry) for entry in entries)


def _check_whole(avals: tuple[Aval, ...]) -> None:
    for aval in avals:
        if is_float(aval.dtype) or aval.dtype is bool_:
            raise DTypeError("t[index]", f"an index of {aval.dtype}", "whole numbers", "cast the index: index.long()")


@register
@dataclass(frozen=True, eq=False)
class Index(Op):
    """``x[index]``: whole numbers, slices, new axes, and tensors of whole numbers."""

    name, family, promotion = "index", "index", "none"
    entries: tuple[Entry, ...]

    def infer(self, *avals: Aval) -> Aval:
        """NumPy's rule, asked on an array that holds no memory."""
        x, *indexes = avals
        _check_whole(tuple(indexes))
        ghost = np.broadcast_to(np.zeros((), np.uint8), x.shape)
        try:
            # Zeros stand for the indexes, so nothing can still index an empty axis; ranges are checked at run time.
            zeros = tuple(np.zeros(a.shape, np.int64) for a in indexes)
            if 0 in x.shape and any(a.size for a in indexes):
                ghost = np.broadcast_to(np.zeros((), np.uint8), tuple(n or 1 for n in x.shape))
            return Aval.of(ghost[_fill(self.entries, zeros)].shape, x.dtype)
        except IndexError as error:
            raise ShapeError(
                f"t[{index_text(self.entries)}]",
                f"a tensor of shape {x.shape}",
                f"an index that fits: {error}",
                "check the number of axes and their lengths",
            ) from None

    def compute(self, *arrays: Any) -> Any:
        """``array[index]``, with ranges checked."""
        x, *indexes = arrays
        try:
            return x[_fill(self.entries, tuple(indexes))]
        except IndexError as error:
            raise ShapeError(
                f"t[{index_text(self.entries)}]",
                f"a tensor of shape {x.shape}",
                f"indexes within it: {error}",
                "check the labels or indexes: they count from 0",
            ) from None

    def vjp(self, g: Any, out: Any, x: Any, *indexes: Any) -> Any:
        return (lambda: apply(IndexAdd.of(self.entries, x.shape), g, *indexes), *(None for _ in indexes))

    def __str__(self) -> str:
        return f"{self.name}[{index_text(self.entries)}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Slices with steps, whole numbers, new axes, one and two index arrays, repeated indexes, empty."""
        for sample in _index_samples():
            yield Sample(cls.of(sample[1]), (draw(*sample[0]), *sample[2]))


@register
@dataclass(frozen=True, eq=False)
class IndexAdd(Op):
    """Zeros of ``shape``, with ``x`` added into the indexed places: the transpose of ``Index``."""

    name, family, promotion = "index_add", "index", "none"
    entries: tuple[Entry, ...]
    shape: tuple[int, ...]

    def infer(self, *avals: Aval) -> Aval:
        """The shape asked for; ``x`` has the shape of what the index selects."""
        x, *indexes = avals
        _check_whole(tuple(indexes))
        selected = Index.of(self.entries).infer(Aval.of(self.shape, x.dtype), *indexes)
        if selected.shape != x.shape:
            raise ShapeError(
                "index_add", f"values of shape {x.shape}", f"the index's shape {selected.shape}", "reshape"
            )
        return Aval.of(self.shape, x.dtype)

    def compute(self, *arrays: Any) -> Any:
        """``numpy.add.at`` for index arrays, plain assignment where no place comes twice."""
        x, *indexes = arrays
        out = np.zeros(self.shape, x.dtype)
        index = _fill(self.entries, tuple(indexes))
        if indexes:
            np.add.at(out, index, x)
        else:
            out[index] = x
        return out

    def vjp(self, g: Any, out: Any, x: Any, *indexes: Any) -> Any:
        return (lambda: apply(Index.of(self.entries), g, *indexes), *(None for _ in indexes))

    def __str__(self) -> str:
        return f"{self.name}[{index_text(self.entries)}, shape={self.shape}]"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The samples of ``Index``, turned around."""
        for shape, entries, indexes in _index_samples():
            selected = np.zeros(shape)[_fill(entries, indexes)].shape
            yield Sample(cls.of(entries, shape), (draw(*selected), *indexes))


def _index_samples() -> Iterator[tuple[tuple[int, ...], tuple[Entry, ...], tuple[Any, ...]]]:
    every, array = ("slice", None, None, None), ("array",)
    yield (4,), (("slice", 1, None, 2),), ()
    yield (3, 4), (("int", -1), ("slice", None, None, -1)), ()
    yield (3, 4), (("new",), every, ("int", 2)), ()
    yield (2, 3, 4), (("rest",), ("int", 0)), ()
    yield (5,), (array,), (np.array([0, 2, 2, -1]),)
    yield (3, 4), (array, array), (np.array([0, 1, 1]), np.array([3, 0, 0]))
    yield (3, 4), (every, array), (np.array([[1, 1], [0, 3]]),)
    yield (0, 3), (every, ("int", 1)), ()
    yield (3, 2), (array,), (np.zeros((0,), np.int64),)


def index_text(entries: tuple[Entry, ...]) -> str:
    """The index as a person writes it: ``1:, :, None``."""

    def one(entry: Entry) -> str:
        if entry[0] == "slice":
            start, stop, step = ("" if v is None else str(v) for v in entry[1:])
            return f"{start}:{stop}" + (f":{step}" if step else "")
        return {"int": lambda: str(entry[1]), "new": lambda: "None", "rest": lambda: "..."}.get(
            entry[0], lambda: "tensor"
        )()

    return ", ".join(map(one, entries))


def index(x: Any, key: Any) -> Tensor:
    """``x[key]``: whole numbers, slices, ``...``, None for a new axis, tensors or lists of numbers, boolean masks.

    Gradient: added back into the indexed places; a place that comes twice gets both.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x[0], x[:, 1], x[[0, 1], [1, 0]], x[x > 2]
    (tensor([1., 2.]), tensor([2., 4.]), tensor([2., 3.]), tensor([3., 4.]))
    """
    entries: list[Entry] = []
    arrays: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, slice):
            entries.append(
                ("slice", *(None if v is None else v.__index__() for v in (part.start, part.stop, part.step)))
            )
        elif part is None:
            entries.append(("new",))
        elif part is Ellipsis:
            entries.append(("rest",))
        elif isinstance(part, (bool, np.bool_)):
            raise ShapeError("t[index]", f"{part}", "a number, slice, or mask with axes", "use None to add an axis")
        elif isinstance(part, int):
            entries.append(("int", part))
        else:
            _add_array(part, entries, arrays)
    return apply(Index.of(tuple(entries)), x, *arrays)


def _add_array(part: Any, entries: list[Entry], arrays: list[Any]) -> None:
    """An index array as it is; a mask as the places where it holds."""
    found = part if isinstance(part, Tensor) else Tensor(np.asarray(part) if np.size(part) else np.zeros(0, np.int64))
    if found.dtype is not bool_:
        entries.append(("array",))
        arrays.append(found)
        return
    if found.node.value is None:
        raise GradientError(
            "t[mask]",
            "a mask whose values are being traced",
            "a result whose shape is known in advance",
            "use where(mask, t, 0), or pass the mask as a static argument",
        )
    places = np.nonzero(found.numpy())
    entries.extend([("array",)] * len(places))
    arrays.extend(Tensor._wrap(p) for p in places)


def take(x: Any, indexes: Any, axis: int = 0) -> Tensor:
    """Rows (or another axis) by number.

    >>> take(Tensor([10.0, 20.0, 30.0]), [2, 0])
    tensor([30., 10.])
    """
    return x[(slice(None),) * (axis % x.ndim) + (indexes,)]


def one_hot(labels: Any, num_classes: int = -1, dtype: Any = np.int64) -> Tensor:
    """Rows of zeros with a one at each label: (...) whole numbers give (..., num_classes).

    -1 takes the largest label plus one. As in PyTorch the result is int64; pass ``dtype=`` for another.

    >>> one_hot(Tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = labels if isinstance(labels, Tensor) else Tensor(np.asarray(labels))
    if is_float(labels.dtype) or labels.dtype is bool_:
        raise DTypeError("one_hot(labels)", f"labels of {labels.dtype}", "whole numbers", "cast them: labels.long()")
    if labels.node.value is not None and labels.numel():
        low, high = int(labels.numpy().min()), int(labels.numpy().max())
        count = high + 1 if num_classes == -1 else num_classes
        if low < 0 or high >= count:
            raise ShapeError(
                f"one_hot(labels, {num_classes})",
                f"labels from {low} to {high}",
                f"labels from 0 to {count - 1}",
                "count classes from 0, or raise num_classes",
            )
    elif num_classes == -1:
        raise ShapeError("one_hot(labels)", "labels that are empty or traced", "num_classes", "pass num_classes")
    else:
        count = num_classes
    classes = Tensor._wrap(np.arange(count, dtype=labels.dtype))
    return convert.cast(labels.reshape((*labels.shape, 1)) == classes, canonical_dtype(dtype))
