"""What the layers of a model give on a batch, and the gradients that reach them, as histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.core.errors import ConfigError, DataError
from chainrule.core.modes import enable_grad
from chainrule.data.arrays import as_array
from chainrule.nn import Module
from chainrule.show.panels import grid_shape, note, number_ticks, panel_grid
from chainrule.show.probe import Run, as_inputs, float_type, run_steps, untouched
from chainrule.show.style import Look, Style
from chainrule.tensor import Tensor
from chainrule.train.objective import Objective
from chainrule.train.record import layer_statistics
from chainrule.train.wording import number, percent, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["activations"]

Array = np.ndarray[Any, Any]

#: Layers whose outputs are what people call activations, in lower case as classes and as functions.
_KINDS = {
    "elu", "gelu", "leakyrelu", "leaky_relu", "maxout", "prelu", "relu", "selu", "sigmoid", "silu", "softplus", "step",
    "tanh",
}  # fmt: skip

#: Values that all such units stay between.
_BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}

_BINS = 40
_IN_A_ROW = 5

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

#: Sizes below this share of all are left of the axis of gradients; they would stretch it for nothing.
_TAIL = 0.005


def activations(
    model: Module,
    x: Any,
    loss: Any = None,
    targets: Any = None,
    layers: Sequence[str] | None = None,
    training: bool = False,
    **look: Unpack[Look],
) -> Figure:
    """Histograms of what each layer gives on a batch, and of the gradients with respect to it.

    Args:
        model: any module.
        x: a batch of inputs (n, ...); a tuple of them for several inputs.
        loss: a loss by name, module or function, as ``Trainer`` takes it: a second row shows the gradients of the
            loss, on a logarithmic axis common to all layers.
        targets: what the loss compares with; needed with ``loss``.
        layers: the paths of the layers to show; by default all activations, or all layers where there are none.
        training: run in training mode (dropout drops, batch norm uses the batch) instead of evaluation.
        look: see ``style.Look``.

    In each panel: mean and standard deviation; for sigmoid and tanh the share of saturated outputs (slope below 5 % of
    the largest), for ReLU the share of zeros and the units that are 0 for every row. Layers of one kind share their
    horizontal axis. A ReLU's zeros are a hatched bar of their own, cut off where it is far higher than the rest.
    The model, its gradients and the random numbers are left as they were.

    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> figure = activations(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), cr.zeros((4, 2)))
    >>> figure.axes[0].get_title("left")
    '1: Tanh'

    Raises:
        ConfigError: something that is no module, a path that no layer has, or a loss without targets.
        DataError: no rows, or a model that calls no layer.
    """
    style = Style.of("activations", **look)
    if not isinstance(model, Module):
        raise ConfigError("show.activations(model)", f"a {type(model).__name__}", "an nn.Module", "pass the model")
    if loss is not None and targets is None:
        raise ConfigError("show.activations(loss=...)", "no targets", "what the loss compares with", "pass targets=")
    found = _observe(model, x, loss, targets, layers, training)
    bands, across = grid_shape(len(found), _IN_A_ROW)
    step = 1 if loss is None else 2
    with style.drawing(max(15.5 * across, 22), 12.5 * bands * step) as figure:
        every = panel_grid(figure, bands * step, across, bands * step * across)
        # One column of panels (outputs above gradients) a layer, in reading order.
        columns = np.array(every).reshape(bands, step, across).transpose(0, 2, 1).reshape(-1, step)
        for index, (layer, panels) in enumerate(zip(found, columns, strict=False)):
            _outputs(style, panels[0], layer, _range(layer, found))
            if loss is not None:
                _gradients(style, panels[1], layer, _span(found))
            if index % across == 0:
                for axes, word in zip(panels, ("share of outputs", "share of gradients"), strict=False):
                    axes.set_ylabel(style.say(word))
        for unused in columns[len(found) :].flat:
            unused.remove()
    return figure


@dataclass
class _Layer:
    title: str
    kind: str
    outputs: Array
    gradients: Array | None

    @property
    def family(self) -> str:
        return self.kind.lower().replace("_", "")


def _observe(
    model: Module, x: Any, loss: Any, targets: Any, layers: Sequence[str] | None, training: bool
) -> list[_Layer]:
    inputs = as_inputs(model, x)
    if not inputs[0].shape or not inputs[0].shape[0]:
        raise DataError("show.activations(x)", "no rows", "at least one row", "pass a batch")
    with untouched(model, training), enable_grad():
        run = run_steps(model, inputs)
        chosen = _chosen(run, layers)
        if loss is not None:
            kept = [tensor.retain_grad() for _, _, tensor in chosen]
            objective = Objective(loss)
            objective(run.output, _targets(model, objective, targets)).backward()
            gradients: list[Any] = [tensor.grad for tensor in kept]
        else:
            gradients = [None] * len(chosen)
    return [
        _Layer(
            name if name.startswith(kind) else f"{short(name, 18)}: {kind}",
            kind,
            tensor.numpy().astype(np.float64),
            None if g is None else g.numpy().astype(np.float64),
        )
        for (name, kind, tensor), g in zip(chosen, gradients, strict=True)
    ]


def _targets(model: Module, objective: Objective, targets: Any) -> Tensor:
    array = targets.numpy() if isinstance(targets, Tensor) else as_array(targets, "targets")
    return Tensor(array.astype(np.int64 if objective.class_targets and array.dtype.kind != "f" else float_type(model)))


def _chosen(run: Run, layers: Sequence[str] | None) -> list[tuple[str, str, Tensor]]:
    """Name, kind and output of the layers to show; functions that a forward calls are counted by their name."""
    named: list[tuple[str, str, Tensor]] = []
    counts: dict[str, int] = {}
    for step, tensor in run.steps:
        counts[step.kind] = counts.get(step.kind, 0) + 1
        named.append((step.path or f"{step.kind} {counts[step.kind]}", step.kind, tensor))
    if not named:
        raise DataError("show.activations", "a model that called no layer", "layers inside the model", "")
    if layers is None:
        return [entry for entry in named if entry[1].lower() in _KINDS] or named
    known = [name for name, _, _ in named]
    for name in layers:
        if name not in known:
            raise ConfigError("show.activations(layers=...)", repr(name), ", ".join(known), "use these names")
    return [entry for entry in named if entry[0] in layers]


# ---- outputs


def _range(layer: _Layer, found: list[_Layer]) -> tuple[float, float]:
    """The horizontal axis, common to layers of one kind."""
    if layer.family in _BOUNDS:
        return _BOUNDS[layer.family]
    values = np.concatenate([other.outputs.ravel() for other in found if other.family == layer.family])
    values = values[np.isfinite(values)]
    if not values.size:
        return -1.0, 1.0
    low, high = np.quantile(values, [0.0005, 0.9995])
    return (float(low), float(high)) if high > low else (float(low) - 1, float(high) + 1)


def _outputs(style: Style, axes: Axes, layer: _Layer, ends: tuple[float, float]) -> None:
    values = layer.outputs[np.isfinite(layer.outputs)]
    zeros = float((values == 0).mean()) if values.size and layer.family == "relu" else 0.0
    shown = values[values != 0] if zeros else values
    counts, edges = np.histogram(np.clip(shown, *ends), bins=_BINS, range=ends)
    heights = counts / max(values.size, 1)
    _stairs(style, axes, heights, edges, 0)
    top = float(heights.max()) or 1.0
    if zeros:
        width, most = (ends[1] - ends[0]) / 18, 1.6 * top if shown.size else zeros
        axes.bar(
            [-width], [min(zeros, most)], width=width, align="edge", facecolor=style.tint(1), edgecolor=style.colour(1),
            hatch="////", linewidth=style.pt(0.9),
        )  # fmt: skip
        top = max(top, min(zeros, most))
        if zeros > most:
            axes.plot([-width / 2], [most], "^", color=style.colour(1), clip_on=False, markersize=style.pt(4))
    axes.set_ylim(0, top * 1.06)
    lines = _in_words(style, layer)
    bad = layer.outputs.size - values.size
    _titled(style, axes, layer.title, lines)
    number_ticks(axes.xaxis, digits=3, most=4)
    number_ticks(axes.yaxis, digits=3, most=3, as_percent=True)
    if bad:
        note(style, axes, [style.say("{count} outputs are not finite", count=number(bad))], below=2.0)


def _in_words(style: Style, layer: _Layer) -> list[tuple[str, bool]]:
    """Lines under the title: mean and deviation; then what is wrong, and whether that is much."""
    about = layer_statistics(layer.title, layer.kind, layer.outputs)
    lines = [(style.say("mean {mean}, std {std}", mean=number(about.mean, 2), std=number(about.std, 2)), False)]
    if about.saturated_fraction is not None:
        lines.append(
            (style.say("saturated {share}", share=percent(about.saturated_fraction, 0)), about.saturated_fraction > 0.5)
        )
    elif about.zero_fraction is not None:
        text = style.say("zeros {share}, dead {dead} of {units}", share=percent(about.zero_fraction, 0),
                         dead=number(about.dead_units), units=number(about.units))  # fmt: skip
        lines.append((text, (about.dead_units or 0) > 0.2 * (about.units or 1)))
    return lines


def _titled(style: Style, axes: Axes, title: str, lines: list[tuple[str, bool]]) -> None:
    size = style.points
    if title:
        axes.set_title(title, pad=(0.55 + 1.25 * len(lines)) * size)
    for row, (text, alarm) in enumerate(reversed(lines)):
        axes.annotate(
            text, (0, 1), (0, (0.45 + 1.2 * row) * size), xycoords="axes fraction", textcoords="offset points",
            size=size * 0.85, color=style.theme.alarm if alarm else style.theme.soft, weight="bold" if alarm else "normal",
        )  # fmt: skip


def _stairs(style: Style, axes: Axes, heights: Array, edges: Array, series: int) -> None:
    axes.stairs(
        heights, edges, fill=True, facecolor=style.tint(series, 0.45), edgecolor=style.colour(series),
        linewidth=style.pt(0.8),
    )  # fmt: skip


# ---- gradients


def _span(found: list[_Layer]) -> tuple[float, float]:
    """Powers of ten between which the gradients of all layers lie, but for the smallest few."""
    logs = [_logs(layer) for layer in found]
    ends = [np.quantile(part, [_TAIL, 1.0]) for part in logs if part.size]
    if not ends:
        return -1.0, 1.0
    low, high = min(float(e[0]) for e in ends), max(float(e[1]) for e in ends)
    return np.floor(low), np.ceil(high) if np.ceil(high) > np.floor(low) else np.floor(low) + 1


def _logs(layer: _Layer) -> Array:
    """Powers of ten of the sizes that are not 0."""
    assert layer.gradients is not None
    sizes = np.abs(layer.gradients.ravel())
    return np.log10(sizes[np.isfinite(sizes) & (sizes > 0)])


def _gradients(style: Style, axes: Axes, layer: _Layer, ends: tuple[float, float]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    logs, gradients = _logs(layer), layer.gradients
    assert gradients is not None
    counts, edges = np.histogram(np.clip(logs, *ends), bins=_BINS, range=ends)
    _stairs(style, axes, counts / max(gradients.size, 1), edges, 3)
    axes.set_ylim(0, (counts.max() / max(gradients.size, 1) or 1.0) * 1.06)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda power, _: "10" + f"{power:.0f}".translate(_RAISED)))
    number_ticks(axes.yaxis, digits=3, most=3, as_percent=True)
    axes.set_xlabel(style.say("size of the gradient"))
    finite = gradients[np.isfinite(gradients)]
    zeros = float((finite == 0).mean()) if finite.size else 0.0
    lines = [(style.say("norm {norm}", norm=number(float(np.linalg.norm(finite)), 2)), False)]
    if zeros:
        lines[0] = (lines[0][0] + ", " + style.say("zeros {share}", share=percent(zeros, 0)), zeros > 0.9)
    _titled(style, axes, "", lines)
    if finite.size < gradients.size:
        missing = number(gradients.size - finite.size)
        note(style, axes, [style.say("{count} gradients are not finite", count=missing)], below=3.4)
