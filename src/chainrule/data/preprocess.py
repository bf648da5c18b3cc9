"""From the columns of a table to the numbers of a network, with a reason for every decision."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import CheckpointError, ConfigError, DataError
from chainrule.data import convert
from chainrule.data.convert import Array
from chainrule.data.scaling import StandardScaler
from chainrule.data.tables import unknown_name

__all__ = ["CategoryColumn", "NumberColumn", "TablePreprocessor"]

#: More categories than this become too many inputs; the most frequent are kept.
_MOST_CATEGORIES = 100
#: A text column with a larger share of different values names the rows rather than describing them.
_IDENTIFIER_SHARE = 0.9
_IDENTIFIER_NAME = re.compile(
    r"(?i:|id|index|row|row[ _]?(names?|number)|unnamed: *\d+)$|.*([ _.-](?i:id)|[a-z]I[dD])$"
)
_TRUE, _FALSE = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")


class TableLike(Protocol):
    """What a table must offer: columns of equal length by name, and the kind of each.

    Kinds are ``number``, ``category``, ``boolean`` and ``text``; missing values are NaN, None or empty texts.
    """

    @property
    def columns(self) -> Mapping[str, Array]: ...
    @property
    def kinds(self) -> Mapping[str, str]: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True)
class NumberColumn:
    """``(value - mean) / scale``; a missing value becomes the mean, hence 0."""

    name: str
    mean: float
    scale: float

    def encode(self, values: Array, notices: list[str]) -> npt.NDArray[np.float32]:
        """The column as (n, 1)."""
        numbers = convert.column_numbers(values, self.name)
        known = np.where(np.isnan(numbers), self.mean, numbers)
        return ((known - self.mean) / self.scale).astype(np.float32)[:, None]

    @property
    def names(self) -> list[str]:
        """What the encoded column is called."""
        return [self.name]


@dataclass(frozen=True)
class CategoryColumn:
    """One column of 0 and 1 for each category; None is the category of missing values."""

    name: str
    categories: tuple[str | None, ...]
    boolean: bool = False

    def encode(self, values: Array, notices: list[str]) -> npt.NDArray[np.float32]:
        """The column as (n, categories); an unknown value is a row of zeros, told once in ``notices``."""
        labels = _labels(values, self.boolean)
        positions = {category: position for position, category in enumerate(self.categories)}
        codes = np.array([positions.get(label, -1) for label in labels], np.int64)
        unknown = Counter(label for label, code in zip(labels, codes, strict=True) if code < 0)
        if unknown:
            shown = ", ".join("a missing value" if label is None else repr(label) for label in list(unknown)[:3])
            more = ", ..." if len(unknown) > 3 else ""
            notices.append(
                f"column {self.name!r} has values that were not there in training, in "
                f"{_count(unknown.total(), 'row')} ({shown}{more}): encoded as zeros"
            )
        hot: npt.NDArray[np.float32] = (codes[:, None] == np.arange(len(self.categories))).astype(np.float32)
        return hot

    @property
    def names(self) -> list[str]:
        """What the encoded columns are called."""
        return [f"{self.name}={'missing' if category is None else category}" for category in self.categories]


class TablePreprocessor:
    """Learns from a table how to turn its columns into network inputs, and says why.

    - number: missing values become the mean, then the column is standardised (both over the known values)
    - category, boolean: one-hot, with missing values as a category of their own if there were any
    - text: one-hot as a category, or left out if nearly every row has its own value, as an identifier has
    - a column with a single value, or a number that only counts the rows (``id``), is left out

    After ``fit``: ``columns_`` (what is done to each used column), ``decisions`` (a sentence a column). After
    ``transform``: ``notices`` (what was odd about that table, such as unknown categories).

    >>> from chainrule.data.tables import Table
    >>> size, colour = np.array([1.0, 3.0, np.nan, 2.0]), np.array(["red", "blue", "red", "red"], object)
    >>> table = Table({"size": size, "colour": colour}, {"size": "number", "colour": "category"})
    >>> preprocessor = TablePreprocessor().fit(table)
    >>> print(*preprocessor.decisions, sep="\\n")
    column 'size': number, standardised (mean 2, standard deviation 0.816497); 1 missing value becomes the mean
    column 'colour': category, one input for each of 2 values (blue, red)
    >>> preprocessor.feature_names
    ['size', 'colour=blue', 'colour=red']
    >>> preprocessor.transform(table)[0].tolist()[1:]
    [0.0, 1.0]
    """

    columns_: list[NumberColumn | CategoryColumn]

    def __init__(self) -> None:
        self.decisions: list[str] = []
        self.notices: list[str] = []

    def fit(self, table: TableLike, exclude: Iterable[str] = ()) -> Self:
        """Decide what to do with each column, except those in ``exclude`` (the target).

        Raises ``DataError`` for a table without rows, or one of which no column is left.
        """
        if len(table) == 0:
            raise DataError("learn from a table", "a table without rows", "at least one row below the header")
        left_out = set(exclude)
        if unknown := left_out - set(table.columns):
            raise ConfigError("leave columns out", f"{sorted(unknown)}", f"columns of the table: {list(table.columns)}")
        self.columns_, self.decisions, self.notices = [], [], []
        for name, values in table.columns.items():
            if name in left_out:
                continue
            column, decision = _decide(name, np.asarray(values), table.kinds[name])
            self.decisions.append(f"column {name!r}: {decision}")
            if column is not None:
                self.columns_.append(column)
        if not self.columns_:
            reasons = "; ".join(self.decisions) or "it has no column besides the target"
            raise DataError("learn from a table", reasons, "at least one column that tells rows apart")
        return self

    def transform(self, table: TableLike) -> npt.NDArray[np.float32]:
        """The inputs (n, d) as float32; columns that were not used, and their order, do not matter.

        Raises ``DataError`` for a missing column, and for text in a number column (with column, row and
        value).
        """
        self._check_fitted()
        self.notices = []
        for column in self.columns_:
            if column.name not in table.columns:
                raise unknown_name(
                    f"read column {column.name!r}, which the model learned from", column.name, table.columns
                )
        if len(table) == 0:
            raise DataError("read a table", "a table without rows", "at least one row below the header")
        return np.concatenate(
            [c.encode(np.asarray(table.columns[c.name]), self.notices) for c in self.columns_], axis=1
        )

    def fit_transform(self, table: TableLike, exclude: Iterable[str] = ()) -> npt.NDArray[np.float32]:
        """``fit(table, exclude).transform(table)``."""
        return self.fit(table, exclude).transform(table)

    @property
    def feature_names(self) -> list[str]:
        """A name for each of the d inputs, such as ``age`` or ``colour=red``."""
        self._check_fitted()
        return [name for column in self.columns_ for name in column.names]

    def state(self) -> dict[str, Any]:
        """What was learned, as plain JSON values."""
        self._check_fitted()
        columns = [{"type": type(column).__name__} | asdict(column) for column in self.columns_]
        for column in columns:
            column |= {"categories": list(column["categories"])} if "categories" in column else {}
        return {"kind": "TablePreprocessor", "columns": columns, "decisions": list(self.decisions)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The preprocessor whose ``state()`` this is."""
        fitted = cls()
        try:
            if state["kind"] != "TablePreprocessor":
                raise KeyError("kind")
            fitted.columns_ = [_column_from_state(column) for column in state["columns"]]
            fitted.decisions = list(state["decisions"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "restore a TablePreprocessor", f"a state that is damaged at {error}", "its state()"
            ) from None
        return fitted

    def _check_fitted(self) -> None:
        if not hasattr(self, "columns_"):
            raise ConfigError(
                "use a TablePreprocessor", "one that has learned nothing yet", "", "call fit(table) first"
            )


def _column_from_state(state: Mapping[str, Any]) -> NumberColumn | CategoryColumn:
    if state["type"] == "NumberColumn":
        return NumberColumn(state["name"], float(state["mean"]), float(state["scale"]))
    if state["type"] == "CategoryColumn":
        return CategoryColumn(state["name"], tuple(state["categories"]), bool(state["boolean"]))
    raise ValueError(f"column type {state['type']!r}")


def _decide(name: str, values: Array, kind: str) -> tuple[NumberColumn | CategoryColumn | None, str]:
    """What is done to a column (None: left out), and the reason in words."""
    if kind == "number":
        return _decide_number(name, values)
    labels = _labels(values, boolean=kind == "boolean")
    counts = Counter(label for label in labels if label is not None)
    missing = len(labels) - counts.total()
    if not counts:
        return None, "no value in any row: left out"
    if len(counts) == 1 and not missing:
        return None, f"the one value {next(iter(counts))!r} in every row: left out"
    if kind not in ("category", "boolean") and len(counts) > max(2, _IDENTIFIER_SHARE * counts.total()):
        rows = _count(counts.total(), "row")
        return None, f"text with {len(counts)} different values in {rows}, like an identifier: left out"
    # By frequency, then by name, so that the choice does not depend on the order of the rows.
    kept = sorted(label for label, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CATEGORIES])
    shown = ", ".join(kept[:6]) + (", ..." if len(kept) > 6 else "")
    decision = f"{kind}, one input for each of {len(kept)} values ({shown})"
    if len(kept) < len(counts):
        decision = f"{kind}, one input for each of the {len(kept)} most frequent of {len(counts)} values ({shown})"
    if missing:
        decision += f" and one for missing ({_count(missing, 'row')})"
    categories = (*kept, None) if missing else tuple(kept)
    return CategoryColumn(name, categories, kind == "boolean"), decision


