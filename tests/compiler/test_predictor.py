"""Predictor: the model's own answers, for any number of rows, from any thread, with the weights of the moment."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compiler.build import build


@pytest.fixture
def model() -> nn.Module:
    cr.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Dropout(0.5), nn.Linear(64, 5))


def rows(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, 20)).astype(np.float32)


def plainly(model: nn.Module, x: Any) -> Any:
    """What the model says in evaluation mode; it is in training mode before and after."""
    answers = model.eval()(cr.tensor(x)).numpy()
    model.train()
    return answers


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 600])
def test_any_number_of_rows(model: nn.Module, count: int) -> None:
    predict, x = cr.Predictor(model), rows(count)
    answers = predict(x)
    assert answers.shape == (count, 5)
    np.testing.assert_allclose(answers, plainly(model, x), rtol=1e-5, atol=1e-6)
    assert model.training


def test_weights_are_those_of_the_moment(model: nn.Module) -> None:
    predict, x = cr.Predictor(model), rows(3)
    before = predict(x)
    model.get_submodule("3").bias.data.add_(1.0)
    np.testing.assert_allclose(predict(x), before + 1, rtol=1e-5, atol=1e-5)


def test_answers_are_the_callers_own(model: nn.Module) -> None:
    predict = cr.Predictor(model)
    first = predict(rows(1))
    kept = first.copy()
    predict(rows(1, seed=1))
    assert (first == kept).all()


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Threads change over as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_get_their_own_answers(model: nn.Module, busy_threads: None) -> None:
    predict = cr.Predictor(model)
    inputs = [rows(count, seed) for seed, count in enumerate((1, 40, 256, 300))]
    expected = [predict(x) for x in inputs]
    wrong: list[int] = []

    def ask(i: int) -> None:
        for _ in range(300):
            if not np.array_equal(predict(inputs[i]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_new_weights_need_no_new_program(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are put into their places; weights of another type are another program."""
    made = []
    predicting = importlib.import_module("chainrule.compiler.predictor")
    monkeypatch.setattr(predicting, "build", lambda *arguments: made.append(arguments) or build(*arguments))
    predict, x = cr.Predictor(model), rows(3)
    for scale in (1.0, 2.0, 3.0):
        layer = model.get_submodule("0")
        layer.weight.data = layer.weight.detach() * scale
        model.train()  # the mode is looked at, and makes no difference
        np.testing.assert_allclose(predict(x), plainly(model, x), rtol=1e-5, atol=1e-5)
    assert len(made) == 1
    model.add_module("4", nn.Linear(5, 2))
    np.testing.assert_allclose(predict(x), plainly(model, x), rtol=1e-5, atol=1e-5)
    assert len(made) == 2


class Noisy(nn.Module):
    """Draws a number at each call, in evaluation too."""

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        return x + cr.rand(1)


class Counting(nn.Module):
    """Counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", cr.zeros(1))

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        self.calls.add_(1)
        return x + self.calls


def test_models_that_are_no_functions_of_their_input() -> None:
    """They answer by themselves, once for each call."""
    predict, x = cr.Predictor(Noisy()), rows(4)
    cr.manual_seed(3)
    received = [predict(x), predict(x)]
    cr.manual_seed(3)
    expected = [Noisy()(cr.tensor(x)).numpy() for _ in range(2)]
    assert np.array_equal(received, expected) and not np.array_equal(*expected)
    counting = Counting()
    predict = cr.Predictor(counting)
    assert [float(predict(np.zeros((1, 1), np.float32)).item()) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert counting.calls.item() == 3.0
