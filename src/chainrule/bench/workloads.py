"""What is measured: networks, data, initial weights, and what each training has to reach."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import data
from chainrule.core.errors import DataError

__all__ = [
    "GROWTH",
    "WORKLOADS",
    "Bound",
    "Network",
    "Rows",
    "Workload",
    "growth_points",
    "growth_rows",
    "make_rows",
    "write_arrays",
]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Network:
    """A network and how it is trained: what ``case.Case`` calls by the same names."""

    sizes: tuple[int, ...]
    hidden: str = "relu"
    output: str = "none"
    batch_norm: bool = False
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    lr: float = 0.1
    batch: int = 0
    epochs: int = 1


@dataclass(frozen=True)
class Bound:
    """Where the score of a training must lie: a system that does less work, or other work, falls outside."""

    score: str  #: loss, accuracy or r2
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies inside; NaN does not."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Workload:
    """A network on some rows, and what is measured of it."""

    letter: str
    name: str
    title: str
    network: Network
    rows: str
    measures: tuple[str, ...]
    bound: Bound | None = None
    #: The same at a fraction of the time, for a first impression and for tests.
    quick: Network | None = None
    quick_bound: Bound | None = None

    def hurried(self) -> Workload:
        """The quick form of this workload."""
        return replace(self, network=self.quick or self.network, bound=self.quick_bound or self.bound)


_XOR = Network((2, 3, 1), hidden="sigmoid", output="sigmoid", loss="mse", lr=0.1, epochs=20_000)
_IRIS = Network((4, 3), lr=0.0001, epochs=5_000)
_DIGITS = Network((784, 50, 10), lr=0.1, batch=100, epochs=2)
_NORMALISED = replace(_DIGITS, batch_norm=True, optimizer="adam", lr=0.001)
_WIDE = Network((784, 512, 512, 10), optimizer="adam", lr=0.001, batch=128, epochs=1)
_TABLE = Network((20, 64, 32, 1), loss="mse", optimizer="adam", lr=0.002, batch=256, epochs=5)
#: Full batches take the same way in a tenth of the steps, each ten times as long.
_SHORT_XOR = replace(_XOR, lr=1.0, epochs=2_000)
_SHORT_IRIS = replace(_IRIS, lr=0.001, epochs=500)

WORKLOADS = (
    Workload(
        "a", "xor", "XOR 2-3-1, sigmoid, 20,000 epochs of all 4 rows", _XOR, "xor", ("step", "process"),
        Bound("loss", 0.0026, 0.0028), _SHORT_XOR,
    ),
    Workload(
        "b", "iris", "Iris softmax regression 4-3, 5,000 epochs of all 150 rows", _IRIS, "iris", ("step",),
        Bound("loss", 0.836, 0.8385), _SHORT_IRIS,
    ),
    Workload(
        "c", "mnist", "MNIST 784-50-10, ReLU, SGD, batch 100", _DIGITS, "digits", ("step",),
        Bound("accuracy", 0.92, 1.0), replace(_DIGITS, epochs=1), Bound("accuracy", 0.7, 1.0),
    ),
    Workload(
        "d", "mnist-batch-norm", "MNIST 784-50-10, batch normalisation, Adam, batch 100", _NORMALISED, "digits", ("step",),
        Bound("accuracy", 0.95, 1.0), replace(_NORMALISED, epochs=1), Bound("accuracy", 0.7, 1.0),
    ),
    Workload(
        "e", "mnist-wide", "MNIST 784-512-512-10, ReLU, Adam, batch 128", _WIDE, "digits", ("step",),
        Bound("accuracy", 0.95, 1.0), None, Bound("accuracy", 0.8, 1.0),
    ),
    Workload(
        "f", "table", "100,000 rows of 20 numbers, 20-64-32-1, ReLU, Adam, batch 256", _TABLE, "table", ("step",),
        Bound("r2", 0.9, 1.0), replace(_TABLE, epochs=1), Bound("r2", 0.1, 1.0),
    ),
    Workload("g", "predict", "predicting with 784-50-10", _DIGITS, "digits", ("predict 1", "predict 10,000")),
    Workload("h", "start", "starting: 784-50-10, first step of 100 rows", _DIGITS, "digits", ("start",)),
    Workload(
        "i", "memory", "memory and disk: 784-50-10 on MNIST", replace(_DIGITS, epochs=1), "digits",
        ("memory", "installed"), Bound("accuracy", 0.9, 1.0), None, Bound("accuracy", 0.7, 1.0),
    ),
    Workload("j", "growth", "step time as the network grows, ReLU, SGD", _DIGITS, "growth", ("growth",)),
)  # fmt: skip


# ---- rows


@dataclass
class Rows:
    """Rows to train on and to score on; pictures are bytes, other inputs float32. ``note`` says what a reader must know."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array
    note: str = ""


def make_rows(kind: str, data_dir: str | Path | None = None, quick: bool = False) -> Rows:
    """The rows of a workload; ``quick`` takes a tenth of the large ones.

    MNIST is looked for in ``data_dir`` and where ``chainrule.data.mnist`` looks; when no folder is named and it is
    nowhere, made-up pictures of the same shape stand in for it, and the note says so.
    """
    if kind == "xor":
        gate = data.xor()
        y = gate.targets[:, None].astype(np.float32)
        return Rows(gate.inputs, y, gate.inputs, y)
    if kind == "iris":
        flowers = data.iris()
        y = flowers.targets.astype(np.int32)
        return Rows(flowers.inputs, y, flowers.inputs, y)
    rows = _digits(data_dir) if kind == "digits" else _table()
    if quick:
        tenth, test = len(rows.x) // 10, len(rows.test_x) // 10
        rows = Rows(rows.x[:tenth], rows.y[:tenth], rows.test_x[:test], rows.test_y[:test], rows.note)
    return rows


