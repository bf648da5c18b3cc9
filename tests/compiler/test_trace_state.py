"""State that a compiled function reads and writes: parameters, buffers, and what others do to them meanwhile."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from twins import check_twins, numbers, snapshot, traced

import chainrule as cr
from chainrule import nn, optim

XS = [(cr.tensor(numbers(i, 3)),) for i in range(4)]


def weight(seed: int = 9, *shape: int) -> cr.Tensor:
    """A tensor that learns."""
    return cr.tensor(numbers(seed, *(shape or (3,))), requires_grad=True)


# ---- shared, tied, replaced


class Tied(nn.Module):
    """An encoder and a decoder with one weight, and one bias that stands under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(4, 3)
        self.shift = self.encode.bias

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        """Through the weight and through its transpose."""
        return (self.encode(x).tanh() + self.shift) @ self.encode.weight


def test_tied_weights(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        model = Tied()
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = ((model(x) - x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    calls = [(numbers(i, 6, 4),) for i in range(4)]
    check_twins(make, calls, backend, "optimizer", keep_gradients=True, traces=1)


def test_two_functions_over_one_model(backend: Any) -> None:
    """A training step and an evaluation see each other's state at once."""
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @cr.compile(backend=backend)
    def step(x: cr.Tensor) -> None:
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()

    predict = cr.compile(model, backend=backend)
    x = cr.tensor(numbers(0, 6, 3))
    for _ in range(3):
        model.train()
        step(x)
        model.eval()
        np.testing.assert_allclose(predict(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-6)
    assert traced(step) == 1 and traced(predict) == 1


def test_state_that_is_loaded_between_calls(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        cr.manual_seed(1)
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    def load(step: Any, model: Any, optimizer: Any) -> None:
        model.load_state_dict({k: numbers(3, *v.shape) for k, v in model.state_dict().items()})

    def assign(step: Any, model: Any, optimizer: Any) -> None:
        model[0].weight.data = cr.ones(2, 3)
        with cr.no_grad():
            model[0].bias.add_(1.0)
        model[1].running_mean.zero_()
        model[1].weight.data.mul_(2.0)

    calls = [(numbers(i, 6, 3),) for i in range(3)]
    calls = [*calls, load, *calls, assign, *calls]
    check_twins(make, calls, backend, "optimizer", gradients=False, traces=1)


def test_a_parameter_that_is_replaced(backend: Any) -> None:
    """By another object, in the model and in the optimizer: another program; the old one is left alone."""

    def make() -> tuple[Any, ...]:
        model = nn.Linear(3, 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    def replace(step: Any, model: Any, optimizer: Any) -> None:
        model.weight = nn.Parameter(numbers(4, 2, 3))
        optimizer.param_groups[0]["params"] = list(model.parameters())

    calls = [(numbers(i, 6, 3),) for i in range(2)]
    step, *_ = check_twins(make, [*calls, replace, *calls], backend, "optimizer", gradients=False, traces=2)
    assert "the mode or attributes of Linear changed" in step.explain()


def test_a_module_that_is_replaced(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
        return (lambda x: model(x)), model

    def replace(f: Any, model: Any) -> None:
        model[1] = nn.ReLU()

    check_twins(make, [*[(numbers(0, 4, 3),)] * 2, replace, (numbers(0, 4, 3),)], backend, traces=2)


def test_a_model_in_another_dtype(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

        def step(x: cr.Tensor) -> cr.Tensor:
            model.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            return loss

        return step, model

    def double(step: Any, model: Any) -> None:
        model.double()
        # From the same numbers: those of float32 may differ by its rounding.
        model.load_state_dict({k: numbers(3, *v.shape, dtype="float64") for k, v in model.state_dict().items()})

    x = numbers(0, 5, 3)
    check_twins(make, [(x,), (x,), double, (x.astype("float64"),)], backend, traces=2)


def test_a_copied_model_is_another_model(backend: Any) -> None:
    model = nn.Linear(3, 2)
    compiled = cr.compile(model, backend=backend)
    x = cr.ones(1, 3)
    expected = compiled(x).numpy()
    twin = copy.deepcopy(compiled)
    with cr.no_grad():
        twin.weight.add_(1.0)
    np.testing.assert_array_equal(compiled(x).numpy(), expected)
    np.testing.assert_allclose(twin(x).numpy(), expected + 3.0, rtol=1e-5)


# ---- changes in place


def test_changes_in_place(backend: Any) -> None:
    """Each kind, of a tensor that learns under no_grad, of a buffer, and of an argument."""

    def make() -> tuple[Any, ...]:
        w, buffer = weight(), cr.tensor(numbers(8, 3))

        def f(x: cr.Tensor) -> tuple[cr.Tensor, ...]:
            with cr.no_grad():
                w.add_(x, alpha=0.5)
                w.mul_(0.9)
                w.clamp_(-1.0, 1.0)
            w.data = w.data * 2
            w.data.sub_(0.25)
            before = buffer.detach()
            buffer.fill_(2.0)
            buffer.div_(4.0)
            buffer.copy_(buffer + x)
            local = x * 1
            local += 3
            loss = (w * buffer * local).sum()
            loss.backward()
            return loss, before, local

        return f, w, buffer

    check_twins(make, XS, backend)


def test_an_argument_that_is_changed_in_place(backend: Any) -> None:
    def f(x: cr.Tensor, y: cr.Tensor) -> cr.Tensor:
        x.mul_(2.0)
        return x + y

    arrays = [numbers(i, 3) for i in range(2)]
    plain, compiled = (tuple(map(cr.tensor, arrays)) for _ in range(2))
    step = cr.compile(f, backend=backend)
    for _ in range(2):
        np.testing.assert_allclose(step(*compiled).numpy(), f(*plain).numpy(), rtol=1e-6)
        np.testing.assert_allclose(compiled[0].numpy(), plain[0].numpy(), rtol=1e-6)
    other = cr.tensor(numbers(5, 3))
    step(other, compiled[1])
    np.testing.assert_allclose(other.numpy(), 2 * numbers(5, 3))
    np.testing.assert_allclose(compiled[0].numpy(), 4 * arrays[0], rtol=1e-6)


def test_random_changes_in_place(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        w = weight()

        def f() -> None:
            with cr.no_grad():
                w.normal_(0.0, 2.0)
                w.add_(cr.rand(3))

        return f, w

    check_twins(make, [(), (), ()], backend, traces=1)


def test_one_parameter_takes_anothers_value(backend: Any) -> None:
    """A target network that follows: by ``.data =``, by ``copy_``, and by a moving average."""

    def make() -> tuple[Any, ...]:
        online, target, third, average = (weight(i) for i in range(4))
        shadow = cr.tensor(numbers(5, 3))
        optimizer = optim.SGD([online], lr=0.1)

        def step(x: cr.Tensor) -> None:
            optimizer.zero_grad()
            (online * x).sum().backward()
            optimizer.step()
            target.data = online
            with cr.no_grad():
                third.copy_(target)
                average.copy_(average * 0.9 + online * 0.1)
            shadow.data = online
            (target * third * shadow).sum().backward()

        return step, online, target, third, average, shadow, optimizer

    parts = check_twins(make, XS, backend, "optimizer", keep_gradients=True)
    assert not parts[5].requires_grad and parts[2].is_leaf and parts[2].requires_grad


def test_a_value_that_the_function_only_hands_on(backend: Any) -> None:
    """What is assigned is read at each call, though nothing is computed from it; who listens to gradients goes on."""

    def make() -> tuple[Any, ...]:
        w, source = weight(1), cr.tensor(numbers(2, 3))
        w.register_hook(lambda g: g * 10)

        def f(x: cr.Tensor) -> None:
            w.grad = None
            w.data = source
            (w * x).sum().backward()

        return f, w, source

    def change(f: Any, w: Any, source: Any) -> None:
        source.data = cr.tensor(numbers(3, 3))

    check_twins(make, [*XS[:2], change, *XS[:2]], backend, traces=1)


def test_another_shape_is_refused(backend: Any) -> None:
    w = weight()

    def f() -> None:
        w.data = cr.zeros(5)

    with pytest.raises(cr.GraphError, match=r"f32\[5\] for a tensor of f32\[3\]"):
        cr.compile(f, backend=backend)()
    assert w.shape == (3,)


def test_counters_and_metrics(backend: Any) -> None:
    """Tensors as running totals, whole numbers too."""

    def make() -> tuple[Any, ...]:
        w, total, count, seen = weight(), cr.tensor(0.0), cr.tensor(0), cr.tensor(False)

        def step(x: cr.Tensor) -> None:
            loss = ((w * x) ** 2).sum()
            total.add_(loss.detach())
            count.add_(1)
            seen.copy_(count > 2)

        return step, w, total, count, seen

    *_, count, seen = check_twins(make, XS, backend, traces=1)
    assert count.item() == 4 and seen.item() is True


# ---- copies


def test_what_was_taken_before_a_call_is_not_changed_by_it(backend: Any) -> None:
    """Every way of holding on to a value, against every kind of write."""
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    total = cr.tensor(0.0)

    @cr.compile(backend=backend, keep_gradients=True)
    def step(x: cr.Tensor) -> cr.Tensor:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        total.add_(loss.detach())
        return loss

    x = cr.tensor(numbers(0, 6, 3))
    losses = [step(x), step(x)]
    w = model[0].weight
    held = [
        w.detach(), w.data, w.numpy(), w.grad, w.grad.numpy(), total.detach(), *losses, x.numpy(),
        *model.state_dict().values(), *(t for memory in optimizer.state_dict()["state"].values() for t in memory.values()),
    ]  # fmt: skip
    memory = optimizer.state[w]
    copies = [np.array(h) for h in held]
    before = snapshot([model, optimizer])
    for _ in range(3):
        step(x)
    for h, expected in zip(held, copies, strict=True):
        np.testing.assert_array_equal(np.asarray(h), expected)
    assert not np.array_equal(before["0.0.weight.value"], w.numpy())
    assert not np.array_equal(memory["exp_avg"].numpy(), optimizer.state[w]["exp_avg"].numpy())


def test_arguments_are_let_go(backend: Any) -> None:
    """A compiled function does not keep the last batch alive."""
    import gc
    import weakref

    compiled = cr.compile(lambda batch: batch["x"] * 2, backend=backend)
    x = cr.tensor(numbers(0, 3))
    compiled({"x": x})
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_arrays_that_the_caller_changes_later(backend: Any) -> None:
    """Neither results nor state share memory with an array that was passed."""
    buffer = cr.zeros(2, 2)

    def f(x: Any) -> tuple[Any, ...]:
        buffer.data = x
        return x.reshape(4), x, x.T, x[0]

    compiled = cr.compile(f, backend=backend)
    array = np.ones((2, 2), np.float32)
    results = compiled(array)
    array[:] = 7
    assert all(np.all(r.numpy() == 1) for r in (*results, buffer))


def test_results_do_not_share_memory_with_state(backend: Any) -> None:
    """What a function returns of its state is the state of then."""
    w = weight()

    def f(x: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
        with cr.no_grad():
            w.add_(x)
        return w.detach(), w + 0

    compiled = cr.compile(f, backend=backend)
    first = compiled(*XS[0])
    kept = [np.array(r) for r in first]
    compiled(*XS[1])
    for result, expected in zip(first, kept, strict=True):
        np.testing.assert_array_equal(result.numpy(), expected)
