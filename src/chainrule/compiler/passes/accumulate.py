"""A scaled matrix product that is added to a matrix becomes one op: the step of gradient descent."""

from __future__ import annotations

from chainrule.compiler.kernel import is_small_product
from chainrule.compiler.program import Program
from chainrule.compiler.rewrite import Builder, rewrite
from chainrule.core.graph import Node
from chainrule.ops.arithmetic import Add, Multiply, Negative, Subtract
from chainrule.ops.linalg import MatMul, MatMulAdd

__all__ = ["accumulate"]


def accumulate(program: Program) -> Program:
    """``c + alpha * (a @ b)`` and ``c - alpha * (a @ b)`` as one ``matmul_add``, where nothing else needs the product.

    BLAS adds a product into a matrix at no cost, so the gradient of a weight is neither stored nor read again. Small
    products, which native code does in loops of its own, stay as they are: their loops fuse with the update anyway.

    >>> import chainrule as cr
    >>> program = cr.compile(lambda w, g, x, lr: w - (g.T @ x) * lr)
    >>> program = program.graph(cr.ones(20, 30), cr.ones(40, 20), cr.ones(40, 30), cr.tensor(0.1))
    >>> print(program)
    inputs: w: f32[20,30], g: f32[40,20], x: f32[40,30], lr: f32[]
    %4: f32[20,40] = transpose[axes=(1, 0)] g
    %5: f32[20,30] = matmul[transpose_a=False, transpose_b=False] %4 x
    %6: f32[20,30] = multiply %5 lr
    %7: f32[20,30] = subtract w %6
    return %7
    >>> print(accumulate(program))
    inputs: w: f32[20,30], g: f32[40,20], x: f32[40,30], lr: f32[]
    %4: f32[20,40] = transpose[axes=(1, 0)] g
    %5: f32[20,30] = matmul[transpose_a=False, transpose_b=False] %4 x
    %6: f32[20,30] = multiply %5 lr
    %7: f32[] = negative lr
    %8: f32[20,30] = matmul_add[transpose_a=False, transpose_b=False] w %4 x %7
    return %8

    (``dce`` then drops what is no longer used.)
    """
    negated: dict[Node, Node] = {}

    def added(build: Builder, node: Node) -> Node | None:
        if isinstance(node.op, Negative):  # one negative of the learning rate does for all weights
            first = negated.setdefault(node.inputs[0], node)
            return None if first is node else first
        if not isinstance(node.op, (Add, Subtract)) or node.aval.ndim != 2 or not node.aval.floating:
            return None
        c, product = node.inputs
        found = _scaled_product(build, product)
        if found is None and isinstance(node.op, Add):
            c, product = product, c
            found = _scaled_product(build, product)
        if found is None or c.aval is not node.aval or product.aval is not node.aval:
            return None
        matmul, alpha = found
        if isinstance(node.op, Subtract):
            alpha = _negative(build, alpha)
        assert isinstance(matmul.op, MatMul)
        return build(MatMulAdd.of(matmul.op.transpose_a, matmul.op.transpose_b), c, *matmul.inputs, alpha)

    return rewrite(program, added)


def _scaled_product(build: Builder, node: Node) -> tuple[Node, Node] | None:
    """The product and the number of ``matmul * number``, if only this one place uses it."""
    if not isinstance(node.op, Multiply) or build.users[node] != 1:
        return None
    for matmul, alpha in (node.inputs, node.inputs[::-1]):
        matrices = isinstance(matmul.op, MatMul) and matmul.inputs[0].aval.ndim == matmul.inputs[1].aval.ndim == 2
        if matrices and not _small(matmul) and build.users[matmul] == 1 and not alpha.aval.ndim:
            return matmul, alpha
    return None


def _negative(build: Builder, x: Node) -> Node:
    """``-x``, worked out where that needs no op."""
    if x.value is not None:
        return build.constant(-x.value, x.aval.dtype)
    return x.inputs[0] if isinstance(x.op, Negative) else build(Negative.of(), x)


def _small(matmul: Node) -> bool:
    inner = matmul.inputs[0].aval.size // max(matmul.aval.shape[0], 1)
    rows, columns = matmul.aval.shape
    return is_small_product(rows, columns, inner)
