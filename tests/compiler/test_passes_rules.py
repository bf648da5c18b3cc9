"""Each rule of ``simplify`` by itself: what it makes of a small program, and the numbers before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from programs import SPECIAL, lines, run, same, traced

import chainrule as cr
from chainrule.compiler.passes.dce import eliminate_dead_code
from chainrule.compiler.passes.fold import fold
from chainrule.compiler.passes.rules import RULES
from chainrule.compiler.passes.rules_arithmetic import EXACT
from chainrule.compiler.passes.simplify import simplify
from chainrule.core.apply import apply
from chainrule.core.op import Op
from chainrule.ops.convert import Cast
from chainrule.ops.index import IndexAdd
from chainrule.ops.reduce import Sum
from chainrule.ops.shape import BroadcastTo, Reshape, Transpose

Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    """Numbers of size one."""
    return np.random.Generator(np.random.Philox(seed)).standard_normal(shape).astype(dtype)


def special(*shape: int) -> Array:
    """NaN, infinities, zeros of both signs, huge and tiny numbers."""
    return np.resize(SPECIAL, shape)


WHOLE = np.array([-3, 0, 7, 2**31 - 1], np.int32)
TRUTH = np.array([True, False, True])


def op(instance: Op) -> Callable[..., Any]:
    """An op without the shortcuts of its public function."""
    return lambda *inputs: apply(instance, *inputs)


@dataclass(frozen=True)
class Case:
    """``function`` on ``inputs`` is simplified to ``expected``, one node after another."""

    function: Callable[..., Any]
    inputs: tuple[Array, ...]
    expected: str
    #: Rounding that is allowed, in units of the last place (0: only signs of zeros may differ); None means equal to the
    #: bit, NaN and signs included.
    ulps: float | None = None


def log_softmax_by_hand(x: Any) -> Any:
    """What is left of the ops' definitions after ``expand``."""
    shifted = x - cr.max(x, 1, keepdims=True)
    return cr.exp(shifted - cr.log(cr.sum(cr.exp(shifted), 1, keepdims=True)))


S, M = special(12), numbers(3, 4)
REVERSED = Transpose.of((1, 0))

