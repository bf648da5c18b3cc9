"""Layers and losses as functions of their inputs and weights, named as in ``torch.nn.functional``.

>>> import chainrule as cr
>>> import chainrule.nn.functional as F
>>> F.relu(cr.tensor([-1.0, 2.0])), F.one_hot(cr.tensor([1]), 3)
(tensor([0., 2.]), tensor([[0, 1, 0]]))
"""

from __future__ import annotations

from chainrule import ops
from chainrule.nn.activation import axis_of, prelu, softplus
from chainrule.nn.dropout import dropout
from chainrule.nn.embedding import embedding
from chainrule.nn.loss_functions import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)  # fmt: skip
from chainrule.nn.norm import batch_norm, layer_norm
from chainrule.ops import elu, gelu, leaky_relu, one_hot, relu, selu, sigmoid, silu, tanh
from chainrule.tensor import Tensor

__all__ = [
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "dropout", "elu",
    "embedding", "gelu", "huber_loss", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax",
    "mse_loss", "nll_loss", "one_hot", "prelu", "relu", "selu", "sigmoid", "silu", "smooth_l1_loss", "softmax",
    "softplus", "tanh",
]  # fmt: skip


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x W^T + b``: input (..., in), weight (out, in), bias (out,) or None; output (..., out).

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[2.0, 3.0]]), Tensor([1.0]))
    tensor([[9.]])
    """
    out = ops.matmul(input, weight, transpose_b=True)
    return out if bias is None else out + bias


def softmax(input: Tensor, dim: int | None = None) -> Tensor:
    """``e^x / sum e^x`` along ``dim``, which may be left out for a vector or a batch of vectors.

    >>> softmax(Tensor([[0.0, 0.0]]), dim=1)
    tensor([[0.5, 0.5]])
    """
    return ops.softmax(input, axis_of("softmax", input, dim))


def log_softmax(input: Tensor, dim: int | None = None) -> Tensor:
    """``x - log sum e^x`` along ``dim``, which may be left out for a vector or a batch of vectors.

    >>> log_softmax(Tensor([[0.0, 0.0]]), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
    return ops.log_softmax(input, axis_of("log_softmax", input, dim))
