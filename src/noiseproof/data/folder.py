"""A folder of pictures as a data set: its subfolders are the classes."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.arguments import expanded
from noiseproof.data.dataset import DataSet
from noiseproof.data.encoded import one_shape
from noiseproof.data.form import Form, Wanted, wanted
from noiseproof.data.picture import (
    SUFFIXES,
    converted,
    mode_of,
    open_picture,
    planes,
    resized,
    shape_of,
    size_of,
    words,
)
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from noiseproof.types import Pixels

log = logging.getLogger(__name__)

PREFIX = "folder:"

PASSED_OVER = "%s: %d entries are no pictures that can be read here, and were passed over: %s; convert pictures to PNG"
_SPLIT = re.compile("train|test|val|eval|dev", re.IGNORECASE)
"""A folder of such a name holds class folders, and is no class."""
_NAMED = 5
"""Of what is passed over so many are named."""


def load_folder(path: str | Path, *, spec: str = "", resize: tuple[int, int] | None = None) -> DataSet:
    """The data set of a folder whose subfolders are the classes, both classes and pictures sorted by name.

    Every picture's size and mode are checked from its head now; the pixels are decoded when asked for. One whose head
    cannot be read keeps its place, and asking for it is an error. The data set's name keeps the path as it was written.
    A file counts as a picture by its suffix, or by its content; what else lies there is counted and named in a warning.
    A class may have no pictures.

    Grey and 1-bit pictures have one channel, all others three. The pixels are taken as they are stored: an
    EXIF orientation is not applied.

    Args:
        path: the folder, "~" allowed; hidden subfolders and files are passed over.
        spec: what the data set is called; by default folder:PATH.
        resize: height and width that every picture is brought to; see ``resized``.

    Raises:
        DataError: the folder is missing, there are no pictures, none can be read, or one has another shape than the
            first that can; the text names the first odd one and its size.
    """
    folder = expanded(path)
    if not str(path) or not folder.is_dir():
        raise DataError(f"folder:{path}: expected a folder of class folders, found none; give an existing path")
    classes = _folders(folder)
    if not classes:
        raise DataError(f"folder:{path}: expected a subfolder for each class, found none; {_of_one_class(folder)}")
    files: list[Path] = []
    labels: list[int] = []
    others = [entry for entry in _visible(folder) if not entry.is_dir()]
    for label, name in enumerate(classes):
        entries = sorted(_visible(folder / name))
        mine = [entry for entry in entries if _is_picture(entry)]
        others += [entry for entry in entries if entry not in set(mine)]
        files += mine
        labels += [label] * len(mine)
    taken = set(labels)
    empty = [name for label, name in enumerate(classes) if label not in taken]
    deeper = [name for name in empty if _folders(folder / name)]
    if deeper or not files:
        raise DataError(_empty(folder, next(filter(_SPLIT.search, deeper), (deeper or classes)[0]), classes))
    _tell(f"folder:{path}", folder, others, empty)

    def look(index: int) -> tuple[int, int, int]:
        with open_picture(files[index]) as picture:
            return shape_of(files[index], picture, resize)

    shape, unreadable = one_shape(files, look, Wanted(spec, f"{PREFIX}{path}", folder))
    pictures = Files(tuple(files), shape, unreadable, resize)
    return DataSet(spec or f"folder:{path}", tuple(classes), shape, np.array(labels), pictures)


@dataclass(frozen=True)
class Files:
    """Picture files, decoded when asked for.

    Attributes:
        files: in their order.
        shape: (C, H, W) that each must have.
        unreadable: why, of each that is known not to be read.
        resize: height and width that each is brought to.
        mode: ``RGB`` or ``L``, which each is turned into; by default its own.
    """

    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    unreadable: dict[int, str]
    resize: tuple[int, int] | None = None
    mode: str = ""

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int, /) -> Pixels:
        file = self.files[index]
        with open_picture(file) as picture:
            pixels = planes(resized(converted(file, picture, self.mode or mode_of(file, picture)), self.resize))
        if pixels.shape != self.shape and self.mode:  # heads were not looked at
            raise DataError(
                f"{file}: expected {words(self.shape)}, found {words(pixels.shape)}; get the data set again"
            )
        if pixels.shape != self.shape:
            raise DataError(f"{file} changed while the data set was in use; load the data set again")
        return pixels


def _visible(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _visible(folder) if entry.is_dir())


def _is_picture(entry: Path) -> bool:
    """By its name, which a damaged picture has too, or by what is in it."""
    if entry.is_dir():
        return False
    if entry.suffix.lower() in SUFFIXES:
        return True
    try:
        open_picture(entry).close()
    except DataError:
        return False
    return True


def _tell(name: str, folder: Path, others: list[Path], empty: list[str]) -> None:
    """Warns of what is not part of the data set and of classes without pictures."""
    if others:
        log.warning(PASSED_OVER, name, len(others), some([str(entry.relative_to(folder)) for entry in others]))
    if empty:
        log.warning("%s: no pictures of %d classes: %s", name, len(empty), some(empty))


def some(names: Sequence[str]) -> str:
    """The first few of them.

    >>> some(list("abcdefg"))
    'a, b, c, d, e, ...'
    """
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _of_one_class(folder: Path) -> str:
    """What to do where there are no class folders."""
    if any(_is_picture(entry) for entry in _visible(folder)):
        return f"put one folder a class there; of one class, give the folder above, folder:{folder.parent}"
    return "put one folder a class there"


def _empty(folder: Path, name: str, classes: list[str]) -> str:
    """What to do where a class has no pictures."""
    below = _folders(folder / name)
    if not below:
        hint = "put pictures there or remove the folder"
    elif len(classes) == 1 or _SPLIT.search(name):
        hint = f"did you mean folder:{folder / name}?"
    else:
        hint = f"its folder {below[0]} is no class; put its pictures into {folder / name} itself"
    return f"{folder / name}: expected pictures of the class {name!r}, found none; {hint}"


def _load(spec: str, split: str) -> DataSet:
    del split
    asked = wanted(spec, ("resize",), prefix=PREFIX)
    return load_folder(asked.head.removeprefix(PREFIX), spec=spec, resize=size_of(asked))


FOLDER = Form("folder:PATH", "pictures in one folder a class", lambda spec: spec.startswith(PREFIX), _load)
