"""CSV files, read without being told how they were written: delimiter, header and kinds are guessed."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.core.errors import ConfigError, DataError
from chainrule.core.files import atomic_write
from chainrule.data.storage import read_content
from chainrule.data.tables import MISSING, CellError, Table, make_column, unknown_name

__all__ = ["read_csv", "write_csv"]

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 65_536
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_csv(
    path: str | Path,
    target: str | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    kinds: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    decimal: str | None = None,
    missing: frozenset[str] = MISSING,
) -> Table:
    """Read a table from a CSV file (.csv, .tsv, .csv.gz) into named columns.

    target:    name of the column to predict; it is only checked and noted
    delimiter: one character; None takes that of , ; tab | which cuts the first lines most evenly
    header:    whether the first row holds names; None says yes unless one of its cells is a number. Columns
               without a name are called ``column_1`` and so on
    kinds:     ``number``, ``category``, ``text`` or ``boolean`` for the columns whose guess is wrong
    decimal:   "." or ","; None means ".", and where the delimiter is ";" also ","
    missing:   cells that stand for "not known"

    Quotes follow RFC 4180. Empty lines and blanks around cells are dropped.

    Errors: DataError that names the file and line of a row with too few or too many cells, of a broken
    quote, of bytes that are not in the encoding, of a cell that is not of the kind asked for; or the column
    named twice, or unknown.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = path.write_text("name;height;smokes\\nAda;1,70;true\\nBob;;false\\n")
    >>> table = read_csv(path)
    >>> table["height"].tolist(), table["smokes"].tolist(), table.kinds["name"]
    ([1.7, nan], [True, False], 'category')
    """
    path = Path(path)
    asked = f"reading {path}"
    text = _decode(read_content(path), encoding, asked)
    delimiter = _guess_delimiter(text) if delimiter is None else _one_character(delimiter)
    rows = _split(text, delimiter, asked)
    if not rows:
        raise DataError(asked, "an empty file", "a table with at least one row")
    if _guess_header(rows[0], missing) if header is None else header:
        names = [name.strip() or f"column_{place}" for place, name in enumerate(rows[0], 1)]
        first = 1
    else:
        names, first = [f"column_{place}" for place in range(1, len(rows[0]) + 1)], 0
    _check_rows(rows, names, first, text, delimiter, asked)
    kinds = dict(kinds or {})
    for name in [*kinds, *([target] if target is not None else [])]:
        if name not in names:
            raise unknown_name(f"column {name!r} of {path}", name, names)
    decimal = decimal or (".," if delimiter == ";" else ".")
    columns: dict[str, Any] = {}
    found: dict[str, str] = {}
    for name, cells in zip(names, zip(*rows[first:], strict=True), strict=True):
        try:
            columns[name], found[name] = make_column(cells, kinds.get(name), missing, decimal)
        except CellError as error:
            line, cell = _line_of(text, delimiter, first + error.row), cells[error.row]
            received = f"{cell!r} in column {name!r}, line {line}"
            raise DataError(asked, received, f"a {kinds[name]}", "mend that cell, or give another kind") from None
    return Table(columns, found, target, path.name)


def write_csv(table: Table, path: str | Path, delimiter: str = ",") -> None:
    """Write a table so that ``read_csv`` gives the same one back; missing values become empty cells.

    Words that read as missing or as numbers come back as such unless ``kinds`` and ``missing`` say otherwise.

    >>> import tempfile
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "t.csv"
    >>> columns = {"a": np.array([1.5, np.nan]), "b": np.array(["x,y", None], object)}
    >>> write_csv(Table(columns, {"a": "number", "b": "text"}), path)
    >>> path.read_text().splitlines()
    ['a,b', '1.5,"x,y"', ',']
    """
    delimiter = _one_character(delimiter)
    rows = [table.names, *zip(*(_cells(column) for column in table.columns.values()), strict=True)]
    # A row of one empty cell is quoted, for an empty line is no row.
    lines = [delimiter.join(_quoted(cell, delimiter) for cell in row) or '""' for row in rows]
    with atomic_write(path, DataError) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _quoted(cell: str, delimiter: str) -> str:
    """The cell, in quotes where it needs them (the csv module forgets them round a lone carriage return)."""
    special = any(mark in cell for mark in (delimiter, '"', "\r", "\n"))
    return '"' + cell.replace('"', '""') + '"' if special else cell


def _cells(column: Any) -> list[str]:
    """Values as cells: the fewest digits that read back as the same number; nothing for a missing value."""
    spelt = {None: "", True: "true", False: "false"}
    if column.dtype.kind == "f":
        return ["" if value != value else repr(value) for value in column.tolist()]
    return [spelt[value] if value is None or isinstance(value, bool) else str(value) for value in column.tolist()]


def _decode(content: bytes, encoding: str, asked: str) -> str:
    if content.startswith(_UTF16) and encoding == "utf-8":
        raise DataError(asked, "UTF-16 text", "UTF-8 text", 'pass encoding="utf-16"')
    try:
        text = content.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise ConfigError(asked, f"encoding={encoding!r}", 'one that Python knows, such as "utf-8"') from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        received = f"bytes that are not {encoding} in line {line}: {content[error.start : error.start + 8]!r}"
        fix = 'save it as UTF-8, or pass encoding="latin-1", "cp1252", "cp949" or whatever it was written in'
        raise DataError(asked, received, f"{encoding} text", fix) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(asked, f"a zero byte in line {line}", "text", "this is no CSV file; check what it is")
    return text


def _one_character(delimiter: str) -> str:
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigError("delimiter", repr(delimiter), 'one character, such as "," or "\\t"')
    return delimiter


def _reader(text: str, delimiter: str, strict: bool = True) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=strict)


def _guess_delimiter(text: str) -> str:
    """The delimiter under which most of the first rows have the same number of cells, more than one."""
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample

    def evenness(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in _reader(sample, delimiter, strict=False) if row)
        if not widths:
            return 0.0, 0
        width, count = widths.most_common(1)[0]
        return (count / widths.total(), width) if width > 1 else (0.0, 0)

    try:
        return max(DELIMITERS, key=evenness)
    except csv.Error:
        return ","


def _split(text: str, delimiter: str, asked: str) -> list[list[str]]:
    """Rows of cells, without empty lines."""
    reader = _reader(text, delimiter)
    try:
        return [row for row in reader if row]
    except csv.Error as error:
        begin = _line_of(text, delimiter, None)
        fix = 'double each quote inside a quoted cell ("") and close every quote'
        received = f"a row that begins in line {begin}: {error}"
        raise DataError(asked, received, "cells quoted as in RFC 4180", fix) from None


def _guess_header(row: list[str], missing: frozenset[str]) -> bool:
    """A first row names the columns unless a cell of it is a number, or all are missing."""
    words = [cell.strip() for cell in row if cell.strip() not in missing]
    return bool(words) and all(make_column([word])[1] != "number" for word in words)


def _check_rows(rows: list[list[str]], names: list[str], first: int, text: str, delimiter: str, asked: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        places = ", ".join(str(place) for place, name in enumerate(names, 1) if name == twice[0])
        raise DataError(asked, f"the column name {twice[0]!r} in columns {places}", "different names", "rename one")
    if len(rows) == first:
        raise DataError(asked, "a header and no rows", "a table with at least one row")
    if set(map(len, rows)) != {len(names)}:
        place = next(place for place, row in enumerate(rows) if len(row) != len(names))
        received = f"{len(rows[place])} cells in line {_line_of(text, delimiter, place)}"
        expected = f"{len(names)} cells, as in the first row (delimiter {delimiter!r})"
        raise DataError(asked, received, expected, "mend that line, or pass delimiter=")


def _line_of(text: str, delimiter: str, place: int | None) -> int:
    """The line on which row ``place`` begins, or the first that cannot be read (found by reading again)."""
    reader, begin, rows = _reader(text, delimiter), 1, 0
    try:
        for row in reader:
            if row and rows == place:
                break
            rows += bool(row)
            begin = reader.line_num + 1
    except csv.Error:
        pass
    return begin
