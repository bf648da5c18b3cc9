"""Tables that nobody prepared: ``chainrule train`` beside scikit-learn's MLP, on the same splits.

scikit-learn's wine, breast cancer and diabetes tables are written as CSV. For each seed ``chainrule train`` gets the file
alone; scikit-learn gets a StandardScaler and an MLP with its defaults, once with 200 and once with 1,000 iterations, on the
rows that chainrule trains and validates on. Both are scored on the test rows: accuracy, or R2.

    python benchmarks/tables.py [--seeds 6] [--out benchmarks/results/tables.json]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.bench.record import write_results
from chainrule.cli import main as chainrule
from chainrule.commands.inputs import read_rows
from chainrule.commands.preparation import split_rows

RESULTS = Path(__file__).parent / "results" / "tables.json"
TABLES = {"wine": datasets.load_wine, "breast_cancer": datasets.load_breast_cancer, "diabetes": datasets.load_diabetes}
ITERATIONS = (200, 1000)


def ours(path: Path, seed: int) -> float:
    """The test score that the command prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = chainrule(["train", str(path), "--seed", str(seed), "--out", str(path.with_suffix(""))])
    found = re.search(r"test\s+(?:accuracy|R2) (-?[\d.]+)", printed.getvalue())
    if code or not found:
        raise SystemExit(f"chainrule train {path.name} failed: {printed.getvalue()}")
    return float(found.group(1))


def theirs(path: Path, seed: int, iterations: int) -> float:
    """The test score of scikit-learn's MLP on the same rows."""
    split = split_rows(read_rows(str(path), seed=seed), None, None, seed)
    table = np.genfromtxt(path, delimiter=",", skip_header=1)
    inputs, targets = table[:, :-1], table[:, -1]
    train = np.concatenate([split.train, split.validation])
    kind = MLPRegressor if path.stem == "diabetes" else MLPClassifier
    model = make_pipeline(StandardScaler(), kind(max_iter=iterations, random_state=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs[train], targets[train])
    return float(model.score(inputs[split.test], targets[split.test]))


def main() -> None:
    """Measure, print a table, write the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    scores: dict[str, dict[str, list[float]]] = {}
    print(f"test score, mean (lowest - highest) of {arguments.seeds} seeds")
    with tempfile.TemporaryDirectory() as folder:
        for name, load in TABLES.items():
            path = Path(folder, f"{name}.csv")
            data = load()
            header = ",".join([*(f.replace(" ", "_") for f in data.feature_names), "target"])
            rows = np.column_stack([data.data, data.target])
            np.savetxt(path, rows, fmt="%.17g", delimiter=",", header=header, comments="")
            measured = {"chainrule train": [ours(path, seed) for seed in range(arguments.seeds)]}
            for n in ITERATIONS:
                measured[f"scikit-learn, {n} iterations"] = [theirs(path, s, n) for s in range(arguments.seeds)]
            scores[name] = measured
            print(name)
            for system, found in measured.items():
                print(f"  {system:<30} {np.mean(found):6.3f}  ({min(found):.3f} - {max(found):.3f})")
    write_results(arguments.out, {"seeds": arguments.seeds, "scores": scores})
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
