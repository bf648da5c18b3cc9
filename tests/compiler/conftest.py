"""What tests of the compiler share: ``programs`` and ``twins`` can be imported, and each back end is a parameter."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.compiler.build import BackendNotice
from chainrule.compiler.executable import Interpreter

sys.path.insert(0, str(Path(__file__).parent))

#: Who runs compiled functions in tests that take ``backend``.
BACKENDS = ["interpreter", "numpy", "llvm"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A value for ``cr.compile(f, backend=...)``: every back end in turn."""
    name = request.param
    if name == "interpreter":
        compiling = importlib.import_module("chainrule.compiler.compile")
        monkeypatch.setattr(compiling, "build", lambda program, backend: Interpreter(program))
    elif name == "llvm":
        pytest.importorskip("llvmlite")
    with warnings.catch_warnings():
        # Where native code cannot do something, NumPy does it, with a notice: right all the same.
        warnings.simplefilter("ignore", BackendNotice)
        yield None if name == "interpreter" else name
