"""Twenty ImageNet pictures that come with the package foolbox, cut to 224 x 224."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from noiseproof.data.dataset import DataSet
from noiseproof.data.imagenet import CLASSES, SIZE, Cropped
from noiseproof.data.imagenet_names import imagenet_names
from noiseproof.errors import DataError

_FILE = re.compile(r"imagenet_(\d+)_(\d+)\.jpg")  # number of the picture, label


@dataclass(frozen=True)
class FoolboxImageNet:
    """The ImageNet pictures of foolbox, with all 1000 classes; the package is not imported.

    A picture is resized so that its shorter side is 256 (bicubic, antialiased) and cropped to the central 224 x 224,
    as EfficientNet's pictures are; the result is rounded to 8 bits, and is what noise is added to. The classes have
    their names where ``imagenet_names`` finds them, else their numbers.

    Attributes:
        name: the name a spec gives.
        count: how many pictures there must be.
    """

    name: str = "foolbox-imagenet"
    count: int = 20

    splits: ClassVar[tuple[str, ...]] = ("test",)

    @property
    def remedy(self) -> str:
        """What to do where the package is missing."""
        return "pip install foolbox"

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``."""
        found = find_spec("foolbox")  # finds a package of the top level without importing it
        folders = found.submodule_search_locations if found is not None else None
        return Path(folders[0]) / "data" if folders else None

    def load(self, split: str, root: Path | None) -> DataSet:
        """The pictures in the order of their numbers; ``root`` changes nothing.

        Raises:
            DataError: the package is not installed, or its pictures are not as known.
        """
        folder = self.where(split, root)
        if folder is None:
            raise DataError(
                f"{self.name}:{split} comes with the package foolbox, which is not installed; {self.remedy}"
            )
        numbered = sorted(
            (int(match[1]), int(match[2]), file)
            for file in (folder.iterdir() if folder.is_dir() else ())
            if (match := _FILE.fullmatch(file.name))
        )
        if [number for number, _, _ in numbered] != list(range(self.count)):
            raise DataError(
                f"{folder}: expected imagenet_00_LABEL.jpg to imagenet_{self.count - 1}_LABEL.jpg, found "
                f"{len(numbered)} such files; {self.remedy}==3.3.4"
            )
        labels = np.array([label for _, label, _ in numbered], dtype=np.int64)
        pictures = Cropped(tuple(file for _, _, file in numbered), Image.Resampling.BICUBIC)
        names = imagenet_names() or tuple(map(str, range(CLASSES)))
        return DataSet(f"{self.name}:{split}", names, (3, SIZE, SIZE), labels, pictures)


FOOLBOX_IMAGENET = FoolboxImageNet()
