"""Every finding has a record that brings it out and one, just on the other side of the threshold, that does not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from chainrule.train import diagnosis as d
from chainrule.train.diagnosis import diagnose
from chainrule.train.record import DataDescription, LayerStatistics, RunRecord, layer_statistics

nan = math.nan


def record(
    losses=(1.0, 0.5, 0.3, 0.25, 0.24), *, task="classification", layers=(), counts=(50, 50), test=None, **columns
):
    """A healthy run, changed where a test wants it; ``columns`` are further columns of the history."""
    history = [{"epoch": i + 1, "loss": loss, "lr": 0.1} for i, loss in enumerate(losses)]
    for name, values in columns.items():
        for row, value in zip(history, values, strict=True):
            row[name] = value
    data = DataDescription(
        "blobs", rows_train=sum(counts), classes=["a", "b", "c"][: len(counts)], class_counts=[*counts]
    )
    return RunRecord(task, data, history=history, test=test or {}, layers=list(layers))


def layer(path="0", kind="Linear", **values):
    return LayerStatistics(path, kind, **values)


def titles(run):
    return [finding.title for finding in diagnose(run)]


def gradients(*norms):
    return [layer(str(i), gradient_norm=norm) for i, norm in enumerate(norms)]


LAST = layer("9")
FALLING = [1.0 - 0.05 * i for i in range(10)]  # its last two epochs bring 2/9 of the fall
SEEN = {"accuracy": [0.9] * 5}

CASES = {
    "dead": ("Dead ReLUs", record(layers=[layer("1", "ReLU", units=10, dead_units=1)]), "note", "1 of 10 units (10"),
    "many dead": ("Dead ReLUs", record(layers=[layer("1", "ReLU", units=10, dead_units=4)]), "warning", "4 of 10"),
    "saturated sigmoid": (
        "Saturated sigmoids",
        record(layers=[layer("1", "Sigmoid", saturated_fraction=0.5), LAST]),
        "note",
        "50",
    ),
    "saturated tanh": (
        "Saturated tanhs",
        record(layers=[layer("3", "Tanh", saturated_fraction=0.8), LAST]),
        "warning",
        "In layer 3, 80",
    ),
    "vanishing": (
        "Vanishing gradients",
        record(layers=gradients(1e-4, 1e-2, 0.1)),
        "warning",
        "0 over layer 2: 1.0e-03",
    ),
    "growing back": ("Exploding gradients", record(layers=gradients(10, 0.01)), "warning", "1.0e+03"),
    "exploding": ("Exploding gradients", record(layers=gradients(100, 1001)), "warning", "layer 1 has a norm of 1e+03"),
    "infinite gradient": (
        "Exploding gradients",
        record(layers=gradients(math.inf, 1)),
        "warning",
        "layer 0 has a norm of inf",
    ),
    "NaN gradient": ("Exploding gradients", record(layers=gradients(nan, nan)), "warning", "norm of nan"),
    "loss explodes": ("The loss explodes", record([1.0, 2.0, 10.1]), "warning", "10.1 times"),
    "loss NaN": ("The loss is not a number", record([1.0, nan, nan]), "warning", "NaN in epoch 2"),
    "loss infinite": ("The loss is not a number", record([1.0, math.inf]), "warning", "infinite in epoch 2"),
    "oscillates": ("Learning rate too high", record([1.0, 0.5, 0.53, 0.4, 0.43]), "warning", "rose in 2 of 4 epochs"),
    "large updates": ("Learning rate too high", record(layers=[layer(update_ratio=0.11)]), "warning", "by 11"),
    "crawls": ("Learning rate too low", record(FALLING, layers=[layer(update_ratio=9e-5)]), "note", "9.0e-05"),
    "validation rises": (
        "Overfitting",
        record(val_loss=[1.1, 0.6, 0.4, 0.42, 0.45]),
        "warning",
        "0.4 in epoch 3 to 0.45 while the training loss fell to 0.24",
    ),
    "accuracy gap": (
        "Overfitting",
        record(accuracy=[0.9] * 4 + [0.95], val_accuracy=[0.9] * 4 + [0.84]),
        "warning",
        "95.0\N{NO-BREAK SPACE}% on training rows and 84.0",
    ),
    "majority": ("It has learned next to nothing", record(test={"accuracy": 0.52}), "warning", "52.0"),
    "majority by validation": (
        "It has learned next to nothing",
        record(accuracy=[0.6] * 5, val_accuracy=[0.51] * 5),
        "warning",
        "on validation rows",
    ),
    "mean": ("It has learned nothing", record(task="regression", test={"r2": 0.05}), "warning", "R2 is 0.050"),
    "unbalanced": ("Classes are unbalanced", record(counts=(80, 20), **SEEN), "note", "80 of a and 20 of b, 4 to 1"),
    "extreme": ("Classes are unbalanced", record(counts=(990, 10), test={"accuracy": 1.1}), "warning", "99 to 1"),
    "absent class": ("Classes are unbalanced", record(counts=(9, 0), test={"accuracy": 1.1}), "warning", "0 of b"),
}

HEALTHY = {
    "no layers, no validation": record(),
    "just under dead": record(layers=[layer("1", "ReLU", units=100, dead_units=9)]),
    "just under saturated": record(layers=[layer("1", "Sigmoid", saturated_fraction=0.49), LAST]),
    "a saturated output is confident": record(layers=[layer("1", "Sigmoid", saturated_fraction=0.95)]),
    "just not vanishing": record(layers=gradients(1.1e-4, 1e-2, 0.1)),
    "just not growing": record(layers=gradients(9.9, 0.01)),
    "just not exploding": record(layers=gradients(100, 1000)),
    "converged to zero gradient": record(layers=gradients(0.0, 0.0)),
    "loss just does not explode": record([1.0, 2.0, 10.0]),
    "rises too small": record([1.0, 0.5, 0.515, 0.4, 0.415]),
    "rises too few": record([1.0, 0.5, 0.53, 0.4, 0.3]),
    "noise at the bottom": record([1.0, 0.1, 0.002, 0.004, 0.002, 0.004]),
    "too short to oscillate": record([1.0, 1.1, 1.0, 1.1]),
    "just under large updates": record(layers=[layer(update_ratio=0.1)]),
    "slow but with usual updates": record(FALLING, layers=[layer(update_ratio=1e-4)]),
    "converged with tiny updates": record(layers=[layer(update_ratio=1e-6)]),
    "slow but no updates known": record(FALLING),
    "validation rises a little": record(val_loss=[1.1, 0.6, 0.4, 0.42, 0.439]),
    "validation rises near zero": record(val_loss=[1.1, 0.6, 0.001, 0.002, 0.011]),
    "validation rises with training": record([1.0, 0.5, 0.2, 0.21, 0.21], val_loss=[1.1, 0.6, 0.4, 0.42, 0.45]),
    "small accuracy gap": record(accuracy=[0.9] * 5, val_accuracy=[0.81] * 5),
    "just above the majority": record(test={"accuracy": 0.521}),
    "just above the mean": record(task="regression", test={"r2": 0.051}),
    "just balanced": record(counts=(79, 20), **SEEN),
}


@pytest.mark.parametrize("name", CASES)
def test_a_sick_run_is_recognised(name):
    title, run, severity, number = CASES[name]
    findings = diagnose(run)
    assert [finding.title for finding in findings] == [title]
    assert findings[0].severity == severity
    assert number in findings[0].sentence
    assert findings[0].advice


@pytest.mark.parametrize("name", HEALTHY)
def test_a_run_just_inside_the_limits_is_well(name):
    (finding,) = diagnose(HEALTHY[name])
    assert (finding.severity, finding.title, finding.advice) == ("ok", "All well", "")


def test_all_well_says_what_was_seen_and_what_could_not_be():
    assert diagnose(record())[0].sentence == (
        "No sign of trouble in 5 epochs; the training loss went from 1 to 0.24. Not checked: overfitting (there are no "
        "validation rows), activations and gradients (none were recorded)."
    )
    seen = record(val_loss=[1.0, 0.5, 0.3, 0.25, 0.24], layers=[LAST])
    assert "Not checked" not in diagnose(seen)[0].sentence


def test_an_empty_record_has_no_trouble():
    assert titles(RunRecord("regression", DataDescription("nothing"))) == ["All well"]


def test_several_findings_come_with_warnings_first_and_name_every_layer():
    layers = [layer(str(i), "ReLU", units=10, dead_units=dead) for i, dead in enumerate((2, 3, 0))]
    findings = diagnose(record(layers=layers, test={"accuracy": 0.4}))
    assert [finding.severity for finding in findings] == ["warning", "note"]
    assert findings[1].sentence.startswith("In layer 1, 3 of 10 units")
    assert findings[1].sentence.endswith("Also in layer 0 (20\N{NO-BREAK SPACE}%).")


def test_a_broken_loss_hides_everything_that_follows_from_it():
    run = dataclasses.replace(CASES["exploding"][1], history=[{"epoch": 1, "loss": nan}])
    assert titles(run) == ["The loss is not a number"]


def test_thresholds_are_ordered():
    assert d.DEAD_UNITS_NOTE < d.DEAD_UNITS_WARNING
    assert d.SATURATED_NOTE < d.SATURATED_WARNING
    assert d.SMALL_UPDATE < 1e-3 < d.LARGE_UPDATE
    assert d.IMBALANCE_NOTE < d.IMBALANCE_WARNING


def test_layer_statistics_of_a_relu():
    outputs = np.array([[0.0, 1.0, 0.0], [0.0, 3.0, 2.0]])
    found = layer_statistics("2.relu", "ReLU", outputs)
    assert (found.units, found.dead_units, found.zero_fraction) == (3, 1, 0.5)
    assert (found.mean, found.std) == (1.0, pytest.approx(outputs.std()))
    assert sum(found.counts) == 6
    assert len(found.edges) == len(found.counts) + 1
    assert found.saturated_fraction is None
    assert found.gradient_norm is None


def test_a_channel_is_dead_only_if_it_is_zero_everywhere():
    outputs = np.zeros((2, 3, 4, 4))
    outputs[1, 2, 3, 0] = 1.0
    assert layer_statistics("0", "ReLU", outputs).dead_units == 2


@pytest.mark.parametrize(
    ("kind", "outputs", "share"),
    [
        ("Sigmoid", [0.012, 0.014, 0.5, 0.99], 0.5),
        ("Tanh", [-0.976, -0.974, 0.0, 0.99], 0.5),
        ("Linear", [0.0, 9.0], None),
    ],
)
def test_saturation_is_where_the_slope_is_under_a_twentieth_of_its_largest(kind, outputs, share):
    assert layer_statistics("0", kind, np.array(outputs)[:, None]).saturated_fraction == share


def test_norms_and_the_update_ratio():
    found = layer_statistics("0", "Linear", [[1.0]], gradient=[[3.0], [4.0]], weight=[0.0, 10.0], update=[0.06, 0.08])
    assert (found.gradient_norm, found.weight_norm, found.update_ratio) == (5.0, 10.0, pytest.approx(0.01))
    assert layer_statistics("0", "Linear", [[1.0]], weight=[0.0], update=[1.0]).update_ratio is None


def test_layer_statistics_survive_nan_and_refuse_nothing():
    assert math.isnan(layer_statistics("0", "ReLU", [[nan, 1.0]]).mean)
    assert layer_statistics("0", "ReLU", [[nan]]).counts == []
    with pytest.raises(ValueError, match="at least one row"):
        layer_statistics("0", "ReLU", np.zeros((0, 3)))


def test_overfitting_that_was_undone_is_a_note():
    run = record((1.0, 0.5, 0.3, 0.2, 0.1), val_loss=(1.0, 0.5, 0.9, 1.2, 1.4))
    found = [(f.severity, f.title) for f in diagnose(run)]
    undone = [(f.severity, f.title) for f in diagnose(dataclasses.replace(run, kept_epoch=2))]
    assert found == [("warning", "Overfitting")]
    assert undone == [("note", "Overfitting, undone")]
