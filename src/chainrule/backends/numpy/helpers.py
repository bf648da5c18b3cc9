"""Functions that NumPy does not have, copied into a listing that needs them.

They stand here as they are to be read there: over NumPy alone, each with what it calls above it, and without types.
Each gives the same bits as the op that it stands for.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

__all__ = ["HELPERS", "helper_texts"]


def erf(x):
    """The error function, by Cody's rational approximations (1969)."""
    wide = np.asarray(x, np.float64)
    size = np.minimum(np.abs(wide), 6)  # from 6 on it is 1 to every digit
    inner = np.minimum(size * size, 0.25)
    p = [1.85777706184603153e-1, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947]
    q = [1, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062]
    small = wide * np.polyval(p, inner) / np.polyval(q, inner)
    p = [
        2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131,
        881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725,
    ]  # fmt: skip
    q = [
        1, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019, 3290.79923573345963,
        4362.61909014324716, 3439.36767414372164, 1230.33935480374942,
    ]  # fmt: skip
    large = 1 - np.exp(-size * size) * np.polyval(p, size) / np.polyval(q, size)
    return np.where(size <= 0.5, small, np.copysign(large, wide)).astype(x.dtype)


def logsumexp(x, axes, keepdims=False):
    """log(sum(exp(x))): the largest is taken out first, so that exp cannot overflow."""
    top = x.max(axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.exp(x - top).sum(axis=axes, keepdims=True)) + top
    return total if keepdims else total.squeeze(axes)


def random_bits(key, counter, count):
    """Random 32-bit words by Philox4x32-10 (Salmon et al., 2011): a pure function of two 64-bit integers."""
    key, counter = int(key) & 0xFFFFFFFFFFFFFFFF, int(counter) & 0xFFFFFFFFFFFFFFFF
    low, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    position = np.uint64(counter) + np.arange(-(-count // 4), dtype=np.uint64)
    a, b = position & low, position >> shift
    c = d = np.zeros_like(position)
    for turn in range(10):
        key0 = np.uint64((key + turn * 0x9E3779B9) & 0xFFFFFFFF)
        key1 = np.uint64(((key >> 32) + turn * 0xBB67AE85) & 0xFFFFFFFF)
        left, right = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b, c, d = (right >> shift) ^ b ^ key0, right & low, (left >> shift) ^ d ^ key1, left & low
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
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count].reshape(shape)


def permutation(key, counter, n):
    """A random order of 0 .. n-1: the order of n random 64-bit words."""
    pairs = random_bits(key, counter, 2 * n).reshape(-1, 2).astype(np.uint64)
    return np.argsort((pairs[:, 0] << np.uint64(32)) | pairs[:, 1], kind="stable")


#: By name, callees before their callers.
HELPERS = {f.__name__: f for f in (erf, logsumexp, random_bits, uniform, normal, permutation)}


def helper_texts(used: set[str]) -> list[str]:
    """The text of the helpers named, and of those that they call."""
    import inspect

    wanted = set(used)
    for name in reversed(HELPERS):
        if name in wanted:
            wanted |= HELPERS.keys() & set(HELPERS[name].__code__.co_names)
    return [inspect.getsource(function).rstrip() for name, function in HELPERS.items() if name in wanted]
