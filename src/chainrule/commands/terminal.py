"""What is printed: aligned, wrapped to the window, coloured in a terminal and plain everywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TextIO

__all__ = ["Screen", "notice", "print_table"]

_LABEL_WIDTH = 11
_WIDEST = 110
_CODES = {"bold": "1", "dim": "2", "red": "1;31", "yellow": "33"}


class Screen:
    """Lines of a label and a sentence on a stream; ``quiet`` leaves out all but ``result``.

    >>> screen = Screen(sys.stdout)
    >>> screen.say("data", "iris, 150 rows of 4 numbers")
    data        iris, 150 rows of 4 numbers
    """

    def __init__(self, stream: TextIO | None = None, quiet: bool = False) -> None:
        self.stream, self.quiet = sys.stdout if stream is None else stream, quiet

    def say(self, label: str, sentence: str) -> None:
        """A line of ``label`` and ``sentence``, unless quiet."""
        if not self.quiet:
            self._line(label, sentence)

    def result(self, label: str, sentence: str) -> None:
        """A line that is wanted even when quiet."""
        self._line(label, sentence)

    def blank(self) -> None:
        """An empty line, unless quiet."""
        if not self.quiet:
            print(file=self.stream, flush=True)

    def _line(self, label: str, sentence: str) -> None:
        indent = " " * (_LABEL_WIDTH + 1)
        lines = _wrapped(sentence, self.stream, len(indent))
        space = " " * (_LABEL_WIDTH - _width(label))
        print(styled(label + space, "bold", self.stream), lines[0], file=self.stream)
        for line in lines[1:]:
            print(indent + line, file=self.stream)
        self.stream.flush()


def notice(text: str, label: str = "note", stream: TextIO | None = None) -> None:
    """A remark beside the results, on stderr."""
    stream = sys.stderr if stream is None else stream
    print(styled(f"{label}:", "yellow", stream), text, file=stream, flush=True)


def print_table(
    rows: Sequence[Sequence[str]], right: Sequence[int] = (), stream: TextIO | None = None, head: bool = True
) -> None:
    """Rows in aligned columns, the first row bold if it is the ``head``; columns numbered in ``right`` are flush right.

    >>> print_table([("layer", "parameters"), ("Linear", "1,234")], right=[1])
    layer   parameters
    Linear       1,234
    """
    stream = sys.stdout if stream is None else stream
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - _width(cell))
            cells.append(space + cell if place in right else cell + space)
        line = "  ".join(cells).rstrip()
        print(styled(line, "bold", stream) if head and number == 0 else line, file=stream)


def _width(text: str) -> int:
    """How many columns of a terminal a text takes: Korean, Chinese and Japanese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def styled(text: str, style: str, stream: TextIO) -> str:
    """``text`` in a style where ``stream`` is a terminal that shows styles (https://no-color.org is respected)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if plain or not is_terminal(stream):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether someone is looking; a closed stream, or none (pythonw), is no terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _wrapped(text: str, stream: TextIO, indent: int) -> list[str]:
    """Lines that fit the window; a line for a file or a pipe is left whole, for grep."""
    if not is_terminal(stream):
        return [text]
    width = min(_WIDEST, shutil.get_terminal_size().columns - 1) - indent
    lines = textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
    return lines or [""]
