"""One picture file as pixels, whatever it is stored in."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from noiseproof.errors import DataError, one_line

if TYPE_CHECKING:
    from pathlib import Path

    from noiseproof.types import Pixels


FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""What is read, whatever a file is called: some of pillow's other readers start programs (EPS: Ghostscript)."""


def open_picture(file: Path | str, stream: BinaryIO | None = None) -> Image.Image:
    """The picture, its head read and its pixels not yet.

    Args:
        file: the path; only a name for the errors where there is a stream.
        stream: the bytes of the picture, where it is no file of its own.

    Raises:
        DataError: it is no picture.
    """
    try:
        return Image.open(file if stream is None else stream, formats=FORMATS)
    except Exception as error:  # pillow's readers fail in many ways on damaged bytes
        found = "no picture" if isinstance(error, UnidentifiedImageError) else one_line(error)
        raise DataError(f"{file}: expected a picture, found {found}; replace or remove the file") from error


def mode_of(file: Path | str, picture: Image.Image) -> str:
    """How its pixels are read: ``L`` for grey and 1-bit pictures, ``RGB`` for all others.

    Raises:
        DataError: it has transparency or more than 8 bits.
    """
    if picture.mode in ("1", "L"):
        return "L"
    if picture.mode in ("RGB", "P", "CMYK", "YCbCr") and "transparency" not in picture.info:
        return "RGB"
    found = "transparency" if "transparency" in picture.info else f"mode {picture.mode}"
    raise DataError(f"{file}: expected 8-bit grey or RGB without transparency, found {found}; convert the file")


def converted(file: Path | str, picture: Image.Image, mode: str) -> Image.Image:
    """The picture decoded, and its pixels turned into those of the mode.

    Raises:
        DataError: its data is damaged.
    """
    try:
        return picture.convert(mode)
    except Exception as error:  # as above
        raise DataError(f"{file}: expected a whole picture, found: {one_line(error)}; replace the file") from error


def planes(picture: Image.Image) -> Pixels:
    """The pixels of a grey or RGB picture as uint8 [C, H, W]."""
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
