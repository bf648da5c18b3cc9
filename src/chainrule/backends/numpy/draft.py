"""The statements of a listing: what is written in one line, what gets a name, and in which order lines stand."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chainrule.backends.numpy.constants import array_lines, array_text
from chainrule.backends.numpy.expressions import expression, place_text
from chainrule.backends.numpy.landmarks import LOSS, Landmarks
from chainrule.backends.numpy.naming import Labels
from chainrule.backends.numpy.patterns import made_by, noun
from chainrule.backends.numpy.text import ATOM, UNARY, WIDTH, Text, axes_text, bound, strong, type_name
from chainrule.compiler.patterns import is_one_a_row
from chainrule.compiler.program import Program
from chainrule.compiler.stages import BACKWARD, FORWARD
from chainrule.core.graph import Node
from chainrule.ops.index import IndexAdd
from chainrule.ops.shape import Transpose

__all__ = ["Draft", "Statement"]


@dataclass
class Statement:
    """One or a few lines that give names to values."""

    lines: list[str]
    targets: tuple[Node, ...]
    reads: set[Node]
    #: Sections, paragraphs, and the order in which the program computes.
    place: tuple[int, ...]
    shape: str = ""
    remark: str = ""
    #: Nodes that are computed here.
    holds: set[Node] = field(default_factory=set)


class Draft:
    """Writes statements for some nodes of a program."""

    def __init__(
        self, program: Program, nodes: Sequence[Node], operands: Mapping[Node, Sequence[Node]], outputs: Iterable[Node],
        names: Mapping[Node, str], wanted: Mapping[Node, str], marks: Landmarks, labels: Labels,
    ) -> None:  # fmt: skip
        self.program, self.nodes, self.operands, self.marks, self.labels = program, nodes, operands, marks, labels
        self.outputs = set(outputs)
        #: Inputs and values that have a name by now; the wanted ones get theirs when they are written.
        self.names = dict(names)
        self.wanted = dict(wanted)
        self.position = {node: i for i, node in enumerate(nodes)}
        self.texts: dict[Node, Text] = {}
        #: What a text that has no name of its own reads, and which nodes it holds.
        self.reads: dict[Node, set[Node]] = {}
        self.holds: dict[Node, set[Node]] = {}
        self.statements: list[Statement] = []
        self.constants: list[list[str]] = []
        self.uses = self._count_uses()
        for node in nodes:
            self._write(node)

    def _count_uses(self) -> dict[Node, int]:
        """How often a value is used; what is used transposed counts as used itself."""
        uses = dict.fromkeys(self.outputs, 1)
        for node in reversed(self.nodes):
            for operand in self.operands[node]:
                uses[operand] = uses.get(operand, 0) + (max(uses.get(node, 1), 1) if _glance(node) else 1)
        return uses

    # ---- one node

    def _write(self, node: Node) -> None:
        """Write ``node``: a statement of its own, or a text that a later one takes up."""
        op = node.op
        assert op is not None
        operands = self.operands[node]
        name = self.wanted.get(node) or self._gradient_name(node)
        if op.name == "log_softmax":
            self._need_name(operands[:1])
        if self._is_taken_up(node):
            return
        if isinstance(op, IndexAdd) or op.name == "log_softmax":
            self._write_lines(node)
            return
        placed = next((i for i in operands if self._is_taken_up(i)), None)
        if placed is not None:
            (other,) = (i for i in operands if i is not placed)
            # A name alone would be changed with what it stands for.
            if other.aval is node.aval and other not in self.names and self.text(other).rank < ATOM:
                self._write_sum(node, placed, other)
                return
            self._write_lines(placed)
        room = WIDTH - len(f"{name} = ") if name else WIDTH - 16
        while True:
            arguments = [self.text(i) for i in operands]
            text = expression(node, arguments, [i.aval for i in operands])
            if len(text.code) <= room:
                break
            if not self._name_longest(operands):
                break
        self.texts[node] = text
        self.reads[node] = set().union(*(self._read_by(i) for i in operands))
        self.holds[node] = {node}.union(*(self.holds.get(i, set()) for i in operands if i not in self.names))
        plain = _glance(node) or (op.name == "negative" and operands[0] in self.names)
        many = self.uses.get(node, 0) > 1 and not plain and not (text.weak and text.rank >= UNARY)
        if name or node in self.outputs or many:
            self._need_name([node])

    def _name_longest(self, operands: Sequence[Node]) -> bool:
        """Shorten a line: the longest of its parts becomes a statement. False if there is none that is long."""
        seen = [i.inputs[0] if _glance(i) else i for i in operands]
        long = [i for i in seen if i not in self.names and not self.texts[i].weak and len(self.texts[i].code) > 8]
        if long:
            self._need_name([max(long, key=lambda i: len(self.texts[i].code))])
        return bool(long)

    def _gradient_name(self, node: Node) -> str | None:
        """The gradient of a value that has a name has one too."""
        origin = self.marks.sources.get(node)
        if origin is None or origin not in self.names or origin in self.marks.inputs:
            return None
        self.wanted[node] = self.labels.take(f"d{self.names[origin]}")
        return self.wanted[node]

    def text(self, node: Node) -> Text:
        """How ``node`` is referred to: by its name if it has one."""
        if node in self.names:
            known = self.texts[node].weak if node in self.texts else self.program.kinds.get(node) == "setting"
            return Text(self.names[node], ATOM, "names" if known else "")
        if _glance(node):
            return Text(f"{bound(self.text(node.inputs[0]), ATOM)}.T")
        if node not in self.texts:
            self._write_constant(node)
        return self.texts[node] if node not in self.names else Text(self.names[node])

    def _read_by(self, node: Node) -> set[Node]:
        if node in self.names:
            return {node}
        return self._read_by(node.inputs[0]) if _glance(node) else self.reads.get(node, set())

    def _need_name(self, nodes: Sequence[Node]) -> None:
        """Give these values a name and a statement, if they have none."""
        for node in nodes:
            if node in self.names:
                continue
            text = self.text(node)
            if node in self.names or (node.op is None and text.weak):
                continue
            if node in self.outputs:
                text = self.texts[node] = strong(text, node.aval.dtype)
            name = self._name(node)
            self._add(node, _folded(f"{name} = {text.code}"), self.reads.get(node, set()))

    def _name(self, node: Node) -> str:
        """The name that is wanted, or that of a gradient by what it is of, or one by the kind of op."""
        if node in self.wanted:
            self.names[node] = self.wanted[node]
        else:
            origin = self.marks.sources.get(node)
            known = self.names.get(origin, "") if origin is not None else ""
            unknown = "g" if origin is not None else self._noun(node)
            self.names[node] = self.labels.take(f"d{known}" if known else unknown)
        return self.names[node]

    def _noun(self, node: Node) -> str:
        """A name by the kind of value, numbered as its layer where it is part of one, or as what uses it."""
        suffix = self.marks.suffixes.get(node, "") if self.marks.groups.get(node) != LOSS else ""
        feeds = any(made_by(u, "matmul", "affine") for u in self.marks.users.get(node, ()))
        base = noun(node, self.program, self.operands, self.names, suffix)
        return f"a{suffix}" if base == "u" and feeds and self.marks.stages.get(node, 0) % 3 == FORWARD else base

    def _add(self, node: Node, lines: list[str], reads: set[Node]) -> None:
        marks, reading = self.marks, [self.position.get(n, -1) for n in reads]
        stage, group, order = marks.stages.get(node, 0), marks.groups.get(node, 0), [self.position.get(node, -1)]
        origin = marks.sources.get(node)
        if origin is not None and origin in marks.inputs:
            # Gradients of weights follow the gradient that they are made from, W before b.
            order = [max(reading, default=-1), marks.inputs_order[origin]]
        place = (stage, -group if stage % 3 == BACKWARD else group, *order)
        statement = Statement(
            lines, (node,), reads - {node}, place, str(node.aval.shape), self.marks.remarks.get(node, "")
        )
        statement.holds = self.holds.get(node, {node})
        self.statements.append(statement)

    # ---- what takes more than an expression

    def _is_taken_up(self, node: Node) -> bool:
        """Whether numbers are placed, one a row, only to be added to something: then they are added in their places."""
        if not is_one_a_row(node) or self.uses.get(node) != 1 or node in self.outputs or node in self.names:
            return False
        return any(made_by(user, "add") and user in self.position for user in self.marks.users[node])

    def _write_lines(self, node: Node) -> None:
        """Ops that are written as two statements: adding into places, and log-probabilities."""
        arguments = self._short_texts(self.operands[node])
        name = self._name_of_lines(node, self.operands[node])
        if isinstance(node.op, IndexAdd):
            lines = self._added_into_places(node, name, arguments)
        else:
            axes = axes_text((node.op.axis,), node.aval.ndim + 1, True)  # type: ignore[union-attr]
            x, axis, shifted = arguments[0].code, ", ".join(axes), self.labels.take("shifted")
            lines = [
                f"{shifted} = {x} - {x}.max({axis})",
                f"{name} = {shifted} - np.log(np.exp({shifted}).sum({axis}))",
            ]
        self._add(node, [piece for line in lines for piece in _folded(line)], self.reads[node])

    def _write_sum(self, node: Node, placed: Node, other: Node) -> None:
        """The sum of two values, of which one only puts a number into each row of the other."""
        value, *indexes = self._short_texts(self.operands[placed])
        name = self._name_of_lines(node, [*self.operands[placed], other])
        self.holds[node].add(placed)
        place = place_text(placed.op.entries, indexes)  # type: ignore[union-attr]
        change = f"+= {value.code}" if value.opposite is None else f"-= {value.opposite.code}"
        lines = [f"{name} = {self.text(other).code}", f"{name}[{place}] {change}"]
        self._add(node, [piece for line in lines for piece in _folded(line)], self.reads[node])

    def _short_texts(self, operands: Sequence[Node]) -> list[Text]:
        """What operands are written as, short enough for a line that they share."""
        while sum(len(self.text(i).code) for i in operands) > WIDTH - 32 and self._name_longest(operands):
            pass
        return [self.text(i) for i in operands]

    def _name_of_lines(self, node: Node, operands: Sequence[Node]) -> str:
        """The name of what takes several lines, which read and hold what these operands do."""
        self.reads[node] = set().union(*(self._read_by(i) for i in operands))
        self.holds[node] = {node}.union(*(self.holds.get(i, set()) for i in operands if i not in self.names))
        return self._name(node)

    def _added_into_places(self, node: Node, name: str, arguments: Sequence[Text]) -> list[str]:
        op, (value, *indexes) = node.op, arguments
        assert isinstance(op, IndexAdd)
        place = place_text(op.entries, indexes)
        zeros = f"{name} = np.zeros({node.aval.shape}, {type_name(node.aval.dtype)})"
        if not indexes:
            return [zeros, f"{name}[{place}] = {value.code}"]
        if is_one_a_row(node):
            return [zeros, f"{name}[{place}] = {value.code}"]
        if len(op.entries) > 1:
            place = f"np.s_[{place}]" if ":" in place else f"({place})"
        return [zeros, f"np.add.at({name}, {place}, {value.code})"]

    def _write_constant(self, node: Node) -> None:
        text = array_text(node.value)
        if text is None:
            name = self.labels.take("CONSTANT")
            self.constants.append(array_lines(name, node.value, WIDTH))
            text = Text(name)
        self.texts[node] = text
        if self.uses.get(node, 0) > 1 and (len(text.code) > 16 or "arange" in text.code):
            user = next(n for n in self.nodes if node in self.operands[n])
            self.marks.stages[node], self.marks.groups[node] = self.marks.stages[user], self.marks.groups[user]
            self.position[node] = self.position[user]
            self._need_name([node])


def _glance(node: Node) -> bool:
    """``x.T`` is no more than a look at x: it is written again wherever it is used."""
    return isinstance(node.op, Transpose) and node.aval.ndim == 2 and not isinstance(node.inputs[0].op, Transpose)


def _folded(line: str) -> list[str]:
    """A line that is too long, on several lines between parentheses."""
    name, equals, code = line.partition(" = ")
    if len(line) <= WIDTH + 4 or not equals:
        return [line]
    pieces = textwrap.wrap(code, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return [f"{name} = (", *(f"    {piece}" for piece in pieces), ")"]
