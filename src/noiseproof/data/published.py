"""Public data sets: what one is called, where it may be had, what its files must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from noiseproof.data.places import find, lacking, roots
from noiseproof.data.source import Source, from_idx
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
class Downloadable(Source, Protocol):
    """A data set with a public address."""

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


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What data sets have in common that ``noiseproof data get`` fetches.

    Attributes:
        name: the name a spec gives.
        addresses: base addresses that serve the files, each ending in "/", the preferred one first.
        remedies: what helps besides downloading, as it reads after "or".
    """

    name: str
    addresses: tuple[str, ...]
    remedies: tuple[str, ...] = ()

    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    @property
    def remedy(self) -> str:
        """What to do where the set is missing."""
        return ", or ".join((f"run `noiseproof data get {self.name}`", *self.remedies))

    @property
    def again(self) -> str:
        """What to do where one of its files is damaged."""
        return f"delete it and run `noiseproof data get {self.name}`"

    def unpack(self, folder: Path) -> None:
        """Nothing: the files are read as they are."""


@dataclass(frozen=True, kw_only=True)
class Published(Fetched):
    """A public data set of IDX files: grey pictures and labels, one pair of gzipped IDX files a split.

    Attributes:
        classes: the names of the classes.
        torchvision: the folder in which torchvision keeps them, below a folder of data sets.
        train: the pictures and the labels of the training split.
        test: the pictures and the labels of the test split.
    """

    classes: tuple[str, ...]
    torchvision: str = ""
    train: tuple[PublishedFile, PublishedFile]
    test: tuple[PublishedFile, PublishedFile]

    @property
    def files(self) -> tuple[PublishedFile, ...]:
        """The four files."""
        return (*self.train, *self.test)

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split, from the first of the places that has both its files.

        Raises:
            DataError: no place has them, or they are damaged.
        """
        found = self._pair(split, root)
        if found is None:
            folders = self._folders(root)
            looked = ", ".join(map(str, folders)) + lacking(self._names(split), folders)
            raise DataError(f"no {self.name}:{split} in {looked}; {self.remedy}")
        images, labels = found
        return from_idx(f"{self.name}:{split}", self.classes, images, labels, self.again)

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``."""
        found = self._pair(split, root)
        return None if found is None else found[0].parent

    def _pair(self, split: str, root: Path | None) -> list[Path] | None:
        """Pictures and labels of a split."""
        return find(self._names(split), self._folders(root))

    def _folders(self, root: Path | None) -> list[Path]:
        names = [name for name in (self.name, self.torchvision) if name]
        return [each / name for each in roots(root) for name in names]

    def _names(self, split: str) -> list[str]:
        return [file.name for file in (self.train if split == "train" else self.test)]
