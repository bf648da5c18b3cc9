"""Running compiled programs: the table of pointers, one native call for all steps."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.backends.llvm.blas import find_blas
from chainrule.backends.llvm.cache import kernel_key, lookup, store
from chainrule.backends.llvm.engine import compile_objects, has_feature, load_objects, target_name
from chainrule.backends.llvm.module import emit
from chainrule.backends.llvm.parallel import Sharing
from chainrule.backends.llvm.parts import cut, parts_worth
from chainrule.backends.llvm.pool import Team, give_way, one_blas_thread
from chainrule.backends.llvm.split import split_sums
from chainrule.backends.llvm.vectors import Processor
from chainrule.compiler.executable import Executable
from chainrule.compiler.fuse import fuse
from chainrule.compiler.kernel import ProductKernel
from chainrule.compiler.plan import plan
from chainrule.compiler.program import Program
from chainrule.core.config import config
from chainrule.core.errors import ShapeError

__all__ = ["LlvmExecutable"]

Array = np.ndarray[Any, Any]
#: A function whose arguments are passed as they are, without a look at their types.
_AS_GIVEN = ctypes.CFUNCTYPE(None)


class LlvmExecutable(Executable):
    """A program as native code."""

    backend = "llvm"

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        blas = find_blas()
        self.schedule = fuse(program)
        processor = Processor.of(has_feature)
        sharing = Sharing(self.schedule.kernels, processor, blas is not None)
        if sharing.by_quarters:
            split_sums(self.schedule)
        self.plan = plan(self.schedule, sharing.for_threads)
        self.module = emit(self.plan, blas, processor, sharing)
        layout = self.module.layout
        self._function = load_objects(_objects(self.module.text))
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
        self._team = Team(self._function, self._table, layout.first)
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
        table[layout.first] = 0
        # Arguments made once: making C's integers of Python's would add almost a tenth to a prediction of one row.
        arguments = ctypes.c_void_p(_address(table)), ctypes.c_int64(1), ctypes.c_int64(0), ctypes.c_int64(1)
        function: Any = self._function
        native = partial(_AS_GIVEN(ctypes.cast(function, ctypes.c_void_p).value or 0), *arguments)
        status, holding = self._status.data, (kept, table, arena, function)

        def call(x: Array) -> Array:
            entry[...] = x
            native()
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
            self._team.run(steps, config.threads if self.module.parallel else 1)
        if self._status[0]:
            self._refuse()
        return [*results, *lasts]

    def _refuse(self) -> None:
        self._status[0] = 0
        raise ShapeError(
            "t[index] in a compiled function", "an index outside its axis", "indexes within it",
            "check the labels or indexes: they count from 0",
        )  # fmt: skip


def _objects(text: str) -> list[bytes]:
    """The compiled module, in parts: from the disk if it was compiled before."""
    key = kernel_key(text, target_name())
    objects = lookup(key)
    if objects is None:
        objects = compile_objects(cut(text, parts_worth(text)))
        store(key, objects)
    return objects


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
