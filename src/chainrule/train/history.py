"""History: what each epoch of a run measured, as a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from chainrule.core.errors import ConfigError, DataError
from chainrule.core.files import atomic_write

__all__ = ["History"]

#: A printed table longer than this shows its beginning and its end.
_MOST_PRINTED = 60

_HIGHER_IS_BETTER = ("accuracy", "top", "precision", "recall", "f1", "roc_auc", "r2")


class History:
    """One row an epoch: ``epoch``, ``loss``, the metrics, the same as ``val_...``, ``lr`` and ``seconds``.

    >>> history = History([{"epoch": 1, "loss": 0.5, "lr": 0.1}, {"epoch": 2, "loss": 0.25, "lr": 0.1}])
    >>> history["loss"], history.best("loss")["epoch"]
    ([0.5, 0.25], 2)
    >>> print(history)
    epoch  loss   lr
        1   0.5  0.1
        2  0.25  0.1
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = ()) -> None:
        self.rows: list[dict[str, Any]] = [dict(row) for row in rows]

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in the order in which they first appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.rows == other.rows

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, key: str | int) -> Any:
        """``history["loss"]`` is a column, NaN where a row has none; ``history[-1]`` is a row."""
        if isinstance(key, int):
            return self.rows[key]
        self._check(key)
        return [row.get(key, math.nan) for row in self.rows]

    def _check(self, name: str) -> None:
        if name not in self.columns:
            known = ", ".join(self.columns) or "none: no epoch is finished"
            raise ConfigError(f"history[{name!r}]", "a column that is not there", known, "use one of these names")

    def best(self, name: str = "val_loss", better: Literal["higher", "lower"] | None = None) -> dict[str, Any]:
        """The row in which ``name`` was best, the first one of equals.

        ``better`` is known for losses and the named metrics, and "lower" for others. Raises ConfigError for an unknown
        column.
        """
        self._check(name)
        sign = 1 if (better or better_of(name)) == "lower" else -1
        rows = [row for row in self.rows if not math.isnan(row.get(name, math.nan))]
        best: dict[str, Any] = min(rows or self.rows, key=lambda row: sign * row.get(name, math.nan))
        return dict(best)

    def to_csv(self, path: str | Path) -> None:
        """Write the table as CSV (UTF-8, a header line, full precision), whole or not at all.

        Raises DataError where the folder is missing or cannot be written.
        """
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        with atomic_write(path, DataError) as file:
            file.write(text.getvalue().encode("utf-8"))

    def __str__(self) -> str:
        if not self.rows:
            return "no epochs yet"
        columns = self.columns
        rows = [[_cell(name, row.get(name)) for name in columns] for row in self.rows]
        if len(rows) > _MOST_PRINTED:
            half = _MOST_PRINTED // 2
            rows = [*rows[:half], ["..."] * len(columns), *rows[-half:]]
        widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
        lines = [
            "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in (columns, *rows)
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<History of {len(self.rows)} epochs: {', '.join(self.columns)}>"


def better_of(name: str) -> Literal["higher", "lower"]:
    """Which way a measure improves, judged by its name.

    >>> better_of("val_accuracy"), better_of("val_loss")
    ('higher', 'lower')
    """
    return "higher" if name.removeprefix("val_").startswith(_HIGHER_IS_BETTER) else "lower"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "seconds":
        return f"{value:.2f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
