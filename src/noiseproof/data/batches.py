"""The batch files of CIFAR-10 and CIFAR-100, as Python pickles and as plain bytes."""

from __future__ import annotations

import math
import pickle
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.errors import DataError
from noiseproof.pickles import check_pickle

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from noiseproof.types import Pixels

    Batch = tuple[Pixels, NDArray[np.int64]]

_AGAIN = "delete it and get the data set again"
_UNSIGNED_BYTE = ("u1", b"u1")


def read_binary_batch(path: Path, shape: tuple[int, int, int]) -> Batch:
    """The pictures [N, *shape] and the labels [N] of a binary batch.

    Args:
        path: the file.
        shape: (C, H, W) of one picture.

    Raises:
        DataError: the file is missing or no whole number of pictures long.

    Source: www.cs.toronto.edu/~kriz/cifar.html, "Binary version": per picture one byte, the label, then the red,
    the green and the blue plane, each row by row.
    """
    raw = _bytes(path)
    size = 1 + math.prod(shape)
    if not raw or len(raw) % size:
        raise DataError(f"{path}: expected a multiple of {size:,} bytes, found {len(raw):,}; {_AGAIN}")
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(-1, size)
    return rows[:, 1:].reshape(-1, *shape), rows[:, 0].astype(np.int64)


def read_python_batch(path: Path, shape: tuple[int, int, int], labels: str = "labels") -> Batch:
    """The pictures [N, *shape] and the labels [N] of a Python batch.

    The file is a pickle, which could run anything. Here it can name three things only, those the published
    files name: numpy's ``_reconstruct``, ``ndarray`` and ``dtype``. Even these are not called: stand-ins note what
    was asked, and the array is made from that.

    Args:
        path: the file.
        shape: (C, H, W) of one picture.
        labels: the entry that holds the labels; CIFAR-100 has ``fine_labels``.

    Raises:
        DataError: the file is missing or damaged, or its pickle asks for anything else.

    Source: www.cs.toronto.edu/~kriz/cifar.html, "Python version": a dictionary with ``data``, uint8
    [N, 3072], and ``labels``, a list of N numbers.
    """
    raw = _bytes(path)
    try:
        check_pickle(BytesIO(raw), len(raw))
        batch = _Unpickler(BytesIO(raw), encoding="bytes").load()
    except _ForbiddenError as error:
        asked = str(error)[:200]
        raise DataError(f"{path}: expected numbers only, found a pickle that asks for {asked}; {_AGAIN}") from error
    except Exception as error:  # damaged bytes fail in any way
        found = str(error)[:200] or type(error).__name__
        raise DataError(f"{path}: expected a whole pickle, found: {found}; {_AGAIN}") from error
    pictures = _array(_entry(batch, "data"))
    listed = _entry(batch, labels)
    if pictures is None or pictures.ndim != 2 or pictures.shape[1] != math.prod(shape):
        raise DataError(f"{path}: expected `data`, bytes [N, {math.prod(shape)}], found none; {_AGAIN}")
    if not isinstance(listed, list) or not all(type(label) is int and abs(label) < 1 << 63 for label in listed):
        raise DataError(f"{path}: expected `{labels}`, a list of numbers, found none; {_AGAIN}")
    return pictures.reshape(-1, *shape), np.array(listed, dtype=np.int64)


class _ForbiddenError(Exception):
    """The pickle asks for what no batch needs."""


class _Noted:
    """Stands for what the pickle would have called: its arguments and its state, nothing done with them."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = ()

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    ALLOWED = frozenset(
        {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }
    )

    def find_class(self, module: str, name: str, /) -> Any:  # noqa: ANN401 (the base's type)
        if (module, name) not in self.ALLOWED:
            raise _ForbiddenError(f"{module}.{name}")
        return partial(_Noted)  # a fresh object, so that a pickle cannot change the class itself

    def persistent_load(self, pid: object, /) -> Any:  # noqa: ANN401 (the base's type)
        named = f", {pid!r}" if isinstance(pid, str) else ""  # of another kind it may be of any size
        raise _ForbiddenError(f"an object outside the file{named}")


def _entry(batch: object, key: str) -> object:
    """Python 2 wrote the keys as bytes."""
    return batch.get(key.encode(), batch.get(key)) if isinstance(batch, dict) else None


def _array(noted: object) -> Pixels | None:
    """The array of bytes that the pickle describes: (version, shape, dtype, column by column, bytes)."""
    match noted:
        case _Noted(state=(int(), tuple(shape), _Noted(arguments=(kind, *_)), bool(columns), bytes(raw))):
            if (
                kind in _UNSIGNED_BYTE
                and all(type(n) is int and n >= 0 for n in shape)
                and math.prod(shape) == len(raw)
            ):
                return np.frombuffer(raw, dtype=np.uint8).reshape(shape, order="F" if columns else "C")
    return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, found: {error.strerror}; {_AGAIN}") from error
