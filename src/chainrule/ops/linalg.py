"""Contractions: products of matrices, and sums of products named by letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.apply import apply
from chainrule.core.aval import Aval, broadcast_shapes
from chainrule.core.errors import DTypeError, ShapeError
from chainrule.core.op import Op, Sample, draw, register
from chainrule.tensor import Tensor


def _one_dtype(name: str, avals: tuple[Aval, ...]) -> None:
    if len({a.dtype for a in avals}) > 1:
        raise DTypeError(name, " and ".join(str(a.dtype) for a in avals), "one dtype", "cast one of them")


@register
@dataclass(frozen=True, eq=False)
class MatMul(Op):
    """Product of matrices, stacked along leading axes; either may be read transposed without moving anything."""

    name, family = "matmul", "contract"
    transpose_a: bool = False
    transpose_b: bool = False

    def infer(self, *avals: Aval) -> Aval:
        """(..., n, k) by (..., k, m) gives (..., n, m)."""
        a, b = avals
        _one_dtype("matmul", avals)
        if a.ndim < 2 or b.ndim < 2:
            raise ShapeError("matmul(a, b)", f"a {a.shape} and b {b.shape}", "at least two axes each", "reshape them")
        rows, inner_a = a.shape[-2:] if not self.transpose_a else a.shape[:-3:-1]
        inner_b, columns = b.shape[-2:] if not self.transpose_b else b.shape[:-3:-1]
        if inner_a != inner_b:
            marks = [".T" if flag else "" for flag in (self.transpose_a, self.transpose_b)]
            raise ShapeError(
                f"matmul(a{marks[0]}, b{marks[1]})",
                f"a {a.shape} and b {b.shape}",
                f"equal inner lengths, not {inner_a} and {inner_b}",
                "check which axis holds the features, or transpose one of them",
            )
        return Aval.of((*broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2]), rows, columns), a.dtype)

    def compute(self, *arrays: Any) -> Any:
        """``numpy.dot`` of two matrices, ``numpy.matmul`` of stacks."""
        a, b = arrays
        if a.ndim == 2 and b.ndim == 2:
            # The same BLAS call as matmul, at half the cost of getting there (0.4 against 0.75 microseconds).
            return (a.T if self.transpose_a else a).dot(b.T if self.transpose_b else b)
        if self.transpose_a:
            a = a.swapaxes(-1, -2)
        if self.transpose_b:
            b = b.swapaxes(-1, -2)
        return np.matmul(a, b)

    def vjp(self, g: Any, out: Any, a: Any, b: Any) -> Any:
        ta, tb = self.transpose_a, self.transpose_b
        return (
            lambda: apply(MATMUL[tb, True], b, g) if ta else apply(MATMUL[False, not tb], g, b),
            lambda: apply(MATMUL[True, ta], g, a) if tb else apply(MATMUL[not ta, False], a, g),
        )

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Each pair of flags, batches that broadcast, empty inner and outer axes."""
        yield Sample(cls.of(False, False), (draw(2, 3), draw(3, 4, seed=1)))
        yield Sample(cls.of(False, True), (draw(2, 3), draw(4, 3, seed=1)))
        yield Sample(cls.of(True, False), (draw(3, 2), draw(3, 4, seed=1)))
        yield Sample(cls.of(True, True), (draw(3, 2), draw(4, 3, seed=1)))
        yield Sample(cls.of(False, False), (draw(2, 1, 2, 3), draw(3, 3, 2, seed=1)))
        yield Sample(cls.of(True, True), (draw(2, 3, 2), draw(4, 3, seed=1)))
        yield Sample(cls.of(False, False), (draw(2, 0), draw(0, 3, seed=1)))
        yield Sample(cls.of(False, False), (draw(0, 2), draw(2, 3, seed=1)))


#: The four products by what is read transposed.
MATMUL = {(ta, tb): MatMul.of(ta, tb) for ta in (False, True) for tb in (False, True)}


