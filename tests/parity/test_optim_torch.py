"""Optimizers, schedules and clipping beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim

torch = pytest.importorskip("torch")

Tolerance = Callable[[str, str], dict[str, float]]

RULES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "alpha": 0.8, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.3, 0.9)}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.5), "amsgrad": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "betas": (0.9, 0.6)}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]

both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


@pytest.fixture(autouse=True)
def default_dtype(request: pytest.FixtureRequest) -> Iterator[None]:
    """PyTorch keeps an optimizer's counts in its default dtype, so float64 runs need float64 there."""
    arguments = getattr(request.node, "callspec", None)
    name = arguments.params.get("dtype", "float32") if arguments else "float32"
    torch.set_default_dtype(getattr(torch, name))
    yield
    torch.set_default_dtype(torch.float32)


def start(dtype: str) -> list[np.ndarray]:
    """A matrix, a vector and a bias; one gradient is 0 at first."""
    return [
        np.array([[0.5, -1.2, 2.0], [0.0, 0.3, -0.7]], dtype),
        np.array([1.0, -1.0], dtype),
        np.array([0.25], dtype),
    ]


def gradient(p: np.ndarray, step: int) -> np.ndarray:
    """A smooth force towards 1, shaken from step to step as mini-batches would."""
    shake = np.cos(np.arange(p.size).reshape(p.shape) + step)
    return ((p - 1) * 0.7 + np.sin(3 * p) * 0.2 + 0.3 * shake * (step > 0)).astype(p.dtype)


def ids(case: tuple[str, dict[str, Any]]) -> str:
    """A readable name."""
    return " ".join([case[0], *(f"{k}={v}" for k, v in case[1].items())])


@both_dtypes
@pytest.mark.parametrize("case", RULES, ids=ids)
def test_twenty_steps(case: tuple[str, dict[str, Any]], dtype: str, tolerance: Tolerance) -> None:
    name, settings = case
    mine = [cr.tensor(p, requires_grad=True) for p in start(dtype)]
    theirs = [torch.tensor(p, requires_grad=True) for p in start(dtype)]
    a, b = getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(theirs, **settings)
    for step in range(20):
        for p, q in zip(mine, theirs, strict=True):
            p.grad = cr.tensor(gradient(p.numpy(), step))
            q.grad = torch.tensor(gradient(q.detach().numpy(), step))
        a.step()
        b.step()
        for p, q in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), **tolerance("optimizer", dtype))
    for p, q in zip(mine, theirs, strict=True):
        for key in set(a.state.get(p, {})) & set(b.state[q]):
            theirs_value = b.state[q][key].numpy()
            np.testing.assert_allclose(a.state[p][key].numpy(), theirs_value, **tolerance("optimizer", dtype))


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "NAdam", "LBFGS"])
def test_defaults(name: str) -> None:
    mine = getattr(optim, name)([cr.zeros(1, requires_grad=True)]).param_groups[0]
    theirs = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)]).param_groups[0]
    for setting in set(mine) - {"params"}:
        assert mine[setting] == theirs[setting], setting


