"""The computation behind a tensor as plain data: every value, its gradient, and where the gradient came from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.core.errors import GradientError, ShapeError
from chainrule.core.graph import Graph, Node
from chainrule.core.modes import no_grad
from chainrule.nn.module import Module
from chainrule.ops.reduce import sum_to
from chainrule.tensor import Parameter, Tensor

__all__ = ["Array", "Call", "Circuit", "Path", "Quantity", "send_back", "variables"]

Array = np.ndarray[Any, Any]

_ROOM = os.path.dirname(os.path.abspath(__file__)) + os.sep


@dataclass(eq=False)
class Call:
    """One call of a module, and what was computed in it."""

    module: Module
    path: str
    parent: Call | None
    inside: list[Quantity | Call] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The module's class."""
        return type(self.module).__name__

    @property
    def title(self) -> str:
        """``encoder.fc1: Linear``, or the class alone for a module that no other holds."""
        return self.title_in(None)

    def title_in(self, outer: Call | None) -> str:
        """The title as seen from inside another call: ``fc1: Linear``."""
        path = self.path.removeprefix(f"{outer.path}." if outer is not None and outer.path else "")
        return f"{path}: {self.kind}" if path else self.kind

    @property
    def calls(self) -> list[Call]:
        """The calls made directly inside."""
        return [item for item in self.inside if isinstance(item, Call)]

    def quantities(self) -> Iterator[Quantity]:
        """Everything computed inside, at any depth."""
        stack: list[Quantity | Call] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Call):
                stack.extend(reversed(item.inside))
            else:
                yield item


@dataclass(eq=False)
class Path:
    """What one use of a quantity sends back to it."""

    #: The quantity that was computed from it, and which of that one's inputs it is.
    user: Quantity
    position: int
    #: The gradient along this path: as the rule gives it, and summed over what was broadcast.
    spread: Array
    gradient: Array


@dataclass(eq=False)
class Quantity:
    """One value of the computation: an input, a parameter, a constant, or the result of an operation."""

    node: Node
    kind: str
    #: What the user calls it, or nothing.
    name: str
    inputs: tuple[Quantity, ...] = ()
    #: Its place in the order of computation.
    index: int = 0
    call: Call | None = None
    #: The quantities computed from it, with the place it has among their inputs.
    users: list[tuple[Quantity, int]] = field(default_factory=list)
    wants_gradient: bool = False
    gradient: Array | None = None
    #: What its users send back to it, and what it sends on to its inputs.
    paths: list[Path] = field(default_factory=list)
    sent: list[Path] = field(default_factory=list)

    @property
    def value(self) -> Array:
        """The numbers."""
        return np.asarray(self.node.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.node.aval.shape

    @property
    def is_number(self) -> bool:
        """Whether it is a constant number that was written into an expression, such as the 3 of ``3 * x``."""
        return self.kind == "constant" and not self.name and self.node.aval.size == 1

    @property
    def short_name(self) -> str:
        """Its name as seen from inside its module: ``weight`` for ``fc1.weight``."""
        prefix = f"{self.call.path}." if self.call is not None and self.call.path else ""
        return self.name.removeprefix(prefix)

    def __repr__(self) -> str:
        return f"<Quantity {self.name or self.node!r}>"


@dataclass(eq=False)
class Circuit:
    """Everything that went into ``output``, in the order in which it was computed."""

    quantities: list[Quantity]
    output: Quantity
    #: Calls and quantities that stand in no call.
    inside: list[Quantity | Call]
    #: Quantities with a gradient in the order of the walk back: the last computed first.
    order: list[Quantity] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        output: Tensor,
        gradient: Any = None,
        names: Mapping[str, Tensor] | None = None,
        inputs: Iterable[Tensor] = (),
        data: Iterable[Tensor] = (),
    ) -> Circuit:
        """The circuit of a tensor, with the gradients that ``output.backward(gradient)`` would compute.

        Nobody's ``.grad`` changes, no hook is called, and the tape stays. A tensor that is not one number has
        gradients only if ``gradient`` is given. ``inputs`` are drawn as such; among them ``data`` are those that were
        recorded only to be seen, and get no gradient. Raises GradientError for a tensor that was not recorded, GraphError
        where an earlier ``backward()`` let the tape go.
        """
        _check(output)
        graph = Graph.of((output.node,))
        nodes = sorted((*graph.inputs, *graph.nodes), key=lambda node: node.serial)
        circuit = cls._connect(nodes, output.node, _Names(nodes, names or {}), {t.node for t in inputs})
        circuit._want({t.node for t in data})
        if gradient is not None or output.node.aval.size == 1:
            circuit._walk_back(_seed(output, gradient))
        return circuit

    @classmethod
    def _connect(cls, nodes: list[Node], output: Node, names: _Names, given: set[Node]) -> Circuit:
        found: dict[Node, Quantity] = {}
        began = min((n.serial for n in nodes if n.op is not None), default=0)
        for index, node in enumerate(nodes):
            name = names.of(node)
            inputs = tuple(found[other] for other in node.inputs)
            quantity = Quantity(node, _kind(node, name, node in given, began), name, inputs, index)
            found[node] = quantity
            for position, source in enumerate(inputs):
                source.users.append((quantity, position))
        circuit = cls(list(found.values()), found[output], [])
        _group(circuit)
        return circuit

    def _want(self, data: set[Node]) -> None:
        """Mark what a gradient goes to: all that was recorded, but for data and what is computed from data alone."""
        for quantity in self.quantities:
            recorded = quantity.node.requires_grad and quantity.node not in data
            leaf = quantity.node.op is None
            quantity.wants_gradient = recorded and (leaf or any(source.wants_gradient for source in quantity.inputs))

    def _walk_back(self, seed: Array) -> None:
        """Visit the last computed first; the rules are the library's own, on values that nobody records."""
        self.output.gradient = seed
        for quantity in reversed(self.quantities):
            if quantity is not self.output:
                if not quantity.paths:
                    continue
                quantity.gradient = _total([path.gradient for path in quantity.paths])
            self.order.append(quantity)
            quantity.sent = send_back(quantity, quantity.gradient)
            for path in quantity.sent:
                quantity.inputs[path.position].paths.append(path)

    def names(self) -> dict[Quantity, str]:
        """A name for each quantity: its own, or ``v1``, ``v2``, ... in the order of computation."""
        taken = {q.name for q in self.quantities}
        free = (f"v{i}" for i in range(1, 2 * len(self.quantities) + 2) if f"v{i}" not in taken)
        return {q: q.name or next(free) for q in self.quantities if not q.is_number}


