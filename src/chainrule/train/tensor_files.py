"""Named arrays and a JSON header in one safetensors file.

The header stands in the file's own metadata under the key ``chainrule``, so any safetensors reader gets the arrays,
under the names that ``state_dict`` gives them. Source: the format as described at github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.errors import CheckpointError
from chainrule.core.files import atomic_write

__all__ = ["FORMAT", "read_tensors", "write_tensors"]

Array = np.ndarray[Any, Any]

#: Raised by one whenever a reader of the old files would misread the new.
FORMAT = 1

#: What the file kinds are for, in words.
_KINDS = {
    "model": ("a saved model", "cr.load"),
    "checkpoint": ("a checkpoint of a run", "trainer.fit(..., resume=path)"),
}

#: The longest header that safetensors itself accepts.
_LONGEST_HEADER = 100_000_000


def write_tensors(path: str | Path, arrays: dict[str, Array], kind: str, header: dict[str, Any]) -> None:
    """Write ``arrays`` and ``header`` to ``path``, whole or not at all.

    Raises CheckpointError where the folder is missing or cannot be written, or the disk is full.
    """
    from safetensors.numpy import save

    # safetensors 0.8 writes the bytes of a non-contiguous array in the wrong order, silently.
    arrays = {name: np.array(array, order="C", copy=None) for name, array in arrays.items()}
    header = {"version": FORMAT, "kind": kind, "checksum": _checksum(arrays), **header}
    text = json.dumps(header, ensure_ascii=False, allow_nan=False)
    content = save(arrays, {"chainrule": text})
    if int.from_bytes(content[:8], "little") > _LONGEST_HEADER:
        raise CheckpointError(
            f"write {path}", f"a header of {len(text):,} characters", "less than 100 MB", "pass less in extra="
        )
    with atomic_write(path, CheckpointError) as file:
        file.write(content)


def read_tensors(path: str | Path, kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the header of a file that ``write_tensors`` wrote.

    Raises CheckpointError for a file that is missing, cut short, damaged, of another kind, or of a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = _read(path)
    header = _header(path, content)
    _check_kind(path, header, kind)
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError) as problem:
        raise _damaged(path, str(problem)) from problem
    if header.get("checksum") != _checksum(arrays):
        raise _damaged(path, "its numbers are not those that were written")
    return arrays, header


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        fix = f"check the path; looked from {Path.cwd()}" if isinstance(problem, FileNotFoundError) else ""
        raise CheckpointError(
            f"read {path}", f"{problem.strerror or problem}".lower(), "a file that can be read", fix
        ) from problem


def _header(path: str | Path, content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    # A safetensors file begins with the length of its header, whose first character is a brace.
    if len(content) < 9 or content[8:9] != b"{" or length > _LONGEST_HEADER:
        raise CheckpointError(
            f"read {path}", "a file that is not safetensors", "a file that chainrule wrote", "check the path"
        )
    try:
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (ValueError, AttributeError, RecursionError) as problem:
        raise _damaged(path, "its header is cut short or damaged") from problem
    if "chainrule" not in metadata:
        raise CheckpointError(
            f"read {path}",
            "a safetensors file that chainrule did not write",
            "one with a chainrule header",
            "build the model, then model.load_state_dict(safetensors.numpy.load_file(path))",
        )
    try:
        header: dict[str, Any] = dict(json.loads(metadata["chainrule"]))
    except (TypeError, ValueError, RecursionError) as problem:
        raise _damaged(path, "its chainrule header is no JSON object") from problem
    return header


def _check_kind(path: str | Path, header: dict[str, Any], kind: str) -> None:
    version = header.get("version")
    if not isinstance(version, int):
        raise _damaged(path, f"its format version is {version!r}")
    if version > FORMAT:
        raise CheckpointError(
            f"read {path}",
            f"format {version}, written by a newer chainrule",
            f"format {FORMAT} or older",
            "upgrade chainrule",
        )
    found = header.get("kind")
    if found != kind:
        received, reader = _KINDS.get(str(found), (f"a file of kind {found!r}", ""))
        raise CheckpointError(
            f"read {path} as {_KINDS[kind][0]}",
            received,
            _KINDS[kind][0],
            f"use {reader}" if reader else "check the path",
        )


def _checksum(arrays: dict[str, Array]) -> str:
    """CRC-32 over names and bytes: finds what a length check cannot, such as a flipped bit."""
    crc = 0
    for name in sorted(arrays):
        crc = zlib.crc32(arrays[name].reshape(-1).view(np.uint8).data, zlib.crc32(name.encode("utf-8"), crc))
    return f"{crc:08x}"


def _damaged(path: str | Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"read {path}",
        f"a damaged file: {why}",
        "the file as it was written",
        "use another copy of it, or save it again",
    )
