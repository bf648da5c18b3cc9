"""``chainrule predict`` and ``chainrule show``."""

from __future__ import annotations

import csv
import importlib
import io
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn
from cli.command import Command


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def write_iris(path: str, rows: int = 150, target: bool = True, order: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    flowers = data.iris()
    names = [flowers.feature_names[i] for i in order]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "species"] if target else names)
        for x, y in zip(flowers.inputs[:rows], flowers.targets[:rows], strict=True):
            cells = [f"{x[i]:.1f}" for i in order]
            writer.writerow([*cells, flowers.class_names[y]] if target else cells)


def test_the_answers_to_a_table(chainrule: Command, iris_run: Path) -> None:
    write_iris("flowers.csv")
    outcome = chainrule("predict", iris_run, "flowers.csv")
    assert outcome.code == 0
    rows = table(outcome.out)
    classes = ("setosa", "versicolor", "virginica")
    assert list(rows[0]) == ["row", "prediction", *(f"probability_{name}" for name in classes)]
    assert [int(row["row"]) for row in rows] == list(range(1, 151))
    shares = np.array([[float(row[f"probability_{name}"]) for name in classes] for row in rows])
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert [row["prediction"] for row in rows] == [classes[i] for i in shares.argmax(axis=1)]
    right = np.mean(shares.argmax(axis=1) == data.iris().targets)
    assert right > 0.95
    assert f"score: accuracy {right:.3f} ({round(150 * right)} of 150 rows right)" in outcome.err


def test_the_answers_are_those_of_the_network(chainrule: Command, iris_run: Path) -> None:
    write_iris("flowers.csv", rows=5)
    flowers, model = data.iris(), cr.load(iris_run / "model.safetensors")
    lines = [line for line in chainrule("show", iris_run).out.splitlines() if "(value - " in line]
    centre, spread = (np.array([float(part.split(f" {mark} ")[1].rstrip(")")) for part in parts]) for mark, parts in (
        ("-", [line.split(" / ")[0] for line in lines]), ("/", lines)
    ))  # fmt: skip
    scores = model(cr.tensor(((flowers.inputs[:5] - centre) / spread).astype(np.float32))).numpy()
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    got = [
        [float(v) for k, v in row.items() if k.startswith("prob")]
        for row in table(chainrule("predict", iris_run, "flowers.csv").out)
    ]
    assert np.allclose(got, expected, atol=1e-4)


def test_columns_count_by_name_and_the_target_may_be_absent(chainrule: Command, iris_run: Path) -> None:
    write_iris("as-trained.csv")
    write_iris("turned.csv", target=False, order=(2, 0, 3, 1))
    turned = chainrule("predict", iris_run, "turned.csv")
    assert turned.out == chainrule("predict", iris_run, "as-trained.csv").out
    assert "score" not in turned.err


def test_the_model_may_be_named_by_file_and_the_data_by_set(chainrule: Command, iris_run: Path) -> None:
    outcome = chainrule("predict", iris_run / "model.safetensors", "iris")
    assert outcome.code == 0 and len(table(outcome.out)) == 150
    assert "those it was trained on" in outcome.err


def test_a_file_instead_of_the_screen(chainrule: Command, iris_run: Path) -> None:
    printed = chainrule("predict", iris_run, "iris").out
    outcome = chainrule("predict", iris_run, "iris", "--out", "answers.csv")
    assert outcome.out == ""
    assert Path("answers.csv").read_text(encoding="utf-8") == printed
    outcome = chainrule("predict", iris_run, "iris", "--out", "nowhere/answers.csv")
    assert outcome.code == 2 and "nowhere/answers.csv" in outcome.err


def test_numbers_are_answered_in_the_unit_of_the_target(chainrule: Command) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, 200)
    lines = [f"{a:.5f},{5000 + 300 * a:.5f}" for a in x]
    Path("line.csv").write_text("\n".join(["x,price", *lines]) + "\n", encoding="utf-8")
    assert chainrule("train", "line.csv", "--quiet", "--epochs", 40).code == 0
    Path("new.csv").write_text("x\n-0.5\n0\n0.5\n", encoding="utf-8")
    outcome = chainrule("predict", "runs/line", "new.csv")
    rows = table(outcome.out)
    assert list(rows[0]) == ["row", "prediction"]
    assert np.allclose([float(row["prediction"]) for row in rows], [4850, 5000, 5150], atol=40)
    assert "score: R2 1.000, mean absolute error" in chainrule("predict", "runs/line", "line.csv").err
    assert "price = output * " in chainrule("show", "runs/line").out


def test_a_single_row_with_its_answer_has_an_error_but_no_r2(chainrule: Command) -> None:
    assert chainrule("train", "sine", "--quiet", "--epochs", 2).code == 0
    Path("one.csv").write_text("x,y\n0.25,1\n", encoding="utf-8")
    outcome = chainrule("predict", "runs/sine", "one.csv")
    assert outcome.code == 0
    assert "score: mean absolute error" in outcome.err and "R2" not in outcome.err


def test_arrays_are_answered(chainrule: Command, iris_run: Path, digits_run: Path) -> None:
    np.savez("only.npz", x=data.iris().inputs[:4])
    assert len(table(chainrule("predict", iris_run, "only.npz").out)) == 4
    np.save("rows.npy", data.digits().inputs[:5])
    rows = table(chainrule("predict", digits_run, "rows.npy").out)
    assert [row["prediction"] for row in rows] == list("01234")
    np.savez("both.npz", x=data.digits().inputs[:50], y=data.digits().targets[:50])
    assert "score: accuracy" in chainrule("predict", digits_run, "both.npz").err


