"""Activations as layers. Each acts element by element on any shape unless it says otherwise.

The constructors take ``inplace`` where PyTorch's do, so that ported programs run; values here never change in place.
"""

from __future__ import annotations

from typing import Any

from chainrule import ops
from chainrule.core.errors import ConfigError, ShapeError
from chainrule.nn.linear import Linear
from chainrule.nn.module import Module
from chainrule.tensor import Parameter, Tensor

__all__ = [
    "ELU", "GELU", "SELU", "Identity", "LeakyReLU", "LogSoftmax", "Maxout", "PReLU", "ReLU", "SiLU", "Sigmoid",
    "Softmax", "Softplus", "Step", "Tanh",
]  # fmt: skip


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """``x`` where x > 0, else ``weight * x``; several weights stand along axis 1 (see ``PReLU``)."""
    count = weight.numel()
    if count > 1:
        if x.ndim < 2 or x.shape[1] != count:
            raise ShapeError(
                f"PReLU(num_parameters={count})", f"an input of shape {x.shape}", f"shape (N, {count}, ...)",
                "set num_parameters to the length of axis 1, or to 1 for one slope for all",
            )  # fmt: skip
        weight = weight.reshape((count,) + (1,) * (x.ndim - 2))
    return ops.where(x > 0, x, x * weight)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + e^(beta x)) / beta``; ``x`` itself where ``beta x > threshold`` (see ``Softplus``)."""
    return ops.where(x * beta > threshold, x, ops.softplus(x, beta))


def axis_of(layer: str, x: Tensor, dim: int | None) -> int:
    """The axis of a softmax: ``dim``, or the last one of a vector or a batch of vectors."""
    if dim is None:
        if x.ndim > 2:
            raise ConfigError(
                layer, f"dim=None for an input of shape {x.shape}", "the axis along which the results sum to 1",
                "pass dim=-1 for the last axis, or dim=1 for classes on axis 1",
            )  # fmt: skip
        return -1
    return dim


class _Activation(Module):
    """An activation without parameters; it prints with the constructor's arguments."""

    _shown: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown)


class Identity(_Activation):
    """The input itself: a place holder. Arguments are accepted and ignored, as in PyTorch.

    >>> Identity()(Tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """``x``."""
        return x


class Step(_Activation):
    """The perceptron's step: 1 where x > 0, else 0. Flat everywhere, so no gradient passes.

    >>> Step()(Tensor([-0.7, 0.0, 0.3]))
    tensor([0., 0., 1.])

    Source: F. Rosenblatt, "The Perceptron", 1958.
    """

    def forward(self, x: Tensor) -> Tensor:
        """1 where x > 0."""
        return ops.step(x)


class Sigmoid(_Activation):
    """``s = 1 / (1 + e^-x)``, from 0 to 1. Gradient: ``s (1 - s)``, at most 1/4.

    >>> Sigmoid()(Tensor([0.0, 8.0]))
    tensor([0.5   , 0.9997])
    """

    def forward(self, x: Tensor) -> Tensor:
        """``1 / (1 + e^-x)``."""
        return ops.sigmoid(x)


class Tanh(_Activation):
    """``t = tanh x``, from -1 to 1. Gradient: ``1 - t^2``.

    >>> Tanh()(Tensor([0.0, 1.0]))
    tensor([0.    , 0.7616])
    """

    def forward(self, x: Tensor) -> Tensor:
        """``tanh x``."""
        return ops.tanh(x)


class ReLU(_Activation):
    """``max(x, 0)``. Gradient: 1 where x > 0, else 0.

    >>> ReLU()(Tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])

    Source: V. Nair and G. Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", 2010.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """``max(x, 0)``."""
        return ops.relu(x)


class LeakyReLU(_Activation):
    """``x`` where x > 0, else ``negative_slope * x``. Gradient: 1, or the slope.

    >>> LeakyReLU(0.1)(Tensor([-1.0, 2.0]))
    tensor([-0.1,  2. ])

    Source: A. Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
    """

    _shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, x: Tensor) -> Tensor:
        """``x`` or ``negative_slope * x``."""
        return ops.leaky_relu(x, self.negative_slope)


class PReLU(_Activation):
    """``x`` where x > 0, else ``weight * x`` with a learned slope.

    Weights: ``weight`` (num_parameters,), all ``init`` at the start: one slope for all, or one for each place on
    axis 1.

    Input any shape for one slope, (N, num_parameters, ...) for several; output the same shape.

    >>> PReLU()(Tensor([-1.0, 2.0])).numpy()
    array([-0.25,  2.  ], dtype=float32)

    Raises:
        ShapeError: axis 1 is not num_parameters long.

    Source: K. He et al., "Delving Deep into Rectifiers", 2015.
    """

    weight: Parameter
    _shown = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: Any = None) -> None:
        super().__init__()
        if num_parameters < 1:
            raise ConfigError("nn.PReLU", f"num_parameters={num_parameters}", "at least 1", "use 1 for one slope")
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(ops.full((num_parameters,), float(init), dtype))

    def forward(self, x: Tensor) -> Tensor:
        """``x`` or ``weight * x``."""
        return prelu(x, self.weight)


class ELU(_Activation):
    """``x`` where x > 0, else ``alpha (e^x - 1)``. Gradient: 1, or ``alpha e^x``.

    >>> ELU()(Tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.    ])

    Source: D.-A. Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", 2015.
    """

    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Tensor) -> Tensor:
        """``x`` or ``alpha (e^x - 1)``."""
        return ops.elu(x, self.alpha)


class SELU(_Activation):
    """ELU scaled so that mean 0 and variance 1 are kept from layer to layer.

    >>> SELU()(Tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])

    Source: G. Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """``scale * elu(x, alpha)``."""
        return ops.selu(x)


