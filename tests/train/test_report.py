"""The report: one file that asks for nothing, whatever the run; its charts and pictures are well-formed."""

from __future__ import annotations

import io
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from chainrule.core.errors import CheckpointError, DataError, ShapeError
from chainrule.train import charts
from chainrule.train.charts import Series
from chainrule.train.confusion import confusion_chart
from chainrule.train.png import data_uri, encode_png, to_bytes
from chainrule.train.record import (
    DataDescription,
    LayerStatistics,
    RegressionSample,
    RunRecord,
    WrongExample,
    layer_statistics,
)
from chainrule.train.report import render_report, write_report
from chainrule.train.svg import log_ticks, nice_ticks
from chainrule.train.wording import duration, number, percent

nan = math.nan
VOID = {"meta", "img", "br", "link", "input", "hr"}


def history(epochs=5, validation=True):
    rows = []
    for i in range(epochs):
        row = {"epoch": i + 1, "loss": 1 / (i + 1), "accuracy": 1 - 0.5 / (i + 1), "lr": 0.1, "seconds": 0.2}
        rows.append(row | ({"val_loss": 1.1 / (i + 1), "val_accuracy": 0.9} if validation else {}))
    return rows


def images(**changes):
    random = np.random.default_rng(0)
    fields = {
        "task": "classification",
        "data": DataDescription("digits", "embedded", "digit", 1000, 100, 360, 64, ["0", "1", "2"], [300, 350, 350]),
        "model": "A network 64-8-3",
        "architecture": "Sequential(\n  (0): Linear(64, 8)\n)",
        "parameters": 547,
        "loss": "CrossEntropyLoss",
        "optimizer": "Adam",
        "settings": {"batch_size": 50, "lr": 0.01, "shuffle": True, "hidden": [8, 4]},
        "seed": 0,
        "decisions": ["The target has three classes: classification."],
        "history": history(),
        "test": {"loss": 0.2, "accuracy": 0.95},
        "confusion": np.array([[110, 5, 5], [0, 120, 0], [8, 0, 112]]),
        "wrong": [WrongExample("0", "1", 0.9, random.random((8, 8)))],
        "first_layer": random.normal(size=(8, 8, 8)),
        "layers": [
            layer_statistics("0", "Linear", random.normal(size=(20, 8)), gradient=[1.0], weight=[2.0], update=[0.002]),
            layer_statistics("1", "ReLU", np.maximum(random.normal(size=(20, 8)), 0)),
        ],
        "versions": {"chainrule": "0.1.0", "numpy": np.__version__},
        "started": "2025-01-01 12:00",
        "seconds": 1.25,
    }
    return RunRecord(**(fields | changes))


def regression(**changes):
    fields = {
        "task": "regression",
        "data": DataDescription("diabetes", target="progression", rows_train=300),
        "history": [{"epoch": 1, "loss": 2.0, "mae": 1.0}, {"epoch": 2, "loss": 1.0, "mae": 0.5}],
        "test": {"r2": 0.45, "mae": 41.2},
        "regression": RegressionSample([1.0, 2.0, 3.0], [1.5, 2.0, 2.0]),
    }
    return RunRecord(**(fields | changes))


def broken():
    rows = history()
    for row in rows[2:]:
        row["loss"] = row["val_loss"] = nan
    layers = [LayerStatistics("0", "Linear", nan, nan, gradient_norm=nan, weight_norm=math.inf, update_ratio=nan)]
    return images(history=rows, test={"loss": nan, "accuracy": nan}, layers=layers, first_layer=np.full((2, 3, 3), nan))


def hundred_classes():
    random = np.random.default_rng(0)
    matrix = np.diag(random.integers(1, 90, 100)) + (random.random((100, 100)) < 0.02)
    names = [f"class number {i} with a rather long name" for i in range(100)]
    return images(data=DataDescription("many", rows_test=9, classes=names, class_counts=[5] * 100), confusion=matrix)


RUNS = {
    "images": images,
    "regression": regression,
    "regression with NaN": lambda: regression(regression=RegressionSample([1.0, nan], [nan, 2.0]), test={"r2": nan}),
    "regression with one row": lambda: regression(regression=RegressionSample([1.0], [1.0])),
    "no validation": lambda: images(history=history(validation=False)),
    "one epoch": lambda: images(history=history(1)),
    "no history": lambda: images(history=[], test={}),
    "bare": lambda: RunRecord("classification", DataDescription("xor")),
    "NaN": broken,
    "all losses NaN": lambda: images(history=[{"epoch": 1, "loss": nan, "val_loss": nan}]),
    "hundred classes": hundred_classes,
    "thousands of epochs": lambda: images(history=history(3000)),
    "rows, not images": lambda: images(wrong=[WrongExample("a", "b", None, text="x=1, y=2")], first_layer=None),
    "colour images": lambda: images(
        wrong=[WrongExample("a", "b", 0.5, np.zeros((4, 4, 3)))], first_layer=np.ones((3, 4, 4, 3))
    ),
    "validation on some epochs": lambda: images(history=[*history(2, validation=False), *history(2)]),
    "an empty confusion row": lambda: images(confusion=np.array([[3, 0], [0, 0]])),
    "weights as counts": lambda: images(confusion=np.array([[3.5, 0.25], [1.0, 2.0]])),
}


