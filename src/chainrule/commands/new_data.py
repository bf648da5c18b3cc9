"""New rows for a trained model: read in the form that its preparation learned from, whatever form they come in."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import data
from chainrule.commands.array_scaler import ArrayScaler
from chainrule.commands.inputs import Rows, data_kind, in_option_words
from chainrule.commands.preparation import Preparation
from chainrule.commands.results import UNKNOWN_CLASS
from chainrule.core.errors import DataError
from chainrule.data import Table, convert
from chainrule.data.examples import Examples
from chainrule.data.readers import image_folders
from chainrule.data.target import Target

__all__ = ["read_new_rows", "true_answers"]

Array = npt.NDArray[Any]

#: Where an NPZ file without targets keeps its inputs.
_INPUT_NAMES = ("inputs", "x", "X", "data", "images", "x_test", "X_test", "test_inputs", "test_images")

#: Pixel levels up to this are of pictures with fewer levels than the 256 of image files, such as the 8 x 8 digits.
_FEW_LEVELS = 32

#: Pictures whose mean is this many standard deviations from that of training pictures are not like them.
_UNLIKE = 4.0


def read_new_rows(name: str, preparation: Preparation, data_dir: str | None = None) -> Rows:
    """The rows of DATA as ``preparation`` takes them; ``targets`` holds the true answers where DATA has them.

    Errors: DataError for data that cannot be read, or that is not of the kind the model was trained on.
    """
    kind = data_kind(name)
    with in_option_words():
        if kind in ("image", "images"):
            return _pictures(Path(name), preparation)
        if kind == "table":
            return _from_table(data.read_csv(name), name, preparation)
        examples = data.load(name, data_dir) if kind == "set" else _arrays(name, kind, preparation)
    rows = _from_examples(examples.test or examples, preparation)
    if not isinstance(rows.features, Table):
        _check_width(name, rows.features, preparation)
    if kind == "set":
        part = "rows set apart for testing" if examples.test else "rows are answered, also those it was trained on"
        rows.notices.append(f"all {len(rows):,} {part}")
    return rows


def _check_width(name: str, features: Array, preparation: Preparation) -> None:
    """Refuse rows of another shape than those the model was trained on."""
    scaler, shape = preparation.encoder, features.shape[1:]
    if isinstance(scaler, ArrayScaler) and int(np.prod(shape)) != scaler.features:
        expected = (
            f"{'pictures' if scaler.image_shape else 'rows'} of shape {scaler.shape}, as the model was trained on"
        )
        raise DataError(f"answer for {name}", f"rows of shape {shape}", expected)


def true_answers(target: Target, values: Array) -> tuple[Array, Array]:
    """(answers, known): class numbers or amounts of a column of true values, and which rows have one.

    A class that the model does not know is -1, which no answer equals.

    >>> target = Target("colour", "classification", "", ["blue", "red"])
    >>> true_answers(target, np.array(["red", None, "green"], object))
    (array([ 1, -1, -1]), array([ True, False,  True]))
    """
    known = target.known(values)
    if target.task == "regression":
        return convert.column_numbers(values, target.name), known
    places = {label: place for place, label in enumerate(target.classes)}
    labels = [convert.label_of(value) for value in np.asarray(values).tolist()]
    return np.array([places.get(label or "", UNKNOWN_CLASS) for label in labels], np.int64), known


def _from_table(table: Table, name: str, preparation: Preparation) -> Rows:
    target = preparation.target
    truth = table[target.name] if target.name in table.columns else None
    features: Table | Array = table
    if isinstance(preparation.encoder, ArrayScaler):
        features = _matrix(table, name, preparation.encoder, target.name)
    return Rows(Path(name).name, features, truth, target, source=name)


def _matrix(table: Table, name: str, scaler: ArrayScaler, target: str) -> Array:
    """The columns of a table as the rows of a matrix, for a model that was trained on arrays without column names."""
    columns = [column for column in table.names if column != target]
    words = [column for column in columns if table.kinds[column] not in ("number", "boolean")]
    if words or len(columns) != scaler.features:
        received = f"column {words[0]!r} of text" if words else f"{len(columns)} columns"
        expected = f"{scaler.features} columns of numbers, as many as the inputs of the model"
        raise DataError(f"answer for {name}", received, expected, f"leave out all but these (and {target!r})")
    return np.stack([convert.column_numbers(table[column], column) for column in columns], axis=1)


def _from_examples(examples: Examples, preparation: Preparation) -> Rows:
    truth = examples.targets
    if examples.class_names is not None:
        truth = np.array(examples.class_names, object)[examples.targets]
    features: Table | Array = examples.inputs
    if not isinstance(preparation.encoder, ArrayScaler):
        features = _named_columns(examples, preparation)
    truth = truth.reshape(-1) if truth.size == len(examples) else np.full(len(examples), np.nan)
    return Rows(examples.name, features, truth, preparation.target, source=examples.source)


def _named_columns(examples: Examples, preparation: Preparation) -> Table:
    """An array's columns under their own names, or under those of the training table where they are equally many."""
    inputs, names = examples.flat(), examples.feature_names
    if len(names) != inputs.shape[1]:
        names = preparation.columns
    if len(names) != inputs.shape[1]:
        raise DataError(
            f"answer for {examples.name}", f"{inputs.shape[1]} columns without names",
            f"{len(names)} columns: {', '.join(names[:8])}{', ...' * (len(names) > 8)}", "write them as a table with a header",
        )  # fmt: skip
    return Table(dict(zip(names, inputs.T, strict=True)), dict.fromkeys(names, "number"), name=examples.name)


