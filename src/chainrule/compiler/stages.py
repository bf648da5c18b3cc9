"""Which part of a step a node belongs to: forward, backward or update, in the first round or a later one.

A step has more than one round when it walks back more than once, as when two networks train against each other. Only
listings for people depend on it: the order of sections and the comments above them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from chainrule.core.graph import Node

__all__ = ["BACKWARD", "FORWARD", "UPDATE", "stages_of"]

#: A stage is three times its round, plus one of these; stages grow as the step goes on.
FORWARD, BACKWARD, UPDATE = 0, 1, 2


def stages_of(
    order: Sequence[Node], phases: Sequence[tuple[int, str]], aliases: Mapping[Node, Node]
) -> dict[Node, int]:
    """The stage of each traced node, from the serials at which phases began (see ``Tracer.enter``).

    What stands between a backward walk and the next is an update if it is made of gradients, or the next round's
    forward part if it is differentiated itself; what depends on neither goes with its inputs.
    """
    starts = [serial for serial, _ in phases]
    rounds = [0]
    for _, phase in phases:
        rounds.append(rounds[-1] + (phase == "backward"))
    last = rounds[-1]
    stages: dict[Node, int] = {}
    for node in order:
        if node in aliases:
            stages[node] = stages.get(aliases[node], 0)
            continue
        if node.op is None:
            continue
        place = bisect_right(starts, node.serial)
        phase, walked = phases[place - 1][1] if place else "", rounds[place]
        inputs = max((stages.get(i, 0) for i in node.inputs), default=0)
        if phase == "backward":
            stage = 3 * (walked - 1) + BACKWARD
        elif phase == "update":
            stage = 3 * max(walked - 1, 0) + UPDATE
        elif node.requires_grad and walked < last:
            stage = 3 * walked + FORWARD
        elif inputs % 3 == FORWARD:
            stage = inputs
        else:
            stage = inputs // 3 * 3 + UPDATE
        stages[node] = max(stage, inputs)
    return stages
