"""The contract of an op, as checks that raise: what it infers, computes and derives must agree with one another.

``check_op(op, inputs)`` runs all of them on one sample; ``test_checker.py`` shows that each catches rules that are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.core.apply import apply, compute_arrays
from chainrule.core.aval import Aval, is_float
from chainrule.core.errors import ChainruleError, DTypeError
from chainrule.core.modes import local
from chainrule.core.op import Op, Sample
from chainrule.ops.reduce import sum_to

Array = np.ndarray[Any, Any]


class ContractError(AssertionError):
    """An op that breaks the contract."""


def check_op(op: Op, inputs: tuple[Array, ...]) -> None:
    """Every check on one sample."""
    inputs = tuple(np.asarray(x) for x in inputs)
    check_inference(op, inputs)
    check_purity(op, inputs)
    if op.differentiable:
        check_rule_shapes(op, inputs)
        check_two_interpretations(op, inputs)
        check_finite_differences(op, inputs)


def samples(kind: type[Op]) -> list[Sample]:
    """The inputs on which an op says it should be tested."""
    return [Sample(s.op, tuple(np.asarray(x) for x in s.inputs)) for s in kind.samples()]


def cast_sample(inputs: tuple[Array, ...], dtype: Any) -> tuple[Array, ...]:
    """The sample's floats in another dtype (as absolute values for whole numbers); indexes and masks stay."""
    kind = np.dtype(dtype).kind
    return tuple(x if x.dtype.kind != "f" else (x if kind == "f" else np.ceil(np.abs(x))).astype(dtype) for x in inputs)


def check_inference(op: Op, inputs: tuple[Array, ...]) -> None:
    """``infer`` says the shape and dtype that ``compute`` gives, and the eager result has."""
    inferred = op.infer(*map(Aval.like, inputs))
    value = run(op, inputs)
    if value.shape != inferred.shape or value.dtype != inferred.dtype:
        raise ContractError(f"{op} infers {inferred!r} and computes {value.dtype}{list(value.shape)}")
    result = apply(op, *map(cr.tensor, inputs))
    if result.aval is not inferred or Aval.like(result.numpy()) is not inferred:
        raise ContractError(f"{op} infers {inferred!r} and gives the tensor {result.aval!r}")


def check_promotion(op: Op, inputs: tuple[Array, ...]) -> Aval | None:
    """On any dtype an op either refuses, in a DTypeError, or gives what it inferred; returns the aval, None if refused."""
    try:
        result = apply(op, *map(cr.tensor, inputs))
    except DTypeError:
        return None
    value = result.numpy()
    if (value.shape, value.dtype) != (result.shape, result.dtype):
        kinds = ", ".join(str(x.dtype) for x in inputs)
        raise ContractError(f"{op} on {kinds}: infers {result.aval!r}, computes {value.dtype}{list(value.shape)}")
    return result.aval


def check_purity(op: Op, inputs: tuple[Array, ...]) -> None:
    """``compute`` changes no input, remembers nothing, and later calls leave earlier results alone."""
    before = [x.copy() for x in inputs]
    first = run(op, inputs)
    kept = first.copy()
    for x, old in zip(inputs, before, strict=True):
        if not same(x, old):
            raise ContractError(f"{op} changes its input")
    run(op, tuple(_others(x) for x in inputs))
    if not same(first, kept):
        raise ContractError(f"{op} changes a result that it gave before")
    if not same(run(op, inputs), kept):
        raise ContractError(f"{op} gives another result on the same inputs")


def check_rule_shapes(op: Op, inputs: tuple[Array, ...]) -> None:
    """The rule has one entry an input; each gradient can be summed to its input's shape, and has its dtype."""
    for kind in ("float64", "float32"):
        arrays = cast_sample(inputs, kind)
        out = run(op, arrays)
        if not is_float(out.dtype):
            continue
        parts = rule_on_arrays(op, _ones_like(out), out, arrays)
        if len(parts) != len(arrays):
            raise ContractError(f"{op} has {len(arrays)} inputs and {len(parts)} gradients")
        for i, (x, part) in enumerate(zip(arrays, parts, strict=True)):
            if x.dtype.kind != "f":
                if part is not None:
                    raise ContractError(f"{op} has a gradient for input {i}, which is {x.dtype}")
            elif part is None:
                raise ContractError(f"{op} is differentiable and has no gradient for input {i}")
            elif not _reaches(part.shape, x.shape):
                raise ContractError(f"{op}: gradient {part.shape} for input {i} of shape {x.shape}")
            elif part.dtype != x.dtype:
                raise ContractError(f"{op}: gradient of {part.dtype} for input {i} of {x.dtype}")


