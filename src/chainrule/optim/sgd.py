"""Stochastic gradient descent, with momentum and Nesterov's form of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from chainrule.core.errors import ConfigError
from chainrule.optim.memory import in_dtype_of, is_zero
from chainrule.optim.optimizer import Group, Optimizer, State, check_settings

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent on mini-batches.

    Update::

        g = g + weight_decay * p
        v = momentum * v + (1 - dampening) * g        (v = g at the first step)
        p = p - lr * v                                (Nesterov: p - lr * (g + momentum * v))

    Sources: H. Robbins and S. Monro, 1951; B. Polyak, 1964 (momentum); I. Sutskever et al., 2013 (this form of
    Nesterov's). PyTorch is the same; Keras keeps ``v = momentum * v - lr * g`` and adds v: other numbers when lr changes.

    >>> import chainrule as cr
    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward(); optimizer.step(); w
    tensor([0.8], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        check_settings(
            "SGD", lr=(lr, 0, math.inf), momentum=(momentum, 0, math.inf), weight_decay=(weight_decay, 0, math.inf)
        )
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ConfigError(
                "optim.SGD(nesterov=True)",
                f"momentum={momentum}, dampening={dampening}",
                "momentum > 0 and no dampening",
                "pass momentum=0.9",
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def rule(self, p: Any, g: Any, state: State, group: Group) -> tuple[Any, State]:
        """One step for one parameter."""
        if group["weight_decay"]:
            g = g + p * group["weight_decay"]
        if not is_zero(group["momentum"]):
            momentum = in_dtype_of(p, group["momentum"])
            velocity = state.get("momentum_buffer")
            velocity = g if velocity is None else velocity * momentum + g * (1 - group["dampening"])
            state = {"momentum_buffer": velocity}
            g = g + velocity * momentum if group["nesterov"] else velocity
        lr = group["lr"]
        return p - g * (lr if type(lr) is float else in_dtype_of(p, lr)), state
