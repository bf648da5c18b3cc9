"""What a compiled function has to say about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.compiler.fuse import fuse
from chainrule.compiler.lower import Unsupported
from chainrule.compiler.passes import run_passes
from chainrule.compiler.passes.order import count_orders
from chainrule.compiler.plan import plan

__all__ = ["Event", "explain"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a compiled function: it was traced, ran eagerly, or gave up compiling."""

    kind: str
    reason: str
    entry: Any = None
    tracing: float = 0.0
    building: float = 0.0


def explain(name: str, events: list[Event], last: Any, passes: bool) -> str:
    """The events in order; with ``passes``, the program of the last trace after each pass."""
    lines = [f"{name}: {sum(e.kind == 'traced' for e in events)} traces"]
    for number, event in enumerate(events, 1):
        if event.kind != "traced":
            lines.append(f"{number}. {event.kind}: {event.reason}")
            continue
        trace, executable = event.entry.trace, event.entry.executable
        program = trace.program
        inputs = ", ".join(f"{program.names[n]}: {n.aval!r}" for n in program.inputs[len(trace.cells) :])
        lines.append(f"{number}. traced: {event.reason}")
        lines.append(f"   arguments        {inputs or 'none'}")
        for kind in dict.fromkeys(cell.kind for cell in trace.cells):
            lines.append(f"   {kind:<16} " + ", ".join(c.name for c in trace.cells if c.kind == kind))
        lines.append(f"   changed          {', '.join(c.name for c in trace.updated) or 'nothing'}")
        if trace.dropped:
            lines.append(
                "   gradients        used up by the optimizer's step, so not kept (keep_gradients=True keeps them)"
            )
        lines.append(f"   program          {len(program.graph.nodes)} ops, run by {executable.backend}")
        lines.append(
            f"   time             traced in {event.tracing * 1e3:.0f} ms, built in {event.building * 1e3:.0f} ms"
        )
    if passes and last is not None:
        for title, program in run_passes(last.trace.program, keep=True):
            lines += ["", f"---- {title}", str(program)]
        try:
            schedule = fuse(count_orders(program))
            lines += ["", "---- fuse", str(schedule), "", "---- plan memory", str(plan(schedule))]
        except Unsupported as reason:
            lines += ["", f"---- fuse: native code has no {reason}"]
    return "\n".join(lines)
