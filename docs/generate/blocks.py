"""Blocks of code on pages that are run where the page is made."""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Raised", "answered", "examples", "sessions"]

_FENCE = re.compile(r"^```python raises\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_SESSION = re.compile(r"^```python\n(>>> .*?)^```\n", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## `?(\w+)`?$", re.MULTILINE)


@dataclass(frozen=True)
class Raised:
    """An example that ends in an error, and the heading under which it stands."""

    heading: str
    code: str
    error: BaseException

    @property
    def message(self) -> str:
        """As Python prints it, without the way there; the folder that is gone again has a plain name."""
        text = f"{type(self.error).__name__}: {self.error}"
        return re.sub(rf"{re.escape(tempfile.gettempdir())}/\w+", "~", text)


def examples(markdown: str) -> Iterator[Raised]:
    """Run the blocks marked ``python raises``, each by itself in an empty folder; each has to end in an error."""
    for block in _FENCE.finditer(markdown):
        headings = _HEADING.findall(markdown[: block.start()])
        yield Raised(headings[-1] if headings else "", block[1], _error(block[1]))


def answered(markdown: str) -> str:
    """The page with what each example raises below it."""
    messages = iter([raised.message for raised in examples(markdown)])
    return _FENCE.sub(
        lambda block: f"```python\n{block[1]}```\n\n```{{.text .wrap}}\n{next(messages)}\n```\n", markdown
    )


def sessions(markdown: str) -> str:
    """Blocks with >>> as what they are, sessions, with empty lines for ``<BLANKLINE>``; another library's code as Python."""
    markdown = markdown.replace("```python torch\n", "```python\n")
    return _SESSION.sub(lambda block: f"```pycon\n{block[1].replace('<BLANKLINE>', '').rstrip()}\n```\n", markdown)


def _error(code: str) -> BaseException:
    before, name = os.getcwd(), "example.py"
    # Where Python, and so the message, finds the line that went wrong.
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            exec(compile(code, name, "exec"), {"__name__": "__main__"})
        except Exception as error:
            return error
        finally:
            os.chdir(before)
            del linecache.cache[name]
    raise AssertionError(f"an example that should raise an error does not:\n{code}")
