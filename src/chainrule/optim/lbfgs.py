"""L-BFGS: Newton's method with curvature learned from the last few steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.errors import ConfigError
from chainrule.core.modes import enable_grad, local
from chainrule.optim.line_search import Point, strong_wolfe
from chainrule.optim.optimizer import Group, Optimizer, check_settings
from chainrule.tensor import Tensor

__all__ = ["LBFGS"]

Array = np.ndarray[Any, Any]

#: Pairs with less curvature than this are not learned from: the inverse Hessian would not stay positive.
_LEAST_CURVATURE = 1e-10


@dataclass(slots=True)
class _Memory:
    """What is known about the loss's curvature, and the last step."""

    evaluations: int = 0
    iterations: int = 0
    direction: Any = None
    t: float = 0.0
    #: Changes of the gradient, changes of the parameters, and one over the dot product of the two, oldest first.
    pairs: list[tuple[Array, Array, Any]] = field(default_factory=list)
    scale: Any = 1.0
    gradient: Any = None
    loss: float = 0.0

    def learn(self, gradient: Array, history_size: int) -> None:
        """Take in how the gradient changed over the last step."""
        change, step = gradient - self.gradient, self.direction * self.t
        curvature = change @ step
        if curvature > _LEAST_CURVATURE:
            self.pairs = [*self.pairs, (change, step, 1 / curvature)][-history_size:]
            self.scale = curvature / (change @ change)

    def newton_direction(self, gradient: Array) -> Array:
        """Minus the inverse Hessian, as the pairs approximate it, times the gradient (the two-loop recursion)."""
        direction = -gradient
        weights = []
        for change, step, inverse in reversed(self.pairs):
            weights.append(inverse * (step @ direction))
            direction = direction - weights[-1] * change
        direction = direction * self.scale
        for (change, step, inverse), weight in zip(self.pairs, reversed(weights), strict=True):
            direction = direction + (weight - inverse * (change @ direction)) * step
        return direction

    def tensors(self) -> dict[str, Tensor]:
        """As named tensors, under PyTorch's names."""
        size, dtype = self.gradient.size, self.gradient.dtype
        changes, steps, inverses = zip(*self.pairs, strict=True) if self.pairs else ((), (), ())
        arrays = {
            "func_evals": np.asarray(self.evaluations, np.int64),
            "n_iter": np.asarray(self.iterations, np.int64),
            "d": self.direction,
            "t": np.asarray(self.t, np.float64),
            "old_dirs": np.reshape(np.asarray(changes, dtype), (-1, size)),
            "old_stps": np.reshape(np.asarray(steps, dtype), (-1, size)),
            "ro": np.asarray(inverses, dtype),
            "H_diag": np.asarray(self.scale, dtype),
            "prev_flat_grad": self.gradient,
            "prev_loss": np.asarray(self.loss, np.float64),
        }
        return {name: Tensor._wrap(array) for name, array in arrays.items()}

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> _Memory:
        """From named tensors."""
        a = {name: tensor.numpy() for name, tensor in tensors.items()}
        return cls(
            evaluations=int(a["func_evals"]),
            iterations=int(a["n_iter"]),
            direction=a["d"],
            t=float(a["t"]),
            pairs=list(zip(a["old_dirs"], a["old_stps"], a["ro"], strict=True)),
            scale=a["H_diag"][()],
            gradient=a["prev_flat_grad"],
            loss=float(a["prev_loss"]),
        )


