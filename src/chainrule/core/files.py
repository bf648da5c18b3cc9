"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from chainrule.core.errors import ChainruleError, DataError

__all__ = ["atomic_write", "write_whole"]

#: What the operating system refuses, in words: (received, fix).
_REFUSALS = {
    errno.ENOENT: ("a folder that does not exist", "make the folder first, or name another"),
    errno.ENOTDIR: ("a path that goes through a file", "name a folder"),
    errno.EISDIR: ("the name of a folder", "name a file inside it"),
    errno.EACCES: ("a folder without permission to write", "change its permissions, or name another"),
    errno.EPERM: ("a folder without permission to write", "change its permissions, or name another"),
    errno.EROFS: ("a file system that can only be read", "name another folder"),
    errno.ENOSPC: ("a full disk", "free some space, or name another disk; what was there before is untouched"),
    errno.EDQUOT: ("a disk quota that is used up", "free some space; what was there before is untouched"),
    errno.ENAMETOOLONG: ("a name that is too long", "choose a shorter one"),
}


@contextmanager
def atomic_write(path: str | Path, error: type[ChainruleError] = DataError) -> Iterator[IO[bytes]]:
    """A binary file that appears at ``path``, whole, when the block ends well; until then the old one stays.

    The draft lies in the same folder, is on the disk before it takes the name, and is removed when anything fails,
    Ctrl-C included. Raises ``error`` for a missing folder, a missing permission or a full disk.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder, "three.bin")) as file:
    ...         _ = file.write(bytes(3))
    ...     os.listdir(folder)
    ['three.bin']
    """
    target = Path(path)
    try:
        with _draft(target) as file:
            yield file
    except OSError as problem:
        received, fix = _REFUSALS.get(problem.errno or 0, (problem.strerror or str(problem), "name another folder"))
        raise error(
            f"write {target}", received, "a folder that can be written, with room for the file", fix
        ) from problem


def write_whole(path: str | Path, content: str | bytes, error: type[ChainruleError] = DataError) -> None:
    """Write ``content`` (text as UTF-8) as ``atomic_write`` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "note.txt"), "안녕")
    ...     Path(folder, "note.txt").read_text(encoding="utf-8"), len(os.listdir(folder))
    ('안녕', 1)
    """
    with atomic_write(path, error) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextmanager
def _draft(target: Path) -> Iterator[IO[bytes]]:
    """A file beside ``target`` that is moved there at the end."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(draft, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        # Where the name itself is refused there is no draft either, and the first error is the one to tell.
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
