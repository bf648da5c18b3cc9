"""Files read whole and written whole, with errors that name the file and say what is wrong with it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chainrule.core.errors import DataError

__all__ = ["gunzip", "is_gzip", "read_content", "read_raw", "reading"]


def is_gzip(content: bytes) -> bool:
    """Whether these bytes begin as a gzip file does (RFC 1952, section 2.3.1)."""
    return content[:2] == b"\x1f\x8b"


def gunzip(content: bytes, name: str) -> bytes:
    """Decompressed bytes of the gzip file ``name``; DataError where it is cut short or damaged."""
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        received = f"damaged gzip data ({error})"
        raise DataError(f"reading {name}", received, "a whole gzip file", "fetch it again") from None


def read_content(path: str | Path) -> bytes:
    """All bytes of a file, decompressed if it is gzip; DataError where it cannot be read."""
    content = read_raw(path)
    return gunzip(content, str(path)) if is_gzip(content) else content


def read_raw(path: str | Path) -> bytes:
    """All bytes of a file as they are."""
    with reading(path):
        return Path(path).read_bytes()


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn the operating system's refusals to read ``path`` into DataError."""
    asked = f"reading {path}"
    try:
        yield
    except FileNotFoundError:
        raise DataError(asked, "no such file", "a file", f"check the path; looked from {Path.cwd()}") from None
    except IsADirectoryError:
        raise DataError(asked, "a folder", "a file", "name a file inside it") from None
    except PermissionError:
        raise DataError(asked, "permission denied", "a file you may read", "change its permissions") from None
    except OSError as error:
        raise DataError(asked, error.strerror or str(error), "a readable file") from None
