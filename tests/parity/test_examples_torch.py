"""The example programs, run by PyTorch with only their imports changed: the same losses from the same start."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chainrule.data import digits, mnist

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # two test processes on two cores: more threads only wait for each other

ROOT = Path(__file__).parents[2]
IMPORTS = (
    (r"^import chainrule as torch$", "import torch"),
    (r"^from chainrule import nn, optim$", "from torch import nn, optim"),
    (r"^from chainrule\.data import (DataLoader, \w+)$", r"from torch.utils.data import \1"),
)
Tolerance = Callable[[str, str], dict[str, float]]
CAST = {"float32": "float", "float64": "double"}


def program(name: str, framework: str) -> ModuleType:
    """An example as a module; for PyTorch, with its imports changed and nothing else."""
    text = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    if framework == "torch":
        for ours, theirs in IMPORTS:
            text, count = re.subn(ours, theirs, text, flags=re.MULTILINE)
            assert count == 1, f"{name}.py has no line {ours}"
        left = re.findall(r"^(?:from|import) chainrule.*$", text, flags=re.MULTILINE)
        assert left in ([], ["from chainrule.data import mnist"])  # which reads the files, as torchvision would
    module = ModuleType(f"{name}_{framework}")
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


def twins(name: str, dtype: str) -> list[tuple[ModuleType, Any]]:
    """The program and its network in PyTorch and in chainrule, both with PyTorch's initial numbers."""
    theirs, ours = program(name, "torch"), program(name, "chainrule")
    torch.manual_seed(0)
    reference = theirs.Net()
    reference.apply(theirs.weight_init)
    net = ours.Net()
    net.apply(ours.weight_init)
    start = {key: value.numpy().copy() for key, value in reference.state_dict().items()}
    assert {k: v.shape for k, v in start.items()} == {k: v.shape for k, v in net.state_dict().items()}
    net.load_state_dict(start)
    return [(theirs, getattr(reference, CAST[dtype])()), (ours, getattr(net, CAST[dtype])())]


@pytest.mark.parametrize("dtype", CAST)
def test_xor(dtype: str, tolerance: Tolerance) -> None:
    """200 epochs over the truth table."""
    losses, outputs = [], []
    for module, net in twins("xor_pytorch_style", dtype):
        dataset = module.XorDataset()
        dataset.inputs = getattr(dataset.inputs, CAST[dtype])()
        dataset.targets = getattr(dataset.targets, CAST[dtype])()
        losses.append(module.train(net, module.DataLoader(dataset, batch_size=4), epochs=200))
        outputs.append(net(dataset.inputs).detach().numpy())
        assert outputs[-1].dtype == dtype
    assert len(losses[0]) == 200 and losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=tolerance("example", dtype)["rtol"])
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=tolerance("example", dtype)["rtol"])


@cache
def images() -> tuple[Any, Any]:
    """MNIST's first 20,000 images where its files lie beside the repository, else the embedded digits, enlarged to 28 x 28."""
    folder = ROOT.parent / "shared" / "data" / "mnist"
    if folder.is_dir():
        found = mnist(folder, download=False)
        return found.inputs[:20_000], found.targets[:20_000]
    small = digits()
    pictures = np.kron(small.inputs.reshape(-1, 8, 8), np.ones((3, 3))) * (255 / 16)
    pictures = np.pad(pictures, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return np.tile(pictures, (11, 1, 1)), np.tile(small.targets, 11)


def run_mnist(name: str, dtype: str) -> tuple[list[Any], list[float]]:
    """Losses of some 200 iterations in PyTorch and in chainrule, and the accuracies that they lead to."""
    losses, accuracies = [], []
    for module, net in twins(name, dtype):
        tensors = module.make_dataset(*images()).tensors
        dataset = module.TensorDataset(*[getattr(t, CAST[dtype])() for t in tensors])
        losses.append(module.train(net, module.DataLoader(dataset, batch_size=100), epochs=1))
        accuracies.append(module.accuracy(net, module.DataLoader(dataset, batch_size=1000)))
    assert len(losses[0]) == len(losses[1]) >= 190
    assert accuracies[1] == pytest.approx(accuracies[0], abs=2e-3)
    return losses, accuracies


@pytest.mark.parametrize("dtype", CAST)
def test_mnist_baseline(dtype: str, tolerance: Tolerance) -> None:
    """It hardly learns, and does so in the same way."""
    (expected, received), accuracies = run_mnist("mnist_baseline", dtype)
    np.testing.assert_allclose(received, expected, rtol=tolerance("example", dtype)["rtol"])
    assert accuracies[1] < 0.2


@pytest.mark.parametrize("dtype", CAST)
def test_mnist_improved(dtype: str, tolerance: Tolerance) -> None:
    """It learns, and the losses agree strictly while rounding has had little time to grow."""
    (expected, received), accuracies = run_mnist("mnist_improved", dtype)
    early, late = tolerance("example, adam", dtype), tolerance("example, adam, late", dtype)
    np.testing.assert_allclose(received[:50], expected[:50], rtol=early["rtol"])
    np.testing.assert_allclose(received[50:], expected[50:], rtol=late["rtol"])
    assert accuracies[1] > 0.85


def test_normalised_inputs_agree() -> None:
    """The shift and scale by MNIST's mean and deviation gives the same arrays."""
    pictures, labels = images()
    (theirs, _), (ours, _) = twins("mnist_improved", "float32")
    expected = theirs.make_dataset(pictures[:50], labels[:50], normalise=True).tensors
    received = ours.make_dataset(pictures[:50], labels[:50], normalise=True).tensors
    for a, b in zip(expected, received, strict=True):
        assert a.numpy().dtype == b.numpy().dtype == np.float32
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-6, atol=1e-7)
