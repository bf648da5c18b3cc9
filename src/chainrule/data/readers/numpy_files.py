"""NPY and NPZ files: arrays as NumPy saves them. Pickled objects are refused: reading them runs code."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DataError
from chainrule.data.examples import Examples, make_examples
from chainrule.data.storage import reading
from chainrule.data.tables import unknown_name

__all__ = ["read_npy", "read_npz"]

Array = npt.NDArray[Any]

#: Names under which inputs and targets are looked for, in this order.
PAIRS = (
    ("inputs", "targets"),
    ("x_train", "y_train"),
    ("X_train", "y_train"),
    ("train_images", "train_labels"),
    ("X", "y"),
    ("x", "y"),
    ("data", "target"),
    ("images", "labels"),
)
TEST_PAIRS = (
    ("test_inputs", "test_targets"),
    ("x_test", "y_test"),
    ("X_test", "y_test"),
    ("test_images", "test_labels"),
)
_NAMES = {"class_names": ("class_names", "target_names"), "feature_names": ("feature_names",)}


def read_npy(path: str | Path, mmap: bool = False) -> Array:
    """Read one array; with ``mmap`` it stays on disk, read-only, and rows are read when used.

    Errors: DataError where the file is missing, cut short, of another kind, or holds pickled objects.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npy"
    >>> np.save(path, np.eye(2))
    >>> read_npy(path, mmap=True)[1].tolist()
    [0.0, 1.0]
    """
    with reading(path), _damage(path, "an NPY file"):
        with open(path, "rb") as file:
            _check_beginning(file, path, "an NPY file")
        array = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"reading {path}", "an NPZ archive of several arrays", "an NPY file", "use read_npz")
    return array


def read_npz(path: str | Path, inputs: str | None = None, targets: str | None = None) -> Examples:
    """Read examples from the arrays of an NPZ file.

    Inputs and targets are named by the arguments, or found as inputs/targets, x_train/y_train, X/y, x/y,
    data/target or images/labels; x_test/y_test (or X_test, test_inputs/test_targets,
    test_images/test_labels) become the test part; class_names and feature_names are taken along. Byte arrays
    (n, height, width[, 3 colours]) are pictures.

    Errors: DataError that lists the file's arrays where inputs or targets are not among them; and as
    ``read_npy``.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "xor.npz"
    >>> np.savez(path, X=np.eye(4, 2, dtype=np.float32), y=np.array([0, 1, 1, 0]))
    >>> read_npz(path)
    Examples 'xor': 4 examples of shape (2,) float32, 2 classes
    """
    path = Path(path)
    # NumPy leaves a file that it cannot read open; here it is closed in any case.
    with reading(path), _damage(path, "an NPZ file"), open(path, "rb") as file:
        _check_beginning(file, path, "an NPZ file")
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"reading {path}", "an NPY file of one array", "an NPZ file", "use read_npy")
        with archive:
            pair = _find_pair(list(archive.files), inputs, targets, path)
            x, y = (archive[name] for name in pair)
            test = next((names for names in TEST_PAIRS if set(names) <= set(archive.files)), None)
            tested = (archive[test[0]], archive[test[1]]) if test else None
            known = {role: _strings(archive, names) for role, names in _NAMES.items()}
    return make_examples(
        x,
        y,
        test=tested,
        class_names=known["class_names"],
        feature_names=known["feature_names"] or (),
        target_name=pair[1],
        image_shape=_picture_shape(x),
        name=path.stem,
        source=str(path),
    )


def _check_beginning(file: IO[bytes], path: str | Path, kind: str) -> None:
    """NumPy takes whatever is neither NPY nor a zip archive for pickled objects; here it is told as it is."""
    beginning = file.read(6)
    file.seek(0)
    if not beginning.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06", b"\x80")):
        raise DataError(
            f"reading {path}", "something else, or a damaged file", kind, "check the file, or save it again"
        )


def _find_pair(names: list[str], inputs: str | None, targets: str | None, path: Path) -> tuple[str, str]:
    for name in (inputs, targets):
        if name is not None and name not in names:
            raise unknown_name(f"array {name!r} of {path}", name, names)
    for x, y in PAIRS:
        x, y = inputs or x, targets or y
        if x in names and y in names and x != y:
            return x, y
    looked_for = ", ".join(f"{x}/{y}" for x, y in PAIRS)
    fix = "name them: read_npz(path, inputs=..., targets=...)"
    raise DataError(f"reading {path}", f"arrays {', '.join(names) or 'none'}", f"one of the pairs {looked_for}", fix)


def _strings(archive: Any, names: tuple[str, ...]) -> tuple[str, ...] | None:
    found = next((archive[name] for name in names if name in archive.files), None)
    return None if found is None else tuple(str(name) for name in found.ravel())


def _picture_shape(inputs: Array) -> tuple[int, ...] | None:
    colours = inputs.ndim == 4 and inputs.shape[3] in (1, 3)
    return inputs.shape[1:] if inputs.dtype == np.uint8 and (inputs.ndim == 3 or colours) else None


@contextmanager
def _damage(path: str | Path, expected: str) -> Iterator[None]:
    """Turn NumPy's complaints about a file's content into DataError."""
    asked = f"reading {path}"
    try:
        yield
    except DataError:
        raise
    except (ValueError, EOFError, KeyError, SyntaxError, zipfile.BadZipFile, zlib.error) as error:
        if "pickle" in str(error):
            received = "pickled Python objects, which can run any code when read"
            raise DataError(asked, received, f"{expected} of plain numbers or text", "save plain arrays") from None
        raise DataError(asked, f"a damaged or other file ({error})", expected, "write or fetch it again") from None
