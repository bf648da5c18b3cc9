"""A table: named columns of numbers, categories, text or booleans, as CSV files and data frames hold."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ConfigError, DataError

__all__ = ["MISSING", "CellError", "Kind", "Table", "make_column", "unknown_name", "words_kind"]

Array = npt.NDArray[Any]
Kind = Literal["number", "category", "text", "boolean"]
KINDS: tuple[str, ...] = get_args(Kind)

#: Cells that stand for "not known", after blanks around them are dropped.
MISSING = frozenset({"", "?", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null"})

#: Words are categories where they repeat: ten different ones, or half as many as rows, up to a thousand.
ALWAYS_CATEGORIES, MOST_CATEGORIES = 10, 1000

_TRUTH = {"true": True, "false": False}
_BAD = object()


@dataclass(repr=False)
class Table:
    """Columns of one length by name, with the kind of each.

    number:   int64 where all are whole and none is missing, else float64 with NaN where missing
    category: object array of str, None where missing; the words repeat
    text:     the same, where nearly every row has words of its own
    boolean:  bool, or an object array of True, False, None where some are missing

    Errors: DataError for columns of different lengths, a column without a kind, an unknown target.

    >>> table = Table({"age": np.array([31, 25]), "city": np.array(["Ulm", None], object)},
    ...               {"age": "number", "city": "category"}, target="age")
    >>> table
    Table: 2 rows, target 'age'
      age   number
      city  category, 1 value, 1 missing
    """

    columns: dict[str, Array]
    kinds: dict[str, str]
    target: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(self._title(), f"columns of lengths {lengths}", "columns of one length")
        if set(self.kinds) != set(self.columns) or not set(self.kinds.values()) <= set(KINDS):
            raise DataError(self._title(), f"kinds {self.kinds}", f"for each column one of {', '.join(KINDS)}")
        if self.target is not None:
            self._check(self.target)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> Array:
        self._check(name)
        return self.columns[name]

    def __repr__(self) -> str:
        target = f", target {self.target!r}" if self.target is not None else ""
        lines = [f"Table{f' {self.name!r}' if self.name else ''}: {len(self)} rows{target}"]
        width = max(map(len, self.columns), default=0)
        missing = self.missing()
        for name, kind in self.kinds.items():
            line = f"  {name:<{width}}  {kind}"
            if kind == "category":
                values = len(self.categories(name))
                line += f", {values} value{'s' * (values != 1)}"
            lines.append(line + (f", {missing[name]} missing" if missing[name] else ""))
        return "\n".join(lines)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(self.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all columns but the target."""
        return tuple(name for name in self.columns if name != self.target)

    def categories(self, name: str) -> tuple[str, ...]:
        """The different values of a column of words, sorted, without the missing ones."""
        return tuple(sorted({str(value) for value in self[name] if value is not None}))

    def missing(self) -> dict[str, int]:
        """How many rows miss each column."""
        return {name: int(_is_missing(column).sum()) for name, column in self.columns.items()}

    def select(self, names: Iterable[str]) -> Table:
        """The table of these columns, in this order; the target stays the target if it is among them."""
        columns = {name: self[name] for name in names}
        target = self.target if self.target in columns else None
        return Table(columns, {name: self.kinds[name] for name in columns}, target, self.name)

    def take(self, rows: Sequence[int] | Array) -> Table:
        """The table of the given row numbers (or mask), in that order."""
        rows = np.asarray(rows)
        rows = rows.astype(np.int64) if rows.size == 0 else rows
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Table(columns, dict(self.kinds), self.target, self.name)

    def _title(self) -> str:
        return f"table {self.name!r}" if self.name else "a table"

    def _check(self, name: str) -> None:
        if name not in self.columns:
            raise unknown_name(f"column {name!r} of {self._title()}", name, self.columns)


def unknown_name(asked: str, name: str, known: Iterable[str]) -> DataError:
    """The error for a name that is not there, with the names that are, and the nearest one."""
    known = list(known)
    lowered = {other.lower(): other for other in known}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1)
    shown = ", ".join(map(repr, known[:30])) + (", ..." if len(known) > 30 else "")
    return DataError(asked, f"no {name!r}", f"one of {shown}", f"did you mean {lowered[near[0]]!r}?" if near else "")


