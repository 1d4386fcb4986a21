"""The test behind PREDICT: is the most voted class the most probable one?"""

from __future__ import annotations

import itertools
import math

from noiseproof.stats import special
from noiseproof.stats.bounds import check_probability

_MARGIN = 1 + 2.0**-33
"""Covers the error of ``betainc``: 2e-11 at n = 1e10, measured against 40 digits, and less below."""

_LEAST = 1e-300
"""Nothing is said to be less likely: below, doubles lose their digits, and at last are 0."""


def top_two_p_value(n1: int, n2: int) -> float:
    """Two-sided exact binomial test between the two largest counts.

    That the most voted class is not the most probable one *and* the p-value is at most alpha happens with
    probability at most alpha: PREDICT abstains when it is above alpha. With no votes at all it is 1. Rounded up: never
    below the exact value, above it by about 1e-10 of it.

    Args:
        n1: one of the two largest counts, >= 0.
        n2: the other one, >= 0; the order does not matter.

    Raises:
        ValueError: a count is negative.

    Source: Hung & Fithian 2019; PREDICT in Cohen et al. 2019, section 3.2.1:
    min(1, 2 P(Binomial(n1 + n2, 1/2) >= max(n1, n2))).

    >>> top_two_p_value(11, 0)
    0.0009765625
    """
    for name, count in (("n1", n1), ("n2", n2)):
        if count < 0:
            raise ValueError(f"{name} must be >= 0, got {count}")
    most, least = max(n1, n2), min(n1, n2)
    if least == 0:
        # exactly, so that alpha = 2^-10 lets 11 votes of 11 tell
        return min(1.0, max(math.ldexp(1.0, 1 - most), _LEAST))
    return min(1.0, max(2 * float(special.betainc(most, least + 1, 0.5)) * _MARGIN, _LEAST))


def fewest_draws(alpha: float) -> int:
    """The fewest draws with which PREDICT can answer: with one draw less it can only abstain.

    Args:
        alpha: failure probability in (0, 1).

    Raises:
        ValueError: alpha is out of range.

    >>> fewest_draws(0.001)
    11
    """
    check_probability("alpha", alpha)
    return next(n for n in itertools.count(1) if top_two_p_value(n, 0) <= alpha)
