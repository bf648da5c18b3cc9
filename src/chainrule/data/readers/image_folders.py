"""Folders of images, one subfolder a class. Pillow is imported when the first image is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from chainrule.core.errors import ConfigError, DataError
from chainrule.data.examples import Examples

__all__ = ["image_files", "image_header", "read_images", "read_pixels"]

Array = npt.NDArray[Any]
Colours = Literal["auto", "grey", "rgb"]

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
_GREY_MODES = ("1", "L", "LA", "F")


def read_images(folder: str | Path, size: int | tuple[int, int] | None = None, colours: Colours = "auto") -> Examples:
    """Read ``folder/<class>/<image>`` (or ``folder/train/<class>``, ``folder/test/<class>``) into bytes.

    size:    (height, width), or one number for both, to resize to (bilinear); None wants all images of one
             size
    colours: "grey", "rgb", or "auto": grey if every image is

    inputs (n, height, width) uint8 for grey, (n, height, width, 3) for rgb; classes are the subfolders'
    names, sorted. Hidden files, and files without an image's suffix, are skipped; transparency is dropped;
    photographs are turned upright as their EXIF tag says.

    Errors: DataError that names the first image of another size, with both sizes; the damaged image; the
    class without images; or the way to install Pillow.
    """
    if colours not in ("auto", "grey", "rgb"):
        raise ConfigError("read_images", f"colours={colours!r}", "'auto', 'grey' or 'rgb'")
    folder = Path(folder)
    if not folder.is_dir():
        received = "a file" if folder.exists() else "no such folder"
        raise DataError(f"reading images of {folder}", received, "a folder with one subfolder for each class")
    wanted = _size(size)
    if {"train", "test"} <= {part.name for part in _visible(folder)} and _subfolders(folder / "train"):
        classes = _class_files(folder / "train")
        tests = _class_files(folder / "test")
        strange = [name for name in tests if name not in classes]
        if strange:
            raise DataError(f"reading {folder / 'test'}", f"class {strange[0]!r}", "a class of the train folder too")
    else:
        classes, tests = _class_files(folder), {}
    files = [file for group in (*classes.values(), *tests.values()) for file in group]
    shape = _common_shape(files, wanted, colours)
    train = _examples(classes, list(classes), shape, folder)
    train.test = _examples(tests, list(classes), shape, folder) if tests else None
    return train


def _examples(classes: dict[str, list[Path]], names: list[str], shape: tuple[int, ...], folder: Path) -> Examples:
    files = [file for group in classes.values() for file in group]
    inputs = np.empty((len(files), *shape), np.uint8)
    for place, file in enumerate(files):
        inputs[place] = read_pixels(file, shape)
    targets = np.repeat([names.index(name) for name in classes], [len(group) for group in classes.values()])
    known: dict[str, Any] = {
        "target_name": "class",
        "image_shape": shape,
        "name": folder.name,
        "source": str(folder),
    }
    return Examples(inputs, targets, class_names=tuple(names), **known)


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _subfolders(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()] if folder.is_dir() else []


def _class_files(folder: Path) -> dict[str, list[Path]]:
    """Class name -> its image files, sorted by path; subfolders of a class belong to it."""
    classes = {entry.name: image_files(entry) for entry in _subfolders(folder)}
    asked = f"reading images of {folder}"
    if not classes:
        loose = len(image_files(folder))
        received = f"{loose} images and no subfolder" if loose else "no subfolder"
        raise DataError(asked, received, "one subfolder of images for each class", "move each class to its own folder")
    empty = [name for name, files in classes.items() if not files]
    if empty:
        raise DataError(asked, f"no image in class {empty[0]!r}", f"files ending in {' '.join(sorted(SUFFIXES))}")
    return classes


def image_files(folder: Path) -> list[Path]:
    """Every picture in a folder and below, in order of name; hidden files are passed over."""
    files: list[Path] = []
    for entry in _visible(folder):
        if entry.is_dir():
            files += image_files(entry)
        elif entry.suffix.lower() in SUFFIXES:
            files.append(entry)
    return files


def _size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ConfigError("read_images", f"size={size!r}", "(height, width), each 1 or more")
    return int(height), int(width)


def _common_shape(files: list[Path], wanted: tuple[int, int] | None, colours: Colours) -> tuple[int, ...]:
    """Shape of one picture, from the files' headers alone: a stray size is found before much is read."""
    first: tuple[int, int] | None = None
    grey = colours != "rgb"
    for file in files:
        (height, width), is_grey = image_header(file)
        grey = grey and (is_grey or colours == "grey")
        if wanted is None and first is not None and (height, width) != first:
            received = f"{file} of {height} x {width} pixels"
            expected = f"{first[0]} x {first[1]} as {files[0]}"
            raise DataError("reading images", received, expected, "pass size=(height, width) to resize them all")
        first = first or (height, width)
    height, width = wanted or first or (0, 0)
    return (height, width) if grey else (height, width, 3)


def _pillow() -> Any:
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError:
        fix = 'pip install "chainrule[images]"'
        raise DataError("reading images", "Pillow is not installed", "Pillow", fix) from None
    return PIL


def _open(file: Path, use: Any) -> Any:
    """What ``use`` makes of the opened image, or DataError naming the file."""
    pillow = _pillow()
    try:
        with pillow.Image.open(file) as image:
            return use(pillow, image)
    except (OSError, SyntaxError, ValueError, EOFError, pillow.Image.DecompressionBombError) as error:
        raise DataError(f"reading {file}", f"a damaged image ({error})", "a whole image", "mend or remove it") from None


def image_header(file: Path) -> tuple[tuple[int, int], bool]:
    """(height, width) as it is to be looked at, and whether it is grey. Raises DataError for a damaged picture."""

    def look(pillow: Any, image: Any) -> tuple[tuple[int, int], bool]:
        turned = image.getexif().get(0x0112, 1) >= 5
        height, width = (image.width, image.height) if turned else (image.height, image.width)
        return (height, width), image.mode in _GREY_MODES or image.mode.startswith("I")

    result: tuple[tuple[int, int], bool] = _open(file, look)
    return result


def read_pixels(file: Path, shape: tuple[int, ...]) -> Array:
    """One picture as bytes of ``shape``: (height, width) grey, (height, width, 3) in colour; resized if it differs."""

    def convert(pillow: Any, image: Any) -> Array:
        image = pillow.ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            # 16-bit grey levels; Pillow's own conversion would clip them at 255.
            image = pillow.Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        image = image.convert("L" if len(shape) == 2 else "RGB")
        if (image.height, image.width) != shape[:2]:
            image = image.resize((shape[1], shape[0]), pillow.Image.Resampling.BILINEAR)
        return np.asarray(image)

    pixels: Array = _open(file, convert)
    return pixels
