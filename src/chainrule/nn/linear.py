"""Layers of weighted sums."""

from __future__ import annotations

import math
from typing import Any

from chainrule import ops
from chainrule.core.errors import ConfigError, ShapeError
from chainrule.nn.module import Module
from chainrule.tensor import Parameter

__all__ = ["Linear"]


class Linear(Module):
    """Weighted sums with a bias: ``y = x W^T + b``.

    Weights: ``weight`` (out_features, in_features) and ``bias`` (out_features,), both uniform in
    +-1/sqrt(in_features) at the start, as in PyTorch.

    Input (..., in_features); output (..., out_features). Gradient: ``dW = g^T x``, ``db`` = sum of g over the batch,
    ``dx = g W``.

    >>> import chainrule as cr
    >>> layer = Linear(2, 1)
    >>> layer.weight.data, layer.bias.data = cr.tensor([[2.0, 3.0]]), cr.tensor([0.0])
    >>> layer(cr.tensor([[1.0, 2.0]]))
    tensor([[8.]], made_by=affine)

    Raises:
        ShapeError: the last axis of the input is not in_features.
    """

    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = None) -> None:
        super().__init__()
        if min(in_features, out_features) < 1:
            raise ConfigError(
                "nn.Linear",
                f"in_features={in_features}, out_features={out_features}",
                "at least 1 each",
                "check the sizes",
            )
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = Parameter(ops.uniform((out_features, in_features), -bound, bound, dtype))
        self.register_parameter("bias", Parameter(ops.uniform((out_features,), -bound, bound, dtype)) if bias else None)

    def forward(self, x: Any) -> Any:
        """``x W^T + b``."""
        shape = x.shape
        if not shape or shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear(in_features={self.in_features}, out_features={self.out_features})",
                f"an input of shape {x.shape}",
                f"shape (..., {self.in_features})",
                "flatten images with nn.Flatten(), or set in_features to the length of the input's last axis",
            )
        if self.bias is None:
            return ops.matmul(x, self.weight, transpose_b=True)
        return ops.affine(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
