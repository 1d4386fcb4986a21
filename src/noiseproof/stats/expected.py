"""What a group-sequential test costs and finds: exact expectations at given success probabilities."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.stats.sequential import CountDistribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from noiseproof.stats.sequential import GroupSequential

_NEGLIGIBLE = 1e-20
"""States less probable than this are dropped from the ends: they cost below 1e-7 draws in all at n_max = 1e6."""


@dataclass(frozen=True)
class Expected:
    """What one test does at success probabilities p, futility obeyed. All float64, of the shape of p.

    Attributes:
        draws: expected number.
        accepted: probability of accepting p > p0.
        futile: probability of giving up before the last look.
    """

    draws: NDArray[np.float64]
    accepted: NDArray[np.float64]
    futile: NDArray[np.float64]

    @property
    def undecided(self) -> NDArray[np.float64]:
        """Probability of reaching the last look and not accepting there."""
        return 1 - self.accepted - self.futile


@dataclass(frozen=True)
class ExpectedCurve:
    """What a sequence of nested tests does at success probabilities p.

    Attributes:
        draws: expected number, float64, of the shape of p.
        claimed: probability that each test is claimed, float64, the shape of p and then [tests]; it never rises
            along the tests.
    """

    draws: NDArray[np.float64]
    claimed: NDArray[np.float64]


def expected(test: GroupSequential, p: ArrayLike) -> Expected:
    """Exact expectations of one test, by a recursion over the successes at each look; nothing is simulated.

    Args:
        test: its ``stop`` bounds are obeyed.
        p: success probabilities, in [0, 1], any shape.

    Raises:
        ValueError: a p is no probability.

    >>> from noiseproof.stats.sequential import group_sequential
    >>> said = expected(group_sequential(0.8413447460685429, 0.001, 100_000), [0.5, 0.84, 0.9, 1.0])
    >>> said.draws.round(1).tolist(), said.accepted.round(3).tolist()
    ([100.0, 20965.7, 730.9, 100.0], [0.0, 0.0, 1.0, 1.0])
    """
    shape, rows = _rows((test,), p)
    draws, claimed, futile = (rows[:, i].reshape(shape) for i in range(3))
    return Expected(draws, claimed, futile)


def expected_curve(tests: Sequence[GroupSequential], p: ArrayLike) -> ExpectedCurve:
    """Exact expectations of nested tests read off the same draws: a curve over radii.

    Fixed sequence: a test is claimed once it has accepted, at this or an earlier look, and every test before it is
    claimed. The draws end when all are claimed, or at the look where the first unclaimed test is futile, or at the
    last look. The error over all tests together is that of one, without a correction: the first false one in the
    sequence must be falsely accepted before any other false one is claimed.

    Args:
        tests: from the smallest p0 to the largest, with the same looks, none accepting before the one below it.
        p: success probabilities, in [0, 1], any shape.

    Raises:
        ValueError: the tests are not nested, or a p is no probability.
    """
    if not tests:
        raise ValueError("tests must not be empty")
    for below, test in itertools.pairwise(tests):
        if test.looks != below.looks:
            raise ValueError(f"tests must have the same looks, got {below.looks} and {test.looks}")
        nested = all(c <= d for c, d in zip(below.accept, test.accept, strict=True))
        if not (below.p0 < test.p0 and nested):
            raise ValueError(f"tests must be nested, got p0={test.p0} after p0={below.p0}: make all with one design")
    shape, rows = _rows(tuple(tests), p)
    return ExpectedCurve(rows[:, 0].reshape(shape), rows[:, 1:-1].reshape(*shape, len(tests)))


def _rows(tests: tuple[GroupSequential, ...], p: ArrayLike) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """For each p a row: draws, the probability of claiming each test, of giving up before the last look."""
    asked = np.asarray(p, dtype=np.float64)
    for value in asked.flat:
        if not 0 <= value <= 1:
            raise ValueError(f"p must be in [0, 1], got {value}")
    rows = np.empty((asked.size, len(tests) + 2))
    for i, value in enumerate(asked.flat):
        rows[i] = _row(tests, float(value))
    return asked.shape, rows


def _row(tests: tuple[GroupSequential, ...], p: float) -> NDArray[np.float64]:
    """The recursion: the state is the number of tests claimed so far, and the successes."""
    draws, drawn = 0.0, 0
    claimed, futile = np.zeros(len(tests)), 0.0
    held = {0: CountDistribution(0, np.ones(1))}
    for look, n in enumerate(tests[0].looks):
        draws += sum(counts.total for counts in held.values()) * (n - drawn)
        law, drawn = CountDistribution.binomial(n - drawn, p), n
        reached: dict[int, list[CountDistribution]] = {}
        for done, counts in held.items():
            rest = counts.plus(law)
            for now in range(done, len(tests)):  # claims all before `now`, and not `now`
                critical = tests[now].accept[look]
                here, rest = rest.below(critical), rest.at_least(critical)
                claimed[done:now] += here.total
                if n < tests[0].looks[-1]:
                    going = here.at_least(tests[now].stop[look] + 1)
                    futile += here.total - going.total
                    reached.setdefault(now, []).append(going)
            claimed[done:] += rest.total
        held = {now: total for now, parts in reached.items() if (total := _sum(parts)).mass.size}
    return np.array([draws, *claimed, futile])


def _sum(parts: list[CountDistribution]) -> CountDistribution:
    """The laws added up, without their negligible ends."""
    low = min(part.low for part in parts)
    mass = np.zeros(max(part.low + part.mass.size for part in parts) - low)
    for part in parts:
        mass[part.low - low : part.low - low + part.mass.size] += part.mass
    kept = np.flatnonzero(mass > _NEGLIGIBLE)
    first, end = (int(kept[0]), int(kept[-1]) + 1) if kept.size else (0, 0)
    return CountDistribution(low + first, mass[first:end])
