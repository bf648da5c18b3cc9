"""Optimizers: they descend, remember, continue, refuse, and do on tensors what they do on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.core.errors import ChainruleError, CheckpointError, ConfigError
from tolerances import assert_near

#: Each rule with its main options, and a learning rate at which it descends on a quadratic.
RULES: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "sgd": (optim.SGD, {"lr": 0.05}),
    "sgd momentum": (optim.SGD, {"lr": 0.02, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    "sgd nesterov": (optim.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.Adagrad, {"lr": 0.5}),
    "adagrad decay": (
        optim.Adagrad,
        {"lr": 0.5, "lr_decay": 0.01, "weight_decay": 0.01, "initial_accumulator_value": 0.1},
    ),
    "adadelta": (optim.Adadelta, {"lr": 10.0}),
    "adadelta decay": (optim.Adadelta, {"lr": 10.0, "rho": 0.8, "weight_decay": 0.01}),
    "rmsprop": (optim.RMSprop, {"lr": 0.02}),
    "rmsprop centered": (optim.RMSprop, {"lr": 0.005, "centered": True, "momentum": 0.5, "weight_decay": 0.01}),
    "adam": (optim.Adam, {"lr": 0.1}),
    "adam amsgrad": (optim.Adam, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.01}),
    "adam decoupled": (optim.Adam, {"lr": 0.1, "weight_decay": 0.01, "decoupled_weight_decay": True}),
    "adamw": (optim.AdamW, {"lr": 0.1, "weight_decay": 0.01}),
    "nadam": (optim.NAdam, {"lr": 0.1}),
    "nadam decay": (optim.NAdam, {"lr": 0.1, "weight_decay": 0.01}),
    "nadam decoupled": (optim.NAdam, {"lr": 0.1, "weight_decay": 0.01, "decoupled_weight_decay": True}),
}
every_rule = pytest.mark.parametrize("name", RULES)

SCALES = np.array([[1.0, 3.0], [0.3, 2.0]])
TARGET = np.array([[1.0, -2.0], [0.5, 0.0]])


def start(dtype: str = "float32") -> tuple[cr.Tensor, cr.Tensor]:
    """A matrix and a vector to learn."""
    matrix = cr.tensor([[0.0, 1.0], [-1.0, 2.0]], dtype=dtype, requires_grad=True)
    return matrix, cr.tensor([0.5, -0.5, 0.1], dtype=dtype, requires_grad=True)


def quadratic(params: tuple[cr.Tensor, ...]) -> cr.Tensor:
    """A bowl over ``start()``, 0 at its bottom."""
    matrix, vector = params
    dtype = matrix.dtype
    bowl = ((matrix - cr.tensor(TARGET, dtype=dtype)) ** 2 * cr.tensor(SCALES, dtype=dtype)).sum()
    return bowl + (vector**2).sum()


def train(optimizer: optim.Optimizer, params: tuple[cr.Tensor, ...], steps: int) -> float:
    """Run steps on the quadratic; the last loss."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss = quadratic(params)
        loss.backward()
        optimizer.step()
    return quadratic(params).item()


def make(name: str, params: Any, **more: Any) -> optim.Optimizer:
    """An optimizer from the table."""
    kind, settings = RULES[name]
    return kind(params, **{**settings, **more})


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_descends_and_keeps_the_dtype(name: str, dtype: str) -> None:
    params = start(dtype)
    before = quadratic(params).item()
    assert train(make(name, params), params, 300) < 0.02 * before
    assert all(p.dtype == dtype and p.requires_grad and p.is_leaf for p in params)


