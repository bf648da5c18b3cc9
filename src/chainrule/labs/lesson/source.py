"""A lab's file, taken apart: what a student copies, and the calls of ``lab`` that present it.

The code on a page is cut from the file that ran, so the two cannot differ. Statements of ``run`` that only call ``lab``
present, and are left out; the others are shown where they stand. In what is shown, ``lab.scale(5000, quick=500)`` is
written as the number that was used, ``lab.seed``, ``lab.quick``, ``lab.say`` and ``lab.pictures()`` as what they were.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from chainrule.core.errors import ConfigError

__all__ = ["Source"]

#: Edits of the text: from byte, to byte, what stands there instead.
_Edit = tuple[int, int, str]


class Source:
    """The text of one lab with its syntax tree; ``line`` is where its function ``run`` begins."""

    def __init__(self, path: str | Path, line: int) -> None:
        self.bytes = Path(path).read_bytes()
        self.tree = ast.parse(self.bytes)
        self.run = next(n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef) and n.lineno == line)
        self.lines = self.bytes.splitlines(keepends=True)
        self.starts = [0]
        for text in self.lines:
            self.starts.append(self.starts[-1] + len(text))

    def statement(self, line: int) -> int:
        """The first line of the statement of ``run`` that a line belongs to."""
        return max((_first(node) for node in self.run.body if _first(node) <= line), default=0)

    def imports(self) -> str:
        """What the file imports for its readers' sake."""
        ours = ("__future__", "typing", "collections.abc")
        kept = [
            node for node in self.tree.body
            if isinstance(node, ast.Import)
            or (isinstance(node, ast.ImportFrom) and not str(node.module).startswith((*ours, "chainrule.labs")))
        ]  # fmt: skip
        return "\n".join(self.text(node) for node in kept)

    def definition(self, name: str, value: Callable[[ast.expr], str | None]) -> str:
        """A function, class or constant of the file, by its name."""
        for node in self.tree.body:
            names = [t.id for t in node.targets if isinstance(t, ast.Name)] if isinstance(node, ast.Assign) else []
            if name in names or (isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name):
                return self._shown([node], value)
        raise ConfigError(f"lab.code({name})", "a name that the file does not define", "a function, class or constant")

    def blocks(self, value: Callable[[ast.expr], str | None]) -> list[tuple[int, str]]:
        """(line, code) of each run of statements that are not presentation."""
        groups: list[list[ast.stmt]] = [[]]
        docstring = isinstance(self.run.body[0], ast.Expr) and isinstance(self.run.body[0].value, ast.Constant)
        for node in self.run.body[docstring:]:
            if _presents(node):
                groups.append([])
            else:
                groups[-1].append(node)
        return [(_first(group[0]), self._shown(group, value)) for group in groups if group]

    def drawing(self, line: int) -> str:
        """The call of ``cr.show`` behind the ``lab.figure`` on a line; nothing for another drawing."""
        for node in ast.walk(self.run):
            if isinstance(node, ast.Call) and node.lineno == line and _of_lab(node) == "figure" and node.args:
                function = self.text(node.args[0])
                if function.startswith("cr.show."):
                    given = [self.text(argument) for argument in node.args[1:]]
                    given += [f"{k.arg}={self.text(k.value)}" for k in node.keywords if k.arg not in ("en", "ko")]
                    return f"{function}({', '.join(' '.join(text.split()) for text in given)})"
        return ""

    def _shown(self, group: list[ast.stmt], value: Callable[[ast.expr], str | None]) -> str:
        """The text of neighbouring statements, with the comments right above them, without presentation."""
        first = _first(group[0]) - 1
        while self.lines[first - 1].lstrip().startswith(b"#"):
            first -= 1
        start, end = self.starts[first], self.starts[group[-1].end_lineno or 0]
        edits = [edit for node in group for edit in self._edits(node, value)]
        parts, place = [], start
        for begin, stop, instead in sorted(edits):
            parts += [self.bytes[place:begin].decode(), instead]
            place = stop
        text = "".join([*parts, self.bytes[place:end].decode()])
        return re.sub(r"\n{3,}", "\n\n", textwrap.dedent(text.replace("  # fmt: skip", "")).strip("\n"))

    def _edits(self, node: ast.stmt, value: Callable[[ast.expr], str | None]) -> Iterator[_Edit]:
        gone: list[_Edit] = []
        for child in ast.walk(node):
            if isinstance(child, ast.stmt) and child is not node and _presents(child):
                gone.append((self.starts[_first(child) - 1], self.starts[child.end_lineno or 0], ""))
        # Of nested ones the outer removes the inner.
        gone = [g for g in gone if not any(o[0] <= g[0] and g[1] <= o[1] and o != g for o in gone)]
        yield from gone
        for child in ast.walk(node):
            if isinstance(child, ast.expr) and (instead := value(child)) is not None:
                begin, stop = self._place(child)
                if not any(start <= begin < end for start, end, _ in gone):
                    yield begin, stop, instead

    def _place(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        begin = self.starts[node.lineno - 1] + node.col_offset
        return begin, self.starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)

    def text(self, node: ast.expr | ast.stmt) -> str:
        """What a node says, as it stands in the file."""
        begin, end = self._place(node)
        return self.bytes[begin:end].decode()


def _first(node: ast.stmt) -> int:
    """The line that a statement begins on, its decorators included."""
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _of_lab(node: ast.expr) -> str:
    """``figure`` for ``lab.figure`` and ``lab.figure(...)``; empty for anything else."""
    node = node.func if isinstance(node, ast.Call) else node
    return (
        node.attr
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lab"
        else ""
    )


def _presents(node: ast.stmt) -> bool:
    """Whether a statement does nothing but call ``lab``."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and bool(_of_lab(node.value))
    if isinstance(node, ast.With):
        return any(_of_lab(item.context_expr) for item in node.items)
    if isinstance(node, (ast.For, ast.If)):
        return all(map(_presents, [*node.body, *node.orelse]))
    return False