def send_back(quantity: Quantity, gradient: Any) -> list[Path]:
    """What ``gradient`` of a quantity becomes for each input that wants one."""
    node = quantity.node
    if node.op is None:
        return []
    paths = []
    with no_grad():
        parts = node.op.vjp(Tensor._wrap(np.asarray(gradient)), Tensor._of(node), *map(Tensor._of, node.inputs))
        parts = parts if isinstance(parts, tuple) else (parts,)
        for position, (source, part) in enumerate(zip(quantity.inputs, parts, strict=True)):
            if part is None or not source.wants_gradient:
                continue
            part = part() if isinstance(part, FunctionType) else part
            total = part if part.shape == source.shape else sum_to(part, source.shape)
            paths.append(Path(quantity, position, part.numpy(), total.numpy()))
    return paths


def _total(parts: list[Array]) -> Array:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return np.asarray(total)


def _check(output: Any) -> None:
    if not isinstance(output, Tensor):
        raise GradientError(
            "draw a computation",
            f"a {type(output).__name__}",
            "a tensor that was computed, or a module with its inputs",
            "pass the loss, or show.graph(model, x, target=y, loss=nn.MSELoss())",
        )
    if not output.requires_grad:
        raise GradientError(
            "draw a computation",
            "a tensor that needs no gradient: how it was computed was not recorded",
            "something computed from a tensor with requires_grad=True, or from a model's parameters",
            "pass requires_grad=True to cr.tensor, and compute outside no_grad()",
        )
    if output.node.value is None:
        raise GradientError(
            "draw a computation",
            "a tensor that is being traced: it has no numbers yet",
            "a tensor with its value",
            "call cr.show outside the compiled function",
        )


def _seed(output: Tensor, gradient: Any) -> Array:
    if gradient is None:
        return np.ones(output.shape, output.dtype)
    seed = np.asarray(gradient.numpy() if isinstance(gradient, Tensor) else gradient, output.dtype)
    if seed.shape != output.shape:
        raise ShapeError(
            "gradient=", f"shape {seed.shape}", f"the shape of what is drawn, {output.shape}", "reshape it"
        )
    return seed


