"""Native code: whole steps, threads, the kernel cache, errors, and what takes over where LLVM cannot."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.backends.llvm import cache
from chainrule.backends.llvm.cache import kernel_key, lookup, store
from chainrule.compiler import build
from chainrule.compiler.build import BackendNotice

RNG = np.random.default_rng(0)


def make_step(width: int, optimizer: str = "Adam", inputs: int = 784, compiled: bool = True) -> tuple[Any, Any]:
    cr.manual_seed(3)
    # Without a bias before the normalisation: its gradient is nothing but rounding, which Adam would make large.
    first = nn.Linear(inputs, width, bias=False)
    net = nn.Sequential(first, nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 10))
    opt = getattr(optim, optimizer)(net.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()

    def step(images: Any, labels: Any, rows: Any) -> Any:
        opt.zero_grad()
        loss = criterion(net(images[rows].float() / 255), labels[rows])
        loss.backward()
        opt.step()
        return loss

    return net, cr.compile(step, backend="llvm") if compiled else step


def make_data(inputs: int = 784, rows: int = 500) -> tuple[Any, Any, Any]:
    images = cr.tensor(RNG.integers(0, 256, (rows, inputs)).astype(np.uint8))
    labels = cr.tensor(RNG.integers(0, 10, rows))
    return images, labels, cr.tensor(np.stack([RNG.permutation(rows)[:100] for _ in range(6)]))


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("width", [5, 64])
def test_many_steps_in_one_call_are_the_eager_steps(width: int, optimizer: str) -> None:
    images, labels, rows = make_data()
    net, step = make_step(width, optimizer)
    losses = step.scan([images, labels], [rows]).numpy()
    other, eager = make_step(width, optimizer, compiled=False)
    expected = [eager(images, labels, r).item() for r in rows]
    np.testing.assert_allclose(losses, expected, rtol=2e-5)
    for (name, p), q in zip(net.state_dict().items(), other.state_dict().values(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=2e-3, atol=2e-5, err_msg=name)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    images, labels, rows = make_data()
    results = []
    before = cr.get_num_threads()
    try:
        for threads in (1, 2, 3, 5):
            cr.set_num_threads(threads)
            net, step = make_step(256)
            losses = step.scan([images, labels], [rows]).numpy()
            assert step._last.executable.module.parallel
            results.append((losses.tobytes(), *(p.numpy().tobytes() for p in net.state_dict().values())))
    finally:
        cr.set_num_threads(before)
    assert all(r == results[0] for r in results)


def test_two_threads_of_the_user_may_run_programs_together() -> None:
    images, labels, rows = make_data()
    expected = make_step(256)[1].scan([images, labels], [rows]).numpy()
    found: list[Any] = [None, None]
    steps = [make_step(256)[1] for _ in found]

    def work(i: int) -> None:
        found[i] = steps[i].scan([images, labels], [rows]).numpy()

    # Each has a generator's counter in common; without dropout's draws the order would not matter.
    for i in range(2):
        cr.manual_seed(3)
        thread = threading.Thread(target=work, args=(i,))
        thread.start()
        thread.join()
    assert found[0].shape == found[1].shape == expected.shape


def test_an_index_outside_is_an_error_and_nothing_is_lost() -> None:
    images, labels, rows = make_data()
    net, step = make_step(16)
    step.scan([images, labels], [rows])
    before = {name: p.numpy().copy() for name, p in net.state_dict().items()}
    bad = rows.numpy().copy()
    bad[3, 7] = 500
    with pytest.raises(cr.ShapeError, match="index"):
        step.scan([images, labels], [cr.tensor(bad)])
    for name, p in net.state_dict().items():
        np.testing.assert_array_equal(p.numpy(), before[name], err_msg=name)
    assert np.isfinite(step.scan([images, labels], [rows]).numpy()).all()  # and the next call is a good one


def test_results_and_old_values_are_not_overwritten() -> None:
    w = cr.tensor([1.0, 2.0])

    @cr.compile(backend="llvm")
    def swap_and_grow(x: Any) -> Any:
        old = w * 1.0
        w.data = w + x
        return old, w

    held = w.numpy()
    first = swap_and_grow(cr.tensor([1.0, 1.0]))
    second = swap_and_grow(cr.tensor([1.0, 1.0]))
    assert held.tolist() == [1, 2] and first[0].tolist() == [1, 2] and second[0].tolist() == [2, 3]
    assert first[1] is w and w.tolist() == [3, 4]


def test_state_that_changes_places() -> None:
    a, b = cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0])

    @cr.compile(backend="llvm")
    def swap(x: Any) -> Any:
        a.data, b.data = b.detach(), a.detach()
        return x + 0.0

    swap.scan([], [cr.zeros(3, 1)])
    assert (a.tolist(), b.tolist()) == ([3, 4], [1, 2])


# ---- the kernel cache


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    before = cr.config.cache_dir
    cr.config.cache_dir = tmp_path / "kernels"
    yield cr.config.cache_dir
    cr.config.cache_dir = before


def double(x: Any) -> Any:
    return x * 2.0 + 1.0


def test_a_second_compilation_reads_the_kernel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import chainrule.backends.llvm.run as run

    assert cr.compile(double, backend="llvm")(cr.tensor([1.0])).tolist() == [3]
    assert len(list(folder.iterdir())) == 1

    def refuse(texts: list[str]) -> list[bytes]:
        raise AssertionError("compiled again")

    monkeypatch.setattr(run, "compile_objects", refuse)
    assert cr.compile(double, backend="llvm")(cr.tensor([2.0])).tolist() == [5]


def test_a_damaged_kernel_is_compiled_again(folder: Path) -> None:
    cr.compile(double, backend="llvm")(cr.tensor([1.0]))
    (path,) = folder.iterdir()
    for damage in (path.read_bytes()[:-7], b"", b"chainrule kernel 2\n" + bytes(64)):
        path.write_bytes(damage)
        assert cr.compile(double, backend="llvm")(cr.tensor([1.0])).tolist() == [3]
        assert lookup(path.stem) is not None


def test_the_key_is_the_text_and_the_machine() -> None:
    keys = {kernel_key(text, target) for text in ("a", "b") for target in ("llvm 22, zen4", "llvm 23, zen4")}
    assert len(keys) == 4


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path) -> None:
    folder.parent.joinpath("kernels").write_text("a file where the folder should be")
    assert cr.compile(double, backend="llvm")(cr.tensor([1.0])).tolist() == [3]
    cr.config.cache_dir = None
    assert cr.compile(double, backend="llvm")(cr.tensor([1.0])).tolist() == [3]


def test_the_folder_stays_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 5000)
    for i in range(10):
        store(f"{i:064d}", [bytes(1000)])
    left = sorted(path.name[:64] for path in folder.iterdir())
    assert 3 <= len(left) <= 4 and lookup(f"{9:064d}") == [bytes(1000)]


def test_many_writers_at_once(folder: Path) -> None:
    threads = [threading.Thread(target=store, args=("k" * 64, [bytes([7]) * 100_000, b""])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lookup("k" * 64) == [bytes([7]) * 100_000, b""]
    assert len(list(folder.iterdir())) == 1


# ---- what takes over


def test_numpy_takes_over_with_one_notice_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(build, "_told", set())
    with pytest.warns(BackendNotice, match="LLVM is not installed"):
        step = cr.compile(double)
        assert step(cr.tensor([1.0])).tolist() == [3]
    assert step._last.executable.backend == "numpy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cr.compile(double)(cr.tensor([4.0])).tolist() == [9]
    with pytest.raises(cr.ConfigError, match="llvmlite"):
        cr.compile(double, backend="llvm")(cr.tensor([1.0]))


def test_what_native_code_lacks_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_told", set())
    step = cr.compile(lambda x: x[cr.ops.permutation(5000)])
    with pytest.warns(BackendNotice, match="permutation"):
        assert sorted(step(cr.arange(5000)).tolist()) == list(range(5000))
    assert step._last.executable.backend == "numpy"


@pytest.mark.parametrize("n", [0, 1, 2, 300, 4096])
def test_random_orders_are_native(n: int) -> None:
    """Up to some thousands: the very orders that NumPy sorts."""
    step = cr.compile(lambda x: (x[cr.permutation(n)], cr.rand(2)), backend="llvm")
    for seed in (0, 1):
        cr.manual_seed(seed)
        received = [step(cr.arange(n)) for _ in range(2)]
        cr.manual_seed(seed)
        for order, after in received:
            assert order.tolist() == cr.permutation(n).tolist() and after.tolist() == cr.rand(2).tolist()
    assert step._last.executable.backend == "llvm"


@pytest.mark.parametrize(("name", "expected"), [("numpy", "numpy"), ("llvm", "llvm"), ("auto", "llvm")])
def test_an_environment_variable_chooses(name: str, expected: str) -> None:
    text = (
        "import chainrule as cr; f = cr.compile(lambda x: x + 1.0); f(cr.zeros(1)); print(f._last.executable.backend)"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env={**_environment(), "CHAINRULE_BACKEND": name}
    )
    assert done.stdout.strip() == expected, done.stderr


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(cr.ConfigError, match="auto or llvm or numpy or eager"):
        cr.config.backend = "cuda"


def test_own_loops_where_there_is_no_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    import chainrule.backends.llvm.run as run

    monkeypatch.setattr(run, "find_blas", lambda: None)
    a, b = RNG.normal(size=(70, 33)).astype("f4"), RNG.normal(size=(33, 41)).astype("f4")
    c = RNG.normal(size=(41, 70)).astype("f4")

    @cr.compile(backend="llvm")
    def products(a: Any, b: Any, c: Any) -> Any:
        return a @ b, a.T @ c.T, b.T @ a.T, c @ a

    received = products(a, b, c)
    for x, y in zip(received, (a @ b, a.T @ c.T, b.T @ a.T, c @ a), strict=True):
        np.testing.assert_allclose(x.numpy(), y, rtol=1e-5, atol=1e-5)


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(cr.__file__).parents[1])}