@register
@dataclass(frozen=True, eq=False)
class MatMulAdd(Op):
    """``c + alpha a b`` with two matrices and a number: a product added into a third matrix, as BLAS's ``gemm`` does it.

    ``dc = g``, ``da = alpha g b^T``, ``db = alpha a^T g``, ``dalpha`` = the sum of ``g * (a b)``. A compiled step of gradient
    descent is made of it: weight + (-lr) * (gradient as a product), so that the gradient itself is never stored.
    """

    name, family = "matmul_add", "contract"
    transpose_a: bool = False
    transpose_b: bool = False

    def infer(self, *avals: Aval) -> Aval:
        """c (n, m), a (n, k), b (k, m) and alpha () give (n, m)."""
        c, a, b, alpha = avals
        _one_dtype("matmul_add", avals)
        if a.ndim != 2 or b.ndim != 2 or alpha.ndim or MATMUL[self.transpose_a, self.transpose_b].infer(a, b) is not c:
            raise ShapeError(
                "matmul_add(c, a, b, alpha)",
                f"c {c.shape}, a {a.shape}, b {b.shape}, alpha {alpha.shape}",
                "matrices a and b, c of their product's shape, and one number alpha",
                "check c's shape; broadcast a bias first, or use affine",
            )
        return c

    def compute(self, *arrays: Any) -> Any:
        """The product, scaled and added."""
        c, a, b, alpha = arrays
        return c + alpha * MATMUL[self.transpose_a, self.transpose_b].compute(a, b)

    def vjp(self, g: Any, out: Any, c: Any, a: Any, b: Any, alpha: Any) -> Any:
        product = MATMUL[self.transpose_a, self.transpose_b]
        return (
            g,
            lambda: product.vjp(g * alpha, out, a, b)[0](),
            lambda: product.vjp(g * alpha, out, a, b)[1](),
            lambda: (g * apply(product, a, b)).sum(),
        )

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """The pairs of flags on matrices; no rows, and nothing to sum over."""
        for sample in MatMul.samples():
            a, b = sample.inputs
            if a.ndim == b.ndim == 2:
                c = draw(*sample.op.compute(a, b).shape, seed=2)
                yield Sample(cls.of(*sample.op.params.values()), (c, a, b, draw(seed=3)))


