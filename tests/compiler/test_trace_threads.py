"""Compiled functions in several threads: calls of one function take turns, and modes stay in their thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import assert_same, numbers, traced

import chainrule as cr
from chainrule import nn, optim


def in_threads(*tasks: Callable[[], Any]) -> list[Any]:
    """Run the tasks at once; their results, or the first error."""
    results: list[Any] = [None] * len(tasks)
    start = threading.Barrier(len(tasks))

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = tasks[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def test_two_threads_call_one_function(backend: Any) -> None:
    """Traced once; each gets the results of its own arguments, and no update of state is lost."""
    total = cr.tensor(np.zeros(3))
    w = cr.tensor(numbers(0, 3), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.01)

    @cr.compile(backend=backend)
    def f(x: cr.Tensor) -> cr.Tensor:
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()
        total.add_(x.double())
        return x * 2

    xs = [cr.tensor(numbers(i, 3)) for i in range(4)]

    def work(x: cr.Tensor) -> list[cr.Tensor]:
        return [f(x) for _ in range(25)]

    before = w.numpy()
    results = in_threads(*(lambda x=x: work(x) for x in xs))
    for x, found in zip(xs, results, strict=True):
        for result in found:
            assert_same(result, x * 2)
    np.testing.assert_allclose(total.numpy(), 25 * sum(x.double().numpy() for x in xs), rtol=1e-12)
    np.testing.assert_allclose(w.numpy(), before - 0.25 * sum(x.numpy() for x in xs), rtol=1e-3)
    assert traced(f) == 1


def test_threads_with_models_of_their_own(backend: Any) -> None:
    """As alone: the same losses, whoever else is tracing or running."""

    def training(seed: int, eager: bool) -> Callable[[], list[float]]:
        cr.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        def step(x: cr.Tensor) -> cr.Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = step if eager else cr.compile(step, backend=backend)
        return lambda: [run(cr.tensor(numbers(i, 6 + i % 2, 3))).item() for i in range(12)]

    alone = [training(seed, True)() for seed in range(4)]
    together = in_threads(*(training(seed, seed == 0) for seed in range(4)))
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_modes_of_one_thread_do_not_reach_another(backend: Any) -> None:
    """While one thread traces, another computes eagerly and looks at numbers."""
    tracing, looked = threading.Event(), threading.Event()

    def slow(x: cr.Tensor) -> cr.Tensor:
        tracing.set()
        assert looked.wait(10)
        return x * 2

    def meanwhile() -> float:
        assert tracing.wait(10)
        value = (cr.tensor([1.0, 2.0], requires_grad=True) * 3).sum()
        value.backward()
        looked.set()
        return value.item()

    result, value = in_threads(lambda: cr.compile(slow, backend=backend)(cr.ones(2)), meanwhile)
    assert result.tolist() == [2.0, 2.0] and value == 9.0


def test_an_error_in_one_thread_lets_the_others_go_on(backend: Any) -> None:
    @cr.compile(backend=backend)
    def f(x: cr.Tensor) -> Any:
        return x * 2 if x.ndim else x.item()

    def fails() -> str:
        with pytest.raises(cr.GradientError) as caught:
            f(cr.tensor(1.0))
        return str(caught.value)

    text, result = in_threads(fails, lambda: f(cr.ones(2)))
    assert "while a function is traced" in text and result.tolist() == [2.0, 2.0]
