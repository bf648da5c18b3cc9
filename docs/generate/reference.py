"""The reference: a page for each room, written from its ``__all__``."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from chainrule.ops import UNARY_METHODS
from chainrule.tensor import Tensor
from generate.docstrings import to_markdown
from generate.names import Entry, Room, homes, rooms, written

__all__ = ["pages"]


def pages() -> dict[str, tuple[str, str]]:
    """The reference's pages: file name to (title, Markdown), the index first."""
    chosen = sorted(rooms(), key=lambda room: (room.path != "chainrule", room.path))
    made = {f"reference/{room.short}.md": (room.short, "\n\n".join(_room(room)) + "\n") for room in chosen}
    index = ["# Reference", _INDEX, _table((f"[{r.short}]({r.short}.md)", _summary(r.doc)) for r in chosen)]
    return {"reference/index.md": ("Overview", "\n\n".join(index) + "\n"), **made}


_INDEX = """Every public name, with what its docstring says. The examples are run by the tests, so what they print is what comes.
Names are written as after

```python
import chainrule as cr
from chainrule import data, nn, ops, optim, show
```

and what `cr` has from other rooms (`cr.exp`, `cr.grad`, `cr.Trainer`) is described where it is made."""


def _room(room: Room) -> Iterator[str]:
    own = [entry for entry in room.entries if homes()[entry.path] == room and not _is_alias(entry, room)]
    groups = {module: list(group) for module, group in groupby(sorted(own, key=_place), key=lambda e: e.module)}
    yield f"# {room.short}"
    yield to_markdown(room.doc, links=written())
    if len(own) > 1:
        yield _table((f"[`{e.name}`][{e.path}]", _described(e, room)) for group in groups.values() for e in group)
    for other, names in _elsewhere(room).items():
        yield f"**From [{other}]({other}.md):** {', '.join(names)}"
    for module, group in groups.items():
        # A file with one name needs no heading of its own.
        together = len(groups) > 1 and len(group) > 1
        if together:
            yield f"## {_title(module, room)}"
        if together and module != room.path:
            yield to_markdown(inspect.getdoc(importlib.import_module(module)) or "", links=written())
        for entry in group:
            yield from _entry(entry, 3 if together else 2)


def _entry(entry: Entry, level: int) -> Iterator[str]:
    kind = type(entry.value)
    if entry.value is Tensor:
        yield _directive(entry.path, level, ["inherited_members: true"])
        others = sorted(name for name in UNARY_METHODS if not hasattr(Tensor, name))
        yield "These functions are methods too: " + ", ".join(f"[`{n}`][{written()[f'ops.{n}']}]" for n in others) + "."
    elif entry.kind != "constant":
        yield _directive(entry.path, level, [])
    elif kind.__module__.startswith("chainrule."):  # an object that stands for its class, such as cr.config
        yield f'[](){{ id="{entry.path}" }}'
        yield _directive(f"{kind.__module__}.{kind.__qualname__}", level, [f"heading: {entry.name}"])
    else:
        yield f'{"#" * level} {entry.name} {{ id="{entry.path}" }}'
        yield to_markdown(_constant(entry), links=written())


def _directive(path: str, level: int, options: list[str]) -> str:
    return "\n      ".join([f"::: {path}\n    options:", f"heading_level: {level}", *options])


def _elsewhere(room: Room) -> dict[str, list[str]]:
    """Names of the room that are described in others, by room."""
    found: dict[str, list[str]] = {}
    for entry in room.entries:
        home = homes()[entry.path]
        if home != room:
            found.setdefault(home.short, []).append(f"[`{entry.name}`][{entry.path}]")
    return found


def _place(entry: Entry) -> tuple[str, int, str]:
    """Entries stand by the file that defines them, in its order; constants come first."""
    code = entry.value if entry.kind != "constant" else None
    try:
        line = inspect.getsourcelines(code)[1] if code is not None else 0
    except (OSError, TypeError):
        line = 0
    return entry.module, line, entry.name


def _is_alias(entry: Entry, room: Room) -> bool:
    """Whether it is a second name of something that the room exports under its own."""
    names = {other.name for other in room.entries if other.path == entry.path}
    return entry.path.rpartition(".")[2] in names - {entry.name}


def _described(entry: Entry, room: Room) -> str:
    text = _summary((inspect.getdoc(entry.value) or "") if entry.kind != "constant" else _constant(entry))
    others = [f"`{other.name}`" for other in room.entries if other.path == entry.path and other.name != entry.name]
    return f"{text} Also {', '.join(others)}." if others else text


def _constant(entry: Entry) -> str:
    """What is said about a constant: the comment that stands above it, or what it is."""
    source = inspect.getsource(importlib.import_module(entry.module))
    comment = re.search(rf"((?:^#: .*\n)+){re.escape(entry.name)}\b", source, re.MULTILINE)
    if comment:
        return " ".join(line.removeprefix("#: ") for line in comment[1].splitlines())
    if isinstance(entry.value, np.dtype):
        return f"The element type ``{entry.value.name}``."
    kind = type(entry.value)
    return _first(inspect.getdoc(kind) or "") if kind.__module__.startswith("chainrule.") else f"A {kind.__name__}."


def _summary(doc: str) -> str:
    """The first paragraph of a docstring, for a table."""
    return to_markdown(_first(doc), links=written())


def _first(doc: str) -> str:
    return " ".join(doc.partition("\n\n")[0].removesuffix("::").split())


def _table(rows: Iterator[tuple[str, str]]) -> str:
    # A stroke inside code is no border of a cell.
    lines = [f"| {left} | {re.sub(r'(`[^`]*`)|[|]', lambda m: m[1] or '&#124;', right)} |" for left, right in rows]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _title(module: str, room: Room) -> str:
    """A heading for what one file defines: the file's name."""
    return "Constants" if module == room.path else module.rpartition(".")[2].replace("_", " ").capitalize()
