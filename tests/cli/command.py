"""What a run of the command gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Command", "Outcome"]


@dataclass
class Outcome:
    """The exit code, and what was printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]
