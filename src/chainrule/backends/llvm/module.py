"""A planned schedule as one LLVM module: a function for each kernel, and ``run``, which calls them step after step.

``run(table, end, thread, threads)`` does the steps from the one that the table names to below ``end``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.blas import Blas
from chainrule.backends.llvm.calls import Calls
from chainrule.backends.llvm.memory import Layout, Memory
from chainrule.backends.llvm.parallel import BARRIER, Sharing
from chainrule.backends.llvm.phases import Task, write_phases
from chainrule.backends.llvm.vectors import Processor
from chainrule.backends.llvm.writer import FINAL, THOROUGH, UNROLL, WIDE
from chainrule.compiler.kernel import Nonzeros, ProductKernel, RowsKernel
from chainrule.compiler.plan import Plan

__all__ = ["Module", "emit"]

#: A program whose kernels have no more rounds than this, all together, becomes one function that LLVM can unroll and
#: see through, with its buffers on the stack.
_SMALL_ROUNDS = 2048
_STACK_BYTES = 8192


@dataclass
class Module:
    """The text, and what its caller must know."""

    text: str
    layout: Layout
    #: Whether several threads may call ``run`` together.
    parallel: bool


def emit(plan: Plan, blas: Blas | None, processor: Processor, sharing: Sharing) -> Module:
    """The module of a plan. Large products of matrices are calls of ``blas``, if there is one."""
    kernels = plan.schedule.kernels
    small = sum(map(_rounds, kernels)) <= _SMALL_ROUNDS and not any(isinstance(k, ProductKernel) for k in kernels)
    # Unrolling is what programs of few numbers live on; elsewhere it is a third of the time to compile, for nothing.
    unroll = small or any(isinstance(k, RowsKernel) for k in kernels)
    memory = Memory(plan, small and plan.arena_bytes <= _STACK_BYTES)
    calls = Calls(memory, blas, processor, sharing, small)
    tasks = [task for kernel in kernels for task in calls.tasks(kernel)]
    tasks += [calls.copy(buffer, source, target) for source, target, buffer in plan.copies]
    parallel = any(task.share is not None for task in tasks)
    body, last = _together(tasks, calls, memory) if parallel else (_alone(tasks), "step")
    functions = [
        f"define internal void @{name}{parameters} {attributes} nounwind {WIDE} {{\n{text}\n}}\n"
        for (parameters, text, attributes), name in calls.functions.items()
    ]
    run = [
        f"define void @run(ptr noalias %table, i64 %end, i64 %thread, i64 %threads) {FINAL * (not small)} nounwind {WIDE} {{",
        "entry:",
        f"  %first.at = getelementptr inbounds i64, ptr %table, i64 {memory.layout.first}",
        "  %first = load i64, ptr %first.at",
        *memory.head,
        "  br label %step",
        "step:",
        f"  %s = phi i64 [ %first, %entry ], [ %s.next, %{last} ]",
        *memory.moving,
        *body,
        "  %s.next = add nuw nsw i64 %s, 1",
        "  %s.more = icmp ult i64 %s.next, %end",
        "  br i1 %s.more, label %step, label %done",
        "done:",
        *memory.tail,
        "  ret void",
        "}",
    ]
    text = THOROUGH * small + UNROLL * unroll + "\n".join([*functions, *run, "", *memory.declared, ""])
    return Module(text, memory.layout, parallel)


def _alone(tasks: list[Task]) -> list[str]:
    """All tasks, one after the other."""
    return [line for task in tasks for line in [*task.heading, *task.lines("0", str(task.rounds))]]


def _together(tasks: list[Task], calls: Calls, memory: Memory) -> tuple[list[str], str]:
    """All tasks, shared by threads; and the block in which they end."""
    calls.functions[*BARRIER, f"noinline {FINAL}"] = "wait"
    memory.declare("declare i64 @llvm.umin.i64(i64, i64)")
    words, give_way = (memory.entry(memory.layout.barrier + i) for i in (0, 1))
    return write_phases(tasks, memory.name, memory.head, words, give_way)


def _rounds(kernel: Any) -> int:
    """How often the innermost body runs."""
    if isinstance(kernel, ProductKernel):
        return kernel.rows * kernel.columns * kernel.inner
    if isinstance(kernel, Nonzeros):
        return kernel.rows * kernel.columns
    if isinstance(kernel, RowsKernel):
        return sum(map(_rounds, kernel.loops))
    return math.prod(kernel.dims)
