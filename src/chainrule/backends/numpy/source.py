"""A program as a Python module over NumPy alone: the forward pass, the backward pass and the update, as by hand."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.backends.numpy.draft import Draft, Statement
from chainrule.backends.numpy.helpers import HELPERS, helper_texts
from chainrule.backends.numpy.landmarks import Landmarks
from chainrule.backends.numpy.naming import Labels, label_inputs, layers_of
from chainrule.backends.numpy.prepare import live_nodes, operands_of, prepared
from chainrule.backends.numpy.rules import Rule, find_rules
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
        self.nodes = live_nodes(self.program.graph.nodes, self.operands, self.program.outputs)
        self.learns = any(stage % 3 for stage in self.program.stages.values())
        self.function = _function_name(name, "step" if self.learns else "f")
        self.layers = layers_of(self.program)
        self.labels = Labels([self.function])
        self.inputs = label_inputs(self.program, self.layers, self.labels)
        self.marks = Landmarks(self.program, self.nodes, self.operands, self.inputs, self.layers)
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
        for node, name in self.marks.gradients_of({**wanted, **self.inputs}).items():
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
            rules = find_rules(
                self.program, self.nodes, self.operands, self.marks, self.replaced, self.inputs, labels
            )  # fmt: skip
            draft = self._draft(rules, labels)
            calls = [
                rule.call(family, draft.names, self._place(family.new[0])) for rule in rules for family in rule.families
            ]
            try:
                statements = schedule([*draft.statements, *calls], set(self.program.outputs), self.replaced)
                break
            except StillNeeded as found:
                old = self.replaced.pop(found.node)
                self.renamed[found.node] = f"new_{self.inputs[old]}"
        return self._assembled(draft, rules, statements)

    def _draft(self, rules: Sequence[Rule], labels: Labels) -> Draft:
        """Statements for all that is not done by a rule."""
        wanted = self._wanted(labels)
        families = [family for rule in rules for family in rule.families]
        names = {**self.inputs, **{node: wanted[node] for family in families for node in family.new}}
        outputs = {n for n in self.program.outputs if n in self.inputs or n not in names}
        outputs |= {n for family in families for n in family.given}
        nodes = [n for n in live_nodes(self.nodes, self.operands, outputs) if n not in names]
        return Draft(self.program, nodes, self.operands, outputs, names, wanted, self.marks, labels)

    def _place(self, node: Node) -> tuple[int, ...]:
        return self.marks.stages[node], self.marks.groups[node]

    # ---- the text

    def _assembled(self, draft: Draft, rules: Sequence[Rule], statements: Sequence[Statement]) -> Listing:
        arguments = [[name for node, name in self.inputs.items() if self._part(node) == part] for part in range(3)]
        head = wrapped(f"def {self.function}(", arguments, "):")
        body, places = self._body(statements)
        order, values = self._returned(draft)
        flat = f"    return {', '.join(v for group in values for v in group)}".rstrip()
        body += [flat] if len(flat) <= WIDTH + 8 else wrapped("    return (", values, ")")
        whole = "\n".join([*body, *(line for rule in rules for line in rule.text)])
        used = {name for name in HELPERS if re.search(rf"\b{name}\(", whole)}
        kind = "One training step of" if self.learns else "The function"
        imports = ["import numpy as np"]
        constants = [line for lines in draft.constants for line in [*lines, ""]]
        if any("zlib" in line for line in constants):
            imports = ["import base64", "import zlib", "", *imports]
        top = [f'"""{kind} `{self.function}`, written out by chainrule: NumPy alone."""', "", *imports, ""]
        if constants:
            top += ["", *constants]
        for function in [*(helper.split("\n") for helper in helper_texts(used)), *(rule.text for rule in rules)]:
            top += ["", *function, ""]
        top += ["", *head]
        tail = usage(self.program, self.inputs, self.function, arguments, values)
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
        sizes = Counter(s.place[:2] for s in statements)
        for i, statement in enumerate(statements):
            stage, group, *_ = statement.place
            if stage != section and self.learns:
                lines += ([""] if lines else []) + [f"    # {_SECTIONS[stage % 3]}"]
            elif i and group != statements[i - 1].place[1]:
                # Updates of one line each stand together.
                alone = sizes[statement.place[:2]] == sizes[statements[i - 1].place[:2]] == 1
                lines += [] if stage % 3 == UPDATE and alone else [""]
            section = stage
            places.update(dict.fromkeys(statement.holds, len(lines) + len(statement.lines)))
            lines += ["    " + line for line in statement.lines]
            for remark in (f"# {statement.shape}  {statement.remark}".rstrip(), f"# {statement.shape}"):
                if stage % 3 != UPDATE and len(lines[-1] + remark) <= WIDTH + 12:
                    lines[-1] += f"\0{remark}"
                    break
        return _aligned(lines), places

    def _part(self, node: Node) -> int:
        """Weights and buffers, then what a call is given, then the rest of the state."""
        return {"tensor": 0, "argument": 1, "setting": 1}.get(self.program.kinds.get(node, "argument"), 2)

    def _returned(self, draft: Draft) -> tuple[tuple[int, ...], list[list[str]]]:
        """Which outputs are returned in which order, and what they are called: results, weights, the rest."""
        program, place = self.program, {node: i for i, node in enumerate(self.inputs)}
        groups: list[list[int]] = [list(range(program.results)), [], []]
        cells = [(place[program.inputs[c]] if c is not None else len(place), k) for k, c in enumerate(program.carried)]
        for at, k in sorted(cells):
            rest = at < len(place) and self._part(list(place)[at]) > 1
            groups[1 + rest].append(program.results + k)
        texts = [
            [strong(draft.text(o), o.aval.dtype).code for o in map(program.outputs.__getitem__, g)] for g in groups
        ]
        return tuple(k for group in groups for k in group), texts

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
        # The product that a pass has fused into an update stands on a line of its own again.
        for leaf, gradient in self.given.gradient_of.items():
            line = lines.get(self.program.gradient_of.get(leaf, leaf))
            if gradient not in found and line is not None:
                found[gradient] = line
        return dict(reversed(found.items()))


def _function_name(name: str, otherwise: str) -> str:
    """The function's own name, if it has one that can be written."""
    name = re.sub(r"\W", "_", name)
    return name if name.isidentifier() and name != "_lambda_" and Labels().free(name) else otherwise


def _aligned(lines: Sequence[str]) -> list[str]:
    """Remarks, marked by a zero, moved into one column."""
    pieces = [line.split("\0") for line in lines]
    widths = [len(code) for code, *remark in pieces if remark]
    column = max((w for w in widths if w <= _COLUMN), default=_COLUMN)
    return [code.ljust(column) + "  " + remark[0] if remark else code for code, *remark in pieces]
