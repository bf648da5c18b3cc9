"""What every test file shares: switches, warnings, and a watch over modes and random numbers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from chainrule.core import modes
from chainrule.core.config import config as settings_in_force
from chainrule.core.philox import manual_seed

# A slow machine is no failure: examples have no time limit.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Compiled programs are checked after every pass.
os.environ.setdefault("CHAINRULE_VERIFY", "1")

# Kernels are kept in a folder of this run, not in the user's cache. Other processes of the run inherit it.
_own_kernels = None
if "CHAINRULE_CACHE_DIR" not in os.environ:
    _own_kernels = os.environ["CHAINRULE_CACHE_DIR"] = tempfile.mkdtemp(prefix="chainrule-kernels-")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-goldens`` writes the golden files anew; read the difference before keeping it."""
    parser.addoption("--update-goldens", action="store_true", help="write the golden files anew")


def pytest_configure(config: pytest.Config) -> None:
    """Infinities and NaN are answers in chainrule (see ``chainrule.__init__``), not warnings that fail a test."""
    config.addinivalue_line("filterwarnings", r"ignore::RuntimeWarning:chainrule\.")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The folder of kernels goes with the run that made it."""
    if _own_kernels is not None:
        shutil.rmtree(_own_kernels, ignore_errors=True)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str | Path, str], None]:
    """``golden(path, text)``: the file at ``path`` holds ``text``; ``--update-goldens`` (or UPDATE_GOLDENS=1) writes it."""
    update = request.config.getoption("--update-goldens") or os.environ.get("UPDATE_GOLDENS") == "1"

    def compare(path: str | Path, text: str) -> None:
        file = request.path.parent / path
        if update:
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"{file} is missing: run pytest --update-goldens"
        assert text == file.read_text(encoding="utf-8")

    return compare


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """A test starts from one random state, and fails if it leaves a mode behind."""
    manual_seed(0)
    yield
    mode, grad = modes.current(), modes.is_grad_enabled()
    left = {name: getattr(mode, name) for name in ("interpret", "scope", "watch", "calls", "tracer")}
    mode.grad, mode.interpret, mode.scope, mode.watch, mode.calls = True, None, None, None, None  # for the next test
    mode.tracer, settings_in_force._backend, settings_in_force._cache_dir = None, None, []
    dtype = modes.get_default_dtype()
    modes.set_default_dtype("float32")
    assert grad, "gradients are switched off"
    assert not any(left.values()), f"modes left behind: {left}"
    assert dtype == "float32", "the default dtype was left changed"
