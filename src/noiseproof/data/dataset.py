"""An indexed set of inputs, mostly 8-bit pictures: what a run certifies and a training loop learns from."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from noiseproof.arguments import integer
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.data.scaling import Scaling
    from noiseproof.noises import Noise
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
    """An indexed set of inputs on a grid, all of one shape, with their labels: 8-bit pictures, if nothing else is said.

    Every array handed out is a fresh, writable copy, so no caller can change the set.

    Attributes:
        name: the canonical spec, which ``load`` accepts again: ``fashion-mnist:test``.
        classes: the names of the classes; a label is an index into them.
        shape: of every input; (C, H, W) of a picture.
        labels: [N], int64.
        pictures: where the pixels come from; ask ``pixels`` or ``images`` instead.
        grid: how many steps [0, 1] has, on which the inputs lie; None where they lie on none.
        scaling: how numbers of other units came to lie in [0, 1], which the norm of a certificate is about; None of
            pictures.

    Raises:
        ValueError: labels are no integers, or an array of pictures is not [N, *shape] of the grid's type.
        DataError: the numbers of pictures and labels differ, a label names no class, or there is no picture.

    >>> pictures = np.array([0, 51, 255], dtype=np.uint8).reshape(3, 1, 1, 1)
    >>> data = DataSet("grey", ("dark", "light"), (1, 1, 1), np.array([0, 0, 1]), pictures)
    >>> x, y = data[1]
    >>> float(x[0, 0, 0]), y
    (0.20000000298023224, 0)
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    labels: NDArray[np.int64]
    pictures: Pictures = field(repr=False)
    grid: int | None = 255
    scaling: Scaling | None = None

    def __post_init__(self) -> None:
        if np.asarray(self.labels).dtype.kind not in "iu":
            raise ValueError(f"labels must be integers, got {np.asarray(self.labels).dtype}")
        if isinstance(self.pictures, np.ndarray):
            _check(self.pictures, self.shape, self.dtype)
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

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what ``pixels`` hands out: uint8, uint16 on a grid finer than 255, float64 on none."""
        return np.dtype("f8" if self.grid is None else "u1" if self.grid <= np.iinfo(np.uint8).max else "u2")

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], int]:
        """The input as x in [0, 1], float32 [*shape], and its label.

        x is the correctly rounded k / grid, so ``round(255 * x)`` is the 8-bit k of a picture again.

        Raises:
            IndexError: see ``pixels``.
            DataError: see ``pixels``.
        """
        return self.pixels(index).astype(np.float32) / np.float32(self.grid or 1), int(self.labels[index])

    def encoded(self, index: int, noise: Noise) -> NDArray[Any]:
        """The input as a noise takes it; see ``Noise.encode``.

        Raises:
            ValueError: the noise lives on another grid.
            IndexError: see ``pixels``.
            DataError: see ``pixels``.
        """
        steps = self.pixels(index)
        if self.grid == 255:
            return noise.encode(steps)
        if noise.grid is not None and noise.grid != self.grid:
            lie = "on no grid" if self.grid is None else f"on the grid of {self.grid} steps"
            raise ValueError(
                f"grid must be {self.grid or 0} (--grid {self.grid or 0}) for {self.name}, whose inputs lie {lie}, "
                f"got {noise.grid}"
            )
        return noise.encode(steps / np.float64(self.grid or 1))

    def pixels(self, index: int) -> NDArray[Any]:
        """The input in steps of its grid: uint8 [C, H, W] of a picture. Off any grid, the float64 input itself.

        Raises:
            IndexError: index is outside [0, N); a negative one never means "from the end": records keep it.
            DataError: the picture's file cannot be read.
        """
        index = operator.index(index)
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}) for {self.name}, got {index}")
        return np.array(self.pictures[index], dtype=self.dtype)

    def images(self) -> NDArray[Any]:
        """All inputs in memory, as ``pixels`` has each: uint8 [N, C, H, W] of pictures, for training.

        Raises:
            DataError: a picture's file cannot be read.
        """
        if isinstance(self.pictures, np.ndarray):
            return np.array(self.pictures, dtype=self.dtype)
        everything = np.empty((len(self), *self.shape), dtype=self.dtype)
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
            least = f"start must be in [0, {len(self)}) for {self.name}, got {start}"
            raise ValueError(least if start < 0 else f"{least}; of --shard I/N, N is {len(self)} at most")
        if limit is not None:
            limit = integer("limit", limit, least=1)
        return list(range(start, len(self), every)[:limit])


def pictures_only(data: DataSet) -> DataSet:
    """The data set, which holds 8-bit pictures.

    Raises:
        DataError: it holds anything else.
    """
    if data.grid != 255 or len(data.shape) != 3:
        lie = "on no grid" if data.grid is None else f"on the grid of {data.grid} steps"
        raise DataError(
            f"{data.name} holds inputs of shape {data.shape} {lie}; what is asked for here takes 8-bit pictures "
            "[C, H, W]"
        )
    return data


def _check(pictures: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if pictures.dtype != dtype or pictures.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"pictures must be {dtype} [N, {expected}], got {pictures.dtype} {list(pictures.shape)}")
