"""The index of the search: every section of every page, with its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

__all__ = ["index", "sections"]

_HEADINGS = ("h1", "h2", "h3", "h4")
_BLOCKS = frozenset({"p", "li", "dt", "dd", "td", "th", "pre", "tr", "div", "br", *_HEADINGS})


class _Sections(HTMLParser):
    """Collects (anchor, title, text) from a page's content."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[list[str]] = []
        self._heading = False
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in _HEADINGS:
            self.found.append([known.get("id") or "", "", ""])
            self._heading = True
        if self._skipped or (tag == "a" and known.get("class") == "headerlink"):
            self._skipped += 1
        elif tag in _BLOCKS:
            self._add(" ")

    def handle_endtag(self, tag: str) -> None:
        self._skipped = max(0, self._skipped - 1)
        if tag in _HEADINGS:
            self._heading = False

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._add(data)

    def _add(self, text: str) -> None:
        if self.found:
            self.found[-1][1 if self._heading else 2] += text


def sections(html: str) -> Iterator[tuple[str, str, str]]:
    """(anchor, title, text) of each section of a page.

    >>> list(sections('<h1 id="a">One<a class="headerlink">¶</a></h1><p>x</p><p>y</p><h2 id="b">Two</h2>z'))
    [('a', 'One', 'x y'), ('b', 'Two', 'z')]
    """
    parser = _Sections()
    parser.feed(html)
    parser.close()
    for anchor, title, text in parser.found:
        yield anchor, " ".join(title.split()), " ".join(text.split())


def index(pages: dict[str, str]) -> str:
    """The index of pages (address to content) as a script, which a page on disk can load too."""
    entries = [
        {"url": f"{url}#{anchor}" if number else url, "page": titles[0], "title": title, "text": text}
        for url, html in pages.items()
        for titles in [[title for _, title, _ in sections(html)]]
        for number, (anchor, title, text) in enumerate(sections(html))
    ]
    # What a closing tag could end, and separators that JavaScript takes for ends of lines.
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
    return "window.siteIndex = " + re.sub("</|\u2028|\u2029", lambda m: m[0].replace("</", "<\\/") or " ", text) + ";\n"
