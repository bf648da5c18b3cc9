"""Figures of models, runs, weights, activations and mistakes: what is drawn is what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.core.philox import default_generator
from chainrule.show.figures import activations, confusion, history, model, weights
from chainrule.show.heatmaps import _largest
from chainrule.show.network import _clear_place
from chainrule.show.probe import read_architecture
from chainrule.show.style import THEMES
from chainrule.train import Trainer
from chainrule.train.history import History
from chainrule.train.record import DataDescription, RunRecord

LIGHT = THEMES["light"]


def texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def xor() -> nn.Sequential:
    net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1), nn.Sigmoid())
    net[0].weight.data = cr.tensor([[1.0, -2.0], [0.5, 0.25], [-4.0, 3.0]])
    net[0].bias.data = cr.tensor([0.5, -1.5, 0.0])
    return net


class Written(nn.Module):
    """A forward with functions of its own, and parameters outside layers."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(cr.randn((6, 5))), nn.Parameter(cr.randn((5,)))
        self.last = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        return cr.softmax(self.last((x @ self.w + self.b).tanh()), axis=1)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        h = self.first(x).relu()
        return h + self.second(h)


def state_of(net: nn.Module) -> Any:
    """Everything that looking at a model must leave alone."""
    tensors = [*net.parameters(), *net.buffers()]
    gradients = [None if t.grad is None else t.grad.numpy().tobytes() for t in tensors]
    return (
        [t.numpy().tobytes() for t in tensors],
        gradients,
        [m.training for m in net.modules()],
        [t.requires_grad for t in tensors],
        default_generator().state(),
        [len(m._hooks) for m in net.modules()],
    )


# ---- model


def lines_of(figure: Any) -> list[Any]:
    from matplotlib.collections import LineCollection

    return [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]


def circles(figure: Any, least: float = 0.9) -> list[Any]:
    from matplotlib.patches import Circle

    return [p for p in figure.axes[0].patches if isinstance(p, Circle) and p.radius > least]


def test_a_small_network_shows_units_weights_and_biases() -> None:
    from matplotlib.colors import to_hex

    net = xor()
    figure = model(net)
    assert len(circles(figure)) == 2 + 3 + 1
    first, second = lines_of(figure)
    assert len(first.get_segments()) == 6 and len(second.get_segments()) == 3
    # Sorted by size: 0.25, 0.5, 1, -2, 3, -4.
    assert [to_hex(c) for c in first.get_colors()] == [LIGHT.positive] * 3 + [
        LIGHT.negative,
        LIGHT.positive,
        LIGHT.negative,
    ]
    widths = np.array(first.get_linewidths())
    assert np.allclose(np.diff(widths) / np.diff([0.25, 0.5, 1, 2, 3, 4]), 2.5 / 4)
    dashed = [offset_dashes[1] is not None for offset_dashes in first.get_linestyles()]
    assert dashed == [False, False, False, True, False, True]
    written = texts(figure)
    for value in ("1", "−2", "0.5", "0.25", "−4", "3", "−1.5", "0"):
        assert value in written
    assert written.count("Sigmoid") == 2 and {"2 → 3", "3 → 1", "x₁", "x₂", "y"} <= set(written)
    assert "13 parameters, widest line: 4, in the circles: bias" in written


def test_numbers_stand_on_their_lines_away_from_others() -> None:
    figure = model(xor())
    turned = [t for t in figure.axes[0].texts if t.get_rotation()]
    assert len(turned) == 8  # of 9; the line from the middle unit is level
    for text in turned:
        x, y = text.get_position()
        slopes = []
        for segments in (c.get_segments() for c in lines_of(figure)):
            for (x0, y0), (x1, y1) in segments:
                if x0 <= x <= x1 and abs(y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y) < 1e-9:
                    slopes.append(math.degrees(math.atan2(y1 - y0, x1 - x0)) % 360)
        assert len(slopes) == 1 and slopes[0] == pytest.approx(text.get_rotation() % 360)


