"""What is decided before training: the split, the scaling, the settings; and that the model keeps it."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.commands.array_scaler import ArrayScaler
from chainrule.commands.defaults import Settings, choose_settings
from chainrule.commands.inputs import Rows, read_rows
from chainrule.commands.preparation import Preparation, ScaledRows, split_rows
from chainrule.commands.results import baseline, score
from chainrule.core.errors import CheckpointError, ConfigError, DataError, ShapeError
from chainrule.data.target import Target
from cli.command import Command


def rows_of(features: Any, targets: Any, classes: int = 0) -> Rows:
    task = "classification" if classes else "regression"
    target = Target("y", task, "", [str(label) for label in range(classes)])  # type: ignore[arg-type]
    return Rows("made", features, np.asarray(targets), target)


def test_every_row_is_in_one_part_and_classes_keep_their_shares() -> None:
    labels = np.repeat([0, 1], [300, 100])
    split = split_rows(rows_of(np.zeros((400, 2)), labels, 2), 0.25, 0.2, seed=3)
    parts = (split.train, split.validation, split.test)
    assert [len(part) for part in parts] == [240, 80, 80]
    assert sorted(np.concatenate(parts)) == list(range(400))
    assert [int((labels[part] == 1).sum()) for part in parts] == [60, 20, 20]
    again, other = (split_rows(rows_of(np.zeros((400, 2)), labels, 2), 0.25, 0.2, seed) for seed in (3, 4))
    assert (again.test == split.test).all() and (other.test != split.test).any()


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(19, (19, 0, 0)), (100, (64, 16, 20)), (5000, (3600, 400, 1000)), (200_000, (150_000, 10_000, 40_000))],
)
def test_the_usual_shares_depend_on_the_number_of_rows(count: int, sizes: tuple[int, int, int]) -> None:
    split = split_rows(rows_of(np.zeros((count, 1), np.uint8), np.arange(count)), None, None, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == sizes


def test_a_class_with_a_single_row_does_not_stop_the_split() -> None:
    labels = np.r_[np.zeros(30, int), np.ones(29, int), 2]
    split = split_rows(rows_of(np.zeros((60, 1)), labels, 3), None, None, seed=0)
    assert len(split.train) + len(split.validation) + len(split.test) == 60
    assert "some class has too few rows" in split.decision


def test_shares_that_leave_nothing() -> None:
    rows = rows_of(np.zeros((30, 1)), np.arange(30))
    with pytest.raises(DataError, match=r"30 of 30 rows held out by --test 0\.99"):
        split_rows(rows, None, 0.99, seed=0)
    rows.test = rows
    with pytest.raises(ConfigError, match="test rows of its own"):
        split_rows(rows, None, 0.2, seed=0)


def test_preprocessing_is_learned_from_the_training_rows_alone() -> None:
    rows = read_rows("iris")
    preparation = Preparation.learn(rows, np.arange(50))
    inputs = preparation.inputs(rows.features)
    assert np.allclose(inputs[:50].mean(axis=0), 0, atol=1e-5) and np.allclose(inputs[:50].std(axis=0), 1, atol=1e-4)
    assert abs(inputs[50:].mean()) > 1


def test_large_bytes_stay_bytes_and_are_scaled_in_batches() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12_000, 28, 28), np.uint8)
    rows = rows_of(pixels, np.arange(12_000) % 10, 10)
    rows.image_shape = (28, 28)
    preparation = Preparation.learn(rows, np.arange(12_000))
    dataset = preparation.dataset(rows, np.arange(11_999, -1, -1))
    assert isinstance(dataset, ScaledRows) and dataset.features is pixels
    x, y = dataset.rows(np.array([0, 5]))
    assert x.dtype == np.float32 and x.shape == (2, 784) and y.tolist() == [9, 4]
    expected = (pixels[[11_999, 11_994]].reshape(2, -1) - preparation.encoder.mean) / preparation.encoder.scale
    assert np.allclose(x, expected, atol=1e-6)
    item, label = dataset[5]
    assert item.shape == (784,) and label.item() == 4 and np.array_equal(item.numpy(), x[1])
    assert not isinstance(preparation.dataset(rows, np.arange(100)), ScaledRows), "few rows are scaled once"


def test_array_scaler_by_column_and_for_all_positions() -> None:
    matrix = np.array([[1.0, 10.0, 7.0], [3.0, np.nan, 7.0], [5.0, 30.0, 7.0]])
    scaler = ArrayScaler().fit(matrix)
    assert scaler.mean.tolist() == [3.0, 20.0, 7.0]
    assert scaler.transform(matrix)[:, 1].tolist() == [-1.0, 0.0, 1.0], "a missing number becomes the mean"
    assert scaler.transform(matrix)[:, 2].tolist() == [0.0, 0.0, 0.0]
    assert "1 with one value only become 0" in scaler.decision
    cubes = np.arange(24.0).reshape(3, 2, 4)
    assert np.isclose(ArrayScaler().fit(cubes).mean, 11.5) and ArrayScaler().fit(cubes).transform(cubes).shape == (3, 8)
    with pytest.raises(ShapeError):
        scaler.transform(np.zeros((2, 4)))


@pytest.mark.parametrize("name", ["iris", "digits", "sine"])
def test_a_preparation_survives_json(name: str) -> None:
    rows = read_rows(name)
    preparation = Preparation.learn(rows, np.arange(60))
    again = Preparation.from_state(json.loads(json.dumps(preparation.state())))
    assert np.array_equal(again.inputs(rows.features), preparation.inputs(rows.features))
    assert again.target == preparation.target or again.target.state() == preparation.target.state()
    assert again.state() == preparation.state()


def test_a_damaged_preparation_is_refused() -> None:
    state = Preparation.learn(read_rows("digits"), np.arange(60)).state()
    for broken in ({}, {**state, "encoder": {"kind": "Pickle"}}, {**state, "encoder": {"kind": "ArrayScaler"}}):
        with pytest.raises(CheckpointError, match="damaged"):
            Preparation.from_state(broken)


def choose(rows: int, features: int = 4, pictures: bool = False, validated: bool = True, **given: Any) -> Settings:
    names = dict.fromkeys(Settings.__dataclass_fields__) | given
    return choose_settings(Namespace(**names), rows, features, pictures, validated)[0]


def test_settings_suit_the_size_of_the_data() -> None:
    few, some, many = choose(100), choose(5000), choose(50_000)
    assert (few.epochs, some.epochs, many.epochs) == (300, 100, 10)
    assert (few.patience > some.patience > many.patience == 0) and many.schedule == "cosine"
    assert (few.batch_size, some.batch_size, many.batch_size) == (16, 32, 100)
    assert choose(4).batch_size == 4
    assert choose(100, validated=False).patience == 0
    assert choose(20_000).epochs == 25


def test_dropout_where_rows_can_be_learned_by_heart() -> None:
    assert choose(1000, 64, pictures=True).dropout == 0.3
    assert choose(300, 13).dropout == 0.2
    assert choose(300, 2).dropout == choose(50_000, 13).dropout == 0.0
    assert choose(50_000, 784, pictures=True).dropout == 0.2
    assert choose(50_000, 784, pictures=True, batch_norm=True).dropout == 0.0
    assert choose(50_000, 784, pictures=True, epochs=5).dropout == 0.0


def test_what_is_given_is_taken() -> None:
    given = {"hidden": (), "lr": 7.0, "optimizer": "sgd", "epochs": 1, "batch_size": 3, "dropout": 0.5, "patience": 0}
    settings = choose(100, **given)
    assert {name: getattr(settings, name) for name in given} == given
    assert choose(100, optimizer="sgd").lr == 0.05 and choose(100, optimizer="adadelta").lr == 1.0


def test_scores_and_baselines() -> None:
    classes = Target("y", "classification", "", ["a", "b"])
    assert score(classes, np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])) == {"accuracy": 0.75}
    assert baseline(classes, np.array([0, 0, 1]), np.array([0, 1, 1, 1])) == {"accuracy": 0.25}
    amounts = Target("y", "regression", "")
    scores = score(amounts, np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))
    # By hand: residual sum of squares 9, total sum of squares 2.
    assert scores == pytest.approx({"r2": 1 - 9 / 2, "mae": 1.0, "rmse": 3**0.5})
    assert baseline(amounts, np.array([2.0]), np.array([1.0, 3.0])) == pytest.approx(
        {"r2": 0.0, "mae": 1.0, "rmse": 1.0}
    )


def test_a_memory_mapped_matrix_stays_on_disk(chainrule: Command) -> None:
    np.save("matrix.npy", np.random.default_rng(0).normal(size=(50, 4)))
    rows = read_rows("matrix.npy")
    assert isinstance(rows.features, np.memmap) and rows.features.shape == (50, 3)
    assert Path("matrix.npy").exists()
