"""The tracer: an interpretation of ops that records instead of computing, and is told of every read and write of state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.compiler.cells import Cell, Counter, Gradient, Key, Memory, Setting, Slot, Value
from chainrule.compiler.program import Program, build_program
from chainrule.core import source
from chainrule.core.apply import _prepare
from chainrule.core.aval import Aval, int64
from chainrule.core.errors import GraphError
from chainrule.core.graph import Node, Tap
from chainrule.core.modes import local
from chainrule.core.philox import Generator, blocks_used
from chainrule.tensor import Tensor

__all__ = ["Guard", "NeedsEagerStep", "Trace", "Tracer", "trace"]


class NeedsEagerStep(Exception):
    """The function makes new state (an optimizer's memory), which the first call does eagerly."""


class Guard:
    """Something that the traced program took for granted; when it no longer holds the function is traced again."""

    __slots__ = ("read", "value", "what")

    def __init__(self, what: str, read: Callable[[], Any]) -> None:
        self.what, self.read, self.value = what, read, read()

    def holds(self) -> bool:
        """Whether it is still as it was."""
        return bool(self.read() == self.value)


class Trace:
    """What one trace gave: the program, the cells behind its inputs, and what to do around a call."""

    def __init__(self, program: Program, cells: list[Cell], updated: list[Cell], slots: list[Slot]) -> None:
        self.program = program
        #: Behind the program's first inputs; the arguments' arrays follow.
        self.cells = cells
        #: Behind the program's last outputs; the results come first.
        self.updated = updated
        #: One an argument that is a tensor, to be pointed at the call's own tensor.
        self.slots = slots
        self.guards: list[Guard] = []
        self.deferred: list[Callable[[], None]] = []
        #: Gradients that an optimizer step used up: ``.grad`` is None after the call.
        self.dropped: list[Slot] = []
        self.result: Any = None

    def finish(self) -> None:
        """What follows every call, after the new state is in its place."""
        for slot in self.dropped:
            slot.tensor._grad = None
        for action in self.deferred:
            action()


class Tracer:
    """Answers ``apply`` and keeps the books while one function is traced."""

    def __init__(self, keep_gradients: bool = False) -> None:
        #: Nodes made from here on are this trace's own.
        self.start = Node.leaf(np.zeros(())).serial
        self.keep_gradients = keep_gradients
        self.values: dict[int, Value] = {}
        self.cells: list[Cell] = []
        self.constants: set[Node] = set()
        #: A tensor that was changed and requires a gradient is a leaf again; this is what computed it.
        self.aliases: dict[Node, Node] = {}
        self.gradients: dict[int, tuple[Slot, Any, Gradient | None]] = {}
        self.stepped: set[int] = set()
        self.memories: dict[tuple[int, int], tuple[Any, Slot, dict[str, Memory], dict[str, Tensor]]] = {}
        self.settings: dict[tuple[int, str], tuple[Setting, Tensor]] = {}
        self.generators: dict[int, tuple[Key, Counter, list[Tensor]]] = {}
        self.modules: dict[int, tuple[Any, Any]] = {}
        self.guards: list[Guard] = []
        self.deferred: list[Callable[[], None]] = []
        self.slots: dict[int, Slot] = {}

    # ---- ops

    def interpret(self, op: Any, inputs: tuple[Any, ...]) -> Tensor:
        """Record ``op``: infer, and make a node without a value."""
        for x in inputs:
            if isinstance(x, Tensor):
                self.read(x)
        nodes, aval = _prepare(op, inputs)
        for node in nodes:
            if node.value is not None:
                self.constants.add(node)
        mode = local.mode
        wanted = (
            mode.grad and op.differentiable and aval.floating and any(node.requires_grad for node in nodes)
        )  # fmt: skip
        scope = mode.scope
        where = scope[2] if scope is not None else None
        node = Node(op, nodes, aval, None, wanted, where or source.caller(3), scope)
        if mode.watch is not None:
            mode.watch(op, node, nodes)
        return Tensor._of(node)

    # ---- tensors

    def is_state(self, x: Tensor) -> bool:
        """Whether ``x`` was there before the trace, so that its value may differ from call to call."""
        node = x.node
        return node.value is not None and node.serial < self.start and node not in self.constants

    def slot(self, x: Tensor) -> Slot:
        """The place where ``x`` stands."""
        return self.slots.setdefault(id(x), Slot(x))

    def read(self, x: Tensor) -> None:
        """A tensor that was there before the trace becomes an input when it is first used."""
        if self.is_state(x):
            cell = Value(self.slot(x), x.node, "")
            self.values[id(x)] = cell
            self.cells.append(cell)
            x.node = cell.node

    def write(self, x: Tensor, new: Node) -> None:
        """``x`` takes a new value; one that requires a gradient stays a leaf."""
        self.read(x)
        cell = self.values.get(id(x))
        if cell is not None and new.aval is not cell.aval:
            raise GraphError(
                "a change in place in a compiled function",
                f"{new.aval!r} for a tensor of {cell.aval!r}",
                "the same shape and dtype",
                "make a new tensor",
            )
        if cell is not None and cell.requires_grad:
            leaf = Node(None, (), new.aval, None, True)
            leaf.tap = cell.node.tap
            self.aliases[leaf] = new
            new = leaf
        x.node = new

    # ---- gradients

    def touch_gradient(self, x: Tensor) -> None:
        """``x.grad`` is about to be read or written."""
        if id(x) in self.gradients:
            return
        before = getattr(x, "_grad", None)
        cell = None
        if before is not None:
            aval = Aval.like(before) if type(before) is np.ndarray else before.node.aval
            cell = Gradient(self.slot(x), aval, "")
            x._grad = Tensor._of(cell.node)
        self.gradients[id(x)] = (self.slot(x), before, cell)

    # ---- optimizers

    def setting(self, group: dict[str, Any], key: str) -> Any:
        """The number ``group[key]`` as an input."""
        found = self.settings.get((id(group), key))
        if found is None:
            if isinstance(group[key], Tensor):
                return group[key]
            cell = Setting(group, key)
            self.cells.append(cell)
            found = self.settings[id(group), key] = (cell, Tensor._of(cell.node))
        return found[1]

    def guard_settings(self, optimizer: Any, group: dict[str, Any]) -> None:
        """All other settings are part of the program."""
        name = type(optimizer).__name__
        for key, value in group.items():
            if key not in ("params", "lr") and not isinstance(value, Tensor):
                self.guards.append(Guard(f"{name}'s {key}", lambda key=key: group.get(key)))
        self.guards.append(Guard(f"the parameters of {name}", lambda: [id(p) for p in group["params"]]))

    def memory(self, optimizer: Any, p: Tensor) -> dict[str, Tensor]:
        """What the optimizer remembers of ``p``, as inputs."""
        self.stepped.add(id(p))
        found = self.memories.get((id(optimizer), id(p)))
        if found is None:
            cells = {
                key: Memory(optimizer, self.slot(p), key, t.node.aval, key)
                for key, t in optimizer.state.get(p, {}).items()
            }
            self.cells.extend(cells.values())
            tensors = {key: Tensor._of(cell.node) for key, cell in cells.items()}
            found = self.memories[id(optimizer), id(p)] = (optimizer, self.slot(p), cells, tensors)
            self.guards.append(Guard("what the optimizer remembers", lambda: list(optimizer.state.get(p, {}))))
        return dict(found[3])

    def remember(self, optimizer: Any, p: Tensor, values: dict[str, Tensor]) -> None:
        """What the optimizer remembers of ``p`` from now on."""
        found = self.memories[id(optimizer), id(p)]
        if set(values) != set(found[2]):
            raise NeedsEagerStep(f"{type(optimizer).__name__} makes its memory in its first step")
        found[3].update(values)

    def defer(self, action: Callable[[], None]) -> None:
        """Do this after every call."""
        self.deferred.append(action)

    # ---- random numbers and modules

    def draw(self, generator: Generator, words: int) -> tuple[Tensor, Tensor]:
        """Key and counter for a draw of ``words`` words, and the counter moved on."""
        found = self.generators.get(id(generator))
        if found is None:
            key, counter = Key(generator), Counter(generator)
            self.cells += [key, counter]
            found = self.generators[id(generator)] = (key, counter, [Tensor._of(counter.node)])
        key_cell, _, at = found
        here = at[-1]
        at.append(here + Tensor._wrap(np.asarray(blocks_used(words), int64)))
        return Tensor._of(key_cell.node), here

    def visit(self, module: Any, outer: Any) -> None:
        """``module`` is called: its mode, plain attributes and parameters are taken for granted."""
        if id(module) not in self.modules:
            self.modules[id(module)] = (module, outer)
            self.guards.append(Guard(f"the mode or attributes of {type(module).__name__}", lambda: _settings(module)))


def _settings(module: Any) -> Any:
    """What a trace bakes in of a module: its mode, plain attributes, and which tensors and modules it holds."""
    plain = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and isinstance(value, (bool, int, float, str, tuple, type(None)))
    }
    held = (module._parameters, module._buffers, module._modules)
    return plain, [id(x) for part in held for x in part.values()], len(module._hooks)


