"""What turns a script into a lesson: code cut from the file, numbers, claims that may fail, pages and files."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import data
from chainrule.core.errors import ConfigError, DataError
from chainrule.labs import ClaimError, Lesson, Script, open_lab, parts, plain, teach
from chainrule.labs.lesson.prose import to_html

HEAD = '"""A toy\n\n장난감\n\nWhat?\n\n무엇?\n"""\n\nimport chainrule as cr\nfrom chainrule.labs.lesson import Lab\n\n'
Write = Callable[[str], Script]
_names = itertools.count()


@pytest.fixture
def script(tmp_path: Path) -> Write:
    """``script(text)``: a lab whose file has this text after its head."""

    def make(text: str) -> Script:
        path = tmp_path / f"toy{next(_names)}.py"
        path.write_text(HEAD + text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return Script("toy", ("A toy", "장난감"), ("What?", "무엇?"), module.run)

    return make


def kinds(lesson: Lesson) -> list[str]:
    return [part.kind for part in lesson.parts]


def code(lesson: Lesson) -> list[str]:
    return [part.source for part in lesson.parts if isinstance(part, parts.Code)]


# ---- the code


def test_code_and_what_it_shows_stand_in_the_order_of_the_script(script: Write) -> None:
    lesson = teach(
        script("""
def double(x):
    return 2 * x

def run(lab: Lab) -> None:
    lab.section("One", "하나")
    lab.code(double)
    # Three is a number.
    x = double(3)

    lab.table(["x"], [[x]])
    y = x + 1
    for n in (1, 2):
        lab.claim("It is", "그렇다", measured=n, holds=True)
""")
    )
    assert kinds(lesson) == ["section", "code", "table", "code", "claim", "claim"]
    first, second = code(lesson)
    assert first == (
        "import chainrule as cr\n\ndef double(x):\n    return 2 * x\n\n# Three is a number.\nx = double(3)"
    )
    assert second == "y = x + 1", "a loop that only shows is no code"


def test_calls_of_lab_inside_code_are_left_out(script: Write) -> None:
    lesson = teach(
        script("""
def run(lab: Lab) -> None:
    for n in (1, 2):
        square = n * n
        lab.claim("It is", "그렇다", measured=square, holds=True)
        with lab.option(str(n)):
            lab.table(["n"], [[n]])
    with cr.no_grad():
        if square:
            lab.note("so", "그래")
            total = square
""")
    )
    assert code(lesson) == [
        "import chainrule as cr\n\nfor n in (1, 2):\n    square = n * n\n"
        "with cr.no_grad():\n    if square:\n        total = square"
    ]
    assert kinds(lesson) == ["code", "claim", "table", "claim", "table", "note"], (
        "of a loop, all passes follow its code"
    )


@pytest.mark.parametrize(("quick", "steps"), [(True, "20"), (False, "100 + 1")])
def test_uses_of_lab_are_written_as_what_they_were(script: Write, quick: bool, steps: str) -> None:
    toy = script("""
def run(lab: Lab) -> None:
    cr.manual_seed(lab.seed)
    steps = lab.scale(100 + 1, quick=20)
    name = lab.say("수" if False else "loss", "손실")
""")
    english, korean = (code(teach(toy, lang, quick))[0] for lang in ("en", "ko"))
    assert f'cr.manual_seed(0)\nsteps = {steps}\nname = "수" if False else "loss"' in english
    assert english.endswith('"loss"') and korean.endswith('name = "손실"')


def test_output_of_the_code_stands_on_the_page_as_it_is_and_is_no_code(script: Write) -> None:
    lesson = teach(
        script("""
def run(lab: Lab) -> None:
    text = "def f(x):\\n    return x < 1  # so"
    lab.output(text, en="A program.", ko="프로그램.", python=True)
    lab.output("a < b:\\n  'unfinished (", en="*Words*.", ko="말.")
