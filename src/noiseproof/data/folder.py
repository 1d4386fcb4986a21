"""A folder of pictures as a data set: its subfolders are the classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.data.picture import converted, mode_of, open_picture, planes
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from noiseproof.types import Pixels

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"})
"""The file names that count as pictures; other files in a class folder are passed over."""


def load_folder(path: str | Path) -> DataSet:
    """The data set of a folder whose subfolders are the classes, both classes and pictures sorted by name.

    Every picture's size and mode are checked from its head now; the pixels are decoded when asked for. One whose head
    cannot be read keeps its place, and asking for it is an error. The data set's name keeps the path as it was written.

    Grey and 1-bit pictures have one channel, all others three. The pixels are taken as they are stored: an
    EXIF orientation is not applied.

    Args:
        path: the folder, "~" allowed; hidden subfolders and files are passed over.

    Raises:
        DataError: the folder is missing, a class has no pictures, no picture can be read, or one has another shape
            than the first that can; the text names the first odd one and its size.
    """
    folder = Path(path).expanduser()
    if not str(path) or not folder.is_dir():
        raise DataError(f"folder:{path}: expected a folder of class folders, found none; give an existing path")
    classes = sorted(entry.name for entry in _visible(folder) if entry.is_dir())
    if not classes:
        raise DataError(f"folder:{path}: expected a subfolder for each class, found none; put one folder a class there")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        mine = sorted(file for file in _visible(folder / name) if file.suffix.lower() in SUFFIXES)
        if not mine:
            raise DataError(_empty(folder, name))
        files += mine
        labels += [label] * len(mine)
    shapes, unreadable = {}, {}
    for index, file in enumerate(files):
        try:
            shapes[file] = _shape(file)
        except DataError as error:
            unreadable[index] = str(error)
    if not shapes:
        raise DataError(unreadable[0])
    first, shape = next(iter(shapes.items()))
    for file, found in shapes.items():
        if found != shape:
            raise DataError(
                f"{file}: expected {_words(shape)} as {first} is, found {_words(found)}; make all pictures one shape"
            )
    return DataSet(f"folder:{path}", tuple(classes), shape, np.array(labels), _Files(tuple(files), shape, unreadable))


@dataclass(frozen=True)
class _Files:
    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    unreadable: dict[int, str]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int, /) -> Pixels:
        file = self.files[index]
        with open_picture(file) as picture:
            pixels = planes(converted(file, picture, mode_of(file, picture)))
        if pixels.shape != self.shape:
            raise DataError(f"{file} changed while the data set was in use; load the data set again")
        return pixels


def _visible(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]


def _empty(folder: Path, name: str) -> str:
    below = any(entry.is_dir() for entry in _visible(folder / name))
    hint = f"did you mean folder:{folder / name}?" if below else "put pictures there or remove the folder"
    return f"{folder / name}: expected pictures of the class {name!r}, found none; {hint}"


def _shape(file: Path) -> tuple[int, int, int]:
    with open_picture(file) as picture:
        channels = 1 if mode_of(file, picture) == "L" else 3
        return (channels, picture.height, picture.width)


def _words(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
