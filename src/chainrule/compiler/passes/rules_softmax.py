"""Rules about softmax and the cross entropy of labels: what the chain rule writes twice."""

from __future__ import annotations

from chainrule.compiler.passes.rules import rule
from chainrule.compiler.patterns import is_one_a_row, is_sum_of_shifted_exp, plain
from chainrule.compiler.rewrite import Builder
from chainrule.core.graph import Node
from chainrule.ops.arithmetic import Divide, Subtract
from chainrule.ops.exponential import Exp, Log
from chainrule.ops.reduce import Sum
from chainrule.ops.shape import Reshape

__all__: list[str] = []


@rule(Exp)
def exp_of_log_softmax(build: Builder, node: Node, x: Node) -> Node | None:
    """``exp(a - log(sum(exp(a)))) -> exp(a) / sum(exp(a))`` where ``a = z - max(z)``: the same exp once, within roundings."""
    if not isinstance(x.op, Subtract):
        return None
    shifted, log = x.inputs[0], plain(x.inputs[1])
    if not isinstance(log.op, Log) or not is_sum_of_shifted_exp(plain(log.inputs[0]), shifted):
        return None
    total = plain(log.inputs[0])
    return build(Divide.of(), total.inputs[0], total)


@rule(Sum)
def sum_of_one_a_row(build: Builder, node: Node, x: Node) -> Node | None:
    """``sum[axis=1](index_add(v, arange(n), labels)) -> v``. Exact but for the sign of zeros."""
    if not isinstance(node.op, Sum) or node.op.axes != (1,) or not is_one_a_row(x):
        return None
    return build(Reshape.of(node.aval.shape), x.inputs[0])
