"""``chainrule show``: what a saved model is made of, was trained on and was worth; and the step that trains it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from chainrule import nn
from chainrule.commands.array_scaler import ArrayScaler
from chainrule.commands.results import sentence
from chainrule.commands.saved import TrainedModel, open_model
from chainrule.commands.steps import NETWORK_OPTIONS, Architecture, step_passes, step_source
from chainrule.commands.terminal import Screen, print_table
from chainrule.core.errors import ConfigError

__all__ = ["show"]

#: More columns than this are counted instead of listed.
_MOST_LISTED = 40


def show(options: Namespace) -> int:
    """Run the command; returns its exit code."""
    widths = Architecture.widths(options.model)
    if widths is not None:
        architecture = Architecture.of_widths(widths, options)
        if not (options.source or options.passes):
            _show_layers(architecture.network, architecture.features)
    else:
        _refuse_network_options(options)
        model, path = open_model(options.model)
        architecture = Architecture.of_model(model)
        if not (options.source or options.passes):
            _show_model(model, path)
    if options.source:
        print(step_source(architecture), end="")
    elif options.passes:
        print(step_passes(architecture))
    return 0


def _refuse_network_options(options: Namespace) -> None:
    for name in NETWORK_OPTIONS:
        if getattr(options, name) is not None:
            raise ConfigError(
                f"show {options.model} --{name.replace('_', '-')}", "a saved model, in which that is decided",
                "widths, such as 784-50-10", f"leave --{name.replace('_', '-')} out",
            )  # fmt: skip


def _show_model(model: TrainedModel, path: Path) -> None:
    facts, preparation, screen = model.facts, model.preparation, Screen()
    screen.say("model", f"{path}, {path.stat().st_size:,} bytes")
    made = " ".join(str(facts[key]) for key in ("chainrule", "when") if facts.get(key))
    screen.say("made by", f"chainrule {made}" if made else "chainrule")
    for place, (label, text) in enumerate(facts.get("decisions", [])):
        screen.say(label or ("" if place else "decided"), text)
    if facts.get("source"):
        licence = f" ({facts['licence']})" if facts.get("licence") else ""
        screen.say("source", f"{facts['source']}{licence}")
    if "epochs" in facts:
        screen.say("training", f"{facts['epochs']} epochs, seed {facts.get('seed')}")
    _show_results(screen, facts)
    screen.blank()
    _show_layers(model.network, preparation.features)
    screen.blank()
    if not isinstance(preparation.encoder, ArrayScaler):
        _show_columns(preparation.describe_columns())
    if preparation.target.task == "classification":
        screen.say("classes", ", ".join(preparation.target.classes))
    else:
        target = preparation.target
        screen.say("answer", f"{target.name} = output * {target.scale:.6g} + {target.mean:.6g}")


def _show_results(screen: Screen, facts: dict[str, Any]) -> None:
    results = facts.get("results")
    if results:
        screen.say(results["where"], sentence(results["scores"], results["rows"], results["baseline"]))


def _show_layers(network: nn.Module, features: int) -> None:
    summary = nn.summary(network, (1, features))
    rows = [("layer", "kind", "output", "parameters")]
    # One row runs through the network; the rows of a batch are nothing that the model is made of.
    rows += [
        (row.path, row.kind, row.output_shape.replace("(1, ", "(n, "), f"{row.parameters:,}")
        for row in summary.rows
        if row.path
    ]
    rows.append(("", "", "all", f"{summary.parameters:,}"))
    print_table(rows, right=[3])


def _show_columns(lines: list[str]) -> None:
    screen = Screen()
    for place, line in enumerate(lines[:_MOST_LISTED]):
        screen.say("" if place else "inputs", line)
    if len(lines) > _MOST_LISTED:
        screen.say("", f"and {len(lines) - _MOST_LISTED:,} more")
