"""The wording of errors: what was asked, what came, what was expected, one way to fix it, and where."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

import chainrule as cr
from chainrule.core.errors import ChainruleError


def f32(*shape: int) -> cr.Tensor:
    return cr.zeros(*shape)


MATMUL = """\
matmul(a, b)
  received: a (2, 3) and b (4, 5)
  expected: equal inner lengths, not 3 and 4
  fix:      check which axis holds the features, or transpose one of them
  at:       test_errors.py: f32(2, 3) @ f32(4, 5)"""

BROADCAST = """\
add
  received: (2, 3) and (2,)
  expected: shapes that broadcast: aligned at the right, each pair of lengths equal or one of them 1
  fix:      reshape or expand the axis of length 2 (or 3)
  at:       test_errors.py: f32(2, 3) + f32(2)"""

MIXED = """\
multiply
  received: float32 and float64
  expected: one float type
  fix:      cast one of them: x.float() gives float32, x.double() gives float64
  at:       test_errors.py: f32(2) * cr.zeros(2, dtype="float64")"""

RESHAPE = """\
reshape to (4, 2)
  received: a tensor of shape (2, 3) with 6 elements
  expected: lengths that multiply to 6
  fix:      make the lengths multiply to the number of elements, with -1 for at most one of them
  at:       test_errors.py: f32(2, 3).reshape(4, 2)"""

RAGGED = """\
tensor(data)
  received: rows of different lengths
  expected: a rectangular nested list
  fix:      """

TEXT = """\
tensor(data)
  received: elements of type <U1
  expected: numbers or booleans
  fix:      encode text as numbers"""

NOT_SCALAR = """\
backward()
  received: an output of shape (2,)
  expected: a scalar, or the gradient of what follows
  fix:      reduce it with .sum() or .mean(), or pass gradient= in its shape"""

NO_GRADIENT = """\
backward()
  received: a tensor that needs no gradient
  expected: something computed from a tensor with requires_grad=True
  fix:      pass requires_grad=True to cr.tensor, and compute outside no_grad() and without results of compiled functions"""

IN_PLACE = """\
a change in place of a tensor that requires a gradient
  received: gradients are being recorded
  expected: no recording during the change
  fix:      put it under `with cr.no_grad():`, or change t.data"""

TRUTH = """\
a tensor as a condition
  received: f32[3]
  expected: one element
  fix:      use (...).all(), (...).any() or where()"""

AXIS = """\
sum
  received: axis=2 for 2 axes
  expected: an axis from -2 to 1
  fix:      choose an axis that the tensor has"""

INDEX = """\
t[tensor]
  received: a tensor of shape (3,)
  expected: indexes within it: index 3 is out of bounds for axis 0 with size 3
  fix:      check the labels or indexes: they count from 0"""

TOO_MANY = """\
t[:, 0]
  received: a tensor of shape (3,)
  expected: an index that fits: too many indices for array: array is 1-dimensional, but 2 were indexed
  fix:      check the number of axes and their lengths
  at:       test_errors.py: f32(3)[:, 0]"""

ONE_HOT = """\
one_hot(labels, 3)
  received: labels from 0 to 3
  expected: labels from 0 to 2
  fix:      count classes from 0, or raise num_classes"""

EINSUM = """\
einsum('ij,jk->ik')
  received: (2, 3) and (4, 5)
  expected: one length for 'j', not 3 and 4
  at:       test_errors.py: cr.einsum("ij,jk->ik", f32(2, 3), f32(4, 5))"""

BOOLEANS = """\
subtract
  received: booleans
  expected: numbers
  fix:      cast first: x.long() or x.float()
  at:       test_errors.py: cr.tensor([True]) - cr.tensor([False])"""

WHOLE = """\
requires_grad=True
  received: a tensor of int64
  expected: float32 or float64
  fix:      pass dtype=float32"""

EMPTY = """\
max
  received: a tensor of shape (0, 3) with nothing along axes (0,)
  expected: elements to choose from
  at:       test_errors.py: f32(0, 3).max(0)"""

CASES: dict[str, tuple[Callable[[], object], type[ChainruleError]]] = {
    MATMUL: (lambda: f32(2, 3) @ f32(4, 5), cr.ShapeError),
    BROADCAST: (lambda: f32(2, 3) + f32(2), cr.ShapeError),
    MIXED: (lambda: f32(2) * cr.zeros(2, dtype="float64"), cr.DTypeError),
    RESHAPE: (lambda: f32(2, 3).reshape(4, 2), cr.ShapeError),
    RAGGED: (lambda: cr.tensor([[1.0], [2.0, 3.0]]), cr.ShapeError),
    TEXT: (lambda: cr.tensor(["a"]), cr.DTypeError),
    NOT_SCALAR: (lambda: cr.tensor([1.0, 2.0], requires_grad=True).backward(), cr.ShapeError),
    NO_GRADIENT: (lambda: f32().backward(), cr.GradientError),
    IN_PLACE: (lambda: cr.tensor([1.0], requires_grad=True).add_(1), cr.GradientError),
    TRUTH: (lambda: bool(f32(3)), cr.ShapeError),
    AXIS: (lambda: f32(2, 3).sum(2), cr.ShapeError),
    INDEX: (lambda: f32(3)[[0, 3]], cr.ShapeError),
    TOO_MANY: (lambda: f32(3)[:, 0], cr.ShapeError),
    ONE_HOT: (lambda: cr.one_hot([0, 3], 3), cr.ShapeError),
    EINSUM: (lambda: cr.einsum("ij,jk->ik", f32(2, 3), f32(4, 5)), cr.ShapeError),
    BOOLEANS: (lambda: cr.tensor([True]) - cr.tensor([False]), cr.DTypeError),
    WHOLE: (lambda: cr.tensor([1, 2], requires_grad=True), cr.DTypeError),
    EMPTY: (lambda: f32(0, 3).max(0), cr.ShapeError),
}


@pytest.mark.parametrize("expected", CASES, ids=lambda text: text.split("\n")[0])
def test_wording(expected: str) -> None:
    """The whole text; at the user's line, only its number and what surrounds the expression are left out."""
    call, kind = CASES[expected]
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    asked, _, place = expected.partition("  at:       test_errors.py: ")
    if place:
        before, found = text.split("  at:       ")
        assert before == asked
        assert re.fullmatch(r"test_errors\.py:\d+  .*", found) and place in found
    elif expected is RAGGED:
        assert text.startswith(expected) and "inhomogeneous" in text
    else:
        assert text == expected


