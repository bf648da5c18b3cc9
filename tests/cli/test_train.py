"""``chainrule train``: what it decides, how good it gets, and what it leaves behind."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.train.tensor_files import read_tensors
from cli.command import Command, Outcome

FILES = ["checkpoint.safetensors", "history.csv", "model.safetensors", "report.html"]


def score(outcome: Outcome, name: str = "accuracy") -> float:
    """The score on the line that tells the test result."""
    assert outcome.code == 0, outcome.err
    found = re.search(rf"^(?:test|training) .*?{name} (-?[\d.]+)", outcome.out, re.MULTILINE)
    assert found, outcome.out
    return float(found[1])


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# ---- sets


def test_digits_reach_97_percent(chainrule: Command) -> None:
    outcome = chainrule("train", "digits")
    assert score(outcome) >= 0.97
    assert names_in(Path("runs/digits")) == FILES


def test_iris_reaches_95_percent_and_tells_every_decision(chainrule: Command) -> None:
    outcome = chainrule("train", "iris")
    assert score(outcome) >= 0.95
    assert names_in(Path("runs/iris")) == FILES
    for label in [
        "data",
        "target",
        "split",
        "inputs",
        "network",
        "epochs",
        "optimizer",
        "folder",
        "trained",
        "written",
    ]:
        assert re.search(rf"^{label}\s+\S", outcome.out, re.MULTILINE), label
    assert "96 train, 24 validate, 30 test; drawn class by class with seed 0" in outcome.out
    assert "always answering the most common class: 0.333" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err, "no colours into a pipe"


def test_a_truth_table_is_learned_whole(chainrule: Command) -> None:
    outcome = chainrule("train", "xor", "--epochs", 150)
    assert "all 4 rows train: too few to hold some out" in outcome.out
    assert "training    accuracy 1.000 (4 of 4 rows right)" in outcome.out
    assert "train: 4 rows, " not in Path("runs/xor/report.html").read_text(encoding="utf-8")


def test_a_regression_is_reported_in_the_unit_of_its_target(chainrule: Command) -> None:
    outcome = chainrule("train", "sine", "--quiet")
    assert score(outcome, "R2") > 0.9
    # The noise has a standard deviation of 0.1, in the unit of y.
    assert 0.05 < score(outcome, "root mean squared error") < 0.2


def test_history_has_a_row_an_epoch(iris_run: Path) -> None:
    with (iris_run / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, len(rows) + 1))
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "lr"} <= set(rows[0])
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) / 4


def test_the_report_tells_the_data_the_decisions_and_the_result(digits_run: Path) -> None:
    page = (digits_run / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<h1>digits: \d\d\.\d", page)
    assert "8 x 8 pixels of 0 to 16" in page
    assert page.count("data:image/png") > 20, "wrong digits and first-layer weights as pictures"


def test_the_model_is_one_that_cr_load_reads(iris_run: Path) -> None:
    model = cr.load(iris_run / "model.safetensors")
    assert tuple(model(cr.zeros((5, 4))).shape) == (5, 3)


# ---- tables


def test_an_unprepared_table(chainrule: Command, flowers: Path) -> None:
    outcome = chainrule("train", flowers)
    assert score(outcome) > 0.8
    for words in (
        "column 'kind' is the target: it is the last one",
        "2 distinct texts in 120 rows: classification",
        "column 'id': a different whole number in every row, and the name of an identifier: left out",
        "column 'colour': category, one input for each of 3 values (blue, green, red)",
        "column 'planet': the one value 'earth' in every row: left out",
    ):
        assert words in outcome.out
    assert re.search(r"column 'size': number, standardised .* missing values? becomes? the mean", outcome.out)


def test_the_target_may_be_named(chainrule: Command, flowers: Path) -> None:
    outcome = chainrule("train", flowers, "--target", "size", "--epochs", 3)
    assert "column 'size' is the target, as asked" in outcome.out
    assert "regression" in outcome.out
    assert "note: column 'size' has no value in 3 of 120 rows: those rows are left out" in outcome.err
    assert score(outcome, "mean absolute error") > 0


def test_the_task_may_be_named(chainrule: Command) -> None:
    outcome = chainrule("train", "iris", "--task", "classification", "--epochs", 1)
    assert "classification, as asked" in outcome.out
    outcome = chainrule("train", "xor", "--task", "regression", "--epochs", 60)
    assert "regression, as asked" in outcome.out
    assert score(outcome, "R2") > 0.5


def test_a_typing_error_in_a_number_column_is_found(chainrule: Command, tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("size,price\n" + "".join(f"{n},{2 * n}\n" for n in range(30)) + "3O,60\n", encoding="utf-8")
    outcome = chainrule("train", path)
    assert outcome.code == 2
    assert "'3O' in row 31 of column 'size'" in outcome.err
    assert "--category size" in outcome.err
    assert chainrule("train", path, "--category", "size", "--epochs", 1, "--quiet").code == 0


@pytest.mark.parametrize(("name", "least"), [("wine", 0.94), ("breast_cancer", 0.95), ("diabetes", 0.30)])
def test_tables_of_scikit_learn(chainrule: Command, name: str, least: float) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    getattr(datasets, f"load_{name}")(as_frame=True).frame.to_csv(f"{name}.csv", index=False)
    outcome = chainrule("train", f"{name}.csv", "--quiet")
    assert score(outcome, "R2" if name == "diabetes" else "accuracy") >= least


# ---- arrays and pictures


def two_clouds(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around (-2, -2, -2) and (2, 2, 2), and which of the two."""
    random, classes = np.random.default_rng(seed), np.arange(count) % 2
    return (random.normal(size=(count, 3)) + 4 * classes[:, None] - 2).astype(np.float32), classes