#: For each rule the programs that it changes.
CASES: dict[str, list[Case]] = {
    "stop_gradient": [Case(lambda x: x.detach() * 2.0, (S,), "%0 = multiply x 2; return %0")],
    "multiply_by_one": [
        Case(lambda x: x * 1.0, (S,), "return x"),
        Case(lambda x: 1.0 * x, (S,), "return x"),
        Case(lambda x: x * cr.tensor([[1.0]]), (M,), "return x"),
        Case(lambda x: x * 1, (WHOLE,), "return x"),
        Case(
            lambda x: x * cr.broadcast_to(cr.tensor(1.0), (2, 12)),
            (S,),
            "%0 = broadcast_to[shape=(2, 12)] x; return %0",
        ),
    ],
    "multiply_by_minus_one": [
        Case(lambda x: x * -1.0, (S,), "%0 = negative x; return %0"),
        Case(lambda x: -1 * x, (WHOLE,), "%0 = negative x; return %0"),
    ],
    "multiply_by_itself": [Case(lambda x: x * x, (S,), "%0 = square x; return %0")],
    "divide_by_one": [Case(lambda x: x / 1.0, (S,), "return x")],
    "divide_by_power_of_two": [
        Case(lambda x: x / 8.0, (S,), "%0 = multiply x 0.125; return %0"),
        Case(lambda x: x / -0.25, (S,), "%0 = multiply x -4; return %0"),
        Case(lambda x: x / 2.0**126, (S,), "%0 = multiply x 1.17549435e-38; return %0"),
    ],
    "add_nothing": [
        Case(lambda x: x + -0.0, (S,), "return x"),
        Case(lambda x: -0.0 + x, (S,), "return x"),
        Case(lambda x: x + 0, (WHOLE,), "return x"),
    ],
    "subtract_nothing": [
        Case(lambda x: x - 0.0, (S,), "return x"),
        Case(lambda x: x - 0, (WHOLE,), "return x"),
    ],
    "add_negative": [
        Case(lambda x, y: x + (-y), (S, S[::-1].copy()), "%0 = subtract x y; return %0"),
        Case(lambda x, y: (-x) + y, (S, S[::-1].copy()), "%0 = subtract y x; return %0"),
    ],
    "number_times_multiple": [
        Case(lambda x: 3.0 * (x * 0.1), (S,), "%0 = multiply x 0.300000012; return %0", 2),
        Case(lambda x: (0.5 * x) * 2.0, (M,), "return x", 2),
        Case(lambda x: -2.0 * (x * 3.0) * -1.5, (M,), "%0 = multiply x 9; return %0", 2),
    ],
    "number_times_negative": [
        Case(lambda x: 2.0 * -x, (S,), "%0 = multiply x -2; return %0"),
        Case(lambda x: -x * -0.5, (S,), "%0 = multiply x 0.5; return %0"),
    ],
    "negative_of_multiple": [Case(lambda x: -(2.0 * x), (S,), "%0 = multiply x -2; return %0")],
    "twice_a_multiple": [Case(lambda x: (y := 0.25 * x) + y, (M,), "%0 = multiply x 0.5; return %0")],
    "add_negative_multiple": [
        Case(lambda x, y: x + y * -2.0, (S, S[::-1].copy()), "%0 = multiply y 2; %1 = subtract x %0; return %1"),
        Case(lambda x, y: -3.0 * x + y, (S, S[::-1].copy()), "%0 = multiply x 3; %1 = subtract y %0; return %1"),
    ],
    "reduction_of_negative": [
        Case(
            lambda x: cr.sum(-x, 1),
            (M,),
            "%0 = sum[axes=(1,), keepdims=False] x; %1 = negative %0; return %1",
            0,
        ),
        Case(
            lambda x: cr.mean(-x, 0, keepdims=True),
            (M,),
            "%0 = mean[axes=(0,), keepdims=True] x; %1 = negative %0; return %1",
            0,
        ),
    ],
    "where_within_where": [
        Case(
            lambda c, x, y: cr.where(c, cr.where(c, x, 1.0), y),
            (TRUTH, numbers(3), numbers(3, seed=1)),
            "%0 = where x y z; return %0",
        ),
        Case(
            lambda c, x, y: cr.where(c, x, y * cr.where(c, 0.0, x)),
            (TRUTH, np.array([1, np.nan, 2], np.float32), np.array([np.inf, 3, np.nan], np.float32)),
            "%0 = multiply z y; %1 = where x y %0; return %1",
        ),
        Case(
            lambda c, x, y: cr.where(c, cr.where(c, x, 1.0) * 3.0 * y, y),
            (TRUTH, numbers(3), numbers(3, seed=1)),
            "%0 = multiply y 3; %1 = multiply %0 z; %2 = where x %1 z; return %2",
        ),
    ],
    "add_branches": [
        Case(
            lambda c, x, y: cr.where(c, x, 0.0) + cr.where(c, 0.0, y),
            (TRUTH, numbers(3), numbers(3, seed=1)),
            "%0 = where x y z; return %0",
            0,
        ),
        Case(
            lambda c, x, y: cr.where(c, 0.0, y) + cr.where(c, x, 0.0),
            (TRUTH, np.array([np.inf, np.nan, 1], np.float32), np.array([np.nan, 2, np.inf], np.float32)),
            "%0 = where x y z; return %0",
            0,
        ),
    ],
    "number_times_branch": [
        Case(
            lambda c, x: 2.0 * cr.where(c, x, 0.0),
            (TRUTH, numbers(3)),
            "%0 = multiply y 2; %1 = where x %0 0; return %1",
            0,
        ),
        Case(
            lambda c, x: cr.where(c, 0.0, x) * -0.5,
            (TRUTH, numbers(3)),
            "%0 = multiply y -0.5; %1 = where x 0 %0; return %1",
            0,
        ),
    ],
    "subtract_negative_multiple": [
        Case(lambda x, y: x - y * -2.0, (S, S[::-1].copy()), "%0 = multiply y 2; %1 = add x %0; return %1"),
    ],
    "exp_of_log_softmax": [
        Case(
            log_softmax_by_hand,
            (M,),
            "%0 = max[axes=(1,), keepdims=True] x; %1 = subtract x %0; %2 = exp %1; "
            "%3 = sum[axes=(1,), keepdims=True] %2; %4 = divide %2 %3; return %4",
            16,
        ),
    ],
    "sum_of_one_a_row": [
        Case(
            lambda v, t: cr.sum(apply(IndexAdd.of((("array",), ("array",)), (3, 4)), v, np.arange(3), t), axis=1),
            (M[:, 0], np.array([1, 3, 0])),
            "return x",
            0,
        ),
    ],
    "subtract_negative": [Case(lambda x, y: x - (-y), (S, S[::-1].copy()), "%0 = add x y; return %0")],
    "negative_of_negative": [Case(lambda x: cr.negative(-x) * 2.0, (S,), "%0 = multiply x 2; return %0")],
    "power_by_number": [
        Case(lambda x: cr.power(x, cr.tensor(2.0)), (S,), "%0 = square x; return %0", 1),
        Case(lambda x: x**1.0, (S,), "return x"),
        Case(lambda x: x**0.0, (S,), "%0 = broadcast_to[shape=(12,)] 1; return %0"),
        Case(lambda x: x**3, (S,), "%0 = square x; %1 = multiply x %0; return %1", 2),
        Case(lambda x: x**3, (WHOLE,), "%0 = square x; %1 = multiply x %0; return %1"),
        Case(lambda x: x**0.5, (np.abs(S),), "%0 = sqrt x; return %0", 1),
        Case(lambda x: x**-0.5, (np.abs(S),), "%0 = rsqrt x; return %0", 2),
        Case(lambda x: x**-1, (S,), "%0 = divide 1 x; return %0", 1),
    ],
    "log_of_softmax": [
        Case(
            lambda x: cr.log((e := cr.exp(x)) / e.sum(1, keepdims=True)),
            (M,),
            "%0 = exp x; %1 = sum[axes=(1,), keepdims=True] %0; %2 = log %1; %3 = subtract x %2; return %3",
            8,
        )
    ],
    "where_both_are_one": [
        Case(lambda x, y: cr.where(x > 0, y, y), (S, S), "return y"),
        Case(
            lambda x, y: cr.where(x > 0, y, y),
            (S, np.float32(2)),
            "%0 = broadcast_to[shape=(12,)] y; return %0",
        ),
    ],
    "where_decided": [
        Case(lambda x: cr.where(cr.tensor(True), x, 0.0), (S,), "return x"),
        Case(lambda x: cr.where(cr.tensor([False]), 0.0, x), (S,), "return x"),
    ],
    "where_not": [
        Case(
            lambda x, y: cr.where(~(x > y), x, y),
            (S, S[::-1].copy()),
            "%0 = greater x y; %1 = where %0 y x; return %1",
        ),
    ],
    "not_not": [Case(lambda x: ~~x, (TRUTH,), "return x")],
    "not_equal": [
        Case(lambda x, y: ~(x == y), (S, S), "%0 = not_equal x y; return %0"),
        Case(lambda x, y: ~(x != y), (S, S), "%0 = equal x y; return %0"),
    ],
    "cast_to_its_own": [Case(op(Cast.of(np.dtype("float32"))), (S,), "return x")],
    "cast_of_cast": [
        Case(lambda x: x.double().float(), (S,), "return x"),
        Case(lambda x: x.int().double().long(), (TRUTH,), "%0 = cast[dtype=int64] x; return %0"),
        Case(lambda x: x.double().bool(), (WHOLE,), "%0 = cast[dtype=bool] x; return %0"),
        Case(lambda x: x.long().int(), (WHOLE,), "return x"),
    ],
    "reshape_to_its_own": [Case(op(Reshape.of((3, 4))), (M,), "return x")],
    "reshape_in_numbers": [
        Case(
            lambda x: x.reshape(-1) + x.reshape(12),
            (M,),
            "%0 = reshape[shape=(12,)] x; %1 = reshape[shape=(12,)] x; %2 = add %0 %1; return %2",
        ),
    ],
    "reshape_of_reshape": [
        Case(lambda x: x.reshape(4, 3).reshape(2, 6), (M,), "%0 = reshape[shape=(2, 6)] x; return %0"),
        Case(lambda x: x.reshape(12).reshape(3, 4), (M,), "return x"),
    ],
    "transpose_that_keeps_the_order": [Case(op(Transpose.of((0, 1))), (M,), "return x")],
    "transpose_of_transpose": [
        Case(lambda x: x.T.T, (M,), "return x"),
        Case(
            lambda x: cr.transpose(cr.transpose(x, (2, 0, 1)), (1, 0, 2)),
            (numbers(2, 3, 4),),
            "%0 = transpose[axes=(0, 2, 1)] x; return %0",
        ),
    ],
    "movement_of_one_number": [
        Case(
            lambda x: cr.broadcast_to(x, (2, 3)).reshape(6),
            (numbers(),),
            "%0 = broadcast_to[shape=(6,)] x; return %0",
        ),
        Case(
            lambda x: cr.broadcast_to(x, (2, 3)).T,
            (numbers(1, 1),),
            "%0 = reshape[shape=()] x; %1 = broadcast_to[shape=(3, 2)] %0; return %1",
        ),
    ],
    "matmul_of_transpose": [
        Case(
            lambda x, y: x.T @ y,
            (M, numbers(3, 2)),
            "%0 = matmul[transpose_a=True, transpose_b=False] x y; return %0",
        ),
        Case(
            lambda x, y: x @ y.T,
            (M, numbers(2, 4)),
            "%0 = matmul[transpose_a=False, transpose_b=True] x y; return %0",
        ),
        Case(
            lambda x, y: cr.matmul(x.T, y.T, transpose_b=True),
            (M, numbers(2, 3).T.copy()),
            "%0 = matmul[transpose_a=True, transpose_b=False] x y; return %0",
        ),
        Case(
            lambda x, y: cr.swapaxes(x, 1, 2) @ y,
            (numbers(2, 3, 4), numbers(2, 3, 2)),
            "%0 = matmul[transpose_a=True, transpose_b=False] x y; return %0",
        ),
    ],
    "transpose_of_matmul": [
        Case(
            lambda x, y: (x @ y).T,
            (M, numbers(4, 2)),
            "%0 = matmul[transpose_a=True, transpose_b=True] y x; return %0",
            16,
        ),
        Case(
            lambda x, y: cr.swapaxes(cr.matmul(x, y, transpose_a=True), 0, 1),
            (M, numbers(3, 2)),
            "%0 = matmul[transpose_a=True, transpose_b=False] y x; return %0",
            16,
        ),
    ],
    "broadcast_to_its_own": [Case(op(BroadcastTo.of((3, 4))), (M,), "return x")],
    "broadcast_of_broadcast": [
        Case(
            lambda x: cr.broadcast_to(cr.broadcast_to(x, (3, 1)), (2, 3, 4)),
            (numbers(1, 1),),
            "%0 = broadcast_to[shape=(2, 3, 4)] x; return %0",
        ),
        Case(
            lambda x: cr.broadcast_to(x.reshape(1, 4), (3, 4)),
            (numbers(4),),
            "%0 = broadcast_to[shape=(3, 4)] x; return %0",
        ),
    ],
    "broadcast_that_repeats_nothing": [
        Case(lambda x: cr.broadcast_to(x, (1, 1, 4)), (numbers(4),), "%0 = reshape[shape=(1, 1, 4)] x; return %0"),
    ],
    "function_of_broadcasts": [
        Case(
            lambda x: cr.exp(cr.broadcast_to(x, (5, 12))),
            (S,),
            "%0 = exp x; %1 = broadcast_to[shape=(5, 12)] %0; return %1",
        ),
        Case(
            lambda x, y: cr.broadcast_to(x, (3, 4)) * cr.broadcast_to(y, (3, 4)),
            (numbers(4), numbers(1, 4)),
            "%0 = multiply x y; %1 = broadcast_to[shape=(3, 4)] %0; return %1",
        ),
        Case(
            lambda x: cr.broadcast_to(x, (3, 4)).double(),
            (numbers(3, 1),),
            "%0 = cast[dtype=float64] x; %1 = broadcast_to[shape=(3, 4)] %0; return %1",
        ),
    ],
    "broadcast_that_another_input_gives": [
        Case(lambda x, y: cr.broadcast_to(x, (3, 4)) + y, (numbers(4), M), "%0 = add x y; return %0"),
        Case(lambda x, y: y - x.reshape(1, 4), (numbers(4), M), "%0 = subtract y x; return %0"),
        Case(
            lambda x, y: cr.where(y > 0, cr.broadcast_to(x, (3, 4)), y),
            (numbers(3, 1), M),
            "%0 = greater y 0; %1 = where %0 x y; return %1",
        ),
        Case(
            lambda x, y: cr.broadcast_to(x, (3, 4)) * cr.broadcast_to(y, (3, 4)),
            (numbers(3, 1), numbers(4)),
            "%0 = multiply x y; return %0",
        ),
    ],
    "reduction_of_nothing": [
        Case(lambda x: x.sum(1), (S[:, None],), "%0 = reshape[shape=(12,)] x; return %0", 0),
        Case(lambda x: cr.max(x, 0, keepdims=True), (special(1, 12),), "return x"),
        Case(lambda x: cr.mean(x, 0), (special(1, 12),), "%0 = reshape[shape=(12,)] x; return %0", 0),
        Case(lambda x: x.sum(0), (WHOLE[None],), "%0 = reshape[shape=(4,)] x; %1 = cast[dtype=int64] %0; return %1"),
        Case(op(Sum.of((), False)), (S,), "return x", 0),
    ],
    "reduction_of_broadcast": [
        Case(lambda x: cr.broadcast_to(x, (5, 12)).sum(0), (S,), "%0 = multiply x 5; return %0", 4),
        Case(lambda x: cr.broadcast_to(x, (5, 8)).mean(0), (S[:8],), "return x", 4),
        Case(
            lambda x: cr.max(cr.broadcast_to(x, (5, 12)), 0, keepdims=True),
            (S,),
            "%0 = reshape[shape=(1, 12)] x; return %0",
        ),
        Case(
            lambda x: cr.broadcast_to(x, (2, 3, 4)).sum((0, 1), keepdims=True),
            (M,),
            "%0 = reshape[shape=(1, 3, 4)] x; %1 = sum[axes=(1,), keepdims=True] %0; %2 = multiply %1 2; return %2",
            4,
        ),
        Case(
            lambda x: cr.broadcast_to(x, (3, 4)).sum(),
            (WHOLE[:1],),
            "%0 = reshape[shape=()] x; %1 = cast[dtype=int64] %0; %2 = multiply %1 12; return %2",
        ),
    ],
}


