"""Tables of numbers, a row an input: CSV, Parquet or numpy, each column in units of its spread."""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.arguments import expanded
from noiseproof.data.dataset import DataSet
from noiseproof.data.folder import some
from noiseproof.data.form import Form, Wanted, parted, wanted
from noiseproof.data.labels import labelled
from noiseproof.data.objects import LABELS
from noiseproof.data.scaling import Scaling
from noiseproof.errors import DataError
from noiseproof.noises.gaussian import FINEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

SETTINGS = ("label", "spread", "range", "without", "grid", "classes")
LABEL_NAMES = (*LABELS, "class", "diagnosis", "species")
"""Names by which the column of labels is found."""


@dataclass(frozen=True)
class Columns:
    """A table as it lies in a file.

    Attributes:
        names: of the columns, in order.
        values: of each: a list of text or numbers.
    """

    names: tuple[str, ...]
    values: dict[str, Sequence[Any]]


def of_rows(
    name: str,
    values: NDArray[Any],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    scaling: Scaling,
    *,
    grid: int | None = FINEST,
) -> DataSet:
    """The data set of a table of numbers [N, columns], or of signals [N, channels, samples].

    Args:
        name: what it is called.
        values: in their own units.
        labels: [N].
        classes: their names.
        scaling: of the columns.
        grid: to how many steps of [0, 1] a scaled number is rounded; None rounds none, and takes float noise.

    Raises:
        DataError: a number is NaN or infinite.
    """
    if not np.isfinite(values).all():
        row, *place = (int(k) for k in np.argwhere(~np.isfinite(values))[0])
        at = scaling.columns[place[0]] if len(scaling.columns) > place[0] else place[0]
        raise DataError(
            f"{name}: the column {at} is {'NaN' if np.isnan(values[(row, *place)]) else 'infinite'} in row {row}; fill "
            "such gaps before (what fills them is a part of the model), or take these rows out"
        )
    x, moved = scaling.scaled(values)
    if moved:
        log.warning(
            "%s: %d of %d inputs have a number outside the stated range of its column; it was moved to the end of that",
            name, moved, len(x),
        )  # fmt: skip
    if grid is not None:
        kind = np.uint8 if grid <= np.iinfo(np.uint8).max else np.uint16
        x = np.rint(x * grid).astype(kind)
    return DataSet(name, classes, x.shape[1:], labels, x, grid=grid, scaling=scaling)


def grid_of(asked: Wanted) -> int | None:
    """The setting ``grid``: 4096 steps of a spread where nothing is said, None where it is 0."""
    grid = asked.number("grid", least=0, most=FINEST)
    return FINEST if grid is None else grid or None


def of_columns(asked: Wanted, found: Columns, *, known: tuple[str, ...] = ()) -> DataSet:
    """The data set of a table that a spec names.

    All columns but the label and those of ``without=A+B`` are numbers, in units that must be said; see ``scaling_of``.

    Args:
        asked: the spec.
        found: the table.
        known: names of the classes, where the file says them.

    Raises:
        DataError: a column is not there, no number, constant, or has gaps; or labels are none.
        ValueError: the spread is not said.
    """
    label = asked.settings.get("label") or next((name for name in LABEL_NAMES if name in found.names), None)
    without = [name for name in asked.settings.get("without", "").split("+") if name]
    for name in [*([label] if label else []), *without]:
        if name not in found.names:
            raise DataError(f"{asked.head}: no column {name!r}, it has {some(found.names)}; name one of these")
    if label is None:
        raise DataError(
            f"{asked.head}: no column is called label or the like; it has {some(found.names)}; say which: "
            f"{asked.setting(label='COLUMN')}"
        )
    columns = tuple(name for name in found.names if name != label and name not in without)
    if not columns:
        raise DataError(f"{asked.head}: no column is left besides {label}; give a table of numbers")
    labels, classes = labelled(_as_labels(found.values[label]), asked, what=f"the column {label}", known=known)
    values = np.stack([_numbers(asked, name, found.values[name]) for name in columns], axis=1)

    def train(file: str) -> NDArray[Any]:
        there = read_table(expanded(file))
        if lacking := [name for name in columns if name not in there.names]:
            raise DataError(f"{file}: expected the columns of {asked.head}, {some(lacking)} lacking; give its own")
        named = Wanted(file, file, expanded(file))
        return np.stack([_numbers(named, name, there.values[name]) for name in columns], axis=1)

    scaling = scaling_of(asked, columns, train)
    return of_rows(asked.spec, values, labels, classes, scaling, grid=grid_of(asked))


