"""If it is written it runs: examples in docstrings, and in README and the other documents."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
from pathlib import Path

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


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p, "python")], ids=lambda p: p.name)
def test_python_blocks(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Blocks of one document share their names and run in order; what is printed there is what comes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(op, "REGISTRY", dict(op.REGISTRY))  # an op that a document registers is gone afterwards
    text = "\n".join(blocks(path, "python"))
    parser = doctest.DocTestParser()
    example = parser.get_doctest(text, {"__name__": "__main__"}, path.name, str(path), 0)
    assert example.examples, f"{path.name} has python blocks without >>>"
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(example)
    assert not runner.failures


def commands() -> list[str]:
    """Every ``chainrule ...`` line in a shell block."""
    lines = [line for path in DOCUMENTS for block in blocks(path, "sh") for line in block.splitlines()]
    return sorted({line.partition("#")[0].strip() for line in lines if line.startswith("chainrule ")})


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the documents' commands speak of: a table, pictures, a small MNIST, a trained model."""
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


@pytest.mark.parametrize("line", [c for c in commands() if "mnist" not in c])
def test_commands(line: str, desk: Path) -> None:
    """Each command that the documents print ends well (downloads apart: the MNIST tests cover those)."""
    words = shlex.split(line)[1:]
    if words[0] != "train":
        assert main(["train", "wine.csv", "--target", "quality", "--epochs", "2", "--quiet"]) == 0
    quick = ["--epochs", "2"] if words[0] == "train" and "--epochs" not in words else []
    assert main([*words, *quick]) == 0


def test_the_two_commands_of_the_readme_are_what_ci_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^(?:python3 -m venv|scripts/setup).*$", text, re.MULTILINE)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert first.endswith("chainrule train digits") and "chainrule train digits" in ci
    for part in second.split(" && "):
        assert re.search(rf"^{re.escape(part)}\b", ci, re.MULTILINE), f".ci/run does not call {part}"
