"""How the training went, in words: each finding has its number, and advice when something is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from chainrule.train.record import LayerStatistics, RunRecord
from chainrule.train.wording import percent

__all__ = ["Finding", "diagnose"]

# CS231n, "Neural Networks Part 1": with too large a learning rate as much as 40 % of a network's ReLUs can be dead.
# A tenth is where the lost capacity begins to be worth a remark.
DEAD_UNITS_NOTE = 0.10
DEAD_UNITS_WARNING = 0.40

# Glorot and Bengio (2010, section 3.2) watch layers saturate one after another. When half of the outputs let less
# than 5 % of the gradient through (record.SATURATED_SLOPE), most of the layer no longer learns.
SATURATED_NOTE = 0.50
SATURATED_WARNING = 0.80

# First layer's gradient norm over the last layer's. Layers of different sizes differ by a factor of ten in health;
# beyond a thousand the first layers stand still while the last ones learn (Bengio, Simard and Frasconi, 1994).
VANISHING_RATIO = 1e-3
EXPLODING_RATIO = 1e3

# Gradient clipping in the literature is at norms of 1 to 10 (Pascanu, Mikolov and Bengio, 2013); a hundred times
# the upper one is not a matter of taste.
EXPLODING_NORM = 1e3

# A last loss this many times the first one has left the region where it started.
LOSS_GROWTH = 10.0

# CS231n, "Neural Networks Part 3": an update should be about 1e-3 of the weights. A hundred times more rewrites the
# layer every few steps, ten times less hardly moves it.
LARGE_UPDATE = 1e-1
SMALL_UPDATE = 1e-4

# An epoch counts as a setback when the training loss rises by 2 % of its first value: noise at the bottom of a
# converged run is smaller. Setbacks in a third of the epochs are a pattern; fewer than five epochs show none.
SETBACK_SIZE = 0.02
SETBACK_SHARE = 1 / 3
FEWEST_EPOCHS = 5

# A loss that never rises, and whose last fifth of the epochs still brings an eighth of the whole fall, was on its
# way when it was stopped (a straight line brings a fifth, a converged curve about nothing).
STILL_FALLING = 1 / 8
LAST_PART = 1 / 5

# Validation loss above its lowest point by a tenth, and by a hundredth of where it began, while the training loss
# fell on: the two curves have parted (Prechelt, "Early Stopping - But When?", 1998, stops at a loss of 5 to 20 %).
VALIDATION_RISE = 0.10
VALIDATION_RISE_OF_FIRST = 0.01

# Ten points of accuracy between rows it has seen and rows it has not.
ACCURACY_GAP = 0.10

# Always answering the most common class is what a model must beat, by more than two points of noise; for numbers,
# always answering the mean, which has an R2 of 0.
ABOVE_MAJORITY = 0.02
LEARNED_R2 = 0.05

# Rows of the most common class for one of the rarest. For two classes 4 : 1 leaves the rarer a fifth and 99 : 1
# a hundredth: where "Machine Learning Crash Course" (Google, "Imbalanced datasets") begins moderate and extreme.
IMBALANCE_NOTE = 4.0
IMBALANCE_WARNING = 99.0

Severity = Literal["ok", "note", "warning"]


@dataclass
class Finding:
    """One thing to know about a run: ``sentence`` holds its number, ``advice`` what to try."""

    severity: Severity
    title: str
    sentence: str
    advice: str = ""


def diagnose(record: RunRecord) -> list[Finding]:
    """Findings on a run, warnings first; a single "ok" finding when nothing is wrong.

    >>> from chainrule.train.record import DataDescription
    >>> losses = [{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": math.nan}]
    >>> for finding in diagnose(RunRecord("regression", DataDescription("sine"), history=losses)):
    ...     print(f"{finding.severity}: {finding.title}. {finding.sentence}")
    warning: The loss is not a number. The loss became NaN in epoch 2; nothing after it means anything.
    """
    broken = _not_finite(record)
    findings = broken or [finding for check in _CHECKS for finding in check(record)]
    if not findings:
        return [_all_well(record)]
    return sorted(findings, key=lambda finding: ("warning", "note", "ok").index(finding.severity))


def _not_finite(record: RunRecord) -> list[Finding]:
    """NaN or infinity, after which nothing else in the record can be trusted."""
    for index, row in enumerate(record.history):
        loss = row.get("loss", 0.0)
        if not math.isfinite(loss):
            what = "NaN" if math.isnan(loss) else "infinite"
            sentence = (
                f"The loss became {what} in epoch {row.get('epoch', index + 1):.0f}; nothing after it means anything."
            )
            advice = (
                "Lower the learning rate tenfold or clip gradients, look for NaN in the data, "
                "and find the first bad operation with `with chainrule.watch_nan():`."
            )
            return [Finding("warning", "The loss is not a number", sentence, advice)]
    return []


def _dead_relus(record: RunRecord) -> list[Finding]:
    shares = {layer: layer.dead_units / layer.units for layer in record.layers if layer.units and layer.dead_units}
    return _worst_layer(
        shares,
        (DEAD_UNITS_NOTE, DEAD_UNITS_WARNING),
        lambda layer: "Dead ReLUs",
        lambda layer, share: (
            f"In layer {layer.path}, {layer.dead_units} of {layer.units} units ({share}) are 0 for every example: "
            "they pass no gradient and cannot recover."
        ),
        "Lower the learning rate, use He initialisation, or try LeakyReLU or ELU.",
    )


def _saturation(record: RunRecord) -> list[Finding]:
    """Hidden layers only: a saturated output is a confident answer."""
    return _worst_layer(
        {layer: layer.saturated_fraction for layer in record.layers[:-1] if layer.saturated_fraction is not None},
        (SATURATED_NOTE, SATURATED_WARNING),
        lambda layer: f"Saturated {layer.kind.lower()}s",
        lambda layer, share: (
            f"In layer {layer.path}, {share} of the outputs are so near their limits that less than 5 % of the "
            "gradient passes."
        ),
        "Scale the inputs, use Xavier initialisation or batch normalisation, or try ReLU.",
    )


def _worst_layer(
    shares: dict[LayerStatistics, float],
    limits: tuple[float, float],
    title: Callable[[LayerStatistics], str],
    sentence: Callable[[LayerStatistics, str], str],
    advice: str,
) -> list[Finding]:
    """One finding on the layer with the largest share, naming the others at or above the first limit."""
    found = sorted((layer for layer in shares if shares[layer] >= limits[0]), key=lambda layer: -shares[layer])
    if not found:
        return []
    worst = found[0]
    others = ", ".join(f"{layer.path} ({percent(shares[layer], 0)})" for layer in found[1:])
    also = f" Also in {'layer' if len(found) == 2 else 'layers'} {others}." if others else ""
    severity: Severity = "warning" if shares[worst] >= limits[1] else "note"
    return [Finding(severity, title(worst), sentence(worst, percent(shares[worst], 0)) + also, advice)]


def _gradient_flow(record: RunRecord) -> list[Finding]:
    layers = [layer for layer in record.layers if layer.gradient_norm is not None]
    norms = [layer.gradient_norm or 0.0 for layer in layers]
    findings = []
    if norms and not max(norms) <= EXPLODING_NORM:
        worst = layers[norms.index(max(norms))]
        sentence = f"The gradient of layer {worst.path} has a norm of {max(norms):.3g} (above {EXPLODING_NORM:g})."
        findings.append(Finding("warning", "Exploding gradients", sentence, _CALM))
    if len(norms) < 2 or norms[-1] == 0:
        return findings
    ratio, ends = norms[0] / norms[-1], f"layer {layers[0].path} over layer {layers[-1].path}"
    if ratio <= VANISHING_RATIO:
        sentence = f"Gradient norm of {ends}: {ratio:.1e}. The first layers learn next to nothing."
        advice = "Use ReLU with He initialisation, batch normalisation, or fewer layers."
        findings.append(Finding("warning", "Vanishing gradients", sentence, advice))
    if ratio >= EXPLODING_RATIO and not findings:
        sentence = f"Gradient norm of {ends}: {ratio:.1e}. Gradients grow on the way back."
        findings.append(Finding("warning", "Exploding gradients", sentence, _CALM))
    return findings


_CALM = "Clip gradients to norm 1, lower the learning rate, or use a smaller initialisation."


def _learning_rate_high(record: RunRecord) -> list[Finding]:
    losses = record.column("loss")
    reasons = []
    if len(losses) > 1 and losses[0] > 0:
        if losses[-1] > LOSS_GROWTH * losses[0]:
            growth = losses[-1] / losses[0]
            sentence = f"The training loss ended at {losses[-1]:.3g}, {growth:.3g} times its first value."
            return [Finding("warning", "The loss explodes", sentence, _CALM)]
        setbacks = _setbacks(losses)
        if len(losses) >= FEWEST_EPOCHS and setbacks >= SETBACK_SHARE * (len(losses) - 1):
            reasons.append(f"the training loss rose in {setbacks} of {len(losses) - 1} epochs")
    layer = max(_with_updates(record), key=_update, default=None)
    if layer is not None and _update(layer) > LARGE_UPDATE:
        reasons.append(f"one update changes layer {layer.path} by {percent(_update(layer), 0)} of its weights")
    if not reasons:
        return []
    sentence = _sentence(" and ".join(reasons))
    return [Finding("warning", "Learning rate too high", sentence, f"Divide it by 3 to 10{_current_rate(record)}.")]


def _learning_rate_low(record: RunRecord) -> list[Finding]:
    losses = record.column("loss")
    layers = _with_updates(record)
    if len(losses) < FEWEST_EPOCHS or not layers:
        return []
    largest = max(map(_update, layers))
    fall, tail = losses[0] - losses[-1], max(1, round(LAST_PART * len(losses)))
    falling = all(later <= earlier for earlier, later in pairwise(losses))
    if largest >= SMALL_UPDATE or not falling or fall <= 0 or losses[-1 - tail] - losses[-1] < STILL_FALLING * fall:
        return []
    share = (losses[-1 - tail] - losses[-1]) / fall
    sentence = (
        f"The last {tail} of {len(losses)} epochs still brought {percent(share, 0)} of the fall in loss, with updates "
        f"of {largest:.1e} of the weights (about 1e-3 is usual)."
    )
    advice = f"Multiply it by 3 to 10{_current_rate(record)}, or train longer."
    return [Finding("note", "Learning rate too low", sentence, advice)]


def _overfitting(record: RunRecord) -> list[Finding]:
    validation, losses = record.column("val_loss"), record.column("loss")
    known = [i for i, value in enumerate(validation) if math.isfinite(value)]
    reasons = []
    best_epoch = None
    if len(known) > 1:
        best, last = min(known, key=validation.__getitem__), known[-1]
        rise = validation[last] - validation[best]
        enough = max(VALIDATION_RISE * validation[best], VALIDATION_RISE_OF_FIRST * validation[known[0]])
        if rise > enough and losses[last] < losses[best]:
            best_epoch = int(record.history[best].get("epoch", best + 1))
            reasons.append(
                f"the validation loss rose from {validation[best]:.3g} in epoch {best_epoch} to {validation[last]:.3g} "
                f"while the training loss fell to {losses[last]:.3g}"
            )
    if record.history and {"accuracy", "val_accuracy"} <= record.history[-1].keys():
        seen, unseen = record.history[-1]["accuracy"], record.history[-1]["val_accuracy"]
        if seen - unseen > ACCURACY_GAP:
            reasons.append(f"accuracy is {percent(seen)} on training rows and {percent(unseen)} on validation rows")
    if not reasons:
        return []
    if best_epoch is not None and record.kept_epoch == best_epoch:
        # What the later epochs spoiled was thrown away.
        advice = (
            f"Dropout or more rows, if more is wanted; nothing was lost, the weights are those of epoch {best_epoch}."
        )
        return [Finding("note", "Overfitting, undone", _sentence("; ".join(reasons)), advice)]
    advice = "Stop at the best epoch, add dropout or weight decay, use a smaller network, or find more rows."
    return [Finding("warning", "Overfitting", _sentence("; ".join(reasons)), advice)]


def _no_learning(record: RunRecord) -> list[Finding]:
    last = record.history[-1] if record.history else {}
    advice = "Train longer, change the learning rate tenfold either way, add units, or check that inputs are scaled."
    if record.task == "regression":
        found = _result(record, last, "r2")
        if found is None or found[1] > LEARNED_R2:
            return []
        sentence = f"R2 is {found[1]:.3f} on {found[0]} rows: no better than always predicting the mean, which has 0."
        return [Finding("warning", "It has learned nothing", sentence, advice)]
    found, counts = _result(record, last, "accuracy"), record.data.class_counts
    if found is None or sum(counts) == 0 or found[1] > max(counts) / sum(counts) + ABOVE_MAJORITY:
        return []
    sentence = (
        f"Accuracy is {percent(found[1])} on {found[0]} rows; always answering the most common class gives "
        f"{percent(max(counts) / sum(counts))}."
    )
    return [Finding("warning", "It has learned next to nothing", sentence, advice)]


def _result(record: RunRecord, last: dict[str, float], name: str) -> tuple[str, float] | None:
    """The value on the most telling rows there are, and which they are."""
    places = (("test", record.test, name), ("validation", last, f"val_{name}"), ("training", last, name))
    for rows, values, key in places:
        if math.isfinite(values.get(key, math.nan)):
            return rows, values[key]
    return None


def _class_imbalance(record: RunRecord) -> list[Finding]:
    counts, names = record.data.class_counts, record.data.classes
    if len(counts) < 2 or max(counts) < IMBALANCE_NOTE * min(counts):
        return []
    most, least = (
        f"{counts[i]:,} of {names[i] if i < len(names) else i}" for i in map(counts.index, (max(counts), min(counts)))
    )
    ratio = max(counts) / min(counts) if min(counts) else math.inf
    sentence = f"The training rows hold {most} and {least}" + (f", {ratio:.3g} to 1." if min(counts) else ".")
    advice = "Read F1 or the confusion matrix rather than accuracy; use class weights or gather more of the rare class."
    severity: Severity = "warning" if ratio >= IMBALANCE_WARNING else "note"
    return [Finding(severity, "Classes are unbalanced", sentence, advice)]


def _all_well(record: RunRecord) -> Finding:
    """What was seen instead of trouble, and what could not be looked at."""
    losses = record.column("loss")
    parts = [f"No sign of trouble in {len(losses)} epoch{'s' if len(losses) != 1 else ''}"]
    if len(losses) > 1:
        parts.append(f"the training loss went from {losses[0]:.3g} to {losses[-1]:.3g}")
    unseen = []
    if not any(math.isfinite(value) for value in record.column("val_loss")):
        unseen.append("overfitting (there are no validation rows)")
    if not record.layers:
        unseen.append("activations and gradients (none were recorded)")
    missing = f" Not checked: {', '.join(unseen)}." if unseen else ""
    return Finding("ok", "All well", "; ".join(parts) + "." + missing)


def _setbacks(losses: Sequence[float]) -> int:
    step = SETBACK_SIZE * abs(losses[0])
    return sum(later - earlier > step for earlier, later in pairwise(losses))


def _with_updates(record: RunRecord) -> list[LayerStatistics]:
    return [layer for layer in record.layers if layer.update_ratio is not None]


def _update(layer: LayerStatistics) -> float:
    return layer.update_ratio or 0.0


def _current_rate(record: RunRecord) -> str:
    rates = [row["lr"] for row in record.history if "lr" in row]
    return f" (it was {rates[0]:g})" if rates else ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


_CHECKS: tuple[Callable[[RunRecord], list[Finding]], ...] = (
    _learning_rate_high,
    _gradient_flow,
    _no_learning,
    _overfitting,
    _dead_relus,
    _saturation,
    _class_imbalance,
    _learning_rate_low,
)