def test_the_place_of_a_number_avoids_the_crossing() -> None:
    crossing = np.array([[0.0, 1.0], [10.0, -1.0]])  # meet at x = 5
    assert abs(_clear_place(crossing, 0, 10.0, 0.5) - 5) > 1.5
    assert _clear_place(crossing[:1], 0, 10.0, 0.5) == pytest.approx(5)


def test_a_column_of_many_units_has_dots() -> None:
    figure = model([784, 12, 10])
    assert len(circles(figure)) == 10 + 12 + 10 and len(circles(figure, 0.1)) == 10 + 12 + 10 + 3
    written = texts(figure)
    assert {"784 units", "x₁", "x₅", "x₇₈₀", "x₇₈₄", "y₁₀"} <= set(written) and "x₆" not in written
    assert len(lines_of(figure)[0].get_segments()) == 10 * 12


def test_dots_stand_where_units_are_left_out() -> None:
    figure = model([100, 2])
    heights = [c.center[1] for c in circles(figure) if c.center[0] == 0]
    steps = -np.diff(heights)
    assert steps.argmax() == 4 and steps[4] == pytest.approx(2 * steps[0])


def test_names_of_units() -> None:
    figure = model([2, 3], inputs=["length", "width"], outputs=["a", "b", "c"])
    assert {"length", "width", "a", "b", "c"} <= set(texts(figure))
    with pytest.raises(ConfigError, match="1 names"):
        model([2, 3], inputs=["length"])


def test_layers_that_act_on_units_are_named_between_columns() -> None:
    net = nn.Sequential(nn.Linear(9, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 2), nn.Identity())
    written = texts(model(net))
    assert [w for w in written if w in ("BatchNorm1d", "ReLU", "Dropout", "Identity")] == [
        "BatchNorm1d",
        "ReLU",
        "Dropout",
    ]


def test_functions_and_bare_parameters_are_found() -> None:
    net = Written()
    found = read_architecture(net, np.zeros((2, 6)))
    assert found.chain
    assert [(s.kind, s.shape, s.parameters) for s in found.steps] == [
        ("matmul", (5,), 35), ("tanh", (5,), 0), ("Linear", (3,), 18), ("softmax", (3,), 0),
    ]  # fmt: skip
    assert np.array_equal(found.steps[0].weight, net.w.numpy().T)
    assert np.array_equal(found.steps[0].bias, net.b.numpy())
    written = texts(model(net, np.zeros((2, 6))))
    assert {"tanh", "softmax", "6 → 5"} <= set(written)


@pytest.mark.parametrize(
    "name",
    ["elu", "gelu", "leaky_relu", "log_softmax", "relu", "selu", "sigmoid", "silu", "softmax", "softplus", "tanh"],
)
def test_every_activation_is_known_by_its_ops(name: str) -> None:
    class Calls(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.last(getattr(cr, name)(self.first(x)))

    found = read_architecture(Calls())
    assert [s.kind for s in found.steps] == ["Linear", name, "Linear"] and found.chain


def test_a_gate_of_two_values_is_no_activation() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.value = nn.Linear(3, 4), nn.Linear(3, 4)

        def forward(self, x: Any) -> Any:
            value = self.value(x)
            return self.gate(x).sigmoid() * value

    found = read_architecture(Gated())
    assert [s.kind for s in found.steps] == ["Linear", "Linear", "sigmoid"] and not found.chain


def test_frozen_models_and_every_order_of_layers_are_read() -> None:
    net = xor().requires_grad_(False)
    assert [s.kind for s in read_architecture(net).steps] == ["Linear", "Sigmoid", "Linear", "Sigmoid"]

    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.late, self.early = nn.Linear(3, 1), nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            return self.late(self.early(x))

    assert [s.path for s in read_architecture(Backwards(), np.zeros((1, 2))).steps] == ["early", "late"]


def test_a_model_with_paths_that_meet_is_drawn_as_boxes_and_says_so() -> None:
    written = texts(model(Residual()))
    assert {"first", "second", "n × 4", "20 parameters", "relu"} <= set(written)
    assert any("skip or meet" in w for w in written)
    with pytest.raises(ConfigError, match="kind='boxes'"):
        model(Residual(), kind="circles")


def test_a_deep_model_folds_what_repeats() -> None:
    blocks = [layer for _ in range(50) for layer in (nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU())]
    figure = model(nn.Sequential(nn.Linear(8, 16), *blocks, nn.Linear(16, 2)))
    written = texts(figure)
    assert "50 times: 1 – 149" in written
    assert [w for w in written if w in ("Linear", "BatchNorm1d", "ReLU")] == [
        "Linear",
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Linear",
    ]
    total = 9 * 16 + 50 * (16 * 17 + 32) + 17 * 2
    assert f"{total:,} parameters" in written


def test_layers_that_differ_are_not_folded() -> None:
    figure = model(nn.Sequential(*[nn.Linear(n, n + 1) for n in range(2, 12)]))
    written = texts(figure)
    assert not any("times" in w for w in written) and written.count("Linear") == 10


def test_boxes_stay_on_the_page() -> None:
    from matplotlib.patches import FancyBboxPatch

    figure = model(nn.Sequential(*[nn.Linear(n, n + 1) for n in range(2, 12)]))
    axes = figure.axes[0]
    view = axes.viewLim
    boxes = [p.get_path().get_extents(p.get_patch_transform()) for p in axes.patches if isinstance(p, FancyBboxPatch)]
    assert len(boxes) == 10
    assert all(view.x0 < b.x0 and b.x1 < view.x1 and view.y0 < b.y0 and b.y1 < view.y1 for b in boxes)
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]) == 0


