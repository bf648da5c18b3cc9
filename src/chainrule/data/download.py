"""Fetching a file from the first mirror that works: checked, with a progress bar on a terminal."""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from chainrule.core.errors import DataError

__all__ = ["fetch", "fetch_first"]

_CHUNK = 1 << 16


def fetch_first(
    urls: Sequence[str], check: Callable[[bytes], object], timeout: float = 30.0
) -> tuple[bytes, list[str]]:
    """Bytes from the first of ``urls`` whose content passes ``check``, and why the ones before did not.

    ``check`` raises DataError for content that is not what was wanted. Where every mirror fails the content
    is empty.
    """
    failures: list[str] = []
    for url in urls:
        try:
            content = fetch(url, timeout)
            check(content)
            return content, failures
        except DataError as error:
            failures.append(f"{url}: {error.received}")
        except urllib.error.HTTPError as error:
            failures.append(f"{url}: {error.code} {error.reason}")
            error.close()
        except urllib.error.URLError as error:
            failures.append(f"{url}: {error.reason}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            failures.append(f"{url}: {error or type(error).__name__}")
    return b"", failures


def fetch(url: str, timeout: float = 30.0) -> bytes:
    """The bytes at ``url``; ``timeout`` is how many seconds of silence to bear.

    Errors: those of urllib; DataError where fewer bytes came than were announced.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "chainrule"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        announced = int(response.headers.get("Content-Length") or 0)
        chunks: list[bytes] = []
        received = 0
        with _progress(url.rsplit("/", 1)[-1], announced) as show:
            while chunk := response.read(_CHUNK):
                chunks.append(chunk)
                received += len(chunk)
                show(received)
    if received < announced:
        raise DataError(f"fetching {url}", f"cut short after {received} of {announced} bytes", "the whole file")
    return b"".join(chunks)


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of bytes so far; a terminal shows them as a bar."""
    if not sys.stderr.isatty():
        yield lambda received: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=total or None)
        yield lambda received: progress.update(task, completed=received)