""")
    )
    assert kinds(lesson) == ["code", "output", "output"] and len(code(lesson)) == 1
    assert (
        '<pre class="code"><code><b class="k">def</b> <b class="f">f</b>(x):\n    <b class="k">return</b> x &lt; '
        '<b class="n">1</b>  <b class="c"># so</b></code></pre><figcaption>A program.</figcaption>'
    ) in lesson.html
    assert "<code>a &lt; b:\n  &#39;unfinished (</code></pre><figcaption><em>Words</em>.</figcaption>" in lesson.html


def test_code_of_a_name_that_is_not_there(script: Write) -> None:
    with pytest.raises(ConfigError, match="does not define"):
        teach(script('\ndef run(lab: Lab) -> None:\n    lab.code("NOTHING")\n'))


# ---- numbers and claims


def claims(script: Write, *lines: str) -> list[parts.Claim]:
    toy = script(
        "\nimport numpy as np\n\ndef run(lab: Lab) -> None:\n" + "\n".join(f"    lab.{line}" for line in lines)
    )
    seen: list[parts.Part] = []
    with contextlib.suppress(ClaimError):
        teach(toy, listen=seen.append)
    return [part for part in seen if isinstance(part, parts.Claim)]


def test_the_digits_on_the_slide_are_the_tolerance(script: Write) -> None:
    found = claims(
        script,
        'matches("a", "ㄱ", [0.1349, 0.8651], "0.13 0.87")',
        'matches("a", "ㄱ", 0.1351, "0.13")',
        'matches("a", "ㄱ", -0.00001, "0.0")',
        'matches("a", "ㄱ", [-3.004], "-3.00", within=0.003)',
        'matches("a", "ㄱ", 8.4, "8")',
        'matches("a", "ㄱ", 3.2e-5, "3.14e-05", within=1e-7)',
        'matches("a", "ㄱ", float("nan"), "1")',
    )
    assert [claim.holds for claim in found] == [True, False, True, False, True, False, False]
    assert [claim.measured for claim in found[:5]] == ["0.13  0.87", "0.14", "0.0", "−3.00", "8"]
    assert found[0].slide == "0.13  0.87"


def test_many_numbers_are_compared_as_one_difference(script: Write) -> None:
    (claim,) = claims(script, 'matches("a", "ㄱ", np.arange(12) + 0.004, "0.00 1.00 2.00 3 4 5 6 7 8 9 10 11")')
    assert (claim.holds, claim.measured, claim.slide) == (True, "largest difference 0.004", "12 numbers")


def test_arrays_agree_or_not(script: Write) -> None:
    found = claims(
        script,
        'agrees("a", "ㄱ", cr.tensor([1.0, 2.0]), [1.0, 2.0], within=0)',
        'agrees("a", "ㄱ", np.ones((2, 2)), np.ones((2, 2)) + 1e-9, within=1e-10)',
        'agrees("a", "ㄱ", [float("nan")], [1.0], within=1)',
    )
    assert [claim.holds for claim in found] == [True, False, False]
    assert found[1].measured == "largest difference 1e−9"


@pytest.mark.parametrize("line", ['matches("a", "ㄱ", [1, 2], "1")', 'agrees("a", "ㄱ", [1, 2], 1, within=0)'])
def test_numbers_that_cannot_be_compared(script: Write, line: str) -> None:
    with pytest.raises(ConfigError, match="lab"):
        teach(script(f"\ndef run(lab: Lab) -> None:\n    lab.{line}\n"))


def test_a_claim_that_fails_is_an_error_that_shows_it_and_the_page_is_there(script: Write, tmp_path: Path) -> None:
    toy = script("""
def run(lab: Lab) -> None:
    lab.claim("Two is two", "둘은 둘", measured=2, holds=True)
    lab.claim("Two is three", "둘은 셋", measured=2.0, holds=2 == 3)
    lab.matches("The slide is right", "슬라이드가 옳다", 1.5, "1.4")
""")
    with pytest.raises(ClaimError) as caught:
        teach(toy, out=tmp_path / "out")
    assert str(caught.value) == (
        "the lab toy claims what does not hold:\n"
        "  Two is three\n    measured: 2\n"
        "  The slide is right\n    measured: 1.5\n    slide:    1.4"
    )
    page = (tmp_path / "out" / "toy.html").read_text(encoding="utf-8")
    assert "2 of 3 claims do not hold" in page and page.count('class="claim wrong"') == 2


def test_cells_of_tables(script: Write) -> None:
    lesson = teach(
        script("""
import numpy as np

def run(lab: Lab) -> None:
    lab.table(["a", "b", "c"], [[1, -0.5, "x"], [True, np.float32(0.25), "y"]])
    lab.table(["a"], [[-0.0001], [2], [12.5]], decimals=2)
    lab.table([], cr.tensor([[1.0, -2.0], [0.5, 1e-9]]), digits=2)
    lab.table(["p"], [["-12.5 %"], ["3"]])
    lab.table(["n", "w"], [["", ""], ["3", "x"]])
