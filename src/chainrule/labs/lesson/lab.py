"""The object that a lab's script talks to: it takes text, tables, figures and claims, and keeps them in order."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from chainrule import data
from chainrule.core.errors import ConfigError, DataError
from chainrule.labs.lesson.parts import (
    Claim,
    Code,
    Figure,
    Next,
    Note,
    Option,
    Output,
    Part,
    Section,
    Steps,
    Table,
    Text,
)
from chainrule.labs.lesson.pictures import draw
from chainrule.labs.lesson.script import Script
from chainrule.show.backward import Backpropagation
from chainrule.show.style import Style
from chainrule.show.svg import minus
from chainrule.show.words import check_language
from chainrule.tensor import Tensor
from chainrule.train.wording import number

__all__ = ["ClaimError", "Lab"]

T = TypeVar("T")

_QUICK = (
    "A quick run takes the 8 x 8 digits that come with chainrule, so the numbers differ from those of a full one.",
    "빠른 실행(`--quick`)이라 chainrule에 들어 있는 8 × 8 숫자 그림을 씁니다. 따라서 수치가 전체 실행과 다릅니다.",
)

_NO_MNIST = (
    "MNIST was not found, so the 8 x 8 digits that come with chainrule stand in, and the numbers differ from those of the "
    "slides. `--data-dir` names the folder that holds MNIST.",
    "MNIST를 찾지 못해 chainrule에 들어 있는 8 × 8 숫자 그림으로 대신합니다. 따라서 수치가 슬라이드와 다릅니다. "
    "MNIST가 있는 폴더는 `--data-dir`로 지정합니다.",
)

#: Text in a table that reads as a number.
_NUMERIC = re.compile(r"[-+−]?[\d.,]+(e[-+−]?\d+)?( %)?")

#: Arrays of up to this many numbers are written out beside a claim; of larger ones the largest difference is.
_FEW = 8


class ClaimError(AssertionError):
    """A claim that does not hold."""


class Lab:
    """What a script is given. ``quick``: whether small sizes are wanted. ``seed``: for ``cr.manual_seed``."""

    seed = 0

    def __init__(
        self,
        script: Script,
        lang: str = "en",
        quick: bool = False,
        data_dir: str | Path | None = None,
        drawing: bool = True,
        listen: Callable[[Part], None] = lambda part: None,
    ) -> None:
        self.script, self.lang, self.quick = script, check_language(lang), quick
        self.parts: list[Part] = []
        self._data_dir, self._drawing, self._listen = data_dir, drawing, listen
        self._option: Option | None = None
        self._pictures = ""
        # Every lab draws: what is missing is said before an hour of training, not after it.
        Style.of("style")

    # ---- what is told

    def section(self, en: str, ko: str) -> None:
        """A heading."""
        self._add(Section, self.say(en, ko))

    def text(self, en: str, ko: str) -> None:
        """Paragraphs, in the markup of ``prose``."""
        self._add(Text, self.say(en, ko))

    def note(self, en: str, ko: str) -> None:
        """A remark on this run, shown in a box."""
        self._add(Note, self.say(en, ko))

    def next(self, en: str, ko: str) -> None:
        """What to try next, at the end: a list."""
        self._add(Next, self.say(en, ko))

    def say(self, en: T, ko: T) -> T:
        """The one of the lesson's language, for heads of tables and labels."""
        return ko if self.lang == "ko" else en

    # ---- what is shown

    def code(self, *names: Any) -> None:
        """Functions, classes and (by name, as text) constants of the file, as a student copies them."""
        for name in names:
            key = name if isinstance(name, str) else name.__name__
            self._add(Code, self.script.source.definition(key, self._instead))

    def output(self, text: str, en: str, ko: str, python: bool = False) -> None:
        """Text that the code gave, such as an error or a listing, line by line as it is, with a caption.

        ``python``: it is a program, and coloured as one.
        """
        self._add(Output, text.strip("\n"), self.say(en, ko), python)

    def table(
        self,
        head: Sequence[str],
        rows: Iterable[Any],
        en: str = "",
        ko: str = "",
        decimals: int | None = None,
        digits: int = 6,
    ) -> None:
        """Rows of cells: text, numbers, booleans, tensors of one number.

        Args:
            head: titles of the columns; empty for a matrix.
            en, ko: the caption.
            decimals: digits after the point of floats; by default ``digits`` significant ones.
        """
        cells = [[_cell(value, decimals, digits) for value in row] for row in _lists(rows)]
        columns = list(zip(*cells, strict=True))
        right = tuple(i for i, column in enumerate(columns) if all(text for _, text in column))
        self._add(Table, tuple(head), tuple(tuple(text for text, _ in row) for row in cells), right, self.say(en, ko))

    def figure(self, drawing: Callable[..., Any], *arguments: Any, en: str, ko: str, **options: Any) -> None:
        """Call ``drawing(*arguments, **options)`` and show what it draws, with a caption.

        It is called with ``lang`` and, where it takes one, ``theme``: once for a light page and, but for quick runs, once
        for a dark one. In ``cr.show.graph`` and ``cr.show.backward`` tensors are called as the script's variables.
        """
        if not self._drawing:
            return
        if "names" in inspect.signature(drawing).parameters and "names" not in options:
            held = self._frame().f_locals.items()
            options["names"] = {name: value for name, value in held if isinstance(value, Tensor)}
        shown = draw(drawing, arguments, options, self.lang, ("light",) if self.quick else ("light", "dark"))
        caption = self.say(en, ko)
        if isinstance(shown, Backpropagation):
            lines = [(role, line) for step in shown.steps for role, line in [*step.lines(), ("", "")]]
            self._add(Steps, caption, tuple(lines[:-1]))
            return
        count = 1 + sum(isinstance(part, Figure) for part in self.parts)
        self._add(Figure, count, shown, caption, self.script.source.drawing(self._frame().f_lineno))

    @contextmanager
    def option(self, label: str, chosen: bool = False) -> Iterator[None]:
        """What is shown inside is one of several views, of which a page shows one at a time.

        Options that follow each other belong together; the chosen one, or the first, is seen at the beginning.
        """
        self._option = Option(minus(label), chosen)
        try:
            yield
        finally:
            self._option = None

    # ---- what is claimed

    def claim(self, en: str, ko: str, measured: Any, holds: Any) -> None:
        """A sentence with what was measured. The lab fails at its end if ``holds`` is false."""
        self._add(Claim, self.say(en, ko), _written(measured), "", bool(holds))

    def matches(self, en: str, ko: str, measured: Any, slide: str, within: float | None = None) -> None:
        """A claim that numbers are those of a slide.

        Args:
            measured: an array, as many numbers as the slide has.
            slide: the numbers as they are printed. Each measured one must round to the printed digits.
            within: the allowed difference instead, where the slide was computed from more digits than it prints.
        """
        values = np.asarray(_plain(measured), np.float64).ravel()
        printed = [Decimal(text) for text in slide.split()]
        if len(values) != len(printed):
            raise ConfigError("lab.matches", f"{len(values)} numbers", f"{len(printed)}, as on the slide", "")
        differences = np.abs(values - [float(p) for p in printed])
        places = [max(0, -int(p.as_tuple().exponent)) for p in printed]
        # Half a unit of the last digit, and what double precision makes of it.
        allowed = np.array([0.5000001 * 10.0**-n if within is None else within for n in places])
        if len(values) <= _FEW:
            shown = "  ".join(_fixed(v, n) for v, n in zip(values, places, strict=True))
            theirs = "  ".join(minus(text) for text in slide.split())
        else:
            shown = f"{self.say('largest difference', '가장 큰 차이')} {number(differences.max(), 2)}"
            theirs = self.say(f"{len(values)} numbers", f"수 {len(values)}개")
        self._add(Claim, self.say(en, ko), shown, theirs, bool((differences <= allowed).all()))

    def agrees(self, en: str, ko: str, measured: Any, expected: Any, within: float) -> None:
        """A claim that two arrays are the same but for rounding: no numbers of theirs differ by more than ``within``."""
        received, wanted = (np.asarray(_plain(value), np.float64) for value in (measured, expected))
        if received.shape != wanted.shape:
            raise ConfigError("lab.agrees", f"shapes {received.shape} and {wanted.shape}", "one shape", "")
        largest = float(np.abs(received - wanted).max())
        words = self.say("largest difference", "가장 큰 차이")
        self._add(Claim, self.say(en, ko), f"{words} {number(largest, 2)}", "", largest <= within)

    # ---- sizes and data

    def scale(self, full: T, quick: T) -> T:
        """A size: of the full run, or of a quick one. A page shows it as the number that was used."""
        return quick if self.quick else full

    def pictures(self, quick_digits: bool = False) -> tuple[data.Examples, data.Examples]:
        """Pictures to train with and to test with: MNIST where it is found, else the 8 x 8 digits, and a note that says so.

        MNIST is looked for in --data-dir, in CHAINRULE_DATA and in the cache; nothing is downloaded. Of the digits the
        last 297 are for testing. With ``quick_digits`` a quick run takes the digits in any case: for claims that want more
        of MNIST than it has time for.
        """
        digits = quick_digits and self.quick
        try:
            examples = None if digits else data.mnist(self._data_dir, download=False)
        except DataError:
            examples = None
        if examples is None:
            self.note(*(_QUICK if digits else _NO_MNIST))
            self._pictures = "cr.data.digits().take(range(1500)), cr.data.digits().take(range(1500, 1797))"
            return data.digits().take(range(1500)), data.digits().take(range(1500, 1797))
        folder = "" if self._data_dir is None else repr(str(self._data_dir))
        self._pictures = f"cr.data.mnist({folder}), cr.data.mnist({folder}).test"
        assert examples.test is not None
        return examples, examples.test

    # ---- at the end

    def finish(self) -> tuple[Part, ...]:
        """Everything in the order of the script, its code between it."""
        source = self.script.source
        imports = source.imports()
        blocks = [Code(text, line=line) for line, text in source.blocks(self._instead)]
        order = sorted([*blocks, *self.parts], key=lambda part: source.statement(part.line))
        first = next((i for i, part in enumerate(order) if isinstance(part, Code)), len(order))
        order.insert(first, Code(imports))
        return tuple(_joined(order))

    def check(self) -> None:
        """Raise ClaimError if a claim did not hold."""
        failed = [part for part in self.parts if isinstance(part, Claim) and not part.holds]
        if failed:
            lines = [
                f"{claim.text}\n    measured: {claim.measured}" + f"\n    slide:    {claim.slide}" * bool(claim.slide)
                for claim in failed
            ]
            raise ClaimError(f"the lab {self.script.name} claims what does not hold:\n  " + "\n  ".join(lines))

    # ---- inside

    def _add(self, kind: Callable[..., Part], *content: Any) -> None:
        part = kind(*content, line=self._frame().f_lineno, option=self._option)
        self.parts.append(part)
        self._listen(part)

    def _frame(self) -> Any:
        """Where the script is."""
        frame = sys._getframe(1)
        while frame.f_code is not self.script.run.__code__ and frame.f_back is not None:
            frame = frame.f_back
        return frame

    def _instead(self, node: ast.expr) -> str | None:
        """What a student writes for a use of ``lab`` inside the code."""
        named = node.func if isinstance(node, ast.Call) else node
        if not (isinstance(named, ast.Attribute) and isinstance(named.value, ast.Name) and named.value.id == "lab"):
            return None
        source = self.script.source
        if isinstance(node, ast.Call):
            given = {k.arg: k.value for k in node.keywords}
            if named.attr == "scale":
                return source.text(given["quick"] if self.quick else node.args[0])
            if named.attr == "say":
                return source.text(node.args[self.lang == "ko"])
            return self._pictures if named.attr == "pictures" else None
        return repr(getattr(self, named.attr)) if named.attr in ("seed", "quick", "lang") else None


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Pieces of code that stand beside each other, in the same view, as one."""
    waiting: Code | None = None
    for part in parts:
        if isinstance(part, Code) and not part.source:
            continue
        if isinstance(part, Code) and waiting is not None and waiting.option == part.option:
            waiting = replace(part, source=f"{waiting.source}\n\n{part.source}")
            continue
        if waiting is not None:
            yield waiting
        waiting = part if isinstance(part, Code) else None
        if waiting is None:
            yield part
    if waiting is not None:
        yield waiting


def _lists(rows: Iterable[Any]) -> list[list[Any]]:
    return [list(row.tolist() if isinstance(row, (Tensor, np.ndarray)) else row) for row in rows]


def _cell(value: Any, decimals: int | None = None, digits: int = 6) -> tuple[str, bool]:
    """The text of a cell, and whether it is a number."""
    if isinstance(value, str):
        # An empty cell stands in a column of numbers as well as in one of words.
        return (minus(value), True) if not value or _NUMERIC.fullmatch(value) else (value, False)
    value = value.item() if isinstance(value, (Tensor, np.ndarray, np.generic)) else value
    if decimals is None or isinstance(value, int):
        return number(int(value) if isinstance(value, bool) else value, digits), True
    return _fixed(value, decimals), True


def _fixed(value: float, decimals: int) -> str:
    """Digits after the point, with a true minus sign, and none before zero."""
    text = f"{value:.{decimals}f}"
    return minus(text if float(text) else text.lstrip("-"))


def _written(measured: Any) -> str:
    """Numbers as people read them; text as it is."""
    if isinstance(measured, str):
        return minus(measured)
    return "  ".join(_cell(value)[0] for value in np.asarray(_plain(measured)).ravel().tolist())


def _plain(values: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    return values.numpy() if isinstance(values, Tensor) else values
