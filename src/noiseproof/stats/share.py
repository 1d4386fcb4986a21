"""Is the share of a data set's inputs that are certified at least so much? Told from few of them, in random order."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

from noiseproof.stats.bounds import check_probability
from noiseproof.stats.multiple import false_certificates
from noiseproof.stats.sequential import looks_up_to

ShareVerdict = Literal["at least", "below", "undecided"]

_FIRST_LOOK = 20


@dataclass(frozen=True)
class ShareTest:
    """Two tests of a share, looked at together: of "it is less" and of "it is that much".

    Attributes:
        population: inputs there are.
        at_least: the share asked about.
        false: so many of all certificates at most are false.
        looks: inputs at each look, ascending.
        enough: certified inputs at a look from which "at least" is said; more than the look where nothing says it.
        too_few: certified inputs at a look up to which "below" is said; -1 where nothing says it.
    """

    population: int
    at_least: float
    false: int
    looks: tuple[int, ...]
    enough: tuple[int, ...]
    too_few: tuple[int, ...]

    def verdict(self, certified: int, look: int) -> ShareVerdict:
        """What ``certified`` inputs among the first ``looks[look]`` say."""
        if certified >= self.enough[look]:
            return "at least"
        return "below" if certified <= self.too_few[look] else "undecided"


def share_test(population: int, at_least: float, alpha: float, error: float, most: int | None = None) -> ShareTest:
    """The tests for inputs taken from a population in random order, without replacement.

    "at least" is said with probability at most ``error`` where the smoothed classifier is right and robust on a smaller
    share: half of the error is that of too many false certificates, the other half that of the inputs taken. "below" is
    said with probability at most ``error / 2`` where the procedure would certify that share of all. The looks spend
    equal parts of the error (Bonferroni), but for one at all inputs, which knows; their counts are hypergeometric.

    Args:
        population: inputs there are, >= 1.
        at_least: the share asked about, in (0, 1].
        alpha: failure probability of one certificate, in (0, 1).
        error: of the verdict, in (0, 1).
        most: inputs that are looked at at most, >= 1; by default all.

    Raises:
        ValueError: an argument is out of range.

    >>> test = share_test(10_000, at_least=0.6, alpha=0.001, error=0.01)
    >>> test.false, list(zip(test.looks, test.enough, test.too_few))[:3]
    (19, [(20, 20, 4), (40, 35, 12), (60, 49, 22)])
    """
    from scipy.stats import hypergeom

    check_probability("error", error)
    check_probability("alpha", alpha)
    if population < 1:
        raise ValueError(f"population must be >= 1, got {population}")
    if not 0 < at_least <= 1:
        raise ValueError(f"at_least must be in (0, 1], got {at_least}; .6 is 60 percent")
    false, needed = false_certificates(population, alpha, error / 2), ceil(at_least * population - 1e-9)
    most = population if most is None else min(most, population)
    looks = looks_up_to(most, first=min(_FIRST_LOOK, most))
    guesses = sum(look < population for look in looks)
    level = error / 2 / max(1, guesses) * (1 - 1e-9)  # scipy's tails are good to some 1e-12 of themselves
    enough, too_few = [], []
    for look in looks:
        counts = range(look + 1)
        few, many = (hypergeom(population, total, look) for total in (min(needed + false, population + 1) - 1, needed))
        above = few.sf([count - 1 for count in counts])
        enough.append(next((count for count in counts if above[count] <= level), look + 1))
        below = many.cdf(counts)
        too_few.append(max((count for count in counts if below[count] <= level), default=-1))
    return ShareTest(population, at_least, false, looks, tuple(enough), tuple(too_few))
