"""Tables to network inputs: the decision on each column with its reason, the target, and the errors users will meet."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chainrule.core.errors import CheckpointError, ConfigError, DataError
from chainrule.data.preprocess import TablePreprocessor
from chainrule.data.tables import Table
from chainrule.data.target import Target, choose_target, choose_task


def table(**columns: tuple[str, list]) -> Table:
    arrays = {
        name: np.array(values, np.float64 if kind == "number" else object) for name, (kind, values) in columns.items()
    }
    return Table(arrays, {name: kind for name, (kind, _) in columns.items()})


N = 20
PASSENGERS = table(
    PassengerId=("number", list(range(1, N + 1))),
    name=("text", [f"Person {i}" for i in range(N)]),
    age=("number", [np.nan, *range(1, N)]),
    port=("category", (["S", "C", "S", None] * N)[:N]),
    married=("boolean", [True, False] * (N // 2)),
    planet=("category", ["Earth"] * N),
    decks=("number", [3.0] * N),
    empty=("number", [np.nan] * N),
    remark=("text", ["late", "early"] * (N // 2)),
)


def test_every_decision_is_told_with_its_reason():
    assert TablePreprocessor().fit(PASSENGERS).decisions == [
        "column 'PassengerId': a different whole number in every row, and the name of an identifier: left out",
        "column 'name': text with 20 different values in 20 rows, like an identifier: left out",
        "column 'age': number, standardised (mean 10, standard deviation 5.47723); 1 missing value becomes the mean",
        "column 'port': category, one input for each of 2 values (C, S) and one for missing (5 rows)",
        "column 'married': boolean, one input for each of 2 values (false, true)",
        "column 'planet': the one value 'Earth' in every row: left out",
        "column 'decks': the one value 3 in every row: left out",
        "column 'empty': no value in any row: left out",
        "column 'remark': text, one input for each of 2 values (early, late)",
    ]


def test_transform_gives_the_inputs_in_float32():
    preprocessor = TablePreprocessor()
    x = preprocessor.fit_transform(PASSENGERS)
    assert preprocessor.feature_names == [
        "age", "port=C", "port=S", "port=missing", "married=false", "married=true", "remark=early", "remark=late"
    ]  # fmt: skip
    assert x.dtype == np.float32 and x.shape == (N, 8)
    assert x[0].tolist() == [0, 0, 1, 0, 0, 1, 0, 1] and x[3, 1:4].tolist() == [0, 0, 1]
    known = np.arange(1, N)
    np.testing.assert_allclose(x[1:, 0], (known - known.mean()) / known.std(), rtol=1e-6)
    assert preprocessor.notices == []


def test_state_survives_json_and_predicts_the_same():
    preprocessor = TablePreprocessor().fit(PASSENGERS)
    restored = TablePreprocessor.from_state(json.loads(json.dumps(preprocessor.state(), allow_nan=False)))
    np.testing.assert_array_equal(restored.transform(PASSENGERS), preprocessor.transform(PASSENGERS))
    assert restored.decisions == preprocessor.decisions and restored.feature_names == preprocessor.feature_names
    assert restored.state() == preprocessor.state()


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"kind": "Other", "columns": [], "decisions": []},
        {"kind": "TablePreprocessor", "columns": [{"type": "x"}]},
    ],
)
def test_damaged_state_is_refused(state):
    with pytest.raises(CheckpointError, match="restore a TablePreprocessor"):
        TablePreprocessor.from_state(state)


def test_target_is_left_out_and_order_of_columns_does_not_matter():
    preprocessor = TablePreprocessor().fit(PASSENGERS, exclude=["age"])
    assert "age" not in preprocessor.feature_names
    turned = PASSENGERS.select(["remark", "married", "port"])
    np.testing.assert_array_equal(preprocessor.transform(turned), preprocessor.transform(PASSENGERS))
    with pytest.raises(ConfigError, match="agee"):
        TablePreprocessor().fit(PASSENGERS, exclude=["agee"])


def test_missing_column_is_named_with_the_nearest():
    preprocessor = TablePreprocessor().fit(PASSENGERS)
    renamed = table(
        Age=("number", [1]), port=("category", ["S"]), married=("boolean", [True]), remark=("text", ["late"])
    )
    with pytest.raises(DataError, match=r"'age', which the model learned from[\s\S]*did you mean 'Age'\?"):
        preprocessor.transform(renamed)


def test_text_in_a_number_column_is_found():
    preprocessor = TablePreprocessor().fit(table(age=("number", [1, 2, 4])))
    with pytest.raises(DataError, match=r"column 'age' as numbers[\s\S]*'old' in row 3"):
        preprocessor.transform(table(age=("category", ["12", None, "old"])))
    with pytest.raises(DataError, match="'inf' in row 2"):
        preprocessor.transform(table(age=("number", [1, np.inf])))
    np.testing.assert_array_equal(
        preprocessor.transform(table(age=("text", ["1", "", "4"]))),
        preprocessor.transform(table(age=("number", [1, np.nan, 4]))),
    )


def test_unknown_categories_are_zeros_and_told_once():
    preprocessor = TablePreprocessor().fit(table(c=("category", ["a", "b"] * 3), x=("number", range(6))))
    x = preprocessor.transform(table(c=("category", ["q", "a", "q", None]), x=("number", [1, 1, 1, 1])))
    assert x[:, 0:2].tolist() == [[0, 0], [1, 0], [0, 0], [0, 0]]
    (notice,) = preprocessor.notices
    assert notice == (
        "column 'c' has values that were not there in training, in 3 rows ('q', a missing value): encoded as zeros"
    )
    preprocessor.transform(table(c=("category", ["a"]), x=("number", [1])))
    assert preprocessor.notices == []


def test_categories_are_known_by_their_text_whatever_their_type():
    preprocessor = TablePreprocessor().fit(table(c=("category", ["1", "2", "1"]), b=("boolean", [True, False, None])))
    expected = [[1, 0, 0, 1, 0], [0, 1, 1, 0, 0]]
    assert preprocessor.transform(table(c=("number", [1, 2]), b=("category", ["YES", "no"]))).tolist() == expected
    assert preprocessor.transform(table(c=("category", ["1", "2"]), b=("number", [1, 0]))).tolist() == expected


def test_of_very_many_categories_the_most_frequent_are_kept():
    words = [f"w{i:03d}" for i in range(150) for _ in range(2)] + ["w149"]
    preprocessor = TablePreprocessor().fit(table(c=("category", words)))
    assert "the 100 most frequent of 150 values" in preprocessor.decisions[0]
    assert len(preprocessor.feature_names) == 100 and "c=w149" in preprocessor.feature_names


@pytest.mark.parametrize(
    ("name", "values", "dropped"),
    [
        ("customer_id", [7, 3, 9, 1], True),
        ("Id", [7, 3, 9, 1], True),
        ("index", [0, 1, 2, 3], True),
        ("column_1", [0, 1, 2, 3], True),
        ("column_1", [5, 0, 3, 6], True),
        ("column_1", [7, 3, 9, 1], False),
        ("width", [1, 2, 3, 4], False),
        ("id", [7, 3, 7, 1], False),
        ("id", [0.5, 1, 2, 3], False),
        ("humid", [7, 3, 9, 1], False),
    ],
)
def test_numbers_that_only_count_rows(name, values, dropped):
    columns = {name: ("number", values), "z": ("number", [1, 5, 2, 2])}
    assert (name not in TablePreprocessor().fit(table(**columns)).feature_names) is dropped


def test_tables_that_teach_nothing():
    with pytest.raises(DataError, match="without rows"):
        TablePreprocessor().fit(table(a=("number", [])))
    with pytest.raises(DataError, match="column 'a': the one value 1 in every row"):
        TablePreprocessor().fit(table(a=("number", [1, 1]), y=("number", [1, 2])), exclude=["y"])
    with pytest.raises(DataError, match="no column besides the target"):
        TablePreprocessor().fit(table(y=("number", [1, 2])), exclude=["y"])
    with pytest.raises(DataError, match="without rows"):
        TablePreprocessor().fit(table(a=("number", [1, 2]))).transform(table(a=("number", [])))
    with pytest.raises(ConfigError, match="learned nothing"):
        TablePreprocessor().transform(PASSENGERS)


def test_agrees_with_scikit_learn_on_complete_numbers():
    datasets, preprocessing = (
        pytest.importorskip("sklearn.datasets"),
        pytest.importorskip("sklearn.preprocessing"),
    )
    x = datasets.load_wine().data
    ours = TablePreprocessor().fit_transform(table(**{f"c{i}": ("number", x[:, i]) for i in range(13)}))
    np.testing.assert_allclose(ours, preprocessing.StandardScaler().fit_transform(x), rtol=1e-5, atol=1e-6)


# ---- the target


@pytest.mark.parametrize(
    ("names", "asked", "chosen", "why"),
    [
        (["a", "b"], None, "b", "it is the last one"),
        (["Species", "b"], None, "Species", "often called"),
        (["y", "label", "b"], None, "label", "often called"),
        (["y", "label", "b"], "y", "y", "as asked"),
    ],
)
def test_choose_target(names, asked, chosen, why):
    choice = choose_target(table(**{name: ("number", [1, 2]) for name in names}), asked)
    assert choice.name == chosen and why in choice.reason and repr(chosen) in choice.reason


def test_choose_target_noted_by_the_reader():
    noted = table(a=("number", [1, 2]), label=("number", [1, 2]))
    noted.target = "a"
    assert choose_target(noted).name == "a" and choose_target(noted, "label").name == "label"


def test_choose_target_refuses():
    with pytest.raises(DataError, match=r"predict column 'qality'[\s\S]*did you mean 'quality'\?"):
        choose_target(table(quality=("number", [1]), x=("number", [1])), "qality")
    with pytest.raises(DataError, match="one column, 'x'"):
        choose_target(table(x=("number", [1])))


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        (np.arange(1599) % 7 + 3, "classification", "7 distinct whole numbers in 1599 rows"),
        (np.arange(442) % 214, "regression", "214 distinct whole numbers in 442 rows"),
        (np.linspace(0, 1, 9), "regression", "9 distinct numbers in 9 rows"),
        (["a", "b", "a"], "classification", "2 distinct texts in 3 rows"),
        (np.array([True, False, True]), "classification", "2 distinct truth values in 3 rows"),
        ([0, 1, 1], "classification", "2 distinct whole numbers in 3 rows"),
    ],
)
def test_choose_task(values, task, reason):
    target = choose_task(values, "c")
    assert (target.task, target.reason) == (task, f"column 'c' has {reason}: {task}")


def test_task_can_be_asked_for():
    target = choose_task(np.arange(20) % 5, "c", task="regression")
    assert target.task == "regression" and target.reason.endswith("regression, as asked") and target.classes == []
    assert choose_task(np.linspace(0, 1, 30), "c", task="classification").task == "classification"
    with pytest.raises(DataError, match=r"column 'c' as numbers[\s\S]*'a' in row 1"):
        choose_task(["a", "b"], "c", task="regression")
    with pytest.raises(ConfigError, match="clustering"):
        choose_task([0, 1], "c", task="clustering")


def test_classes_are_numbered_in_order_and_named():
    target = choose_task(np.array([10.0, 2.0, 10.0, 2.0, 3.0, 3.0]), "c")
    assert target.classes == ["2", "3", "10"]
    assert target.encode([10, 2]).tolist() == [2, 0] and target.encode(["3"]).dtype == np.int64
    restored = Target.from_state(json.loads(json.dumps(target.state())))
    assert restored.decode(np.array([0, 2])).tolist() == ["2", "10"]
    with pytest.raises(DataError, match=r"class '7' in row 2"):
        restored.encode([2, 7])


def test_rows_without_a_target_are_told():
    values = np.array(["a", None, "b", "a", "b"], object)
    target = choose_task(values, "c")
    assert target.notices == ["column 'c' has no value in 1 of 5 rows: those rows are left out"]
    assert target.known(values).tolist() == [True, False, True, True, True]
    with pytest.raises(DataError, match="no value in row 2"):
        target.encode(values)
    assert choose_task(np.array([1.5, np.nan, 2.5, 9.5]), "c").known([np.nan, 2.0]).tolist() == [False, True]


def test_regression_targets_are_standardised_and_come_back():
    values = np.array([150.0, 75.5, 141.25, 206.0, np.nan])
    target = choose_task(values, "c")
    y = target.encode(values[target.known(values)])
    assert y.shape == (4, 1) and y.dtype == np.float32
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-6)
    restored = Target.from_state(json.loads(json.dumps(target.state())))
    np.testing.assert_allclose(restored.decode(y), values[:4], rtol=1e-6)
    assert target.fit(values[:2]).mean == pytest.approx(112.75)


def test_rare_classes_are_told():
    assert choose_task(["a", "a", "b", "b", "z"], "c").notices == ["column 'c' has classes with a single row: 'z'"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "a"], r"one value only, 'a', in all 2 rows"),
        ([3.0, 3.0, np.nan], r"one value only, '3', in all 2 rows"),
        ([np.nan, np.nan], "no value in any of 2 rows"),
        ([], "a table without rows"),
        ([f"text {i}" for i in range(40)], "40 different texts in 40 rows"),
        ([1.5, np.inf, 2.5], r"'inf' in row 2"),
    ],
)
def test_targets_that_cannot_be_learned(values, message):
    with pytest.raises(DataError, match=message):
        choose_task(np.array(values, object if values and isinstance(values[0], str) else None), "c")


def test_damaged_target_state_is_refused():
    with pytest.raises(CheckpointError, match="restore a Target"):
        Target.from_state({"kind": "Target", "name": "c", "task": "sorting", "reason": ""})
