"""Data sets: what they hold, what they refuse, and that gathering rows agrees with asking for items."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import DataError, DTypeError, ShapeError
from chainrule.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset, row_reader

X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


def items(dataset: Dataset) -> list[list]:
    return [[part.numpy().tolist() for part in item] for item in dataset]


def test_item_is_a_tuple_of_tensors_with_the_arrays_types():
    x, y = TensorDataset(X, Y)[3]
    assert (x.numpy().tolist(), int(y.numpy())) == ([6.0, 7.0], 0)
    assert (x.dtype, y.dtype, tuple(y.shape)) == (np.float32, np.int64, ())


def test_arrays_and_memory_maps_are_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    dataset = TensorDataset(X, mapped)
    assert dataset.arrays[0] is X and dataset.arrays[1] is mapped
    gathered = dataset.rows(np.array([5, 0]))
    assert type(gathered[1]) is np.ndarray and gathered[1].tolist() == [[10, 11], [0, 1]]


def test_big_endian_rows_become_native_tensors():
    (item,) = TensorDataset(Y.astype(">i8"))[2]
    assert int(item.numpy()) == 2 and item.numpy().dtype.isnative


def test_tensors_lists_and_frames_are_taken():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.DataFrame({"a": [1.5, 2.5], "b": [3, 4], "c": [True, False]})
    dataset = TensorDataset(cr.tensor(X[:2]), [[1, 2], [3, 4]], frame, polars.DataFrame({"a": [0.5, None]}), [0.25, 1])
    values = [array.tolist() for array in dataset.arrays[:3]]
    assert values == [X[:2].tolist(), [[1, 2], [3, 4]], [[1.5, 3, 1], [2.5, 4, 0]]]
    assert [array.dtype for array in dataset.arrays] == [
        np.float32,
        np.int64,
        np.float32,
        np.float32,
        np.float32,
    ]
    assert np.isnan(dataset.arrays[3][1, 0])
    gaps = TensorDataset(pandas.Series([1, None, 3], dtype="Int64")).arrays[0]
    assert gaps[[0, 2]].tolist() == [1, 3] and np.isnan(gaps[1])


def test_float64_arrays_keep_their_type():
    assert TensorDataset(X.astype(np.float64)).arrays[0].dtype == np.float64


def test_different_lengths_are_refused():
    with pytest.raises(ShapeError, match=r"\(6, 2\), \(5,\)"):
        TensorDataset(X, Y[:5])


@pytest.mark.parametrize("bad", [np.array(["a", "b"]), np.array(["2020-01-01"], "M8[D]"), np.array([1 + 2j])])
def test_anything_but_numbers_is_refused(bad):
    with pytest.raises(DTypeError, match="array 0 of a TensorDataset as numbers"):
        TensorDataset(bad)


def test_no_arrays_and_no_rows_axis_are_refused():
    with pytest.raises(DataError, match="no arrays"):
        TensorDataset()
    with pytest.raises(ShapeError, match="a single value"):
        TensorDataset(np.float32(3))
    with pytest.raises(ShapeError, match="different lengths"):
        TensorDataset([[1, 2], [3]])


def test_undefined_methods_say_what_to_define():
    class Empty(Dataset):
        pass

    with pytest.raises(NotImplementedError, match="Empty must define __getitem__"):
        Empty()[0]
    with pytest.raises(NotImplementedError, match="Empty must define __len__"):
        len(Empty())


def test_subset_of_a_subset_gathers_the_rows_of_its_items():
    subset = Subset(Subset(TensorDataset(X, Y), [5, 3, 1, -6]), np.array([3, 0]))
    assert items(subset) == [[[0.0, 1.0], 0], [[10.0, 11.0], 2]]
    assert [array.tolist() for array in row_reader(subset)(np.arange(2))] == [[[0, 1], [10, 11]], [0, 2]]


@pytest.mark.parametrize(("indices", "message"), [([6], "index 6"), ([-7], "index -7"), ([0.5], "float64")])
def test_subset_refuses_indices_that_are_none(indices, message):
    with pytest.raises(DataError, match=message):
        Subset(TensorDataset(X), indices)


def test_subset_by_mask_points_to_flatnonzero():
    with pytest.raises(DataError, match="flatnonzero"):
        Subset(TensorDataset(X), Y == 1)


def test_concatenation_agrees_with_the_whole():
    whole = TensorDataset(X, Y)
    parts = TensorDataset(X[:1], Y[:1]) + Subset(whole, [1, 2]) + TensorDataset(X[3:], Y[3:])
    assert len(parts) == 6 and items(parts) == items(whole)
    order = np.array([5, 0, 2, 2, 4, 1, 3])
    for ours, theirs in zip(row_reader(parts)(order), whole.rows(order), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert int(parts[-1][1].numpy()) == 2
    with pytest.raises(IndexError):
        parts[6]


def test_concatenation_of_unlike_rows_is_refused_when_gathered():
    with pytest.raises(ShapeError, match=r"float32\[2\].*int64\[\]"):
        row_reader(ConcatDataset([TensorDataset(X), TensorDataset(Y)]))(np.array([0, 7]))


def test_rows_are_not_used_where_items_were_redefined():
    class Distorted(TensorDataset):
        def __getitem__(self, index):
            return tuple(-part.numpy() for part in super().__getitem__(index))

    distorted = Distorted(X)
    assert row_reader(distorted) is None
    assert row_reader(Subset(distorted, [0])) is None and row_reader(distorted + TensorDataset(X)) is None
    assert row_reader([1, 2, 3]) is None
    assert not hasattr(Subset(distorted, [0]), "rows")
