"""Fewer and longer loops for the same kernel."""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.compiler.kernel import Apply, Draw, Expr, Linear, Load, LoopKernel, Place, Position, Reduce, Store

__all__ = ["Relooped", "collapse"]


def collapse(kernel: LoopKernel) -> LoopKernel:
    """The same kernel with loops of length one dropped and neighbours joined where every place allows it.

    Long inner loops are what vectors are made for.
    """
    linears: list[Linear] = []

    def note(linear: Linear) -> None:
        linears.append(linear)
        for expr, _ in linear.values:
            visit(expr)

    seen: set[int] = set()

    def visit(expr: Expr) -> None:
        if id(expr) in seen:
            return
        seen.add(id(expr))
        if isinstance(expr, (Load, Position)):
            note(expr.at)
        elif isinstance(expr, Place):
            visit(expr.index)
        elif isinstance(expr, Apply):
            for i in expr.inputs:
                visit(i)
        elif isinstance(expr, Draw):
            note(expr.block)
            visit(expr.key)
            visit(expr.counter)

    for statement in kernel.body:
        note(statement.at)
        visit(statement.value)
    if any(isinstance(s, Reduce) and s.kind in ("argmax", "argmin", "cumsum") for s in kernel.body):
        return kernel
    groups: list[list[int]] = []
    for d, length in enumerate(kernel.dims):
        if length == 1:
            continue
        if groups:
            last = groups[-1][-1]
            same = (last in kernel.reduced) == (d in kernel.reduced)
            if same and all(x.steps[last] == x.steps[d] * length for x in linears):
                groups[-1].append(d)
                continue
        groups.append([d])
    if groups == [[d] for d in range(len(kernel.dims))]:
        return kernel
    dims = tuple(math.prod(kernel.dims[d] for d in group) for group in groups)
    reduced = tuple(i for i, group in enumerate(groups) if group[0] in kernel.reduced)
    loop = Relooped(dims, reduced, lambda steps: tuple(steps[group[-1]] for group in groups))
    for s in kernel.body:
        at, value = loop.linear(s.at), loop.expr(s.value)
        if isinstance(s, Store):
            loop.kernel.body.append(Store(s.buffer, at, value, s.add))
        else:
            loop.kernel.body.append(Reduce(s.kind, s.buffer, at, value, s.divide))
    return loop.kernel


class Relooped:
    """A kernel over other loops, to be filled: ``steps`` makes the steps of a place; each expression is copied once."""

    def __init__(
        self, dims: tuple[int, ...], reduced: tuple[int, ...], steps: Callable[[tuple[int, ...]], tuple[int, ...]]
    ) -> None:
        self.kernel, self.steps = LoopKernel(dims, reduced), steps
        self.made: dict[int, Expr] = {}

    def linear(self, x: Linear) -> Linear:
        """A place."""
        return Linear(x.offset, self.steps(x.steps), tuple((self.expr(e), scale) for e, scale in x.values))

    def expr(self, x: Expr) -> Expr:
        """A value."""
        found = self.made.get(id(x))
        if found is None:
            found = self.made[id(x)] = self._copy(x)
        return found

    def _copy(self, x: Expr) -> Expr:
        if isinstance(x, Load):
            return Load(x.buffer, self.linear(x.at))
        if isinstance(x, Position):
            return Position(self.linear(x.at))
        if isinstance(x, Place):
            return Place(self.expr(x.index), x.length)
        if isinstance(x, Apply):
            return Apply(x.name, x.dtype, tuple(self.expr(i) for i in x.inputs))
        if isinstance(x, Draw):
            return Draw(x.kind, x.dtype, self.expr(x.key), self.expr(x.counter), self.linear(x.block), x.lane)
        return x
