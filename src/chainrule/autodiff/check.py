"""Gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.autodiff.backward import grad_of
from chainrule.core.errors import GradientError
from chainrule.core.modes import deriving, enable_grad
from chainrule.tensor import Tensor

__all__ = ["check_grads"]

Array = np.ndarray[Any, Any]

#: Weights of the five-point central difference: its error falls with the fourth power of the step.
_STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    directions: int = 2,
    step: float = 1e-3,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
) -> None:
    """Compare the derivatives of ``f`` with finite differences, in float64, along random directions.

    For each argument x, random v and random u: ``u . (f(x + t v) - f(x - t v)) / 2t`` (with five points) must equal
    ``grad(u . f) . v``. With ``order=2`` the gradient itself is checked the same way, by every argument.

    Args:
        args: tensors, arrays or numbers; those of whole numbers or booleans are held fixed.
        step: t above. rtol, atol: allowed difference, relative to the larger of the two and absolute.

    Raises:
        GradientError: the first argument whose derivative disagrees, with both numbers.

    >>> check_grads(lambda x, w: (x @ w).tanh(), Tensor([[1.0, 2.0]]), Tensor([[0.1], [0.2]]))
    """
    arrays = [np.asarray(a.numpy() if isinstance(a, Tensor) else a) for a in args]
    # Python numbers are numbers to derive by; arrays of whole numbers and masks are held fixed.
    arrays = [
        a.astype(np.float64) if a.dtype.kind == "f" or type(x) is int else a for a, x in zip(arrays, args, strict=True)
    ]
    generator = np.random.Generator(np.random.Philox(seed))
    for _ in range(directions):
        _check(f, arrays, order, 1, generator, step, rtol, atol)


def _check(
    f: Callable[..., Any],
    arrays: list[Array],
    order: int,
    level: int,
    generator: Any,
    step: float,
    rtol: float,
    atol: float,
) -> None:
    cotangent: list[Array] = []

    def scalar(*values: Tensor) -> Tensor:
        """``u . f``, with u drawn once for all calls."""
        with deriving():
            outputs = f(*values)
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        if not cotangent:
            cotangent.extend(generator.standard_normal(o.shape) for o in outputs)
        total = Tensor(np.zeros(()))
        for o, u in zip(outputs, cotangent, strict=True):
            total = total + (o * Tensor._wrap(np.asarray(u))).sum()
        return total

    def gradients(*values: Tensor) -> tuple[Tensor, ...]:
        floats = [v for v in values if v.dtype == np.float64]
        with enable_grad():
            total = scalar(*values)
            if not total.requires_grad:
                return tuple(v * 0.0 for v in floats)
            found = grad_of(total, floats, create_graph=True, allow_unused=True)
        return tuple(v * 0.0 if g is None else g for v, g in zip(floats, found, strict=True))

    wanted = [i for i, a in enumerate(arrays) if a.dtype == np.float64]
    variables = [Tensor(a, requires_grad=i in wanted) for i, a in enumerate(arrays)]
    found = gradients(*variables)
    for place, (i, gradient) in enumerate(zip(wanted, found, strict=True)):
        direction = np.asarray(generator.standard_normal(arrays[i].shape))
        expected = (
            sum(weight * scalar(*_moved(arrays, i, k * step * direction)).item() for k, weight in _STENCIL) / step
        )
        received = float((gradient.numpy() * direction).sum())
        _compare(level, place, received, expected, rtol, atol)
    if level < order:
        _check(gradients, arrays, order, level + 1, generator, step, rtol, atol)


def _moved(arrays: list[Array], i: int, offset: Array) -> list[Tensor]:
    """The arguments as tensors, the i-th moved by ``offset``."""
    return [Tensor(a + offset if j == i else a, requires_grad=a.dtype == np.float64) for j, a in enumerate(arrays)]


def _compare(level: int, place: int, received: float, expected: float, rtol: float, atol: float) -> None:
    limit = atol + rtol * max(abs(received), abs(expected))
    # Written so that a NaN on either side fails too.
    if not abs(received - expected) <= limit:
        kind = "gradient" if level == 1 else f"derivative of order {level}"
        raise GradientError(
            f"check the {kind} by argument {place}",
            f"{received:.12g} from the derivative rule",
            f"{expected:.12g} from finite differences (allowed difference {limit:.1e})",
            "check the vjp of the ops in between; cr.watch_nan() finds NaN",
        )
