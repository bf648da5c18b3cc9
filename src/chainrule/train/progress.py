"""The progress bar: epoch, loss, metric and time left, at hardly any cost for a batch."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

from chainrule.train.callbacks import Callback, StepResults

if TYPE_CHECKING:
    from chainrule.train.trainer import Trainer

__all__ = ["ProgressBar"]

_SECONDS_BETWEEN = 0.1

#: Measures beyond the loss that fit on a line beside the bar.
_MOST_MEASURES = 1


class ProgressBar(Callback):
    """One bar for the whole run, on stderr: refreshed at most ten times a second, from the training thread itself.

    ``progress=None`` shows it only where stderr is a terminal, True always, False never. ``file`` replaces stderr.
    """

    def __init__(self, progress: bool | None = None, file: Any = None) -> None:
        self.progress, self.file = progress, file
        self._bar: Any = None
        self._task: Any = None
        self._next = math.inf

    @property
    def wanted(self) -> bool:
        """Whether there will be a bar."""
        file = self.file or sys.stderr
        return bool(file is not None and file.isatty()) if self.progress is None else self.progress

    def on_fit_start(self, trainer: Trainer) -> None:
        if not self.wanted:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(file=self.file) if self.file is not None else Console(stderr=True)
        # No thread of its own (auto_refresh): it would take turns with the training, and slow down tiny networks.
        self._bar = Progress(
            TextColumn("{task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[measures]}"),
            console=console,
            auto_refresh=False,
        )
        self._bar.start()
        total = trainer.epochs * trainer.batches
        self._task = self._bar.add_task("", total=total, completed=trainer.step, epoch="", measures="")
        self._next = 0.0

    def steps_to_look(self, trainer: Trainer) -> float:
        return math.inf

    def on_steps_end(self, trainer: Trainer, results: StepResults) -> None:
        if time.perf_counter() >= self._next:
            self._show(trainer, trainer.epoch + 1, {"loss": trainer.meter.loss} | _kept(trainer))

    def on_epoch_end(self, trainer: Trainer) -> None:
        # Only the last epoch of a fast run is sure to be shown as it ended.
        if time.perf_counter() >= self._next or trainer.epoch >= trainer.epochs or trainer.stop:
            self._show(trainer, trainer.epoch, _chosen(trainer.row))

    def _show(self, trainer: Trainer, epoch: int, measures: dict[str, float]) -> None:
        if self._bar is None:
            return
        text = "  ".join(f"{name} {value:.4f}" for name, value in measures.items())
        self._bar.update(self._task, completed=trainer.step, epoch=f"epoch {epoch}/{trainer.epochs}", measures=text)
        self._bar.refresh()
        self._next = time.perf_counter() + _SECONDS_BETWEEN

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._next = None, math.inf


def _kept(trainer: Trainer) -> dict[str, float]:
    """What the last finished epoch measured, beside the running loss."""
    return {name: value for name, value in _chosen(trainer.row).items() if name != "loss"}


def _chosen(row: dict[str, Any]) -> dict[str, float]:
    names = [name for name in row if name not in ("epoch", "lr", "seconds", "loss")]
    # What says most, first: a score on the validation rows, then their loss, then a score on the training rows.
    names.sort(key=lambda name: (not name.startswith("val_"), name == "val_loss"))
    chosen = [name for name in ("loss", *names[:_MOST_MEASURES]) if name in row]
    return {name: float(row[name]) for name in chosen}
