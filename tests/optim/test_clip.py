"""Clipping: the norm it returns, what it leaves, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.core.errors import ConfigError, NonFiniteError


def with_gradients(*gradients: list[float], dtype: str = "float64") -> list[cr.Tensor]:
    """Parameters that have these gradients."""
    params = []
    for gradient in gradients:
        p = cr.zeros(len(gradient), dtype=dtype, requires_grad=True)
        p.grad = cr.tensor(gradient, dtype=dtype)
        params.append(p)
    return params


@pytest.mark.parametrize(("order", "norm"), [(2, 13.0), (1, 19.0), (math.inf, 12.0), (3, (27 + 64 + 1728) ** (1 / 3))])
def test_norm_over_all_parameters(order: float, norm: float) -> None:
    params = with_gradients([3.0, -4.0], [12.0])
    total = optim.clip_grad_norm_(params, 1.0, norm_type=order)
    assert total.item() == pytest.approx(norm) and total.shape == ()
    np.testing.assert_allclose(params[0].grad.numpy(), np.array([3.0, -4.0]) / (norm + 1e-6), rtol=1e-12)
    np.testing.assert_allclose(params[1].grad.numpy(), [12.0 / (norm + 1e-6)], rtol=1e-12)


def test_small_gradients_keep_their_bits() -> None:
    params = with_gradients([0.1, 0.2], dtype="float32")
    before = params[0].grad.numpy().copy()
    assert optim.clip_grad_norm_(params[0], 1.0).dtype == "float32"
    np.testing.assert_array_equal(params[0].grad.numpy(), before)


def test_after_clipping_the_norm_is_the_limit() -> None:
    params = with_gradients([30.0, -40.0], [0.0], dtype="float32")
    optim.clip_grad_norm_(iter(params), 2.5)
    assert optim.clip_grad_norm_(params, 1e9).item() == pytest.approx(2.5, rel=1e-5)


def test_values_are_limited() -> None:
    params = with_gradients([3.0, -4.0, 0.25], dtype="float32")
    optim.clip_grad_value_(params, 0.5)
    assert params[0].grad.tolist() == [0.5, -0.5, 0.25] and params[0].grad.dtype == "float32"


def test_parameters_without_gradients_are_passed_over() -> None:
    p = cr.zeros(2, requires_grad=True)
    assert optim.clip_grad_norm_([p], 1.0).item() == 0.0
    assert optim.clip_grad_norm_([], 1.0).item() == 0.0
    optim.clip_grad_value_([p], 1.0)
    assert p.grad is None


def test_empty_and_scalar_gradients() -> None:
    scalar = cr.tensor(2.0, requires_grad=True)
    (scalar * scalar).backward()
    empty = cr.zeros(0, requires_grad=True)
    empty.grad = cr.zeros(0)
    for order in (2, 1, math.inf):
        assert optim.clip_grad_norm_([scalar, empty], 100.0, norm_type=order).item() == 4.0


def test_nonfinite_norms() -> None:
    params = with_gradients([1.0, float("nan")], [1.0])
    with pytest.raises(NonFiniteError, match="norm of nan"):
        optim.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[1].grad.tolist() == [1.0]
    assert math.isnan(optim.clip_grad_norm_(params, 1.0).item())
    assert math.isnan(params[1].grad.item())
    infinite = with_gradients([1.0, float("inf")])
    optim.clip_grad_norm_(infinite, 1.0)
    assert infinite[0].grad.tolist()[0] == 0.0


def test_gradients_are_not_recorded_and_the_step_follows() -> None:
    w = cr.tensor([3.0, 4.0], requires_grad=True)
    (w * w / 2).sum().backward()
    optim.clip_grad_norm_([w], 1.0)
    assert w.grad is not None and not w.grad.requires_grad
    optim.SGD([w], lr=1.0).step()
    np.testing.assert_allclose(w.numpy(), [2.4, 3.2], rtol=1e-5)


def test_bad_limits_are_refused() -> None:
    params = with_gradients([1.0])
    for limit in (-1.0, float("nan")):
        with pytest.raises(ConfigError, match="max_norm"):
            optim.clip_grad_norm_(params, limit)
        with pytest.raises(ConfigError, match="clip_value"):
            optim.clip_grad_value_(params, limit)
    with pytest.raises(ConfigError, match="norm_type"):
        optim.clip_grad_norm_(params, 1.0, norm_type=0)
