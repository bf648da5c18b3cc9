"""``backward`` and ``grad_of``: what is added where, what is kept, and how far the walk goes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import GradientError, GraphError, ShapeError
from chainrule.core.op import REGISTRY


def leaf(*values: float, dtype: str = "float64") -> cr.Tensor:
    return cr.tensor(values if len(values) != 1 else values[0], dtype=dtype, requires_grad=True)


# ---- what arrives


def test_gradients_add_up_over_calls() -> None:
    x = leaf(3.0)
    (x * x).backward()
    assert x.grad.item() == 6
    (x * 5).backward()
    assert x.grad.item() == 11
    x.grad = None
    (x * 5).backward()
    assert x.grad.item() == 5


def test_a_value_used_twice_gets_both_parts() -> None:
    x = leaf(2.0)
    y = x * 3
    (y * y + y + x).backward()
    assert x.grad.item() == 2 * 3 * (3 * 2) + 3 + 1


def test_wide_fan_out() -> None:
    x = leaf(1.0, 2.0)
    parts = [x * float(k) for k in range(1000)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    total.sum().backward()
    assert x.grad.tolist() == [999 * 500] * 2


def test_gradient_given_from_outside() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward([10.0, 100.0])
    assert x.grad.tolist() == [20, 400]
    with pytest.raises(ShapeError, match=r"the output's shape \(2,\)"):
        (x * x).backward(cr.ones(3, dtype="float64"))


def test_a_one_by_one_output_is_a_scalar() -> None:
    x = leaf(2.0)
    (x.reshape(1, 1) * 3).backward()
    assert x.grad.item() == 3


def test_only_what_asked_gets_a_gradient() -> None:
    x, c = leaf(2.0), cr.tensor(3.0, dtype="float64")
    h = x * c
    (h * h).backward()
    assert x.grad.item() == 36 and c.grad is None and h.grad is None


def test_gradients_have_the_dtype_and_shape_of_their_tensor() -> None:
    w, b = cr.tensor(np.ones((2, 3), np.float32), requires_grad=True), cr.ones(3, requires_grad=True)
    s = cr.tensor(2.0, requires_grad=True)
    ((w * s + b).double() * cr.ones(4, 2, 3, dtype="float64")).sum().backward()
    assert [(t.grad.shape, str(t.grad.dtype)) for t in (w, b, s)] == [
        ((2, 3), "float32"),
        ((3,), "float32"),
        ((), "float32"),
    ]
    assert (w.grad.tolist(), b.grad.tolist(), s.grad.item()) == ([[8.0] * 3] * 2, [8.0] * 3, 24.0)


def test_backward_of_a_leaf() -> None:
    x = leaf(2.0)
    x.backward()
    assert x.grad.item() == 1


def test_what_needs_no_gradient_says_so() -> None:
    with pytest.raises(GradientError, match="needs no gradient"):
        cr.tensor(1.0).backward()
    with cr.no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(GradientError, match="outside no_grad"):
        y.backward()
    with cr.no_grad(), pytest.raises(GradientError, match=r"received: a tensor .*, within no_grad\(\)"):
        y.backward()


def test_detach_and_stop_gradient_cut() -> None:
    x = leaf(3.0)
    (x * x.detach() + cr.stop_gradient(x) * 7).backward()
    assert x.grad.item() == 3
    assert not (x.detach() * 2).requires_grad


def test_no_grad_parts_are_constants() -> None:
    x = leaf(3.0)
    with cr.no_grad():
        scale = x * 2
    (x * scale).backward()
    assert x.grad.item() == 6


def test_whole_numbers_and_masks_carry_no_gradient() -> None:
    x = leaf(1.0, -2.0, 3.0)
    y = cr.where(x > 0, x * 2, x)[[0, 0, 2]]
    y.sum().backward()
    assert x.grad.tolist() == [4, 0, 2]


# ---- the tape


def test_the_tape_is_let_go_once() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward()
    with pytest.raises(GraphError) as caught:
        y.backward()
    assert "call the earlier backward(retain_graph=True), or compute the value again" in str(caught.value)
    assert x.grad.item() == 6
    with pytest.raises(GraphError, match="let go"):
        (y * 2).backward()


def test_retain_graph() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 18


def test_a_shared_part_is_let_go_for_both() -> None:
    x = leaf(3.0)
    shared = x * x
    a, b = shared * 2, shared * 5
    a.backward(retain_graph=True)
    b.backward()
    assert x.grad.item() == 42
    with pytest.raises(GraphError):
        a.backward()


def test_memory_is_let_go() -> None:
    """After backward nothing holds the intermediate values but the names that the user has."""
    x = cr.tensor(np.ones(10), requires_grad=True)
    h = x * 2
    value = weakref.ref(h.node.value)
    loss = (h * h).sum()
    loss.backward()
    del h
    gc.collect()
    assert value() is None and loss.item() == 40


# ---- gradients on the way


def test_retain_grad() -> None:
    x = leaf(3.0)
    h = (x * x).retain_grad()
    k = h * 2
    (k * k).backward()
    assert (h.grad.item(), x.grad.item(), k.grad) == (72, 432, None)
    with pytest.raises(GradientError):
        cr.tensor(1.0).retain_grad()


def test_grad_of_intermediates_leaves_grad_alone() -> None:
    x = leaf(3.0)
    h = x * x
    y = h * h
    assert [g.item() for g in cr.grad_of(y, (h, x), retain_graph=True)] == [18, 108]
    assert cr.grad_of(y, h, retain_graph=True).item() == 18
    assert cr.grad_of(y, y, retain_graph=True).item() == 1
    assert x.grad is None and h.grad is None
    assert cr.grad_of(y, x, 10.0).item() == 1080
    with pytest.raises(GraphError):
        cr.grad_of(y, x)


def test_grad_of_what_is_not_used() -> None:
    x, z = leaf(3.0), leaf(1.0)
    y = x * x
    with pytest.raises(GradientError, match="does not depend on input 1"):
        cr.grad_of(y, (x, z), retain_graph=True)
    assert cr.grad_of(y, (z, x), allow_unused=True, retain_graph=True)[0] is None
    with pytest.raises(GradientError, match="require a gradient"):
        cr.grad_of(y, cr.tensor(1.0))
    with pytest.raises(GradientError, match="needs no gradient"):
        cr.grad_of(cr.tensor(1.0), x)


def test_hooks_see_and_replace() -> None:
    x = leaf(1.0, 2.0)
    h = x * 3
    seen: list[Any] = []
    remove = h.register_hook(lambda g: seen.append(g.tolist()))
    h.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: -g)
    (h * h).sum().backward(retain_graph=True)
    assert seen == [[6, 12]] and x.grad.tolist() == [-180, -360]
    remove(), remove()
    cr.grad_of((h * h).sum(), x)
    assert len(seen) == 1
    with pytest.raises(GradientError):
        cr.tensor(1.0).register_hook(print)


def test_hooks_run_once_on_the_whole_gradient() -> None:
    x = leaf(2.0)
    seen: list[float] = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * x + x * 5).backward()
    assert seen == [9]


def test_hooks_of_a_parameter_outlive_its_values() -> None:
    w = cr.Parameter(2.0)
    seen: list[float] = []
    w.register_hook(lambda g: seen.append(g.item()))
    for _ in range(2):
        w.grad = None
        (w * w).backward()
        w.data = w.detach() - 0.25 * w.grad
    assert seen == [4, 2]


def test_a_hook_that_changes_the_shape_is_refused() -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(ShapeError, match="a gradient hook"):
        (x * 2).sum().backward()


def test_the_gradient_can_be_set_and_must_fit() -> None:
    x = leaf(1.0, 2.0)
    x.grad = cr.ones(2, dtype="float64")
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3, 3]
    with pytest.raises(ShapeError):
        x.grad = cr.ones(3)


# ---- derivatives of derivatives


def test_create_graph() -> None:
    x = leaf(2.0)
    y = x**3
    (first,) = cr.grad_of(y, (x,), create_graph=True)
    (second,) = cr.grad_of(first, (x,), create_graph=True)
    (third,) = cr.grad_of(second, (x,))
    assert [first.item(), second.item(), third.item()] == [12, 12, 6]


def test_backward_with_create_graph() -> None:
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    gradient = x.grad
    x.grad = None
    (gradient * gradient).backward()
    assert x.grad.item() == 2 * 12 * 12


def test_gradient_penalty() -> None:
    """A term of the loss that is itself a gradient: d/dw of |d(w x^2)/dx|^2 = 8 w x^2."""
    w, x = leaf(3.0), leaf(2.0)
    slope = cr.grad_of(w * x * x, x, create_graph=True)
    (slope * slope).backward()
    assert w.grad.item() == 8 * 3 * 4 and x.grad.item() == 8 * 9 * 2


DERIVATIVES: dict[str, tuple[Callable[[Any], Any], float, list[float]]] = {
    "exp": (lambda x: cr.exp(x), 0.5, [np.exp(0.5)] * 4),
    "sin": (lambda x: cr.sin(x), 0.5, [np.cos(0.5), -np.sin(0.5), -np.cos(0.5), np.sin(0.5)]),
    "log": (lambda x: cr.log(x), 2.0, [1 / 2, -1 / 4, 2 / 8, -6 / 16]),
    "power": (lambda x: x**4, 2.0, [32, 48, 48, 24]),
    "quotient": (lambda x: 1 / x, 2.0, [-1 / 4, 2 / 8, -6 / 16, 24 / 32]),
    "tanh": (lambda x: cr.tanh(x), 0.0, [1, 0, -2, 0]),
    "sigmoid": (lambda x: cr.sigmoid(x), 0.0, [1 / 4, 0, -1 / 8, 0]),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_four_derivatives(name: str) -> None:
    f, at, expected = DERIVATIVES[name]
    x = leaf(at)
    y, found = f(x), []
    for _ in range(4):
        y = cr.grad_of(y, x, create_graph=True)
        found.append(y.item())
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


# ---- long chains, counted rather than timed


def visits(y: cr.Tensor, name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often the derivative rule of an op runs in one backward."""
    count, rule = [0], REGISTRY[name].vjp

    def counted(*args: Any) -> Any:
        count[0] += 1
        return rule(*args)

    with monkeypatch.context() as patch:
        patch.setattr(REGISTRY[name], "vjp", counted)
        y.backward()
    return count[0]


