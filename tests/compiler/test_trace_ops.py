"""Every registered op through the compiler: forward, first and second derivative are what they are eagerly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twins import assert_same, numbers

import chainrule as cr
from chainrule.core.apply import apply
from chainrule.core.op import REGISTRY, Sample

NAMES = sorted(REGISTRY)
DIFFERENTIABLE = [name for name in NAMES if REGISTRY[name].differentiable]


def samples(name: str, dtype: str) -> list[Sample]:
    """The op's samples with floats of ``dtype``."""
    arrays = [(s.op, [np.asarray(x) for x in s.inputs]) for s in REGISTRY[name].samples()]
    return [Sample(op, tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in xs)) for op, xs in arrays]


def outputs(cases: list[Sample], inputs: list[list[Any]]) -> list[Any]:
    """All samples in one function, so that one program covers them."""
    return [apply(case.op, *xs) for case, xs in zip(cases, inputs, strict=True)]


def seed_of(out: cr.Tensor) -> cr.Tensor:
    """A gradient to start from: no two numbers alike."""
    return cr.tensor(np.linspace(0.5, 1.5, out.numel()).reshape(out.shape).astype(out.dtype))


def variable(x: cr.Tensor) -> cr.Tensor:
    """A leaf to derive by, where there is a derivative."""
    return x.detach().requires_grad_() if x.dtype.kind == "f" else x


def gradients(cases: list[Sample], inputs: list[list[Any]], order: int) -> list[Any]:
    """Gradients of each sample's output by each of its inputs that is a float; or of those gradients again."""
    found: list[Any] = []
    for case, xs in zip(cases, inputs, strict=True):
        leaves = [variable(x) for x in xs]
        wanted = [x for x in leaves if x.requires_grad]
        out = apply(case.op, *leaves)
        if not out.requires_grad:
            continue
        first = cr.grad_of(out, wanted, seed_of(out), create_graph=order == 2)
        if order == 1:
            found.append(first)
            continue
        total = sum(((g * seed_of(g)).sum().double() for g in first), cr.tensor(np.zeros(())))
        if total.requires_grad:
            second = cr.grad_of(total, wanted, allow_unused=True)
            found.append([g for g in second if g is not None])
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_values(name: str, dtype: str, backend: Any) -> None:
    cases = samples(name, dtype)
    inputs = [list(map(cr.tensor, case.inputs)) for case in cases]
    compiled = cr.compile(lambda xs: outputs(cases, xs), backend=backend)
    assert_same(compiled(inputs), outputs(cases, inputs))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name: str, dtype: str, backend: Any) -> None:
    cases = samples(name, dtype)
    inputs = [list(map(cr.tensor, case.inputs)) for case in cases]
    compiled = cr.compile(lambda xs: gradients(cases, xs, 1), backend=backend)
    expected = gradients(cases, inputs, 1)
    assert expected and np.any([np.any(g.numpy() != 0) for part in expected for g in part])
    assert_same(compiled(inputs), expected)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivatives(name: str, backend: Any) -> None:
    cases = samples(name, "float64")
    inputs = [list(map(cr.tensor, case.inputs)) for case in cases]
    compiled = cr.compile(lambda xs: gradients(cases, xs, 2), backend=backend)
    assert_same(compiled(inputs), gradients(cases, inputs, 2))


def test_dtypes_that_meet_are_cast_in_the_program(backend: Any) -> None:
    def mixed(flags: cr.Tensor, bytes_: cr.Tensor, ints: cr.Tensor, x: cr.Tensor) -> list[cr.Tensor]:
        return [flags + bytes_, bytes_ * ints, ints + x, x > ints, flags * 2.5, ints / 2, bytes_.sum(), x * 2 + ints]

    arguments = (
        cr.tensor([True, False]), cr.tensor(np.array([1, 200], np.uint8)), cr.tensor([3, -4]), cr.tensor([0.5, 1.5]),
    )  # fmt: skip
    compiled = cr.compile(mixed, backend=backend)
    assert_same(compiled(*arguments), mixed(*arguments))
    with pytest.raises(cr.DTypeError, match="float32 and float64"):
        compiled(*arguments[:3], cr.tensor([0.5, 1.5], dtype="float64")[:, None] + cr.tensor([0.5]))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (1, 1), (5, 1, 4)])
def test_odd_shapes(shape: tuple[int, ...], backend: Any) -> None:
    def f(x: cr.Tensor) -> tuple[cr.Tensor, ...]:
        return x.sum(), (x * x).mean(), x.reshape(-1) + 1, x.T, (x - x.sum()).exp()

    x = cr.tensor(numbers(1, *shape))
    compiled = cr.compile(f, backend=backend)
    assert_same(compiled(x), f(x))


def test_not_a_number_and_infinity_pass(backend: Any) -> None:
    x = cr.tensor([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, -1e-42])

    def f(x: cr.Tensor) -> list[cr.Tensor]:
        return [x.relu(), cr.maximum(x, 0.0), x.isnan(), x.isfinite(), x * 10, x / x, cr.where(x > 0, x, -x), x.sign()]

    assert_same(cr.compile(f, backend=backend)(x), f(x))


def test_methods_indexes_and_functions_in_one_program(backend: Any) -> None:
    rows = np.array([2, 0, 2])

    def f(x: cr.Tensor, at: cr.Tensor) -> dict[str, Any]:
        y = x[rows] + x[at]
        return {
            "slices": x[1:, ::2], "ellipsis": x[..., -1], "new": x[:, None], "gather": y, "pair": x[rows, [0, 1, 2]],
            "stack": cr.stack([y, y]), "split": [part.sum() for part in cr.split(x, 2, axis=1)],
            "einsum": cr.einsum("ij,kj->ik", x, y), "top": (y.argmax(1), y.max(axis=0)), "hot": cr.one_hot(at, 4),
            "clipped": x.clip(-0.5, 0.5), "softmax": cr.softmax(x, 1), "var": x.var(axis=0), "sorted": x.T.flatten(),
        }  # fmt: skip

    arguments = cr.tensor(numbers(2, 3, 4)), cr.tensor([1, 1, 0])
    assert_same(cr.compile(f, backend=backend)(*arguments), f(*arguments))
