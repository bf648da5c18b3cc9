"""Dropout: noise that keeps units from relying on each other."""

from __future__ import annotations

from chainrule import ops
from chainrule.core.errors import ConfigError
from chainrule.core.philox import Generator
from chainrule.nn.module import Module
from chainrule.tensor import Tensor

__all__ = ["Dropout"]


def dropout(x: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Zero each element with probability ``p`` and divide the others by ``1 - p`` (see ``Dropout``)."""
    _check(p)
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0.0
    kept = ops.bernoulli(1 - p, x.shape, generator)
    return x * (kept.astype(x.dtype) * (1 / (1 - p)))


def _check(p: float) -> None:
    if not 0 <= p <= 1:
        raise ConfigError("nn.Dropout", f"p={p}", "a probability from 0 to 1", "p is the part that is dropped")


class Dropout(Module):
    """In training, zero each element with probability ``p`` and divide the others by ``1 - p``; else do nothing.

    Formula: ``y = x m / (1 - p)`` with m = 1 with probability 1 - p, else 0. So the expected output is the input, and
    nothing needs to be scaled in evaluation ("inverted dropout"). Gradient: ``g m / (1 - p)``.

    Input any shape; output the same shape. The mask comes from ``generator``, or from the default one
    (``cr.manual_seed``).

    >>> layer = Dropout(0.5, generator=Generator(0))
    >>> sorted(set(layer(ops.ones(100)).tolist())), layer.eval()(ops.ones(2))
    ([0.0, 2.0], tensor([1., 1.]))

    Raises:
        ConfigError: ``p`` is not a probability.

    Source: N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, generator: Generator | None = None) -> None:
        super().__init__()
        _check(p)
        self.p, self.inplace, self.generator = p, inplace, generator

    def forward(self, x: Tensor) -> Tensor:
        """``x m / (1 - p)`` in training, ``x`` in evaluation."""
        return dropout(x, self.p, self.training, self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"
