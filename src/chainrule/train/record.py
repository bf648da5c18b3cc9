"""What a finished run leaves behind, as plain data: the report is drawn and the diagnosis is made from this alone.

Everything is a number, text, list or NumPy array, so that a record can be written as JSON, read back on another
machine, and reported on without the model or the data.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import CheckpointError, DataError
from chainrule.core.files import write_whole

__all__ = [
    "DataDescription",
    "LayerStatistics",
    "RegressionSample",
    "RunRecord",
    "WrongExample",
    "layer_statistics",
]

Array = npt.NDArray[Any]

#: Raised by one whenever a reader of the old JSON would misread the new.
FORMAT = 1

#: An output counts as saturated where the activation's slope is below this share of its largest slope.
SATURATED_SLOPE = 0.05

HISTOGRAM_BINS = 30


@dataclass
class DataDescription:
    """On what the model was trained; ``class_counts`` are the rows of each class in the training part."""

    name: str
    source: str = ""
    target: str = ""
    rows_train: int = 0
    rows_validation: int = 0
    rows_test: int = 0
    features: int = 0
    classes: list[str] = field(default_factory=list)
    class_counts: list[int] = field(default_factory=list)


@dataclass(eq=False)
class LayerStatistics:
    """One layer after training: its outputs on a sample of rows, its gradient, its weights and their last update.

    None stands for what does not apply: ``zero_fraction`` and ``dead_units`` are of ReLUs, ``saturated_fraction`` of
    sigmoids and tanhs, the norms (Euclidean, over all parameters of the layer) of layers with parameters.
    """

    path: str
    kind: str
    mean: float = 0.0
    std: float = 0.0
    edges: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    units: int | None = None
    dead_units: int | None = None
    zero_fraction: float | None = None
    saturated_fraction: float | None = None
    gradient_norm: float | None = None
    weight_norm: float | None = None
    update_ratio: float | None = None


@dataclass
class RegressionSample:
    """True and predicted numbers of a sample of test rows, in the target's unit."""

    true: list[float]
    predicted: list[float]


@dataclass
class WrongExample:
    """A row whose class was predicted wrongly: an image (h, w) or (h, w, 3), or the row as text."""

    true: str
    predicted: str
    probability: float | None = None
    image: Array | None = None
    text: str = ""


@dataclass
class RunRecord:
    """A finished run. Only ``task`` and ``data`` are required; a report leaves out what is not there.

    ``history`` holds one dict an epoch: ``epoch``, ``loss``, ``lr``, ``seconds`` and one value a metric, those of the
    validation rows under ``val_`` names. ``confusion`` (k, k) counts test rows, true class by row.
    ``first_layer`` are weights as images, (k, h, w) or (k, h, w, 3).

    >>> record = RunRecord("classification", DataDescription("xor", rows_train=4), history=[{"epoch": 1, "loss": 0.7}])
    >>> RunRecord.from_json(record.to_json()) == record
    True
    """

    task: Literal["classification", "regression"]
    data: DataDescription
    model: str = ""
    architecture: str = ""
    parameters: int = 0
    loss: str = ""
    optimizer: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    decisions: list[str] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    test: dict[str, float] = field(default_factory=dict)
    confusion: Array | None = None
    regression: RegressionSample | None = None
    wrong: list[WrongExample] = field(default_factory=list)
    first_layer: Array | None = None
    layers: list[LayerStatistics] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0
    outcome: str = ""
    #: The epoch whose weights the model has in the end, where that is not simply the last.
    kept_epoch: int | None = None

    def column(self, name: str) -> list[float]:
        """One value an epoch from the history; NaN where an epoch has none."""
        return [float(row.get(name, math.nan)) for row in self.history]

    def metric_names(self) -> list[str]:
        """The metrics in the history, in the order they were given."""
        plain = {"epoch", "loss", "lr", "seconds"}
        names = [name.removeprefix("val_") for row in self.history for name in row]
        return list(dict.fromkeys(name for name in names if name not in plain))

    def to_json(self) -> str:
        """The record as JSON text; NaN and infinities, which JSON lacks, as {"number": "nan"}."""
        return json.dumps({"format": FORMAT, **_encode(dataclasses.asdict(self))}, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> RunRecord:
        """The record that ``to_json`` wrote. Raises CheckpointError for anything else."""
        try:
            fields = _decode(json.loads(text))
            if fields.pop("format") != FORMAT:
                raise ValueError("another format")
            fields["data"] = DataDescription(**fields["data"])
            fields["layers"] = [LayerStatistics(**layer) for layer in fields["layers"]]
            fields["wrong"] = [WrongExample(**example) for example in fields["wrong"]]
            if fields["regression"] is not None:
                fields["regression"] = RegressionSample(**fields["regression"])
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise CheckpointError(
                "RunRecord.from_json", f"text that is not a run record ({problem})", f"format {FORMAT}"
            ) from problem

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunRecord) and self.to_json() == other.to_json()

    def save(self, path: str | Path) -> None:
        """Write ``to_json()`` to ``path``, whole or not at all."""
        write_whole(path, self.to_json())


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": _encode(value.tolist()), "dtype": value.dtype.name}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    if isinstance(value, dict):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"number"} and value["number"] in ("nan", "inf", "-inf"):
        return float(value["number"])
    if set(value) == {"array", "dtype"}:
        return np.array(_decode(value["array"]), dtype=value["dtype"])
    return {key: _decode(item) for key, item in value.items()}


