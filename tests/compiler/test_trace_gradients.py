"""Gradients in compiled functions: what accumulates, what is kept, what learns, and who listens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twins import check_twins, numbers, traced

import chainrule as cr
from chainrule import nn, optim

XS = [(cr.tensor(numbers(i, 3)),) for i in range(4)]


def weight(seed: int = 9, *shape: int) -> cr.Tensor:
    """A tensor that learns."""
    return cr.tensor(numbers(seed, *(shape or (3,))), requires_grad=True)


# ---- gradients


def test_gradients_accumulate(backend: Any) -> None:
    """Without zero_grad: the second call's program adds to what it finds."""

    def make() -> tuple[Any, ...]:
        w = weight()

        def micro(x: cr.Tensor) -> None:
            ((w * x) ** 2).sum().backward()

        return micro, w

    check_twins(make, XS, backend, traces=2)


def test_accumulation_over_small_batches(backend: Any) -> None:
    """The step and zero_grad are outside: after them the first program fits again."""

    def make() -> tuple[Any, ...]:
        w = weight()
        optimizer = optim.Adam([w], lr=0.1)

        def micro(x: cr.Tensor) -> None:
            ((w * x) ** 2).sum().backward()

        return micro, w, optimizer

    def update(micro: Any, w: Any, optimizer: Any) -> None:
        optimizer.step()
        optimizer.zero_grad()

    check_twins(make, [*XS, update, *XS, update, *XS], backend, "optimizer", traces=2)


