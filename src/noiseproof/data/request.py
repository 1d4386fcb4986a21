"""The picture of a request to the service: a data set of one, without a label, kept beside its counts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.errors import DataError
from noiseproof.store.manifest import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from noiseproof.types import Pixels

REQUEST = "request"
"""What a run calls its data where they are the one picture of a request: it lies in the run folder itself."""
FILE = "input.npy"


def request_data(pixels: Pixels, classes: int) -> DataSet:
    """One picture whose class nobody said; the label 0 that a data set must have means nothing, and no record has it.

    Args:
        pixels: uint8 [C, H, W].
        classes: how many there are; they are called by their numbers.
    """
    _, height, width = shape = pixels.shape
    return DataSet(REQUEST, tuple(map(str, range(classes))), (shape[0], height, width), np.zeros(1, int), pixels[None])


def keep(folder: Path, pixels: Pixels) -> None:
    """Put the picture of a request into its run folder.

    Raises:
        RunError: the folder cannot be written.
    """
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    write_bytes(folder / FILE, file.getvalue())


def kept(folder: Path, classes: int) -> DataSet:
    """The picture of a request, from its run folder.

    Raises:
        DataError: it is not there, or no picture.
    """
    try:
        pixels = np.load(folder / FILE, allow_pickle=False)
        if pixels.ndim == 3 and pixels.size:
            return request_data(pixels, classes)
    except (OSError, ValueError, EOFError):
        pass
    raise DataError(f"{folder / FILE}: expected the picture of the request, uint8 [C, H, W]; its counts stand alone")
