"""Which fonts figures are set in: matplotlib's own, and behind it an installed one that has Hangul."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

__all__ = ["hangul_font", "stack", "warn_without_hangul"]

#: Families with Hangul, as systems and people install them, plain ones first.
_FAMILIES = (
    "Pretendard",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "Source Han Sans KR",
    "Source Han Sans K",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
    "Nanum Gothic",
    "NanumBarunGothic",
    "Noto Sans CJK JP",  # the collection's first face; older matplotlib sees no other
    "AppleGothic",
    "UnDotum",
    "Baekmuk Dotum",
    "Gulim",
    "Arial Unicode MS",
    "Droid Sans Fallback",
    "Noto Serif CJK KR",
    "NanumMyeongjo",
)

#: How their files are called.
_FILES = ("pretendard", "notosanscjk", "notosanskr", "sourcehansans", "applesdgothic", "malgun", "nanum", "undotum")


def stack() -> list[str]:
    """Families in the order in which a letter is looked for.

    DejaVu Sans comes with matplotlib, so that figures have the same measures everywhere.
    """
    font = hangul_font()
    return ["DejaVu Sans"] if font is None else ["DejaVu Sans", font]


@functools.cache
def hangul_font() -> str | None:
    """The family that Hangul is set in, or None where no such font is installed."""
    from matplotlib import font_manager

    known = {entry.name for entry in font_manager.fontManager.ttflist}
    if not known.intersection(_FAMILIES):
        # matplotlib keeps a list of fonts from the day it was first used; this one may have been installed since.
        for path in sorted(font_manager.findSystemFonts()):
            if Path(path).name.lower().startswith(_FILES):
                font_manager.fontManager.addfont(path)
        known = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((family for family in _FAMILIES if family in known), None)


@functools.cache
def warn_without_hangul() -> None:
    """Say, once a program, that Hangul will be drawn as empty boxes."""
    if hangul_font() is None:
        warnings.warn(
            "no installed font has Hangul, so Korean text in figures becomes empty boxes. Install one: "
            "apt-get install fonts-noto-cjk (Debian, Ubuntu), dnf install google-noto-sans-cjk-fonts (Fedora), or "
            "Noto Sans KR from Google Fonts; then start Python again",
            stacklevel=2,
        )
