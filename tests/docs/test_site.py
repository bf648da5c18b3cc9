"""What the site is made of: every public name, every error, every lab; and the check that looks at what was built."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from generate import blocks, check, labs, names, reference, search

import chainrule as cr
from chainrule.core import errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


# ---- the reference


def test_every_public_name_has_one_place() -> None:
    """Each name of each ``__all__`` that people reach from ``chainrule`` stands in a table or list that leads to its place."""
    pages = reference.pages()
    placed = "\n".join(text for _, text in pages.values())
    for room in names.rooms():
        _, text = pages[f"reference/{room.short}.md"]
        missing = [e.name for e in room.entries if f"[`{e.name}`][{e.path}]" not in text and f"`{e.name}`" not in text]
        assert not missing, f"{room.path}: {missing}"
    for path in names.homes():
        found = len(re.findall(rf"^::: {re.escape(path)}$|id=\"{re.escape(path)}\"", placed, re.MULTILINE))
        assert found == 1, f"{path} is described {found} times"


def test_rooms_are_found_not_listed() -> None:
    found = {room.path for room in names.rooms()}
    rooms = {value.__name__ for name in cr.__all__ if inspect.ismodule(value := getattr(cr, name))}
    assert rooms < found and {"chainrule.nn.init", "chainrule.optim.lr_scheduler", "chainrule.train.metrics"} < found


def test_a_name_belongs_to_the_room_that_defines_it() -> None:
    homes = {path: room.path for path, room in names.homes().items()}
    assert homes["chainrule.train.trainer.Trainer"] == "chainrule.train"  # also cr.Trainer
    assert homes["chainrule.nn.init.normal_"] == "chainrule.nn.init"
    assert homes["chainrule.core.errors.ShapeError"] == "chainrule"
    assert names.written()["cr.Trainer"] == names.written()["train.Trainer"] == "chainrule.train.trainer.Trainer"


def test_arguments_that_are_described_exist(caplog: pytest.LogCaptureFixture) -> None:
    """What strictness of the site relies on: griffe reads the source, the extension compares."""
    griffe = pytest.importorskip("griffe")
    from generate.extension import HouseStyle

    with griffe.temporary_visited_module(
        'def f(x: Any, *args: int) -> Any:\n    """F.\n\n    Args:\n        x: one. args: more.\n        z: none.\n    """\n'
    ) as module:
        HouseStyle().on_object(obj=module["f"], loader=None)
    assert [record.getMessage() for record in caplog.records] == ["module.f describes z, which it does not take"]
    assert module["f"].parameters["x"].annotation is None and str(module["f"].parameters["args"].annotation) == "int"
    assert "`args`\n:   more." in module["f"].docstring.value


# ---- errors


def test_each_error_is_explained_by_one_that_is_raised() -> None:
    """Under the heading of each class stand examples that end in it, and nothing else."""
    raised = list(blocks.examples((DOCS / "errors.md").read_text(encoding="utf-8")))
    assert {r.heading for r in raised} == set(errors.__all__) - {"ChainruleError"}
    for example in raised:
        assert type(example.error).__name__ == example.heading, f"{example.heading}:\n{example.code}"
        assert example.error.expected and example.error.fix, example.message  # type: ignore[attr-defined]


def test_what_is_raised_stands_below_the_example() -> None:
    page = blocks.answered("```python raises\nimport chainrule as cr\ncr.zeros(2) @ cr.zeros(3)\n```\n")
    assert "ShapeError: matmul" in page and "at:       example.py:2  cr.zeros(2) @ cr.zeros(3)" in page
    with pytest.raises(AssertionError, match="should raise"):
        blocks.answered("```python raises\nx = 1\n```\n")


# ---- lessons


@pytest.mark.parametrize("lang", labs.LANGUAGES)
def test_the_list_of_labs_has_them_all(lang: str) -> None:
    text = labs.listing(lang)
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == len(labs.LABS)
    for name in labs.LABS:
        assert f"labs/{labs.file(name, lang)})" in text and labs.open_lab(name).title(lang) in text


def test_the_readmes_count_them() -> None:
    assert f"{len(labs.LABS)} labs ask" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"실습 {len(labs.LABS)}개는" in (ROOT / "README.ko.md").read_text(encoding="utf-8")


def test_a_lesson_leads_to_its_neighbours_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labs, "LABS", ("gates", "xor-space"))
    folder = tmp_path / f"{labs._state()}-quick"
    folder.mkdir()
    old = tmp_path / "0000-quick"
    old.mkdir()
    for name in labs.LABS:
        for lang in labs.LANGUAGES:
            (folder / labs.file(name, lang)).write_text("<body>\n<article>kept</article>", encoding="utf-8")
    made = labs.lessons(quick=True, kept=tmp_path)  # nothing is run: everything is there
    assert set(made) == {"gates.html", "gates.ko.html", "xor-space.html", "xor-space.ko.html"} and not old.exists()
    links = re.findall(r'href="([^"]*)"', made["xor-space.ko.html"])
    assert links == ["../ko/labs.html", "gates.ko.html", "xor-space.html"] and "kept" in made["xor-space.ko.html"]


# ---- languages


def test_korean_pages_have_the_code_of_the_english_ones() -> None:
    """What differs is the language of what is drawn and said."""

    def code(path: Path) -> list[str]:
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"^```(?:python|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [line.partition("  #")[0].rstrip() for block in found for line in block.splitlines()]
        return [
            line.replace(', lang="ko"', "").replace(" --lang ko", "")
            for line in lines
            if line.startswith((">>>", "... ", "chainrule", "python3", "scripts/"))
        ]

    assert code(ROOT / "README.ko.md") == [line.replace(" --lang ko", "") for line in code(ROOT / "README.md")]
    assert code(DOCS / "ko" / "tour.md") == code(DOCS / "tour.md")
    pairs = [path.relative_to(DOCS / "ko") for path in (DOCS / "ko").rglob("*.md")]
    assert pairs and all((DOCS / path).exists() for path in pairs)


# ---- search and check


def test_the_index_can_be_loaded_as_a_script() -> None:
    html = '<h1 id="t">Title</h1><p>about</p><h2 id="p">Part</h2><pre>&lt;/script&gt; x</pre>'
    entries = json.loads(search.index({"a.html": html}).removeprefix("window.siteIndex = ").rstrip(";\n"))
    assert [(e["url"], e["page"], e["title"], e["text"]) for e in entries] == [
        ("a.html", "Title", "Title", "about"),
        ("a.html#p", "Title", "Part", "</script> x"),
    ]
    assert "</" not in search.index({"a.html": html})


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="b.html#there">x</a> <a href="https://example.org">x</a> <img src="data:image/png;base64,AA">', None),
        ('<a href="c.html">x</a>', "a.html leads to c.html, which is not there"),
        ('<a href="b.html#nowhere">x</a>', "a.html leads to b.html#nowhere, which has no such place"),
        ('<script src="https://cdn.example/x.js"></script>', "a.html loads https://cdn.example/x.js"),
        ('<img src="//cdn.example/x.png">', "a.html loads //cdn.example/x.png"),
        ('<style>@import url("https://fonts.example/x");</style>', "a.html loads https://fonts.example/x"),
        ('<link rel="stylesheet" href="missing.css">', "a.html leads to missing.css, which is not there"),
    ],
)
def test_what_the_check_finds(body: str, problem: str | None, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(body, encoding="utf-8")
    (tmp_path / "b.html").write_text('<h2 id="there">x</h2>', encoding="utf-8")
    assert list(check.problems(tmp_path)) == ([problem] if problem else [])


def test_figures_on_pages_are_drawn_by_code(tmp_path: Path) -> None:
    """Every figure that a page shows is drawn by docs/figures.py, and every drawn one is there."""
    sys.path.append(str(DOCS))
    import figures

    shown: set[str] = set()
    for path in [*ROOT.glob("README*.md"), *DOCS.rglob("*.md")]:
        shown |= set(re.findall(r"figures/([\w.-]+\.svg)", path.read_text(encoding="utf-8")))
    there = {path.name for path in (DOCS / "figures").glob("*.svg")}
    tones = {"xor", "digits", *figures.figures()}
    drawn = {f"graph{k}.svg" for k in ("", ".ko")} | {
        f"{name}{tone}{k}.svg"
        for name in tones
        for tone in ("", "-dark")
        for k in ("", ".ko")
        if not k or name in figures.KOREAN
    }
    assert shown <= there == drawn
    # Drawings of graphs are the library's own text, the same on every machine.
    for lang, ending in (("en", ""), ("ko", ".ko")):
        figures.graph(lang).save(tmp_path / "graph.svg")
        kept = (DOCS / "figures" / f"graph{ending}.svg").read_text(encoding="utf-8")
        assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == kept, "run scripts/docs --figures"


def test_the_other_figures_can_be_drawn(tmp_path: Path) -> None:
    """Without the guides that train for seconds: those run in test_docs.py."""
    pytest.importorskip("matplotlib")
    import figures

    for name in figures.KOREAN:
        path = tmp_path / f"{name}.svg"
        cr.show.save_figure(figures.figures()[name](lang="ko", theme="dark", background="transparent"), path)
        assert path.stat().st_size > 10_000


def test_the_menu_leads_to_every_page() -> None:
    """A page that nobody can reach is not read."""
    yaml = pytest.importorskip("yaml")
    listed = json.dumps(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"], ensure_ascii=False)
    pages = [p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md") if p.parent.name != "adr"]
    assert not [page for page in pages if f'"{page}"' not in listed]


def test_the_hooks_are_what_mkdocs_calls() -> None:
    """Where MkDocs is installed, its configuration loads: names of hooks and options are right."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings_handlers") is None:
        pytest.skip("needs the extra docs")
    code = "from mkdocs.config import load_config; print(load_config('mkdocs.yml').site_name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "chainrule", done.stderr
