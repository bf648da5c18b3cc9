"""The MNIST family: where it is looked for, how it is checked, and how it is downloaded."""

from __future__ import annotations

import gzip
import hashlib
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from chainrule.core.errors import DataError
from chainrule.data.images import FILES, IMAGE_SETS, ImageSet, load_image_set, mnist
from chainrule.data.readers.idx_files import write_idx

REAL = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def fake(tmp_path):
    """A published set of 6 + 4 pictures of 5 x 5, its unpacked files, and its gzipped ones."""
    pixels = np.random.default_rng(0).integers(0, 256, (10, 5, 5)).astype(np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 2, 2, 1, 0, 0], np.uint8)
    raw = {}
    for file, array in zip(FILES, (pixels[:6], labels[:6], pixels[6:], labels[6:]), strict=True):
        write_idx(tmp_path / "made.idx", array)
        raw[file] = (tmp_path / "made.idx").read_bytes()
    packed = {file: gzip.compress(content, mtime=0) for file, content in raw.items()}
    image_set = ImageSet(
        name="fake",
        title="Fake",
        class_names=("a", "b", "c"),
        mirrors=(),
        gzip_md5=tuple(md5(packed[file]) for file in FILES),
        raw_md5=tuple(md5(raw[file]) for file in FILES),
        source="",
        licence="",
        torchvision_folder="Fake/raw",
        counts=(6, 4),
        side=5,
    )
    return image_set, raw, packed


@pytest.fixture(autouse=True)
def no_other_folders(monkeypatch, tmp_path):
    """No test sees the user's own data or writes to the user's cache."""
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def put(folder, contents, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        (folder / (file + suffix)).write_bytes(content)
    return folder


def check(examples):
    assert examples.inputs.shape == (6, 5, 5) and examples.inputs.dtype == np.uint8
    assert examples.targets.tolist() == [0, 1, 2, 0, 1, 2] and examples.targets.dtype == np.int64
    assert examples.test.inputs.shape == (4, 5, 5) and examples.test.targets.tolist() == [2, 1, 0, 0]
    assert examples.class_names == ("a", "b", "c") and examples.image_shape == (5, 5)


class Mirror(BaseHTTPRequestHandler):
    """Serves a dictionary of paths; a value that is a function answers for itself."""

    def __init__(self, pages, asked, *args):
        self.pages, self.asked = pages, asked
        super().__init__(*args)

    def do_GET(self):
        self.asked.append(self.path)
        content = self.pages.get(self.path)
        if content is None:
            self.send_error(404)
        elif callable(content):
            content(self)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Starts mirrors on this machine alone; gives each one's address and the paths it was asked for."""
    servers = []

    def start(pages):
        asked = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, pages, asked))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/data/", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def pages(contents):
    return {f"/data/{file}.gz": content for file, content in contents.items()}


# Folders


@pytest.mark.parametrize("inside", ["", "fake", "Fake/raw"])
@pytest.mark.parametrize("packing", ["raw", "gzip", "repacked", "dotted"])
def test_found_in_every_layout_and_packing(fake, tmp_path, inside, packing):
    image_set, raw, packed = fake
    folder = tmp_path / "home" / inside
    if packing == "raw":
        put(folder, raw)
    elif packing == "gzip":
        put(folder, packed, ".gz")
    elif packing == "repacked":
        put(folder, {file: gzip.compress(raw[file], 1) for file in FILES}, ".gz")
    else:
        put(folder, {file.replace("-idx", ".idx"): raw[file] for file in FILES})
    check(load_image_set(image_set, tmp_path / "home", download=False))


def test_folders_are_tried_in_order(fake, tmp_path, monkeypatch):
    image_set, raw, _ = fake
    put(tmp_path / "cache" / "chainrule" / "data" / "fake", raw)
    check(load_image_set(image_set, download=False))
    # A named folder goes before the cache, so its damage is seen.
    bad = raw | {FILES[1]: raw[FILES[1]][:-1] + b"\x07"}
    put(tmp_path / "mine", bad)
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError, match="MD5"):
        load_image_set(image_set, download=False)
    put(tmp_path / "first", raw)
    check(load_image_set(image_set, tmp_path / "first", download=False))


