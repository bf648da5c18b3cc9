"""Decision regions and loss surfaces: what is drawn is what the model says, and the model is left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.core.philox import default_generator
from chainrule.show.landscape import _levels, boundary, surface
from chainrule.show.plane import Plane

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([0, 1, 1, 0])


def texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def regions(axes: Any) -> tuple[np.ndarray, np.ndarray]:
    """The labels as drawn, and the points (n, 2) that they stand at."""
    image = axes.images[0]
    labels = image.get_array()
    assert image.origin == "lower"
    left, right, bottom, top = image.get_extent()
    rows, columns = labels.shape
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = bottom + (np.arange(rows) + 0.5) * (top - bottom) / rows
    return labels, np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def state_of(net: nn.Module) -> Any:
    tensors = [*net.parameters(), *net.buffers()]
    return (
        [t.numpy().tobytes() for t in tensors],
        [id(t.node) for t in tensors],
        [None if t.grad is None else t.grad.numpy().tobytes() for t in tensors],
        [m.training for m in net.modules()],
        default_generator().state(),
    )


def network(outputs: int) -> nn.Sequential:
    """A net whose training and evaluation modes differ, with gradients, in mixed modes."""
    net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, outputs))
    net(cr.tensor(CORNERS)).sum().backward()
    with cr.no_grad():
        net[4].bias.sub_(net.eval()(cr.tensor(CORNERS)).mean(axis=0))  # so that each class is predicted somewhere
    net.train()[1].eval()
    return net


# ---- boundary


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_regions_are_the_models_predictions(outputs: int) -> None:
    net = network(outputs)
    before = state_of(net)
    figure = boundary(net, CORNERS, XOR, resolution=37, batch_size=100)
    assert state_of(net) == before
    labels, points = regions(figure.axes[0])
    scores = net.eval()(cr.tensor(points.astype(np.float32))).numpy()
    expected = (scores[:, 0] > 0).astype(int) if outputs == 1 else scores.argmax(axis=1)
    lead = np.abs(scores[:, 0]) if outputs == 1 else np.diff(np.sort(scores, axis=1)[:, -2:], axis=1)[:, 0]
    sure = lead > 1e-5  # the image's own coordinates round a little
    assert sure.mean() > 0.99 and len(np.unique(expected)) > 1
    assert np.array_equal(np.asarray(labels).ravel()[sure], expected[sure])


def test_the_line_is_where_the_output_is_the_threshold() -> None:
    figure = boundary(lambda x: x[:, 0] ** 2 + x[:, 1] ** 2, [[-1, -1], [1, 1]], threshold=0.5, resolution=101)
    (line,) = [c for c in figure.axes[0].collections if len(getattr(c, "levels", ())) == 1]
    assert line.levels.tolist() == [0.5]
    vertices = np.concatenate([p.vertices for p in line.get_paths()])
    assert np.allclose((vertices**2).sum(axis=1), 0.5, atol=2e-3)


def test_thresholds_of_probabilities_scores_and_one_that_is_given() -> None:
    def share(function: Any, **options: Any) -> float:
        labels, _ = regions(boundary(function, [[0, 0], [1, 1]], resolution=50, **options).axes[0])
        return float(labels.mean())

    assert share(lambda x: np.clip(x[:, 0], 0, 1)) == pytest.approx(0.5, abs=0.02)
    assert share(lambda x: x[:, 0] - 0.5) == pytest.approx(0.5, abs=0.02)
    assert share(lambda x: np.clip(x[:, :1], 0, 1), threshold=0.9) == pytest.approx(0.25 / 1.3, abs=0.02)


def veil(figure: Any) -> np.ndarray:
    """How much of the paper's colour lies over each place of a map, as drawn: 0 to 1."""
    return np.asarray(figure.axes[0].images[1].make_image(figure.canvas.get_renderer())[0])[..., 3] / 255


def lines(figure: Any) -> list[list[float]]:
    """The levels of the contours that are drawn."""
    return [c.levels.tolist() for c in figure.axes[0].collections if hasattr(c, "levels")]


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_a_probability_is_faint_near_the_threshold_and_has_no_contours(threshold: float) -> None:
    """From left to right the output goes from 0 to 1: the veil grows up to the threshold and falls behind it."""
    figure = boundary(lambda x: (x[:, 0] + 0.15) / 1.3, CORNERS, XOR, threshold=threshold, resolution=131)
    row = veil(figure)[3]
    place = int(np.flatnonzero(row == row.max()).mean())
    assert abs(place / len(row) - threshold) < 0.03 and row.max() > 0.6 and max(row[0], row[-1]) < 0.1
    assert (np.diff(row[:place]) >= -1e-6).all() and (np.diff(row[place + 1 :]) <= 1e-6).all()
    assert lines(figure) == [[threshold]]
    assert f"faint: the output is near {threshold}" in texts(figure)