@register
class Affine(Op):
    """Weighted sums with a bias, ``x W^T + b``, the layer of the textbooks.

    ``dx = g W``, ``dW = g^T x``, ``db`` = column sums of g. One op rather than a product and a sum, because a layer is
    what people look for on a graph, and because small networks spend half their time between ops.
    """

    name, family = "affine", "composite"

    def expand(self, *inputs: Any) -> Tensor:
        """A product and a sum."""
        x, weight, bias = inputs
        return matmul(x, weight, transpose_b=True) + bias

    def infer(self, *avals: Aval) -> Aval:
        """(n, k) by (m, k) and (m,) gives (n, m)."""
        x, weight, bias = avals
        _one_dtype("affine", avals)
        if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[1] or bias.shape != weight.shape[:1]:
            raise ShapeError(
                "affine(x, weight, bias)",
                f"x {x.shape}, weight {weight.shape}, bias {bias.shape}",
                "x (n, inputs), weight (outputs, inputs), bias (outputs,)",
                "check which axis holds the features",
            )
        return Aval.of((x.shape[0], weight.shape[0]), x.dtype)

    def compute(self, *arrays: Any) -> Any:
        """``x.dot(weight.T) + bias``, added in place."""
        x, weight, bias = arrays
        out = x.dot(weight.T)
        out += bias
        return out

    def vjp(self, g: Any, out: Any, x: Any, weight: Any, bias: Any) -> Any:
        return lambda: g.dot(weight), lambda: g.T.dot(x), lambda: g.sum(0)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Some rows, one, none."""
        for rows in (4, 1, 0):
            yield Sample(cls.of(), (draw(rows, 3), draw(2, 3, seed=1), draw(2, seed=2)))


_AFFINE = Affine.of()


#: Elements from which looking for a matrix product pays (measured: 256 x 256, 0.2 against 1.7 milliseconds).
_EINSUM_SMALL = 2048


@register
@dataclass(frozen=True, eq=False)
class Einsum(Op):
    """A sum of products in Einstein's notation, for example ``bij,bjk->bik``."""

    name, family = "einsum", "contract"
    subscripts: str

    @property
    def terms(self) -> tuple[list[str], str]:
        """The letters of each input, and of the output."""
        left, right = self.subscripts.split("->")
        return left.split(","), right

    def infer(self, *avals: Aval) -> Aval:
        """Each letter has one length."""
        _one_dtype("einsum", avals)
        inputs, output = self.terms
        lengths: dict[str, int] = {}
        asked = f"einsum({self.subscripts!r})"
        if len(inputs) != len(avals):
            raise ShapeError(asked, f"{len(avals)} tensors", f"{len(inputs)}, one for each term", "check the commas")
        for term, aval in zip(inputs, avals, strict=True):
            if len(term) != aval.ndim:
                raise ShapeError(asked, f"shape {aval.shape} for '{term}'", f"{len(term)} axes", "one letter an axis")
            for letter, length in zip(term, aval.shape, strict=True):
                if lengths.setdefault(letter, length) != length:
                    shapes = " and ".join(str(a.shape) for a in avals)
                    raise ShapeError(asked, shapes, f"one length for '{letter}', not {lengths[letter]} and {length}")
        return Aval.of(tuple(lengths[letter] for letter in output), avals[0].dtype)

    def compute(self, *arrays: Any) -> Any:
        """``numpy.einsum``: its own loop for small ones, the matrix products that it finds for large ones."""
        if len(arrays) < 2 or (len(arrays) == 2 and max(a.size for a in arrays) < _EINSUM_SMALL):
            return np.einsum(self.subscripts, *arrays)
        with np.errstate(all="ignore"):  # NumPy's own matmul is called here, out of reach of the package's filter
            return np.einsum(self.subscripts, *arrays, optimize=True)

    def vjp(self, g: Any, out: Any, *inputs: Any) -> Any:
        terms, output = self.terms

        def gradient(i: int) -> Any:
            others = [t for j, t in enumerate(terms) if j != i]
            known = set(output).union(*others)
            # A letter summed out of this input alone: its gradient is the same along that axis.
            kept = "".join(letter for letter in terms[i] if letter in known)
            part = einsum(f"{','.join([output, *others])}->{kept}", g, *(x for j, x in enumerate(inputs) if j != i))
            shape = tuple(n if c in known else 1 for c, n in zip(terms[i], inputs[i].shape, strict=True))
            return _broadcast(part.reshape(shape), inputs[i].shape)

        return tuple((lambda i=i: gradient(i)) for i in range(len(inputs)))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A product, a trace-free sum, an outer product, three inputs, an empty axis."""
        yield Sample(cls.of("ij,jk->ik"), (draw(2, 3), draw(3, 4, seed=1)))
        yield Sample(cls.of("bij,bjk->bki"), (draw(2, 2, 3), draw(2, 3, 2, seed=1)))
        yield Sample(cls.of("ij->j"), (draw(2, 3),))
        yield Sample(cls.of("i,j->ij"), (draw(2), draw(3, seed=1)))
        yield Sample(cls.of("ij,j,ik->k"), (draw(2, 3), draw(3, seed=1), draw(2, 2, seed=2)))
        yield Sample(cls.of("ij,jk->ik"), (draw(0, 3), draw(3, 2, seed=1)))


def _broadcast(g: Any, shape: tuple[int, ...]) -> Any:
    from chainrule.ops.shape import broadcast_to

    return g if g.shape == shape else broadcast_to(g, shape)


def matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """Matrix product ``a @ b``: (..., n, k) by (..., k, m) gives (..., n, m); the rest is as in NumPy.

    Gradient: ``g @ b.T`` for a, ``a.T @ g`` for b. With ``transpose_a`` or ``transpose_b`` that matrix is read
    transposed, without a copy.

    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    vector_a, vector_b = getattr(a, "ndim", 2) == 1, getattr(b, "ndim", 2) == 1
    if vector_a:
        a = a.reshape(1, -1) if not transpose_a else a.reshape(-1, 1)
    if vector_b:
        b = b.reshape(-1, 1) if not transpose_b else b.reshape(1, -1)
    out = apply(MATMUL[transpose_a, transpose_b], a, b)
    if vector_a or vector_b:
        shape = out.shape
        lead, last = shape[:-2], shape[-2:]
        out = out.reshape((*lead, *(() if vector_a else last[:1]), *(() if vector_b else last[1:])))
    return out


