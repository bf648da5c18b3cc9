"""The training step of a network, written out: as NumPy, or as the compiler sees it after each pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from chainrule import nn
from chainrule.commands.defaults import Settings
from chainrule.commands.network import OPTIMIZERS, build_network, build_optimizer
from chainrule.commands.saved import TrainedModel
from chainrule.core.errors import ConfigError

__all__ = ["NETWORK_OPTIONS", "Architecture", "step_passes", "step_source"]

#: What a network described by its widths is built and trained with, unless an option says otherwise.
_USUAL = Settings((), "relu", 0.0, False, "sgd", 0.1, 0.0, 1, 100, 0, "constant")
#: Options of ``show`` that describe a network; a saved one has been decided.
NETWORK_OPTIONS = ("activation", "dropout", "batch_norm", "optimizer", "batch_size", "task")


class Architecture:
    """A network with the settings of its training: described by widths, or as a saved model was trained.

    >>> Architecture.of_widths((4, 8, 3), None).network
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=3, bias=True)
    )
    """

    def __init__(self, network: nn.Module, settings: Settings, features: int, outputs: int, classes: bool) -> None:
        self.network, self.settings, self.features, self.outputs = network, settings, features, outputs
        #: Whether it tells classes apart; else it answers with numbers.
        self.classes = classes

    @staticmethod
    def widths(text: str) -> tuple[int, ...] | None:
        """The widths in ``784-50-10``; None for any other text, and where a file is called so.

        >>> Architecture.widths("784-50-10"), Architecture.widths("runs/iris")
        ((784, 50, 10), None)
        """
        if not re.fullmatch(r"[1-9]\d*(-[1-9]\d*)+", text) or Path(text).exists():
            return None
        return tuple(map(int, text.split("-")))

    @classmethod
    def of_widths(cls, widths: tuple[int, ...], options: Any) -> Architecture:
        """The network with these widths from input to output, and what ``options`` say of it."""
        features, *hidden, outputs = widths
        task = getattr(options, "task", None) or ("classification" if outputs > 1 else "regression")
        if task == "classification" and outputs == 1:
            raise ConfigError(
                f"show {'-'.join(map(str, widths))} --task classification", "1 output", "one output a class, at least 2",
                "end the widths in the number of classes",
            )  # fmt: skip
        given = {name: getattr(options, name, None) for name in NETWORK_OPTIONS if name != "task"}
        settings = _settings(hidden=tuple(hidden), **{k: v for k, v in given.items() if v is not None})
        return cls(build_network(settings, features, outputs), settings, features, outputs, task == "classification")

    @classmethod
    def of_model(cls, model: TrainedModel) -> Architecture:
        """The network of a saved model, with the settings that the file tells of."""
        known = model.facts.get("settings")
        names = ("optimizer", "lr", "weight_decay", "batch_size")
        told = {name: known[name] for name in names if name in known} if isinstance(known, dict) else {}
        if told.get("optimizer") not in OPTIMIZERS:
            told["optimizer"] = _USUAL.optimizer
        preparation = model.preparation
        classes = preparation.target.task == "classification"
        return cls(model.network, _settings(**told), preparation.features, preparation.outputs, classes)

    def compiled_step(self) -> Any:
        """Its training step, compiled and run on made-up rows until nothing new has to be remembered."""
        step = chainrule.compile(_training_step(self), backend="numpy")
        rows = self.settings.batch_size
        x = np.random.default_rng(0).random((rows, self.features), dtype=np.float32)
        targets = np.arange(rows) % self.outputs if self.classes else np.zeros((rows, self.outputs), np.float32)
        for _ in range(2):  # an optimizer makes its memory in its first step
            step(x, targets)
        return step


def step_source(architecture: Architecture) -> str:
    """The training step as a NumPy program that can be read, saved and run."""
    text: str = architecture.compiled_step().source()
    return text


def step_passes(architecture: Architecture) -> str:
    """What was traced, and the program after each pass of the compiler, down to its kernels and buffers."""
    text: str = architecture.compiled_step().explain(passes=True)
    return text


def _settings(**chosen: Any) -> Settings:
    return Settings(**{field.name: chosen.get(field.name, getattr(_USUAL, field.name)) for field in fields(Settings)})


def _training_step(architecture: Architecture) -> Callable[[Any, Any], Any]:
    """A step as a person writes it."""
    model = architecture.network.train()
    optimizer = build_optimizer(architecture.settings, model)
    criterion = nn.CrossEntropyLoss() if architecture.classes else nn.MSELoss()

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step
