from __future__ import annotations

import csv
import math
import random
import re

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtr, bdtrc, gammaln

from noiseproof.stats import (
    Bounds,
    clopper_pearson_lower,
    clopper_pearson_tail,
    clopper_pearson_upper,
    gaussian_radius,
    one_sided,
    smallest_n,
    two_sided,
)

TABLE = [
    # k, n, alpha, p_lower, radius / sigma (0: abstain), all correctly rounded from 60 digits
    (100, 100, 0.001, 0.933254300796991044, 1.5004750241206),
    (10_000, 10_000, 0.001, 0.999309463002589922, 3.1985775147383),
    (100_000, 100_000, 0.001, 0.999930924833009393, 3.81145656339),
    (99_999, 100_000, 0.001, 0.999907669666265446, 3.7391266685434),
    (10**9, 10**9, 1e-12, 0.999999972368979266, 5.4334910992411),
    (99_000, 100_000, 0.001, 0.988989340377474759, 2.2899999552138),
    (90_000, 100_000, 0.001, 0.897036496223829108, 1.2648446903374),
    (50_490, 100_000, 0.001, 0.500008948774403559, 2.2431250945e-5),
    (50_489, 100_000, 0.001, 0.499998948488635526, 0.0),
    (550, 1000, 0.001, 0.500675960092557762, 0.0016943814912685),
    (549, 1000, 0.001, 0.499673064142257622, 0.0),
]

TWO_SIDED = [
    # k, rival_k of n = 100,000 at alpha = .001: radius from one_sided, radius from two_sided, sigma = 1
    (60_000, 10_000, 0.240945, 0.751954),
    (45_000, 20_000, 0.0, 0.343997),
    (90_000, 5_000, 1.264845, 1.443326),
    (99_000, 500, 2.290000, 2.406578),
    (99_900, 50, 3.000201, 3.079367),
    (100_000, 0, 3.811457, 3.787759),
]

counts = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.floats(1e-12, 0.5)


def reach(k: int, n: int, p: mpmath.mpf) -> mpmath.mpf:
    """P(Binomial(n, p) >= k) to about 40 digits: the slow truth behind every bound."""
    odds = p / (1 - p)
    term = mpmath.exp(
        mpmath.loggamma(n + 1)
        - mpmath.loggamma(k + 1)
        - mpmath.loggamma(n - k + 1)
        + k * mpmath.log(p)
        + (n - k) * mpmath.log(1 - p)
    )
    total = mpmath.mpf(0)
    for j in range(k, n + 1):
        total += term
        term *= odds * (n - j) / (j + 1)
        if j > n * p and term < total * mpmath.mpf(10) ** -40:
            break
    return total


@pytest.mark.parametrize(("k", "n", "alpha", "p_lower", "radius"), TABLE)
def test_bound_and_radius_match_the_reference_and_never_exceed_it(k, n, alpha, p_lower, radius):
    lower = clopper_pearson_lower(k, n, alpha)
    assert lower < p_lower
    assert 1 - lower == pytest.approx(1 - p_lower, rel=1e-7, abs=3e-16)
    measured = gaussian_radius(one_sided(k, n, alpha), sigma=1.0)
    assert measured <= radius * (1 + 1e-12)  # the reference itself has 11 to 14 digits
    assert measured == pytest.approx(radius, rel=2e-8, abs=5e-8)
    assert (measured == 0) == (radius == 0)


