"""How numbers of any range come to lie in [0, 1]: a part of the norm, and so of what is certified."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.data.folder import some
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SPREAD = "each column's spread"
"""The unit of a table's radius: high - low of a column, as the data set states them."""


@dataclass(frozen=True)
class Scaling:
    """Numbers v as x = (v - low) / (high - low) in [0, 1]: noise is added to x, and radii are distances of x.

    So the norm is that of the changes of each column, each divided by its spread high - low. A number outside [low,
    high] is moved to the nearer end: the classifier that is certified begins with that, and with rounding x to the
    grid, where there is one. Moving brings no two points farther apart, so it costs no radius.

    Attributes:
        columns: their names; a single one may stand for all numbers of an input.
        low: of each, in its own units.
        high: likewise, above ``low``.
        unit: what a radius is measured in, in words.

    Raises:
        ValueError: the numbers of names, lows and highs differ.
        DataError: a column has no spread.
    """

    columns: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    unit: str = SPREAD

    def __post_init__(self) -> None:
        if not len(self.columns) == len(self.low) == len(self.high) > 0:
            lengths = f"{len(self.columns)}, {len(self.low)}, {len(self.high)}"
            raise ValueError(f"columns, low and high must be equally many, got {lengths}")
        for name, low, high in zip(self.columns, self.low, self.high, strict=True):
            if not (np.isfinite([low, high]).all() and low < high and np.isfinite(high - low)):
                said = f"is constant ({low:g})" if low == high else f"goes from {low:g} to {high:g}"
                raise DataError(
                    f"the column {name} {said}: it has no spread, and no radius can be in units of it; leave it out "
                    f"(without={name}), or state its range (spread=FILE.json)"
                )

    @classmethod
    def of_values(cls, columns: Sequence[str], values: NDArray[Any]) -> Scaling:
        """From the smallest to the largest value of each column of a table [N, columns]."""
        return cls(tuple(columns), tuple(values.min(axis=0).tolist()), tuple(values.max(axis=0).tolist()))

    @classmethod
    def of_file(cls, path: Path, columns: Sequence[str]) -> Scaling:
        """As a JSON file states it: ``{"column": [low, high], ...}``.

        Raises:
            DataError: it is no such file, or lacks one of the columns.
        """
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            ends = {name: (float(low), float(high)) for name, (low, high) in said.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(
                f'{path}: expected {{"column": [low, high], ...}}, found: {str(error)[:200]}; mend the file'
            ) from error
        if lacking := [name for name in columns if name not in ends]:
            raise DataError(f"{path}: expected a range of each column, {some(lacking)} lacking; add it")
        return cls(tuple(columns), tuple(ends[name][0] for name in columns), tuple(ends[name][1] for name in columns))

    @classmethod
    def of_range(cls, said: str) -> Scaling:
        """One range for all numbers, written LOW..HIGH.

        Raises:
            ValueError: it is none.

        >>> Scaling.of_range("-1..1").unit
        'the range from -1 to 1'
        """
        low, dots, high = said.partition("..")
        try:
            ends = float(low), float(high)
        except ValueError:
            ends = 0.0, 0.0
        if not dots or not (np.isfinite(ends).all() and ends[0] < ends[1]):
            raise ValueError(f"range must be LOW..HIGH, as -1..1, got {said!r}")
        return cls(("number",), ends[:1], ends[1:], f"the range from {ends[0]:g} to {ends[1]:g}")

    def scaled(self, values: NDArray[Any]) -> tuple[NDArray[np.float64], int]:
        """X of values [N, ...], and how many of the N had a number that was moved to the end of its range."""
        low, high = np.array(self.low), np.array(self.high)
        x = (values.astype(np.float64) - low) / (high - low)
        outside = ((values < low) | (values > high)).reshape(len(values), -1).any(axis=1)
        return np.clip(x, 0.0, 1.0), int(outside.sum())

    def table(self) -> dict[str, Any]:
        """What stands in the meaning of a run."""
        return {"unit": self.unit, "columns": [*self.columns], "low": [*self.low], "high": [*self.high]}
