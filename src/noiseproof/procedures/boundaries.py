"""The group-sequential boundaries that several procedures test with, their defaults and their limit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from noiseproof.arguments import Check, at_least_one, real
from noiseproof.procedures.base import Procedure
from noiseproof.stats.sequential import group_sequential

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.stats.sequential import GroupSequential

RATIO, GAMMA = 1.15, 0.015
"""Of the looks and of futility: on the published runs 6% fewer draws than looks of ratio 1.5 with gamma .02, for less
certified accuracy lost (``benchmarks/draws.py``)."""

MOST_DRAWS = 2_000_000
"""Boundaries for so many take seconds, for ten times as many more than ten minutes, each time a run is verified."""


def _n_max(name: str, n_max: object) -> int:
    """How many draws a procedure with boundaries may take.

    Raises:
        ValueError: no integer, none, or so many that the boundaries take minutes.
    """
    draws = at_least_one(name, n_max)
    if draws > MOST_DRAWS:
        raise ValueError(f"n_max must be <= {MOST_DRAWS}, got {draws}; the anytime test and fixed n take more")
    return draws


LOOKS: dict[str, Check] = {"n_max": _n_max, "first_look": at_least_one, "ratio": real, "gamma": real}
"""Checks of the fields that say how it looks."""


class WithLooks(Procedure):
    """A procedure with boundaries; of its fields these say how it looks, as ``Decide`` explains them."""

    n_max: int
    first_look: int
    ratio: float
    gamma: float


@lru_cache(maxsize=64)
def threshold_test(noise: Noise, radius: float, asked: WithLooks, *, every_class: bool) -> GroupSequential:
    """The test of "this class has more than the probability that the radius needs".

    Args:
        noise: says which probability a radius needs.
        radius: in input units in the norm of the noise.
        asked: the procedure, whose fields say how it looks.
        every_class: every class is tested with it on the same draws, not one that was fixed before them.

    Raises:
        ValueError: no votes of n_max draws can certify the radius, or alpha is so large (from about .6 on) that a test
            of every class would not hold it.
    """
    p0 = noise.p_needed(radius)
    alpha, n_max = asked.alpha, asked.n_max
    level, first = alpha * p0 if every_class else alpha, min(asked.first_look, n_max)
    test = group_sequential(p0, level, n_max, first=first, ratio=asked.ratio, gamma=asked.gamma)
    if all(accept > n for n, accept in zip(test.looks, test.accept, strict=True)):
        raise ValueError(
            f"radius must be smaller to be certified with n_max={n_max} draws at alpha={alpha:g}, got {radius:g}; "
            "raise n_max (or alpha, or sigma)"
        )
    if every_class and not test.holds_for_every_class:  # else level alpha * p0 would not hold over all classes
        raise ValueError(f"alpha must be smaller for the test of every class to hold its level, got {alpha:g}")
    return test
