"""Sequential, ModuleList and ModuleDict: order, names, changes, refusals."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


def names(module):
    return [name for name, _ in module.named_parameters()]


def test_sequential_applies_its_modules_in_order():
    model = nn.Sequential(nn.Linear(1, 1), nn.Step(), nn.Linear(1, 1))
    model[0].weight.data, model[0].bias.data = cr.tensor([[2.0]]), cr.tensor([-1.0])
    model[2].weight.data, model[2].bias.data = cr.tensor([[10.0]]), cr.tensor([3.0])
    assert model(cr.tensor([[0.0], [1.0]])).tolist() == [[3.0], [13.0]]
    assert nn.Sequential()(5) == 5


def test_sequential_takes_a_dictionary_or_keywords():
    for model in (
        nn.Sequential(OrderedDict([("hidden", nn.Linear(2, 3)), ("out", nn.Linear(3, 1))])),
        nn.Sequential({"hidden": nn.Linear(2, 3), "out": nn.Linear(3, 1)}),
        nn.Sequential(hidden=nn.Linear(2, 3), out=nn.Linear(3, 1)),
    ):
        assert names(model) == ["hidden.weight", "hidden.bias", "out.weight", "out.bias"]
        assert model.hidden is model[0] and model(cr.ones(4, 2)).shape == (4, 1)


def test_sequential_is_indexed_sliced_and_iterated():
    first, second, third = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    model = nn.Sequential(first, second, third)
    assert model[-1] is third and len(model) == 3 and list(model) == [first, second, third]
    assert second in model and nn.ReLU() not in model
    tail = model[1:]
    assert isinstance(tail, nn.Sequential) and list(tail) == [second, third]
    assert names(tail) == ["2.weight", "2.bias"], "as in PyTorch a slice keeps the names"
    assert tail[1].weight is third.weight
    with pytest.raises(IndexError, match="it holds 3"):
        model[3]


def test_sequential_changes():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    model.append(nn.Sigmoid()).insert(1, nn.Tanh())
    assert [type(m).__name__ for m in model] == ["Linear", "Tanh", "ReLU", "Linear", "Sigmoid"]
    assert names(model) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    del model[1]
    assert names(model) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    model[1] = nn.ELU()
    assert isinstance(model[1], nn.ELU) and len(model) == 4
    del model[1:3]
    assert [type(m).__name__ for m in model] == ["Linear", "Sigmoid"] and not hasattr(model, "2")
    assert model.extend([nn.ReLU(), nn.ReLU()])[3] is model.get_submodule("3")


def test_deleting_from_a_named_sequential_keeps_the_other_names():
    model = nn.Sequential(hidden=nn.Linear(2, 3), active=nn.ReLU(), out=nn.Linear(3, 1))
    del model[1]
    assert [name for name, _ in model.named_children()] == ["hidden", "out"] and not hasattr(model, "active")


@pytest.mark.parametrize("wrong", [nn.ReLU, cr.ops.relu, "relu", None, cr.ones(2)])
def test_only_module_objects_are_accepted(wrong):
    for make, argument in [(nn.Sequential, wrong), (nn.ModuleList, [wrong]), (nn.ModuleDict, {"a": wrong})]:
        with pytest.raises(cr.ConfigError, match=r"an nn\.Module"):
            make(argument)


@pytest.mark.parametrize("name", ["", "a.b", "forward", "train", 3])
def test_names_that_cannot_be_paths_are_refused(name):
    with pytest.raises(cr.ConfigError, match="a module named"):
        nn.Sequential({name: nn.ReLU()})
    with pytest.raises(cr.ConfigError, match="a module named"):
        nn.ModuleDict({name: nn.ReLU()})


def test_module_list():
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    layers.append(nn.ReLU())
    assert len(layers) == 4 and layers[-1] is list(layers)[3]
    assert names(layers)[-1] == "2.bias" and isinstance(layers[:2], nn.ModuleList)
    with pytest.raises(cr.ConfigError, match="without forward"):
        layers(cr.ones(1, 2))


def test_module_dict():
    choices = nn.ModuleDict({"relu": nn.ReLU(), "line": nn.Linear(2, 2)})
    choices.update([("tanh", nn.Tanh())])
    assert list(choices) == list(choices.keys()) == ["relu", "line", "tanh"] and len(choices) == 3
    assert dict(choices.items())["line"] is choices["line"] and list(choices.values())[2] is choices["tanh"]
    assert names(choices) == ["line.weight", "line.bias"]
    del choices["line"]
    assert "line" not in choices and names(choices) == []
    for act in (lambda: choices["line"], lambda: choices.__delitem__("line")):
        with pytest.raises(KeyError):
            act()


def test_a_model_of_containers_learns():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.ModuleList(nn.Linear(n, 4) for n in (2, 4))
            self.active = nn.ModuleDict({"on": nn.Tanh()})
            self.out = nn.Linear(4, 1)

        def forward(self, x):
            for layer in self.hidden:
                x = self.active["on"](layer(x))
            return self.out(x)

    net = Net()
    assert names(net)[:2] == ["hidden.0.weight", "hidden.0.bias"]
    net(cr.ones(3, 2)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    np.testing.assert_array_equal(net.out.bias.grad.numpy(), [3.0])


def test_printing_shows_names_and_nesting():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(act=nn.LeakyReLU(0.1)))
    assert str(model) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n    (act): LeakyReLU(negative_slope=0.1)\n  )\n)"
    )
