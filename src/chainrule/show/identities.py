"""Gradients that textbooks give in one step, such as softmax minus target; each is checked on the numbers first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.show.circuit import Array, Quantity
from chainrule.show.writer import Writer

__all__ = ["identity"]


def identity(quantity: Quantity, writer: Writer) -> str:
    """The gradient of the scores that go into a loss, in one step, or nothing where none is known.

    Cross entropy: ``(softmax(z) - Y) / N``; binary cross entropy of scores: ``(sigma(z) - t) / n``; mean squared
    error: ``2 (z - t) / n``. Shown only if it gives the same numbers.

    Source: C. Bishop, "Pattern Recognition and Machine Learning", section 4.3.
    """
    kinds = {user.call.kind for user, _ in quantity.users if user.call is not None}
    if not kinds or quantity.gradient is None or (quantity.call is not None and quantity.call.kind in kinds):
        return ""
    for latex, value in _candidates(quantity, writer, kinds):
        scale = float(np.abs(value).max(initial=0.0))
        if value.shape == quantity.shape and np.allclose(value, quantity.gradient, rtol=1e-4, atol=1e-6 * scale):
            return latex
    return ""


def _candidates(quantity: Quantity, writer: Writer, kinds: set[str]) -> Iterator[tuple[str, Array]]:
    scores, name = np.asarray(quantity.value, np.float64), writer.name(quantity)
    targets = [q for q in writer.circuit.quantities if q.kind == "input" and q.gradient is None and q is not quantity]
    for target in targets:
        wanted, symbol = target.value, writer.name(target)
        if "CrossEntropyLoss" in kinds and scores.ndim == 2:
            rows = len(scores)
            if (
                wanted.shape == (rows,)
                and wanted.dtype.kind in "iu"
                and 0 <= wanted.min() <= wanted.max() < scores.shape[1]
            ):
                hot = np.eye(scores.shape[1])[wanted]
                one_hot = rf"\mathrm{{onehot}}({symbol})"
            elif wanted.shape == scores.shape:
                hot, one_hot = wanted, symbol
            else:
                continue
            e = np.exp(scores - scores.max(1, keepdims=True))
            p = e / e.sum(1, keepdims=True)
            yield rf"\frac{{\mathrm{{softmax}}({name}) - {one_hot}}}{{{rows}}}", (p - hot) / rows
        if wanted.shape != scores.shape:
            continue
        if "BCEWithLogitsLoss" in kinds:
            yield (
                rf"\frac{{\sigma({name}) - {symbol}}}{{{scores.size}}}",
                (1 / (1 + np.exp(-scores)) - wanted) / scores.size,
            )
        if "MSELoss" in kinds:
            yield rf"\frac{{2}}{{{scores.size}}} \cdot ({name} - {symbol})", 2 * (scores - wanted) / scores.size
            yield rf"2 \cdot ({name} - {symbol})", 2 * (scores - wanted)
