"""The example programs run as a person would run them; what they claim comes out."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chainrule.data import Examples, digits

EXAMPLES = Path(__file__).parents[1] / "examples"


def program(name: str) -> ModuleType:
    """An example as a module."""
    spec = spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """``run(name, *arguments)``: call the program's ``main`` with these arguments; what it prints."""

    def call(name: str, *arguments: str, **replaced: Any) -> str:
        module = program(name)
        for attribute, value in replaced.items():
            monkeypatch.setattr(module, attribute, value)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        module.main()
        return capsys.readouterr().out

    return call


def test_every_program_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    missing = [p.stem for p in EXAMPLES.glob("*.py") if f'"{p.stem}"' not in text]
    assert not missing


@pytest.mark.parametrize("name", ["xor_by_hand", "xor_pytorch_style"])
def test_xor(name: str, run: Any) -> None:
    """The whole run: the truth table comes out."""
    printed = run(name, "--epochs", "16000")
    outputs = [float(y) for y in re.findall(r"xor \d -> (\d\.\d+)", printed)]
    assert [y > 0.5 for y in outputs] == [False, True, True, False]


def test_fruit_is_bought_by_hand(run: Any) -> None:
    printed = run("xor_by_hand", "--epochs", "1")
    assert "price 715" in printed and "orange count 165, tax 650" in printed


def test_iris(run: Any) -> None:
    """Gradients by hand and by chainrule agree to rounding, at the start and after a thousand steps."""
    printed = run("iris_gradient_descent", "--epochs", "1001")
    differences = [float(d) for d in re.findall(r"differ by (\S+)", printed)]
    losses = [float(v) for v in re.findall(r"loss (\S+)", printed)]
    assert len(differences) == 2 and max(differences) < 1e-13
    assert losses[0] == pytest.approx(np.log(3), abs=1e-3) and losses[1] < losses[0]


def small_mnist(data_dir: str | None) -> Examples:
    """The embedded digits, enlarged to 28 x 28, in place of MNIST's files."""
    small = digits()
    pictures = np.kron(small.inputs.reshape(-1, 8, 8), np.ones((3, 3))) * (255 / 16)
    pictures = np.pad(pictures, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    parts = [(pictures[s], small.targets[s]) for s in (slice(1400), slice(1400, None))]
    names = tuple("0123456789")
    test = Examples(*parts[1], class_names=names)
    return Examples(*parts[0], class_names=names, test=test)


@pytest.mark.parametrize(
    ("name", "options", "learns"),
    [("mnist_baseline", [], False), ("mnist_improved", [], True), ("mnist_improved", ["--normalise"], True)],
)
def test_mnist(name: str, options: list[str], learns: bool, run: Any) -> None:
    """The baseline hardly learns, the improved network does."""
    printed = run(name, "--epochs", "5", *options, mnist=small_mnist)
    assert printed.startswith("epoch 1  iteration    0  loss ")
    accuracy = float(re.findall(r"test accuracy (\S+)", printed)[0])
    assert accuracy > 0.85 if learns else accuracy < 0.3


def test_examples_import_only_what_a_user_may() -> None:
    """Nothing but the public package: ``chainrule`` and its rooms nn, optim, data."""
    allowed = {"chainrule", "chainrule.data", "numpy", "__future__", "argparse", "collections", "typing"}
    for path in EXAMPLES.glob("*.py"):
        found = re.findall(r"^(?:from|import) (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(found) <= allowed, path.name
