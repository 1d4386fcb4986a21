"""What every named data set offers, wherever its files come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.data.idx import read_idx

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path


class Source(Protocol):
    """A named data set: it has splits, and loads one of them."""

    @property
    def name(self) -> str:
        """The name a spec gives, such as ``fashion-mnist``."""
        ...

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits it has, such as ("train", "test")."""
        ...

    @property
    def remedy(self) -> str:
        """What to do where the set is missing."""
        ...

    def load(self, split: str, root: Path | None) -> DataSet:
        """The named split, which is one of ``splits``.

        Raises:
            DataError: it is missing or damaged.
        """
        ...


@runtime_checkable
class Located(Source, Protocol):
    """A data set that says where it is without reading it."""

    def where(self, split: str, root: Path | None) -> Path | None:
        """The place that the named split would be loaded from; None where there is none."""
        ...


def from_idx(
    name: str, classes: tuple[str, ...], images: Path | Traversable, labels: Path | Traversable, remedy: str
) -> DataSet:
    """The data set of two IDX files, grey pictures and their labels.

    Raises:
        DataError: a file is missing or damaged, or the two do not belong together.
    """
    pictures = read_idx(images, ndim=3, remedy=remedy)[:, None]
    known = read_idx(labels, ndim=1, remedy=remedy).astype(np.int64)
    return DataSet(name, classes, (1, *pictures.shape[2:]), known, pictures)
