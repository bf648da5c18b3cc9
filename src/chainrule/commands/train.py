"""``chainrule train``: read, split, prepare, decide, train, test, and leave the results in a folder."""

from __future__ import annotations

import datetime
import shlex
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from chainrule.commands.defaults import Settings, choose_settings
from chainrule.commands.folder import RunFolder, open_folder
from chainrule.commands.inputs import Rows, read_rows
from chainrule.commands.network import build_network, build_optimizer, build_schedule, describe_network
from chainrule.commands.preparation import Preparation, Split, split_rows
from chainrule.commands.records import run_record
from chainrule.commands.results import Results, answers, baseline, score, sentence
from chainrule.commands.saved import TrainedModel
from chainrule.commands.terminal import Screen, notice
from chainrule.core.errors import ConfigError, DataError
from chainrule.core.files import atomic_write
from chainrule.core.philox import manual_seed
from chainrule.train.report import render_report
from chainrule.train.trainer import Trainer
from chainrule.train.wording import duration

__all__ = ["train"]


def train(options: Namespace) -> int:
    """Run the command; returns its exit code."""
    screen, started = Screen(quiet=options.quiet), time.perf_counter()
    rows = read_rows(
        options.data, options.target, options.task, options.data_dir, options.seed, options.image_size, options.category
    )
    split = split_rows(rows, options.validation, options.test, options.seed)
    preparation = Preparation.learn(rows, split.train)
    pictures, validated = rows.image_shape is not None, len(split.validation) > 0
    settings, reasons = choose_settings(options, len(split.train), preparation.features, pictures, validated)
    inputs = [("" if place else "inputs", text) for place, text in enumerate(preparation.decisions)]
    decisions = [*rows.decisions, ("split", split.decision), *inputs, *reasons]
    name = rows.name or Path(options.data).resolve().name
    folder = RunFolder(Path(options.out) if options.out else Path("runs") / name)
    _check_resume(options.resume, folder)
    # All rows are scaled here, so what is wrong with one of them is told before anything is made or trained.
    run = Run(options, rows, split, preparation, settings, folder, decisions)
    open_folder(folder)

    for remark in rows.notices:
        notice(remark)
    for label, text in decisions:
        screen.say(label, text)
    screen.say("folder", f"{folder.path}{'' if options.out else ' (--out names another)'}")
    screen.blank()
    run.fit(screen)
    results = run.test()
    screen.result(results.where, sentence(results.scores, results.rows, results.baseline))
    run.write(results)
    _say_what_is_there(screen, folder, time.perf_counter() - started)
    return 0


