"""Stop at the op that first makes a NaN or an infinity."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core import source
from chainrule.core.errors import NonFiniteError
from chainrule.core.graph import Node, layer_path
from chainrule.core.modes import local
from chainrule.core.op import Op

__all__ = ["watch_nan"]


class watch_nan:
    """Inside, the op that first makes a NaN or infinity from finite inputs raises, forward or backward.

    The error names the op, its layer, the user's line, the shapes, and how many inputs were what. ``infinity=False``
    looks for NaN only. Slower: every result is looked at.

    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 0.0], requires_grad=True)
    >>> with cr.watch_nan():
    ...     y = cr.log(x)
    Traceback (most recent call last):
    chainrule.core.errors.NonFiniteError: log made 1 infinity among 2 numbers
      received: f32[2] from 0 to 1, 1 zero
      expected: finite numbers from finite inputs
      fix:      keep log's input above 0: add a small eps, or clip it; for log(softmax(x)) use log_softmax
      at: ...
    """

    def __init__(self, infinity: bool = True) -> None:
        self.infinity = infinity
        #: The node whose derivative is being computed, set by the backward walk.
        self.differentiating: Node | None = None
        self._before: list[Any] = []

    def __enter__(self) -> watch_nan:
        self._before.append(local.mode.watch)
        local.mode.watch = self
        return self

    def __exit__(self, *error: object) -> None:
        local.mode.watch = self._before.pop()

    def _bad(self, value: Any) -> Any:
        return ~np.isfinite(value) if self.infinity else np.isnan(value)

    def __call__(self, op: Op, node: Node, inputs: tuple[Node, ...]) -> None:
        """Look at one result."""
        value = node.value
        if value is None or value.dtype.kind != "f":
            return
        bad = self._bad(value)
        if not bad.any():
            return
        floats = [i.value for i in inputs if i.value is not None and i.value.dtype.kind == "f"]
        # An infinity that was already among the inputs was made elsewhere (a constant -inf for a mask, say), but a NaN
        # made of infinities is news.
        seen_before = any(self._bad(v).any() for v in floats)
        new_nan = np.isnan(value).any() and not any(np.isnan(v).any() for v in floats)
        if not seen_before or new_nan:
            raise self._error(op, value, bad, inputs)

    def _error(self, op: Op, value: Any, bad: Any, inputs: tuple[Node, ...]) -> NonFiniteError:
        nans = int(np.isnan(value).sum())
        infinities = int(bad.sum()) - nans
        kinds = [f"{nans} NaN"] * bool(nans)
        kinds += [f"{infinities} {'infinity' if infinities == 1 else 'infinities'}"] * bool(infinities)
        forward = self.differentiating
        asked = f"{op.name} made {' and '.join(kinds)} among {value.size} numbers"
        if forward is not None and forward.op is not None:
            asked += f", in the derivative of {forward.op.name}"
        error = NonFiniteError(
            asked,
            "; ".join(describe_values(i.value) for i in inputs),
            "finite numbers from finite inputs",
            _ADVICE.get(op.name, "look at the inputs above: which of them should not have these values?"),
        )
        where = forward.source if forward is not None else source.caller(3)
        text = source.line_text(where)
        error.context.append(f"  {'at:':<9} {source.describe(where)}" + (f"  {text}" if text else ""))
        path = layer_path(forward.scope if forward is not None else local.mode.scope)
        if path:
            error.context.append(f"  {'layer:':<9} {path}")
        return error


def describe_values(value: Any) -> str:
    """An array's type, range and oddities in a few words: ``f32[2] from 0 to 1, 1 zero``."""
    from chainrule.core.aval import Aval

    if value is None:
        return "?"
    text = repr(Aval.like(value))
    if value.dtype.kind not in "iuf" or not value.size:
        return text
    finite = value[np.isfinite(value)]
    if finite.size:
        low, high = finite.min(), finite.max()
        text += f" = {low:.6g}" if low == high else f" from {low:.6g} to {high:.6g}"
    for count, name in (
        (int((value == 0).sum()), "zero"),
        (int((value < 0).sum()), "negative"),
        (int(np.isnan(value).sum()), "NaN"),
        (int(np.isinf(value).sum()), "infinite"),
    ):
        if count:
            text += f", {count} {name}"
    return text


_ADVICE = {
    "log": "keep log's input above 0: add a small eps, or clip it; for log(softmax(x)) use log_softmax",
    "divide": "keep the divisor away from 0: add a small eps",
    "sqrt": "keep the input above 0: at 0 the gradient is infinite",
    "rsqrt": "keep the input above 0: add a small eps",
    "exp": "e^x overflows above 88 in float32: subtract the maximum, as softmax and logsumexp do",
    "power": "a negative base has no real power, and 0 none that is negative",
    "multiply": "0 times infinity, or an overflow: scale the inputs or lower the learning rate",
    "matmul": "the numbers overflowed: scale the inputs, or lower the learning rate",
}
