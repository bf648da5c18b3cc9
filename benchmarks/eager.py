"""One training step (forward, backward, SGD) in chainrule, in hand-written NumPy, and in eager PyTorch.

Two networks: XOR, 2-3-1 with sigmoids and the mean squared error, batch 4; and MNIST's 784-50-10 with ReLU and cross
entropy, batch 100. All three compute the same step in float32 from the same numbers on one thread: before anything is
timed, their weights after ten steps are compared. Repetitions are interleaved, so that a change in the machine's speed
meets all of them. The table gives the median time of a step, the middle half of the repetitions, and the ratio to NumPy.

    scripts/bench, or: python benchmarks/eager.py [--repetitions 15] [--out benchmarks/results/eager.json]
"""

from __future__ import annotations

import os

# Before NumPy loads its BLAS: one thread for all.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse
import itertools
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.bench.record import spread, write_results

Array = np.ndarray[Any, Any]
Weights = list[Array]
#: A step, and a function that gives the weights it has reached.
Candidate = tuple[Callable[[], Any], Callable[[], Weights]]

RESULTS = Path(__file__).parent / "results" / "eager.json"
STEPS_BEFORE_COMPARING = 10


def uniform_weights(*sizes: int) -> Weights:
    """W (out, in) and b (out,) for each layer, uniform in +-1/sqrt(in)."""
    generator = np.random.default_rng(0)
    weights: Weights = []
    for inputs, outputs in itertools.pairwise(sizes):
        bound = inputs**-0.5
        weights += [generator.uniform(-bound, bound, shape).astype("f4") for shape in ((outputs, inputs), (outputs,))]
    return weights


# ---- XOR

XOR_INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f4")
XOR_TARGETS = np.array([[0], [1], [1], [0]], "f4")


def xor_numpy(weights: Weights, lr: float) -> Candidate:
    """By hand, as one would who knows that d sigmoid = s (1 - s); the loss is computed, as the others do."""
    w1, b1, w2, b2 = (w.copy() for w in weights)
    x, t = XOR_INPUTS, XOR_TARGETS

    def step() -> Any:
        nonlocal w1, b1, w2, b2
        h = 1 / (1 + np.exp(-(x @ w1.T + b1)))
        y = 1 / (1 + np.exp(-(h @ w2.T + b2)))
        error = y - t
        loss = (error * error).sum() / error.size
        dz2 = error * (2 / error.size) * y * (1 - y)
        dz1 = dz2 @ w2 * h * (1 - h)
        w2 -= lr * (dz2.T @ h)
        b2 -= lr * dz2.sum(axis=0)
        w1 -= lr * (dz1.T @ x)
        b1 -= lr * dz1.sum(axis=0)
        return loss

    return step, lambda: [w1, b1, w2, b2]


