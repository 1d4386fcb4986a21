"""The IDX format of MNIST and its kin: a magic number, the sizes, then the bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.errors import DataError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from noiseproof.types import Pixels

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08


def read_idx(path: Path | Traversable, *, ndim: int, remedy: str = "get it again") -> Pixels:
    """The array of an IDX file of unsigned bytes, read-only; gzipped or plain, told by its first bytes.

    Args:
        path: the file.
        ndim: how many dimensions it must have: 3 for pictures [N, H, W], 1 for labels [N].
        remedy: what the errors advise.

    Raises:
        DataError: the file is missing, truncated, damaged or of another kind; the text names the file,
            what was expected and what was found.

    Source: "The IDX file format" on the MNIST page (LeCun, Cortes, Burges): two zero bytes, the element type
    (0x08 = unsigned byte), the number of dimensions, each size as a big-endian 32-bit integer, the elements.
    """
    raw = _unpacked(path, remedy)
    head = 4 + 4 * ndim
    magic = bytes([0, 0, _UNSIGNED_BYTE, ndim])
    if raw[:4] != magic:
        found = f"0x{raw[:4].hex()}" if raw else "nothing"
        raise DataError(f"{path}: expected the IDX magic number 0x{magic.hex()}, found {found}; {remedy}")
    if len(raw) < head:
        raise DataError(f"{path}: expected an IDX head of {head} bytes, found {len(raw)}; {remedy}")
    sizes = struct.unpack(f">{ndim}I", raw[4:head])
    if len(raw) - head != math.prod(sizes):
        shape = " x ".join(map(str, sizes))
        raise DataError(
            f"{path}: expected {math.prod(sizes):,} bytes of data ({shape}), found {len(raw) - head:,}; {remedy}"
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=head).reshape(sizes)


def _unpacked(path: Path | Traversable, remedy: str) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, found: {error.strerror}; {remedy}") from error
    if not raw.startswith(_GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise DataError(
            f"{path}: expected a whole gzip stream, found {len(raw):,} bytes that do not unpack "
            f"({_one_line(error)}); {remedy}"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
