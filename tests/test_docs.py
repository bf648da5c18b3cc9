"""If it is written it runs: examples in docstrings, and in README and the other documents."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import chainrule
from chainrule.cli import main
from chainrule.core import op

ROOT = Path(__file__).parents[1]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(m.name for m in pkgutil.walk_packages(chainrule.__path__, "chainrule.") if "__main__" not in m.name)


@pytest.fixture(autouse=True)
def fresh_random_numbers():
    """Examples begin with the generator as a new process has it, whatever ran before."""
    state = chainrule.core.philox.default_generator().state()
    chainrule.manual_seed(0)
    yield
    chainrule.core.philox.default_generator().set_state(state)


@pytest.mark.parametrize("name", ["chainrule", *MODULES])
def test_docstrings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert not failed


@dataclass(frozen=True)
class Block:
    """A fenced block of a document, with the block of text right behind it: what it prints."""

    path: Path
    line: int
    language: str
    text: str
    printed: str | None

    def check(self, got: str) -> None:
        """What came is what the document shows; ``...`` stands for anything."""
        want = self.printed or ""
        assert doctest.OutputChecker().check_output(want, got, OPTIONS), (
            f"{self.path.name}:{self.line} prints\n{got}\nand the document shows\n{want or 'nothing'}"
        )


def blocks(path: Path) -> list[Block]:
    """The blocks of a document that can run, in order."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(
        r"^```(python|python torch|sh)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", text, re.MULTILINE | re.DOTALL
    )
    return [Block(path, text[: m.start()].count("\n") + 1, m[1], m[2], m[3]) for m in found]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the documents' commands speak of: a table, new rows, pictures."""
    import numpy as np
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "sets"))
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'good' if a + b > 0 else 'poor'}" for a, b in rng.normal(size=(90, 2))]
    (tmp_path / "wine.csv").write_text("acidity,sugar,quality\n" + "\n".join(rows), encoding="utf-8")
    (tmp_path / "new.csv").write_text("acidity,sugar\n0.5,1.0\n-1.0,0.1\n", encoding="utf-8")
    for name, level in (("cat", 40), ("dog", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(rng.normal(level, 20, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path


class Reader:
    """Someone who goes through a document from top to bottom, in an empty folder, and does what it says."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.capsys = capsys

    def follow(self, block: Block) -> None:
        """Run one block and compare what it prints."""
        self.capsys.readouterr()
        if block.language == "sh":
            self.type(block)
        elif block.language == "python torch":
            exec(compile(block.text, f"{block.path.name}:{block.line}", "exec"), {"__name__": "__main__"})
            block.check(self.capsys.readouterr().out)
        elif block.text.startswith(">>>"):
            self.converse(block)
        else:
            code = compile("\n" * block.line + block.text, block.path.name, "exec", dont_inherit=True)
            exec(code, self.names)
            block.check(self.capsys.readouterr().out)

    def converse(self, block: Block) -> None:
        """A session with >>>; what is printed there is what comes."""
        parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=OPTIONS)
        example = parser.get_doctest(block.text, self.names, block.path.name, str(block.path), block.line)
        printed: list[str] = []
        runner.run(example, out=printed.append, clear_globs=False)
        assert not runner.failures, "".join(printed)
        self.names = example.globs

    def type(self, block: Block) -> None:
        """Commands in a shell. Setting up and downloading are other tests' matter."""
        for line in block.text.splitlines():
            words = shlex.split(line.partition("#")[0])
            if words[:1] != ["chainrule"] or "mnist" in words:
                known = not words or words[0] in ("chainrule", "python3", "pip", "source")
                assert known or (words[0].startswith("scripts/") and (ROOT / words[0]).exists()), line
                continue
            options = {"train": ["--epochs", "2"], "lab": ["--quick"]}.get(words[1], [])
            as_written = block.printed is not None or any(option in words for option in options)
            assert main([*words[1:], *([] if as_written else options)]) == 0, line
        out, err = self.capsys.readouterr()
        if block.printed is not None:
            block.check(out + err)


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p)], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_documents(path: Path, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every block of code and every command of a document runs, and prints what stands below it."""
    monkeypatch.setattr(op, "REGISTRY", dict(op.REGISTRY))  # an op that a document registers is gone afterwards
    monkeypatch.syspath_prepend(str(desk))  # as for a script in that folder
    reader = Reader(capsys)
    before = chainrule.config.backend
    for block in blocks(path):
        if block.language == "python torch" and importlib.util.find_spec("torch") is None:
            continue
        reader.follow(block)
    for name in [n for n, m in sys.modules.items() if str(getattr(m, "__file__", "")).startswith(str(desk))]:
        del sys.modules[name]
    assert chainrule.config.backend == before, "a document leaves a setting changed"


def test_nothing_on_a_page_stays_unrun() -> None:
    """Blocks are in languages that are run, or show what the block before them prints. (tests/docs runs those that raise.)"""
    for path in [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("[!a]*.md"), *(ROOT / "docs" / "guides").glob("*.md")]:
        fences = re.findall(r"^```(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)[::2]
        assert set(fences) <= {"python", "python torch", "python raises", "sh", "text"}, path
        shown = sum(block.printed is not None for block in blocks(path))
        assert fences.count("text") == shown, f"{path.name} shows text that no block prints"


def test_the_two_commands_of_the_readme_are_what_ci_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^(?:python3 -m venv|scripts/setup).*$", text, re.MULTILINE)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert first.endswith("chainrule train digits") and "chainrule train digits" in ci
    for part in second.split(" && "):
        assert re.search(rf"^{re.escape(part)}\b", ci, re.MULTILINE), f".ci/run does not call {part}"
