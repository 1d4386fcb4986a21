"""A data set whose files ship inside the package: nothing to download, nothing to look for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from noiseproof.data.source import from_idx

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from noiseproof.data.dataset import DataSet


@dataclass(frozen=True)
class Shipped:
    """A data set inside the package: four gzipped IDX files and the licence they come under.

    Attributes:
        name: the name a spec gives.
        folder: the folder below ``noiseproof/data``.
        classes: the names of the classes.
    """

    name: str
    folder: str
    classes: tuple[str, ...]

    splits: ClassVar[tuple[str, ...]] = ("train", "test")

    @property
    def license(self) -> str:
        """The text of the licence its files come under."""
        return self._file("LICENSE").read_text(encoding="utf-8")

    def load(self, split: str, root: Path | None = None) -> DataSet:
        """The named split; ``root`` changes nothing.

        Raises:
            DataError: the installation is damaged.
        """
        images, labels = (self._file(f"{split}-{kind}.gz") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))
        return from_idx(f"{self.name}:{split}", self.classes, images, labels, self.remedy)

    def where(self, split: str, root: Path | None) -> Path | None:
        """See ``Located``."""
        return Path(str(self._file("LICENSE"))).parent

    @property
    def remedy(self) -> str:
        """What to do where its files are damaged."""
        return "reinstall noiseproof"

    def _file(self, name: str) -> Traversable:
        return resources.files("noiseproof.data").joinpath(self.folder, name)
