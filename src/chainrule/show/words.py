"""The few words of the drawings and pages, in English and Korean."""

from __future__ import annotations

from typing import Any

from chainrule.core.errors import ConfigError

__all__ = ["LANGUAGES", "check_language", "words"]

LANGUAGES = ("en", "ko")

_WORDS: dict[str, tuple[str, str]] = {
    "input": ("input", "입력"),
    "parameter": ("parameter", "매개변수"),
    "constant": ("constant", "상수"),
    "operation": ("operation", "연산"),
    "loss": ("loss", "손실"),
    "output": ("output", "출력"),
    "layer": ("folded layer", "접힌 층"),
    "value": ("value", "값"),
    "gradient": ("gradient", "기울기"),
    "parameters": ("{count} parameters", "매개변수 {count}개"),
    "gradient norm": ("gradient norm", "기울기 크기"),
    "of parameters": ("of parameters", "매개변수 기울기"),
    "fold hint": ("{count} operations inside", "안에 연산 {count}개"),
    "legend right": ("value above the wire, gradient below it", "선 위는 값, 선 아래는 기울기"),
    "legend down": ("value left of the wire, gradient right of it", "선 왼쪽은 값, 오른쪽은 기울기"),
    "legend no gradient": (
        "value above the wire; gradients need a single number at the end: give target and loss, or gradient=",
        "선 위는 값. 기울기를 보려면 끝이 수 하나여야 합니다: target과 loss, 또는 gradient= 를 주세요",
    ),
    "graph of": ("Computational graph of {name}", "{name}의 계산 그래프"),
    "fold all": ("Fold all layers", "모든 층 접기"),
    "unfold all": ("Unfold all layers", "모든 층 펼치기"),
    "click": ("Click a layer to unfold or fold it.", "층을 누르면 펼치거나 접습니다."),
}


def words(key: str, lang: str = "en", **values: Any) -> str:
    """A text in a language, with values in its places.

    >>> words("parameters", "ko", count=12)
    '매개변수 12개'
    """
    return _WORDS[key][LANGUAGES.index(lang)].format(**values)


def check_language(lang: str) -> str:
    """``lang`` if it is one that the pages are written in."""
    if lang not in LANGUAGES:
        raise ConfigError("cr.show", f"lang={lang!r}", "'en' or 'ko'", "pass one of them")
    return lang