def trace(
    function: Callable[..., Any],
    tree: Any,
    leaves: list[Tensor],
    streams: int = 0,
    keep_gradients: bool = False,
    names: list[str] | None = None,
) -> Trace:
    """Run ``function`` once on tensors without values and return the program that it is.

    Args:
        tree: positional and keyword arguments, with places in ``leaves`` for tensors.
        leaves: the tensors among the arguments; only shape, dtype and requires_grad are used.
        streams: how many of the last leaves are one slice a step of an array.
        keep_gradients: leave gradients in ``.grad`` even where an optimizer step has used them up.
        names: what to call the leaves in the program.
    """
    tracer = Tracer(keep_gradients)
    stand_ins = []
    arguments: list[Value] = []
    for i, leaf in enumerate(leaves):
        stand_in = Tensor._of(leaf.node)
        slot = tracer.slots[id(stand_in)] = Slot(stand_in)
        cell = Value(slot, Node(None, (), leaf.aval, None, leaf.requires_grad), names[i] if names else f"arg{i}")
        if leaf.requires_grad:
            cell.node.tap = Tap(_Reference(stand_in))
        stand_in.node = cell.node
        tracer.values[id(stand_in)] = cell
        arguments.append(cell)
        stand_ins.append(stand_in)
    mode = local.mode
    before = mode.interpret, mode.tracer
    mode.interpret, mode.tracer = tracer.interpret, tracer
    try:
        args, kwargs = _unflatten_static(tree, stand_ins)
        result = function(*args, **kwargs)
        return _finish(tracer, arguments, stand_ins, result, streams)
    finally:
        mode.interpret, mode.tracer = before
        for cell in tracer.values.values():
            if cell not in arguments:
                cell.slot.tensor.node = cell.original
        for slot, gradient, _ in tracer.gradients.values():
            slot.tensor._grad = gradient


