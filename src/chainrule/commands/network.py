"""The network that the settings describe."""

from __future__ import annotations

from typing import Any

from chainrule import nn, optim
from chainrule.commands.defaults import Settings
from chainrule.nn.module import Module

__all__ = ["ACTIVATIONS", "OPTIMIZERS", "build_network", "build_optimizer", "build_schedule", "describe_network"]

#: Name on the command line -> class in chainrule.nn.
ACTIVATIONS = {
    "relu": "ReLU",
    "leaky-relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "softplus": "Softplus",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
}

#: Name on the command line -> class in chainrule.optim, and what it is given besides rate and decay.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "nadam": ("NAdam", {}),
}


def build_network(settings: Settings, features: int, outputs: int) -> Module:
    """Linear layers with batch normalisation, activation and dropout between them, in this order.

    >>> settings = Settings((8,), "tanh", 0.1, True, "adam", 0.001, 0.0, 1, 1, 0, "constant")
    >>> [type(layer).__name__ for layer in build_network(settings, 4, 3)]
    ['Linear', 'BatchNorm1d', 'Tanh', 'Dropout', 'Linear']
    """
    layers: list[Module] = []
    width = features
    for units in settings.hidden:
        layers.append(nn.Linear(width, units))
        if settings.batch_norm:
            layers.append(nn.BatchNorm1d(units))
        layers.append(getattr(nn, ACTIVATIONS[settings.activation])())
        if settings.dropout:
            layers.append(nn.Dropout(settings.dropout))
        width = units
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def describe_network(settings: Settings, features: int, outputs: int) -> str:
    """The widths from input to output.

    >>> describe_network(Settings((64, 32), "relu", 0, False, "adam", 0.001, 0.0, 1, 1, 0, "constant"), 4, 3)
    '4 > 64 > 32 > 3'
    """
    return " > ".join(map(str, (features, *settings.hidden, outputs)))


def build_optimizer(settings: Settings, model: Module) -> Any:
    """The optimizer over all parameters of ``model``."""
    name, extra = OPTIMIZERS[settings.optimizer]
    return getattr(optim, name)(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, **extra)


def build_schedule(settings: Settings, optimizer: Any) -> Any:
    """The schedule of the learning rate over the epochs; None where it stays as it is."""
    return optim.CosineAnnealingLR(optimizer, T_max=settings.epochs) if settings.schedule == "cosine" else None