def _kind(node: Node, name: str, given: bool, began: int) -> str:
    """``operation``, ``parameter``, ``input`` or ``constant``.

    Numbers without a gradient are constants. Arrays without one are inputs (data) if they have a name, or if they are
    floats that were there before the computation began; else constants made on the way, such as a mask.
    """
    if node.op is not None:
        return "operation"
    if given:
        return "input"
    if node.requires_grad:
        owner = node.tap.cell() if node.tap is not None and node.tap.cell is not None else None
        return "parameter" if isinstance(owner, Parameter) else "input"
    early = node.serial < began and node.aval.floating
    return "input" if node.aval.size > 1 and (name or early) else "constant"


class _Names:
    """What nodes are called: by their module, by the caller, by themselves."""

    def __init__(self, nodes: list[Node], given: Mapping[str, Tensor]) -> None:
        self._by_node: dict[Node, str] = {}
        self._by_tap: dict[Any, str] = {}
        for name, tensor in given.items():
            self._by_node.setdefault(tensor.node, name)
            if tensor.node.op is None and tensor.node.tap is not None:
                self._by_tap.setdefault(tensor.node.tap, name)
        # Parameters are known by their tap: an optimizer gives them a new node at each step.
        for root in {id(r): r for r in map(_root, nodes) if r is not None}.values():
            for path, parameter in root.named_parameters():
                self._by_tap[parameter.node.tap] = path

    def of(self, node: Node) -> str:
        """The name, or an empty string."""
        tap = node.tap
        return self._by_tap.get(tap, "") or self._by_node.get(node, "") or (tap is not None and tap.name) or ""


def _root(node: Node) -> Module | None:
    """The outermost module being called when ``node`` was made."""
    scope = node.scope
    while scope is not None and scope[0] is not None:
        scope = scope[0]
    return scope[1] if scope is not None else None


def variables() -> dict[str, Tensor]:
    """The tensors among the variables of the code that called ``chainrule.show``, by name."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_ROOM):
        frame = frame.f_back
    held = frame.f_locals.items()
    return {name: value for name, value in held if isinstance(value, Tensor) and not name.startswith("_")}


def _group(circuit: Circuit) -> None:
    """Put each quantity into the module call that made it.

    A call is a run of operations without a gap in the order of computation, so no wire leaves it and comes back.
    """
    open_calls: list[tuple[Any, Call]] = []
    for quantity in circuit.quantities:
        if quantity.node.op is None:
            continue
        scopes = _scopes(quantity.node)
        same = 0
        while same < min(len(scopes), len(open_calls)) and open_calls[same][0] is scopes[same]:
            same += 1
        del open_calls[same:]
        for scope in scopes[same:]:
            parent = open_calls[-1][1] if open_calls else None
            call = Call(scope[1], _path(scope), parent)
            (parent.inside if parent else circuit.inside).append(call)
            open_calls.append((scope, call))
        quantity.call = open_calls[-1][1] if open_calls else None
        (quantity.call.inside if quantity.call else circuit.inside).append(quantity)
    for quantity in reversed(circuit.quantities):
        if quantity.node.op is None:
            if quantity.kind != "input":
                quantity.call = _common([user.call for user, _ in quantity.users])
            (quantity.call.inside if quantity.call else circuit.inside).insert(0, quantity)


def _scopes(node: Node) -> list[Any]:
    scopes, scope = [], node.scope
    while scope is not None:
        scopes.append(scope)
        scope = scope[0]
    return scopes[::-1]


def _path(scope: Any) -> str:
    """The dotted path of the module being called, as seen from the outermost one."""
    names = []
    while scope[0] is not None:
        names.append(scope[0][1].child_name(scope[1]))
        scope = scope[0]
    return ".".join(reversed(names))


def _common(calls: list[Call | None]) -> Call | None:
    """The innermost call that all of ``calls`` stand in."""
    chains = [_chain(call) for call in calls]
    common = None
    for level in zip(*chains, strict=False):
        if any(call is not level[0] for call in level):
            break
        common = level[0]
    return common


def _chain(call: Call | None) -> list[Call]:
    chain = []
    while call is not None:
        chain.append(call)
        call = call.parent
    return chain[::-1]
