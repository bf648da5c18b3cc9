"""Random numbers in native code: the numbers of ``core.philox``, block by block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.compiler.decompose import ELEMENT
from chainrule.compiler.scalars import Scalars
from chainrule.core.aval import float32, float64
from chainrule.core.philox import _MULTIPLIER_0, _MULTIPLIER_1, _ROUNDS, _WEYL_0, _WEYL_1

__all__ = ["draw_block", "philox_words"]

uint32, uint64 = np.dtype("uint32"), np.dtype("uint64")
Value = Any


def philox_words(s: Scalars, key: Value, counter: Value) -> list[Value]:
    """The four 32-bit words of the block at ``counter`` (64 bits), for a 64-bit ``key``.

    >>> from chainrule.compiler.scalars import ArrayScalars
    >>> zero = np.zeros((), np.int64)
    >>> [hex(int(word)) for word in philox_words(ArrayScalars(), zero, zero)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """

    def low(x: Value) -> Value:
        return s.cast(x, uint32)

    def high(x: Value) -> Value:
        return s.cast(s.shr(x, 32), uint32)

    wide_key, wide_counter = s.bitcast(key, uint64), s.bitcast(counter, uint64)
    k0, k1 = low(wide_key), high(wide_key)
    c0, c1 = low(wide_counter), high(wide_counter)
    c2 = c3 = s.const(0, uint32)
    for _ in range(_ROUNDS):
        product_0 = s.mul(s.cast(c0, uint64), s.const(int(_MULTIPLIER_0), uint64))
        product_1 = s.mul(s.cast(c2, uint64), s.const(int(_MULTIPLIER_1), uint64))
        c0, c1, c2, c3 = (
            s.xor(s.xor(high(product_1), c1), k0),
            low(product_1),
            s.xor(s.xor(high(product_0), c3), k1),
            low(product_0),
        )
        k0, k1 = s.add(k0, s.const(_WEYL_0, uint32)), s.add(k1, s.const(_WEYL_1, uint32))
    return [c0, c1, c2, c3]


def draw_block(s: Scalars, kind: str, dtype: Any, key: Value, counter: Value) -> list[Value]:
    """The numbers that come from one block: four of float32, two of float64; ``uniform`` or ``normal``."""
    words = philox_words(s, key, counter)
    if dtype == float32:
        uniform = [s.mul(s.cast(s.shr(w, 8), float32), s.const(2.0**-24, float32)) for w in words]
    else:
        uniform = []
        for first, second in (words[:2], words[2:]):
            wide = s.xor(s.shl(s.cast(first, uint64), 21), s.shr(s.cast(second, uint64), 11))
            uniform.append(s.mul(s.cast(wide, float64), s.const(2.0**-53, float64)))
    if kind == "uniform":
        return uniform
    numbers = []
    for u, v in zip(uniform[::2], uniform[1::2], strict=True):
        radius = s.sqrt(s.mul(s.const(-2, dtype), ELEMENT["log1p"](s, s.neg(u))))
        angle = s.mul(s.const(2 * math.pi, dtype), v)
        numbers += [s.mul(radius, ELEMENT["cos"](s, angle)), s.mul(radius, ELEMENT["sin"](s, angle))]
    return numbers
