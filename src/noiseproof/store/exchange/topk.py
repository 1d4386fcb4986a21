"""Class counts as text: a line an input, the votes of every class, then the label; no selection draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noiseproof.errors import DataError
from noiseproof.store.exchange.published import read_lines


@dataclass(frozen=True)
class CountedRow:
    """One line: what the draws of one input voted.

    Attributes:
        votes: one count a class.
        label: the true class.
    """

    votes: tuple[int, ...]
    label: int


def read_topk(path: Path) -> tuple[CountedRow, ...]:
    """The rows of a file of class counts.

    Args:
        path: whitespace separated whole numbers; the last of a line is the label, those before are the counts.

    Raises:
        DataError: the file cannot be read, is empty, or a line is not counts and a label; names the line.

    Source: the data files of github.com/jjy1994/Certify_Topk.
    """
    rows = tuple(_row(path, number, line) for number, line in enumerate(read_lines(path), start=1))
    if not rows:
        raise DataError(f"{path} has no rows")
    for number, row in enumerate(rows, start=1):
        if len(row.votes) != len(rows[0].votes):
            raise DataError(f"{path}, line {number}: {len(row.votes)} counts, but line 1 has {len(rows[0].votes)}")
    return rows


def _row(path: Path, number: int, line: str) -> CountedRow:
    try:
        *votes, label = map(int, line.split())
    except ValueError:
        votes, label = [], 0
    if len(votes) < 2 or min(votes) < 0 or not 0 <= label < len(votes):
        raise DataError(
            f"{path}, line {number}: not the counts of two or more classes and a label: {line[:80]!r}; "
            "is the format another?"
        )
    return CountedRow(tuple(votes), label)