def check_two_interpretations(op: Op, inputs: tuple[Array, ...]) -> None:
    """The rule gives the same numbers over plain arrays and over tensors."""
    for kind in ("float64", "float32"):
        arrays = cast_sample(inputs, kind)
        out = run(op, arrays)
        if not is_float(out.dtype):
            continue
        g = np.random.Generator(np.random.Philox(3)).standard_normal(out.shape).astype(out.dtype)
        on_arrays, on_tensors = rule_on_arrays(op, g, out, arrays), rule_on_tensors(op, g, out, arrays)
        for i, (x, plain, tensor) in enumerate(zip(arrays, on_arrays, on_tensors, strict=True)):
            if plain is None and tensor is None:
                continue
            plain, tensor = sum_to(cr.tensor(plain), x.shape).numpy(), sum_to(tensor, x.shape).numpy()
            if not same(plain, tensor):
                raise ContractError(f"{op}: gradient of input {i} differs between arrays and tensors: {plain} {tensor}")


def check_finite_differences(op: Op, inputs: tuple[Array, ...]) -> None:
    """First and second derivatives agree with finite differences."""
    out = op.infer(*map(Aval.like, inputs))
    if out.dtype != np.float64:  # a cast: its finite differences are noise, see test_cast_gradient
        return
    try:
        cr.check_grads(lambda *tensors: apply(op, *tensors), *inputs, order=2, directions=1)
    except ChainruleError as error:
        raise ContractError(f"{op}: {error}") from error


def run(op: Op, arrays: tuple[Array, ...]) -> Array:
    """``compute`` on arrays that raise if it writes to them; NaN and infinities pass silently."""
    frozen = []
    for x in arrays:
        view = x.view()
        view.flags.writeable = False
        frozen.append(view)
    with np.errstate(all="ignore"):
        try:
            return np.asarray(op.compute(*frozen))
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise ContractError(f"{op} writes to its input") from error


def rule_on_arrays(op: Op, g: Array, out: Array, inputs: tuple[Array, ...]) -> list[Any]:
    """The derivative rule, run at NumPy's speed as the backward walk runs it."""
    with computing_arrays():
        return [None if p is None else np.asarray(p) for p in _evaluated(op.vjp(g, out, *inputs))]


def rule_on_tensors(op: Op, g: Array, out: Array, inputs: tuple[Array, ...]) -> list[Any]:
    """The derivative rule over tensors, as it runs when it is recorded."""
    return _evaluated(op.vjp(cr.tensor(g), cr.tensor(out), *map(cr.tensor, inputs)))


@contextmanager
def computing_arrays() -> Iterator[None]:
    """Inside, ops compute on plain arrays."""
    local.mode.interpret = compute_arrays
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        local.mode.interpret = None


def same(a: Array, b: Array) -> bool:
    """Equal to the bit, -0.0 apart from 0.0; any NaN equals any NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    nan = np.isnan(a)
    agree = (a == b) & (np.signbit(a) == np.signbit(b))
    return bool((nan == np.isnan(b)).all() and (agree | nan).all())


def _evaluated(parts: Any) -> list[Any]:
    parts = parts if type(parts) is tuple else (parts,)
    return [part() if type(part) is FunctionType else part for part in parts]


def _reaches(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether summing over broadcast axes leads from ``shape`` to ``target``."""
    try:
        return np.broadcast_shapes(shape, target) == shape
    except ValueError:
        return False


def _ones_like(out: Array) -> Array:
    return np.ones(out.shape, out.dtype)


def _others(x: Array) -> Array:
    """Other numbers that an op accepts where it accepts ``x``."""
    if x.dtype.kind == "f":
        return np.asarray(x * 0.5)
    return np.zeros_like(x)
