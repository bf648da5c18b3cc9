"""Guards by themselves: each notices every change that it is there for, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twins import numbers

import chainrule as cr
from chainrule import nn, optim
from chainrule.compiler.guards import (
    Guard,
    Guards,
    ListGuard,
    MemoryGuard,
    ModuleGuard,
    NumbersGuard,
    TypeGuard,
    image,
)
from chainrule.compiler.structure import Place, flatten_call
from chainrule.core.errors import DataError


def test_a_value_by_its_image() -> None:
    """Equal values are the same though they are other objects; what is inside a list or tuple counts."""
    inside = [1, 2]
    for value, equal, other in (
        (1.5, float("1.5"), 2.5), ("ab", "".join(["a", "b"]), "b"), (inside, [1, 2], [1, 3]), ((0.9, inside), (0.9, [1, 2]), ()),
    ):  # fmt: skip
        place = {"value": value}
        guard = Guard("a value", lambda place=place: place["value"], image)
        assert guard.holds()
        place["value"] = equal
        assert guard.holds() and guard.holds()
        place["value"] = other
        assert not guard.holds() and not guard.holds()
        place["value"] = value
        assert guard.holds()
    for held in (inside, (0.9, inside), {"a": inside}):
        guard = Guard("a container", lambda held=held: held, image)
        assert guard.holds()
        inside.append(3)
        assert not guard.holds()
        inside.pop()


def test_a_list_by_its_objects() -> None:
    """The same objects in the same order, however they compare."""
    a, b = cr.tensor(1.0), cr.tensor(1.0)
    items = [a, b]
    guard = ListGuard("a list", lambda: items)
    assert guard.holds()
    for other in ([a], [b, a], [a, b, b], [a, cr.tensor(1.0)]):
        items = other
        assert not guard.holds()
    items = [a, b]
    assert guard.holds()


def test_a_tensor_by_its_type() -> None:
    """Another value is fine; another shape or type, a history, learning and hooks are not."""
    x = cr.tensor(numbers(0, 3), requires_grad=True)
    guard = TypeGuard(x)
    node = x.node
    x.data = cr.tensor(numbers(1, 3))
    assert guard.holds()
    for other in (
        cr.tensor(numbers(0, 4), requires_grad=True), cr.tensor(numbers(0, 3, dtype="float64"), requires_grad=True),
        cr.tensor(numbers(0, 3)), x * 2,
    ):  # fmt: skip
        x.node = other.node
        assert not guard.holds()
    x.node = node
    assert guard.holds()
    remove = x.register_hook(lambda g: g)
    assert not guard.holds()
    hooked = TypeGuard(x)
    assert hooked.holds()
    remove()
    assert guard.holds() and not hooked.holds()
    x.register_hook(lambda g: g * 2)
    assert not hooked.holds()


def test_what_an_optimizer_remembers() -> None:
    """Names, shapes and types; the numbers change with each step."""
    w = cr.tensor(numbers(0, 3), requires_grad=True)
    optimizer = optim.Adam([w], lr=0.1)
    empty = MemoryGuard(optimizer, w)
    assert empty.holds()

    def step() -> None:
        (w * w).sum().backward()
        optimizer.step()

    step()
    guard = MemoryGuard(optimizer, w)
    step()
    assert guard.holds() and not empty.holds()
    memory: dict[str, Any] = optimizer.state[w]
    for changed in (
        {**memory, "exp_avg": cr.tensor(np.zeros(4, np.float32))}, {**memory, "exp_avg": cr.tensor(np.zeros(3))},
        {**memory, "more": memory["step"]}, {k: v for k, v in memory.items() if k != "step"},
        {("other" if k == "step" else k): v for k, v in memory.items()},
    ):  # fmt: skip
        optimizer.state[w] = changed
        assert not guard.holds()
    optimizer.state[w] = memory
    assert guard.holds()
    optimizer.state.clear()
    assert empty.holds() and not guard.holds()


def test_numbers_of_a_tensor() -> None:
    """Simple numbers, others, and numbers that are refused: by all of them at once, by some only where they are used."""

    class Slot:
        tensor = cr.tensor([1, 2])

    def check(array: Any) -> bool:
        if array.min() < 0:
            raise DataError("a check", "a negative number", "none", "")
        return bool(array.max() < 3)

    def guard(some: bool, values: list[int]) -> NumbersGuard:
        return NumbersGuard("numbers", Slot, check, some, np.array(values))

    for values, simple, others in (([0, 2], True, False), ([0, 5], True, True)):
        for some in (False, True):
            found = guard(some, values)
            Slot.tensor = cr.tensor([1, 2])
            assert found.holds() is simple
            Slot.tensor = cr.tensor([1, 7])
            assert found.holds() is others
            found.blame()
            Slot.tensor = cr.tensor([1, -1])
            with pytest.raises(DataError):
                found.blame()
            if some:
                assert found.holds() is others
            else:
                with pytest.raises(DataError):
                    found.holds()
    with pytest.raises(DataError):
        guard(False, [-1])
    assert guard(True, [-1]).holds()


def test_all_of_them_together() -> None:
    """Modules are looked at again once one has changed; those with a list in them always."""
    layer, listed = nn.Linear(2, 2), nn.Identity()
    listed.sizes = [1, 2]
    place = {"rate": 0.5}
    made = Guards([ModuleGuard(layer), Guard("the rate", lambda: place["rate"], image)])
    made.add([ModuleGuard(listed)])
    assert made.hold() and made.broken() == []
    place["rate"] = 0.25
    assert not made.hold() and [guard.what for guard in made.broken()] == ["the rate"]
    place["rate"] = 0.5
    listed.sizes.append(3)
    assert not made.hold() and [guard.what for guard in made.broken()] == ["the mode or attributes of Identity"]
    listed.sizes.pop()
    layer.eval()
    assert not made.hold() and not made.hold()
    layer.train()
    assert made.hold()


def test_the_structure_of_a_call() -> None:
    """Tensors alone are not walked through, to the same end; one passed twice has one place."""
    x, y = cr.tensor([1.0]), cr.tensor([2.0])
    tree, image_, leaves = flatten_call((x, y), {})
    assert tree == ((Place(0), Place(1)), {}) and leaves == [x, y]
    for args, kwargs in (((x, x), {}), ((x, 1.0), {}), ((x,), {"y": y}), (([x, y],), {}), ((x, np.ones(2)), {})):
        other, found, _ = flatten_call(args, kwargs)  # type: ignore[arg-type]
        assert (found == image_) is (other == tree)
    assert flatten_call((x, x), {})[0] == ((Place(0), Place(0)), {})
    assert flatten_call((x, np.ones(2)), {})[1] == image_
    many = tuple(cr.tensor([1.0]) for _ in range(20))
    assert flatten_call(many, {})[0] == (tuple(map(Place, range(20))), {}) and flatten_call((), {})[0] == ((), {})
