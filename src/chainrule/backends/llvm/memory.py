"""Where ``run`` finds what it works on: the table of pointers, and the registers that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.backends.llvm.scalars import TYPES
from chainrule.compiler.kernel import Buffer
from chainrule.compiler.plan import Location, Plan
from chainrule.core.aval import bool_

__all__ = ["Layout", "Memory"]


@dataclass
class Layout:
    """What stands where in the table of pointers that ``run`` is given."""

    inputs: int
    constants: int
    results: int
    lasts: int

    def place(self, location: Location) -> int:
        """The number of a location's entry."""
        start = {
            "input": 0,
            "constant": self.inputs,
            "result": self.inputs + self.constants,
            "last": self.inputs + self.constants + self.results,
            "arena": self.arena,
        }[location.kind]
        return start + location.number

    @property
    def arena(self) -> int:
        """The entry of scratch memory; these follow it."""
        return self.inputs + self.constants + self.results + self.lasts

    @property
    def status(self) -> int:
        """The entry of the status word, which an index outside its axis sets."""
        return self.arena + 1

    def product(self, single: bool) -> int:
        """The entry of a BLAS's product in single or double precision."""
        return self.arena + (2 if single else 3)

    @property
    def barrier(self) -> int:
        """The entry of the words at which threads wait for each other; that of ``sched_yield`` follows."""
        return self.arena + 4

    @property
    def first(self) -> int:
        """The entry that is no pointer, but the number of the first step to be done."""
        return self.arena + 6

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.arena + 7


class Memory:
    """Gives out pointers. ``head`` is done once, ``moving`` at the beginning of each step, ``tail`` at the end.

    Small programs have their buffers, and state while the steps run, ``on_stack``.
    """

    def __init__(self, plan: Plan, on_stack: bool) -> None:
        self.plan, self.on_stack = plan, on_stack
        program = self.program = plan.schedule.program
        self.layout = Layout(
            len(program.inputs), len(plan.constants), program.results, len(program.carried)
        )  # fmt: skip
        self.head: list[str] = []
        self.moving: list[str] = []
        self.tail: list[str] = []
        self.declared: dict[str, None] = {}
        self._first_stream = len(program.inputs) - program.streams
        self._count = 0
        self._entries: dict[int, str] = {}
        self._pointers: dict[Any, str] = {}

    def name(self) -> str:
        """A new register."""
        self._count += 1
        return f"%x{self._count}"

    def declare(self, line: str) -> None:
        """What the module must declare."""
        self.declared[line] = None

    def entry(self, number: int) -> str:
        """A pointer of the table."""
        found = self._entries.get(number)
        if found is None:
            address, found = self.name(), self.name()
            self.head.append(f"  {address} = getelementptr inbounds ptr, ptr %table, i64 {number}")
            self.head.append(f"  {found} = load ptr, ptr {address}")
            self._entries[number] = found
        return found

    def of(self, buffer: Buffer) -> str:
        """Where a buffer is."""
        return self.at(self.plan.where[buffer], buffer)

    def at(self, location: Location, buffer: Buffer) -> str:
        """Where a buffer is that is kept at a location."""
        key = (location, buffer) if location.kind == "arena" and self.on_stack else location
        found = self._pointers.get(key)
        if found is None:
            found = self._pointers[key] = self._pointer(location, buffer)
        return found

    def copy(self, target: str, source: str, buffer: Buffer) -> list[str]:
        """Lines that copy a buffer."""
        size = buffer.aval.size * buffer.aval.dtype.itemsize
        self.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        return [f"  call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)"] * bool(size)

    def _pointer(self, location: Location, buffer: Buffer) -> str:
        size = buffer.aval.size * buffer.aval.dtype.itemsize
        if location.kind == "arena":
            if self.on_stack:
                return self._on_stack(buffer)
            name, base = self.name(), self.entry(self.layout.arena)
            self.head.append(f"  {name} = getelementptr inbounds i8, ptr {base}, i64 {location.offset}")
            return name
        base = self.entry(self.layout.place(location))
        if location.kind == "result" or (location.kind == "input" and location.number >= self._first_stream):
            offset, name = self.name(), self.name()
            self.moving.append(f"  {offset} = mul nuw nsw i64 %s, {size}")
            self.moving.append(f"  {name} = getelementptr inbounds i8, ptr {base}, i64 {offset}")
            return name
        if location.kind == "input" and self.on_stack and location.number in self.program.carried and size:
            name = self._on_stack(buffer)
            self.head += self.copy(name, base, buffer)
            self.tail += self.copy(base, name, buffer)
            return name
        return base

    def _on_stack(self, buffer: Buffer) -> str:
        name, kind = self.name(), "i8" if buffer.aval.dtype == bool_ else TYPES[buffer.aval.dtype]
        self.head.append(f"  {name} = alloca [{max(buffer.aval.size, 1)} x {kind}], align 64")
        return name