def test_every_rule_has_a_case() -> None:
    assert {function.__name__ for _, function in RULES} == set(CASES)


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in CASES.items() for case in cases])
def test_rule(name: str, case: Case) -> None:
    """The program before has what the rule takes away; the program after is the expected one, with the same numbers."""
    before = traced(case.function, *case.inputs)
    after = eliminate_dead_code(simplify(fold(before) if name == "where_decided" else before))
    assert "; ".join(lines(after)) == case.expected != "; ".join(lines(before))
    assert simplify(after) is after
    for x in (case.inputs, tuple(np.zeros_like(i) for i in case.inputs)):
        for a, b in zip(run(before, *x), run(after, *x), strict=True):
            if case.ulps is None:
                assert same(a, b)
            else:
                limits = np.finfo(a.dtype)
                np.testing.assert_allclose(b, a, rtol=case.ulps * limits.eps, atol=limits.tiny if case.ulps else 0)


#: Programs that look as if a rule applied.
UNTOUCHED: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "x + 0.0 turns -0.0 into 0.0": (lambda x: x + 0.0, (S,)),
    "x - -0.0 does so too": (lambda x: x - -0.0, (S,)),
    "0.0 - x is 0.0 where -x is -0.0": (lambda x: 0.0 - x, (S,)),
    "x * 0 is NaN for infinities": (lambda x: x * 0.0, (S,)),
    "x / x is NaN at 0": (lambda x: x / x, (S,)),
    "a third is not a number of the machine": (lambda x: x / 3.0, (S,)),
    "the inverse of 2**127 is too small": (lambda x: x / 2.0**127, (S,)),
    "x / 0": (lambda x: x / 0.0, (S,)),
    "add(x, x) is as good as anything": (lambda x: x + x, (S,)),
    "a sum that is one number": (lambda x: cr.mean(-x), (S,)),
    "a multiple that something else needs too": (lambda x: (y := x * 3.0, 2.0 * y, -y), (S,)),
    "a negative that something else needs too": (lambda x: (y := -x, cr.sum(y), 2.0 * y), (S,)),
    "a product of numbers that is too large": (lambda x: 1e30 * (x * 1e30), (S,)),
    "a product of numbers that is too small": (lambda x: 1e-30 * (x * 1e-30), (S,)),
    "whole numbers wrap around": (lambda x: (-x).sum() + cr.sum(2 * (x * 3)), (WHOLE,)),
    "infinity times 0 is NaN": (lambda c, x: cr.where(c, x, 0.0) * np.inf, (TRUTH, numbers(3))),
    "branches of two conditions": (
        lambda c, d, x: cr.where(c, x, 0.0) + cr.where(d, 0.0, x),
        (TRUTH, ~TRUTH, numbers(3)),
    ),
    "branches that both count": (lambda c, x: cr.where(c, x, 0.0) + cr.where(c, 1.0, x), (TRUTH, numbers(3))),
    "a branch that something else needs too": (
        lambda c, x: (y := cr.where(c, x, 0.0), y + cr.where(c, 0.0, x), 2.0 * y),
        (TRUTH, numbers(3)),
    ),
    "not (x < y) is true for NaN": (lambda x, y: ~(x < y), (S, S)),
    "float64 to float32 rounds": (lambda x: x.float().double(), (S.astype(np.float64),)),
    "int64 to float64 rounds": (lambda x: x.double().long(), (np.array([2**53 + 1]),)),
    "int32 to uint8 wraps around, a float does not": (
        lambda x: cr.cast(cr.cast(x, "float64"), "uint8"),
        (np.array([5], np.int32),),
    ),
    "a power that is no root": (lambda x: x**2.5, (S,)),
    "a negative power of whole numbers": (lambda x, y: cr.power(x, y), (WHOLE, np.array(2, np.int32))),
    "log of another quotient": (lambda x, y: cr.log(cr.exp(x) / cr.exp(y).sum()), (S, S)),
    "exp(x) - 1 and log(1 + x) round differently from expm1 and log1p": (
        lambda x: cr.exp(x) - 1.0 + cr.log(1.0 + x),
        (S,),
    ),
    "a choice that is not decided": (lambda x: cr.where(cr.tensor([True, False, True, True]), x, 0.0), (M,)),
    "a transpose that moves more than the last two axes": (
        lambda x, y: cr.transpose(x, (2, 1, 0)) @ y,
        (numbers(2, 3, 4), numbers(4, 2, 3)),
    ),
    "a product that something else needs too": (lambda x, y: (z := x @ y, z.T), (M, numbers(4, 2))),
    "a product of repeated numbers": (lambda x: cr.prod(cr.broadcast_to(x, (3, 4)), 0), (numbers(4),)),
    "a sum of nothing": (lambda x: cr.broadcast_to(x, (0, 4)).sum(0), (numbers(4),)),
    "a sum over an axis that is not repeated": (lambda x: cr.broadcast_to(x, (3, 4)).sum(1), (numbers(1, 4),)),
}


