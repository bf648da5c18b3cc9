"""How MkDocs makes the site: pages that are written by code, and what every page gets."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from chainrule.labs import ClaimError

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS)] * (str(DOCS) not in sys.path)

from generate import blocks, check, extension, labs, names, reference, search  # noqa: E402, F401  found by the line above

_log = logging.getLogger("mkdocs.plugins.chainrule")

#: Documents beside the source that are pages of the site too.
_INCLUDED = {
    "design/architecture.md": "ARCHITECTURE.md",
    "design/contributing.md": "CONTRIBUTING.md",
    "design/changelog.md": "CHANGELOG.md",
}

_WORDS = {
    "en": {
        "search": "Search", "nothing": "nothing found", "menu": "Menu", "contents": "On this page", "previous": "Before",
        "next": "Next", "skip": "To the text", "missing": "There is no such page", "other": "한국어", "other_lang": "ko",
    },
    "ko": {
        "search": "검색", "nothing": "찾은 것이 없습니다", "menu": "메뉴", "contents": "이 페이지의 차례", "previous": "이전",
        "next": "다음", "skip": "본문으로", "missing": "없는 페이지입니다", "other": "English", "other_lang": "en",
    },
}  # fmt: skip

#: The content of each page by its address, for the search.
_contents: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put what is written by code into the menu."""
    reference_pages = [{title: path} for path, (title, _) in reference.pages().items()]
    records = [{_title(path): f"adr/{path.name}"} for path in sorted((DOCS / "adr").glob("[0-9]*.md"))]
    config.nav = _filled(config.nav, {"<reference>": reference_pages, "<records>": records})
    _contents.clear()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written by code, the lessons, and documents from beside the source."""
    made = {path: text for path, (_, text) in reference.pages().items()}
    made |= {path: _moved((ROOT / source).read_text(encoding="utf-8")) for path, source in _INCLUDED.items()}
    quick = os.environ.get("CHAINRULE_DOCS_LABS", "quick") != "full"
    try:
        made |= {f"labs/{name}": page for name, page in labs.lessons(quick, ROOT / "build" / "lessons").items()}
    except ClaimError as problem:
        raise PluginError(str(problem)) from None
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lists of labs, examples of errors, sessions, and links from names in the text to the reference."""
    for lang in labs.LANGUAGES:
        markdown = markdown.replace(f"<!-- labs {lang} -->", labs.listing(lang))
    markdown = blocks.sessions(blocks.answered(markdown))
    return markdown if page.file.src_uri.startswith("reference/") else _linked(markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let a wide table scroll by itself, give dark pages the dark figures, and keep the text for the search."""
    html = re.sub(r"<table>.*?</table>", r'<div class="table">\g<0></div>', html, flags=re.DOTALL)
    html = re.sub(r'<img [^>]*src="((?:[^"]*/)?figures/)([^"]+)"[^>]*>', _by_night, html)
    _contents[page.file.url] = html
    return html


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Any) -> dict[str, Any]:
    """The language of a page, and where it stands in the other one."""
    language = _language(page.file.src_uri, {p.file.src_uri: p.file.url for p in nav.pages})
    # The pages in Korean stand last in the menu, and first in that of a Korean page.
    *english, korean = nav.items
    return {**context, **language, "menu": [korean, *english] if language["lang"] == "ko" else nav.items}


def on_template_context(context: dict[str, Any], template_name: str, config: MkDocsConfig) -> dict[str, Any]:
    """The page for what is not found."""
    return {**context, **_language("404.html", {}), "menu": context["nav"].items}


def on_post_build(config: MkDocsConfig) -> None:
    """Write the search's index; then look at the whole."""
    site = Path(config.site_dir)
    (site / "assets" / "index.js").write_text(search.index(_contents), encoding="utf-8")
    found = [*check.problems(site), *_undocumented()]
    if found:
        raise PluginError("the site is not as it should be:\n  " + "\n  ".join(found))
    _log.info("%d pages, %d lessons; every link leads somewhere, nothing is loaded from elsewhere",
              len(_contents), len(list((site / "labs").glob("*.html"))))  # fmt: skip


def _by_night(image: re.Match[str]) -> str:
    """A figure with its twin for dark pages, if it has one; those that hold both have none."""
    name, dot, ending = image[2].partition(".")
    if not (DOCS / "figures" / f"{name}-dark{dot}{ending}").exists():
        return image[0]
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{image[1]}{name}-dark{dot}{ending}">'
    return f"<picture>{dark}{image[0]}</picture>"


def _undocumented() -> list[str]:
    """Public names that have no place in the reference."""
    text = "".join(html for url, html in _contents.items() if url.startswith("reference/"))
    return [f"{path} is not in the reference" for path in names.homes() if f'id="{path}"' not in text]


def _language(path: str, urls: dict[str, str]) -> dict[str, Any]:
    lang = "ko" if path.startswith("ko/") else "en"
    twin = path.removeprefix("ko/") if lang == "ko" else f"ko/{path}"
    homes = {"en": "index.html", "ko": "ko/index.html"}
    words = _WORDS[lang]
    return {
        "lang": lang, "words": words, "home": homes[lang], "twin": urls.get(twin, homes[words["other_lang"]]),
    }  # fmt: skip


def _filled(nav: Any, lists: dict[str, list[Any]]) -> Any:
    """The menu with lists in the places that name them."""
    if isinstance(nav, dict):
        return {title: _filled(item, lists) for title, item in nav.items()}
    if not isinstance(nav, list):
        return lists.get(nav, nav)
    items: list[Any] = []
    for item in nav:
        items += lists[item] if isinstance(item, str) and item in lists else [_filled(item, lists)]
    return items


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _moved(markdown: str) -> str:
    """A document from the root as a page of the folder ``design``."""
    return markdown.replace("](docs/", "](../")


def _linked(markdown: str) -> str:
    """Names of the library that a page writes as code lead to the reference, outside blocks, headings and links."""
    known = names.written()

    def link(match: re.Match[str]) -> str:
        return f"[{match[0]}][{known[match[1]]}]" if match[1] in known else match[0]

    parts = re.split(r"(^```.*?^```$|^#.*?$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        p if i % 2 else re.sub(r"(?<![\[`])`([\w.]+)(?:\(\))?`(?![`\]])", link, p) for i, p in enumerate(parts)
    )
