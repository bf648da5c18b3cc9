"""IDX, NPY, NPZ and folders of images; files that appear whole or not at all."""

from __future__ import annotations

import gzip
import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.core.errors import ConfigError, DataError, DTypeError
from chainrule.core.files import atomic_write
from chainrule.data.readers import read_idx, read_images, read_npy, read_npz, write_idx
from chainrule.data.readers.idx_files import TYPES

IDX_ARRAYS = arrays.arrays(
    st.sampled_from([dtype.newbyteorder("=") for dtype in TYPES.values()]),
    arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
)

# IDX


@settings(max_examples=120, deadline=None)
@given(array=IDX_ARRAYS, suffix=st.sampled_from(["", ".gz"]))
def test_idx_round_trip(array, suffix, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / f"a.idx{suffix}"
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == array.dtype and back.dtype.isnative and back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable
    if not suffix:
        mapped = read_idx(path, mmap=True)
        assert mapped.shape == array.shape and mapped.astype(array.dtype).tobytes() == array.tobytes()


def test_idx_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "a.idx", np.array([[1, -2, 256]], np.int16))
    assert (tmp_path / "a.idx").read_bytes() == bytes.fromhex("00000b02 00000001 00000003 0001 fffe 0100")


def test_idx_of_the_same_array_is_the_same_file(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(9, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_big_endian_or_sliced_array_is_written_by_value(tmp_path):
    array = np.arange(12, dtype=">i4").reshape(3, 4)[:, ::2]
    write_idx(tmp_path / "a.idx", array)
    assert read_idx(tmp_path / "a.idx").tolist() == array.tolist()


def test_mapped_idx_is_read_only_and_lazy(tmp_path):
    write_idx(tmp_path / "a.idx", np.arange(6, dtype=np.float32).reshape(3, 2))
    mapped = read_idx(tmp_path / "a.idx", mmap=True)
    assert isinstance(mapped, np.memmap) and mapped[1].tolist() == [2, 3]
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


GOOD = struct.pack(">BBBBII", 0, 0, 8, 2, 2, 3) + bytes(6)


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"\0\0\x08", "3 bytes"),
        (b"\x89PNG" + bytes(20), "first bytes 89 50 4e 47"),
        (b"\0\0\x0a\x02" + GOOD[4:], "type 0x0a and 2 axes"),
        (b"\0\0\x08\x00" + GOOD[4:], "type 0x08 and 0 axes"),
        (GOOD[:9], "cut short: 9 bytes"),
        (GOOD[:-1], r"cut short: 17 bytes\n.*18 bytes for shape \(2, 3\) of uint8"),
        (GOOD + b"x", "bytes left over: 19 bytes"),
        (struct.pack(">BBBBII", 0, 0, 14, 2, 2**32 - 1, 2**32 - 1), "cut short"),
    ],
)
def test_bad_idx_names_file_and_fault(tmp_path, content, message, mmap):
    (tmp_path / "bad.idx").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(tmp_path / "bad.idx", mmap)
    assert "bad.idx" in str(caught.value)


def test_bad_gzip_missing_file_and_folder(tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(GOOD)[:-6])
    (tmp_path / "whole.gz").write_bytes(gzip.compress(GOOD))
    with pytest.raises(DataError, match="damaged gzip"):
        read_idx(tmp_path / "cut.gz")
    with pytest.raises(DataError, match="gunzip it first"):
        read_idx(tmp_path / "whole.gz", mmap=True)
    for mmap in (False, True):
        with pytest.raises(DataError, match="no such file"):
            read_idx(tmp_path / "absent", mmap)
        with pytest.raises(DataError, match="a folder"):
            read_idx(tmp_path, mmap)


def test_what_idx_cannot_hold_is_refused(tmp_path):
    with pytest.raises(DTypeError, match=r"int64\n.*int32"):
        write_idx(tmp_path / "a.idx", np.zeros(2, np.int64))
    with pytest.raises(DataError, match="1 to 64 axes"):
        write_idx(tmp_path / "a.idx", np.zeros((), np.uint8))
    assert list(tmp_path.iterdir()) == []


# NPY and NPZ


@pytest.mark.parametrize("mmap", [False, True])
def test_npy_comes_whole_or_mapped(tmp_path, mmap):
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(3, 2))
    array = read_npy(tmp_path / "a.npy", mmap)
    assert isinstance(array, np.memmap) is mmap and array[2].tolist() == [4, 5]