class GELU(_Activation):
    """``x Phi(x)`` with the normal distribution's Phi; ``approximate="tanh"`` for its approximation.

    >>> GELU()(Tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])

    Raises:
        ConfigError: ``approximate`` is neither "none" nor "tanh".

    Source: D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016.
    """

    _shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ConfigError("nn.GELU", f"approximate={approximate!r}", "'none' or 'tanh'", "pass one of them")
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """``x Phi(x)``."""
        return ops.gelu(x, self.approximate)


class SiLU(_Activation):
    """``x sigmoid(x)``, also called swish.

    >>> SiLU()(Tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])

    Source: S. Elfwing et al., "Sigmoid-Weighted Linear Units", 2017.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """``x sigmoid(x)``."""
        return ops.silu(x)


class Softplus(_Activation):
    """``log(1 + e^(beta x)) / beta``, a smooth ReLU; ``x`` itself where ``beta x > threshold``, as in PyTorch.

    >>> Softplus()(Tensor([0.0, 2.0]))
    tensor([0.6931, 2.1269])
    """

    _shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        """``log(1 + e^(beta x)) / beta``."""
        return softplus(x, self.beta, self.threshold)


class Maxout(Module):
    """The largest of ``pieces`` weighted sums, for each output: ``max_k (W_k x + b_k)``.

    Weights: those of ``linear``, which maps in_features to out_features * pieces; the pieces of an output are
    neighbours.

    Input (..., in_features); output (..., out_features). Gradient: to the largest piece; equal ones share it.

    >>> layer = Maxout(1, 1, pieces=2)
    >>> layer.linear.weight.data, layer.linear.bias.data = Tensor([[1.0], [-1.0]]), Tensor([0.0, 0.0])
    >>> layer(Tensor([[3.0], [-2.0]])).tolist()  # max(x, -x)
    [[3.0], [2.0]]

    Raises:
        ConfigError: fewer than one piece.
        ShapeError: the last axis of the input is not in_features.

    Source: I. Goodfellow et al., "Maxout Networks", 2013.
    """

    linear: Linear

    def __init__(
        self, in_features: int, out_features: int, pieces: int = 2, bias: bool = True, dtype: Any = None
    ) -> None:
        super().__init__()
        if pieces < 1:
            raise ConfigError("nn.Maxout", f"pieces={pieces}", "at least 1", "2 pieces can make a corner, more a curve")
        self.in_features, self.out_features, self.pieces = in_features, out_features, pieces
        self.linear = Linear(in_features, out_features * pieces, bias, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """``max_k (W_k x + b_k)``."""
        return ops.maxout(self.linear(x), self.pieces)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, pieces={self.pieces}"


class Softmax(_Activation):
    """Probabilities along ``dim``: ``p = e^x / sum e^x``. Gradient: ``p (g - sum(g p))``.

    ``dim`` may be left out for a vector or a batch of vectors.

    >>> Softmax(dim=1)(Tensor([[3.2, 5.1, -1.7]]))
    tensor([[0.13 , 0.869, 0.001]])

    Raises:
        ConfigError: no ``dim`` for more than two axes.
    """

    _shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """``e^x / sum e^x``."""
        return ops.softmax(x, axis_of("Softmax", x, self.dim))


class LogSoftmax(_Activation):
    """``x - log sum e^x`` along ``dim``, computed stably: what ``NLLLoss`` takes.

    ``dim`` may be left out for a vector or a batch of vectors.

    >>> LogSoftmax(dim=-1)(Tensor([0.0, 0.0]))
    tensor([-0.6931, -0.6931])

    Raises:
        ConfigError: no ``dim`` for more than two axes.
    """

    _shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """``x - log sum e^x``."""
        return ops.log_softmax(x, axis_of("LogSoftmax", x, self.dim))
