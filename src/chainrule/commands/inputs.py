"""From DATA as the user named it (a set, a table, arrays, pictures) to rows with their targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from chainrule import data
from chainrule.core.errors import ConfigError, DataError
from chainrule.data.examples import Examples, Task, class_indices, make_examples
from chainrule.data.tables import Table, unknown_name
from chainrule.data.target import Target, choose_target, choose_task

__all__ = ["Rows", "data_kind", "in_option_words", "read_rows", "rows_of_examples"]

Array = npt.NDArray[Any]
Kind = Literal["set", "table", "npz", "npy", "images", "image"]

_TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

#: A column in which at most this share of the cells is text, and all others are numbers, was meant to hold numbers.
_FEW_TEXTS = 0.1

#: A fix that the library gives in Python is given here as the option that does the same.
_OPTIONS = (
    ("size=", "pass --image-size HEIGHTxWIDTH to resize them all"),
    ("inputs=", "rename the arrays in the file, such as x and y"),
    ("delimiter=", "mend that line"),
    ("data_dir=", "go online, put the files into a folder and name it with --data-dir, or set CHAINRULE_DATA"),
    ("use read_npz", "name the file .npz"),
    ("use read_npy", "name the file .npy"),
)


@dataclass
class Rows:
    """Rows to learn from or to answer: features, and their targets where there are any.

    features: a table; or an array (n, ...), where bytes stay bytes and a memory-mapped file stays on disk
    targets:  (n,) class indices int64, or (n,) amounts float64 in the target's own unit
    decisions: (label, sentence) pairs; notices: what was odd about the data
    """

    name: str
    features: Table | Array
    targets: Array | None
    target: Target | None
    source: str = ""
    licence: str = ""
    test: Rows | None = None
    image_shape: tuple[int, ...] | None = None
    resized: bool = False
    files: list[str] = field(default_factory=list)
    decisions: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.features)


def data_kind(name: str) -> Kind:
    """What DATA is: the name of a set, or the kind of the file or folder at that path.

    Errors: DataError for a path that is not there, with the nearest set's name where it looks like one.

    >>> data_kind("iris"), data_kind("Fashion_MNIST")
    ('set', 'set')
    """
    if name.lower().replace("_", "-") in data.set_names():
        return "set"
    path, lowered = Path(name), name.lower()
    if path.is_dir():
        return "images"
    if not path.exists():
        if path.suffix or len(path.parts) > 1:
            raise DataError(
                f"reading {name}", "no such file", "a file or folder", f"check the path; looked from {Path.cwd()}"
            )
        problem = unknown_name(f"DATA {name!r}", name, data.set_names())
        problem.received = f"neither a set's name nor a file or folder in {Path.cwd()}"
        raise problem
    kinds: dict[Kind, tuple[str, ...]] = {
        "table": _TABLE_SUFFIXES, "npz": (".npz",), "npy": (".npy",), "image": _IMAGE_SUFFIXES
    }  # fmt: skip
    for kind, suffixes in kinds.items():
        if lowered.endswith(suffixes):
            return kind
    raise DataError(
        f"reading {name}",
        f"a file ending in {path.suffix!r}" if path.suffix else "a file without an ending",
        "a table (.csv, .tsv, .txt, each also .gz), arrays (.npz, .npy), a picture, or a folder of pictures",
        "rename the file after what it is",
    )


def read_rows(
    name: str,
    target: str | None = None,
    task: Task | None = None,
    data_dir: str | None = None,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
    categories: Sequence[str] = (),
) -> Rows:
    """The rows of DATA with their targets, for training.

    Errors: DataError for whatever cannot be read or learned from; ConfigError for an option that does not go with DATA.

    >>> rows = read_rows("iris")
    >>> len(rows), rows.target.classes, rows.features.names[0]
    (150, ['setosa', 'versicolor', 'virginica'], 'sepal length (cm)')
    """
    kind = data_kind(name)
    if categories and kind != "table":
        raise ConfigError("--category", f"DATA {name!r} is no table", "--category with a table", "leave --category out")
    if image_size is not None and kind != "images":
        raise ConfigError(
            "--image-size", f"DATA {name!r} is no folder of pictures", "--image-size with one", "leave it out"
        )
    if target is not None and kind in ("set", "images"):
        what = (
            "a set, whose target is known"
            if kind == "set"
            else "a folder of pictures, whose classes are its subfolders"
        )
        raise ConfigError(
            "--target", f"DATA {name!r} is {what}", "--target with a table or arrays", "leave --target out"
        )
    with in_option_words():
        if kind == "set":
            return rows_of_examples(data.load(name, data_dir, seed), task)
        if kind == "images":
            rows = rows_of_examples(data.read_images(name, image_size), task)
            rows.resized = image_size is not None
            return rows
        if kind == "npz":
            return rows_of_examples(data.read_npz(name, targets=target), task)
        if kind == "npy":
            return rows_of_examples(_matrix_examples(name, target), task)
        if kind == "table":
            return _rows_of_table(name, target, task, categories)
    raise DataError(
        f"reading {name}", "a single picture", "pictures with their classes: folder/class/picture", "name the folder"
    )


@contextmanager
def in_option_words() -> Iterator[None]:
    """Within it, errors that advise a Python argument advise the command's option instead."""
    try:
        yield
    except DataError as problem:
        for words, advice in _OPTIONS:
            if words in problem.fix:
                problem.fix = advice
                break
        raise


