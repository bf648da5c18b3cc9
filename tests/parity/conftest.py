"""What the parity tests share: the one table of tolerances, to import and as a fixture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# With importlib mode pytest adds no folder to the path, and test files are not a package.
sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture
def tolerance() -> Callable[[str, str], dict[str, float]]:
    """``tolerance(what, dtype)``: keyword arguments for ``numpy.testing.assert_allclose``."""
    from tolerances import TOLERANCE

    def look_up(what: str, dtype: str) -> dict[str, float]:
        allowed = TOLERANCE[what][dtype]
        return {"rtol": allowed, "atol": allowed}

    return look_up
