"""The lesson as one HTML file: everything inside it, nothing loaded, no script."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chainrule
from chainrule.labs.lesson.highlight import highlight
from chainrule.labs.lesson.parts import Part, Section
from chainrule.labs.lesson.prose import inline_html, to_html
from chainrule.train.wording import duration

if TYPE_CHECKING:
    from chainrule.labs.lesson.lesson import Lesson

__all__ = ["render_page"]

_TEMPLATES = Path(__file__).parent / "templates"

#: Figures are drawn with letters of 9 points, for print; a page's text is larger.
_ENLARGED = 1.2

_WORDS = {
    "lab": ("chainrule lab", "chainrule 실습"),
    "question": ("Question", "질문"),
    "claims": ("{count} claims, each an assertion on a measured value: all hold", "측정값으로 검사한 주장 {count}개: 모두 성립"),
    "failed": ("{failed} of {count} claims do not hold", "주장 {count}개 중 {failed}개가 성립하지 않음"),
    "measured": ("measured", "측정값"),
    "slide": ("slide", "슬라이드"),
    "numbers": ("The numbers", "수치 모음"),
    "what was measured": ("claim", "주장"),
    "next": ("What to try next", "더 해 보기"),
    "program": ("The whole program, to copy and run", "전체 프로그램: 그대로 복사해 실행할 수 있습니다"),
    "steps": ("step by step", "한 단계씩"),
    "figure": ("Figure", "그림"),
    "note": ("Note", "알림"),
    "holds": ("holds", "성립"),
    "does not hold": ("does not hold", "성립하지 않음"),
    "quick": ("quick run: small sizes", "빠른 실행: 작은 크기"),
    "made": ("Made by chainrule {version} in {time}:", "chainrule {version}, 실행 시간 {time}:"),
    "contents": ("Contents", "차례"),
}  # fmt: skip


def render_page(lesson: Lesson, whole: bool) -> str:
    """The page, or (``whole=False``) its article alone."""
    script, lang = lesson.script, lesson.lang
    words = {key: texts[lang == "ko"] for key, texts in _WORDS.items()}
    failed = sum(not claim.holds for claim in lesson.claims)
    command = f"chainrule lab {script.name}" + " --quick" * lesson.quick + " --lang ko" * (lang == "ko")
    return str(
        _environment().get_template("page.html" if whole else "lesson.html").render(
            lang=lang,
            name=script.name,
            title=script.title(lang),
            question=script.question(lang),
            groups=_groups(part for part in lesson.parts if part.kind != "next"),
            sections=[part.title for part in lesson.parts if isinstance(part, Section)],
            next=[part for part in lesson.parts if part.kind == "next"],
            claims=lesson.claims,
            verdict=words["failed" if failed else "claims"].format(count=len(lesson.claims), failed=failed),
            failed=failed,
            quick=lesson.quick,
            made=words["made"].format(version=chainrule.__version__, time=duration(lesson.seconds)),
            command=command,
            program=lesson.program,
            words=words,
        )
    )  # fmt: skip


def _groups(parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
    """Parts beside each other that are views of one thing belong together; every other part stands alone."""
    views: dict[str, list[Part]] = {}
    chosen = ""
    count = 0
    for part in [*parts, None]:
        if part is not None and part.option is not None:
            views.setdefault(part.option.label, []).append(part)
            chosen = part.option.label if part.option.chosen else chosen or part.option.label
            continue
        if views:
            count += 1
            yield {"views": list(views.items()), "chosen": chosen, "id": count, "part": None}
            views, chosen = {}, ""
        if part is not None:
            yield {"views": [], "part": part}


def _picture(svg: str) -> str:
    """A picture as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _width(svg: str) -> int:
    """How wide a picture would like to stand on the page, in pixels."""
    match = re.search(r'<svg [^>]*?width="([\d.]+)(pt)?"', svg, re.DOTALL)
    assert match is not None
    return round(float(match[1]) * (96 / 72 * _ENLARGED if match[2] else 1.0))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": lambda text: Markup(to_html(text)),
        "inline": lambda text: Markup(inline_html(text)),
        "highlight": lambda text: Markup(highlight(text)),
        "picture": _picture,
        "width": _width,
        "raw": Markup,
    }
    # Drawings of graphs hold the rules for both kinds of page, and stand in the page as they are.
    environment.tests["adaptive"] = lambda svg: "prefers-color-scheme" in svg
    return environment
