"""Weights as pictures: what each unit of the first layer looks for, and matrices as heat maps with their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from chainrule.core.errors import ConfigError, ShapeError
from chainrule.data.arrays import as_array
from chainrule.nn import Module
from chainrule.show.panels import grid_shape, note, panel_grid
from chainrule.show.style import Look, Style
from chainrule.tensor import Tensor
from chainrule.train.wording import number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["weights"]

Array = np.ndarray[Any, Any]

#: A matrix of at most as many rows and columns carries its numbers.
_MOST_NUMBERED_ROWS, _MOST_NUMBERED_COLUMNS = 16, 12


def weights(
    what: Any,
    image_shape: Sequence[int] | None = None,
    limit: int = 64,
    columns: int | None = None,
    scale: float | None = None,
    **look: Unpack[Look],
) -> Figure:
    """Weights in colours that are symmetric about 0: pictures for a layer that sees images, else heat maps.

    Args:
        what: a module, a parameter, a tensor or an array. Of a module, the first weight matrix is drawn as pictures, or
            all its matrices as heat maps, with the bias of a Linear layer as a last column.
        image_shape: (height, width) or (height, width, 3) of the images that the layer sees: each unit's weights (a row
            of the matrix) become a picture. Stacks (k, height, width) are pictures already.
        limit: at most so many pictures, or heat maps.
        columns: pictures in a row.
        scale: the number that gets the strongest colour; by default the largest size there is, common to all pictures,
            and each heat map's own.
        look: see ``style.Look``.

    Matrices of up to 16 by 12 carry their numbers. Numbers that are not finite are grey, and noted.

    >>> import chainrule as cr
    >>> figure = weights(cr.tensor([[0.5, -2.0]]))
    >>> figure.axes[0].images[0].get_array().tolist(), figure.axes[0].images[0].get_clim()
    ([[0.5, -2.0]], (-2.0, 2.0))

    Raises:
        ConfigError: a module without weights, or a limit, columns or scale that is not positive.
        ShapeError: images that do not have as many numbers as a unit has weights, or an array that is no matrix.
    """
    style = Style.of("weights", **look)
    for name, value in (("limit", limit), ("columns", columns), ("scale", scale)):
        if value is not None and not value > 0:
            raise ConfigError(f"show.weights({name}=...)", f"{value}", "more than 0", "leave it out")
    found = _matrices(what)
    first = next(iter(found.values()))[0]
    if image_shape is not None:
        return _pictures(style, _as_images(first, tuple(image_shape)), len(first), limit, columns, scale)
    if first.ndim >= 3:
        return _pictures(style, first[:limit].astype(np.float64), len(first), limit, columns, scale)
    return _heat_maps(style, found, limit, scale)


def _matrices(what: Any) -> dict[str, tuple[Array, Array | None]]:
    """Matrices by name, each with the bias that belongs to it."""
    if isinstance(what, Module):
        found: dict[str, tuple[Array, Array | None]] = {}
        for path, module in what.named_modules():
            bias = module._parameters.get("bias")
            for name, parameter in module._parameters.items():
                if parameter is not None and parameter.ndim >= 2:
                    beside = name == "weight" and bias is not None and bias.shape == parameter.shape[:1]
                    full = f"{path}.{name}" if path else name
                    found[full] = (parameter.numpy(), bias.numpy() if beside and bias is not None else None)
        if not found:
            raise ConfigError(
                "show.weights(model)",
                f"a {type(what).__name__} without weight matrices",
                "at least one",
                "pass a layer",
            )
        return found
    array = what.numpy() if isinstance(what, Tensor) else as_array(what, "weights")
    if array.ndim == 1:
        array = array.reshape(1, -1)
    if array.ndim not in (2, 3, 4) or not array.size or (array.ndim == 4 and array.shape[3] != 3):
        raise ShapeError(
            "show.weights(array)", f"shape {array.shape}", "(units, inputs), (k, height, width) or (k, height, width, 3)",
            "pass one layer's weights",
        )  # fmt: skip
    return {"": (array, None)}


def _as_images(matrix: Array, shape: tuple[int, ...]) -> Array:
    """Rows as pictures (k, height, width) or (k, height, width, 3)."""
    good = len(shape) in (2, 3) and (len(shape) == 2 or shape[2] == 3) and min(shape) > 0
    each = int(np.prod(matrix.shape[1:]))
    if not good or math.prod(shape) != each:
        side = math.isqrt(each)
        fix = f"pass image_shape=({side}, {side})" if side * side == each else "check the size of the images"
        raise ShapeError(
            f"show.weights(image_shape={shape})",
            f"{each} weights a unit",
            f"(height, width) or (height, width, 3) with {each} numbers",
            fix,
        )
    return matrix.reshape(-1, *shape).astype(np.float64)


def _largest(values: Array) -> float:
    """The largest size among finite numbers, 1 where all are 0."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(sizes.max()) if sizes.size and sizes.max() > 0 else 1.0


# ---- pictures


