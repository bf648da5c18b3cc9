"""Random numbers in a compiled function: drawn anew at each call, the same as eagerly, and the stream goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twins import check_twins, numbers, traced

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.philox import default_generator
from chainrule.nn import functional as F


def test_every_draw(backend: Any) -> None:
    """The same numbers as eagerly, and the generator stands where it stood eagerly."""

    def f() -> dict[str, cr.Tensor]:
        return {
            "rand": cr.rand(3, 2), "rand64": cr.rand(5, dtype="float64"), "randn": cr.randn(7),
            "range": cr.uniform((4,), -3.0, 5.0), "normal": cr.normal((3,), 10.0, 0.1, "float64"),
            "flips": cr.ops.bernoulli(0.3, (9,)), "dice": cr.randint(1, 7, (6,)), "order": cr.permutation(8),
            "one": cr.rand(()), "none": cr.rand(0, 3),
        }  # fmt: skip

    check_twins(lambda: (f,), [()] * 4, backend, traces=1)


def test_a_seed_between_calls(backend: Any) -> None:
    compiled = cr.compile(lambda: cr.rand(3), backend=backend)
    cr.manual_seed(5)
    first, second = compiled(), compiled()
    cr.manual_seed(5)
    eager = cr.rand(3), cr.rand(3)
    np.testing.assert_array_equal(first.numpy(), eager[0].numpy())
    np.testing.assert_array_equal(second.numpy(), eager[1].numpy())
    cr.manual_seed(5)
    np.testing.assert_array_equal(compiled().numpy(), first.numpy())
    assert traced(compiled) == 1
    default_generator().set_state({"key": 2**63 + 11, "counter": 2**64 - 2})
    after = compiled().numpy()
    state = default_generator().state()
    default_generator().set_state({"key": 2**63 + 11, "counter": 2**64 - 2})
    np.testing.assert_array_equal(after, cr.rand(3).numpy())
    assert state["key"] == 2**63 + 11 and state["counter"] == 2**64 - 1


def test_draws_between_calls(backend: Any) -> None:
    """Eager and compiled draws take turns in one stream."""

    def between(f: Any) -> None:
        cr.rand(5)

    check_twins(lambda: (lambda: cr.randn(3),), [(), between, (), between, ()], backend, traces=1)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_dropout(p: float, backend: Any) -> None:
    """Masks, gradients, and the stream; in evaluation none is drawn."""

    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(p), nn.ReLU(), nn.Dropout(p / 2), nn.Linear(50, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
            optimizer.zero_grad()
            out = model(x)
            loss = (out**2).mean()
            loss.backward()
            optimizer.step()
            return out, loss

        return step, model, optimizer

    x = (numbers(0, 6, 4),)
    calls = [x, x, lambda step, model, _: model.eval(), x, lambda step, model, _: model.train(), x]
    check_twins(make, calls, backend, "optimizer", gradients=False, traces=2)


def test_layers_with_generators_of_their_own(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        generators = cr.Generator(3), cr.Generator(4)
        model = nn.Sequential(*(nn.Dropout(0.5, generator=g) for g in generators))
        return (lambda x: (model(x), cr.rand(2, generator=generators[0]))), *generators

    check_twins(make, [(np.ones(20, np.float32),)] * 3, backend, traces=1)


def test_a_generator_that_is_replaced(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        layer = nn.Dropout(0.5, generator=cr.Generator(3))
        return (lambda x: layer(x)), layer

    def replace(f: Any, layer: Any) -> None:
        layer.generator = cr.Generator(11)

    x = (np.ones(20, np.float32),)
    step, _ = check_twins(make, [x, x, replace, x, x], backend, traces=2)
    assert "the mode or attributes of Dropout changed" in step.explain()


def test_another_rate_of_dropout(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        layer = nn.Dropout(0.5)
        return (lambda x: layer(x)), layer

    def change(f: Any, layer: Any) -> None:
        layer.p = 0.1

    x = (np.ones(40, np.float32),)
    check_twins(make, [x, change, x], backend, traces=2)


def test_a_generator_as_an_argument(backend: Any) -> None:
    generator, twin = cr.Generator(1), cr.Generator(1)
    compiled = cr.compile(lambda g: cr.rand(3, generator=g), backend=backend)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(generator).numpy(), cr.rand(3, generator=twin).numpy())
    assert generator.state() == twin.state() and traced(compiled) == 1


def test_a_generator_that_the_function_makes(backend: Any) -> None:
    """It starts anew at each call, as eagerly."""

    def f() -> tuple[cr.Tensor, ...]:
        generator = cr.Generator(6)
        return cr.rand(3, generator=generator), cr.rand(3, generator=generator), cr.rand(2)

    check_twins(lambda: (f,), [()] * 3, backend, traces=1)


def test_seeding_in_the_function_is_refused(backend: Any) -> None:
    before = default_generator().state()

    def f() -> cr.Tensor:
        cr.manual_seed(3)
        return cr.rand(2)

    with pytest.raises(cr.GraphError, match="seed before the call"):
        cr.compile(f, backend=backend)()
    assert default_generator().state() == before


def test_numbers_drawn_as_arrays_are_refused(backend: Any) -> None:
    generator = cr.Generator(2)
    with pytest.raises(cr.GradientError, match=r"use cr\.rand"):
        cr.compile(lambda: cr.tensor(generator.uniform((3,))), backend=backend)()
    assert generator.counter == 0


def test_probabilities_as_tensors(backend: Any) -> None:
    p = cr.tensor(np.linspace(0, 1, 11).astype("float32"))
    check_twins(lambda: (lambda p: cr.ops.bernoulli(p),), [(p,), (p,)], backend, traces=1)


def test_a_new_key_is_an_input(backend: Any) -> None:
    """Neither key nor counter is part of the program."""
    compiled = cr.compile(lambda x: F.dropout(x, 0.5), backend=backend)
    results = set()
    for seed in range(5):
        cr.manual_seed(seed)
        results.add(tuple(compiled(cr.ones(30)).tolist()))
    assert len(results) == 5 and traced(compiled) == 1
    assert "random key" in compiled.explain() and "random counter" in compiled.explain()
