"""Files appear whole or not at all, and refusals are told in words."""

import os

import pytest

from chainrule.core.errors import DataError
from chainrule.core.files import atomic_write, write_whole


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
        pytest.raises(DataError, match="folder that does not exist") as caught,
        atomic_write(tmp_path / "no" / "a"),
    ):
        pass
    assert "make the folder first" in str(caught.value) and str(tmp_path / "no" / "a") in str(caught.value)


def test_a_file_in_the_way_and_a_folder_as_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="goes through a file"), atomic_write(tmp_path / "file" / "a"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="name of a folder"), atomic_write(tmp_path / "folder"):
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
    with pytest.raises(DataError, match="without permission to write"), atomic_write(tmp_path / "a"):
        pass


def test_text_is_utf_8(tmp_path):
    write_whole(tmp_path / "a.txt", "안녕")
    assert (tmp_path / "a.txt").read_bytes() == "안녕".encode()
    with pytest.raises(DataError, match="does not exist"):
        write_whole(tmp_path / "no" / "a.txt", "x")