class LBFGS(Optimizer):
    """Newton-like steps for smooth losses on all the data; each step evaluates the loss many times.

    Update, up to max_iter times a step, over all parameters as one vector::

        y = change of the gradient, s = change of the parameters; remember the last history_size pairs with y.s > 0
        d = -H g                            (H, the inverse Hessian, is built from the pairs by the two-loop recursion)
        p = p + t * d                       (t = lr, at the very first step lr * min(1, 1 / |g|_1);
                                             with line_search_fn="strong_wolfe" t is searched from there)

    A step ends early when the largest component of g is at most tolerance_grad, when the largest component of the move
    is at most tolerance_change or the loss changed by less than it, or after max_eval evaluations.

    ``step`` needs a closure that clears the gradients, computes the loss, calls ``backward`` and returns the loss; it
    returns the loss at the start of the step. All parameters are in one group. What a step does depends on the numbers
    it meets, so it cannot be part of a compiled function; the closure can.

    Args:
        params: parameters.
        lr: step length, or where its search starts.
        max_iter: iterations a step.
        max_eval: evaluations a step; None stands for ``max_iter * 5 // 4``.
        tolerance_grad: see above.
        tolerance_change: see above.
        history_size: how many pairs are remembered, each twice as large as the parameters.
        line_search_fn: None or "strong_wolfe".

    Raises:
        ConfigError: a setting outside its range, parameter groups, a step without a closure or while tracing.

    Source: D. Liu, J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
    programming 45, 1989. PyTorch is the same, but goes on from a NaN. Keras has no L-BFGS;
    TensorFlow Probability's ``lbfgs_minimize`` uses Hager and Zhang's line search.

    >>> import chainrule as cr
    >>> w = cr.tensor([-1.0, 1.0], dtype="float64", requires_grad=True)
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     loss = optimizer.step(closure)
    >>> print(w.numpy().round(3))
    [1. 1.]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        limits = {"max_iter": max_iter, "history_size": history_size}
        tolerances = {"lr": lr, "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        check_settings("LBFGS", **{name: (value, 1, math.inf) for name, value in limits.items()})
        check_settings("LBFGS", **{name: (value, 0, math.inf) for name, value in tolerances.items()})
        if line_search_fn not in (None, "strong_wolfe"):
            raise ConfigError(
                "optim.LBFGS", f"line_search_fn={line_search_fn!r}", 'None or "strong_wolfe"', 'pass "strong_wolfe"'
            )
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, {**tolerances, **limits, "max_eval": max_eval, "line_search_fn": line_search_fn})

    def add_param_group(self, group: Group) -> None:
        """Take the one group there can be."""
        if self.param_groups:
            raise ConfigError(
                "optim.LBFGS", "more than one parameter group", "one: the parameters are one vector", "pass a flat list"
            )
        super().add_param_group(group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Iterate until a limit or a tolerance is reached; returns the loss at the start."""
        if closure is None:
            raise ConfigError(
                "optim.LBFGS.step()", "no closure", "a function that computes the loss and its gradients",
                "def closure(): optimizer.zero_grad(); loss = ...; loss.backward(); return loss",
            )  # fmt: skip
        if local.mode.interpret is not None:
            raise ConfigError(
                "optim.LBFGS.step() in a compiled function", "a step that depends on the values it meets",
                "a rule without conditions on values", "compile the closure instead, or use another optimizer",
            )  # fmt: skip
        first_loss, loss, gradient = self._evaluate(closure)
        first = self.param_groups[0]["params"][0]
        memory = _Memory.of(self.state[first]) if first in self.state else _Memory()
        memory.evaluations += 1
        if self._largest(gradient) > self.param_groups[0]["tolerance_grad"]:
            self._iterate(closure, memory, loss, gradient)
        if memory.iterations:
            self.state[first] = memory.tensors()
        return first_loss

    def _iterate(self, closure: Callable[[], Any], memory: _Memory, loss: float, gradient: Array) -> None:
        group = self.param_groups[0]
        tolerance = group["tolerance_change"]
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            memory.iterations += 1
            if memory.iterations == 1:
                memory.direction, memory.t = -gradient, min(1.0, 1.0 / float(np.abs(gradient).sum())) * group["lr"]
            else:
                memory.learn(gradient, group["history_size"])
                memory.direction, memory.t = memory.newton_direction(gradient), group["lr"]
            memory.gradient, memory.loss = gradient, loss
            slope = float(gradient @ memory.direction)
            if not slope <= -tolerance:  # too flat, or NaN
                return
            last = iteration == group["max_iter"]
            point, count = self._move(closure, memory, slope, group["max_eval"] - evaluations, last)
            loss, gradient, memory.t = point.loss, point.gradient, point.t
            evaluations += count
            memory.evaluations += count
            if (
                last
                or evaluations >= group["max_eval"]
                or self._largest(gradient) <= group["tolerance_grad"]
                or self._largest(memory.direction * memory.t) <= tolerance
                or abs(loss - memory.loss) < tolerance
            ):
                return

    def _move(
        self, closure: Callable[[], Any], memory: _Memory, slope: float, limit: int, last: bool
    ) -> tuple[Point, int]:
        """Go along the direction; the point reached, and how many evaluations that took."""
        start, direction = self._flat([p.numpy() for p in self.param_groups[0]["params"]]), memory.direction

        def at(t: float) -> Point:
            self._assign(start + direction * t)
            _, loss, gradient = self._evaluate(closure)
            return Point(t, loss, gradient, float(gradient @ direction))

        here = Point(0.0, memory.loss, memory.gradient, slope)
        if self.param_groups[0]["line_search_fn"] is None:
            if not last:
                return at(memory.t), 1
            # Nobody would look at the loss there, and on mini-batches it would be another one at the next step.
            self._assign(start + direction * memory.t)
            return Point(memory.t, memory.loss, memory.gradient, slope), 0
        tolerance = self.param_groups[0]["tolerance_change"]
        point, count = strong_wolfe(at, here, memory.t, self._largest(direction), tolerance, limit)
        self._assign(start + direction * point.t)
        return point, count

    # ---- all parameters as one vector

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float, Array]:
        """What the closure returns, as a number too (infinite for NaN), and the gradient it leaves."""
        with enable_grad():
            result = closure()
        if result is None:
            raise ConfigError("optim.LBFGS.step(closure)", "a closure that returns None", "the loss", "return the loss")
        loss = float(result)
        params = self.param_groups[0]["params"]
        gradients = [np.zeros(p.shape, p.dtype) if p.grad is None else p.grad.numpy() for p in params]
        return result, math.inf if math.isnan(loss) else loss, self._flat(gradients)

    @staticmethod
    def _flat(arrays: list[Array]) -> Array:
        return np.concatenate([array.reshape(-1) for array in arrays])

    @staticmethod
    def _largest(vector: Array) -> float:
        return float(np.abs(vector).max(initial=0.0))

    def _assign(self, vector: Array) -> None:
        """Spread a vector over the parameters."""
        offset = 0
        for p in self.param_groups[0]["params"]:
            part = vector[offset : offset + p.numel()].reshape(p.shape)
            p.data = Tensor._wrap(part.astype(p.dtype))
            offset += p.numel()
