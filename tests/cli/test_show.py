"""``chainrule show --source`` and ``--passes``: the training step of a saved model, or of a network given by its widths."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli import main
from cli.command import Command


def test_widths_are_shown_as_layers(chainrule: Command) -> None:
    """What a model of that shape would be made of."""
    outcome = chainrule("show", "784-50-10", "--batch-norm")
    assert outcome.code == 0
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines[1] == ["0", "Linear", "(n,", "50)", "39,250"]
    assert [line[1] for line in lines[1:-1]] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert lines[-1] == ["all", "39,860"]


def test_source_runs_by_itself(chainrule: Command, tmp_path: Path) -> None:
    """The text is the whole output, and a program over NumPy alone that learns."""
    outcome = chainrule("show", "6-5-4", "--source", "--activation", "tanh", "--batch-size", "12")
    assert outcome.code == 0 and outcome.err == ""
    assert "h1 = np.tanh(z1)" in outcome.out and "(12, 5)" in outcome.out and "W2 = W2 - lr * dW2" in outcome.out
    program = tmp_path / "step.py"
    program.write_text(outcome.out, encoding="utf-8")
    run = subprocess.run([sys.executable, "-I", str(program)], capture_output=True, text=True, check=True)
    losses = [float(line) for line in run.stdout.splitlines()]
    assert len(losses) == 10 and losses[-1] < losses[0]


def test_source_of_a_saved_model(chainrule: Command, iris_run: Path) -> None:
    """The step is that of its training: its layers, its optimizer and its batches."""
    before = (iris_run / "model.safetensors").read_bytes()
    outcome = chainrule("show", iris_run, "--source")
    assert outcome.code == 0
    settings = cr.train.saving.load_with_extra(iris_run / "model.safetensors")[1]["facts"]["settings"]
    assert settings["optimizer"] == "adam"
    assert 'Update one parameter p by its gradient g: Adam."""' in outcome.out
    assert f"({settings['batch_size']}, 64)  Linear" in outcome.out and "(32, 3)" not in outcome.out
    assert (iris_run / "model.safetensors").read_bytes() == before


def test_the_task_decides_the_loss(chainrule: Command) -> None:
    """Several outputs are classes unless they are said to be numbers; one is a number."""
    for arguments, classes in ((("3-2",), True), (("3-2", "--task", "regression"), False), (("3-1",), False)):
        text = chainrule("show", *arguments, "--source").out
        assert ("log_p" in text) is classes and (("** 2" in text) is not classes)
    outcome = chainrule("show", "3-1", "--task", "classification", "--source")
    assert outcome.code == 2 and "one output a class" in outcome.err


def test_passes_are_shown_in_their_order(chainrule: Command) -> None:
    """From the trace to buffers in memory; an optimizer with a memory makes it in a first, eager step."""
    outcome = chainrule("show", "4-8-3", "--passes", "--optimizer", "momentum")
    assert outcome.code == 0
    titles = [line.removeprefix("---- ") for line in outcome.out.splitlines() if line.startswith("---- ")]
    assert titles[:3] == ["traced", "expand", "simplify"] and titles[-2:] == ["fuse", "plan memory"]
    assert "1. eager: SGD makes its memory in its first step" in outcome.out
    assert "affine x model.0.weight model.0.bias" in outcome.out
    traced, expanded = outcome.out.split("---- expand")
    assert "stop_gradient" in traced and "affine" not in expanded.split("----")[0]


def test_dropout_and_batch_normalisation(chainrule: Command) -> None:
    """The step is that of training, where they act."""
    text = chainrule("show", "4-8-3", "--batch-norm", "--dropout", "0.25", "--source").out
    assert "running_mean1" in text and "def uniform(" in text and "0.75" in text


def test_the_options_that_do_not_belong_together(chainrule: Command, iris_run: Path) -> None:
    """Both texts at once, a network described for a model that is there, and widths that are none."""
    outcome = chainrule("show", "4-3", "--source", "--passes")
    assert outcome.code == 2 and "--passes" in outcome.err
    for option in (("--optimizer", "sgd"), ("--batch-norm",), ("--batch-size", "4"), ("--task", "regression")):
        outcome = chainrule("show", iris_run, *option)
        assert outcome.code == 2 and f"leave {option[0]} out" in outcome.err, option
    for name in ("4", "4-", "0-3", "4x3", "4-3-"):
        outcome = chainrule("show", name)
        assert outcome.code == 2 and name in outcome.err, name


def test_a_folder_with_the_name_of_widths(chainrule: Command, iris_run: Path) -> None:
    """What is there comes before what could be meant."""
    Path("4-8-3").symlink_to(iris_run)
    assert "iris" in chainrule("show", "4-8-3").out


def test_a_model_without_known_settings(chainrule: Command, iris_run: Path, tmp_path: Path) -> None:
    """A file of another version tells less of its training: the step is the usual one."""
    network, extra = cr.train.saving.load_with_extra(iris_run / "model.safetensors")
    for settings in ({}, {"optimizer": "unheard of", "lr": 0.5}, None, json.loads("[1]")):
        extra["facts"]["settings"] = settings
        cr.train.saving.save(network, tmp_path / "model.safetensors", extra)
        outcome = chainrule("show", tmp_path / "model.safetensors", "--source")
        assert outcome.code == 0 and "W1 = W1 - lr * dW1" in outcome.out


def test_help_tells_how(capsys: pytest.CaptureFixture[str]) -> None:
    """One example for each kind of MODEL."""
    assert main(["show", "--help"]) == 0
    text = capsys.readouterr().out
    for part in ("--source", "--passes", "784-50-10", "chainrule show runs/iris --source"):
        assert part in text


def test_the_step_is_the_library_s_own(chainrule: Command) -> None:
    """One call of the listing gives the loss that an eager step gives on the same numbers."""
    namespace: dict[str, object] = {"__name__": "listing"}
    exec(chainrule("show", "3-4-2", "--source", "--batch-size", "5").out, namespace)
    random = np.random.default_rng(1)
    w1, b1, w2, b2 = (random.normal(size=s).astype(np.float32) for s in ((4, 3), (4,), (2, 4), (2,)))
    x, t = random.random((5, 3), dtype=np.float32), np.array([0, 1, 1, 0, 1])
    loss = namespace["step"](w1, b1, w2, b2, x, t, 0.1)[0]  # type: ignore[operator]
    hidden = np.maximum(x @ w1.T + b1, 0)
    expected = cr.nn.functional.cross_entropy(cr.tensor(hidden @ w2.T + b2), cr.tensor(t)).item()
    assert loss == pytest.approx(expected, rel=1e-5)
