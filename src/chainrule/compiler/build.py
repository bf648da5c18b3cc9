"""From a program to something that runs it: passes, then the back end that was chosen."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import Any

from chainrule.compiler.executable import Executable
from chainrule.compiler.lower import Unsupported
from chainrule.compiler.passes import run_passes
from chainrule.compiler.passes.order import count_orders
from chainrule.compiler.program import Program
from chainrule.core.errors import ConfigError
from chainrule.core.graph import Node

__all__ = ["BackendNotice", "build", "llvm", "simplified", "source", "source_lines"]


class BackendNotice(UserWarning):
    """NumPy runs a program that was to be native code, and why."""


_told: set[str] = set()


def simplified(program: Program) -> Program:
    """The program after all passes."""
    return run_passes(program)[-1][1]


def build(program: Program, backend: str) -> Executable:
    """The executable of a traced program.

    ``llvm`` and ``auto`` make native code; where LLVM is not installed or cannot do something, NumPy takes over and
    says so, once for each reason.

    Raises:
        ConfigError: ``llvm`` was asked for by name and is not installed.
    """
    passed = simplified(program)
    if backend in ("auto", "llvm"):
        if importlib.util.find_spec("llvmlite") is not None:
            try:
                made: Executable = _backend("llvm").LlvmExecutable(count_orders(passed))
                return made
            except Unsupported as reason:
                _tell(f"NumPy runs this program: native code has no {reason}")
        elif backend == "llvm":
            raise ConfigError(
                "backend='llvm'", "no llvmlite", "LLVM, which compiles the program", "pip install llvmlite"
            )
        else:
            _tell("NumPy runs compiled programs: LLVM is not installed (pip install llvmlite makes them much faster)")
    result: Executable = _backend("numpy").NumpyExecutable(passed)
    return result


def source(program: Program, name: str) -> str:
    """The program written out as NumPy."""
    text: str = _backend("numpy").source(simplified(program), name)
    return text


def source_lines(program: Program, name: str) -> tuple[str, dict[Node, int]]:
    """The same text, and for each node of the traced program the line that computes it, counted from 1."""
    passed = simplified(program)
    text, lines = _backend("numpy").source_lines(passed, name)
    return text, {node: lines[now] for node, now in passed.became.items() if now in lines}


def llvm(program: Program) -> str:
    """The program as LLVM's intermediate language."""
    if importlib.util.find_spec("llvmlite") is None:
        raise ConfigError("step.llvm()", "no llvmlite", "LLVM", "pip install llvmlite")
    executable: Any = _backend("llvm").LlvmExecutable(count_orders(simplified(program)))
    text: str = executable.module.text
    return text


def _backend(name: str) -> Any:
    """Back ends stand behind the compiler and are loaded when one is wanted."""
    return importlib.import_module(f"chainrule.backends.{name}")


def _tell(reason: str) -> None:
    if reason not in _told:
        _told.add(reason)
        warnings.warn(reason, BackendNotice, stacklevel=7)