def test_unknown_classes_are_wrong_and_missing_ones_are_left_out(chainrule: Command, iris_run: Path) -> None:
    write_iris("flowers.csv", rows=4)
    lines = Path("flowers.csv").read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace("setosa", "tulip")
    lines[2] = lines[2].replace("setosa", "")
    Path("flowers.csv").write_text("\n".join(lines), encoding="utf-8")
    outcome = chainrule("predict", iris_run, "flowers.csv")
    assert len(table(outcome.out)) == 4
    assert "accuracy 0.667 (2 of 3 rows right)" in outcome.err


def test_pictures_are_answered_with_their_names(chainrule: Command, digits_run: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    digits = data.digits()
    for place in range(3):
        folder = Path("scans") / str(digits.targets[place])
        folder.mkdir(parents=True)
        pixels = (digits.inputs[place].reshape(8, 8) * (255 / 16)).astype(np.uint8)
        image.fromarray(pixels).save(folder / "a.png")
    outcome = chainrule("predict", digits_run, "scans")
    assert [(row["file"], row["prediction"]) for row in table(outcome.out)] == [
        ("0/a.png", "0"), ("1/a.png", "1"), ("2/a.png", "2")
    ]  # fmt: skip
    assert "score: accuracy 1.000 (3 of 3 rows right)" in outcome.err
    assert "pixels of 0 to 255 brought to 0 to 16" in outcome.err
    assert table(chainrule("predict", digits_run, "scans/2/a.png").out)[0]["prediction"] == "2"
    image.fromarray(255 - pixels).save("inverted.png")
    assert "black and white the other way round?" in chainrule("predict", digits_run, "inverted.png").err
    image.new("L", (9, 8)).save("wide.png")
    outcome = chainrule("predict", digits_run, "wide.png")
    assert outcome.code == 2
    assert "8 x 9 pixels" in outcome.err and "8 x 8, as the model was trained on" in outcome.err


@pytest.mark.parametrize(("content", "words"), [
    ("petal length (cm)\n1\n", ["sepal length (cm)"]),
    ("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n1,2,3,four\n", ["'four' in row 1"]),
    ("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n", ["no rows"]),
])  # fmt: skip
def test_tables_that_do_not_fit_the_model(chainrule: Command, iris_run: Path, content: str, words: list[str]) -> None:
    Path("new.csv").write_text(content, encoding="utf-8")
    outcome = chainrule("predict", iris_run, "new.csv")
    assert outcome.code == 2
    assert outcome.out == ""
    assert [word for word in words if word not in outcome.err] == []


def test_data_of_another_kind_than_the_model(chainrule: Command, iris_run: Path, digits_run: Path) -> None:
    Path("p").mkdir()
    Path("p/a.png").write_bytes(b"")
    for model, new, word in (
        (iris_run, "p", "pictures"), (digits_run, "iris", "shape (4,)"), (iris_run, "digits", "no 'sepal length (cm)'"),
        (digits_run, "p", "damaged image"),
    ):  # fmt: skip
        outcome = chainrule("predict", model, new)
        assert outcome.code == 2
        assert word in outcome.err


def test_what_is_no_model(chainrule: Command, iris_run: Path) -> None:
    Path("m.safetensors").write_bytes(b"garbage, not a model")
    whole = (iris_run / "model.safetensors").read_bytes()
    Path("cut.safetensors").write_bytes(whole[: len(whole) // 2])
    cr.save(nn.Linear(2, 2), "plain.safetensors")
    Path("begun").mkdir()
    Path("begun/checkpoint.safetensors").write_bytes((iris_run / "checkpoint.safetensors").read_bytes())
    for name, words in {
        "m.safetensors": "not safetensors",
        "cut.safetensors": "damaged",
        "plain.safetensors": "without preprocessing",
        "nowhere": "no such file",
        "begun": "--resume",
        str(iris_run / "checkpoint.safetensors"): "a checkpoint of a run",
    }.items():
        for command in (("predict", name, "iris"), ("show", name)):
            outcome = chainrule(*command)
            assert outcome.code == 2, name
            assert words in outcome.err, name
            assert "Traceback" not in outcome.err


def test_show_tells_what_the_model_is(chainrule: Command, iris_run: Path) -> None:
    outcome = chainrule("show", iris_run)
    assert outcome.code == 0
    for words in (
        "Linear  (n, 64)         320", "all           2,499", "classes     setosa, versicolor, virginica",
        "sepal length (cm): number, (value - ", "96 train, 24 validate, 30 test", "R. A. Fisher 1936", "test        accuracy 0.9",
    ):  # fmt: skip
        assert words in outcome.out


def test_many_rows_are_answered_by_a_compiled_network(
    chainrule: Command, iris_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the same answers; few rows are over before a program is compiled."""
    answering = importlib.import_module("chainrule.commands.predict")
    made, compiled_predictor = [], cr.Predictor
    monkeypatch.setattr(cr, "Predictor", lambda network: made.append(network) or compiled_predictor(network))
    plain = chainrule("predict", iris_run, "iris")
    assert plain.code == 0 and made == []
    monkeypatch.setattr(answering, "SECONDS_TO_COMPILE", 0.0)
    monkeypatch.setattr(answering, "_ROWS", 40)
    compiled = chainrule("predict", iris_run, "iris")
    assert compiled.code == 0 and len(made) == 1
    tables = [list(csv.reader(io.StringIO(outcome.out))) for outcome in (plain, compiled)]
    assert [row[:2] for row in tables[0]] == [row[:2] for row in tables[1]] and len(tables[0]) == 151
    shares = [np.array([row[2:] for row in table[1:]], np.float64) for table in tables]
    assert np.allclose(*shares, rtol=1e-4, atol=1e-6)
