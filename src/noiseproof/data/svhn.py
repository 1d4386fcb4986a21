"""SVHN (Netzer et al. 2011): 32 x 32 colour pictures of house numbers, cropped to one digit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.data.matlab import read_arrays
from noiseproof.data.places import near, roots
from noiseproof.data.published import Fetched, PublishedFile
from noiseproof.errors import DataError

_SHAPE = (3, 32, 32)


@dataclass(frozen=True, kw_only=True)
class SVHN(Fetched):
    """SVHN's cropped digits, from its MATLAB files.

    Attributes:
        train: the file of the training split.
        test: the file of the test split.
    """

    train: PublishedFile
    test: PublishedFile

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """The two files."""
        return (self.train, self.test)

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split, its file from ROOT/svhn or ROOT, for every folder ROOT of data sets.

        Raises:
            DataError: no place has it, or it is damaged.
        """
        folder = self.where(split, root)
        if folder is None:
            looked = ", ".join(map(str, roots(root)))
            raise DataError(f"no {self.name}:{split} in {looked}; {self.remedy}")
        return self._read(split, folder / self._file(split).name)

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``."""
        return next((each for each in near(self.name, root) if (each / self._file(split).name).is_file()), None)

    def _file(self, split: str) -> PublishedFile:
        return self.train if split == "train" else self.test

    def _read(self, split: str, path: Path) -> DataSet:
        try:
            stored = read_arrays(path.read_bytes(), ("X", "y"))
        except (ValueError, OSError) as error:
            raise DataError(f"{path}: expected a whole MATLAB file, found: {error}; {self.again}") from error
        pictures, labels = stored.get("X"), stored.get("y")
        if pictures is None or pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[:3] != (32, 32, 3):
            raise DataError(f"{path}: expected `X`, uint8 [32, 32, 3, N], found none; {self.again}")
        if labels is None or labels.dtype.kind not in "iu":
            raise DataError(f"{path}: expected `y`, integers [N, 1], found none; {self.again}")
        if labels.size and not 1 <= labels.min() <= labels.max() <= 10:
            raise DataError(f"{path}: expected labels in [1, 10], found {labels.min()} to {labels.max()}; {self.again}")
        digits = labels.ravel().astype(np.int64) % 10  # the files write the digit 0 as 10
        arranged = np.ascontiguousarray(pictures.transpose(3, 2, 0, 1))
        return DataSet(f"{self.name}:{split}", tuple("0123456789"), _SHAPE, digits, arranged)


SVHN_CROPPED = SVHN(
    name="svhn",
    # Address, sizes and SHA-256 sums: tensorflow_datasets/url_checksums/svhn_cropped.txt.
    train=PublishedFile(
        "train_32x32.mat", 182_040_794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"
    ),
    test=PublishedFile(
        "test_32x32.mat", 64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"
    ),
    addresses=("http://ufldl.stanford.edu/housenumbers/",),
    remedies=("put train_32x32.mat and test_32x32.mat into one of these folders",),
)
