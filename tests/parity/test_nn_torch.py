"""Layers, losses and initialisers against PyTorch: values, gradients, state_dict keys, defaults."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F
from tolerances import assert_near

torch = pytest.importorskip("torch")

DTYPES = [np.float32, np.float64]
REDUCTIONS = ["mean", "sum", "none"]


def draw(*shape, dtype=np.float64, seed=0, low=-3.0, high=3.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def both(array, grad=True):
    """The same array as our tensor and as PyTorch's."""
    array = np.asarray(array)
    grad = grad and array.dtype.kind == "f"
    return cr.tensor(array, requires_grad=grad), torch.tensor(array, requires_grad=grad)


def compare(out, expected, leaves, entry):
    """Values, then the gradients of ``leaves`` (pairs of tensors) for one random gradient of the output."""
    assert_near(out.numpy(), expected.detach().numpy(), entry)
    if not expected.requires_grad:
        return
    seed = draw(*out.shape, dtype=out.dtype, seed=9)
    out.backward(seed)
    expected.backward(torch.tensor(seed))
    for ours, theirs in leaves:
        assert (ours.grad is None) == (theirs.grad is None)
        if theirs.grad is not None:
            assert_near(ours.grad.numpy(), theirs.grad.numpy(), f"{entry} gradient")


def pair(name, *args, dtype=np.float32, **kwargs):
    """Our layer and PyTorch's, with PyTorch's weights changed a little and copied by name."""
    theirs = getattr(torch.nn, name)(*args, **kwargs).to(getattr(torch, np.dtype(dtype).name))
    ours = getattr(nn, name)(*args, **kwargs).to(dtype)
    with torch.no_grad():
        for i, parameter in enumerate(theirs.parameters()):
            parameter += torch.tensor(draw(*parameter.shape, dtype=dtype, seed=20 + i, low=-0.5, high=0.5))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


