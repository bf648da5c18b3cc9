"""Bad input ends with one clear message, exit code 2, no traceback, and no half-written file."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.command import Command, Outcome


def refused(outcome: Outcome, *words: str) -> None:
    assert outcome.code == 2, outcome.out + outcome.err
    assert outcome.err.count("error:") == 1
    assert "Traceback" not in outcome.err
    assert "mistake in chainrule" not in outcome.err
    assert [word for word in words if word not in outcome.err] == [], outcome.err


def nothing_but(*names: str) -> None:
    """The folder holds these files and nothing else, hidden ones included."""
    assert sorted(os.listdir()) == sorted(names)


TABLES = {
    "empty": ("", ["an empty file"]),
    "header": ("a,b\n", ["a header and no rows"]),
    "one class": ("a,y\n1,x\n2,x\n3,x\n", ["column 'y'", "one value only, 'x', in all 3 rows"]),
    "one column": ("y\n1\n2\n", ["one column"]),
    "ragged": ("a,y\n1,2\n1,2,3\n", ["3 cells in line 3", "mend that line"]),
    "text among numbers": ("a,y\n" + "1.5,0\n2,1\n" * 6 + "two,1\n", ["'two' in row 13 of column 'a'"]),
    "nothing to learn from": ("a,y\n" + "1,0\n1,1\n" * 6, ["column 'a': the one value 1 in every row"]),
    "only names": ("id,y\n" + "".join(f"{n},{n % 2}\n" for n in range(30)), ["identifier"]),
    "infinite": ("a,y\n" + "1,0\n2,1\n" * 6 + "inf,1\n", ["inf"]),
    "bytes": ("\0\1\2", ["no CSV file"]),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables(chainrule: Command, case: str) -> None:
    content, words = TABLES[case]
    Path("t.csv").write_text(content, encoding="utf-8")
    refused(chainrule("train", "t.csv"), *words)
    nothing_but("t.csv")


def test_an_unknown_column(chainrule: Command, flowers: Path) -> None:
    refused(chainrule("train", flowers, "--target", "knid"), "no 'knid'", "did you mean 'kind'?")


def test_data_that_is_not_there(chainrule: Command) -> None:
    refused(chainrule("train", "nowhere.csv"), "reading nowhere.csv", "no such file", f"looked from {Path.cwd()}")
    refused(chainrule("train", "mnits"), "neither a set's name nor a file or folder", "did you mean 'mnist'?")
    refused(chainrule("train", "some/folder"), "no such file")
    Path("notes.docx").write_text("hello", encoding="utf-8")
    refused(chainrule("train", "notes.docx"), "a file ending in '.docx'", ".csv")


ARRAYS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "two targets a row": (lambda: np.savez("t.npz", x=np.ones((9, 2)), y=np.random.rand(9, 2)), ["shape (9, 2)"]),
    "infinity": (lambda: np.savez("t.npz", x=np.r_[[[np.inf]], np.eye(29, 1)], y=np.arange(30) % 2), ["infinity"]),
    "all the same": (lambda: np.savez("t.npz", x=np.ones((30, 2)), y=np.arange(30) % 2), ["all of the same numbers"]),
    "a target that is missing": (lambda: np.savez("t.npz", x=np.eye(2), y=np.array([1.5, np.nan])), ["missing"]),
    "other names": (lambda: np.savez("t.npz", one=np.ones(2), two=np.ones(2)), ["arrays one, two"]),
    "no rows": (lambda: np.savez("t.npz", x=np.ones((0, 2)), y=np.ones(0)), ["no rows"]),
    "cut short": (lambda: Path("t.npz").write_bytes(b"PK\3\4cut short"), ["reading t.npz"]),
    "objects": (lambda: np.savez("t.npz", x=np.array([{}], object), y=np.ones(1)), ["pickled"]),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(chainrule: Command, case: str) -> None:
    make, words = ARRAYS[case]
    make()
    refused(chainrule("train", "t.npz"), *words)
    nothing_but("t.npz")


def test_a_vector_is_no_table(chainrule: Command) -> None:
    np.save("v.npy", np.arange(5.0))
    refused(chainrule("train", "v.npy"), "shape (5,)", "a matrix of numbers")


def test_damaged_idx_files(chainrule: Command) -> None:
    Path("mnist").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        Path(f"mnist/{name}-ubyte").write_bytes(b"garbage")
    refused(chainrule("train", "mnist", "--data-dir", "."), "MD5 checksum", "remove the file")


def test_pictures(chainrule: Command) -> None:
    image = pytest.importorskip("PIL.Image")
    Path("p/only").mkdir(parents=True)
    image.new("L", (4, 4)).save("p/only/1.png")
    refused(chainrule("train", "p"), "one class only, 'only'")
    refused(chainrule("train", "p/only"), "1 images and no subfolder")
    refused(chainrule("train", "p/only/1.png"), "a single picture", "name the folder")
    Path("p/damaged").mkdir()
    Path("p/damaged/2.png").write_bytes(b"no picture")
    refused(chainrule("train", "p"), "p/damaged/2.png", "damaged image")


@pytest.mark.parametrize(("options", "words"), [
    (["--target", "species"], ["--target", "leave --target out"]),
    (["--test", "0.999"], ["150 of 150 rows held out by --test 0.999"]),
    (["--task", "regression"], ["classes setosa", "a target of numbers"]),
    (["--category", "x"], ["no table"]),
    (["--image-size", "8"], ["no folder of pictures"]),
    (["--resume"], ["--resume in runs/iris", "no checkpoint there"]),
    (["--out", "a-file/run"], ["write into a-file/run", "--out"]),
])  # fmt: skip
def test_options_that_do_not_fit_the_data(chainrule: Command, options: list[str], words: list[str]) -> None:
    Path("a-file").write_text("", encoding="utf-8")
    refused(chainrule("train", "iris", *options), *words)
    nothing_but("a-file")


def test_a_run_that_diverges_says_so(chainrule: Command) -> None:
    refused(chainrule("train", "iris", "--lr", "1e30", "--epochs", 2), "ran away", "--lr 0.001")
    assert not Path("runs/iris/model.safetensors").exists()


def test_a_folder_without_permission(chainrule: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    refused(chainrule("train", "iris"), "write into runs/iris", "permission denied", "--out")


@pytest.mark.parametrize("full_from", ["checkpoint.safetensors", "model.safetensors", "history.csv", "report.html"])
def test_a_full_disk_leaves_no_half_file(chainrule: Command, monkeypatch: pytest.MonkeyPatch, full_from: str) -> None:
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if Path(target).name == full_from:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    refused(chainrule("train", "iris", "--epochs", 2), full_from, "full disk")
    written = ["checkpoint.safetensors", "model.safetensors", "history.csv", "report.html"]
    assert sorted(os.listdir("runs/iris")) == sorted(written[: written.index(full_from)])


def test_an_error_of_chainrules_own_is_not_blamed_on_the_user(
    chainrule: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("oh")

    monkeypatch.setattr("chainrule.commands.train.split_rows", broken)
    outcome = chainrule("train", "iris")
    assert outcome.code == 1
    assert "KeyError: 'oh'" in outcome.err and "mistake in chainrule" in outcome.err and "Traceback" not in outcome.err
    assert "Traceback" in chainrule("train", "iris", "--debug").err


def test_debug_shows_the_traceback_of_bad_input_too(chainrule: Command) -> None:
    outcome = chainrule("train", "nowhere.csv", "--debug")
    assert outcome.code == 2
    assert "Traceback" in outcome.err and "error: reading nowhere.csv" in outcome.err


def test_out_of_memory(chainrule: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("chainrule.commands.train.split_rows", full)
    refused(chainrule("train", "iris"), "out of memory", "--batch-size")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written(iris_run: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "chainrule", "predict", str(iris_run), "iris"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert "error: writing the output: No space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr and "Traceback" not in done.stderr


def test_a_reader_that_leaves_early_is_no_error(iris_run: Path) -> None:
    command = f"{sys.executable} -m chainrule predict {iris_run} iris 2> err.txt | head -1; cat err.txt"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=iris_run)
    assert done.stdout.startswith("row,prediction,probability_setosa")
    assert "rror" not in done.stdout.splitlines()[-1]
