"""An optimizer's rule as a function of its own, where several parameters are updated by the same long text."""

from __future__ import annotations

from collections import Counter
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

    def call(self, family: Family, names: Mapping[Node, str], place: tuple[int, ...]) -> Statement:
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
    alike: dict[tuple[object, ...], list[Family]] = {}
    texts: dict[tuple[object, ...], Callable[[str], list[str]]] = {}
    for family in _families(program, nodes, operands, marks, replaced):
        written = _written(program, family, operands, marks, inputs)
        if written is not None:
            alike.setdefault(written[0], []).append(family)
            texts[written[0]] = written[1]
    rules = []
    for key, families in alike.items():
        if len(families) > 1:
            name = labels.take(_rule_name({program.names[n].rpartition(".")[2] for n in families[0].old[1:]}))
            rules.append(Rule(name, texts[key](name), families))
    return rules


def _families(
    program: Program, nodes: Sequence[Node], operands: Mapping[Node, Sequence[Node]], marks: Landmarks,
    replaced: Mapping[Node, Node],
) -> list[Family]:  # fmt: skip
    """Parameters with a memory, and what is computed in their updates alone."""
    owned: dict[str, list[tuple[Node, Node]]] = {}
    for new, old in replaced.items():
        if marks.stages[new] % 3 == UPDATE:
            memory = program.kinds.get(old) == "optimizer memory"
            owner = program.names[old].rpartition(".")[0] if memory else program.names[old]
            owned.setdefault(owner, []).append((new, old))
    behind = {owner: _behind([new for new, _ in pairs], operands, marks) for owner, pairs in owned.items()}
    reached = Counter(node for found in behind.values() for node in found)
    place = {node: i for i, node in enumerate(nodes)}
    families = []
    for owner, pairs in owned.items():
        pairs.sort(key=lambda pair: program.kinds.get(pair[1]) == "optimizer memory")
        kept = [before for _, before in pairs]
        fresh = [after for after, _ in pairs]
        # What several families share is given to them, but for numbers such as lr: each computes its own.
        inside = sorted((n for n in behind[owner] if reached[n] == 1 or n in marks.numbers), key=place.__getitem__)
        held = set(inside)
        if len(pairs) < 2:
            continue
        given = dict.fromkeys(i for n in inside for i in operands[n] if i not in held and i.value is None)
        families.append(Family(kept, fresh, inside, [n for n in given if n not in kept]))
    return families


def _behind(new: list[Node], operands: Mapping[Node, Sequence[Node]], marks: Landmarks) -> set[Node]:
    """What is computed in the update on the way to these new values, themselves included."""
    found, stack = set(new), list(new)
    while stack:
        for operand in operands[stack.pop()]:
            if operand not in found and marks.stages.get(operand, 0) % 3 == UPDATE and operand.op is not None:
                found.add(operand)
                stack.append(operand)
    return found


def _arguments(family: Family) -> list[Node]:
    """The parameter, its gradient and whatever else is computed, then the memory, then settings."""
    computed = [n for n in family.given if n.op is not None]
    return [family.old[0], *computed, *family.old[1:], *(n for n in family.given if n.op is None)]


def _written(
    program: Program,
    family: Family,
    operands: Mapping[Node, Sequence[Node]],
    marks: Landmarks,
    inputs: Mapping[Node, str],
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
        leaf = program.names[node].rpartition(".")[2]
        names[node] = labels.take(MEMORY.get(leaf, leaf))
    wanted = {new: names[old] for new, old in zip(family.new, family.old, strict=True)}
    draft = Draft(program, family.nodes, operands, family.new, names, wanted, marks, labels)
    for statement in draft.statements:
        statement.place = (0, 0, *statement.place[2:])
    try:
        statements = schedule(draft.statements, set(family.new), dict(zip(family.new, family.old, strict=True)))
    except StillNeeded:
        return None
    body = [line for s in statements for line in s.lines]
    if len(body) < FEWEST_LINES or draft.constants:
        return None
    arguments = tuple(names[n] for n in _arguments(family))
    returned = tuple(names[n] for n in family.old)
    # The first computed value is the gradient, each family's own; all others are to be the same for all.
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