def test_wrong_checksum_names_file_and_both_sums(fake, tmp_path):
    image_set, raw, _ = fake
    bad = raw[FILES[2]][:-1] + b"\x00"
    put(tmp_path / "home", raw | {FILES[2]: bad})
    with pytest.raises(DataError) as caught:
        load_image_set(image_set, tmp_path / "home", download=False)
    assert str(tmp_path / "home" / FILES[2]) in str(caught.value)
    assert md5(bad) in str(caught.value) and image_set.raw_md5[2] in str(caught.value)


def test_damaged_gzip_is_named(fake, tmp_path):
    image_set, _, packed = fake
    put(tmp_path / "home", packed | {FILES[0]: packed[FILES[0]][:-20]}, ".gz")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz\n.*damaged gzip"):
        load_image_set(image_set, tmp_path / "home", download=False)


def test_without_a_published_sum_of_unpacked_files_shape_is_checked(fake, tmp_path):
    image_set, raw, packed = fake
    image_set = replace(image_set, raw_md5=None)
    check(load_image_set(image_set, put(tmp_path / "raw", raw), download=False))
    check(load_image_set(image_set, put(tmp_path / "packed", packed, ".gz"), download=False))
    swapped = raw | {FILES[0]: raw[FILES[2]]}
    with pytest.raises(DataError, match=r"shape \(4, 5, 5\)"):
        load_image_set(image_set, put(tmp_path / "swapped", swapped), download=False)
    labels = raw | {FILES[1]: raw[FILES[1]][:-1] + b"\x07"}
    with pytest.raises(DataError, match="label 7"):
        load_image_set(image_set, put(tmp_path / "labels", labels), download=False)
    repacked = {file: gzip.compress(raw[file], 1) for file in FILES}
    with pytest.raises(DataError, match="MD5"):
        load_image_set(image_set, put(tmp_path / "repacked", repacked, ".gz"), download=False)


def test_files_of_another_set_are_passed_over(fake, tmp_path, monkeypatch):
    image_set, raw, _ = fake
    other = replace(image_set, name="other", title="Other", raw_md5=("0" * 32,) * 4, gzip_md5=("0" * 32,) * 4)
    monkeypatch.setitem(IMAGE_SETS, "fake", image_set)
    put(tmp_path / "home", raw)
    with pytest.raises(DataError, match="not found in"):
        load_image_set(other, tmp_path / "home", download=False)


def test_absent_set_says_where_it_looked_and_what_to_do(fake, tmp_path, monkeypatch):
    image_set, raw, _ = fake
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "env"))
    put(tmp_path / "mine", {file: raw[file] for file in FILES[:3]})
    with pytest.raises(DataError) as caught:
        load_image_set(image_set, tmp_path / "mine", download=False)
    text = str(caught.value)
    for folder in (tmp_path / "mine", tmp_path / "env", tmp_path / "cache" / "chainrule" / "data"):
        assert str(folder) in text
    assert f"{tmp_path / 'mine'} lacks {FILES[3]}" in text
    assert all(file in text for file in FILES)
    assert f"put the files in {tmp_path / 'mine' / 'fake'}" in text and "CHAINRULE_DATA" in text


# Downloading


def test_download_into_the_cache_then_never_again(fake, tmp_path, serve, capsys):
    image_set, _, packed = fake
    address, asked = serve(pages(packed))
    check(load_image_set(image_set, mirrors=[address]))
    home = tmp_path / "cache" / "chainrule" / "data" / "fake"
    assert sorted(path.name for path in home.iterdir()) == sorted(f"{file}.gz" for file in FILES)
    assert asked == [f"/data/{file}.gz" for file in FILES]
    check(load_image_set(image_set, mirrors=[address]))
    assert len(asked) == 4
    # Nothing is drawn where standard error is no terminal.
    assert capsys.readouterr() == ("", "")


def test_download_goes_to_the_folder_that_was_named_and_fetches_only_what_lacks(fake, tmp_path, serve):
    image_set, raw, packed = fake
    address, asked = serve(pages(packed))
    put(tmp_path / "mine" / "fake", {file: raw[file] for file in FILES[:2]})
    check(load_image_set(image_set, tmp_path / "mine", mirrors=[address.rstrip("/")]))
    assert asked == [f"/data/{file}.gz" for file in FILES[2:]]
    assert not (tmp_path / "cache").exists()


def cut_short(content):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])

    return answer