def layer_statistics(
    path: str,
    kind: str,
    activations: Any,
    *,
    gradient: Any = None,
    weight: Any = None,
    update: Any = None,
) -> LayerStatistics:
    """Statistics of one layer from its outputs (rows, ...) and, where it has them, gradient, weight and last update.

    ``kind`` is the class name of the activation or layer. Units are the positions along the second axis; a ReLU unit
    is dead when it is 0 for every row. A sigmoid is saturated where ``s(1 - s) < 0.05 * 1/4``, a tanh where
    ``1 - t^2 < 0.05``. ``update_ratio`` is ``|update| / |weight|``.

    >>> statistics = layer_statistics("1", "ReLU", [[0.0, 2.0, 0.0], [0.0, 1.0, 3.0]], weight=[3.0, 4.0], update=[0.5])
    >>> statistics.dead_units, statistics.units, statistics.zero_fraction, statistics.update_ratio
    (1, 3, 0.5, 0.1)
    """
    outputs = _numbers(activations)
    if outputs.size == 0:
        raise DataError(f"statistics of layer {path}", f"outputs of shape {outputs.shape}", "at least one row")
    finite = outputs[np.isfinite(outputs)]
    counts, edges = np.histogram(finite, bins=HISTOGRAM_BINS) if finite.size else (np.zeros(0), np.zeros(0))
    statistics = LayerStatistics(
        path, kind, float(outputs.mean()), float(outputs.std()), edges.tolist(), counts.astype(int).tolist()
    )
    statistics.units = int(outputs.shape[1]) if outputs.ndim > 1 else 1
    name = kind.lower()
    if name == "relu":
        by_unit = np.moveaxis(outputs.reshape(len(outputs), statistics.units, -1), 1, 0).reshape(statistics.units, -1)
        statistics.zero_fraction = float((outputs == 0).mean())
        statistics.dead_units = int((by_unit == 0).all(axis=1).sum())
    elif name in ("sigmoid", "tanh"):
        slope = 4 * outputs * (1 - outputs) if name == "sigmoid" else 1 - outputs**2
        statistics.saturated_fraction = float((slope < SATURATED_SLOPE).mean())
    statistics.gradient_norm = _norm(gradient)
    statistics.weight_norm = _norm(weight)
    step = _norm(update)
    if step is not None and statistics.weight_norm:
        statistics.update_ratio = step / statistics.weight_norm
    return statistics


def _numbers(values: Any) -> Array:
    return np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype=np.float64)


def _norm(values: Any) -> float | None:
    return None if values is None else float(np.linalg.norm(_numbers(values).ravel()))
