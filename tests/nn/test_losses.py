"""Losses: worked numbers, second derivatives, and what they refuse (parity with PyTorch: tests/parity)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

ELEMENTWISE = [nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.SmoothL1Loss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.KLDivLoss]


def refusal(error, function, *args, **kwargs):
    """The text of the error that the call raises."""
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


# ---- numbers


def test_mean_squared_error():
    x, t = cr.tensor([[1.0], [4.0]], requires_grad=True), cr.tensor([[2.0], [1.0]])
    loss = nn.MSELoss()(x, t)
    loss.backward()
    assert loss.item() == 5.0 and x.grad.tolist() == [[-1.0], [3.0]]
    assert nn.MSELoss("sum")(x, t).item() == 10 and nn.MSELoss("none")(x, t).tolist() == [[1.0], [9.0]]


def test_mean_squared_error_is_three_ops():
    loss = nn.MSELoss()(cr.ones(2, requires_grad=True), cr.ones(2))
    assert [node.op.name for node in loss.graph().nodes if node.op] == ["subtract", "square", "mean"]


def test_cross_entropy_of_the_slides():
    scores = cr.tensor([-0.89428, 1.0996, 2.08333], dtype="float64", requires_grad=True)
    loss = nn.CrossEntropyLoss()(scores, cr.tensor(2))
    loss.backward()
    assert loss.item() == pytest.approx(0.35405, abs=5e-6)
    np.testing.assert_allclose(scores.grad.numpy(), [0.035734, 0.262425, 0.701841 - 1], atol=3e-6)


def test_cross_entropy_weights_the_mean_and_ignores():
    scores = cr.tensor(np.log([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]))
    loss = nn.CrossEntropyLoss(weight=[1.0, 3.0])
    expected = (1 * np.log(2) + 3 * np.log(4 / 3)) / 4
    assert loss.double()(scores[:2], cr.tensor([0, 1])).item() == pytest.approx(expected)
    assert loss(scores, cr.tensor([0, 1, -100])).item() == pytest.approx(expected)
    ignoring = nn.CrossEntropyLoss(ignore_index=1, reduction="none")(scores, cr.tensor([0, 1, 0]))
    np.testing.assert_allclose(ignoring.numpy(), [np.log(2), 0, np.log(10)])


def test_ignored_rows_get_no_gradient_even_from_infinite_scores():
    scores = cr.tensor([[-np.inf, 0.0], [0.0, 0.0]], requires_grad=True)
    loss = nn.CrossEntropyLoss()(scores, cr.tensor([-100, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2)) and scores.grad.tolist() == [[0, 0], [0.5, -0.5]]


def test_binary_cross_entropy_of_raw_scores_stays_finite():
    scores = cr.tensor([1000.0, -1000.0, 1000.0, -1000.0], requires_grad=True)
    loss = nn.BCEWithLogitsLoss(reduction="none")(scores, cr.tensor([1.0, 0.0, 0.0, 1.0]))
    loss.sum().backward()
    assert loss.tolist() == [0, 0, 1000, 1000] and scores.grad.tolist() == [0, 0, 1, -1]


def test_binary_cross_entropy_keeps_small_losses():
    for score, target in [(20.0, 1.0), (-20.0, 0.0)]:
        x = cr.tensor(score, requires_grad=True)
        loss = nn.BCEWithLogitsLoss()(x, cr.tensor(target))
        loss.backward()
        assert loss.item() == pytest.approx(np.exp(-20), rel=1e-6)
        assert abs(x.grad.item()) == pytest.approx(np.exp(-20), rel=1e-6)


def test_binary_cross_entropy_is_continuous_where_it_saturates():
    target = cr.tensor(np.ones(2))
    inside, outside = F.binary_cross_entropy(cr.tensor([1.1e-12, 0.9e-12], dtype="float64"), target, reduction="none")
    np.testing.assert_allclose([inside.item(), outside.item()], [-np.log(1.1e-12), -np.log(0.9e-12)], rtol=1e-12)
    assert F.binary_cross_entropy(cr.tensor([0.0]), cr.tensor([1.0])).item() == 100
    assert F.binary_cross_entropy(cr.tensor([1.0]), cr.tensor([1.0])).item() == 0


def test_kl_divergence_is_zero_between_equals_and_zero_times_log_zero_is_zero():
    p = cr.tensor([[0.2, 0.8], [0.5, 0.5]])
    assert nn.KLDivLoss("batchmean")(cr.log(p), p).item() == pytest.approx(0, abs=1e-7)
    sure = nn.KLDivLoss("none")(cr.log(p), cr.tensor([[0.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_allclose(sure.numpy(), [[0, -np.log(0.8)], [np.log(2), 0]], rtol=1e-6)


def test_smooth_l1_is_huber_over_beta():
    x, t = cr.tensor([0.0, 1.0, -4.0]), cr.tensor([0.1, 2.0, 5.0])
    np.testing.assert_allclose(F.smooth_l1_loss(x, t, beta=0.5).item(), F.huber_loss(x, t, delta=0.5).item() / 0.5)
    assert F.smooth_l1_loss(x, t, beta=0).item() == F.l1_loss(x, t).item()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_second_derivatives(reduction):
    random = np.random.default_rng(0)
    x, probabilities = cr.tensor(random.normal(size=(3, 4)) * 2), cr.tensor(random.uniform(0.1, 0.9, (3, 4)))
    labels, soft = cr.tensor([0, 3, 1]), cr.tensor(random.dirichlet(np.ones(4), 3))
    options = {"weight": cr.tensor([0.5, 1.0, 2.0, 1.5], dtype="float64"), "label_smoothing": 0.1}
    for f, point in [
        (lambda v: F.mse_loss(v, soft, reduction), x),
        (lambda v: F.huber_loss(v, soft, reduction, 0.7), x),
        (lambda v: F.binary_cross_entropy(v, soft, reduction=reduction), probabilities),
        (lambda v: F.binary_cross_entropy_with_logits(v, soft, reduction=reduction), x),
        (lambda v: F.cross_entropy(v, labels, reduction=reduction), x),
        (lambda v: F.cross_entropy(v, labels, reduction=reduction, **options), x),
        (lambda v: F.cross_entropy(v, soft, reduction=reduction, **options), x),
        (lambda v: F.kl_div(v, soft, reduction), x),
        (lambda v: F.kl_div(v, x, reduction, log_target=True), probabilities),
    ]:
        cr.check_grads(f, point, order=2)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 5), classes=st.integers(2, 6), smoothing=st.sampled_from([0, 0.3]), seed=st.integers(0, 99))
def test_hard_labels_are_one_hot_soft_targets(rows, classes, smoothing, seed):
    random = np.random.default_rng(seed)
    scores, labels = random.normal(size=(rows, classes)) * 4, random.integers(0, classes, rows)
    found = []
    for target in (cr.tensor(labels), cr.tensor(np.eye(classes)[labels])):
        x = cr.tensor(scores, requires_grad=True)
        loss = F.cross_entropy(x, target, label_smoothing=smoothing)
        loss.backward()
        found.append((loss.item(), x.grad.numpy()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-15)
    np.testing.assert_allclose(found[0][1].sum(1), 0, atol=1e-15)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 5), classes=st.integers(1, 6), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_cross_entropy_is_never_negative_and_ignores_a_common_shift(rows, classes, shift, seed):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(rows, classes)).astype(np.float32) * 20
    labels = cr.tensor(random.integers(0, classes, rows))
    losses = F.cross_entropy(cr.tensor(scores), labels, reduction="none").numpy()
    assert (losses >= 0).all()
    shifted = F.cross_entropy(cr.tensor(scores.astype(np.float64) + shift), labels, reduction="none").numpy()
    np.testing.assert_allclose(shifted, losses, rtol=1e-4, atol=1e-4)


# ---- refusals


@pytest.mark.parametrize("loss", ELEMENTWISE)
def test_broadcasting_is_refused_with_the_fix(loss):
    half = cr.full((8,), 0.5)
    column = half.reshape(-1, 1)
    text = refusal(cr.ShapeError, loss(), column, half)
    assert "input (8, 1) and target (8,)" in text and "use target.reshape(-1, 1)" in text
    assert "use target.reshape(-1)" in refusal(cr.ShapeError, loss(), half, column)
    assert "use target.reshape(2, 2, 2)" in refusal(cr.ShapeError, loss(), half.reshape(2, 2, 2), half.reshape(4, 2))
    assert "give both one shape" in refusal(cr.ShapeError, loss(), half, cr.tensor(0.5))


def test_the_message_reads_well():
    assert refusal(cr.ShapeError, F.mse_loss, cr.ones(4, 1), cr.ones(4)) == (
        "mse_loss(input, target)\n"
        "  received: input (4, 1) and target (4,)\n"
        "  expected: one shape: broadcasting would compare each prediction with other rows' targets\n"
        "  fix:      use target.reshape(-1, 1), or reshape the prediction to (-1,)"
    )


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.NLLLoss()])
def test_labels_out_of_range(loss):
    scores = cr.zeros(3, 4)
    text = refusal(cr.DataError, loss, scores, cr.tensor([0, 4, 1]))
    assert "label 4 for 4 classes" in text and "last layer 5 outputs" in text
    text = refusal(cr.DataError, loss, scores, cr.tensor([0, -1, 1]))
    assert "label -1 for 4 classes" in text and "outputs" not in text
    assert "label 200" in refusal(cr.DataError, loss, scores, cr.tensor(np.array([0, 200, 1], np.uint8)))
    assert loss(scores, cr.tensor(np.array([0, 3, 1], np.uint8))).shape == ()
    assert loss(scores, cr.tensor(np.array([0, -100, 1], np.int32))).shape == ()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.NLLLoss()])
def test_labels_of_another_type_or_shape(loss):
    scores, soft = cr.zeros(3, 4), isinstance(loss, nn.CrossEntropyLoss)
    assert "use target.long()" in refusal(cr.DTypeError, loss, scores, cr.tensor([0.0, 1.0, 2.0]))
    assert "use target.long()" in refusal(cr.DTypeError, loss, scores, cr.tensor([True, False, True]))
    assert "use target.reshape(-1)" in refusal(cr.ShapeError, loss, scores, cr.tensor([[0], [1], [2]]))
    assert "one label" in refusal(cr.ShapeError, loss, scores, cr.tensor([0, 1]))
    text = refusal(cr.DTypeError, loss, scores, cr.zeros(3, 4, dtype="int64"))
    assert "target.argmax(axis=1) for labels" in text and ("target.float()" in text) == soft
    assert "without axes" in refusal(cr.ShapeError, loss, cr.tensor(1.0), cr.tensor(0))
    if not soft:
        assert "argmax" in refusal(cr.DTypeError, loss, scores, cr.zeros(3, 4))


@pytest.mark.parametrize(("value", "text"), [(1.5, "from 0.5 to 1.5"), (-0.1, "from -0.1"), (np.nan, "NaN")])
def test_bce_refuses_what_is_no_probability(value, text):
    message = refusal(cr.DataError, nn.BCELoss(), cr.tensor([0.5, value]), cr.tensor([1.0, 0.0]))
    assert text in message and ("watch_nan" if np.isnan(value) else "BCEWithLogitsLoss") in message


def test_settings_are_checked_when_they_are_given():
    for loss in ELEMENTWISE:
        assert "'average'" in refusal(cr.ConfigError, loss, reduction="average")
    assert "batchmean" in refusal(cr.ConfigError, nn.MSELoss, "batchmean")
    assert "label_smoothing=1.5" in refusal(cr.ConfigError, nn.CrossEntropyLoss, label_smoothing=1.5)
    assert "delta=0" in refusal(cr.ConfigError, nn.HuberLoss, delta=0)
    assert "reduction='median'" in refusal(cr.ConfigError, F.cross_entropy, cr.zeros(1, 2), [0], reduction="median")
    weights = nn.CrossEntropyLoss(weight=[1.0, 2.0])
    assert "one a class: (3,)" in refusal(cr.ShapeError, weights, cr.zeros(1, 3), cr.tensor([0]))


def test_mixed_float_types_are_refused():
    assert "float32 and float64" in refusal(cr.DTypeError, nn.MSELoss(), cr.ones(2), cr.ones(2, dtype="float64"))


# ---- convenience


def test_lists_and_arrays_are_taken_as_targets():
    x = cr.ones(2, 1)
    assert nn.MSELoss()(x, [[1.0], [3.0]]).item() == 2
    assert nn.MSELoss()(x, np.array([[1.0], [3.0]])).dtype == np.float32
    assert nn.CrossEntropyLoss()(cr.zeros(2, 4), np.array([1, 2])).item() == pytest.approx(np.log(4))
    assert nn.BCEWithLogitsLoss()(x, np.array([[1], [0]])).dtype == np.float32


def test_class_weights_are_buffers_of_the_default_type():
    loss = nn.CrossEntropyLoss(weight=np.array([1.0, 2.0]))
    assert loss.weight.dtype == np.float32 and list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype == np.float64
    assert list(nn.BCEWithLogitsLoss(pos_weight=[2.0]).state_dict()) == ["pos_weight"]
    assert list(nn.CrossEntropyLoss().state_dict()) == []


# ---- what a traced program runs, where the numbers are not known


def test_the_general_way_gives_what_the_short_way_gives(monkeypatch):
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(5, 4)) * 3, cr.tensor([0, 3, 1, 1, 2])
    probabilities, targets = random.uniform(0.01, 0.99, (5, 4)), cr.tensor(random.uniform(0, 1, (5, 4)))
    cases = [
        (scores, lambda x: F.cross_entropy(x, labels)),
        (scores, lambda x: F.cross_entropy(x, labels, label_smoothing=0.1, reduction="sum")),
        (scores, lambda x: F.nll_loss(F.log_softmax(x, 1), labels)),
        (probabilities, lambda x: F.binary_cross_entropy(x, targets)),
    ]

    def results():
        for numbers, loss in cases:
            x = cr.tensor(numbers, requires_grad=True)
            value = loss(x)
            value.backward()
            yield value.item(), x.grad.numpy()

    short = list(results())
    monkeypatch.setattr("chainrule.nn.loss_functions._all_classes", lambda *args: False)
    monkeypatch.setattr("chainrule.nn.loss_functions._is_inside", lambda p: False)
    for (value, gradient), (other, other_gradient) in zip(short, results(), strict=True):
        assert value == pytest.approx(other, rel=1e-14)
        np.testing.assert_allclose(gradient, other_gradient, rtol=1e-12, atol=1e-16)