LAYERS = [
    ("Identity", (), {}, (4, 3)),
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3), {"bias": False}, (4, 5)),
    ("Linear", (5, 3), {}, (2, 4, 5)),
    ("Linear", (5, 3), {}, (5,)),
    ("Sigmoid", (), {}, (4, 3)),
    ("Tanh", (), {}, (4, 3)),
    ("ReLU", (), {}, (4, 3)),
    ("LeakyReLU", (), {}, (4, 3)),
    ("LeakyReLU", (0.1,), {}, (4, 3)),
    ("PReLU", (), {}, (4, 3)),
    ("PReLU", (3,), {}, (4, 3)),
    ("PReLU", (3,), {"init": 0.1}, (4, 3, 5)),
    ("ELU", (), {}, (4, 3)),
    ("ELU", (0.5,), {}, (4, 3)),
    ("SELU", (), {}, (4, 3)),
    ("GELU", (), {}, (4, 3)),
    ("GELU", (), {"approximate": "tanh"}, (4, 3)),
    ("SiLU", (), {}, (4, 3)),
    ("Softplus", (), {}, (4, 3)),
    ("Softplus", (2.0, 1.5), {}, (4, 3)),
    ("Softmax", (), {"dim": 1}, (4, 3)),
    ("Softmax", (), {"dim": 0}, (4, 3)),
    ("Softmax", (), {"dim": 1}, (2, 3, 4)),
    ("LogSoftmax", (), {"dim": 1}, (4, 3)),
    ("LogSoftmax", (), {"dim": -2}, (2, 3, 4)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Unflatten", (1, (2, -1)), {}, (3, 6)),
    ("BatchNorm1d", (3,), {}, (4, 3)),
    ("BatchNorm1d", (3,), {"eps": 0.1, "momentum": 0.3}, (4, 3, 5)),
    ("BatchNorm1d", (3,), {"affine": False}, (4, 3)),
    ("BatchNorm1d", (3,), {"bias": False}, (4, 3)),
    ("BatchNorm1d", (3,), {"track_running_stats": False}, (4, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (4, 3)),
    ("BatchNorm1d", (3,), {}, (1, 3, 2)),
    ("LayerNorm", (3,), {}, (4, 3)),
    ("LayerNorm", ((3, 5),), {"eps": 0.1}, (4, 3, 5)),
    ("LayerNorm", ([3],), {"bias": False}, (2, 4, 3)),
    ("LayerNorm", (3,), {"elementwise_affine": False}, (4, 3)),
    ("LayerNorm", (3,), {}, (3,)),
    ("Dropout", (0.0,), {}, (4, 3)),
    ("Dropout", (1.0,), {}, (4, 3)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
def test_layer(name, args, kwargs, shape, training, dtype):
    ours, theirs = pair(name, *args, dtype=dtype, **kwargs)
    ours.train(training)
    theirs.train(training)
    for step in range(2):  # twice, so that running statistics move
        x, y = both(draw(*shape, dtype=dtype, seed=step))
        parameters = list(zip(ours.parameters(), theirs.parameters(), strict=True))
        compare(ours(x), theirs(y), [(x, y), *parameters], "layer")
    for mine, (key, value) in zip(ours.state_dict().values(), theirs.state_dict().items(), strict=True):
        if value.dtype.is_floating_point:
            assert_near(mine.numpy(), value.numpy(), "statistics")
        else:
            assert mine.tolist() == value.tolist(), key


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("padding_idx", [None, 0, -1])
def test_embedding(padding_idx, dtype):
    ours, theirs = pair("Embedding", 6, 4, padding_idx=padding_idx, dtype=dtype)
    x, y = both(np.array([[0, 5, 2], [2, 2, 0]]))
    compare(ours(x), theirs(y), list(zip(ours.parameters(), theirs.parameters(), strict=True)), "layer")


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_at_zero_and_far_out(dtype):
    values = np.array([-800.0, -90.0, -21.0, -0.0, 0.0, 1e-30, 21.0, 90.0, 800.0], dtype)
    for name in ("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Softplus"):
        x, y = both(values)
        out, expected = getattr(nn, name)()(x), getattr(torch.nn, name)()(y)
        compare(out, expected, [(x, y)], "layer")
    x, y = both(values.reshape(3, 3))
    compare(nn.LogSoftmax(dim=1)(x), torch.nn.LogSoftmax(dim=1)(y), [(x, y)], "layer")


def test_batch_norm_refuses_what_pytorch_refuses():
    for kwargs in ({}, {"track_running_stats": False}):
        ours, theirs = pair("BatchNorm1d", 3, **kwargs)
        with pytest.raises(cr.ShapeError):
            ours(cr.ones(1, 3))
        with pytest.raises(ValueError, match="more than 1 value"):
            theirs(torch.ones(1, 3))


# ---- losses

N, C = 6, 4
PROBABILITIES = draw(N, 3, low=0.01, high=0.99)
SCORES = draw(N, C)
LABELS = np.array([0, 3, 2, 2, 1, 0])
SOFT = np.exp(SCORES[::-1]) / np.exp(SCORES[::-1]).sum(1, keepdims=True)
LOG_SOFT = np.log(SOFT)
HARD_01 = (PROBABILITIES[::-1] > 0.5).astype(float)
WEIGHT = np.array([0.5, 1.0, 2.0, 0.1])
IGNORED = np.array([0, -100, 2, 2, -100, 0])
GRID = draw(2, C, 3, 2)
GRID_LABELS = np.arange(12).reshape(2, 3, 2) % C
GRID_SOFT = np.exp(GRID[::-1]) / np.exp(GRID[::-1]).sum(1, keepdims=True)

LOSSES = [
    ("MSELoss", {}, SCORES, SCORES[::-1]),
    ("MSELoss", {}, draw(5), draw(5, seed=1)),
    ("L1Loss", {}, SCORES, SCORES[::-1]),
    ("L1Loss", {}, np.array([1.0, 2.0]), np.array([1.0, 3.0])),
    ("HuberLoss", {}, SCORES, SCORES[::-1]),
    ("HuberLoss", {"delta": 0.3}, SCORES, SCORES[::-1]),
    ("HuberLoss", {"delta": 1.0}, np.array([0.0, 1.0, 5.0]), np.array([0.0, 2.0, 1.0])),
    ("SmoothL1Loss", {}, SCORES, SCORES[::-1]),
    ("SmoothL1Loss", {"beta": 0.3}, SCORES, SCORES[::-1]),
    ("SmoothL1Loss", {"beta": 0.0}, SCORES, SCORES[::-1]),
    ("BCELoss", {}, PROBABILITIES, HARD_01),
    ("BCELoss", {}, PROBABILITIES, PROBABILITIES[::-1]),
    ("BCELoss", {"weight": np.array([1.0, 0.2, 3.0])}, PROBABILITIES, HARD_01),
    ("BCEWithLogitsLoss", {}, SCORES[:, :3], HARD_01),
    ("BCEWithLogitsLoss", {}, SCORES[:, :3], PROBABILITIES),
    ("BCEWithLogitsLoss", {"weight": np.array([1.0, 0.2, 3.0])}, SCORES[:, :3], HARD_01),
    ("BCEWithLogitsLoss", {"pos_weight": np.array([1.0, 0.2, 3.0])}, SCORES[:, :3], PROBABILITIES),
    ("NLLLoss", {}, LOG_SOFT, LABELS),
    ("NLLLoss", {}, LOG_SOFT[0], np.array(2)),
    ("NLLLoss", {"weight": WEIGHT}, LOG_SOFT, LABELS),
    ("NLLLoss", {"weight": WEIGHT}, LOG_SOFT, IGNORED),
    ("NLLLoss", {"ignore_index": 2}, LOG_SOFT, LABELS),
    ("NLLLoss", {}, np.log(GRID_SOFT), GRID_LABELS),
    ("CrossEntropyLoss", {}, SCORES, LABELS),
    ("CrossEntropyLoss", {}, SCORES[0], np.array(2)),
    ("CrossEntropyLoss", {}, SCORES, IGNORED),
    ("CrossEntropyLoss", {"weight": WEIGHT}, SCORES, LABELS),
    ("CrossEntropyLoss", {"weight": WEIGHT}, SCORES, IGNORED),
    ("CrossEntropyLoss", {"ignore_index": 2}, SCORES, LABELS),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, SCORES, LABELS),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, SCORES, IGNORED),
    ("CrossEntropyLoss", {"label_smoothing": 0.3, "weight": WEIGHT}, SCORES, IGNORED),
    ("CrossEntropyLoss", {"label_smoothing": 1.0}, SCORES, LABELS),
    ("CrossEntropyLoss", {}, SCORES, SOFT),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.2}, SCORES, SOFT),
    ("CrossEntropyLoss", {}, SCORES[0], SOFT[0]),
    ("CrossEntropyLoss", {}, GRID, GRID_LABELS),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.2, "ignore_index": 1}, GRID, GRID_LABELS),
    ("CrossEntropyLoss", {}, GRID, GRID_SOFT),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.2}, GRID, GRID_SOFT),
    ("KLDivLoss", {}, LOG_SOFT, SOFT[::-1]),
    ("KLDivLoss", {"log_target": True}, LOG_SOFT, LOG_SOFT[::-1]),
]  # fmt: skip


