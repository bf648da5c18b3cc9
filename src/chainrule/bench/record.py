"""What is kept of measurements: repeated values in a few numbers, and results with machine and versions as JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import chainrule

__all__ = ["Record", "Results", "machine", "read_results", "spread", "versions", "write_results"]

#: What is compared, as pip calls it.
_PACKAGES = ("numpy", "llvmlite", "torch", "jax", "jaxlib", "scikit-learn", "scipy", "keras")


@dataclass(frozen=True)
class Record:
    """One row of a table: what was measured of which system, and whether it had learned by then."""

    workload: str
    measure: str
    system: str
    threads: int
    unit: str
    values: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    learned: bool | None = None
    #: Why there are no values.
    failure: str = ""


@dataclass
class Results:
    """All records, and what a reader of them must know."""

    records: list[Record] = field(default_factory=list)
    #: Systems that could not run, each with a sentence that says how to get them.
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    quick: bool = False

    def of(self, workload: str) -> list[Record]:
        """The records of one workload, by name."""
        return [record for record in self.records if record.workload == workload]


def spread(values: list[float]) -> dict[str, float]:
    """Median, quartiles and minimum: timings have a long tail to the right, so no mean.

    >>> spread([3.0, 1.0, 2.0, 9.0, 4.0])["median"]
    3.0
    """
    lower, median, upper = np.percentile(values, (25, 50, 75))
    return {
        "median": round(float(median), 3),
        "lower quartile": round(float(lower), 3),
        "upper quartile": round(float(upper), 3),
        "minimum": round(min(values), 3),
        "repetitions": len(values),
    }


def machine() -> dict[str, Any]:
    """Processor, cores, system."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}


def versions() -> dict[str, str]:
    """Python, chainrule, and the packages that are compared, where they are installed."""
    found = {"python": platform.python_version(), "chainrule": chainrule.__version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_results(path: Path, results: Results | dict[str, Any]) -> None:
    """Results with date, machine and versions as JSON, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"measured": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine(), "versions": versions()}
    content = asdict(results) if isinstance(results, Results) else results
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({**about, **content}, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_results(path: Path) -> Results:
    """What ``write_results`` wrote, without date, machine and versions."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    records = [Record(**record) for record in stored["records"]]
    return Results(records, stored["skipped"], stored["notes"], stored["quick"])
