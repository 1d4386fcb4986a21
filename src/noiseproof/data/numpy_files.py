"""``FILE.npz``, and a pair of ``.npy`` files: inputs and labels as numpy keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.arguments import expanded
from noiseproof.data.arrays import SETTINGS, of_arrays
from noiseproof.data.folder import some
from noiseproof.data.form import Form, Wanted, parted, wanted
from noiseproof.data.labels import labelled
from noiseproof.data.table import grid_of, of_rows, scaling_of
from noiseproof.errors import DataError, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.data.dataset import DataSet

_PAIRS = (("x", "y"), ("X", "y"), ("images", "labels"), ("image", "label"), ("data", "labels"), ("inputs", "targets"))
"""Names by which inputs and labels are found."""
_SPLITS = (("x_{}", "y_{}"), ("X_{}", "y_{}"), ("{}_images", "{}_labels"), ("{}_x", "{}_y"), ("{}_data", "{}_labels"))
"""Likewise, of files that hold more than one split."""


def _load_npz(spec: str, split: str) -> DataSet:
    """The arrays of a file; two that are called as usual, or as the spec says: ``FILE.npz:x,y``."""
    asked = wanted(spec, SETTINGS, columns=2)
    try:
        with np.load(asked.path, allow_pickle=False) as file:
            inputs, labels = asked.columns or _found(asked, file.files, split)
            for name in (inputs, labels):
                if name not in file.files:
                    raise DataError(f"{asked.head}: no array {name!r}, it has {some(file.files)}; name two of these")
            x, y, known, columns = file[inputs], file[labels], _names(file, "classes"), _names(file, "columns")
            train = file[spread] if (spread := asked.settings.get("spread", "")) in file.files else None
    except DataError:
        raise
    except Exception as error:  # damaged archives fail in any way
        raise DataError(_unreadable(asked.head, "npz", error)) from error
    return _made(asked.naming(inputs, labels), x, y, asked, known=known, columns=columns, inside=train)


def _load_pair(spec: str, split: str) -> DataSet:
    """Inputs in one file and labels in another: ``X.npy,Y.npy``."""
    del split
    head, rest = parted(spec)
    inputs, _, labels = head.partition(",")
    asked = wanted(f"{inputs}:{rest}" if rest else inputs, SETTINGS)
    whole = Wanted(spec, head, asked.path, (), asked.settings)
    return _made(spec, _read(inputs), _read(labels), whole)


def _read(name: str) -> NDArray[Any]:
    try:
        found = np.load(expanded(name), allow_pickle=False)
    except Exception as error:  # likewise
        raise DataError(_unreadable(name, "npy", error)) from error
    if not isinstance(found, np.ndarray):
        raise DataError(f"{name}: expected one array, found an archive of several; name it FILE.npz")
    return found


def _unreadable(name: str, kind: str, error: Exception) -> str:
    found = "no such file" if isinstance(error, FileNotFoundError) else one_line(error)
    return f"{name}: expected a whole .{kind} file of numbers, found: {found}; save it again with numpy"


def _found(asked: Wanted, names: list[str], split: str) -> tuple[str, str]:
    for here in (split, {"test": "val", "val": "test"}.get(split, split)):
        for inputs, labels in (*_SPLITS, *_PAIRS):
            if (pair := (inputs.format(here), labels.format(here))) and {*pair} <= {*names}:
                return pair
    raise DataError(
        f"{asked.head}: expected inputs and labels (x and y, images and labels, x_{split} and y_{split}), found "
        f"{some(names) or 'no array'}; name them: {asked.naming('INPUTS', 'LABELS')}"
    )


def _made(
    name: str,
    x: NDArray[Any],
    y: NDArray[Any],
    asked: Wanted,
    *,
    known: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    inside: NDArray[Any] | None = None,
) -> DataSet:
    """Inputs on a grid of [0, 1], or scaled: rows [N, columns] by their spread, inputs [N, ...] by one range."""
    if not {"spread", "range"} & asked.settings.keys():
        return of_arrays(name, x, y, asked, known=known)
    if x.ndim < 2 or x.dtype.kind not in "biuf":
        raise DataError(f"{asked.spec}: expected numbers [N, ...], found {x.dtype} {list(x.shape)}")
    if columns and len(columns) != x.shape[1]:
        raise DataError(f"{asked.spec}: columns has {len(columns)} names for {x.shape[1]} columns; name each")
    columns = columns or tuple(map(str, range(x.shape[1])))

    def train(file: str) -> NDArray[Any]:
        there = _read(file) if inside is None else inside
        if there.ndim != 2 or there.shape[1] != len(columns) or x.ndim != 2 or there.dtype.kind not in "biuf":
            raise DataError(
                f"{asked.spec}: expected a table [N, {len(columns)}] in {file}, found {list(there.shape)} for inputs "
                f"{list(x.shape)}; give what it was trained on, or one range for all (range=LOW..HIGH)"
            )
        return there

    scaling = scaling_of(asked, columns, train)
    labels, classes = labelled(y, asked, known=known)
    return of_rows(name, x, labels, classes, scaling, grid=grid_of(asked))


def _names(file: Any, name: str) -> tuple[str, ...]:  # noqa: ANN401  # numpy's own class
    """The names of the classes or columns, where an array that is called so holds them."""
    found = file[name] if name in file.files else np.empty(0)
    return tuple(map(str, found.tolist())) if found.dtype.kind == "U" and found.ndim == 1 else ()


NPZ = Form(
    "FILE.npz:INPUTS,LABELS",
    "numpy arrays, found by their names or named",
    lambda spec: Path(parted(spec)[0]).suffix == ".npz",
    _load_npz,
)
NPY = Form(
    "X.npy,Y.npy",
    "a numpy array in each",
    lambda spec: parted(spec)[0].count(".npy") == 2 and ".npy," in spec,
    _load_pair,
)
