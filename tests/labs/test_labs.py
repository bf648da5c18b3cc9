"""Every lab in both languages: it runs, its claims hold, its page is whole and translated, its code runs by itself."""

from __future__ import annotations

import functools
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chainrule import labs
from chainrule.cli import main
from chainrule.labs import LABS, Lesson, open_lab, parts, teach

HANGUL = re.compile("[\uac00-\ud7a3]")

#: Latin words that Korean readers know as they are: names of functions, methods and species, code.
NAMES = {
    "sigmoid", "tanh", "step", "softmax", "setosa", "versicolor", "virginica", "apple", "apples", "orange", "oranges", "tax",
    "chainrule", "max", "learning", "rate", "lr", "batch",
}  # fmt: skip

each_lab = pytest.mark.parametrize("name", LABS)
each_language = pytest.mark.parametrize("lang", ["en", "ko"])


@functools.cache
def lesson(name: str, lang: str) -> tuple[Lesson, float]:
    """The lesson of a quick run with its figures, and the processor's seconds."""
    started = time.process_time()
    return teach(open_lab(name), lang, quick=True), time.process_time() - started


def said(part: parts.Part) -> str:
    """What a part tells in the lesson's language."""
    for field in ("title", "text", "caption"):
        if hasattr(part, field):
            return str(getattr(part, field))
    return ""


def without_names(text: str) -> str:
    """Text without code, formulas and names."""
    return re.sub(r"`[^`]*`|\$[^$]*\$", "", text)


# ---- the registry


def test_every_file_is_a_lab_and_every_lab_a_file() -> None:
    files = {file.stem.replace("_", "-") for file in Path(labs.__file__).parent.glob("*.py")} - {"--init--"}
    assert files == set(LABS) and len(set(LABS)) == len(LABS)


@each_lab
def test_titles_and_questions_are_there_in_both_languages(name: str) -> None:
    script = open_lab(name)
    assert not HANGUL.search(script.title("en") + script.question("en"))
    assert HANGUL.search(script.title("ko")) and HANGUL.search(script.question("ko"))
    assert script.question("en").endswith("?") and script.question("ko").endswith("?")


# ---- each lab


@each_lab
@each_language
def test_it_runs_and_its_claims_hold(name: str, lang: str) -> None:
    done, seconds = lesson(name, lang)
    kinds = {part.kind for part in done.parts}
    assert {"section", "text", "code", "claim", "figure", "next"} <= kinds
    assert len(done.claims) >= 5 and all(claim.holds for claim in done.claims)
    assert all(claim.measured for claim in done.claims), "every claim shows what was measured"
    assert seconds < 10, "a quick run takes seconds"


@each_lab
def test_both_languages_measure_the_same(name: str) -> None:
    """The numbers depend on nothing but the script: not on the language, nor on what ran before."""
    english, korean = (lesson(name, lang)[0].claims for lang in ("en", "ko"))
    numbers = [[sorted(re.findall(r"\d[\d.]*", claim.measured)) for claim in claims] for claims in (english, korean)]
    assert numbers[0] == numbers[1]


@each_lab
@each_language
def test_nothing_is_left_untranslated(name: str, lang: str) -> None:
    done = lesson(name, lang)[0]
    if lang == "en":
        assert not HANGUL.search(done.html)
        return
    for part in done.parts:
        text = without_names(said(part))
        if text.strip():
            assert HANGUL.search(text), f"not in Korean: {said(part)}"
    cells = [
        cell for part in done.parts if isinstance(part, parts.Table) for row in (part.head, *part.rows) for cell in row
    ]
    options = [part.option.label for part in done.parts if part.option is not None]
    words = {word for cell in [*cells, *options] for word in re.findall(r"(?<![A-Za-z])[a-z]{3,}", without_names(cell))}
    assert not words - NAMES, f"not in Korean, and no name: {words - NAMES}"


class Page(HTMLParser):
    """What a page loads, and whether its tags fit together."""

    VOID = ("meta", "img", "input", "br", "source")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "srcset", "href", "xlink:href")]
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@each_lab
@each_language
def test_the_page_holds_everything_and_loads_nothing(name: str, lang: str) -> None:
    done = lesson(name, lang)[0]
    page = Page(done.html)
    assert not page.open and not page.tags & {"script", "link", "iframe", "object", "base"}
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert len(set(page.ids)) == len(page.ids)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert "default-src 'none'" in done.html and "@import" not in done.html and "url(http" not in done.html
    assert f'<html lang="{lang}">' in done.html
    for claim in done.claims:
        assert f"<output>{claim.measured.replace('<', '&lt;').replace('>', '&gt;')}</output>" in done.html


@each_lab
def test_the_code_on_the_page_is_a_program(name: str) -> None:
    """All blocks together run by themselves, without the lab, and fit the page's width."""
    program = lesson(name, "en")[0].program
    assert not re.search(r"\blab\b", program)
    assert max(map(len, program.splitlines())) <= 97
    exec(compile(program, f"<the page of {name}>", "exec"), {"__name__": "student"})


@each_lab
@each_language
def test_the_command_prints_the_numbers(name: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", name, "--quick", "--lang", lang]) == 0
    out = capsys.readouterr().out
    done = lesson(name, lang)[0]
    assert done.script.title(lang) in out
    assert [claim.measured for claim in done.claims if claim.measured not in out] == []
    cells = [cell for part in done.parts if isinstance(part, parts.Table) for row in part.rows for cell in row]
    assert [cell for cell in cells if "$" not in cell and "`" not in cell and cell not in out] == []
