"""Random numbers as pure functions of an explicit key and counter (Philox: see ``core.philox``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.core import philox
from chainrule.core.apply import apply
from chainrule.core.aval import Aval, canonical_dtype, int64
from chainrule.core.errors import ConfigError, DTypeError
from chainrule.core.modes import get_default_dtype, local
from chainrule.core.op import Op, Sample, register
from chainrule.tensor import Tensor


@dataclass(frozen=True, eq=False)
class _Draw(Op):
    """Numbers from ``key`` and ``counter``, two int64 scalars."""

    family, differentiable, promotion = "random", False, "none"
    kind: ClassVar[str]

    def words(self) -> int:
        """How many 32-bit random words one draw takes."""
        raise NotImplementedError

    def check(self, avals: tuple[Aval, ...]) -> None:
        """Key and counter are int64 scalars."""
        for aval in avals:
            if aval.shape != () or aval.dtype is not int64:
                raise DTypeError(f"{self.name}(key, counter)", f"{aval!r}", "two int64 scalars", "pass a Generator")


@dataclass(frozen=True, eq=False)
class _DrawFloats(_Draw):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def infer(self, *avals: Aval) -> Aval:
        """The shape and dtype asked for."""
        self.check(avals)
        return Aval.of(self.shape, self.dtype)

    def words(self) -> int:
        """By kind and dtype."""
        return philox.words_for(self.kind, self.shape, self.dtype)

    def compute(self, *arrays: Any) -> Any:
        """The stream's numbers from ``counter`` on."""
        key, counter = (int(a) & 0xFFFFFFFFFFFFFFFF for a in arrays)
        return getattr(philox, self.kind)(key, counter, self.shape, self.dtype)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Both dtypes; a matrix, a scalar, nothing."""
        for shape, dtype in [((2, 3), "float64"), ((5,), "float32"), ((), "float64"), ((0, 3), "float32")]:
            yield Sample(cls.of(shape, np.dtype(dtype)), (np.asarray(7), np.asarray(3)))


@register
class Uniform(_DrawFloats):
    """Uniform in [0, 1)."""

    name, kind = "uniform", "uniform"


@register
class Normal(_DrawFloats):
    """Normal with mean 0 and standard deviation 1 (Box-Muller)."""

    name, kind = "normal", "normal"


@register
@dataclass(frozen=True, eq=False)
class Permutation(_Draw):
    """A random order of 0 .. n-1."""

    name, kind = "permutation", "permutation"
    n: int

    def infer(self, *avals: Aval) -> Aval:
        """n whole numbers."""
        self.check(avals)
        return Aval.of((self.n,), int64)

    def words(self) -> int:
        """Two a number."""
        return philox.words_for(self.kind, (self.n,), int64)

    def compute(self, *arrays: Any) -> Any:
        """The stable order of n random numbers."""
        key, counter = (int(a) & 0xFFFFFFFFFFFFFFFF for a in arrays)
        return philox.permutation(key, counter, self.n)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Some, one, none."""
        for n in (5, 1, 0):
            yield Sample(cls.of(n), (np.asarray(7), np.asarray(3)))


def _signed(word: int) -> np.ndarray[Any, Any]:
    """A 64-bit word as the int64 with the same bits."""
    return np.asarray(word, np.uint64).astype(int64)


def _draw(op: _Draw, generator: Any) -> Tensor:
    """Take this draw's part of the generator's stream."""
    source = philox.default_generator() if generator is None else generator
    if not isinstance(source, philox.Generator):
        raise ConfigError(op.name, f"generator={generator!r}", "a cr.Generator or None", "pass cr.Generator(seed)")
    if local.mode.tracer is not None:
        return apply(op, *local.mode.tracer.draw(source, op.words()))
    key, counter = source.reserve(op.words())
    return apply(op, Tensor._wrap(_signed(key)), Tensor._wrap(_signed(counter)))


def _shape(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)


def uniform(shape: Any = (), low: Any = 0.0, high: Any = 1.0, dtype: Any = None, generator: Any = None) -> Tensor:
    """Uniform numbers in [low, high).

    >>> from chainrule.core.philox import Generator
    >>> uniform(3, generator=Generator(1)).shape
    (3,)
    """
    dtype = get_default_dtype() if dtype is None else canonical_dtype(dtype)
    out = _draw(Uniform.of(_shape(shape), dtype), generator)
    return out if low == 0 and high == 1 else out * (high - low) + low


def normal(shape: Any = (), mean: Any = 0.0, std: Any = 1.0, dtype: Any = None, generator: Any = None) -> Tensor:
    """Normal numbers with the given mean and standard deviation.

    >>> from chainrule.core.philox import Generator
    >>> x = normal(10000, 5.0, 2.0, generator=Generator(1))
    >>> round(x.mean().item(), 1), round(x.std().item(), 1)
    (5.0, 2.0)
    """
    dtype = get_default_dtype() if dtype is None else canonical_dtype(dtype)
    out = _draw(Normal.of(_shape(shape), dtype), generator)
    return out if mean == 0 and std == 1 else out * std + mean


def bernoulli(probability: Any, shape: Any = None, generator: Any = None) -> Tensor:
    """True with the given probability: a number with ``shape``, or a tensor of probabilities.

    >>> from chainrule.core.philox import Generator
    >>> round(bernoulli(0.3, 10000, Generator(1)).float().mean().item(), 1)
    0.3
    """
    if isinstance(probability, (int, float)) and not 0 <= probability <= 1:
        raise ConfigError("bernoulli(probability)", f"{probability}", "a number from 0 to 1", "check the probability")
    if shape is None:
        shape = getattr(probability, "shape", ())
    dtype = probability.dtype if isinstance(probability, Tensor) else None
    return uniform(shape, dtype=dtype, generator=generator) < probability


def permutation(n: int, generator: Any = None) -> Tensor:
    """A random order of 0 .. n-1.

    >>> from chainrule.core.philox import Generator
    >>> sorted(permutation(4, Generator(1)).tolist())
    [0, 1, 2, 3]
    """
    return _draw(Permutation.of(int(n)), generator)


def randint(low: int, high: int, shape: Any = (), generator: Any = None) -> Tensor:
    """Whole numbers in [low, high).

    >>> from chainrule.core.philox import Generator
    >>> bool(((randint(2, 5, 100, Generator(1)) >= 2) & (randint(2, 5, 100, Generator(1)) < 5)).all())
    True
    """
    if high <= low:
        raise ConfigError("randint(low, high)", f"low={low}, high={high}", "low < high", "swap them")
    spread = uniform(shape, 0.0, 1.0, np.float64, generator) * float(high - low)
    return spread.astype(np.int64) + low


def rand(*shape: Any, dtype: Any = None, generator: Any = None) -> Tensor:
    """Uniform numbers in [0, 1), with the lengths as arguments as in PyTorch.

    >>> rand(2, 3).shape
    (2, 3)
    """
    return uniform(shape[0] if len(shape) == 1 else shape, dtype=dtype, generator=generator)


def randn(*shape: Any, dtype: Any = None, generator: Any = None) -> Tensor:
    """Standard normal numbers, with the lengths as arguments as in PyTorch.

    >>> randn(2, 3).shape
    (2, 3)
    """
    return normal(shape[0] if len(shape) == 1 else shape, dtype=dtype, generator=generator)
