"""What griffe reads in the source, made ready for the reference."""

from __future__ import annotations

import logging
import re
from typing import Any

import griffe

from generate.docstrings import to_markdown
from generate.names import homes, written

__all__ = ["HouseStyle"]

_log = logging.getLogger("mkdocs.plugins.chainrule")


class HouseStyle(griffe.Extension):
    """Docstrings become Markdown, and signatures lose annotations that say nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.links = {name: path for name, path in written().items() if path in homes()}

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Called for every object in the source, when its members are known."""
        if isinstance(obj, griffe.Function):
            for parameter in obj.parameters:
                if str(parameter.annotation) == "Any":
                    parameter.annotation = None
        if obj.docstring is not None:
            names = _described(obj)
            text = obj.docstring.value
            unknown = _documented(text) - names if isinstance(obj, griffe.Function) else set()
            if unknown:
                _log.warning("%s describes %s, which it does not take", obj.path, ", ".join(sorted(unknown)))
            obj.docstring.value = to_markdown(text, names, self.links)


def _described(obj: griffe.Object) -> set[str]:
    """The arguments and fields that a docstring may describe."""
    if isinstance(obj, griffe.Function):
        return {parameter.name.lstrip("*") for parameter in obj.parameters}
    if not isinstance(obj, griffe.Class):
        return set()
    names = set(obj.members)
    init = obj.members.get("__init__")
    return names | (_described(init) if isinstance(init, griffe.Function) else set())


def _documented(text: str) -> set[str]:
    """The arguments that a docstring has under ``Args:``."""
    section = re.search(r"^Args:\n((?:    .*\n?)+)", text, re.MULTILINE)
    entries = re.findall(r"^    (\w+(?:, \w+)*): ", section[1] if section else "", re.MULTILINE)
    return {name for entry in entries for name in entry.split(", ")}
