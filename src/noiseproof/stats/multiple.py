"""Statements about a whole data set, from certificates that each fail with probability at most alpha."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.stats import special
from noiseproof.stats.anytime import anytime_accept, log_mixture
from noiseproof.stats.bounds import check_probability, clopper_pearson_lower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def false_certificates(m: int, alpha: float, rho: float) -> int:
    """The failure budget F: of m certificates, more than F are false with probability at most rho.

    F is the smallest such number, and it covers all radii at once: a certificate is false, at whatever
    radius, only if its confidence bound failed. It needs noise that is independent from input to input.

    Args:
        m: inputs, >= 1.
        alpha: failure probability of one certificate, in [0, 1): 0 where nothing was left to chance.
        rho: failure probability of the statement, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: the number of false certificates is stochastically at most Binomial(m, alpha).

    >>> false_certificates(500, alpha=0.001, rho=0.001)
    4
    """
    _check_size(m)
    _check_failure(alpha)
    check_probability("rho", rho)
    return bisect.bisect_left(range(m), True, key=lambda f: bool(special.bdtrc(f, m, alpha) <= rho))


def fixed_set_lower(k: int, m: int, alpha: float, rho: float) -> float:
    """Lower bound on the share of *these* m inputs at which g is right and robust: (k - F) / m, at least 0.

    Holds with probability 1 - rho over the noise, for all radii at once, if the noise is independent from
    input to input.

    Args:
        k: inputs certified (right, at the radius in question), 0 <= k <= m.
        m: inputs, >= 1.
        alpha: failure probability of one certificate, in [0, 1): 0 where nothing was left to chance.
        rho: failure probability of the statement, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    >>> fixed_set_lower(244, 500, alpha=0.001, rho=0.001)
    0.48
    """
    _check_certified(k, m)
    return max(0.0, (k - false_certificates(m, alpha, rho)) / m)


def population_lower(k: int, m: int, alpha: float, rho: float) -> float:
    """Lower bound on the probability that g is right and robust at an input *drawn like these*.

    Holds with probability 1 - rho over the inputs and the noise, for one radius chosen beforehand. The
    chance that an input is certified is at most theta + (1 - theta) alpha, so
    theta >= (q_lower - alpha) / (1 - alpha).

    Arguments and errors are those of ``fixed_set_lower``; the m inputs are drawn independently from the population.

    >>> round(population_lower(244, 500, alpha=0.001, rho=0.05), 6)
    0.449806
    """
    _check_certified(k, m)
    _check_failure(alpha)
    check_probability("rho", rho)
    return max(0.0, (clopper_pearson_lower(k, m, rho) - alpha) / (1 - alpha))


def false_certificates_at_any_m(m: int, alpha: float, rho: float) -> int:
    """The failure budget for those who look while a run is extended: P(for some m more than this are false) <= rho.

    Args:
        m: inputs so far, >= 1.
        alpha: failure probability of one certificate, in [0, 1): 0 where nothing was left to chance.
        rho: failure probability of the statement, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: ``anytime_accept`` against p <= alpha: given the inputs before, an input is false with probability at most
    alpha, so the gambler's wealth stays a supermartingale (Ville 1939).

    >>> false_certificates(500, alpha=0.001, rho=0.001), false_certificates_at_any_m(500, alpha=0.001, rho=0.001)
    (4, 6)
    """
    _check_size(m)
    return 0 if alpha == 0 else min(m, anytime_accept(m, alpha, rho) - 1)


def population_lower_at_any_m(k: int, m: int, alpha: float, rho: float) -> float:
    """``population_lower`` for those who look while a run is extended: with probability 1 - rho it holds at every m.

    A confidence sequence: the shares q against which a bet on "the share is another one" has not won 1 / rho. The bet
    mixes all shares by the Jeffreys prior, its logarithm is convex in q, so what is left is an interval, and its lower
    end is found by bisection.

    Args:
        k: inputs certified so far (right, at the radius in question), 0 <= k <= m.
        m: inputs so far, drawn independently from the population, >= 1.
        alpha: failure probability of one certificate, in [0, 1): 0 where nothing was left to chance.
        rho: failure probability of the statement, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Robbins 1970, the mixture method, for a binomial share.

    >>> round(population_lower_at_any_m(244, 500, alpha=0.001, rho=0.05), 6)
    0.408576
    """
    _check_certified(k, m)
    _check_failure(alpha)
    check_probability("rho", rho)
    if k == 0:
        return 0.0
    needed = -math.log(rho) + 2.0**-20  # the slack of ``anytime_accept``
    low, high = 0.0, k / m  # rejected, kept
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle > 0 and log_mixture(k, m, middle) >= needed else (low, middle)
    return max(0.0, (low - alpha) / (1 - alpha))


def bernstein_lower(accuracy: float, m: int, alpha: float, rho: float) -> float:
    """The looser fixed-set bound that the literature states; ``fixed_set_lower`` uses the exact tail instead.

    accuracy - alpha - sqrt(2 alpha (1 - alpha) log(1/rho) / m) - log(1/rho) / (3 m), at least 0.

    Args:
        accuracy: approximate certified accuracy, in [0, 1].
        m: inputs, >= 1.
        alpha: failure probability of one certificate, in [0, 1): 0 where nothing was left to chance.
        rho: failure probability of the statement, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Cohen et al. 2019, appendix, "high-probability guarantees".

    >>> round(bernstein_lower(0.488, 500, alpha=0.001, rho=0.001), 6)
    0.477141
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must be in [0, 1], got {accuracy}")
    _check_size(m)
    _check_failure(alpha)
    check_probability("rho", rho)
    surprise = math.log(1 / rho)
    spread = math.sqrt(2 * alpha * (1 - alpha) * surprise / m)
    return max(0.0, accuracy - alpha - spread - surprise / (3 * m))