def test_a_model_that_cannot_be_guessed_is_read_as_it_was_made() -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(2, 3), nn.Linear(4, 3)

        def forward(self, x: Any, y: Any) -> Any:
            return self.left(x) + self.right(y)

    assert {"left", "right"} <= set(texts(model(Pairs())))
    assert any("skip or meet" in w for w in texts(model(Pairs(), (np.zeros((1, 2)), np.zeros((1, 4))))))
    with pytest.raises(ShapeError):
        model(Pairs(), (np.zeros((1, 2)), np.zeros((1, 5))))


def test_looking_at_a_model_leaves_it_alone() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    nn.functional.cross_entropy(net(cr.randn((6, 4))), cr.tensor([0, 1, 2, 0, 1, 2])).backward()
    net[1].eval()
    x, y = np.random.default_rng(0).normal(size=(6, 4)), [0, 1, 2, 0, 1, 2]
    before = state_of(net)
    model(net, x)
    activations(net, x, "cross_entropy", y, training=True)
    activations(net, x)
    assert state_of(net) == before
    with pytest.raises(ShapeError):
        activations(net, np.zeros((2, 5)))
    assert state_of(net) == before


@pytest.mark.parametrize("wrong", [[2], [2, 0], "net", [2, 3.5], 7])
def test_what_is_no_network_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="a module, or two or more layer sizes"):
        model(wrong)


def test_wrong_arguments_of_model() -> None:
    with pytest.raises(ConfigError, match="2, one for each layer"):
        model([2, 3, 1], activations=["tanh"])
    with pytest.raises(ConfigError, match="'auto', 'circles' or 'boxes'"):
        model([2, 1], kind="ball")
    with pytest.raises(ConfigError, match="calls no layer"):
        model(nn.Sequential())


# ---- history


def curves(axes: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


def stars(axes: Any) -> list[tuple[float, float]]:
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "*"]


