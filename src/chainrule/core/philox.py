"""Philox4x32-10, a counter-based random number generator: the numbers are a pure function of (key, counter).

The whole state is two integers, so it can be an input and an output of a traced program, stand in a checkpoint,
and give the same bits in NumPy and in native code, on any number of threads.

Source: J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011 (constants and rounds).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import GradientError
from chainrule.core.modes import local

__all__ = ["Generator", "default_generator", "manual_seed", "philox4x32", "random_bits"]

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = 0x9E3779B9
_WEYL_1 = 0xBB67AE85
_MASK_32 = 0xFFFFFFFF
_ROUNDS = 10
#: Counters at a time: what is computed with them stays in a core's cache.
_AT_ONCE = 1 << 15

Array = npt.NDArray[Any]


def philox4x32(counter: Array, key: tuple[int, int]) -> Array:
    """Ten Philox rounds on each row of ``counter`` (n, 4) of 32-bit words; returns (n, 4) uint32.

    The first known answer of the authors' own test vectors:

    >>> [hex(word) for word in philox4x32(np.zeros((1, 4), np.uint32), (0, 0))[0].tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    words = np.empty(counter.shape, np.uint32)
    _encrypt([counter[:, i].astype(np.uint64) for i in range(4)], key, words)
    return words


def _encrypt(counter: list[Array], key: tuple[int, int], words: Array) -> None:
    """The same for counters word by word, as 64-bit numbers, which are changed; into ``words``."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    low, shift = np.uint64(_MASK_32), np.uint64(32)
    product_0, product_1 = np.empty_like(c0), np.empty_like(c0)
    for _ in range(_ROUNDS):
        # In place: with many counters, new arrays would take as long as the arithmetic.
        np.multiply(_MULTIPLIER_0, c0, out=product_0)
        np.multiply(_MULTIPLIER_1, c2, out=product_1)
        np.right_shift(product_1, shift, out=c0)
        c0 ^= c1
        c0 ^= np.uint64(k0)
        np.right_shift(product_0, shift, out=c2)
        c2 ^= c3
        c2 ^= np.uint64(k1)
        np.bitwise_and(product_1, low, out=c1)
        np.bitwise_and(product_0, low, out=c3)
        k0, k1 = (k0 + _WEYL_0) & _MASK_32, (k1 + _WEYL_1) & _MASK_32
    for i, word in enumerate(counter):
        words[:, i] = word


def random_bits(key: int, counter: int, count: int) -> npt.NDArray[np.uint32]:
    """``count`` random 32-bit words from 64-bit ``key``, starting at 64-bit ``counter`` (one step a block of four).

    >>> random_bits(0, 0, 6)[:4].tolist() == philox4x32(np.zeros((1, 4), np.uint32), (0, 0))[0].tolist()
    True
    """
    blocks = -(-count // 4)
    bits = np.empty((blocks, 4), np.uint32)
    for first in range(0, blocks, _AT_ONCE):
        part = bits[first : first + _AT_ONCE]
        position = np.uint64(counter) + np.arange(first, first + len(part), dtype=np.uint64)
        zeros = np.zeros((2, len(part)), np.uint64)
        _encrypt([position & np.uint64(_MASK_32), position >> np.uint64(32), *zeros], (key & _MASK_32, key >> 32), part)
    return bits.reshape(-1)[:count]


def uniform(key: int, counter: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Uniform numbers in [0, 1): 24 random bits for float32, 53 for float64."""
    count = math.prod(shape)
    if np.dtype(dtype) == np.float32:
        bits = random_bits(key, counter, count)
        return ((bits >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
    return _unit(random_bits(key, counter, 2 * count).reshape(-1, 2)).reshape(shape)


def _unit(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """A float64 in [0, 1) from each pair of words, of the second its first 21 bits."""
    pairs = words.astype(np.uint64)
    wide = (pairs[:, 0] << np.uint64(21)) ^ (pairs[:, 1] >> np.uint64(11))
    return wide.astype(np.float64) * 2.0**-53


def normal(key: int, counter: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Standard normal numbers by the Box-Muller transform, ``sqrt(-2 log(1 - u)) (cos, sin)(2 pi v)``.

    Source: G. Box and M. Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """
    count = math.prod(shape)
    half = -(-count // 2)
    u = uniform(key, counter, (half, 2), dtype)
    radius = np.sqrt(-2 * np.log1p(-u[:, 0]))
    angle = np.asarray(2 * math.pi, u.dtype) * u[:, 1]
    pairs: Array = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count].reshape(shape)


def permutation(key: int, counter: int, n: int) -> npt.NDArray[np.int64]:
    """A uniformly random order of 0 .. n-1: the stable order of n random float64 numbers.

    NumPy sorts numbers of 16 bits by counting, four times as fast as any others. Twice that orders by the first 32 bits,
    which settle nearly all.
    """
    words = random_bits(key, counter, 2 * n).reshape(-1, 2)
    first = words[:, 0]
    order: npt.NDArray[np.int64] = np.argsort(first.astype(np.uint16), kind="stable")
    order = order[np.argsort((first >> np.uint32(16)).astype(np.uint16)[order], kind="stable")]
    ranked = first[order]
    equal = ranked[1:] == ranked[:-1]
    if equal.any():
        # Numbers with the same first bits stand side by side, in order of their places; sorted by all bits, they stay there.
        tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
        among = order[tied]
        order[tied] = among[np.argsort(_unit(words[among]), kind="stable")]
    return order


def blocks_used(words: int) -> int:
    """How far a draw of ``words`` 32-bit words moves the counter."""
    return -(-words // 4)


def words_for(kind: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> int:
    """How many 32-bit words a draw of ``kind`` takes: ``uniform``, ``normal`` or ``permutation``."""
    count = math.prod(shape)
    wide = 1 if np.dtype(dtype) == np.float32 else 2
    return {"uniform": count * wide, "normal": 2 * -(-count // 2) * wide, "permutation": 2 * count}[kind]


class Generator:
    """A stream of random numbers whose whole state is ``key`` and ``counter``.

    >>> a, b = Generator(7), Generator(7)
    >>> bool((a.uniform((3,)) == b.uniform((3,))).all())
    True
    >>> state = a.state(); first = a.permutation(5).tolist()
    >>> a.set_state(state); a.permutation(5).tolist() == first
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start the stream that belongs to ``seed`` (any Python integer; 64 bits of it count)."""
        if local.mode.tracer is not None:
            local.mode.tracer.seed(self)
        self.key = int(seed) & 0xFFFFFFFFFFFFFFFF
        self.counter = 0

    def state(self) -> dict[str, int]:
        """Key and counter, as plain integers for a checkpoint."""
        return {"key": self.key, "counter": self.counter}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue from where ``state()`` was taken."""
        if local.mode.tracer is not None:
            local.mode.tracer.seed(self)
        self.key, self.counter = int(state["key"]), int(state["counter"])

    def reserve(self, words: int) -> tuple[int, int]:
        """Take the key and counter for a draw of ``words`` words, and move on past it."""
        tracer = local.mode.tracer
        if tracer is not None and id(self) not in tracer.own_generators:
            raise GradientError(
                "random numbers while a function is traced",
                "numbers drawn once, as plain arrays: every later call would see the same ones",
                "random tensors, which the compiled program draws anew at each call",
                "use cr.rand, cr.randn, cr.ops.bernoulli or cr.ops.permutation",
            )
        start = self.counter
        self.counter += blocks_used(words)
        return self.key, start

    def uniform(self, shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32) -> Array:
        """Uniform in [0, 1)."""
        return uniform(*self.reserve(words_for("uniform", shape, dtype)), shape, dtype)

    def normal(self, shape: tuple[int, ...] = (), dtype: npt.DTypeLike = np.float32) -> Array:
        """Normal with mean 0 and standard deviation 1."""
        return normal(*self.reserve(words_for("normal", shape, dtype)), shape, dtype)

    def bernoulli(self, probability: float, shape: tuple[int, ...] = ()) -> npt.NDArray[np.bool_]:
        """True with the given probability."""
        return self.uniform(shape) < np.float32(probability)

    def integers(self, low: int, high: int, shape: tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
        """Whole numbers in [low, high)."""
        numbers: npt.NDArray[np.int64] = low + np.floor(self.uniform(shape, np.float64) * (high - low)).astype(np.int64)
        return numbers

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """A random order of 0 .. n-1."""
        return permutation(*self.reserve(words_for("permutation", (n,), np.int64)), n)


_default = Generator(0)


def default_generator() -> Generator:
    """The generator used where none is given."""
    return _default


def manual_seed(seed: int) -> Generator:
    """Restart the default generator: the same seed gives the same numbers on any number of threads.

    >>> import chainrule as cr
    >>> _ = cr.manual_seed(3); a = cr.rand(2)
    >>> _ = cr.manual_seed(3); bool((a == cr.rand(2)).all())
    True
    """
    _default.seed(seed)
    return _default