@pytest.mark.parametrize("why", UNTOUCHED)
def test_what_is_left_alone(why: str) -> None:
    function, inputs = UNTOUCHED[why]
    program = traced(function, *inputs)
    assert simplify(program) is program


def test_a_dtype_holds_another_where_its_extremes_come_back() -> None:
    for a, exact in EXACT.items():
        limits = np.finfo(a) if a.kind == "f" else np.iinfo(a) if a.kind in "iu" else None
        extremes = np.array([limits.min, limits.max] if limits else [False, True], a)
        for b in EXACT:
            if b is not a:
                with np.errstate(all="ignore"):
                    there = extremes.astype(b)
                back = there.astype(object) == extremes.astype(object)
                assert (b in exact) == bool(back.all()), (a, b)


def test_powers_that_are_roots_have_the_roots_answers() -> None:
    x = np.array([-0.0, -np.inf], np.float32)
    root, inverse = run(simplify(traced(lambda x: (x**0.5, x**-0.5), x)), x)
    assert same(root, np.array([-0.0, np.nan], np.float32))
    assert same(inverse, np.array([-np.inf, np.nan], np.float32))


def test_the_log_of_a_softmax_stays_finite() -> None:
    """Where the probability is too small for a number its logarithm is not."""
    x = np.array([[0.0, -200.0]], np.float32)
    program = traced(lambda x: cr.log(cr.softmax(x)), x)
    assert run(program, x)[0].tolist() == [[0.0, -np.inf]]
    assert run(simplify(simplify(program)), x)[0].tolist() == [[0.0, -200.0]]
