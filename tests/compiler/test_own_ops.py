"""Ops that a user registers: with ``expand`` they become native code, without it the refusal says what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.build import BackendNotice
from chainrule.core import op as protocol
from chainrule.core.apply import apply
from chainrule.core.errors import GraphError
from chainrule.core.op import Elementwise, register


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone when it ends."""
    monkeypatch.setattr(protocol, "REGISTRY", dict(protocol.REGISTRY))


def _softsign(with_expand: bool) -> Any:
    class Softsign(Elementwise):
        """``x / (1 + |x|)``."""

        name, promotion = "own_softsign", "float"
        function = staticmethod(lambda x: x / (1.0 + abs(x)))

        def vjp(self, g: Any, out: Any, x: Any) -> Any:
            return g / (1.0 + abs(x)) ** 2

    if with_expand:
        Softsign.family = "composite"
        Softsign.expand = lambda self, x: x / (1.0 + abs(x))  # type: ignore[method-assign]
    register(Softsign)
    return lambda x: apply(Softsign.of(), x)


def test_an_op_with_expand_runs_as_native_code() -> None:
    pytest.importorskip("llvmlite")
    softsign = _softsign(with_expand=True)
    step = cr.compile(lambda x: softsign(x) * 2.0, backend="llvm")
    x = np.linspace(-3, 3, 7, dtype=np.float32)
    np.testing.assert_allclose(step(cr.tensor(x)).numpy(), 2 * x / (1 + abs(x)), rtol=1e-6)
    assert "run by llvm" in step.explain() and "absolute" in step.explain(passes=True)


def test_an_op_that_no_back_end_knows_is_refused_by_name() -> None:
    """Not by a KeyError from inside a back end; and eagerly it runs."""
    softsign = _softsign(with_expand=False)
    x = cr.tensor([1.0, -3.0])
    assert softsign(x).tolist() == [0.5, -0.75]
    step = cr.compile(lambda x: softsign(x) * 2.0)
    with pytest.warns(BackendNotice, match="no rule for the op own_softsign"), pytest.raises(GraphError) as caught:
        step(x)
    assert "own_softsign" in caught.value.received


def test_a_trainer_goes_on_without_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    softsign = _softsign(with_expand=False)

    class Softsign(cr.nn.Module):
        def forward(self, x: Any) -> Any:
            return softsign(x)

    monkeypatch.setattr(cr.config, "backend", "llvm")
    trainer = cr.Trainer(cr.nn.Sequential(cr.nn.Linear(3, 4), Softsign(), cr.nn.Linear(4, 1)), loss="mse")
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    with pytest.warns(UserWarning):
        history = trainer.fit((x, x[:, :1]), epochs=3, progress=False)
    assert trainer.not_compiled and "own_softsign" in trainer.not_compiled
    assert history["loss"][-1] < history["loss"][0]
