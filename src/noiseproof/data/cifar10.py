"""CIFAR-10 (Krizhevsky 2009): 32 x 32 colour pictures of ten kinds of things."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.data.batches import read_binary_batch, read_python_batch
from noiseproof.data.dataset import DataSet
from noiseproof.data.places import lacking, near, roots
from noiseproof.data.published import Fetched, PublishedFile
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from noiseproof.data.batches import Batch

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The ten classes in the official order, from the file batches.meta of the data set."""

SHAPE = (3, 32, 32)
"""Of every picture: colours, rows, columns."""


@dataclass(frozen=True, kw_only=True)
class CIFAR(Fetched):
    """CIFAR-10 or CIFAR-100, from batches: where there are several kinds, these hold the same pictures in one order.

    Attributes:
        files: the archive of the Python batches.
        classes: the names of the classes.
        batches: the files of each split.
        kinds: the folder of a kind of batches, how its files end, and what reads one.
    """

    files: tuple[PublishedFile, ...]
    classes: tuple[str, ...]
    batches: Mapping[str, tuple[str, ...]]
    kinds: tuple[tuple[str, str, Callable[[Path, tuple[int, int, int]], Batch]], ...]

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split, in the published order.

        Every folder ROOT of data sets is asked for the folder of each kind (cifar-10-batches-py,
        cifar-10-batches-bin) in ROOT/cifar10 and in ROOT, and for the batches themselves in those two.

        Raises:
            DataError: no place has it, or a batch is damaged.
        """
        found = self._batches(split, root)
        if found is None:
            looked = ", ".join(map(str, roots(root)))
            for below, suffix, _ in self.kinds:
                tried = [place for folder in near(self.name, root) for place in (folder / below, folder)]
                looked += lacking([f"{batch}{suffix}" for batch in self.batches[split]], tried)
            raise DataError(f"no {self.name}:{split} in {looked}; {self.remedy}")
        files, read = found
        pictures, labels = zip(*(read(file, SHAPE) for file in files), strict=True)
        return DataSet(f"{self.name}:{split}", self.classes, SHAPE, np.concatenate(labels), np.concatenate(pictures))

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``."""
        found = self._batches(split, root)
        return None if found is None else found[0][0].parent

    def _batches(
        self, split: str, root: Path | None
    ) -> tuple[list[Path], Callable[[Path, tuple[int, int, int]], Batch]] | None:
        """The files of a split, and what reads them."""
        for folder in near(self.name, root):
            for below, suffix, read in self.kinds:
                for place in (folder / below, folder):
                    files = [place / f"{batch}{suffix}" for batch in self.batches[split]]
                    if all(file.is_file() for file in files):
                        return files, read
        return None

    def unpack(self, folder: Path) -> None:
        """Unpacks the archive beside itself; no member of it is written outside the folder.

        Raises:
            DataError: the archive is no whole tar.gz, or holds what leads out of the folder.
            OSError: the folder cannot be written.
        """
        for file in self.files:
            try:
                with tarfile.open(folder / file.name) as archive:
                    archive.extractall(folder, filter="data")
            except (tarfile.TarError, EOFError) as error:
                raise DataError(f"{folder / file.name}: cannot be unpacked: {error}; get it again") from error


CIFAR10_BATCHES = CIFAR(
    name="cifar10",
    classes=CLASSES,
    batches={"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)},
    kinds=(("cifar-10-batches-py", "", read_python_batch), ("cifar-10-batches-bin", ".bin", read_binary_batch)),
    # The address and the MD5 sum c58f30108f718f92721af3b95e74349a: www.cs.toronto.edu/~kriz/cifar.html and
    # torchvision/datasets/cifar.py. The SHA-256 sum of the same archive: keras/datasets/cifar10.py.
    files=(
        PublishedFile(
            "cifar-10-python.tar.gz", 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
        ),
    ),
    addresses=("https://www.cs.toronto.edu/~kriz/",),
    remedies=("put cifar-10-batches-py or cifar-10-batches-bin into one of these folders",),
)
