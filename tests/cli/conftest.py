"""The command run in this process, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.cli import main
from cli.command import Command, Outcome


@pytest.fixture
def chainrule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``chainrule("train", "iris")`` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def iris_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on iris."""
    folder = tmp_path_factory.mktemp("iris")
    assert main(["train", "iris", "--out", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run on digits."""
    folder = tmp_path_factory.mktemp("digits")
    assert main(["train", "digits", "--out", str(folder), "--quiet", "--epochs", "8", "--dropout", "0"]) == 0
    return folder


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A table with gaps, categories, an identifier, a constant column and a target that the other columns decide."""
    random = np.random.default_rng(0)
    size, colour = random.normal(10, 3, 120), random.choice(["red", "blue", "green"], 120)
    lines = ["id,size,colour,planet,kind"]
    for row, (s, c) in enumerate(zip(size, colour, strict=True)):
        kind = "rose" if s + (3 if c == "red" else 0) > 11 else "daisy"
        lines.append(f"{row + 1000},{'' if row % 40 == 7 else f'{s:.3f}'},{c},earth,{kind}")
    path = tmp_path / "flowers.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
