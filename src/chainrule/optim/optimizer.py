"""What all optimizers share: parameter groups, state, and the walk that applies one update rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.core.apply import compute_arrays
from chainrule.core.errors import CheckpointError, ConfigError
from chainrule.core.modes import enable_grad, local, no_grad
from chainrule.tensor import Tensor

__all__ = ["Optimizer"]

Group = dict[str, Any]
State = dict[str, Any]


class Optimizer:
    """Changes parameters along their gradients by one update rule.

    A subclass says in ``rule`` how one parameter changes; it is written in operators that tensors and arrays share,
    so it runs at NumPy's speed eagerly and becomes part of the program when a step is traced.

    Args:
        params: parameters, or groups of them: dicts with ``params`` and settings of their own.
        defaults: settings for groups that do not have their own.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        #: For each parameter (by identity) what the rule remembers: named tensors.
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        entries: list[Any] = [params] if isinstance(params, Tensor) else list(params)
        if not entries:
            raise ConfigError(
                type(self).__name__, "no parameters", "at least one", "pass model.parameters(); is the model empty?"
            )
        for group in entries if isinstance(entries[0], dict) else [{"params": entries}]:
            self.add_param_group(group)

    def add_param_group(self, group: Group) -> None:
        """Add parameters with settings of their own, for example ``{"params": head.parameters(), "lr": 0.1}``."""
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if isinstance(p, Tensor) and not p.aval.floating:
                raise ConfigError(
                    type(self).__name__,
                    f"a tensor of {p.dtype}",
                    "floats, which can move by small steps",
                    "cast it first",
                )
            if not isinstance(p, Tensor) or not p.is_leaf:
                raise ConfigError(
                    type(self).__name__,
                    f"{type(p).__name__} that was computed" if isinstance(p, Tensor) else f"{p!r}",
                    "leaf tensors",
                    "pass model.parameters()",
                )
            if id(p) in known:
                raise ConfigError(type(self).__name__, "a parameter in two groups", "each once", "drop one of them")
        unknown = set(group) - set(self.defaults) - {"params"}
        if unknown:
            raise ConfigError(
                type(self).__name__, f"the setting {min(unknown)!r}", f"one of {', '.join(self.defaults)}", "rename it"
            )
        # NumPy's numbers would not be weak beside float32 parameters, as Python's are.
        settings = {k: v.item() if isinstance(v, np.generic) else v for k, v in {**self.defaults, **group}.items()}
        self.param_groups.append({**settings, "params": params})

    def rule(self, p: Any, g: Any, state: State, group: Group) -> tuple[Any, State]:
        """The new value of a parameter, and what to remember, from its value and gradient."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients: ``backward`` adds to them, so a step that starts without this uses old ones too."""
        for group in self.param_groups:
            for p in group["params"]:
                if local.mode.tracer is not None:
                    local.mode.tracer.touch_gradient(p, overwritten=set_to_none)
                p._grad = None if set_to_none or p.grad is None else Tensor._wrap(np.zeros(p.shape, p.dtype))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Apply the rule to every parameter that has a gradient; returns what ``closure`` (if any) returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        mode = local.mode
        if mode.tracer is None:
            mode.interpret = compute_arrays
            try:
                self._step_on_arrays()
            finally:
                mode.interpret = None
        else:
            with no_grad():
                self._step_on_tensors()
        return loss

    def _step_on_arrays(self) -> None:
        state, rule = self.state, self.rule
        for group in self.param_groups:
            lr = group["lr"]
            settings = {**group, "lr": lr.node.value} if isinstance(lr, Tensor) else group
            for p in group["params"]:
                try:
                    gradient = p._grad
                except AttributeError:
                    continue
                if gradient is None:
                    continue
                if type(gradient) is not np.ndarray:
                    gradient = gradient.node.value
                memory = {name: t.node.value for name, t in state[p].items()} if p in state else {}
                new, memory = rule(p.node.value, gradient, memory, settings)
                p._replace_leaf(new if type(new) is np.ndarray else np.asarray(new))
                if memory:
                    state[p] = {name: Tensor._wrap(np.asarray(v)) for name, v in memory.items()}

    def _step_on_tensors(self) -> None:
        tracer = local.mode.tracer
        for group in self.param_groups:
            settings = tracer.settings_of(self, group)
            for p in group["params"]:
                if p.grad is None:
                    continue
                new, values = self.rule(p.detach(), p.grad, tracer.memory(self, p), settings)
                p.data = new
                tracer.remember(self, p, values)

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """Settings and memory as plain values: ``{"state": {index: {name: tensor}}, "param_groups": [...]}``."""
        params = [p for group in self.param_groups for p in group["params"]]
        places = {id(p): i for i, p in enumerate(params)}
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [places[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {places[id(p)]: {k: t.detach() for k, t in memory.items()} for p, memory in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue with the settings and memory of ``state_dict``."""
        sizes = [len(g["params"]) for g in saved["param_groups"]]
        mine = [len(g["params"]) for g in self.param_groups]
        if sizes != mine:
            raise CheckpointError(
                f"{type(self).__name__}.load_state_dict",
                f"groups of {sizes} parameters",
                f"groups of {mine}",
                "make the optimizer with the same groups first",
            )
        missing = [name for name in self.defaults for group in saved["param_groups"] if name not in group]
        if missing:
            raise CheckpointError(
                f"{type(self).__name__}.load_state_dict",
                f"a state without {missing[0]!r}: another optimizer's",
                f"settings {', '.join(self.defaults)}",
                "make the optimizer that the state was saved from",
            )
        params = [p for group in self.param_groups for p in group["params"]]
        for group, other in zip(self.param_groups, saved["param_groups"], strict=True):
            group.update({k: v for k, v in other.items() if k != "params"})
        self.state = {
            params[int(i)]: {k: t if isinstance(t, Tensor) else Tensor(t) for k, t in memory.items()}
            for i, memory in saved["state"].items()
        }

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v}" for k, v in self.param_groups[0].items() if k != "params")
        return f"{type(self).__name__}({settings})"


def check_settings(name: str, **bounds: tuple[float, float, float]) -> None:
    """Refuse settings outside [low, high): each keyword gives (value, low, high)."""
    for setting, (value, low, high) in bounds.items():
        if not low <= value < high:
            raise ConfigError(
                f"optim.{name}", f"{setting}={value}", f"{low} <= {setting} < {high}", f"choose {setting} in this range"
            )
