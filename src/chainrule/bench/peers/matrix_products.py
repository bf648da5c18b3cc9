"""The bare matrix products of a step through NumPy's BLAS: the least that any implementation over it can take."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from chainrule.bench.case import Arrays, Case, System

Array = np.ndarray[Any, Any]


def build(case: Case, arrays: Arrays) -> System:
    """All products of a step, in order."""
    return Products(case)


class Products:
    """Forward x W^T, then dW = d^T x and dx = d W for each layer (no dx for the first), on arrays that stay the same."""

    def __init__(self, case: Case) -> None:
        self.steps = case.steps
        generator = np.random.default_rng(0)
        forward: list[Callable[[], Any]] = []
        backward: list[Callable[[], Any]] = []
        x = generator.standard_normal((case.batch, case.sizes[0]), dtype=np.float32)
        self.weights: list[Array] = []
        for layer, (inputs, outputs) in enumerate(itertools.pairwise(case.sizes)):
            w = generator.standard_normal((outputs, inputs), dtype=np.float32)
            z, dw = np.empty((case.batch, outputs), np.float32), np.empty_like(w)
            self.weights.append(w)
            forward.append(partial(np.dot, x, w.T, out=z))
            backward.append(partial(np.dot, z.T, x, out=dw))
            if layer:
                backward.append(partial(np.dot, z, w, out=np.empty_like(x)))
            x = generator.standard_normal(z.shape, dtype=np.float32)
        self.products = [*forward, *backward]

    def reset(self) -> None:
        """Nothing changes."""

    def train(self) -> None:
        """The products of all steps."""
        for _ in range(self.steps):
            for product in self.products:
                product()

    def predict(self, x: Array) -> Array:
        """The forward products of x; nothing was learned."""
        for w in self.weights:
            x = x @ w.T
        return x
