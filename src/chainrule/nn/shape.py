"""Layers that only change the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule import ops
from chainrule.core.aval import normalize_axis
from chainrule.core.errors import ShapeError
from chainrule.nn.module import Module
from chainrule.tensor import Tensor

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Merge the axes from ``start_dim`` to ``end_dim`` into one: by default all but the batch.

    Input (N, ...); output (N, product of the rest).

    >>> Flatten()(ops.zeros(32, 28, 28)).shape
    (32, 784)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """The same numbers with fewer axes."""
        return ops.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split axis ``dim`` into axes of lengths ``unflattened_size``, one of which may be -1.

    >>> Unflatten(1, (28, 28))(ops.zeros(32, 784)).shape
    (32, 28, 28)

    Raises:
        ShapeError: the lengths do not multiply to the axis's length.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, x: Any) -> Tensor:
        """The same numbers with more axes."""
        axis, size = normalize_axis("Unflatten", self.dim, x.ndim), tuple(self.unflattened_size)
        known = math.prod(n for n in size if n != -1)
        length = x.shape[axis]
        if size.count(-1) > 1 or (length != known if -1 not in size else not known or length % known):
            raise ShapeError(
                f"Unflatten(dim={self.dim}, unflattened_size={size})", f"an input of shape {x.shape}",
                f"lengths that multiply to {length}", "check the lengths; one of them may be -1",
            )  # fmt: skip
        whole = tuple(length // known if n == -1 else n for n in size)
        return x.reshape((*x.shape[:axis], *whole, *x.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={tuple(self.unflattened_size)}"
