"""The report of a run: one HTML file that needs nothing else, neither the network nor a script.

``write_report`` turns a :class:`~chainrule.train.record.RunRecord` into what the templates show. All numbers and
pictures are prepared here; the templates hold the words and the order of the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core.files import write_whole
from chainrule.train import charts
from chainrule.train.charts import Series
from chainrule.train.confusion import confusion_chart
from chainrule.train.diagnosis import diagnose
from chainrule.train.png import Array, data_uri, to_bytes
from chainrule.train.record import LayerStatistics, RunRecord, WrongExample
from chainrule.train.svg import Svg
from chainrule.train.wording import duration, number, percent

__all__ = ["render_report", "write_report"]

_TEMPLATES = Path(__file__).parent / "templates"

#: What fits on a page that is meant to be read; each section says how much it leaves out.
MOST_WRONG = 36
MOST_WEIGHTS = 64
MOST_MIXED = 10
MOST_HISTORY_ROWS = 400

#: Updates of about a thousandth of the weights are usual (CS231n, "Neural Networks Part 3").
USUAL_UPDATE = (1e-4, 1e-2)

#: (attribute, title, caption, shaded range) of the charts over layers.
_LAYER_CHARTS: tuple[tuple[str, str, str, tuple[float, float] | None], ...] = (
    ("gradient_norm", "Gradient norm", "First layer at the top; steps of many powers of ten are trouble.", None),
    ("update_ratio", "Update over weight", "Learning is usually brisk and stable in the shaded band.", USUAL_UPDATE),
)

_SHORT_NAMES = {"mae": "MAE", "mse": "MSE", "rmse": "RMSE"}
_LONG_NAMES = {"mae": "mean absolute error", "mse": "mean squared error", "rmse": "root mean squared error"}
_LONG_NAMES |= {"r2": "R²", "f1": "F1", "roc_auc": "ROC AUC"}


def write_report(record: RunRecord, path: str | Path) -> Path:
    """Write the report of ``record`` to ``path`` (one HTML file, whole or not at all) and return the path.

    Raises OSError when the folder is missing or cannot be written.
    """
    write_whole(path, render_report(record))
    return Path(path)


def render_report(record: RunRecord) -> str:
    r"""The report's HTML.

    >>> from chainrule.train.record import DataDescription
    >>> page = render_report(RunRecord("classification", DataDescription("xor"), test={"accuracy": 1.0}))
    >>> page[page.index("<h1>") : page.index("</h1>")]
    '<h1>xor: 100.0\xa0% of test rows right'
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent}
    style = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("report.html").render(record=record, view=_view(record), style=style)


def _view(record: RunRecord) -> dict[str, Any]:
    """All that the templates show and that is not in the record as it stands."""
    view = {
        "title": _title(record),
        "lede": _lede(record),
        "key": _key_figures(record),
        "findings": diagnose(record),
        "curves": _curves(record),
        "results": _results(record),
        "wrong": _wrong(record.wrong),
        "weights": _weights(record.first_layer),
        "layers": _layers(record.layers),
        "facts": _facts(record),
        "class_rows": _class_rows(record),
        "history": _history(record),
    }
    names = {
        "diagnosis": "Diagnosis",
        "curves": "Curves",
        "results": "Confusion matrix" if record.task == "classification" else "Predicted and true",
        "wrong": "Wrong examples",
        "weights": "First layer",
        "layers": "Layers",
        "settings": "Settings",
        "history": "History",
    }
    shown = {**view, "diagnosis": True, "settings": True, "history": record.history, "layers": record.layers}
    view["sections"] = [(target, name) for target, name in names.items() if shown[target]]
    return view


def _is_share(name: str) -> bool:
    return re.fullmatch(r"(val_)?(accuracy|top\d+)", name) is not None


def _write(name: str, value: float | None, digits: int = 4) -> str:
    return percent(value) if _is_share(name) else number(value, digits)


def _long(name: str) -> str:
    if top := re.fullmatch(r"top(\d+)", name):
        return f"top-{top[1]} accuracy"
    return _LONG_NAMES.get(name, name.replace("_", " "))


def _outcome(record: RunRecord) -> tuple[str, dict[str, float]]:
    """The most telling results there are, and on which rows."""
    last = record.history[-1] if record.history else {}
    validation = {name.removeprefix("val_"): value for name, value in last.items() if name.startswith("val_")}
    training = {name: value for name, value in last.items() if name == "loss" or name in record.metric_names()}
    if record.test:
        return "test", record.test
    return ("validation", validation) if validation else ("training", training)


def _title(record: RunRecord) -> str:
    rows, results = _outcome(record)
    for name, value in results.items():
        if name == "accuracy":
            return f"{record.data.name}: {percent(value)} of {rows} rows right"
    if "r2" in results:
        return f"{record.data.name}: R² {number(results['r2'], 3)} on {rows} rows"
    name = next((name for name in results if name != "loss"), "loss")
    return f"{record.data.name}: {rows} {_long(name)} {_write(name, results[name])}" if results else record.data.name


