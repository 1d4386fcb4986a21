"""A test of one probability that may be read after every draw, for streams with no fixed looks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.stats import special
from noiseproof.stats.bounds import check_probability

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLACK = 2.0**-20
"""Held back from every log wealth; its error is below 1e-8 up to n = 1e8, measured against 50 digits."""

_DEEP = 1e-250
"""Below this the tail of the beta law is near underflow and the continued fraction takes over."""


def log_wealth(k: int, n: int, p0: float) -> float:
    """Log of the money a gambler holds who started with 1 and bets that p > p0.

    For every p <= p0 the wealth is a nonnegative supermartingale: P(wealth ever reaches 1/alpha) <= alpha, however
    often one looks. The gambler mixes all p > p0 by the Jeffreys prior cut off at p0:
    M_n = B(k+1/2, n-k+1/2) P(Beta(k+1/2, n-k+1/2) > p0) / (B(1/2,1/2) P(Beta(1/2,1/2) > p0) p0^k (1-p0)^(n-k)).

    Args:
        k: successes, 0 <= k <= n.
        n: draws, >= 1; tried up to 1e8.
        p0: the threshold, in (0, 1).

    Returns:
        log M_n, to about 1e-8. Never infinite.

    Raises:
        ValueError: an argument is out of range.

    Source: Ville 1939; Robbins 1970, the mixture method; Waudby-Smith & Ramdas 2024 for betting.

    >>> round(log_wealth(100, 100, 0.8413447460685429), 6)
    15.74314
    """
    _check_draws("n", n)
    if not 0 <= k <= n:
        raise ValueError(f"k must be in 0..n={n}, got {k}")
    check_probability("p0", p0)
    return float(_log_wealth(np.array([k], dtype=np.float64), np.array([n], dtype=np.float64), p0)[0])


def log_mixture(k: int, n: int, p: float) -> float:
    """Log of the money of a gambler who started with 1 and bets that the probability is another one than p.

    At p the wealth is a martingale: P(it ever reaches 1/alpha) <= alpha. All probabilities are mixed by the Jeffreys
    prior: B(k+1/2, n-k+1/2) / (B(1/2,1/2) p^k (1-p)^(n-k)), whose logarithm is convex in p.

    Args:
        k: successes, 0 <= k <= n.
        n: draws, >= 1.
        p: the probability, in (0, 1).

    Returns:
        The logarithm, to about 1e-8.

    Source: Robbins 1970.

    >>> round(log_mixture(60, 100, 0.5), 6)
    -0.517394
    """
    from scipy.special import xlog1py

    excess = k - n * p
    small = [each(np.array([float(of)]))[0] for each, of in ((_half, k), (_half, n - k), (_whole, n))]
    entropy = xlog1py(k, excess / (n * p)) + xlog1py(n - k, -excess / (n * (1 - p)))
    return float(entropy + 0.5 * math.log(2 / (math.pi * n)) + small[0] + small[1] - small[2])


def anytime_accept(n: int, p0: float, alpha: float) -> int:
    """The fewest successes of n with which p > p0 may be claimed, whatever the other times of looking; n + 1: none.

    For every p <= p0: P(for some n the successes reach this) <= alpha. Rounded up.

    Args:
        n: draws, >= 1; tried up to 1e8.
        p0: the threshold, in (0, 1).
        alpha: failure probability in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    >>> anytime_accept(100, 0.8413447460685429, 0.001), anytime_accept(30, 0.8413447460685429, 0.001)
    (97, 31)
    """
    _check_draws("n", n)
    return int(_fewest(np.array([n], dtype=np.int64), p0, alpha)[0])


def anytime_boundary(n_max: int, p0: float, alpha: float) -> NDArray[np.int64]:
    """``anytime_accept`` for n = 1, ..., n_max in one call.

    From one draw to the next it stays or rises by one: a success never costs the gambler money, a failure always.

    Returns:
        int64, shape [n_max]; entry i belongs to n = i + 1.

    Raises:
        ValueError: an argument is out of range.
    """
    _check_draws("n_max", n_max)
    return _fewest(np.arange(1, n_max + 1, dtype=np.int64), p0, alpha)


def anytime_holds_for_every_class(n: int, p0: float, alpha: float) -> bool:
    """Whether c - 1 >= p0 (n - 1) for the boundary c at n, or n cannot accept at all.

    Where it holds at every n looked at, testing every class at level alpha * p0 keeps the error over all classes at
    most alpha: see ``GroupSequential.holds_for_every_class``.

    Raises:
        ValueError: an argument is out of range.
    """
    critical = anytime_accept(n, p0, alpha)
    return critical > n or critical - 1 >= p0 * (n - 1)


def _check_draws(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")


def _fewest(n: NDArray[np.int64], p0: float, alpha: float) -> NDArray[np.int64]:
    check_probability("p0", p0)
    check_probability("alpha", alpha)
    needed = -math.log(alpha) + _SLACK
    draws = n.astype(np.float64)
    low, high = np.full_like(n, -1), n + 1  # low does not suffice, high does: the wealth rises with the successes
    while (high - low > 1).any():
        middle = np.minimum((low + high) // 2, n)  # where high - low = 1 this is low again, and changes nothing
        enough = _log_wealth(np.maximum(middle, 0).astype(np.float64), draws, p0) >= needed
        enough &= middle > low
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _log_wealth(k: NDArray[np.float64], n: NDArray[np.float64], p0: float) -> NDArray[np.float64]:
    """Log M_n without the difference of large log-gammas: these cancel to n times a relative entropy.

    By Stirling, log B(k+1/2, n-k+1/2) - k log p0 - (n-k) log(1-p0) = n KL(k/n, p0) + log(2 pi / n) / 2 + small.
    """
    q0 = 1 - p0
    failures = n - k
    excess = k - n * p0
    entropy = special.xlog1py(k, excess / (n * p0)) + special.xlog1py(failures, -excess / (n * q0))
    small = _half(k) + _half(failures) - _whole(n)
    prior = math.log(2 * math.atan2(math.sqrt(q0), math.sqrt(p0)))  # B(1/2,1/2) P(Beta(1/2,1/2) > p0)
    tail = special.betaincc(k + 0.5, failures + 0.5, p0)
    deep = tail < _DEEP
    wealth: NDArray[np.float64] = (
        entropy + 0.5 * np.log(2 * math.pi / n) + small + np.log(np.where(deep, 1, tail)) - prior
    )
    if deep.any():  # B(a, b) times the tail is p0^a q0^b / b times a continued fraction: the powers cancel exactly
        a, b = k[deep] + 0.5, failures[deep] + 0.5
        wealth[deep] = 0.5 * math.log(p0 * q0) - np.log(b) + np.log(_fraction(b, a, q0)) - prior
    return wealth


def _half(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log Gamma(x + 1/2) - (x log x - x + log(2 pi) / 2)."""
    y = np.maximum(x, 16)
    series = (-1 / 24 + (7 / 2880 + (-31 / 40320 + 127 / 430080 / y**2) / y**2) / y**2) / y
    exact = special.gammaln(np.minimum(x, 16) + 0.5) - special.xlogy(x, x) + x - 0.5 * math.log(2 * math.pi)
    chosen: NDArray[np.float64] = np.where(x < 16, exact, series)
    return chosen


