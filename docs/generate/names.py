"""The public names: every room's ``__all__``, and where each name is documented."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["Entry", "Room", "homes", "rooms"]

#: Rooms that people meet though ``chainrule.__all__`` does not name them: tensors, derivatives and compiled functions are
#: exported one by one, labs and the protocol of ops are for those who write their own.
_FURTHER = ("chainrule.tensor", "chainrule.autodiff", "chainrule.compiler", "chainrule.labs", "chainrule.core.op")


@dataclass(frozen=True)
class Entry:
    """One name that a room exports."""

    name: str
    value: Any
    #: The module that defines it, and its full name there; a constant is taken to be defined where it is exported.
    module: str
    path: str

    @property
    def kind(self) -> str:
        """``class``, ``function`` or ``constant``."""
        return "class" if inspect.isclass(self.value) else "function" if callable(self.value) else "constant"


@dataclass(frozen=True)
class Room:
    """A module with public names."""

    path: str
    doc: str
    entries: tuple[Entry, ...]

    @property
    def short(self) -> str:
        """As it is written after ``import chainrule as cr; from chainrule import nn``: ``cr``, ``nn``, ``nn.init``."""
        return "cr" if self.path == "chainrule" else self.path.removeprefix("chainrule.")


def _entry(room: ModuleType, name: str, value: Any) -> Entry:
    defined = getattr(value, "__module__", None)
    if (inspect.isclass(value) or inspect.isfunction(value)) and str(defined).startswith("chainrule"):
        return Entry(name, value, str(defined), f"{defined}.{value.__qualname__}")
    return Entry(name, value, room.__name__, f"{room.__name__}.{name}")


@cache
def rooms() -> tuple[Room, ...]:
    """``chainrule``, the modules among its public names and theirs, and the few further ones."""
    found: dict[str, Room] = {}

    def visit(path: str) -> None:
        if path in found:
            return
        # Not by attribute: chainrule.tensor is a function there.
        module = importlib.import_module(path)
        values = {name: getattr(module, name) for name in module.__all__}
        inner = [value.__name__ for value in values.values() if isinstance(value, ModuleType)]
        entries = [_entry(module, n, v) for n, v in values.items() if not isinstance(v, ModuleType)]
        found[path] = Room(path, inspect.getdoc(module) or "", tuple(entries))
        for other in inner:
            visit(other)

    for path in ("chainrule", *_FURTHER):
        visit(path)
    return tuple(found.values())


@cache
def homes() -> dict[str, Room]:
    """By the path of each entry, the room that documents it: the one it is defined in, else the first to export it.

    Of several rooms that it is defined in, the innermost: ``nn.init.normal_`` belongs to ``nn.init``.
    """
    chosen: dict[str, Room] = {}
    for room, entry in _all():
        old = chosen.get(entry.path)
        if old is None or (_inside(entry, room) and (not _inside(entry, old) or len(room.path) > len(old.path))):
            chosen[entry.path] = room
    return chosen


def _all() -> Iterator[tuple[Room, Entry]]:
    return ((room, entry) for room in rooms() for entry in room.entries)


def _inside(entry: Entry, room: Room) -> bool:
    """Whether the room is a folder or file around the definition (``chainrule`` is around everything, so it is none)."""
    return room.path != "chainrule" and f"{entry.module}.".startswith(f"{room.path}.")


@cache
def written() -> dict[str, str]:
    """How people write a public name in code, to where it is documented: ``nn.Linear``, ``cr.Tensor``, ``DataError``."""
    names: dict[str, str] = {}
    for room, entry in _all():
        names.setdefault(f"{room.short}.{entry.name}", entry.path)
        names.setdefault(f"cr.{room.short}.{entry.name}", entry.path)
        if inspect.isclass(entry.value) and issubclass(entry.value, Exception):
            names.setdefault(entry.name, entry.path)
    return names