def _lede(record: RunRecord) -> str:
    """One sentence: what was trained, to do what, on what, for how long."""
    data = record.data
    size = f" of {number(record.parameters)} parameters" if record.parameters else ""
    if record.task == "regression":
        aim = f"to predict {data.target or 'a number'}"
    else:
        aim = f"to tell {len(data.classes)} classes apart" if data.classes else "to tell classes apart"
    features = f" of {number(data.features)} feature{'s' if data.features != 1 else ''}" if data.features else ""
    rows = f" on {number(data.rows_train)} rows{features}" if data.rows_train else ""
    time = f" in {duration(record.seconds)}" if record.seconds else ""
    length = f" for {_epochs(record)}{time}" if record.history else ""
    return f"{record.model or 'A network'}{size} {aim}, trained{rows}{length}."


def _epochs(record: RunRecord) -> str:
    return f"{number(len(record.history))} epoch{'s' if len(record.history) != 1 else ''}"


def _key_figures(record: RunRecord) -> list[tuple[str, str, str]]:
    """(name, value, remark) of the figures under the title."""
    rows, results = _outcome(record)
    figures = []
    for name, value in sorted(results.items(), key=lambda item: item[0] == "loss"):
        remark = _accuracy_remark(record, value) if name == "accuracy" and rows == "test" else ""
        figures.append((f"{rows} {_SHORT_NAMES.get(name, _long(name))}", _write(name, value), remark))
    data = record.data
    held_out = ((data.rows_validation, "validation"), (data.rows_test, "test"))
    parts = [f"{number(count)} {part}" for count, part in held_out if count]
    if data.rows_train:
        figures.append(("training rows", number(data.rows_train), ", ".join(parts)))
    if record.parameters:
        figures.append(("parameters", number(record.parameters), ""))
    if record.seconds:
        figures.append(("time", duration(record.seconds), _epochs(record)))
    return figures


def _accuracy_remark(record: RunRecord, share: float) -> str:
    """The count behind an accuracy, and its 95 % interval.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
    """
    rows, z = record.data.rows_test, 1.96
    if not rows or not np.isfinite(share):
        return ""
    centre, spread = share + z * z / (2 * rows), z * np.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    low, high = (100 * (centre + side * spread) / (1 + z * z / rows) for side in (-1, 1))
    return f"{number(round(share * rows))} of {number(rows)}; 95 % interval {low:.1f} to {high:.1f} %"


def _curves(record: RunRecord) -> list[tuple[str, Svg]]:
    """(title, chart) of the loss, of each metric, and of the learning rate when it changes."""
    if not record.history:
        return []
    epochs = [float(row.get("epoch", index + 1)) for index, row in enumerate(record.history)]
    made = []
    for name in ["loss", *(name for name in record.metric_names() if name != "loss")]:
        columns = [("training", record.column(name)), ("validation", record.column(f"val_{name}"))]
        present = [row for row in record.history if name in row]
        series = [Series(part, epochs, values) for part, values in columns if not np.isnan(values).all()]
        if not series and present:
            series = [Series("training", epochs, columns[0][1])]
        title = _long(name).capitalize() if _long(name).islower() else _long(name)
        made.append((title, charts.line_chart(series, f"{_long(name)} by epoch", _is_share(name))))
    rates = record.column("lr")
    if len(set(rates)) > 1 and np.isfinite(rates).all():
        series = [Series("learning rate", epochs, rates)]
        made.append(("Learning rate", charts.line_chart(series, "learning rate by epoch")))
    return made


def _class_names(record: RunRecord, count: int) -> list[str]:
    given = [str(name) for name in record.data.classes]
    return given if len(given) == count else [str(index) for index in range(count)]


def _results(record: RunRecord) -> dict[str, Any] | None:
    """The confusion matrix with its tables, or the scatter of a regression."""
    if record.confusion is not None and len(record.confusion):
        matrix = np.asarray(record.confusion)
        names = _class_names(record, len(matrix))
        hits, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
        shares = [_share(hits, predicted), _share(hits, true), _share(2 * hits, true + predicted)]
        mistakes = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
        order = [divmod(int(i), len(matrix)) for i in np.argsort(-mistakes, axis=None, kind="stable")[:MOST_MIXED]]
        return {
            "confusion": confusion_chart(matrix, names, f"confusion matrix of {len(matrix)} classes"),
            "by_class": list(zip(names, true.tolist(), *shares, strict=True)),
            "mixed": [
                (names[t], names[p], float(matrix[t, p]), float(matrix[t, p] / true[t]))
                for t, p in order
                if mistakes[t, p] > 0
            ],
        }
    if record.regression is None or not record.regression.true:
        return None
    true, predicted = (np.asarray(side, float) for side in (record.regression.true, record.regression.predicted))
    errors = (predicted - true)[np.isfinite(predicted - true)]
    counts, edges = np.histogram(errors, bins=30) if errors.size else (np.zeros(0), np.zeros(0))
    return {
        "confusion": None,
        "rows": len(true),
        "scatter": charts.scatter_chart(true.tolist(), predicted.tolist(), "predicted over true values"),
        "errors": charts.histogram_chart(list(edges), list(counts), "histogram of errors", "predicted minus true"),
    }


