from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.stats import (
    bernstein_lower,
    bonferroni,
    clopper_pearson_lower,
    dkw_band,
    dkw_band_at_any_m,
    false_certificates,
    false_certificates_at_any_m,
    fixed_set_lower,
    holm,
    holm_adjusted,
    population_lower,
    population_lower_at_any_m,
)


def exceeds(f: int, m: int, alpha: float) -> float:
    """P(Binomial(m, alpha) > f) as a plain sum."""
    return 1 - math.fsum(math.comb(m, j) * alpha**j * (1 - alpha) ** (m - j) for j in range(f + 1))


@pytest.mark.parametrize(("m", "alpha", "rho"), [(500, 0.001, 0.001), (200, 0.05, 0.01), (1, 0.001, 0.1)])
def test_failure_budget_is_the_smallest_that_holds(m, alpha, rho):
    budget = false_certificates(m, alpha, rho)
    assert exceeds(budget, m, alpha) <= rho
    assert budget == 0 or exceeds(budget - 1, m, alpha) > rho


def test_failure_budget_matches_the_reference():
    assert false_certificates(500, 0.001, 0.001) == 4
    assert false_certificates(3, 0.9, 0.001) == 3
    assert false_certificates(10**9, 0.001, 0.001) == pytest.approx(1_003_090, abs=2)  # normal approximation


def test_fixed_set_bound_takes_the_budget_off():
    assert fixed_set_lower(244, 500, 0.001, 0.001) == 240 / 500
    assert fixed_set_lower(3, 500, 0.001, 0.001) == 0.0


def test_population_bound_matches_the_reference():
    assert population_lower(244, 500, 0.001, 0.05) == pytest.approx(0.449806, abs=5e-7)
    assert population_lower(4900, 10_000, 0.001, 0.05) == pytest.approx(0.481212, abs=6e-7)
    assert population_lower(0, 500, 0.001, 0.05) == 0.0


def test_population_bound_fails_with_probability_at_most_rho():
    """Worst case: g is right at a share theta of inputs, every other one is certified with chance alpha."""
    m, alpha, rho = 60, 0.05, 0.05
    lowers = np.array([population_lower(k, m, alpha, rho) for k in range(m + 1)])
    for theta in np.linspace(0.005, 0.995, 199):
        chance = theta + (1 - theta) * alpha
        pmf = np.array([math.comb(m, k) * chance**k * (1 - chance) ** (m - k) for k in range(m + 1)])
        assert pmf[lowers > theta].sum() <= rho


def test_bernstein_bound_is_the_published_formula():
    expected = 0.49 - 0.001 - math.sqrt(2 * 0.001 * 0.999 * math.log(1000) / 500) - math.log(1000) / 1500
    assert bernstein_lower(0.49, 500, 0.001, 0.001) == pytest.approx(expected, rel=1e-14)
    assert bernstein_lower(0.001, 500, 0.001, 0.001) == 0.0


@given(st.integers(50, 20_000), st.floats(0, 1), st.sampled_from([0.001, 0.01]), st.floats(1e-6, 0.05))
def test_the_exact_budget_is_never_worse_than_bernstein(m, share, alpha, rho):
    k = int(share * m)
    assert fixed_set_lower(k, m, alpha, rho) >= bernstein_lower(k / m, m, alpha, rho) - 1 / m


def test_dkw_band_matches_the_reference():
    assert dkw_band(500, 0.05) == pytest.approx(0.061, abs=5e-4)
    assert dkw_band(10_000, 0.05) == pytest.approx(0.0136, abs=5e-5)
    assert dkw_band(1, 0.05) == 1.0


def test_bonferroni_divides_alpha():
    assert bonferroni(0.05, 10) == 0.005
    assert clopper_pearson_lower(99, 100, bonferroni(0.05, 10)) < clopper_pearson_lower(99, 100, 0.05)


@given(st.lists(st.floats(0, 1), max_size=6), st.floats(0.001, 0.5))
def test_holm_is_the_closed_test_of_bonferroni(p_values, alpha):
    """A hypothesis is rejected exactly if Bonferroni rejects every intersection that contains it."""
    m = len(p_values)
    subsets = [s for size in range(1, m + 1) for s in itertools.combinations(range(m), size)]
    # p * size <= alpha, as written, so that both sides round alike
    expected = [all(min(p_values[j] for j in s) * len(s) <= alpha for s in subsets if i in s) for i in range(m)]
    assert holm(p_values, alpha).tolist() == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: false_certificates(0, 0.1, 0.1), "m must be >= 1, got 0"),
        (lambda: false_certificates(5, 1.5, 0.1), "alpha must be in (0, 1), got 1.5"),
        (lambda: false_certificates(5, 0.1, 0), "rho must be in (0, 1), got 0"),
        (lambda: fixed_set_lower(6, 5, 0.1, 0.1), "k must be in 0..m=5, got 6"),
        (lambda: population_lower(-1, 5, 0.1, 0.1), "k must be in 0..m=5, got -1"),
        (lambda: population_lower(1, 5, 2, 0.1), "alpha must be in (0, 1), got 2"),
        (lambda: population_lower(1, 5, 0.1, 2), "rho must be in (0, 1), got 2"),
        (lambda: bernstein_lower(49, 5, 0.1, 0.1), "accuracy must be in [0, 1], got 49"),
        (lambda: bernstein_lower(0.5, 5, 0.1, 7), "rho must be in (0, 1), got 7"),
        (lambda: dkw_band(5, 0), "delta must be in (0, 1), got 0"),
        (lambda: dkw_band(0, 0.1), "m must be >= 1, got 0"),
        (lambda: bonferroni(0.1, 0), "m must be >= 1, got 0"),
        (lambda: holm([0.1, 1.1], 0.1), "p_values must be one-dimensional and in [0, 1]"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


@given(st.lists(st.floats(0, 1), max_size=12), st.floats(0.001, 0.999))
def test_adjusted_p_values_are_those_at_which_holm_rejects(p_values, alpha):
    adjusted = holm_adjusted(p_values)
    assert (adjusted <= alpha).tolist() == holm(p_values, alpha).tolist()
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted.tolist(), strict=True))
    slow = [
        min(1.0, max((sum(r > p for r in p_values) + sum(r == p for r in p_values)) * p for p in p_values if p <= own))
        for own in p_values
    ]
    assert adjusted.tolist() == pytest.approx(slow, rel=1e-12)


