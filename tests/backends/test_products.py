"""Products in tiles: any sizes, transposes, processors; cut anywhere, the same bits."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.backends.llvm.engine import compile_objects, load_objects
from chainrule.backends.llvm.products import Tiling, product_function
from chainrule.backends.llvm.vectors import Processor
from chainrule.backends.llvm.writer import WIDE
from chainrule.compiler.kernel import Buffer, ProductKernel
from chainrule.core.aval import Aval, float32, float64

Array = np.ndarray[Any, Any]

#: AVX-512, AVX2, Neon and SSE; LLVM writes their vectors for the processor that is here.
PROCESSORS = [Processor(), Processor(8, 16, False), Processor(4, 32, False), Processor(4, 16, False)]
ALPHA = -0.25


def kernel_of(sizes: tuple[int, int, int], transposes: tuple[bool, bool], adds: bool, dtype: Any) -> ProductKernel:
    rows, columns, inner = sizes
    a = Buffer(Aval.of((inner, rows) if transposes[0] else (rows, inner), dtype), "a")
    b = Buffer(Aval.of((columns, inner) if transposes[1] else (inner, columns), dtype), "b")
    out = Buffer(Aval.of((rows, columns), dtype), "out")
    return ProductKernel(out, a, b, rows, columns, inner, *transposes, start=out if adds else None)


class Compiled:
    """A product on arrays; numbers behind the end of each must stay as they are."""

    def __init__(self, kernel: ProductKernel, processor: Processor) -> None:
        self.kernel, self.tiling = kernel, Tiling.of(kernel, processor)
        declared: dict[str, None] = {}
        parameters, body = product_function(self.tiling, lambda line: declared.setdefault(line))
        number, alpha = self.tiling.number, ALPHA if kernel.start is not None else 1.0
        loads = [
            f"  %at{i} = getelementptr ptr, ptr %table, i64 {i}\n  %p{i} = load ptr, ptr %at{i}\n" for i in range(3)
        ]
        text = (
            f"define internal void @product{parameters} {WIDE} {{\n{body}\n}}\n"
            f"define void @run(ptr %table, i64 %from, i64 %to, i64 %unused) {{\n{''.join(loads)}"
            f"  call void @product(ptr %p0, ptr %p1, ptr %p2, {number} {alpha}, i64 %from, i64 %to)\n  ret void\n}}\n"
        )
        self.run = load_objects(compile_objects([text + "\n".join(declared)]))

    def __call__(self, a: Array, b: Array, out: Array, cuts: list[int] | None = None) -> Array:
        rooms = [np.concatenate([x.ravel(), np.full(40, 7, x.dtype)]) for x in (out, a, b)]
        table = np.array([room.ctypes.data for room in rooms], np.uint64)
        ends = sorted({0, self.tiling.rounds, *(cuts or [])})
        for start, end in itertools.pairwise(ends):
            self.run(table.ctypes.data, start, end, 0)
        assert all((room[-40:] == 7).all() for room in rooms)
        return rooms[0][:-40].reshape(out.shape)


def data(kernel: ProductKernel, seed: int = 0) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng(seed)
    a, b, out = (
        generator.standard_normal(buffer.aval.shape).astype(buffer.aval.dtype)
        for buffer in (kernel.a, kernel.b, kernel.out)
    )
    return a, b, out


def expected(kernel: ProductKernel, a: Array, b: Array, out: Array) -> Array:
    exact = (a.T if kernel.transpose_a else a).astype("f8") @ (b.T if kernel.transpose_b else b).astype("f8")
    return out + ALPHA * exact if kernel.start is not None else exact


SIZES = st.one_of(st.integers(1, 40), st.integers(1, 300))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(SIZES, SIZES, st.one_of(st.integers(1, 40), st.integers(200, 600))),
    transposes=st.tuples(st.booleans(), st.booleans()),
    adds=st.booleans(),
    dtype=st.sampled_from([float32, float64]),
    processor=st.sampled_from(PROCESSORS),
    cut=st.integers(0, 100),
)
def test_any_product(
    sizes: tuple[int, int, int], transposes: tuple[bool, bool], adds: bool, dtype: Any, processor: Processor, cut: int
) -> None:
    kernel = kernel_of(sizes, transposes, adds, dtype)
    product, (a, b, out) = Compiled(kernel, processor), data(kernel)
    received = product(a, b, out)
    # Sums of so many terms of size 1, each rounded.
    atol = 4 * np.finfo(dtype).eps * sizes[2]
    np.testing.assert_allclose(
        received, expected(kernel, a, b, out), rtol=1e-5 if dtype == float32 else 1e-12, atol=atol
    )
    in_parts = product(a, b, out, [min(cut, product.tiling.rounds)])
    np.testing.assert_array_equal(in_parts, received)


@pytest.mark.parametrize("transposes", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("sizes", [(300, 140, 470), (130, 400, 515)])
def test_products_whose_factors_are_copied(sizes: tuple[int, int, int], transposes: tuple[bool, bool]) -> None:
    kernel = kernel_of(sizes, transposes, True, float32)
    product, (a, b, out) = Compiled(kernel, Processor()), data(kernel)
    assert product.tiling.copies_a and product.tiling.copies_b and product.tiling.blocks > 1
    received = product(a, b, out)
    np.testing.assert_allclose(received, expected(kernel, a, b, out), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(product(a, b, out, [1, 3, 4]), received)


def test_what_is_not_a_number_stays_in_its_rows_and_columns() -> None:
    kernel = kernel_of((37, 45, 20), (False, True), False, float32)
    product, (a, b, out) = Compiled(kernel, Processor()), data(kernel)
    a[5, 3], b[7, 19] = np.nan, np.inf
    received = product(a, b, out)
    assert np.isnan(received[5]).all()
    assert np.isinf(np.delete(received[:, 7], 5)).all()
    np.testing.assert_array_equal(np.isfinite(received).sum(), 36 * 44)


def test_a_result_does_not_depend_on_what_stood_there() -> None:
    kernel = kernel_of((20, 33, 600), (False, False), False, float32)
    product, (a, b, out) = Compiled(kernel, Processor()), data(kernel)
    assert product.tiling.blocks > 1
    np.testing.assert_array_equal(product(a, b, np.full_like(out, np.nan)), product(a, b, out))
