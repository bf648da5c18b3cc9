"""Momentum and a learning rate of each weight's own, together: Adam, AdamW, NAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from chainrule import ops
from chainrule.optim.memory import filled, in_dtype_of, in_float64, number
from chainrule.optim.optimizer import Group, Optimizer, State, check_settings

__all__ = ["Adam", "AdamW", "NAdam"]


def _check(name: str, betas: tuple[float, float], **not_negative: float) -> None:
    check_settings(
        name,
        **{setting: (value, 0, math.inf) for setting, value in not_negative.items()},
        **{f"betas[{i}]": (beta, 0, 1) for i, beta in enumerate(betas)},
    )


def _decay(p: Any, g: Any, group: Group) -> tuple[Any, Any]:
    """Parameter and gradient after weight decay: of the weight itself if decoupled, else through the gradient."""
    if not group["weight_decay"]:
        return p, g
    if group["decoupled_weight_decay"]:
        return p * in_dtype_of(p, 1 - group["lr"] * group["weight_decay"]), g
    return p, g + p * group["weight_decay"]


def _moments(g: Any, state: State, betas: tuple[float, float]) -> tuple[Any, Any]:
    """Running averages of the gradient and of its square."""
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    # As one step towards g, not as beta * mean + (1 - beta) * g: PyTorch rounds this way too.
    to_mean, kept, to_square = (in_dtype_of(g, x) for x in (1 - betas[0], betas[1], 1 - betas[1]))
    return mean + (g - mean) * to_mean, square * kept + g * g * to_square


class Adam(Optimizer):
    """Adaptive moments: running averages of the gradient over the root of those of its square.

    Update, at step t = 1, 2, ...::

        g = g + weight_decay * p                            (decoupled: p = p - lr * weight_decay * p instead)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2                   (amsgrad: the largest v so far is used below)
        p = p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    The corrections ``1 - beta^t`` undo that m and v start at 0; they are computed in float64.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: how much of the two running averages is kept at a step.
        eps: keeps the quotient finite.
        weight_decay: factor of the L2 penalty's gradient.
        amsgrad: never let the denominator fall.
        decoupled_weight_decay: decay the weights themselves, as AdamW does.

    Raises:
        ConfigError: a setting outside its range, or no parameters.

    Sources: D. Kingma, J. Ba, "Adam", ICLR 2015, arXiv:1412.6980, algorithm 1; S. Reddi et al., "On the convergence of
    Adam and beyond", ICLR 2018 (amsgrad). PyTorch is the same. Keras and TensorFlow add eps = 1e-7 to ``sqrt(v)``
    before the correction by beta2 (the paper's "epsilon hat"), and their weight_decay is always decoupled.

    >>> import chainrule as cr
    >>> w = cr.tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward(); optimizer.step(); w
    tensor([ 0.9, 99.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        _check(type(self).__name__, betas, lr=lr, eps=eps, weight_decay=weight_decay)
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, {**defaults, "decoupled_weight_decay": decoupled_weight_decay})

    def rule(self, p: Any, g: Any, state: State, group: Group) -> tuple[Any, State]:
        """One step for one parameter."""
        state = state or {"step": number(p, 0), "exp_avg": filled(p), "exp_avg_sq": filled(p)}
        beta1, beta2 = group["betas"]
        p, g = _decay(p, g, group)
        step = state["step"] + 1.0
        mean, square = _moments(g, state, (beta1, beta2))
        memory = {"step": step, "exp_avg": mean, "exp_avg_sq": square}
        if group["amsgrad"]:
            highest = state.get("max_exp_avg_sq")
            memory["max_exp_avg_sq"] = square = square if highest is None else ops.maximum(highest, square)
        size = in_float64(group["lr"]) / (1.0 - ops.power(beta1, step))
        correction = ops.sqrt(1.0 - ops.power(beta2, step))
        denominator = ops.sqrt(square) / in_dtype_of(p, correction) + group["eps"]
        return p - mean * in_dtype_of(p, size) / denominator, memory


class AdamW(Adam):
    """Adam whose weight decay acts on the weights themselves, not through the gradient's averages.

    Update: ``p = p - lr * weight_decay * p``, then Adam's without its first line. Settings are Adam's, with
    weight_decay = 0.01 by default.

    Raises:
        ConfigError: a setting outside its range, or no parameters.

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019, arXiv:1711.05101. PyTorch is
    the same; as there, and unlike the paper's, the decay is scaled by lr. Keras has weight_decay = 0.004 by default.

    >>> import chainrule as cr
    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1)
    >>> (w * w).sum().backward(); optimizer.step(); w
    tensor([0.899], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which warms up over the first steps.

    Update, at step t = 1, 2, ...::

        g = g + weight_decay * p                            (decoupled: p = p - lr * weight_decay * p instead)
        mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2
        n = mu(t + 1) * m / (1 - mu(1) ... mu(t + 1)) + (1 - mu(t)) * g / (1 - mu(1) ... mu(t))
        p = p - lr * n / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: how much of the two running averages is kept at a step.
        eps: keeps the quotient finite.
        weight_decay: factor of the L2 penalty's gradient.
        momentum_decay: how fast the momentum warms up.
        decoupled_weight_decay: decay the weights themselves, as AdamW does.

    Raises:
        ConfigError: a setting outside its range, or no parameters.

    Source: T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016. PyTorch is the same, but keeps
    the product of the mu in float32. Keras and TensorFlow warm up 250 times faster (their exponent is t, without
    momentum_decay), with lr = 0.001 and eps = 1e-7 by default.

    >>> import chainrule as cr
    >>> w = cr.tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = NAdam([w], lr=0.1)
    >>> (w * w).sum().backward(); optimizer.step(); w
    tensor([ 0.8944, 99.8944], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
    ) -> None:
        _check("NAdam", betas, lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
        }
        super().__init__(params, {**defaults, "decoupled_weight_decay": decoupled_weight_decay})

    def rule(self, p: Any, g: Any, state: State, group: Group) -> tuple[Any, State]:
        """One step for one parameter."""
        state = state or {
            "step": number(p, 0),
            "mu_product": number(p, 1),
            "exp_avg": filled(p),
            "exp_avg_sq": filled(p),
        }
        beta1, beta2 = group["betas"]
        p, g = _decay(p, g, group)
        step = state["step"] + 1.0
        mean, square = _moments(g, state, (beta1, beta2))
        mu, next_mu = ((1.0 - ops.power(0.96, t * group["momentum_decay"]) / 2.0) * beta1 for t in (step, step + 1.0))
        product = state["mu_product"] * mu
        lr = in_float64(group["lr"])
        for_gradient = lr * (1.0 - mu) / (1.0 - product)
        for_mean = lr * next_mu / (1.0 - product * next_mu)
        denominator = ops.sqrt(square / in_dtype_of(p, 1.0 - ops.power(beta2, step))) + group["eps"]
        new = p - g * in_dtype_of(p, for_gradient) / denominator - mean * in_dtype_of(p, for_mean) / denominator
        return new, {"step": step, "mu_product": product, "exp_avg": mean, "exp_avg_sq": square}