def test_adjusted_p_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^p_values must be one-dimensional and in \[0, 1\]$"):
        holm_adjusted([0.5, 1.5])
    with pytest.raises(ValueError, match=r"^p_values must be one-dimensional and in \[0, 1\]$"):
        holm_adjusted([[0.5]])


def ever(p, critical, most):
    """P(the successes of Bernoulli(p) draws reach critical(m) at some m <= most), by an exact recursion."""
    law, crossed = np.ones(1), 0.0
    for m in range(1, most + 1):
        law = np.append(law * (1 - p), 0.0) + np.append(0.0, law * p)
        c = critical(m)
        crossed += law[c:].sum()
        law[c:] = 0.0
    return crossed


def test_a_budget_for_a_fixed_m_does_not_hold_for_those_who_look_at_every_m():
    """What was stated with .001 is .0035 where a run of up to 500 inputs is looked at after each, and grows with m."""
    stated = ever(0.001, lambda m: false_certificates(m, 0.001, 0.001) + 1, 500)
    assert 0.0035 < stated < 0.0036


@pytest.mark.parametrize(("alpha", "rho", "most"), [(0.001, 0.001, 3000), (0.05, 0.05, 1000), (0.3, 0.01, 400)])
def test_the_budget_at_any_m_holds_at_every_m_at_once(alpha, rho, most):
    size = ever(alpha, lambda m: false_certificates_at_any_m(m, alpha, rho) + 1, most)
    assert rho / 20 < size <= rho
    for m in (1, 10, most):
        assert false_certificates(m, alpha, rho) <= false_certificates_at_any_m(m, alpha, rho) <= m


@pytest.mark.parametrize(("theta", "rho"), [(0.1, 0.05), (0.5, 0.05), (0.9, 0.01)])
def test_the_share_of_the_population_at_any_m_holds_at_every_m_at_once(theta, rho):
    alpha, at = 0.01, [0]

    def critical(m):  # the fewest certified inputs with which more than theta is claimed: it never falls
        while at[0] <= m and population_lower_at_any_m(at[0], m, alpha, rho) <= theta:
            at[0] += 1
        return at[0]

    size = ever(theta + (1 - theta) * alpha, critical, 200)
    assert rho / 20 < size <= rho


BANDS = {
    "fixed": [dkw_band(m, 0.05) for m in range(1, 301)],
    "at any m": [dkw_band_at_any_m(m, 0.05) for m in range(1, 301)],
}


@pytest.mark.parametrize("delta", [0.05, 0.001])
def test_the_band_at_any_m_holds_at_every_m_at_once(delta):
    """By the exact law of the largest deviation at each m (kstwo), added up over all m, behind 400 by the shares."""
    from scipy.stats import kstwo

    size = sum(kstwo.sf(dkw_band_at_any_m(m, delta), m) for m in range(1, 401)) + delta * 100 / 500
    assert delta / 4 < size <= delta
    assert sum(kstwo.sf(dkw_band(m, delta), m) for m in range(1, 401)) > 50 * delta, "the fixed band adds up to more"


def test_the_band_is_looked_at_after_every_input():
    """A curve is extended to 300 inputs, 1,000 times: of breaks with at most .05 each, 98 or more have 1e-9."""
    uniform, fixed, at_any_m = np.random.default_rng(0).random((1000, 300)), 0, 0
    for runs in uniform:
        broken = set()
        for m in range(1, 301):
            ordered, steps = np.sort(runs[:m]), np.arange(m + 1) / m
            deviation = max(np.abs(ordered - steps[1:]).max(), np.abs(ordered - steps[:-1]).max())
            broken |= {name for name, band in BANDS.items() if deviation > band[m - 1]}
        fixed, at_any_m = fixed + ("fixed" in broken), at_any_m + ("at any m" in broken)
    assert at_any_m < 98
    assert fixed > 200, "a band for a fixed m does not hold for those who look at every m"


def test_at_any_m_claims_less_than_at_a_fixed_m():
    for k, m in ((0, 10), (10, 10), (50, 100), (244, 500), (9_000, 10_000)):
        at_any_m, fixed = (f(k, m, 0.001, 0.05) for f in (population_lower_at_any_m, population_lower))
        assert 0 <= at_any_m <= fixed
    assert population_lower_at_any_m(9_000, 10_000, 0.001, 0.05) > 0.88
