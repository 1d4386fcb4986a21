"""Exact binomial confidence bounds, rounded outwards, and the Gaussian radius that follows from them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from noiseproof.stats import special

_TAIL_MARGIN = 1 + 2.0**-25
"""Covers the error of ``betainccinv``, worst when n is largest; measured against 60-digit arithmetic."""

LEAST_ALPHA = 1e-200
"""The smallest level that may be asked for."""

_LEAST_LEVEL = 1e-240
"""Of a bound: what looks and classes leave of ``LEAST_ALPHA`` is above it. From 1e-247 down ``betainccinv`` underflows
and its bounds fail."""

_QUANTILE_MARGIN = 2.0**-40
"""Relative; covers the error of ``ndtri`` and of the sum and product behind a radius."""


@dataclass(frozen=True)
class Bounds:
    """What a sample says about the vote at one input, both numbers rounded up.

    Attributes:
        tail: upper confidence bound on 1 - p_A, the probability that the top class is *not* voted. Kept
            instead of p_lower because a double close to 1 has no digits left for it.
        rival: upper confidence bound on p_B, the largest probability of another class.

    Raises:
        ValueError: a bound is not a probability.
    """

    tail: float
    rival: float

    def __post_init__(self) -> None:
        for name, value in (("tail", self.tail), ("rival", self.rival)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}")

    @property
    def p_lower(self) -> float:
        """Lower confidence bound on p_A: 1 - tail, rounded down.

        >>> Bounds(tail=0.25, rival=0.25).p_lower
        0.7499999999999999
        """
        return _complement_down(self.tail)


def clopper_pearson_lower(k: int, n: int, alpha: float) -> float:
    """Exact one-sided lower confidence bound on a binomial proportion.

    For every p: P(bound > p) <= alpha, over k ~ Binomial(n, p). Rounded down: never above the exact bound,
    below it by about 3e-8 * (1 - bound).

    Args:
        k: successes, 0 <= k <= n.
        n: trials, >= 1.
        alpha: failure probability in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Clopper & Pearson 1934; LowerConfBound in Cohen et al. 2019, section 3.2.2.

    >>> round(clopper_pearson_lower(99_999, 100_000, 0.001), 9)
    0.99990767
    """
    return _complement_down(clopper_pearson_tail(k, n, alpha))


def clopper_pearson_upper(k: int, n: int, alpha: float) -> float:
    """Exact one-sided upper confidence bound on a binomial proportion.

    For every p: P(bound < p) <= alpha, over k ~ Binomial(n, p). Rounded up: never below the exact bound,
    above it by a relative 3e-8 or so. Arguments and errors are those of ``clopper_pearson_lower``.

    Source: Clopper & Pearson 1934.

    >>> round(clopper_pearson_upper(0, 100_000, 0.001), 9)
    6.9075e-05
    """
    _check_counts(k, n)
    return clopper_pearson_tail(n - k, n, alpha)


def clopper_pearson_tail(k: int, n: int, alpha: float) -> float:
    """Exact upper confidence bound on 1 - p: the complement of the lower bound, with all its digits.

    For every p: P(tail < 1 - p) <= alpha, over k ~ Binomial(n, p). Rounded up, and capped at 1. Arguments and errors
    are those of ``clopper_pearson_lower``; n was tried up to 1e10.

    Source: Clopper & Pearson 1934. The bound solves P(Binomial(n, 1 - tail) >= k) = alpha; inverting the
    complementary incomplete beta function for the tail itself avoids 1 - (a number close to 1).

    >>> round(clopper_pearson_tail(1_000_000, 1_000_000, 0.001), 12)
    6.907732e-06
    """
    _check_counts(k, n)
    check_level("alpha", alpha, least=_LEAST_LEVEL)
    if k == 0:
        return 1.0
    exact = -math.expm1(math.log(alpha) / n) if k == n else float(special.betainccinv(n - k + 1, k, alpha))
    return min(1.0, exact * _TAIL_MARGIN)


def one_sided(k: int, n: int, alpha: float) -> Bounds:
    """Bounds of CERTIFY: p_A from below at level alpha, and p_B by what is left.

    Args:
        k: votes for the top class, 0 <= k <= n; the class was fixed before these draws.
        n: draws, >= 1, void ones included.
        alpha: failure probability in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Cohen et al. 2019, section 3.2.2.
    """
    tail = clopper_pearson_tail(k, n, alpha)
    return Bounds(tail=tail, rival=tail)


def two_sided(k: int, rival_k: int, n: int, alpha: float) -> Bounds:
    """Bounds on p_A from below and on p_B from above, each at level alpha / 2.

    No union bound over classes is needed: the true runner-up is one fixed class, its count is at most the
    largest rival count, and the upper bound increases with the count. The rival's bound needs no cap at the
    tail: rival_k <= n - k keeps it below. Choosing between these bounds and ``one_sided`` after looking is
    sound only if that one is made at alpha / 2 too.

    Args:
        k: votes for the top class; the class was fixed before these draws.
        rival_k: votes for the most voted other class, void draws counted for it; k + rival_k <= n.
        n: draws, >= 1, void ones included.
        alpha: failure probability in (0, 1) of the two bounds together.

    Raises:
        ValueError: an argument is out of range.

    Source: Cohen et al. 2019, theorem 1, with p_B estimated instead of bounded by 1 - p_A.
    """
    _check_counts(k, n)
    if not 0 <= rival_k <= n - k:
        raise ValueError(f"rival_k must be in 0..n-k={n - k}, got {rival_k}")
    check_probability("alpha", alpha)
    tail = clopper_pearson_tail(k, n, alpha / 2)
    return Bounds(tail=tail, rival=clopper_pearson_upper(rival_k, n, alpha / 2))


def gaussian_radius(bounds: Bounds, sigma: float) -> float:
    """L2 radius around the input inside which the Gaussian-smoothed classifier keeps its class.

    sigma/2 (Phi^-1(p_A lower) - Phi^-1(p_B upper)), rounded down. 0.0: nothing is certified, abstain.

    Args:
        bounds: on p_A and p_B at this input.
        sigma: standard deviation of the noise in input units, > 0.

    Returns:
        The radius in the units of sigma, never negative.

    Raises:
        ValueError: sigma is not a positive number.

    Source: Cohen et al. 2019, theorem 1.

    >>> round(gaussian_radius(one_sided(100_000, 100_000, 0.001), sigma=1.0), 6)
    3.811457
    >>> gaussian_radius(one_sided(50_489, 100_000, 0.001), sigma=1.0)
    0.0
    """
    if not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"sigma must be > 0 and finite, got {sigma}")
    # Phi^-1(1 - tail) = -Phi^-1(tail): the complement is never formed.
    radius = sigma / 2 * (_quantile_down(bounds.tail) + _quantile_down(bounds.rival))
    return radius if radius > 0 else 0.0  # so written that infinity - infinity is 0 too


def smallest_n(alpha: float) -> int:
    """The fewest draws that can certify anything: with one draw less, even n votes of n leave p_lower <= 1/2.

    Args:
        alpha: failure probability in (0, 1).

    Raises:
        ValueError: alpha is out of range.

    >>> smallest_n(0.001)
    10
    """
    check_probability("alpha", alpha)
    return next(n for n in itertools.count(1) if clopper_pearson_tail(n, n, alpha) < 1 / 2)


def check_probability(name: str, value: float) -> None:
    """Raise ``ValueError`` unless the value lies strictly between 0 and 1.

    >>> check_probability("alpha", 1.5)
    Traceback (most recent call last):
    ValueError: alpha must be in (0, 1), got 1.5
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} must be in (0, 1), got {value}")


def check_level(name: str, value: float, *, least: float = LEAST_ALPHA) -> None:
    """Raise ``ValueError`` unless the value is a probability of failing that double precision can hold.

    >>> check_level("alpha", 1e-250)
    Traceback (most recent call last):
    ValueError: alpha must be >= 1e-200, got 1e-250; below, double precision holds no bound
    """
    check_probability(name, value)
    if value < least:
        raise ValueError(f"{name} must be >= {least:g}, got {value}; below, double precision holds no bound")


def _check_counts(k: int, n: int) -> None:
    if n < 1:
        raise ValueError(f"n must be >= 1, got {n}")
    if not 0 <= k <= n:
        raise ValueError(f"k must be in 0..n={n}, got {k}")


def _quantile_down(tail: float) -> float:
    # each quantile is rounded by itself: where the two nearly cancel, a margin on their sum would cover nothing
    quantile = -float(special.ndtri(tail))
    return quantile * (1 - math.copysign(_QUANTILE_MARGIN, quantile))


def _complement_down(tail: float) -> float:
    # 1 - tail is rounded to nearest, often upwards; one step down is never above the exact difference.
    return max(0.0, math.nextafter(1 - tail, 0))
