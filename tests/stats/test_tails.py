"""Bounds on tails: never below the exact tail, found by enumeration, and near it where they are meant to tell."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from noiseproof.stats.tails import log_tail_of_count, log_tail_of_mean, log_tail_of_table

LAWS = {"coin": [0.5, 0.5], "rare": [0.97, 0.03], "three": [0.2, 0.5, 0.3], "skewed": [0.6, 0.3, 0.09, 0.01]}


def tables(n: int, law: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Every table of n counts, with its probability."""
    counts = np.array([c for c in itertools.product(range(n + 1), repeat=len(law)) if sum(c) == n])
    return counts, multinomial.pmf(counts, n, law)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("n", [1, 4, 12])
def test_no_level_is_exceeded(n: int, law: list[float]):
    """P(bound <= level) <= level for every level there is: so a test at any level keeps its rate of false alarms."""
    p, values = np.array(law), np.array([-1.0, 0.5, 3.0, 4.0])[: len(law)]
    counts, likely = tables(n, law)
    assert likely.sum() == pytest.approx(1)
    tests = {
        "mean": [log_tail_of_mean(values, p, n, float(c @ values) / n) for c in counts],
        "table": [log_tail_of_table(c, p) for c in counts],
        "count": [log_tail_of_count(int(c[0]), n, law[0]) for c in counts],
    }
    for name, logs in tests.items():
        bound = np.array(logs)
        assert bound.max() <= 0, name
        for level in set(bound.round(9)):
            assert likely[bound <= level + 1e-8].sum() <= math.exp(level) * (1 + 1e-6), name


def test_a_count_is_exact():
    assert log_tail_of_count(90, 100, 0.5) == pytest.approx(math.log(2 * binom.sf(89, 100, 0.5)))
    assert log_tail_of_count(10, 100, 0.5) == pytest.approx(math.log(2 * binom.cdf(10, 100, 0.5)))
    assert log_tail_of_count(50, 100, 0.5) == 0.0


def test_the_bounds_are_near_enough_to_tell():
    """At 1e-8: six sigma for a mean (5.7 exactly), and 1.8 times the quantile of chi-square for 60 cells."""
    coin = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    assert log_tail_of_mean(*coin, 10**6, 6.1e-3) == pytest.approx(math.log(2) - 6.1**2 / 2, rel=1e-3)
    cells, n = 60, 10**6
    shifted = np.full(cells, n // cells)
    shifted[::2] += 270
    shifted[1::2] -= 270
    assert ((shifted - shifted.mean()) ** 2 / shifted.mean()).sum() == pytest.approx(262.4, abs=0.1)
    assert log_tail_of_table(shifted, np.full(cells, 1 / cells)) < math.log(1e-8)


def test_what_cannot_be_has_no_probability():
    assert log_tail_of_table(np.array([5, 1]), np.array([1.0, 0.0])) == -math.inf
    assert log_tail_of_mean(np.array([2.0]), np.array([1.0]), 10, 2.5) == -math.inf
    assert log_tail_of_mean(np.array([2.0]), np.array([1.0]), 10, 2.0) == 0.0
    assert log_tail_of_table(np.array([6]), np.array([1.0])) == 0.0
