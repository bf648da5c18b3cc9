"""``chainrule bench``: what a run measures, and what it says of systems that are missing, fail, or do not learn."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import cli
from chainrule.bench import (
    SYSTEMS,
    WORKLOADS,
    Peer,
    Record,
    Results,
    print_report,
    read_results,
    run,
    runner,
    write_report,
    write_results,
)
from chainrule.bench.runner import environment, judge
from chainrule.bench.size import installed_size
from chainrule.bench.systems import missing
from chainrule.bench.workloads import Bound, Rows, make_rows
from chainrule.cli import main
from chainrule.core.errors import DataError

BY_NAME = {workload.name: workload for workload in WORKLOADS}
NUMPY = SYSTEMS["numpy"]


def text_of(results: Results) -> str:
    """The printed report."""
    stream = io.StringIO()
    print_report(results, stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The smallest two workloads in chainrule and NumPy, through the command; and its folder."""
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "chainrule", "bench", "--quick", "--workloads", "a,iris", "--threads", "1"]
    command += ["--systems", "chainrule,numpy", "--out", str(folder)]
    return subprocess.run(command, capture_output=True, text=True), folder


def test_a_quick_run_measures_and_everyone_learns(quick_run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, folder = quick_run
    assert done.returncode == 0, done.stderr
    results = read_results(folder / "bench.json")
    assert results.quick and not results.skipped and not any(r.failure for r in results.records)
    measured = {(r.workload, r.measure, r.system) for r in results.records}
    whole = ("start to finish", "start to finish, again")
    assert measured == {
        *((w, "step", s) for w in ("xor", "iris") for s in ("chainrule", "numpy")),
        *(("xor", measure, s) for measure in whole for s in ("chainrule", "numpy")),
    }
    for record in results.records:
        assert record.learned is True and record.threads == 1
        # One path from the same weights: the losses agree to float32's rounding.
        assert record.score == pytest.approx({"xor": 0.0026590, "iris": 0.8372480}[record.workload], rel=1e-4)
        if record.measure == "step":
            assert record.unit == "µs" and 0.01 < record.values["median"] < 2000
        else:
            assert record.unit == "ms" and 20 < record.values["median"] < 60_000


def test_the_table_of_a_quick_run(quick_run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, folder = quick_run
    lines = done.stdout.splitlines()
    assert "a quick run: less data, fewer steps, one repetition" in lines
    assert any(line.startswith("a  XOR 2-3-1") for line in lines) and any(line.startswith("b  Iris") for line in lines)
    rows = [line.split() for line in lines if "NumPy by hand" in line]
    assert len(rows) == 4 and all("µs" in row or "ms" in row for row in rows)
    ours = [line for line in lines if "chainrule, compiled loop" in line]
    assert len(ours) == 4 and all("1.00" in line.split() for line in ours)
    assert sum("loss 0.0027" in line for line in lines) == 6 and sum("loss 0.8372" in line for line in lines) == 2
    assert f"written     {folder / 'bench.json'}" in lines
    assert "xor, step: numpy, 1 thread: " in done.stderr


def test_results_go_through_json_unchanged(
    quick_run: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    results = read_results(quick_run[1] / "bench.json")
    results.notes.append("a note")
    results.skipped["jax"] = "not installed"
    write_results(tmp_path / "again.json", results)
    assert read_results(tmp_path / "again.json") == results
    stored = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert stored["machine"]["cores"] >= 1 and stored["versions"]["numpy"] == np.__version__


def test_what_is_not_installed_is_left_out_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Peer("jax", "JAX", "jax_scan", "a", ("no_such_library.numpy", "no_such_library"), "no-such-library")
    assert missing(absent) == "no_such_library is not installed: pip install no-such-library"
    monkeypatch.setattr(shutil, "which", lambda program: None)
    said: list[str] = []
    results = run([BY_NAME["xor"]], [absent, SYSTEMS["c"]], [1], quick=True, say=said.append)
    assert results.records == [] and list(results.skipped) == ["jax", "c"]
    assert results.skipped["c"] == "there is no gcc on this machine: install a C compiler"
    assert said[0] == "JAX is left out: no_such_library is not installed: pip install no-such-library"
    assert "C, gcc -ffast-math was left out: there is no gcc on this machine" in text_of(results)


def test_a_system_that_does_not_learn_is_flagged() -> None:
    # The bare products do less work than a training: here they pretend to be one.
    pretender = dataclasses.replace(SYSTEMS["products"], learns=True)
    results = run([BY_NAME["table"]], [NUMPY, pretender], [1], quick=True)
    learned = {r.system: r.learned for r in results.records}
    assert learned == {"numpy": True, "products": False}
    (line,) = [line for line in text_of(results).splitlines() if "bare matrix products" in line]
    assert "did not learn this" in line and "r2 -" in line
    (line,) = [line for line in text_of(results).splitlines() if "NumPy by hand" in line]
    assert "did not learn" not in line


def test_the_worst_score_counts_and_nan_is_none() -> None:
    bound = Bound("loss", 0.1, 0.2)
    assert judge(bound, [0.15, 0.2]) == (0.15, True)
    assert judge(bound, [0.15, 0.05]) == (0.05, False)  # less work than asked for shows in a loss that differs
    assert judge(bound, [float("nan")])[1] is False
    assert judge(None, [0.15]) == judge(bound, []) == (None, None)


def test_a_system_that_fails_is_told_and_the_others_go_on() -> None:
    broken = dataclasses.replace(NUMPY, name="torch", file="no_such_file")
    results = run([BY_NAME["iris"]], [broken, NUMPY], [1], quick=True)
    assert [(r.system, bool(r.values)) for r in results.records] == [("torch", False), ("numpy", True)]
    assert "FileNotFoundError" in results.records[0].failure
    assert "failed: FileNotFoundError" in text_of(results)


def test_prediction_start_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (200, 784)).astype(np.uint8), generator.integers(0, 10, 200).astype(np.int32)
    monkeypatch.setattr(runner, "make_rows", lambda *_: Rows(x, y, x, y, "made up"))
    results = run([BY_NAME[name] for name in ("predict", "start", "memory")], [NUMPY], [1], quick=True)
    assert results.notes == ["made up"] and not any(r.failure for r in results.records)
    medians = {(r.workload, r.measure): (r.values["median"], r.unit) for r in results.records}
    one, many = medians["predict", "1 row"], medians["predict", "10,000 rows"]
    assert one[1] == many[1] == "µs" and 1 < one[0] < many[0]
    for label in ("import", "first step", "first step, again"):
        assert 0.1 < medians["start", label][0] < 20_000 and medians["start", label][1] == "ms"
    assert 20 < medians["memory", "peak memory"][0] < 400
    assert 20 < medians["memory", "installed size"][0] < 500


def test_growth_is_measured_at_each_place() -> None:
    results = run([BY_NAME["growth"]], [NUMPY], [1], quick=True)
    assert [r.measure for r in results.records] == ["width 16", "width 64", "depth 1", "depth 4", "batch 1", "batch 16"]
    assert all(r.values["median"] > 1 and r.learned is None for r in results.records)
    lines = text_of(results).splitlines()
    assert [line.split()[:2] for line in lines if line.strip().startswith("depth")] == [["depth", "1"], ["depth", "4"]]


def test_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    values = {"median": 2.0, "lower quartile": 1.5, "upper quartile": 3.0, "minimum": 1.0, "repetitions": 3}
    records = [
        Record("xor", "step", system, threads, "µs", values, 0.5, system != "c")
        for system in ("chainrule", "c") for threads in (1, 2)
    ]  # fmt: skip
    records += [Record("growth", f"width {width}", "numpy", 1, "µs", values) for width in (16, 32)]
    files = write_report(Results(records), tmp_path)
    assert [f.name for f in files] == ["bench.json", "bench.png", "bench.svg", "growth.png", "growth.svg"]
    assert files[1].read_bytes()[:4] == b"\x89PNG" and all(f.stat().st_size > 5000 for f in files[1:])
    assert (tmp_path / "bench.svg").read_text(encoding="utf-8").count("did not learn") == 2


def test_every_library_is_told_the_number_of_threads() -> None:
    one, two = environment(1, "cache"), environment(2, "cache", fresh=True)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        assert (one[name], two[name]) == ("1", "2")
    assert one["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    assert two["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads=2"
    assert one["CHAINRULE_CACHE_DIR"] == two["JAX_COMPILATION_CACHE_DIR"] == "cache"
    assert "JAX_COMPILATION_CACHE_DIR" not in one


def test_made_up_pictures_stand_in_for_mnist_and_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = make_rows("digits", quick=True)
    assert (rows.x.shape, rows.x.dtype, rows.test_x.shape) == ((6000, 784), np.uint8, (1000, 784))
    assert rows.note.startswith("MNIST is not here")
    # They can be learned: the nearest class mean is nearly always right.
    means = np.stack([rows.x[rows.y == digit].mean(axis=0) for digit in range(10)])
    nearest = ((rows.test_x[:200, None].astype("f4") - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == rows.test_y[:200]).mean() > 0.95
    with pytest.raises(DataError, match="not found"):
        make_rows("digits", tmp_path / "empty")  # a folder that was named must hold them


def test_installed_size_counts_what_is_required() -> None:
    numpy = installed_size(["numpy"])
    assert numpy is not None and 10e6 < numpy < 300e6
    assert installed_size(["no-such-distribution"]) is None
    pytest.importorskip("sklearn")
    both = installed_size(["scikit-learn"])
    assert both is not None and both > numpy + 20e6  # with numpy and scipy


# ---- the command


def test_the_names_in_the_help_are_those_of_the_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert {w.letter: w.name for w in WORKLOADS} == cli.WORKLOADS
    assert tuple(SYSTEMS) == cli.SYSTEMS
    assert main(["bench", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "d mnist-batch-norm" in printed and "torch-slide" in printed and "chainrule bench --quick" in printed


@pytest.mark.parametrize(("options", "message"), [
    (["--workloads", "xro"], "did you mean 'xor'?"),
    (["--systems", "chainrule,tensorflow"], "'tensorflow' is none of chainrule, chainrule-fit"),
    (["--threads", "0"], "'0' is not a whole number, 1 or more"),
    (["--threads", "4096"], "4096 threads"),
    (["--systems", "c", "--workloads", "c"], "c with mnist"),
])  # fmt: skip
def test_options_outside_their_domain(
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_could_run_is_an_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert main(["bench", "--systems", "c", "--workloads", "a", "--out", str(tmp_path)]) == 2
    assert "there is no gcc on this machine" in capsys.readouterr().err


def test_interrupted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", stop)
    options = ["--systems", "numpy", "--workloads", "b", "--threads", "1", "--out", str(tmp_path)]
    assert main(["bench", *options]) == 130