def test_one_run_draws_its_columns_and_stars_the_best_epoch() -> None:
    rows = [
        {"epoch": 1, "loss": 0.9, "val_loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.4, "lr": 0.1, "seconds": 1.0},
        {"epoch": 2, "loss": 0.6, "val_loss": 0.7, "accuracy": 0.7, "val_accuracy": 0.6, "lr": 0.1, "seconds": 1.0},
        {"epoch": 3, "loss": 0.5, "val_loss": 0.8, "accuracy": 0.8, "val_accuracy": 0.65, "lr": 0.1, "seconds": 1.0},
    ]
    figure = history(History(rows))
    loss, accuracy = figure.axes
    assert [a.get_title(loc="left") for a in figure.axes] == ["loss", "accuracy"]
    assert curves(loss)["training"] == ([1, 2, 3], [0.9, 0.6, 0.5])
    assert curves(loss)["validation: best 0.7, epoch 2"] == ([1, 2, 3], [1.0, 0.7, 0.8])
    assert stars(loss) == [(2, 0.7)] and stars(accuracy) == [(3, 0.65)]
    assert "validation: best 65.0\N{NO-BREAK SPACE}%, epoch 3" in curves(accuracy)
    solid, dashed = loss.lines[0], loss.lines[1]
    assert solid.get_linestyle() != dashed.get_linestyle() and solid.get_color() != dashed.get_color()


KINDS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "History": History,
    "rows": list,
    "columns": lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
    "arrays": lambda rows: {name: np.array([row[name] for row in rows]) for name in rows[0]},
    "record": lambda rows: RunRecord("classification", DataDescription("xor"), history=rows),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_history(kind: str) -> None:
    make = KINDS[kind]
    rows = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}]
    assert curves(history(make(rows)).axes[0])["training: best 2, epoch 2"] == ([1, 2], [3.0, 2.0])
    both = history({"a": make(rows), "b": make(rows[:1])})
    assert [t.get_text() for t in both.legends[0].get_texts()] == ["a: best 2, epoch 2", "b: best 3, epoch 1"]


def test_one_run_keeps_its_name() -> None:
    drawn = curves(history({"SGD": {"loss": [3.0, 2.0], "val_loss": [4.0, 5.0]}}).axes[0])
    assert {"SGD, training", "SGD, validation: best 4, epoch 1"} <= set(drawn)


def test_what_the_trainer_returns() -> None:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    run = Trainer(nn.Linear(2, 1), loss="mse", lr=0.1).fit((x, x[:, :1]), validation=(x, x[:, :1]), epochs=3)
    drawn = curves(history(run).axes[0])
    assert drawn["training"][1] == run["loss"]
    assert any(y == run["val_loss"] for _, y in drawn.values())


def test_several_runs_have_colours_markers_and_stars_of_their_own() -> None:
    runs = {name: {"loss": [1.0, b], "val_loss": [1.2, b + 0.1]} for name, b in (("SGD", 0.5), ("Adam", 0.3))}
    figure = history(runs)
    axes, legend = figure.axes[0], figure.legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["SGD: best 0.6, epoch 2", "Adam: best 0.4, epoch 2"]
    assert legend.get_title().get_text() == "solid: training, dashed: validation"
    assert [(h.get_color(), h.get_marker()) for h in legend.legend_handles] == [
        (line.get_color(), line.get_marker()) for line in axes.lines if line.get_label() in runs
    ][::2]
    assert stars(axes) == [(2, 0.6), (2, 0.4)]
    main = [line for line in axes.lines if line.get_marker() != "*"]
    assert len({(line.get_color(), line.get_marker()) for line in main}) == 2


@pytest.mark.parametrize("metrics", [["loss"], ["loss", "accuracy"], ["loss", "accuracy", "f1", "a", "b"]])
@pytest.mark.parametrize("longest", [3, 45, 130])
def test_the_legend_of_several_runs_covers_nothing_and_is_not_cut_off(metrics: list[str], longest: int) -> None:
    """However long the names are: panels keep their room, and the legend stands inside the figure, below them."""
    runs = {
        (f"run {k} " + "of a name of several words " * 9)[:longest] + str(k): {m: [0.9, 0.5 - k / 20] for m in metrics}
        for k in range(6)
    }
    figure = history(runs)
    box = figure.legends[0].get_window_extent()
    assert not any(axes.get_legend() for axes in figure.axes)
    assert min(box.x0, box.y0) >= 0 and box.x1 <= figure.bbox.x1
    assert all(box.y1 < axes.get_tightbbox().y0 for axes in figure.axes[-1:])
    heights = [axes.get_window_extent().height / figure.dpi * 72 / 9 for axes in figure.axes]
    widths = [axes.get_window_extent().width / figure.dpi * 72 / 9 for axes in figure.axes]
    assert min(heights) > 14 and min(widths) > 18, "in em"
    assert all("best" in text.get_text() for text in figure.legends[0].get_texts())


