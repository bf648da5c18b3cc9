"""Schedules: the rates they set, together and in turn, what they save, and what they refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.core.errors import CheckpointError, ConfigError

Make = Callable[[optim.Optimizer], optim.LRScheduler]

SCHEDULES: dict[str, Make] = {
    "step": lambda o: optim.StepLR(o, 3, 0.5),
    "multistep": lambda o: optim.MultiStepLR(o, [2, 5, 5, 9], 0.5),
    "exponential": lambda o: optim.ExponentialLR(o, 0.9),
    "cosine": lambda o: optim.CosineAnnealingLR(o, 4, eta_min=0.1),
    "linear": lambda o: optim.LinearLR(o, 0.2, total_iters=6),
    "lambda": lambda o: optim.LambdaLR(o, lambda epoch: 1 / (epoch + 1)),
    "one cycle": lambda o: optim.OneCycleLR(o, 2.0, total_steps=20),
    "sequential": lambda o: optim.SequentialLR(
        o, [optim.LinearLR(o, 0.1, total_iters=3), optim.CosineAnnealingLR(o, 5), optim.ExponentialLR(o, 0.5)], [3, 8]
    ),
}


def optimizer(*rates: float) -> optim.SGD:
    """An optimizer with a group for each learning rate."""
    rates = rates or (1.0,)
    return optim.SGD([{"params": [cr.zeros(1, requires_grad=True)], "lr": lr} for lr in rates], momentum=0.9)


def rates(schedule: optim.LRScheduler, steps: int) -> list[float]:
    """The first group's rate at each epoch."""
    found = []
    for _ in range(steps):
        found.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda o: optim.StepLR(o, 3, 0.5), lambda e: 2 * 0.5 ** (e // 3)),
        (lambda o: optim.MultiStepLR(o, [7, 2, 7], 0.5), lambda e: 2 * 0.5 ** ((e >= 2) + 2 * (e >= 7))),
        (lambda o: optim.ExponentialLR(o, 0.9), lambda e: 2 * 0.9**e),
        (lambda o: optim.CosineAnnealingLR(o, 5, 0.5), lambda e: 0.5 + 1.5 * (1 + math.cos(math.pi * e / 5)) / 2),
        (lambda o: optim.CosineAnnealingLR(o, 1), lambda e: 2.0 * (e % 2 == 0)),
        (lambda o: optim.LinearLR(o, 0.25, 0.75, 8), lambda e: 2 * (0.25 + 0.5 * min(e, 8) / 8)),
        (lambda o: optim.LinearLR(o, 1.0, 0.0, 4), lambda e: 2 * (1 - min(e, 4) / 4)),
        (lambda o: optim.LambdaLR(o, lambda e: 1 / (1 + e)), lambda e: 2 / (1 + e)),
    ],
)
def test_rates_follow_the_formula(make: Make, formula: Callable[[int], float]) -> None:
    found = rates(make(optimizer(2.0)), 25)
    np.testing.assert_allclose(found, [formula(e) for e in range(25)], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_groups_keep_their_proportions_and_last_lr_reports_them(name: str) -> None:
    o = optimizer(1.0, 0.5)
    schedule = SCHEDULES[name](o)
    for _ in range(5):
        schedule.step()
    assert schedule.get_last_lr() == [group["lr"] for group in o.param_groups]
    assert all(type(lr) is float for lr in schedule.get_last_lr())
    if name not in ("one cycle", "cosine"):
        assert o.param_groups[1]["lr"] == pytest.approx(0.5 * o.param_groups[0]["lr"])


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_loaded_state_continues(name: str, optimizer_first: bool) -> None:
    straight, o = optimizer(1.0, 0.5), optimizer(1.0, 0.5)
    rates(SCHEDULES[name](straight), 11)
    schedule = SCHEDULES[name](o)
    rates(schedule, 4)
    saved = json.loads(json.dumps(schedule.state_dict()))
    again = optimizer(1.0, 0.5)
    if optimizer_first:
        again.load_state_dict(o.state_dict())
    resumed = SCHEDULES[name](again)
    resumed.load_state_dict(saved)
    if not optimizer_first:
        again.load_state_dict(o.state_dict())
    assert resumed.last_epoch == 4 and resumed.get_last_lr() == schedule.get_last_lr()
    rates(resumed, 7)
    wanted = [(g["lr"], g["momentum"]) for g in straight.param_groups]
    assert [(g["lr"], g["momentum"]) for g in again.param_groups] == wanted


def test_a_saved_state_does_not_change_later() -> None:
    schedule = optim.StepLR(optimizer(), 1, 0.5)
    saved = schedule.state_dict()
    schedule.step()
    assert saved["last_epoch"] == 0 and saved["_last_lr"] == [1.0]


def test_another_schedules_state_is_refused() -> None:
    with pytest.raises(CheckpointError, match="StepLR"):
        optim.StepLR(optimizer(), 3).load_state_dict(optim.ExponentialLR(optimizer(), 0.9).state_dict())
    with pytest.raises(CheckpointError, match="rates"):
        optim.StepLR(optimizer(), 3).load_state_dict(optim.StepLR(optimizer(1.0, 2.0), 3).state_dict())
    one, two = optimizer(), optimizer()
    short = optim.SequentialLR(one, [optim.StepLR(one, 3)], [])
    long = optim.SequentialLR(two, [optim.StepLR(two, 3), optim.StepLR(two, 3)], [2])
    with pytest.raises(CheckpointError, match="SequentialLR"):
        short.load_state_dict(long.state_dict())


def test_schedules_multiply_when_stepped_in_turn() -> None:
    o = optimizer(1.0)
    warm_up, decay = optim.LinearLR(o, 0.5, total_iters=2), optim.ExponentialLR(o, 0.9)
    for epoch in range(5):
        assert o.param_groups[0]["lr"] == pytest.approx((0.5 + 0.25 * min(epoch, 2)) * 0.9**epoch)
        warm_up.step()
        decay.step()


def test_sequence_inside_a_sequence() -> None:
    o = optimizer(1.0)
    inner = optim.SequentialLR(o, [optim.ExponentialLR(o, 0.5), optim.LinearLR(o, 0.5, total_iters=1)], [2])
    outer = optim.SequentialLR(o, [optim.LambdaLR(o, lambda e: 0.1), inner], [2])
    assert rates(outer, 6) == pytest.approx([0.1, 0.1, 1.0, 0.5, 0.5, 1.0])


# ---- plateau


def plateau_rates(metrics: list[Any], **settings: Any) -> list[float]:
    o = optimizer(1.0)
    schedule = optim.ReduceLROnPlateau(o, **settings)
    found = []
    for metric in metrics:
        schedule.step(metric)
        found.append(o.param_groups[0]["lr"])
    return found


def test_plateau_waits_reduces_and_cools_down() -> None:
    assert plateau_rates([1.0] * 6, factor=0.5, patience=2) == [1, 1, 1, 0.5, 0.5, 0.5]
    assert plateau_rates([1.0] * 6, factor=0.5, patience=0) == [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    assert plateau_rates([1.0] * 6, factor=0.5, patience=0, cooldown=2) == [1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert plateau_rates([1.0] * 4, factor=0.5, patience=0, min_lr=0.4) == [1, 0.5, 0.4, 0.4]
    assert plateau_rates([0.1, 0.2, 0.2], mode="max", factor=0.5, patience=0) == [1, 1, 0.5]


def test_plateau_thresholds() -> None:
    falling = [1.0, 0.95, 0.9]
    assert plateau_rates(falling, patience=0, factor=0.5, threshold=0.1) == [1, 0.5, 0.25]
    assert plateau_rates(falling, patience=0, factor=0.5, threshold=0.01) == [1, 1, 1]
    assert plateau_rates(falling, patience=0, factor=0.5, threshold=0.06, threshold_mode="abs") == [1, 0.5, 0.5]


def test_plateau_takes_tensors_and_counts_nan_as_no_improvement() -> None:
    nan = float("nan")
    assert plateau_rates([cr.tensor(1.0), nan, cr.tensor([0.5])], patience=0, factor=0.5) == [1, 0.5, 0.5]
    assert plateau_rates([nan, nan], patience=0, factor=0.5) == [0.5, 0.25]


def test_plateau_state_continues() -> None:
    o = optimizer(1.0)
    schedule = optim.ReduceLROnPlateau(o, patience=2, factor=0.5)
    for loss in (1.0, 1.0, 1.0):
        schedule.step(loss)
    again = optimizer(1.0)
    resumed = optim.ReduceLROnPlateau(again, patience=7)
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    resumed.step(1.0)
    assert again.param_groups[0]["lr"] == 0.5


# ---- one cycle


def test_one_cycle_turns_momentum_the_other_way() -> None:
    o = optimizer()
    schedule = optim.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=10, pct_start=0.5, anneal_strategy="linear")
    seen = []
    for _ in range(20):
        seen.append((o.param_groups[0]["lr"], o.param_groups[0]["momentum"]))
        schedule.step()
    assert seen[0] == pytest.approx((0.04, 0.95))
    assert seen[9] == pytest.approx((1.0, 0.85))
    assert seen[19] == pytest.approx((4e-6, 0.95))
    with pytest.raises(ConfigError, match="step 21"):
        schedule.step()


def test_one_cycle_sets_the_first_beta() -> None:
    adam = optim.Adam([cr.zeros(1, requires_grad=True)])
    schedule = optim.OneCycleLR(adam, 0.1, total_steps=10, base_momentum=0.8)
    assert adam.param_groups[0]["betas"] == (0.95, 0.999)
    schedule.step()
    schedule.step()
    assert adam.param_groups[0]["betas"] == (0.8, 0.999)


@pytest.mark.parametrize("total", [1, 2, 3, 10])
@pytest.mark.parametrize("part", [0.0, 0.1, 1 / 3, 0.5, 1.0])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_of_any_length_stays_in_bounds(total: int, part: float, three_phase: bool) -> None:
    o = optimizer()
    schedule = optim.OneCycleLR(o, 1.0, total_steps=total, pct_start=part, three_phase=three_phase and part <= 0.5)
    assert all(0 < lr <= 1 + 1e-12 for lr in rates(schedule, total))


# ---- errors


def test_bad_settings_are_refused() -> None:
    o = optimizer()
    for make in (
        lambda: optim.StepLR(o, 0),
        lambda: optim.CosineAnnealingLR(o, 0),
        lambda: optim.LinearLR(o, start_factor=0.0),
        lambda: optim.LinearLR(o, end_factor=1.5),
        lambda: optim.LinearLR(o, total_iters=0),
        lambda: optim.LambdaLR(o, [abs, abs]),
        lambda: optim.ReduceLROnPlateau(o, factor=1.0),
        lambda: optim.ReduceLROnPlateau(o, mode="least"),
        lambda: optim.ReduceLROnPlateau(o, threshold_mode="relative"),
        lambda: optim.ReduceLROnPlateau(o, min_lr=[0.1, 0.1]),
        lambda: optim.ReduceLROnPlateau(o).step(),
        lambda: optim.OneCycleLR(o, 1.0),
        lambda: optim.OneCycleLR(o, 1.0, total_steps=0),
        lambda: optim.OneCycleLR(o, 1.0, total_steps=5, pct_start=1.2),
        lambda: optim.OneCycleLR(o, 1.0, total_steps=5, anneal_strategy="sine"),
        lambda: optim.OneCycleLR(o, [1.0, 2.0], total_steps=5),
        lambda: optim.OneCycleLR(optim.Adagrad([cr.zeros(1, requires_grad=True)]), 1.0, total_steps=5),
        lambda: optim.SequentialLR(o, [optim.StepLR(o, 1)], [3]),
        lambda: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 3, [3, 3]),
        lambda: optim.SequentialLR(o, [optim.StepLR(optimizer(), 1)], []),
        lambda: optim.SequentialLR(o, [optim.ReduceLROnPlateau(o)], []),
        lambda: optim.StepLR([cr.zeros(1)], 3),
    ):
        with pytest.raises(ConfigError):
            make()


def test_a_group_added_later_is_an_error_with_a_name() -> None:
    o = optimizer()
    schedule = optim.StepLR(o, 3)
    o.add_param_group({"params": cr.zeros(1, requires_grad=True)})
    with pytest.raises(ConfigError, match="now has 2 parameter groups"):
        schedule.step()


def test_names_as_in_pytorch() -> None:
    assert optim.lr_scheduler.StepLR is optim.StepLR
    for name in optim.lr_scheduler.__all__:
        assert getattr(optim, name) is getattr(optim.lr_scheduler, name)
    assert all(hasattr(optim, name) for name in optim.__all__)
    assert repr(optim.StepLR(optimizer(), 3)) == "StepLR(step_size=3, gamma=0.1) at epoch 0"
