"""MNIST, Fashion-MNIST and KMNIST: 70,000 pictures of 28 x 28 grey levels in ten classes.

Each is looked for in the folder named by the caller, in the folder named by the environment variable
CHAINRULE_DATA, and in the user's cache folder; there in ``<folder>/<name>/``, in ``<folder>/`` itself, and
where torchvision keeps it. Files may be gzipped or not, and are checked against their publishers' MD5 sums.
What is nowhere is downloaded into ``<folder>/<name>/`` of the first of these folders that was named.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import DataError
from chainrule.core.files import atomic_write
from chainrule.data.download import fetch_first
from chainrule.data.examples import Examples
from chainrule.data.readers.idx_files import parse_idx
from chainrule.data.storage import gunzip, is_gzip, read_raw

__all__ = ["IMAGE_SETS", "ImageSet", "data_folders", "fashion_mnist", "kmnist", "load_image_set", "mnist"]

Array = npt.NDArray[Any]

#: Images and labels of the training part, then of the test part.
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class ImageSet:
    """What is published about a set of images; checksums are in the order of ``FILES``."""

    name: str
    title: str
    class_names: tuple[str, ...]
    mirrors: tuple[str, ...]
    gzip_md5: tuple[str, ...]
    raw_md5: tuple[str, ...] | None
    source: str
    licence: str
    torchvision_folder: str = ""
    counts: tuple[int, int] = (60_000, 10_000)
    side: int = 28


MNIST = ImageSet(
    name="mnist",
    title="MNIST",
    class_names=tuple("0123456789"),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    gzip_md5=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    raw_md5=(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    source="Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits, 1998",
    licence="CC BY-SA 3.0",
    torchvision_folder="MNIST/raw",
)
FASHION_MNIST = ImageSet(
    name="fashion-mnist",
    title="Fashion-MNIST",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    gzip_md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    raw_md5=(
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    source="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, 2017, arXiv:1708.07747",
    licence="MIT",
    torchvision_folder="FashionMNIST/raw",
)
KMNIST = ImageSet(
    name="kmnist",
    title="KMNIST",
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    gzip_md5=(
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
    # Sums of the unpacked files are not published: those are checked by their header and size alone.
    raw_md5=None,
    source="T. Clanuwat et al., Deep Learning for Classical Japanese Literature, 2018, arXiv:1812.01718",
    licence="CC BY-SA 4.0",
    torchvision_folder="KMNIST/raw",
)
IMAGE_SETS = {image_set.name: image_set for image_set in (MNIST, FASHION_MNIST, KMNIST)}


def mnist(data_dir: str | Path | None = None, download: bool = True) -> Examples:
    """Handwritten digits: inputs (60000, 28, 28) uint8, targets (60000,), and ``test`` with 10,000 more.

    Pixels are 0 (paper) to 255 (ink). ``data_dir`` is looked in first; ``download=False`` never uses the
    network.

    Errors: DataError that lists the folders looked in, the files needed and what to do; or names a file
    whose checksum is not that of MNIST.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.
    """
    return load_image_set(MNIST, data_dir, download)


def fashion_mnist(data_dir: str | Path | None = None, download: bool = True) -> Examples:
    """Articles of clothing, T-shirt/top to Ankle boot, in the format of ``mnist`` and found as it is.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset", 2017, arXiv:1708.07747.
    """
    return load_image_set(FASHION_MNIST, data_dir, download)


def kmnist(data_dir: str | Path | None = None, download: bool = True) -> Examples:
    """Cursive Japanese letters (Kuzushiji), o to wo, in the format of ``mnist`` and found as it is.

    Source: T. Clanuwat et al., "Deep Learning for Classical Japanese Literature", 2018, arXiv:1812.01718.
    """
    return load_image_set(KMNIST, data_dir, download)


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Folders to look for data in: ``data_dir`` and CHAINRULE_DATA, where they are named, then the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chainrule" / "data"
    named = [data_dir, os.environ.get("CHAINRULE_DATA") or None, cache]
    return [Path(folder).expanduser() for folder in named if folder is not None]


def load_image_set(
    image_set: ImageSet,
    data_dir: str | Path | None = None,
    download: bool = True,
    mirrors: Sequence[str] | None = None,
    timeout: float = 30.0,
) -> Examples:
    """Examples of ``image_set`` from the first folder that holds it, else from the first working mirror."""
    folders = data_folders(data_dir)
    inside = (image_set.name, "", image_set.torchvision_folder)
    places = list(dict.fromkeys(folder / name for folder in folders for name in inside))
    for place in places:
        if all(_find(place, file) for file in FILES):
            arrays = _read_folder(image_set, place)
            if arrays is not None:
                return _examples(image_set, arrays)
    home = folders[0] / image_set.name
    failures = ["downloading was not allowed"]
    if download:
        urls = image_set.mirrors if mirrors is None else tuple(mirrors)
        failures = _download(image_set, home, urls, timeout)
        if not failures and (arrays := _read_folder(image_set, home)) is not None:
            return _examples(image_set, arrays)
    lacking = {place: _lacking(place) for place in places}
    partly = [f"{place} lacks {', '.join(gone)}" for place, gone in lacking.items() if 0 < len(gone) < len(FILES)]
    looked = f"not found in {', '.join(str(folder) for folder in folders)}"
    raise DataError(
        f"loading {image_set.title}",
        "; ".join([looked, *partly, *failures]),
        f"the files {', '.join(FILES)}, each with or without .gz",
        f"go online, or put the files in {home}, or name their folder (data_dir= or CHAINRULE_DATA)",
    )


def _find(folder: Path, file: str) -> Path | None:
    """The file in ``folder``, gzipped or not; some archives write a dot for the second hyphen."""
    spellings = (file, file.replace("-idx", ".idx"))
    candidates = (folder / f"{name}{suffix}" for name in spellings for suffix in ("", ".gz"))
    return next((path for path in candidates if os.path.isfile(path)), None)


def _lacking(folder: Path) -> list[str]:
    return [file for file in FILES if _find(folder, file) is None]


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _verified(image_set: ImageSet, place: int, content: bytes, name: str) -> bytes:
    """The file's content, unpacked; DataError if its checksum is not the published one."""
    raw = gunzip(content, name) if is_gzip(content) else content
    if raw is not content and _md5(content) == image_set.gzip_md5[place]:
        return raw
    if image_set.raw_md5 is None and raw is content:
        return raw
    wanted = image_set.gzip_md5[place] if image_set.raw_md5 is None else image_set.raw_md5[place]
    found = _md5(content if image_set.raw_md5 is None else raw)
    if found != wanted:
        expected = f"MD5 {wanted}, {image_set.title}'s {FILES[place]}"
        raise DataError(f"checking {name}", f"MD5 checksum {found}", expected, "remove the file and run again")
    return raw