""")
    )
    tables = [part for part in lesson.parts if isinstance(part, parts.Table)]
    assert tables[0].rows == (("1", "−0.5", "x"), ("1", "0.25", "y")) and tables[0].right == (0, 1)
    assert tables[1].rows == (("0.00",), ("2",), ("12.50",))
    assert tables[2].rows == (("1", "−2"), ("0.5", "1e−9")) and tables[2].head == ()
    assert tables[3].rows == (("−12.5 %",), ("3",)) and tables[3].right == (0,)
    assert tables[4].rows == (("", ""), ("3", "x")) and tables[4].right == (0,), "empty cells go with either kind"


# ---- figures, options, data


def test_figures_are_drawn_in_the_lessons_language_for_light_and_dark(script: Write, tmp_path: Path) -> None:
    toy = script("""
from chainrule.labs.lesson.plots import curves

def run(lab: Lab) -> None:
    x = cr.tensor(2.0, requires_grad=True)
    y = x * x
    lab.figure(curves, {"a": {"b": ([0, 1], [1, 2])}}, en="A curve.", ko="곡선.")
    lab.figure(cr.show.graph, y, digits=2, en="The graph.", ko="그래프.")
    lab.figure(cr.show.backward, y, en="The walk", ko="역전파")
""")
    lesson = teach(toy, "ko", out=tmp_path)
    curve, graph = lesson.figures
    assert len(curve.svg) == 2 and curve.svg[0] != curve.svg[1] and curve.call == ""
    assert len(graph.svg) == 1 and graph.call == "cr.show.graph(y, digits=2)" and ">x<" in graph.svg[0]
    assert "입력" in graph.svg[0], "the drawing's own words are Korean"
    (steps,) = (part for part in lesson.parts if isinstance(part, parts.Steps))
    assert any("왜 지금?" in line for _, line in steps.lines)
    assert lesson.html.count("prefers-color-scheme: dark)") >= 2
    assert sorted(path.name for path in tmp_path.glob("toy*[!y]")) >= ["toy-1.ko.svg", "toy-2.ko.svg", "toy.ko.html"]
    assert [len(figure.svg) for figure in teach(toy, quick=True).figures] == [1, 1], "a quick run draws once"
    assert not teach(toy, drawing=False).figures


def test_options_that_follow_each_other_are_views_of_one_thing(script: Write) -> None:
    lesson = teach(
        script("""
def run(lab: Lab) -> None:
    for rate in (-1, 2):
        with lab.option(f"rate {rate}", chosen=rate == 2):
            lab.table(["rate"], [[rate]])
            lab.claim("It is", "그렇다", measured=rate, holds=True)
    lab.text("between", "사이")
    with lab.option("alone"):
        lab.table(["x"], [[1]])
""")
    )
    page = lesson.html
    assert page.count("<fieldset") == 2 and page.count('type="radio"') == 3 and page.count('class="view"') == 3
    assert 'id="toy-1-2" checked' in page and 'id="toy-2-1" checked' in page
    assert "rate −1" in page


def test_code_in_an_option_stays_there(script: Write) -> None:
    lesson = teach(
        script("""
def double(x):
    return 2 * x

def triple(x):
    return 3 * x

def run(lab: Lab) -> None:
    x = 1
    for function in (double, triple):
        with lab.option(function.__name__):
            lab.code(function)
    y = triple(double(x))
    lab.claim("It is", "그렇다", measured=y, holds=y == 6)
""")
    )
    code = [
        (part.option and part.option.label, part.source.split("(")[0]) for part in lesson.parts if part.kind == "code"
    ]
    assert [view for view, _ in code] == [None, "double", "triple", None]
    assert [source for _, source in code[1:]] == ["def double", "def triple", "y = triple"]
    names: dict[str, object] = {}
    exec(lesson.program, names)
    assert names["y"] == 6


def test_pictures_are_digits_where_mnist_is_not_found(
    script: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    toy = script("""
def run(lab: Lab) -> None:
    train, test = lab.pictures()
    lab.claim("They are", "있다", measured=[len(train), len(test)], holds=True)
