"""Evaluation and prediction give the same compiled or not, by the same errors, and say which way they went."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import DataError, ShapeError
from chainrule.data.dataset import TensorDataset
from chainrule.data.loader import DataLoader
from chainrule.train import Trainer
from chainrule.train.evaluation import forward_seconds
from tolerances import assert_near

X = np.random.default_rng(0).normal(size=(250, 6)).astype(np.float32)
LABELS = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 1)


def make(loss: str = "cross_entropy", **settings: Any) -> Trainer:
    """A trainer of a network in which training and evaluation differ."""
    cr.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3))
    return Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1), **settings)


@pytest.fixture(params=["numpy", "llvm"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """``backend(True)``: from now on everything is compiled; ``backend(False)``: nothing is."""
    if request.param == "llvm":
        pytest.importorskip("llvmlite")

    def choose(compiled: bool) -> None:
        monkeypatch.setattr(cr.config, "backend", request.param if compiled else "eager")

    return choose


def test_evaluate_is_the_same(backend: Callable[[bool], None]) -> None:
    """Loss and metrics, also with a last batch that is smaller, and after the weights have changed."""
    trainer = make(metrics=["accuracy", "f1"], class_weights=[1.0, 2.0, 0.5])
    for _ in range(2):
        backend(False)
        expected = trainer.evaluate((X, LABELS), batch_size=100)
        assert trainer.evaluation.not_compiled == "cr.config.backend is 'eager'"
        backend(True)
        received = trainer.evaluate((X, LABELS), batch_size=100)
        assert trainer.evaluation.not_compiled is None
        assert list(received) == list(expected)
        for name, value in expected.items():
            assert received[name] == pytest.approx(value, rel=1e-5), name
        assert trainer.model.training
        trainer.model.get_submodule("4").bias.data.add_(cr.tensor([1.0, 0.0, -1.0]))
    events = [event.kind for event in trainer.evaluation._measured.events]
    assert events == ["traced"]  # one program serves all full batches of both evaluations


def test_predict_is_the_same(backend: Callable[[bool], None]) -> None:
    """Arrays, tensors, data sets and loaders."""
    trainer = make()
    loader = DataLoader(TensorDataset(X, LABELS), batch_size=70)
    for data in (X, cr.tensor(X), TensorDataset(X, LABELS), loader, X.astype(np.float64), X[:0], X[:1]):
        backend(False)
        expected = trainer.predict(data, batch_size=50)
        backend(True)
        received = trainer.predict(data, batch_size=50)
        assert type(received) is type(expected) and received.shape == expected.shape
        assert_near(np.asarray(received), np.asarray(expected))
    assert trainer.evaluation.not_compiled is None
    assert len(trainer.evaluation._outputs.events) == 2  # batches of 50 and of 70


def test_validation_is_the_same(backend: Callable[[bool], None]) -> None:
    """Held-out rows after each epoch, with the weights of that epoch."""
    rows = []
    for compiled in (False, True):
        backend(compiled)
        trainer = make(metrics=["accuracy"])
        history = trainer.fit((X, LABELS), (X, LABELS), epochs=3, batch_size=25, progress=False)
        assert (trainer.evaluation.not_compiled is None) is compiled
        rows.append(history.rows)
    for a, b in zip(*rows, strict=True):
        assert a["val_loss"] == pytest.approx(b["val_loss"], rel=1e-4)
        assert a["val_accuracy"] == pytest.approx(b["val_accuracy"], abs=0.02)
    losses = [row["val_loss"] for row in rows[1]]
    assert losses[0] > losses[1] > losses[2]


def test_the_same_errors(backend: Callable[[bool], None]) -> None:
    """Labels that are no classes, and inputs that the model does not take."""
    wrong = LABELS.copy()
    wrong[7] = -1
    for call, kind in (
        (lambda trainer: trainer.evaluate((X, wrong), batch_size=50), DataError),
        (lambda trainer: trainer.evaluate((X[:, :5], LABELS), batch_size=50), ShapeError),
        (lambda trainer: trainer.predict(X[:, :5], batch_size=50), ShapeError),
    ):
        messages = []
        for compiled in (False, True):
            backend(compiled)
            with pytest.raises(kind) as caught:
                call(make())
            messages.append([line for line in str(caught.value).splitlines() if "at:" not in line][:4])
        assert messages[0] == messages[1]


class Looks(nn.Module):
    """Does something else for large numbers, so it cannot be compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: cr.Tensor) -> cr.Tensor:
        y: cr.Tensor = self.layer(x)
        return y * 2 if float(y.max()) > 1000 else y


def test_a_model_that_looks_at_numbers(backend: Callable[[bool], None]) -> None:
    """It answers by itself, and the reason is kept."""
    trainer = Trainer(Looks(), "cross_entropy", "sgd", lr=0.1)
    backend(False)
    expected, answers = trainer.evaluate((X, LABELS)), trainer.predict(X, batch_size=100)
    backend(True)
    for _ in range(2):
        assert trainer.evaluate((X, LABELS), batch_size=250)["loss"] == pytest.approx(expected["loss"], rel=1e-6)
        assert "numbers of a tensor while a function is traced" in str(trainer.evaluation.not_compiled)
        assert np.array_equal(trainer.predict(X, batch_size=100), answers)
        assert "numbers of a tensor while a function is traced" in str(trainer.evaluation.not_compiled)


def test_the_choice_is_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are over before a program is compiled; many, or few many times over, are not; every time alike."""
    monkeypatch.setattr(cr.config, "backend", "auto")
    trainer = make()
    trainer.evaluate((X, LABELS))
    assert trainer.evaluation.not_compiled == "1 batches are over before a program is compiled"
    evaluation = trainer.evaluation
    seconds = forward_seconds(trainer.model, 1000, 1)
    enough = int(0.5 / seconds) + 1
    for batches, times, compiled in ((enough, 1, True), (enough // 2, 1, False), (1, enough, True), (1, 1, False)):
        evaluation.begin(batches, 1000, times)
        assert (evaluation.not_compiled is None) is compiled
    assert forward_seconds(trainer.model, 2000, 2) == pytest.approx(2 * seconds)
    wide = nn.Linear(1000, 1000)
    assert 0.03 < forward_seconds(wide, 1000, 1) < 0.3  # 2 Gflop


def test_watched_models_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks at every op must meet every op."""
    monkeypatch.setattr(cr.config, "backend", "numpy")
    trainer = make()
    with cr.watch_nan():
        trainer.predict(X)
    assert trainer.evaluation.not_compiled == "watch_nan looks at every op"
