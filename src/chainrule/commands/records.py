"""The record of a run of the command, from which its report is drawn."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.commands.array_scaler import ArrayScaler
from chainrule.commands.results import Results, probabilities
from chainrule.data import Table
from chainrule.data.examples import Examples
from chainrule.train.record import DataDescription, RunRecord, WrongExample
from chainrule.train.run import MOST_SAMPLED, MOST_WRONG, make_record

if TYPE_CHECKING:
    from chainrule.commands.train import Run

__all__ = ["run_record"]

#: Columns of a wrongly answered row that fit on a line.
_MOST_COLUMNS = 8


def run_record(run: Run, results: Results) -> RunRecord:
    """What the report shows: the data and the decisions as the command names them, the rest as ``make_record`` finds it."""
    target, rows, split = run.preparation.target, run.rows, run.split
    # The layers are judged on a sample; all training rows at once, scaled, would not fit beside large data.
    sample = split.train[np.unique(np.linspace(0, len(split.train) - 1, MOST_SAMPLED).astype(np.int64))]
    known: dict[str, Any] = {}
    tested = results.where == "test"
    if tested and isinstance(run.tested.features, Table) and target.task == "classification":
        known["wrong"] = _wrong_rows(run, run.tested.features)
    if run.best_row is not None:
        known["kept_epoch"] = int(run.best_row["epoch"])
        known["outcome"] = f"{run.kept_epoch.replace('epoch', 'Epoch', 1)}: the weights are those of that epoch."
    record = make_record(
        run.trainer,
        run.trainer.history,
        _examples(run, rows, sample),
        _examples(run, run.tested, run.test_rows) if tested else None,
        shown=None if isinstance(run.tested.features, Table) else run.tested.features[run.test_rows],
        decode=target.decode,
        data=DataDescription(
            name=rows.name,
            source=f"{rows.source} ({rows.licence})" if rows.licence else rows.source,
            target=target.name,
            rows_train=len(split.train),
            rows_validation=len(split.validation),
            rows_test=results.rows if tested else 0,
            features=run.preparation.features,
            classes=list(target.classes),
            class_counts=_class_counts(run),
        ),
        model=f"A network {run.shape}",
        settings={name: value for name, value in asdict(run.settings).items() if name != "optimizer"},
        decisions=[f"{label}: {text}" if label else text for label, text in run.decisions] + _all_columns(run),
        started=run.started.isoformat(sep=" ", timespec="seconds"),
        **known,
    )
    if tested:
        # In the target's own unit, where the trainer counts in standard deviations.
        record.test = dict(results.scores)
    return record


def _examples(run: Run, rows: Any, indices: Any) -> Examples:
    """The rows as they go into the network."""
    dataset = run.preparation.dataset(rows, indices)
    inputs, targets = dataset.rows(np.arange(len(dataset)))  # type: ignore[attr-defined]
    target, encoder = run.preparation.target, run.preparation.encoder
    return Examples(
        inputs, targets, class_names=tuple(target.classes) or None, target_name=target.name, name=rows.name,
        image_shape=encoder.image_shape if isinstance(encoder, ArrayScaler) else None,
    )  # fmt: skip


def _class_counts(run: Run) -> list[int]:
    target, targets = run.preparation.target, run.rows.targets
    if target.task == "regression" or targets is None:
        return []
    return [int(count) for count in np.bincount(targets[run.split.train], minlength=len(target.classes))]


def _wrong_rows(run: Run, table: Table) -> list[WrongExample]:
    """Wrongly answered rows as their columns stand in the table, the surest mistakes first."""
    assert run.tested.targets is not None
    chances, truth = probabilities(run.outputs), run.tested.targets[run.test_rows]
    given, names = chances.argmax(axis=1), run.preparation.target.classes
    wrong = np.flatnonzero(given != truth)
    wrong = wrong[np.argsort(-chances[wrong, given[wrong]], kind="stable")][:MOST_WRONG]
    return [
        WrongExample(
            names[truth[place]], names[given[place]], float(chances[place, given[place]]),
            text=_row_text(table, int(run.test_rows[place])),
        )
        for place in wrong
    ]  # fmt: skip


def _row_text(table: Table, row: int) -> str:
    cells = [(name, column[row]) for name, column in list(table.columns.items())[:_MOST_COLUMNS]]
    shown = [f"{name} {value:.4g}" if isinstance(value, np.floating) else f"{name} {value}" for name, value in cells]
    return ", ".join(shown) + (", ..." if len(table.columns) > _MOST_COLUMNS else "")


def _all_columns(run: Run) -> list[str]:
    """What was decided about each column, where the screen only showed what they have in common."""
    encoder = run.preparation.encoder
    if isinstance(encoder, ArrayScaler) or len(encoder.decisions) == len(run.preparation.decisions):
        return []
    return [decision for decision in encoder.decisions if decision not in run.preparation.decisions]