@pytest.mark.parametrize("mmap", [False, True])
def test_bad_npy(tmp_path, mmap):
    np.save(tmp_path / "whole.npy", np.arange(600.0))
    content = (tmp_path / "whole.npy").read_bytes()
    for name, bad in {
        "cut": content[:300],
        "head": content[:40],
        "other": b"not an array",
        "empty": b"",
    }.items():
        (tmp_path / f"{name}.npy").write_bytes(bad)
        with pytest.raises(DataError, match=f"{name}.npy"):
            read_npy(tmp_path / f"{name}.npy", mmap)
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match="objects"):
        read_npy(tmp_path / "objects.npy", mmap)
    np.savez(tmp_path / "many.npz", a=np.zeros(2))
    with pytest.raises(DataError, match="use read_npz"):
        read_npy(tmp_path / "many.npz", mmap)
    with pytest.raises(DataError, match="no such file"):
        read_npy(tmp_path / "absent.npy", mmap)


@pytest.mark.parametrize(
    ("x", "y"), [("X", "y"), ("x", "y"), ("inputs", "targets"), ("data", "target"), ("images", "labels")]
)
def test_npz_pairs_are_found(tmp_path, x, y):
    np.savez(tmp_path / "a.npz", **{x: np.eye(4), y: np.array([0, 1, 1, 0]), "extra": np.zeros(1)})
    made = read_npz(tmp_path / "a.npz")
    assert made.targets.tolist() == [0, 1, 1, 0] and made.class_names == ("0", "1")
    assert made.target_name == y and made.name == "a" and made.inputs.dtype == np.float64


def test_npz_with_a_test_part_and_pictures(tmp_path):
    rows = np.zeros((6, 4, 5), np.uint8)
    labels = np.array([[0], [1], [2]] * 2, np.uint8)
    named = {"x_train": rows, "y_train": labels, "x_test": rows[:2], "y_test": labels[1:3]}
    np.savez_compressed(tmp_path / "a.npz", **named, class_names=np.array(["a", "b", "c"]))
    made = read_npz(tmp_path / "a.npz")
    assert made.image_shape == (4, 5) and made.class_names == ("a", "b", "c")
    assert made.targets.tolist() == [0, 1, 2] * 2 and made.test.targets.tolist() == [1, 2]


def test_npz_regression_text_targets_and_told_names(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.eye(3), y=np.array([0.5, 1.5, 2.5]), word=np.array(["u", "v", "u"]))
    assert read_npz(tmp_path / "a.npz").targets.tolist() == [[0.5], [1.5], [2.5]]
    made = read_npz(tmp_path / "a.npz", targets="word")
    assert made.class_names == ("u", "v") and made.targets.tolist() == [0, 1, 0]
    with pytest.raises(DataError, match="did you mean 'word'"):
        read_npz(tmp_path / "a.npz", targets="words")


def test_bad_npz(tmp_path):
    np.savez(tmp_path / "names.npz", p=np.zeros(2), q=np.zeros(2))
    with pytest.raises(DataError, match=r"arrays p, q\n.*X/y"):
        read_npz(tmp_path / "names.npz")
    np.savez(tmp_path / "lengths.npz", X=np.zeros((3, 1)), y=np.zeros(2))
    with pytest.raises(DataError, match=r"inputs of shape \(3, 1\)"):
        read_npz(tmp_path / "lengths.npz")
    np.savez(tmp_path / "objects.npz", X=np.zeros(1), y=np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="pickled"):
        read_npz(tmp_path / "objects.npz")
    np.save(tmp_path / "one.npy", np.zeros(2))
    with pytest.raises(DataError, match="use read_npy"):
        read_npz(tmp_path / "one.npy")
    content = (tmp_path / "names.npz").read_bytes()
    for name, bad in {"cut": content[:200], "other": b"hello", "empty": b""}.items():
        (tmp_path / f"{name}.npz").write_bytes(bad)
        with pytest.raises(DataError, match=f"{name}.npz"):
            read_npz(tmp_path / f"{name}.npz")


# Folders of images


