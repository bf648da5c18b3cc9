"""Every optimizer in a compiled step: parameters and memory are the eager ones, whatever changes between the calls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import check_twins, eager_calls, numbers, traced

import chainrule as cr
from chainrule import nn, optim

#: Each rule with its options. ``remembers`` is what its first step makes, which runs eagerly.
RULES: dict[str, tuple[type[optim.Optimizer], dict[str, Any], bool]] = {
    "SGD": (optim.SGD, {"lr": 0.1}, False),
    "SGD weight decay": (optim.SGD, {"lr": 0.1, "weight_decay": 0.1}, False),
    "SGD momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}, True),
    "SGD dampening": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}, True),
    "SGD nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, True),
    "Adagrad": (optim.Adagrad, {"lr": 0.1}, True),
    "Adagrad all": (
        optim.Adagrad,
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2},
        True,
    ),
    "Adadelta": (optim.Adadelta, {"lr": 1.0}, True),
    "Adadelta all": (optim.Adadelta, {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}, True),
    "RMSprop": (optim.RMSprop, {"lr": 0.01}, True),
    "RMSprop all": (
        optim.RMSprop,
        {"lr": 0.01, "alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
        True,
    ),
    "Adam": (optim.Adam, {"lr": 0.05}, True),
    "Adam amsgrad": (optim.Adam, {"lr": 0.05, "amsgrad": True, "weight_decay": 0.1}, True),
    "Adam decoupled": (optim.Adam, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}, True),
    "AdamW": (optim.AdamW, {"lr": 0.05, "betas": (0.8, 0.99), "eps": 1e-3}, True),
    "NAdam": (optim.NAdam, {"lr": 0.05}, True),
    "NAdam all": (
        optim.NAdam,
        {"lr": 0.05, "weight_decay": 0.1, "momentum_decay": 0.1, "decoupled_weight_decay": True},
        True,
    ),
}
every_rule = pytest.mark.parametrize("rule", RULES)
BATCHES: list[Any] = [(cr.tensor(numbers(10 + i, 8, 3)), cr.tensor(numbers(20 + i, 8, 2))) for i in range(6)]


def in_dtype(calls: list[Any], dtype: str) -> list[Any]:
    """The calls with arrays of ``dtype``."""
    return [call if callable(call) else tuple(x.astype(dtype) for x in call) for call in calls]


def maker(rule: str, dtype: str = "float32", lr: Any = None) -> Callable[[], tuple[Any, ...]]:
    """Makes a step of a small network, its model and its optimizer."""

    def make() -> tuple[Any, ...]:
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)
        kind, settings, _ = RULES[rule]
        optimizer = kind(model.parameters(), **settings)
        if lr is not None:
            optimizer.param_groups[0]["lr"] = cr.tensor(optimizer.param_groups[0]["lr"], dtype=lr)
        loss_function = nn.MSELoss()

        def step(x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = loss_function(model(x), t)
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    return make


def set_lr(factor: float) -> Callable[..., None]:
    """A learning rate that changes between calls."""

    def change(step: Any, model: Any, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * factor

    return change


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps(rule: str, dtype: str, backend: Any) -> None:
    """Six steps with another learning rate in the middle: one trace, and an eager first step where memory is made."""
    calls = [*BATCHES[:3], set_lr(0.5), *BATCHES[3:5], set_lr(3), *BATCHES[5:]]
    step, *_ = check_twins(maker(rule, dtype), in_dtype(calls, dtype), backend, "optimizer", gradients=False, traces=1)
    assert eager_calls(step) == RULES[rule][2]


@every_rule
def test_gradients_can_be_kept(rule: str, backend: Any) -> None:
    check_twins(maker(rule), BATCHES[:3], backend, "optimizer", keep_gradients=True)


@every_rule
@pytest.mark.parametrize("lr", ["float32", "float64"])
def test_the_learning_rate_may_be_a_tensor(rule: str, lr: str, backend: Any) -> None:
    def halve(step: Any, model: Any, optimizer: Any) -> None:
        group = optimizer.param_groups[0]
        group["lr"].data = group["lr"] * 0.5

    def replace(step: Any, model: Any, optimizer: Any) -> None:
        group = optimizer.param_groups[0]
        group["lr"] = group["lr"] * 3.0

    def number(step: Any, model: Any, optimizer: Any) -> None:
        optimizer.param_groups[0]["lr"] = 0.01

    calls = [*BATCHES[:3], halve, *BATCHES[3:4], replace, *BATCHES[4:5], number, *BATCHES[5:]]
    parts = []
    for compiled in (False, True):
        cr.manual_seed(3)
        step, model, optimizer = maker(rule, lr=lr)()
        step = cr.compile(step, backend=backend) if compiled else step
        for call in calls:
            if callable(call):
                call(step, model, optimizer)
            else:
                step(*call)
        parts.append(model.state_dict())
    for name, tensor in parts[0].items():
        np.testing.assert_allclose(parts[1][name].numpy(), tensor.numpy(), rtol=1e-5, atol=1e-6)
    assert traced(step) == 3  # a new tensor, and a number in its place, are other programs; a new value is not


@every_rule
def test_memory_that_was_saved_is_loaded_between_calls(rule: str, backend: Any) -> None:
    saved: dict[int, Any] = {}

    def save(step: Any, model: Any, optimizer: Any) -> None:
        saved[id(optimizer)] = model.state_dict(), optimizer.state_dict()

    def load(step: Any, model: Any, optimizer: Any) -> None:
        weights, memory = saved[id(optimizer)]
        model.load_state_dict(weights)
        optimizer.load_state_dict(memory)

    calls = [*BATCHES[:2], save, *BATCHES[2:4], load, *BATCHES[2:4]]
    check_twins(maker(rule), calls, backend, "optimizer", gradients=False, traces=1)


@every_rule
def test_eager_steps_between_compiled_ones(rule: str, backend: Any) -> None:
    def eagerly(step: Any, model: Any, optimizer: Any) -> None:
        optimizer.zero_grad()
        (model(cr.tensor(numbers(5, 4, 3))) ** 2).mean().backward()
        optimizer.step()

    calls = [*BATCHES[:2], eagerly, *BATCHES[2:4], eagerly, eagerly, *BATCHES[4:]]
    check_twins(maker(rule), calls, backend, "optimizer", gradients=False, traces=1)


@pytest.mark.parametrize(
    ("rule", "key", "value"),
    [
        ("SGD momentum", "momentum", 0.5),
        ("SGD weight decay", "weight_decay", 0.0),
        ("SGD momentum", "nesterov", True),
        ("Adam", "betas", (0.5, 0.9)),
        ("Adam", "amsgrad", True),
        ("Adam amsgrad", "amsgrad", False),
        ("SGD", "momentum", 0.9),
        ("SGD momentum", "momentum", 0.0),
        ("RMSprop", "centered", True),
        ("RMSprop all", "momentum", 0.0),
        ("AdamW", "eps", 0.1),
    ],
)
def test_another_setting_is_another_program(rule: str, key: str, value: Any, backend: Any) -> None:
    def change(step: Any, model: Any, optimizer: Any) -> None:
        optimizer.param_groups[0][key] = value

    calls = [*BATCHES[:2], change, *BATCHES[2:]]
    step, *_ = check_twins(maker(rule), calls, backend, "optimizer", gradients=False, traces=2)
    assert f"{RULES[rule][0].__name__}'s {key} changed" in step.explain() or "remembers" in step.explain()


def test_groups_of_parameters(backend: Any) -> None:
    """Two groups with settings of their own, a third added later, and one group whose rate is changed alone."""

    def make() -> tuple[Any, ...]:
        a, b, c = (cr.tensor(numbers(i, 3), requires_grad=True) for i in range(3))
        optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.01, "momentum": 0.5}], lr=0.1)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = ((a * b * c - x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        return step, a, b, c, optimizer

    def second(*parts: Any) -> None:
        parts[-1].param_groups[1]["lr"] = 0.05

    def third(*parts: Any) -> None:
        parts[-1].add_param_group({"params": [parts[3]], "lr": 0.02})

    x = (numbers(7, 3),)
    step, *_ = check_twins(make, [x, x, second, x, third, x, x], backend, "optimizer", gradients=False, traces=2)
    assert "SGD's groups changed" in step.explain()


def test_parameters_that_leave_and_join(backend: Any) -> None:
    """The list of a group is part of the program."""

    def make() -> tuple[Any, ...]:
        a, b = (cr.tensor(numbers(i, 3), requires_grad=True) for i in range(2))
        optimizer = optim.SGD([a, b], lr=0.1)

        def step(x: cr.Tensor) -> None:
            optimizer.zero_grad()
            (a * b * x).sum().backward()
            optimizer.step()

        return step, a, b, optimizer

    def leave(step: Any, a: Any, b: Any, optimizer: Any) -> None:
        optimizer.param_groups[0]["params"] = [a]
        a.grad = b.grad = None

    def join(step: Any, a: Any, b: Any, optimizer: Any) -> None:
        optimizer.param_groups[0]["params"] = [a, b]
        a.grad = b.grad = None

    x = (cr.tensor(numbers(7, 3)),)
    step, *_ = check_twins(make, [x, x, leave, x, join, x], backend, "optimizer", keep_gradients=True, traces=2)
    assert "SGD's parameters changed" in step.explain()


def test_two_optimizers_for_two_networks(backend: Any) -> None:
    """As when two networks train against each other: each step leaves the other's parameters alone."""

    def make() -> tuple[Any, ...]:
        generator, critic = nn.Linear(2, 3), nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
        optimizers = optim.Adam(generator.parameters(), lr=0.01), optim.SGD(critic.parameters(), lr=0.05, momentum=0.9)

        def step(noise: cr.Tensor, real: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
            optimizers[1].zero_grad()
            judged = critic(real).mean() - critic(generator(noise).detach()).mean()
            judged.backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            fooled = critic(generator(noise)).mean()
            fooled.backward()
            optimizers[0].step()
            return judged, fooled

        return step, generator, critic, *optimizers

    calls = [(numbers(i, 6, 2), numbers(10 + i, 6, 3)) for i in range(4)]
    _, generator, critic, *_ = check_twins(make, calls, backend, "optimizer", gradients=False, traces=1)
    assert generator.weight.grad is None and critic[0].weight.grad is None
    # The generator's walk leaves gradients in the critic.
    _, _, critic, *_ = check_twins(make, calls, backend, "optimizer", keep_gradients=True)
    assert critic[0].weight.grad is not None


def test_one_parameter_in_two_optimizers(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(0, 3), requires_grad=True)
        first, second = optim.Adam([w], lr=0.1), optim.RMSprop([w], lr=0.01)

        def step(x: cr.Tensor) -> cr.Tensor:
            first.zero_grad()
            loss = ((w - x) ** 2).sum()
            loss.backward()
            first.step()
            second.step()
            return loss

        return step, w, first, second

    check_twins(make, [(numbers(i, 3),) for i in range(4)], backend, "optimizer", gradients=False, traces=1)


def test_several_steps_in_one_call(backend: Any) -> None:
    """An inner loop: each of its steps starts from the parameters and the memory that the one before left."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(0, 3), requires_grad=True)
        optimizer = optim.Adam([w], lr=0.1)

        def step(x: cr.Tensor, count: int) -> list[cr.Tensor]:
            losses = []
            for _ in range(count):
                optimizer.zero_grad()
                loss = ((w - x) ** 2).sum()
                loss.backward()
                optimizer.step()
                losses.append(loss)
            return losses

        return step, w, optimizer

    x = cr.tensor(numbers(1, 3))
    check_twins(make, [(x, 3), (x, 3), (x, 1), (x, 3)], backend, "optimizer", gradients=False, traces=2)


def test_parameters_without_a_gradient_stay(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        used, unused = (cr.tensor(numbers(i, 3), requires_grad=True) for i in range(2))
        optimizer = optim.Adam([used, unused], lr=0.1)

        def step(x: cr.Tensor) -> None:
            optimizer.zero_grad()
            (used * x).sum().backward()
            optimizer.step()

        return step, used, unused, optimizer

    parts = check_twins(make, [(numbers(i, 3),) for i in range(3)], backend, "optimizer", gradients=False, traces=1)
    assert parts[2] not in parts[3].state


def test_a_closure(backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(0, 3), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: cr.Tensor) -> cr.Tensor:
            def closure() -> cr.Tensor:
                optimizer.zero_grad()
                loss = ((w - x) ** 2).sum()
                loss.backward()
                return loss

            result: cr.Tensor = optimizer.step(closure)
            return result

        return step, w, optimizer

    check_twins(make, [(numbers(i, 3),) for i in range(3)], backend, "optimizer", gradients=False, traces=1)


def test_lbfgs_says_that_it_cannot_be_compiled(backend: Any) -> None:
    """Its line search decides by values; what it has touched is as it was."""
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.LBFGS([w])

    def closure() -> cr.Tensor:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with pytest.raises(cr.ConfigError, match="a step that depends on the values it meets"):
        cr.compile(lambda: optimizer.step(closure), backend=backend)()
    assert w.tolist() == [1.0, 2.0] and w.grad is None and not optimizer.state


def test_adam_keeps_its_accuracy_late_in_a_float32_run(backend: Any) -> None:
    """The corrections by powers of beta are float64 in the program too: in float32 they would be 20 % off."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor([0.0], requires_grad=True)
        optimizer = optim.Adam([w], lr=1.0, betas=(0.9, 0.9999999))

        def step() -> None:
            optimizer.zero_grad()
            w.sum().backward()
            optimizer.step()

        return step, w, optimizer

    _, w, _ = check_twins(make, [()] * 3, backend, "optimizer", gradients=False)
    assert math.isclose(w.item(), -3.0, rel_tol=1e-3)
