"""From a program to something that runs it."""

from __future__ import annotations

from chainrule.compiler.executable import Executable, Interpreter
from chainrule.compiler.program import Program

__all__ = ["build"]


def build(program: Program, backend: str) -> Executable:
    return Interpreter(program)