# ---- L-BFGS


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Points on both sides of a plane, with some noise."""
    x = np.array([[np.sin(3.0 * i), np.cos(5.0 * i), np.sin(7.0 * i + 1)] for i in range(24)], dtype)
    return x, np.where(x @ np.array([1.0, -2.0, 0.5]) + 0.4 * np.cos(11.0 * np.arange(24)) > 0, 1, -1).astype(dtype)


def run_lbfgs(
    kind: Any, w: Any, x: Any, y: Any, log: Any, exp: Any, settings: dict[str, Any]
) -> tuple[Any, list[float]]:
    """Logistic regression with a penalty, two steps: at the bottom only rounding decides where a line search goes."""
    optimizer = kind([w], **settings)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = log(1 + exp(-(y * (x @ w)))).mean() + 0.05 * (w * w).sum()
        loss.backward()
        return loss

    return optimizer, [optimizer.step(closure).item() for _ in range(2)]


@both_dtypes
@pytest.mark.parametrize(
    "settings",
    [
        {"max_iter": 5},
        {"max_iter": 5, "lr": 0.5, "history_size": 2},
        {"max_iter": 4, "line_search_fn": "strong_wolfe"},
        {"max_iter": 4, "line_search_fn": "strong_wolfe", "lr": 20.0, "history_size": 2},
        {"max_iter": 4, "line_search_fn": "strong_wolfe", "lr": 0.05, "max_eval": 30},
        {"max_iter": 10, "line_search_fn": "strong_wolfe", "max_eval": 3},
    ],
    ids=str,
)
def test_lbfgs(settings: dict[str, Any], dtype: str, tolerance: Tolerance) -> None:
    x, y = data(dtype)
    w = np.array([0.1, 0.2, -0.3], dtype)
    mine, theirs = cr.tensor(w, requires_grad=True), torch.tensor(w, requires_grad=True)
    a, losses = run_lbfgs(optim.LBFGS, mine, cr.tensor(x), cr.tensor(y), cr.log, cr.exp, settings)
    b, expected = run_lbfgs(torch.optim.LBFGS, theirs, torch.tensor(x), torch.tensor(y), torch.log, torch.exp, settings)
    np.testing.assert_allclose(losses, expected, **tolerance("lbfgs", dtype))
    if dtype == "float64":
        np.testing.assert_allclose(mine.numpy(), theirs.detach().numpy(), **tolerance("lbfgs", dtype))
        for count in ("func_evals", "n_iter"):
            assert a.state[mine][count].item() == b.state[theirs][count]


# ---- schedules

SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "StepLR": lambda s, o: s.StepLR(o, 7),
    "StepLR gamma": lambda s, o: s.StepLR(o, 1, gamma=0.97),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 20, 20, 31], gamma=0.5),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 50),
    "CosineAnnealingLR up again": lambda s, o: s.CosineAnnealingLR(o, 9, eta_min=0.01),
    "LinearLR": lambda s, o: s.LinearLR(o),
    "LinearLR down": lambda s, o: s.LinearLR(o, 0.9, 0.1, 30),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "LambdaLR each": lambda s, o: s.LambdaLR(o, [lambda epoch: 0.95**epoch, lambda epoch: 1 / (1 + epoch)]),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.3, total_steps=50),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(
        o, [0.3, 0.1], epochs=5, steps_per_epoch=11, anneal_strategy="linear", pct_start=0.4, div_factor=10.0
    ),
    "OneCycleLR three phases": lambda s, o: s.OneCycleLR(
        o, 0.3, total_steps=60, three_phase=True, base_momentum=0.7, max_momentum=0.8, final_div_factor=100.0
    ),
    "OneCycleLR rate only": lambda s, o: s.OneCycleLR(o, 0.3, total_steps=50, cycle_momentum=False),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o,
        [
            s.LinearLR(o, 0.1, total_iters=5),
            s.CosineAnnealingLR(o, 20),
            s.StepLR(o, 3),
            s.LambdaLR(o, lambda e: 0.9**e),
        ],
        [5, 25, 40],
    ),
}


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_fifty_epochs(name: str, kind: str, tolerance: Tolerance) -> None:
    settings: dict[str, Any] = {"momentum": 0.9} if kind == "SGD" else {"betas": (0.8, 0.99)}
    mine = getattr(optim, kind)(
        [{"params": [cr.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.02)], **settings
    )
    theirs = getattr(torch.optim, kind)(
        [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.02)], **settings
    )
    a, b = SCHEDULES[name](optim.lr_scheduler, mine), SCHEDULES[name](torch.optim.lr_scheduler, theirs)
    theirs.step()
    key = next(iter(settings))
    for epoch in range(51):
        for p, q in zip(mine.param_groups, theirs.param_groups, strict=True):
            np.testing.assert_allclose(p["lr"], q["lr"], **tolerance("schedule", "float64"), err_msg=f"epoch {epoch}")
            np.testing.assert_allclose(p[key], q[key], **tolerance("schedule", "float64"), err_msg=f"epoch {epoch}")
        assert a.get_last_lr() == [p["lr"] for p in mine.param_groups]
        if epoch < 50:
            a.step()
            b.step()


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 2},
        {"patience": 0, "factor": 0.5, "threshold": 0.05},
        {"patience": 1, "factor": 0.5, "threshold": 0.03, "threshold_mode": "abs", "cooldown": 3},
        {"mode": "max", "patience": 1, "factor": 0.5, "min_lr": [0.01, 0.001]},
        {"mode": "max", "patience": 0, "factor": 0.7, "threshold_mode": "abs", "threshold": 0.1, "eps": 1e-3},
    ],
    ids=str,
)
def test_fifty_epochs_on_a_plateau(settings: dict[str, Any]) -> None:
    mine = optim.SGD([{"params": [cr.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.02)])
    theirs = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.02)])
    a = optim.ReduceLROnPlateau(mine, **settings)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
    for epoch in range(50):
        metric = 1 / (1 + epoch // 4) + 0.02 * np.cos(5.0 * epoch) - 0.3 * (epoch == 20)
        a.step(metric)
        b.step(metric)
        assert [p["lr"] for p in mine.param_groups] == [q["lr"] for q in theirs.param_groups], epoch
    assert mine.param_groups[0]["lr"] < 0.1


def test_schedules_stepped_in_turn(tolerance: Tolerance) -> None:
    def run(library: Any, parameter: Any) -> list[float]:
        optimizer = library.SGD([parameter], lr=0.1)
        schedules = library.lr_scheduler
        chained = [
            schedules.LinearLR(optimizer, 0.2, total_iters=8),
            schedules.CosineAnnealingLR(optimizer, 40),
            schedules.StepLR(optimizer, 5, 0.9),
        ]
        found = []
        for _ in range(50):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for schedule in chained:
                schedule.step()
        return found

    mine, theirs = run(optim, cr.zeros(1, requires_grad=True)), run(torch.optim, torch.zeros(1, requires_grad=True))
    np.testing.assert_allclose(mine, theirs, **tolerance("schedule", "float64"))


# ---- clipping


@both_dtypes
@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clip_grad_norm(order: float, limit: float, dtype: str, tolerance: Tolerance) -> None:
    mine = [cr.tensor(p, requires_grad=True) for p in start(dtype)]
    theirs = [torch.tensor(p, requires_grad=True) for p in start(dtype)]
    for p, q in zip(mine, theirs, strict=True):
        p.grad, q.grad = cr.tensor(gradient(p.numpy(), 1)), torch.tensor(gradient(p.numpy(), 1))
    total = optim.clip_grad_norm_(mine, limit, norm_type=order)
    expected = torch.nn.utils.clip_grad_norm_(theirs, limit, norm_type=order)
    np.testing.assert_allclose(total.numpy(), expected.numpy(), **tolerance("clip", dtype))
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), **tolerance("clip", dtype))


@both_dtypes
def test_clip_grad_value(dtype: str) -> None:
    p, q = cr.zeros(6, dtype=dtype, requires_grad=True), torch.zeros(6, requires_grad=True)
    values = np.array([-2.0, -0.3, 0.0, 0.3, 2.0, np.nan], dtype)
    p.grad, q.grad = cr.tensor(values), torch.tensor(values)
    optim.clip_grad_value_(p, 0.3)
    torch.nn.utils.clip_grad_value_(q, 0.3)
    np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())
