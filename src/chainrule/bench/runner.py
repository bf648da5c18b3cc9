"""The runner: each workload in each system with each number of threads, every case in a process of its own."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import chainrule
from chainrule.bench.case import Case
from chainrule.bench.record import Record, Results, spread
from chainrule.bench.size import installed_size
from chainrule.bench.systems import SYSTEMS, Peer, missing
from chainrule.bench.workloads import (
    WORKLOADS,
    Bound,
    Network,
    Rows,
    Workload,
    growth_points,
    growth_rows,
    make_rows,
    write_arrays,
)

__all__ = ["Measured", "environment", "run"]

#: Processes of each case, taking turns with the other systems', so that a change in the machine's speed meets all.
ROUNDS = 2
#: Systems whose growth is measured: those that have a loop of their own.
_GROWING = ("chainrule", "numpy", "torch", "jax")
#: A case that takes longer has failed.
_TIMEOUT = 900.0

#: A name of what was measured, its unit, its values, and the score that was reached.
Measured = tuple[str, str, list[float], float | None]


def run(
    workloads: Sequence[Workload] = WORKLOADS,
    systems: Sequence[Peer] = tuple(SYSTEMS.values()),
    threads: Sequence[int] = (1, 2),
    quick: bool = False,
    data_dir: str | Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Results:
    """Measure, telling ``say`` about each case; systems that are not there are skipped with a reason.

    ``quick`` takes less data, fewer steps and one repetition: the numbers are a first impression.
    """
    results = Results(quick=quick)
    present = []
    for peer in systems:
        reason = missing(peer)
        if reason:
            results.skipped[peer.name] = reason
            say(f"{peer.title} is left out: {reason}")
        else:
            present.append(peer)
    with tempfile.TemporaryDirectory(prefix="chainrule-bench-") as folder:
        _copy_package(Path(folder))
        for workload in workloads:
            bench = Bench(Path(folder), workload.hurried() if quick else workload, quick, data_dir, say)
            if bench.note and bench.note not in results.notes:
                results.notes.append(bench.note)
                say(f"note: {bench.note}")
            results.records += bench.measure(present, threads)
    return results


class Bench:
    """One workload: its arrays in a folder, and the processes that measure it."""

    def __init__(
        self, folder: Path, workload: Workload, quick: bool, data_dir: str | Path | None, say: Callable[[str], None]
    ) -> None:
        self.folder, self.workload, self.quick, self.say = folder, workload, quick, say
        self.arrays = folder / workload.name
        self.note, self.steps = "", 0
        #: What is known so far, by measure, system and threads.
        self.kept: dict[tuple[str, str, int], Kept] = {}
        if workload.rows != "growth":
            rows = make_rows(workload.rows, data_dir, quick)
            self.note, self.steps = rows.note, write_arrays(self.arrays, rows, workload.network)

    def measure(self, systems: Sequence[Peer], threads: Sequence[int]) -> list[Record]:
        """All rounds of all cases; the values of a case's rounds are taken together."""
        rounds = 1 if self.quick or self.workload.rows == "growth" else ROUNDS
        for _ in range(rounds):
            for count in threads:
                for peer in (p for p in systems if p.takes_part(self.workload)):
                    for measure in self.workload.measures:
                        self._try(peer, count, measure)
        return [kept.record(self.workload, *key) for key, kept in self.kept.items()]

    def _try(self, peer: Peer, threads: int, measure: str) -> None:
        """Measure and keep; a process that fails is kept as that."""
        who = f"{peer.name}, {threads} thread{'s' * (threads > 1)}"
        try:
            for label, unit, values, score in self._measured(peer, threads, measure):
                kept = self.kept.setdefault((label, peer.name, threads), Kept(unit))
                kept.values += values
                kept.scores += [] if score is None else [score]
                self.say(f"{self.workload.name}, {label}: {who}: {spread(values)['median']:,} {unit}")
        except CaseError as problem:
            self.kept.setdefault((measure, peer.name, threads), Kept("")).failure = str(problem)
            self.say(f"{self.workload.name}, {measure}: {who} failed: {problem}")

    def _measured(self, peer: Peer, threads: int, measure: str) -> Iterator[Measured]:
        """What one process, or two, tell about one measure."""
        if measure == "step":
            told = self._child(self._case(peer, threads, "step"))
            yield "step", "µs", [1e6 * t for t in told["times"]], told["result"]
        elif measure == "process" and not peer.program:  # a compiler run inside would count as well
            yield from self._start_to_finish(peer, threads)
        elif measure == "start":
            yield from self._first_steps(peer, threads)
        elif measure == "memory":
            told = self._child(self._case(peer, threads, "process"))
            if told["memory"] is not None:
                yield "peak memory", "MB", [told["memory"] / 1e6], told["result"]
        elif measure == "installed" and not any(key[:2] == ("installed size", peer.name) for key in self.kept):
            size = installed_size(peer.distributions) if peer.distributions else None
            if size is not None:
                yield "installed size", "MB", [size / 1e6], None
        elif measure.startswith("predict"):
            count = int(measure.removeprefix("predict ").replace(",", ""))
            told = self._child(self._case(peer, threads, "predict", rows=count))
            yield f"{count:,} row{'s' * (count > 1)}", "µs", [1e6 * t for t in told["times"]], None
        elif measure == "growth" and peer.name in _GROWING:
            yield from self._growth(peer, threads)

    def _start_to_finish(self, peer: Peer, threads: int) -> Iterator[Measured]:
        """From starting Python to its end: everything that a person waits for; then again, caches filled."""
        with tempfile.TemporaryDirectory(dir=self.folder) as cache:
            for label in ("start to finish", "start to finish, again"):
                start = time.perf_counter()
                told = self._child(self._case(peer, threads, "process"), cache)
                yield label, "ms", [1e3 * (time.perf_counter() - start)], told["result"]

    def _first_steps(self, peer: Peer, threads: int) -> Iterator[Measured]:
        case = self._case(peer, threads, "start", epochs=1, steps=1, folder=str(self._first_batch()))
        with tempfile.TemporaryDirectory(dir=self.folder) as cache:
            for label in ("first step", "first step, again"):
                told = self._child(case, cache)
                yield "import", "ms", [1e3 * told["import"]], None
                yield label, "ms", [1e3 * told["first step"]], None

    def _first_batch(self) -> Path:
        """The rows of one batch, in a folder of their own."""
        folder = self.arrays / "first"
        if not folder.exists():
            import numpy as np

            network = self.workload.network
            x, y = (np.load(self.arrays / name)[: network.batch] for name in ("x.npy", "y.npy"))
            write_arrays(folder, Rows(x, y, x, y), Network(network.sizes, lr=network.lr, batch=network.batch))
        return folder

    def _growth(self, peer: Peer, threads: int) -> Iterator[Measured]:
        for axis, place, network in growth_points(self.quick):
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                steps = write_arrays(Path(folder), growth_rows(network), network)
                case = self._case(peer, threads, "step", folder=folder, steps=steps, score="none", **asdict(network))
                told = self._child(case)
            yield f"{axis} {place}", "µs", [1e6 * t for t in told["times"]], None

    def _case(self, peer: Peer, threads: int, measure: str, **changes: Any) -> Case:
        bound = self.workload.bound
        known: dict[str, Any] = {
            "system": peer.name,
            "peer": peer.file,
            "libraries": peer.libraries,
            "keeps_bytes": peer.keeps_bytes,
            "measure": measure,
            "threads": threads,
            "folder": str(self.arrays),
            "steps": self.steps,
            "score": bound.score if bound is not None and peer.learns else "none",
            "repetitions": 1 if self.quick else 15,
            **asdict(self.workload.network),
        }
        return Case(**{**known, **changes})

    def _child(self, case: Case, cache: str | None = None) -> dict[str, Any]:
        """What the process of a case printed."""
        request = self.folder / "request.json"
        request.write_text(json.dumps(asdict(case)), encoding="utf-8")
        script = Path(__file__).with_name("case.py")
        # -P: the script's folder is no place to import from.
        command = [sys.executable, "-P", str(script), str(request)]
        shared = self.folder / "cache"
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT,
                env=environment(case.threads, cache or str(shared), cache is not None, self.folder / "package"),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CaseError(f"took longer than {_TIMEOUT:.0f} s") from None
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise CaseError(said[-1])
        told: dict[str, Any] = json.loads(lines[-1])
        return told


