"""How far something is: what every long call tells its ``progress``."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

UNFINISHED = 75
"""The exit status of a run that a signal ended before its end: EX_TEMPFAIL of sysexits.h, try again later."""


@dataclass(frozen=True)
class Progress:
    """A moment of a long call.

    Attributes:
        done: units done, those of earlier starts included; a part of one counts as a fraction.
        total: units wanted.
        unit: what is counted, in the plural.
        note: what else is to be said, such as "3 broken"; empty where nothing is.
        seconds_left: at the speed so far; infinite where it is not known.
    """

    done: float
    total: float
    unit: str
    note: str = ""
    seconds_left: float = inf


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(4.2), duration(75), duration(8000)
    ('4 s', '1 min 15 s', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
