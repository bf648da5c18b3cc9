"""The last part of a listing: made-up numbers of the right shapes, so that the file runs by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.backends.numpy.text import type_name, wrapped
from chainrule.compiler.program import Program
from chainrule.core.aval import bool_, is_float
from chainrule.core.graph import Node
from chainrule.ops.arithmetic import Subtract
from chainrule.ops.compare import Where
from chainrule.ops.convert import Cast
from chainrule.ops.index import Index
from chainrule.ops.shape import Reshape

__all__ = ["usage"]


def usage(
    program: Program, inputs: Mapping[Node, str], function: str,
    arguments: Sequence[Sequence[str]], returned: Sequence[Sequence[str]],
) -> list[str]:  # fmt: skip
    """A block that calls the function, a few times if it has a state, and prints what it returns."""
    ranges = _index_ranges(program)
    lines = ['if __name__ == "__main__":']
    made = [f"    {name} = {_example(program, node, ranges)}" for node, name in inputs.items()]
    if any("rng." in line for line in made):
        lines.append("    rng = np.random.default_rng(0)")
    lines += made
    results, *others = returned
    state = [name for group in others for name in group]
    if not state or not set(state) <= set(inputs.values()) or len(set(state)) < len(state):
        return [*lines, *wrapped(f"    print({function}(", arguments, "))")]
    head, *middle = wrapped("        ", returned, " = ")
    if middle:
        head, middle[-1] = "        (", "        ) = "
    target = [head, *middle]
    lines += ["    for _ in range(10):", *target[:-1], *wrapped(f"{target[-1]}{function}(", arguments, ")")]
    return [*lines, f"        print({', '.join(results) or state[0]})"]


def _example(program: Program, node: Node, ranges: Mapping[Node, tuple[int, int]]) -> str:
    """Numbers for one input: small weights, empty memories, and indexes that are in range."""
    aval, kind, traced = node.aval, program.kinds.get(node, "argument"), program.names[node]
    shape = str(aval.shape if aval.ndim != 1 else aval.size)
    dtype = type_name(aval.dtype)
    if kind == "setting":
        return "0.1"
    if kind in ("optimizer memory", "gradient"):
        if not aval.ndim:
            return f"{dtype}({int(traced.endswith('mu_product'))})"
        return f"np.{'ones' if traced.endswith('mu_product') else 'zeros'}({shape}, {dtype})"
    if kind.startswith("random"):
        return "np.int64(0)"
    if not is_float(aval.dtype):
        if aval.dtype is bool_:
            return f"rng.random({shape}) < 0.5"
        if not aval.ndim:
            return f"{dtype}(0)"
        low, high = ranges.get(node, (0, 2))
        return f"rng.integers({low}, {high}, {shape}" + (")" if aval.dtype == "int64" else f", dtype={dtype})")
    if traced.endswith("running_var"):
        return f"np.ones({shape}, {dtype})"
    if traced.endswith(("bias", "running_mean")):
        return f"np.zeros({shape}, {dtype})"
    draw = "standard_normal" if kind == "tensor" else "random"
    drawn = f"rng.{draw}({shape}, dtype={dtype})" if aval.ndim else f"{dtype}(rng.{draw}())"
    return f"0.1 * {drawn}" if kind == "tensor" else drawn


def _index_ranges(program: Program) -> dict[Node, tuple[int, int]]:
    """For whole numbers that choose places in an array: the first place, and the one after the last."""
    ranges: dict[Node, tuple[int, int]] = {}

    def limit(node: Node, low: int, high: int) -> None:
        known = ranges.get(node, (low, high))
        ranges[node] = max(low, known[0]), min(high, known[1])

    for node in reversed(program.graph.nodes):
        if isinstance(node.op, Index):
            axis, rest = 0, iter(node.inputs[1:])
            for kind, *_ in node.op.entries:
                if kind == "array":
                    limit(next(rest), 0, node.inputs[0].aval.shape[axis])
                axis += kind not in ("new", "rest")
        elif node not in ranges:
            continue
        elif isinstance(node.op, (Cast, Reshape, Where)):
            for before in node.inputs:
                if not is_float(before.aval.dtype) and before.aval.dtype is not bool_:
                    limit(before, *ranges[node])
        elif isinstance(node.op, Subtract) and node.inputs[1].value is not None and not node.inputs[1].aval.ndim:
            shift = int(node.inputs[1].value)  # classes that are counted from 1
            limit(node.inputs[0], ranges[node][0] + shift, ranges[node][1] + shift)
    return ranges
