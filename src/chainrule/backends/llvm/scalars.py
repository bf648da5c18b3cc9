"""The scalar instructions as lines of LLVM's language."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.compiler.scalars import Scalars
from chainrule.core.aval import bool_, float32, float64

__all__ = ["TYPES", "LlvmScalars", "Register", "literal"]

uint32, uint64 = np.dtype("uint32"), np.dtype("uint64")

#: The LLVM type of a register.
TYPES = {
    bool_: "i1", np.dtype("uint8"): "i8", np.dtype("int32"): "i32", uint32: "i32", np.dtype("int64"): "i64",
    uint64: "i64", float32: "float", float64: "double",
}  # fmt: skip


class Register:
    """A value in the emitted code."""

    __slots__ = ("dtype", "text")

    def __init__(self, text: str, dtype: np.dtype[Any]) -> None:
        self.text, self.dtype = text, dtype

    def __str__(self) -> str:
        return self.text


def literal(value: Any, dtype: np.dtype[Any]) -> str:
    """A number as LLVM writes it: floats by their bits."""
    if dtype in (float32, float64):
        exact = float(dtype.type(value))
        return "0x" + struct.pack(">d", exact).hex().upper()
    if dtype == bool_:
        return "true" if value else "false"
    number = int(value)
    bits = dtype.itemsize * 8
    number &= (1 << bits) - 1
    return str(number - (1 << bits) if number >> (bits - 1) else number)


class LlvmScalars(Scalars):
    """Each method adds a line through ``emit(text) -> register`` and returns the register.

    With ``contract`` a multiplication and an addition may become one operation with one rounding; nothing else is
    relaxed. The polynomials of ``decompose`` count on each rounding and are emitted without.
    """

    def __init__(self, emit: Callable[[str], str], declare: Callable[[str], None], contract: bool = False) -> None:
        self._emit, self._declare = emit, declare
        self._flags = " contract" if contract else ""

    def _line(self, text: str, dtype: np.dtype[Any]) -> Register:
        return Register(self._emit(text), dtype)

    def const(self, value: Any, dtype: Any) -> Register:
        dtype = np.dtype(dtype)
        return Register(literal(value, dtype), dtype)

    def _binary(self, real: str, whole: str, x: Register, y: Register) -> Register:
        assert x.dtype == y.dtype, f"{real} of {x.dtype} and {y.dtype}"
        name = real + self._flags if x.dtype in (float32, float64) else whole
        return self._line(f"{name} {TYPES[x.dtype]} {x}, {y}", x.dtype)

    def add(self, x: Register, y: Register) -> Register:
        return self._binary("fadd", "add", x, y)

    def sub(self, x: Register, y: Register) -> Register:
        return self._binary("fsub", "sub", x, y)

    def mul(self, x: Register, y: Register) -> Register:
        return self._binary("fmul", "mul", x, y)

    def div(self, x: Register, y: Register) -> Register:
        return self._line(f"fdiv {TYPES[x.dtype]} {x}, {y}", x.dtype)

    def _intrinsic(self, name: str, *operands: Register) -> Register:
        kind = operands[0].dtype
        ending = {float32: "f32", float64: "f64"}.get(kind) or TYPES[kind]
        types = ", ".join(TYPES[o.dtype] for o in operands)
        self._declare(f"declare {TYPES[kind]} @llvm.{name}.{ending}({types})")
        arguments = ", ".join(f"{TYPES[o.dtype]} {o}" for o in operands)
        return self._line(f"call {TYPES[kind]} @llvm.{name}.{ending}({arguments})", kind)

    def fma(self, x: Register, y: Register, z: Register) -> Register:
        return self._intrinsic("fma", x, y, z)

    def neg(self, x: Register) -> Register:
        if x.dtype in (float32, float64):
            return self._line(f"fneg {TYPES[x.dtype]} {x}", x.dtype)
        return self._line(f"sub {TYPES[x.dtype]} 0, {x}", x.dtype)

    def abs(self, x: Register) -> Register:
        if x.dtype in (float32, float64):
            return self._intrinsic("fabs", x)
        if x.dtype.kind in "ub":
            return x
        return self.select(self.lt(x, self.like(x, 0)), self.neg(x), x)

    def sqrt(self, x: Register) -> Register:
        return self._intrinsic("sqrt", x)

    def floor(self, x: Register) -> Register:
        return self._intrinsic("floor", x)

    def rint(self, x: Register) -> Register:
        return self._intrinsic("rint", x)

    def _compare(self, real: str, whole: str, x: Register, y: Register) -> Register:
        assert x.dtype == y.dtype, f"comparison of {x.dtype} and {y.dtype}"
        if x.dtype in (float32, float64):
            return self._line(f"fcmp {real} {TYPES[x.dtype]} {x}, {y}", bool_)
        sign = "" if whole in ("eq", "ne") else "u" if x.dtype.kind in "ub" else "s"
        return self._line(f"icmp {sign}{whole} {TYPES[x.dtype]} {x}, {y}", bool_)

    def eq(self, x: Register, y: Register) -> Register:
        return self._compare("oeq", "eq", x, y)

    def ne(self, x: Register, y: Register) -> Register:
        return self._compare("une", "ne", x, y)

    def lt(self, x: Register, y: Register) -> Register:
        return self._compare("olt", "lt", x, y)

    def le(self, x: Register, y: Register) -> Register:
        return self._compare("ole", "le", x, y)

    def select(self, condition: Register, x: Register, y: Register) -> Register:
        kind = TYPES[x.dtype]
        return self._line(f"select i1 {condition}, {kind} {x}, {kind} {y}", x.dtype)

    def _bits(self, name: str, x: Register, y: Any) -> Register:
        return self._line(f"{name} {TYPES[x.dtype]} {x}, {y}", x.dtype)

    def and_(self, x: Register, y: Register) -> Register:
        return self._bits("and", x, y)

    def or_(self, x: Register, y: Register) -> Register:
        return self._bits("or", x, y)

    def xor(self, x: Register, y: Register) -> Register:
        return self._bits("xor", x, y)

    def not_(self, x: Register) -> Register:
        return self._bits("xor", x, "true" if x.dtype == bool_ else -1)

    def shl(self, x: Register, bits: int) -> Register:
        return self._bits("shl", x, bits)

    def shr(self, x: Register, bits: int) -> Register:
        return self._bits("lshr", x, bits)

    def maximum(self, x: Register, y: Register) -> Register:
        if x.dtype in (float32, float64):
            # One comparison and one test; unordered or greater keeps a NaN in x, the second one a NaN in y.
            larger = self._line(f"fcmp ugt {TYPES[x.dtype]} {x}, {y}", bool_)
            return self.select(self.isnan(y), y, self.select(larger, x, y))
        return self.select(self.gt(x, y), x, y)

    def minimum(self, x: Register, y: Register) -> Register:
        if x.dtype in (float32, float64):
            smaller = self._line(f"fcmp ult {TYPES[x.dtype]} {x}, {y}", bool_)
            return self.select(self.isnan(y), y, self.select(smaller, x, y))
        return self.select(self.lt(x, y), x, y)

    def cast(self, x: Register, dtype: Any) -> Register:
        dtype = np.dtype(dtype)
        if dtype == x.dtype:
            return x
        if dtype == bool_:
            return self.ne(x, self.like(x, 0))
        old, new = TYPES[x.dtype], TYPES[dtype]
        if x.dtype in (float32, float64):
            if dtype in (float32, float64):
                name = "fpext" if dtype.itemsize > x.dtype.itemsize else "fptrunc"
            elif dtype.itemsize == 1:
                # By way of a wider one, as NumPy does: the low bits of what does not fit.
                return self.cast(self.cast(x, np.dtype("int64")), dtype)
            else:
                name = "fptosi" if dtype.kind == "i" else "fptoui"
            if name == "fptosi":
                return self._whole(x, dtype)
        elif dtype in (float32, float64):
            name = "uitofp" if x.dtype.kind in "ub" else "sitofp"
        elif old == new:
            return Register(x.text, dtype)
        elif dtype.itemsize < x.dtype.itemsize:
            name = "trunc"
        else:
            name = "zext" if x.dtype.kind in "ub" else "sext"
        return self._line(f"{name} {old} {x} to {new}", dtype)

    def _whole(self, x: Register, dtype: np.dtype[Any]) -> Register:
        """Out of range, LLVM's instruction has no defined result; freezing makes it some number."""
        cut = self._line(f"fptosi {TYPES[x.dtype]} {x} to {TYPES[dtype]}", dtype)
        return self._line(f"freeze {TYPES[dtype]} {cut}", dtype)

    def bitcast(self, x: Register, dtype: Any) -> Register:
        dtype = np.dtype(dtype)
        if TYPES[x.dtype] == TYPES[dtype]:
            return Register(x.text, dtype)
        return self._line(f"bitcast {TYPES[x.dtype]} {x} to {TYPES[dtype]}", dtype)
