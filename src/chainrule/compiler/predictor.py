"""Predictor: a trained model as a fast function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.compiler.build import build
from chainrule.compiler.executable import Executable
from chainrule.compiler.structure import Place
from chainrule.compiler.trace import Trace, trace
from chainrule.core.aval import DTYPES, is_float
from chainrule.core.config import config
from chainrule.core.errors import GradientError, ShapeError
from chainrule.core.modes import get_default_dtype, no_grad
from chainrule.tensor import Tensor

__all__ = ["Predictor"]

Array = np.ndarray[Any, Any]

#: Rows that a program for many rows takes at a time.
BLOCK = 256


class Predictor:
    """A model in evaluation mode as a compiled function: arrays in, arrays out, no gradients.

    Takes one example of the model's input shape or a stack of them (n, ...); bytes and floats of another width are cast
    to the model's type. The model's weights are looked up at each call, so training may go on.

    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> predict = Predictor(model)
    >>> predict(np.ones((5, 2), np.float32)).shape, predict(np.ones((1, 2), np.float32)).shape
    ((5, 1), (1, 1))

    Raises:
        ShapeError: rows that the model does not take, with the layer that refused them.
    """

    def __init__(self, model: Callable[..., Any]) -> None:
        self.model: Any = model
        #: By the shape of the rows and their type: a function of one row, and one of a block of rows.
        self._made: dict[Any, _Bound] = {}
        #: The one used last, so that a second call finds it at once.
        self._last: _Bound | None = None

    def __call__(self, x: Any) -> Array:
        last = self._last
        # The short way in: the same kind of array as before, and nothing about the model has changed.
        if last is not None and type(x) is np.ndarray and x.shape == last.shape and x.dtype == last.dtype and last.holds():
            return last(x)
        rows = np.asarray(x.numpy() if isinstance(x, Tensor) else x)
        if rows.dtype not in DTYPES:
            rows = rows.astype(get_default_dtype())
        if not rows.ndim:
            raise ShapeError("predict(x)", "a single number", "rows (n, ...)", "pass an array of rows")
        return self._rows(rows)

    def _rows(self, rows: Array) -> Array:
        if len(rows) <= 1 or len(rows) == BLOCK:
            self._last = self._bound(rows.shape, rows.dtype)
            return self._last(rows)
        block = self._bound((BLOCK, *rows.shape[1:]), rows.dtype)
        parts = [block(rows[i : i + BLOCK]) for i in range(0, len(rows) - BLOCK + 1, BLOCK)]
        done = len(parts) * BLOCK
        if done < len(rows):
            # The last rows are filled up: in evaluation mode no row depends on another.
            padded = np.zeros((BLOCK, *rows.shape[1:]), rows.dtype)
            padded[: len(rows) - done] = rows[done:]
            parts.append(block(padded)[: len(rows) - done])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _bound(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Bound:
        found = self._made.get((shape, dtype))
        if found is None or not found.holds():
            found = self._made[shape, dtype] = _Bound(self.model, shape, dtype)
        return found


class _Bound:
    """The program for one shape, with the model's weights in their places."""

    def __init__(self, model: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.model, self.shape, self.dtype = model, shape, dtype
        float_type = next((p.dtype for p in model.parameters() if is_float(p.dtype)), get_default_dtype())

        def forward(x: Tensor) -> Any:
            return model(x.astype(float_type) if dtype.kind in "fub" and x.dtype is not float_type else x)

        self._forward = forward
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            with no_grad():
                example = Tensor._wrap(np.zeros(shape, dtype))
                self.trace: Trace | None = None
                self._run: Any = None
                if config.backend != "eager":
                    try:
                        self.trace = trace(forward, (((Place(0)),), {}), [example], names=["x"])
                    except GradientError:
                        self.trace = None  # it looks at numbers: it runs as it is
        finally:
            for module, training in modes:
                module.training = training
        self._weights = [cell.load() for cell in self.trace.cells] if self.trace is not None else []
        if self.trace is not None:
            executable: Executable = build(self.trace.program, config.backend)
            self._run = executable.bind(self._weights)

    def holds(self) -> bool:
        """Whether the weights are those that it was bound to."""
        if self.trace is None:
            return True
        for cell, weight in zip(self.trace.cells, self._weights, strict=True):
            if cell.slot.tensor.node.value is not weight:  # type: ignore[attr-defined]
                return False
        return True

    def __call__(self, rows: Array) -> Array:
        if self._run is not None:
            result: Array = self._run(rows)
            return result
        with no_grad():
            return np.asarray(self._forward(Tensor._wrap(rows)).numpy())
