"""One case: one workload in one system, measured in a process of its own.

This file is run as a script, ``python case.py REQUEST.json``, and prints what it measured as one line of JSON. It and the
files in ``peers/`` import NumPy and the system that is measured, nothing else: a peer's start-up and memory hold no
chainrule. A peer's file has ``build(case, arrays)``, which makes a ``System``, and leaves all timing to this file, so that
everyone is measured in the same way.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Arrays", "Case", "System", "score"]


@dataclass(frozen=True)
class Case:
    """What is measured: a network, how it is trained, and how often; the arrays lie as files in ``folder``."""

    system: str
    peer: str  #: its file in peers/, without .py
    measure: str  #: step, process, start or predict
    folder: str
    threads: int
    sizes: tuple[int, ...]  #: inputs, hidden units of each layer, outputs
    libraries: tuple[str, ...] = ()  #: what the peer imports
    keeps_bytes: bool = False  #: whether pictures stay bytes; otherwise they come as float32 from 0 to 1
    hidden: str = "relu"
    output: str = "none"  #: sigmoid, or none
    batch_norm: bool = False  #: between each hidden layer's sums and its activation
    loss: str = "cross_entropy"  #: or mse
    optimizer: str = "sgd"  #: or adam
    lr: float = 0.1
    batch: int = 0  #: rows a step; 0: all of them
    epochs: int = 1
    steps: int = 1  #: in all epochs together
    score: str = "loss"  #: accuracy, r2, or none
    repetitions: int = 15  #: at most
    seconds: float = 2.0  #: no further repetition is begun after so long
    rows: int = 1  #: of one call, for predict


@dataclass
class Arrays:
    """x (rows, inputs), y (rows,) classes or (rows, outputs) numbers, and what all systems start from and go by.

    weights: W (outputs, inputs) and b (outputs,) of each layer in turn. orders (steps, batch): the rows of each step, or
    None where a step takes all.
    """

    x: Array
    y: Array
    weights: list[Array]
    orders: Array | None


class System(Protocol):
    """A peer at work on a case."""

    def reset(self) -> None:
        """Back to the initial weights; not timed."""

    def train(self) -> None:
        """All steps of the case, to the end of the last one."""

    def predict(self, x: Array) -> Array:
        """Outputs (rows, outputs): for classes anything whose softmax are the probabilities."""


def main(path: str) -> dict[str, Any]:
    """Measure the case described in a file."""
    case = Case(**json.loads(Path(path).read_text(encoding="utf-8")))
    _keep_to(case.threads)
    return {"step": _steps, "process": _process, "start": _start, "predict": _predict}[case.measure](case)


def _keep_to(cores: int) -> None:
    """Run on so many cores, also where a library has no switch for its threads; before anything counts them."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-cores:])


def build(case: Case, arrays: Arrays) -> System:
    """The case in the peer's hands; its file is loaded as a module without the package around it."""
    place = Path(__file__).with_name("peers") / f"{case.peer}.py"
    spec = importlib.util.spec_from_file_location(case.peer, place)
    assert spec is not None and spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    system: System = peer.build(case, arrays)
    return system


def read_arrays(case: Case, rows: int | None = None) -> Arrays:
    """The arrays of the case, pictures as the peer likes them; only the first ``rows`` where that is given."""
    import numpy as np

    folder = Path(case.folder)
    with np.load(folder / "weights.npz") as stored:
        weights = [stored[name] for name in stored.files]
    orders = np.load(folder / "orders.npy") if case.batch else None
    x, y = np.load(folder / "x.npy")[:rows], np.load(folder / "y.npy")[:rows]
    return Arrays(_pixels(x, case), y, weights, orders)


def _pixels(x: Array, case: Case) -> Array:
    if x.dtype != "uint8" or case.keeps_bytes:
        return x
    converted = x.astype("float32")
    converted /= 255
    return converted


# ---- what is measured


def _steps(case: Case) -> dict[str, Any]:
    """Seconds a step in each repetition, after one that does not count, and what the last of them learned."""
    system = build(case, read_arrays(case))
    times: list[float] = []
    begin = time.perf_counter()
    for repetition in range(1 + case.repetitions):
        system.reset()
        start = time.perf_counter()
        system.train()
        if repetition:
            times.append((time.perf_counter() - start) / case.steps)
        if len(times) >= 3 and time.perf_counter() - begin > case.seconds:
            break
    return {"times": times, "result": _result(case, system)}


def _process(case: Case) -> dict[str, Any]:
    """One training; the time is taken outside. The peak of memory is that of training: scoring comes after."""
    system = build(case, read_arrays(case))
    system.reset()
    system.train()
    memory = _peak_memory()
    return {"memory": memory, "result": _result(case, system)}


def _start(case: Case) -> dict[str, Any]:
    """Seconds to import the system, and then to its first step: built, compiled where it is, and run."""
    start = time.perf_counter()
    for library in case.libraries:
        importlib.import_module(library)
    imported = time.perf_counter()
    arrays = read_arrays(case, rows=case.batch)
    read = time.perf_counter()
    system = build(case, arrays)
    system.reset()
    system.train()
    return {"import": imported - start, "first step": time.perf_counter() - read}


def _predict(case: Case) -> dict[str, Any]:
    """Seconds of a call with ``rows`` rows, NumPy in and NumPy out."""
    import numpy as np

    system = build(case, read_arrays(case, rows=case.batch))
    system.reset()
    x = _pixels(np.load(Path(case.folder) / "test_x.npy"), case)
    call = partial(system.predict, np.resize(x, (case.rows, x.shape[1])))
    number = _calls_in(call, 0.02)
    return {"times": [_seconds(call, number) / number for _ in range(case.repetitions)]}


def _seconds(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start


def _calls_in(call: Callable[[], Any], seconds: float) -> int:
    """How many calls take about so long; they warm the system up, too."""
    number = 1
    while (took := _seconds(call, number)) < seconds / 2:
        number *= 2
    return max(1, math.ceil(number * min(1.0, seconds / took)))


def _peak_memory() -> int | None:
    """The largest resident size of this process, in bytes; None where the system does not tell."""
    try:
        # Not getrusage first: on Linux it begins with the size of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


# ---- whether it learned


def _result(case: Case, system: System) -> float | None:
    if case.score == "none":
        return None
    import numpy as np

    folder = Path(case.folder)
    outputs = system.predict(_pixels(np.load(folder / "test_x.npy"), case))
    return score(case.score, case.loss, np.asarray(outputs, "float64"), np.load(folder / "test_y.npy"))


def score(kind: str, loss: str, outputs: Array, y: Array) -> float:
    """Accuracy, R2, or the mean loss of ``outputs`` (rows, outputs), in float64 and alike for every system.

    >>> import numpy as np
    >>> scores, classes = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0]]), np.array([0, 1, 1])
    >>> round(score("accuracy", "cross_entropy", scores, classes), 4)
    0.6667
    >>> round(score("loss", "cross_entropy", scores, classes), 4)  # (2 log(1 + e^-2) + log(1 + e)) / 3
    0.5224
    """
    import numpy as np

    if kind == "accuracy":
        return float((outputs.argmax(axis=1) == y).mean())
    if loss == "cross_entropy":
        shifted = outputs - outputs.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(y)), y]
        return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())
    error = float(((outputs.reshape(y.shape) - y) ** 2).mean())
    return error if kind == "loss" else 1 - error / float(np.var(y))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
