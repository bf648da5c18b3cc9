"""Initial weights. Each function fills a tensor in place, as in ``torch.nn.init``, and returns it.

It takes a parameter or its ``.data``, and draws from ``generator`` or from the default one.

>>> import chainrule as cr
>>> from chainrule import nn
>>> layer = nn.Linear(100, 50)
>>> weight = nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=cr.Generator(0))
>>> round(layer.weight.std().item(), 2), round(math.sqrt(2 / 100), 2)
(0.14, 0.14)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.core.errors import ConfigError, ShapeError
from chainrule.core.modes import no_grad
from chainrule.core.philox import Generator, default_generator
from chainrule.tensor import Tensor

__all__ = [
    "calculate_gain", "constant_", "he_normal_", "he_uniform_", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "ones_", "orthogonal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2),
    "selu": 3 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much the weights before an activation are scaled up so that the variance of its outputs stays.

    1 for linear and sigmoid, 5/3 for tanh, sqrt(2) for relu, ``sqrt(2 / (1 + slope^2))`` for leaky_relu (``param``
    is its slope, 0.01 by default), 3/4 for selu.

    >>> calculate_gain("leaky_relu", 1.0), calculate_gain("tanh") == 5 / 3
    (1.0, True)
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ConfigError(
            "calculate_gain", f"nonlinearity={nonlinearity!r}", f"one of {', '.join([*_GAINS, 'leaky_relu'])}",
            "use 'linear' for a gain of 1",
        )  # fmt: skip
    return _GAINS[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Inputs and outputs of each unit: (out, in, ...) as in ``Linear``, later axes counted in."""
    if tensor.ndim < 2:
        raise ShapeError(
            "Xavier or He initialisation", f"a tensor of shape {tensor.shape}", "at least 2 axes: (out, in)",
            "initialise biases with nn.init.zeros_",
        )  # fmt: skip
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element is ``val``."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Every element is 0. For biases; with equal weights all units of a layer would stay equal for ever.

    >>> zeros_(Tensor([1.0, 2.0]))
    tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Every element is 1.

    >>> ones_(Tensor([3.0, 2.0]))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with the given mean and standard deviation."""
    with no_grad():
        return tensor.normal_(mean, std, generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in ``+-gain sqrt(6 / (fan_in + fan_out))``: keeps the variance through linear, sigmoid or tanh layers.

    Source: X. Glorot and Y. Bengio, "Understanding the Difficulty of Training Deep Feedforward Neural Networks",
    2010.
    """
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation ``gain sqrt(2 / (fan_in + fan_out))`` (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


def _he_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """``gain / sqrt(fan)``."""
    fans = dict(zip(("fan_in", "fan_out"), _fans(tensor), strict=True))
    if mode not in fans:
        raise ConfigError(
            "He initialisation", f"mode={mode!r}", "'fan_in' or 'fan_out'",
            "fan_in keeps the variance forward, fan_out that of the gradients backward",
        )  # fmt: skip
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fans[mode], 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in ``+-gain sqrt(3 / fan)``: keeps the variance through ReLUs; ``a`` is the slope of a leaky one.

    Source: K. He et al., "Delving Deep into Rectifiers", 2015.
    """
    bound = math.sqrt(3) * _he_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation ``gain / sqrt(fan)``; ``a`` is the slope of a leaky ReLU (He et al., 2015)."""
    return normal_(tensor, 0.0, _he_std(tensor, a, mode, nonlinearity), generator)


he_uniform_ = kaiming_uniform_
he_normal_ = kaiming_normal_


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """``gain`` times a random matrix whose rows (or columns, whichever are fewer) are orthonormal.

    Later axes count as columns. The factor Q of a normal matrix, with signs that make it uniform over all such
    matrices.

    >>> w = orthogonal_(Tensor(np.zeros((2, 3))), generator=Generator(0))
    >>> (w @ w.T).numpy().round(12).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    True

    Source: A. Saxe et al., "Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks",
    2013.
    """
    if tensor.ndim < 2:
        raise ShapeError("orthogonal_", f"a tensor of shape {tensor.shape}", "at least 2 axes", "use normal_")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    drawn = (default_generator() if generator is None else generator).normal((rows, columns), np.float64)
    q, r = np.linalg.qr(drawn if rows >= columns else drawn.T)
    q = q * np.sign(np.diag(r))
    whole: Any = (q if rows >= columns else q.T).reshape(tensor.shape)
    with no_grad():
        return tensor.copy_(Tensor(gain * whole, tensor.dtype))
