"""Compiled kernels on disk, so that the next process starts warm. Whatever goes wrong here, the kernel is compiled."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from chainrule.core.config import config
from chainrule.core.files import atomic_write

__all__ = ["kernel_key", "lookup", "store"]

#: The folder is kept under this many bytes: the kernels that were not used for longest are deleted.
MOST_BYTES = 128 << 20

_MAGIC = b"chainrule kernel 2\n"
_SUFFIX = ".kernel"
#: Bytes that say how long the object file is that follows them.
_LENGTH = 8


def kernel_key(text: str, target: str) -> str:
    """The name of a kernel: a digest of its text and of everything else that its code depends on."""
    return hashlib.sha256(f"{target}\n{text}".encode()).hexdigest()


def lookup(key: str) -> list[bytes] | None:
    """The object files stored under ``key``; None if there is none, or if it is not whole."""
    path = _path(key)
    if path is None:
        return None
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest_end = len(_MAGIC) + 32
    framed = stored[digest_end:]
    if stored[: len(_MAGIC)] != _MAGIC or stored[len(_MAGIC) : digest_end] != hashlib.sha256(framed).digest():
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used now: it is deleted later than others
    objects = []
    while framed:
        end = _LENGTH + int.from_bytes(framed[:_LENGTH], "little")
        objects.append(framed[_LENGTH:end])
        framed = framed[end:]
    return objects


def store(key: str, objects: Sequence[bytes]) -> None:
    """Keep object files under ``key``; a folder that cannot be written keeps nothing."""
    path = _path(key)
    if path is None:
        return
    framed = b"".join(len(code).to_bytes(_LENGTH, "little") + code for code in objects)
    with contextlib.suppress(Exception):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(_MAGIC + hashlib.sha256(framed).digest() + framed)
        _shrink(path.parent)


def _path(key: str) -> Path | None:
    return None if config.cache_dir is None else Path(config.cache_dir) / (key + _SUFFIX)


def _shrink(folder: Path) -> None:
    """Delete what was not used for longest until the rest is small enough."""
    entries = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            found = path.stat()
            entries.append((found.st_mtime, found.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MOST_BYTES:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size
