"""Figures: the time of a step in each system, and how it grows with the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule.bench.record import Record, Results
from chainrule.bench.systems import SYSTEMS
from chainrule.bench.workloads import GROWTH, WORKLOADS, Workload

__all__ = ["draw"]

_COLOURS = {
    "chainrule": "#d1495b",
    "chainrule-fit": "#e58f9b",
    "numpy": "#3d6fb4",
    "torch": "#e08e2b",
    "torch-slide": "#f0c48a",
    "jax": "#5b8c5a",
    "sklearn": "#8a6fb0",
    "keras": "#4fa3a5",
    "c": "#555555",
    "products": "#999999",
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Write what there is to draw as PNG and SVG; returns the files."""
    from matplotlib.figure import Figure

    files = []
    for name, fill in (("bench", _steps), ("growth", _growth)):
        figure = Figure(layout="constrained")
        if fill(figure, results):
            for path in (folder / f"{name}.png", folder / f"{name}.svg"):
                figure.savefig(path, dpi=150)
                files.append(path)
    return files


def _steps(figure: Any, results: Results) -> bool:
    """A panel for each workload with steps: a bar for each system, on a logarithmic axis."""
    panels = [(w, [r for r in results.of(w.name) if r.measure == "step" and r.values]) for w in WORKLOADS]
    panels = [(workload, records) for workload, records in panels if records]
    if not panels:
        return False
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure.set_size_inches(7 * columns, 3.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (workload, records) in zip(axes, panels, strict=False):
        _bars(axis, workload, records)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return True


def _bars(axis: Any, workload: Workload, records: list[Record]) -> None:
    names = [name for name in SYSTEMS if any(r.system == name for r in records)]
    threads = sorted({r.threads for r in records})
    height = 0.8 / len(threads)
    for record in records:
        place = names.index(record.system) + (threads.index(record.threads) - (len(threads) - 1) / 2) * height
        median, low, high = (record.values[key] for key in ("median", "lower quartile", "upper quartile"))
        first = record.threads == threads[0]
        axis.barh(
            place, median, 0.9 * height, color=_COLOURS[record.system], alpha=1.0 if first else 0.55,
            xerr=[[median - low], [high - median]], error_kw={"lw": 0.8},
        )  # fmt: skip
        unlearned = "" if record.learned is not False else ", did not learn"
        axis.annotate(
            f" {median:.3g}{unlearned}", (max(median, high), place), va="center", fontsize=7, xytext=(2, 0),
            textcoords="offset points",
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yticks(range(len(names)), [SYSTEMS[name].title for name in names], fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    shades = f"; pale: {threads[-1]} threads" if len(threads) > 1 else ""
    axis.set_xlabel(f"µs a step ({threads[0]} thread{'s' * (threads[0] > 1)}{shades})", fontsize=8)
    axis.set_title(workload.title, fontsize=9, loc="left")


def _growth(figure: Any, results: Results) -> bool:
    """A panel for each axis: a line for each system, dashed for more threads."""
    records = [r for r in results.of("growth") if r.values]
    if not records:
        return False
    figure.set_size_inches(15, 4.8)
    threads = sorted({r.threads for r in records})
    for axis, (name, places) in zip(figure.subplots(1, len(GROWTH), sharey=True), GROWTH.items(), strict=True):
        for count in threads:
            for system in SYSTEMS:
                found = {r.measure: r.values["median"] for r in records if (r.system, r.threads) == (system, count)}
                points = [(place, found[f"{name} {place}"]) for place in places if f"{name} {place}" in found]
                if points:
                    label = f"{SYSTEMS[system].title}, {count} thread{'s' * (count > 1)}"
                    style = "o-" if count == threads[0] else "o--"
                    axis.plot(*zip(*points, strict=True), style, ms=3, lw=1.2, color=_COLOURS[system], label=label)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel("µs a step")
    figure.axes[0].legend(fontsize=7)
    return True
