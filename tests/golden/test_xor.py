"""The two-layer network on exclusive or: hand-written layers and chainrule, loss curve by loss curve."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim

EXAMPLES = Path(__file__).parents[2] / "examples"
EPOCHS = 20_000


def example(name: str) -> ModuleType:
    """A program from the examples folder as a module."""
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


by_hand = example("xor_by_hand")


def same_network(network: Any) -> nn.Sequential:
    """A chainrule model that starts from the hand-written network's numbers; Linear keeps weights transposed."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid()).double()
    start = network.parameters
    model.load_state_dict(
        {"0.weight": start["W1"].T, "0.bias": start["b1"], "2.weight": start["W2"].T, "2.bias": start["b2"]}
    )
    return model


def train(model: nn.Sequential, epochs: int) -> list[float]:
    """The slides' step: the loss is half the sum of squares, the gradient that of its mean over the four examples."""
    x, t = cr.tensor(by_hand.INPUTS), cr.tensor(by_hand.TARGETS)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = 0.5 * ((model(x) - t) ** 2).sum()
        (loss / len(t)).backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_whole_loss_curve_is_that_of_the_hand_written_layers() -> None:
    """20,000 steps in float64, and then the same outputs, which are exclusive or."""
    network = by_hand.TwoLayerNetwork(2, 3, 1, seed=0)
    model = same_network(network)
    expected = by_hand.train(network, EPOCHS)
    received = train(model, EPOCHS)
    np.testing.assert_allclose(received, expected, rtol=1e-6)
    outputs = model(cr.tensor(by_hand.INPUTS)).numpy()
    np.testing.assert_allclose(outputs, network.predict(by_hand.INPUTS), rtol=1e-6)
    assert expected[0] > 0.5 and expected[-1] < 0.1
    assert (outputs > 0.5).ravel().tolist() == [False, True, True, False]
    assert network.accuracy(by_hand.INPUTS, by_hand.TARGETS) == 1.0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_gradient_agrees_to_the_last_digits(seed: int) -> None:
    network = by_hand.TwoLayerNetwork(2, 3, 1, seed)
    model = same_network(network)
    loss, gradient = network.gradient(by_hand.INPUTS, by_hand.TARGETS)
    x, t = cr.tensor(by_hand.INPUTS), cr.tensor(by_hand.TARGETS)
    ours = 0.5 * ((model(x) - t) ** 2).sum()
    (ours / 4).backward()
    assert ours.item() == pytest.approx(loss, rel=1e-15)
    for parameter, expected in zip(model.parameters(), ("W1", "b1", "W2", "b2"), strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), gradient[expected].T, rtol=1e-12, atol=1e-16)


def test_hand_written_gradient_is_that_of_finite_differences() -> None:
    """So that agreement with the hand-written layers means something."""
    network = by_hand.TwoLayerNetwork(2, 3, 1, seed=5)
    _, gradient = network.gradient(by_hand.INPUTS, by_hand.TARGETS)
    for name, parameter in network.parameters.items():
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            losses = []
            for offset in (1e-5, -1e-5):
                parameter[index] = kept + offset
                losses.append(network.loss(by_hand.INPUTS, by_hand.TARGETS) / 4)
            parameter[index] = kept
            assert gradient[name][index] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-10)


def test_the_pytorch_style_program_converges(capsys: pytest.CaptureFixture[str]) -> None:
    """Module, Dataset, DataLoader, ``apply(weight_init)``: exclusive or is learned from seed 0."""
    program = example("xor_pytorch_style")
    cr.manual_seed(0)
    dataset = program.XorDataset()
    net = program.Net()
    net.apply(program.weight_init)
    weights = np.concatenate([p.numpy().ravel() for name, p in net.named_parameters() if name.endswith("weight")])
    assert weights.min() >= 0 and weights.max() < 1 and weights.std() > 0.1
    assert not any(p.numpy().any() for name, p in net.named_parameters() if name.endswith("bias"))
    losses = program.train(net, program.DataLoader(dataset, batch_size=4, shuffle=True), EPOCHS // 2)
    assert len(losses) == EPOCHS // 2 and losses[-1] < 0.02 < 0.2 < losses[0]
    assert (net(dataset.inputs).numpy() > 0.5).ravel().tolist() == [False, True, True, False]
    assert "epoch   2000  loss 0." in capsys.readouterr().out


def test_apples_and_oranges() -> None:
    """2 apples at 100 and 3 oranges at 150 with tax 1.1: price and derivatives, by hand and by chainrule."""
    price, derivatives = by_hand.buy_fruit()
    assert price == pytest.approx(715)
    assert list(derivatives.values()) == pytest.approx([2.2, 110, 3.3, 165, 650])
    inputs = [cr.tensor(v, requires_grad=True) for v in (100.0, 2.0, 150.0, 3.0, 1.1)]
    apple, apples, orange, oranges, tax = inputs
    total = (apple * apples + orange * oranges) * tax
    total.backward()
    assert total.item() == pytest.approx(715)
    assert [x.grad.item() for x in inputs] == pytest.approx([2.2, 110, 3.3, 165, 650])
