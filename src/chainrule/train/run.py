"""From a finished run to the record that the report is drawn from."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

import chainrule
from chainrule.data.dataset import TensorDataset
from chainrule.data.examples import Examples
from chainrule.nn.linear import Linear
from chainrule.train.history import History
from chainrule.train.metrics import confusion_matrix
from chainrule.train.record import DataDescription, RegressionSample, RunRecord, WrongExample
from chainrule.train.statistics import layer_statistics
from chainrule.train.trainer import Trainer

__all__ = ["make_record"]

Array = np.ndarray[Any, Any]

#: Enough for the report's pictures; the confusion matrix counts all of them.
MOST_WRONG = 60
MOST_SAMPLED = 1000
MOST_WEIGHTS = 64

#: Features that fit in a line of text about a wrong example.
_MOST_FEATURES = 8


def make_record(
    trainer: Trainer,
    history: History,
    examples: Examples,
    test: Examples | None = None,
    *,
    shown: Any = None,
    decode: Any = None,
    rows_validation: int = 0,
    **known: Any,
) -> RunRecord:
    """What a run leaves behind: results, wrong examples, first-layer weights, statistics of the layers.

    Args:
        trainer: after ``fit``; history: what ``fit`` returned.
        examples: the training rows, as they went into the model.
        test: rows kept apart, likewise.
        shown: the test inputs (n, ...) as people know them (unscaled pictures, raw columns), for the wrong examples.
        decode: from predicted and true targets of a regression back to the target's unit.
        rows_validation: how many rows were held out for validation.
        known: further fields of RunRecord: ``settings``, ``decisions``, ``started``, ``seconds``, ``outcome`` ...
    """
    data = DataDescription(
        name=examples.name,
        source=examples.source,
        target=examples.target_name,
        rows_train=len(examples),
        rows_validation=rows_validation,
        rows_test=0 if test is None else len(test),
        features=int(np.prod(examples.inputs.shape[1:])),
        classes=list(examples.class_names or ()),
        class_counts=_counts(examples),
    )
    fields: dict[str, Any] = {
        "task": examples.task,
        "data": data,
        "model": type(trainer.model).__name__,
        "architecture": repr(trainer.model),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "loss": trainer.objective.name,
        "optimizer": repr(trainer.optimizer),
        "seed": trainer.seed,
        "history": [dict(row) for row in history.rows],
        "seconds": float(sum(row.get("seconds", 0.0) for row in history.rows)),
        "first_layer": _first_layer(trainer, examples.image_shape),
        "layers": _layers(trainer, examples),
        "versions": {"chainrule": chainrule.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }
    if test is not None and len(test):
        fields |= _test_results(trainer, test, test.inputs if shown is None else shown, decode)
    return RunRecord(**(fields | known))


def _counts(examples: Examples) -> list[int]:
    if examples.class_names is None:
        return []
    return [int(count) for count in np.bincount(examples.targets, minlength=len(examples.class_names))]


def _test_results(trainer: Trainer, test: Examples, shown: Any, decode: Any) -> dict[str, Any]:
    results: dict[str, Any] = {"test": trainer.evaluate(test)}
    outputs = trainer.predict(test)
    if test.class_names is None:
        decoded = decode or (lambda values: values)
        rows = slice(0, MOST_SAMPLED)
        true, predicted = (np.asarray(decoded(part[rows]), float).reshape(-1) for part in (test.targets, outputs))
        return results | {"regression": RegressionSample(true.tolist(), predicted.tolist())}
    chances = _probabilities(trainer, outputs)
    predicted = chances.argmax(axis=1)
    matrix = confusion_matrix(predicted, test.targets, classes=len(test.class_names))
    return results | {"confusion": matrix, "wrong": _wrong(test, shown, predicted, chances)}


def _probabilities(trainer: Trainer, outputs: Array) -> Array:
    """Chances (n, classes) from scores, log-probabilities or probabilities, as the loss takes them."""
    name = trainer.objective.name.lower().replace("_", "")
    scores = outputs.reshape(len(outputs), -1).astype(np.float64)
    if scores.shape[1] == 1:
        one = scores if trainer.objective.threshold else 1 / (1 + np.exp(-scores))
        return np.hstack([1 - one, one])
    if "crossentropy" in name or "nll" in name:
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))
    return scores


def _wrong(test: Examples, shown: Any, predicted: Array, chances: Array) -> list[WrongExample]:
    """The surest mistakes first: they tell the most."""
    names = test.class_names or ()
    rows = np.flatnonzero(predicted != test.targets)
    rows = rows[np.argsort(-chances[rows, predicted[rows]], kind="stable")][:MOST_WRONG]
    found = []
    for row in rows.tolist():
        true, guess = names[int(test.targets[row])], names[int(predicted[row])]
        example = WrongExample(true, guess, float(chances[row, predicted[row]]))
        if test.image_shape is not None:
            example.image = np.asarray(shown[row]).reshape(test.image_shape)
        else:
            example.text = _row_text(test, np.asarray(shown[row]).reshape(-1))
        found.append(example)
    return found


def _row_text(test: Examples, row: Array) -> str:
    names = test.feature_names if len(test.feature_names) == len(row) else [f"x{i}" for i in range(len(row))]
    shown = [f"{name} {value:.4g}" for name, value in list(zip(names, row.tolist(), strict=True))[:_MOST_FEATURES]]
    return ", ".join(shown) + (", ..." if len(row) > _MOST_FEATURES else "")


def _first_layer(trainer: Trainer, image_shape: tuple[int, ...] | None) -> Array | None:
    """The weights of the first layer as pictures (k, h, w), where the inputs are pictures."""
    if image_shape is None:
        return None
    first = next((module for module in trainer.model.modules() if isinstance(module, Linear)), None)
    if first is None or first.in_features != int(np.prod(image_shape)):
        return None
    weights: Array = first.weight.numpy()[:MOST_WEIGHTS].reshape(-1, *image_shape)
    return weights.astype(np.float32)


def _layers(trainer: Trainer, examples: Examples) -> list[Any]:
    """Statistics over rows spread evenly through the training part."""
    rows = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), MOST_SAMPLED)).astype(np.int64))
    sample = TensorDataset(np.asarray(examples.inputs[rows]), np.asarray(examples.targets[rows]))
    feed = trainer._feed(sample, len(rows), False, False, "make_record(examples)")
    inputs, targets, _ = next(iter(feed))
    return layer_statistics(trainer.model, trainer.objective, inputs, targets, trainer.optimizer)
