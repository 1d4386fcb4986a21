"""How far something is: what every long call tells its ``progress``."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


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
