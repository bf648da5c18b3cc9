"""A table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

from chainrule import ops
from chainrule.core.aval import bool_, is_float
from chainrule.core.errors import ConfigError, DataError, DTypeError
from chainrule.nn.module import Module
from chainrule.tensor import Parameter, Tensor

__all__ = ["Embedding"]


def embedding(input: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of ``weight`` that ``input`` names; no gradient passes to row ``padding_idx`` (see ``Embedding``)."""
    indexes = input if isinstance(input, Tensor) else Tensor(input)
    count = weight.shape[0]
    if is_float(indexes.dtype) or indexes.dtype is bool_:
        raise DTypeError(
            "an embedding", f"an input of {indexes.dtype}", "whole numbers: the rows to look up", "cast it: x.long()"
        )
    values = indexes.node.value
    # NumPy would take negative numbers from the end, where a wrong index would pass unseen.
    if values is not None and values.size and not 0 <= values.min() <= values.max() < count:
        raise DataError(
            f"an embedding of {count} rows", f"indexes from {values.min()} to {values.max()}",
            f"indexes from 0 to {count - 1}", "raise num_embeddings, or map unknown entries to a row of their own",
        )  # fmt: skip
    rows = weight[indexes]
    if padding_idx is None:
        return rows
    padding = (indexes == padding_idx % count).reshape((*indexes.shape, 1))
    return ops.where(padding, rows.detach(), rows)


class Embedding(Module):
    """A learned vector for each of ``num_embeddings`` whole numbers: ``y = W[x]``.

    Weights: ``weight`` (num_embeddings, embedding_dim), standard normal at the start; row ``padding_idx`` starts as
    zeros and gets no gradient.

    Input (...) whole numbers from 0 to num_embeddings - 1; output (..., embedding_dim). Gradient: each row gets the
    sum of the gradients of the places where it was looked up.

    >>> layer = Embedding(10, 3, padding_idx=0)
    >>> layer(Tensor([[1, 2], [4, 0]])).shape, layer(Tensor([0])).tolist()
    ((2, 2, 3), [[0.0, 0.0, 0.0]])

    Raises:
        DTypeError: an input that is not whole numbers.
        DataError: a number that the table does not have.
    """

    weight: Parameter

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, dtype: Any = None
    ) -> None:
        super().__init__()
        if min(num_embeddings, embedding_dim) < 1:
            raise ConfigError(
                "nn.Embedding", f"num_embeddings={num_embeddings}, embedding_dim={embedding_dim}", "at least 1 each",
                "num_embeddings is the number of different entries, such as words",
            )  # fmt: skip
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ConfigError(
                "nn.Embedding", f"padding_idx={padding_idx}", f"a row of the table: 0 to {num_embeddings - 1}",
                "choose the number that stands for padding in your data",
            )  # fmt: skip
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        table = ops.normal((num_embeddings, embedding_dim), dtype=dtype)
        if padding_idx is not None:
            table[padding_idx] = 0.0
        self.weight = Parameter(table)

    def forward(self, x: Any) -> Tensor:
        """``W[x]``."""
        return embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
