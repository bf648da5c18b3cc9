"""Learning rates of each weight's own, from the history of its gradients: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from chainrule import ops
from chainrule.optim.memory import filled, in_dtype_of, in_float64, is_zero, number
from chainrule.optim.optimizer import Group, Optimizer, State, check_settings

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Steps shrink for weights whose gradients have been large.

    Update, at step t = 1, 2, ...::

        g = g + weight_decay * p
        s = s + g^2                                         (s starts at initial_accumulator_value)
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        lr_decay: how fast the learning rate falls with the count of steps.
        weight_decay: factor of the L2 penalty's gradient.
        initial_accumulator_value: where the sum of squares starts.
        eps: keeps the quotient finite where no gradient came yet.

    Raises:
        ConfigError: a setting below 0, or no parameters.

    Source: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods", JMLR 12, 2011. PyTorch is the same. Keras and
    TensorFlow start s at 0.1, divide by ``sqrt(s + eps)`` with eps = 1e-7, and default to lr = 0.001.

    >>> import chainrule as cr
    >>> w = cr.tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward(); optimizer.step(); w
    tensor([ 0.9, 99.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        }
        check_settings("Adagrad", **{name: (value, 0, math.inf) for name, value in defaults.items()})
        super().__init__(params, defaults)

    def rule(self, p: Any, g: Any, state: State, group: Group) -> tuple[Any, State]:
        """One step for one parameter."""
        state = state or {"step": number(p, 0), "sum": filled(p, group["initial_accumulator_value"])}
        if group["weight_decay"]:
            g = g + p * group["weight_decay"]
        total = state["sum"] + g * g
        lr = group["lr"]
        if group["lr_decay"]:
            lr = in_float64(lr) / (state["step"] * group["lr_decay"] + 1.0)
        new = p - g * in_dtype_of(p, lr) / (ops.sqrt(total) + group["eps"])
        return new, {"step": state["step"] + 1.0, "sum": total}


class Adadelta(Optimizer):
    """Steps in the units of the weights, from running averages of squared gradients and of squared steps.

    Update::

        g = g + weight_decay * p
        s = rho * s + (1 - rho) * g^2
        d = sqrt(u + eps) / sqrt(s + eps) * g
        u = rho * u + (1 - rho) * d^2
        p = p - lr * d

    Args:
        params: parameters, or groups of them.
        lr: factor of the step; the paper has none, so 1.
        rho: how much of the running averages is kept at a step, in [0, 1].
        eps: inside both roots; it also sets the size of the first steps.
        weight_decay: factor of the L2 penalty's gradient.

    Raises:
        ConfigError: a setting outside its range, or no parameters.

    Source: M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, arXiv:1212.5701. PyTorch is the same. Keras
    and TensorFlow have the same rule with other defaults: lr = 0.001, rho = 0.95, eps = 1e-7.

    >>> import chainrule as cr
    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = Adadelta([w])
    >>> (w * w).sum().backward(); optimizer.step(); w
    tensor([0.9968], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        check_settings(
            "Adadelta",
            lr=(lr, 0, math.inf),
            rho=(rho, 0, math.nextafter(1, 2)),
            eps=(eps, 0, math.inf),
            weight_decay=(weight_decay, 0, math.inf),
        )
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay})

    def rule(self, p: Any, g: Any, state: State, group: Group) -> tuple[Any, State]:
        """One step for one parameter."""
        state = state or {"square_avg": filled(p), "acc_delta": filled(p)}
        rho, eps = group["rho"], group["eps"]
        if group["weight_decay"]:
            g = g + p * group["weight_decay"]
        squares = state["square_avg"] * rho + g * g * (1 - rho)
        delta = ops.sqrt(state["acc_delta"] + eps) / ops.sqrt(squares + eps) * g
        deltas = state["acc_delta"] * rho + delta * delta * (1 - rho)
        return p - delta * in_dtype_of(p, group["lr"]), {"square_avg": squares, "acc_delta": deltas}


class RMSprop(Optimizer):
    """Gradients divided by the root of the running average of their squares.

    Update::

        g = g + weight_decay * p
        s = alpha * s + (1 - alpha) * g^2
        m = alpha * m + (1 - alpha) * g                     (if centered, else m = 0)
        h = g / (sqrt(s - m^2) + eps)
        b = momentum * b + h                                (if momentum > 0, else b = h)
        p = p - lr * b

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        alpha: how much of the running averages is kept at a step.
        eps: keeps the quotient finite.
        weight_decay: factor of the L2 penalty's gradient.
        momentum: how much of the last step is kept.
        centered: divide by an estimate of the gradient's standard deviation instead.

    Raises:
        ConfigError: a setting below 0, or no parameters.

    Sources: T. Hinton, "Neural networks for machine learning", lecture 6e, 2012; A. Graves, 2013, arXiv:1308.0850
    (centered). PyTorch is the same. Keras and TensorFlow put eps = 1e-7 inside the root, keep lr within the momentum
    buffer (which differs when lr changes), and default to lr = 0.001, rho = 0.9 (their name for alpha).

    >>> import chainrule as cr
    >>> w = cr.tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward(); optimizer.step(); w
    tensor([ 0.9, 99.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        check_settings("RMSprop", **{name: (value, 0, math.inf) for name, value in defaults.items()})
        super().__init__(params, {**defaults, "centered": centered})

    def rule(self, p: Any, g: Any, state: State, group: Group) -> tuple[Any, State]:
        """One step for one parameter."""
        alpha = group["alpha"]
        if group["weight_decay"]:
            g = g + p * group["weight_decay"]
        squares = (state["square_avg"] if state else filled(p)) * alpha + g * g * (1 - alpha)
        memory = {"square_avg": squares}
        if group["centered"]:
            mean = state["grad_avg"] if "grad_avg" in state else filled(p)
            memory["grad_avg"] = mean = mean + (g - mean) * (1 - alpha)
            squares = squares - mean * mean
        step = g / (ops.sqrt(squares) + group["eps"])
        if not is_zero(group["momentum"]):
            before = state["momentum_buffer"] if "momentum_buffer" in state else filled(p)
            memory["momentum_buffer"] = step = before * in_dtype_of(p, group["momentum"]) + step
        return p - step * in_dtype_of(p, group["lr"]), memory