def losses_of(name, options, dtype, reduction):
    """Our loss and PyTorch's with the same options."""
    mine = {k: cr.tensor(v.astype(dtype)) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    other = {k: torch.tensor(v.astype(dtype)) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    return getattr(nn, name)(reduction=reduction, **mine), getattr(torch.nn, name)(reduction=reduction, **other)


def typed(array, dtype):
    return np.array(array, dtype if array.dtype.kind == "f" else array.dtype)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "options", "prediction", "target"), LOSSES)
def test_loss(name, options, prediction, target, reduction, dtype):
    ours, theirs = losses_of(name, options, dtype, reduction)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, y = both(typed(prediction, dtype))
    t, u = both(typed(target, dtype))
    compare(ours(x, t), theirs(y, u), [(x, y), (t, u)], "loss")


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_divergence_batch_mean(dtype):
    x, y = both(typed(LOG_SOFT, dtype))
    t, u = both(typed(SOFT[::-1], dtype))
    compare(nn.KLDivLoss("batchmean")(x, t), torch.nn.KLDivLoss(reduction="batchmean")(y, u), [(x, y), (t, u)], "loss")


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_divergence_from_a_target_with_zeros(dtype):
    x, y = both(typed(LOG_SOFT[:2], dtype))
    t, u = both(np.array([[0.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]], dtype), grad=False)
    compare(nn.KLDivLoss("sum")(x, t), torch.nn.KLDivLoss(reduction="sum")(y, u), [(x, y)], "loss")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_of_saturated_probabilities(target, dtype):
    p = np.array([0.0, 1e-40, 1e-30, 1e-13, 1e-12, 1e-7, 0.5, 1 - 1e-6, 1.0], dtype)
    x, y = both(p)
    t, u = both(np.full(p.shape, target, dtype))
    compare(nn.BCELoss(reduction="sum")(x, t), torch.nn.BCELoss(reduction="sum")(y, u), [(x, y)], "loss")
    # Where PyTorch gives the target an infinite gradient, ours is that of the bounded logarithm.
    finite = np.isfinite(u.grad.numpy())
    assert_near(t.grad.numpy()[finite], u.grad.numpy()[finite], "loss gradient")
    assert np.isfinite(t.grad.numpy()).all()