def _whole(n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log Gamma(n + 1) - (n log n - n + log(2 pi n) / 2)."""
    y = np.maximum(n, 16)
    series = (1 / 12 + (-1 / 360 + (1 / 1260 - 1 / 1680 / y**2) / y**2) / y**2) / y
    exact = special.gammaln(np.minimum(n, 16) + 1) - special.xlogy(n, n) + n - 0.5 * np.log(2 * math.pi * n)
    chosen: NDArray[np.float64] = np.where(n < 16, exact, series)
    return chosen


def _fraction(a: NDArray[np.float64], b: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """The F of I_x(a, b) = x^a (1-x)^b / (a B(a, b)) F, for x well below a/(a+b), by Lentz's method.

    Source: Press et al., Numerical Recipes, section 6.4.
    """
    above = np.ones_like(a)
    below = 1 / (1 - (a + b) * x / (a + 1))
    value: NDArray[np.float64] = below
    for m in range(1, 10_000):
        step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        above, below = 1 + step / above, 1 / (1 + step * below)
        value = value * above * below
        step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        above, below = 1 + step / above, 1 / (1 + step * below)
        change = above * below
        value = value * change
        if (np.abs(change - 1) < 1e-15).all():
            return value
    raise AssertionError("the continued fraction did not converge")  # our own invariant: only called deep in the tail
