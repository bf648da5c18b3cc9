"""The passes in their order, repeated where they find more to do, and checked where that is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable

from chainrule.compiler.passes.accumulate import accumulate
from chainrule.compiler.passes.cse import eliminate_common_subexpressions
from chainrule.compiler.passes.dce import eliminate_dead_code
from chainrule.compiler.passes.expand import expand
from chainrule.compiler.passes.fold import fold
from chainrule.compiler.passes.simplify import simplify
from chainrule.compiler.passes.verify import verify as check
from chainrule.compiler.program import Program
from chainrule.core.errors import GraphError

__all__ = ["PASSES", "run_passes"]

Pass = Callable[[Program], Program]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("expand", expand),
    ("simplify", simplify),
    ("fold", fold),
    ("cse", eliminate_common_subexpressions),
    ("accumulate", accumulate),
    ("dce", eliminate_dead_code),
)

#: These find more to do after one another, so they run in rounds until none changes anything.
REPEATED = ("simplify", "fold", "cse")
MOST_ROUNDS = 10


def run_passes(program: Program, keep: bool = False, verify: bool = False) -> list[tuple[str, Program]]:
    """Run the passes in their order.

    Returns the programs by the names of the passes that made them: ``("traced", program)`` first, then every pass that
    changed something if ``keep``, else the last of them alone. A name with a number is a later round of that pass.

    Args:
        keep: return the program after each pass.
        verify: check the rules of graphs and roles after each pass. The environment variable ``CHAINRULE_VERIFY=1`` asks
            for it too.

    Raises:
        GraphError: a pass failed, or broke a rule; the message names it and holds the program that it was given.
    """
    verify = verify or os.environ.get("CHAINRULE_VERIFY") == "1"
    stages = [("traced", program)]

    def run(name: str, function: Pass, title: str) -> None:
        before = stages[-1][1]
        after = _checked(name, function, before, verify)
        if after is not before:
            stages.append((title, after))

    for name, function in PASSES:
        run(name, function, name)
        if name == REPEATED[-1]:
            for count in range(2, MOST_ROUNDS + 1):
                before = stages[-1]
                for again, other in PASSES:
                    if again in REPEATED:
                        run(again, other, f"{again} {count}")
                if stages[-1] is before:
                    break
    return stages if keep else stages[:1] + stages[1:][-1:]


def _checked(name: str, function: Pass, before: Program, verify: bool) -> Program:
    """What a pass makes of a program; an error says which pass it was, and shows the program."""
    try:
        after = function(before)
        if verify:
            check(after, before)
    except Exception as error:
        failure = GraphError(
            f"the pass {name!r}",
            f"the program below, and then {type(error).__name__}: {error}",
            "a program that computes the same",
            "report it with the program: this is a mistake in chainrule",
        )
        failure.context.append(f"the program before {name!r}:\n{before}")
        raise failure from error
    return after
