"""Scalers, encoders and the imputer: the numbers of scikit-learn, and a state that survives JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import impute, preprocessing

from chainrule.core.errors import CheckpointError, ConfigError, DataError, DTypeError, ShapeError
from chainrule.data.encoding import LabelEncoder, OneHotEncoder
from chainrule.data.scaling import Imputer, MinMaxScaler, StandardScaler, Transform

rng = np.random.default_rng(0)
X = rng.normal([0, 100, -3e6], [1, 1e-3, 5e4], size=(9000, 3))  # more rows than one block
HOLES = np.where(rng.random(X.shape) < 0.1, np.nan, X)
COLOURS = np.array([["red", "s"], ["blue", "m"], ["red", "l"], ["green", "m"]], object)


def same_after_json(fitted: Transform) -> Transform:
    state = json.loads(json.dumps(fitted.state(), allow_nan=False))
    restored = type(fitted).from_state(state)
    assert restored.state() == fitted.state()
    return restored


@pytest.mark.parametrize("x", [X, HOLES, np.full((5, 2), 0.1), X[:1]], ids=["plain", "holes", "constant", "one row"])
@pytest.mark.parametrize("settings", [{}, {"with_mean": False}, {"with_std": False}])
def test_standard_scaler_is_scikit_learns(x, settings):
    ours = StandardScaler(**settings, dtype=np.float64).fit(x)
    theirs = preprocessing.StandardScaler(**settings).fit(x)
    if theirs.var_ is not None:
        np.testing.assert_allclose(ours.var_, theirs.var_, rtol=1e-9, atol=1e-25)
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(x)), x, rtol=1e-12, atol=1e-12)
    restored = same_after_json(ours)
    np.testing.assert_array_equal(restored.transform(x), ours.transform(x))


@pytest.mark.parametrize("x", [X, HOLES, np.full((5, 2), 0.1)], ids=["plain", "holes", "constant"])
@pytest.mark.parametrize("settings", [{}, {"feature_range": (-2, 3)}, {"clip": True}])
def test_min_max_scaler_is_scikit_learns(x, settings):
    ours = MinMaxScaler(**settings, dtype=np.float64).fit(x)
    theirs = preprocessing.MinMaxScaler(**settings).fit(x)
    new = x * 1.5 - 1
    np.testing.assert_allclose(ours.transform(new), theirs.transform(new), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(x)), x, rtol=1e-9)
    np.testing.assert_array_equal(same_after_json(ours).transform(new), ours.transform(new))


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (7, 2), elements=st.floats(-1e9, 1e9) | st.just(float("nan"))))
def test_scalers_stay_finite_where_values_are(x):
    for scaler in (StandardScaler(), MinMaxScaler()):
        out = scaler.fit_transform(x)
        assert out.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(out), np.isnan(x))
        assert np.isfinite(out[~np.isnan(x)]).all()


@pytest.mark.parametrize("shape", [(8,), (8, 2), (8, 4, 3)])
def test_scalers_keep_the_shape_of_their_input(shape):
    x = rng.normal(5, 2, size=shape).astype(np.float32)
    scaled = StandardScaler().fit_transform(x)
    assert scaled.shape == shape and scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-6)
    restored = same_after_json(StandardScaler().fit(x))
    np.testing.assert_array_equal(restored.transform(x), scaled)


def test_constant_column_of_large_numbers_is_only_shifted():
    x = np.full((1000, 1), 1e8 + 0.1)
    assert (StandardScaler().fit_transform(x) == 0).all() and (MinMaxScaler().fit_transform(x) == 0).all()


def test_bytes_and_frames_are_scaled():
    pandas = pytest.importorskip("pandas")
    assert MinMaxScaler().fit_transform(np.array([[0], [255], [51]], np.uint8)).ravel().tolist() == pytest.approx(
        [0, 1, 0.2]
    )
    frame = pandas.DataFrame({"a": [1, 3], "b": [2.0, 6.0]})
    assert StandardScaler().fit_transform(frame).tolist() == [[-1, -1], [1, 1]]


def test_column_of_nothing_but_nan_stays_nan():
    x = np.array([[np.nan, 1.0], [np.nan, 3.0]])
    for scaler in (StandardScaler(), MinMaxScaler()):
        assert np.isnan(scaler.fit_transform(x)[:, 0]).all()
        assert np.isfinite(scaler.transform(np.zeros((1, 2)))).all()


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
def test_scalers_refuse(scaler):
    with pytest.raises(ConfigError, match=r"call fit\(x\) first"):
        type(scaler)().transform(X)
    with pytest.raises(ConfigError, match="learned nothing"):
        type(scaler)().state()
    with pytest.raises(DataError, match="at least one row"):
        scaler.fit(np.zeros((0, 3)))
    with pytest.raises(DataError, match=r"infinity at index \(5000, 1\)"):
        broken = X.copy()
        broken[5000, 1] = np.inf
        scaler.fit(broken)
    with pytest.raises(DTypeError, match="Scaler as numbers"):
        scaler.fit(COLOURS)
    with pytest.raises(ShapeError, match=r"rows of shape \(3,\), as at fit: \(n, 3\)"):
        scaler.fit(X).transform(X[:, :2])


def test_range_upside_down_is_refused():
    with pytest.raises(ConfigError, match="low < high"):
        MinMaxScaler((1, 0)).fit(X)


@pytest.mark.parametrize(
    "state",
    [{}, {"kind": "MinMaxScaler"}, {"kind": "StandardScaler", "mean_": [0]}],
    ids=["empty", "other", "partial"],
)
def test_damaged_states_are_refused(state):
    with pytest.raises(CheckpointError, match="restore a StandardScaler"):
        StandardScaler.from_state(state)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("indicator", [False, True])
def test_imputer_is_scikit_learns(strategy, indicator):
    x = np.round(HOLES[:200] / [1, 1e-3, 5e4])
    x[:, 1] = np.arange(200)  # a column without gaps
    ours = Imputer(strategy, add_indicator=indicator, dtype=np.float64).fit(x)
    theirs = impute.SimpleImputer(strategy=strategy, add_indicator=indicator).fit(x)
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-12)
    np.testing.assert_array_equal(same_after_json(ours).transform(x), ours.transform(x))


def test_imputer_fills_texts():
    x = np.array([["b", "x"], [None, "y"], ["a", float("nan")], ["a", "y"], ["b", ""]], object)
    assert Imputer("most_frequent").fit_transform(x).tolist() == [
        ["b", "x"],
        ["a", "y"],
        ["a", "y"],
        ["a", "y"],
        ["b", "y"],
    ]
    constant = same_after_json(Imputer("constant").fit(x))
    assert constant.transform(x)[1].tolist() == ["missing", "y"]
    assert Imputer("constant", fill_value=-1).fit_transform([[np.nan, 2.0]]).tolist() == [[-1, 2]]


def test_imputer_refuses():
    empty_column = np.array([[1.0, np.nan], [2.0, np.nan]])
    with pytest.raises(DataError, match="column 1 without a single value"):
        Imputer().fit(empty_column)
    with pytest.raises(ConfigError, match="most_frequent or constant"):
        Imputer("mode").fit(X)
    with pytest.raises(DTypeError, match="Imputer as numbers"):
        Imputer("mean").fit(COLOURS)
    with pytest.raises(ShapeError, match="reshape"):
        Imputer().fit(X[:, 0])
    with pytest.raises(ShapeError, match="3 columns"):
        Imputer().fit(X).transform(X[:, :2])
    with pytest.raises(DataError, match="without rows"):
        Imputer().fit(X[:0])


def test_one_hot_is_scikit_learns():
    ours, theirs = OneHotEncoder().fit(COLOURS), preprocessing.OneHotEncoder(sparse_output=False).fit(COLOURS)
    np.testing.assert_array_equal(ours.transform(COLOURS), theirs.transform(COLOURS))
    assert [list(c) for c in theirs.categories_] == ours.categories_
    restored = same_after_json(ours)
    np.testing.assert_array_equal(restored.inverse_transform(restored.transform(COLOURS)), COLOURS)
    assert restored.transform(COLOURS).dtype == np.float32
    assert ours.names(["colour", "size"])[:4] == ["colour=blue", "colour=green", "colour=red", "size=l"]


def test_one_hot_unknown_and_missing_values():
    x = np.array(["b", None, "a", float("nan")], object)
    encoder = same_after_json(OneHotEncoder(unknown="ignore").fit(x))
    assert encoder.names() == ["x0=a", "x0=b", "x0=missing"]
    assert encoder.transform(x).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert encoder.transform(["z", ""]).tolist() == [[0, 0, 0], [0, 0, 1]]
    assert encoder.inverse_transform(encoder.transform(["z", "a"])).tolist() == [[None], ["a"]]
    with pytest.raises(DataError, match="'m' in row 1 of column 0"):
        OneHotEncoder().fit(["a", "b"]).transform(["a", "m"])


def test_one_hot_of_whole_numbers_and_bools():
    assert OneHotEncoder().fit(np.array([[10, True], [2, False]], object)).categories_ == [
        [2, 10],
        [False, True],
    ]
    assert OneHotEncoder().fit_transform([3, 1, 3]).tolist() == [[0, 1], [1, 0], [0, 1]]


def test_one_hot_refuses():
    with pytest.raises(DataError, match="a mixture of int and str"):
        OneHotEncoder().fit(np.array(["a", 1], object))
    with pytest.raises(ConfigError, match="'error' or 'ignore'"):
        OneHotEncoder(unknown="skip").fit(["a"])
    with pytest.raises(DataError, match="without values"):
        OneHotEncoder().fit(np.zeros((0, 2)))
    with pytest.raises(ShapeError, match="2 columns, as at fit"):
        OneHotEncoder().fit(COLOURS).transform(["red"])
    with pytest.raises(ShapeError, match=r"\(n, 6\)"):
        OneHotEncoder().fit(COLOURS).inverse_transform(np.zeros((1, 5)))
    with pytest.raises(ShapeError, match="1 names"):
        OneHotEncoder().fit(COLOURS).names(["colour"])


@pytest.mark.parametrize("labels", [["dog", "ant", "cat", "ant"], [3, 1, 3], [True, False], [[2.5], [0.5]]])
def test_label_encoder_is_scikit_learns(labels):
    ours, theirs = LabelEncoder().fit(labels), preprocessing.LabelEncoder()
    expected = theirs.fit_transform(np.ravel(labels))
    codes = same_after_json(ours).transform(labels)
    assert codes.tolist() == expected.tolist() and codes.dtype == np.int64
    assert ours.classes_ == theirs.classes_.tolist()
    assert ours.inverse_transform(codes).tolist() == np.ravel(labels).tolist()


def test_label_encoder_refuses():
    encoder = LabelEncoder().fit(["a", "b"])
    with pytest.raises(DataError, match="'c' in row 1"):
        encoder.transform(["a", "c"])
    with pytest.raises(DataError, match="no label in row 2"):
        encoder.fit(np.array(["a", "b", None], object))
    for codes in ([2], [-1], [0.5]):
        with pytest.raises(DataError, match=r"whole numbers 0 .. 1"):
            LabelEncoder().fit(["a", "b"]).inverse_transform(codes)
    with pytest.raises(ShapeError, match="one label a row"):
        encoder.fit(np.eye(2))