def _decide_number(name: str, values: Array) -> tuple[NumberColumn | None, str]:
    numbers = convert.column_numbers(values, name)
    known = numbers[~np.isnan(numbers)]
    missing = len(numbers) - len(known)
    if not len(known):
        return None, "no value in any row: left out"
    scaler = StandardScaler().fit(known)
    if not (known != known[0]).any() or not scaler.transform(known).any():
        return None, f"the one value {known[0]:g} in every row{' that has one' * bool(missing)}: left out"
    if not missing and _counts_rows(name, known):
        return None, "a different whole number in every row, and the name of an identifier: left out"
    mean, scale = float(scaler.mean_), float(scaler.scale_)
    decision = f"number, standardised (mean {mean:g}, standard deviation {scale:g})"
    if missing:
        decision += f"; {_count(missing, 'missing value')} become{'s' * (missing == 1)} the mean"
    return NumberColumn(name, mean, scale), decision


def _counts_rows(name: str, numbers: Array) -> bool:
    """Whether a column only numbers the rows: that would let a network learn the order of the file."""
    if not (numbers == np.floor(numbers)).all() or len(np.unique(numbers)) < len(numbers):
        return False
    # "column_1" is what readers call a nameless first column, such as the index that pandas writes; a random half of
    # such an index still fills its range densely.
    dense = np.ptp(numbers) < 2 * len(numbers)
    return bool(_IDENTIFIER_NAME.match(name)) or bool(name == "column_1" and dense)


def _labels(values: Array, boolean: bool) -> list[str | None]:
    """The category of each value as text, None for missing; the many spellings of true and false count as one."""
    labels = [convert.label_of(value) for value in values.tolist()]
    if not boolean:
        return labels
    spelling = dict.fromkeys(_TRUE, "true") | dict.fromkeys(_FALSE, "false")
    return [None if label is None else spelling.get(label.lower(), label) for label in labels]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"
