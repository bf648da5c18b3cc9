"""Passes: each takes a program and returns one that computes the same with less."""

from chainrule.compiler.passes.pipeline import PASSES, run_passes

__all__ = ["PASSES", "run_passes"]
