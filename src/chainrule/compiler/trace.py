"""Tracing: a function is run once on tensors without numbers, and what it did is a program."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from chainrule.compiler.cells import Cell, Gradient, Memory, Slot, Value, computed_outside
from chainrule.compiler.guards import Guard, Guards, NumbersGuard, variables
from chainrule.compiler.program import Program, build_program
from chainrule.compiler.structure import Place, fill, map_tree
from chainrule.compiler.tracer import AlsoCaptured, Tracer
from chainrule.core.graph import Node, Tap
from chainrule.core.modes import local
from chainrule.core.traced import Gone
from chainrule.tensor import Tensor

__all__ = ["Trace", "trace"]

#: Stands for an argument between calls, so that a trace does not keep the last batch alive.
_NOBODY = Tensor(0.0)


class Trace:
    """What one trace gave: the program, the cells behind its inputs, and what to do around a call."""

    def __init__(self, program: Program, cells: list[Cell], updated: list[Cell]) -> None:
        self.program = program
        #: Behind the program's first inputs; the arguments' arrays follow.
        self.cells = cells
        #: Behind the program's last outputs; the results come first.
        self.updated = updated
        #: One an argument that is a tensor, to be pointed at the call's own tensor.
        self.slots: list[Slot] = []
        #: Arguments that the function reaches in another way too: the program is for these very tensors.
        self.fixed: dict[int, Tensor] = {}
        #: All other tensors that it reads or writes, by identity: as arguments they would be reached in two ways.
        self.captured: set[int] = set()
        self.guards = Guards()
        #: Looked at when all guards hold, since they raise what the function would raise.
        self.numbers: list[NumbersGuard] = []
        self.deferred: list[Callable[[], None]] = []
        #: Gradients that are None after the call, for instance because an optimizer step has used them up.
        self.dropped: list[Slot] = []
        #: Whether what is taken for granted before a call still holds after it, so that calls may follow in one scan.
        self.steady = True
        #: The structure of the results, with a ``Place`` for each output and a ``Slot`` for a tensor from outside.
        self.result: Any = None
        #: Which results had a history in the trace, which they lose.
        self.histories: list[bool] = []

    def holds(self, leaves: list[Tensor]) -> bool:
        """Whether everything that was taken for granted still is; points the slots at a call's arguments."""
        if self.fixed or not self.captured.isdisjoint(map(id, leaves)):
            for i, leaf in enumerate(leaves):
                if self.fixed.get(i, leaf) is not leaf or (id(leaf) in self.captured and i not in self.fixed):
                    return False
        self.point(leaves)
        return self.guards.hold() and (not self.numbers or all(guard.holds() for guard in self.numbers))

    def broken(self) -> list[Guard]:
        """What was taken for granted and no longer holds."""
        return self.guards.broken() or [guard for guard in self.numbers if not guard.holds()]

    def point(self, leaves: list[Tensor]) -> None:
        """Let the slots of arguments stand for the tensors of a call."""
        for slot, leaf in zip(self.slots, leaves, strict=True):
            slot.tensor = leaf

    def release(self) -> None:
        """Let go of a call's tensors."""
        for i, slot in enumerate(self.slots):
            if i not in self.fixed:
                slot.tensor = _NOBODY

    def finish(self) -> None:
        """What follows every call, after the new state is in its place."""
        for slot in self.dropped:
            slot.tensor._grad = None
        for action in self.deferred:
            action()