class _Reference:
    """Leads a gradient to an argument's stand-in, as a weak reference does to a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __call__(self) -> Tensor:
        return self.tensor


def _unflatten_static(tree: Any, values: list[Tensor]) -> Any:
    """Arguments with tensors in their places; what is not a ``Place`` is static."""
    if isinstance(tree, Place):
        return values[tree.index]
    if isinstance(tree, dict):
        return {k: _unflatten_static(v, values) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_unflatten_static(v, values) for v in tree]
        return tree._make(items) if hasattr(tree, "_make") else type(tree)(items)
    return tree


class Place:
    """Where a tensor stood in a structure of arguments or results."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and other.index == self.index

    def __hash__(self) -> int:
        return hash(("place", self.index))


def _collect(tree: Any, found: list[Tensor]) -> Any:
    """Results with places for tensors; everything else is returned as it is at every call."""
    if isinstance(tree, Tensor):
        found.append(tree)
        return Place(len(found) - 1)
    if isinstance(tree, dict):
        return {k: _collect(v, found) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_collect(v, found) for v in tree]
        return tree._make(items) if hasattr(tree, "_make") else type(tree)(items)
    return tree


def _finish(tracer: Tracer, arguments: list[Value], stand_ins: list[Tensor], result: Any, streams: int) -> Trace:
    """Results, changed cells and gradients that stay are the program's outputs."""
    results: list[Tensor] = []
    structure = _collect(result, results)
    for x in results:
        tracer.read(x)
    cells = list(tracer.cells)
    outputs = [x.node for x in results]
    updated: list[Cell] = []

    def changed(cell: Cell, node: Node) -> None:
        updated.append(cell)
        outputs.append(node)

    dropped: list[Slot] = []
    for slot, before, gradient in tracer.gradients.values():
        after = getattr(slot.tensor, "_grad", None)
        if after is None:
            if before is not None:
                dropped.append(slot)
            continue
        if gradient is not None:
            cells.append(gradient)
            if after.node is gradient.node:
                continue
        added_to = gradient is not None and _depends(after.node, gradient.node)
        if not added_to and id(slot.tensor) in tracer.stepped and not tracer.keep_gradients:
            dropped.append(slot)
            continue
        tracer.read(after)
        changed(gradient or Gradient(slot, after.node.aval, ""), after.node)
    for cell in tracer.values.values():
        if cell.slot.tensor.node is not cell.node:
            changed(cell, cell.slot.tensor.node)
    for _, _, memory, values in tracer.memories.values():
        for key, stored in memory.items():
            changed(stored, values[key].node)
    for _, counter, at in tracer.generators.values():
        changed(counter, at[-1].node)
    for cell in tracer.values.values():
        if cell not in arguments and isinstance(cell.original.value, np.ndarray):
            tracer.guards.append(Guard("a tensor's type", _type_of(cell)))
    _name_cells(tracer, cells, arguments)
    program = build_program(tracer, cells, arguments, outputs, updated, len(results), streams)
    kept = [c for c in cells if c.node in program.given]
    made = Trace(program, kept, updated, [tracer.slots[id(x)] for x in stand_ins])
    made.guards, made.deferred, made.dropped, made.result = tracer.guards, tracer.deferred, dropped, structure
    return made