def test_a_step_that_forgets_zero_grad(backend: Any) -> None:
    """As eagerly, old gradients are used again and again; so they stay in ``.grad``."""

    def make() -> tuple[Any, ...]:
        w = weight()
        optimizer = optim.SGD([w], lr=0.01)

        def step(x: cr.Tensor) -> None:
            ((w * x) ** 2).sum().backward()
            optimizer.step()

        return step, w, optimizer

    check_twins(make, XS, backend, "optimizer", traces=2)


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_zero_grad_at_the_end(rule: Any, backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        w = weight()
        optimizer = rule([w], lr=0.01)

        def step(x: cr.Tensor) -> None:
            ((w * x) ** 2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        return step, w, optimizer

    def leave_a_gradient(step: Any, w: Any, optimizer: Any) -> None:
        (w * 3.0).sum().backward()

    check_twins(make, [*XS, leave_a_gradient, *XS], backend, "optimizer", traces=2)


def test_zero_grad_to_zeros(backend: Any) -> None:
    """``set_to_none=False`` keeps a gradient where there was one, and none where there was none."""

    def make() -> tuple[Any, ...]:
        w, other = weight(), weight(8)
        optimizer = optim.SGD([w, other], lr=0.01)

        def step(x: cr.Tensor) -> None:
            optimizer.zero_grad(set_to_none=False)
            ((w * x) ** 2).sum().backward()
            optimizer.step()

        return step, w, other, optimizer

    check_twins(make, XS, backend, "optimizer")


def test_two_walks_in_one_step(backend: Any) -> None:
    """Their gradients add up; with ``retain_graph`` they may share a history."""

    def make() -> tuple[Any, ...]:
        w, v = weight(), weight(8)
        optimizer = optim.SGD([w, v], lr=0.01)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            h = w * x
            (h * v).sum().backward(retain_graph=True)
            (h.tanh() + v).sum().backward()
            optimizer.step()
            (w * 2).sum().backward()
            return w.grad + 0

        return step, w, v, optimizer

    check_twins(make, XS, backend, "optimizer", keep_gradients=True, traces=1)


def test_gradients_that_no_step_uses_are_kept(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        w, watched = weight(), weight(8)
        optimizer = optim.SGD([w], lr=0.01)

        def step(x: cr.Tensor) -> None:
            optimizer.zero_grad()
            watched.grad = None
            (w * watched * x).sum().backward()
            optimizer.step()

        return step, w, watched, optimizer

    _, w, watched, _ = check_twins(make, XS, backend, "optimizer", gradients=False, traces=1)
    _, _, kept, _ = check_twins(make, XS, backend, "optimizer", keep_gradients=True, traces=1)
    assert w.grad is None
    np.testing.assert_allclose(watched.grad.numpy(), kept.grad.numpy(), rtol=1e-6)


def test_a_gradient_left_from_before_is_dropped_all_the_same(backend: Any) -> None:
    w = weight()
    optimizer = optim.SGD([w], lr=0.01)

    @cr.compile(backend=backend)
    def step(x: cr.Tensor) -> None:
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()

    step(*XS[0])
    (w * 5.0).sum().backward()
    before = w.numpy()
    step(*XS[1])
    assert w.grad is None and traced(step) == 1
    np.testing.assert_allclose(w.numpy(), before - 0.01 * XS[1][0].numpy(), rtol=1e-5)


def test_gradients_are_read_and_set_in_the_function(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        w, v = weight(), weight(8)

        def f(x: cr.Tensor) -> tuple[Any, ...]:
            v.grad = x * 2
            before = w.grad
            (w * v * x).sum().backward()
            w.grad = w.grad * 0.5 if before is None else w.grad + before
            return w.grad, v.grad.sum()

        return f, w, v

    check_twins(make, XS, backend)


def test_intermediate_gradients(backend: Any) -> None:
    """``retain_grad`` in the function; nothing of it is left outside."""

    def make() -> tuple[Any, ...]:
        w = weight()

        def f(x: cr.Tensor) -> tuple[cr.Tensor, ...]:
            w.grad = None
            h = (w * x).retain_grad()
            made = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
            ((h**2) * made).sum().backward()
            return h.grad, made.grad

        return f, w

    step, *_ = check_twins(make, XS, backend, traces=1)
    assert "tensor0" not in step.explain()


def test_frozen_parameters(backend: Any) -> None:
    """Freezing between calls is another program."""

    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    def freeze(step: Any, model: Any, optimizer: Any) -> None:
        model[0].requires_grad_(False)
        model.zero_grad()

    def thaw(step: Any, model: Any, optimizer: Any) -> None:
        model.requires_grad_()

    calls = [(numbers(i, 5, 3),) for i in range(2)]
    calls = [*calls, freeze, *calls, thaw, *calls]
    step, *_ = check_twins(make, calls, backend, "optimizer", gradients=False, traces=2)
    assert "a tensor's type changed" in step.explain()


def test_the_learning_of_tensors_is_not_changed_in_the_function(backend: Any) -> None:
    layer = nn.Linear(2, 2)

    def f(x: cr.Tensor) -> cr.Tensor:
        layer.requires_grad_(False)
        return layer(x)

    with pytest.raises(cr.GradientError, match="set it before the call"):
        cr.compile(f, backend=backend)(cr.ones(1, 2))
    assert layer.weight.requires_grad


# ---- hooks


def test_gradient_hooks(backend: Any) -> None:
    """They become part of the program; one that is added or removed is another program."""
    removers = {}

    def make() -> tuple[Any, ...]:
        w = weight()
        w.register_hook(lambda g: g * 2)

        def f(x: cr.Tensor) -> None:
            w.grad = None
            h = w * x
            h.register_hook(lambda g: g + 1)
            (h**2).sum().backward()

        return f, w

    def add(f: Any, w: Any) -> None:
        removers[id(w)] = w.register_hook(lambda g: g - 0.5)

    def remove(f: Any, w: Any) -> None:
        removers[id(w)]()

    check_twins(make, [*XS[:2], add, *XS[:2], remove, *XS[:2]], backend, traces=2)


def test_hooks_of_arguments(backend: Any) -> None:
    def f(x: cr.Tensor) -> None:
        (x * x).sum().backward()

    for hooked in (False, True, False):
        x, twin = (cr.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
        if hooked:
            x.register_hook(lambda g: g * 3)
            twin.register_hook(lambda g: g * 3)
        compiled = cr.compile(f, backend=backend)
        for _ in range(2):
            compiled(x)
            f(twin)
        assert x.grad.tolist() == twin.grad.tolist()


def test_forward_hooks(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
        return (lambda x: model(x)), model

    def add(f: Any, model: Any) -> None:
        model[0].register_forward_hook(lambda module, inputs, out: out * 2)

    step, *_ = check_twins(make, [*[(numbers(0, 4, 3),)] * 2, add, *[(numbers(1, 4, 3),)] * 2], backend, traces=2)
    assert "the mode or attributes of Linear changed" in step.explain()