class CaseError(Exception):
    """A case's process failed."""


class Kept:
    """What is known of a case so far."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.values: list[float] = []
        self.scores: list[float] = []
        self.failure = ""

    def record(self, workload: Workload, measure: str, system: str, threads: int) -> Record:
        """All rounds as one; the worst score counts."""
        summary = spread(self.values) if self.values else {}
        score, learned = judge(workload.bound, self.scores)
        return Record(workload.name, measure, system, threads, self.unit, summary, score, learned, self.failure)


def judge(bound: Bound | None, scores: Sequence[float]) -> tuple[float | None, bool | None]:
    """The score to show and whether every one lies inside the bound; None where nothing was scored.

    >>> judge(Bound("accuracy", 0.9, 1.0), [0.97, 0.11])
    (0.11, False)
    """
    if bound is None or not scores:
        return None, None
    outside = [score for score in scores if not bound.holds(score)]
    return (outside or list(scores))[0], not outside


def _copy_package(folder: Path) -> None:
    """chainrule with its bytecode, as pip installs it: a start from a checkout is no slower than that of other packages."""
    package = folder / "package"
    shutil.copytree(
        Path(chainrule.__file__).parent, package / "chainrule", ignore=shutil.ignore_patterns("__pycache__")
    )
    compileall.compile_dir(package, quiet=2)


def environment(threads: int, cache: str, fresh: bool = False, package: Path | None = None) -> dict[str, str]:
    """The variables of a case's process: the number of threads for every library that asks, and where caches lie.

    ``fresh``: JAX keeps what it compiles, which it does not by default, as chainrule does. ``package``: the folder that
    chainrule is imported from, if not the one that is running now.
    """
    several = "true" if threads > 1 else "false"
    found = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={several} intra_op_parallelism_threads={threads}",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "KERAS_BACKEND": "jax",
        "KERAS_HOME": cache,
        "CHAINRULE_CACHE_DIR": cache,
        # The same chainrule that is running now, installed or not.
        "PYTHONPATH": os.pathsep.join(
            [str(package or Path(chainrule.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        ),
    }
    if fresh:
        found |= {
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return found
