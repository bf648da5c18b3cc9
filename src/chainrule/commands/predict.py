"""``chainrule predict``: the answers of a trained model for new rows, as CSV."""

from __future__ import annotations

import csv
import io
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import chainrule
from chainrule.commands.new_data import read_new_rows, true_answers
from chainrule.commands.results import answers, probabilities, score, sentence
from chainrule.commands.saved import TrainedModel, open_model
from chainrule.commands.terminal import is_terminal, notice
from chainrule.core.config import config
from chainrule.core.errors import DataError
from chainrule.core.files import atomic_write
from chainrule.data import Table
from chainrule.data.target import Target
from chainrule.nn.module import Module
from chainrule.tensor import tensor
from chainrule.train.compiled import SECONDS_TO_COMPILE
from chainrule.train.evaluation import forward_seconds

__all__ = ["predict"]

Array = npt.NDArray[Any]

#: Rows that go through the network at a time.
_ROWS = 1024


def predict(options: Namespace) -> int:
    """Run the command; returns its exit code."""
    model, _ = open_model(options.model)
    target = model.preparation.target
    rows = read_new_rows(options.data, model.preparation, options.data_dir)
    outputs = _outputs(model, rows.features)
    for remark in [*rows.notices, *model.preparation.notices]:
        notice(remark)
    _write(_csv(target, outputs, rows.files), options.out)
    if rows.targets is not None:
        truth, known = true_answers(target, rows.targets)
        if known.any():
            given = answers(target, outputs)[known]
            notice(sentence(score(target, truth[known], given), int(known.sum())), label="score")
    return 0


def _outputs(model: TrainedModel, features: Table | Array) -> Array:
    """The network's outputs (n, ...), some rows at a time: arrays on disk need not fit in memory."""
    preparation, network = model.preparation, model.network.eval().requires_grad_(False)
    if isinstance(features, Table):
        features, prepare = preparation.inputs(features), _as_they_are
    else:
        prepare = preparation.inputs
    if not len(features):
        raise DataError("predict", "no rows", "at least one row to answer for")
    starts = range(0, len(features), _ROWS)
    answer = _answering(network, len(features), len(starts))
    return np.concatenate([answer(prepare(np.asarray(features[start : start + _ROWS]))) for start in starts])


def _answering(network: Module, rows: int, batches: int) -> Callable[[Array], Array]:
    """The network as a function of arrays: compiled, unless the answers are there before a program is."""
    if config.backend != "auto" or forward_seconds(network, rows, batches) >= SECONDS_TO_COMPILE:
        made: Callable[[Array], Array] = chainrule.Predictor(network)
        return made
    return lambda x: network(tensor(x)).numpy()


def _as_they_are(features: Any) -> Any:
    return features


def _csv(target: Target, outputs: Array, files: list[str]) -> str:
    """A header and one line a row: its number from 1, its file where it has one, the answer, and the probabilities.

    >>> target = Target("colour", "classification", "", ["blue", "red"])
    >>> print(_csv(target, np.array([[0.0, 2.0]], np.float32), []), end="")
    row,prediction,probability_blue,probability_red
    1,red,0.119203,0.880797
    """
    classes, given = target.task == "classification", answers(target, outputs)
    given = target.decode(given) if classes else given
    shares = probabilities(outputs) if classes else np.zeros((len(outputs), 0))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    named = [f"probability_{name}" for name in target.classes] if classes else []
    writer.writerow(["row", *(["file"] if files else []), "prediction", *named])
    for place, answer in enumerate(given):
        line = [str(place + 1), *files[place : place + 1]]
        # float32 carries seven digits; more would be noise.
        line.append(str(answer) if classes else f"{answer:.7g}")
        writer.writerow([*line, *(f"{share:.6g}" for share in shares[place])])
    return text.getvalue()


def _write(text: str, out: str | None) -> None:
    if out is not None:
        with atomic_write(out, DataError) as file:
            file.write(text.encode("utf-8"))
        return
    if not is_terminal(sys.stdout) and hasattr(sys.stdout, "reconfigure"):
        # A file or a program reads this: class names keep their characters whatever the locale is.
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)
    sys.stdout.flush()