def test_losses_of_nothing_and_of_all_ignored_are_nan_as_in_pytorch():
    for labels in (np.zeros(0, np.int64), np.full(3, -100)):
        x, y = both(draw(len(labels), 4))
        assert np.isnan(nn.CrossEntropyLoss()(x, cr.tensor(labels)).item())
        assert np.isnan(torch.nn.CrossEntropyLoss()(y, torch.tensor(labels)).item())
        assert nn.CrossEntropyLoss(reduction="sum")(x, cr.tensor(labels)).item() == 0
    assert np.isnan(nn.MSELoss()(cr.zeros(0), cr.zeros(0)).item())


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 4),
    classes=st.integers(1, 5),
    extra=st.lists(st.integers(1, 3), max_size=2),
    smoothing=st.sampled_from([0.0, 0.2]),
    weighted=st.booleans(),
    ignored=st.booleans(),
    soft=st.booleans(),
    reduction=st.sampled_from(REDUCTIONS),
    seed=st.integers(0, 999),
)
def test_cross_entropy_of_any_shape(rows, classes, extra, smoothing, weighted, ignored, soft, reduction, seed):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(rows, classes, *extra)) * 3
    labels = random.integers(0, classes, (rows, *extra))
    if ignored:
        labels[0] = -100
    target = np.abs(scores[::-1]) if soft else labels
    options = {"label_smoothing": smoothing, "weight": random.uniform(0.1, 2, classes) if weighted else None}
    ours, theirs = losses_of("CrossEntropyLoss", options, np.float64, reduction)
    x, y = both(scores)
    t, u = both(np.ascontiguousarray(target), grad=False)
    with np.errstate(all="ignore"):
        compare(ours(x, t), theirs(y, u), [(x, y)], "loss")


@pytest.mark.parametrize("name", ["LogSoftmax", "CrossEntropyLoss"])
def test_sure_predictions_keep_their_digits(name):
    scores = np.array([[60.0, 40.0, 0.0], [-300.0, -330.0, -310.0]], np.float32)
    x, y = both(scores)
    if name == "LogSoftmax":
        compare(nn.LogSoftmax(dim=1)(x)[:, 0], torch.nn.LogSoftmax(dim=1)(y)[:, 0], [(x, y)], "loss")
        return
    labels = np.array([0, 0])
    out = nn.CrossEntropyLoss(reduction="none")(x, cr.tensor(labels))
    expected = torch.nn.CrossEntropyLoss(reduction="none")(y, torch.tensor(labels))
    np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=1e-6, atol=1e-12)
    assert (out.numpy() >= 0).all()


# ---- names and defaults


@pytest.mark.parametrize("name", sorted({case[0] for case in (*LAYERS, *LOSSES)} | {"Embedding"}))
def test_arguments_have_pytorchs_names_order_and_defaults(name):
    left_out = {"self", "size_average", "reduce", "device", "dtype", "max_norm", "norm_type", "scale_grad_by_freq",
                "sparse", "_weight", "_freeze", "args", "kwargs"}  # fmt: skip
    ours = inspect.signature(getattr(nn, name)).parameters
    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    wanted = [(p.name, p.default) for p in theirs.values() if p.name not in left_out]
    mine = [(p.name, p.default) for p in ours.values() if p.name not in left_out | {"generator"}]
    assert mine == wanted


@pytest.mark.parametrize("name", ["Linear", "Embedding"])
def test_first_weights_have_pytorchs_moments(name):
    ours, theirs = getattr(nn, name)(400, 300), getattr(torch.nn, name)(400, 300)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        a, b = a.numpy(), b.detach().numpy()
        if a.size < 10_000:
            assert abs(a).max() <= 1 / np.sqrt(400)
            continue
        assert abs(a.mean() - b.mean()) < 4 * b.std() * np.sqrt(2 / a.size)
        assert a.std() == pytest.approx(b.std(), rel=0.02)
        assert abs(a).max() == pytest.approx(abs(b).max(), rel=0.3)


