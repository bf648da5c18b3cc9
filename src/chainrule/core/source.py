"""Where in the user's code an op was asked for: found cheaply when the op runs, spelled out when it is printed."""

from __future__ import annotations

import linecache
import os
import sys
from types import CodeType, FrameType
from typing import Any

__all__ = ["Location", "caller", "describe", "in_library", "line_text"]

#: A code object and the offset of the running instruction in it; the line is worked out only when it is wanted.
Location = tuple[CodeType, int]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LABS = os.path.join(_PACKAGE, "labs") + os.sep


class _Internal(dict[str, bool]):
    """Whether a file belongs to the library; labs are written as a user writes, so they do not."""

    def __missing__(self, filename: str) -> bool:
        internal = filename.startswith(_PACKAGE) and not filename.startswith(_LABS)
        self[filename] = internal
        return internal


_internal = _Internal()


def in_library(function: Any) -> bool:
    """Whether a function's text stands in the library."""
    code = getattr(function, "__code__", None)
    return code is not None and _internal[code.co_filename]


def caller(depth: int = 1) -> Location:
    """The innermost frame outside the library."""
    frame: FrameType = sys._getframe(depth)
    internal = _internal
    while internal[frame.f_code.co_filename]:
        outer = frame.f_back
        if outer is None:
            break
        frame = outer
    return frame.f_code, frame.f_lasti


def line_number(location: Location) -> int:
    """The line that a location stands on."""
    code, offset = location
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


def describe(location: Location | None) -> str:
    """``file.py:12``, or ``?`` where nothing is known."""
    if location is None:
        return "?"
    return f"{os.path.basename(location[0].co_filename)}:{line_number(location)}"


def line_text(location: Location | None) -> str:
    """The text of the line, if its file can be read."""
    if location is None:
        return ""
    return linecache.getline(location[0].co_filename, line_number(location)).strip()