def test_tail_matches_the_reference_file(shared):
    with (shared / "reference" / "clopper_pearson.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    for row in rows:
        k, n, alpha = int(row["nA"]), int(row["n"]), float(row["alpha"])
        exact = mpmath.mpf(row["qA_upper"])
        tail = clopper_pearson_tail(k, n, alpha)
        assert exact <= tail <= exact * (1 + mpmath.mpf("1e-7"))
        assert clopper_pearson_lower(k, n, alpha) <= mpmath.mpf(row["pA_lower"])


def test_tail_is_rounded_up_by_less_than_1e_7():
    """P(Binomial(n, 1 - tail) >= k) is alpha at the exact tail, less at a larger, more at a smaller one."""
    rng = random.Random(0)
    with mpmath.workdps(60):
        for _ in range(150):
            n = int(10 ** rng.uniform(0, 5))
            k = rng.randint(max(1, n - int(10 ** rng.uniform(0, 5))), n)
            alpha = 10 ** rng.uniform(-12, -0.5)
            tail = mpmath.mpf(clopper_pearson_tail(k, n, alpha))
            shrunk = tail * (1 - mpmath.mpf("1e-7"))
            assert reach(k, n, 1 - shrunk) > alpha, (k, n, alpha)
            if tail < 1:
                assert reach(k, n, 1 - tail) < alpha, (k, n, alpha)


@pytest.mark.parametrize("n", [10**8, 10**9, 10**10])
@pytest.mark.parametrize("missing", [0, 1, 100, 100_000])
def test_tail_is_rounded_up_by_less_than_1e_7_for_large_n(n, missing):
    k = n - missing
    with mpmath.workdps(60):
        tail = mpmath.mpf(clopper_pearson_tail(k, n, 0.001))
        assert reach(k, n, 1 - tail) < 0.001
        assert reach(k, n, 1 - tail * (1 - mpmath.mpf("1e-7"))) > 0.001


def test_lower_and_upper_are_rounded_outwards():
    """1 - tail is rounded upwards by the machine half of the time: k = n = 10**10 is such a case."""
    rng = random.Random(1)
    with mpmath.workdps(60):
        for _ in range(2000):
            n = int(10 ** rng.uniform(0, 10))
            k = rng.choice([n, rng.randint(0, n)])
            tail = clopper_pearson_tail(k, n, 0.001)
            lower = clopper_pearson_lower(k, n, 0.001)
            assert lower == 0 or lower < 1 - mpmath.mpf(tail)
            assert lower >= 1 - tail - 3e-16
            assert clopper_pearson_upper(n - k, n, 0.001) == tail


def test_radius_is_rounded_down():
    rng = random.Random(2)
    for _ in range(300):
        bounds = Bounds(tail=10 ** rng.uniform(-12, -0.3), rival=10 ** rng.uniform(-12, -0.3))
        sigma = 10 ** rng.uniform(-2, 1)
        with mpmath.workdps(40):
            z = [mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf(q)) for q in (bounds.tail, bounds.rival)]
            exact = mpmath.mpf(sigma) / 2 * (z[0] + z[1])
            radius = gaussian_radius(bounds, sigma)
            assert exact * (1 - mpmath.mpf("3e-12")) <= radius <= exact


@pytest.mark.parametrize("n", [1, 2, 5, 17, 100, 999])
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_bounds_fail_with_probability_at_most_alpha(n, alpha):
    """Coverage as an exact sum over the binomial distribution; the worst p is just beyond a bound."""
    lowers = np.array([clopper_pearson_lower(k, n, alpha) for k in range(n + 1)])
    uppers = np.array([clopper_pearson_upper(k, n, alpha) for k in range(n + 1)])
    edges = np.concatenate([lowers, uppers])
    grid = np.concatenate([np.linspace(0.001, 0.999, 37), edges * (1 - 1e-9), edges * (1 + 1e-9)])
    k = np.arange(n + 1)
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    worst = 0.0
    for p in grid[(grid > 0) & (grid < 1)]:
        pmf = np.exp(choose + k * np.log(p) + (n - k) * np.log1p(-p))
        assert pmf[lowers > p].sum() <= alpha * (1 + 1e-9)
        assert pmf[uppers < p].sum() <= alpha * (1 + 1e-9)
        worst = max(worst, pmf[lowers > p].sum())
    assert worst > alpha * 0.999  # the bound is exact, not merely safe


@given(counts, levels)
def test_lower_bound_increases_with_k_and_alpha_and_falls_with_n(case, alpha):
    k, n = case
    lower = clopper_pearson_lower(k, n, alpha)
    if k < n:
        assert clopper_pearson_lower(k + 1, n, alpha) >= lower
    assert clopper_pearson_lower(k, n + 1, alpha) <= lower
    assert clopper_pearson_lower(k, n, min(alpha * 1.5, 0.9)) >= lower
    assert 0 <= lower <= k / n <= clopper_pearson_upper(k, n, alpha) <= 1


@given(counts, levels)
def test_bounds_solve_the_binomial_tail(case, alpha):
    k, n = case
    lower, upper = clopper_pearson_lower(k, n, alpha), clopper_pearson_upper(k, n, alpha)
    assert k == 0 or bdtrc(k - 1, n, lower) <= alpha * (1 + 1e-9)
    assert k == n or bdtr(k, n, upper) <= alpha * (1 + 1e-9)


@given(counts, st.floats(1e-9, 0.4), st.floats(0.01, 10))
def test_radius_is_proportional_to_sigma_and_zero_below_one_half(case, alpha, sigma):
    bounds = one_sided(*case, alpha)
    radius = gaussian_radius(bounds, sigma)
    assert radius == pytest.approx(sigma * gaussian_radius(bounds, 1.0), rel=1e-12)
    assert (radius > 0) == (bounds.tail < 0.5)


@pytest.mark.parametrize(("k", "rival_k", "one", "two"), TWO_SIDED)
def test_two_sided_radius_matches_the_reference(k, rival_k, one, two):
    assert gaussian_radius(one_sided(k, 100_000, 0.001), 1.0) == pytest.approx(one, abs=1e-6)
    assert gaussian_radius(two_sided(k, rival_k, 100_000, 0.001), 1.0) == pytest.approx(two, abs=1e-6)