def test_other_outputs_have_no_veil() -> None:
    score = boundary(lambda x: 3 * x[:, 0] - 1, CORNERS, XOR, resolution=20)
    assert len(score.axes[0].images) == 1 and len(lines(score)) == 3, "the line, and contours on both sides"
    assert len(boundary(lambda x: np.stack([x[:, 0], x[:, 1]], 1), CORNERS).axes[0].images) == 1
    assert not any("faint" in text for text in texts(score))


def test_class_numbers_and_tensors_may_be_returned() -> None:
    labels, points = regions(boundary(lambda x: (x[:, 0] > 0.2).astype(int) * 2, CORNERS).axes[0])
    assert np.array_equal(labels.ravel() == 2, points[:, 0] > 0.2)
    labels, points = regions(boundary(lambda x: cr.tensor(x)[:, 1] - 0.4, CORNERS).axes[0])
    assert np.array_equal(labels.ravel() == 1, points[:, 1] > 0.4)
    labels, _ = regions(boundary(lambda x: x[:, 0] > 5, CORNERS).axes[0])
    assert not labels.any()


def test_points_have_their_class_and_mistakes_are_ringed() -> None:
    figure = boundary(lambda x: x[:, 0] + x[:, 1] - 0.5, CORNERS, XOR, classes=["off", "on"])
    scatters = [c for c in figure.axes[0].collections if hasattr(c, "get_sizes") and len(c.get_offsets())]
    drawn = [sorted(map(tuple, np.asarray(c.get_offsets()).tolist())) for c in scatters]
    assert drawn == [[(0.0, 0.0), (1.0, 1.0)], [(0.0, 1.0), (1.0, 0.0)], [(1.0, 1.0)]]
    shapes = {c.get_paths()[0].vertices.shape for c in scatters[:2]}
    assert len(shapes) == 2  # a circle and a square
    assert {"75.0\N{NO-BREAK SPACE}% right", "off", "on", "predicted wrongly"} <= set(texts(figure))
    assert "predicted wrongly" not in texts(boundary(lambda x: x[:, 0], CORNERS, [0, 0, 1, 1]))


def test_snapshots_show_the_training_and_leave_the_model_alone() -> None:
    net = nn.Sequential(nn.Linear(2, 1))
    states = {}
    for epoch, weight in ((0, [[1.0, 0.0]]), (10, [[0.0, 1.0]])):
        net[0].weight.data, net[0].bias.data = cr.tensor(weight), cr.tensor([-0.5])
        states[epoch] = net.state_dict()
    net[0].weight.data = cr.tensor([[7.0, 7.0]])
    before = state_of(net)
    figure = boundary(net, CORNERS, snapshots=states, resolution=20)
    assert state_of(net) == before
    first, second = figure.axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("epoch 0", "epoch 10")
    for axes, column in ((first, 0), (second, 1)):
        labels, points = regions(axes)
        assert np.array_equal(labels.ravel() == 1, points[:, column] > 0.5)
    assert [a.get_title(loc="left") for a in boundary(net, CORNERS, snapshots=list(states.values())).axes] == [
        "epoch 1",
        "epoch 2",
    ]


def test_several_models_side_by_side() -> None:
    figure = boundary(
        {"AND": lambda x: x.sum(axis=1) - 1.5, "OR": lambda x: x.sum(axis=1) - 0.5}, CORNERS, [0, 1, 1, 1]
    )
    assert [a.get_title(loc="left") for a in figure.axes] == [
        "AND: 50.0\N{NO-BREAK SPACE}% right",
        "OR: 100.0\N{NO-BREAK SPACE}% right",
    ]


def test_an_error_in_the_model_leaves_it_alone() -> None:
    net = network(1)
    before = state_of(net)
    with pytest.raises(cr.CheckpointError):
        boundary(net, CORNERS, snapshots=[{"0.weight": np.zeros((8, 2))}])
    assert state_of(net) == before
    net.add_module("bad", nn.Linear(5, 1))
    before = state_of(net)
    with pytest.raises(ShapeError):
        boundary(net, CORNERS)
    assert state_of(net) == before