INITIALISERS = [
    ("uniform_", {}),
    ("uniform_", {"a": -2.0, "b": 3.0}),
    ("normal_", {}),
    ("normal_", {"mean": 1.0, "std": 3.0}),
    ("constant_", {"val": 0.3}),
    ("zeros_", {}),
    ("ones_", {}),
    ("xavier_uniform_", {"gain": 1.7}),
    ("xavier_normal_", {}),
    ("kaiming_uniform_", {}),
    ("kaiming_uniform_", {"a": 0.5, "mode": "fan_out"}),
    ("kaiming_normal_", {"nonlinearity": "relu"}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "tanh"}),
]


@pytest.mark.parametrize("shape", [(300, 200), (50, 40, 30)])
@pytest.mark.parametrize(("name", "options"), INITIALISERS)
def test_initialiser_has_pytorchs_moments_and_bounds(name, options, shape):
    a = getattr(nn.init, name)(cr.zeros(shape), **options).numpy()
    b = getattr(torch.nn.init, name)(torch.zeros(shape), **options).numpy()
    spread = b.std()
    assert abs(a.mean() - b.mean()) <= 5 * spread * np.sqrt(2 / a.size) + 1e-7
    assert a.std() == pytest.approx(spread, rel=0.02, abs=1e-7)
    if "uniform" in name:
        np.testing.assert_allclose([a.min(), a.max()], [b.min(), b.max()], atol=0.002 * (b.max() - b.min()))
    # The fourth moment tells a uniform from a normal distribution.
    fourth = [((x - x.mean()) ** 4).mean() for x in (a, b)]
    assert fourth[0] == pytest.approx(fourth[1], rel=0.06, abs=1e-7)


@pytest.mark.parametrize("shape", [(20, 20), (10, 30), (30, 10), (6, 3, 4)])
def test_orthogonal_initialiser(shape):
    a = nn.init.orthogonal_(cr.zeros(shape, dtype="float64"), gain=2.0).numpy().reshape(shape[0], -1)
    b = torch.nn.init.orthogonal_(torch.zeros(shape, dtype=torch.float64), gain=2.0).numpy().reshape(shape[0], -1)
    for w in (a, b):
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains(name):
    assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)
    if name == "leaky_relu":
        assert nn.init.calculate_gain(name, 0.3) == pytest.approx(torch.nn.init.calculate_gain(name, 0.3), rel=1e-15)


# ---- functions


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions(dtype):
    T = torch.nn.functional
    x, y = both(draw(4, 3, dtype=dtype))
    w, v = both(draw(2, 3, dtype=dtype, seed=1))
    b, c = both(draw(2, dtype=dtype, seed=2))
    compare(F.linear(x, w, b), T.linear(y, v, c), [(x, y), (w, v), (b, c)], "layer")
    for name, options in [
        ("relu", {}), ("leaky_relu", {"negative_slope": 0.2}), ("elu", {"alpha": 2.0}), ("selu", {}), ("silu", {}),
        ("gelu", {"approximate": "tanh"}), ("softplus", {"beta": 2.0}), ("softmax", {"dim": 0}),
        ("log_softmax", {"dim": 1}), ("dropout", {"p": 0.5, "training": False}),
        ("layer_norm", {"normalized_shape": (3,)}),
    ]:  # fmt: skip
        x, y = both(draw(4, 3, dtype=dtype))
        compare(getattr(F, name)(x, **options), getattr(T, name)(y, **options), [(x, y)], "layer")
    labels = np.array([0, 2, 1])
    assert F.one_hot(cr.tensor(labels), 4).tolist() == T.one_hot(torch.tensor(labels), 4).tolist()
    mean, variance = draw(3, dtype=dtype, seed=3), draw(3, dtype=dtype, seed=4, low=0.5)
    compare(
        F.batch_norm(x, cr.tensor(mean), cr.tensor(variance)),
        T.batch_norm(y, torch.tensor(mean), torch.tensor(variance)),
        [],
        "layer",
    )


def test_every_function_has_pytorchs_name():
    assert all(hasattr(torch.nn.functional, name) for name in F.__all__)
