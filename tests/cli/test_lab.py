"""``chainrule lab``: what it lists, prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chainrule.commands import lab as command
from chainrule.labs import LABS, Lab, Script, open_lab
from cli.command import Command


def test_without_a_name_the_labs_are_listed(chainrule: Command) -> None:
    for lang in ("en", "ko"):
        outcome = chainrule("lab", "--lang", lang)
        assert outcome.code == 0
        assert [line.split()[0] for line in outcome.out.splitlines()] == list(LABS)
        assert all(open_lab(name).title(lang) in outcome.out for name in LABS)


def test_numbers_are_printed_and_nothing_is_written(chainrule: Command) -> None:
    outcome = chainrule("lab", "chain-rule")
    assert outcome.code == 0
    assert "✓ The price of the fruit: 715" in outcome.out
    assert "claims      17, all hold" in outcome.out and "--out DIR" in outcome.out
    assert list(Path().iterdir()) == []


def test_out_gets_the_page_and_the_figures(chainrule: Command) -> None:
    outcome = chainrule("lab", "chain-rule", "--lang", "ko", "--quick", "--out", "lessons/one")
    assert outcome.code == 0 and "chain-rule.ko.html, 그림 9개" in outcome.out
    names = sorted(path.name for path in Path("lessons/one").iterdir())
    assert names == [*(f"chain-rule-{n}.ko.svg" for n in range(1, 10)), "chain-rule.ko.html"]
    assert "사과와 귤" in Path("lessons/one/chain-rule.ko.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("arguments", "message"), [
    (["gtes"], "did you mean gates?"),
    (["gates", "--lang", "kr"], "'kr' is none of en, ko"),
    (["gates", "--slow"], "--slow is not understood"),
    (["chain-rule", "--quick", "--out", "taken"], "name another with --out"),
])  # fmt: skip
def test_bad_input(chainrule: Command, arguments: list[str], message: str) -> None:
    Path("taken").write_text("")
    outcome = chainrule("lab", *arguments)
    assert outcome.code == 2 and message in outcome.err and "Traceback" not in outcome.err


def teach_instead(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    toy = Script("toy", ("A toy", "장난감"), ("What?", "무엇?"), run)
    monkeypatch.setattr(command, "open_lab", lambda name: toy)


def test_a_claim_that_fails_is_an_error(chainrule: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(lab: Lab) -> None:
        lab.claim("Water is dry", "물은 말랐다", measured=0.98, holds=False)

    teach_instead(monkeypatch, run)
    outcome = chainrule("lab", "toy")
    assert outcome.code == 1
    assert "✗ Water is dry: 0.98" in outcome.out
    assert "Water is dry\n    measured: 0.98" in outcome.err and "all hold" not in outcome.out


def test_ctrl_c(chainrule: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(lab: Lab) -> None:
        raise KeyboardInterrupt

    teach_instead(monkeypatch, run)
    outcome = chainrule("lab", "toy", "--out", "folder")
    assert outcome.code == 130 and not Path("folder").exists()


def test_tables_options_and_notes_on_the_terminal(chainrule: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(lab: Lab) -> None:
        lab.note("Mind this.", "주의.")
        with lab.option("rate $w_1$"):
            lab.table(
                [lab.say("gate", "게이트"), "$w_1$"], [["AND", 0.5], ["OR", -12]], en="The weights.", ko="가중치."
            )

    teach_instead(monkeypatch, run)
    outcome = chainrule("lab", "toy", "--lang", "ko")
    assert "note: 주의." in outcome.err
    assert "rate w₁:\n게이트   w₁\nAND     0.5\nOR      −12\n가중치.\n" in outcome.out
