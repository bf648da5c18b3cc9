"""The closed set of scalar instructions: all that a back end has to know of arithmetic.

Elementwise ops, and the functions that ``decompose`` builds of them, are written once over an object with these
methods. Given ``ArrayScalars`` they compute with NumPy, which is how they are tested; given a back end's own object they
emit code. A value has a ``dtype``: an array in the first case, a register in the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ArrayScalars", "Scalars"]

Value = Any

_UNSIGNED: dict[int, np.dtype[Any]] = {4: np.dtype("uint32"), 8: np.dtype("uint64")}


class Scalars:
    """The instructions. Operands of a two-operand instruction have one dtype, and so has the result unless said.

    Dtypes are NumPy's bool, uint8, int32, uint32, int64, uint64, float32 and float64. Floats follow IEEE 754 with
    rounding to nearest; integers wrap around. Comparisons with a NaN are false, but ``ne`` is true.
    """

    def const(self, value: Any, dtype: Any) -> Value:
        """A number of this dtype."""
        raise NotImplementedError

    # ---- arithmetic

    def add(self, x: Value, y: Value) -> Value:
        """``x + y``."""
        raise NotImplementedError

    def sub(self, x: Value, y: Value) -> Value:
        """``x - y``."""
        raise NotImplementedError

    def mul(self, x: Value, y: Value) -> Value:
        """``x * y``."""
        raise NotImplementedError

    def div(self, x: Value, y: Value) -> Value:
        """``x / y``, of floats."""
        raise NotImplementedError

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """``x * y + z`` of floats, rounded once where the machine can."""
        raise NotImplementedError

    def neg(self, x: Value) -> Value:
        """``-x``."""
        raise NotImplementedError

    def abs(self, x: Value) -> Value:
        """``|x|``."""
        raise NotImplementedError

    def sqrt(self, x: Value) -> Value:
        """Square root of a float."""
        raise NotImplementedError

    def floor(self, x: Value) -> Value:
        """The largest whole number not above a float, as a float."""
        raise NotImplementedError

    def rint(self, x: Value) -> Value:
        """The nearest whole number as a float, ties to even."""
        raise NotImplementedError

    # ---- comparison and choice: the condition is a bool

    def eq(self, x: Value, y: Value) -> Value:
        """``x == y``, a bool."""
        raise NotImplementedError

    def ne(self, x: Value, y: Value) -> Value:
        """``x != y``, a bool; true where one is NaN."""
        raise NotImplementedError

    def lt(self, x: Value, y: Value) -> Value:
        """``x < y``, a bool."""
        raise NotImplementedError

    def le(self, x: Value, y: Value) -> Value:
        """``x <= y``, a bool."""
        raise NotImplementedError

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """``x`` where the condition holds, else ``y``."""
        raise NotImplementedError

    # ---- bits of bools and integers

    def and_(self, x: Value, y: Value) -> Value:
        """Bitwise and."""
        raise NotImplementedError

    def or_(self, x: Value, y: Value) -> Value:
        """Bitwise or."""
        raise NotImplementedError

    def xor(self, x: Value, y: Value) -> Value:
        """Bitwise exclusive or."""
        raise NotImplementedError

    def not_(self, x: Value) -> Value:
        """Bitwise not."""
        raise NotImplementedError

    def shl(self, x: Value, bits: int) -> Value:
        """Shift left by a fixed number of bits."""
        raise NotImplementedError

    def shr(self, x: Value, bits: int) -> Value:
        """Shift right by a fixed number of bits, zeros (not the sign) coming in."""
        raise NotImplementedError

    # ---- change of dtype

    def cast(self, x: Value, dtype: Any) -> Value:
        """The number in another dtype; floats are cut toward zero for integers (out of range: any number)."""
        raise NotImplementedError

    def bitcast(self, x: Value, dtype: Any) -> Value:
        """The same bits read as another dtype of the same size."""
        raise NotImplementedError

    # ---- what follows from the above

    def gt(self, x: Value, y: Value) -> Value:
        """``x > y``, a bool."""
        return self.lt(y, x)

    def ge(self, x: Value, y: Value) -> Value:
        """``x >= y``, a bool."""
        return self.le(y, x)

    def like(self, x: Value, number: Any) -> Value:
        """A number in the dtype of ``x``."""
        return self.const(number, x.dtype)

    def isnan(self, x: Value) -> Value:
        """Whether a float is NaN."""
        return self.ne(x, x)

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger; a NaN wins."""
        return self.select(self.or_(self.gt(x, y), self.isnan(x)), x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller; a NaN wins."""
        return self.select(self.or_(self.lt(x, y), self.isnan(x)), x, y)

    def polynomial(self, x: Value, coefficients: Any) -> Value:
        """``c0 + c1 x + c2 x^2 + ...`` by Horner's rule."""
        *rest, last = coefficients
        total = self.like(x, last)
        for c in reversed(rest):
            total = self.fma(total, x, self.like(x, c))
        return total


class ArrayScalars(Scalars):
    """The instructions as NumPy computes them on arrays; ``fma`` rounds twice.

    >>> s = ArrayScalars()
    >>> s.polynomial(np.array([2.0]), [1, 10, 100]).tolist()
    [421.0]
    """

    def const(self, value: Any, dtype: Any) -> Value:
        return np.asarray(value, dtype)

    def add(self, x: Value, y: Value) -> Value:
        return np.add(x, y)

    def sub(self, x: Value, y: Value) -> Value:
        return np.subtract(x, y)

    def mul(self, x: Value, y: Value) -> Value:
        return np.multiply(x, y)

    def div(self, x: Value, y: Value) -> Value:
        with np.errstate(all="ignore"):
            return np.divide(x, y)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        with np.errstate(all="ignore"):
            return x * y + z

    def neg(self, x: Value) -> Value:
        return np.negative(x)

    def abs(self, x: Value) -> Value:
        return np.absolute(x)

    def sqrt(self, x: Value) -> Value:
        with np.errstate(all="ignore"):
            return np.sqrt(x)

    def floor(self, x: Value) -> Value:
        return np.floor(x)

    def rint(self, x: Value) -> Value:
        return np.rint(x)

    def eq(self, x: Value, y: Value) -> Value:
        return np.equal(x, y)

    def ne(self, x: Value, y: Value) -> Value:
        return np.not_equal(x, y)

    def lt(self, x: Value, y: Value) -> Value:
        return np.less(x, y)

    def le(self, x: Value, y: Value) -> Value:
        return np.less_equal(x, y)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return np.where(condition, x, y)

    def and_(self, x: Value, y: Value) -> Value:
        return np.bitwise_and(x, y)

    def or_(self, x: Value, y: Value) -> Value:
        return np.bitwise_or(x, y)

    def xor(self, x: Value, y: Value) -> Value:
        return np.bitwise_xor(x, y)

    def not_(self, x: Value) -> Value:
        return np.invert(x)

    def shl(self, x: Value, bits: int) -> Value:
        return np.left_shift(x, x.dtype.type(bits))

    def shr(self, x: Value, bits: int) -> Value:
        unsigned = _UNSIGNED[x.dtype.itemsize]
        return np.right_shift(x.view(unsigned), unsigned.type(bits)).view(x.dtype)

    def cast(self, x: Value, dtype: Any) -> Value:
        with np.errstate(all="ignore"):
            return np.asarray(x).astype(dtype)

    def bitcast(self, x: Value, dtype: Any) -> Value:
        return np.asarray(x).view(dtype)
