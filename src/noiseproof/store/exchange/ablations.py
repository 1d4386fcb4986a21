"""The files of a smoothed vision transformer: for each input the class of each ablated picture; read without torch."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from noiseproof.errors import DataError
from noiseproof.pickles import check_pickle

PATCH = "patch width in pixels"
"""What the certificates are measured in: any change within one square patch of this width, wherever it lies."""

MODES = {"col": 1, "row": 1, "both": 2, "block": 0}
"""How many axes the picture was ablated along, one by one; 0 for blocks, along both at once."""

_KINDS = {"LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1"}


@dataclass(frozen=True)
class AblatedRow:
    """One input.

    Attributes:
        label: the true class.
        classes: of each ablated picture, int64 ``[n]``.
        mode: a key of ``MODES``.
        size: width in pixels of what an ablated picture shows.
    """

    label: int
    classes: np.ndarray[Any, np.dtype[np.int64]]
    mode: str
    size: int


def patch_width(row: AblatedRow, stride: int) -> tuple[int, int]:
    """The class that most ablated pictures have, and the width of the widest patch that cannot change it; 0 for none.

    A patch of width m touches at most k of the pictures that start every ``stride`` pixels along an axis, round the
    edge: k = m + s - 1 for stride 1. For a larger stride the last step round the edge may be shorter than the others
    (224 pixels in steps of 10), so one more is counted than fits otherwise; the published code forgets that one.
    Each touched picture can take a vote from the class and give it to another.

    Source: Levine & Feizi 2020, theorem 1; Salman, Jain, Wong, Madry 2022, section 2.

    >>> sure = AblatedRow(0, np.zeros(32, dtype=np.int64), "col", 4)
    >>> patch_width(sure, 1)
    (0, 12)
    """
    votes = np.sort(np.bincount(row.classes))[::-1]
    margin = int(votes[0] - (votes[1] if votes.size > 1 else 0))
    width, axes = 0, MODES[row.mode]
    while True:
        span = width + 1 + row.size - 1
        along = span if stride == 1 else (span - 2) // stride + 2
        touched = min(along * axes or along**2, len(row.classes))
        if margin < 2 * touched + 1 or width >= len(row.classes) * stride:
            return int(np.bincount(row.classes).argmax()), width
        width += 1


def read_ablations(path: Path) -> tuple[AblatedRow, ...]:
    """The rows of one file, or of a folder's ``*_b0.pth``, ``*_b1.pth``, ... in the order of their numbers.

    Raises:
        DataError: there is none, one is no such file, or files of several settings lie in the folder.

    Source: what ``certify`` of github.com/MadryLab/smoothed-vit saves.
    """
    files = sorted(path.glob("*_b*.pth"), key=_number) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no file such as m5_s4_b0.pth")
    rows = [row for file in files for row in _rows(file)]
    if not rows:
        raise DataError(f"{path} has no rows")
    if len({(row.mode, row.size, len(row.classes)) for row in rows}) > 1:
        raise DataError(f"{path} holds files of several settings; give a folder of one, or one file")
    return tuple(rows)


def _number(file: Path) -> tuple[int, str]:
    number = file.stem.rpartition("_b")[2]
    return (int(number) if number.isdecimal() else -1, file.name)


def _rows(file: Path) -> list[AblatedRow]:
    try:
        said = _saved(file)
        classes, labels = np.asarray(said["ablations"]), np.asarray(said["y"])
        mode, size = said["mode"], said["s"]
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} is no file of ablations ({str(error)[:100] or type(error).__name__})") from None
    whole = classes.dtype.kind == labels.dtype.kind == "i" and classes.ndim == 2 and labels.ndim == 1
    if not whole or len(classes) != len(labels) or 0 in classes.shape:
        raise DataError(f"{file} must hold whole numbers, ablations [inputs, pictures] and y [inputs]; it does not")
    if mode not in MODES or not isinstance(size, int) or not 1 <= size <= 10_000 or classes.min() < 0:
        raise DataError(f"{file} has mode {mode!r}, size {size!r}; wanted one of {', '.join(MODES)} and a width")
    if max(classes.max(), labels.max()) >= 1_000_000:
        raise DataError(f"{file} has a class beyond a million")
    return [
        AblatedRow(int(label), row, mode, size) for label, row in zip(labels, classes.astype(np.int64), strict=True)
    ]


def _saved(file: Path) -> dict[str, Any]:
    """What ``torch.save`` wrote: plain values and tensors of whole numbers; anything else is refused."""
    with zipfile.ZipFile(file) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")] or [""]
        if not name:
            raise ValueError("it is no archive of torch.save")
        raw = archive.read(name)
        check_pickle(io.BytesIO(raw), len(raw))
        found = _Reader(raw, archive, name.removesuffix("data.pkl") + "data/").load()
    if not isinstance(found, dict):
        raise TypeError("a table was wanted")
    return found


class _Reader(pickle.Unpickler):
    """Makes tensors of whole numbers, and nothing else."""

    def __init__(self, raw: bytes, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(raw))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # a class or a function
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401  # what pickle hands over
        kind, storage, key, _, size = pid
        if kind != "storage" or storage not in _KINDS.values():
            raise pickle.UnpicklingError("a storage that holds no whole numbers")
        return np.frombuffer(self._archive.read(f"{self._folder}{key}"), dtype=storage, count=size)


def _tensor(
    storage: np.ndarray[Any, Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> np.ndarray[Any, Any]:
    size = int(np.prod(shape, dtype=np.int64))
    expected = tuple(int(np.prod(shape[axis + 1 :], dtype=np.int64)) for axis in range(len(shape)))
    if size and any(step != wanted for step, wanted, n in zip(strides, expected, shape, strict=True) if n > 1):
        raise ValueError("a tensor that is not laid out row by row")
    return storage[offset : offset + size].reshape(shape)