@pytest.mark.parametrize("length", [10_000, 100_000])
def test_long_chains(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each op is visited once, and nothing recurses: not the walk, not printing, not letting go."""
    x = leaf(1.0)
    y = x
    for _ in range(length):
        y = y + 1e-5
    assert len(y.graph().nodes) == length
    assert visits(y, "add", monkeypatch) == length
    assert x.grad.item() == 1
    del y
    gc.collect()


def test_a_diamond_chain_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    """y = y + y doubles the number of paths at each step, and not the number of visits."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = (y + y) * 0.5
    assert visits(y, "add", monkeypatch) == 60
    assert x.grad.item() == 1


def test_a_long_chain_that_is_dropped_without_backward() -> None:
    y = leaf(1.0)
    for _ in range(100_000):
        y = y * 1.0
    del y
    gc.collect()


def test_second_derivative_of_a_long_chain() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(2000):
        y = y * 1.0
    slope = cr.grad_of(y * y, x, create_graph=True)
    slope.backward()
    assert (slope.item(), x.grad.item()) == (2, 2)


# ---- changes between forward and backward


def changed_by_data(w: cr.Tensor) -> None:
    w.data.fill_(100.0)


def changed_by_assigning_data(w: cr.Tensor) -> None:
    w.data = cr.full(w.shape, 100.0, dtype="float64")


def changed_by_operators(w: cr.Tensor) -> None:
    with cr.no_grad():
        w *= 0.0
        w += 100.0


def changed_by_setitem(w: cr.Tensor) -> None:
    with cr.no_grad():
        w[:] = 100.0


def changed_by_copy(w: cr.Tensor) -> None:
    with cr.no_grad():
        w.copy_(100.0)


@pytest.mark.parametrize(
    "change", [changed_by_data, changed_by_assigning_data, changed_by_operators, changed_by_setitem, changed_by_copy]
)
def test_changes_in_place_do_not_corrupt_gradients(change: Callable[[cr.Tensor], None]) -> None:
    """The gradient belongs to the values that the forward pass saw; it arrives at the changed parameter."""
    w = cr.Parameter(np.array([2.0, 3.0]))
    loss = (w * w * w).sum()
    change(w)
    loss.backward()
    assert w.grad.tolist() == [12, 27] and w.tolist() == [100, 100]
    (w * w).sum().backward()
    assert w.grad.tolist() == [212, 227]


def test_a_changed_intermediate_continues_from_its_new_value() -> None:
    x = leaf(2.0)
    h = x * 3
    before = h * h
    h += 1
    (before + h * 10).backward()
    assert x.grad.item() == 2 * 6 * 3 + 30


def test_a_constant_changed_after_use() -> None:
    x, c = leaf(2.0), cr.tensor(5.0, dtype="float64")
    y = x * c
    c.fill_(0)
    y.backward()
    assert x.grad.item() == 5


def test_the_gradient_of_an_earlier_step_stays() -> None:
    x = leaf(2.0)
    (x * x).backward()
    kept, numbers = x.grad, x.grad.numpy()
    (x * x).backward()
    assert (kept.item(), numbers.item(), x.grad.item()) == (4, 4, 8)


def test_gradients_of_two_tensors_do_not_share_a_fate() -> None:
    """``add`` hands the same gradient to both inputs; changing one of them leaves the other alone."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.mul_(0)
    x.grad[0] = 5
    assert y.grad.tolist() == [1, 1]
