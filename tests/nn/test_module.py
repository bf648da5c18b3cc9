"""Module: paths, state, modes, hooks, copies, and errors that show where in a model they happened."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, size)
        self.norm = nn.BatchNorm1d(size)

    def forward(self, x):
        return self.norm(self.linear(x)).relu()


class Net(nn.Module):
    def __init__(self, size=3):
        super().__init__()
        self.encoder = nn.Sequential(Block(size), Block(size))
        self.head = nn.Linear(size, 2)
        self.temperature = nn.Parameter([1.0])

    def forward(self, x):
        return self.head(self.encoder(x)) / self.temperature


# ---- paths


def test_paths_follow_the_attributes():
    net = Net()
    assert [name for name, _ in net.named_parameters()][:5] == [
        "temperature", "encoder.0.linear.weight", "encoder.0.linear.bias", "encoder.0.norm.weight",
        "encoder.0.norm.bias",
    ]  # fmt: skip
    assert [name for name, _ in net.named_modules()] == [
        "", "encoder", "encoder.0", "encoder.0.linear", "encoder.0.norm", "encoder.1", "encoder.1.linear",
        "encoder.1.norm", "head",
    ]  # fmt: skip
    assert [name for name, _ in net.named_buffers()][:3] == [
        "encoder.0.norm.running_mean", "encoder.0.norm.running_var", "encoder.0.norm.num_batches_tracked",
    ]  # fmt: skip
    assert [name for name, _ in net.named_children()] == ["encoder", "head"]
    assert net.get_submodule("encoder.1.norm") is net.encoder[1].norm and net.get_submodule("") is net


def test_a_wrong_path_names_a_near_one():
    with pytest.raises(cr.ConfigError, match="did you mean 'encoder'"):
        Net().get_submodule("encode.0")


def test_attributes_may_be_replaced_and_deleted():
    net = Net()
    net.head = nn.Linear(3, 5)
    assert net(cr.rand(4, 3)).shape == (4, 5)
    net.temperature = None
    assert "temperature" not in net.state_dict()
    del net.encoder
    assert [name for name, _ in net.named_parameters()] == ["head.weight", "head.bias"]
    net.head = 7
    assert list(net.children()) == [] and net.head == 7


def test_a_shared_layer_counts_once_and_is_saved_under_each_name():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.second = nn.Sequential(self.first, nn.ReLU())
            self.out = nn.Linear(3, 3)
            self.out.weight = self.first.weight

        def forward(self, x):
            return self.out(self.second(self.first(x)))

    net = Tied()
    assert [name for name, _ in net.named_parameters()] == ["first.weight", "first.bias", "out.bias"]
    assert "out.weight" in net.state_dict()
    x = cr.rand(2, 3)
    net(x).sum().backward()
    total = sum(abs(g.numpy()).sum() for g in (net.first.weight.grad,))
    assert total > 0 and net.out.weight.grad is net.first.weight.grad
    net.load_state_dict(net.state_dict())
    assert net.out.weight is net.first.weight


def test_forgetting_super_init_is_explained():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

    with pytest.raises(cr.ConfigError, match=r"super\(\).__init__\(\)"):
        Forgetful()


def test_a_module_without_forward_is_explained():
    with pytest.raises(cr.ConfigError, match="define forward"):
        nn.Module()(1)


# ---- state


def test_state_goes_from_one_model_to_another():
    one, two = Net(), Net()
    one(cr.rand(8, 3))
    two.load_state_dict(one.state_dict())
    assert {k: v.tolist() for k, v in two.state_dict().items()} == {k: v.tolist() for k, v in one.state_dict().items()}
    x = cr.rand(4, 3)
    assert one.eval()(x).tolist() == two.eval()(x).tolist()
    assert all(p.requires_grad for p in two.parameters())


def test_a_saved_state_does_not_follow_the_model():
    net = nn.Linear(2, 1)
    state = net.state_dict()
    before = state["weight"].tolist()
    net.weight.data.fill_(9.0)
    assert state["weight"].tolist() == before and not state["weight"].requires_grad


def test_strict_loading_lists_everything_that_is_wrong_and_changes_nothing():
    net = Net()
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    before = net.head.bias.tolist()
    del state["encoder.0.norm.running_var"]
    state["head.bias"] = np.full(2, 5.0)
    state["encoder.9.weight"] = np.ones(3)
    state["head.weight"] = np.ones((2, 4))
    with pytest.raises(cr.CheckpointError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert "missing: encoder.0.norm.running_var" in text and "unexpected: encoder.9.weight" in text
    assert "head.weight: (2, 4) saved, (2, 3) here" in text
    assert net.head.bias.tolist() == before
    del state["head.weight"]
    net.load_state_dict(state, strict=False)
    assert net.head.bias.tolist() == [5.0, 5.0]


def test_loading_keeps_the_models_dtype_and_parameters():
    net = nn.Linear(2, 1)
    weight = net.weight
    net.load_state_dict({"weight": np.ones((1, 2)), "bias": np.zeros(1)})
    assert net.weight is weight and weight.dtype == np.float32 and weight.tolist() == [[1, 1]]


# ---- modes, types, gradients


def test_train_and_eval_reach_every_module():
    net = Net()
    assert all(not m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())


def test_apply_visits_every_module_the_model_last():
    seen = []
    net = Net()
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert len(seen) == len(list(net.modules())) and seen[-1] == "Net"


def test_zero_grad_and_freezing():
    net = Net()
    net(cr.rand(4, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    net.encoder.requires_grad_(False)
    net(cr.rand(4, 3)).sum().backward()
    assert [p.grad is not None for p in net.encoder.parameters()] == [False] * 8 and net.head.weight.grad is not None


def test_casting():
    net = Net().double()
    assert {p.dtype for p in net.parameters()} == {np.dtype("float64")}
    assert net.encoder[0].norm.num_batches_tracked.dtype == np.int64
    assert net(cr.rand(4, 3, dtype="float64")).dtype == np.float64
    assert net.float().to("cpu") is net and net.head.weight.dtype == np.float32
    with pytest.raises(cr.ConfigError, match="cpu"):
        net.to("cuda")


# ---- hooks and copies


def test_forward_hooks_see_and_replace_and_go():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    seen = []
    remove = net[0].register_forward_hook(lambda module, inputs, output: seen.append((module, inputs[0].shape)))
    double = net[1].register_forward_hook(lambda module, inputs, output: output * 2)
    x = cr.rand(3, 2)
    doubled = net(x).numpy()
    assert seen == [(net[0], (3, 2))]
    remove(), double(), double()
    np.testing.assert_array_equal(doubled, net(x).numpy() * 2)
    assert len(seen) == 1


def test_a_deep_copy_is_a_model_of_its_own():
    net = Net()
    twin = copy.deepcopy(net)
    x = cr.rand(4, 3)
    assert twin.eval()(x).tolist() == net.eval()(x).tolist()
    twin.head.weight.data.fill_(0.0)
    assert twin(x).tolist() != net(x).tolist()
    assert {id(p) for p in net.parameters()}.isdisjoint({id(p) for p in twin.parameters()})
    twin.train()(x).sum().backward()
    assert twin.temperature.grad is not None and net.temperature.grad is None


def test_a_deep_copy_keeps_what_is_shared():
    layer = nn.Linear(2, 2)
    twin = copy.deepcopy(nn.Sequential(layer, nn.ReLU(), layer))
    assert twin[0] is twin[2] and len(list(twin.parameters())) == 2


# ---- errors inside a model


def test_a_shape_error_shows_the_layers_path_and_the_shapes_up_to_it():
    net = Net()
    net.encoder[1].linear = nn.Linear(5, 3)
    with pytest.raises(cr.ShapeError) as caught:
        net(cr.rand(8, 3))
    text = str(caught.value)
    assert "an input of shape (8, 3)" in text and "in_features=5" in text
    assert "layer:    encoder.1.linear: Linear" in text and "input:    f32[8,3] to Net" in text
    lines = [" ".join(line.split()) for line in text.split("shapes up to there:")[1].splitlines()]
    assert lines[1:] == [
        "encoder.0.linear: Linear f32[8,3] -> f32[8,3]",
        "encoder.0.norm: BatchNorm1d f32[8,3] -> f32[8,3]",
        "encoder.0: Block f32[8,3] -> f32[8,3]",
    ]


def test_an_error_of_an_op_names_the_layer_and_the_line():
    class Wrong(nn.Module):
        def forward(self, x):
            return x + cr.ones(7)

    with pytest.raises(cr.ShapeError) as caught:
        nn.Sequential(first=nn.ReLU(), wrong=Wrong())(cr.rand(2, 3))
    text = str(caught.value)
    assert "wrong: Wrong" in text and "test_module.py" in text and "x + cr.ones(7)" in text


def test_a_layer_in_a_list_is_named_by_its_path():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.ReLU(), nn.LayerNorm(7, bias=False)])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    with pytest.raises(cr.ShapeError, match=r"layers\.1: LayerNorm"):
        Listed()(cr.rand(2, 3))


def test_after_an_error_the_next_call_starts_afresh():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(3, 2))
    for _ in range(2):
        with pytest.raises(cr.ShapeError) as caught:
            model(cr.rand(4, 3))
        assert str(caught.value).count("0: Linear") == 1
    assert model[0](cr.rand(4, 3)).shape == (4, 2)