def _share(part: Array, whole: Array) -> list[float | None]:
    return [float(p / w) if w > 0 else None for p, w in zip(part, whole, strict=True)]


def _wrong(examples: list[WrongExample]) -> dict[str, Any] | None:
    shown = examples[:MOST_WRONG]
    if not shown:
        return None
    return {
        "pictures": [(data_uri(to_bytes(example.image)), example) for example in shown if example.image is not None],
        "rows": [example for example in shown if example.image is None],
        "more": len(examples) - len(shown),
    }


def _weights(first_layer: Array | None) -> dict[str, Any] | None:
    """A picture a unit: blue for positive weights and orange for negative; three channels as colours around grey."""
    if first_layer is None or not np.size(first_layer):
        return None
    weights = np.nan_to_num(np.asarray(first_layer, np.float64), posinf=0.0, neginf=0.0)
    # A few large weights would leave all the others blank.
    limit = float(np.quantile(np.abs(weights), 0.995)) or 1.0
    scaled = np.clip(weights / limit, -1, 1)
    signed = weights.ndim == 3
    if signed:
        pixels = np.zeros((*weights.shape, 4), np.uint8)
        pixels[..., :3] = np.where(scaled[..., None] > 0, (0, 114, 178), (213, 94, 0))
        pixels[..., 3] = np.abs(scaled) * 255
    else:
        pixels = ((scaled + 1) * 127.5).astype(np.uint8)
    pictures = [data_uri(unit) for unit in pixels[:MOST_WEIGHTS]]
    return {"pictures": pictures, "more": len(weights) - len(pictures), "limit": limit, "signed": signed}


def _layers(layers: list[LayerStatistics]) -> dict[str, Any]:
    made = []
    for name, title, remark, band in _LAYER_CHARTS:
        known = [(layer.path, getattr(layer, name)) for layer in layers if getattr(layer, name) is not None]
        if known:
            paths, values = zip(*known, strict=True)
            made.append((title, remark, charts.dot_chart(paths, values, f"{title.lower()} by layer", band)))
    return {
        "rows": [
            (layer, charts.histogram_chart(layer.edges, layer.counts, f"outputs of layer {layer.path}"))
            for layer in layers
        ],
        "charts": made,
        "has_zeros": any(layer.zero_fraction is not None for layer in layers),
        "has_saturation": any(layer.saturated_fraction is not None for layer in layers),
    }


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    """(name, value) rows of the settings table; what is not known is left out."""
    data = record.data
    rows = [(data.rows_train, "training"), (data.rows_validation, "validation"), (data.rows_test, "test")]
    facts: list[tuple[str, Any]] = [
        ("data", data.name),
        ("source", data.source),
        ("target", data.target),
        ("rows", ", ".join(f"{number(count)} {part}" for count, part in rows if count)),
        ("features", number(data.features) if data.features else ""),
        ("classes", number(len(data.classes)) if data.classes else ""),
        ("loss", record.loss),
        ("optimizer", record.optimizer),
        ("seed", "" if record.seed is None else record.seed),
    ]
    facts += [
        ("learning rate" if name == "lr" else name.replace("_", " "), value) for name, value in record.settings.items()
    ]
    return [(name, _plain(value)) for name, value in facts if value != "" and value is not None]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _class_rows(record: RunRecord) -> list[tuple[str, int, float]]:
    counts = record.data.class_counts
    names = _class_names(record, len(counts))
    return [(name, count, count / max(1, sum(counts))) for name, count in zip(names, counts, strict=True)]


def _history(record: RunRecord) -> dict[str, Any]:
    """The table, a row an epoch; of very long runs evenly spaced ones, the first and the last among them."""
    count = len(record.history)
    index = np.linspace(0, count - 1, min(count, MOST_HISTORY_ROWS)).round().astype(int)
    columns = list(dict.fromkeys(name for row in record.history for name in row))
    pick = [record.history[int(i)] for i in index]
    rows = [[_cell(name, row.get(name)) for name in columns] for row in pick]
    return {"columns": columns, "rows": rows, "left_out": count - len(rows)}


def _cell(name: str, value: float | None) -> str:
    if value is None or not np.isfinite(value) or name in ("epoch", "lr"):
        return number(value)
    if name == "seconds":
        return f"{value:.2f}"
    return percent(value, 2) if _is_share(name) else f"{value:.4f}" if 0.01 <= abs(value) < 1000 else number(value)
