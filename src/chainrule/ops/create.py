"""Tensors from nothing: constants and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.aval import canonical_dtype
from chainrule.core.modes import get_default_dtype
from chainrule.tensor import Tensor


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    return tuple(int(n) for n in shape)


def _dtype(dtype: Any) -> Any:
    return get_default_dtype() if dtype is None else canonical_dtype(dtype)


def _made(array: Any, requires_grad: bool) -> Tensor:
    tensor = Tensor.__new__(Tensor)
    tensor._set_leaf(array, requires_grad)
    return tensor


def zeros(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros; the shape as lengths or as one tuple.

    >>> zeros(2, 3).shape, zeros((2, 3)).shape
    ((2, 3), (2, 3))
    """
    return _made(np.zeros(_shape(shape), _dtype(dtype)), requires_grad)


def ones(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones.

    >>> ones(2)
    tensor([1., 1.])
    """
    return _made(np.ones(_shape(shape), _dtype(dtype)), requires_grad)


def full(shape: Any, value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The same number everywhere.

    >>> full((2,), 7.0)
    tensor([7., 7.])
    """
    if dtype is None and not isinstance(value, float):
        dtype = np.asarray(value).dtype
    return _made(np.full(shape, value, _dtype(dtype)), requires_grad)


def zeros_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Zeros in the shape and dtype of ``x``.

    >>> zeros_like(ones(2))
    tensor([0., 0.])
    """
    return _made(np.zeros(x.shape, x.dtype if dtype is None else canonical_dtype(dtype)), False)


def ones_like(x: Tensor, dtype: Any = None) -> Tensor:
    """Ones in the shape and dtype of ``x``.

    >>> ones_like(zeros(2))
    tensor([1., 1.])
    """
    return _made(np.ones(x.shape, x.dtype if dtype is None else canonical_dtype(dtype)), False)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Tensor:
    """Numbers from ``start`` up to, not including, ``stop``; ``arange(n)`` counts from 0.

    >>> arange(3), arange(0.0, 1.0, 0.5)
    (tensor([0, 1, 2]), tensor([0. , 0.5]))
    """
    if stop is None:
        start, stop = 0, start
    if dtype is None and not any(isinstance(v, float) for v in (start, stop, step)):
        dtype = np.int64
    return _made(np.arange(start, stop, step).astype(_dtype(dtype)), False)


def linspace(start: float, stop: float, count: int, dtype: Any = None) -> Tensor:
    """``count`` numbers evenly spread from ``start`` to ``stop``, both included.

    >>> linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    return _made(np.linspace(start, stop, count).astype(_dtype(dtype)), False)


def eye(n: int, dtype: Any = None) -> Tensor:
    """The identity matrix.

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _made(np.eye(n, dtype=_dtype(dtype)), False)


def from_numpy(array: Any) -> Tensor:
    """A tensor around an array, without a copy when its element type is supported: do not change the array afterwards.

    >>> from_numpy(np.array([1.0, 2.0])).dtype
    dtype('float64')
    """
    return Tensor._wrap(np.asarray(array, canonical_dtype(np.asarray(array).dtype)))
