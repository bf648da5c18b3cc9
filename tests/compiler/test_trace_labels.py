"""Labels in compiled losses: what is known of them before a call makes the program short, and wrong ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import DataError, ShapeError

X = np.random.default_rng(0).random((6, 4), dtype=np.float32)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def with_label(label: int, place: int = 2) -> np.ndarray[Any, Any]:
    """The labels with one of them replaced."""
    labels = LABELS.copy()
    labels[place] = label
    return labels


def training_step(**settings: Any) -> tuple[Callable[..., Any], nn.Linear]:
    """A step of a small classifier, and its model."""
    cr.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer, criterion = optim.SGD(model.parameters(), lr=0.5), nn.CrossEntropyLoss(**settings)

    def step(x: cr.Tensor, t: cr.Tensor) -> cr.Tensor:
        optimizer.zero_grad()
        loss: cr.Tensor = criterion(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step, model


def refusal(call: Callable[[], Any]) -> str:
    """What is wrong, in the three lines that do not depend on where."""
    with pytest.raises(DataError) as caught:
        call()
    return "\n".join(str(caught.value).splitlines()[:4])


@pytest.mark.parametrize("wrong", [-1, -3, 3, 100])
def test_wrong_labels_are_refused_as_they_are_eagerly(backend: Any, wrong: int) -> None:
    """In the first call, and in a later one; nothing has changed afterwards."""
    eager, _ = training_step()
    expected = refusal(lambda: eager(cr.tensor(X), cr.tensor(with_label(wrong))))
    assert f"label {wrong} for 3 classes" in expected
    step, model = training_step()
    compiled = cr.compile(step, backend=backend)
    for _ in range(2):
        before = model.weight.numpy().copy()
        assert refusal(lambda: compiled(X, with_label(wrong))) == expected
        assert np.array_equal(model.weight.numpy(), before)
        compiled(X, LABELS)
        assert not np.array_equal(model.weight.numpy(), before)


def test_negative_log_likelihood_refuses_them_too(backend: Any) -> None:
    """The loss that is named is the one that was called."""
    compiled = cr.compile(lambda p, t: nn.functional.nll_loss(p, t), backend=backend)
    assert "nll_loss" in refusal(lambda: compiled(X, with_label(-1)))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_labels_of_any_type(backend: Any, dtype: str) -> None:
    """The same loss for all, and the same refusal."""
    (eager, _), (step, _) = training_step(), training_step()
    compiled = cr.compile(step, backend=backend)
    expected = eager(cr.tensor(X), cr.tensor(LABELS)).item()
    assert compiled(X, LABELS.astype(dtype)).item() == pytest.approx(expected, rel=1e-6)
    assert "label 7 for 3 classes" in refusal(lambda: compiled(X, with_label(7).astype(dtype)))


def test_ignored_labels_have_a_program_of_their_own(backend: Any) -> None:
    """One that serves every batch from then on; wrong labels are refused by it as well."""
    (eager, twin), (step, model) = training_step(), training_step()
    compiled = cr.compile(step, backend=backend)
    for labels in (LABELS, with_label(-100), LABELS, with_label(-100, place=5)):
        assert compiled(X, labels).item() == pytest.approx(eager(cr.tensor(X), cr.tensor(labels)).item(), rel=1e-5)
    assert [e.reason for e in compiled.events] == ["the first call", "whether every label is a class changed"]
    assert np.allclose(model.weight.numpy(), twin.weight.numpy(), rtol=1e-5, atol=1e-6)
    assert "label -1 for 3 classes" in refusal(lambda: compiled(X, with_label(-1)))


def test_a_class_that_is_ignored(backend: Any) -> None:
    """It is a class, and all the same it does not count."""
    (eager, _), (step, _) = training_step(ignore_index=1), training_step(ignore_index=1)
    compiled = cr.compile(step, backend=backend)
    for labels in (LABELS, with_label(1)):
        assert compiled(X, labels).item() == pytest.approx(eager(cr.tensor(X), cr.tensor(labels)).item(), rel=1e-5)
    assert len(compiled.events) == 1
    assert "label -100 for 3 classes" in refusal(lambda: compiled(X, with_label(-100)))


def test_known_labels_need_no_mask() -> None:
    """The listing of a batch without ignored labels is the textbook's."""
    step, _ = training_step()
    compiled = cr.compile(step)
    assert "log_p[rows, t]" in compiled.source(X, LABELS)
    assert "where" not in compiled.source(X, LABELS)
    assert "counted = t != -100" in compiled.source(X, with_label(-100))


def test_a_scan_looks_at_the_labels_of_all_its_steps(backend: Any) -> None:
    """A wrong label in the last step refuses the scan before its first; an ignored one anywhere is left out."""
    (eager, _), (step, model) = training_step(), training_step()
    compiled = cr.compile(step, backend=backend)
    inputs, labels = np.stack([X] * 4), np.stack([LABELS] * 4)
    labels[3, 1] = -1
    before = model.weight.numpy().copy()
    assert "label -1 for 3 classes" in refusal(lambda: compiled.scan([], [inputs, labels]))
    assert np.array_equal(model.weight.numpy(), before)
    labels[3, 1] = -100
    losses = [eager(cr.tensor(x), cr.tensor(t)).item() for x, t in zip(inputs, labels, strict=True)]
    assert compiled.scan([], [inputs, labels]).tolist() == pytest.approx(losses, rel=1e-5)


