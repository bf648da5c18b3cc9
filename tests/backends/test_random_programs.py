"""Random programs: native code computes what the interpreter computes, and memory is never used twice at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.backends.llvm import LlvmExecutable
from chainrule.compiler.build import simplified
from chainrule.compiler.executable import Interpreter
from chainrule.compiler.fuse import fuse
from chainrule.compiler.plan import _lifetimes, plan
from chainrule.compiler.structure import Place
from chainrule.compiler.trace import trace

ONE: dict[str, Any] = {
    "tanh": cr.tanh, "sigmoid": cr.sigmoid, "relu": cr.relu, "square": cr.square, "negative": lambda x: -x,
    "softplus": cr.softplus, "abs": cr.absolute, "half": lambda x: x * 0.5, "below": lambda x: (x < 0.3).float(),
    "sum_last": lambda x: x.sum(-1) if x.ndim else x, "mean_first": lambda x: x.mean(0) if x.ndim else x,
    "max_keep": lambda x: x.max(-1, keepdims=True) if x.ndim else x, "sum_all": lambda x: x.sum(),
    "transpose": lambda x: x.T, "flip": lambda x: cr.flip(x), "flat": lambda x: x.reshape(-1),
    "column": lambda x: x.reshape(-1, 1), "tail": lambda x: x[1:] if x.ndim and len(x) > 1 else x,
    "every_other": lambda x: x[..., ::2] if x.ndim else x, "pick": lambda x: x[[0, -1, 0]] if x.ndim else x,
    "pad": lambda x: cr.pad(x, 1) if x.size() and x.numel() < 40 else x, "cumsum": lambda x: cr.cumsum(x, 0) if x.ndim else x,
    "softmax": lambda x: cr.softmax(x) if x.ndim else x, "log_softmax": lambda x: cr.log_softmax(x) if x.ndim else x,
    "prod": lambda x: cr.tanh(x).prod(0) if x.ndim else x, "row": lambda x: x[0] if x.ndim else x,
}  # fmt: skip


def _two(x: Any, y: Any, combine: Any) -> Any:
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        y = y.mean()
    return combine(x, y)


def _product(x: Any, y: Any) -> Any:
    if x.ndim == 2 and y.ndim == 2 and x.shape[1] == y.shape[0]:
        return x @ y
    if x.ndim == 2 and y.ndim == 2 and x.shape[1] == y.shape[1]:
        return x @ y.T
    return x * y.mean()


TWO: dict[str, Any] = {
    "add": lambda x, y: _two(x, y, cr.add), "subtract": lambda x, y: _two(x, y, cr.subtract),
    "multiply": lambda x, y: _two(x, y, cr.multiply), "maximum": lambda x, y: _two(x, y, cr.maximum),
    "divide": lambda x, y: _two(x, y * y + 1.0, cr.divide), "product": _product,
    "where": lambda x, y: _two(x, y, lambda a, b: cr.where(a > b, a, b * 0.5)),
    "join": lambda x, y: cr.concatenate([x.reshape(-1), y.reshape(-1)]) if x.numel() + y.numel() < 60 else x,
}  # fmt: skip

STEPS = st.lists(
    st.tuples(st.sampled_from([*ONE, *TWO]), st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=14
)


def build(steps: list[tuple[str, int, int]], kept: int) -> Any:
    def function(*inputs: Any) -> Any:
        values = list(inputs)
        for name, i, j in steps:
            x, y = values[i % len(values)], values[j % len(values)]
            new = ONE[name](x) if name in ONE else TWO[name](x, y)
            if new.numel() <= 4096:
                values.append(new)
        return tuple(values[-kept:])

    return function


def program_of(steps: list[tuple[str, int, int]], kept: int, arrays: list[Any]) -> Any:
    tree = tuple(Place(i) for i in range(len(arrays))), {}
    with cr.no_grad():
        return simplified(trace(build(steps, kept), tree, [cr.tensor(a) for a in arrays]).program)


def inputs(seed: int) -> list[Any]:
    generator = np.random.default_rng(seed)
    return [generator.normal(size=shape).astype("f4") for shape in ((4, 3), (3,), (3, 5), (4, 1), ())]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(1, 4), st.integers(0, 5))
def test_native_code_computes_what_the_interpreter_computes(steps: Any, kept: int, seed: int) -> None:
    arrays = inputs(seed)
    program = program_of(steps, kept, arrays)
    expected, received = Interpreter(program)(arrays), LlvmExecutable(program)(arrays)
    for x, y in zip(received, expected, strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(1, 4))
def test_buffers_that_live_at_once_stand_apart(steps: Any, kept: int) -> None:
    made = plan(fuse(program_of(steps, kept, inputs(0))))
    first, last = _lifetimes(made.schedule.kernels)
    for _, _, buffer in made.copies:
        last[buffer] = len(made.schedule.kernels)
    placed = [(made.where[b].offset, b) for b in first if made.where[b].kind == "arena"]
    for number, (start, a) in enumerate(placed):
        assert start % 64 == 0 and start + a.aval.size * a.aval.dtype.itemsize <= made.arena_bytes
        for other, b in placed[:number]:
            if first[a] <= last[b] and first[b] <= last[a]:
                ends = [s + max(x.aval.size * x.aval.dtype.itemsize, 1) for s, x in ((start, a), (other, b))]
                assert start >= ends[1] or other >= ends[0], (a, b)
    homes = [place for b, place in made.where.items() if place.kind == "result"]
    assert len(homes) == len(set(homes))
