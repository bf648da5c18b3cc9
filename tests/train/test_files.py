"""Files appear whole or not at all, and refusals are told in words."""

import os

import pytest

from chainrule.core.errors import CheckpointError, DataError
from chainrule.train import History, atomic_write
from chainrule.train.files import write_atomically


def test_the_file_appears_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(CheckpointError, match="folder that does not exist") as caught,
        atomic_write(tmp_path / "no" / "a"),
    ):
        pass
    assert "make the folder first" in str(caught.value) and str(tmp_path / "no" / "a") in str(caught.value)


def test_a_file_in_the_way_and_a_folder_as_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="goes through a file"), atomic_write(tmp_path / "file" / "a"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match="name of a folder"), atomic_write(tmp_path / "folder"):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="full disk"), atomic_write(path, DataError) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_no_permission(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(CheckpointError, match="without permission to write"), atomic_write(tmp_path / "a"):
        pass


def test_text_is_utf_8_and_errors_stay_os_errors(tmp_path):
    write_atomically(tmp_path / "a.txt", "안녕")
    assert (tmp_path / "a.txt").read_bytes() == "안녕".encode()
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "a.txt", "x")


# ---- history


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
