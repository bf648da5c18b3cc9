"""The checker itself: an op that is wrong in one place must fail, be it by a thousandth."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from checker import (
    ContractError,
    check_finite_differences,
    check_inference,
    check_op,
    check_promotion,
    check_purity,
    check_rule_shapes,
    check_two_interpretations,
    rule_on_arrays,
    run,
    samples,
)

import chainrule as cr
from chainrule.core.aval import Aval
from chainrule.core.op import REGISTRY, Op, draw
from chainrule.ops.arithmetic import Add, Multiply
from chainrule.ops.exponential import Exp, Tanh
from chainrule.ops.linalg import MatMul
from chainrule.ops.reduce import Max, Sum
from chainrule.ops.shape import Reshape

#: Differentiable ops with at least one sample whose finite differences say something.
CHECKED = sorted(name for name, kind in REGISTRY.items() if kind.differentiable)
SQUARE = (draw(3, 3), draw(3, 3, seed=1))
BROADCAST = (draw(2, 3), draw(3, seed=1))


def broken(kind: type[Op], *params: Any, **changes: Any) -> Op:
    """An instance of ``kind`` with some of its methods replaced; it is not registered."""
    return type(f"Broken{kind.__name__}", (kind,), changes).of(*params)


def scaled(kind: type[Op], factor: float) -> Callable[..., Any]:
    """The rule of ``kind``, off by a factor."""

    def times(part: Any) -> Any:
        if part is None:
            return None
        return (lambda: part() * factor) if type(part) is FunctionType else part * factor

    def vjp(self: Op, g: Any, out: Any, *inputs: Any) -> Any:
        parts = kind.vjp(self, g, out, *inputs)
        return tuple(map(times, parts)) if type(parts) is tuple else times(parts)

    return vjp


@pytest.mark.parametrize("name", CHECKED)
def test_a_rule_that_is_off_by_a_thousandth_fails(name: str) -> None:
    kind = REGISTRY[name]
    wrong = type(f"Scaled{kind.__name__}", (kind,), {"vjp": scaled(kind, 1.001)})
    failed = 0
    for sample in samples(kind):
        op, inputs = wrong.of(*sample.op.params.values()), sample.inputs
        out = run(op, inputs)
        if out.dtype != np.float64 or not any(p is not None and p.any() for p in rule_on_arrays(op, out, out, inputs)):
            continue  # nothing to scale: no elements, a flat place, a cast to float32
        with pytest.raises(ContractError, match="finite differences"):
            check_op(op, inputs)
        failed += 1
    assert failed


def test_one_input_of_several_scaled_fails() -> None:
    def vjp(self: Op, g: Any, out: Any, x: Any, y: Any) -> Any:
        return lambda: g * y, lambda: g * x * 1.0001

    with pytest.raises(ContractError, match="argument 1"):
        check_op(broken(Multiply, vjp=vjp), SQUARE)


def test_a_right_first_and_wrong_second_derivative_fails() -> None:
    """A rule that treats its output as a constant gives the right gradient and no derivative of it."""

    def vjp(self: Op, g: Any, out: Any, x: Any) -> Any:
        return g * cr.stop_gradient(out)

    with pytest.raises(ContractError, match="derivative of order 2"):
        check_op(broken(Exp, vjp=vjp), (draw(3),))


def test_a_transposed_gradient_of_a_square_matrix_fails() -> None:
    def vjp(self: Op, g: Any, out: Any, a: Any, b: Any) -> Any:
        return lambda: cr.ops.transpose(cr.ops.matmul(g, cr.ops.transpose(b))), lambda: cr.ops.transpose(a) @ g

    with pytest.raises(ContractError, match="argument 0"):
        check_op(broken(MatMul, False, False, vjp=vjp), SQUARE)


def test_swapped_gradients_fail() -> None:
    def vjp(self: Op, g: Any, out: Any, x: Any, y: Any) -> Any:
        return lambda: g * x, lambda: g * y

    with pytest.raises(ContractError, match="finite differences"):
        check_op(broken(Multiply, vjp=vjp), SQUARE)


@pytest.mark.parametrize(
    "wrong", [lambda x, shape: x.mean(0), lambda x, shape: x[0], lambda x, shape: x[-1], lambda x, shape: x.sum(0) * 2]
)
def test_a_walk_that_does_not_sum_back_fails(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un-broadcasting is done once, in the walk: with a wrong one there, broadcasting inputs fail."""
    check_finite_differences(Multiply.of(), BROADCAST)
    walk = sys.modules["chainrule.autodiff.backward"]  # its name in the package is the function's
    monkeypatch.setattr(walk, "sum_to", wrong)
    with pytest.raises(ContractError, match="finite differences"):
        check_finite_differences(Multiply.of(), BROADCAST)


def test_a_rule_that_sums_what_the_walk_sums_fails() -> None:
    """A gradient with fewer axes than its input."""

    def vjp(self: Op, g: Any, out: Any, x: Any, y: Any) -> Any:
        return lambda: g.sum(0), lambda: g

    with pytest.raises(ContractError, match=r"gradient \(3,\) for input 0 of shape \(2, 3\)"):
        check_op(broken(Add, vjp=vjp), BROADCAST)


