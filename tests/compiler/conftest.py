"""What tests of the compiler share: ``programs`` and ``twins`` can be imported, and each back end is a parameter."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from chainrule.compiler.executable import Interpreter

sys.path.insert(0, str(Path(__file__).parent))

#: Who runs compiled functions in tests that take ``backend``.
BACKENDS = ["interpreter", "numpy", "llvm"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A value for ``cr.compile(f, backend=...)``: every back end in turn."""
    if request.param != "interpreter":
        return request.param
    compiling = importlib.import_module("chainrule.compiler.compile")
    monkeypatch.setattr(compiling, "build", lambda program, backend: Interpreter(program))
    return None