def test_outputs_that_are_not_finite_are_grey_and_noted() -> None:
    figure = boundary(lambda x: np.where(x[:, 0] < 0.5, np.nan, x[:, 0] - 0.8), CORNERS, resolution=20)
    labels, points = regions(figure.axes[0])
    assert np.array_equal(np.ma.getmaskarray(labels).ravel(), points[:, 0] < 0.5)
    assert "grey: the output is not finite" in texts(figure)


def test_batches_have_the_size_that_is_asked_for() -> None:
    seen: list[int] = []

    def model(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        assert x.dtype == np.float32
        return x[:, 0]

    boundary(model, CORNERS, resolution=10, batch_size=30)
    assert seen == [30, 30, 30, 14]


def test_wrong_arguments_of_boundary() -> None:
    flat = lambda x: x[:, 0]  # noqa: E731
    for wrong in (np.zeros(4), np.zeros((4, 3)), np.zeros((4, 2, 1))):
        with pytest.raises(ShapeError, match="a plane has two features"):
            boundary(flat, wrong)
    with pytest.raises(ShapeError, match="4 points, 3 classes"):
        boundary(flat, CORNERS, [0, 1, 1])
    with pytest.raises(DataError, match="NaN or infinity in x"):
        boundary(flat, [[0.0, np.nan]])
    with pytest.raises(DataError, match="no rows"):
        boundary(flat, np.zeros((0, 2)))
    with pytest.raises(ShapeError, match="one score, one class number, or k scores"):
        boundary(lambda x: x[:3], CORNERS)
    with pytest.raises(DataError, match="class -1"):
        boundary(lambda x: np.where(x[:, 0] > 0, 1, -1), CORNERS)
    with pytest.raises(ConfigError, match="one a class"):
        boundary(flat, CORNERS, XOR, classes=["only"])
    with pytest.raises(ConfigError, match="pass a model"):
        boundary(3, CORNERS)
    with pytest.raises(ConfigError, match="0 models"):
        boundary([], CORNERS)
    with pytest.raises(ConfigError, match="no single module"):
        boundary([flat], CORNERS, snapshots=[{}])
    with pytest.raises(ConfigError, match="resolution=1"):
        boundary(flat, CORNERS, resolution=1)


# ---- surface


def contour_heights(figure: Any, f: Any) -> list[tuple[float, np.ndarray]]:
    """For each contour line drawn: its level, and the true heights along it."""
    (lines,) = [c for c in figure.axes[0].collections if hasattr(c, "levels") and not c.filled]
    return [
        (float(level), f(*path.vertices.T))
        for level, path in zip(lines.levels, lines.get_paths(), strict=True)
        if len(path.vertices)
    ]


def bowl(x: Any, y: Any) -> Any:
    return x**2 / 2 + 2 * y**2


def test_contours_of_a_function_lie_at_their_heights() -> None:
    figure = surface(bowl, x=(-3, 3), y=(-1, 2), resolution=201)
    assert figure.axes[0].get_xlim() == (-3, 3) and figure.axes[0].get_ylim() == (-1, 2)
    lines = contour_heights(figure, bowl)
    assert len(lines) >= 6
    for level, heights in lines:
        assert np.allclose(heights, level, rtol=0.02, atol=1e-3)
    levels = np.array([level for level, _ in lines])
    assert (np.diff(np.log(levels)) > 0.6).all() and levels[-1] / levels[0] > 50


def test_levels_are_round_and_at_equal_factors() -> None:
    heights = np.concatenate([[0.0], np.geomspace(1e-6, 40, 4000)])
    base, levels = _levels(heights, "log")
    assert base == 0 and levels.tolist()[-3:] == [3, 10, 30] and levels[0] < 0.02
    base, levels = _levels(heights + 100, "log")  # a valley far above 0 is counted from its bottom
    assert base == 100 and levels.tolist()[-2:] == [10, 30]
    assert np.allclose(np.diff(_levels(heights - 20, "linear")[1]), 3, atol=2)
    base, levels = _levels(np.append(heights, 1e9), "log")  # one point in the sky
    assert levels[-1] < 100


def test_functions_of_tensors_of_arrays_and_constant_ones() -> None:
    for f in (lambda x, y: (x * x + y * y).sqrt(), lambda x, y: np.hypot(x, y)):
        lines = contour_heights(surface(f, resolution=101), np.hypot)
        assert all(np.allclose(h, level, rtol=0.03) for level, h in lines) and len(lines) > 3
    surface(lambda x, y: 0 * x + 3.0)


def test_paths_are_drawn_with_start_and_end() -> None:
    paths = {"SGD": [(2.0, 1.0), (1.0, 0.5), (0.5, 0.0)], "Adam": [(2.0, 1.0), (1.5, 1.5)]}
    figure = surface(bowl, path=paths)
    axes = figure.axes[0]
    drawn = {line.get_label(): line for line in axes.lines}
    for name, points in paths.items():
        assert np.array_equal(drawn[name].get_xydata(), points)
    assert drawn["SGD"].get_color() != drawn["Adam"].get_color()
    assert drawn["SGD"].get_marker() != drawn["Adam"].get_marker()
    stars = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "*"]
    assert stars == [(0.5, 0.0), (1.5, 1.5)]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["SGD", "Adam", "start", "end"]
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    assert all(x0 < x < x1 and y0 < y < y1 for points in paths.values() for x, y in points)


