"""One picture file as pixels, whatever it is stored in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from noiseproof.errors import DataError, one_line

if TYPE_CHECKING:
    from pathlib import Path

    from noiseproof.data.form import Wanted
    from noiseproof.types import Pixels


FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP")
"""What is read, whatever a file is called: some of pillow's other readers start programs (EPS: Ghostscript)."""
SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".tif"}
    | {".tiff", ".webp"}
)
"""How files of these formats are called."""
_DEEP = re.compile(r";16[BLN]")
"""In what pillow calls the layout of stored pixels: two bytes a channel, of which it would keep one."""


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
        DataError: it has transparency, more than 8 bits or several frames, which would be lost.
    """
    if _transparent(picture):
        found = "transparency" if "transparency" in picture.info else f"mode {picture.mode}"
        raise DataError(_refused(file, found))
    _check_depth(file, picture)
    return "L" if picture.mode in ("1", "L") else "RGB"


def converted(file: Path | str, picture: Image.Image, mode: str) -> Image.Image:
    """The picture decoded, and its pixels turned into those of the mode; a fully opaque transparency is left out.

    Raises:
        DataError: its data is damaged, or something would be lost: transparency, bits, frames.
    """
    _check_depth(file, picture)
    try:
        alpha = picture.convert("RGBA").getchannel("A").getextrema() if _transparent(picture) else (255, 255)
        made = picture.convert(mode)
    except Exception as error:  # as above
        raise DataError(f"{file}: expected a whole picture, found: {one_line(error)}; replace the file") from error
    if alpha != (255, 255):
        raise DataError(_refused(file, "transparency"))
    return made


def _transparent(picture: Image.Image) -> bool:
    return "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "La", "RGBa")


def _check_depth(file: Path | str, picture: Image.Image) -> None:
    """Refuse what an 8-bit picture cannot hold; pillow would drop the low byte, or all frames but the first."""
    stored: list[Any] = getattr(picture, "tile", [])  # (decoder, place, offset, how the pixels are stored)
    deep = any(
        (isinstance(part, str) and _DEEP.search(part)) or (str(tile[0]).startswith("ppm") and _above_8_bits(part))
        for tile in stored
        for part in (tile[3] if isinstance(tile[3], tuple) else (tile[3],))
    )
    if deep and picture.mode in ("RGB", "RGBA", "RGBX", "CMYK", "LA"):
        raise DataError(_refused(file, "16 bits a channel"))
    if picture.mode not in ("1", "L", "P", "RGB", "CMYK", "YCbCr", "RGBA", "LA", "PA"):
        raise DataError(_refused(file, f"mode {picture.mode}"))
    if picture.format not in ("JPEG", "MPO") and getattr(picture, "is_animated", False):
        raise DataError(_refused(file, f"{getattr(picture, 'n_frames', 2)} frames"))


def _above_8_bits(maximum: object) -> bool:
    return isinstance(maximum, int) and maximum > 255


def _refused(file: Path | str, found: str) -> str:
    return f"{file}: expected 8-bit grey or RGB without transparency, found {found}; convert the file"


def planes(picture: Image.Image) -> Pixels:
    """The pixels of a grey or RGB picture as uint8 [C, H, W]."""
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def size_of(asked: Wanted) -> tuple[int, int] | None:
    """Height and width that a spec brings its pictures to: ``resize=WxH``, or ``resize=S`` for a square.

    Raises:
        ValueError: it is no size.
    """
    text = asked.settings.get("resize")
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", text)
    if match is None:
        raise ValueError(f"resize must be a size in pixels, as 32x32 (wide x high) or 32, got {text!r}")
    return int(match[2] or match[1]), int(match[1])


def resized(picture: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """The picture cut at its centre to the proportions of a size, then resized to it (bilinear, antialiased).

    The result is rounded to 8 bits: it, and not the file, is what noise is added to and a certificate is about.

    Args:
        picture: grey or RGB.
        size: height and width; None leaves the picture as it is.
    """
    return picture if size is None else ImageOps.fit(picture, size[::-1], Image.Resampling.BILINEAR)


def shape_of(file: Path | str, picture: Image.Image, size: tuple[int, int] | None) -> tuple[int, int, int]:
    """(C, H, W) of a picture whose head was read, once it has this height and width.

    Raises:
        DataError: see ``mode_of``.
    """
    return (1 if mode_of(file, picture) == "L" else 3, *(size or (picture.height, picture.width)))


def odd_one(
    asked: Wanted, first: object, shape: tuple[int, int, int], other: object, found: tuple[int, int, int]
) -> str:
    """What is said of two pictures that are not of one shape, by name; of two sizes, the spec that gives them one."""
    head, wide = f"{other}: expected {words(shape)} as {first} is, found {words(found)}", f"{shape[2]}x{shape[1]}"
    if shape[0] != found[0]:
        return f"{head}; make all pictures grey, or all RGB"
    return f"{head}; make all pictures one shape, or let the data set be of resized ones: {asked.setting(resize=wide)}"


def words(shape: tuple[int, ...]) -> str:
    """A shape (C, H, W) as one says it: 32x32 RGB."""
    channels, height, width = shape
    return f"{width}x{height} {'grey' if channels == 1 else 'RGB'}"
