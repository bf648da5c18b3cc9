"""What the benchmarks share: a summary of repeated timings, and results written with machine and versions."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np


def spread(times: list[float]) -> dict[str, float]:
    """Median, quartiles and minimum: timings have a long tail to the right, so no mean."""
    lower, median, upper = np.percentile(times, (25, 50, 75))
    return {
        "median": round(float(median), 3),
        "lower quartile": round(float(lower), 3),
        "upper quartile": round(float(upper), 3),
        "minimum": round(min(times), 3),
        "repetitions": len(times),
    }


def machine() -> dict[str, Any]:
    """Processor, cores, system."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"processor": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}


def versions() -> dict[str, str]:
    """Python and the packages that are compared."""
    found = {"python": platform.python_version()}
    for package in ("chainrule", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Results with date, machine and versions as JSON, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"measured": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine(), "versions": versions()}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({**about, **results}, indent=2) + "\n")
    os.replace(temporary, path)
