"""The text of a module in parts that LLVM compiles at the same time."""

from __future__ import annotations

import re

from chainrule.backends.llvm.writer import AS_WRITTEN, FINAL, THOROUGH

__all__ = ["cut", "parts_worth"]

#: Lines from which two threads are worth it, and four.
_TWO, _FOUR = 1000, 4000
#: How much longer functions take that LLVM's passes work on.
_PASSES = 3

_DEFINITION = re.compile(r"^define .*?^}\n", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"@([\w.]+)")


def parts_worth(text: str) -> int:
    """How many parts of a module are worth it: by its length alone, so that any number of cores compiles the same parts.

    A program that LLVM is to see through stays whole.
    """
    lines = text.count("\n")
    if lines < _TWO or text.startswith(THOROUGH):
        return 1
    return 2 if lines < _FOUR else 4


def cut(text: str, count: int) -> list[str]:
    """Modules that have the functions of one between them, so that each takes LLVM about as long.

    Each has all that is no function: declarations, wishes for vectors. A function can be called from other parts, which
    declare it. Functions in which LLVM has nothing to find are apart from those that it is to work on.
    """
    if count == 1:
        return [text]
    marks = re.match(r"(; .*\n)*", text).group()  # type: ignore[union-attr]
    common = _DEFINITION.sub("", text[len(marks) :])
    found = (function.replace("define internal ", "define ", 1) for function in _DEFINITION.findall(text))
    functions = {_NAME.findall(function)[0]: function for function in found}
    final = [name for name, function in functions.items() if FINAL in function.split("\n", 1)[0]]
    other = [name for name in functions if name not in final]
    # Measured: the time for a function grows as the square root of its lines, for long ones are straight-line code.
    work = {name: function.count("\n") ** 0.5 for name, function in functions.items()}
    work |= {name: _PASSES * work[name] for name in other}
    parts = []
    for head, names in ((AS_WRITTEN, final), (marks, other)):
        share = sum(work[name] for name in names) / sum(work.values())
        groups: list[list[str]] = [[] for _ in range(max(1, round(count * share)))]
        for name in sorted(names, key=lambda name: -work[name]):
            min(groups, key=lambda group: sum(work[n] for n in group)).append(name)
        parts += [head + _part(common, functions, group) for group in groups if group]
    return parts


def _part(common: str, functions: dict[str, str], group: list[str]) -> str:
    own = "\n".join(functions[name] for name in group)
    elsewhere = [name for name in dict.fromkeys(_NAME.findall(own)) if name in functions and name not in group]
    declared = [functions[name].split(" {\n")[0].replace("define", "declare", 1) for name in elsewhere]
    return "\n".join([common, own, *declared, ""])
