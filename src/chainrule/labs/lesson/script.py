"""One lab: its name, its title and question in both languages, and what runs it."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from chainrule.core.errors import ConfigError
from chainrule.labs.lesson.source import Source
from chainrule.show.words import LANGUAGES

if TYPE_CHECKING:
    from chainrule.labs.lesson.lab import Lab

__all__ = ["Script"]


@dataclass(frozen=True)
class Script:
    """A lab's file, read: texts are (English, Korean)."""

    name: str
    titles: tuple[str, str]
    questions: tuple[str, str]
    run: Callable[[Lab], None]

    @classmethod
    def named(cls, name: str, known: Sequence[str]) -> Script:
        """The lab of that name; underscores and capitals are forgiven.

        Raises ConfigError for a name that is not known, with the nearest that is.
        """
        key = name.lower().replace("_", "-")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            fix = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"the lab {name!r}", f"no lab of that name; there are {', '.join(known)}", "one of these names",
                f"{fix}chainrule lab lists them with their titles",
            )  # fmt: skip
        module = importlib.import_module(f"chainrule.labs.{key.replace('-', '_')}")
        # The docstring: title and question, each in English, then in Korean.
        parts = [" ".join(part.split()) for part in re.split(r"\n\s*\n", inspect.getdoc(module) or "")]
        title, korean_title, question, korean_question = (
            part.rstrip(".") if i < 2 else part for i, part in enumerate(parts)
        )
        return cls(key, (title, korean_title), (question, korean_question), module.run)

    @cached_property
    def source(self) -> Source:
        """The text of the file."""
        return Source(inspect.getfile(self.run), self.run.__code__.co_firstlineno)

    def title(self, lang: str) -> str:
        """The heading of the page."""
        return self.titles[LANGUAGES.index(lang)]

    def question(self, lang: str) -> str:
        """What the lab asks."""
        return self.questions[LANGUAGES.index(lang)]
