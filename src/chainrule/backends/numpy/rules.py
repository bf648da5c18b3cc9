"""An optimizer's rule as a function of its own, where several parameters are updated by the same long text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.backends.numpy.draft import Draft, Statement
from chainrule.backends.numpy.landmarks import Landmarks
from chainrule.backends.numpy.naming import MEMORY, Labels
from chainrule.backends.numpy.schedule import StillNeeded, schedule
from chainrule.backends.numpy.text import wrapped
from chainrule.compiler.program import Program
from chainrule.compiler.stages import UPDATE
from chainrule.core.graph import Node

__all__ = ["Family", "Rule", "find_rules"]

#: A rule of fewer lines is written where it is used.
FEWEST_LINES = 3


@dataclass
class Family:
    """A parameter with what an optimizer remembers of it: old values and new ones, and the nodes between them."""

    old: list[Node]
    new: list[Node]
    nodes: list[Node]
    #: What the nodes read besides: the gradient, settings.
    given: list[Node]


@dataclass
class Rule:
    """A function that updates the parameters of several families."""

    name: str
    text: list[str]
    families: list[Family]

    def call(self, family: Family, names: Mapping[Node, str], place: tuple[int, int, int]) -> Statement:
        """``W1, m_W1 = rule(W1, dW1, m_W1, lr)``."""
        targets = ", ".join(names[n] for n in family.new)
        arguments = [names[n] for n in _arguments(family)]
        lines = wrapped(f"{targets} = {self.name}(", [arguments], ")")
        return Statement(lines, tuple(family.new), {*family.old, *family.given}, place, holds=set(family.nodes))


def find_rules(
    program: Program, nodes: Sequence[Node], operands: Mapping[Node, Sequence[Node]], marks: Landmarks,
    replaced: Mapping[Node, Node], inputs: Mapping[Node, str], labels: Labels,
) -> list[Rule]:  # fmt: skip
    """Families whose rules read alike, when their parts are called p, g, m, v and so on."""
    alike: dict[tuple[object, ...], list[tuple[Family, Callable[[str], list[str]]]]] = {}
    for family in _families(program, nodes, operands, marks, replaced):
        written = _written(program, family, operands, marks, inputs)
        if written is not None:
            key, text = written
            alike.setdefault(key, []).append((family, text))
    rules = []
    for group in alike.values():
        if len(group) > 1:
            keys = {program.names[n].rpartition(".")[2] for n in group[0][0].old[1:]}
            name = labels.take(_rule_name(keys))
            rules.append(Rule(name, group[0][1](name), [family for family, _ in group]))
    return rules


def _families(
    program: Program, nodes: Sequence[Node], operands: Mapping[Node, Sequence[Node]], marks: Landmarks,
    replaced: Mapping[Node, Node],
) -> list[Family]:  # fmt: skip
    """Parameters with a memory, whose updates share nothing and show nothing of what is between."""
    owned: dict[str, list[tuple[Node, Node]]] = {}
    for new, old in replaced.items():
        if marks.stages[new] % 3 == UPDATE:
            memory = program.kinds.get(old) == "optimizer memory"
            owner = program.names[old].rpartition(".")[0] if memory else program.names[old]
            owned.setdefault(owner, []).append((new, old))
    weak_free = {n for n in nodes if marks.stages[n] % 3 == UPDATE}
    behind: dict[str, set[Node]] = {}
    for owner, pairs in owned.items():
        pairs.sort(key=lambda pair: program.kinds.get(pair[1]) == "optimizer memory")
        stack = [new for new, _ in pairs]
        found = set(stack)
        while stack:
            for operand in operands[stack.pop()]:
                if operand in weak_free and operand not in found:
                    found.add(operand)
                    stack.append(operand)
        behind[owner] = found
    families = []
    for owner, pairs in owned.items():
        others = set().union(*(found for other, found in behind.items() if other != owner))
        inside = [n for n in nodes if n in behind[owner] and (n not in others or not n.aval.ndim and _numbers(n))]
        held, new = set(inside), [n for n, _ in pairs]
        used_outside = {i for n in nodes if n not in held for i in operands[n]} | set(program.outputs)
        if len(pairs) < 2 or any(n in used_outside and n not in new and n not in others for n in inside):
            continue
        given = list(dict.fromkeys(i for n in inside for i in operands[n] if i not in held and i.value is None))
        old = [n for _, n in pairs]
        families.append(Family(old, new, inside, [n for n in given if n not in old]))
    return families


def _numbers(node: Node) -> bool:
    """Whether a value is made of settings and constants alone, so that each family may have its own copy."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current.op is not None:
            stack.extend(current.inputs)
        elif current.value is None and (current.aval.ndim or current.aval.dtype != "float64"):
            return False
    return True


def _arguments(family: Family) -> list[Node]:
    """The parameter, its gradient and whatever else is computed, then the memory, then settings."""
    computed = [n for n in family.given if n.op is not None]
    return [family.old[0], *computed, *family.old[1:], *(n for n in family.given if n.op is None)]


def _written(
    program: Program, family: Family, operands: Mapping[Node, Sequence[Node]], marks: Landmarks, inputs: Mapping[Node, str]
) -> tuple[tuple[object, ...], Callable[[str], list[str]]] | None:
    """The rule's text without its name; two families with one key are updated alike."""
    labels = Labels()
    settings = [n for n in family.given if n.op is None]
    computed = [n for n in family.given if n.op is not None]
    names = {n: labels.take(inputs[n]) for n in settings}
    names[family.old[0]] = labels.take("p")
    for node in computed:
        names[node] = labels.take("g")
    for node in family.old[1:]:
        key = program.names[node].rpartition(".")[2]
        names[node] = labels.take(MEMORY.get(key, key))
    wanted = {new: names[old] for new, old in zip(family.new, family.old, strict=True)}
    draft = Draft(program, family.nodes, operands, family.new, names, wanted, marks, labels)
    for statement in draft.statements:
        statement.place = (0, 0, statement.place[2])
    try:
        statements = schedule(draft.statements, set(family.new), dict(zip(family.new, family.old, strict=True)))
    except StillNeeded:
        return None
    body = [line for s in statements for line in s.lines]
    if len(body) < FEWEST_LINES or draft.constants:
        return None
    arguments = tuple(names[n] for n in _arguments(family))
    returned = tuple(names[n] for n in family.old)
    key = (*body, arguments, returned, tuple(settings), *computed[1:])

    def text(name: str) -> list[str]:
        about = f'    """Update one parameter p by its gradient g: {_TITLES.get(name.rstrip("0123456789_"), name)}."""'
        return [
            *wrapped(f"def {name}(", [arguments], "):"), about, *("    " + line for line in body),
            f"    return {', '.join(returned)}",
        ]  # fmt: skip

    return key, text


_TITLES = {
    "adam": "Adam", "nadam": "NAdam", "adadelta": "Adadelta", "rmsprop": "RMSprop", "adagrad": "Adagrad",
    "momentum": "gradient descent with momentum", "update": "the optimizer's rule",
}  # fmt: skip


def _rule_name(keys: set[str]) -> str:
    """The optimizer, as far as its memory tells."""
    if "mu_product" in keys:
        return "nadam"
    if "exp_avg" in keys:
        return "adam"
    if "acc_delta" in keys:
        return "adadelta"
    if "square_avg" in keys:
        return "rmsprop"
    return "adagrad" if "sum" in keys else "momentum" if "momentum_buffer" in keys else "update"
