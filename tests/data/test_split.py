"""Splits: no row lost or shared, classes in proportion, folds as scikit-learn makes them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection as sk

import chainrule as cr
from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.core.philox import Generator, default_generator, manual_seed
from chainrule.data.dataset import Subset, TensorDataset
from chainrule.data.split import KFold, StratifiedKFold, random_split, stratified_split, train_test_split
from chainrule.data.tables import Table

DATA = TensorDataset(np.arange(30), np.repeat([0, 1, 2], [15, 10, 5]))


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [
        ([20, 10], [20, 10]),
        ([30, 0], [30, 0]),
        ([0.7, 0.2, 0.1], [21, 6, 3]),
        ([0.5, 0.25, 0.25], [16, 7, 7]),
        ([1.0], [30]),
    ],
)
def test_random_split_sizes(lengths, sizes):
    parts = random_split(DATA, lengths, generator=0)
    assert [len(part) for part in parts] == sizes
    assert sorted(index for part in parts for index in part.indices) == list(range(30))


def test_random_split_sizes_are_pytorchs():
    torch = pytest.importorskip("torch")
    for length in range(1, 40):
        theirs = torch.utils.data.random_split(range(length), [0.4, 0.35, 0.25]) if length > 3 else None
        ours = random_split(range(length), [0.4, 0.35, 0.25], 0)
        assert theirs is None or [len(p) for p in ours] == [len(p) for p in theirs]


def test_random_split_is_random_and_seeded():
    first = random_split(DATA, [20, 10], Generator(1))[0].indices.tolist()
    assert first == random_split(DATA, [20, 10], 1)[0].indices.tolist() != list(range(20))
    assert first != random_split(DATA, [20, 10], 2)[0].indices.tolist()
    manual_seed(1)
    assert first == random_split(DATA, [20, 10])[0].indices.tolist()
    assert default_generator().counter > 0


@pytest.mark.parametrize("lengths", [[20, 11], [0.5, 0.4], [-1, 31], [], [math.nan, 1], [0.5, 1], [True, 29]])
def test_random_split_refuses_lengths_that_do_not_add_up(lengths):
    with pytest.raises(ConfigError, match="random_split"):
        random_split(DATA, lengths)


def test_stratified_split_of_labels_and_of_a_data_set():
    labels = DATA.arrays[1]
    rest, part = stratified_split(labels, 0.2, 3)
    assert np.bincount(labels[part]).tolist() == [3, 2, 1] and np.bincount(labels[rest]).tolist() == [
        12,
        8,
        4,
    ]
    assert sorted([*rest, *part]) == list(range(30))
    subsets = stratified_split(DATA, 0.2, 3)
    assert all(isinstance(subset, Subset) for subset in subsets)
    assert subsets[1].indices.tolist() == part.tolist()
    items = [(float(i), "ab"[i % 2]) for i in range(10)]

    class Plain:
        def __len__(self):
            return len(items)

        def __getitem__(self, index):
            return items[index]

    plain = stratified_split(Plain(), 0.4, 0)[1]
    assert sorted(plain[i][1] for i in range(len(plain))) == ["a", "a", "b", "b"]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(2, 30), min_size=2, max_size=6),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 9),
)
def test_stratified_split_keeps_each_class_on_both_sides(counts, fraction, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    held_out = math.ceil(len(labels) * fraction - 1e-9)
    if not len(counts) <= held_out <= len(labels) - len(counts):
        with pytest.raises(DataError, match="a row of each class on both sides"):
            stratified_split(labels, fraction, seed)
        return
    rest, part = stratified_split(labels, fraction, seed)
    assert len(part) == held_out and sorted([*rest, *part]) == list(range(len(labels)))
    taken = np.bincount(labels[part], minlength=len(counts))
    assert (taken >= 1).all() and (taken < counts).all()
    exact = np.array(counts) * held_out / len(labels)
    # Only classes pushed to their bounds of one row may be further than one row from their share.
    assert (np.abs(taken - exact) <= len(counts)).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "a", "b"], "class 'b' has a single row"),
        ([], "no rows"),
        (["a", None, "a"], "no class in row 1"),
    ],
)
def test_stratified_split_refuses(labels, message):
    with pytest.raises(DataError, match=message):
        stratified_split(np.array(labels, object), 0.5, 0)


def test_stratified_split_refuses_fractions_and_one_hot_labels():
    with pytest.raises(ConfigError, match="fraction=1"):
        stratified_split([0, 0, 1, 1], 1, 0)
    with pytest.raises(ShapeError, match="argmax"):
        stratified_split(np.eye(4), 0.5, 0)


@pytest.mark.parametrize("test_size", [0.25, 0.1, 0.33, 7, 1])
def test_train_test_split_sizes_are_scikit_learns(test_size):
    x, y = np.arange(30), DATA.arrays[1]
    ours = train_test_split(x, y, test_size=test_size)
    theirs = sk.train_test_split(x, y, test_size=test_size)
    assert [len(part) for part in ours] == [len(part) for part in theirs]
    assert sorted([*ours[0], *ours[1]]) == list(range(30))
    assert (y[ours[0]] == ours[2]).all() and (y[ours[1]] == ours[3]).all()
    if test_size in (0.25, 0.33):
        stratified = train_test_split(x, y, test_size=test_size, stratify=y, seed=4)
        theirs = sk.train_test_split(x, y, test_size=test_size, stratify=y)
        assert np.abs(np.bincount(stratified[3]) - np.bincount(theirs[3])).max() <= 1  # ties go either way
        assert len(stratified[3]) == len(theirs[3])


def test_train_test_split_keeps_containers():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.DataFrame({"a": range(8)}, index=list("abcdefgh"))
    parts = train_test_split(frame, polars.DataFrame({"a": range(8)}), list(range(8)), cr.tensor(np.arange(8)), seed=2)
    values = [parts[1]["a"].tolist(), parts[3]["a"].to_list(), parts[5], parts[7].numpy().tolist()]
    assert isinstance(parts[0], pandas.DataFrame) and isinstance(parts[4], list)
    assert all(value == values[0] for value in values) and len(values[0]) == 2


def test_train_test_split_takes_rows_of_tables():
    table = Table({"a": np.arange(8), "b": np.arange(8) * 2}, {"a": "number", "b": "number"}, target="b")
    train, test, numbers = train_test_split(table, np.arange(8), test_size=0.25, seed=2)[:3]
    assert test["a"].tolist() == train_test_split(np.arange(8), test_size=0.25, seed=2)[1].tolist()
    assert train["a"].tolist() == numbers.tolist() and (train["b"] == 2 * train["a"]).all() and train.target == "b"


@pytest.mark.parametrize("test_size", [0, 30, 31, 1.0, 0.0, -0.1, 0.999, True])
def test_train_test_split_leaves_a_row_on_both_sides(test_size):
    with pytest.raises(ConfigError, match="test_size"):
        train_test_split(np.arange(30), test_size=test_size)


def test_train_test_split_refuses_different_lengths():
    with pytest.raises(ShapeError, match=r"\[3, 4\]"):
        train_test_split([1, 2, 3], [1, 2, 3, 4])


@pytest.mark.parametrize("folds", [2, 3, 7, 30])
def test_folds_are_scikit_learns(folds):
    x = np.zeros((30, 1))
    for ours, theirs in zip(KFold(folds).split(x), sk.KFold(folds).split(x), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_stratified_folds_are_scikit_learns(folds):
    y = np.random.default_rng(folds).permutation(np.repeat(["x", "a", "m"], [17, 8, 5]))
    ours, theirs = StratifiedKFold(folds).split(y, y), sk.StratifiedKFold(folds).split(y, y)
    for (train, test), (their_train, their_test) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


@pytest.mark.parametrize("make", [KFold, StratifiedKFold])
def test_shuffled_folds_are_seeded_and_cover_every_row_once(make):
    y = DATA.arrays[1]
    folds = [test.tolist() for _, test in make(5, shuffle=True, seed=3).split(y, y)]
    assert sorted(row for fold in folds for row in fold) == list(range(30)) and {len(fold) for fold in folds} == {6}
    assert folds == [test.tolist() for _, test in make(5, shuffle=True, seed=3).split(y, y)]
    assert folds != [test.tolist() for _, test in make(5, shuffle=True, seed=4).split(y, y)]
    if make is StratifiedKFold:
        assert all(np.bincount(y[fold]).tolist() == [3, 2, 1] for fold in folds)


def test_too_few_members_for_the_folds():
    with pytest.raises(DataError, match="3 rows"):
        next(KFold(4).split([1, 2, 3]))
    with pytest.raises(DataError, match="class 'b' with 2 rows"):
        next(StratifiedKFold(3).split(range(7), list("aaaabba")))
    with pytest.raises(DataError, match="no rows"):
        next(StratifiedKFold(3).split([], []))
    with pytest.raises(ConfigError, match="y=None"):
        next(StratifiedKFold(3).split([1, 2, 3]))
    with pytest.raises(ShapeError, match="3 and 2 rows"):
        next(StratifiedKFold(2).split([1, 2, 3], [1, 2]))
    for bad in (1, 2.0, True):
        with pytest.raises(ConfigError, match="2 or more"):
            KFold(bad)
