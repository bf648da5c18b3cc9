"""Functions that NumPy does not have, copied into a listing that needs them.

They stand here as they are to be read there: over NumPy alone, each with what it calls above it, and without types.
Each gives the same bits as the op that it stands for.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

__all__ = ["HELPERS", "helper_texts"]


# fmt: off
def erf(x):
    """The error function, by Cody's rational approximations (1969)."""
    wide = np.asarray(x, np.float64)
    size = np.minimum(np.abs(wide), 6)  # from 6 on it is 1 to every digit
    square = np.minimum(size * size, 0.25)
    p = [
        1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
        3.77485237685302021e2, 3.20937758913846947e3,
    ]
    q = [
        1, 2.36012909523441209e1, 2.44024637934444173e2,
        1.28261652607737228e3, 2.84423683343917062e3,
    ]
    small = wide * np.polyval(p, square) / np.polyval(q, square)
    p = [
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
        6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
        1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
    ]
    q = [
        1, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
        1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
        3.43936767414372164e3, 1.23033935480374942e3,
    ]
    large = 1 - np.exp(-size * size) * np.polyval(p, size) / np.polyval(q, size)
    return np.where(size <= 0.5, small, np.copysign(large, wide)).astype(x.dtype)


def softplus(x):
    """log(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def logsumexp(x, axes, keepdims=False):
    """log(sum(exp(x))): the largest is taken out first, so that exp cannot overflow."""
    top = x.max(axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.exp(x - top).sum(axis=axes, keepdims=True)) + top
    return total if keepdims else total.squeeze(axes)


def random_bits(key, counter, count):
    """Random 32-bit words by Philox4x32-10 (Salmon et al., 2011)."""
    key, counter = int(key) % 2**64, int(counter) % 2**64
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    position = np.uint64(counter) + np.arange(-(-count // 4), dtype=np.uint64)
    a, b = position & low, position >> shift
    c = d = np.zeros_like(position)
    for turn in range(10):
        key0 = np.uint64((key + turn * 0x9E3779B9) & 0xFFFFFFFF)
        key1 = np.uint64(((key >> 32) + turn * 0xBB67AE85) & 0xFFFFFFFF)
        left, right = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b = (right >> shift) ^ b ^ key0, right & low
        c, d = (left >> shift) ^ d ^ key1, left & low
    return np.stack([a, b, c, d], axis=1).astype(np.uint32).reshape(-1)[:count]


def uniform(key, counter, shape, dtype):
    """Random numbers in [0, 1): 24 random bits for float32, 53 for float64."""
    count = int(np.prod(shape))
    if dtype is np.float32:
        bits = random_bits(key, counter, count) >> np.uint32(8)
        return (bits.astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
    pairs = random_bits(key, counter, 2 * count).reshape(-1, 2).astype(np.uint64)
    bits = (pairs[:, 0] << np.uint64(21)) ^ (pairs[:, 1] >> np.uint64(11))
    return (bits.astype(np.float64) * 2.0**-53).reshape(shape)


def normal(key, counter, shape, dtype):
    """Standard normal random numbers, by the Box-Muller transform."""
    count = int(np.prod(shape))
    u = uniform(key, counter, (-(-count // 2), 2), dtype)
    radius = np.sqrt(-2 * np.log1p(-u[:, 0]))
    angle = dtype(2 * np.pi) * u[:, 1]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return pairs.reshape(-1)[:count].reshape(shape)


def permutation(key, counter, n):
    """A random order of 0 .. n-1: the order of n random numbers."""
    return np.argsort(uniform(key, counter, (n,), np.float64), kind="stable")


# fmt: on

#: By name, callees before their callers.
HELPERS = {f.__name__: f for f in (erf, softplus, logsumexp, random_bits, uniform, normal, permutation)}


def helper_texts(used: set[str]) -> list[str]:
    """The text of the helpers named, and of those that they call."""
    import inspect

    wanted = set(used)
    for name in reversed(HELPERS):
        if name in wanted:
            wanted |= HELPERS.keys() & set(HELPERS[name].__code__.co_names)
    return [inspect.getsource(function).rstrip() for name, function in HELPERS.items() if name in wanted]