def dkw_band(m: int, delta: float) -> float:
    """Half width of a confidence band around a whole certified-accuracy curve, for all radii at once.

    Covers the curve of the population the m inputs were drawn from with probability 1 - delta; at most 1.

    Args:
        m: inputs, >= 1.
        delta: failure probability of the band, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: Dvoretzky, Kiefer & Wolfowitz 1956 with the constant of Massart 1990: sqrt(log(2/delta) / (2 m)).

    >>> round(dkw_band(500, delta=0.05), 4)
    0.0607
    """
    _check_size(m)
    check_probability("delta", delta)
    return min(1.0, math.sqrt(math.log(2 / delta) / (2 * m)))


def dkw_band_at_any_m(m: int, delta: float) -> float:
    """``dkw_band`` for those who look while a run is extended: with probability 1 - delta it covers at every m at once.

    The band of m inputs has the share 100 / ((m + 99) (m + 100)) of delta. These shares add up to 1 over all m, so the
    union bound leaves delta for ever.

    Arguments and errors are those of ``dkw_band``.

    >>> round(dkw_band(500, delta=0.05), 4), round(dkw_band_at_any_m(500, delta=0.05), 4)
    (0.0607, 0.109)
    """
    _check_size(m)
    check_probability("delta", delta)
    surprise = math.log(2 / delta) + math.log(m + 99) + math.log(m + 100) - math.log(100)
    return min(1.0, math.sqrt(surprise / (2 * m)) * (1 + 2.0**-40))


def bonferroni(alpha: float, m: int) -> float:
    """The level each of m certificates needs so that *none* of them is false with probability 1 - alpha.

    Holds under any dependence between them, noise shared by all inputs included.

    Args:
        alpha: failure probability of the joint statement, in (0, 1).
        m: certificates, >= 1.

    Raises:
        ValueError: an argument is out of range.

    >>> bonferroni(0.001, 500)
    2e-06
    """
    check_probability("alpha", alpha)
    _check_size(m)
    return alpha / m


def holm(p_values: Sequence[float] | NDArray[np.float64], alpha: float) -> NDArray[np.bool_]:
    """Which hypotheses are rejected such that *any* true one is among them with probability at most alpha.

    Rejects all that Bonferroni rejects, and often more; any dependence between the p-values is allowed.

    Args:
        p_values: one a hypothesis, each in [0, 1], shape [m].
        alpha: failure probability of all rejections together, in (0, 1).

    Returns:
        Shape [m], True where the hypothesis is rejected.

    Raises:
        ValueError: an argument is out of range.

    Source: Holm 1979.

    >>> holm([0.01, 0.04, 0.02], alpha=0.05).tolist()
    [True, True, True]
    >>> holm([0.01, 0.04, 0.03], alpha=0.05).tolist()
    [True, False, False]
    """
    check_probability("alpha", alpha)
    p = _p_values(p_values)
    order = np.argsort(p, kind="stable")
    passed = np.logical_and.accumulate(p[order] * np.arange(len(p), 0, -1) <= alpha)
    rejected = np.zeros(len(p), dtype=np.bool_)
    rejected[order] = passed
    return rejected


def holm_adjusted(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """For each hypothesis the smallest alpha at which ``holm`` rejects it, or 1.

    Args:
        p_values: one a hypothesis, each in [0, 1], shape [m].

    Returns:
        Shape [m], each in [0, 1] and never below its own p-value.

    Raises:
        ValueError: an argument is out of range.

    Source: Holm 1979.

    >>> holm_adjusted([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = _p_values(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def _p_values(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all((p >= 0) & (p <= 1)):
        raise ValueError("p_values must be one-dimensional and in [0, 1]")
    return p


def _check_failure(alpha: float) -> None:
    if alpha != 0:
        check_probability("alpha", alpha)


def _check_size(m: int) -> None:
    if m < 1:
        raise ValueError(f"m must be >= 1, got {m}")


def _check_certified(k: int, m: int) -> None:
    _check_size(m)
    if not 0 <= k <= m:
        raise ValueError(f"k must be in 0..m={m}, got {k}")