def matmul_add(
    c: Any, a: Any, b: Any, alpha: Any = 1.0, transpose_a: bool = False, transpose_b: bool = False
) -> Tensor:
    """A product added to a matrix, ``c + alpha * (a @ b)``: c (n, m), a (n, k), b (k, m), alpha one number.

    Gradient: ``g`` for c, ``alpha g b^T`` for a, ``alpha a^T g`` for b, the sum of ``g * (a @ b)`` for alpha.

    >>> c, a, b = Tensor([[1.0]]), Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]])
    >>> matmul_add(c, a, b, alpha=0.5)
    tensor([[6.5]])

    Raises:
        ShapeError: a or b is no matrix, or c has not the shape of their product.
    """
    return apply(MatMulAdd.of(transpose_a, transpose_b), c, a, b, alpha)


def affine(x: Any, weight: Any, bias: Any) -> Tensor:
    """A layer of weighted sums, ``x W^T + b``: x (..., inputs), weight (outputs, inputs), bias (outputs,).

    Gradient: ``g W`` for x, ``g^T x`` for the weight, the column sums of g for the bias.

    >>> affine(Tensor([[1.0, 2.0]]), Tensor([[2.0, 3.0]]), Tensor([0.5]))
    tensor([[8.5]])
    """
    if x.ndim == 2:
        return apply(_AFFINE, x, weight, bias)
    return matmul(x, weight, transpose_b=True) + bias


def einsum(subscripts: str, *tensors: Any) -> Any:
    """Sum of products: letters name axes, letters missing on the right are summed.

    Each letter stands at most once in a term; without ``->`` the letters that stand once, in alphabetical order, are
    the output (NumPy's rule).

    >>> einsum("ij,jk->ik", Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    text = subscripts.replace(" ", "")
    if "->" not in text:
        letters = text.replace(",", "")
        text += "->" + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    left, _, right = text.partition("->")
    terms = [*left.split(","), right]
    bad = [t for t in terms if not all(c.isalpha() for c in t) or len(set(t)) != len(t)]
    unknown = set(right) - set(left)
    if bad or unknown:
        raise ShapeError(
            f"einsum({subscripts!r})",
            f"the term '{bad[0]}'" if bad else f"'{min(unknown)}' in the output alone",
            "letters, each once in a term, the output's among the inputs'",
            "take a diagonal by indexing, and spell out axes instead of '...'",
        )
    return apply(Einsum.of(text), *tensors)


def dot(a: Any, b: Any) -> Tensor:
    """Inner product of two vectors.

    >>> dot(Tensor([1.0, 2.0]), Tensor([3.0, 4.0]))
    tensor(11.)
    """
    return matmul(a, b)


def outer(a: Any, b: Any) -> Tensor:
    """Every product of an element of one vector with an element of another.

    >>> outer(Tensor([1.0, 2.0]), Tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    return einsum("i,j->ij", a, b)
