"""Predictor: the model's own answers, for any number of rows, from any thread, with the weights of the moment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


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
