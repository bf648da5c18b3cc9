"""The column to predict: which one it is, whether it holds classes or amounts, and how it becomes numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import CheckpointError, ConfigError, DataError
from chainrule.data import convert
from chainrule.data.arrays import as_array
from chainrule.data.convert import Array
from chainrule.data.examples import Task, looks_like_classes
from chainrule.data.preprocess import TableLike
from chainrule.data.scaling import StandardScaler
from chainrule.data.tables import unknown_name

__all__ = ["Target", "TargetChoice", "choose_target", "choose_task"]

#: Names that people give to the column to predict, the surest first.
_USUAL_NAMES = ("target", "label", "labels", "class", "species", "outcome", "diagnosis", "y")


class TargetChoice(NamedTuple):
    """The name of the column to predict, and why it was chosen."""

    name: str
    reason: str


def choose_target(table: TableLike, name: str | None = None) -> TargetChoice:
    """The column to predict: the one named, else one with a usual name (target, label, class, ...), else the last.

    Raises ``DataError`` for an unknown name (with the nearest ones) and for a table with fewer than two
    columns.

    >>> from types import SimpleNamespace
    >>> choose_target(SimpleNamespace(columns={"Class": 0, "size": 0, "weight": 0}))
    TargetChoice(name='Class', reason="column 'Class' is the target: that is what such a column is often called")
    """
    names = list(table.columns)
    name = getattr(table, "target", None) if name is None else name
    if name is not None and name not in names:
        raise unknown_name(f"predict column {name!r}", name, names)
    if len(names) < 2:
        received = f"a table with {len(names)} columns" if len(names) != 1 else f"a table with one column, {names[0]!r}"
        raise DataError("choose a target", received, "a column to predict and at least one to predict it from")
    if name is not None:
        return TargetChoice(name, f"column {name!r} is the target, as asked")
    lowered = {column.strip().lower(): column for column in names}
    for usual in _USUAL_NAMES:
        if usual in lowered:
            chosen = lowered[usual]
            return TargetChoice(chosen, f"column {chosen!r} is the target: that is what such a column is often called")
    return TargetChoice(names[-1], f"column {names[-1]!r} is the target: it is the last one, and none was named")


@dataclass
class Target:
    """A column to predict: its task, its classes or its scale, and the reason for reading it so.

    - classification: ``encode`` gives class indices (n,) int64, ``decode`` gives class names
    - regression: ``encode`` gives standardised numbers (n, 1) float32, ``decode`` gives amounts in the column's unit
    """

    name: str
    task: Task
    reason: str
    classes: list[str] = field(default_factory=list)
    mean: float = 0.0
    scale: float = 1.0
    notices: list[str] = field(default_factory=list)

    def known(self, values: Any) -> npt.NDArray[np.bool_]:
        """Which of ``values`` (n,) are there: rows without a target are to be left out with this mask."""
        return np.array([not convert.is_missing(value) for value in as_array(values, numeric=False).tolist()], bool)

    def fit(self, values: Any) -> Self:
        """Learn mean and scale of a regression target again, from the training rows alone."""
        if self.task == "regression":
            numbers = convert.column_numbers(as_array(values, numeric=False), self.name)
            scaler = StandardScaler().fit(numbers)
            self.mean, self.scale = float(scaler.mean_), float(scaler.scale_)
        return self

    def encode(self, values: Any) -> Array:
        """Values (n,) as training targets; ``DataError`` for a missing value or a class that was not learned."""
        array = as_array(values, numeric=False)
        gaps = np.flatnonzero(~self.known(array))
        if gaps.size:
            raise DataError(
                f"use column {self.name!r} as target",
                f"no value in row {gaps[0] + 1}",
                "a value in every row",
            )
        if self.task == "regression":
            numbers = convert.column_numbers(array, self.name)
            return ((numbers - self.mean) / self.scale).astype(np.float32)[:, None]
        positions = {label: position for position, label in enumerate(self.classes)}
        labels = [convert.label_of(value) for value in array.tolist()]
        odd = next((row for row, label in enumerate(labels) if label not in positions), None)
        if odd is not None:
            shown = ", ".join(map(repr, self.classes[:10])) + (", ..." if len(self.classes) > 10 else "")
            raise DataError(f"use column {self.name!r} as target", f"class {labels[odd]!r} in row {odd + 1}", shown)
        return np.array([positions[str(label)] for label in labels], np.int64)

    def decode(self, outputs: Any) -> Array:
        """Class names for class indices (n,), or amounts (n,) in float64 for standardised outputs (n, 1) or (n,)."""
        array = as_array(outputs, f"predictions of {self.name!r}")
        if self.task == "regression":
            return array.astype(np.float64).reshape(len(array)) * self.scale + self.mean
        return np.array(self.classes, object)[array]

    def state(self) -> dict[str, Any]:
        """What was learned, as plain JSON values."""
        learned = {"classes": list(self.classes)} if self.classes else {"mean": self.mean, "scale": self.scale}
        return {"kind": "Target", "name": self.name, "task": self.task, "reason": self.reason, **learned}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The target whose ``state()`` this is."""
        try:
            if state["kind"] != "Target" or state["task"] not in ("classification", "regression"):
                raise KeyError("kind")
            learned = {key: state[key] for key in ("classes", "mean", "scale") if key in state}
            return cls(state["name"], state["task"], state["reason"], **learned)
        except (KeyError, TypeError) as error:
            raise CheckpointError("restore a Target", f"a state that is damaged at {error}", "its state()") from None


