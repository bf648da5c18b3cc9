"""Arguments: what is understood, what is refused, and in which words."""

from __future__ import annotations

import subprocess
import sys

import pytest

import chainrule as cr
from chainrule import cli, data, nn, optim
from chainrule.commands import network
from cli.command import Command


def test_the_names_in_the_help_are_those_of_the_library() -> None:
    assert sorted(cli.SETS) == sorted(data.set_names())
    assert set(cli.ACTIVATIONS) == set(network.ACTIVATIONS)
    assert set(cli.OPTIMIZERS) == set(network.OPTIMIZERS)
    assert all(hasattr(nn, name) for name in network.ACTIVATIONS.values())
    assert all(hasattr(optim, name) for name, _ in network.OPTIMIZERS.values())


def test_version(chainrule: Command) -> None:
    outcome = chainrule("--version")
    assert (outcome.code, outcome.out) == (0, f"chainrule {cr.__version__}\n")


@pytest.mark.parametrize(("command", "words"), [
    ((), ["train", "predict", "show"]),
    (("train",), ["fashion-mnist", "--hidden", "chainrule train digits", "leaky-relu", "--resume"]),
    (("predict",), ["--out", "chainrule predict runs/iris/model.safetensors"]),
    (("show",), ["chainrule show runs/iris"]),
])  # fmt: skip
def test_help_holds_options_and_examples(chainrule: Command, command: tuple[str, ...], words: list[str]) -> None:
    outcome = chainrule(*command, "--help")
    assert outcome.code == 0
    assert [word for word in words if word not in outcome.out] == []


@pytest.mark.parametrize(("options", "message"), [
    (["--epochs", "0"], "--epochs: '0' is not a whole number, 1 or more"),
    (["--epochs", "2.5"], "--epochs: '2.5' is not a whole number"),
    (["--batch-size", "-3"], "--batch-size"),
    (["--lr", "-1"], "--lr: '-1' is not a number above 0"),
    (["--lr", "nan"], "--lr: 'nan' is not a number above 0"),
    (["--lr", "inf"], "--lr: 'inf' is not a number above 0"),
    (["--hidden", "64,a"], "--hidden: '64,a' is not a list of layer widths, such as 64,32"),
    (["--hidden", "64,0"], "--hidden: '64,0'"),
    (["--validation", "1.5"], "--validation: '1.5' is not a share from 0 to below 1"),
    (["--dropout", "1"], "--dropout: '1' is not a share"),
    (["--weight-decay", "-0.1"], "--weight-decay"),
    (["--seed", "x"], "--seed: 'x' is not a whole number, 0 or more"),
    (["--activation", "rellu"], "did you mean 'relu'?"),
    (["--optimizer", "adamm"], "did you mean 'adam'?"),
    (["--image-size", "28x"], "--image-size: '28x' is not a size in pixels"),
    (["--task", "guess"], "'guess' is none of classification, regression"),
    (["--hiden", "3"], "did you mean --hidden?"),
    (["--epochs"], "--epochs: expected one argument"),
])  # fmt: skip
def test_an_option_outside_its_domain(chainrule: Command, options: list[str], message: str) -> None:
    outcome = chainrule("train", "iris", *options)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: chainrule train: ")
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_a_mistyped_command_gets_a_suggestion(chainrule: Command) -> None:
    outcome = chainrule("trian", "iris")
    assert outcome.code == 2
    assert "there is no command 'trian'" in outcome.err
    assert "did you mean train?" in outcome.err


def test_no_command_and_no_data(chainrule: Command) -> None:
    for arguments, missing in (((), "COMMAND"), (("train",), "DATA"), (("predict", "m"), "DATA"), (("show",), "MODEL")):
        outcome = chainrule(*arguments)
        assert outcome.code == 2
        assert missing in outcome.err


def test_help_loads_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys; from chainrule.cli import main; main(['train', '--help']); "
        "print([m for m in ('chainrule.train', 'chainrule.data', 'chainrule.nn', 'rich', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "chainrule", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"chainrule {cr.__version__}\n"