def test_arrays_with_their_own_test_part(chainrule: Command) -> None:
    (x, y), (x_test, y_test) = two_clouds(60, 0), two_clouds(20, 1)
    x[3, 1] = np.nan
    np.savez("clouds.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    outcome = chainrule("train", "clouds.npz", "--epochs", 30)
    assert "20 test as published" in outcome.out
    assert score(outcome) == 1.0
    assert Path("runs/clouds/model.safetensors").exists()


def test_one_hot_targets_are_classes(chainrule: Command) -> None:
    x, y = two_clouds(60, 0)
    np.savez("hot.npz", x=x, y=np.eye(2)[y])
    outcome = chainrule("train", "hot.npz", "--epochs", 30)
    assert "'y' is one of 2 classes (0, 1): classification" in outcome.out
    assert score(outcome) == 1.0


def test_a_matrix_ends_in_its_target(chainrule: Command) -> None:
    x, y = two_clouds(60, 0)
    np.save("matrix.npy", np.hstack([x, y[:, None]]))
    outcome = chainrule("train", "matrix.npy", "--epochs", 30)
    assert "'column_4' is one of 2 classes" in outcome.out
    assert score(outcome) == 1.0


def test_a_folder_of_pictures_may_be_resized(chainrule: Command, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for name, level in (("dark", 40), ("light", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            size = (6, 6) if number else (8, 8)
            image.new("L", size, level + number).save(tmp_path / "photos" / name / f"{number}.png")
    outcome = chainrule("train", "photos")
    assert outcome.code == 2
    assert "6 x 6 pixels" in outcome.err and "--image-size" in outcome.err
    outcome = chainrule("train", "photos", "--image-size", "6", "--epochs", 20)
    assert "24 pictures of 6 x 6 pixels" in outcome.out
    assert score(outcome) == 1.0
    assert "1,0.png,dark" in chainrule("predict", "runs/photos", "photos/dark/0.png").out, "resized as in training"


# ---- runs


def test_the_same_seed_gives_the_same_model_and_another_seed_another(chainrule: Command) -> None:
    def weights(seed: int, out: str) -> dict[str, np.ndarray]:
        assert chainrule("train", "iris", "--epochs", 3, "--dropout", "0.1", "--seed", seed, "--out", out).code == 0
        return read_tensors(f"{out}/model.safetensors", "model")[0]

    first, again, other = weights(1, "a"), weights(1, "b"), weights(2, "c")
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["0.weight"] != other["0.weight"]).any()


def test_settings_are_taken_as_given(chainrule: Command) -> None:
    options = "--hidden 7,5 --activation tanh --batch-norm --dropout 0.1 --optimizer momentum --lr 0.02 --batch-size 10"
    outcome = chainrule(
        "train", "iris", *options.split(), "--weight-decay", "0.001", "--epochs", 2, "--validation", "0.25"
    )
    assert "2 epochs of 4 > 7 > 5 > 3" in outcome.out
    assert "7 and 5 hidden units, tanh, batch normalisation, dropout 0.1" in outcome.out
    assert "momentum, learning rate 0.02, batches of 10, weight decay 0.001" in outcome.out
    assert "90 train, 30 validate, 30 test" in outcome.out
    shown = chainrule("show", "runs/iris").out
    for kind in ("BatchNorm1d", "Tanh", "Dropout"):
        assert shown.count(kind) == 2


def test_no_hidden_layer_and_nothing_held_out(chainrule: Command) -> None:
    outcome = chainrule("train", "iris", "--hidden", "none", "--validation", 0, "--test", 0, "--epochs", 20)
    assert "150 train, none validates, none tests" in outcome.out
    assert "20 epochs of 4 > 3" in outcome.out
    assert "training    accuracy" in outcome.out


def test_quiet_prints_the_result_alone(chainrule: Command) -> None:
    outcome = chainrule("train", "iris", "--epochs", 2, "--quiet")
    assert outcome.out.count("\n") == 1 and outcome.out.startswith("test ")
    assert outcome.err == ""


def test_a_finished_run_is_replaced_and_other_files_stay(chainrule: Command) -> None:
    chainrule("train", "iris", "--epochs", 2, "--out", "out")
    Path("out/notes.txt").write_text("mine", encoding="utf-8")
    before = Path("out/model.safetensors").read_bytes()
    assert chainrule("train", "iris", "--epochs", 3, "--out", "out").code == 0
    assert Path("out/model.safetensors").read_bytes() != before
    assert names_in(Path("out")) == sorted([*FILES, "notes.txt"])
    assert Path("out/notes.txt").read_text(encoding="utf-8") == "mine"


def test_files_of_someone_else_are_never_replaced(chainrule: Command) -> None:
    Path("out").mkdir()
    Path("out/history.csv").write_text("year,event\n1789,revolution\n", encoding="utf-8")
    outcome = chainrule("train", "iris", "--out", "out")
    assert outcome.code == 2
    assert "history.csv, which no run of chainrule left there" in outcome.err
    assert names_in(Path("out")) == ["history.csv"]
    assert Path("out/history.csv").read_text(encoding="utf-8").startswith("year,event")


def test_colours_in_a_terminal_unless_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from chainrule.commands.terminal import Screen

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    coloured = Terminal()
    Screen(coloured).say("data", "a sentence that does not fit on a narrow screen")
    assert coloured.getvalue() == (
        "\x1b[1mdata       \x1b[0m a sentence that does not\n            fit on a narrow screen\n"
    )
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Screen(plain).say("data", "words")
    assert plain.getvalue() == "data        words\n"
