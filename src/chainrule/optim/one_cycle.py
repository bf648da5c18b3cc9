"""One cycle of the learning rate, up and down, with the momentum the other way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from chainrule.core.errors import ConfigError
from chainrule.optim.optimizer import Optimizer, check_settings
from chainrule.optim.schedules import LRScheduler

__all__ = ["OneCycleLR"]


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)


def _line(start: float, end: float, part: float) -> float:
    return start + (end - start) * part


_CURVES: dict[str, Callable[[float, float, float], float]] = {"cos": _cosine, "linear": _line}


class OneCycleLR(LRScheduler):
    """The learning rate up to ``max_lr`` and down to almost nothing, stepped after every batch.

    Phases, with n = pct_start * total_steps; each follows half a cosine (or a line)::

        steps            learning rate                                     momentum
        0 to n - 1       max_lr / div_factor -> max_lr                     max_momentum -> base_momentum
        to the end       max_lr -> max_lr / div_factor / final_div_factor  base_momentum -> max_momentum

    With ``three_phase`` the way down is first as long as the way up, back to ``max_lr / div_factor``, and then to the
    end. The momentum is ``momentum``, or the first of ``betas``.

    Args:
        optimizer: whose learning rates, and momentum, to change.
        max_lr: the highest rate, or one a group.
        total_steps: steps in all; else ``epochs * steps_per_epoch``.
        epochs: see total_steps.
        steps_per_epoch: see total_steps.
        pct_start: which part of the steps the way up takes.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether to change the momentum too.
        base_momentum: the lowest momentum, or one a group.
        max_momentum: the highest momentum, or one a group.
        div_factor: ``max_lr`` over the first rate.
        final_div_factor: the first rate over the last one.
        three_phase: see above.

    Raises:
        ConfigError: no number of steps, a setting outside its range, an optimizer without momentum, or more steps than
            ``total_steps``.

    Source: L. Smith, N. Topin, "Super-convergence", 2018, arXiv:1708.07120. Keras has none.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = OneCycleLR(SGD([cr.zeros(1)], momentum=0.9), max_lr=1.0, total_steps=6, pct_start=0.5)
    >>> [(round(schedule.get_last_lr()[0], 3), schedule.step())[0] for batch in range(6)]
    [0.04, 0.52, 1.0, 0.75, 0.25, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ConfigError(
                    "OneCycleLR", "no number of steps", "total_steps, or epochs and steps_per_epoch", "pass one"
                )
            total_steps = epochs * steps_per_epoch
        check_settings(
            "OneCycleLR", total_steps=(total_steps, 1, math.inf), pct_start=(pct_start, 0, math.nextafter(1, 2))
        )
        if anneal_strategy not in _CURVES:
            raise ConfigError("OneCycleLR", f"anneal_strategy={anneal_strategy!r}", '"cos" or "linear"', 'pass "cos"')
        self._attach(optimizer)
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ConfigError(
                "OneCycleLR", f"{type(optimizer).__name__}, which has no momentum", "momentum or betas",
                "pass cycle_momentum=False",
            )  # fmt: skip
        self.total_steps, self.pct_start, self.anneal_strategy = total_steps, pct_start, anneal_strategy
        self.cycle_momentum, self.three_phase = cycle_momentum, three_phase
        self.max_lrs = self._one_a_group("max_lr", max_lr)
        self.base_lrs = [lr / div_factor for lr in self.max_lrs]
        self.min_lrs = [lr / final_div_factor for lr in self.base_lrs]
        self.base_momentums = self._one_a_group("base_momentum", base_momentum)
        self.max_momentums = self._one_a_group("max_momentum", max_momentum)
        for group, lr in zip(optimizer.param_groups, self.base_lrs, strict=True):
            group["initial_lr"] = lr
        self.start()

    def _one_a_group(self, name: str, value: float | Sequence[float]) -> list[float]:
        groups = len(self.optimizer.param_groups)
        values = [float(v) for v in value] if isinstance(value, Sequence) else [float(value)] * groups
        if len(values) != groups:
            raise ConfigError(
                "OneCycleLR", f"{len(values)} values for {name}", f"{groups}, one a group", "pass one a group"
            )
        return values

    def get_lr(self) -> list[float]:
        """Each group's learning rate at ``last_epoch``; sets the momentum on the way."""
        if self.last_epoch > self.total_steps:
            raise ConfigError(
                "OneCycleLR.step()", f"step {self.last_epoch}", f"at most total_steps={self.total_steps}",
                "count the batches of all epochs: total_steps=epochs * len(loader)",
            )  # fmt: skip
        up = (self.base_lrs, self.max_lrs, self.max_momentums, self.base_momentums)
        down = (self.max_lrs, self.min_lrs, self.base_momentums, self.max_momentums)
        back = (self.max_lrs, self.base_lrs, self.base_momentums, self.max_momentums)
        out = (self.base_lrs, self.min_lrs, self.max_momentums, self.max_momentums)
        turn, last = self.pct_start * self.total_steps - 1, float(self.total_steps - 1)
        phases = [(turn, up), (last, down)] if not self.three_phase else [(turn, up), (2 * turn, back), (last, out)]
        place = next((i for i, (end, _) in enumerate(phases) if self.last_epoch <= end), len(phases) - 1)
        start, (end, phase) = phases[place - 1][0] if place else 0.0, phases[place]
        part = (self.last_epoch - start) / (end - start) if end != start else 1.0
        curve = _CURVES[self.anneal_strategy]
        if self.cycle_momentum:
            self._set_momentum([curve(a, b, part) for a, b in zip(phase[2], phase[3], strict=True)])
        return [curve(a, b, part) for a, b in zip(phase[0], phase[1], strict=True)]

    def _set_momentum(self, momentums: list[float]) -> None:
        for group, momentum in zip(self.optimizer.param_groups, momentums, strict=True):
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
