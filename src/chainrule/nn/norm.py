"""Normalisation: activations brought to mean 0 and variance 1, then scaled and shifted by learned numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule import ops
from chainrule.core.errors import ConfigError, ShapeError
from chainrule.nn.module import Module
from chainrule.tensor import Parameter, Tensor

__all__ = ["BatchNorm1d", "LayerNorm"]

_ONE = Tensor._constant(1)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` for each place on axis 1 (see ``BatchNorm1d``).

    With ``training`` the batch's own statistics are used, and the running ones, where given, follow them.
    """
    x = input
    count = x.numel() // max(x.shape[1], 1)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)

    def spread(v: Tensor) -> Tensor:
        """A number for each feature, where it broadcasts against x."""
        return v if x.ndim == 2 else v.reshape((-1,) + (1,) * (x.ndim - 2))

    if training or running_mean is None or running_var is None:
        if count < 2:
            raise ShapeError(
                "batch normalisation by the batch's statistics",
                f"an input of shape {x.shape}: {count} value a feature",
                "at least 2 values a feature, since the variance of one is 0",
                "use a larger batch (drop_last=True drops a last small one), or model.eval() to predict",
            )  # fmt: skip
        mean = ops.mean(x, axes)
        centred = x - spread(mean)
        variance = ops.mean(ops.square(centred), axes)
        if training and running_mean is not None and running_var is not None:
            _follow(running_mean, mean.detach(), momentum)
            _follow(running_var, variance.detach() * (count / (count - 1)), momentum)
    else:
        centred, variance = x - spread(running_mean), running_var
    scale = ops.rsqrt(variance + eps)
    out = centred * spread(scale if weight is None else scale * weight)
    return out if bias is None else out + spread(bias)


def _follow(running: Tensor, new: Tensor, momentum: Any) -> None:
    """Move a running statistic toward ``new``."""
    running.data = running * (1 - momentum) + new * momentum


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last axes of each example (see ``LayerNorm``)."""
    shape, x = tuple(normalized_shape), input
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        raise ShapeError(
            f"LayerNorm({shape})", f"an input of shape {x.shape}", f"last axes of lengths {shape}",
            "set normalized_shape to the input's last axes",
        )  # fmt: skip
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    centred = x - ops.mean(x, axes, keepdims=True)
    out = centred * ops.rsqrt(ops.mean(ops.square(centred), axes, keepdims=True) + eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


class BatchNorm1d(Module):
    """Each feature normalised over the batch: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    In training, mean and variance (divided by n) are the batch's, and ``running_mean`` and ``running_var`` (divided
    by n - 1) move toward them by ``momentum``: ``running = (1 - momentum) running + momentum new``. With
    ``momentum=None`` they are the plain average of all batches so far. In evaluation the running ones are used.

    Weights: ``weight`` (num_features,) ones and ``bias`` (num_features,) zeros at the start, unless
    ``affine=False`` (``bias=False`` leaves out the bias alone). Buffers: ``running_mean`` zeros, ``running_var``
    ones, ``num_batches_tracked`` 0, unless ``track_running_stats=False`` (then the batch's statistics are used in
    evaluation too).

    Input (N, num_features) or (N, num_features, L); output the same shape.

    >>> layer = BatchNorm1d(2)
    >>> layer(Tensor([[1.0, 10.0], [3.0, 30.0]])).numpy().round(3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    >>> layer.running_mean.numpy()
    array([0.2, 2. ], dtype=float32)

    Raises:
        ShapeError: another number of features, or a single value a feature in training.

    Source: S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift", 2015, algorithm 1.
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_features < 1:
            raise ConfigError(
                "nn.BatchNorm1d", f"num_features={num_features}", "at least 1", "it is the length of axis 1"
            )
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", Parameter(ops.ones(num_features, dtype=dtype)) if affine else None)
        self.register_parameter("bias", Parameter(ops.zeros(num_features, dtype=dtype)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", ops.zeros(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("running_var", ops.ones(num_features, dtype=dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", Tensor(0) if tracked else None)

    def forward(self, x: Tensor) -> Tensor:
        """``(x - mean) / sqrt(var + eps) * weight + bias``."""
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            raise ShapeError(
                f"BatchNorm1d({self.num_features})", f"an input of shape {x.shape}",
                f"shape (N, {self.num_features}) or (N, {self.num_features}, L)",
                "set num_features to the length of axis 1",
            )  # fmt: skip
        momentum: Any = self.momentum
        batches = self.num_batches_tracked
        if self.training and batches is not None and x.numel() > self.num_features:
            batches.data = batches + _ONE
            if momentum is None:
                momentum = 1.0 / batches.astype(x.dtype)
        return batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum, self.eps
        )

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"


class LayerNorm(Module):
    """Each example normalised over its last axes: ``y = (x - mean) / sqrt(var + eps) * weight + bias``.

    Mean and variance (divided by n) are taken over the axes that ``normalized_shape`` names, so training and
    evaluation are the same and a batch of one is fine.

    Weights: ``weight`` ones and ``bias`` zeros of shape normalized_shape at the start, unless
    ``elementwise_affine=False``; ``bias=False`` leaves out the bias alone.

    Input (..., *normalized_shape); output the same shape.

    >>> LayerNorm(3, elementwise_affine=False)(Tensor([[1.0, 2.0, 3.0]])).numpy().round(4)
    array([[-1.2247,  0.    ,  1.2247]], dtype=float32)

    Raises:
        ShapeError: the input's last axes are not normalized_shape.

    Source: J. Ba et al., "Layer Normalization", 2016.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = normalized_shape
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self._shape
        if not shape or min(shape) < 1:
            raise ConfigError(
                "nn.LayerNorm", f"normalized_shape={normalized_shape}", "lengths of at least 1", "give the last axes"
            )
        affine = elementwise_affine
        self.register_parameter("weight", Parameter(ops.ones(shape, dtype=dtype)) if affine else None)
        self.register_parameter("bias", Parameter(ops.zeros(shape, dtype=dtype)) if affine and bias else None)

    @property
    def _shape(self) -> tuple[int, ...]:
        shape = self.normalized_shape
        return (shape,) if isinstance(shape, int) else tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """``(x - mean) / sqrt(var + eps) * weight + bias``."""
        return layer_norm(x, self._shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self._shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