def test_the_best_of_each_metric_stands_in_the_legend() -> None:
    rows = {"loss": [3.0, 1.0, 2.0], "accuracy": [0.1, 0.2, 0.6], "lr": [0.1, 0.1, 0.1]}
    labels = [t.get_text() for t in history({"a": rows, "b": rows}).legends[0].get_texts()]
    assert labels[0] == "a: best loss 1 (epoch 2), accuracy 60.0\N{NO-BREAK SPACE}% (epoch 3)"
    korean = history({"a": rows, "b": rows}, metrics=["loss", "lr"], lang="ko").legends[0]
    assert [t.get_text() for t in korean.get_texts()] == ["a: 최고 손실 1 (에폭 2)", "b: 최고 손실 1 (에폭 2)"]


def test_runs_without_validation_differ_in_line_style() -> None:
    axes = history([History([{"epoch": 1, "loss": float(k)}]) for k in range(1, 4)]).axes[0]
    styles = {str(line._unscaled_dash_pattern) for line in axes.lines if line.get_marker() != "*"}
    assert len(styles) == 3


def test_what_is_not_finite_is_a_gap_and_noted() -> None:
    nan, inf = float("nan"), float("inf")
    figure = history({"loss": [1.0, nan, nan, 0.5, inf, 0.4]})
    axes = figure.axes[0]
    line = axes.lines[0]
    assert np.isnan(line.get_ydata()).tolist() == [False, True, True, False, True, False]
    crosses = next(line for line in axes.lines if line.get_marker() == "x")
    assert list(crosses.get_xdata()) == [2, 3, 5]
    assert "× not a finite number: training, epoch 2–3, 5" in texts(figure)
    assert stars(axes) == [(6, 0.4)]


def test_a_run_that_was_never_finite() -> None:
    figure = history({"loss": [float("nan")] * 2})
    assert "no finite values" in texts(figure) and not stars(figure.axes[0])


def test_epochs_that_measured_nothing_are_no_gaps() -> None:
    rows = [
        {"epoch": 1, "loss": 3.0, "val_loss": 4.0},
        {"epoch": 2, "loss": 2.0},
        {"epoch": 3, "loss": 1.0, "val_loss": 2.0},
    ]
    assert curves(history(rows).axes[0])["validation: best 2, epoch 3"] == ([1, 3], [4.0, 2.0])
    columns = {"loss": [3.0, 2.0, 1.0], "val_loss": [4.0, None, 2.0]}
    assert curves(history(columns).axes[0])["validation: best 2, epoch 3"] == ([1, 3], [4.0, 2.0])


def test_losses_of_many_sizes_get_a_logarithmic_axis() -> None:
    assert history({"loss": [10.0, 0.1]}).axes[0].get_yscale() == "log"
    assert history({"loss": [10.0, 1.0]}).axes[0].get_yscale() == "linear"
    assert history({"loss": [10.0, -0.1]}).axes[0].get_yscale() == "linear"
    assert history({"accuracy": [0.001, 1.0]}).axes[0].get_yscale() == "linear"


