"""Settings of a loss, checked: each a plain number."""

from __future__ import annotations

import math
from functools import partial

from noiseproof.arguments import integer, real

whole_at_least_zero = partial(integer, least=0)


def at_least_zero(name: str, value: object) -> float:
    """A finite number >= 0.

    Raises:
        ValueError: it is none.

    >>> at_least_zero("lambda", 2)
    2.0
    """
    number = real(name, value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be >= 0, got {value}")
    return number


def above_zero(name: str, value: object) -> float:
    """A finite number > 0.

    Raises:
        ValueError: it is none.
    """
    number = real(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be > 0, got {value}")
    return number