def _depends(node: Node, on: Node) -> bool:
    """Whether ``node`` was computed from ``on``."""
    seen, stack = {node}, [node]
    while stack:
        for other in stack.pop().inputs:
            if other is on:
                return True
            if other not in seen:
                seen.add(other)
                stack.append(other)
    return node is on


def _type_of(cell: Value) -> Callable[[], Any]:
    tensor = cell.slot.tensor
    return lambda: (tensor.node.aval, tensor.node.requires_grad)


def _name_cells(tracer: Tracer, cells: list[Cell], arguments: list[Value]) -> None:
    """Names as the user knows them: a parameter's path in its model, what the optimizer remembers of it, its gradient."""
    names: dict[int, str] = {}
    roots = [module for module, outer in tracer.modules.values() if outer is None]
    for number, root in enumerate(roots):
        prefix = f"{type(root).__name__.lower()}{number}." if len(roots) > 1 else ""
        for name, tensor in (*root.named_parameters(), *root.named_buffers()):
            names.setdefault(id(tensor), prefix + name)
    for cell in arguments:
        names[id(cell.slot.tensor)] = cell.name
    unnamed = 0
    for cell in cells:
        if isinstance(cell, (Value, Gradient, Memory)):
            name = names.get(id(cell.slot.tensor))
            if name is None:
                name = names[id(cell.slot.tensor)] = f"tensor{unnamed}"
                unnamed += 1
            cell.name = {Value: name, Gradient: f"{name}.grad"}.get(type(cell), f"{name}.{getattr(cell, 'key', '')}")