def test_second_mirror_mends_what_the_first_spoils(fake, tmp_path, serve):
    image_set, _, packed = fake
    spoilt = packed | {
        FILES[0]: cut_short(packed[FILES[0]]),
        FILES[1]: gzip.compress(b"something else"),
        FILES[2]: b"<html>moved</html>",
    }
    first, asked_first = serve({path: page for path, page in pages(spoilt).items() if FILES[3] not in path})
    second, asked_second = serve(pages(packed))
    check(load_image_set(image_set, tmp_path / "mine", mirrors=[first, second]))
    assert asked_first == asked_second == [f"/data/{file}.gz" for file in FILES]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: cut_short(content), "cut short after|IncompleteRead"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "damaged gzip|MD5 checksum"),
        (lambda content: gzip.compress(b"another file"), "MD5 checksum"),
        (lambda content: b"<html>please log in</html>", "MD5 checksum"),
        (lambda content: None, "404"),
    ],
)
def test_spoilt_download_leaves_nothing_behind(fake, tmp_path, serve, spoil, message):
    image_set, _, packed = fake
    address, _ = serve(pages(packed | {FILES[0]: spoil(packed[FILES[0]])}))
    with pytest.raises(DataError, match=message) as caught:
        load_image_set(image_set, tmp_path / "mine", mirrors=[address])
    assert f"{address}{FILES[0]}.gz" in str(caught.value)
    assert not (tmp_path / "mine").exists() and not (tmp_path / "cache").exists()


def test_offline_is_one_clear_error(fake, tmp_path):
    image_set = fake[0]
    dead = "http://127.0.0.1:9/data/"
    with pytest.raises(DataError) as caught:
        load_image_set(image_set, tmp_path / "mine", mirrors=[dead], timeout=2)
    text = str(caught.value)
    assert "loading Fake" in text and f"{dead}{FILES[0]}.gz" in text and "refused" in text
    assert "go online" in text and caught.value.__cause__ is None


def test_silent_server_times_out(fake, tmp_path, serve):
    image_set = fake[0]
    release = threading.Event()
    address, _ = serve({f"/data/{FILES[0]}.gz": lambda handler: release.wait(5)})
    try:
        with pytest.raises(DataError, match="timed out"):
            load_image_set(image_set, tmp_path / "mine", mirrors=[address], timeout=0.2)
    finally:
        release.set()


def test_folder_that_cannot_be_written_is_named(fake, tmp_path, serve):
    image_set, _, packed = fake
    address, _ = serve(pages(packed))
    (tmp_path / "mine").write_text("a file where a folder is wanted")
    with pytest.raises(DataError, match=r"saving Fake in .*mine"):
        load_image_set(image_set, tmp_path / "mine", mirrors=[address])


def test_a_terminal_shows_a_progress_bar(fake, serve, monkeypatch, capsys):
    pytest.importorskip("rich")
    image_set, _, packed = fake
    address, _ = serve(pages(packed))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    check(load_image_set(image_set, mirrors=[address]))
    shown = capsys.readouterr()
    assert FILES[0] in shown.err and shown.out == ""


# The published sets


@pytest.mark.parametrize("image_set", IMAGE_SETS.values(), ids=IMAGE_SETS)
def test_what_is_published_is_complete(image_set):
    sums = [*image_set.gzip_md5, *(image_set.raw_md5 or ())]
    assert len(image_set.gzip_md5) == 4 and len(sums) == len(set(sums)) and all(len(s) == 32 for s in sums)
    assert len(image_set.class_names) == 10 and image_set.licence and image_set.source
    assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in image_set.mirrors)


@pytest.mark.skipif(not REAL.is_dir(), reason="the MNIST files are not beside the repository")
def test_real_mnist():
    digits = mnist(REAL, download=False)
    assert digits.inputs.shape == (60_000, 28, 28) and digits.test.inputs.shape == (10_000, 28, 28)
    assert digits.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert digits.test.targets[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(digits.targets)[:5].tolist() == [5923, 6742, 5958, 6131, 5842]
    # The mean and standard deviation that MNIST inputs are usually normalised by.
    assert digits.inputs.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert digits.inputs.std() / 255 == pytest.approx(0.3081, abs=5e-5)
    with pytest.raises(DataError, match="not found"):
        load_image_set(IMAGE_SETS["fashion-mnist"], REAL, download=False)
