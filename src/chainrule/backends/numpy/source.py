"""A program as a Python module over NumPy alone: the forward pass, the backward pass and the update, as by hand."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.backends.numpy.draft import Draft, Statement
from chainrule.backends.numpy.helpers import HELPERS, helper_texts
from chainrule.backends.numpy.landmarks import Landmarks
from chainrule.backends.numpy.naming import Labels, label_inputs, layers_of
from chainrule.backends.numpy.prepare import live_nodes, operands_of, prepared
from chainrule.backends.numpy.schedule import StillNeeded, schedule
from chainrule.backends.numpy.text import WIDTH, strong, wrapped
from chainrule.backends.numpy.usage import usage
from chainrule.compiler.program import Program
from chainrule.compiler.stages import UPDATE
from chainrule.core.graph import Node

__all__ = ["Listing", "listing", "source", "source_lines"]

_SECTIONS = ("forward", "backward", "update")
#: Remarks stand in one column, at most so far to the right.
_COLUMN = 52


@dataclass(frozen=True)
class Listing:
    """The text of a module with one function, and how to call that function.

    ``arguments`` and ``returned`` say which input of the program each argument is, and which output each result is;
    ``lines`` on which line of the text a node is computed.
    """

    text: str
    function: str
    arguments: tuple[int, ...]
    returned: tuple[int, ...]
    lines: dict[Node, int]


def source(program: Program, name: str) -> str:
    """The text of a complete module: it imports NumPy alone, and runs by itself on made-up numbers.

    >>> import chainrule as cr
    >>> f = cr.compile(lambda x, y: cr.sigmoid(x * y).sum(), backend="numpy")
    >>> print(source(f.graph(cr.ones(2, 3), cr.ones(3)), "f").split("if __name__")[0].rstrip())
    \"\"\"The function `f`, written out by chainrule: NumPy alone.\"\"\"
    <BLANKLINE>
    import numpy as np
    <BLANKLINE>
    <BLANKLINE>
    def f(x, y):
        h = 1 / (1 + np.exp(-(x * y)))  # (2, 3)
        out = h.sum()                   # ()
        return out
    """
    return listing(program, name).text


def source_lines(program: Program, name: str = "step") -> tuple[str, dict[Node, int]]:
    """The text, and for each node of the program the line that computes it, counted from 1."""
    made = listing(program, name)
    return made.text, made.lines


def listing(program: Program, name: str) -> Listing:
    """Write the program out."""
    return _Writer(program, name).listing()


class _Writer:
    """What is known while one listing is made."""

    def __init__(self, program: Program, name: str) -> None:
        self.given = program
        self.program, self.moved = prepared(program)
        self.operands = operands_of(self.program)
        self.nodes = live_nodes(self.program, self.operands)
        self.function = re.sub(r"\W", "_", name.strip("<>")) or "step"
        if not self.function.isidentifier() or self.function in Labels().taken:
            self.function = "step"
        self.layers = layers_of(self.program)
        self.labels = Labels([self.function])
        self.inputs = label_inputs(self.program, self.layers, self.labels)
        self.marks = Landmarks(self.program, self.nodes, self.operands, self.inputs, self.layers)
        self.learns = any(stage % 3 for stage in self.marks.stages.values())
        #: New values that take the name of an old one, and results that do not.
        self.replaced: dict[Node, Node] = {}
        self.renamed: dict[Node, str] = {}
        self._find_replaced()

    def _find_replaced(self) -> None:
        program, computed = self.program, set(self.nodes)
        for place, node in zip(program.carried, program.outputs[program.results :], strict=True):
            if place is not None and node in computed and node not in self.replaced:
                self.replaced[node] = program.inputs[place]

    def _wanted(self, labels: Labels) -> dict[Node, str]:
        """The names that values are to have."""
        wanted = {new: self.inputs[old] for new, old in self.replaced.items()}
        wanted.update((node, labels.take(name)) for node, name in self.renamed.items())
        for node, name in self.marks.wanted.items():
            if node not in wanted:
                wanted[node] = labels.take(name)
        for node, name in self.marks.landmark_gradients({**wanted, **self.inputs}).items():
            if node not in wanted:
                wanted[node] = labels.take(name)
        for node in self.program.outputs[: self.program.results]:
            if node in self.operands and node not in wanted:
                wanted[node] = labels.take("out")
        return wanted

    def listing(self) -> Listing:
        """The whole text."""
        while True:
            labels = copy.deepcopy(self.labels)
            draft = Draft(
                self.program, self.nodes, self.operands, self.program.outputs, self.inputs, self._wanted(labels), self.marks,
                labels,
            )  # fmt: skip
            try:
                statements = schedule(draft.statements, set(self.program.outputs), self.replaced)
                break
            except StillNeeded as found:
                old = self.replaced.pop(found.node)
                self.renamed[found.node] = f"new_{self.inputs[old]}"
        return self._assembled(draft, statements)

    # ---- the text

    def _assembled(self, draft: Draft, statements: Sequence[Statement]) -> Listing:
        names = list(self.inputs.values())
        head = wrapped(f"def {self.function}(", names, "):")
        body, places = self._body(statements)
        order, values = self._returned(draft)
        flat = f"    return {', '.join(values)}"
        body += [flat] if len(flat) <= WIDTH + 8 else wrapped("    return (", values, ")")
        whole = "\n".join(body)
        used = {name for name in HELPERS if re.search(rf"\b{name}\(", whole)}
        kind = "One training step of" if self.learns else "The function"
        imports = ["import numpy as np"]
        constants = [line for lines in draft.constants for line in [*lines, ""]]
        if any("zlib" in line for line in constants):
            imports = ["import base64", "import zlib", "", *imports]
        top = [f'"""{kind} `{self.function}`, written out by chainrule: NumPy alone."""', "", *imports, ""]
        if constants:
            top += ["", *constants]
        for text in helper_texts(used):
            top += ["", *text.split("\n"), ""]
        top += ["", *head]
        tail = usage(self.program, self.inputs, self.function, values, self.program.results)
        lines = {node: len(top) + place for node, place in places.items()}
        text = "\n".join([*top, *body, "", "", *tail]) + "\n"
        return Listing(
            text, self.function, tuple(self.program.inputs.index(n) for n in self.inputs), order, self._lines(lines, len(top))
        )  # fmt: skip

    def _body(self, statements: Sequence[Statement]) -> tuple[list[str], dict[Node, int]]:
        """The statements with headings, blank lines and remarks, and the line of each node among them."""
        lines: list[str] = []
        places: dict[Node, int] = {}
        section = None
        for i, statement in enumerate(statements):
            stage, group, _ = statement.place
            if stage != section and self.learns:
                lines += ([""] if lines else []) + [f"    # {_SECTIONS[stage % 3]}"]
            elif i and group != statements[i - 1].place[1] and self._apart(statements, i):
                lines.append("")
            section = stage
            places.update(dict.fromkeys(statement.holds, len(lines) + len(statement.lines)))
            lines += ["    " + line for line in statement.lines]
            if stage % 3 != UPDATE and len(lines[-1]) <= WIDTH + 8:
                remark = f"{statement.shape}  {statement.remark}".rstrip()
                lines[-1] += f"\0# {remark}"
        return _aligned(lines), places

    def _apart(self, statements: Sequence[Statement], i: int) -> bool:
        """Whether a blank line separates two paragraphs: not between updates of one line each."""
        if statements[i].place[0] % 3 != UPDATE:
            return True
        groups = [s.place[:2] for s in statements]
        return groups.count(groups[i]) > 1 or groups.count(groups[i - 1]) > 1

    def _returned(self, draft: Draft) -> tuple[tuple[int, ...], list[str]]:
        """Which outputs are returned in which order, results first, and what they are called."""
        program = self.program
        place = {node: i for i, node in enumerate(self.inputs)}
        cells = [
            (place.get(program.inputs[c], 0) if c is not None else len(place), k) for k, c in enumerate(program.carried)
        ]
        order = [*range(program.results), *(program.results + k for _, k in sorted(cells))]
        return tuple(order), [
            strong(draft._text(program.outputs[k]), program.outputs[k].aval.dtype).code for k in order
        ]  # fmt: skip

    def _lines(self, lines: dict[Node, int], first: int) -> dict[Node, int]:
        """Lines for the nodes of the program as it was given; what is written nowhere stands where it is used."""
        found: dict[Node, int] = {}
        for node in reversed(self.given.graph.nodes):
            line = lines.get(self.moved[node], found.get(node))
            if line is None:
                continue
            found[node] = line
            for before in node.inputs:
                if before.op is not None and self.moved[before] not in lines:
                    found[before] = min(line, found.get(before, line))
        return dict(reversed(found.items()))


def _aligned(lines: Sequence[str]) -> list[str]:
    """Remarks, marked by a zero, moved into one column."""
    pieces = [line.split("\0") for line in lines]
    widths = [len(code) for code, *remark in pieces if remark]
    column = max((w for w in widths if w <= _COLUMN), default=_COLUMN)
    return [code.ljust(column) + "  " + remark[0] if remark else code for code, *remark in pieces]
