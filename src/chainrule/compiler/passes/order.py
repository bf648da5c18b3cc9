"""Random orders by counting, for native code, which cannot sort."""

from __future__ import annotations

import numpy as np

from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import Builder, rewrite
from chainrule.core.aval import float64, int64
from chainrule.core.graph import Node
from chainrule.ops.compare import Equal, Less, LogicalAnd, LogicalOr
from chainrule.ops.convert import Cast
from chainrule.ops.index import IndexAdd
from chainrule.ops.random import Permutation, Uniform
from chainrule.ops.reduce import Sum
from chainrule.ops.shape import Reshape

__all__ = ["count_orders"]

#: Counting compares each number with each: above this many, NumPy's sort is worth more than native code around it.
MOST_COUNTED = 4096


def count_orders(program: Program) -> Program:
    """``permutation(n)`` as native code computes it: each number's place is how many of the n random numbers come before.

    Sorting n random numbers u, those before ``u[i]`` are the smaller ones, and equal ones with a smaller i.

    >>> import chainrule as cr
    >>> program = cr.compile(lambda x: x[cr.permutation(3)]).graph(cr.ones(3))
    >>> print(count_orders(program))
    inputs: key: i64[], counter: i64[], x: f32[3], %4: i64[3]
    %5: i64[] = add counter 2
    %6: f64[3] = uniform[shape=(3,), dtype=float64] key counter
    %7: f64[1,3] = reshape[shape=(1, 3)] %6
    %8: f64[3,1] = reshape[shape=(3, 1)] %6
    %9: i64[1,3] = reshape[shape=(1, 3)] %4
    %10: i64[3,1] = reshape[shape=(3, 1)] %4
    %11: bool[3,3] = equal %7 %8
    %12: bool[3,3] = less %9 %10
    %13: bool[3,3] = logical_and %11 %12
    %14: bool[3,3] = less %7 %8
    %15: bool[3,3] = logical_or %14 %13
    %16: i64[3,3] = cast[dtype=int64] %15
    %17: i64[3] = sum[axes=(1,), keepdims=False] %16
    %18: i64[3] = index_add[tensor, shape=(3,)] %4 %17
    %19: f32[3] = index[tensor] x %18
    return %19, %5
    """
    return rewrite(program, _counted)


def _counted(build: Builder, node: Node) -> Node | None:
    if not isinstance(node.op, Permutation) or node.op.n > MOST_COUNTED:
        return None
    n = node.op.n
    numbers = build(Uniform.of((n,), float64), *node.inputs)
    places = build.constant(np.arange(n), int64)
    (u, v), (i, j) = ([build(Reshape.of(shape), x) for shape in ((1, n), (n, 1))] for x in (numbers, places))
    tied = build(LogicalAnd.of(), build(Equal.of(), u, v), build(Less.of(), i, j))
    before = build(LogicalOr.of(), build(Less.of(), u, v), tied)
    rank = build(Sum.of((1,), False), build(Cast.of(int64), before))
    return build(IndexAdd.of((("array",),), (n,)), places, rank)
