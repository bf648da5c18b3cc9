"""Limits on gradients, between ``backward()`` and ``step()``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from chainrule import ops
from chainrule.core.errors import ConfigError, NonFiniteError
from chainrule.core.modes import no_grad
from chainrule.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p for p in parameters if p.grad is not None]


def _norm(x: Any, order: float) -> Any:
    if order == math.inf:
        return ops.max(ops.absolute(x)) if x.shape and 0 not in x.shape else ops.sum(ops.absolute(x))
    if order == 2:
        return ops.sqrt(ops.sum(x * x))
    return ops.sum(ops.absolute(x) ** order) ** (1 / order)


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients together so that their norm, as one vector, is at most ``max_norm``.

    Formula: ``g = g * min(1, max_norm / (norm + 1e-6))``, so the direction stays.

    Args:
        parameters: parameters, or one; those without a gradient are passed over.
        max_norm: the largest norm to allow.
        norm_type: the order of the norm: 2, 1, ``math.inf``, or any number above 0.
        error_if_nonfinite: refuse a NaN or infinite norm, by which all gradients would become NaN or 0. It looks at the
            norm's value, so it cannot be used in a compiled function.

    Returns:
        The norm before, without axes; 0 if there are no gradients.

    Raises:
        ConfigError: ``max_norm`` below 0, or ``norm_type`` not above 0.
        NonFiniteError: with ``error_if_nonfinite``; the gradients are left as they were.

    Source: R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
    As ``torch.nn.utils.clip_grad_norm_``. Keras's ``global_clipnorm`` is the same without the 1e-6; its ``clipnorm``
    clips each parameter by its own norm.

    >>> import chainrule as cr
    >>> w = cr.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> clip_grad_norm_([w], max_norm=1.0), w.grad
    (tensor(5.), tensor([0.6, 0.8]))
    """
    if not max_norm >= 0:
        raise ConfigError("clip_grad_norm_", f"max_norm={max_norm}", "a number from 0", "choose max_norm=1.0")
    if not float(norm_type) > 0:
        raise ConfigError("clip_grad_norm_", f"norm_type={norm_type}", "a number above 0", "choose norm_type=2")
    found = _with_gradients(parameters)
    if not found:
        return Tensor(0.0)
    order = float(norm_type)
    norms = [_norm(p.grad, order) for p in found]
    total = _norm(ops.stack([norm.astype(norms[0].dtype) for norm in norms]), order)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise NonFiniteError(
            "clip_grad_norm_(error_if_nonfinite=True)", f"gradients with a norm of {float(total)}", "a finite norm",
            "find where it comes from: run the step inside `with cr.watch_nan():`",
        )  # fmt: skip
    factor = ops.minimum(float(max_norm) / (total + 1e-6), 1.0)
    for p in found:
        p.grad = p.grad * factor.astype(p.grad.dtype)  # type: ignore[operator, union-attr]
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit each component of each gradient to [-clip_value, clip_value]; the direction changes.

    Formula: ``g = min(max(g, -clip_value), clip_value)``.

    Args:
        parameters: parameters, or one; those without a gradient are passed over.
        clip_value: the largest absolute value to allow.

    Raises:
        ConfigError: ``clip_value`` below 0.

    As ``torch.nn.utils.clip_grad_value_``, and as Keras's ``clipvalue``.

    >>> import chainrule as cr
    >>> w = cr.tensor([3.0, -0.5], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> clip_grad_value_([w], 1.0); w.grad
    tensor([ 1. , -0.5])
    """
    if not clip_value >= 0:
        raise ConfigError("clip_grad_value_", f"clip_value={clip_value}", "a number from 0", "choose clip_value=1.0")
    for p in _with_gradients(parameters):
        p.grad = ops.clip(p.grad, -float(clip_value), float(clip_value))
