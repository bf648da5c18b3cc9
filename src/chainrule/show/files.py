"""From a drawing to a file, a browser window or a notebook."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from chainrule.core.errors import ConfigError
from chainrule.core.files import write_whole

__all__ = ["frame", "open_in_browser", "render", "save"]

_TEMPLATES = Path(__file__).parent / "templates"


def save(path: str | Path, kinds: Mapping[str, Callable[[], str]]) -> Path:
    """Write the text that ``path``'s suffix asks for, whole or not at all; returns the path."""
    target = Path(path)
    make = kinds.get(target.suffix.lower())
    if make is None:
        raise ConfigError(
            f"save({str(path)!r})",
            f"the suffix {target.suffix!r}" if target.suffix else "a name without a suffix",
            " or ".join(kinds),
            f"name it {target.stem}{next(iter(kinds))}",
        )
    write_whole(target, make())
    return target


def open_in_browser(html: str, name: str) -> Path:
    """Write a page to a temporary file and open it; returns the file."""
    with tempfile.NamedTemporaryFile("w", suffix=".html", prefix=f"{name}-", delete=False, encoding="utf-8") as file:
        file.write(html)
    webbrowser.open(Path(file.name).as_uri())
    return Path(file.name)


def frame(html: str, height: float) -> str:
    """A page inside a notebook's: in a frame of its own, so that styles and scripts do not meet."""
    style = f"width:100%;height:{height:.0f}px;border:0"
    return f'<iframe srcdoc="{escape(html)}" style="{style}" loading="lazy"></iframe>'


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """A page from a template of this room; texts of type ``Svg`` are inserted as they are."""
    from markupsafe import Markup

    style = Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8"))
    return str(_environment().get_template(template).render(style=style, **values))
