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
    """A panel for each workload with steps, a line of it for each system."""
    found = [(w, [r for r in results.of(w.name) if r.measure == "step" and r.values]) for w in WORKLOADS]
    panels = [(workload, records) for workload, records in found if records]
    if not panels:
        return False
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure.set_size_inches(7 * columns, 3.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (workload, records) in zip(axes, panels, strict=False):
        _dots(axis, workload, records)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return True


def _dots(axis: Any, workload: Workload, records: list[Record]) -> None:
    """Medians with the middle half, hollow for more threads. Dots, not bars: a logarithmic axis has no 0 to start from."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    names = [name for name in SYSTEMS if any(r.system == name for r in records)]
    threads = sorted({r.threads for r in records})
    for record in records:
        place = names.index(record.system) + 0.3 * (threads.index(record.threads) - (len(threads) - 1) / 2)
        median, low, high = (record.values[key] for key in ("median", "lower quartile", "upper quartile"))
        colour = _COLOURS[record.system]
        axis.errorbar(
            median, place, xerr=[[median - low], [high - median]], fmt="o", ms=6, color=colour, lw=1,
            mfc=colour if record.threads == threads[0] else "white",
        )  # fmt: skip
        unlearned = ", did not learn" if record.learned is False else ""
        label = (f"{median:,.0f}" if median >= 100 else f"{median:.3g}") + unlearned
        axis.annotate(label, (high, place), (7, 0), textcoords="offset points", va="center", fontsize=7)
    axis.set_xscale("log")
    axis.margins(x=0.2)
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yticks(range(len(names)), [SYSTEMS[name].title for name in names], fontsize=8)
    axis.tick_params(axis="x", labelsize=8)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="x", alpha=0.3)
    hollow = f"; hollow: {threads[-1]} threads" if len(threads) > 1 else ""
    axis.set_xlabel(f"µs a step, {threads[0]} thread{'s' * (threads[0] > 1)}{hollow}", fontsize=8)
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
        axis.set_xticks(places, [str(place) for place in places], fontsize=8)
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    figure.axes[0].set_ylabel("µs a step")
    figure.axes[0].legend(fontsize=7)
    return True
