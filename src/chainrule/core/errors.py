"""Errors that answer three questions: what was asked, what came, what was expected; and give one way to fix it."""

from __future__ import annotations

__all__ = [
    "ChainruleError",
    "CheckpointError",
    "ConfigError",
    "DTypeError",
    "DataError",
    "GradientError",
    "GraphError",
    "NonFiniteError",
    "ShapeError",
]


class ChainruleError(Exception):
    """Base of every error that chainrule raises on purpose.

    >>> print(ShapeError("matmul(a, b)", "a (2, 3) and b (4, 5)", "a's last axis = b's first", "transpose b"))
    matmul(a, b)
      received: a (2, 3) and b (4, 5)
      expected: a's last axis = b's first
      fix:      transpose b
    """

    def __init__(self, asked: str, received: str = "", expected: str = "", fix: str = "") -> None:
        super().__init__(asked, received, expected, fix)
        self.asked, self.received, self.expected, self.fix = asked, received, expected, fix
        #: Lines added on the way out, innermost first: the layer's path, the shapes up to the failing point.
        self.context: list[str] = []

    def __str__(self) -> str:
        lines = [self.asked]
        for label, text in (("received", self.received), ("expected", self.expected), ("fix", self.fix)):
            if text:
                lines.append(f"  {label + ':':<9} {text}")
        return "\n".join(lines + self.context)


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit the operation."""


class DTypeError(ChainruleError, TypeError):
    """Element types that do not fit the operation, such as float32 mixed with float64."""


class GraphError(ChainruleError, RuntimeError):
    """A graph that breaks its own rules, or a use of it that is no longer possible."""


class GradientError(ChainruleError, RuntimeError):
    """A gradient that cannot be computed, or one that does not agree with finite differences."""


class NonFiniteError(ChainruleError, FloatingPointError):
    """A NaN or infinity where ``watch_nan`` was asked to look for one."""


class DataError(ChainruleError, ValueError):
    """Data that cannot be read, or that does not fit the task."""


class ConfigError(ChainruleError, ValueError):
    """An argument or setting outside its domain."""


class CheckpointError(ChainruleError, RuntimeError):
    """A saved model or checkpoint that cannot be written, read, or continued."""
