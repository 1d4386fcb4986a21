"""The IDX format of MNIST and its kin: a magic number, the sizes, then the bytes."""

from __future__ import annotations

import gzip
import io
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
_RATIO = 1100
"""Deflate makes nothing smaller than to 1/1032."""


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
    head = 4 + 4 * ndim
    raw = _unpacked(path, head, remedy)
    magic = bytes([0, 0, _UNSIGNED_BYTE, ndim])
    if raw[:4] != magic:
        found = f"0x{raw[:4].hex()}" if raw else "nothing"
        raise DataError(f"{path}: expected the IDX magic number 0x{magic.hex()}, found {found}; {remedy}")
    if len(raw) < head:
        raise DataError(f"{path}: expected an IDX head of {head} bytes, found {len(raw)}; {remedy}")
    sizes = _sizes(raw[:head])
    shape = " x ".join(map(str, sizes))
    if len(raw) - head != math.prod(sizes):
        raise DataError(
            f"{path}: expected {math.prod(sizes):,} bytes of data ({shape}), found {len(raw) - head:,}; {remedy}"
        )
    if len(raw) == head:
        raise DataError(f"{path}: expected some data, found a file of {shape} bytes; {remedy}")
    return np.frombuffer(raw, dtype=np.uint8, offset=head).reshape(sizes)


def _sizes(head: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{(len(head) - 4) // 4}I", head[4:])


def _unpacked(path: Path | Traversable, head: int, remedy: str) -> bytes:
    """The file's bytes; of a gzip stream at most one more than its head says, whatever it would unpack to."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, found: {error.strerror}; {remedy}") from error
    if not raw.startswith(_GZIP_MAGIC):
        return raw
    try:
        with gzip.open(io.BytesIO(raw)) as stream:
            first = stream.read(head)
            said = math.prod(_sizes(first)) if len(first) == head else 0
            if said > _RATIO * len(raw):
                raise DataError(
                    f"{path}: expected {said:,} bytes of data, found a gzip stream of {len(raw):,}, which cannot hold "
                    f"them; {remedy}"
                )
            return first + stream.read(said + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error, struct.error) as error:
        raise DataError(
            f"{path}: expected a whole gzip stream, found {len(raw):,} bytes that do not unpack "
            f"({_one_line(error)}); {remedy}"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
