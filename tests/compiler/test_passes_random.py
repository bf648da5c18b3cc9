"""Random programs: whatever they compute, they compute the same after all passes, which then find nothing more to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import SPECIAL, run, same, traced

import chainrule as cr
from chainrule.compiler.passes import run_passes

Array = np.ndarray[Any, Any]
Step = tuple[str, int, int]

#: Shapes of the inputs; all broadcast against each other.
SHAPES = ((2, 3), (3,), (2, 1), ())


def meet(x: Any, y: Any) -> tuple[Any, Any]:
    """The two, if they broadcast; else x and the sum of y."""
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return x, y.sum()
    return x, y


def last_axis(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """For ops that need an axis."""
    return lambda x: function(x) if x.ndim else x


# Ops that round alike wherever they stand, so that results are equal to the bit, for any numbers. (Which of 0.0 and
# -0.0 is the larger depends on how NumPy walks over an array, so the sign of such a zero is taken away.)
EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: cr.add(*meet(x, y)),
    "subtract": lambda x, y: cr.subtract(*meet(x, y)),
    "multiply": lambda x, y: cr.multiply(*meet(x, y)),
    "divide": lambda x, y: cr.divide(*meet(x, y)),
    "maximum": lambda x, y: cr.maximum(*meet(x, y)) + 0.0,
    "minimum": lambda x, y: cr.minimum(*meet(x, y)) + 0.0,
    "choose": lambda x, y: cr.where((p := meet(x, y))[0] > p[1], *p),
    "choose not": lambda x, y: cr.where(~((p := meet(x, y))[0] > p[1]), p[1], p[0]),
    "choose nothing": lambda x, y: cr.where(x == 0.5, x, x),
    "decided": lambda x, y: cr.where(cr.full((1,), 3.0) > 2.0, *meet(x, y)),
    "logic": lambda x, y: (~(x == 0.0) & ~~(x > -1.0)).astype(x.dtype),
    "negative": lambda x, y: -x,
    "minus a negative": lambda x, y: cr.subtract(*meet(x, -y)),
    "plus a negative": lambda x, y: cr.add(*meet(x, -y)),
    "absolute": lambda x, y: cr.absolute(x),
    "relu": lambda x, y: cr.relu(x) + 0.0,
    "sqrt": lambda x, y: cr.sqrt(x),
    "square": lambda x, y: x * x,
    "times one": lambda x, y: x * 1.0,
    "times minus one": lambda x, y: -1.0 * x,
    "times ones": lambda x, y: x * cr.ones(x.shape, dtype=x.dtype),
    "plus zero": lambda x, y: x + 0.0,
    "plus minus zero": lambda x, y: x + -0.0,
    "minus zero": lambda x, y: x - 0.0,
    "minus minus zero": lambda x, y: x - -0.0,
    "from zero": lambda x, y: 0.0 - x,
    "quarter": lambda x, y: x / 4.0,
    "third": lambda x, y: x / 3.0,
    "number": lambda x, y: cr.sqrt(cr.full(x.shape, 4.0, dtype=x.dtype)) * 0.5,
    "numbers": lambda x, y: x + cr.arange(x.shape[-1]).astype(x.dtype) if x.ndim else x,
    "detach": lambda x, y: x.detach(),
    "wider": lambda x, y: x.double().astype(x.dtype),
    "narrower": lambda x, y: x.float().astype(x.dtype),
    "clip": lambda x, y: cr.clip(x, -1.0, 1.0) + 0.0,
    "transpose": lambda x, y: x.T,
    "reshape": lambda x, y: x.reshape(-1),
    "reshape back": lambda x, y: x.reshape(-1).reshape(x.shape),
    "one more axis": lambda x, y: x.reshape(1, *x.shape) if x.ndim < 3 else x,
    "repeat": lambda x, y: cr.broadcast_to(x, np.broadcast_shapes(*(v.shape for v in meet(x, y)))),
    "repeat more": lambda x, y: cr.broadcast_to(x, (2, *x.shape)) if x.ndim < 3 else x,
    "largest": lambda x, y: cr.max(x, 0) + 0.0 if x.ndim else x,
    "smallest": lambda x, y: cr.min(x, -1, keepdims=True) + 0.0 if x.ndim else x,
    "first": lambda x, y: x[0] if x.ndim else x,
    "picked": lambda x, y: x[[0, 0]] if x.ndim else x,
    "flip": lambda x, y: cr.flip(x),
    "join": lambda x, y: cr.concatenate([x.reshape(-1), y.reshape(-1)])[: x.numel()],
}

# Each keeps numbers of size one at size one. Comparisons are with odd numbers, so that no rounding decides them.
SMOOTH: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: cr.add(*meet(x, y)) * 0.7,
    "subtract": lambda x, y: cr.subtract(*meet(x, y)) * 0.7,
    "multiply": lambda x, y: cr.multiply(*meet(cr.tanh(x), y)),
    "divide": lambda x, y: cr.divide(*meet(x, cr.square(y) + 1.0)),
    "exp": lambda x, y: cr.exp(-cr.square(x)),
    "sigmoid": lambda x, y: cr.sigmoid(x),
    "log": lambda x, y: cr.log(cr.square(x) + 0.5),
    "gelu": lambda x, y: cr.gelu(x),
    "elu": lambda x, y: cr.elu(x),
    "leaky": lambda x, y: cr.leaky_relu(x - 0.1234),
    "squared": lambda x, y: cr.tanh(x) ** 2.0,
    "cubed": lambda x, y: cr.tanh(x) ** 3,
    "root": lambda x, y: (cr.square(x) + 0.5) ** 0.5,
    "inverse root": lambda x, y: (cr.square(x) + 0.5) ** -0.5,
    "inverse": lambda x, y: (cr.square(x) + 0.5) ** -1.0,
    "to the zeroth": lambda x, y: x**0.0,
    "quarter": lambda x, y: x / 4.0,
    "one": lambda x, y: x * 1.0 - -x * 0.25,
    "repeated sum": lambda x, y: cr.broadcast_to(x, (3, *x.shape)).sum(0) * 0.3 if x.ndim < 3 else x,
    "repeated mean": lambda x, y: cr.broadcast_to(x, (3, *x.shape)).mean() if x.ndim < 3 else x,
    "repeated largest": lambda x, y: cr.max(cr.broadcast_to(x, (3, *x.shape)), 0) if x.ndim < 3 else x,
    "number": lambda x, y: x + cr.full(x.shape, 0.5, dtype=x.dtype).sum() * 0.1,
    "sum": lambda x, y: x.sum(0) * 0.3 if x.ndim else x,
    "mean": lambda x, y: x.mean(-1, keepdims=True) if x.ndim else x,
    "variance": lambda x, y: cr.var(x, correction=0),
    "logsumexp": lambda x, y: cr.logsumexp(x, -1) if x.ndim else x,
    "softmax": lambda x, y: cr.softmax(x) if x.ndim else x,
    "log of softmax": lambda x, y: cr.log(cr.softmax(x)) * 0.2 if x.ndim else x,
    "log_softmax": lambda x, y: cr.log_softmax(x, 0) * 0.2 if x.ndim else x,
    "matmul": lambda x, y: cr.tanh(rows(x).T @ rows(y)),
    "matmul transposed": lambda x, y: cr.tanh((rows(x).T @ rows(y)).T),
    "affine": lambda x, y: cr.tanh(cr.affine(rows(x).T, rows(y).T, rows(y)[0])),
    "descent": lambda x, y: rows(x) - rows(y) @ (rows(y).T @ rows(x)) * 0.1,
    "transpose": lambda x, y: x.T,
    "reshape": lambda x, y: x.reshape(-1),
    "detach": lambda x, y: x.detach(),
    "pad": lambda x, y: cr.pad(x, 1)[1:] if x.ndim == 1 else x,
    "picked": lambda x, y: x[[0, 0]].mean(0) if x.ndim else x,
    "cumsum": lambda x, y: cr.cumsum(x, -1) * 0.4 if x.ndim else x,
    "narrower": lambda x, y: x.float().double(),
}


def rows(x: Any) -> Any:
    """As a matrix of two rows, whatever it is."""
    return x.reshape(2, -1) if x.numel() % 2 == 0 else cr.broadcast_to(x.reshape(1, -1), (2, x.numel()))


def program_of(ops: dict[str, Callable[[Any, Any], Any]], steps: list[Step], gradients: bool) -> Callable[..., Any]:
    """Each step takes earlier values, by number from the end, and adds one; the last three are the results."""

    def function(*inputs: Any) -> Any:
        made = [x.detach().requires_grad_() for x in inputs] if gradients else list(inputs)
        leaves = tuple(made)
        for name, first, second in steps:
            value = ops[name](made[-1 - first % len(made)], made[-1 - second % len(made)])
            made.append(value if value.numel() <= 64 else value.mean())
        if not gradients:
            return tuple(made[-3:])
        total = sum(((m * 0.5).sum() for m in made[-3:]), leaves[0].mean())
        return made[-1], cr.grad_of(total, leaves, allow_unused=True)

    return function


def steps_of(ops: dict[str, Any]) -> Any:
    return st.lists(
        st.tuples(st.sampled_from(sorted(ops)), st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=14
    )


def check(function: Callable[..., Any], inputs: list[Array], equal: Callable[[Array, Array], None]) -> None:
    """The same numbers after every pass, and nothing left to do after the last."""
    before = traced(function, *inputs)
    expected = run(before, *inputs)
    stages = run_passes(before, keep=True, verify=True)
    for a, b in zip(run(stages[-1][1], *inputs), expected, strict=True):
        equal(a, b)
    assert [name for name, _ in run_passes(stages[-1][1], keep=True)] == ["traced"]


relaxed = settings(
    derandomize=True, deadline=None, max_examples=200, database=None, suppress_health_check=list(HealthCheck)
)


@relaxed
@given(steps_of(EXACT), st.integers(0, 2**16))
def test_exact_programs(steps: list[Step], seed: int) -> None:
    """Equal to the bit on NaN, infinities and zeros of both signs."""
    generator = np.random.Generator(np.random.Philox(seed))
    inputs = [generator.choice(SPECIAL, shape) for shape in SHAPES]

    def equal(a: Array, b: Array) -> None:
        assert same(a, b), (a, b)

    check(program_of(EXACT, steps, False), inputs, equal)


@relaxed
@given(steps_of(SMOOTH), st.integers(0, 2**16), st.booleans())
def test_smooth_programs(steps: list[Step], seed: int, gradients: bool) -> None:
    """Equal but for rounding, with and without the program's own gradient."""
    generator = np.random.Generator(np.random.Philox(seed))
    inputs = [generator.uniform(-1, 1, shape) for shape in SHAPES]

    def equal(a: Array, b: Array) -> None:
        # Where a step rounds to float32 on the way, a last bit of float64 may decide one of float32.
        rounding = 1e-5 if any(name == "narrower" for name, _, _ in steps) else 1e-11
        np.testing.assert_allclose(a, b, rtol=rounding, atol=rounding)

    check(program_of(SMOOTH, steps, gradients), inputs, equal)