class Page(HTMLParser):
    """Collects text, tags and attributes, and insists that every element is closed in order."""

    def __init__(self, html):
        super().__init__()
        self.stack, self.text, self.attributes, self.tags = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text).replace("\N{NO-BREAK SPACE}", " "))


@pytest.mark.parametrize("name", RUNS)
def test_any_run_gives_one_whole_offline_page(name):
    html = render_report(RUNS[name]())
    page = Page(html)
    assert "script" not in page.tags
    assert not {"link", "iframe", "object"} & set(page.tags)
    for tag, key, value in page.attributes:
        if key in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/png;base64,", "#")), (tag, key, value)
    assert not re.search(r"@import|url\(|@font-face", html)
    assert "default-src 'none'" in html
    for drawing in re.findall(r"<svg.*?</svg>", html, re.S):
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        assert root[0].tag == "title"
        assert root[0].text == root.get("aria-label")
        assert not re.search(r"nan|inf", " ".join(" ".join(e.attrib.values()) for e in root.iter() if e.tag != "svg"))
    targets = {value for _, key, value in page.attributes if key == "id"}
    assert {value[1:] for tag, key, value in page.attributes if tag == "a" and key == "href"} <= targets


def test_the_page_says_what_was_trained_on_what_and_how_it_went():
    words = Page(render_report(images())).words()
    for text in (
        "digits: 95.0 % of test rows right",
        "A network 64-8-3 of 547 parameters to tell 3 classes apart, trained on 1,000 rows of 64 features for 5 epochs "
        "in 1.2 s.",
        "342 of 360; 95 % interval 92.2 to 96.8 %",
        "learning rate 0.01",
        "shuffle yes",
        "hidden 8, 4",
        "The target has three classes",
        "Sequential( (0): Linear(64, 8) )",
        "0 taken for 1",
        "90 % sure",
        "All well",
        "chainrule 0.1.0",
    ):
        assert text in words, text


def test_wilson_interval_agrees_with_its_closed_form():
    share, n, z = 0.95, 360, 1.96
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    assert f"{100 * (centre - half):.1f} to {100 * (centre + half):.1f}" == "92.2 to 96.8"


def test_sections_without_content_are_left_out():
    html = render_report(RUNS["bare"]())
    assert re.findall(r'<section id="(\w+)"', html) == ["diagnosis", "settings"]
    assert re.findall(r'<a href="#(\w+)"', html) == ["diagnosis", "settings"]


def test_names_from_the_data_are_escaped_and_korean_is_kept():
    name = '<script>alert("x")</script> & 양성'
    data = DataDescription(name, name, name, 10, 0, 10, 3, [name, "b"], [5, 5])
    run = images(data=data, confusion=np.array([[4, 1], [1, 4]]), wrong=[WrongExample(name, name, 0.5, text=name)])
    run.decisions, run.settings, run.architecture = [name], {name: name}, name
    run.layers[0].path = name
    html = render_report(run)
    assert "<script" not in html
    page = Page(html)
    assert "script" not in page.tags
    assert "".join(page.text).count(name) > 8
    assert '<html lang="en">' in html
    assert '<meta charset="utf-8">' in html


