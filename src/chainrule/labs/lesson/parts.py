"""What a lesson consists of: headings, text, code, tables, figures and claims, in one language, ready to be printed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Claim", "Code", "Figure", "Next", "Note", "Option", "Output", "Part", "Section", "Steps", "Table", "Text"]


@dataclass(frozen=True)
class Option:
    """One of several views of which the page shows one at a time."""

    label: str
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something on the page. ``line`` is where the script asked for it."""

    line: int = 0
    option: Option | None = None

    @property
    def kind(self) -> str:
        """Its name in the templates."""
        return type(self).__name__.lower()


@dataclass(frozen=True)
class Section(Part):
    """A heading."""

    title: str


@dataclass(frozen=True)
class Text(Part):
    """Paragraphs in the markup of ``prose``."""

    text: str


@dataclass(frozen=True)
class Code(Part):
    """Lines of the script, as a student copies them."""

    source: str


@dataclass(frozen=True)
class Output(Part):
    """Text that the code gave, line by line as it is; ``python`` where it is a program."""

    printed: str
    caption: str
    python: bool


@dataclass(frozen=True)
class Table(Part):
    """Cells as they are written; ``right`` holds the columns of numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...]
    caption: str


@dataclass(frozen=True)
class Figure(Part):
    """A picture as SVG: for a light page, and for a dark one unless it adapts by itself or the run was quick."""

    number: int
    svg: tuple[str, ...]
    caption: str
    #: The call that draws it, as a student would write it; empty for a lab's own drawing.
    call: str


@dataclass(frozen=True)
class Steps(Part):
    """Lines of text with their roles, folded up: backpropagation one node at a time."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Claim(Part):
    """A sentence and what was measured; it holds, or the lab fails."""

    text: str
    measured: str
    slide: str
    holds: bool


@dataclass(frozen=True)
class Note(Part):
    """A remark on the run itself, such as which data stood in for which."""

    text: str


@dataclass(frozen=True)
class Next(Part):
    """What to try next, as text."""

    text: str