class Run:
    """A network in training, with all that was decided about it."""

    def __init__(
        self, options: Namespace, rows: Rows, split: Split, preparation: Preparation, settings: Settings,
        folder: RunFolder, decisions: list[tuple[str, str]],
    ) -> None:  # fmt: skip
        self.options, self.rows, self.split, self.preparation = options, rows, split, preparation
        self.settings, self.folder, self.decisions = settings, folder, decisions
        classes = preparation.target.task == "classification"
        manual_seed(options.seed)
        self.network = build_network(settings, preparation.features, preparation.outputs)
        self.shape = describe_network(settings, preparation.features, preparation.outputs)
        optimizer = build_optimizer(settings, self.network)
        self.trainer = Trainer(
            self.network,
            loss="cross_entropy" if classes else "mse",
            optimizer=optimizer,
            schedule=build_schedule(settings, optimizer),
            metrics=["accuracy" if classes else "r2"],
        )
        self.tested, self.test_rows, self.where = rows, split.test, "test"
        if rows.test is not None:
            self.tested, self.test_rows = rows.test, np.arange(len(rows.test))
        elif not len(split.test):
            self.test_rows, self.where = split.train, "training"
        self.train_set = preparation.dataset(rows, split.train)
        self.validation_set = preparation.dataset(rows, split.validation) if len(split.validation) else None
        self.test_set = preparation.dataset(self.tested, self.test_rows)
        self.started = datetime.datetime.now().astimezone()

    def fit(self, screen: Screen) -> None:
        """Train. On Ctrl-C the checkpoint stays, and it is told how to go on."""
        settings, checkpoint = self.settings, self.folder.checkpoint
        started = time.perf_counter()
        try:
            self.trainer.fit(
                self.train_set,
                self.validation_set,
                epochs=settings.epochs,
                batch_size=settings.batch_size,
                seed=self.options.seed,
                progress=False if self.options.quiet else None,
                checkpoint=checkpoint,
                resume=checkpoint if self.options.resume else None,
                early_stopping=settings.patience or None,
                restore_best=self.validation_set is not None,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._how_to_go_on()) from None
        screen.say("trained", self._how_it_went(time.perf_counter() - started))

    def _how_to_go_on(self) -> str:
        checkpoint = self.folder.checkpoint
        finished = f"interrupted in epoch {self.trainer.epoch + 1} of {self.settings.epochs}"
        fresh = checkpoint.exists() and checkpoint.stat().st_mtime >= self.started.timestamp() - 1
        if not fresh and not self.options.resume:
            return f"{finished}, before there was a checkpoint: nothing was kept"
        arguments = [argument for argument in self.options.arguments if argument != "--resume"]
        return f"{finished}\n  kept:     {checkpoint}\n  go on:    {shlex.join(['chainrule', *arguments, '--resume'])}"

    def _how_it_went(self, seconds: float) -> str:
        count = len(self.trainer.history)
        best = f"; {self.kept_epoch} and is kept" if self.kept_epoch else ""
        return f"{count} epoch{'s' * (count != 1)} of {self.shape} in {duration(seconds)}{best}"

    @property
    def best_row(self) -> dict[str, Any] | None:
        """What the epoch measured whose weights the network has in the end; None where it is simply the last."""
        return None if self.validation_set is None else self.trainer.history.best("val_loss")

    @property
    def kept_epoch(self) -> str:
        """That epoch in words."""
        best = self.best_row
        if best is None:
            return ""
        name, value = next((name, best[f"val_{name}"]) for name in ("accuracy", "r2") if f"val_{name}" in best)
        return f"epoch {best['epoch']} validated best ({name.replace('r2', 'R2')} {value:.3f})"

    def test(self) -> Results:
        """The score on the test rows; on the training rows where none are held out."""
        target = self.preparation.target
        assert self.tested.targets is not None and self.rows.targets is not None
        truth = self.tested.targets[self.test_rows]
        self.outputs = self.trainer.predict(self.test_set)
        if not np.isfinite(self.outputs).all():
            raise DataError(
                f"train on {self.rows.name}", "a network whose outputs are not finite: the training ran away",
                "finite outputs", f"lower the learning rate: --lr {min(self.settings.lr / 10, 0.001):g}",
            )  # fmt: skip
        scores = score(target, truth, answers(target, self.outputs))
        return Results(self.where, len(truth), scores, baseline(target, self.rows.targets[self.split.train], truth))

    def write(self, results: Results) -> None:
        """Model, history and report, each whole or not at all."""
        history = self.trainer.history
        facts: dict[str, Any] = {
            "chainrule": chainrule.__version__,
            "when": self.started.isoformat(timespec="seconds"),
            "data": self.rows.name,
            "source": self.rows.source,
            "licence": self.rows.licence,
            "decisions": [list(pair) for pair in self.decisions],
            "network": self.shape,
            "settings": asdict(self.settings),
            "seed": self.options.seed,
            "epochs": len(history),
            "results": asdict(results),
        }
        TrainedModel(self.network, self.preparation, facts).save(self.folder.model)
        history.to_csv(self.folder.history)
        page = render_report(run_record(self, results))
        with atomic_write(self.folder.report, DataError) as file:
            file.write(page.encode("utf-8"))


def _check_resume(resume: bool, folder: RunFolder) -> None:
    if resume and not folder.checkpoint.exists():
        raise ConfigError(
            f"--resume in {folder.path}", "no checkpoint there", "the folder of a run that was begun",
            "leave --resume out, or name its folder with --out",
        )  # fmt: skip
    if not resume and folder.checkpoint.exists() and not folder.model.exists():
        notice(f"the interrupted run in {folder.path} is replaced; with --resume it would have gone on")


def _say_what_is_there(screen: Screen, folder: RunFolder, seconds: float) -> None:
    screen.say("written", f"{folder.model}, {folder.history.name} and {folder.checkpoint.name}")
    screen.say("report", f"{folder.report}, a page to open in a browser")
    screen.say("next", f"chainrule predict {shlex.quote(str(folder.model))} NEW_DATA")
    screen.say("time", f"{duration(seconds)} in all")