def test_a_gradient_of_a_shape_that_cannot_be_summed_back_fails() -> None:
    def vjp(self: Op, g: Any, out: Any, x: Any) -> Any:
        return cr.ops.transpose(g)

    with pytest.raises(ContractError, match=r"gradient \(3, 2\)"):
        check_op(broken(Tanh, vjp=vjp), (draw(2, 3),))


def test_a_reduction_that_spreads_along_the_wrong_axis_fails() -> None:
    def vjp(self: Op, g: Any, out: Any, x: Any) -> Any:
        return cr.ops.broadcast_to(g.reshape(1, -1), x.shape)  # the sum was over axis 1

    with pytest.raises(ContractError, match="finite differences"):
        check_op(broken(Sum, (1,), False, vjp=vjp), (draw(3, 3),))


@pytest.mark.parametrize("count", [1, 3])
def test_a_wrong_number_of_gradients_fails(count: int) -> None:
    with pytest.raises(ContractError, match="2 inputs"):
        check_rule_shapes(broken(Add, vjp=lambda self, g, out, x, y: (g,) * count), SQUARE)


def test_a_missing_gradient_fails() -> None:
    with pytest.raises(ContractError, match="no gradient for input 1"):
        check_op(broken(Add, vjp=lambda self, g, out, x, y: (g, None)), SQUARE)


def test_a_gradient_of_another_dtype_fails() -> None:
    def vjp(self: Op, g: Any, out: Any, x: Any, y: Any) -> Any:
        return g, g * np.ones((), np.float64)

    with pytest.raises(ContractError, match="gradient of float64 for input 1 of float32"):
        check_op(broken(Add, vjp=vjp), SQUARE)


def test_a_rule_that_differs_between_arrays_and_tensors_fails() -> None:
    def vjp(self: Op, g: Any, out: Any, x: Any) -> Any:
        return g * (1.0 - out * out) * (1.0 if isinstance(g, np.ndarray) else 1.0 + 1e-15)

    with pytest.raises(ContractError, match="differs between arrays and tensors"):
        check_two_interpretations(broken(Tanh, vjp=vjp), (draw(5),))


def test_a_wrong_shape_rule_fails() -> None:
    with pytest.raises(ContractError, match="infers"):
        check_op(broken(Tanh, infer=lambda self, x: Aval.of((*x.shape, 1), x.dtype)), (draw(2, 3),))
    with pytest.raises(ContractError, match="infers"):
        check_op(broken(Sum, (0,), False, infer=lambda self, x: Aval.of(x.shape[:1], x.dtype)), (draw(2, 3),))


def test_a_wrong_dtype_rule_fails() -> None:
    with pytest.raises(ContractError, match=r"infers f32\[3\] and computes float64"):
        check_inference(broken(Tanh, infer=lambda self, x: Aval.of(x.shape, "float32")), (draw(3),))


def test_a_dtype_that_only_numpy_knows_fails() -> None:
    """NumPy sums uint8 to uint64 where the rule says int64."""
    wrong = broken(Sum, (0,), False, compute=lambda self, x: np.add.reduce(x, axis=0))
    with pytest.raises(ContractError, match="computes uint64"):
        check_promotion(wrong, (np.ones((2, 3), np.uint8),))


def test_a_compute_that_writes_to_its_input_fails() -> None:
    def function(x: Any) -> Any:
        return np.exp(x, out=x)

    with pytest.raises(ContractError, match="writes to its input"):
        check_op(broken(Exp, function=staticmethod(function)), (draw(3),))


def test_a_compute_that_remembers_fails() -> None:
    calls: list[int] = []

    def function(x: Any) -> Any:
        calls.append(1)
        return np.exp(x) + len(calls)

    with pytest.raises(ContractError, match="another result on the same inputs"):
        check_purity(broken(Exp, function=staticmethod(function)), (draw(3),))


def test_a_compute_that_reuses_its_buffer_fails() -> None:
    buffer = np.empty(3)

    def function(x: Any) -> Any:
        return np.exp(x, out=buffer)

    with pytest.raises(ContractError, match="changes a result that it gave before"):
        check_purity(broken(Exp, function=staticmethod(function)), (draw(3),))


def test_a_maximum_that_loses_its_place_fails() -> None:
    """The gradient of a maximum goes to the element that was chosen, not to all."""

    def vjp(self: Op, g: Any, out: Any, x: Any) -> Any:
        return cr.ops.broadcast_to(g, x.shape) / 6.0

    with pytest.raises(ContractError, match="finite differences"):
        check_op(broken(Max, (0, 1), False, vjp=vjp), (draw(2, 3),))


def test_right_ops_pass() -> None:
    for op, inputs in [
        (Multiply.of(), BROADCAST),
        (MatMul.of(False, False), SQUARE),
        (Reshape.of((6,)), (draw(2, 3),)),
    ]:
        check_op(op, inputs)
