"""Passes: each takes a program and returns one that computes the same with less."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compiler.program import Program

__all__ = ["PASSES", "run_passes"]

PASSES: tuple[tuple[str, Callable[[Program], Program]], ...] = ()


def run_passes(program: Program, keep: bool = False, verify: bool = False) -> list[tuple[str, Program]]:
    return [("traced", program)]
