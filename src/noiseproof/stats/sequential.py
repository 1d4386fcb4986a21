"""Group-sequential tests of one probability: few looks, exact boundaries, exact size."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import ceil, exp, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.stats.bounds import check_probability

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 1 + 2.0**-30
"""Covers the error of binomial tails and of the recursion: a level is held with this much to spare."""

_WIDTH = 14.0
"""Standard deviations kept of a binomial law; the mass beyond is below 1e-40."""


@dataclass(frozen=True)
class GroupSequential:
    """A test of H: p <= p0 against p > p0 that looks at the successes a few times and may stop at each look.

    At look k, after n_k draws, it accepts p > p0 when the successes reach ``accept[k]``, and gives up as futile
    when they are at most ``stop[k]``. For every p <= p0 the probability of ever accepting is at most ``size``,
    whether futility is obeyed or not.

    Attributes:
        p0: the threshold.
        alpha: the level; ``size`` is at most this.
        looks: n_k, draws at each look, ascending.
        accept: successes that suffice at each look; n_k + 1 where none do.
        stop: successes that are too few at each look; -1 where none are.
        size: exact probability of accepting at p = p0 when futility is ignored.

    Source: group-sequential design of Jennison & Turnbull 2000, chapter 12, with binomial boundaries.
    """

    p0: float
    alpha: float
    looks: tuple[int, ...]
    accept: tuple[int, ...]
    stop: tuple[int, ...]
    size: float

    def table(self) -> dict[str, Any]:
        """The test as a plain table, to be stored with what it decided."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def to_go(self, successes: int, n: int) -> int:
        """Draws until this count, going on at its rate, comes to a boundary; up to the last look where it does not.

        What to spend a budget on: nothing is claimed about it.

        >>> group_sequential(0.8, 0.001, 100_000).to_go(85, 100)
        1100
        """
        rate = (successes + 0.5) / (n + 1)
        left = slice(bisect_right(self.looks, n), None)
        for look, accept, stop in zip(self.looks[left], self.accept[left], self.stop[left], strict=True):
            if not stop < successes + rate * (look - n) < accept:
                return look - n
        return self.looks[-1] - n

    @property
    def holds_for_every_class(self) -> bool:
        """Whether testing every class at level alpha * p0 keeps the error over all classes at most alpha.

        f(p), the probability of accepting at p, is a sum of c p^x (1 - p)^(n - x) over the states (n, x) in which
        the boundary is first crossed. Each p^(x-1) (1 - p)^(n-x) increases for p <= (x - 1)/(n - 1). Where that is
        at least p0 in every such state, f(p)/p increases on (0, p0], so f(p_c) <= alpha p_c, and the p_c add to 1.
        """
        reached = [(n, c) for n, c in zip(self.looks, self.accept, strict=True) if c <= n]
        return all(c - 1 >= self.p0 * (n - 1) for n, c in reached)


@lru_cache(maxsize=256)
def group_sequential(
    p0: float,
    alpha: float,
    n_max: int,
    *,
    first: int = 100,
    ratio: float = 1.5,
    gamma: float = 0.02,
    calibrated: bool = True,
) -> GroupSequential:
    """The test with looks at ``first``, then each ``ratio`` times the last (in steps of ``first``), up to ``n_max``.

    Level alpha * w_k is spent at look k: half at the last, the rest in equal parts. *Calibrated*: all levels are
    raised by one factor, the largest with which the exact size stays at most alpha. A look is futile where the
    posterior predictive probability (Jeffreys prior) of still accepting at the last look is below gamma.

    Args:
        p0: the threshold, in (0, 1).
        alpha: the level, in (0, 1).
        n_max: draws at the last look, >= first.
        first: draws at the first look, >= 1.
        ratio: of one look to the last, > 1.
        gamma: futility, in [0, 1); 0 never gives up before the last look.
        calibrated: spend all of alpha.

    Raises:
        ValueError: an argument is out of range.

    >>> test = group_sequential(0.8413447460685429, 0.001, 100_000, ratio=2, calibrated=False)
    >>> test.accept[:3], test.stop[:3], round(test.size, 9)
    ((97, 188, 364), (76, 157, 322), 0.000850072)
    """
    check_probability("p0", p0)
    check_probability("alpha", alpha)
    if first < 1 or n_max < first:
        raise ValueError(f"looks must satisfy 1 <= first <= n_max, got first={first}, n_max={n_max}")
    if not ratio > 1:
        raise ValueError(f"ratio must be > 1, got {ratio}")
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma must be in [0, 1), got {gamma}")
    looks = looks_up_to(n_max, first=first, ratio=ratio)
    weights = spent(len(looks))

    def boundary(boost: float) -> tuple[int, ...]:
        levels = [min(alpha * weight * exp(boost), 0.999 * alpha) for weight in weights]
        return tuple(_critical(n, p0, level) for n, level in zip(looks, levels, strict=True))

    accept = boundary(0.0)
    if calibrated:
        low, high = 0.0, 8.0
        while high - low > 1e-4:
            middle = (low + high) / 2
            low, high = (middle, high) if crossing(looks, boundary(middle), p0) * _ROUNDING <= alpha else (low, middle)
        accept = boundary(low)
    stop = tuple(_futile(n, accept[-1], n_max, gamma) for n in looks)
    return GroupSequential(p0, alpha, looks, accept, stop, crossing(looks, accept, p0))


