"""The table of epochs."""

import pytest

from chainrule.core.errors import DataError
from chainrule.train import History


def test_history_columns_best_and_text():
    history = History([{"epoch": 1, "loss": 0.5, "val_accuracy": 0.7}, {"epoch": 2, "loss": 0.75, "val_accuracy": 0.9}])
    assert history["loss"] == [0.5, 0.75] and history[-1]["epoch"] == 2 and len(history) == 2
    assert history.best("loss")["epoch"] == 1
    assert history.best("val_accuracy")["epoch"] == 2
    assert history.best("val_accuracy", better="lower")["epoch"] == 1
    assert str(history) == "epoch  loss  val_accuracy\n    1   0.5           0.7\n    2  0.75           0.9"
    with pytest.raises(Exception, match=r"val_loss(.|\n)*epoch, loss, val_accuracy"):
        history["val_loss"]


def test_history_best_passes_over_nan_and_takes_the_first_of_equals():
    history = History([{"epoch": e, "loss": v} for e, v in enumerate([float("nan"), 2.0, 1.0, 1.0])])
    assert history.best("loss")["epoch"] == 2


def test_history_csv_round_trips(tmp_path):
    import csv

    history = History([{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-9, "val_loss": 0.5}])
    history.to_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == history["loss"]
    assert rows[0]["val_loss"] == "" and rows[1]["val_loss"] == "0.5"
    with pytest.raises(DataError, match="does not exist"):
        history.to_csv(tmp_path / "no" / "h.csv")