def rows_of_examples(examples: Examples, task: Task | None = None) -> Rows:
    """Examples as rows: named numbers become a table, so that later files are read by the names of their columns."""
    examples = _with_task(_without_one_hot(examples), task)
    _check_targets(examples)
    target, targets = _target_of(examples, task), examples.targets
    targets = targets if target.task == "classification" else targets.reshape(-1).astype(np.float64)
    named = examples.inputs.ndim == 2 and examples.image_shape is None
    named = named and len(examples.feature_names) == examples.inputs.shape[1]
    features: Table | Array = examples.inputs
    if named:
        columns = dict(zip(examples.feature_names, np.asarray(examples.inputs).T, strict=True))
        features = Table(columns, dict.fromkeys(columns, "number"), name=examples.name)
    shape = examples.image_shape
    each = f"pictures of {_size(shape)} pixels" if shape else f"rows of {_numbers(examples.inputs.shape[1:])}"
    what = f"{examples.name}, {len(examples):,} {each}"
    what += f" and {len(examples.test):,} more for testing" if examples.test is not None else ""
    rows = Rows(examples.name, features, targets, target, examples.source, examples.licence, None, shape)
    rows.decisions = [("data", what), ("target", target.reason)]
    if examples.test is not None:
        rows.test = rows_of_examples(examples.test, target.task)
    return rows


def _with_task(examples: Examples, task: Task | None) -> Examples:
    """Examples whose targets are read as ``task`` says, where that differs from how they look."""
    if task is None or task == examples.task:
        return examples
    test = examples.test and _with_task(examples.test, task)
    if task == "classification":
        indices, names = class_indices(examples.targets.reshape(len(examples), -1)[:, 0])
        return replace(examples, targets=indices, class_names=names, test=test)
    try:
        amounts = np.array([float(name) for name in examples.class_names or ()])
    except ValueError:
        shown = ", ".join((examples.class_names or ())[:5])
        raise DataError(
            "--task regression", f"classes {shown}", "a target of numbers", "use --task classification"
        ) from None
    return replace(examples, targets=amounts[examples.targets], class_names=None, test=test)


def _without_one_hot(examples: Examples) -> Examples:
    """Targets (n, k) with one 1 in every row are classes, written as Keras wants them."""
    targets = examples.targets
    if targets.ndim != 2 or targets.shape[1] < 2 or not ((targets == 0) | (targets == 1)).all():
        return examples
    if not (targets.sum(axis=1) == 1).all():
        return examples
    names = tuple(str(index) for index in range(targets.shape[1]))
    test = examples.test and _without_one_hot(examples.test)
    return replace(examples, targets=targets.argmax(axis=1), class_names=names, test=test)


def _check_targets(examples: Examples) -> None:
    asked, targets = f"use {examples.target_name!r} of {examples.name} as target", examples.targets
    if not len(examples):
        raise DataError(asked, "no rows", "at least two rows")
    if examples.class_names is not None and len(examples.class_names) < 2:
        received = f"one class only, {examples.class_names[0]!r}, in all {len(examples)} rows"
        raise DataError(asked, received, "at least two classes, or amounts that differ")
    if examples.class_names is not None:
        return
    if targets.shape[1:] != (1,):
        raise DataError(
            asked, f"targets of shape {targets.shape}", "one number a row", "train on one of them at a time"
        )
    if targets.dtype.kind not in "biuf" or not np.isfinite(targets).all():
        raise DataError(asked, "values that are missing or not numbers", "a finite number in every row")
    if len(targets) > 1 and (targets == targets[0]).all():
        raise DataError(asked, f"one value only, {targets[0, 0]:g}, in all {len(targets)} rows", "amounts that differ")


