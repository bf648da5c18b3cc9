"""``chainrule bench``: chainrule beside other systems on this machine."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path

from chainrule import bench as benchmarks
from chainrule.commands.terminal import Screen
from chainrule.core.errors import ConfigError

__all__ = ["bench"]


def bench(options: Namespace) -> int:
    """Run the command; returns its exit code."""
    cores = os.cpu_count() or 1
    threads = options.threads or sorted({1, min(2, cores)})
    if max(threads) > cores:
        raise ConfigError(
            "chainrule bench --threads", f"{max(threads)} threads", f"at most {cores}: this machine has {cores} cores",
            f"use --threads {cores}",
        )  # fmt: skip
    workloads = [w for w in benchmarks.WORKLOADS if _asked(options.workloads, w.letter, w.name)]
    systems = [s for s in benchmarks.SYSTEMS.values() if _asked(options.systems, s.name)]
    if not any(system.takes_part(workload) for system in systems for workload in workloads):
        raise ConfigError(
            "chainrule bench", f"{' and '.join(s.name for s in systems)} with {' and '.join(w.name for w in workloads)}",
            "a system that does the workload", "leave out --systems or --workloads",
        )  # fmt: skip
    folder = Path(options.out or "runs/bench")
    folder.mkdir(parents=True, exist_ok=True)
    results = benchmarks.run(workloads, systems, threads, options.quick, options.data_dir, _progress)
    benchmarks.print_report(results)
    screen = Screen()
    for path in benchmarks.write_report(results, folder):
        screen.say("written", str(path))
    if not any(record.values for record in results.records):
        raise ConfigError("chainrule bench", "no system that could run", "at least one", "see the reasons above")
    return 0


def _asked(chosen: list[str] | None, *names: str) -> bool:
    """Whether one of these names was asked for; without a choice everything was."""
    return chosen is None or any(name in chosen for name in names)


def _progress(line: str) -> None:
    """A case takes seconds: say on stderr what is done."""
    print(line, file=sys.stderr, flush=True)
