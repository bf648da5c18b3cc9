"""``check_grads``: right functions pass, wrong ones fail with both numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.apply import apply
from chainrule.core.errors import GradientError
from chainrule.ops.exponential import Exp


def frozen_half(x: Any) -> Any:
    """x squared, with one factor taken for a constant: value right, gradient half."""
    return x * cr.stop_gradient(x)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda x: x * x, (3.0,)),
        (lambda x: x * x, (3,)),
        (lambda x, w: (x @ w).tanh(), (np.ones((2, 3)), np.linspace(-1, 1, 6).reshape(3, 2))),
        (lambda x: (x.sin(), x.cos()), (np.array([0.1, 0.2]),)),
        (lambda x, i: x[i].exp(), (np.array([0.1, 0.2, 0.3]), np.array([0, 0, 2]))),
        (lambda x, m: cr.where(m, x, -x), (np.array([0.1, 0.2]), np.array([True, False]))),
        (lambda x: cr.softmax(x), (np.array([[0.1, 0.2, -0.5]]),)),
        (lambda x: x.sum() * 0.0, (np.ones(3),)),
        (lambda x: x * 2, (np.zeros((0, 3)),)),
        (lambda x: cr.tensor(1.0, dtype="float64"), (2.0,)),
    ],
)
def test_right_derivatives_pass(f: Any, args: tuple[Any, ...]) -> None:
    cr.check_grads(f, *args, order=2)


def test_third_order() -> None:
    cr.check_grads(lambda x: cr.sigmoid(x) * x, np.array([0.3, -0.4]), order=3, rtol=1e-4)


def test_float32_arguments_are_checked_in_float64() -> None:
    cr.check_grads(lambda x: x.exp(), cr.tensor([0.1, 0.2]))


def test_a_wrong_gradient_fails_with_both_numbers() -> None:
    with pytest.raises(GradientError) as caught:
        cr.check_grads(frozen_half, 3.0)
    text = str(caught.value)
    assert "check the gradient by argument 0" in text
    rule, difference = (float(line.split()[1]) for line in text.split("\n")[1:3])
    assert difference == pytest.approx(2 * rule)


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(GradientError, match="argument 1"):
        cr.check_grads(lambda x, y: x * frozen_half(y), 2.0, 3.0)


def bent(x: Any) -> Any:
    """e^x by an op whose rule takes its output for a constant: its gradient is right, the gradient's gradient is not."""
    return apply(_Bent.of(), x)


class _Bent(Exp):
    def vjp(self, g: Any, out: Any, x: Any) -> Any:
        return g * cr.stop_gradient(out)


def test_a_wrong_second_derivative_is_named() -> None:
    cr.check_grads(bent, 0.3, order=1)
    with pytest.raises(GradientError, match="check the derivative of order 2 by argument 0"):
        cr.check_grads(bent, 0.3, order=2)


def test_nan_fails() -> None:
    with pytest.raises(GradientError):
        cr.check_grads(lambda x: cr.log(x), -1.0)


def test_a_kink_fails_at_the_kink_and_passes_beside_it() -> None:
    cr.check_grads(cr.relu, np.array([0.5, -0.5]))
    with pytest.raises(GradientError):
        cr.check_grads(cr.relu, np.array([0.0, 0.0]), order=1)


def test_tolerance_and_directions() -> None:
    cr.check_grads(lambda x: x * 1.001 - cr.stop_gradient(x) * 0.001, 1.0, order=1, rtol=1e-2)
    with pytest.raises(GradientError):
        cr.check_grads(lambda x: x * 1.001 - cr.stop_gradient(x) * 0.001, 1.0, order=1)


def test_the_same_seed_checks_the_same_directions() -> None:
    def message(seed: int) -> str:
        with pytest.raises(GradientError) as caught:
            cr.check_grads(frozen_half, np.ones(3), seed=seed)
        return str(caught.value)

    assert message(1) == message(1) != message(2)