def _pictures(style: Style, images: Array, total: int, limit: int, columns: int | None, scale: float | None) -> Figure:
    images = images[:limit]
    strongest = scale or _largest(images)
    count, (height, width) = len(images), images.shape[1:3]
    across = min(columns or min(10, max(1, round(math.sqrt(count * 1.4 * height / width)))), count)
    rows = -(-count // across)
    cell = max(4.2, min(9.0, 46 / across))
    in_colour = images.ndim == 4
    with style.drawing(max(across * cell, 18) + (1 if in_colour else 9), rows * cell * height / width + 3.6) as figure:
        panels = panel_grid(figure, rows, across, count)
        gaps = dict.fromkeys(("wspace", "hspace"), 0.03) | dict.fromkeys(("w_pad", "h_pad"), style.pt(1) / 72)
        figure.set_layout_engine("constrained", rect=(0.01, 0.012, 0.98, 0.976), **gaps)
        for index, (axes, image) in enumerate(zip(panels, images, strict=True)):
            _picture(style, axes, image, strongest)
            axes.text(
                0.04, 0.96, str(index + 1), transform=axes.transAxes, ha="left", va="top", size=style.points * 0.7,
                color=style.theme.ink,
            )  # fmt: skip
        if not in_colour:
            bar = figure.colorbar(
                panels[0].images[0], ax=panels, shrink=min(1.0, 12 / (rows * cell)), aspect=18,
                extend="both" if _largest(images) > strongest else "neither",
            )  # fmt: skip
            _signed_bar(style, bar, strongest)
        words = "weights of {count} units" if count == total else "weights of {count} of {total} units"
        figure.supxlabel(_grey(style, images, style.say(words, count=count, total=total)), size=style.points * 0.9)
    return figure


def _picture(style: Style, axes: Axes, image: Array, strongest: float) -> None:
    if image.ndim == 3:
        # Grey is 0; a channel's weight of +-strongest is full or no light in it.
        axes.imshow(np.clip(0.5 + np.nan_to_num(image) / (2 * strongest), 0, 1), interpolation="nearest")
    else:
        axes.imshow(
            np.ma.masked_invalid(image),
            cmap=style.diverging(),
            vmin=-strongest,
            vmax=strongest,
            interpolation="nearest",
        )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.theme.line)


def _signed_bar(style: Style, bar: Any, strongest: float) -> None:
    from matplotlib.ticker import FixedFormatter, FixedLocator

    ends = [-strongest, 0.0, strongest]
    bar.locator = FixedLocator(ends)
    bar.formatter = FixedFormatter([number(end, 3) for end in ends])
    bar.update_ticks()
    bar.outline.set(edgecolor=style.theme.line, linewidth=style.pt(0.6))


def _grey(style: Style, values: Array, text: str) -> str:
    """``text``, and how many numbers are not finite, if any."""
    bad = int((~np.isfinite(values)).sum())
    return f"{text}; " * bool(text) + style.say("grey: {count} not finite", count=number(bad)) if bad else text


# ---- heat maps


def _heat_maps(style: Style, found: dict[str, tuple[Array, Array | None]], limit: int, scale: float | None) -> Figure:
    shown = list(found.items())[:limit]
    rows, across = grid_shape(len(shown), 3 if len(shown) > 4 else 2)
    numbered = all(
        m.shape[0] <= _MOST_NUMBERED_ROWS and m.shape[1] + (b is not None) <= _MOST_NUMBERED_COLUMNS
        for _, (m, b) in shown
    )
    widest = max(m.shape[1] + (b is not None) for _, (m, b) in shown)
    tallest = max(m.shape[0] for _, (m, _) in shown)
    width, height = (3.1 * widest + 9, 2.1 * tallest + 6.5) if numbered else (30.0, 22.0)
    with style.drawing(max(width, 22) * across, height * rows) as figure:
        for axes, (name, (matrix, bias)) in zip(panel_grid(figure, rows, across, len(shown)), shown, strict=True):
            _heat_map(style, figure, axes, name, matrix, bias, scale, numbered)
    return figure


def _heat_map(
    style: Style, figure: Figure, axes: Axes, name: str, matrix: Array, bias: Array | None, scale: float | None,
    numbered: bool,
) -> None:  # fmt: skip
    whole = matrix.astype(np.float64)
    if bias is not None:
        whole = np.hstack([whole, bias.reshape(-1, 1)])
    strongest = scale or _largest(whole)
    image = axes.imshow(
        np.ma.masked_invalid(whole), cmap=style.diverging(), vmin=-strongest, vmax=strongest, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    units, inputs = matrix.shape
    shape = f"{number(units)} × {number(inputs)}" + " + b" * (bias is not None)
    axes.set_title(f"{short(name, 24)}  ({shape})".strip())
    axes.set_xlabel(style.say("input"))
    axes.set_ylabel(style.say("unit"))
    _counted(axes.xaxis, inputs, "b" if bias is not None else "")
    _counted(axes.yaxis, units)
    if bias is not None:
        axes.axvline(inputs - 0.5, color=style.theme.ink, linewidth=style.pt(1.2))
    if numbered:
        decimals = min(max(2 - math.floor(math.log10(strongest)), 0), 3)
        for place in np.ndindex(whole.shape):
            value = float(whole[place])
            colour = image.to_rgba(np.array([value]))[0] if math.isfinite(value) else style.theme.soft
            text = f"{value:.{decimals}f}".replace("-", "−") if math.isfinite(value) else number(value)
            axes.text(
                place[1], place[0], text, ha="center", va="center", size=style.points * 0.8, color=style.ink_on(colour)
            )
    bar = figure.colorbar(
        image, ax=axes, fraction=0.06, pad=0.02, extend="both" if _largest(whole) > strongest else "neither"
    )
    _signed_bar(style, bar, strongest)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    note(style, axes, filter(None, [_grey(style, whole, "")]))


def _counted(axis: Any, count: int, last: str = "") -> None:
    """Units and inputs counted from 1; a column behind them has a name of its own."""
    from matplotlib.ticker import MaxNLocator

    chosen = list(range(1, count + 1))
    if count > _MOST_NUMBERED_ROWS:
        round_ones = MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]).tick_values(1, count)
        chosen = sorted({1, *(int(n) for n in round_ones if 1 < n <= count)})
        if last and count - chosen[-1] < count / 12:
            chosen = chosen[:-1]
    axis.set_ticks([n - 1 for n in chosen] + [count] * bool(last), [number(n) for n in chosen] + [last] * bool(last))