def test_a_tensor_from_outside(backend: Any) -> None:
    """Labels that the function closes over are looked at before each call, as they are then."""
    labels = cr.tensor(LABELS)
    compiled = cr.compile(lambda p: nn.functional.cross_entropy(p, labels), backend=backend)
    expected = nn.functional.cross_entropy(cr.tensor(X), labels).item()
    assert compiled(X).item() == pytest.approx(expected, rel=1e-6)
    labels.data = cr.tensor(with_label(-1))
    assert "label -1 for 4 classes" in refusal(lambda: compiled(X))
    labels.data = cr.tensor(with_label(3))
    expected = nn.functional.cross_entropy(cr.tensor(X), labels).item()
    assert compiled(X).item() == pytest.approx(expected, rel=1e-6)


def test_constant_labels(backend: Any) -> None:
    """Labels that the function makes itself are known once and for all."""
    compiled = cr.compile(lambda p: nn.functional.cross_entropy(p, cr.tensor([0, 1, 2, 0, 1, 2])), backend=backend)
    expected = nn.functional.cross_entropy(cr.tensor(X), cr.tensor(LABELS)).item()
    assert compiled(X).item() == pytest.approx(expected, rel=1e-6)
    wrong = cr.compile(lambda p: nn.functional.cross_entropy(p, cr.tensor([0, 1, 2, 0, 1, -2])), backend=backend)
    assert "label -2 for 4 classes" in refusal(lambda: wrong(X))


def test_rows_of_a_whole_data_set(backend: Any) -> None:
    """Labels gathered by number: a wrong one is refused when a batch has it, and only then."""
    labels = with_label(-1)

    def loss(x: cr.Tensor, t: cr.Tensor, rows: cr.Tensor) -> cr.Tensor:
        return nn.functional.cross_entropy(x[rows], t[rows].long())

    compiled = cr.compile(loss, backend=backend)
    for rows in ([0, 1, 3], [5, 4, 1]):
        expected = nn.functional.cross_entropy(cr.tensor(X[rows]), cr.tensor(labels[rows])).item()
        assert compiled(X, labels, np.array(rows)).item() == pytest.approx(expected, rel=1e-6)
    assert "label -1 for 4 classes" in refusal(lambda: compiled(X, labels, np.array([0, 1, 2])))


def test_labels_that_are_computed(backend: Any) -> None:
    """Nothing is known of them beforehand: the gather refuses a wrong one, a negative one too, and says what to check."""
    compiled = cr.compile(lambda p, t: nn.functional.cross_entropy(p, t - 1), backend=backend)
    expected = nn.functional.cross_entropy(cr.tensor(X), cr.tensor(LABELS)).item()
    assert compiled(X, LABELS + 1).item() == pytest.approx(expected, rel=1e-6)
    for wrong in (0, -2, 5):
        with pytest.raises(ShapeError, match="check the labels"):
            compiled(X, with_label(wrong) if wrong else LABELS)
    ignored = nn.functional.cross_entropy(cr.tensor(X), cr.tensor(with_label(-100))).item()
    assert compiled(X, with_label(-100, place=2) + 1).item() == pytest.approx(ignored, rel=1e-6)
    exec(compiled.source(X, LABELS + 1), {"__name__": "__main__"})  # its made-up labels are counted from 1 as well


def test_labels_that_the_function_changes(backend: Any) -> None:
    """Steps of a scan go one by one, so that what each makes is looked at."""
    labels = cr.tensor(LABELS)

    def step(p: cr.Tensor) -> cr.Tensor:
        loss: cr.Tensor = nn.functional.cross_entropy(p, labels)
        labels.data = labels.data + 1
        return loss

    compiled = cr.compile(step, backend=backend)
    expected = nn.functional.cross_entropy(cr.tensor(X), cr.tensor(LABELS + 1)).item()
    assert compiled.scan([], [np.stack([X] * 2)]).tolist()[1] == pytest.approx(expected, rel=1e-6)
    assert "label 4 for 4 classes" in refusal(lambda: compiled(X))


@pytest.mark.parametrize("wrong", [-1, 3])
def test_the_trainer_names_the_label(wrong: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled epochs gather their rows by number; the message is that of an eager step."""
    monkeypatch.setattr(cr.config, "backend", "numpy")
    model = nn.Linear(4, 3)
    trainer = cr.Trainer(model, loss="cross_entropy", optimizer=optim.SGD(model.parameters(), lr=0.1))
    message = refusal(lambda: trainer.fit((X, with_label(wrong)), epochs=1, batch_size=3, progress=False))
    assert f"label {wrong} for 3 classes" in message
