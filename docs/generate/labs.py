"""The lessons of the site: each lab's own page in both languages, and the lists of them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from html import escape
from multiprocessing import get_context
from pathlib import Path
from site import addsitedir

import chainrule
from chainrule.labs import LABS, open_lab, teach

__all__ = ["lessons", "listing"]

LANGUAGES = ("en", "ko")

_ALL = {"en": "All labs", "ko": "실습 전체"}
_TURNED = {"en": "한국어", "ko": "English"}

#: A line above the lesson that leads to its neighbours; beside the style of the lesson's page it brings the little it needs.
_BAR = """<nav aria-label="{label}" style="all: unset; display: flex; flex-wrap: wrap; gap: 4px 22px; margin-bottom: 30px; \
font-size: 15px">{links}</nav>"""


def lessons(quick: bool, kept: Path) -> dict[str, str]:
    """Every lab's page in both languages, by file name. Two processes run them; what has not changed is read from ``kept``.

    A lab whose claim does not hold raises ClaimError.
    """
    folder = kept / f"{_state()}-{'quick' if quick else 'full'}"
    for old in [path for path in kept.glob("*") if path != folder] if kept.is_dir() else []:
        shutil.rmtree(old)
    wanted = [(name, lang) for name in LABS for lang in LANGUAGES]
    missing = [(name, lang, quick, folder) for name, lang in wanted if not (folder / file(name, lang)).exists()]
    if missing:
        # Fresh processes: labs count on a fresh generator, and draw figures that should not pile up here.
        here = str(Path(__file__).parents[1])
        pool = ProcessPoolExecutor(
            min(2, os.cpu_count() or 1), get_context("spawn"), initializer=addsitedir, initargs=(here,)
        )
        with pool:
            list(pool.map(_teach, *zip(*missing, strict=True)))
    return {
        file(name, lang): _with_neighbours((folder / file(name, lang)).read_text(encoding="utf-8"), name, lang)
        for name, lang in wanted
    }


def listing(lang: str) -> str:
    """All labs with title and question, as Markdown."""
    return "\n".join(_listed(LABS, lang))


def file(name: str, lang: str) -> str:
    """The file of a lab's page."""
    return f"{name}.html" if lang == "en" else f"{name}.{lang}.html"


def _teach(name: str, lang: str, quick: bool, folder: Path) -> None:
    teach(open_lab(name), lang=lang, quick=quick, out=folder)


def _listed(names: Iterable[str], lang: str) -> Iterable[str]:
    folder, turned = ("labs/", "ko") if lang == "en" else ("../labs/", "en")
    for number, name in enumerate(names, 1):
        lab = open_lab(name)
        here, there = f"{folder}{file(name, lang)}", f"{folder}{file(name, turned)}"
        yield f"{number}. **[{lab.title(lang)}]({here})** · [{_TURNED[lang]}]({there})<br>"
        yield f"    `chainrule lab {name}{' --lang ko' * (lang == 'ko')}`\n"
        yield f"    {lab.question(lang)}\n"


def _with_neighbours(page: str, name: str, lang: str) -> str:
    place = LABS.index(name)
    links = {f"../{'ko/' * (lang == 'ko')}labs.html": _ALL[lang]}
    if place > 0:
        links[file(LABS[place - 1], lang)] = f"← {open_lab(LABS[place - 1]).title(lang)}"
    if place + 1 < len(LABS):
        links[file(LABS[place + 1], lang)] = f"{open_lab(LABS[place + 1]).title(lang)} →"
    links[file(name, "en" if lang == "ko" else "ko")] = _TURNED[lang]
    made = "".join(f'<a href="{url}">{escape(text)}</a>' for url, text in links.items())
    assert page.count("<body>") == 1
    return page.replace("<body>", "<body>\n" + _BAR.format(label=_ALL[lang], links=made))


def _state() -> str:
    """A number for the whole source: a lesson is kept for as long as nothing changes."""
    root = Path(chainrule.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".html", ".css"):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