def xor_framework(torch: ModuleType, nn: ModuleType, optim: ModuleType, weights: Weights, lr: float) -> Candidate:
    """The same text for chainrule and PyTorch."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())
    return framework_step(torch, optim, net, nn.MSELoss(), (XOR_INPUTS, XOR_TARGETS), weights, lr)


# ---- MNIST

_generator = np.random.default_rng(1)
#: Numbers with MNIST's shape, its share of zeros and its range; time does not depend on which digit they show.
MNIST_INPUTS = (_generator.random((100, 784)) * (_generator.random((100, 784)) < 0.19)).astype("f4")
MNIST_TARGETS = _generator.integers(0, 10, 100)


def mnist_numpy(weights: Weights, lr: float) -> Candidate:
    """By hand: softmax and cross entropy together, so that the gradient of the scores is (P - Y) / batch."""
    w1, b1, w2, b2 = (w.copy() for w in weights)
    x, t, rows = MNIST_INPUTS, MNIST_TARGETS, np.arange(len(MNIST_TARGETS))

    def step() -> Any:
        nonlocal w1, b1, w2, b2
        h = np.maximum(x @ w1.T + b1, 0)
        scores = h @ w2.T + b2
        scores -= scores.max(axis=1, keepdims=True)
        p = np.exp(scores)
        total = p.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - scores[rows, t]).mean()
        p /= total
        p[rows, t] -= 1
        p *= 1 / len(t)
        dh = p @ w2
        dh *= h > 0
        w2 -= lr * (p.T @ h)
        b2 -= lr * p.sum(axis=0)
        w1 -= lr * (dh.T @ x)
        b1 -= lr * dh.sum(axis=0)
        return loss

    return step, lambda: [w1, b1, w2, b2]


def mnist_framework(torch: ModuleType, nn: ModuleType, optim: ModuleType, weights: Weights, lr: float) -> Candidate:
    """The same text for chainrule and PyTorch."""
    net = nn.Sequential(nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))
    return framework_step(torch, optim, net, nn.CrossEntropyLoss(), (MNIST_INPUTS, MNIST_TARGETS), weights, lr)


def framework_step(
    torch: ModuleType,
    optim: ModuleType,
    net: Any,
    criterion: Any,
    batch: tuple[Array, Array],
    weights: Weights,
    lr: float,
) -> Candidate:
    """A step as everyone writes it."""
    for parameter, weight in zip(net.parameters(), weights, strict=True):
        parameter.data = torch.tensor(weight)
    x, t = map(torch.tensor, batch)
    optimizer = optim.SGD(net.parameters(), lr=lr)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(net(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step, lambda: [p.detach().numpy() for p in net.parameters()]


TASKS = {
    "XOR 2-3-1, batch 4": ((2, 3, 1), xor_numpy, xor_framework),
    "MNIST 784-50-10, batch 100": ((784, 50, 10), mnist_numpy, mnist_framework),
}


# ---- measuring


def candidates(sizes: tuple[int, ...], by_hand: Any, framework: Any, lr: float = 0.1) -> dict[str, Candidate]:
    """What is compared, by name: NumPy, chainrule, and PyTorch where it is installed."""
    weights = uniform_weights(*sizes)
    found = {"NumPy by hand": by_hand(weights, lr), "chainrule": framework(cr, cr.nn, cr.optim, weights, lr)}
    try:
        import torch
    except ImportError:
        return found
    torch.set_num_threads(1)
    found["PyTorch eager"] = framework(torch, torch.nn, torch.optim, weights, lr)
    return found


def check_equal(found: dict[str, Candidate]) -> None:
    """Take a few steps and compare the weights: only equal work is worth timing against each other."""
    for step, _ in found.values():
        for _ in range(STEPS_BEFORE_COMPARING):
            step()
    reference = found["NumPy by hand"][1]()
    for name, (_, reached) in found.items():
        for expected, received in zip(reference, reached(), strict=True):
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6, err_msg=name)


def measure(found: dict[str, Candidate], repetitions: int, seconds: float = 0.03) -> dict[str, dict[str, float]]:
    """Microseconds a step: repetitions of about ``seconds`` each, the candidates taking turns."""
    steps = {name: step for name, (step, _) in found.items()}
    number = max(1, round(seconds / (timeit.timeit(steps["NumPy by hand"], number=200) / 200)))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repetitions):
        for name, step in steps.items():
            times[name].append(timeit.timeit(step, number=number) / number * 1e6)
    return {name: spread(values) for name, values in times.items()}


def main() -> None:
    """Measure, print the table, write the results."""
    parser = argparse.ArgumentParser(description="a training step beside NumPy and PyTorch")
    parser.add_argument("--repetitions", type=int, default=31)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()

    results = {}
    for task, (sizes, by_hand, framework) in TASKS.items():
        found = candidates(sizes, by_hand, framework)
        check_equal(found)
        results[task] = measured = measure(found, arguments.repetitions)
        by_numpy = measured["NumPy by hand"]["median"]
        print(f"{task}: microseconds a step")
        print(f"  {'':<16}{'median':>9}  {'middle half':>19}{'x NumPy':>9}")
        for name, t in measured.items():
            middle = f"{t['lower quartile']:.1f} - {t['upper quartile']:.1f}"
            print(f"  {name:<16}{t['median']:>9.1f}  {middle:>19}{t['median'] / by_numpy:>9.2f}")
        if "PyTorch eager" not in measured:
            print("  PyTorch is not installed: scripts/setup --peers")
    write_results(arguments.out, {"unit": "microseconds a step", "threads": 1, "steps": results})
    print(f"written: {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