def test_columns_can_be_chosen_and_counted_by_another_one() -> None:
    figure = history({"step": [10, 20], "loss": [1.0, 0.5], "lr": [0.1, 0.01]}, metrics=["lr", "loss"], x="step")
    assert [a.get_title(loc="left") for a in figure.axes] == ["lr", "loss"]
    assert curves(figure.axes[0])["training"] == ([10, 20], [0.1, 0.01])
    assert "training: best 0.5, step 20" in curves(figure.axes[1])
    with pytest.raises(ConfigError, match="loss, lr"):
        history({"loss": [1.0], "lr": [1.0]}, metrics=["accuracy"])


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ([], "without epochs"),
        (History(), "without epochs"),
        ({"loss": []}, "without epochs"),
        ({}, "without epochs|no column"),
        ("loss", "a str"),
        (3, "a int"),
        ({"loss": [1.0, 2.0], "val_loss": [1.0]}, "columns of one length"),
        ({"epoch": [1, 2]}, "no column with numbers"),
    ],
)
def test_what_is_no_history_is_refused(wrong: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        history(wrong)


# ---- weights


def test_first_layer_weights_become_pictures() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    figure = weights(net, image_shape=(2, 3))
    images = [a.images[0] for a in figure.axes if a.images]
    assert len(images) == 4
    for image, row in zip(images, net[1].weight.numpy(), strict=True):
        assert np.array_equal(image.get_array(), row.reshape(2, 3).astype(np.float64))
        low, high = image.get_clim()
        assert -low == high == np.abs(net[1].weight.numpy()).max()
    assert "weights of 4 units" in texts(figure)


def test_pictures_can_be_few_and_of_one_scale() -> None:
    array = np.arange(80.0).reshape(5, 16)
    figure = weights(array, (4, 4), limit=2, scale=5.0)
    images = [a.images[0] for a in figure.axes if a.images]
    assert len(images) == 2 and {image.get_clim() for image in images} == {(-5.0, 5.0)}
    assert "weights of 2 of 5 units" in texts(figure)


def test_stacks_and_colour_images() -> None:
    stack = np.arange(12.0).reshape(3, 2, 2) - 6
    assert np.array_equal(weights(stack).axes[1].images[0].get_array(), stack[1])
    colours = np.zeros((1, 12))
    colours[0, 0], colours[0, 1] = 2.0, -2.0
    drawn = weights(colours, (2, 2, 3)).axes[0].images[0].get_array()
    assert drawn[0, 0].tolist() == [1.0, 0.0, 0.5] and drawn[1, 1].tolist() == [0.5, 0.5, 0.5]


def test_matrices_are_heat_maps_with_numbers_and_bias() -> None:
    net = xor()
    figure = weights(net)
    first = figure.axes[0]
    assert first.get_title(loc="left") == "0.weight  (3 × 2 + b)"
    drawn = first.images[0].get_array()
    assert np.array_equal(drawn, [[1.0, -2.0, 0.5], [0.5, 0.25, -1.5], [-4.0, 3.0, 0.0]])
    assert first.images[0].get_clim() == (-4.0, 4.0)
    assert [t.get_text() for t in first.texts] == [
        "1.00",
        "−2.00",
        "0.50",
        "0.50",
        "0.25",
        "−1.50",
        "−4.00",
        "3.00",
        "0.00",
    ]
    assert [t.get_text() for t in first.get_xticklabels()] == ["1", "2", "b"]


def test_large_matrices_carry_no_numbers() -> None:
    figure = weights(nn.Linear(40, 30))
    assert not figure.axes[0].texts and figure.axes[0].images[0].get_array().shape == (30, 41)
    ticks = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert ticks[0] == "1" and ticks[-1] == "b"


def test_weights_that_are_not_finite_are_noted() -> None:
    figure = weights(np.array([[1.0, np.nan], [np.inf, -2.0]]))
    assert "grey: 2 not finite" in texts(figure)
    assert np.ma.getmaskarray(figure.axes[0].images[0].get_array()).tolist() == [[False, True], [True, False]]
    assert figure.axes[0].images[0].get_clim() == (-2.0, 2.0)
    assert _largest(np.zeros(3)) == 1.0


def test_wrong_arguments_of_weights() -> None:
    with pytest.raises(ShapeError, match=r"image_shape=\(4, 4\)"):
        weights(nn.Linear(16, 3), (3, 5))
    with pytest.raises(ShapeError, match="6 weights a unit"):
        weights(nn.Linear(6, 3), (2, 2, 3))
    with pytest.raises(ConfigError, match="without weight matrices"):
        weights(nn.ReLU())
    with pytest.raises(ShapeError, match=r"\(units, inputs\)"):
        weights(np.zeros((2, 2, 2, 2)))
    with pytest.raises(ConfigError, match="limit"):
        weights(nn.Linear(4, 3), limit=0)


# ---- activations


def stairs(axes: Any) -> Any:
    from matplotlib.patches import StepPatch

    return next(p for p in axes.patches if isinstance(p, StepPatch)).get_data()


def test_histograms_of_outputs_and_the_share_that_is_saturated() -> None:
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Sigmoid())
    net[0].weight.data = cr.tensor([[1.0]])
    x = np.array([[-9.0], [-1.0], [0.0], [1.0], [9.0]], np.float32)
    figure = activations(net, x)
    axes = figure.axes[0]
    data = stairs(axes)
    counts, edges = np.histogram(1 / (1 + np.exp(-x.astype(np.float64))), bins=40, range=(0, 1))
    assert np.allclose(data.values, counts / 5) and np.allclose(data.edges, edges)
    assert axes.get_title(loc="left") == "1: Sigmoid"
    assert {"mean 0.5, std 0.35", "saturated 40\N{NO-BREAK SPACE}%"} <= set(texts(figure))