def test_the_file_is_utf_8_and_replaces_the_old_one_only_when_whole(tmp_path, monkeypatch):
    path = tmp_path / "보고서.html"
    path.write_text("old")
    assert write_report(images(model="신경망"), path) == path
    assert "신경망" in path.read_text(encoding="utf-8")
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(DataError, match="full disk"):
        write_report(regression(), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    monkeypatch.undo()
    with pytest.raises(DataError, match="does not exist"):
        write_report(images(), tmp_path / "missing" / "report.html")


def test_a_long_history_is_thinned_and_folded():
    html = render_report(images(history=history(3000)))
    section = html[html.index('<section id="history"') :]
    assert "Show 400 of 3000 epochs" in section
    assert section.count("<tr>") == 401
    assert ">1</td>" in section
    assert ">3,000</td>" in section
    assert len(html) < 400_000


def test_thinning_keeps_spikes_ends_and_breaks():
    y = np.linspace(1, 0, 5000)
    y[1234], y[2345], y[4000:] = 9.0, -9.0, nan
    xs, ys = charts.thin(np.arange(5000.0), y)
    assert len(xs) < 600
    assert {0.0, 1234.0, 2345.0, 4999.0} <= set(xs)
    assert np.nanmax(ys) == 9.0
    assert np.isnan(ys[-1])
    assert (np.diff(xs) > 0).all()


def test_a_curve_with_a_gap_is_drawn_in_two_strokes_and_says_so():
    drawing = charts.line_chart([Series("training", [1, 2, 3, 4, 5], [1.0, 0.9, nan, 0.7, 0.6])], "loss")
    (path,) = re.findall(r'<path d="([^"]*)"', drawing)
    assert path.count("M") == 2
    assert "not a finite number from epoch 3" in drawing
    assert "not a finite" not in charts.line_chart([Series("training", [1, 2], [1.0, 0.9])], "loss")


def test_a_wide_curve_gets_a_logarithmic_axis_and_a_share_ends_at_100_percent():
    assert "logarithmic" in charts.line_chart([Series("a", [1, 2], [100.0, 1.0])], "loss")
    assert "logarithmic" not in charts.line_chart([Series("a", [1, 2], [49.0, 1.0])], "loss")
    assert "logarithmic" not in charts.line_chart([Series("a", [1, 2], [100.0, 0.0])], "loss")
    assert "105 %" not in charts.line_chart([Series("a", [1, 2], [1.0, 1.0])], "accuracy", as_percent=True)


def test_small_confusion_matrices_hold_numbers_and_large_ones_a_picture():
    small = confusion_chart(np.array([[5, 2], [0, 3]]), ["cat", "dog"], "confusion")
    assert re.findall(r'class="cell[^>]*>([^<]*)', small) == ["5", "2", "3"]
    assert "true cat, predicted dog: 2 (28.6" in small
    large = confusion_chart(np.eye(26, dtype=int), [str(i) for i in range(26)], "confusion")
    assert "data:image/png" in large
    assert 'class="cell' not in large


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 1), (3, 5, 2), (3, 5, 3), (3, 5, 4), (1, 1)])
def test_png_is_read_back_by_pillow(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        image.load()
        np.testing.assert_array_equal(np.asarray(image), pixels.squeeze(2) if shape[2:] == (1,) else pixels)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((0, 2), np.uint8), np.zeros((2, 2, 5), np.uint8)])
def test_png_refuses_what_is_not_an_image(pixels):
    with pytest.raises(ShapeError, match="uint8"):
        encode_png(pixels)


def test_pictures_span_black_to_white_even_with_nan():
    assert to_bytes(np.array([[-1.0, 0.0, 1.0, nan]])).tolist() == [[0, 127, 255, 0]]
    assert to_bytes(np.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]
    assert data_uri(np.zeros((1, 1), np.uint8)).startswith("data:image/png;base64,iVBOR")


def test_ticks_are_round_and_inside():
    assert nice_ticks(0, 1) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert nice_ticks(-3, 12) == [0.0, 5.0, 10.0] or nice_ticks(-3, 12) == [-2.5, 0.0, 2.5, 5.0, 7.5, 10.0]
    assert nice_ticks(1, 2, whole=True) == [1.0, 2.0]
    assert log_ticks(1e-8, 1.0) == [1e-8, 1e-6, 1e-4, 1e-2, 1.0]
    for low, high in ((1e-9, 2e-9), (999, 1001), (-1e6, 1e6)):
        ticks = nice_ticks(low, high)
        assert 3 <= len(ticks) <= 11
        assert len(set(ticks)) == len(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12, "12"),
        (130.4, "130.4"),
        (12345.6, "12,346"),
        (-0.00012345, "−0.0001234"),
        (3e-7, "3e−7"),
        (nan, "NaN"),
    ],
)
def test_numbers_have_sensible_digits(value, text):
    assert number(value) == text


def test_words_for_shares_and_times():
    assert percent(0.12345) == "12.3\N{NO-BREAK SPACE}%"
    assert percent(None) == "–"
    assert [duration(s) for s in (0.04, 59.94, 3600, 86400)] == ["0.04 s", "59.9 s", "60 min", "24 h 0 min"]


@pytest.mark.parametrize("name", RUNS)
def test_a_record_comes_back_from_json(name, tmp_path):
    run = RUNS[name]()
    again = RunRecord.from_json(run.to_json())
    assert again == run
    assert render_report(again) == render_report(run)
    run.save(tmp_path / "run.json")
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == run.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "task": "regression"}'])
def test_text_that_is_no_record_is_refused(text):
    with pytest.raises(CheckpointError, match="run record"):
        RunRecord.from_json(text)


def test_a_class_called_nan_stays_text():
    run = images(data=DataDescription("odd", classes=["nan", "inf", "None"], class_counts=[1, 2, 3]))
    assert RunRecord.from_json(run.to_json()).data.classes == ["nan", "inf", "None"]