def _digits(data_dir: str | Path | None) -> Rows:
    try:
        found = data.mnist(data_dir, download=False)
    except DataError:
        if data_dir is not None:
            raise
        return _made_up_digits()
    assert found.test is not None
    x, test_x = (part.inputs.reshape(-1, 784) for part in (found, found.test))
    return Rows(x, found.targets.astype(np.int32), test_x, found.test.targets.astype(np.int32))


def _made_up_digits(count: int = 60_000, test: int = 10_000) -> Rows:
    """Ten patterns with MNIST's share of ink, each pixel kept with probability 0.7 and smudged with 0.05."""
    generator = np.random.default_rng(0)
    patterns = generator.random((10, 784)) < 0.19
    y = generator.integers(0, 10, count + test).astype(np.int32)
    draw = generator.random((count + test, 784), dtype=np.float32)
    ink = np.where(patterns[y], draw < 0.7, draw < 0.05)
    x = np.where(ink, generator.integers(1, 256, draw.shape, dtype=np.uint8), np.uint8(0))
    note = "MNIST is not here: made-up pictures of the same shape stand in; --data-dir names the folder with its files"
    return Rows(x[:count], y[:count], x[count:], y[count:], note)


def _table(count: int = 100_000, test: int = 10_000) -> Rows:
    """y from five of twenty normal inputs, bent and multiplied, with a little noise, of mean 0 and variance 1."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((count + test, 20), dtype=np.float32)
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + np.abs(x[:, 3]) + 0.5 * x[:, 4]
    y += 0.1 * generator.standard_normal(count + test, dtype=np.float32)
    y = ((y - y.mean()) / y.std()).astype(np.float32)[:, None]
    return Rows(x[:count], y[:count], x[count:], y[count:])


# ---- growth

GROWTH: dict[str, tuple[int, ...]] = {
    "width": (16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
    "depth": (1, 2, 4, 8, 16, 32, 64),
    "batch": (1, 4, 16, 64, 256, 1024, 4096),
}
_QUICK_GROWTH = {"width": (16, 64), "depth": (1, 4), "batch": (1, 16)}


def growth_points(quick: bool = False) -> Iterator[tuple[str, int, Network]]:
    """Each axis, each place on it, and the network there.

    width w: w-w-10, batch 100. depth d: 64 inputs, d hidden layers of 64, 10 outputs, batch 100. batch: 784-50-10. An
    epoch is four batches, and there are as many as a second or so holds.

    >>> [network.sizes for _, _, network in growth_points(quick=True)][:3]
    [(16, 16, 10), (64, 64, 10), (64, 64, 10)]
    """
    for axis, places in (_QUICK_GROWTH if quick else GROWTH).items():
        for place in places:
            sizes = {"width": (place, place, 10), "depth": (64,) * (place + 1) + (10,), "batch": (784, 50, 10)}[axis]
            batch = place if axis == "batch" else 100
            work = 6 * batch * sum(a * b for a, b in itertools.pairwise(sizes))
            steps = 4 if quick else max(4, min(400, 1_000_000_000 // work))
            yield axis, place, Network(sizes, lr=0.001, batch=batch, epochs=steps // 4)


def growth_rows(network: Network) -> Rows:
    """Normal inputs and random classes: time does not depend on them."""
    generator = np.random.default_rng(0)
    count = 4 * network.batch
    x = generator.standard_normal((count, network.sizes[0]), dtype=np.float32)
    y = generator.integers(0, network.sizes[-1], count).astype(np.int32)
    return Rows(x, y, x, y)


# ---- what a case's process reads


def write_arrays(folder: Path, rows: Rows, network: Network) -> int:
    """Rows, initial weights and the rows of each step as files for ``case.read_arrays``; returns the steps in all.

    Rows that would not fill a last batch are left out, so that nobody meets a batch of another size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = len(rows.x)
    if network.batch:
        count -= count % network.batch
        generator = np.random.default_rng(0)
        orders = np.concatenate([generator.permutation(count) for _ in range(network.epochs)]).astype(np.int32)
        np.save(folder / "orders.npy", orders.reshape(-1, network.batch))
    np.save(folder / "x.npy", rows.x[:count])
    np.save(folder / "y.npy", rows.y[:count])
    np.save(folder / "test_x.npy", rows.test_x)
    np.save(folder / "test_y.npy", rows.test_y)
    # Read again in the order in which they are written.
    np.savez(folder / "weights.npz", *_initial_weights(network))
    return network.epochs * (count // network.batch if network.batch else 1)


def _initial_weights(network: Network) -> list[Array]:
    """W (outputs, inputs) and b (outputs,) of each layer, float32.

    ReLU: He, uniform in +-sqrt(6 / inputs), biases 0. XOR: uniform in [0, 1), biases 0. Softmax regression: normal with
    deviation 0.0001, biases 1.
    """
    generator = np.random.default_rng(0)
    weights: list[Array] = []
    for inputs, outputs in itertools.pairwise(network.sizes):
        bias = np.zeros(outputs)
        if network.hidden == "sigmoid":
            weight = generator.uniform(0, 1, (outputs, inputs))
        elif len(network.sizes) == 2:
            weight, bias = 0.0001 * generator.standard_normal((outputs, inputs)), np.ones(outputs)
        else:
            weight = generator.uniform(-1, 1, (outputs, inputs)) * (6 / inputs) ** 0.5
        weights += [weight.astype(np.float32), bias.astype(np.float32)]
    return weights
