"""Metrics against scikit-learn, their undefined cases, and streaming against the whole."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from chainrule.core.errors import ConfigError, DataError, DTypeError, ShapeError
from chainrule.train import metrics as m

AVERAGES = ["macro", "micro", "weighted"]
nan = float("nan")


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sample(rows=200, classes=4, seed=0):
    """Scores rounded so that some tie, targets that follow them loosely, weights with zeros."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(rows, classes)).round(1)
    targets = np.where(random.random(rows) < 0.6, scores.argmax(axis=1), random.integers(0, classes, rows))
    return scores, targets, random.integers(0, 4, rows).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_class_metrics_agree_with_scikit_learn(classes, weighted):
    scores, targets, weights = sample(classes=classes)
    w = weights if weighted else None
    predicted = scores.argmax(axis=1)
    assert m.accuracy(scores, targets, w) == pytest.approx(sk.accuracy_score(targets, predicted, sample_weight=w))
    np.testing.assert_array_equal(
        m.confusion_matrix(scores, targets, w), sk.confusion_matrix(targets, predicted, sample_weight=w)
    )
    for average in AVERAGES + (["binary"] if classes == 2 else []):
        for ours, theirs in (
            (m.precision, sk.precision_score),
            (m.recall, sk.recall_score),
            (m.f1, sk.f1_score),
        ):
            expected = theirs(targets, predicted, average=average, sample_weight=w)
            assert ours(scores, targets, w, average=average) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_top_k_accuracy_agrees_with_scikit_learn_where_nothing_ties(k):
    scores, targets, weights = sample(classes=7)
    scores = scores + np.random.default_rng(1).normal(size=scores.shape) * 1e-3
    expected = sk.top_k_accuracy_score(targets, scores, k=k, sample_weight=weights)
    assert m.top_k_accuracy(scores, targets, k, weights) == pytest.approx(expected)


def test_top_1_is_accuracy_also_with_ties():
    scores, targets, _ = sample(classes=3)
    assert m.top_k_accuracy(scores, targets, 1) == m.accuracy(scores, targets)
    assert m.top_k_accuracy(np.zeros((4, 3)), [0, 1, 2, 0], 1) == 0.5
    assert m.top_k_accuracy(scores, targets, 3) == 1.0


@pytest.mark.parametrize("weighted", [False, True])
def test_binary_roc_agrees_with_scikit_learn(weighted):
    scores, targets, weights = sample(classes=2)
    single, w = scores[:, 1], weights if weighted else None
    ours, theirs = (
        m.roc_curve(single, targets, w),
        sk.roc_curve(targets, single, sample_weight=w, drop_intermediate=False),
    )
    used = np.isin(theirs[2], ours[2])
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine[np.isin(ours[2], theirs[2])], reference[used], atol=1e-12)
    expected = sk.roc_auc_score(targets, single, sample_weight=w)
    assert m.roc_auc(single[:, None], targets[:, None], w) == pytest.approx(expected)


def test_two_columns_rank_by_their_difference():
    scores, targets, _ = sample(classes=2)
    scores = np.round(scores * 8) / 8  # differences of eighths are exact, so ties stay ties
    expected = sk.roc_auc_score(targets, scores[:, 1] - scores[:, 0])
    assert m.roc_auc(scores, targets) == pytest.approx(expected)
    assert m.roc_auc(softmax(scores), targets) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_one_versus_rest_agrees_with_scikit_learn_for_probabilities_and_logits(weighted):
    scores, targets, weights = sample(classes=5)
    w = weights if weighted else None
    expected = sk.roc_auc_score(targets, softmax(scores), multi_class="ovr", average="macro", sample_weight=w)
    assert m.roc_auc(softmax(scores), targets, w) == pytest.approx(expected)
    assert m.roc_auc(scores, targets, w) == pytest.approx(expected)
    assert m.roc_auc(np.log(softmax(scores)), targets, w) == pytest.approx(expected)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_regression_metrics_agree_with_scikit_learn(outputs, weighted):
    random = np.random.default_rng(2)
    targets = random.normal(size=(80, outputs)) * 3 + 1e6
    predictions = targets + random.normal(size=(80, outputs))
    w = random.random(80) if weighted else None
    for ours, theirs in (
        (m.mean_absolute_error, sk.mean_absolute_error),
        (m.mean_squared_error, sk.mean_squared_error),
        (m.r2_score, sk.r2_score),
    ):
        assert ours(predictions, targets, w) == pytest.approx(theirs(targets, predictions, sample_weight=w), rel=1e-9)
    expected = np.sqrt(sk.mean_squared_error(targets, predictions, sample_weight=w))
    assert m.root_mean_squared_error(predictions, targets, w) == pytest.approx(expected)


