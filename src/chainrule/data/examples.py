"""What every loader returns: examples (inputs with their targets) and what is known about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DataError

__all__ = ["Examples", "Task", "class_indices", "looks_like_classes", "make_examples", "value_name"]

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]

#: Whole numbers with at most this many different values are read as classes, not as amounts.
FEW_CLASSES = 20


@dataclass(repr=False)
class Examples:
    """Inputs with their targets, and what they are.

    inputs:   (n, ...) array, or a memory-mapped file; images stay bytes (uint8)
    targets:  (n,) int64 class indices for classification, (n, outputs) numbers for regression
    class_names: one name a class; None means regression
    test:     the part that its publishers set aside for testing, where there is one
    image_shape: (height, width) or (height, width, colours) where each row of ``inputs`` is a picture, else
                 None

    Errors: DataError where inputs and targets differ in number, or a class index has no name.

    >>> Examples(np.zeros((3, 2), np.float32), [0, 1, 1], class_names=("no", "yes"), name="answers")
    Examples 'answers': 3 examples of shape (2,) float32, 2 classes
    """

    inputs: Array
    targets: Array
    feature_names: tuple[str, ...] = ()
    target_name: str = "target"
    class_names: tuple[str, ...] | None = None
    test: Examples | None = None
    image_shape: tuple[int, ...] | None = None
    name: str = ""
    source: str = ""
    licence: str = ""
    task: Task = field(init=False)

    def __post_init__(self) -> None:
        self.task = "regression" if self.class_names is None else "classification"
        title = f"examples {self.name!r}" if self.name else "examples"
        self.targets = np.asanyarray(self.targets)
        if np.ndim(self.inputs) == 0 or self.targets.ndim == 0 or len(self.inputs) != len(self.targets):
            received = f"inputs of shape {np.shape(self.inputs)}, targets of shape {self.targets.shape}"
            raise DataError(title, received, "as many targets as inputs", "give one target to each row of inputs")
        if self.class_names is None:
            # A last Linear layer gives (n, 1); targets of the same shape keep a loss from broadcasting them.
            self.targets = self.targets[:, None] if self.targets.ndim == 1 else self.targets
            return
        self.class_names = tuple(self.class_names)
        if not np.issubdtype(self.targets.dtype, np.integer) or self.targets.ndim != 1:
            received = f"targets of shape {self.targets.shape} and type {self.targets.dtype}"
            raise DataError(title, received, "one whole number a row: the index of its class", "see class_indices()")
        self.targets = self.targets.astype(np.int64, copy=False)
        if len(self.targets) and (self.targets.min() < 0 or self.targets.max() >= len(self.class_names)):
            received = f"class indices from {self.targets.min()} to {self.targets.max()}"
            raise DataError(title, received, f"0 to {len(self.class_names) - 1}, one for each class name")

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        kind = "regression" if self.class_names is None else f"{len(self.class_names)} classes"
        test = f", {len(self.test)} for testing" if self.test is not None else ""
        name = f" {self.name!r}" if self.name else ""
        each = f"{len(self)} examples of shape {self.inputs.shape[1:]} {self.inputs.dtype}"
        return f"Examples{name}: {each}, {kind}{test}"

    def take(self, rows: Sequence[int] | Array) -> Examples:
        """The examples of the given row numbers (or mask), in that order; the test part stays behind.

        >>> few = Examples(np.arange(4.0)[:, None], np.arange(4.0)).take([3, 1])
        >>> few.inputs.tolist(), few.targets.tolist()
        ([[3.0], [1.0]], [[3.0], [1.0]])
        """
        rows = np.asarray(rows)
        rows = rows.astype(np.int64) if rows.size == 0 else rows
        return replace(self, inputs=self.inputs[rows], targets=self.targets[rows], test=None)

    def flat(self) -> Array:
        """Inputs as a matrix (n, features): each picture laid out as one row.

        >>> Examples(np.zeros((5, 28, 28), np.uint8), np.zeros(5)).flat().shape
        (5, 784)
        """
        return self.inputs.reshape(len(self), int(np.prod(self.inputs.shape[1:])))


def looks_like_classes(targets: Array) -> bool:
    """Whether targets (n,) read better as classes than as amounts.

    Text and booleans are classes. Whole numbers are when they take at most 20 different values, or are all of
    0 .. k-1 with 20 rows or more to each on average; and, either way, no more values than half the rows.

    >>> looks_like_classes(np.array([0, 1, 2, 0, 1, 2])), looks_like_classes(np.array([0.5, 1.0]))
    (True, False)
    """
    targets = np.asarray(targets)
    if targets.dtype.kind in "USOb":
        return True
    if targets.ndim != 1 or targets.dtype.kind not in "iuf" or targets.size == 0:
        return False
    if targets.dtype.kind == "f" and not (np.isfinite(targets).all() and (targets == np.floor(targets)).all()):
        return False
    values = np.unique(targets)
    counted = values[0] == 0 and values[-1] == len(values) - 1 and len(targets) >= 20 * len(values)
    return bool(2 * len(values) <= len(targets) and (len(values) <= FEW_CLASSES or counted))


def class_indices(targets: Array, class_names: Sequence[str] | None = None) -> tuple[Array, tuple[str, ...]]:
    """Number the classes: targets (n,) of text, booleans or whole numbers -> (indices (n,), class names).

    Without ``class_names`` the classes are the different values, sorted. With them, text is looked up among
    the names, and whole numbers are taken as indices already.

    Errors: DataError for a value that is none of ``class_names``, or is missing.

    >>> class_indices(np.array(["dog", "cat", "dog"]))
    (array([1, 0, 1]), ('cat', 'dog'))
    >>> class_indices(np.array([7, 3, 3]))
    (array([1, 0, 0]), ('3', '7'))
    """
    targets = np.asarray(targets)
    if targets.dtype == object and any(value is None or value != value for value in targets):
        raise DataError("numbering classes", "a missing target", "a class in every row", "drop rows without one")
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise DataError("numbering classes", "a target that is NaN or infinite", "a class in every row")
    if class_names is not None and targets.dtype.kind in "iu":
        return targets.astype(np.int64), tuple(class_names)
    values, indices = np.unique(targets.astype(str) if targets.dtype == object else targets, return_inverse=True)
    names = tuple(value_name(value) for value in values)
    indices = indices.reshape(targets.shape).astype(np.int64)
    if class_names is None:
        return indices, names
    unknown = [name for name in names if name not in class_names]
    if unknown:
        raise DataError("numbering classes", f"class {unknown[0]!r}", f"one of {', '.join(map(repr, class_names))}")
    place = {name: index for index, name in enumerate(class_names)}
    return np.array([place[name] for name in names], np.int64)[indices], tuple(class_names)


def value_name(value: Any) -> str:
    """A class's value as its name: 3.0 and 3 are both '3'."""
    return str(int(value)) if isinstance(value, float | np.floating) and value == int(value) else str(value)