def _read_folder(image_set: ImageSet, folder: Path) -> list[Array] | None:
    """The four arrays, checked; None if the files are those of another set, which have the same names."""
    arrays = []
    for place, file in enumerate(FILES):
        path = _find(folder, file)
        assert path is not None
        content = read_raw(path)
        try:
            arrays.append(parse_idx(_verified(image_set, place, content, str(path)), str(path)))
        except DataError:
            if place == 0 and _belongs_to_another(image_set, content, str(path)):
                return None
            raise
        _check_shape(image_set, place, arrays[-1], path)
    return arrays


def _belongs_to_another(image_set: ImageSet, content: bytes, name: str) -> bool:
    others = [other for other in IMAGE_SETS.values() if other.name != image_set.name]
    raw = gunzip(content, name) if is_gzip(content) else content
    sums = {_md5(content), _md5(raw)}
    return any(sums & {other.gzip_md5[0], (other.raw_md5 or ("",))[0]} for other in others)


def _check_shape(image_set: ImageSet, place: int, array: Array, path: Path) -> None:
    count = image_set.counts[place // 2]
    wanted = (count, image_set.side, image_set.side) if place % 2 == 0 else (count,)
    if array.shape != wanted or array.dtype != np.uint8:
        raise DataError(f"reading {path}", f"shape {array.shape} of {array.dtype}", f"shape {wanted} of uint8")
    if place % 2 and array.max(initial=0) >= len(image_set.class_names):
        raise DataError(f"reading {path}", f"a label {array.max()}", f"labels 0 to {len(image_set.class_names) - 1}")


def _download(image_set: ImageSet, home: Path, mirrors: Sequence[str], timeout: float) -> list[str]:
    """Fetch what ``home`` lacks; returns why that failed, or nothing."""
    for place, file in enumerate(FILES):
        if _find(home, file):
            continue
        urls = [f"{mirror.rstrip('/')}/{file}.gz" for mirror in mirrors]
        content, failures = fetch_first(urls, partial(_verified, image_set, place, name=file), timeout)
        if not content:
            return failures or ["no mirror is known"]
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            asked, received = f"saving {image_set.title} in {home}", error.strerror or str(error)
            raise DataError(asked, received, "a folder that can be written", "name another: data_dir=") from None
        with atomic_write(home / f"{file}.gz", DataError) as target:
            target.write(content)
    return []


def _examples(image_set: ImageSet, arrays: list[Array]) -> Examples:
    known: dict[str, Any] = {
        "target_name": "class",
        "class_names": image_set.class_names,
        "image_shape": (image_set.side, image_set.side),
        "name": image_set.name,
        "source": image_set.source,
        "licence": image_set.licence,
    }
    test = Examples(arrays[2], arrays[3].astype(np.int64), **known)
    return Examples(arrays[0], arrays[1].astype(np.int64), test=test, **known)