def trace(
    function: Callable[..., Any],
    tree: Any,
    leaves: list[Tensor],
    streams: int = 0,
    keep_gradients: bool = False,
    names: list[str] | None = None,
    moving: frozenset[tuple[int, str]] = frozenset(),
    given: list[Tensor] | None = None,
) -> Trace:
    """Run ``function`` once on tensors without values and return the program that it is. No state changes.

    Args:
        tree: positional and keyword arguments, with places in ``leaves`` for tensors.
        leaves: the tensors among the arguments; only shape, dtype and requires_grad become part of the program.
        streams: how many of the last leaves are one slice a step of an array.
        keep_gradients: leave gradients in ``.grad`` even where an optimizer step has used them up.
        names: what to call the leaves in the program.
        moving: settings of optimizers for which inputs are to stand (see ``Tracer``).
        given: the leaves with all their numbers: streams whole.
    """
    names = names or [f"arg{i}" for i in range(len(leaves))]
    # An argument is stood for by another tensor, since it may be another at the next call; unless it is known otherwise.
    fixed = {i: x for i, x in enumerate(leaves) if x.node.tap is not None and x.node.tap.hooks}
    while True:
        try:
            return _Attempt(leaves, given or leaves, names, fixed, keep_gradients, moving).run(function, tree, streams)
        except AlsoCaptured as found:
            fixed[found.argument] = leaves[found.argument]


class _Attempt:
    """One run of the function under a tracer."""

    def __init__(
        self,
        leaves: list[Tensor],
        given: list[Tensor],
        names: list[str],
        fixed: dict[int, Tensor],
        keep_gradients: bool,
        moving: frozenset[tuple[int, str]],
    ) -> None:
        self.fixed = fixed
        passed = {id(x): i for i, x in enumerate(leaves) if i not in fixed}
        self.tracer = tracer = Tracer(passed, keep_gradients, moving)
        self.stand_ins: list[Tensor] = []
        self.arguments: list[Value] = []
        for i, (leaf, whole) in enumerate(zip(leaves, given, strict=True)):
            stand_in = leaf if i in fixed else Tensor.__new__(type(leaf))
            node = Node(None, (), leaf.aval, None, leaf.requires_grad)
            slot = tracer.slots[id(stand_in)] = Slot(stand_in)
            cell = Value(slot, node, names[i])
            self.stand_ins.append(stand_in)
            self.arguments.append(cell)
            if i in fixed:
                continue
            if leaf.requires_grad:
                cell.node.tap = Tap(_Reference(stand_in) if leaf.is_leaf else computed_outside)
                stand_in._grad = getattr(leaf, "_grad", None)
            stand_in.node = cell.node
            tracer.given[cell.node] = whole.node.value
            tracer.values[id(stand_in)] = cell

    def run(self, function: Callable[..., Any], tree: Any, streams: int) -> Trace:
        """Trace, and put everything back as it was."""
        tracer, mode = self.tracer, local.mode
        before = mode.interpret, mode.tracer
        mode.interpret, mode.tracer = tracer.interpret, tracer
        try:
            args, kwargs = fill(tree, self.stand_ins)
            around = variables(function)
            return self._made(function(*args, **kwargs), streams, around)
        finally:
            mode.interpret, mode.tracer = before
            for cell in tracer.values.values():
                if cell not in self.arguments:
                    cell.slot.tensor.node = cell.original
            for slot, gradient, _ in tracer.gradients.values():
                slot.tensor._grad = gradient
            for module, training in tracer.training.values():
                module.training = training
            for setting, _ in tracer.settings.values():
                setting.group[setting.key] = setting.original
            touched = (gradient for _, _, gradient in tracer.gradients.values() if gradient is not None)
            for node in (*tracer.nodes, *(cell.node for cell in (*tracer.cells, *self.arguments, *touched))):
                node.value = Gone(node.aval, node.op.name if node.op else "", node.source)

    def _made(self, result: Any, streams: int, around: dict[str, Any]) -> Trace:
        """Results, changed cells and gradients that stay are the program's outputs."""
        tracer, arguments = self.tracer, self.arguments
        results: list[Tensor] = []
        structure = map_tree(partial(self._place, results, streams), result)
        outputs = [x.node for x in results]
        updated, gradients = list[Cell](), list[Cell]()

        def changed(cell: Cell, node: Node) -> None:
            updated.append(cell)
            outputs.append(node)

        dropped, steady = list[Slot](), True
        for identity, (slot, before, gradient) in tracer.gradients.items():
            after = getattr(slot.tensor, "_grad", None)
            if not tracer.was_there(slot.tensor):
                continue
            if gradient is not None:
                gradients.append(gradient)
            observed = identity in tracer.observed
            if after is None or not (observed or tracer.keep_gradients or identity not in tracer.stepped):
                dropped.append(slot)
            elif gradient is None or after.node is not gradient.node:
                tracer.read(after)
                changed(gradient or Gradient(slot, after.node.aval, ""), after.node)
            steady = steady and (not observed or (before is None) is (after is None))
        cells = [*tracer.cells, *gradients]
        for cell in tracer.values.values():
            if cell.slot.tensor.node is not cell.node:
                changed(cell, cell.slot.tensor.node)
        for _, _, memory, values in tracer.memories.values():
            for key, stored in memory.items():
                changed(stored, values[key].node)
        for _, counter, at in tracer.generators.values():
            changed(counter, at[-1].node)
        for module, training in tracer.training.values():
            if module.training is not training:
                tracer.deferred.append(partial(setattr, module, "training", module.training))
                steady = False
        # Numbers that the function changes are not known for the next step of a scan.
        steady = steady and not any(
            isinstance(cell, Value) and cell.slot is guard.slot for guard in tracer.numbers for cell in updated
        )
        for setting, _ in tracer.settings.values():
            now = setting.group[setting.key]
            if now is not setting.original:
                tracer.deferred.append(partial(setting.group.__setitem__, setting.key, now))
        _name_cells(tracer, list(dict.fromkeys([*cells, *updated])), arguments, around)
        program = build_program(tracer, cells, arguments, outputs, updated, len(results), streams)
        made = Trace(program, [cell for cell in cells if cell.node in program.given], updated)
        made.slots, made.fixed = [tracer.slots[id(x)] for x in self.stand_ins], self.fixed
        made.captured = {
            i for i, slot in tracer.slots.items() if slot not in made.slots and tracer.was_there(slot.tensor)
        }
        made.guards, made.numbers, made.deferred = Guards(tracer.guards), tracer.numbers, tracer.deferred
        made.dropped, made.steady = dropped, steady
        made.result, made.histories = structure, [x.requires_grad for x in results]
        return made

    def _place(self, results: list[Tensor], streams: int, x: Any) -> Any:
        """What stands in the structure of results for ``x``; everything else is returned as it is at every call."""
        if not isinstance(x, Tensor):
            return x
        tracer = self.tracer
        learns = x.node.requires_grad and x.node.op is None
        if not streams and tracer.was_there(x) and (learns or id(x) not in map(id, self.stand_ins)):
            return tracer.slot(x)
        tracer.read(x)
        results.append(x)
        return Place(len(results) - 1)