def test_the_path_of_an_optimizer() -> None:
    p = nn.Parameter(cr.tensor([1.5, 1.0]))
    optimizer, points = optim.SGD([p], lr=0.2), [p.tolist()]
    for _ in range(5):
        optimizer.zero_grad()
        bowl(p[0], p[1]).backward()
        optimizer.step()
        points.append(p.tolist())
    line = surface(bowl, path=points).axes[0].lines[0]
    assert np.allclose(line.get_xydata(), [(1.5 * 0.8**k, 0.2**k) for k in range(6)], atol=1e-6)


def test_paths_that_run_away_are_cut_and_noted() -> None:
    away = [(0.5 * (-3.0) ** k, 0.1) for k in range(12)]
    figure = surface(bowl, path={"GD": away})
    assert figure.axes[0].get_xlim()[1] < 20
    assert any(t.startswith("GD leaves the picture at step") for t in texts(figure))
    broken = surface(bowl, path=[(1.0, 1.0), (0.5, 0.5), (np.nan, np.inf)])
    assert "the path is not finite from step 2" in texts(broken)
    assert len(broken.axes[0].lines[0].get_xydata()) == 2


def test_where_the_loss_is_not_finite_the_plane_is_hatched() -> None:
    with np.errstate(all="ignore"):
        figure = surface(lambda x, y: np.log(x) + y**2, x=(-1, 1))
    assert "hatched: the loss is not finite" in texts(figure) and figure.axes[0].patch.get_hatch()


def quadratic() -> tuple[nn.Linear, Any]:
    """A model whose loss over its weights is known: (w1 - 1)^2 + 4 (w2 + 2)^2."""
    net = nn.Linear(2, 1, bias=False)
    net.weight.data = cr.tensor([[0.5, -2.0]])
    x, y = cr.tensor([[1.0, 0.0], [0.0, 2.0]]), cr.tensor([[1.0], [-4.0]])
    return net, lambda m: ((m(x) - y) ** 2).sum()


def test_the_surface_of_a_model_along_given_directions() -> None:
    net, loss = quadratic()
    directions = ({"weight": [[1.0, 0.0]]}, [np.array([[0.0, 1.0]])])
    figure = surface(net, loss, directions=directions, x=(-1, 3), y=(-0.5, 1), resolution=81)
    lines = contour_heights(figure, lambda a, b: (a - 0.5) ** 2 + 4 * b**2)
    assert len(lines) >= 5
    for level, heights in lines:
        assert np.allclose(heights, level, rtol=0.03, atol=2e-3)
    assert figure.axes[0].get_xlabel() == "direction 1"


def test_random_directions_are_filter_normalised_and_repeat() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    plane = Plane.of(net, "random", {}, seed=5)
    place = 0
    for name, parameter in net.named_parameters():
        parts = plane.directions[:, place : place + parameter.numel()]
        place += parameter.numel()
        if parameter.ndim == 1:
            assert not parts.any(), name
        else:
            lengths = np.linalg.norm(parts.reshape(2, *parameter.shape), axis=2)
            assert np.allclose(lengths, np.linalg.norm(parameter.numpy(), axis=1), rtol=1e-6), name
    again, other = Plane.of(net, "random", {}, seed=5), Plane.of(net, "random", {}, seed=6)
    assert np.array_equal(plane.directions, again.directions) and not np.allclose(plane.directions, other.directions)
    assert abs(np.corrcoef(plane.directions)[0, 1]) < 0.9


