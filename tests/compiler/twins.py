"""Twins: one made to run eagerly, one compiled, and a comparison of everything that they give and change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from tolerances import assert_near

Array = np.ndarray[Any, Any]


def numbers(seed: int, *shape: int, dtype: str = "float32") -> Array:
    """Normal numbers, the same for the same seed."""
    return np.random.Generator(np.random.Philox(seed)).standard_normal(shape).astype(dtype)


def state_of(thing: Any, gradients: bool = True) -> dict[str, Any]:
    """Everything that is visible of a tensor, module, optimizer, schedule or generator: arrays and plain values by name."""
    found: dict[str, Any] = {}
    if isinstance(thing, cr.Tensor):
        found["value"] = thing.numpy().copy()
        found["requires_grad"] = thing.requires_grad
        if gradients:
            found["grad"] = None if thing.grad is None else thing.grad.numpy().copy()
    elif isinstance(thing, nn.Module):
        for name, tensor in (*thing.named_parameters(), *thing.named_buffers()):
            found.update({f"{name}.{k}": v for k, v in state_of(tensor, gradients).items()})
        found.update({f"{name}.training": module.training for name, module in thing.named_modules()})
    elif isinstance(thing, optim.Optimizer):
        saved = thing.state_dict()
        for i, memory in saved["state"].items():
            found.update({f"{i}.{key}": t.numpy().copy() for key, t in memory.items()})
        found["groups"] = saved["param_groups"]
    elif isinstance(thing, (optim.LRScheduler, optim.ReduceLROnPlateau)):
        found["schedule"] = thing.state_dict()
    elif isinstance(thing, cr.Generator):
        found["state"] = thing.state()
    else:
        raise TypeError(f"{thing!r}")
    return found


def snapshot(things: Sequence[Any], gradients: bool = True) -> dict[str, Any]:
    """The state of several things, and of the default generator."""
    found = {"default generator": cr.core.philox.default_generator().state()}
    for i, thing in enumerate(things):
        found.update({f"{i}.{k}": v for k, v in state_of(thing, gradients).items()})
    return found


def assert_same(received: Any, expected: Any, entry: str = "default", where: str = "result") -> None:
    """Nested results of one form, arrays and tensors equal to the tolerance of their dtype, all else exactly."""
    if isinstance(expected, cr.Tensor):
        assert isinstance(received, cr.Tensor), where
        received, expected = received.numpy(), expected.numpy()
    if isinstance(expected, np.ndarray):
        try:
            assert_near(received, expected, entry)
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from None
    elif isinstance(expected, dict):
        assert list(received) == list(expected), where
        for key, value in expected.items():
            assert_same(received[key], value, entry, f"{where}.{key}")
    elif isinstance(expected, (list, tuple)):
        assert type(received) is type(expected) and len(received) == len(expected), where
        for i, pair in enumerate(zip(received, expected, strict=True)):
            assert_same(*pair, entry, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert type(received) is float and abs(received - expected) <= 1e-12 * abs(expected), where
    else:
        assert type(received) is type(expected) and received == expected, f"{where}: {received!r}, not {expected!r}"


def check_twins(
    make: Callable[[], tuple[Any, ...]],
    calls: Sequence[Any],
    backend: Any,
    entry: str = "default",
    traces: int | None = None,
    gradients: bool = True,
    **options: Any,
) -> Any:
    """``make()`` gives a function and the things it changes; one twin runs as it is, the other compiled, call by call.

    A call is a tuple of arguments, or a function of what ``make`` gave, which changes something between the calls.
    After each call results and everything visible are compared. Returns the compiled twin's parts.
    """
    histories = []
    for compiled in (False, True):
        cr.manual_seed(7)
        function, *things = parts = list(make())
        if compiled:
            parts[0] = function = cr.compile(function, backend=backend, **options)
        history = []
        for call in calls:
            if callable(call):
                call(*parts)
                continue
            result = function(*call)
            history.append((result, snapshot(things, gradients)))
        histories.append(history)
    for number, (plain, compiled_) in enumerate(zip(*histories, strict=True)):
        assert_same(compiled_, plain, entry, f"call {number}")
    if traces is not None:
        assert traced(function) == traces, function.explain()
    return parts


def traced(compiled: Any) -> int:
    """How often a compiled function was traced."""
    return sum(event.kind == "traced" for event in compiled.events)


def eager_calls(compiled: Any) -> int:
    """How often it ran as it is."""
    return sum(event.kind == "eager" for event in compiled.events)
