"""Decision regions of a model over two features, and how they change during training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.core.errors import ConfigError, DataError, ShapeError
from chainrule.core.modes import get_default_dtype, no_grad
from chainrule.data.arrays import as_array
from chainrule.nn import Module
from chainrule.show.panels import grid_shape, note, number_ticks, panel_grid
from chainrule.show.probe import float_type, untouched
from chainrule.show.style import Look, Style
from chainrule.tensor import Tensor
from chainrule.train.metrics.inputs import class_targets
from chainrule.train.wording import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["boundary"]

Array = np.ndarray[Any, Any]

#: Thin lines on a map of one score, as shares of the way from threshold to the far end on each side.
_SHARES = (0.4, 0.8)

#: How many steps of faintness a map of one probability has, and how much paper covers it where the class changes.
_STEPS, _FAINTEST = 16, 0.75

_MOST_PANELS = 24


def boundary(
    model: Any,
    x: Any,
    y: Any = None,
    snapshots: Any = None,
    classes: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    threshold: float | None = None,
    resolution: int = 200,
    batch_size: int = 10_000,
    **look: Unpack[Look],
) -> Figure:
    """Which class a model predicts at each point of the plane of two features, with the points of the data.

    Args:
        model: a module, or a function of an array (n, 2) such as ``trainer.predict``; several, as a list or as a dict
            ``{title: model}``, are drawn side by side.
        x: the data (n, 2); they also set the range of the axes.
        y: classes of the data: numbers (n,) or (n, 1), or one-hot rows. Points that the model gets wrong are ringed.
        snapshots: ``state_dict``s of the one model from its training, a list or a dict ``{epoch or title: state}``:
            one panel each.
        classes: names of the classes, for the legend.
        features: names of the two axes.
        threshold: above which a single output means class 1; by default 0.5 where all outputs lie in 0 to 1, else 0.
        resolution: points of the grid along each axis.
        batch_size: points that are evaluated at once.
        look: see ``style.Look``.

    Outputs are k scores a point (the highest is the class), one probability (the fainter, the nearer it is to the
    threshold), one score (thin lines are its contours), or class numbers.
    The model runs in evaluation mode without gradients; modes, values and gradients stay as they were.

    >>> import numpy as np
    >>> figure = boundary(lambda x: x[:, 0] + x[:, 1] - 1.5, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1])
    >>> figure.axes[0].images[0].get_array()[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()  # the corners' classes
    [0, 0, 0, 1]

    Raises:
        ShapeError: x that has not two columns, y of another length, or outputs of another shape.
        DataError: no rows, or numbers that are not finite in x.
        ConfigError: no models, or snapshots of several models.
    """
    style = Style.of("boundary", **look)
    points, targets = _points(x), None if y is None else class_targets(y)
    if targets is not None and len(targets) != len(points):
        raise ShapeError(
            "show.boundary(x, y)", f"{len(points)} points, {len(targets)} classes", "one class a point", ""
        )
    if resolution < 2 or batch_size < 1:
        raise ConfigError("show.boundary", f"resolution={resolution}, batch_size={batch_size}", "at least 2, and 1", "")
    low, high = _frame(points)
    grid = np.stack(np.meshgrid(*np.linspace(low, high, resolution).T), axis=-1).reshape(-1, 2)
    maps = []
    for title, predict in _panels(style, model, snapshots):
        outputs = predict(np.concatenate([grid, points]), batch_size)
        maps.append(_Map.of(title, outputs, threshold, resolution))
    count = max([m.classes for m in maps] + ([] if targets is None else [int(targets.max()) + 1]))
    if classes is not None and len(classes) < count:
        raise ConfigError("show.boundary(classes=...)", f"{len(classes)} names", f"{count}, one a class", "add names")
    rows, across = grid_shape(len(maps), 4 if len(maps) > 4 else 3)
    names = features or ("x₁", "x₂")
    single = len(maps) == 1
    width, height = (34.0, 28.0) if single else ({1: 34, 2: 24, 3: 19, 4: 16}[across], 18.5)
    with style.drawing(
        width * across + (0 if targets is None else 2), height * rows + (0 if targets is None else 2.6)
    ) as figure:
        panels = panel_grid(figure, rows, across, len(maps), sharex=True, sharey=True)
        for axes, one in zip(panels, maps, strict=True):
            _draw(style, axes, one, (low, high), points, targets, single)
            number_ticks(axes.xaxis, digits=3, most=5)
            number_ticks(axes.yaxis, digits=3, most=5)
        for index, axes in enumerate(panels):
            lowest = index + across >= len(maps)
            axes.set_xlabel(names[0] if lowest else "")
            axes.tick_params(labelbottom=lowest)
            axes.set_ylabel(names[1] if index % across == 0 else "")
        if targets is not None:
            wrong = any((one.at_points != targets).any() for one in maps)
            faint = next((one.threshold for one in maps if one.probability), None)
            _legend(style, figure, targets, classes, wrong, faint)
    return figure


def _points(x: Any) -> Array:
    points = np.asarray(x.numpy() if isinstance(x, Tensor) else as_array(x, "x"), np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(
            "show.boundary(model, x)",
            f"x of shape {points.shape}",
            "(n, 2): a plane has two features",
            "choose two columns, x[:, [0, 1]], and a model that is trained on them",
        )
    if not len(points) or not np.isfinite(points).all():
        raise DataError(
            "show.boundary(model, x)", "no rows" if not len(points) else "NaN or infinity in x", "numbers", ""
        )
    return points


def _frame(points: Array) -> tuple[Array, Array]:
    """Corners of the plane: the data with room around them."""
    low, high = points.min(axis=0), points.max(axis=0)
    room = 0.15 * (high - low)
    # All points on one line parallel to an axis: as much room as the other axis has, or 1.
    room = np.where(room > 0, room, room.max() or 1.0)
    return low - room, high + room


# ---- predictions

_Predict = Callable[[Array, int], Array]


def _panels(style: Style, model: Any, snapshots: Any) -> list[tuple[str, _Predict]]:
    """Titles, and what predicts."""
    several = isinstance(model, (list, tuple, Mapping))
    if snapshots is not None:
        if several or not isinstance(model, Module):
            raise ConfigError("show.boundary(snapshots=...)", "no single module", "the module they are of", "pass one")
        states = snapshots.items() if isinstance(snapshots, Mapping) else enumerate(snapshots, 1)
        panels = [(_title(style, name), _predictor(model, state)) for name, state in states]
    elif several:
        items = model.items() if isinstance(model, Mapping) else enumerate(model, 1)
        panels = [(str(name), _predictor(one, None)) for name, one in items]
    else:
        panels = [("", _predictor(model, None))]
    if not 0 < len(panels) <= _MOST_PANELS:
        raise ConfigError(
            "show.boundary", f"{len(panels)} models or snapshots", f"1 to {_MOST_PANELS}", "choose some of them"
        )
    return panels


def _title(style: Style, name: Any) -> str:
    return f"{style.say('epoch')} {number(int(name))}" if isinstance(name, (int, np.integer)) else str(name)


def _predictor(model: Any, state: Any) -> _Predict:
    """What gives outputs for points, batch by batch."""
    if not callable(model):
        raise ConfigError(
            "show.boundary(model)",
            f"a {type(model).__name__}",
            "a module, or a function of an array (n, 2)",
            "pass a model",
        )

    def predict(points: Array, batch_size: int) -> Array:
        if not isinstance(model, Module):
            return _batches(lambda part: model(part), points.astype(get_default_dtype()), batch_size)
        with untouched(model), no_grad():
            if state is not None:
                model.load_state_dict(state)
            return _batches(lambda part: model(Tensor(part)), points.astype(float_type(model)), batch_size)

    return predict


def _batches(function: Callable[[Array], Any], points: Array, batch_size: int) -> Array:
    parts = [function(points[i : i + batch_size]) for i in range(0, len(points), batch_size)]
    outputs = np.concatenate([np.asarray(p.numpy() if isinstance(p, Tensor) else p) for p in parts])
    if len(outputs) != len(points) or outputs.ndim not in (1, 2) or outputs.dtype.kind not in "biuf":
        raise ShapeError(
            "show.boundary(model)",
            f"outputs of shape {outputs.shape} and type {outputs.dtype} for {len(points)} points",
            "(n,), (n, 1) or (n, k) numbers",
            "return one score, one class number, or k scores a point",
        )
    return outputs


@dataclass(frozen=True)
class _Map:
    """A model's answers on the grid and at the points of the data."""

    title: str
    labels: Array
    at_points: Array
    classes: int
    #: Scores on the grid, (rows, columns) or (rows, columns, classes), and the single score's threshold.
    scores: Array | None
    threshold: float
    #: Whether the single score is a probability: all outputs lie in 0 to 1.
    probability: bool
    #: Places of the grid where an output is not finite.
    broken: Array

    @classmethod
    def of(cls, title: str, outputs: Array, threshold: float | None, resolution: int) -> _Map:
        cells = resolution * resolution
        flat = outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
        finite = np.isfinite(flat) if flat.ndim == 1 else np.isfinite(flat).all(axis=1)
        shape = (resolution, resolution)
        scores: Array | None = None
        level, probability = 0.0, False
        if flat.ndim == 2:
            labels, count = flat.argmax(axis=1), flat.shape[1]
            scores = flat[:cells].reshape(*shape, count).astype(np.float64)
        elif flat.dtype.kind == "f":
            known = flat[finite]
            probability = known.size > 0 and bool(known.min() >= 0 and known.max() <= 1)
            level = threshold if threshold is not None else 0.5 if probability else 0.0
            labels, count = (flat > level).astype(np.int64), 2
            scores = flat[:cells].reshape(shape).astype(np.float64)
        else:
            labels = flat.astype(np.int64)
            count = int(labels.max()) + 1
            if labels.min() < 0:
                raise DataError(
                    "show.boundary(model)", f"class {labels.min()}", "class numbers from 0", "return floats for scores"
                )
        broken = ~np.asarray(finite)[:cells].reshape(shape)
        return cls(
            title, labels[:cells].reshape(shape), labels[cells:], max(count, 2), scores, level, probability, broken
        )

    @property
    def certainty(self) -> Array:
        """How far a probability is from the threshold: 0 there, 1 where it is 0 or 1."""
        assert self.scores is not None
        side = np.where(self.scores > self.threshold, 1 - self.threshold, self.threshold)
        return np.asarray(np.abs(self.scores - self.threshold) / np.where(side > 0, side, 1.0))


# ---- drawing


def _draw(
    style: Style,
    axes: Axes,
    one: _Map,
    corners: tuple[Array, Array],
    points: Array,
    targets: Array | None,
    single: bool,
) -> None:
    from matplotlib.colors import ListedColormap, to_rgb

    low, high = corners
    resolution = len(one.labels)
    half = (high - low) / (resolution - 1) / 2
    extent = (low[0] - half[0], high[0] + half[0], low[1] - half[1], high[1] + half[1])
    tints = ListedColormap([style.tint(i, 0.28) for i in range(one.classes)]).with_extremes(bad=style.theme.line)
    axes.imshow(
        np.ma.masked_where(one.broken, one.labels), cmap=tints, vmin=-0.5, vmax=one.classes - 0.5, origin="lower",
        extent=extent, aspect="auto", interpolation="nearest", zorder=0,
    )  # fmt: skip
    if one.probability:
        veil = ListedColormap([(*to_rgb(style.theme.paper), _FAINTEST * (1 - i / (_STEPS - 1))) for i in range(_STEPS)])
        axes.imshow(
            np.ma.masked_where(one.broken, one.certainty), cmap=veil.with_extremes(bad="none"), vmin=0, vmax=1,
            origin="lower", extent=extent, aspect="auto", interpolation="nearest", zorder=0.5,
        )  # fmt: skip
    xs, ys = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    _lines(style, axes, one, xs, ys, labelled=single)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    title = one.title
    if targets is not None:
        right = one.at_points == targets
        share = style.say("{share} right", share=percent(float(right.mean())))
        title = f"{title}: {share}" if title else share
        _scatter(style, axes, points, targets, right)
    axes.set_title(title)
    if one.broken.any():
        note(style, axes, [style.say("grey: the output is not finite")], below=3.2)


def _lines(style: Style, axes: Axes, one: _Map, xs: Array, ys: Array, labelled: bool) -> None:
    """Where the class changes; for one score that is no probability also its contours, dotted on the side of class 0."""
    look: dict[str, Any] = {"colors": style.theme.ink, "zorder": 2}
    if one.scores is None or one.scores.ndim == 3:
        for k in np.unique(one.labels):
            own = (one.labels == k) - 0.5 if one.scores is None else _lead(one.scores, int(k))
            if own.min() < 0 < own.max():
                axes.contour(xs, ys, own, [0.0], linewidths=style.pt(0.9), **look)
        return
    score = np.ma.masked_invalid(one.scores)
    low, high, level = float(score.min()), float(score.max()), one.threshold
    if low < level < high:
        axes.contour(xs, ys, score, [level], linewidths=style.pt(1.6), **look)
    if one.probability:
        return
    for end, dashes in ((low, ":"), (high, "--")):
        # Shares of the way to the end of this side, where it is this side at all.
        levels = sorted(level + share * (end - level) for share in _SHARES)
        if low < high and (end < level if dashes == ":" else end > level):
            lines = axes.contour(xs, ys, score, levels, linewidths=style.pt(0.7), linestyles=dashes, alpha=0.75, **look)
            if labelled:
                size, ink = style.points * 0.72, style.theme.ink
                axes.clabel(lines, fmt=lambda value: number(value, 2), fontsize=size, colors=ink)


def _lead(scores: Array, k: int) -> Array:
    """How far class k is ahead of the best other one."""
    others = np.delete(scores, k, axis=2).max(axis=2)
    return np.asarray(np.ma.masked_invalid(scores[:, :, k] - others))


def _scatter(style: Style, axes: Axes, points: Array, targets: Array, right: Array) -> None:
    size = style.pt(26 if len(points) <= 150 else 13 if len(points) <= 600 else 6) * style.pt(1)
    for k in np.unique(targets):
        mine = points[targets == k]
        axes.scatter(
            mine[:, 0], mine[:, 1], s=size, marker=style.marker(k), color=style.colour(k), edgecolors=style.theme.paper,
            linewidths=style.pt(0.6), zorder=3,
        )  # fmt: skip
    if not right.all():
        wrong = points[~right]
        # Many rings would hide what they ring.
        few = len(wrong) <= 60
        axes.scatter(
            wrong[:, 0], wrong[:, 1], s=size * (3.6 if few else 2.2), marker="o", facecolors="none",
            edgecolors=style.theme.ink, linewidths=style.pt(1.1 if few else 0.6), zorder=4,
        )  # fmt: skip


def _legend(
    style: Style, figure: Figure, targets: Array, classes: Sequence[str] | None, wrong: bool, faint: float | None
) -> None:
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    for k in np.unique(targets).tolist():
        name = classes[k] if classes is not None else style.say("class {k}", k=k)
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker=style.marker(k),
                color=style.colour(k),
                markersize=style.pt(5.5),
                label=name,
            )
        )
    if wrong:
        ring: dict[str, Any] = {
            "markerfacecolor": "none",
            "markeredgecolor": style.theme.ink,
            "markersize": style.pt(8.5),
        }
        handles.append(Line2D([], [], linestyle="", marker="o", label=style.say("predicted wrongly"), **ring))
    if faint is not None:
        label = style.say("faint: the output is near {level}", level=number(faint, 2))
        paper: dict[str, Any] = {
            "markerfacecolor": style.theme.paper,
            "markeredgecolor": style.theme.soft,
            "markersize": style.pt(8),
        }
        handles.append(Line2D([], [], linestyle="", marker="s", label=label, **paper))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), handletextpad=0.2)
