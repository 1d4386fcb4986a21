"""Tiny ImageNet (Stanford, CS231n): 64 x 64 colour pictures of two hundred classes of ImageNet."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.data.folder import PASSED_OVER, Files, some
from noiseproof.data.picture import SUFFIXES
from noiseproof.data.places import roots
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

_SHAPE = (3, 64, 64)
_TABLE = "val_annotations.txt"


@dataclass(frozen=True)
class TinyImageNet:
    """Tiny ImageNet as its archive unpacks; grey pictures become RGB.

    Attributes:
        name: the name a spec gives.
        folder: what the archive unpacks to.
    """

    name: str = "tiny-imagenet"
    folder: str = "tiny-imagenet-200"

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    """Two splits, and another word for ``val``: the labels of the true test set are not public."""

    @property
    def remedy(self) -> str:
        """What to do where the set is missing."""
        return f"unpack {self.folder}.zip (cs231n.stanford.edu) into one of these folders"

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split. The classes are called by their WordNet ids, in sorted order, as folders of them are read.

        Every folder ROOT of data sets is asked for ROOT/tiny-imagenet-200, ROOT/tiny-imagenet/tiny-imagenet-200 and
        ROOT/tiny-imagenet. The pictures of val lie in val/images, their classes in val/val_annotations.txt; or in a
        folder for each class, as those of train.

        Raises:
            DataError: it is missing, or not as said.
        """
        split = "val" if split == "test" else split
        place = self.where(split, root)
        if place is None:
            raise DataError(f"no {self.name}:{split} in {', '.join(map(str, roots(root)))}; {self.remedy}")
        wnids = sorted(each.name for each in (place / "train").iterdir() if each.is_dir())
        table = place / split / _TABLE
        of_a_table = split == "val" and table.is_file() and (table.parent / "images").is_dir()
        pairs, others = _of_table(table) if of_a_table else _of_folders(place / split, wnids)
        strangers = sorted({wnid for _, wnid in pairs} - {*wnids})
        if strangers or not pairs:
            raise DataError(
                f"{place / split}: expected pictures of the {len(wnids)} classes in {place / 'train'}, found "
                f"{some(strangers) or 'none'}; {self.remedy} again"
            )
        if others:
            log.warning(PASSED_OVER, f"{self.name}:{split}", len(others), some(others))
        numbers = {wnid: number for number, wnid in enumerate(wnids)}
        labels = np.array([numbers[wnid] for _, wnid in pairs], dtype=np.int64)
        files = Files(tuple(file for file, _ in pairs), _SHAPE, {}, mode="RGB")
        return DataSet(f"{self.name}:{split}", tuple(wnids), _SHAPE, labels, files)

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``."""
        split = "val" if split == "test" else split
        tried = [
            each / below for each in roots(root) for below in (self.folder, f"{self.name}/{self.folder}", self.name)
        ]
        return next((each for each in tried if (each / split).is_dir() and (each / "train").is_dir()), None)


def _of_folders(place: Path, wnids: list[str]) -> tuple[list[tuple[Path, str]], list[str]]:
    """Pictures and their classes, ordered by class and name, and the names of what is passed over."""
    pairs: list[tuple[Path, str]] = []
    others: list[str] = []
    for wnid in wnids:
        below = place / wnid / "images"
        folder = below if below.is_dir() else place / wnid
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if file.suffix.lower() in SUFFIXES:
                pairs.append((file, wnid))
            elif not file.name.startswith(".") and file.name != f"{wnid}_boxes.txt":
                others.append(f"{wnid}/{file.name}")
    return pairs, others


def _of_table(table: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """Likewise, in the order of the table of val."""
    folder = table.parent / "images"
    there = {file.name for file in folder.iterdir()}
    pairs: list[tuple[Path, str]] = []
    try:
        for line in filter(str.strip, table.read_text(encoding="utf-8").splitlines()):
            name, wnid, *_ = line.split("\t")
            if name not in there:
                raise ValueError(f"no file images/{name[:80]}")
            pairs.append((folder / name, wnid))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{table}: expected a picture's name and its class a line, found: {str(error)[:200]}; "
            "unpack the archive again"
        ) from error
    return pairs, sorted(there - {file.name for file, _ in pairs})


TINY_IMAGENET = TinyImageNet()
