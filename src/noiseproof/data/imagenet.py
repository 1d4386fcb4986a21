"""ImageNet (ILSVRC 2012) from a folder of its own pictures, cut to 224 x 224 as it is usually evaluated."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from PIL import Image

from noiseproof.data.dataset import DataSet
from noiseproof.data.folder import PASSED_OVER, some
from noiseproof.data.imagenet_truth import META, TRUTH, kit_of, labelled_by_truth
from noiseproof.data.picture import SUFFIXES, converted, open_picture, planes
from noiseproof.data.places import near, roots
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from noiseproof.types import Pixels

log = logging.getLogger(__name__)

CLASSES = 1000
_SHORTER = 256
SIZE = 224
_LONGEST = 100  # times the shorter side: resized by the shorter, a line of pixels would fill the memory
_TABLE = "labels.csv"
_WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class ImageNet:
    """ImageNet: 1000 classes, decoded when asked for.

    A picture is turned into RGB, resized so that its shorter side is 256 (bilinear, antialiased) and cropped to
    the central 224 x 224: torchvision's ``Resize(256)`` and ``CenterCrop(224)`` on a PIL picture, exactly. The
    result is rounded to 8 bits, so it lies on the grid, and is what noise is added to.

    Attributes:
        name: the name a spec gives.
    """

    name: str = "imagenet"

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test", "sample")
    """Two splits, another word for ``val`` (the labels of the true test set are not public), and a sample."""

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split, ordered by class and file name, or as its table is.

        Every folder ROOT of data sets is asked for the folder train/ or val/ in ROOT/imagenet and in ROOT. In it
        lies a folder for each of the 1000 classes, named by its WordNet id (their sorted ids are the classes, a
        folder may be empty), or a table labels.csv with the columns file, index, wnid and name. The pictures of val
        may lie there as they unpack, with the ground truth and meta.mat of the development kit beside them. The split
        ``sample`` is such a table, of whichever pictures, in sample/ or in the folder itself.

        Raises:
            DataError: no place has it, or the folder or its table is not as said.
        """
        split = "val" if split == "test" else split
        place = self.where(split, root)
        if place is None:
            flat = next((each / split for each in near(self.name, root) if _holds_pictures(each / split)), None)
            if flat is not None:
                beside = f"put {TRUTH} and {META} of the development kit there, " if split == "val" else ""
                raise DataError(
                    f"{flat}: expected a folder for each class, found pictures without, whose labels nothing says; "
                    f"{beside}move each into the folder of its WordNet id (n01440764, ...), or write a {_TABLE} there "
                    "with the columns file and index"
                )
            looked = ", ".join(map(str, roots(root)))
            sample = f"unpack its pictures and their {_TABLE} into a folder and name that as the root"
            raise DataError(f"no {self.name}:{split} in {looked}; {sample if split == 'sample' else self.remedy}")
        if (place / _TABLE).is_file():
            return _from_table(f"{self.name}:{split}", place)
        if not _wnids(place) and (kit := kit_of(place)) is not None:
            return _from_truth(f"{self.name}:{split}", place, kit)
        return _from_folders(f"{self.name}:{split}", place)

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``."""
        split = "val" if split == "test" else split
        for folder in near(self.name, root):
            for place in (folder / split, *([folder] if split == "sample" else [])):
                if (place / _TABLE).is_file() or (split != "sample" and place.is_dir() and _wnids(place)):
                    return place
                if split == "val" and kit_of(place) is not None and _holds_pictures(place):
                    return place
        return None

    @property
    def remedy(self) -> str:
        """What to do where the set is missing."""
        return (
            "get the pictures from image-net.org, put them as imagenet/train and imagenet/val, one folder a class, "
            "into a folder of data sets and name that as the root"
        )


IMAGENET = ImageNet()


@dataclass(frozen=True)
class Cropped:
    """Files, decoded and cropped when asked for.

    Attributes:
        files: of the pictures.
        resampling: how they are resized before.
    """

    files: tuple[Path, ...]
    resampling: Image.Resampling = Image.Resampling.BILINEAR

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int, /) -> Pixels:
        file = self.files[index]
        with open_picture(file) as picture:
            return planes(_cropped(file, converted(file, picture, "RGB"), self.resampling))

    def whole(self, index: int, /) -> Pixels:
        """All of a picture, in its own size."""
        file = self.files[index]
        with open_picture(file) as picture:
            return planes(converted(file, picture, "RGB"))

    def stamp(self) -> str:
        """SHA-256 (hex) of the files' names and sizes."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(json.dumps([file.parent.name, file.name, file.stat().st_size]).encode())
        return digest.hexdigest()