""")
    lesson = teach(toy, quick=True)
    assert "note" in kinds(lesson) and "--data-dir" in lesson.html
    assert lesson.claims[0].measured == "1,500  297"
    names: dict[str, object] = {}
    exec(lesson.program, names)
    assert len(names["test"]) == 297  # type: ignore[arg-type]

    small = data.Examples(np.zeros((3, 28, 28), np.uint8), [1, 2, 3], class_names=tuple("0123456789"))
    small.test = small.take([0])
    monkeypatch.setattr(data, "mnist", lambda folder, download: small)
    found = teach(toy, quick=True, data_dir="here")
    assert "note" not in kinds(found) and found.claims[0].measured == "3  1"
    assert "train, test = cr.data.mnist('here'), cr.data.mnist('here').test" in found.program


def test_a_quick_run_may_ask_for_the_digits(script: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    small = data.Examples(np.zeros((3, 28, 28), np.uint8), [1, 2, 3], class_names=tuple("0123456789"))
    small.test = small.take([0])
    monkeypatch.setattr(data, "mnist", lambda folder, download: small)
    toy = script("""
def run(lab: Lab) -> None:
    train, test = lab.pictures(quick_digits=True)
    lab.claim("They are", "있다", measured=[len(train), len(test)], holds=True)
""")
    quick, full = teach(toy, quick=True), teach(toy)
    assert quick.claims[0].measured == "1,500  297" and "A quick run takes" in quick.html
    assert full.claims[0].measured == "3  1" and "note" not in kinds(full)
    assert "train, test = cr.data.digits()" in quick.program and "train, test = cr.data.mnist()" in full.program


def test_without_matplotlib_it_is_said_first(script: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = script('\ndef run(lab: Lab) -> None:\n    raise AssertionError("it ran")\n')
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else find(name, *a))
    with pytest.raises(ConfigError, match=r"pip install .chainrule\[figures\]"):
        teach(toy)


# ---- text, names, files


def test_markup() -> None:
    text = to_html("""One `a < b` and **bold $x^2$**.

        - *first* & more
        - second

        $$y = 2$$""")
    assert "<p>One <code>a &lt; b</code> and <strong>bold <math" in text
    assert "<ul><li><em>first</em> &amp; more</li><li>second</li></ul>" in text
    assert '<div class="formula"><math' in text
    assert plain("`a` is **$x_1$** and\n  2 * 3 * 4") == "a is x₁ and 2 * 3 * 4"


@pytest.mark.parametrize(("name", "near"), [("gate", "gates"), ("xorspace", "xor-space"), ("chain", "chain-rule")])
def test_an_unknown_lab_suggests_a_near_one(name: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_lab(name)
    assert f"did you mean {near}?" in caught.value.fix
    assert open_lab(near.upper().replace("-", "_")).name == near


def test_a_folder_that_cannot_be_made(script: Write, tmp_path: Path) -> None:
    toy = script("\ndef run(lab: Lab) -> None:\n    x = 1\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--out"):
        teach(toy, out=tmp_path / "file")


def test_an_unknown_language(script: Write) -> None:
    with pytest.raises(ConfigError, match="'en' or 'ko'"):
        teach(script("\ndef run(lab: Lab) -> None:\n    x = 1\n"), "fr")


def test_the_article_stands_in_another_page() -> None:
    lesson = teach(open_lab("chain-rule"), quick=True, drawing=False)
    assert lesson.article.lstrip().startswith("<article") and "<html" not in lesson.article
    assert lesson.article.strip() in lesson.html


def test_errors_of_the_library_point_at_the_labs_line(script: Write) -> None:
    toy = script("\ndef run(lab: Lab) -> None:\n    a = cr.ones(2, 3)\n    b = a @ cr.ones(2, 3)\n")
    with pytest.raises(cr.ShapeError) as caught:
        teach(toy)
    assert "toy" in "\n".join(caught.value.context)
    assert not isinstance(caught.value, DataError)


def test_a_drawing_of_another_kind_is_refused(script: Write) -> None:
    toy = script(
        '\ndef draw_it(lang):\n    return lang\n\ndef run(lab: Lab) -> None:\n    lab.figure(draw_it, en="a", ko="ㄱ")\n'
    )
    with pytest.raises(ConfigError, match=r"lab\.figure\(draw_it, \.\.\.\)"):
        teach(toy)