@given(counts, st.integers(0, 10**6), levels)
def test_two_sided_is_never_worse_than_one_sided_at_half_of_alpha(case, rival_k, alpha):
    k, n = case
    bounds = two_sided(k, rival_k % (n - k + 1), n, alpha)
    assert bounds.rival <= bounds.tail
    assert gaussian_radius(bounds, 1.0) >= gaussian_radius(one_sided(k, n, alpha / 2), 1.0)


def test_no_votes_certify_nothing():
    assert clopper_pearson_lower(0, 100, 0.001) == 0.0
    assert clopper_pearson_tail(0, 100, 0.001) == 1.0
    assert clopper_pearson_upper(100, 100, 0.001) == 1.0
    assert gaussian_radius(one_sided(0, 100, 0.001), 1.0) == 0.0


def test_radius_of_bounds_without_a_sample():
    assert gaussian_radius(Bounds(tail=0.0, rival=0.0), 1.0) == math.inf
    assert gaussian_radius(Bounds(tail=0.0, rival=1.0), 1.0) == 0.0
    assert gaussian_radius(Bounds(tail=0.5, rival=0.5), 1.0) == 0.0


def test_counts_may_be_numpy_integers():
    assert clopper_pearson_tail(np.int64(99), np.int64(100), 0.001) == clopper_pearson_tail(99, 100, 0.001)


@pytest.mark.parametrize(("alpha", "n"), [(0.001, 10), (0.5, 2), (0.7, 1), (2.0**-10, 11), (1e-12, 40)])
def test_smallest_n_is_the_first_that_can_certify(alpha, n):
    assert smallest_n(alpha) == n
    assert gaussian_radius(one_sided(n, n, alpha), 1.0) > 0
    if n > 1:
        assert gaussian_radius(one_sided(n - 1, n - 1, alpha), 1.0) == 0


@pytest.mark.parametrize("alpha", [1e-100, 1e-200, 1e-240])
def test_bounds_hold_down_to_the_smallest_level(alpha):
    """What is failed by the bound is at most alpha, summed with 60 digits; at 1e-300 it is 2e9 times alpha."""
    with mpmath.workdps(60):
        for n, k in ((1000, 999), (1000, 600), (3000, 2995), (100_000, 99_990), (20_000, 19_950)):
            q = mpmath.mpf(clopper_pearson_tail(k, n, alpha))
            failed = sum(mpmath.binomial(n, j) * q**j * (1 - q) ** (n - j) for j in range(n - k + 1))
            assert alpha * (1 - 1e-4) <= failed <= alpha


@pytest.mark.parametrize("bound", [clopper_pearson_lower, clopper_pearson_upper, clopper_pearson_tail, one_sided])
def test_a_level_at_which_bounds_fail_is_refused(bound):
    with pytest.raises(ValueError, match="alpha must be >= 1e-240, got 1e-250; below, double precision holds no bound"):
        bound(999, 1000, 1e-250)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clopper_pearson_lower(1, 2, 1.5), "alpha must be in (0, 1), got 1.5"),
        (lambda: clopper_pearson_lower(1, 2, 0), "alpha must be in (0, 1), got 0"),
        (lambda: clopper_pearson_lower(1, 2, math.nan), "alpha must be in (0, 1), got nan"),
        (lambda: clopper_pearson_lower(0, 2, 1.0), "alpha must be in (0, 1), got 1.0"),
        (lambda: clopper_pearson_tail(101, 100, 0.1), "k must be in 0..n=100, got 101"),
        (lambda: clopper_pearson_upper(101, 100, 0.1), "k must be in 0..n=100, got 101"),
        (lambda: clopper_pearson_upper(np.int64(-1), 100, 0.1), "k must be in 0..n=100, got -1"),
        (lambda: clopper_pearson_lower(0, 0, 0.1), "n must be >= 1, got 0"),
        (lambda: two_sided(60, 41, 100, 0.1), "rival_k must be in 0..n-k=40, got 41"),
        (lambda: two_sided(60, 40, 100, 1.5), "alpha must be in (0, 1), got 1.5"),
        (lambda: gaussian_radius(Bounds(0.1, 0.1), -0.5), "sigma must be > 0 and finite, got -0.5"),
        (lambda: gaussian_radius(Bounds(0.1, 0.1), math.nan), "sigma must be > 0 and finite, got nan"),
        (lambda: Bounds(tail=1.1, rival=0.1), "tail must be in [0, 1], got 1.1"),
        (lambda: Bounds(tail=0.1, rival=math.nan), "rival must be in [0, 1], got nan"),
        (lambda: smallest_n(2), "alpha must be in (0, 1), got 2"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