@pytest.fixture
def draw(tmp_path):
    """Saves an array as an image in a subfolder."""
    image = pytest.importorskip("PIL.Image")

    def save(path, array, mode=None, **options):
        path = tmp_path / path
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = image.fromarray(np.asarray(array))
        (picture.convert(mode) if mode else picture).save(path, **options)

    return save


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
RGB = np.stack([GREY, GREY // 2, 255 - GREY], axis=2)


def test_images_by_class(draw, tmp_path):
    draw("set/dog/2.png", GREY + 1)
    draw("set/dog/1.PNG", GREY)
    draw("set/cat/more/a.bmp", GREY + 2)
    (tmp_path / "set/cat/.hidden.png").write_bytes(b"junk")
    (tmp_path / "set/.git").mkdir()
    (tmp_path / "set/cat/notes.txt").write_text("no image")
    made = read_images(tmp_path / "set")
    assert made.class_names == ("cat", "dog") and made.targets.tolist() == [0, 1, 1]
    assert made.inputs.dtype == np.uint8 and made.image_shape == (3, 4) and made.name == "set"
    np.testing.assert_array_equal(made.inputs, [GREY + 2, GREY, GREY + 1])


def test_colours_are_kept_dropped_or_added(draw, tmp_path):
    draw("set/a/1.png", RGB)
    draw("set/b/1.png", GREY)
    auto = read_images(tmp_path / "set")
    assert auto.inputs.shape == (2, 3, 4, 3) and auto.image_shape == (3, 4, 3)
    np.testing.assert_array_equal(auto.inputs, [RGB, np.stack([GREY] * 3, axis=2)])
    grey = read_images(tmp_path / "set", colours="grey")
    assert grey.inputs.shape == (2, 3, 4)
    luma = RGB @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey.inputs[0], luma, atol=1)
    with pytest.raises(ConfigError, match="colours='blue'"):
        read_images(tmp_path / "set", colours="blue")


def test_palette_alpha_and_sixteen_bits(draw, tmp_path):
    draw("set/a/palette.png", RGB, "P")
    draw("set/a/see_through.png", RGB, "RGBA")
    assert read_images(tmp_path / "set").inputs.shape == (2, 3, 4, 3)
    draw("deep/a/1.png", GREY.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_images(tmp_path / "deep").inputs[0], GREY)


def test_images_of_two_sizes_want_a_size(draw, tmp_path):
    draw("set/a/1.png", GREY)
    draw("set/b/1.png", GREY.T)
    with pytest.raises(DataError) as caught:
        read_images(tmp_path / "set")
    text = str(caught.value)
    assert "b/1.png of 4 x 3" in text and "3 x 4 as" in text and "a/1.png" in text and "size=" in text
    assert read_images(tmp_path / "set", size=5).inputs.shape == (2, 5, 5)
    assert read_images(tmp_path / "set", size=(2, 6)).inputs.shape == (2, 2, 6)
    with pytest.raises(ConfigError, match="size=0"):
        read_images(tmp_path / "set", size=0)


def test_photographs_are_turned_upright(draw, tmp_path):
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112] = 6
    draw("set/a/1.png", GREY, exif=exif)
    np.testing.assert_array_equal(read_images(tmp_path / "set").inputs[0], np.rot90(GREY, -1))


def test_train_and_test_folders(draw, tmp_path):
    for path in ("train/a/1.png", "train/b/1.png", "test/b/1.png"):
        draw(f"set/{path}", GREY)
    made = read_images(tmp_path / "set")
    assert len(made) == 2 and made.test.targets.tolist() == [1] and made.test.class_names == ("a", "b")
    draw("set/test/c/1.png", GREY)
    with pytest.raises(DataError, match="class 'c'"):
        read_images(tmp_path / "set")


@pytest.mark.parametrize("damage", ["cut", "junk"])
def test_a_damaged_image_is_named(draw, tmp_path, damage):
    draw("set/a/1.png", GREY)
    noise = np.random.default_rng(0).integers(0, 256, (3, 4)).astype(np.uint8)
    draw("set/a/2.png", noise)
    path = tmp_path / "set/a/2.png"
    path.write_bytes(path.read_bytes()[:50] if damage == "cut" else b"junk")
    with pytest.raises(DataError, match=r"a/2\.png\n.*damaged image"):
        read_images(tmp_path / "set")


def test_folders_without_images(draw, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_images(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="a file"):
        read_images(tmp_path / "file")
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="no subfolder"):
        read_images(tmp_path / "set")
    draw("set/loose.png", GREY)
    with pytest.raises(DataError, match="1 images and no subfolder"):
        read_images(tmp_path / "set")
    draw("set/a/1.png", GREY)
    (tmp_path / "set/b").mkdir()
    with pytest.raises(DataError, match="no image in class 'b'"):
        read_images(tmp_path / "set")


def test_without_pillow_the_way_to_install_it_is_told(draw, tmp_path, monkeypatch):
    draw("set/a/1.png", GREY)
    for name in [name for name in sys.modules if name.startswith("PIL")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r'pip install "chainrule\[images\]"'):
        read_images(tmp_path / "set")


# Writing


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="stop"), atomic_write(path) as file:
        file.write(b"new")
        raise RuntimeError("stop")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_absent_or_a_full_disk_is_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="does not exist"), atomic_write(tmp_path / "absent" / "a.bin"):
        pass
    with pytest.raises(DataError, match="full disk"), atomic_write(tmp_path / "a.bin"):
        raise OSError(28, "No space left on device")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="folder"), atomic_write(tmp_path / "folder"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
