"""What must hold for a built site: links lead somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["problems"]

#: Attributes by which a page loads something as it is opened.
_LOADS = {"src", "srcset", "poster", "data"}


class _Page(HTMLParser):
    """The anchors of a page, where it leads, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.styles: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.anchors |= {known[name] for name in ("id", "name") if name in known}
        self.loads += [value for name, value in known.items() if name in _LOADS]
        self.styles.append(known.get("style", ""))
        if "href" in known and tag in ("a", "area"):
            self.leads.append(known["href"])
        elif tag == "link" and known.get("rel") != "canonical":
            self.loads.append(known.get("href", ""))
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._style:
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._style = False


def problems(site: Path) -> Iterator[str]:
    """A sentence for each link that leads nowhere, and for each thing that a page loads from another place."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for address in [*page.leads, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    yield f"{name} loads {address}"
                continue
            # The page for what is not found is shown at any address, so its own are from the root of the site.
            base = site if parts.path.startswith("/") else path.parent
            target = (base / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                yield f"{name} leads to {address}, which is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name} leads to {address}, which has no such place"
        for style in page.styles:
            yield from (f"{name} loads {address}" for address in _loaded_by(style))
    for path in sorted(site.rglob("*.css")):
        for address in _loaded_by(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site).as_posix()} loads {address}"


def _loaded_by(style: str) -> list[str]:
    found = re.findall(r"(?:@import\s+(?:url\()?|url\()\s*['\"]?([^'\")\s;]+)", style)
    return [address for address in found if not address.startswith(("data:", "#"))]


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page
