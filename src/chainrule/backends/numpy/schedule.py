"""The order of statements: as the program computes, paragraph by paragraph, and a value is replaced after its last use."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from chainrule.backends.numpy.draft import Statement
from chainrule.core.graph import Node

__all__ = ["StillNeeded", "schedule"]


class StillNeeded(Exception):
    """``W = ...`` cannot take the place of the old W, which is needed afterwards."""

    def __init__(self, node: Node) -> None:
        self.node = node


def schedule(statements: Sequence[Statement], returned: set[Node], replaced: Mapping[Node, Node]) -> list[Statement]:
    """The statements in an order in which each finds what it reads.

    Of those that are ready the one with the least ``place`` comes first. ``replaced`` says whose name a new value takes.

    Raises:
        StillNeeded: a name cannot be taken over, because both values are needed at one time.
    """
    maker = {node: i for i, s in enumerate(statements) for node in s.targets}
    later: list[set[int]] = [set() for _ in statements]
    for i, statement in enumerate(statements):
        for node in statement.reads:
            if node in maker and maker[node] != i:
                later[maker[node]].add(i)
    readers: dict[Node, list[int]] = {}
    for i, statement in enumerate(statements):
        for node in statement.reads:
            readers.setdefault(node, []).append(i)
    for new, old in replaced.items():
        if new in maker and old in returned:
            raise StillNeeded(new)
        for i in readers.get(old, ()) if new in maker else ():
            if i != maker[new]:
                later[i].add(maker[new])
    waits = [0] * len(statements)
    for targets in later:
        for i in targets:
            waits[i] += 1
    ready = [(s.place, i) for i, s in enumerate(statements) if not waits[i]]
    heapq.heapify(ready)
    order: list[Statement] = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(statements[i])
        for j in later[i]:
            waits[j] -= 1
            if not waits[j]:
                heapq.heappush(ready, (statements[j].place, j))
    if len(order) < len(statements):
        stuck = [(s.place, i) for i, s in enumerate(statements) if waits[i] and any(n in replaced for n in s.targets)]
        _, i = min(stuck)
        raise StillNeeded(next(n for n in statements[i].targets if n in replaced))
    return order
