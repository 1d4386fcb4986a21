"""The per-image files of the research script: tab separated, radii with three significant digits, no counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from math import inf
from pathlib import Path

from noiseproof.errors import DataError

COLUMNS = ("idx", "label", "predict", "radius", "correct", "time")
DIGITS = 3
"""Significant digits with which the research script prints a radius."""

_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
_SIGMA = re.compile(rf"sigma_{_NUMBER}")
_NOISE = re.compile(rf"noise_{_NUMBER}\.tsv")
_AS_NUMBER = {"True": "1", "False": "0"}
_CLOCK = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True)
class PublishedRow:
    """One line of a published file, as printed.

    Attributes:
        index: in the data set.
        label: the true class.
        predict: the class, or -1 for an abstention.
        printed: the radius as text, in input units (L2).
        correct: what the file says of label and predict: 1 or 0, where the file is sound.
        seconds: time spent.
    """

    index: int
    label: int
    predict: int
    printed: str
    correct: int
    seconds: float

    @property
    def radius(self) -> float:
        """The printed radius as a number; NaN and infinity are possible, since they can be printed."""
        return float(self.printed)


def read_published(path: Path) -> tuple[PublishedRow, ...]:
    """The rows of a published file, unchecked beyond being numbers: ``noiseproof.audit`` judges them.

    Args:
        path: tab separated with the header ``idx label predict radius correct time``; the time in seconds
            (``15.4``) or as a duration (``0:00:13.736080``), correct as 1 and 0 or as True and False.

    Raises:
        DataError: the file cannot be read, has other columns, no rows, or a row that is none; names the line.

    Source: the output of ``certify.py`` of github.com/locuslab/smoothing.
    """
    lines = read_lines(path)
    header = tuple(lines[0].split("\t")) if lines else ()
    if header != COLUMNS:
        found = f"the columns {', '.join(header)[:80]}" if any(header) else "no columns"
        raise DataError(f"{path} has {found}; wanted, tab separated: {', '.join(COLUMNS)}")
    if len(lines) == 1:
        raise DataError(f"{path} has no rows below its header")
    return tuple(_row(path, number, line) for number, line in enumerate(lines[1:], start=2))


def published_text(rows: Sequence[PublishedRow]) -> str:
    """Rows as the text of a published file, times in seconds."""
    lines = [f"{row.index}\t{row.label}\t{row.predict}\t{row.printed}\t{row.correct}\t{row.seconds:.6}" for row in rows]
    return "\n".join(["\t".join(COLUMNS), *lines]) + "\n"


def print_down(radius: float) -> str:
    """A radius as the research script prints it, but rounded down: what is printed is never more than certified.

    Three significant digits of the shortest decimal that stands for the number, so that a radius which was read
    from such a file is printed as it stood there.

    >>> print_down(0.4059), print_down(3.0), print_down(0.0), print_down(0.378)
    ('0.405', '3.0', '0.0', '0.378')
    """
    down = Context(prec=DIGITS, rounding=ROUND_FLOOR).create_decimal(Decimal(repr(radius)))
    return f"{float(down):.{DIGITS}}"


def sigma_in_name(path: Path) -> float | None:
    """The noise level that a file's name states, or None: ``sigma_0.25`` in it, or ``noise_0.25.tsv`` as a whole.

    >>> [sigma_in_name(Path(name)) for name in ("test/sigma_0.25.tsv", "noise_0.5.tsv", "noise_10")]
    [0.25, 0.5, None]
    """
    found = _SIGMA.search(path.name) or _NOISE.fullmatch(path.name)
    return float(found[1]) if found else None


def sigma_of(path: Path, sigma: float | None) -> float:
    """The given noise level, or the one in the file's name.

    Raises:
        ValueError: neither is there.
    """
    known = sigma_in_name(path) if sigma is None else sigma
    if known is None:
        raise ValueError(f"sigma must be given: the name {path.name!r} holds no sigma_0.25 or the like; give --sigma")
    return known


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without its last newline.

    Raises:
        DataError: it cannot be read, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text file") from None


def _row(path: Path, number: int, line: str) -> PublishedRow:
    cells = line.split("\t")
    try:
        index, label, predict, printed, correct, time = cells
        numbers = (_integer(index), _integer(label), _integer(predict))
        row = PublishedRow(*numbers, printed, _integer(_AS_NUMBER.get(correct, correct)), _seconds(time))
        float(printed)  # a number, whatever it is
    except (ValueError, OverflowError):
        raise DataError(
            f"{path}, line {number}: not a row of {', '.join(COLUMNS)}: {line[:80]!r}; "
            "the line is torn, or the file is of another kind"
        ) from None
    return row


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= 1 << 63:
        raise ValueError(f"a number of {len(text)} digits")
    return number


def _seconds(text: str) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        days, hours, minutes, seconds = clock.groups()
        return ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(seconds)
    if not 0 <= float(text) < inf:
        raise ValueError(f"seconds must be >= 0 and finite, got {text}")
    return float(text)
