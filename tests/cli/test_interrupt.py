"""Ctrl-C keeps a checkpoint, and --resume ends with the bits of a run that was never interrupted."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chainrule.train.tensor_files import read_tensors

OPTIONS = ["train", "digits", "--epochs", "1500", "--patience", "0", "--hidden", "32", "--out", "run"]


#: A parent that ignores SIGINT, as some test runners do, hands that on.
PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("chainrule", run_name="__main__", alter_sys=True)
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent as POSIX does it")
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    process = start(broken, *OPTIONS)
    deadline = time.monotonic() + 20
    while not (broken / "run/checkpoint.safetensors").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err and "interrupted in epoch " in err and "of 1500" in err
    assert sorted(os.listdir(broken / "run")) == ["checkpoint.safetensors"]

    command = next(line.split(":", 1)[1] for line in err.splitlines() if "go on:" in line)
    assert shlex.split(command) == ["chainrule", *OPTIONS, "--resume"]
    resumed, uninterrupted = start(broken, *shlex.split(command)[1:]), start(whole, *OPTIONS)
    for process in (resumed, uninterrupted):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    mine, theirs = (read_tensors(folder / "run/model.safetensors", "model")[0] for folder in (broken, whole))
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent as POSIX does it")
def test_interrupted_before_anything_was_read(tmp_path: Path) -> None:
    program = (
        "import sys; import chainrule.commands.train as t; from chainrule.cli import main\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "t.read_rows = stop; sys.exit(main(['train', 'iris']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert os.listdir(tmp_path) == []