def _target_of(examples: Examples, task: Task | None) -> Target:
    asked = ", as asked" if task else ""
    if examples.class_names is None:
        reason = f"{examples.target_name!r} holds numbers that are amounts, not classes: regression{asked}"
        return Target(examples.target_name, "regression", reason)
    names = list(examples.class_names)
    shown = ", ".join(names) if len(names) <= 5 else f"{names[0]}, {names[1]}, ..., {names[-1]}"
    reason = f"{examples.target_name!r} is one of {len(names)} classes ({shown}): classification{asked}"
    return Target(examples.target_name, "classification", reason, names)


def _matrix_examples(name: str, target: str | None) -> Examples:
    """An NPY file as a table without a header: its columns are column_1, column_2, ...; the last is the target."""
    array = data.read_npy(name, mmap=True)
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "biuf":
        received = f"an array of shape {array.shape} of {array.dtype}"
        fix = "put inputs and targets into one NPZ file, as arrays x and y"
        raise DataError(
            f"reading {name}", received, "a matrix of numbers: features, then the target as last column", fix
        )
    names = [f"column_{place}" for place in range(1, array.shape[1] + 1)]
    chosen = names[-1] if target is None else target
    if chosen not in names:
        raise unknown_name(f"column {chosen!r} of {name}", chosen, names)
    place = names.index(chosen)
    # A slice of the file stays on disk; leaving out a column in the middle has to copy.
    inputs = array[:, :-1] if place == len(names) - 1 else np.delete(array, place, axis=1)
    return make_examples(inputs, np.array(array[:, place]), target_name=chosen, name=Path(name).stem, source=name)


def _rows_of_table(name: str, target: str | None, task: Task | None, categories: Sequence[str]) -> Rows:
    table = data.read_csv(name, kinds=dict.fromkeys(categories, "category"))
    for column in table.names:
        if table.kinds[column] in ("category", "text") and column not in categories:
            _check_unmixed(name, column, table[column])
    choice = choose_target(table, target)
    chosen = choose_task(table[choice.name], choice.name, task)
    known = chosen.known(table[choice.name])
    size = f"{Path(name).name}, a table of {len(table):,} rows and {len(table.names)} columns"
    table = table if known.all() else table.take(known)
    values = table[choice.name]
    if chosen.task == "classification":
        targets = chosen.encode(values)
    else:
        targets = chosen.decode(chosen.encode(values))
    features = table.select(column for column in table.names if column != choice.name)
    stem = Path(name).name.split(".")[0] or Path(name).name
    return Rows(
        stem, features, targets, chosen, source=name, notices=list(chosen.notices),
        decisions=[("data", size), ("target", choice.reason), ("", chosen.reason)],
    )  # fmt: skip


def _check_unmixed(name: str, column: str, words: Array) -> None:
    """Refuse a column of numbers in which a few cells are text: read as categories, it would teach nothing."""
    known = [(row, word) for row, word in enumerate(words.tolist(), 1) if word is not None]
    texts = [(row, word) for row, word in known if not _is_number(word)]
    if len(known) < 3 or len(texts) > max(1, _FEW_TEXTS * len(known)):
        return
    row, word = texts[0]
    more = f", and {len(texts) - 1} more like it" if len(texts) > 1 else ""
    raise DataError(
        f"reading {name}", f"{word!r} in row {row} of column {column!r}{more}",
        f"a number, like the other {len(known) - len(texts)} values of that column",
        f"mend or empty that cell, or pass --category {column} if these are names",
    )  # fmt: skip


def _is_number(word: str) -> bool:
    try:
        float(word.replace(",", "."))
    except ValueError:
        return False
    return True


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}" + (" colour" if len(shape) == 3 and shape[2] == 3 else "")


def _numbers(shape: tuple[int, ...]) -> str:
    count = int(np.prod(shape))
    return f"{count:,} number{'s' * (count != 1)}"