def looks_up_to(n_max: int, *, first: int = 100, ratio: float = 1.5) -> tuple[int, ...]:
    """Draws at each look: ``first``, then each ``ratio`` times the last in steps of ``first``, and n_max.

    >>> looks_up_to(1000), looks_up_to(1000, ratio=2)
    ((100, 200, 300, 500, 800, 1000), (100, 200, 400, 800, 1000))
    """
    looks, n = [], first
    while n < n_max:
        looks.append(n)
        n = max(n + first, ceil(ratio * n / first) * first)
    return (*looks, n_max)


def spent(looks: int, last: float = 0.5) -> tuple[float, ...]:
    """The share of alpha each look spends: ``last`` the last one, the others equal parts of the rest.

    >>> spent(3), spent(1)
    ((0.25, 0.25, 0.5), (1.0,))
    """
    return (*[(1 - last) / (looks - 1)] * (looks - 1), last) if looks > 1 else (1.0,)


def crossing(looks: tuple[int, ...], accept: tuple[int, ...], p: float) -> float:
    """Exact probability, at success probability p, of reaching ``accept`` at one of the looks.

    A recursion over the successes at each look, by the states that have not crossed yet.
    """
    crossed = 0.0
    held, drawn = CountDistribution(0, np.ones(1)), 0
    for n, critical in zip(looks, accept, strict=True):
        held, drawn = held.plus(CountDistribution.binomial(n - drawn, p)), n
        crossed += held.at_least(critical).total
        held = held.below(critical)
        if not held.mass.size:
            break
    return crossed


@dataclass(frozen=True)
class CountDistribution:
    """Probabilities of counts, not necessarily adding to 1: what a recursion over the successes carries.

    Attributes:
        low: the count that the first probability belongs to.
        mass: float64, the probabilities of low, low + 1, ...
    """

    low: int
    mass: NDArray[np.float64]

    @classmethod
    def binomial(cls, n: int, p: float) -> CountDistribution:
        """Binomial(n, p), 0 <= p <= 1, where it has mass: what is left out is below 1e-40.

        From the ratios of neighbours, outwards from the mode: more exact than a difference of large log-gammas.
        """
        if p in (0, 1):
            return cls(n if p else 0, np.ones(1))
        spread = sqrt(n * p * (1 - p))
        low = max(0, int(n * p - _WIDTH * spread - _WIDTH))
        high = min(n, ceil(n * p + _WIDTH * spread + _WIDTH))
        mode = min(int((n + 1) * p), high)
        above = np.arange(mode, high, dtype=np.float64)
        below = np.arange(mode, low, -1, dtype=np.float64)
        odds = p / (1 - p)
        rising = np.cumprod((n - above) / (above + 1) * odds)
        falling = np.cumprod(below / (n - below + 1) / odds)
        law = np.concatenate([falling[::-1], [1.0], rising])
        return cls(low, law / law.sum())

    @property
    def total(self) -> float:
        """The sum of the probabilities."""
        return float(self.mass.sum())

    def plus(self, other: CountDistribution) -> CountDistribution:
        """The law of the sum with an independent count."""
        return CountDistribution(self.low + other.low, np.convolve(self.mass, other.mass))

    def below(self, count: int) -> CountDistribution:
        """The part of the law below a count."""
        return CountDistribution(self.low, self.mass[: max(0, count - self.low)])

    def at_least(self, count: int) -> CountDistribution:
        """The part of the law from a count upwards."""
        skip = max(0, count - self.low)
        return CountDistribution(self.low + skip, self.mass[skip:])


def _critical(n: int, p0: float, level: float) -> int:
    """The fewest successes c of n with P(X >= c) <= level at p0; n + 1 where not even n suffice."""
    from scipy.special import bdtrc

    low, high = 0, n + 1  # P(X >= low) is above the level, P(X >= high) is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bdtrc(middle - 1, n, p0) * _ROUNDING <= level else (middle, high)
    return high


def _futile(n: int, critical: int, n_max: int, gamma: float) -> int:
    """The most successes with which the last look is reached with predictive probability below gamma."""
    from scipy.special import ndtr

    if n == n_max:
        return critical - 1
    x = np.arange(n + 1, dtype=np.float64)
    p = (x + 0.5) / (n + 1)
    left = n_max - n
    spread = np.sqrt(left * p * (1 - p) * (1 + left / (n + 1)))
    reached = ndtr((x + left * p - (critical - 0.5)) / spread)
    return int(np.searchsorted(reached, gamma, side="left")) - 1
