"""Public data sets: what one is called, where it may be had, what its files must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from noiseproof.data.places import find, places
from noiseproof.data.source import from_idx
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from noiseproof.data.dataset import DataSet


@dataclass(frozen=True)
class PublishedFile:
    """A file of a public data set.

    Attributes:
        name: the file name, below each of the set's addresses.
        size: bytes, as published.
        sha256: of the file as published, hexadecimal.
    """

    name: str
    size: int
    sha256: str


@runtime_checkable
class Downloadable(Protocol):
    """A data set with a public address."""

    @property
    def name(self) -> str:
        """The name a spec gives."""
        ...

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """Every file to download."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Base addresses that serve the files, each ending in "/", the preferred one first."""
        ...

    @property
    def remedies(self) -> tuple[str, ...]:
        """What helps besides downloading, as it reads after "or"."""
        ...

    def unpack(self, folder: Path) -> None:
        """Makes what ``load`` reads out of the files, which lie in the folder and are the published ones.

        Raises:
            OSError: the folder cannot be written.
        """
        ...


@dataclass(frozen=True)
class Published:
    """A public data set of IDX files: grey pictures and labels, one pair of gzipped IDX files a split.

    Attributes:
        name: the name a spec gives.
        classes: the names of the classes.
        train: the pictures and the labels of the training split.
        test: the pictures and the labels of the test split.
        addresses: base addresses that serve the files, each ending in "/", the preferred one first.
        remedies: what helps besides downloading, as it reads after "or".
    """

    name: str
    classes: tuple[str, ...]
    train: tuple[PublishedFile, PublishedFile]
    test: tuple[PublishedFile, PublishedFile]
    addresses: tuple[str, ...]
    remedies: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The two splits."""
        return ("train", "test")

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """The four files."""
        return (*self.train, *self.test)

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split, from the first of the places that has both its files.

        Raises:
            DataError: no place has them, or they are damaged.
        """
        folders = places(self.name, root)
        pair = self.train if split == "train" else self.test
        found = find([file.name for file in pair], folders)
        if found is None:
            looked = ", ".join(map(str, folders))
            raise DataError(f"no {self.name}:{split} in {looked}; {self.remedy}")
        images, labels = found
        again = f"delete it and run `noiseproof data get {self.name}`"
        return from_idx(f"{self.name}:{split}", self.classes, images, labels, again)

    def unpack(self, folder: Path) -> None:
        """Nothing: gzipped files are read as they are."""

    @property
    def remedy(self) -> str:
        """What to do where the set is missing."""
        return ", or ".join((f"run `noiseproof data get {self.name}`", *self.remedies))
