"""Lists, tensors, pandas and polars as arrays and tables, without importing either."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from chainrule.core.errors import ChainruleError, DataError, DTypeError, ShapeError
from chainrule.data.arrays import as_array, frame_to_table, is_frame


def listed(table):
    return {name: column.tolist() for name, column in table.columns.items()}


# as_array


def test_arrays_and_memory_maps_pass_through(tmp_path):
    array = np.zeros((2, 3), ">f8")
    assert as_array(array) is array
    np.save(tmp_path / "a.npy", np.zeros(4))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert as_array(mapped) is mapped


@pytest.mark.parametrize(
    ("value", "dtype"),
    [([1, 2], "int64"), ([1.5], "float32"), ([[1, 2.5]], "float32"), ((True,), "bool"), ([], "float32")],
)
def test_sequences_take_the_librarys_types(value, dtype):
    array = as_array(value)
    assert array.dtype == dtype and array.tolist() == list(value)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (3.0, ShapeError, "a single value, 3.0"),
        ([[1, 2], [3]], ShapeError, "rows of different lengths"),
        (["a", "b"], DTypeError, "class_indices"),
        (np.array([1, None], object), DTypeError, "object"),
        ([1j], DTypeError, "complex128"),
        (None, ChainruleError, "weights"),
        ({"a": 1}, ChainruleError, "weights"),
        (np.array(["2020-01-01"], "M8[D]"), DTypeError, "datetime64"),
    ],
)
def test_what_holds_no_numbers_is_refused(value, error, message):
    with pytest.raises(error, match=message) as caught:
        as_array(value, "weights")
    assert "weights" in str(caught.value)


def test_text_is_let_through_when_asked():
    assert as_array(["a", "b"], numeric=False).tolist() == ["a", "b"]


def test_anything_with_numpy_is_a_tensor():
    class Tensor:
        def numpy(self):
            return np.arange(3)

    class Attached:
        def numpy(self):
            raise RuntimeError("requires grad")

    assert as_array(Tensor()).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match=r"requires grad[\s\S]*detach"):
        as_array(Attached())


# Frames


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return pytest.importorskip(request.param)


def test_frames_become_matrices(library):
    frame = library.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]})
    assert is_frame(frame) and not is_frame(frame["a"])
    assert as_array(frame).tolist() == [[1, 0.5, 1], [2, 1.5, 0]]
    assert as_array(frame[["b"]]).dtype == np.float64
    assert as_array(frame["a"]).tolist() == [1, 2]
    assert as_array(library.DataFrame({"a": [1.5, None]}))[1:].tolist() == [[pytest.approx(np.nan, nan_ok=True)]]


def test_words_in_a_frame_are_named(library):
    frame = library.DataFrame({"a": [1, 2], "town": ["Ulm", "Bonn"]})
    with pytest.raises(DTypeError, match=r"column 'town' of category"):
        as_array(frame, "inputs")
    assert as_array(frame, numeric=False).tolist() == [[1, "Ulm"], [2, "Bonn"]]
    assert as_array(frame["town"], numeric=False).tolist() == ["Ulm", "Bonn"]
    with pytest.raises(DTypeError, match="targets as numbers"):
        as_array(frame["town"], "targets")


def test_frame_to_table_gives_what_read_csv_would(library):
    frame = library.DataFrame(
        {
            "whole": [1, 2, 3],
            "gap": [1.5, None, 2.5],
            "flag": [True, False, True],
            "maybe": [True, None, False],
            "town": ["Ulm", None, "Ulm"],
            "name": ["p", "q", "r"],
        }
    )
    table = frame_to_table(frame, target="town")
    assert table.kinds == {
        "whole": "number",
        "gap": "number",
        "flag": "boolean",
        "maybe": "boolean",
        "town": "category",
        "name": "category",
    }
    np.testing.assert_array_equal(table["gap"], [1.5, np.nan, 2.5])
    assert table["whole"].tolist() == [1, 2, 3] and table["maybe"].tolist() == [True, None, False]
    assert table["town"].tolist() == ["Ulm", None, "Ulm"] and table.target == "town"
    with pytest.raises(DataError, match="did you mean 'town'"):
        frame_to_table(frame, target="tow")


def test_whole_numbers_with_gaps_and_many_words(library):
    words = [f"person {i}" for i in range(20)]
    table = frame_to_table(library.DataFrame({"n": [1, None] + [2] * 18, "w": words}))
    assert table.kinds == {"n": "number", "w": "text"}
    assert table["n"][0] == 1 and np.isnan(table["n"][1])


def test_pandas_own_types():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], "Int64"),
            "flag": pd.array([True, None, False], "boolean"),
            "word": pd.array(["a", None, "b"], "string"),
            "level": pd.Categorical(["low", "high", None]),
            "code": pd.Categorical([3, 5, None]),
            "day": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
        }
    )
    table = frame_to_table(frame)
    np.testing.assert_array_equal(table["whole"], [1, np.nan, 3])
    assert table["flag"].tolist() == [True, None, False] and table.kinds["flag"] == "boolean"
    assert table["word"].tolist() == ["a", None, "b"] and table["level"].tolist() == ["low", "high", None]
    assert table["code"].tolist() == ["3", "5", None] and table.kinds["code"] == "category"
    assert table["day"][1] is None and table["day"][0].startswith("2020-01-01")
    np.testing.assert_array_equal(as_array(frame[["whole", "flag"]]), [[1, 1], [np.nan, np.nan], [3, 0]])
    with pytest.raises(DataError, match="two columns named 'a'"):
        frame_to_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_polars_own_types():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"level": pl.Series(["low", "high", None], dtype=pl.Categorical), "n": [1, 2, 3]})
    assert frame_to_table(frame).kinds == {"level": "category", "n": "number"}
    assert listed(frame_to_table(frame))["level"] == ["low", "high", None]
    with pytest.raises(DTypeError, match="collect"):
        frame_to_table(frame.lazy())
    with pytest.raises(DTypeError, match="collect"):
        as_array(frame.lazy())


def test_not_a_frame():
    with pytest.raises(DTypeError, match="a list"):
        frame_to_table([1, 2])


def test_no_heavy_import():
    code = (
        "import sys, chainrule.data.named, chainrule.data.arrays, chainrule.data.readers\n"
        "print(sorted({'pandas', 'polars', 'PIL', 'rich', 'matplotlib', 'llvmlite'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
