"""Every setting that the user left open, decided here and nowhere else, with the reason in words.

The sizes were found by trial on digits, iris, wine, breast cancer, diabetes and MNIST over several seeds; they are those
below which the held-out results fell, not the smallest that work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Settings", "choose_settings"]

#: Up to this many training rows a run lasts seconds, so many passes are affordable.
SMALL = 1_000
LARGE = 10_000
#: Inputs from which a small network can tell single rows apart.
WIDE = 8


@dataclass(frozen=True)
class Settings:
    """How the network is built and trained.

    ``patience`` 0 means no early stopping; ``schedule`` is ``constant``, or ``cosine``: falling to 0 over the epochs.
    """

    hidden: tuple[int, ...]
    activation: str
    dropout: float
    batch_norm: bool
    optimizer: str
    lr: float
    weight_decay: float
    epochs: int
    batch_size: int
    patience: int
    schedule: str


def choose_settings(
    options: Any, rows: int, features: int, pictures: bool, validated: bool
) -> tuple[Settings, list[tuple[str, str]]]:
    """Settings for ``rows`` training rows of ``features`` inputs, and (label, sentence) pairs that give the reasons.

    What is not None among ``options`` is taken from there.

    >>> from types import SimpleNamespace
    >>> names = [name for name in Settings.__dataclass_fields__ if name != "schedule"]
    >>> settings, decisions = choose_settings(SimpleNamespace(**dict.fromkeys(names)), 120, 4, False, True)
    >>> settings.hidden, settings.lr, settings.epochs, settings.batch_size
    ((64, 32), 0.003, 300, 16)
    >>> print(decisions[1])
    ('epochs', 'at most 300, until validation has not improved for 40')
    """
    size = 0 if rows < SMALL else 1 if rows < LARGE else 2
    given = {name: getattr(options, name, None) for name in Settings.__dataclass_fields__}
    # Wide rows that are seen often are learned by heart without dropout; batch normalisation has noise of its own.
    wide = pictures or (features >= WIDE and size < 2)
    regularised = wide and not given["batch_norm"] and (given["epochs"] or 10) >= 10
    defaults = {
        "hidden": ((64, 32), (128, 64), (128, 64))[size],
        "activation": "relu",
        "dropout": (0.2, 0.3, 0.2)[size] if regularised else 0.0,
        "batch_norm": False,
        "optimizer": "adam",
        "lr": _usual_rate(given["optimizer"] or "adam", size, bool(given["batch_norm"])),
        "weight_decay": 0.0,
        "epochs": (300, 100, min(50, max(10, 500_000 // rows)))[size],
        "batch_size": min(rows, (16, 32, 100)[size]),
        # How many short epochs it takes is seen on the way; a few long ones are planned, with a rate that falls to 0.
        "patience": (40, 25, 0)[size] if validated else 0,
        "schedule": ("constant", "constant", "cosine")[size],
    }
    chosen: dict[str, Any] = {
        name: default if given[name] is None else given[name] for name, default in defaults.items()
    }
    settings = Settings(**chosen)
    asked = {name for name, value in given.items() if value is not None}
    return settings, _reasons(settings, asked, rows, regularised, validated)


def _usual_rate(optimizer: str, size: int, batch_norm: bool) -> float:
    """The rate at which each optimizer usually learns well.

    Adam's may be larger where few steps are made, and where the rate falls in the end, most of all with batch
    normalisation (Ioffe and Szegedy, 2015, section 3.3).
    """
    rates = {"sgd": 0.05, "momentum": 0.01, "adagrad": 0.05, "adadelta": 1.0, "rmsprop": 0.001}
    adam = (0.003, 0.001, 0.006 if batch_norm else 0.002)[size]
    return rates.get(optimizer, adam)


def _reasons(
    settings: Settings, asked: set[str], rows: int, regularised: bool, validated: bool
) -> list[tuple[str, str]]:
    size = "few" if rows < SMALL else "some thousand" if rows < LARGE else "many"
    layers = " and ".join(map(str, settings.hidden)) or "no"
    network = f"{layers} hidden units" + ("" if "hidden" in asked else f" (usual for {size} rows)")
    network += f", {settings.activation}" if settings.hidden else ""
    if settings.batch_norm:
        network += ", batch normalisation"
    if settings.dropout:
        why = " against learning the rows by heart" if regularised and "dropout" not in asked else ""
        network += f", dropout {settings.dropout:g}{why}"
    falling = " falling to 0 along a cosine" if settings.schedule == "cosine" else ""
    optimizer = f"{settings.optimizer}, learning rate {settings.lr:g}{falling}, batches of {settings.batch_size}"
    if settings.weight_decay:
        optimizer += f", weight decay {settings.weight_decay:g}"
    if not validated:
        epochs = f"{settings.epochs}; nothing is held out to see an earlier end"
    elif not settings.patience or settings.patience >= settings.epochs:
        epochs = f"{settings.epochs}, keeping the one that validates best"
    else:
        epochs = f"at most {settings.epochs}, until validation has not improved for {settings.patience}"
    return [("network", network), ("epochs", epochs), ("optimizer", optimizer)]