def _cropped(file: Path, picture: Image.Image, resampling: Image.Resampling) -> Image.Image:
    """Sizes rounded as torchvision does: down for the longer side, to even for the margins."""
    width, height = picture.size
    shorter = min(width, height)
    if max(width, height) > _LONGEST * shorter:
        raise DataError(
            f"{file}: expected a picture at most {_LONGEST} times as long as wide, found {width}x{height}; "
            "replace the file"
        )
    resized = picture.resize((_SHORTER * width // shorter, _SHORTER * height // shorter), resampling)
    left, top = (round((side - SIZE) / 2) for side in resized.size)
    return resized.crop((left, top, left + SIZE, top + SIZE))


def _from_folders(name: str, place: Path) -> DataSet:
    wnids = _wnids(place)
    if len(wnids) != CLASSES:
        raise DataError(
            f"{place}: expected {CLASSES} class folders, found {len(wnids)}: without all of them the labels are "
            f"unknown; make the others too (empty ones will do) or write a {_TABLE}"
        )
    files: list[Path] = []
    labels: list[int] = []
    passed_over: list[str] = []
    for label, wnid in enumerate(wnids):
        shown = [file for file in (place / wnid).iterdir() if not file.name.startswith(".")]
        mine = sorted(file for file in shown if file.suffix.lower() in SUFFIXES)
        passed_over += [f"{wnid}/{file.name}" for file in shown if file.suffix.lower() not in SUFFIXES]
        files += mine
        labels += [label] * len(mine)
    if passed_over:
        log.warning(PASSED_OVER, place, len(passed_over), some(passed_over))
    return DataSet(name, tuple(wnids), (3, SIZE, SIZE), np.array(labels, dtype=np.int64), Cropped(tuple(files)))


def _from_truth(name: str, place: Path, kit: Path) -> DataSet:
    files, labels, wnids, others = labelled_by_truth(place, kit, classes=CLASSES)
    if others:
        log.warning(PASSED_OVER, place, len(others), some(others))
    return DataSet(name, wnids, (3, SIZE, SIZE), np.array(labels, dtype=np.int64), Cropped(tuple(files)))


def _from_table(name: str, place: Path) -> DataSet:
    table = place / _TABLE
    classes = [str(index) for index in range(CLASSES)]
    files: list[Path] = []
    labels: list[int] = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream, strict=True)
            for row in rows:
                label = int(row["index"])
                if not 0 <= label < CLASSES:
                    raise ValueError(f"index {label}, outside [0, {CLASSES})")
                file = place / row["file"]
                if not file.is_file():
                    raise ValueError(f"no file {file}")
                classes[label] = row.get("name") or row.get("wnid") or classes[label]
                files.append(file)
                labels.append(label)
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        header = f" but {', '.join(rows.fieldnames or ())[:200]}" if isinstance(error, KeyError) else ""
        found = f"no column {error}{header}" if header else str(error)[:500]
        raise DataError(
            f"{table}: expected the columns file and index (0..{CLASSES - 1}), found: {found}; mend the table"
        ) from error
    return DataSet(name, tuple(classes), (3, SIZE, SIZE), np.array(labels, dtype=np.int64), Cropped(tuple(files)))


def _holds_pictures(place: Path) -> bool:
    return place.is_dir() and any(entry.suffix.lower() in SUFFIXES for entry in place.iterdir())


def _wnids(place: Path) -> list[str]:
    return sorted(entry.name for entry in place.iterdir() if _WNID.fullmatch(entry.name) and entry.is_dir())