def test_errors_are_pythons_own_kinds_too() -> None:
    """Code that catches ValueError or TypeError catches chainrule's."""
    kinds = {
        cr.ShapeError: ValueError, cr.DTypeError: TypeError, cr.GraphError: RuntimeError, cr.GradientError: RuntimeError,
        cr.NonFiniteError: FloatingPointError, cr.DataError: ValueError, cr.ConfigError: ValueError,
        cr.CheckpointError: RuntimeError,
    }  # fmt: skip
    for kind, base in kinds.items():
        assert issubclass(kind, ChainruleError) and issubclass(kind, base)


def test_parts_of_an_error_are_attributes() -> None:
    error = cr.ShapeError("a", "b", "c", "d")
    assert (error.asked, error.received, error.expected, error.fix) == ("a", "b", "c", "d")
    assert str(cr.ShapeError("only what was asked")) == "only what was asked"
    error.context.append("  at:       here")
    assert str(error).endswith("d\n  at:       here")


def test_other_errors_stay_as_they_are() -> None:
    """What the user's own code raises inside passes through."""
    with pytest.raises(ZeroDivisionError):
        cr.grad(lambda x: x / (1 // 0))(2.0)


def test_negative_whole_powers_are_refused() -> None:
    with pytest.raises(cr.DTypeError, match="cast x"):
        cr.tensor([2]) ** -1
    assert (cr.tensor([2.0]) ** -1).tolist() == [0.5]


OVERFLOWS = """
import chainrule as cr
x = cr.tensor([-1.0, 0.0, 1e38, float("inf")])
for name in ("log", "sqrt", "rsqrt", "exp", "square", "sigmoid", "softplus", "cumsum", "prod", "logsumexp", "var", "gelu"):
    getattr(cr, name)(x)
x / 0.0, x - x, x.long(), x * 1e300, cr.tensor([1e300]), x.double() ** 9
cr.einsum("ij,jk,kl->il", *[x.reshape(2, 2)] * 3)
w = cr.tensor([0.0, -1.0], requires_grad=True)
(w.log() + w.sqrt()).sum().backward()
print(w.grad.tolist())
"""


def test_overflow_and_invalid_are_answers() -> None:
    """No op warns, even where warnings are errors: infinities and NaN come out, and watch_nan says where they are from."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", OVERFLOWS], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "[inf, nan]\n"
