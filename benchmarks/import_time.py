"""How long ``import chainrule`` takes beside ``import numpy``, each in a fresh process, taking turns.

The time is taken inside the process, around the import alone; starting Python is no part of it. Files are in the disk
cache: one round is thrown away. The aim is a ratio of at most 1.5.

    scripts/bench, or: python benchmarks/import_time.py [--repetitions 21]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from chainrule.bench.record import spread, write_results

RESULTS = Path(__file__).parent / "results" / "import_time.json"
PROGRAM = "import time; start = time.perf_counter(); import {0}; print(time.perf_counter() - start)"


def milliseconds(package: str) -> float:
    """One import in a process of its own."""
    # -I: no PYTHONPATH, no current folder, so that what is timed is the installed package.
    command = [sys.executable, "-I", "-c", PROGRAM.format(package)]
    return 1000 * float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure, print, write the results."""
    parser = argparse.ArgumentParser(description="the time that importing takes")
    parser.add_argument("--repetitions", type=int, default=21)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()

    packages = ("numpy", "chainrule")
    rounds = [[milliseconds(package) for package in packages] for _ in range(arguments.repetitions + 1)][1:]
    results = {package: spread(list(times)) for package, times in zip(packages, zip(*rounds, strict=True), strict=True)}
    ratio = results["chainrule"]["median"] / results["numpy"]["median"]
    for package, times in results.items():
        middle = f"{times['lower quartile']:.1f} - {times['upper quartile']:.1f}"
        print(f"import {package:<10} {times['median']:7.1f} ms  (middle half {middle})")
    print(f"import chainrule takes {ratio:.2f} times import numpy")
    write_results(arguments.out, {"unit": "milliseconds", "ratio": round(ratio, 3), "imports": results})


if __name__ == "__main__":
    main()