def choose_task(values: Any, name: str, task: Task | None = None) -> Target:
    """Read a target column (n,): classification or regression, with the reason in words.

    Texts and booleans are classes, and so are whole numbers with few different values
    (``looks_like_classes``); other numbers are amounts. ``task`` decides instead if given. Rows without a
    value are told in ``notices``.

    Raises ``DataError`` for a column without values, with one value only, or with texts that all differ.

    >>> target = choose_task(np.array([5, 6, 7, 5, 6, 5, 7, 7]), "quality")
    >>> target.reason
    "column 'quality' has 3 distinct whole numbers in 8 rows: classification"
    >>> target.encode(np.array([7, 5])), target.decode([2, 0]).tolist()
    (array([2, 0]), ['7', '5'])
    """
    if task not in (None, "classification", "regression"):
        raise ConfigError("choose_task(task)", repr(task), "'classification', 'regression' or None")
    array = as_array(values, f"column {name!r}", numeric=False).reshape(-1)
    target = Target(name, "classification", "")
    known = array[target.known(array)]
    _check_has_values(array, known, name)
    if len(known) < len(array):
        gaps = len(array) - len(known)
        target.notices.append(f"column {name!r} has no value in {gaps} of {len(array)} rows: those rows are left out")
    numeric = known.dtype.kind in "iuf"
    distinct = _classes(known)
    if len(distinct) == 1:
        raise DataError(
            f"use column {name!r} as target",
            f"one value only, {distinct[0]!r}, in all {len(known)} rows",
            "at least two classes, or amounts that differ",
            "choose another column as target",
        )
    target.task, why = _task_of(known, distinct)
    target.reason = f"column {name!r} has {why}: {target.task}"
    if task is not None:
        target.task, target.reason = task, f"column {name!r} has {why}: {task}, as asked"
    if target.task == "regression":
        return target.fit(known)
    if not numeric and task is None and len(distinct) > max(20, len(known) / 2):
        raise DataError(
            f"use column {name!r} as target",
            f"{len(distinct)} different texts in {len(known)} rows",
            "classes that repeat, or numbers",
            "choose another column as target",
        )
    target.classes = distinct
    _notice_rare_classes(target, known)
    return target


def _check_has_values(array: Array, known: Array, name: str) -> None:
    if not len(known):
        received = f"no value in any of {len(array)} rows" if len(array) else "a table without rows"
        raise DataError(f"use column {name!r} as target", received, "at least two rows with a value")


def _classes(known: Array) -> list[str]:
    """The distinct values as class names: numbers in their order, everything else in the order of its text."""
    values = set(known.tolist())
    numeric = all(isinstance(value, (bool, int, float)) for value in values)
    return list(dict.fromkeys(str(convert.label_of(v)) for v in sorted(values, key=None if numeric else str)))


def _task_of(known: Array, distinct: list[str]) -> tuple[Task, str]:
    """The task that the values suggest, and what about them suggests it."""
    rows = f"in {len(known)} rows"
    numbers = known
    if known.dtype == object and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known.tolist()):
        numbers = known.astype(np.float64)
    if numbers.dtype.kind not in "iuf":
        kind = "truth values" if known.dtype == bool else "texts"
        return "classification", f"{len(distinct)} distinct {kind} {rows}"
    whole = bool(np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all())
    why = f"{len(distinct)} distinct {'whole ' * whole}numbers {rows}"
    classes = looks_like_classes(numbers) or (whole and len(distinct) == 2)
    return ("classification" if classes else "regression"), why


def _notice_rare_classes(target: Target, known: Array) -> None:
    counts = np.bincount(target.encode(known), minlength=len(target.classes))
    rare = [target.classes[position] for position in np.flatnonzero(counts == 1)]
    if rare:
        shown = ", ".join(map(repr, rare[:5])) + (", ..." if len(rare) > 5 else "")
        target.notices.append(f"column {target.name!r} has classes with a single row: {shown}")
