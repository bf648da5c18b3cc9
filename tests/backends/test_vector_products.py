"""Products of a matrix and a vector: any sizes, cut anywhere, the same bits; and which kernels are taken for one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn
from chainrule.backends.llvm.collapse import collapse
from chainrule.backends.llvm.engine import compile_objects, load_objects
from chainrule.backends.llvm.vector_products import VectorProduct, is_vector_product
from chainrule.backends.llvm.writer import WIDE
from chainrule.compiler.kernel import Apply, Buffer, Linear, Load, LoopKernel, Reduce
from chainrule.core.aval import Aval, float32, float64

Array = np.ndarray[Any, Any]


def kernel_of(kind: str, stack: int, rows: int, length: int, dtype: Any) -> LoopKernel:
    """For each of a stack of matrices: its vector with each row ``summed``, or rows times the vector's numbers ``added``."""
    matrix = Buffer(Aval.of((stack, rows, length), dtype), "matrix")
    if kind == "summed":
        dims, reduced, sizes = (stack, rows, length), (2,), (length, rows)
        places = (rows * length, length, 1), (length, 0, 1), (rows, 1, 0)
    else:
        dims, reduced, sizes = (rows, stack, length), (0,), (rows, length)
        places = (length, rows * length, 1), (1, rows, 0), (0, length, 1)
    vector, out = (Buffer(Aval.of((stack, n), dtype), name) for n, name in zip(sizes, ("vector", "out"), strict=True))
    at = [Linear(0, steps) for steps in places]
    value = Apply("multiply", dtype, (Load(matrix, at[0]), Load(vector, at[1])))
    return collapse(LoopKernel(dims, reduced, [Reduce("sum", out, at[2], value)]))


class Compiled:
    """A kernel on arrays; numbers behind the end of each must stay as they are. Rounds of the first loop may be cut."""

    def __init__(self, kernel: LoopKernel) -> None:
        declared: dict[str, None] = {}
        shared = 0 not in kernel.reduced
        function = VectorProduct(kernel, lambda buffer: buffer.name, lambda line: declared.setdefault(line), shared)
        parameters, body = function.text
        loads = [
            f"  %at{i} = getelementptr ptr, ptr %table, i64 {i}\n  %p{i} = load ptr, ptr %at{i}\n" for i in range(3)
        ]
        pointers = ", ".join(f"ptr %p{i}" for i in range(3))
        text = (
            f"define internal void @product{parameters} {WIDE} {{\n{body}\n}}\n"
            f"define void @run(ptr %table, i64 %from, i64 %to, i64 %unused) {{\n{''.join(loads)}"
            f"  call void @product({pointers}{', i64 %from, i64 %to' * shared})\n  ret void\n}}\n"
        )
        self.names, self.run = function.pointers, load_objects(compile_objects([text + "\n".join(declared)]))

    def __call__(self, rounds: int, cuts: list[int], **arrays: Array) -> Array:
        rooms = {name: np.concatenate([x.ravel(), np.full(40, 7, x.dtype)]) for name, x in arrays.items()}
        table = np.array([rooms[name].ctypes.data for name in self.names], np.uint64)
        ends = sorted({0, rounds, *cuts})
        for start, end in itertools.pairwise(ends):
            self.run(table.ctypes.data, start, end, 0)
        assert all((room[-40:] == 7).all() for room in rooms.values())
        return rooms["out"][:-40].reshape(arrays["out"].shape)


@settings(max_examples=12, deadline=None)
@given(st.data())
@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize("kind", ["summed", "added"])
def test_any_size_cut_anywhere(kind: str, dtype: Any, data: st.DataObject) -> None:
    stack, rows, length = (data.draw(st.integers(a, b)) for a, b in ((1, 3), (4, 23), (16, 90)))
    kernel = kernel_of(kind, stack, rows, length, dtype)
    assert is_vector_product(kernel)
    product, rounds = Compiled(kernel), kernel.dims[0]
    rng = np.random.default_rng(rows * length)
    matrix = rng.standard_normal((stack, rows, length)).astype(dtype)
    vector = rng.standard_normal((stack, length if kind == "summed" else rows)).astype(dtype)
    exact = np.einsum("srn,sn->sr" if kind == "summed" else "srn,sr->sn", matrix, vector, dtype=np.float64)
    arrays = {"matrix": matrix, "vector": vector, "out": np.full(exact.shape, np.nan, dtype)}
    whole = product(rounds, [], **arrays)
    np.testing.assert_allclose(whole, exact, rtol=0, atol=10 * np.sqrt(rows * length) * np.finfo(dtype).eps)
    if kind == "summed":
        cuts = data.draw(st.lists(st.integers(1, rounds), max_size=4))
        assert np.array_equal(whole, product(rounds, cuts, **arrays))


def kernels_of(function: Any, *arguments: Any) -> list[bool]:
    """Of each kernel of a compiled function, whether it is such a product."""
    compiled = cr.compile(function)
    compiled(*arguments)
    executable = compiled._last.executable
    return [is_vector_product(kernel) for kernel in executable.schedule.kernels]


def test_which_kernels_are_products_with_a_vector() -> None:
    x, row, column = cr.randn(40, 20), cr.randn(1, 20), cr.randn(40, 1)
    assert kernels_of(lambda x, r: r @ x.T, x, row) == [True]
    assert kernels_of(lambda x, r: x @ r.T, x, row) == [True]
    assert kernels_of(lambda x, c: c.T @ x, x, column) == [True]
    assert kernels_of(lambda x: x[:, :15] @ cr.ones(15, 1), x)[-1:] == [False]  # short rows
    assert kernels_of(lambda x: x[:3] @ cr.ones(20, 1), x)[-1:] == [False]  # few rows
    assert kernels_of(lambda x: x.sum(axis=1), x) == [False]
    assert kernels_of(lambda x: (x * x).sum(axis=1), x) == [False]  # nothing stays the same
    assert kernels_of(lambda x, r: (x * r).mean(axis=1), x, row) == [False]


def test_one_row_through_a_linear_layer() -> None:
    """Fifty rows of weights: the last four are two and two that were summed before."""
    cr.manual_seed(0)
    layer, x = nn.Linear(784, 50), cr.Generator(1).normal((1, 784))
    exact = x.astype(np.float64) @ layer.weight.numpy().astype(np.float64).T + layer.bias.numpy()
    np.testing.assert_allclose(cr.Predictor(layer)(x), exact, rtol=0, atol=1e-5)
