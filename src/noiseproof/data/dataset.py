"""An indexed set of 8-bit pictures: what a run certifies and a training loop learns from."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from noiseproof.arguments import integer
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.types import Pixels


class Pictures(Protocol):
    """Where the pixels come from: an array [N, C, H, W] in memory, or files decoded when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...  # noqa: ANN401 - numpy types its own rows as Any


@runtime_checkable
class WholePictures(Protocol):
    """Pictures that are cut out of larger ones, which training may cut otherwise."""

    def whole(self, index: int, /) -> Pixels:
        """All of a picture: uint8 [C, its height, its width]."""

    def stamp(self) -> str:
        """SHA-256 (hex) of the files' names and sizes: what is known of them without decoding any."""


@runtime_checkable
class SomeUnreadable(Protocol):
    """Pictures of which some are known to be unreadable before any is asked for."""

    unreadable: dict[int, str]
    """Why, of each of these."""


@dataclass(frozen=True, eq=False)
class DataSet:
    """An indexed set of 8-bit pictures, all of one shape, with their labels.

    Every array handed out is a fresh, writable copy, so no caller can change the set.

    Attributes:
        name: the canonical spec, which ``load`` accepts again: ``fashion-mnist:test``.
        classes: the names of the classes; a label is an index into them.
        shape: (C, H, W) of every picture.
        labels: [N], int64.
        pictures: where the pixels come from; ask ``pixels`` or ``images`` instead.

    Raises:
        ValueError: labels are no integers, or an array of pictures is not uint8 [N, *shape].
        DataError: the numbers of pictures and labels differ, a label names no class, or there is no picture.

    >>> pictures = np.array([0, 51, 255], dtype=np.uint8).reshape(3, 1, 1, 1)
    >>> data = DataSet("grey", ("dark", "light"), (1, 1, 1), np.array([0, 0, 1]), pictures)
    >>> x, y = data[1]
    >>> float(x[0, 0, 0]), y
    (0.20000000298023224, 0)
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    labels: NDArray[np.int64]
    pictures: Pictures = field(repr=False)

    def __post_init__(self) -> None:
        if np.asarray(self.labels).dtype.kind not in "iu":
            raise ValueError(f"labels must be integers, got {np.asarray(self.labels).dtype}")
        if isinstance(self.pictures, np.ndarray):
            _check(self.pictures, self.shape)
        labels = np.array(self.labels, dtype=np.int64)
        object.__setattr__(self, "labels", labels)
        if labels.ndim != 1 or len(labels) != len(self.pictures):
            raise DataError(
                f"{self.name}: expected one label a picture, found {len(self.pictures)} pictures "
                f"and labels of shape {labels.shape}; get the data set again"
            )
        if len(labels) == 0:
            raise DataError(f"{self.name} holds no picture; give a data set with at least one")
        if labels.min() < 0 or labels.max() >= len(self.classes):
            wrong = int(np.flatnonzero((labels < 0) | (labels >= len(self.classes)))[0])
            raise DataError(
                f"{self.name}: expected labels in [0, {len(self.classes)}), found {labels[wrong]} "
                f"at index {wrong}; get the data set again"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], int]:
        """The picture as x in [0, 1], float32 [C, H, W], and its label.

        x is the correctly rounded k / 255, so ``round(255 * x)`` is the 8-bit k again.

        Raises:
            IndexError: see ``pixels``.
            DataError: see ``pixels``.
        """
        return self.pixels(index).astype(np.float32) / np.float32(255), int(self.labels[index])

    def pixels(self, index: int) -> Pixels:
        """The picture on its 8-bit grid: uint8 [C, H, W].

        Raises:
            IndexError: index is outside [0, N); a negative one never means "from the end": records keep it.
            DataError: the picture's file cannot be read.
        """
        index = operator.index(index)
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}) for {self.name}, got {index}")
        return np.array(self.pictures[index], dtype=np.uint8)

    def images(self) -> Pixels:
        """All pictures in memory: uint8 [N, C, H, W], for training.

        Raises:
            DataError: a picture's file cannot be read.
        """
        if isinstance(self.pictures, np.ndarray):
            return np.array(self.pictures, dtype=np.uint8)
        everything = np.empty((len(self), *self.shape), dtype=np.uint8)
        for index in range(len(self)):
            everything[index] = self.pictures[index]
        return everything

    def select(self, *, every: int = 1, start: int = 0, limit: int | None = None) -> list[int]:
        """The indices start, start + every, ...: at most ``limit`` of them, not up to index ``limit``.

        Args:
            every: the step, >= 1; ``every=20`` is the published protocol on a test set of 10,000.
            start: the first index, in [0, N).
            limit: how many inputs at most, >= 1; None takes all.

        Raises:
            ValueError: an argument is out of range.

        >>> data = DataSet("grey", ("any",), (1, 1, 1), np.zeros(9, int), np.zeros((9, 1, 1, 1), np.uint8))
        >>> data.select(every=2, limit=3)
        [0, 2, 4]
        """
        every, start = integer("every", every, least=1), integer("start", start)
        if not 0 <= start < len(self):
            raise ValueError(f"start must be in [0, {len(self)}) for {self.name}, got {start}")
        if limit is not None:
            limit = integer("limit", limit, least=1)
        return list(range(start, len(self), every)[:limit])


def _check(pictures: NDArray[Any], shape: tuple[int, int, int]) -> None:
    if pictures.dtype != np.uint8 or pictures.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"pictures must be uint8 [N, {expected}], got {pictures.dtype} {list(pictures.shape)}")