def test_every_form_of_the_same_classes_gives_the_same_number():
    one_hot, indices = np.eye(3)[[0, 2, 1, 1]], np.array([0, 2, 1, 1])
    scores = np.array([[3.0, 0, 0], [0, 1, 2], [5, 1, 1], [0, 9, 0]])
    forms = [
        (scores, indices),
        (scores, one_hot),
        (scores.argmax(axis=1), indices[:, None]),
        (scores.astype(np.float32), indices.astype(np.float32)),
        (scores.tolist(), indices.tolist()),
    ]
    assert {m.accuracy(predictions, targets) for predictions, targets in forms} == {0.75}
    assert m.accuracy(scores, 0.9 * one_hot + 0.1 / 3) == 0.75  # smoothed labels


def test_tensors_are_read_through_numpy():
    class Tensor:
        def __init__(self, values):
            self.values = np.asarray(values)

        def numpy(self):
            return self.values

    assert m.accuracy(Tensor([[0.2, 0.8]]), Tensor([1])) == 1.0
    assert m.mean_absolute_error(Tensor([[1.0], [2.0]]), Tensor([1.0, 4.0])) == 1.0


def test_logits_are_refused_where_probabilities_are_expected():
    with pytest.raises(DataError, match="threshold=0"):
        m.accuracy([-1.0, 2.0], [0, 1])
    assert m.accuracy([-1.0, 2.0, 0.2], [0, 1, 0], threshold=0) == pytest.approx(2 / 3)
    assert m.accuracy([0.5, 0.5001], [0, 1]) == 1.0  # exactly at the threshold is class 0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: m.accuracy([], []), DataError, "no rows"),
        (lambda: m.accuracy(["a"], [0]), DTypeError, "encode"),
        (lambda: m.accuracy([0, 1], [0]), ShapeError, r"\(2,\) and \(1,\)"),
        (lambda: m.accuracy([0.1, 0.2], [0, 2]), ShapeError, "class 2"),
        (lambda: m.accuracy([[0.1, 0.2]], [2]), DataError, "class 2"),
        (lambda: m.accuracy([0, 1], [0, -1]), DataError, "from 0"),
        (lambda: m.accuracy([0, 1], [0.5, 1]), DataError, "whole numbers"),
        (lambda: m.accuracy([0, 1], [[1, 1], [0, 1]]), DataError, "one-hot"),
        (lambda: m.accuracy([0, 1], [0, 1], weights=[1, -1]), DataError, "0 or more"),
        (lambda: m.accuracy([0, 1], [0, 1], weights=[1]), ShapeError, "one for each row"),
        (lambda: m.accuracy(np.zeros((2, 3, 4)), [0, 1]), ShapeError, "predictions and targets"),
        (lambda: m.f1([0, 1, 2], [0, 1, 2], average="binary"), ConfigError, "3 classes"),
        (lambda: m.f1([0, 1], [0, 1], average="mean"), ConfigError, "macro"),
        (lambda: m.confusion_matrix([0, 3], [0, 1], classes=3), DataError, "class 3"),
        (lambda: m.confusion_matrix([[nan, 1.0]], [0]), DataError, "1 rows with NaN"),
        (lambda: m.roc_curve([0.1, 0.2], [1, 1]), DataError, "one class"),
        (lambda: m.roc_curve([nan, 0.2], [0, 1]), DataError, "NaN"),
        (lambda: m.mean_squared_error([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]]), ShapeError, "equal shapes"),
        (lambda: m.top_k_accuracy([[1.0, 2.0]], [0], k=0), ConfigError, "k=0"),
        (lambda: m.top_k_accuracy([1, 2], [0, 1], k=2), ShapeError, "scores"),
    ],
)
def test_bad_input_is_refused_in_the_users_terms(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_undefined_cases_are_as_stated():
    assert m.precision([0, 0], [1, 0]) == 0.0
    assert np.isnan(m.precision([0, 0], [1, 0], zero_division=nan))
    assert m.recall([1, 0], [0, 0], zero_division=1.0) == 1.0
    assert m.f1([0, 0], [0, 0]) == 0.0
    assert np.isnan(m.roc_auc([0.1, 0.2], [0, 0]))
    assert np.isnan(m.r2_score([1.0], [1.0]))
    assert m.r2_score([0.1, 0.1], [0.1, 0.1]) == 1.0
    assert m.r2_score([0.1, 0.2], [0.1, 0.1]) == 0.0
    assert np.isnan(m.accuracy([0, 1], [0, 1], weights=[0, 0]))


def test_a_class_that_does_not_occur_is_left_out_of_the_macro_means():
    scores = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    assert m.recall(scores, [0, 1, 1], average="macro") == 0.75
    assert m.roc_auc(scores, [0, 1, 1]) == 1.0
    assert m.roc_auc([[0.7, 0.2, 0.1]] * 2, [0, 0]) != m.roc_auc([[0.7, 0.2, 0.1]] * 2, [0, 1])


def test_nan_in_nan_out_without_warnings():
    scores = np.array([[0.1, nan], [0.3, 0.7]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in (m.accuracy, m.precision, m.recall, m.f1, m.roc_auc, lambda p, t: m.top_k_accuracy(p, t, 1)):
            assert np.isnan(metric(scores, [0, 1]))
        assert np.isnan(m.accuracy([nan, 0.2], [0, 1]))
        for metric in (m.mean_absolute_error, m.mean_squared_error, m.r2_score):
            assert np.isnan(metric([nan, 1.0], [0.0, 1.0]))
        for name in ("accuracy", "f1", "roc_auc", "top1"):
            streaming = m.resolve(name)
            streaming.update(scores, [0, 1])
            assert np.isnan(streaming.compute())


WHOLE = {
    "accuracy": m.accuracy,
    "top2": lambda p, t, w: m.top_k_accuracy(p, t, 2, w),
    "precision": m.precision,
    "recall_weighted": lambda p, t, w: m.recall(p, t, w, average="weighted"),
    "f1_macro": lambda p, t, w: m.f1(p, t, w, average="macro"),
    "f1_micro": lambda p, t, w: m.f1(p, t, w, average="micro"),
    "roc_auc": m.roc_auc,
    "mae": m.mean_absolute_error,
    "mse": m.mean_squared_error,
    "rmse": m.root_mean_squared_error,
    "r2": m.r2_score,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", WHOLE)
def test_streaming_over_uneven_batches_is_the_whole(name, weighted):
    scores, targets, weights = sample(rows=101, classes=4)
    if name in ("mae", "mse", "rmse", "r2"):
        targets = scores[:, 0] * 0.5 + 1e4
        scores = scores[:, 0] + 1e4
    metric = m.resolve(name)
    assert np.isnan(metric.compute())
    for _ in range(2):  # the second round is after reset
        metric.reset()
        for part in np.split(np.arange(101), [1, 33, 98]):
            metric.update(scores[part], targets[part], weights[part] if weighted else None)
        expected = WHOLE[name](scores, targets, weights if weighted else None)
        assert metric.compute() == pytest.approx(expected, rel=1e-9)
    assert metric.better == ("lower" if name in ("mae", "mse", "rmse") else "higher")
    assert metric.name == name


def test_streaming_f1_grows_with_the_classes_it_sees():
    metric = m.resolve("f1")
    metric.update([0, 1], [0, 1])
    metric.update([2, 2], [1, 2])
    assert metric.compute() == pytest.approx(sk.f1_score([0, 1, 1, 2], [0, 1, 2, 2], average="macro"))


def test_r2_of_a_constant_target_is_exact_over_batches():
    metric = m.resolve("r2")
    for _ in range(7):
        metric.update([0.1, 0.1, 0.1], [0.1, 0.1, 0.1])
    assert metric.compute() == 1.0


def test_resolve_takes_names_metrics_and_functions():
    assert m.resolve("top_3").name == "top3"
    assert m.resolve("auc").name == m.resolve("roc_auc").name == "roc_auc"
    assert isinstance(m.resolve(m.accuracy), m.Accuracy)
    own = m.Accuracy()
    assert m.resolve(own) is own
    assert isinstance(own, m.Metric)
    logits = m.resolve("accuracy", threshold=0)
    logits.update([-3.0, 2.0], [0, 1])
    assert logits.compute() == 1.0

    def worst(predictions, targets):
        return np.abs(predictions - targets).max()

    worst.better = "lower"
    metric = m.resolve(worst)
    batch = np.array([1.0, 2.0])
    metric.update(batch, [1.0, 5.0])
    batch[:] = 99  # a reused buffer must not change what was recorded
    metric.update([0.0], [1.0])
    assert (metric.compute(), metric.name, metric.better) == (3.0, "worst", "lower")


@pytest.mark.parametrize("bad", ["acuracy", "top0", "f1_mean", 3, None, m.Accuracy])
def test_resolve_refuses_what_is_not_a_metric(bad):
    with pytest.raises(ConfigError, match="a Metric or a function"):
        m.resolve(bad)