class CellError(ValueError):
    """A cell that is not of the kind its column was said to have; ``row`` counts from 0."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row}")
        self.row = row


def make_column(
    cells: Sequence[str], kind: str | None = None, missing: frozenset[str] = MISSING, decimal: str = "."
) -> tuple[Array, str]:
    """A column of cells as written -> (array, kind), guessing the kind where none is given.

    ``decimal`` is ".", ",", or ".," for a column that may use either. Blanks around each cell are dropped.

    Errors: CellError for a cell that does not fit the kind asked for; ConfigError for an unknown kind.

    >>> make_column(["1", "2"]), make_column(["1.5", "?"])
    ((array([1, 2]), 'number'), (array([1.5, nan]), 'number'))
    >>> make_column(["yes", " no", "NA"])
    (array(['yes', 'no', None], dtype=object), 'category')
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError("the kind of a column", repr(kind), f"one of {', '.join(KINDS)}")
    if kind in (None, "number") and missing <= MISSING:
        # Most columns are complete numbers; converting them whole is many times faster than cell by cell.
        # (Markers of the caller's own, such as -999, may be numbers; these here are not.)
        column = _numbers(cells, decimal)
        if column is not None:
            return column, "number"
    words = {cell: _word(cell, missing) for cell in set(cells)}
    known = [word for word in words.values() if word is not None]
    if kind == "number" or (kind is None and _numbers(known, decimal) is not None):
        numbers = {cell: _number(word, decimal) for cell, word in words.items()}
        return np.array(_looked_up(cells, numbers), np.float64), "number"
    if kind == "boolean" or (kind is None and all(word.lower() in _TRUTH for word in known)):
        truths = {cell: None if word is None else _TRUTH.get(word.lower(), _BAD) for cell, word in words.items()}
        column = np.array(_looked_up(cells, truths), object)
        return (column if len(known) < len(words) else column.astype(np.bool_)), "boolean"
    column = np.array([words[cell] for cell in cells], object)
    return column, kind or words_kind(column)


def words_kind(column: Array) -> Kind:
    """``category`` where the words of a column repeat, else ``text``; None is a missing word.

    >>> words_kind(np.array(["a", "b", None], object)), words_kind(np.array([f"row {i}" for i in range(30)]))
    ('category', 'text')
    """
    known = [word for word in column if word is not None]
    different = len(set(known))
    few = different <= max(ALWAYS_CATEGORIES, len(known) // 2)
    return "category" if few and different <= MOST_CATEGORIES else "text"


def _is_missing(column: Array) -> npt.NDArray[np.bool_]:
    if column.dtype == object:
        return np.fromiter((value is None for value in column), np.bool_, len(column))
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), np.bool_)


def _word(cell: str, missing: frozenset[str]) -> str | None:
    cell = cell.strip()
    return None if cell in missing else cell


def _numbers(cells: Sequence[str], decimal: str) -> Array | None:
    """Cells as int64 if all are whole, else as float64; None if some is no number."""
    # Python reads 1_000 as a number; in a table it is a word.
    if "_" in "".join(cells):
        return None
    try:
        return np.array(list(map(int, cells)), np.int64)
    except (ValueError, OverflowError):
        pass
    for point in decimal:
        try:
            return np.array(list(map(float, cells if point == "." else (cell.replace(point, ".") for cell in cells))))
        except ValueError:
            continue
    return None


def _number(word: str | None, decimal: str) -> Any:
    if word is None:
        return np.nan
    column = _numbers([word], decimal)
    return _BAD if column is None else float(column[0])


def _looked_up(cells: Sequence[str], values: dict[str, Any]) -> list[Any]:
    """The value of each cell; CellError at the first that has none."""
    found = [values[cell] for cell in cells]
    if any(value is _BAD for value in values.values()):
        raise CellError(next(row for row, value in enumerate(found) if value is _BAD))
    return found
