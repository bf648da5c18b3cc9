"""Random programs over the smooth ops: whatever they compute, derivatives agree with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr

#: Shapes of the inputs; all broadcast against each other.
SHAPES = ((2, 3), (3,), (2, 1), ())

# Each keeps numbers of size one at size one, so that long programs stay where finite differences are exact.
UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": cr.sin,
    "cos": cr.cos,
    "tanh": cr.tanh,
    "sigmoid": cr.sigmoid,
    "erf": cr.erf,
    "softplus": lambda x: cr.softplus(x) * 0.5,
    "exp": lambda x: cr.exp(-cr.square(x)),
    "expm1": lambda x: cr.expm1(cr.tanh(x)) * 0.5,
    "log": lambda x: cr.log(cr.square(x) + 0.5),
    "log1p": lambda x: cr.log1p(cr.square(x)) * 0.5,
    "sqrt": lambda x: cr.sqrt(cr.square(x) + 0.3),
    "rsqrt": lambda x: cr.rsqrt(cr.square(x) + 0.5),
    "negative": cr.negative,
    "power": lambda x: cr.tanh(x) ** 3,
    "gelu": cr.gelu,
    "silu": cr.silu,
    "sum": lambda x: x.sum(-1, keepdims=True) * 0.3 if x.ndim else x,
    "mean": lambda x: x.mean(0) if x.ndim else x,
    "var": lambda x: cr.var(x),
    "logsumexp": lambda x: cr.logsumexp(x),
    "softmax": lambda x: cr.softmax(x) if x.ndim else x,
    "prod": lambda x: cr.prod(cr.tanh(x), 0) if x.ndim else x,
    "cumsum": lambda x: cr.cumsum(x, -1) * 0.4 if x.ndim else x,
    "flip": lambda x: cr.flip(x),
    "twice transposed": lambda x: cr.sin(x.T).T,
    "reshape": lambda x: cr.sin(x.reshape(-1)).reshape(x.shape),
    "index": lambda x: x[[0, 0]].mean(0) if x.ndim else x,
    "pad": lambda x: cr.pad(x, 1)[1:-1] if x.ndim == 1 else x,
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: (x + y) * 0.7,
    "subtract": lambda x, y: (x - y) * 0.7,
    "multiply": lambda x, y: cr.tanh(x) * y,
    "divide": lambda x, y: x / (cr.square(y) + 1.0),
    "power": lambda x, y: (cr.square(x) + 0.5) ** cr.tanh(y),
    "contract": lambda x, y: cr.tanh(cr.einsum("i,j->ij", x.reshape(-1), y.reshape(-1))).mean(),
    "matmul": lambda x, y: cr.tanh(x.reshape(-1, 1) @ y.reshape(1, -1)).sum() * 0.1,
    "concatenate": lambda x, y: cr.concatenate([x.reshape(-1), y.reshape(-1)]).mean(),
    "where": lambda x, y: cr.where(cr.stop_gradient(x) > 1e9, x, y * 0.9),
}

Instruction = tuple[str, int, int]
instructions = st.tuples(st.sampled_from([*UNARY, *(f"{n} 2" for n in BINARY)]), st.integers(0, 99), st.integers(0, 99))


def run(program: list[Instruction], values: tuple[Any, ...]) -> Any:
    """Each instruction takes earlier values, by number from the end, and adds one; the result uses the last three."""
    made = list(values)
    for name, first, second in program:
        x, y = made[-1 - first % len(made)], made[-1 - second % len(made)]
        made.append(BINARY[name[:-2]](x, y) if name.endswith(" 2") else UNARY[name](x))
    return made[-1].sum() + (made[-2] * 0.5).sum() + (made[-3] * made[-3]).sum()


@settings(derandomize=True, deadline=None, max_examples=150, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(instructions, min_size=3, max_size=12), st.integers(0, 2**16))
def test_random_programs(program: list[Instruction], seed: int) -> None:
    generator = np.random.Generator(np.random.Philox(seed))
    inputs = [generator.uniform(-1, 1, shape) for shape in SHAPES]
    cr.check_grads(lambda *values: run(program, values), *inputs, order=2, directions=1, rtol=1e-5, atol=1e-7)


@settings(derandomize=True, deadline=None, max_examples=50, database=None)
@given(st.lists(instructions, min_size=3, max_size=12))
def test_the_tape_and_the_recorded_walk_agree(program: list[Instruction]) -> None:
    """Gradients from plain arrays, and from tensors when the walk itself is recorded, are the same numbers."""
    inputs = [np.linspace(-1, 1, int(np.prod(shape))).reshape(shape) + 0.05 for shape in SHAPES]
    found = []
    for create_graph in (False, True):
        leaves = [cr.tensor(x, requires_grad=True) for x in inputs]
        found.append(cr.grad_of(run(program, tuple(leaves)), leaves, create_graph=create_graph, allow_unused=True))
    for plain, recorded in zip(*found, strict=True):
        assert (plain is None) == (recorded is None)
        if plain is not None:
            np.testing.assert_allclose(plain.numpy(), recorded.numpy(), rtol=1e-12, atol=1e-14)
            assert not plain.requires_grad
