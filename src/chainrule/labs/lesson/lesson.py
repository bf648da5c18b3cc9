"""A lab that was run: its parts in order, its page, and its files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chainrule.core.errors import ConfigError
from chainrule.core.files import write_whole
from chainrule.labs.lesson.lab import Lab
from chainrule.labs.lesson.page import render_page
from chainrule.labs.lesson.parts import Claim, Code, Figure, Part
from chainrule.labs.lesson.script import Script

__all__ = ["Lesson", "teach"]


@dataclass(frozen=True)
class Lesson:
    """What a lab showed and measured."""

    script: Script
    lang: str
    quick: bool
    parts: tuple[Part, ...]
    seconds: float

    @property
    def claims(self) -> list[Claim]:
        """All claims, in order; they hold."""
        return [part for part in self.parts if isinstance(part, Claim)]

    @property
    def figures(self) -> list[Figure]:
        """All pictures."""
        return [part for part in self.parts if isinstance(part, Figure)]

    @property
    def program(self) -> str:
        """The code of the page as one program, which runs by itself."""
        return "\n\n".join(part.source for part in self.parts if isinstance(part, Code)) + "\n"

    @property
    def html(self) -> str:
        """The page; it needs no network and no script."""
        return render_page(self, whole=True)

    @property
    def article(self) -> str:
        """The page's content without head and style, to stand on a page of the documentation."""
        return render_page(self, whole=False)

    def paths(self, folder: str | Path) -> list[Path]:
        """The files that ``write`` writes: the page, then each figure; languages lie beside each other."""
        ending = "" if self.lang == "en" else f".{self.lang}"
        names = [f"{self.script.name}{ending}.html"]
        names += [f"{self.script.name}-{figure.number}{ending}.svg" for figure in self.figures]
        return [Path(folder) / name for name in names]

    def write(self, folder: str | Path) -> list[Path]:
        """Write the page and each figure into ``folder``, which is made if need be; returns the paths, the page first.

        Raises ConfigError for a folder that cannot be made or written.
        """
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            received = (problem.strerror or str(problem)).lower()
            raise ConfigError(f"write into {folder}", received, "a folder", "name another with --out") from None
        paths = self.paths(folder)
        for path, content in zip(paths, [self.html, *(figure.svg[0] for figure in self.figures)], strict=True):
            write_whole(path, content, ConfigError)
        return paths


def teach(
    script: Script,
    lang: str = "en",
    quick: bool = False,
    data_dir: str | Path | None = None,
    out: str | Path | None = None,
    drawing: bool = True,
    listen: Callable[[Part], None] = lambda part: None,
) -> Lesson:
    """Run a lab. Where a claim does not hold its page is written all the same, and then ClaimError is raised.

    Args:
        script: which lab. lang: "en" or "ko". quick: small sizes. data_dir: where MNIST lies.
        out: folder for the page and figures. drawing: whether figures are wanted.
        listen: gets every part as it comes.
    """
    lab = Lab(script, lang, quick, data_dir, drawing, listen)
    started = time.perf_counter()
    script.run(lab)
    lesson = Lesson(script, lang, quick, lab.finish(), time.perf_counter() - started)
    if out is not None:
        lesson.write(out)
    lab.check()
    return lesson