def test_zeros_and_dead_units_of_a_relu() -> None:
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU())
    net[0].weight.data = cr.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    net[0].bias.data = cr.tensor([0.0, 0.0, -9.0, 0.5])
    x = np.array([[1.0, -1.0], [2.0, 3.0]], np.float32)  # outputs 1 0 0 .5 and 2 3 0 .5
    figure = activations(net, x)
    axes = figure.axes[0]
    assert "zeros 38\N{NO-BREAK SPACE}%, dead 1 of 4" in texts(figure)
    assert stairs(axes).values.sum() == pytest.approx(5 / 8)
    bar = axes.containers[0].patches[0]
    assert bar.get_x() < 0 and bar.get_x() + bar.get_width() == pytest.approx(0)
    assert bar.get_height() == pytest.approx(min(3 / 8, 1.6 * stairs(axes).values.max()))


def test_gradients_are_those_of_the_loss() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x, y = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32), np.array([0, 1, 0, 1, 0, 1, 0])
    figure = activations(net, x, "cross_entropy", y)
    scores = net(cr.tensor(x)).numpy().astype(np.float64)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    gradient = ((p - np.eye(2)[y]) / 7) @ net[2].weight.numpy()
    outputs, gradients = figure.axes
    logs = np.log10(np.abs(gradient)).ravel()
    data = stairs(gradients)
    expected, _ = np.histogram(np.clip(logs, data.edges[0], data.edges[-1]), bins=data.edges)
    assert np.abs(data.values - expected / logs.size).sum() <= 2 / logs.size + 1e-9  # a bin's edge may lie between
    assert f"norm {np.linalg.norm(gradient):.2g}" in texts(figure)
    assert outputs.get_ylabel() == "share of outputs" and gradients.get_ylabel() == "share of gradients"


def test_vanishing_gradients_share_one_axis() -> None:
    layers = [layer for _ in range(6) for layer in (nn.Linear(10, 10), nn.Sigmoid())]
    figure = activations(nn.Sequential(*layers, nn.Linear(10, 2)), np.ones((5, 10)), "cross_entropy", [0, 1, 0, 1, 0])
    lower = [a for a in figure.axes if a.get_xlabel() == "size of the gradient"]
    assert len(lower) == 6
    assert len({stairs(a).edges.tobytes() for a in lower}) == 1
    middles = [float((stairs(a).values * stairs(a).edges[:-1]).sum()) for a in lower]
    assert middles == sorted(middles)  # the earlier, the smaller


def test_functions_and_chosen_layers() -> None:
    net = Written()
    titles = [a.get_title(loc="left") for a in activations(net, np.zeros((2, 6))).axes]
    assert titles == ["tanh 1"]
    chosen = activations(net, np.zeros((2, 6)), layers=["last"])
    assert [a.get_title(loc="left") for a in chosen.axes] == ["last: Linear"]
    with pytest.raises(ConfigError, match="w, tanh 1, last, softmax 1"):
        activations(net, np.zeros((2, 6)), layers=["fc9"])


