"""The graph: what it prints, and what its verifier catches."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.aval import Aval
from chainrule.core.errors import GraphError
from chainrule.core.graph import FREED, Graph, Node
from chainrule.nn.linear import Linear
from chainrule.ops.arithmetic import ADD
from chainrule.ops.exponential import Exp

SIGMOID_CIRCUIT = """\
inputs: w: f32[3], x: f32[3]
%2: f32[3] = multiply w x
%3: f32[] = sum[axes=(0,), keepdims=False] %2
%4: f32[] = sigmoid %3
return %4"""

LAYER = """\
inputs: %0: f32[4,2], weight: f32[3,2], %2: f32[3]
%3: f32[4,3] = matmul[transpose_a=False, transpose_b=True] %0 weight
%4: f32[4,3] = add %3 %2
%5: f32[4,3] = relu %4
%6: f32[4] = max[axes=(1,), keepdims=False] %5
%7: f32[] = mean[axes=(0,), keepdims=False] %6
return %7"""


def leaf(*shape: int) -> Node:
    return Node.leaf(np.ones(shape))


def vector() -> Aval:
    return Aval.of((2,), "float64")


def test_printed_circuit() -> None:
    w, x = cr.tensor([2.0, -3.0, -3.0], requires_grad=True), cr.tensor([-1.0, -2.0, 1.0], requires_grad=True)
    w._tap().name, x._tap().name = "w", "x"
    graph = (w * x).sum().sigmoid().graph()
    assert str(graph) == SIGMOID_CIRCUIT
    assert repr(graph) == "<Graph of 3 nodes>"
    assert graph.verify() is graph


def test_printed_layer() -> None:
    x, weight, bias = cr.ones(4, 2), cr.ones(3, 2, requires_grad=True), cr.zeros(3)
    weight._tap().name = "weight"
    out = (cr.matmul(x, weight, transpose_b=True) + bias).relu().max(1).mean()
    assert str(out.graph().verify()) == LAYER


def test_printed_with_lines_and_layers() -> None:
    layer = Linear(2, 3)
    out = layer(cr.ones(4, 2)) * 2.0
    lines = out.graph().text(sources=True).split("\n")
    assert "test_graph.py:" in lines[1] and lines[1].endswith(" Linear")
    assert "test_graph.py:" in lines[-2] and not lines[-2].endswith("Linear")


def test_a_shared_value_stands_once() -> None:
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    assert str((y + y).graph()) == (
        "inputs: %0: f32[2]\n%1: f32[2] = multiply %0 %0\n%2: f32[2] = add %1 %1\nreturn %2"
    )


def test_graph_of_a_leaf() -> None:
    assert str(cr.tensor([1.0]).graph().verify()) == "inputs: %0: f32[1]\n\nreturn %0".replace("\n\n", "\n")


def test_a_freed_graph_says_how_to_keep_it() -> None:
    x = cr.tensor([1.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphError, match=r"backward\(retain_graph=True\)"):
        y.graph()


def test_verifier_accepts_a_right_graph() -> None:
    a, b = leaf(2), leaf(2)
    c = Node(ADD, (a, b), vector(), np.zeros(2))
    d = Node(Exp.of(), (c,), vector(), None)
    Graph([a, b], [c, d], [d, c]).verify()


def _broken_graphs() -> dict[str, Graph]:
    a, b = leaf(2), leaf(2)
    c = Node(ADD, (a, b), vector(), None)
    d = Node(Exp.of(), (c,), vector(), None)
    wrong_shape = Node(ADD, (a, b), Aval.of((3,), "float64"), None)
    wrong_dtype = Node(ADD, (a, b), Aval.of((2,), "float32"), None)
    wrong_value = Node(ADD, (a, b), vector(), np.zeros(2, np.float32))
    return {
        "is computed by an op": Graph([a, b, c], [d], [d]),
        "is defined twice": Graph([a, b], [c, c], [c]),
        "among the computed nodes": Graph([a], [b, c], [c]),
        "before it is made": Graph([a, b], [d, c], [d]),
        "uses <Node leaf": Graph([a], [c], [c]),
        r"with aval f64\[3\]": Graph([a, b], [wrong_shape], [wrong_shape]),
        r"with aval f32\[2\]": Graph([a, b], [wrong_dtype], [wrong_dtype]),
        r"holds f32\[2\]": Graph([a, b], [wrong_value], [wrong_value]),
        "is not in the graph": Graph([a, b], [c], [d]),
    }


@pytest.mark.parametrize("rule", _broken_graphs())
def test_verifier_catches_a_broken_rule(rule: str) -> None:
    with pytest.raises(GraphError, match=rule):
        _broken_graphs()[rule].verify()


def test_verifier_refuses_shapes_that_the_op_refuses() -> None:
    a, b = leaf(2), leaf(3)
    node = Node(ADD, (a, b), vector(), None)
    with pytest.raises(cr.ShapeError, match="broadcast"):
        Graph([a, b], [node], [node]).verify()


def test_serials_are_a_topological_order() -> None:
    x = cr.tensor([1.0], requires_grad=True)
    nodes = ((x * 2).exp() + x.sin() * x).graph().nodes
    for node in nodes:
        assert all(i.serial < node.serial for i in node.inputs)


def test_freed_is_told_apart_from_no_inputs() -> None:
    node = leaf(1)
    assert not node.freed
    node.inputs = FREED
    assert node.freed


def test_a_traced_node_prints_without_its_numbers() -> None:
    node = Node(ADD, (leaf(2), leaf(2)), vector(), None)
    assert repr(cr.Tensor._of(node)) == "tensor(traced f64[2])"
    assert repr(node) == "<Node add: f64[2]>" and repr(leaf(1)) == "<Node leaf: f64[1]>"


def test_a_long_graph_prints_and_verifies() -> None:
    x = cr.tensor([1.0], requires_grad=True)
    y = x
    for _ in range(3000):
        y = y + x
    assert len(str(y.graph().verify()).split("\n")) == 3002