def test_paths_of_a_model_lie_in_the_plane_of_their_main_directions() -> None:
    net = nn.Linear(3, 1)
    rng = np.random.default_rng(0)
    first, second = np.linalg.qr(rng.normal(size=(4, 2)))[0].T
    centre = np.concatenate([net.weight.numpy().ravel(), net.bias.numpy()])
    places = np.array([(6.0, 1.0), (3.0, -1.0), (1.0, 0.5), (0.0, 0.0)])
    states = [
        {"weight": flat[:3].reshape(1, 3), "bias": flat[3:]} for flat in (centre + places @ np.stack([first, second]))
    ]
    plane = Plane.of(net, None, {"": states}, 0)
    seen = plane.project(states)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert np.allclose(distances, np.linalg.norm(places[:, None] - places[None], axis=2), atol=1e-5)
    assert plane.shares is not None and sum(plane.shares) == pytest.approx(1) and plane.shares[0] > plane.shares[1]
    figure = surface(net, lambda m: (m.weight**2).sum(), path=states, resolution=5)
    assert "of the path's variance" in figure.axes[0].get_xlabel()
    assert np.allclose(figure.axes[0].lines[0].get_xydata(), seen, atol=1e-5)


def test_random_directions_can_carry_a_path() -> None:
    net, loss = quadratic()
    start = net.state_dict()
    figure = surface(net, loss, directions="random", path=[start, start], resolution=5)
    assert np.allclose(figure.axes[0].lines[0].get_xydata(), 0)


def test_the_model_is_as_it_was_to_the_bit() -> None:
    net = network(1)
    before = state_of(net)
    seen = []

    def loss(m: nn.Module) -> Any:
        seen.append((m.training, cr.is_grad_enabled()))
        m.train()  # what the user's function does is undone too
        m(cr.tensor(CORNERS))
        value = (m.eval()(cr.tensor(CORNERS)) ** 2).mean()
        m.eval()
        return value

    surface(net, loss, resolution=6)
    assert state_of(net) == before
    assert seen == [(False, False)] * 36


def test_the_model_is_as_it_was_after_an_error() -> None:
    net = network(1)
    before = state_of(net)

    def loss(m: nn.Module) -> Any:
        if m[0].weight.numpy().tobytes() != before[0][0]:
            raise KeyError("in the middle")
        return cr.tensor(1.0)

    with pytest.raises(KeyError, match="in the middle"):
        surface(net, loss, resolution=3)
    assert state_of(net) == before
    with pytest.raises(ShapeError, match="one number"):
        surface(net, lambda m: m(cr.tensor(CORNERS)), resolution=3)
    assert state_of(net) == before


def test_wrong_arguments_of_surface() -> None:
    net, loss = quadratic()
    with pytest.raises(ConfigError, match="pass loss="):
        surface(net)
    with pytest.raises(ConfigError, match="a function f"):
        surface(3)
    with pytest.raises(ConfigError, match="drop them"):
        surface(bowl, loss=loss)
    with pytest.raises(ConfigError, match="'random', 'path' with path="):
        surface(net, loss, directions="path")
    with pytest.raises(ConfigError, match="3 parts"):
        surface(net, loss, directions=[1, 2, 3])
    with pytest.raises(ShapeError, match="the names bias"):
        surface(net, loss, directions=({"bias": [1.0]}, {"weight": [[1.0, 0.0]]}))
    with pytest.raises(ShapeError, match="arrays of shapes"):
        surface(net, loss, directions=([np.zeros(2)], [np.zeros((1, 2))]))
    with pytest.raises(DataError, match="along one line"):
        surface(net, loss, path=[{"weight": np.array([[1.0 + k, -2.0]])} for k in range(3)])
    with pytest.raises(DataError, match="an empty path"):
        surface(bowl, path=[])
    with pytest.raises(ShapeError, match=r"\(n, 2\)"):
        surface(bowl, path=[(1.0, 2.0, 3.0)])
    with pytest.raises(ConfigError, match="'log' or 'linear'"):
        surface(bowl, levels="cubic")
    for ends in ((1, 1), (2, -2), (0, float("inf"))):
        with pytest.raises(ConfigError, match="pass x="):
            surface(bowl, x=ends)
    with pytest.raises(ConfigError, match="2 or more"):
        surface(bowl, resolution=1)
    with pytest.raises(ShapeError, match="element by element"):
        surface(lambda x, y: x.sum(axis=0))
    with pytest.raises(DataError, match="nowhere finite"):
        surface(lambda x, y: x * float("nan"))
    with pytest.raises(ConfigError, match="without parameters"):
        surface(nn.ReLU(), lambda m: 0.0)
    net.weight.data = cr.zeros((1, 2))
    with pytest.raises(ConfigError, match="all 0"):
        surface(net, loss)
