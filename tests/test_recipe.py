"""The recipe "add an op": its example, taken from CONTRIBUTING.md and entered in a registry, keeps the whole contract."""

from __future__ import annotations

import doctest
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core import op as ops_protocol
from chainrule.core.errors import GradientError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A copy of the registry, so that what a test registers is gone when it ends."""
    scratch = dict(ops_protocol.REGISTRY)
    monkeypatch.setattr(ops_protocol, "REGISTRY", scratch)
    return scratch


@pytest.fixture
def check_op(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The conformance tests' check of one op on one sample."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "conformance"))
    known = sys.modules.get("checker")
    import checker

    yield checker.check_op
    if known is None:
        sys.modules.pop("checker", None)


def recipe() -> dict[str, Any]:
    """Run the recipe's block; the names that it defines."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Add an op")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    example = doctest.DocTestParser().get_doctest(block, {"__name__": "recipe"}, "recipe", "CONTRIBUTING.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example, clear_globs=False)
    assert example.examples and not runner.failures
    return example.globs


def test_the_recipe_makes_an_op_that_keeps_the_contract(registry: dict[str, Any], check_op: Any) -> None:
    before = set(registry)
    names = recipe()
    assert set(registry) - before == {"cosh"} and registry["cosh"] is names["Cosh"]
    samples = list(names["Cosh"].samples())
    assert len(samples) >= 4
    for sample in samples:
        check_op(sample.op, sample.inputs)
    assert "cosh" not in before and "cosh" not in cr.ops.__all__, "the recipe needs another example"


def test_its_derivative_keeps_the_digits_of_small_inputs(registry: dict[str, Any]) -> None:
    """As the comment in the recipe claims; the plain difference of exponentials has lost half of them."""
    cosh = recipe()["cosh"]
    x = cr.tensor(np.array([1e-9, -2e-9]), requires_grad=True)
    cosh(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.sinh(x.numpy()), rtol=1e-15)


def test_the_checks_of_the_recipe_can_fail(registry: dict[str, Any]) -> None:
    """With a derivative that is wrong by a thousandth, the recipe's last lines raise."""
    names = recipe()
    kind = names["Cosh"]
    kind.vjp = lambda self, g, out, x: g * (cr.expm1(x) - cr.expm1(-x)) * 0.5005
    with pytest.raises(GradientError):
        for sample in kind.samples():
            cr.check_grads(names["cosh"], *sample.inputs, order=2)
