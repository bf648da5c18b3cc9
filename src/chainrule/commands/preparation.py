"""Which rows train, validate and test; and the preparation learned from the training rows, which the model keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chainrule.commands.array_scaler import MOST_ROWS, ArrayScaler
from chainrule.commands.inputs import Rows
from chainrule.core.errors import CheckpointError, ConfigError, DataError
from chainrule.core.philox import Generator
from chainrule.data import Table, TablePreprocessor, TensorDataset
from chainrule.data.dataset import Dataset
from chainrule.data.preprocess import CategoryColumn
from chainrule.data.split import stratified_split
from chainrule.data.target import Target

__all__ = ["Preparation", "ScaledRows", "Split", "split_rows"]

Array = npt.NDArray[Any]

#: With fewer rows than this, holding some out would leave too few to learn from.
FEWEST_TO_SPLIT = 20

#: A tenth of this many rows measures an accuracy to about one percent.
MANY_ROWS = 1_000
MOST_VALIDATION = 10_000

#: Inputs up to this size are scaled once and kept; larger ones are scaled batch by batch.
_KEEP_BYTES = 32 * 2**20


@dataclass
class Split:
    """Row numbers of each part; ``test`` is empty where the test rows are apart, or there are none."""

    train: Array
    validation: Array
    test: Array
    decision: str


def split_rows(rows: Rows, validation: float | None, test: float | None, seed: int) -> Split:
    """Hold out rows for testing and for validation at random, class by class where there are classes.

    ``None`` leaves the share to the number of rows: a fifth for testing unless a test part is there, a fifth for
    validation (a tenth from 1,000 rows on, and 10,000 rows at the most); nothing of fewer than 20 rows.

    >>> from chainrule.commands.inputs import read_rows
    >>> split = split_rows(read_rows("iris"), None, None, seed=0)
    >>> len(split.train), len(split.validation), len(split.test)
    (96, 24, 30)
    """
    count, nothing = len(rows), np.zeros(0, np.int64)
    if test and rows.test is not None:
        raise ConfigError("--test", f"{test:g}", f"no --test: {rows.name} has test rows of its own", "leave --test out")
    if count < FEWEST_TO_SPLIT and not validation and not test:
        return Split(np.arange(count), nothing, nothing, f"all {count} rows train: too few to hold some out")
    labels = rows.targets if rows.target is not None and rows.target.task == "classification" else None
    generator, everything = Generator(seed), np.arange(count)
    test = 0.0 if rows.test is not None else 0.2 if test is None else test
    rest, tested, how = _hold_out(everything, labels, test, generator, "--test")
    if validation is None:
        validation = min(0.2 if len(rest) < MANY_ROWS else 0.1, MOST_VALIDATION / len(rest))
    train, validated, how_validated = _hold_out(rest, labels, validation, generator, "--validation")
    how = how if len(tested) else how_validated
    counts = [f"{len(train):,} train", f"{len(validated):,} validate" if len(validated) else "none validates"]
    given = f"{len(rows.test):,} test as published" if rows.test is not None else "none tests"
    counts.append(f"{len(tested):,} test" if len(tested) else given)
    return Split(train, validated, tested, f"{', '.join(counts)}; drawn {how} with seed {seed}")


def _hold_out(
    among: Array, labels: Array | None, share: float, generator: Generator, option: str
) -> tuple[Array, Array, str]:
    """(rest, held out, how) of the row numbers ``among``."""
    if share == 0:
        return among, among[:0], "at random"
    held = int(np.ceil(len(among) * share - 1e-9))
    if not 0 < held < len(among):
        received = f"{held} of {len(among)} rows held out by {option} {share:g}"
        raise DataError("split the rows", received, "rows left on both sides", f"choose another {option}, or more rows")
    if labels is not None:
        try:
            rest, part = stratified_split(labels[among], share, generator)
            return among[rest], among[part], "class by class"
        except DataError:
            # A class with a single row cannot be on both sides; the other rows still can.
            pass
    order = generator.permutation(len(among))
    how = "at random" if labels is None else "at random (some class has too few rows to be on both sides)"
    return among[order[held:]], among[order[:held]], how


class ScaledRows(Dataset[Any]):
    """Rows of an array, scaled when they are asked for, beside their targets: bytes stay bytes in memory."""

    def __init__(self, features: Array, indices: Array, scaler: ArrayScaler, targets: Array) -> None:
        self.features, self.indices, self.scaler, self.targets = features, indices, scaler, targets

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return TensorDataset(*self.rows(np.atleast_1d(index)))[0]

    def rows(self, indices: Array) -> tuple[Array, Array]:
        """Inputs (k, d) float32 and targets of the rows at ``indices`` (k,)."""
        return self.scaler.transform(np.asarray(self.features[self.indices[indices]])), self.targets[indices]


class Preparation:
    """What turns rows into network inputs and the network's outputs into answers, learned from the training rows.

    encoder: a TablePreprocessor for tables, an ArrayScaler for arrays and pictures
    target:  classes, or mean and scale of the amounts
    columns: names of the table's feature columns in training, used or not
    resize:  whether pictures of another size are resized, as the training pictures were
    """

    def __init__(
        self,
        encoder: TablePreprocessor | ArrayScaler,
        target: Target,
        columns: tuple[str, ...] = (),
        resize: bool = False,
    ) -> None:
        self.encoder, self.target, self.columns, self.resize = encoder, target, columns, resize

    @classmethod
    def learn(cls, rows: Rows, train: Array) -> Self:
        """Learn from the rows numbered ``train``."""
        assert rows.target is not None and rows.targets is not None
        target = rows.target.fit(rows.targets[train])
        if isinstance(rows.features, Table):
            return cls(TablePreprocessor().fit(rows.features.take(train)), target, rows.features.names)
        # Sorted, since a memory-mapped file is read from front to back.
        sample = np.sort(train[:MOST_ROWS])
        return cls(ArrayScaler(rows.image_shape).fit(rows.features[sample]), target, resize=rows.resized)

    @property
    def features(self) -> int:
        """Number of network inputs."""
        encoder = self.encoder
        return encoder.features if isinstance(encoder, ArrayScaler) else len(encoder.feature_names)

    @property
    def outputs(self) -> int:
        """Number of network outputs: one a class, or one amount."""
        return len(self.target.classes) if self.target.task == "classification" else 1

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """The shape of a picture, where rows are pictures."""
        return self.encoder.image_shape if isinstance(self.encoder, ArrayScaler) else None

    def inputs(self, features: Table | Array) -> npt.NDArray[np.float32]:
        """Network inputs (n, d) of a table or an array."""
        return self.encoder.transform(features)  # type: ignore[arg-type]

    def dataset(self, rows: Rows, indices: Array | None = None) -> Dataset[Any]:
        """Inputs and targets of the rows numbered ``indices`` (all by default), as the trainer takes them."""
        assert rows.targets is not None
        indices = np.arange(len(rows)) if indices is None else indices
        targets = rows.targets[indices]
        if self.target.task == "regression":
            targets = ((targets - self.target.mean) / self.target.scale).astype(np.float32)[:, None]
        if isinstance(rows.features, Table):
            return TensorDataset(self.inputs(rows.features.take(indices)), targets)
        if 4 * len(indices) * self.features > _KEEP_BYTES:
            assert isinstance(self.encoder, ArrayScaler)
            return ScaledRows(rows.features, indices, self.encoder, targets)
        return TensorDataset(self.inputs(np.asarray(rows.features[indices])), targets)

    @property
    def decisions(self) -> list[str]:
        """What was decided about the inputs: what columns have in common in one sentence, what is special one by one."""
        if isinstance(self.encoder, ArrayScaler):
            return [self.encoder.decision]
        plain = [d for d in self.encoder.decisions if ": number, standardised" in d and "missing" not in d]
        special = [d for d in self.encoder.decisions if d not in plain]
        if len(plain) < 3:
            return self.encoder.decisions
        return [f"{len(plain)} columns of numbers, each standardised (mean 0, standard deviation 1)", *special]

    @property
    def notices(self) -> list[str]:
        """What was odd about the rows of the last ``inputs``."""
        return [] if isinstance(self.encoder, ArrayScaler) else self.encoder.notices

    def describe_columns(self) -> list[str]:
        """What becomes of each column of a table that is used."""
        assert not isinstance(self.encoder, ArrayScaler)
        lines = []
        for column in self.encoder.columns_:
            if isinstance(column, CategoryColumn):
                lines.append(f"{column.name}: one of {len(column.categories)} categories")
            else:
                lines.append(f"{column.name}: number, (value - {column.mean:.6g}) / {column.scale:.6g}")
        return lines

    def state(self) -> dict[str, Any]:
        """What was learned, as plain JSON values."""
        return {
            "encoder": self.encoder.state(),
            "target": self.target.state(),
            "columns": list(self.columns),
            "resize": self.resize,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The preparation whose ``state()`` this is."""
        try:
            encoder = state["encoder"]
            kind: Any = {"ArrayScaler": ArrayScaler, "TablePreprocessor": TablePreprocessor}[encoder["kind"]]
            target = Target.from_state(state["target"])
            return cls(kind.from_state(encoder), target, tuple(state["columns"]), bool(state["resize"]))
        except (KeyError, TypeError) as error:
            raise CheckpointError("restore the preprocessing", f"a state damaged at {error}", "its state()") from None
