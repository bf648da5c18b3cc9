"""What update rules remember, made so that one rule serves plain arrays and traced tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tensor import Tensor

__all__ = ["filled", "in_dtype_of", "in_float64", "is_zero", "number"]


def _same_kind(p: Any, array: np.ndarray[Any, Any]) -> Any:
    return Tensor._wrap(array) if isinstance(p, Tensor) else array


def filled(p: Any, value: float = 0.0) -> Any:
    """One number in the shape and dtype of a parameter; an array for an array, a tensor for a tensor.

    >>> filled(Tensor([[1.0, 2.0]]))
    tensor([[0., 0.]])
    """
    return _same_kind(p, np.full(p.shape, value, p.dtype))


def number(p: Any, value: float) -> Any:
    """A float64 number without axes: a count of steps, or a product over them, that float32 would round.

    >>> number(Tensor([1.0]), 0).dtype
    dtype('float64')
    """
    return _same_kind(p, np.asarray(value, np.float64))


def in_float64(value: Any) -> Any:
    """A setting that is to meet a ``number``: a Python number as it is, a traced learning rate in float64.

    >>> in_float64(0.1), in_float64(Tensor(0.5)).dtype
    (0.1, dtype('float64'))
    """
    return value if type(value) in (int, float) else value.astype(np.float64)


def is_zero(value: Any) -> bool:
    """Whether a setting is a Python number that switches something off; one that moves is never 0.

    >>> is_zero(0), is_zero(0.9), is_zero(Tensor(0.0))
    (True, False, False)
    """
    return type(value) in (int, float) and value == 0


def in_dtype_of(p: Any, value: Any) -> Any:
    """A correction computed in float64, ready to meet a parameter; a Python number is weak and stays as it is.

    >>> in_dtype_of(np.ones(2, np.float32), np.float64(0.1) + 0.2)
    np.float32(0.3)
    >>> in_dtype_of(np.ones(2, np.float32), 0.1)
    0.1
    """
    return value if type(value) in (int, float) else value.astype(p.dtype)
