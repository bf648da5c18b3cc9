"""The folder of a run: made, checked, and never mistaken for someone else's."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from chainrule.core.errors import ChainruleError, ConfigError
from chainrule.train.tensor_files import read_tensors

__all__ = ["RunFolder", "open_folder"]


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its files."""

    path: Path

    @property
    def model(self) -> Path:
        """The trained network, with preprocessing and labels."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """Everything needed to continue the run."""
        return self.path / "checkpoint.safetensors"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.path / "history.csv"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.path / "report.html"

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.model, self.checkpoint, self.history, self.report


def open_folder(folder: RunFolder) -> None:
    """Make the folder if it is not there, and see that it takes files.

    A folder that holds files of the names that a run writes must hold a model or checkpoint of chainrule's, else they are
    someone else's and nothing is touched.

    Errors: ConfigError for a folder that cannot be made or written, or that holds someone else's files.
    """
    asked = f"write into {folder.path}"
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        # Permission bits do not tell (root, network drives, read-only mounts): only writing does.
        with tempfile.TemporaryFile(dir=folder.path):
            pass
    except OSError as problem:
        received = (problem.strerror or str(problem)).lower()
        raise ConfigError(asked, received, "a folder that can be written", "name another with --out") from None
    present = [file for file in folder.files if file.exists()]
    if present and not any(
        _is_ours(file, kind) for file, kind in ((folder.model, "model"), (folder.checkpoint, "checkpoint"))
    ):
        names = ", ".join(file.name for file in present)
        raise ConfigError(
            asked, f"{names}, which no run of chainrule left there", "an empty folder, a new one, or that of a run",
            "name another with --out, or move these files",
        )  # fmt: skip


def _is_ours(path: Path, kind: str) -> bool:
    try:
        read_tensors(path, kind)
    except ChainruleError:
        return False
    return True
