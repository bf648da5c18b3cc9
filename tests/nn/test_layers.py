"""Layers: worked numbers, modes, random masks, and what they refuse (parity with PyTorch: tests/parity)."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F


def refusal(error, function, *args):
    """The text of the error that the call raises."""
    with pytest.raises(error) as caught:
        function(*args)
    return str(caught.value)


# ---- every layer

LAYERS = [
    (nn.Identity(), (3, 4)), (nn.Step(), (3, 4)), (nn.Sigmoid(), (3, 4)), (nn.Tanh(), (3, 4)), (nn.ReLU(), (3, 4)),
    (nn.LeakyReLU(), (3, 4)), (nn.PReLU(4), (3, 4)), (nn.ELU(), (3, 4)), (nn.SELU(), (3, 4)), (nn.GELU(), (3, 4)),
    (nn.SiLU(), (3, 4)), (nn.Softplus(), (3, 4)), (nn.Maxout(4, 2), (3, 4)), (nn.Softmax(1), (3, 4)),
    (nn.LogSoftmax(1), (3, 4)), (nn.Flatten(), (3, 2, 2)), (nn.Unflatten(1, (2, 2)), (3, 4)), (nn.Dropout(), (3, 4)),
    (nn.BatchNorm1d(4), (3, 4)), (nn.BatchNorm1d(4), (3, 4, 2)), (nn.LayerNorm(4), (3, 4)), (nn.Linear(4, 2), (3, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:20])
def test_derivatives_agree_with_finite_differences(layer, shape):
    layer = copy.deepcopy(layer).double()
    x = np.random.default_rng(1).uniform(0.1, 1.0, shape) * np.random.default_rng(2).choice([-1, 1], shape)

    def value(x, *weights):
        if isinstance(layer, nn.Dropout):
            layer.generator = cr.Generator(5)
        for (name, _), new in zip(list(layer.named_parameters()), weights, strict=True):
            owner, _, last = name.rpartition(".")
            object.__setattr__(layer.get_submodule(owner), last, new)
        return (layer(x) * cr.tensor(np.linspace(1, 2, layer(x).numel()).reshape(layer(x).shape))).sum()

    if isinstance(layer, nn.Step):
        assert not layer(cr.tensor(x, requires_grad=True)).requires_grad
        return
    cr.check_grads(value, cr.tensor(x), *[cr.tensor(p.numpy()) for p in layer.parameters()])


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:20])
def test_dtype_is_kept_and_empty_batches_pass(layer, shape):
    layer = copy.deepcopy(layer).eval()
    assert layer(cr.zeros(shape)).dtype == np.float32
    assert layer(cr.zeros((0, *shape[1:]))).shape[0] == 0
    assert layer.double()(cr.zeros(shape, dtype="float64")).dtype == np.float64


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:20])
def test_constructor_arguments_are_kept_under_their_names(layer, shape):
    args, kwargs = layer._arguments
    parameters = list(type(layer).__init__.__code__.co_varnames)[1:]
    for name, value in [*zip(parameters, args, strict=False), *kwargs.items()]:
        assert getattr(layer, name) == value


def test_nan_passes_through_activations():
    x = cr.tensor([float("nan"), 1.0])
    for name in ("Sigmoid", "Tanh", "ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "SiLU", "Softplus", "Softmax"):
        out = getattr(nn, name)()(x)
        assert np.isnan(out.numpy()[0]), name


# ---- activations


def test_step_is_the_perceptrons():
    assert nn.Step()(cr.tensor([-0.2, 0.0, 0.3])).tolist() == [0.0, 0.0, 1.0]
    weights, bias = cr.tensor([[0.5, 0.5]]), cr.tensor([-0.7])
    inputs = cr.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    assert nn.Step()(F.linear(inputs, weights, bias)).tolist() == [[0], [0], [0], [1]], "AND"


def test_maxout_is_the_largest_of_its_pieces():
    layer = nn.Maxout(2, 3, pieces=4)
    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    sums = x @ layer.linear.weight.numpy().T + layer.linear.bias.numpy()
    np.testing.assert_allclose(layer(cr.tensor(x)).numpy(), sums.reshape(5, 3, 4).max(-1), rtol=1e-6)
    assert "pieces=0" in refusal(cr.ConfigError, nn.Maxout, 2, 3, 0)


def test_prelu_slopes_belong_to_axis_1():
    layer = nn.PReLU(2, init=0.5)
    assert layer(cr.tensor([[-2.0, 4.0]])).tolist() == [[-1.0, 4.0]]
    assert "shape (N, 2, ...)" in refusal(cr.ShapeError, layer, cr.ones(4, 3))
    assert "(3,)" in refusal(cr.ShapeError, layer, cr.ones(3))


def test_softmax_asks_for_the_axis_of_many():
    assert "dim=None" in refusal(cr.ConfigError, nn.Softmax(), cr.ones(2, 3, 4))
    assert "dim=None" in refusal(cr.ConfigError, F.log_softmax, cr.ones(2, 3, 4))
    np.testing.assert_allclose(nn.Softmax()(cr.ones(2, 4)).numpy(), 0.25)


def test_softmax_of_the_slides():
    np.testing.assert_allclose(nn.Softmax(0)(cr.tensor([3.2, 5.1, -1.7])).numpy(), [0.13, 0.87, 0.00], atol=0.005)


def test_gelu_refuses_unknown_approximations():
    assert "'fast'" in refusal(cr.ConfigError, nn.GELU, "fast")


# ---- shape


def test_flatten_and_unflatten():
    x = cr.arange(24.0).reshape(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12) and nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(1, (3, -1))(nn.Flatten()(x)).tolist() == x.tolist()
    assert nn.Unflatten(-1, (2, 2))(x).shape == (2, 3, 2, 2)
    for size in [(5, -1), (-1, -1), (3, 3), (0, -1)]:
        assert "multiply to 12" in refusal(cr.ShapeError, nn.Unflatten(1, size), nn.Flatten()(x))


# ---- dropout


def test_dropout_keeps_the_expected_value():
    layer = nn.Dropout(0.3, generator=cr.Generator(1))
    out = layer(cr.ones(200, 200)).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert out.mean() == pytest.approx(1, abs=0.02)


def test_dropout_masks_the_gradient_as_it_masked_the_value():
    x = cr.ones(50, requires_grad=True)
    out = nn.Dropout(0.5)(x)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())


def test_dropout_passes_in_evaluation_and_zeroes_all_at_1():
    x = cr.ones(4, requires_grad=True)
    assert nn.Dropout(0.9).eval()(x) is x and nn.Dropout(0.0)(x) is x and F.dropout(x, 0.9, training=False) is x
    out = nn.Dropout(1.0)(x)
    out.sum().backward()
    assert out.tolist() == x.grad.tolist() == [0, 0, 0, 0]


def test_dropout_masks_follow_the_seed():
    layer = nn.Dropout()
    cr.manual_seed(3)
    first, second = layer(cr.ones(64)).tolist(), layer(cr.ones(64)).tolist()
    cr.manual_seed(3)
    assert layer(cr.ones(64)).tolist() == first != second
    assert layer(cr.ones(64, dtype="float64")).tolist() == second, "the mask does not depend on the dtype"
    own = [nn.Dropout(generator=cr.Generator(8))(cr.ones(64)).tolist() for _ in range(2)]
    assert own[0] == own[1]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_dropout_refuses_what_is_no_probability(p):
    assert "from 0 to 1" in refusal(cr.ConfigError, nn.Dropout, p)


# ---- normalisation


def test_batch_norm_normalises_then_scales_and_shifts():
    layer = nn.BatchNorm1d(3)
    layer.weight.data, layer.bias.data = cr.tensor([1.0, 2.0, 3.0]), cr.tensor([0.0, 10.0, 20.0])
    x = np.random.default_rng(0).normal(5, 3, (100, 3)).astype(np.float32)
    out = layer(cr.tensor(x)).numpy()
    np.testing.assert_allclose(out.mean(0), [0, 10, 20], atol=1e-4)
    np.testing.assert_allclose(out.std(0), [1, 2, 3], rtol=1e-4)


def test_batch_norm_follows_the_batches():
    layer, plain = nn.BatchNorm1d(2), nn.BatchNorm1d(2, momentum=None)
    batches = [np.random.default_rng(i).normal(i, 1 + i, (20, 2)) for i in range(3)]
    mean, variance = np.zeros(2), np.ones(2)
    for batch in batches:
        layer.double()(cr.tensor(batch)), plain.double()(cr.tensor(batch))
        mean = 0.9 * mean + 0.1 * batch.mean(0)
        variance = 0.9 * variance + 0.1 * batch.var(0, ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.numpy(), variance, rtol=1e-12)
    np.testing.assert_allclose(plain.running_mean.numpy(), np.mean([b.mean(0) for b in batches], 0), rtol=1e-12)
    assert layer.num_batches_tracked.item() == plain.num_batches_tracked.item() == 3


def test_batch_norm_in_evaluation_uses_and_keeps_the_running_statistics():
    layer = nn.BatchNorm1d(2)
    layer(cr.rand(10, 2))
    layer.eval()
    before = {name: value.tolist() for name, value in layer.state_dict().items()}
    one = layer(cr.tensor([[0.3, 0.7]]))
    many = layer(cr.tensor([[0.3, 0.7], [100.0, -100.0]]))
    assert one.tolist()[0] == many.tolist()[0]
    assert {name: value.tolist() for name, value in layer.state_dict().items()} == before


def test_batch_norm_buffers_stay_the_same_objects_without_history():
    layer = nn.BatchNorm1d(2)
    mean = layer.running_mean
    layer(cr.rand(10, 2))
    assert layer.running_mean is mean and not mean.requires_grad and mean.is_leaf and mean.tolist() != [0, 0]


def test_batch_norm_refuses_a_batch_of_one_before_changing_anything():
    layer = nn.BatchNorm1d(3)
    text = refusal(cr.ShapeError, layer, cr.rand(1, 3))
    assert "at least 2 values" in text and "drop_last=True" in text
    assert layer.num_batches_tracked.item() == 0 and layer.running_mean.tolist() == [0, 0, 0]
    assert "at least 2 values" in refusal(cr.ShapeError, layer, cr.rand(0, 3))
    assert layer(cr.rand(1, 3, 2)).shape == (1, 3, 2)


@pytest.mark.parametrize("shape", [(4, 2), (4,), (2, 2, 3), (2, 3, 4, 5)])
def test_batch_norm_refuses_other_shapes(shape):
    assert "(N, 3) or (N, 3, L)" in refusal(cr.ShapeError, nn.BatchNorm1d(3), cr.ones(shape))


def test_batch_norm_without_statistics_or_weights():
    layer = nn.BatchNorm1d(3, affine=False, track_running_stats=False)
    assert list(layer.state_dict()) == [] and layer.running_mean is None
    x = cr.rand(5, 3)
    assert layer(x).tolist() == layer.eval()(x).tolist()


def test_layer_norm_refuses_other_shapes():
    layer = nn.LayerNorm((3, 4))
    assert layer(cr.ones(5, 2, 3, 4)).shape == (5, 2, 3, 4)
    for shape in [(5, 4, 3), (4,), (3, 4, 1)]:
        assert "(3, 4)" in refusal(cr.ShapeError, layer, cr.ones(shape))
    assert "normalized_shape=0" in refusal(cr.ConfigError, nn.LayerNorm, 0)


# ---- embedding


def test_embedding_adds_up_the_gradients_of_a_row():
    layer = nn.Embedding(4, 2, padding_idx=3)
    assert layer.weight.tolist()[3] == [0.0, 0.0]
    layer(cr.tensor([[1, 1, 3], [0, 1, 3]])).sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [3, 3], [0, 0], [0, 0]]


def test_embedding_refusals():
    layer = nn.Embedding(4, 2)
    assert "from 1 to 4" in refusal(cr.DataError, layer, cr.tensor([1, 4]))
    assert "from -1 to 2" in refusal(cr.DataError, layer, cr.tensor([-1, 2]))
    assert "whole numbers" in refusal(cr.DTypeError, layer, cr.tensor([1.0]))
    assert "whole numbers" in refusal(cr.DTypeError, layer, cr.tensor([True]))
    assert "padding_idx=4" in refusal(cr.ConfigError, nn.Embedding, 4, 2, 4)
    assert layer(cr.tensor(np.zeros((0, 3), np.int64))).shape == (0, 3, 2)
    assert layer(np.array([1, 2], np.uint8)).shape == (2, 2)


@pytest.mark.parametrize("make", [lambda: nn.BatchNorm1d(0), lambda: nn.Embedding(0, 3), lambda: nn.PReLU(0)])
def test_sizes_below_one_are_refused(make):
    with pytest.raises(cr.ConfigError, match="at least 1"):
        make()


# ---- the package


def test_all_lists_what_is_public():
    assert sorted(nn.__all__) == sorted(set(nn.__all__)) and all(hasattr(nn, name) for name in nn.__all__)
    public = {name for name, value in vars(nn).items() if isinstance(value, type) and not name.startswith("_")}
    assert public <= set(nn.__all__)
