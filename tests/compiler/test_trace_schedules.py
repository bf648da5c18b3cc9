"""Schedules inside and around a compiled step, and limits on its gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import check_twins, numbers, traced

import chainrule as cr
from chainrule import optim

S = optim.lr_scheduler
SCHEDULES: dict[str, Callable[[optim.Optimizer], Any]] = {
    "StepLR": lambda o: S.StepLR(o, step_size=2, gamma=0.5),
    "MultiStepLR": lambda o: S.MultiStepLR(o, milestones=[1, 3], gamma=0.3),
    "ExponentialLR": lambda o: S.ExponentialLR(o, gamma=0.8),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, T_max=3),
    "LinearLR": lambda o: S.LinearLR(o, start_factor=0.2, total_iters=3),
    "LambdaLR": lambda o: S.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "OneCycleLR": lambda o: S.OneCycleLR(o, max_lr=0.2, total_steps=10, cycle_momentum=False),
    "SequentialLR": lambda o: S.SequentialLR(
        o, [S.LinearLR(o, start_factor=0.5, total_iters=2), S.ExponentialLR(o, gamma=0.5)], milestones=[2]
    ),
}
BATCHES = [(cr.tensor(numbers(i, 3)),) for i in range(6)]


def maker(schedule: Callable[[optim.Optimizer], Any], inside: bool, **settings: Any) -> Callable[[], tuple[Any, ...]]:
    """Makes a step that moves its schedule itself, or leaves that to its caller."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(9, 3), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1, **settings)
        moves = schedule(optimizer)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = ((w - x) ** 2).sum()
            loss.backward()
            optimizer.step()
            if inside:
                moves.step()
            return loss

        return step, w, optimizer, moves

    return make


def move(step: Any, w: Any, optimizer: Any, schedule: Any) -> None:
    """The schedule's step, between calls."""
    schedule.step()


def test_every_schedule_is_here() -> None:
    assert set(S.__all__) - {"LRScheduler", "ReduceLROnPlateau"} == set(SCHEDULES)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", SCHEDULES)
def test_inside(name: str, momentum: float, backend: Any) -> None:
    """One trace: rates are inputs, and the schedule moves after each call."""
    make = maker(SCHEDULES[name], True, momentum=momentum)
    check_twins(make, BATCHES, backend, "optimizer", gradients=False, traces=1)


@pytest.mark.parametrize("name", SCHEDULES)
def test_outside(name: str, backend: Any) -> None:
    calls = [call for batch in BATCHES for call in (batch, move)]
    check_twins(maker(SCHEDULES[name], False), calls, backend, "optimizer", gradients=False, traces=1)


CYCLES: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "SGD": (optim.SGD, {"momentum": 0.9}),
    "SGD nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "RMSprop": (optim.RMSprop, {"momentum": 0.9}),
    "Adam": (optim.Adam, {}),
    "AdamW": (optim.AdamW, {"amsgrad": True}),
    "NAdam": (optim.NAdam, {}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CYCLES)
def test_momentum_that_cycles(name: str, dtype: str, backend: Any) -> None:
    """OneCycleLR changes the momentum too. At first that is part of the program; once it has changed, an input."""
    kind, settings = CYCLES[name]

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(9, 3, dtype=dtype), requires_grad=True)
        optimizer = kind([w], lr=0.01, **settings)
        schedule = S.OneCycleLR(optimizer, max_lr=0.2, total_steps=10)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = ((w - x) ** 2).sum()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss

        return step, w, optimizer, schedule

    calls = [(cr.tensor(numbers(i, 3, dtype=dtype)),) for i in range(6)]
    step, *_ = check_twins(make, calls, backend, "optimizer", gradients=False, traces=2)
    key = "betas" if "Adam" in name else "momentum"
    assert f"{kind.__name__}'s {key} changed" in step.explain()


def test_momentum_that_stops_and_starts(backend: Any) -> None:
    """No momentum is another program, also where momentum is known to move."""

    def to(momentum: float) -> Callable[..., None]:
        def change(step: Any, w: Any, optimizer: Any, schedule: Any) -> None:
            optimizer.param_groups[0]["momentum"] = momentum

        return change

    make = maker(SCHEDULES["StepLR"], False, momentum=0.9, dampening=0.5)
    calls = [call for value in (0.9, 0.5, 0.0, 0.3, 0.0, 0.9, 0.8) for call in (to(value), BATCHES[0], BATCHES[1])]
    check_twins(make, calls, backend, "optimizer", gradients=False, traces=3)


