"""Cells: the places outside a traced function that it reads and writes, such as parameters and optimizer memory.

Each becomes an input of the compiled program; those that were written are outputs too. A cell knows how to find its
value before a call and where to put the new one after it, by the way in which user code would reach it: so a state that
was loaded, replaced or trained eagerly in between is seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.aval import Aval, float64, int64
from chainrule.core.errors import GradientError
from chainrule.core.graph import Node, Tap
from chainrule.core.philox import Generator
from chainrule.tensor import Tensor

__all__ = ["Cell", "Counter", "Gradient", "Key", "Memory", "Setting", "Slot", "Value", "computed_outside"]

Array = np.ndarray[Any, Any]


def computed_outside() -> Any:
    """Where a gradient arrives that a compiled function would send into a history outside it."""
    raise GradientError(
        "backward() in a compiled function",
        "a tensor that was computed outside it, with a history",
        "a history that begins in the function",
        "compute it in the function, or use x.detach()",
    )


class Slot:
    """Where a tensor stands: one the function closes over, or the argument of the call under way."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Cell:
    """One place of state. ``node`` stands for its value in the traced program."""

    #: What ``explain`` calls this kind of cell.
    kind = "state"

    def __init__(self, aval: Aval, name: str) -> None:
        self.aval, self.name = aval, name
        self.node = Node(None, (), aval, None)

    def load(self) -> Array:
        """The value now."""
        raise NotImplementedError

    def store(self, array: Array) -> None:
        """Put a new value of the same shape and dtype."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}: {self.aval!r}>"


class Value(Cell):
    """A tensor's value: a parameter, a buffer, any tensor that the function closes over."""

    kind = "tensor"

    def __init__(self, slot: Slot, original: Node, name: str) -> None:
        super().__init__(original.aval, name)
        self.slot = slot
        #: What the tensor pointed to before the trace, to be put back after it.
        self.original = original
        self.node.requires_grad = original.requires_grad
        if original.requires_grad:
            self.node.tap = original.tap if original.op is None else Tap(computed_outside)

    def load(self) -> Array:
        value: Array = self.slot.tensor.node.value
        return value

    def store(self, array: Array) -> None:
        tensor = self.slot.tensor
        if tensor.node.op is None:
            tensor._replace_leaf(array)
        else:
            tensor.node = Node.leaf(array)


class Gradient(Cell):
    """What a tensor has in ``.grad``."""

    kind = "gradient"

    def __init__(self, slot: Slot, aval: Aval, name: str) -> None:
        super().__init__(aval, name)
        self.slot = slot

    def load(self) -> Array:
        gradient = self.slot.tensor._grad
        value: Array = gradient if type(gradient) is np.ndarray else gradient.node.value
        return value

    def store(self, array: Array) -> None:
        self.slot.tensor._grad = array


class Memory(Cell):
    """What an optimizer remembers of one parameter under one name. Of one parameter's cells the ``first`` is stored first."""

    kind = "optimizer memory"

    def __init__(self, optimizer: Any, slot: Slot, key: str, aval: Aval, first: bool) -> None:
        super().__init__(aval, key)
        self.optimizer, self.slot, self.key, self.first = optimizer, slot, key, first

    def load(self) -> Array:
        value: Array = self.optimizer.state[self.slot.tensor][self.key].node.value
        return value

    def store(self, array: Array) -> None:
        state, p = self.optimizer.state, self.slot.tensor
        if self.first:
            # A new dict, as the optimizer itself makes one: who holds the old one keeps what is in it.
            state[p] = state[p].copy()
        state[p][self.key] = Tensor._of(Node(None, (), self.aval, array))


class Setting(Cell):
    """A number in an optimizer's parameter group that may change from step to step, such as the learning rate.

    It is ``group[key]``, or one of several: ``group[key][index]``.
    """

    kind = "setting"

    def __init__(self, group: dict[str, Any], key: str, index: int | None = None) -> None:
        super().__init__(Aval.of((), float64), key if index is None else f"{key}_{index}")
        self.group, self.key, self.index = group, key, index
        #: What it was when the trace first met it, to be put back after it.
        self.original = group[key]

    def load(self) -> Array:
        value = self.group[self.key]
        return np.asarray(float(value if self.index is None else value[self.index]), float64)


class Key(Cell):
    """Which stream of random numbers a generator draws from."""

    kind = "random key"

    def __init__(self, generator: Generator) -> None:
        super().__init__(Aval.of((), int64), "key")
        self.generator = generator

    def load(self) -> Array:
        return np.asarray(self.generator.key, np.uint64).astype(int64)


class Counter(Key):
    """How far into its stream a generator is."""

    kind = "random counter"

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator)
        self.name = "counter"

    def load(self) -> Array:
        return np.asarray(self.generator.counter, np.uint64).astype(int64)

    def store(self, array: Array) -> None:
        self.generator.counter = int(array) & 0xFFFFFFFFFFFFFFFF
