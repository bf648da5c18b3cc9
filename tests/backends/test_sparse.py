"""Products with data of many zeros: by lists or by the BLAS, the numbers are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.backends.llvm.division import corrections
from chainrule.compiler.kernel import BLOCK, Nonzeros, ProductKernel

#: Products of up to 150 terms, in the order of the lists or of the BLAS.
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


def make_data(rows: int, columns: int, density: float, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns), dtype=np.float32)
    return np.where(rng.random((rows, columns)) < density, x, np.float32(0))


def lists_of(step: Any) -> list[Nonzeros]:
    """The lists that the latest program of a compiled function makes."""
    return [k for k in step._last.executable.schedule.kernels if isinstance(k, Nonzeros)]


def run_both(x: Any, outputs: int, slide: bool, steps: int = 3, made: bool = False) -> tuple[list[Any], list[Any]]:
    """Weights and losses after some steps with x as the first layer's input: compiled and by NumPy in float64.

    ``slide``: weights stored (inputs, outputs), as the slides do. ``made``: x comes from a computation.
    """
    rng = np.random.default_rng(1)
    inputs = x.shape[1]
    start = (rng.standard_normal((inputs, outputs)) / 10).astype(np.float32)
    target = rng.standard_normal((len(x), outputs)).astype(np.float32)
    w = cr.tensor(start if slide else start.T.copy(), requires_grad=True)
    opt = optim.SGD([w], lr=0.5)

    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        if made:
            x = x * 0.5
        loss = ((cr.matmul(x, w if slide else w.T) - y) ** 2).mean()
        loss.backward()
        opt.step()
        return loss

    compiled = cr.compile(step, backend="llvm")
    losses = [compiled(cr.tensor(x), cr.tensor(target)).item() for _ in range(steps)]
    (kernel,) = lists_of(compiled)
    assert (kernel.loop is not None) == made
    products = [k for k in compiled._last.executable.schedule.kernels if isinstance(k, ProductKernel)]
    assert len(products) == 2 and all(k.nonzeros is kernel for k in products)
    exact, data = start.astype(np.float64), x.astype(np.float64) * (0.5 if made else 1.0)
    expected = []
    for _ in range(steps):
        error = data @ exact - target
        expected.append((error**2).mean())
        exact = exact - 0.5 * 2 / error.size * data.T @ error
    return [losses, w.numpy() if slide else w.numpy().T], [expected, exact]


@pytest.mark.parametrize("slide", [False, True])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.45, 0.55, 1.0])
def test_forward_and_backward_at_any_density(density: float, slide: bool) -> None:
    got, expected = run_both(make_data(100, 200, density), 50, slide)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)


@pytest.mark.parametrize("slide", [False, True])
@pytest.mark.parametrize("outputs", [15, 16, 17, 20, 24, 40, 63, 64, 65, 133])
@pytest.mark.parametrize("columns", [16 * 9, BLOCK - 1, BLOCK + 1, 3 * BLOCK + 5])
def test_forward_and_backward_for_any_size(columns: int, outputs: int, slide: bool) -> None:
    rows = (1 << 18) // (columns * min(outputs, 64)) + 40  # as many as make the search worth while
    got, expected = run_both(make_data(max(rows, 67), columns, 0.2, seed=columns), outputs, slide, steps=2)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)


@pytest.mark.parametrize("density", [0.0, 0.1, 0.55])
def test_processors_without_the_instruction_list_one_by_one(density: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.backends.llvm.run.has_feature", lambda name: False)
    got, expected = run_both(make_data(100, 201, density), 50, slide=False, made=True)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, **TOLERANCE)


@pytest.mark.parametrize("filled", ["few", "many", "last"])
def test_rows_full_and_empty_beside_each_other(filled: str) -> None:
    """Where rows are made on the way, those with many zeros are filled in only if the BLAS wants them."""
    x = make_data(101, 210, 1.0)
    x[{"few": slice(0, 80), "many": slice(0, 20), "last": slice(0, 100)}[filled]] *= make_data(1, 210, 0.02) != 0
    for made in (False, True):
        got, expected = run_both(x, 40, slide=False, made=made)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, **TOLERANCE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_zero(bad: float) -> None:
    x = make_data(100, 200, 0.1)
    x[3, 7], x[5] = bad, -0.0
    f = cr.compile(lambda x, w: cr.matmul(x * 1.5, w), backend="llvm")
    w = make_data(200, 50, 1.0)
    out = f(cr.tensor(x), cr.tensor(w)).numpy()
    assert lists_of(f)
    assert not np.isfinite(out[3]).any() and np.isfinite(np.delete(out, 3, axis=0)).all()
    assert (out[5] == 0).all()


def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = np.where(rng.random((400, 784)) < 0.2, rng.integers(1, 256, (400, 784)), 0).astype(np.uint8)
    labels = rng.integers(0, 10, 400)
    orders = np.stack([rng.permutation(400)[:128] for _ in range(5)])
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(cr.config, "threads", threads)
        cr.manual_seed(0)
        net = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
        opt = optim.Adam(net.parameters(), lr=0.01)

        def step(x: Any, y: Any, rows: Any, net: Any = net, opt: Any = opt) -> Any:
            opt.zero_grad()
            loss = nn.functional.cross_entropy(net(x[rows].float() / 255), y[rows])
            loss.backward()
            opt.step()
            return loss

        compiled = cr.compile(step, backend="llvm")
        losses = compiled.scan((cr.tensor(images), cr.tensor(labels)), (cr.tensor(orders),)).numpy()
        assert [kernel.loop is not None for kernel in lists_of(compiled)] == [True]
        found.append([losses, *(p.numpy() for p in net.parameters())])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


def test_weights_and_activations_are_not_searched_for_zeros() -> None:
    x, w = cr.tensor(make_data(128, 300, 1.0)), cr.tensor(make_data(300, 300, 1.0), requires_grad=True)
    opt = optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        opt.zero_grad()
        hidden = cr.relu(cr.matmul(x, w))
        loss = cr.matmul(hidden, w * 2).mean()
        loss.backward()
        opt.step()
        return loss

    compiled = cr.compile(step, backend="llvm")
    compiled(x)
    assert [kernel.x.aval.shape for kernel in lists_of(compiled)] == [(128, 300)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("divisor", [255.0, 256.0, 127.5, 3.0, 0.1, 1e30, -7.0])
def test_bytes_are_divided_to_the_last_bit(divisor: float, dtype: str) -> None:
    x = np.arange(256, dtype=np.uint8)
    f = cr.compile(lambda x: x.to(dtype) / divisor, backend="llvm")
    np.testing.assert_array_equal(f(cr.tensor(x)).numpy(), x.astype(dtype) / np.dtype(dtype).type(divisor))


def test_a_division_by_what_has_no_reciprocal_stays_one() -> None:
    assert corrections(0.0, np.dtype("float32")) is None
    assert corrections(float("inf"), np.dtype("float32")) is None
    assert corrections(1e-44, np.dtype("float32")) is None
