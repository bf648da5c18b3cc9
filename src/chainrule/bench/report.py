"""Results for people: tables in the terminal; files with all numbers and figures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from chainrule.bench.record import Record, Results, machine, write_results
from chainrule.bench.systems import SYSTEMS
from chainrule.bench.workloads import GROWTH, WORKLOADS, Workload

__all__ = ["print_report", "write_report"]

#: What everyone is compared with.
_OURS = "chainrule"
_WIDTH = 150


def print_report(results: Results, stream: TextIO | None = None) -> None:
    """A table for each workload: medians, the middle half of the repetitions, and how often chainrule's time goes into it."""
    from rich.console import Console

    stream = sys.stdout if stream is None else stream
    terminal = stream.isatty()
    # A file or a pipe gets whole lines, whatever the window.
    console = Console(file=stream, width=None if terminal else _WIDTH, highlight=False)
    about = machine()
    console.print(f"{about['processor']}, {about['cores']} cores, {about['system']}", markup=False)
    if results.quick:
        console.print("a quick run: less data, fewer steps, one repetition")
    for note in results.notes:
        console.print(f"note: {note}", markup=False)
    for workload in WORKLOADS:
        records = results.of(workload.name)
        if records:
            console.print()
            console.print(_growth_table(workload, records) if workload.name == "growth" else _table(workload, records))
    for system, reason in results.skipped.items():
        console.print(f"{SYSTEMS[system].title} was left out: {reason}", markup=False)


def _table(workload: Workload, records: Sequence[Record]) -> Any:
    from rich import box
    from rich.table import Table

    threads = sorted({record.threads for record in records})
    table = Table(
        title=f"{workload.letter}  {workload.title}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    table.add_column("measure")
    table.add_column("system")
    for count in threads:
        table.add_column(f"{count} thread{'s' * (count > 1)}", justify="right")
        table.add_column("middle half", justify="right", style="dim")
        table.add_column(f"/ {_OURS}", justify="right")
    table.add_column("reached")
    medians = {(r.measure, r.system, r.threads): r.values.get("median") for r in records}
    measures = list(dict.fromkeys(record.measure for record in records))
    for measure in measures:
        # In the systems' own order: rounds and failures do not change it.
        for system in (name for name in SYSTEMS if any(r.system == name and r.measure == measure for r in records)):
            rows = {r.threads: r for r in records if (r.measure, r.system) == (measure, system)}
            cells: list[Any] = [measure, SYSTEMS[system].title]
            for count in threads:
                record, ours = rows.get(count), medians.get((measure, _OURS, count))
                cells += _cells(record, ours)
            table.add_row(*cells, _reached(workload, list(rows.values())))
        if measure != measures[-1]:
            table.add_section()
    return table


def _cells(record: Record | None, ours: float | None) -> tuple[str, str, str]:
    """Median with its unit, middle half, and ratio to chainrule's."""
    if record is None or not record.values:
        return "", "", ""
    median = record.values["median"]
    middle = f"{_number(record.values['lower quartile'])} - {_number(record.values['upper quartile'])}"
    ratio = f"{median / ours:.2f}" if ours else ""
    return f"{_number(median)} {record.unit}", middle, ratio


def _number(value: float) -> str:
    """Three digits or more, none that only noise would fill."""
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def _reached(workload: Workload, records: Sequence[Record]) -> Any:
    """What the training came to; in red where it lies outside the bound, or where there was none."""
    from rich.text import Text

    failed = [record.failure for record in records if record.failure]
    if failed:
        return Text(f"failed: {failed[0]}", style="red")
    scored = [record for record in records if record.score is not None]
    if not scored or workload.bound is None:
        return ""
    outside = [record for record in scored if not record.learned]
    shown = (outside or scored)[0]
    text = f"{workload.bound.score} {shown.score:.4f}"
    return Text(f"{text}: did not learn this", style="red") if outside else text


def _growth_table(workload: Workload, records: Sequence[Record]) -> Any:
    """A row for each place on an axis, a column for each system."""
    from rich import box
    from rich.table import Table

    columns = list(dict.fromkeys((r.threads, r.system) for r in records))
    medians = {(r.measure, r.threads, r.system): r for r in records}
    table = Table(
        title=f"{workload.letter}  {workload.title}: µs a step",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("")
    for threads, system in columns:
        table.add_column(f"{system}\n{threads} thread{'s' * (threads > 1)}", justify="right")
    for axis, places in GROWTH.items():
        found = [f"{axis} {place}" for place in places if any(r.measure == f"{axis} {place}" for r in records)]
        for label in found:
            cells = [medians.get((label, threads, system)) for threads, system in columns]
            table.add_row(label, *(_number(r.values["median"]) if r and r.values else "" for r in cells))
        table.add_section()
    for record in records:
        if record.failure:
            table.caption = f"{record.system} failed: {record.failure}"
    return table


def write_report(results: Results, folder: Path) -> list[Path]:
    """Write bench.json, and bench and growth as PNG and SVG where matplotlib is installed; returns the files."""
    path = folder / "bench.json"
    write_results(path, results)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return [path]
    from chainrule.bench.figure import draw

    return [path, *draw(results, folder)]
