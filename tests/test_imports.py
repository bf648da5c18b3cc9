"""The house: which room may import which, what importing costs, what is exported, and how long files are."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule as cr

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "chainrule"
FILES = sorted(PACKAGE.rglob("*.py"))

#: What a user imports; nn, optim, data and train import no more than that, and what comes before them.
PUBLIC = {"", "tensor", "ops", "core.aval", "core.config", "core.errors", "core.files", "core.modes", "core.philox"}

#: For each room, the rooms (or single modules) that its files may import besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),  # tensor.py and methods.py belong to it
    "ops": {"core"},
    "autodiff": {"core", "ops"},
    "compiler": {"core", "ops", "autodiff"},
    "backends": {"core", "ops", "autodiff", "compiler"},
    "nn": PUBLIC,
    "optim": PUBLIC,
    "data": PUBLIC,
    "train": PUBLIC | {"nn", "optim", "data"},
    "bench": PUBLIC | {"nn", "optim", "data", "train"},
    "commands": PUBLIC | {"nn", "optim", "data", "train", "bench", "labs"},
    # Drawings walk over nodes and name the user's lines.
    "show": PUBLIC | {"core.graph", "core.op", "core.source", "nn", "optim", "data", "train"},
    "labs": PUBLIC | {"nn", "optim", "data", "train", "show"},
    "": {"core", "ops", "autodiff", "nn", "optim", "data", "train", "bench", "commands"},
}

#: The doors between rooms that lead the other way, each with its reason.
EXCEPTIONS = {
    ("tensor", "ops"): "methods of a tensor call ops, which are built on it: imported at the end of the file",
    ("methods", "ops"): "the same, for the methods that stand in a file of their own",
    ("methods", "core.apply"): "the same",
    ("methods", "autodiff"): "t.backward() is the name that people know: imported at the end of the file",
    ("core.apply", "ops.convert"): "a cast that apply inserts is an op of the graph: imported when one is needed",
    ("nn.module", "core.graph"): "errors name the layer by its path",
    ("nn.module", "core.source"): "ops of a library layer belong to the user's line that called it",
    (
        "nn.loss_functions",
        "core.apply",
    ): "one entry of each row, the pick of every classifier's loss, builds its op itself",
    ("optim.optimizer", "core.apply"): "update rules run on plain arrays, as derivative rules do",
}

HEAVY = [
    "matplotlib",
    "llvmlite",
    "rich",
    "jinja2",
    "safetensors",
    "pandas",
    "polars",
    "PIL",
    "torch",
    "sklearn",
    "scipy",
]


def name_of(file: Path) -> str:
    """The module's name inside the package: ``core.apply``; empty for the package itself."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(p for p in parts if p != "__init__")


MODULES = {name_of(file) for file in FILES}


def room_of(module: str) -> str:
    """``core.apply`` stands in core; tensor.py and methods.py too; the command line's entry with its commands."""
    first = module.split(".")[0]
    return {"tensor": "core", "methods": "core", "cli": "commands", "__main__": "commands"}.get(first, first)


