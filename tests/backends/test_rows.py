"""Kernels over short rows, merged and done row by row: which are, and that the numbers stay the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compiler.kernel import RowsKernel

RNG = np.random.default_rng(0)


def run(function: Callable[..., Any], *arrays: Any) -> tuple[list[RowsKernel], Any]:
    """The merged kernels of a compiled function, and what it returns."""
    compiled = cr.compile(function, backend="llvm")
    result = compiled(*map(cr.tensor, arrays))
    kernels = compiled._last.executable.schedule.kernels
    return [k for k in kernels if isinstance(k, RowsKernel)], result


def check(function: Callable[..., Any], *arrays: Any, merged: list[int]) -> None:
    """As eager code computes it, with so many loops in each merged kernel."""
    groups, result = run(function, *arrays)
    assert [len(group.loops) for group in groups] == merged
    np.testing.assert_allclose(result.numpy(), function(*map(cr.tensor, arrays)).numpy(), rtol=2e-6, atol=2e-6)


def softmax_regression_step(classes: int, features: int) -> Callable[..., Any]:
    cr.manual_seed(0)
    model = nn.Linear(features, classes)
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    step.model = model  # type: ignore[attr-defined]
    return step


@pytest.mark.parametrize("label", [np.int32, np.int64, np.uint8])
@pytest.mark.parametrize(
    ("rows", "features", "classes"), [(16, 2, 2), (150, 4, 3), (37, 5, 2), (250, 2, 8), (1000, 1, 4)]
)
def test_a_step_of_softmax_regression_is_one_kernel(rows: int, features: int, classes: int, label: Any) -> None:
    x, y = RNG.standard_normal((rows, features), dtype=np.float32), RNG.integers(0, classes, rows).astype(label)
    one, other = softmax_regression_step(classes, features), softmax_regression_step(classes, features)
    compiled = cr.compile(one, backend="llvm")
    for _ in range(5):
        np.testing.assert_allclose(compiled(x, y).item(), other(cr.tensor(x), cr.tensor(y)).item(), rtol=2e-6)
    for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True):  # type: ignore[attr-defined]
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=2e-5, atol=1e-6)
    groups = [k for k in compiled._last.executable.schedule.kernels if isinstance(k, RowsKernel)]
    assert len(groups) == 1 and len(groups[0].loops) >= 5 and groups[0].inner


def test_totals_over_all_rows_end_a_group() -> None:
    x = RNG.standard_normal((50, 3), dtype=np.float32)
    check(lambda x: (x - x.mean(0)).sum(1), x, merged=[1, 1])
    check(lambda x: (x - x.mean(1, keepdims=True)).max(1), x, merged=[2])


def test_other_rows_numbers_are_not_looked_for_in_this_row() -> None:
    x = RNG.standard_normal((64, 4), dtype=np.float32)

    def neighbours(x: Any) -> Any:
        largest = x.max(1)
        return (x[1:] * largest[:-1, None]).sum(1)

    def mirrored(x: Any) -> Any:
        smallest = x.min(1)
        return (x * cr.flip(smallest, (0,))[:, None]).sum(1)

    def by_index(x: Any) -> Any:
        largest = x.max(1)
        return (x * largest[cr.tensor(np.arange(64)[::-1].copy())][:, None]).sum(1)

    for function in (neighbours, mirrored, by_index):
        groups, result = run(function, x)
        assert [len(group.loops) for group in groups] == [1, 2]
        np.testing.assert_allclose(result.numpy(), function(cr.tensor(x)).numpy(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (1, 2), (0, 2), (0, 1)])
def test_reductions_along_any_axes(kind: str, axes: tuple[int, ...]) -> None:
    x = RNG.standard_normal((35, 2, 5), dtype=np.float32)
    check(lambda x: getattr(cr, kind)(x * 1.5, axes), x, merged=[1])


def test_numbers_that_are_none_go_their_way() -> None:
    x = RNG.standard_normal((40, 3), dtype=np.float32)
    x[3, 1], x[7, 0], x[9] = np.nan, np.inf, -np.inf
    check(lambda x: x.max(1) + x.min(1), x, merged=[1])
    _, result = run(lambda x: cr.log_softmax(x, axis=1), x)
    expected = cr.log_softmax(cr.tensor(x), axis=1).numpy()
    np.testing.assert_array_equal(np.isnan(result.numpy()), np.isnan(expected))


def test_a_label_outside_is_an_error() -> None:
    step = cr.compile(softmax_regression_step(3, 4), backend="llvm")
    x, y = RNG.standard_normal((30, 4), dtype=np.float32), np.zeros(30, np.int64)
    step(x, y)
    y[29] = 3
    with pytest.raises(cr.ChainruleError):
        step(x, y)


def test_shards_of_rows_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    x = RNG.standard_normal((30_001, 6), dtype=np.float32)
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(cr.config, "threads", threads)
        groups, result = run(lambda x: cr.softmax(x, axis=1), x)
        assert len(groups) == 1
        found.append(result.numpy())
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0], cr.softmax(cr.tensor(x), axis=1).numpy(), rtol=2e-6)


def test_compiling_says_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for dtype, rows in itertools.product((np.float32, np.float64, np.int32, np.uint8), (16, 150)):
        x = RNG.integers(0, 9, (rows, 3)).astype(dtype)
        for kind, axes in itertools.product(("sum", "prod", "max", "min"), ((0,), (1,), (0, 1))):
            run(lambda x, kind=kind, axes=axes: getattr(cr, kind)(x * 2, axes), x)
        run(lambda x: cr.log_softmax(x.float(), axis=1)[:, 0].sum() + x.max().float(), x)
        run(lambda x: cr.where(x > 3, x, x + 1).sum(0), x)
    step = softmax_regression_step(3, 4)
    cr.compile(step, backend="llvm")(RNG.standard_normal((40, 4), dtype=np.float32), np.zeros(40, np.int64))
    assert capfd.readouterr() == ("", "")
