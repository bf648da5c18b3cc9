"""The lab ``xor`` where PyTorch is missing: it says so, claims less, and holds."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from chainrule.labs import Lesson, open_lab, parts, teach


def quick(lang: str = "en") -> Lesson:
    return teach(open_lab("xor"), lang, quick=True, drawing=False)


def notes(lesson: Lesson) -> list[str]:
    return [part.text for part in lesson.parts if isinstance(part, parts.Note)]


def ways(lesson: Lesson) -> int:
    """How many ways of training are timed."""
    return next(
        len(part.rows) for part in lesson.parts if isinstance(part, parts.Table) and "microseconds" in part.head[1]
    )


def test_without_pytorch_the_third_curve_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    lesson = quick()
    assert notes(lesson) == ["PyTorch is not installed here, so the third curve is left out."]
    assert not any("PyTorch" in claim.text for claim in lesson.claims) and all(claim.holds for claim in lesson.claims)
    assert ways(lesson) == 4
    assert "설치되어 있지 않아" in notes(quick("ko"))[0]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_with_pytorch_its_curve_is_compared() -> None:
    lesson = quick()
    assert not notes(lesson) and ways(lesson) == 5
    (claim,) = [claim for claim in lesson.claims if "PyTorch" in claim.text]
    assert claim.holds and claim.measured.startswith("largest difference")
