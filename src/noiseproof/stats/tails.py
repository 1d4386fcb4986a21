"""Upper bounds on tails, valid for every sample size: for tests whose rate of false alarms is held, not hoped for."""

from __future__ import annotations

from math import inf, log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def log_tail_of_mean(values: NDArray[np.float64], law: NDArray[np.float64], n: int, mean: float) -> float:
    """Log of an upper bound on P(a mean of n draws is this far from the expected one, on either side).

    Chernoff's bound with the exact moment generating function: conservative for every n, and near the exact tail in
    the exponent.

    Args:
        values: what a draw can be worth.
        law: the probabilities of the values; they add to 1.
        n: independent draws.
        mean: of the worth of the draws, as found.

    Source: Chernoff 1952.

    >>> coin = np.array([0.0, 1.0]), np.array([0.5, 0.5])
    >>> log_tail_of_mean(*coin, 100, 0.5), round(float(np.exp(log_tail_of_mean(*coin, 100, 0.8))), 10)
    (0.0, 8.5e-09)
    """
    from scipy.optimize import minimize_scalar

    expected = float(law @ values)
    off, variance = mean - expected, float(law @ (values - expected) ** 2)
    if off == 0:
        return 0.0
    if variance == 0:
        return -inf
    sign = 1.0 if off > 0 else -1.0
    centred = sign * (values - expected)
    possible = law > 0
    centred, log_law = centred[possible], np.log(law[possible])

    def exponent(tilt: float) -> float:
        terms = log_law + tilt * centred
        top = float(terms.max())
        return n * (top + log(float(np.exp(terms - top).sum())) - tilt * abs(off))

    # every tilt gives a bound; the best is off / variance where the law is normal
    best = minimize_scalar(exponent, bounds=(0.0, 4 * abs(off) / variance), method="bounded")
    return min(0.0, log(2) + float(best.fun))


def log_tail_of_count(count: int, n: int, p: float) -> float:
    """Log of P(a Binomial(n, p) is this far out or farther), doubled for two sides; exact.

    >>> round(float(np.exp(log_tail_of_count(0, 10, 0.5))), 9)
    0.001953125
    """
    from scipy.stats import binom

    one_side = min(float(binom.logcdf(count, n, p)), float(binom.logsf(count - 1, n, p)))
    return min(0.0, log(2) + one_side)


def log_tail_of_table(counts: NDArray[np.int64], law: NDArray[np.float64]) -> float:
    """Log of an upper bound on P(a table of counts is this far from its law, or farther), by relative entropy.

    With k cells, n counts and D the relative entropy of the counted shares to the law, P(n D >= t) is at most
    e^-t (e t / (k - 1))^(k-1) for t > k - 1, for every n and every law: 2 n D is the statistic that Pearson's
    chi-square approximates.

    Args:
        counts: how often each cell was met.
        law: the probabilities of the cells; they add to 1.

    Source: Agrawal 2020, Finite-sample concentration of the multinomial in relative entropy, theorem 1.2.

    >>> fair = np.full(6, 1 / 6)
    >>> log_tail_of_table(np.array([10, 11, 9, 10, 12, 8]), fair)
    0.0
    >>> round(log_tail_of_table(np.array([30, 6, 6, 6, 6, 6]), fair), 2)
    -6.33
    """
    met = counts > 0
    if (law[met] == 0).any():
        return -inf
    n, free = int(counts.sum()), int((law > 0).sum()) - 1
    shares = counts[met] / n if n else np.zeros(0)
    t = float(n * (shares * np.log(shares / law[met])).sum())
    if t <= free or free == 0:
        return 0.0
    return min(0.0, free * (1 + log(t / free)) - t)
