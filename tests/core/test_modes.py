"""Modes are context managers: they restore on exit, after errors too, and belong to one thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import chainrule as cr
from chainrule.core import modes
from chainrule.core.errors import ConfigError, ShapeError


def test_no_grad_and_enable_grad_nest() -> None:
    assert cr.is_grad_enabled()
    with cr.no_grad():
        assert not cr.is_grad_enabled()
        with cr.enable_grad():
            assert cr.is_grad_enabled()
            with cr.no_grad():
                assert not cr.is_grad_enabled()
            assert cr.is_grad_enabled()
        assert not cr.is_grad_enabled()
    assert cr.is_grad_enabled()


def test_one_object_entered_twice() -> None:
    block = cr.no_grad()
    with block, cr.enable_grad(), block:
        assert not cr.is_grad_enabled()
    assert cr.is_grad_enabled()


@pytest.mark.parametrize("block", [cr.no_grad, cr.enable_grad, cr.watch_nan])
def test_restored_after_an_error(block: type) -> None:
    before = (modes.current().grad, modes.current().watch)
    with pytest.raises(ZeroDivisionError), block():
        raise ZeroDivisionError
    assert (modes.current().grad, modes.current().watch) == before


def test_no_grad_records_nothing() -> None:
    x = cr.tensor([1.0], requires_grad=True)
    with cr.no_grad():
        y = x * 2
    assert not y.requires_grad and y.node.op is None and y.node.inputs == ()


def test_decorators() -> None:
    x = cr.tensor([1.0], requires_grad=True)

    @cr.no_grad()
    def plain(t: cr.Tensor) -> cr.Tensor:
        """Doubles."""
        return t * 2

    assert not plain(x).requires_grad and plain.__name__ == "plain" and plain.__doc__ == "Doubles."
    with cr.no_grad():
        assert cr.enable_grad()(lambda t: t * 2)(x).requires_grad
    with pytest.raises(ShapeError):
        plain(x)[:, 0]
    assert cr.is_grad_enabled()


def test_threads_have_modes_of_their_own() -> None:
    x = cr.tensor([1.0], requires_grad=True)
    inside, leave = threading.Event(), threading.Event()

    def other() -> bool:
        inside.wait(5)
        recorded = (x * 2).requires_grad
        leave.set()
        return recorded

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(other)
        with cr.no_grad():
            inside.set()
            assert leave.wait(5)
            assert not (x * 2).requires_grad
        assert found.result()


def test_backward_in_threads() -> None:
    """Many threads, each with a graph of its own, get the gradients that one thread gets."""

    def work(seed: int) -> list[float]:
        w = cr.tensor(np.linspace(-1, 1, 20) * seed, requires_grad=True)
        for _ in range(20):
            loss = ((w * w).sin() * cr.tensor(np.arange(20.0))).sum()
            loss.backward()
        return w.grad.tolist()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, range(8)))
    assert together == [work(seed) for seed in range(8)]


def test_a_failing_rule_leaves_no_mode_behind() -> None:
    """The backward walk computes on plain arrays in a mode of its own; a hook that raises must not leave it on."""
    x = cr.tensor([1.0], requires_grad=True)
    h = x * 2

    def hook(g: cr.Tensor) -> None:
        raise ZeroDivisionError

    h.register_hook(hook)
    with pytest.raises(ZeroDivisionError):
        h.sum().backward()
    assert modes.current().interpret is None and (x * 2).requires_grad


def test_default_dtype() -> None:
    assert cr.get_default_dtype() == "float32" and cr.tensor(1.0).dtype == "float32"
    try:
        cr.set_default_dtype("float64")
        assert cr.tensor([1.0]).dtype == "float64" and cr.rand(2).dtype == "float64" and cr.ones(2).dtype == "float64"
        assert (cr.tensor([1, 2]) * 0.5).dtype == "float64" and cr.sqrt(cr.tensor([4])).dtype == "float64"
        assert repr(cr.tensor([1.0])) == "tensor([1.])"
    finally:
        cr.set_default_dtype("float32")
    with pytest.raises(ConfigError, match="float32 or float64"):
        cr.set_default_dtype("int64")
    assert cr.get_default_dtype() == "float32"
