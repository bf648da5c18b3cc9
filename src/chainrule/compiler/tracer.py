"""The tracer: an interpretation of ops that records instead of computing, and is told of every read and write of state."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule.compiler.cells import Cell, Counter, Gradient, Key, Memory, Setting, Slot, Value
from chainrule.compiler.guards import (
    Guard,
    ListGuard,
    MemoryGuard,
    ModuleGuard,
    NumbersGuard,
    TypeGuard,
    checked,
    image,
    surroundings,
)
from chainrule.core import source
from chainrule.core.apply import _prepare
from chainrule.core.aval import Aval, int64
from chainrule.core.errors import DTypeError, GradientError, GraphError
from chainrule.core.graph import Constant, Node, Tap
from chainrule.core.modes import local
from chainrule.core.philox import Generator, blocks_used
from chainrule.core.traced import Gone
from chainrule.tensor import Tensor

__all__ = ["AlsoCaptured", "NeedsEagerStep", "Tracer"]

Array = np.ndarray[Any, Any]


class NeedsEagerStep(Exception):
    """The function makes new state (an optimizer's memory), which the first call does eagerly."""


class AlsoCaptured(Exception):
    """The function also reaches one of its arguments in another way: through an optimizer, a model, a variable."""

    def __init__(self, argument: int) -> None:
        self.argument = argument


class Tracer:
    """Answers ``apply`` and keeps the books while one function is traced.

    Args:
        passed: the call's own tensors by identity, with their places; inside the function others stand for them.
        keep_gradients: leave gradients in ``.grad`` even where an optimizer step has used them up.
        moving: settings of optimizers that are known to change, by the identity of their group and their key.
    """

    def __init__(
        self, passed: dict[int, int], keep_gradients: bool = False, moving: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        #: Nodes made from here on are this trace's own.
        self.start = Node.leaf(np.zeros(())).serial
        self.nodes: list[Node] = []
        self.passed, self.keep_gradients, self.moving = passed, keep_gradients, moving
        self.values: dict[int, Value] = {}
        self.cells: list[Cell] = []
        self.constants: set[Node] = set()
        #: A tensor that was changed and requires a gradient is a leaf again; this is what computed it.
        self.aliases: dict[Node, Node] = {}
        self.gradients: dict[int, tuple[Slot, Any, Gradient | None]] = {}
        #: Tensors whose gradient from before the call was looked at or added to.
        self.observed: set[int] = set()
        self.stepped: set[int] = set()
        self.memories: dict[tuple[int, int], tuple[Any, Slot, dict[str, Memory], dict[str, Tensor]]] = {}
        self.settings: dict[tuple[int, str, int | None], tuple[Setting, Tensor]] = {}
        self.generators: dict[int, tuple[Key, Counter, list[Tensor]]] = {}
        self.own_generators: dict[int, Generator] = {}
        self.modules: dict[int, tuple[Any, Any]] = {}
        #: The mode that each module was in before the call.
        self.training: dict[int, tuple[Any, bool]] = {}
        self.guards: list[Guard] = []
        #: What was taken for granted of numbers, looked at when all else holds.
        self.numbers: list[NumbersGuard] = []
        #: The numbers of the call's arguments, by what stands for them.
        self.given: dict[Node, Array] = {}
        self.guarded: set[Any] = set()
        self.deferred: list[Callable[[], None]] = []
        self.rescheduled: set[int] = set()
        self.slots: dict[int, Slot] = {}
        #: The gradient of each node that a backward walk came to.
        self.gradient_of: dict[Node, Node] = {}
        #: Where "backward" and "update" begin and end: the serial from which on nodes belong to it ("" to neither).
        self.phases: list[tuple[int, str]] = []

    def enter(self, phase: str) -> None:
        """What is computed from here on is part of a backward walk, of an optimizer's update, or of neither ("")."""
        self.phases.append((Node.leaf(np.zeros(())).serial, phase))

    def note_gradient(self, node: Node, gradient: Tensor) -> None:
        """``gradient`` is the complete gradient of ``node``."""
        self.gradient_of[node] = gradient.node

    # ---- ops

    def interpret(self, op: Any, inputs: tuple[Any, ...]) -> Tensor:
        """Record ``op``: infer, and make a node without a value."""
        for x in inputs:
            if isinstance(x, Tensor):
                self.read(x)
        nodes, aval = _prepare(op, inputs)
        self.constants.update(node for node in nodes if node.value is not None)
        mode = local.mode
        wanted = mode.grad and op.differentiable and aval.floating and any(node.requires_grad for node in nodes)
        scope = mode.scope
        where = scope[2] if scope is not None else None
        node = Node(op, nodes, aval, None, wanted, where or source.caller(3), scope)
        self.nodes.append(node)
        if mode.watch is not None:
            mode.watch(op, node, nodes)
        return Tensor._of(node)

    # ---- tensors

    def is_state(self, x: Tensor) -> bool:
        """Whether ``x`` was there before the trace, so that its value may differ from call to call."""
        node = x.node
        here = node.value is not None and node.serial < self.start
        return here and type(node) is not Constant and node not in self.constants

    def was_there(self, x: Tensor) -> bool:
        """Whether ``x`` was there before the trace, though it be changed since, or an argument."""
        return id(x) in self.values or self.is_state(x)

    def slot(self, x: Tensor) -> Slot:
        """The place where ``x`` stands."""
        if id(x) in self.passed:
            raise AlsoCaptured(self.passed[id(x)])
        return self.slots.setdefault(id(x), Slot(x))

    def read(self, x: Tensor) -> None:
        """A tensor that was there before the trace becomes an input when it is first used."""
        if self.is_state(x):
            if type(x.node.value) is Gone:
                raise x.node.value.error()
            cell = Value(self.slot(x), x.node, "")
            self.values[id(x)] = cell
            self.cells.append(cell)
            self.guards.append(TypeGuard(x))
            x.node = cell.node

    def write(self, x: Tensor, value: Tensor, leaf: bool = False) -> None:
        """``x`` takes the value of another tensor: with its history, or as a ``leaf`` that learns if x did."""
        self.read(x)
        self.read(value)
        cell, new = self.values.get(id(x)), value.node
        if cell is not None and new.aval is not cell.aval:
            raise GraphError(
                "a change in place in a compiled function",
                f"{new.aval!r} for a tensor of {cell.aval!r}",
                "the same shape and dtype",
                "make a new tensor",
            )
        learns = x.requires_grad
        x.node = self._leaf(x, new, learns) if leaf and (learns or new.requires_grad) else new

    def _leaf(self, x: Tensor, computed: Node, learns: bool) -> Node:
        """A leaf for ``x`` with a value that was computed; who listens for the gradient of ``x`` goes on listening."""
        leaf = Node(None, (), computed.aval, None, learns)
        if learns:
            known = x.node.op is None and x.node.tap is not None
            leaf.tap = x.node.tap if known else Tap(weakref.ref(x))
        self.aliases[leaf] = computed
        self.nodes.append(leaf)
        return leaf

    def set_requires_grad(self, x: Tensor, wanted: bool) -> None:
        """A tensor made in the trace becomes a leaf that learns, or one that does not."""
        if self.was_there(x):
            if x.requires_grad is not wanted:
                raise GradientError(
                    "requires_grad = ... in a compiled function",
                    "a tensor from outside it",
                    "a tensor made in the function: what learns is part of the program",
                    "set it before the call: the function is traced again when it has changed",
                )
        elif wanted and not x.aval.floating:
            raise DTypeError(
                "requires_grad=True", f"a tensor of {x.dtype}", "float32 or float64", "cast it first: x.float()"
            )
        else:
            x.node = self._leaf(x, x.node, wanted)

    def known(self, x: Tensor, what: str, check: Callable[[Array], bool]) -> bool | None:
        """What ``check`` says of the numbers of ``x`` at every call, where they are there before it: a guard sees to that.

        None for numbers that the function computes. See ``NumbersGuard`` for what ``check`` says.
        """
        self.read(x)
        node, some = x.node, False
        while node.op is not None and _only_moves(node):
            some = some or node.op.name == "index"
            node = node.inputs[0]
        if node.value is not None:
            return checked(check, some, node.value)
        cell = next((c for c in self.values.values() if c.node is node), None)
        if cell is None:
            return None
        numbers = self.given.get(node, cell.original.value)
        guard = NumbersGuard(what, cell.slot, check, some, numbers)
        self.numbers.append(guard)
        return guard.value or (None if some else False)

    # ---- gradients

    def touch_gradient(self, x: Tensor, overwritten: bool = False) -> None:
        """``x.grad`` is about to be read, added to, or ``overwritten``."""
        if id(x) in self.gradients:
            return
        slot, before = self.slot(x), getattr(x, "_grad", None)
        cell = None
        if not overwritten:
            self.observed.add(id(x))
            if self.was_there(x):
                self.guards.append(Guard("what .grad held before the call", lambda: _gradient_aval(slot.tensor)))
            if before is not None:
                cell = Gradient(slot, _gradient_aval(x), "")
                x._grad = Tensor._of(cell.node)
        self.gradients[id(x)] = (slot, before, cell)

    # ---- optimizers

    def settings_of(self, optimizer: Any, group: dict[str, Any]) -> dict[str, Any]:
        """A group's settings, with inputs for the learning rate and for momentum that moves; the others are guarded."""
        self._guard_settings(optimizer, group)
        found = {**group, "lr": self._setting(group, "lr")}
        if self._moves(group, "momentum"):
            found["momentum"] = self._setting(group, "momentum")
        if self._moves(group, "betas"):
            found["betas"] = tuple(self._setting(group, "betas", i) for i in range(len(group["betas"])))
        return found

    def _moves(self, group: dict[str, Any], key: str) -> bool:
        """Whether an input stands for a setting. Without momentum there is another program, not one with momentum 0."""
        return (id(group), key) in self.moving and bool(group[key])

    def _setting(self, group: dict[str, Any], key: str, index: int | None = None) -> Any:
        """The number ``group[key]`` as an input."""
        found = self.settings.get((id(group), key, index))
        if found is None:
            if isinstance(group[key], Tensor):
                return group[key]
            cell = Setting(group, key, index)
            self.cells.append(cell)
            found = self.settings[id(group), key, index] = (cell, Tensor._of(cell.node))
        return found[1]

    def _guard_settings(self, optimizer: Any, group: dict[str, Any]) -> None:
        name = type(optimizer).__name__
        if id(optimizer) in self.rescheduled:
            raise GraphError(
                f"{name}.step() in a compiled function", "a step of its schedule before it, in the same call",
                "the schedule's step after the optimizer's", "call schedule.step() last: it acts after the call",
            )  # fmt: skip
        if id(group) in self.guarded:
            return
        self.guarded.add(id(group))
        self.guards.append(ListGuard(f"{name}'s groups", lambda: optimizer.param_groups))
        self.guards.append(ListGuard(f"{name}'s parameters", lambda: group["params"]))
        self.guards.append(Guard(f"{name}'s lr", partial(group.get, "lr"), _tensor_image))
        for key in group:
            if self._moves(group, key):
                self.guards.append(Guard(f"whether {name} has {key}", partial(_has_setting, group, key)))
            elif key not in ("params", "lr"):
                self.guards.append(Guard(f"{name}'s {key}", partial(group.get, key), image, (id(group), key)))

    def memory(self, optimizer: Any, p: Tensor) -> dict[str, Tensor]:
        """What the optimizer remembers of ``p``, as inputs."""
        self.enter("update")
        self.stepped.add(id(p))
        found = self.memories.get((id(optimizer), id(p)))
        if found is None:
            known = optimizer.state.get(p, {})
            cells = {
                key: Memory(optimizer, self.slot(p), key, t.node.aval, first=i == 0)
                for i, (key, t) in enumerate(known.items())
            }
            self.cells.extend(cells.values())
            tensors = {key: Tensor._of(cell.node) for key, cell in cells.items()}
            found = self.memories[id(optimizer), id(p)] = (optimizer, self.slot(p), cells, tensors)
            self.guards.append(MemoryGuard(optimizer, p))
        return dict(found[3])

    def remember(self, optimizer: Any, p: Tensor, values: dict[str, Tensor]) -> None:
        """What the optimizer remembers of ``p`` from now on."""
        self.enter("")
        found = self.memories[id(optimizer), id(p)]
        if set(values) != set(found[2]):
            raise NeedsEagerStep(f"{type(optimizer).__name__} makes its memory in its first step")
        found[3].update(values)

    def defer(self, action: Callable[[], None], optimizer: Any) -> None:
        """Do this, which changes the settings of ``optimizer``, after every call."""
        self.rescheduled.add(id(optimizer))
        self.deferred.append(action)

    # ---- random numbers and modules

    def seed(self, generator: Generator) -> None:
        """A generator that is made in the function starts anew at every call; others are not seeded in it."""
        if not hasattr(generator, "key"):
            self.own_generators[id(generator)] = generator
        elif id(generator) not in self.own_generators:
            raise GraphError(
                "seeding a generator in a compiled function", "one from outside it",
                "a generator made in the function, or seeded before the call",
                "seed before the call, or draw from a new cr.Generator(seed)",
            )  # fmt: skip

    def draw(self, generator: Generator, words: int) -> tuple[Tensor, Tensor]:
        """Key and counter for a draw of ``words`` words, and the counter moved on."""
        if id(generator) in self.own_generators:
            key, counter = (np.asarray(n, np.uint64).astype(int64) for n in generator.reserve(words))
            return Tensor._wrap(key), Tensor._wrap(counter)
        found = self.generators.get(id(generator))
        if found is None:
            cells = Key(generator), Counter(generator)
            self.cells += cells
            found = self.generators[id(generator)] = (*cells, [Tensor._of(cells[1].node)])
        key_cell, _, at = found
        here = at[-1]
        at.append(here + Tensor._wrap(np.asarray(blocks_used(words), int64)))
        return Tensor._of(key_cell.node), here

    def visit(self, module: Any, outer: Any) -> None:
        """``module`` is called."""
        if id(module) not in self.modules:
            self.modules[id(module)] = (module, outer)
            self.guard_module(module)
            if not module._in_library:
                self.guards += surroundings(module, self.guarded)

    def guard_module(self, module: Any) -> None:
        """A module's mode, plain attributes and parameters, as they are now, are part of the program."""
        if id(module) not in self.training:
            self.training[id(module)] = (module, module.training)
            self.guards.append(ModuleGuard(module))


def _only_moves(node: Node) -> bool:
    """Whether all numbers of a node are among those of its first input."""
    assert node.op is not None
    if node.op.name == "cast":
        return bool(np.can_cast(node.inputs[0].aval.dtype, node.aval.dtype, "safe"))
    return node.op.name in ("index", "reshape", "transpose")


def _tensor_image(setting: Any) -> Any:
    """A tensor as a setting is read anew at each call, if it is the same one; any number is an input."""
    return isinstance(setting, Tensor) and image(setting)


def _has_setting(group: dict[str, Any], key: str) -> bool:
    return bool(group.get(key))


def _gradient_aval(x: Tensor) -> Any:
    gradient = getattr(x, "_grad", None)
    if gradient is None:
        return None
    return Aval.like(gradient) if type(gradient) is np.ndarray else gradient.node.aval