def imports(file: Path) -> Iterator[str]:
    """Modules of the package that a file imports anywhere, but for types alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports hide the direction"
            # `from chainrule import ops` means the module ops, `from chainrule import Tensor` the package itself.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [w if w.removeprefix("chainrule.") in MODULES else str(node.module) for w in whole]
        else:
            continue
        yield from (n.removeprefix("chainrule").removeprefix(".") for n in names if n.split(".")[0] == "chainrule")


def allowed(module: str, target: str) -> bool:
    """Whether the table lets ``module`` import ``target``."""
    room, other = room_of(module), room_of(target)
    if room == other or {(module, target), (module, other)} & EXCEPTIONS.keys():
        return True
    return target in MAY_IMPORT[room] or (other in MAY_IMPORT[room] and other != "")


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_dependencies_point_one_way(file: Path) -> None:
    module = name_of(file)
    wrong = sorted({target for target in imports(file) if not allowed(module, target)})
    assert not wrong, f"{module or 'chainrule'} imports {', '.join(wrong)}: see MAY_IMPORT and EXCEPTIONS"


def test_the_table_itself_catches_a_wrong_direction() -> None:
    assert (
        allowed("autodiff.backward", "core.graph") and allowed("nn.norm", "core.errors") and allowed("train.run", "nn")
    )
    assert not allowed("core.graph", "ops.reduce") and not allowed("ops.reduce", "autodiff.backward")
    assert not allowed("nn.norm", "core.apply") and not allowed("nn.norm", "train") and not allowed("data.loader", "nn")
    assert not allowed("optim.sgd", "autodiff.backward") and not allowed("core.graph", "")


def test_every_exception_is_still_needed() -> None:
    used = {(name_of(f), t) for f in FILES for t in imports(f)}
    used |= {(module, room_of(target)) for module, target in used}
    assert not set(EXCEPTIONS) - used


def run(code: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_chainrule_loads_numpy_alone() -> None:
    before = set(run("import sys, numpy; print(*{m.split('.')[0] for m in sys.modules})").split())
    after = set(run("import sys, chainrule; print(*{m.split('.')[0] for m in sys.modules})").split())
    new = {m for m in after - before if not m.startswith("_") and m not in sys.stdlib_module_names}
    assert new == {"chainrule"}
    assert not after & set(HEAVY)


@pytest.mark.parametrize("room", ["nn", "optim", "data", "train", "cli"])
def test_rooms_load_nothing_heavy_either(room: str) -> None:
    loaded = run(f"import sys, chainrule.{room}; print(*{{m.split('.')[0] for m in sys.modules}})").split()
    assert not set(loaded) & set(HEAVY)


def packages() -> list[str]:
    return ["chainrule", *(m.name for m in pkgutil.walk_packages(cr.__path__, "chainrule.") if m.ispkg)]


@pytest.mark.parametrize("name", packages())
def test_all_names_what_is_there(name: str) -> None:
    """``__all__`` of a package: every name in it exists, and every public name that the package imports is in it."""
    package = importlib.import_module(name)
    exported = getattr(package, "__all__", [])
    assert len(set(exported)) == len(exported)
    missing = [n for n in exported if not hasattr(package, n)]
    assert not missing, f"{name}.__all__ names {missing}, which are not there"
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    bound = {
        alias.asname or alias.name
        for node in tree.body if isinstance(node, ast.ImportFrom)
        for alias in node.names if alias.name != "*"
    }  # fmt: skip
    unlisted = [
        n for n in sorted(bound)
        if not n.startswith("_") and n != "annotations" and n not in exported and _is_public(name, n, getattr(package, n))
    ]  # fmt: skip
    assert not unlisted, f"{name} imports {unlisted} and does not name them in __all__"


#: What ops hands to the other rooms of the engine only.
INTERNAL = {("chainrule.ops", n) for n in ("ADD", "SUBTRACT", "MULTIPLY", "DIVIDE", "transpose_method")}


def _is_public(package: str, name: str, value: object) -> bool:
    if isinstance(value, types.ModuleType):
        return False
    return (package, name) not in INTERNAL


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_all_of_modules(file: Path) -> None:
    """Where a module has ``__all__``, its names exist."""
    if file.name != "__main__.py":  # importing it runs the command line
        module = importlib.import_module(f"chainrule.{name_of(file)}".rstrip("."))
        assert not [n for n in getattr(module, "__all__", []) if not hasattr(module, n)]


def test_public_functions_of_the_package_are_documented() -> None:
    for name in cr.__all__:
        value = getattr(cr, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert inspect.getdoc(value), f"cr.{name} has no docstring"


def test_versions_agree() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == cr.__version__
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest and newest[1] == cr.__version__


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_stay_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < 500


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_file_says_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if text:
        assert ast.get_docstring(ast.parse(text)), f"{file} has no docstring"


def test_no_text_of_one_machine() -> None:
    """Paths of a developer's machine do not belong in what is shipped."""
    paths = ["/" + p for p in ("work/", "root/", "home/", "tmp/dev", "Users/")]
    kinds = {".py", ".md", ".txt", ".html", ".css", ".js", ".json", ".toml", ".csv", ".sh", ""}
    for folder in ("src", "tests", "docs", "examples", "benchmarks", "scripts"):
        for file in sorted((ROOT / folder).rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(ROOT).parts)
            if file.suffix in kinds and file.is_file() and not hidden:
                text = file.read_text(encoding="utf-8", errors="replace")
                found = [p for p in paths if p in text]
                assert not found, f"{file.relative_to(ROOT)} names {found}"