class _Reference:
    """Leads a gradient to an argument's stand-in, as a weak reference does to a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __call__(self) -> Tensor:
        return self.tensor


def _name_cells(tracer: Tracer, cells: list[Cell], arguments: list[Value], around: dict[str, Any]) -> None:
    """Names as the user knows them: a parameter's path in its model, what the optimizer remembers of it, its gradient."""
    names: dict[int, str] = {}
    known = {id(value): name for name, value in around.items()}
    roots = [module for module, outer in tracer.modules.values() if outer is None]
    for number, root in enumerate(roots):
        prefix = known.get(id(root), f"{type(root).__name__.lower()}{number}") + "." if len(roots) > 1 else ""
        for name, tensor in (*root.named_parameters(), *root.named_buffers()):
            names.setdefault(id(tensor), prefix + name)
    for argument in arguments:
        names.setdefault(id(argument.slot.tensor), argument.name)
    names = {**known, **names}
    unnamed = 0
    for cell in cells:
        if isinstance(cell, (Value, Gradient, Memory)):
            name = names.get(id(cell.slot.tensor))
            if name is None:
                name = names[id(cell.slot.tensor)] = f"tensor{unnamed}"
                unnamed += 1
            cell.name = {Value: name, Gradient: f"{name}.grad"}.get(type(cell), f"{name}.{getattr(cell, 'key', '')}")
    taken: set[str] = set()
    for cell in dict.fromkeys([*cells, *arguments]):
        base, number = cell.name, 2
        while cell.name in taken:
            cell.name, number = f"{base}_{number}", number + 1
        taken.add(cell.name)