def test_training_mode_is_seen() -> None:
    net = nn.Sequential(nn.Dropout(0.5), nn.Tanh())
    x = np.ones((50, 20), np.float32)
    assert any(t.startswith("mean 0.76, std 0") and "std 0." not in t for t in texts(activations(net, x)))
    assert not any(t.startswith("mean 0.76") for t in texts(activations(net, x, training=True)))


def test_outputs_that_are_not_finite_are_noted() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.Tanh())
    x = np.array([[np.nan], [1.0], [2.0]], np.float32)
    assert "1 outputs are not finite" in texts(activations(net, x))


def test_wrong_arguments_of_activations() -> None:
    net = xor()
    with pytest.raises(ConfigError, match=r"an nn\.Module"):
        activations(lambda x: x, np.zeros((1, 2)))
    with pytest.raises(ConfigError, match="pass targets="):
        activations(net, np.zeros((1, 2)), loss="mse")
    with pytest.raises(DataError, match="no rows"):
        activations(net, np.zeros((0, 2)))


# ---- confusion


def test_counts_shares_and_highlighted_errors() -> None:
    true, predicted = [0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 1, 0]
    figure = confusion(true, predicted, ["a", "b", "c"])
    axes = figure.axes[0]
    hits, misses = (image.get_array() for image in axes.images)
    assert np.allclose(hits.filled(-1), [[0.75, -1, -1], [-1, 1, -1], [-1, -1, 0]])
    assert np.allclose(misses.filled(-1), [[-1, 0.5, 0], [0, -1, 0], [1, 0, -1]])  # roots of the shares
    colours = [image.get_cmap()(1.0)[:3] for image in axes.images]
    assert colours[0][2] > colours[0][0] and colours[1][0] > colours[1][2]  # blue and orange
    cells = {(round(t.get_position()[0]), round(t.get_position()[1]), t.get_text()) for t in axes.texts}
    assert {
        (0, 0, "3"),
        (0, 0, "75\N{NO-BREAK SPACE}%"),
        (1, 0, "1"),
        (1, 0, "25\N{NO-BREAK SPACE}%"),
        (2, 0, "0"),
    } <= cells
    assert axes.get_title(loc="left") == "71.4\N{NO-BREAK SPACE}% right: 5 of 7 rows"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b", "c"]


def test_normalised_shares_are_the_large_numbers() -> None:
    plain, shares = confusion([0, 0, 1], [0, 1, 1]), confusion([0, 0, 1], [0, 1, 1], normalise=True)

    def at(figure: Any, size: float) -> list[str]:
        return [t.get_text() for t in figure.axes[0].texts if t.get_size() == pytest.approx(size)]

    assert at(plain, 9) == ["1", "1", "1"] and at(plain, 6.75) == [
        "50\N{NO-BREAK SPACE}%",
        "50\N{NO-BREAK SPACE}%",
        "100\N{NO-BREAK SPACE}%",
    ]
    assert at(shares, 9) == ["50\N{NO-BREAK SPACE}%", "50\N{NO-BREAK SPACE}%", "100\N{NO-BREAK SPACE}%"] and at(
        shares, 6.75
    ) == ["1", "1", "1"]


def test_labels_scores_and_tensors() -> None:
    words = confusion(["b", "a", "b"], ["b", "b", "b"], classes=["b", "a"])
    assert words.axes[0].images[0].get_array().filled(-1).tolist() == [[1, -1], [-1, 0]]
    scores = confusion(cr.tensor([0, 1]), cr.tensor([[0.9, 0.1], [0.8, 0.2]]))
    assert scores.axes[0].images[1].get_array().filled(-1).tolist() == [[-1, 0], [1, -1]]


def test_many_classes_have_no_numbers() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 30, 900)
    assert not confusion(true, true).axes[0].texts


def test_wrong_arguments_of_confusion() -> None:
    with pytest.raises(DataError, match="'c'"):
        confusion(["a", "b"], ["a", "c"], classes=["a", "b"])
    with pytest.raises(DataError, match="class 2"):
        confusion([0, 2], [0, 1], classes=["a", "b"])
    with pytest.raises(ShapeError):
        confusion([0, 1], [0])
    with pytest.raises(DataError):
        confusion([], [])
