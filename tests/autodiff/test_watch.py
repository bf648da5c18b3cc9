"""``watch_nan``: it stops at the op that made the first NaN or infinity, and says what and where."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.errors import NonFiniteError
from chainrule.core.modes import current
from chainrule.nn.module import Module

INF, NAN = math.inf, math.nan


def message(call: Any, **options: Any) -> str:
    """What the watcher says about ``call``."""
    with pytest.raises(NonFiniteError) as caught, cr.watch_nan(**options):
        call()
    return re.sub(r"test_watch\.py:\d+", "test_watch.py:N", str(caught.value))


def lines(text: str) -> str:
    """Without the user's line, which stands here in the middle of a test."""
    return re.sub(r"N  .*", "N", text)


def test_forward_wording() -> None:
    x = cr.tensor([[1.0, 0.0], [-3.0, 4.0]])
    text = message(lambda: cr.log(x))
    assert (
        lines(text)
        == """\
log made 1 NaN and 1 infinity among 4 numbers
  received: f32[2,2] from -3 to 4, 1 zero, 1 negative
  expected: finite numbers from finite inputs
  fix:      keep log's input above 0: add a small eps, or clip it; for log(softmax(x)) use log_softmax
  at:       test_watch.py:N"""
    )
    assert "text = message(lambda: cr.log(x))" in text


def test_two_inputs_are_both_described() -> None:
    a, b = cr.tensor([1.0, 2.0, 3.0]), cr.tensor([0.0, 0.0, 2.0])
    assert lines(message(lambda: a / b)).split("\n")[:4] == [
        "divide made 2 infinities among 3 numbers",
        "  received: f32[3] from 1 to 3; f32[3] from 0 to 2, 2 zero",
        "  expected: finite numbers from finite inputs",
        "  fix:      keep the divisor away from 0: add a small eps",
    ]


def test_backward_wording_names_both_ops_and_the_forward_line() -> None:
    x = cr.tensor([0.0, 4.0], requires_grad=True)
    root = cr.sqrt(x)  # here the line that the message points to
    text = message(lambda: root.sum().backward())
    assert text.split("\n") == [
        "divide made 1 infinity among 2 numbers, in the derivative of sqrt",
        "  received: f32[2] = 0.5; f32[2] from 0 to 2, 1 zero",
        "  expected: finite numbers from finite inputs",
        "  fix:      keep the divisor away from 0: add a small eps",
        "  at:       test_watch.py:N  root = cr.sqrt(x)  # here the line that the message points to",
    ]


class Inner(Module):
    """A layer that divides by what it learned."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(cr.zeros(2))

    def forward(self, x: Any) -> Any:
        """x / scale."""
        return x / self.scale


class Outer(Module):
    """Two layers deep."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.norm = Inner()

    def forward(self, x: Any) -> Any:
        """The second layer makes the infinity."""
        return self.norm(self.first(x))


def test_layer_path_forward_and_backward() -> None:
    model = Outer()
    text = message(lambda: model(cr.ones(1, 2)))
    assert text.startswith("divide made 2 infinities among 2 numbers") and "  layer:    norm: Inner" in text.split("\n")
    assert "    first: Linear  f32[1,2] -> f32[1,2]" in text  # what went well before
    assert "test_watch.py:N  return x / self.scale" in text
    model.norm.scale.data.fill_(1e-30)  # forward stays finite; in the backward x / scale^2 does not
    out = model(cr.ones(1, 2) * 1e-10).sum()
    text = message(out.backward)
    assert "in the derivative of divide" in text.split("\n")[0] and text.endswith("  layer:    norm: Inner")
    assert "return x / self.scale" in text


def test_it_stops_at_the_first() -> None:
    """What comes after the first NaN is not blamed."""

    def program() -> Any:
        x = cr.tensor([0.0])
        y = x / x
        return (y * 2).exp().sum()

    assert message(program).startswith("divide made 1 NaN among 1 numbers")


def test_values_are_right_when_nothing_happens() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    with cr.watch_nan():
        loss = (x.log() * x).sum()
        loss.backward()
    assert x.grad.tolist() == pytest.approx([1, 1 + math.log(2)])


def test_masks_of_minus_infinity_are_allowed() -> None:
    """An infinity that came in with the data was made elsewhere: attention masks are written so."""
    scores = cr.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    mask = cr.tensor([[True, False, True]])
    with cr.watch_nan():
        p = cr.softmax(cr.where(mask, scores, -INF))
        total = cr.logsumexp(cr.where(mask, scores, -INF))
        (p[0, 0] + total).backward()
    assert p.tolist()[0][1] == 0 and np.isfinite(scores.grad.numpy()).all()


def test_a_nan_made_from_infinities_is_not_allowed() -> None:
    with_infinity = cr.tensor([INF, 1.0])
    assert message(lambda: with_infinity - with_infinity).startswith("subtract made 1 NaN among 2 numbers")
    assert message(lambda: cr.softmax(cr.full((2,), -INF))).startswith("subtract made 2 NaN among 2 numbers")


def test_a_nan_that_came_in_is_not_blamed_on_the_op() -> None:
    data = cr.tensor([NAN, 1.0])
    with cr.watch_nan():
        y = data * 2
    assert math.isnan(y.numpy()[0])


def test_nan_only() -> None:
    x = cr.tensor([0.0, 1.0])
    with cr.watch_nan(infinity=False):
        assert cr.log(x).tolist() == [-INF, 0]
    assert message(lambda: cr.log(x - 1), infinity=False).startswith("log made 1 NaN among 2 numbers")


def test_overflow_of_exp_says_what_to_do() -> None:
    assert "e^x overflows above 88 in float32" in message(lambda: cr.exp(cr.tensor([100.0])))
    assert "the numbers overflowed" in message(lambda: cr.full((2, 2), 1e30) @ cr.full((2, 2), 1e30))


def test_outside_nothing_is_watched() -> None:
    with cr.watch_nan():
        pass
    assert current().watch is None and cr.log(cr.tensor(0.0)).item() == -INF


def test_nested_watchers_restore() -> None:
    outer = cr.watch_nan()
    with outer:
        with cr.watch_nan(infinity=False):
            cr.log(cr.tensor(0.0))
        assert current().watch is outer
        with pytest.raises(NonFiniteError):
            cr.log(cr.tensor(0.0))
    assert current().watch is None


def test_whole_numbers_are_not_looked_at() -> None:
    with cr.watch_nan():
        assert cr.tensor([1, 2]).sum().item() == 3


def test_second_derivatives_are_watched_too() -> None:
    x = cr.tensor([0.0], requires_grad=True)
    y = (x**1.5).sum()
    slope = cr.grad_of(y, x, create_graph=True)
    assert slope.item() == 0
    assert "in the derivative of power" in message(lambda: cr.grad_of(slope.sum(), x))