def _arrays(name: str, kind: str, preparation: Preparation) -> Examples:
    """The examples of an NPZ file; of one without targets, or of an NPY file, the inputs alone."""
    if kind == "npy":
        matrix = data.read_npy(name, mmap=True)
        place = re.fullmatch(r"column_(\d+)", preparation.target.name)
        if place and matrix.ndim == 2 and matrix.shape[1] == preparation.features + 1:
            # The matrix as it was for training, with the target among its columns.
            return Examples(np.delete(matrix, int(place[1]) - 1, axis=1), matrix[:, int(place[1]) - 1], name=name)
        return _unanswered(matrix, name)
    try:
        return data.read_npz(name)
    except DataError as problem:
        inputs = _only_array(name)
        if inputs is None:
            raise problem
        return _unanswered(inputs, name)


def _only_array(name: str) -> Array | None:
    """The array of an NPZ file that holds one, or one with the name of inputs; None for any other file."""
    try:
        with open(name, "rb") as file, np.load(file, allow_pickle=False) as archive:
            found = [key for key in _INPUT_NAMES if key in archive.files] or list(archive.files)[:2]
            return archive[found[0]] if len(found) == 1 else None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        return None


def _unanswered(inputs: Array, name: str) -> Examples:
    if inputs.ndim < 2 or inputs.dtype.kind not in "biuf" or not len(inputs):
        received = f"an array of shape {inputs.shape} of {inputs.dtype}"
        raise DataError(f"reading {name}", received, "one row of numbers an example, (n, ...)")
    return Examples(inputs, np.full(len(inputs), np.nan), name=Path(name).stem, source=name)


def _pictures(path: Path, preparation: Preparation) -> Rows:
    """One picture, a folder of pictures, or folders by class as for training."""
    shape = preparation.image_shape
    if shape is None:
        raise DataError(f"answer for {path}", "pictures", "numbers, which is what the model was trained on")
    files = image_folders.image_files(path) if path.is_dir() else [path]
    if not files:
        raise DataError(
            f"reading {path}", "no picture in it", f"files ending in {' '.join(sorted(image_folders.SUFFIXES))}"
        )
    pictures = np.stack([_picture(file, shape, preparation.resize) for file in files])
    names = [str(file.relative_to(path)) if path.is_dir() else file.name for file in files]
    # Where every picture lies in a subfolder named after a class, these are the true answers.
    parents = [Path(name).parent.name for name in names]
    truth = np.array(parents, object) if set(parents) <= set(preparation.target.classes) else None
    rows = Rows(path.name, pictures, truth, preparation.target, source=str(path), files=names)
    _adapt(rows, preparation)
    return rows


def _picture(file: Path, shape: tuple[int, ...], resize: bool) -> Array:
    (height, width), _ = image_folders.image_header(file)
    if (height, width) != shape[:2] and not resize:
        received, expected = f"{height} x {width} pixels", f"{shape[0]} x {shape[1]}, as the model was trained on"
        raise DataError(f"answer for {file}", received, expected, "crop or resize it as the training pictures were")
    return image_folders.read_pixels(file, shape)


def _adapt(rows: Rows, preparation: Preparation) -> None:
    """Bring the levels of image files to those of the training pictures, and say so; warn of pictures unlike them."""
    scaler = preparation.encoder
    assert isinstance(scaler, ArrayScaler) and not isinstance(rows.features, Table)
    if scaler.highest <= _FEW_LEVELS:
        rows.features = rows.features.astype(np.float32) * (scaler.highest / 255)
        rows.notices.append(f"pixels of 0 to 255 brought to 0 to {scaler.highest:g}, as in training")
    distance = float(scaler.transform(rows.features).mean())
    if abs(distance) > _UNLIKE * scaler.spread:
        than = "brighter" if distance > 0 else "darker"
        rows.notices.append(
            f"much {than} than the pictures the model learned from: are black and white the other way round?"
        )
