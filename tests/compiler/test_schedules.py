"""What native code is made from: the kernels of well-known steps, and where their buffers stand in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import STEPS, traced_step

import chainrule as cr
from chainrule.compiler.fuse import fuse
from chainrule.compiler.passes import run_passes
from chainrule.compiler.plan import Plan, plan

#: Rows of a batch as people train them; kernels are chosen by size.
ROWS = {"xor": 4, "iris": 30, "mnist": 100, "mnist_adam": 100}


def plan_of(name: str) -> Plan:
    """The plan of one of the steps."""
    cr.manual_seed(0)
    step, (x, t) = STEPS[name]()
    x = np.resize(x, (ROWS[name], *x.shape[1:]))
    t = np.resize(t, (ROWS[name], *t.shape[1:]))
    arrays = [x, t.astype(np.float32) if t.dtype == bool else t]
    step(*map(cr.Tensor, arrays))  # so that the optimizer has its memory
    return plan(fuse(run_passes(traced_step(step, *arrays).program)[-1][1]))


def lifetimes(made: Plan) -> dict[Any, tuple[int, int]]:
    """From the first kernel that writes each buffer to the last one that touches it, or to the end of the step."""
    found: dict[Any, tuple[int, int]] = {}
    for number, kernel in enumerate(made.schedule.kernels):
        for buffer in dict.fromkeys((*kernel.writes(), *kernel.reads())):
            found[buffer] = found.get(buffer, (number, number))[0], number
    for _, _, buffer in made.copies:
        found[buffer] = found.get(buffer, (0, 0))[0], len(made.schedule.kernels)
    return found


@pytest.mark.parametrize("name", STEPS)
def test_schedules(name: str, golden: Any) -> None:
    """Kernels by number, then each buffer with its place and the kernels during which it is needed."""
    made = plan_of(name)
    lines = [f"kernel {number}: {kernel}" for number, kernel in enumerate(made.schedule.kernels)]
    alive = lifetimes(made)
    for buffer, place in made.where.items():
        needed = "in no kernel" if buffer not in alive else "kernels {} to {}".format(*alive[buffer])
        lines.append(f"{buffer}: {buffer.aval!r} at {place}, {needed}")
    lines += [f"copy {source} to {target}" for source, target, _ in made.copies]
    golden(Path("../golden/schedule") / f"{name}.txt", "\n".join([*lines, f"arena of {made.arena_bytes} bytes", ""]))


@pytest.mark.parametrize("name", STEPS)
def test_buffers_that_are_alive_do_not_meet(name: str) -> None:
    """Two buffers that are needed during one kernel have no byte of the arena in common; all are inside it."""
    made = plan_of(name)
    alive = lifetimes(made)
    stand = [
        (*alive[buffer], place.offset, place.offset + buffer.aval.size * buffer.aval.dtype.itemsize, buffer)
        for buffer, place in made.where.items()
        if place.kind == "arena"
    ]
    assert stand and all(end <= made.arena_bytes and start % 64 == 0 for *_, start, end, _ in stand)
    for i, (first, last, start, end, buffer) in enumerate(stand):
        for other_first, other_last, other_start, other_end, other in stand[:i]:
            together = first <= other_last and other_first <= last
            assert not together or end <= other_start or other_end <= start, (buffer, other)


@pytest.mark.parametrize("name", STEPS)
def test_memory_is_used_again(name: str) -> None:
    """The arena is smaller than its buffers side by side, and state takes its new values where the old ones stood."""
    made = plan_of(name)
    sizes = [
        -(-buffer.aval.size * buffer.aval.dtype.itemsize // 64) * 64
        for buffer, place in made.where.items()
        if place.kind == "arena"
    ]
    assert made.arena_bytes < sum(sizes) or len(sizes) < 3
    assert made.copies == []