@cr.no_grad()
def step_on_tensors(optimizer: optim.Optimizer) -> None:
    """A step in which the rule is given tensors, as it is while it is traced."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.data, memory = optimizer.rule(p.detach(), p.grad, optimizer.state.get(p, {}), group)
            if memory:
                optimizer.state[p] = memory


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_and_arrays_give_the_same_bits(name: str, dtype: str) -> None:
    on_arrays, on_tensors = start(dtype), start(dtype)
    a, b = make(name, on_arrays), make(name, on_tensors)
    for _ in range(6):
        for params, optimizer in ((on_arrays, a), (on_tensors, b)):
            optimizer.zero_grad()
            quadratic(params).backward()
            if optimizer is a:
                optimizer.step()
            else:
                step_on_tensors(optimizer)
    for p, q in zip(on_arrays, on_tensors, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        assert a.state.get(p, {}).keys() == b.state.get(q, {}).keys()
        for key, memory in a.state.get(p, {}).items():
            other = b.state[q][key]
            assert isinstance(other, cr.Tensor) and memory.dtype == other.dtype
            np.testing.assert_array_equal(memory.numpy(), other.numpy())


@every_rule
@pytest.mark.parametrize("rate", ["number", "float32", "float64"])
def test_a_step_can_be_traced(name: str, rate: str) -> None:
    """Compiled, a step does what it does eagerly, and keeps the gradients that it was given."""
    params, traced = start(), start()
    eager = make(name, params)
    train(eager, params, 2)
    for p, q in zip(params, traced, strict=True):
        q.data = p.detach()
    optimizer = make(name, traced)
    optimizer.load_state_dict(eager.state_dict())
    if rate != "number":
        for group in (eager.param_groups[0], optimizer.param_groups[0]):
            group["lr"] = cr.tensor(group["lr"], dtype=rate)
    compiled = cr.compile(optimizer.step, backend="numpy")
    for _ in range(2):
        for both in (params, traced):
            for p in both:
                p.grad = None
            quadratic(both).backward()
        eager.step()
        compiled()
    assert [event.kind for event in compiled.events] == ["traced"]
    compiled.graph().graph.verify()
    for p, q in zip(params, traced, strict=True):
        assert q.is_leaf and q.requires_grad
        assert_near(q.numpy(), p.numpy(), "optimizer")
        assert_near(q.grad.numpy(), p.grad.numpy(), "optimizer")
        for key, memory in eager.state.get(p, {}).items():
            assert_near(optimizer.state[q][key].numpy(), memory.numpy(), "optimizer")


@every_rule
def test_loaded_state_continues_with_the_same_bits(name: str) -> None:
    straight, first = start(), start()
    train(make(name, straight), straight, 12)
    interrupted = make(name, first)
    train(interrupted, first, 5)
    second = tuple(cr.tensor(p.numpy(), requires_grad=True) for p in first)
    resumed = make(name, second, lr=99.0)
    saved = interrupted.state_dict()
    # As a checkpoint keeps it: plain numbers, lists and arrays.
    groups = [{k: list(v) if isinstance(v, tuple) else v for k, v in g.items()} for g in saved["param_groups"]]
    state = {str(i): {k: t.numpy().copy() for k, t in memory.items()} for i, memory in saved["state"].items()}
    resumed.load_state_dict({"state": state, "param_groups": groups})
    train(resumed, second, 7)
    for p, q in zip(straight, second, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@every_rule
def test_parameters_without_gradient_stay(name: str) -> None:
    matrix, vector = start()
    optimizer = make(name, [matrix, vector])
    before = vector.numpy().copy()
    (matrix**2).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(vector.numpy(), before)
    assert vector not in optimizer.state
    assert not np.array_equal(matrix.numpy(), start()[0].numpy())


@every_rule
def test_groups_have_their_own_settings(name: str) -> None:
    matrix, vector = start()
    before = vector.numpy().copy()
    optimizer = make(name, [{"params": [matrix]}, {"params": vector, "lr": 0.0}])
    quadratic((matrix, vector)).backward()
    optimizer.step()
    np.testing.assert_array_equal(vector.numpy(), before)
    alone = start()
    optimizer = make(name, alone)
    quadratic(alone).backward()
    optimizer.step()
    np.testing.assert_array_equal(matrix.numpy(), alone[0].numpy())


@every_rule
def test_empty_parameters_and_steps_of_float64_settings(name: str) -> None:
    empty = cr.zeros(0, 3, requires_grad=True)
    (empty * 2).sum().backward()
    make(name, [empty]).step()
    assert empty.shape == (0, 3) and empty.dtype == "float32"


@every_rule
def test_the_gradient_is_left_alone(name: str) -> None:
    params = start()
    optimizer = make(name, params)
    quadratic(params).backward()
    before = [p.grad.numpy().copy() for p in params]
    optimizer.step()
    optimizer.step()
    for p, g in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g)


def test_weight_decay_by_hand() -> None:
    def step(kind: type[optim.Optimizer], **settings: Any) -> float:
        p = cr.tensor([2.0], dtype="float64", requires_grad=True)
        optimizer = kind([p], lr=0.1, **settings)
        p.grad = cr.tensor([0.0], dtype="float64")
        optimizer.step()
        return p.item()

    assert step(optim.SGD, weight_decay=0.5) == pytest.approx(1.9)  # 2 - 0.1 * 0.5 * 2
    assert step(optim.Adagrad, weight_decay=0.5) == pytest.approx(1.9)  # 2 - 0.1 * 1 / sqrt(1^2)
    assert step(optim.RMSprop, weight_decay=0.5, alpha=0.75) == pytest.approx(1.8)  # 2 - 0.1 * 1 / sqrt(1/4)
    assert step(optim.Adam, weight_decay=0.5) == pytest.approx(1.9)  # the first step is lr, whatever the gradient
    assert step(optim.AdamW, weight_decay=0.5) == pytest.approx(1.9)  # 2 * (1 - 0.1 * 0.5), and m is 0
    assert step(optim.AdamW) == pytest.approx(2 * (1 - 0.1 * 0.01))
    assert step(optim.NAdam, weight_decay=0.5, decoupled_weight_decay=True) == pytest.approx(1.9)
    assert step(optim.Adam) == 2.0


def test_adam_by_hand() -> None:
    p = cr.tensor([1.0], dtype="float64", requires_grad=True)
    optimizer = optim.Adam([p], lr=0.1, betas=(0.5, 0.75), eps=0.5)
    for gradient in (2.0, -1.0):
        p.grad = cr.tensor([gradient], dtype="float64")
        optimizer.step()
    m, v = 0.5 * (0.5 * 2) + 0.5 * -1, 0.75 * (0.25 * 4) + 0.25 * 1
    expected = 1 - 0.1 * 2 / (2 + 0.5) - 0.1 * (m / 0.75) / (np.sqrt(v / (1 - 0.75**2)) + 0.5)
    assert p.item() == pytest.approx(expected, rel=1e-14)
    assert {k: (t.shape, str(t.dtype)) for k, t in optimizer.state[p].items()} == {
        "step": ((), "float64"),
        "exp_avg": ((1,), "float64"),
        "exp_avg_sq": ((1,), "float64"),
    }


def test_amsgrad_never_lets_the_denominator_fall() -> None:
    p = cr.tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([p], amsgrad=True, betas=(0.9, 0.5))
    largest = []
    for gradient in (1.0, 10.0, 0.0, 0.0):
        p.grad = cr.tensor([gradient])
        optimizer.step()
        largest.append(optimizer.state[p]["max_exp_avg_sq"].item())
    assert largest == [0.5, 50.25, 50.25, 50.25]


def test_float64_corrections_late_in_a_float32_run() -> None:
    p = cr.tensor([0.0], requires_grad=True)
    optimizer = optim.Adam([p], lr=1.0, betas=(0.9, 0.9999999))
    for _ in range(3):
        p.grad = cr.tensor([1.0])
        optimizer.step()
    # In float32 1 - 0.9999999^t is off by 20 %, and so would the steps be.
    assert p.item() == pytest.approx(-3.0, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (optim.Adagrad, {"lr": -1}),
        (optim.Adagrad, {"lr_decay": -1}),
        (optim.Adagrad, {"eps": -1}),
        (optim.Adagrad, {"initial_accumulator_value": -1}),
        (optim.Adadelta, {"rho": 1.5}),
        (optim.Adadelta, {"weight_decay": -0.1}),
        (optim.RMSprop, {"alpha": -0.1}),
        (optim.RMSprop, {"momentum": -0.1}),
        (optim.Adam, {"betas": (1.0, 0.999)}),
        (optim.Adam, {"betas": (0.9, -0.1)}),
        (optim.Adam, {"lr": float("nan")}),
        (optim.AdamW, {"weight_decay": -1}),
        (optim.NAdam, {"momentum_decay": -1}),
        (optim.LBFGS, {"history_size": 0}),
        (optim.LBFGS, {"max_iter": 0}),
        (optim.LBFGS, {"line_search_fn": "armijo"}),
    ],
)
def test_bad_settings_are_refused(kind: type[optim.Optimizer], settings: dict[str, Any]) -> None:
    (setting,) = settings
    with pytest.raises(ConfigError, match=setting.split("[")[0]):
        kind(start(), **settings)


def test_bad_parameters_are_refused() -> None:
    matrix, vector = start()
    with pytest.raises(ConfigError, match="no parameters"):
        optim.Adam([])
    with pytest.raises(ConfigError, match="computed"):
        optim.Adam([matrix * 2])
    with pytest.raises(ConfigError, match="two groups"):
        optim.Adam([{"params": [matrix]}, {"params": [matrix, vector]}])
    with pytest.raises(ConfigError, match="'beta'"):
        optim.Adam([{"params": [matrix], "beta": 0.9}])
    with pytest.raises(TypeError, match="foreach"):
        optim.Adam([matrix], foreach=True)  # type: ignore[call-arg]
    with pytest.raises(CheckpointError, match="groups of"):
        optim.Adam([matrix]).load_state_dict(optim.Adam([matrix, vector]).state_dict())


# ---- L-BFGS


def rosenbrock(w: cr.Tensor) -> cr.Tensor:
    """A bent valley: the classical test of line searches; 0 at all ones."""
    return (100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()


def closure_of(optimizer: optim.Optimizer, f: Any, *params: cr.Tensor) -> Any:
    """The closure that L-BFGS wants."""

    def closure() -> cr.Tensor:
        optimizer.zero_grad()
        loss: cr.Tensor = f(*params)
        loss.backward()
        return loss

    return closure


def test_lbfgs_finds_the_bottom_of_rosenbrocks_valley() -> None:
    w = cr.tensor(np.array([1.3, 0.7, 0.8, 1.9]), requires_grad=True)
    before = rosenbrock(w).item()
    optimizer = optim.LBFGS([w], line_search_fn="strong_wolfe", max_iter=200, tolerance_change=0)
    first = optimizer.step(closure_of(optimizer, rosenbrock, w))
    assert first.item() == before
    np.testing.assert_allclose(w.numpy(), 1.0, atol=1e-7)
    assert optimizer.state[w]["func_evals"].item() < 120


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lbfgs_solves_a_quadratic_in_a_step(search: str | None, dtype: str) -> None:
    params = start(dtype)
    optimizer = optim.LBFGS(params, line_search_fn=search)
    optimizer.step(closure_of(optimizer, lambda *p: quadratic(p), *params))
    np.testing.assert_allclose(params[0].numpy(), TARGET, atol=1e-4)
    assert all(p.dtype == dtype and p.is_leaf and p.requires_grad for p in params)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_continues_with_the_same_bits(search: str | None) -> None:
    settings: dict[str, Any] = {"lr": 0.05, "max_iter": 4, "history_size": 3, "line_search_fn": search}
    straight = cr.tensor([-1.2, 1.0, 0.7], requires_grad=True)
    optimizer = optim.LBFGS([straight], **settings)
    for _ in range(4):
        optimizer.step(closure_of(optimizer, rosenbrock, straight))
    first = cr.tensor([-1.2, 1.0, 0.7], requires_grad=True)
    interrupted = optim.LBFGS([first], **settings)
    for _ in range(2):
        interrupted.step(closure_of(interrupted, rosenbrock, first))
    second = cr.tensor(first.numpy(), requires_grad=True)
    resumed = optim.LBFGS([second], **settings)
    resumed.load_state_dict(interrupted.state_dict())
    for _ in range(2):
        resumed.step(closure_of(resumed, rosenbrock, second))
    np.testing.assert_array_equal(second.numpy(), straight.numpy())
    assert resumed.state[second]["old_dirs"].shape == (3, 3)


def test_lbfgs_turns_back_from_nan() -> None:
    # x - log x has its bottom at 1; a step of 100 ends far below 0, where the logarithm is NaN.
    x = cr.tensor(np.array([3.0]), requires_grad=True)
    optimizer = optim.LBFGS([x], lr=100.0, line_search_fn="strong_wolfe")
    optimizer.step(closure_of(optimizer, lambda x: (x - cr.log(x)).sum(), x))
    assert x.item() == pytest.approx(1.0, abs=1e-5)


def test_lbfgs_with_unused_parameters_and_at_the_bottom() -> None:
    used, unused = cr.tensor([3.0], requires_grad=True), cr.tensor([7.0, 7.0], requires_grad=True)
    optimizer = optim.LBFGS([used, unused])
    closure = closure_of(optimizer, lambda p, _: (p**2).sum(), used, unused)
    optimizer.step(closure)
    assert used.item() == pytest.approx(0.0, abs=1e-5) and unused.tolist() == [7.0, 7.0]
    flat = cr.tensor([0.0], requires_grad=True)
    still = optim.LBFGS([flat])
    assert still.step(closure_of(still, lambda p: (p**2).sum(), flat)).item() == 0.0
    assert flat.item() == 0.0 and not still.state


def test_lbfgs_refuses_what_it_cannot_do() -> None:
    matrix, vector = start()
    optimizer = optim.LBFGS([matrix])
    with pytest.raises(ConfigError, match="no closure"):
        optimizer.step()
    with pytest.raises(ConfigError, match="returns None"):
        optimizer.step(lambda: None)
    with pytest.raises(ConfigError, match="more than one parameter group"):
        optim.LBFGS([{"params": [matrix]}, {"params": [vector]}])
    with pytest.raises(ChainruleError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [vector]})


def test_a_parameter_without_axes_stays_an_array() -> None:
    p = cr.tensor(1.0, requires_grad=True)
    (p * p).backward()
    optim.SGD([p], lr=0.1).step()
    assert p.numpy().shape == () and p.item() == pytest.approx(0.8)


def test_numpy_settings_do_not_widen_float32() -> None:
    p = cr.tensor([1.0], requires_grad=True)
    (p * p).sum().backward()
    optim.SGD([p], lr=np.float64(0.1), momentum=np.float64(0.9)).step()
    assert p.numpy().dtype == np.float32 == p.dtype


def test_state_of_another_optimizer_is_refused() -> None:
    p = cr.tensor([1.0], requires_grad=True)
    with pytest.raises(CheckpointError, match="another optimizer"):
        optim.Adam([p]).load_state_dict(optim.SGD([p], lr=0.1).state_dict())


def test_whole_numbers_cannot_be_learned() -> None:
    with pytest.raises(ConfigError, match="int64"):
        optim.SGD([cr.tensor([1, 2])], lr=0.1)