def make_examples(
    inputs: Array,
    targets: Array,
    class_names: Sequence[str] | None = None,
    test: tuple[Array, Array] | None = None,
    **known: Any,
) -> Examples:
    """Examples from arrays, classification or regression as the targets look (see ``looks_like_classes``).

    ``test`` is a pair (inputs, targets), whose classes are numbered as in the training part.

    >>> make_examples(np.zeros((4, 2), np.float32), np.array(["b", "a", "b", "a"])).targets
    array([1, 0, 1, 0])
    """
    targets = np.asanyarray(targets)
    if targets.ndim == 2 and targets.shape[1] == 1 and targets.dtype.kind in "iubUSO":
        targets = targets[:, 0]
    if class_names is None and not looks_like_classes(targets):
        kept = None if test is None else Examples(*test, **known)
        return Examples(inputs, targets, test=kept, **known)
    indices, names = class_indices(targets, class_names)
    kept = None
    if test is not None:
        # Whole numbers are looked up by name too, so that 3 and 7 are classes 0 and 1 in both parts.
        wanted = np.asanyarray(test[1]).reshape(len(test[1]))
        if class_names is None or wanted.dtype.kind not in "iu":
            wanted = class_indices(np.array([value_name(value) for value in wanted], object), names)[0]
        kept = Examples(test[0], wanted, class_names=names, **known)
    return Examples(inputs, indices, class_names=names, test=kept, **known)
