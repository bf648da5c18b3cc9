"""How much disk a library takes: its files and those of everything that it needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import chainrule

__all__ = ["installed_size"]


def installed_size(names: Sequence[str]) -> int | None:
    """Bytes of these distributions and, without extras, of all that they require; None if one of them is not installed.

    Compiled ``.pyc`` files do not count: whether they are there depends on what ran before.
    """
    try:
        found = {name: distribution(name) for name in names}
    except PackageNotFoundError:
        return None
    waiting = list(found.values())
    while waiting:
        for name in _required(waiting.pop()):
            if name not in found:
                try:
                    found[name] = distribution(name)
                except PackageNotFoundError:
                    continue  # for another system, or another Python
                waiting.append(found[name])
    return sum(_bytes(name, one) for name, one in found.items())


def _required(found: Distribution) -> list[str]:
    lines = [line for line in found.requires or [] if "extra ==" not in line]
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines]


def _bytes(name: str, found: Distribution) -> int:
    if name == "chainrule":
        # Installed for development, the distribution is a pointer to the folder that this file lies in.
        files = [path for path in Path(chainrule.__file__).parent.rglob("*") if path.is_file()]
    else:
        files = [Path(str(file.locate())) for file in found.files or []]
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file())
