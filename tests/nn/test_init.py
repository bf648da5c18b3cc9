"""Initialisers: what they fill, where they draw from, what they refuse (moments beside PyTorch's: tests/parity)."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import init

DRAWING = ["uniform_", "normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_",
           "he_uniform_", "he_normal_", "orthogonal_"]  # fmt: skip
FILLING = {"zeros_": {}, "ones_": {}, "constant_": {"val": 0.5}}


@pytest.mark.parametrize("name", [*DRAWING, *FILLING])
def test_it_changes_parameters_and_data_in_place(name):
    layer = nn.Linear(4, 3)
    weight, node = layer.weight, layer.weight.node
    assert getattr(init, name)(layer.weight, **FILLING.get(name, {})) is weight is layer.weight
    assert weight.requires_grad and weight.is_leaf and weight.node is not node
    before = weight.tolist()
    getattr(init, name)(layer.weight.data, **FILLING.get(name, {}))
    assert (weight.tolist() == before) == (name in FILLING) and weight.requires_grad
    layer(cr.ones(2, 4)).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("name", DRAWING)
def test_the_same_generator_gives_the_same_weights(name):
    one, two, three = (cr.zeros(5, 6) for _ in range(3))
    getattr(init, name)(one, generator=cr.Generator(4))
    getattr(init, name)(two, generator=cr.Generator(4))
    cr.manual_seed(4)
    getattr(init, name)(three)
    assert one.tolist() == two.tolist() == three.tolist() != getattr(init, name)(three).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_stays(dtype):
    for name in DRAWING:
        assert getattr(init, name)(cr.zeros(3, 3, dtype=dtype)).dtype == dtype


def test_bounds_and_spreads():
    w = cr.zeros(200, 400)
    assert abs(init.xavier_uniform_(w, gain=2.0).numpy()).max() == pytest.approx(2 * math.sqrt(6 / 600), rel=1e-3)
    assert init.xavier_normal_(w).numpy().std() == pytest.approx(math.sqrt(2 / 600), rel=0.02)
    assert init.he_normal_(w, nonlinearity="relu").numpy().std() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert init.he_normal_(w, mode="fan_out").numpy().std() == pytest.approx(math.sqrt(2 / 200), rel=0.02)
    assert abs(init.he_uniform_(w, a=1.0).numpy()).max() == pytest.approx(math.sqrt(3 / 400), rel=1e-3)


def test_he_keeps_the_variance_through_relus_and_xavier_does_not():
    def spread(initialise):
        h = cr.randn(200, 100)
        for _ in range(10):
            h = cr.relu(h @ initialise(cr.zeros(100, 100)).T)
        return h.numpy().std()

    assert 0.3 < spread(lambda w: init.he_normal_(w, nonlinearity="relu")) < 3
    assert spread(init.xavier_normal_) < 0.1


def test_orthogonal_matrices_are_uniform_in_sign():
    signs = [np.sign(init.orthogonal_(cr.zeros(2, 2)).numpy()[0, 0]) for _ in range(100)]
    assert 25 < sum(s > 0 for s in signs) < 75


def test_refusals():
    for name in DRAWING[2:]:
        with pytest.raises(cr.ShapeError, match="at least 2 axes"):
            getattr(init, name)(cr.zeros(3))
    with pytest.raises(cr.ConfigError, match="fan_in"):
        init.kaiming_uniform_(cr.zeros(2, 2), mode="fan")
    with pytest.raises(cr.ConfigError, match="leaky_relu"):
        init.calculate_gain("mish")


def test_the_slides_weight_init_runs_by_apply():
    def weight_init(m):
        if isinstance(m, nn.Linear):
            m.weight.data.uniform_(0.0, 1.0)
            m.bias.data.fill_(0)

    net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1)).apply(weight_init)
    assert all(0 <= w < 1 for w in net[0].weight.numpy().ravel()) and net[2].bias.tolist() == [0]