def test_plateau_takes_a_number(backend: Any) -> None:
    """Between calls, on the loss that a call returned; in the function a traced metric is refused, before any change."""
    losses: dict[int, Any] = {}

    def make(inside: bool = False) -> tuple[Any, ...]:
        w = cr.tensor(numbers(9, 3), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.5)
        schedule = S.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = ((w - x) ** 2).sum()
            loss.backward()
            optimizer.step()
            if inside:
                schedule.step(loss)
            return loss

        return step, w, optimizer, schedule

    def judge(step: Any, w: Any, optimizer: Any, schedule: Any) -> None:
        losses[id(w)] = losses.get(id(w), 0) + 1
        schedule.step(losses[id(w)])

    calls = [call for batch in BATCHES for call in (batch, judge)]
    *_, schedule = check_twins(make, calls, backend, "optimizer", gradients=False, traces=1)
    assert schedule.get_last_lr()[0] < 0.5

    step, w, _, schedule = make(inside=True)
    before = w.numpy()
    with pytest.raises(cr.GradientError, match=r"test_trace_schedules\.py:\d+ +schedule\.step\(loss\)"):
        cr.compile(step, backend=backend)(*BATCHES[0])
    assert schedule.last_epoch == 0 and schedule.best is None
    np.testing.assert_array_equal(w.numpy(), before)


def test_a_schedule_of_the_users_own(backend: Any) -> None:
    class Halving(optim.LRScheduler):
        """Halves, and counts its own steps."""

        def rate(self, lr: float, base: float, epoch: int) -> float:
            """``base / 2^epoch``."""
            return base / 2**epoch

        def step(self) -> None:
            """Goes on twice as fast."""
            super().step()
            super().step()

    *_, schedule = check_twins(maker(Halving, True), BATCHES, backend, "optimizer", gradients=False, traces=1)
    assert schedule.last_epoch == 12


def test_a_schedule_must_be_stepped_after_the_optimizer(backend: Any) -> None:
    w = cr.tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    schedule = S.ExponentialLR(optimizer, gamma=0.5)

    def step() -> None:
        (w * w).sum().backward()
        schedule.step()
        optimizer.step()

    with pytest.raises(cr.GraphError, match=r"call schedule\.step\(\) last"):
        cr.compile(step, backend=backend)()
    assert w.grad is None and schedule.last_epoch == 0 and optimizer.param_groups[0]["lr"] == 0.1


def test_a_rate_that_the_function_sets_itself(backend: Any) -> None:
    """Python code that changes the rate at each call is seen: the function is traced again, at last run as it is."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(9, 3), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: cr.Tensor) -> tuple[cr.Tensor, float]:
            optimizer.zero_grad()
            loss = ((w - x) ** 2).sum()
            loss.backward()
            optimizer.step()
            optimizer.param_groups[0]["lr"] *= 0.9
            return loss, optimizer.param_groups[0]["lr"]

        return step, w, optimizer

    check_twins(make, BATCHES, backend, "optimizer", gradients=False)


# ---- limits on gradients

CLIPS: dict[str, Callable[[list[cr.Tensor]], Any]] = {
    "norm": lambda ps: optim.clip_grad_norm_(ps, 0.5),
    "norm, not reached": lambda ps: optim.clip_grad_norm_(ps, 1e6),
    "norm 1": lambda ps: optim.clip_grad_norm_(ps, 0.5, norm_type=1.0),
    "norm 3": lambda ps: optim.clip_grad_norm_(ps, 0.5, norm_type=3),
    "largest": lambda ps: optim.clip_grad_norm_(ps, 0.5, norm_type=math.inf),
    "value": lambda ps: optim.clip_grad_value_(ps, 0.3),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CLIPS)
def test_clipping(name: str, dtype: str, backend: Any) -> None:
    def make() -> tuple[Any, ...]:
        a, b = (cr.tensor(numbers(i, 2, 3, dtype=dtype), requires_grad=True) for i in range(2))
        optimizer = optim.SGD([a, b], lr=0.1)

        def step(x: cr.Tensor) -> Any:
            optimizer.zero_grad()
            ((a * b - x) ** 2).sum().backward()
            norm = CLIPS[name]([a, b])
            optimizer.step()
            return norm

        return step, a, b, optimizer

    calls = [(cr.tensor(numbers(5 + i, 2, 3, dtype=dtype)),) for i in range(3)]
    step, *_ = check_twins(make, calls, backend, "optimizer", keep_gradients=True)
    assert traced(step) == 1
    check_twins(make, calls, backend, "optimizer", gradients=False, traces=1)


def test_clipping_without_a_step(backend: Any) -> None:
    """Clipped gradients are left for whoever called."""

    def make() -> tuple[Any, ...]:
        w = cr.tensor(numbers(0, 4), requires_grad=True)

        def clipped(x: cr.Tensor) -> cr.Tensor:
            w.grad = None
            ((w - x) ** 2).sum().backward()
            return optim.clip_grad_norm_([w], 0.1)

        return clipped, w

    _, w = check_twins(make, [(numbers(i, 4),) for i in range(3)], backend, "clip", traces=1)
    assert abs(float((w.grad * w.grad).sum()) - 0.01) < 1e-4


def test_a_check_of_the_norms_value_is_refused(backend: Any) -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def step() -> None:
        (w * w).sum().backward()
        optim.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)

    with pytest.raises(cr.GradientError, match="error_if_nonfinite=True"):
        cr.compile(step, backend=backend)()
    assert w.grad is None
