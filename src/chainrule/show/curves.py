"""Loss and metrics over the epochs of one run or several."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.core.errors import ConfigError, DataError
from chainrule.show.panels import grid_shape, logarithmic, note, number_ticks, panel_grid, ranges, spans_decades
from chainrule.show.style import Look, Style
from chainrule.train.history import History, better_of
from chainrule.train.record import RunRecord
from chainrule.train.wording import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["history"]

Array = np.ndarray[Any, Any]

#: Columns that are no measure of how well a run does; they are drawn where they are asked for.
_ASIDE = ("lr", "seconds")

#: Measures from 0 to 1 that people speak of in percent.
_SHARES = ("accuracy", "top", "precision", "recall", "f1")

#: Curves of more points than this carry few markers.
_MOST_MARKERS = 30

#: A curve of as many points is noise from one to the next, and drawn thin.
_MANY = 2000

#: How wide a letter is, for what must fit a figure.
_EM_A_LETTER = 0.5

_KINDS = "a History, a RunRecord, rows (a list of dicts), columns (a dict of lists), or a dict of several of these"


@dataclass(frozen=True)
class _Curve:
    """What one run measured: where it was measured, and the numbers, NaN where they were not finite."""

    x: Array
    y: Array

    @property
    def gaps(self) -> list[int]:
        return [int(place) for place in self.x[np.isnan(self.y)]]

    def best(self, higher: bool) -> int | None:
        """The place of the best number, the first of equals; None where none is finite."""
        if np.isnan(self.y).all():
            return None
        return int(np.nanargmax(self.y) if higher else np.nanargmin(self.y))


_Run = dict[str, _Curve]


def history(runs: Any, metrics: Sequence[str] | None = None, x: str = "epoch", **look: Unpack[Look]) -> Figure:
    """Loss and metrics by epoch: training and validation, the best epoch marked, several runs compared.

    Args:
        runs: what ``Trainer.fit`` returned, a ``RunRecord``, rows (a list of dicts) or columns (a dict of lists); for
            several runs a dict ``{name: run}``, or a list of histories. Columns that begin with ``val_`` are drawn
            with the ones they belong to.
        metrics: which columns get a panel, in this order; by default the loss and all metrics.
        x: the column that counts, such as "step"; where there is none, 1, 2, 3, ...
        look: see ``style.Look``.

    The best epoch (of the validation curve where there is one) carries a star. Several runs share one legend below the
    panels. Losses that span a factor of 50 get a
    logarithmic axis. Numbers that are not finite are gaps, with a cross on the axis and a note.

    >>> figure = history({"loss": [0.9, 0.4, 0.5], "val_loss": [1.0, 0.6, 0.7]})
    >>> [line.get_label() for line in figure.axes[0].lines][:2]
    ['training', 'validation: best 0.6, epoch 2']

    Raises:
        ConfigError: a metric that no run has.
        DataError: no epochs, columns of different lengths, or something that is not a history.
    """
    style = Style.of("history", **look)
    named = {name: _curves(run, x) for name, run in _by_name(runs).items()}
    present = list(dict.fromkeys(name.removeprefix("val_") for run in named.values() for name in run))
    if metrics is None:
        metrics = sorted((m for m in present if m not in _ASIDE), key=lambda m: m != "loss")
    for metric in [metrics] if isinstance(metrics, str) else metrics:
        if metric not in present:
            raise ConfigError(
                f"show.history(metrics={metrics!r})", f"{metric!r}", ", ".join(present), "use one of these names"
            )
    metrics = [metrics] if isinstance(metrics, str) else list(metrics)
    if not metrics:
        raise DataError("show.history", "no column with numbers", "at least one, such as loss", "")
    rows, columns = grid_shape(len(metrics), 3 if len(metrics) > 4 else 2)
    width = {1: 44, 2: 31, 3: 25}[columns] * columns
    both = any(metric in run and f"val_{metric}" in run for run in named.values() for metric in metrics)
    legend = _Legend.of(style, named, metrics, x, both, width) if len(named) > 1 else None
    with style.drawing(width, (23 if columns > 1 else 26) * rows + (legend.height if legend else 0)) as figure:
        for axes, metric in zip(panel_grid(figure, rows, columns, len(metrics)), metrics, strict=True):
            _panel(style, axes, metric, named, x, both)
        if legend:
            legend.draw(style, figure)
    return figure


# ---- reading


def _by_name(runs: Any) -> dict[str, Any]:
    """Runs by their names; one alone has none."""
    if isinstance(runs, Mapping) and runs and all(_is_run(run) for run in runs.values()):
        return {str(name): run for name, run in runs.items()}
    listed = isinstance(runs, (list, tuple)) and len(runs) > 0
    if (
        listed
        and not all(isinstance(row, Mapping) and not _is_columns(row) for row in runs)
        and all(map(_is_run, runs))
    ):
        return {str(i): run for i, run in enumerate(runs, 1)}
    if not _is_run(runs):
        raise DataError("show.history(runs)", _described(runs), _KINDS, "pass what trainer.fit returned")
    return {"": runs}


def _is_columns(value: Any) -> bool:
    """Whether it is a dict of lists of numbers."""
    return isinstance(value, Mapping) and all(
        hasattr(v, "__len__") and not isinstance(v, (str, Mapping)) and not _is_rows(v) for v in value.values()
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(row, Mapping) for row in value)


def _is_run(value: Any) -> bool:
    empty = isinstance(value, (list, tuple)) and not len(value)
    return isinstance(value, (History, RunRecord)) or _is_rows(value) or empty or _is_columns(value)


def _described(value: Any) -> str:
    return f"a {type(value).__name__}"


def _curves(run: Any, counter: str) -> _Run:
    """The columns of a run as curves, without the one that counts."""
    if isinstance(run, Mapping):
        columns = {str(name): _list(values) for name, values in run.items()}
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                "show.history(columns)",
                ", ".join(f"{name} of {length}" for name, length in lengths.items()),
                "columns of one length",
                "put None where an epoch measured nothing",
            )
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    else:
        rows = [dict(row) for row in (run.history if isinstance(run, RunRecord) else run)]
    if not rows:
        raise DataError(
            "show.history", "a history without epochs", "at least one finished epoch", "draw it after trainer.fit"
        )
    names = dict.fromkeys(name for row in rows for name in row if name not in (counter, "epoch"))
    curves = {}
    for name in names:
        # What an epoch did not measure is no gap: the curve goes on to the next that did.
        found = [(row.get(counter, i), row[name]) for i, row in enumerate(rows, 1) if row.get(name) is not None]
        try:
            points = np.array(found, np.float64)
        except (TypeError, ValueError):
            continue  # a column of words
        y = np.where(np.isfinite(points[:, 1]), points[:, 1], np.nan)
        curves[name] = _Curve(points[:, 0], y)
    return curves


def _list(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)


# ---- drawing


def _panel(style: Style, axes: Axes, metric: str, runs: dict[str, _Run], counter: str, both: bool) -> None:
    higher = better_of(metric) == "higher"
    alone = len(runs) == 1
    notes: list[str] = []
    drawn: list[_Curve] = []
    for index, (name, run) in enumerate(runs.items()):
        parts = [part for part in (metric, f"val_{metric}") if part in run]
        for part in parts:
            curve, validation = run[part], part != metric
            best = curve.best(higher) if part == parts[-1] and metric not in _ASIDE else None
            who = f"{name}, " * bool(name) + style.say("validation" if validation else "training")
            label = name
            if alone:
                best_of_run = "" if best is None else ", ".join(_best(style, metric, curve, best, counter))
                label = f"{who}: {style.say('best {values}', values=best_of_run)}" if best_of_run else who
            look = _look(style, index, len(runs), validation, both, len(curve.x))
            axes.plot(curve.x, curve.y, label=label, markevery=_marked(curve, index), **look)
            if best is not None:
                _star(style, axes, curve, best, look["color"], alone)
            if curve.gaps:
                axes.plot(
                    curve.gaps, [0.015] * len(curve.gaps), "x", transform=axes.get_xaxis_transform(), clip_on=False,
                    color=style.theme.alarm, markersize=style.pt(5), markeredgewidth=style.pt(1.4), zorder=5,
                )  # fmt: skip
                where = f"{_word(style, counter)} {ranges(curve.gaps)}"
                notes.append(style.say("× not a finite number: {who}, {where}", who=who, where=where))
            drawn.append(curve)
    _frame(style, axes, metric, drawn, counter, higher)
    if alone and axes.get_legend_handles_labels()[1]:
        # The emptiest corner is searched for among all points, which takes its time where they are many.
        few = sum(len(curve.x) for curve in drawn) < _MANY
        axes.legend(loc="best" if few else "upper right" if not higher else "lower right")
    note(style, axes, notes)


def _word(style: Style, counter: str) -> str:
    return style.say("epoch") if counter == "epoch" else counter


def _best(style: Style, metric: str, curve: _Curve, best: int, counter: str) -> tuple[str, str]:
    """The best number, and where it was."""
    value = percent(curve.y[best]) if metric.startswith(_SHARES) else number(curve.y[best], 3)
    return value, f"{_word(style, counter)} {number(curve.x[best])}"


def _label(style: Style, name: str, run: _Run, metrics: Sequence[str], counter: str) -> str:
    """A run with its best of each metric: ``SGD: best loss 0.6 (epoch 2), accuracy 81 % (epoch 3)``."""
    found = []
    for metric in metrics:
        curve = run.get(f"val_{metric}", run.get(metric))
        best = curve.best(better_of(metric) == "higher") if curve is not None and metric not in _ASIDE else None
        if curve is not None and best is not None:
            value, place = _best(style, metric, curve, best, counter)
            alone = len(metrics) == 1
            found.append(f"{value}, {place}" if alone else f"{_title(style, metric)} {value} ({place})")
    return f"{name}: {style.say('best {values}', values=', '.join(found))}" if found else name


@dataclass(frozen=True)
class _Legend:
    """What stands below the panels of several runs: who they are, and their best."""

    labels: list[str]
    looks: list[dict[str, Any]]
    title: str
    columns: int

    @classmethod
    def of(
        cls, style: Style, runs: dict[str, _Run], metrics: Sequence[str], counter: str, both: bool, width: float
    ) -> _Legend:
        """The legend for a figure ``width`` em wide."""
        labels = [_label(style, name, run, metrics, counter) for name, run in runs.items()]
        looks = [_look(style, index, len(runs), False, both, 0) for index in range(len(runs))]
        title = style.say("solid: training, dashed: validation") if both else ""
        columns = int(width / (max(map(len, labels)) * _EM_A_LETTER + 6))
        room = int((width - 6) / _EM_A_LETTER)
        return cls([textwrap.fill(label, room) for label in labels], looks, title, min(max(columns, 1), len(labels)))

    @property
    def height(self) -> float:
        """In em."""
        lines = sum(label.count("\n") + 1 for label in self.labels)
        return 1.5 + 1.6 * -(-lines // self.columns) + 1.6 * bool(self.title)

    def draw(self, style: Style, figure: Figure) -> None:
        from matplotlib.lines import Line2D

        handles = [Line2D([], [], label=text, **look) for text, look in zip(self.labels, self.looks, strict=True)]
        legend = figure.legend(
            handles=handles, loc="outside lower center", ncols=self.columns, title=self.title or None,
            title_fontsize=style.points * 0.85, alignment="left",
        )  # fmt: skip
        legend.get_title().set_color(style.theme.soft)


def _look(style: Style, index: int, count: int, validation: bool, both: bool, points: int) -> dict[str, Any]:
    """Colour, line and marker: of the part for one run, of the run for several."""
    series = int(validation) if count == 1 else index
    dashes = style.dashes(int(validation) if count == 1 or both else index)
    return {
        "color": style.colour(series),
        "linestyle": dashes,
        "linewidth": style.pt(1.6 if points < _MANY else 0.7),
        "marker": style.marker(series),
        "markersize": style.pt(3.2),
    }


def _marked(curve: _Curve, index: int) -> Any:
    """Which points carry markers: all of few, else some, not where another run has its own."""
    if len(curve.x) <= _MOST_MARKERS:
        return None
    step = len(curve.x) // 8
    return (index * step // 4 % step, step)


def _star(style: Style, axes: Axes, curve: _Curve, best: int, colour: str, alone: bool) -> None:
    place, value = curve.x[best], curve.y[best]
    if alone:
        axes.axvline(place, color=style.theme.soft, linestyle=(0, (1, 2)), linewidth=style.pt(0.9), zorder=1)
    axes.plot(
        [place], [value], "*", color=colour, markersize=style.pt(11), markeredgecolor=style.theme.ink,
        markeredgewidth=style.pt(0.7), zorder=6, clip_on=False,
    )  # fmt: skip


def _title(style: Style, metric: str) -> str:
    return style.say(metric) if metric in ("loss", "accuracy") else metric


def _frame(style: Style, axes: Axes, metric: str, curves: list[_Curve], counter: str, higher: bool) -> None:
    axes.set_title(_title(style, metric))
    axes.set_xlabel(_word(style, counter))
    axes.grid(axis="y")
    every = np.concatenate([curve.y for curve in curves])
    finite = every[np.isfinite(every)]
    places = np.concatenate([curve.x for curve in curves])
    first, last = float(places.min()), float(places.max())
    room = 0.03 * (last - first) or 1.0
    axes.set_xlim(first - room, last + room)
    number_ticks(axes.xaxis, whole=True)
    if not finite.size:
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, style.say("no finite values"), transform=axes.transAxes, ha="center", color=style.theme.soft
        )
        return
    if not higher and spans_decades(finite):
        logarithmic(axes, float(finite.min()), float(finite.max()))
    else:
        number_ticks(
            axes.yaxis, as_percent=metric.startswith(_SHARES) and math.isclose(max(1.0, float(finite.max())), 1.0)
        )
