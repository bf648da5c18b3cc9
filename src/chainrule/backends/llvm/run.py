"""Running compiled programs: the table of pointers, one native call for all steps."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.backends.llvm.blas import find_blas
from chainrule.backends.llvm.cache import kernel_key, lookup, store
from chainrule.backends.llvm.engine import compile_object, has_feature, load_object, target_name
from chainrule.backends.llvm.module import emit
from chainrule.backends.llvm.pool import give_way, one_blas_thread, together
from chainrule.compiler.executable import Executable
from chainrule.compiler.fuse import fuse
from chainrule.compiler.kernel import ProductKernel
from chainrule.compiler.plan import plan
from chainrule.compiler.program import Program
from chainrule.core.config import config
from chainrule.core.errors import ShapeError

__all__ = ["LlvmExecutable"]

Array = np.ndarray[Any, Any]
_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


class LlvmExecutable(Executable):
    """A program as native code."""

    backend = "llvm"

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        blas = find_blas()
        self.schedule = fuse(program, (lambda n, m, k: True) if blas is None else None)
        self.plan = plan(self.schedule)
        self.module = emit(self.plan, blas, has_feature("avx512f"))
        layout = self.module.layout
        self._function = _PROTOTYPE(load_object(_object(self.module.text)))
        self._table = np.zeros(layout.size, np.uint64)
        self._arena = np.empty(self.plan.arena_bytes + 64, np.uint8)
        self._status = np.zeros(1, np.int64)
        self._constants = [np.ascontiguousarray(node.value) for node in self.plan.constants]
        for i, array in enumerate(self._constants):
            self._table[layout.inputs + i] = _address(array)
        self._table[layout.arena] = -(-_address(self._arena) // 64) * 64
        self._table[layout.status] = _address(self._status)
        self._blas = blas if any(isinstance(k, ProductKernel) for k in self.schedule.kernels) else None
        if blas is not None:
            self._table[layout.product(True)], self._table[layout.product(False)] = blas.sgemm, blas.dgemm
        if self.module.parallel:
            self._words = np.zeros(16, np.int64)
            self._table[layout.barrier], self._table[layout.barrier + 1] = _address(self._words), give_way()
        self._pointer = _address(self._table)
        self._first_stream = len(program.inputs) - program.streams

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        program = self.program
        results = [np.empty(n.aval.shape, n.aval.dtype) for n in program.outputs[: program.results]]
        return self._run(arrays, results, 1)

    def scan(self, arrays: Sequence[Array], steps: int) -> list[Array]:
        program = self.program
        results = [np.empty((steps, *n.aval.shape), n.aval.dtype) for n in program.outputs[: program.results]]
        return self._run(arrays, results, steps)

    def bind(self, fixed: Sequence[Array]) -> Callable[[Array], Array]:
        """All but one input stay where they are, so a call copies one array in and one out, and nothing else."""
        program, layout = self.program, self.module.layout
        if program.results != 1 or program.carried or len(fixed) != len(program.inputs) - 1 or self.module.parallel:
            return super().bind(fixed)
        kept = [np.ascontiguousarray(a) for a in fixed]
        given, (result, *_) = program.inputs[-1].aval, program.outputs
        entry, out = np.empty(given.shape, given.dtype), np.empty(result.aval.shape, result.aval.dtype)
        # A table and scratch memory of its own, so that several functions may be bound.
        table, arena = self._table.copy(), np.empty_like(self._arena)
        for i, array in enumerate([*kept, entry]):
            table[i] = _address(array)
        table[layout.inputs + layout.constants] = _address(out)
        table[layout.arena] = -(-_address(arena) // 64) * 64
        pointer, native, status, copy = _address(table), self._function, self._status, np.copyto
        holding = (kept, table, arena)

        def call(x: Array) -> Array:
            copy(entry, x)
            native(pointer, 1, 0, 1)
            if status[0]:
                self._refuse()
            return out.copy()

        call.holding = holding  # type: ignore[attr-defined]
        return call

    def _run(self, arrays: Sequence[Array], results: list[Array], steps: int) -> list[Array]:
        program, layout, table = self.program, self.module.layout, self._table
        given = [np.ascontiguousarray(a) if not a.flags.c_contiguous else a for a in arrays]
        lasts = []
        for j, (home, node) in enumerate(
            zip(program.carried, program.outputs[program.results :], strict=True)
        ):  # fmt: skip
            if home is None:
                lasts.append(np.empty(node.aval.shape, node.aval.dtype))
                table[layout.inputs + layout.constants + layout.results + j] = _address(lasts[-1])
            else:
                # State is changed in place, in a copy: whoever holds the old array keeps the old numbers.
                given[home] = given[home].copy()
                lasts.append(given[home])
        for i, array in enumerate(given):
            table[i] = _address(array)
        for i, array in enumerate(results):
            table[layout.inputs + layout.constants + i] = _address(array)
        with one_blas_thread(self._blas):
            together(self._function, self._pointer, steps, config.threads if self.module.parallel else 1)
        if self._status[0]:
            self._refuse()
        return [*results, *lasts]

    def _refuse(self) -> None:
        self._status[0] = 0
        raise ShapeError(
            "t[index] in a compiled function", "an index outside its axis", "indexes within it",
            "check the labels or indexes: they count from 0",
        )  # fmt: skip


def _object(text: str) -> bytes:
    """The compiled module: from the disk if it was compiled before."""
    key = kernel_key(text, target_name())
    code = lookup(key)
    if code is None:
        code = compile_object(text)
        store(key, code)
    return code


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
