"""Two classic sets inside the package: iris and the 8 x 8 digits (origin and licence: files/SOURCES.md)."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt

from chainrule.data.examples import Examples
from chainrule.data.readers.csv_files import read_csv

__all__ = ["digits", "iris"]


def iris(dtype: npt.DTypeLike = np.float32) -> Examples:
    """Fisher's iris flowers: inputs (150, 4) in centimetres, targets (150,) of three species, 50 of each.

    The values are those of R and scikit-learn. Source: R. A. Fisher, "The use of multiple measurements in
    taxonomic problems", Annals of Eugenics 7, 1936. Licence: CC BY 4.0.

    >>> flowers = iris()
    >>> flowers.inputs[0].tolist() == np.array([5.1, 3.5, 1.4, 0.2], np.float32).tolist()
    True
    >>> flowers.class_names, np.bincount(flowers.targets).tolist()
    (('setosa', 'versicolor', 'virginica'), [50, 50, 50])
    """
    with as_file(files("chainrule.data") / "files" / "iris.csv") as path:
        table = read_csv(path, target="species", delimiter=",", header=True)
    species, targets = np.unique(table["species"].astype(str), return_inverse=True)
    return Examples(
        np.stack([table[name] for name in table.features], axis=1).astype(dtype),
        targets.astype(np.int64),
        feature_names=table.features,
        target_name="species",
        class_names=tuple(species.tolist()),
        name="iris",
        source="R. A. Fisher 1936; UCI Machine Learning Repository, doi:10.24432/C56C76",
        licence="CC BY 4.0",
    )


def digits() -> Examples:
    """Handwritten digits of 8 x 8 pixels: inputs (1797, 64) uint8 from 0 to 16, targets (1797,) the digit.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998, its test part,
    as in scikit-learn. Licence: CC BY 4.0.

    >>> small = digits()
    >>> small.inputs.shape, small.inputs.dtype.name, small.image_shape, int(small.inputs.max())
    ((1797, 64), 'uint8', (8, 8), 16)
    >>> small.inputs[0].reshape(8, 8)[:2].tolist()
    [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]
    """
    stored = files("chainrule.data") / "files" / "digits.npz"
    with stored.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        inputs, targets = arrays["inputs"], arrays["targets"]
    return Examples(
        inputs,
        targets.astype(np.int64),
        feature_names=tuple(f"pixel {row},{column}" for row in range(8) for column in range(8)),
        target_name="digit",
        class_names=tuple("0123456789"),
        image_shape=(8, 8),
        name="digits",
        source="E. Alpaydin and C. Kaynak 1998; UCI Machine Learning Repository, doi:10.24432/C50P49",
        licence="CC BY 4.0",
    )