def scaling_of(asked: Wanted, columns: Sequence[str], train: Callable[[str], NDArray[Any]]) -> Scaling:
    """The scaling that a spec states by ``spread`` or ``range``.

    Args:
        asked: the spec.
        columns: their names.
        train: the numbers of these columns in what ``spread`` names, [N, columns].

    Raises:
        ValueError: it states none, or both.
    """
    spread, one = asked.settings.get("spread"), asked.settings.get("range")
    if (spread is None) == (one is None):
        raise ValueError(
            f"{asked.spec} does not say in which units radii are measured; say one: spread=TRAIN (the table it was "
            'trained on: smallest to largest value of each column), spread=FILE.json ({"column": [low, high]}) or '
            "range=LOW..HIGH (of all numbers)"
        )
    if one is not None:
        return Scaling.of_range(one)
    assert spread is not None
    if spread.endswith(".json"):
        return Scaling.of_file(expanded(spread), columns)
    values = train(spread)
    if not np.isfinite(values).all():
        row, column = (int(k) for k in np.argwhere(~np.isfinite(values))[0])
        raise DataError(f"{spread}: the column {columns[column]} is NaN or infinite in row {row}; take such rows out")
    return Scaling.of_values(columns, values)


def read_table(path: Path) -> Columns:
    """A CSV or Parquet file, all columns.

    Raises:
        DataError: it is missing, damaged or no table.
    """
    if path.suffix == ".parquet":
        from noiseproof.data.huggingface import read_columns

        table = read_columns(path, None)
        return Columns(tuple(table.column_names), {name: table.column(name).to_pylist() for name in table.column_names})
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = [row for row in csv.reader(stream, strict=True) if row] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else str(error)[:200]
        raise DataError(f"{path}: expected a table of comma separated values, found: {found}; mend the file") from error
    if not rows or len({*header}) < len(header):
        raise DataError(
            f"{path}: expected a header of different names and rows below, found {some(header) or 'none'}; mend it"
        )
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise DataError(
                f"{path}: expected {len(header)} values a row, found {len(row)} in row {number}; mend the file"
            )
    return Columns(tuple(header), dict(zip(header, zip(*rows, strict=True), strict=True)))


def _numbers(asked: Wanted, name: str, values: Sequence[Any]) -> NDArray[np.float64]:
    """A column as numbers; a gap is NaN."""
    found = np.empty(len(values))
    for row, each in enumerate(values):
        try:
            found[row] = np.nan if each is None or each == "" else float(each)
        except (TypeError, ValueError):
            raise DataError(
                f"{asked.head}: the column {name} holds {str(each)[:40]!r} in row {row}, which is no number; encode it "
                f"as numbers, or leave the column out: {asked.setting(without=name)}"
            ) from None
    return found


def _as_labels(values: Sequence[Any]) -> NDArray[Any]:
    """Labels of a CSV file are text; they are numbers where all of them can be."""
    try:
        return np.array([int(each) for each in values])
    except (TypeError, ValueError):
        return np.array([each if isinstance(each, str) else np.nan if each is None else each for each in values])


def _load(spec: str, split: str) -> DataSet:
    del split
    asked = wanted(spec, SETTINGS)
    return of_columns(asked, read_table(asked.path))


def _takes(spec: str) -> bool:
    path, rest = parted(spec)
    return path.endswith(".csv") or (path.endswith(".parquet") and any(word in rest for word in ("spread=", "range=")))


TABLE = Form("FILE.csv:spread=TRAIN.csv", "a table of numbers, a row an input (FILE.parquet too)", _takes, _load)
