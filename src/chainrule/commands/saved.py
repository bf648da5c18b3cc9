"""A trained model in its file: the network, the preparation of its inputs, and what is known about its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule.commands.preparation import Preparation
from chainrule.core.errors import CheckpointError
from chainrule.nn.module import Module
from chainrule.train.saving import load_with_extra, save

__all__ = ["TrainedModel", "open_model"]

FORMAT = 1


@dataclass
class TrainedModel:
    """A network with all that is needed to use it; ``facts`` are plain values about its training, for people."""

    network: Module
    preparation: Preparation
    facts: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write all of it into one file, whole or not at all."""
        save(
            self.network, path, {"trained_model": FORMAT, "preparation": self.preparation.state(), "facts": self.facts}
        )


def open_model(name: str) -> tuple[TrainedModel, Path]:
    """The model in the file ``name``, or in the run's folder of that name, and the file.

    Errors: CheckpointError for a file that is missing, damaged, or not written by ``chainrule train``.
    """
    path = Path(name) / "model.safetensors" if Path(name).is_dir() else Path(name)
    if not path.exists() and (path.parent / "checkpoint.safetensors").exists():
        raise CheckpointError(
            f"read {path}", "no model yet: its training was interrupted", "a finished run",
            "run the same chainrule train again with --resume",
        )  # fmt: skip
    try:
        network, extra = load_with_extra(path)
    except CheckpointError as problem:
        if "checkpoint" in problem.received:
            problem.fix = "name the model.safetensors of a finished run; chainrule train ... --resume finishes one"
        raise
    if not isinstance(extra, dict) or "trained_model" not in extra:
        raise CheckpointError(
            f"read {path}", "a network without preprocessing and labels, as chainrule.save writes it",
            "a model that chainrule train wrote", "use it in Python: chainrule.load(path)",
        )  # fmt: skip
    if extra["trained_model"] != FORMAT:
        raise CheckpointError(
            f"read {path}", "a model written by a newer chainrule", f"format {FORMAT}", "upgrade chainrule"
        )
    return TrainedModel(network, Preparation.from_state(extra["preparation"]), extra.get("facts", {})), path
