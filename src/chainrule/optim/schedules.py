"""Learning rates that change over a run. A schedule is stepped once an epoch, after the optimizer.

Making a schedule sets the rates of epoch 0. To continue a run, make the same schedule again and use
``load_state_dict``. Keras and TensorFlow give the optimizer a function of the count of steps instead
(``ExponentialDecay``, ``CosineDecay``).
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.core.errors import CheckpointError, ConfigError
from chainrule.core.modes import local
from chainrule.optim.optimizer import Optimizer, check_settings
from chainrule.tensor import Tensor

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "SequentialLR",
    "StepLR",
]


def after_the_call(step: Callable[..., None]) -> Callable[..., None]:
    """In a compiled function a schedule moves after each call of the program: its rates are inputs of the next call."""

    @functools.wraps(step)
    def wrapped(self: LRScheduler, *args: Any, **kwargs: Any) -> None:
        tracer = local.mode.tracer
        if tracer is not None:
            # A metric must be a number here: looking at a traced one raises, before anything has changed.
            args = tuple(float(x) if isinstance(x, Tensor) else x for x in args)
            tracer.defer(functools.partial(step, self, *args, **kwargs), self.optimizer)
        else:
            step(self, *args, **kwargs)

    return wrapped


class LRScheduler:
    """What all schedules share. A subclass says in ``rate`` how one group's learning rate changes.

    Most change the rates from what they are instead of computing them anew, so they can be combined: stepped in turn,
    their factors multiply.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> class Halving(LRScheduler):
    ...     def rate(self, lr, base, epoch):
    ...         return base / 2**epoch
    >>> schedule = Halving(SGD([cr.zeros(1)], lr=1.0))
    >>> schedule.step(); schedule.step(); schedule.get_last_lr()
    [0.25]
    """

    #: Whether ``step`` takes a metric: only ReduceLROnPlateau's does.
    needs_metric = False

    #: Attributes that are not saved.
    _left_out: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer) -> None:
        self._attach(optimizer)
        self._set(self.get_lr())

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ConfigError(
                type(self).__name__, f"a {type(optimizer).__name__}", "an optimizer", "pass the optimizer first"
            )
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", float(group["lr"]))
        #: Each group's learning rate before any schedule.
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = 0
        self._last_lr = self._rates()

    def rate(self, lr: float, base: float, epoch: int) -> float:
        """A group's learning rate at ``epoch``, from its present and its initial one."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """Each group's learning rate at ``last_epoch``, from the present ones."""
        rates = zip(self._rates(), self.base_lrs, strict=True)
        return [self.rate(lr, base, self.last_epoch) for lr, base in rates]

    def get_last_lr(self) -> list[float]:
        """Each group's learning rate as this schedule last set it."""
        return list(self._last_lr)

    def start(self) -> None:
        """Go to epoch 0, from the initial learning rates."""
        self.last_epoch = 0
        self._set(self.base_lrs)
        self._set(self.get_lr())

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in vars(cls):
            cls.step = after_the_call(cls.step)  # type: ignore[method-assign]

    @after_the_call
    def step(self) -> None:
        """Go to the next epoch."""
        self.last_epoch += 1
        self._set(self.get_lr())

    def _rates(self) -> list[float]:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise ConfigError(
                type(self).__name__, f"an optimizer that now has {len(groups)} parameter groups",
                f"{len(self.base_lrs)}, as when the schedule was made", "add the groups before making the schedule",
            )  # fmt: skip
        return [float(group["lr"]) for group in groups]

    def _set(self, rates: Iterable[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._rates()

    def state_dict(self) -> dict[str, Any]:
        """Settings and progress as plain values, without the optimizer and without functions."""
        return {k: list(v) if isinstance(v, list) else v for k, v in vars(self).items() if k not in self._left_out}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from ``state_dict``; sets the learning rates too, so the optimizer may be loaded before or after."""
        own = {k for k in vars(self) if k not in self._left_out}
        if set(saved) != own or len(saved["_last_lr"]) != len(self.optimizer.param_groups):
            received = f"{sorted(saved)} with rates {saved.get('_last_lr')}"
            expected = f"{sorted(own)} with {len(self.optimizer.param_groups)} rates"
            raise CheckpointError(
                f"{type(self).__name__}.load_state_dict", received, expected, "make the same schedule as was saved"
            )
        vars(self).update({k: list(v) if isinstance(v, list) else v for k, v in saved.items()})
        self._set(self._last_lr)

    def __repr__(self) -> str:
        hidden = ("base_lrs", "last_epoch", *self._left_out)
        settings = [f"{k}={v}" for k, v in vars(self).items() if k not in hidden and not k.startswith("_")]
        return f"{type(self).__name__}({', '.join(settings)}) at epoch {self.last_epoch}"


class StepLR(LRScheduler):
    """The learning rate times ``gamma`` every ``step_size`` epochs: ``base * gamma^floor(epoch / step_size)``.

    Raises:
        ConfigError: ``step_size`` below 1.

    Keras: ``ExponentialDecay(lr, step_size, gamma, staircase=True)``.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = StepLR(SGD([cr.zeros(1)], lr=1.0), step_size=2, gamma=0.5)
    >>> [(schedule.get_last_lr()[0], schedule.step())[0] for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        check_settings("StepLR", step_size=(step_size, 1, math.inf))
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, epoch: int) -> float:
        """Times gamma when a multiple of step_size is reached."""
        return lr * self.gamma if epoch > 0 and epoch % self.step_size == 0 else lr


class MultiStepLR(LRScheduler):
    """The learning rate times ``gamma`` at each of the ``milestones``: ``base * gamma^(milestones passed)``.

    Keras: ``PiecewiseConstantDecay``, which takes the rates themselves.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = MultiStepLR(SGD([cr.zeros(1)], lr=1.0), milestones=[1, 3], gamma=0.5)
    >>> [(schedule.get_last_lr()[0], schedule.step())[0] for epoch in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, epoch: int) -> float:
        """Times gamma for each milestone that stands at this epoch."""
        return lr * self.gamma ** self.milestones.count(epoch)


class ExponentialLR(LRScheduler):
    """The learning rate times ``gamma`` every epoch: ``base * gamma^epoch``.

    Keras: ``ExponentialDecay(lr, 1, gamma)``.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = ExponentialLR(SGD([cr.zeros(1)], lr=1.0), gamma=0.5)
    >>> [(schedule.get_last_lr()[0], schedule.step())[0] for epoch in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, epoch: int) -> float:
        """Times gamma."""
        return lr * self.gamma if epoch > 0 else lr


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate down to ``eta_min`` at ``T_max``, and up again after it.

    Formula: ``eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``.

    Raises:
        ConfigError: ``T_max`` below 1.

    Source: I. Loshchilov, F. Hutter, "SGDR", ICLR 2017, arXiv:1608.03983 (equation 5, without restarts). Keras:
    ``CosineDecay``, whose ``alpha`` is eta_min as a fraction of the initial rate, and which stays at the bottom.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = CosineAnnealingLR(SGD([cr.zeros(1)], lr=1.0), T_max=4)
    >>> [(round(schedule.get_last_lr()[0], 3), schedule.step())[0] for epoch in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.146]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        check_settings("CosineAnnealingLR", T_max=(T_max, 1, math.inf))
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, epoch: int) -> float:
        """The ratio of the cosine now to the one before, but at the bottom, where that is 0/0, a step up."""
        if epoch == 0:
            return lr
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            return lr + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        now, before = (1 + math.cos(math.pi * e / self.T_max) for e in (epoch, epoch - 1))
        return self.eta_min + (lr - self.eta_min) * now / before


class LinearLR(LRScheduler):
    """A straight line from ``start_factor`` to ``end_factor`` times the initial rate: a warm-up, as a rule.

    Formula: ``base * (start + (end - start) * min(epoch, total_iters) / total_iters)``.

    Raises:
        ConfigError: ``start_factor`` outside (0, 1], ``end_factor`` outside [0, 1], or ``total_iters`` below 1.

    Source for warm-up: P. Goyal et al., 2017, arXiv:1706.02677, section 2.2. Keras: ``CosineDecay``'s warmup arguments.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = LinearLR(SGD([cr.zeros(1)], lr=1.0), start_factor=0.25, total_iters=3)
    >>> [(schedule.get_last_lr()[0], schedule.step())[0] for epoch in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        check_settings(
            "LinearLR",
            start_factor=(start_factor, math.nextafter(0, 1), math.nextafter(1, 2)),
            end_factor=(end_factor, 0, math.nextafter(1, 2)),
            total_iters=(total_iters, 1, math.inf),
        )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def rate(self, lr: float, base: float, epoch: int) -> float:
        """The ratio of the line now to the line before."""
        if epoch == 0:
            return lr * self.start_factor
        if epoch > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        return lr * (1 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise))


class LambdaLR(LRScheduler):
    """The initial rate times a function of the epoch: ``base * lr_lambda(epoch)``; one function, or one a group.

    The functions are not saved; ``load_state_dict`` keeps those of the schedule it is called on.

    Raises:
        ConfigError: another number of functions than of parameter groups.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> schedule = LambdaLR(SGD([cr.zeros(1)], lr=1.0), lambda epoch: 1 / (1 + epoch))
    >>> [(schedule.get_last_lr()[0], schedule.step())[0] for epoch in range(4)]
    [1.0, 0.5, 0.3333333333333333, 0.25]
    """

    _left_out = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        groups = len(optimizer.param_groups) if isinstance(optimizer, Optimizer) else 1
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ConfigError(
                "LambdaLR", f"{len(self.lr_lambdas)} functions", f"{groups}, one a group", "pass one a group"
            )
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        """The initial rates times what the functions say."""
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class SequentialLR(LRScheduler):
    """One schedule after another: the next takes over, from the initial rate, at each of the ``milestones``.

    Raises:
        ConfigError: milestones that are not one fewer than the schedules or do not rise, schedules of different
            optimizers, or a ReduceLROnPlateau, which needs a metric to step.

    >>> import chainrule as cr
    >>> from chainrule.optim import SGD
    >>> optimizer = SGD([cr.zeros(1)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> schedule = SequentialLR(optimizer, [warm_up, ExponentialLR(optimizer, gamma=0.1)], milestones=[2])
    >>> [(schedule.get_last_lr()[0], schedule.step())[0] for epoch in range(4)]
    [0.5, 0.75, 1.0, 0.1]
    """

    _left_out = ("optimizer", "schedulers")

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        rising = all(a < b for a, b in zip([0, *self.milestones], self.milestones, strict=False))
        if len(self.milestones) != len(self.schedulers) - 1 or not rising:
            received = f"{len(self.schedulers)} schedules, milestones {self.milestones}"
            raise ConfigError(
                "SequentialLR", received, "a rising milestone between each two", "pass one fewer milestone"
            )
        if any(
            not isinstance(s, LRScheduler) or s.needs_metric or s.optimizer is not optimizer for s in self.schedulers
        ):
            raise ConfigError(
                "SequentialLR", f"{', '.join(type(s).__name__ for s in self.schedulers)}",
                "schedules of the same optimizer that step without a metric", "step a ReduceLROnPlateau by itself",
            )  # fmt: skip
        self._attach(optimizer)
        self.start()

    def start(self) -> None:
        """Go to epoch 0 of the first schedule."""
        self.last_epoch = 0
        self.schedulers[0].start()
        self._last_lr = self._rates()

    def step(self) -> None:
        """Go to the next epoch; at a milestone the next schedule starts."""
        self.last_epoch += 1
        current = self.schedulers[bisect_right(self.milestones, self.last_epoch)]
        if self.last_epoch in self.milestones:
            current.start()
        else:
            current.step()
        self._last_lr = self._rates()

    def state_dict(self) -> dict[str, Any]:
        """Progress, and that of each schedule."""
        return {**super().state_dict(), "schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        states = saved.get("schedulers", [])
        if len(states) != len(self.schedulers):
            raise CheckpointError(
                "SequentialLR.load_state_dict", f"{len(states)} schedules", f"{len(self.schedulers)}",
                "make the same schedule as was saved",
            )  # fmt: skip
        for schedule, state in zip(self.schedulers, states, strict=True):
            schedule.load_state_dict(state)
        super().load_state_dict({k: v for k, v in saved.items() if k != "schedulers"})
