"""Scaling of arrays that have no column names: pictures by one mean for all pixels, matrices column by column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import CheckpointError, DataError, ShapeError
from chainrule.data.scaling import StandardScaler

__all__ = ["MOST_ROWS", "ArrayScaler"]

Array = npt.NDArray[Any]

#: Mean and deviation of this many rows, drawn at random, are those of all rows to three digits.
MOST_ROWS = 20_000


class ArrayScaler:
    """Rows (n, ...) of any shape and type to network inputs (n, d) float32: ``(x - mean) / scale``, laid out as one row.

    Pictures, and arrays of three or more axes, have one mean and one scale for all positions, so that neighbours stay
    comparable; matrices (n, d) have one of each for every column. A missing number (NaN) becomes the mean, hence 0.

    >>> pixels = np.array([[[0, 255], [0, 255]], [[255, 0], [255, 0]]], np.uint8)
    >>> scaler = ArrayScaler(image_shape=(2, 2)).fit(pixels)
    >>> scaler.transform(pixels)[0].tolist(), scaler.decision
    ([-1.0, 1.0, -1.0, 1.0], '2 x 2 pixels of 0 to 255, scaled by one mean (127.5) and standard deviation (127.5)')
    """

    shape: tuple[int, ...]
    mean: Array
    scale: Array
    #: The brightest level seen: 255 in files, 16 in the digits of scikit-learn.
    highest: float
    #: Standard deviation of the mean of a row, after scaling: how much brighter than another a picture may be.
    spread: float
    decision: str

    def __init__(self, image_shape: tuple[int, ...] | None = None) -> None:
        self.image_shape = image_shape

    def fit(self, x: Array) -> Self:
        """Learn from the rows of ``x``. Raises DataError for infinities, and for numbers that are all the same."""
        sample = np.asarray(x[:MOST_ROWS])
        if not sample.size or (sample == sample[:1]).all():
            received = (
                f"{len(sample):,} rows, all of the same numbers" if sample.size else f"rows of shape {x.shape[1:]}"
            )
            raise DataError("learn from arrays", received, "numbers that tell rows apart")
        self.shape = sample.shape[1:]
        together = self.image_shape is not None or len(self.shape) > 1
        scaler = StandardScaler().fit(sample.reshape(-1) if together else sample)
        self.mean, self.scale = (np.asarray(value, np.float32) for value in (scaler.mean_, scaler.scale_))
        self.highest = float(np.nanmax(sample)) if sample.size else 0.0
        self.spread = float(self.transform(sample).mean(axis=1).std())
        self.decision = self._decide(sample)
        return self

    def _decide(self, sample: Array) -> str:
        if not self.mean.ndim:
            what = "numbers" if self.image_shape is None else "pixels"
            size = " x ".join(map(str, self.image_shape or self.shape))
            levels = f"{float(np.nanmin(sample)):g} to {self.highest:g}"
            return f"{size} {what} of {levels}, scaled by one mean ({self.mean:.4g}) and standard deviation ({self.scale:.4g})"
        columns = f"{len(self.mean):,} column{'s' * (len(self.mean) != 1)}"
        constant = int((np.nanmin(sample, axis=0) == np.nanmax(sample, axis=0)).sum())
        remark = f"; {constant} with one value only become 0" if constant else ""
        return f"{columns} of numbers, each standardised (mean 0, standard deviation 1){remark}"

    @property
    def features(self) -> int:
        """Numbers a row."""
        return int(np.prod(self.shape))

    def transform(self, x: Array) -> npt.NDArray[np.float32]:
        """Inputs (n, d). Raises ShapeError for rows of another shape than at fit, DataError for infinities."""
        if x.shape[1:] != self.shape and int(np.prod(x.shape[1:])) != self.features:
            raise ShapeError(
                "scale rows for the network", f"rows of shape {x.shape[1:]}", f"shape {self.shape}, as in training"
            )
        scaled = x.reshape(len(x), *self.shape).astype(np.float32)
        scaled -= self.mean
        scaled /= self.scale
        if x.dtype.kind == "f":
            if np.isinf(scaled).any():
                place = int(np.argwhere(np.isinf(scaled))[0][0])
                raise DataError(
                    "scale rows for the network", f"infinity in row {place + 1} of {len(x)}", "finite numbers, or NaN"
                )
            np.nan_to_num(scaled, copy=False)
        return scaled.reshape(len(x), -1)

    def state(self) -> dict[str, Any]:
        """What was learned, as plain JSON values."""
        return {
            "kind": "ArrayScaler",
            "shape": list(self.shape),
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "highest": self.highest,
            "spread": self.spread,
            "decision": self.decision,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The scaler whose ``state()`` this is."""
        try:
            image_shape = state["image_shape"]
            scaler = cls(None if image_shape is None else tuple(image_shape))
            scaler.shape = tuple(state["shape"])
            scaler.mean, scaler.scale = (np.asarray(state[name], np.float32) for name in ("mean", "scale"))
            scaler.highest, scaler.spread = float(state["highest"]), float(state["spread"])
            scaler.decision = str(state["decision"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError("restore an ArrayScaler", f"a state damaged at {error}", "its state()") from None
        return scaler
