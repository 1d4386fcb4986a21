"""The betting process against fifty digits, and the chance of ever crossing by exact recursion."""

from __future__ import annotations

import re

import mpmath
import numpy as np
import pytest
from scipy.stats import binom

from noiseproof.stats.anytime import anytime_accept, anytime_boundary, anytime_holds_for_every_class, log_wealth
from noiseproof.stats.sequential import crossing

R_SIGMA = 0.8413447460685429
THRESHOLDS = [0.5, 0.6914624612740131, R_SIGMA, 0.9772498680518208, 0.9999]


def exact_log_wealth(k: int, n: int, p0: float) -> mpmath.mpf:
    """The formula as it stands in STATISTICS.md, to fifty digits: nothing is cancelled by hand."""
    with mpmath.workdps(50):
        p, half = mpmath.mpf(p0), mpmath.mpf(1) / 2

        def log_upper(a: mpmath.mpf, b: mpmath.mpf) -> mpmath.mpf:  # of B(a, b) P(Beta(a, b) > p)
            series = mpmath.hyp2f1(a + b, 1, b + 1, 1 - p, maxterms=10**7)
            return a * mpmath.log(p) + b * mpmath.log(1 - p) - mpmath.log(b) + mpmath.log(series)

        wealth = log_upper(k + half, n - k + half) - log_upper(half, half)
        return wealth - k * mpmath.log(p) - (n - k) * mpmath.log(1 - p)


@pytest.mark.parametrize("p0", THRESHOLDS)
@pytest.mark.parametrize("n", [1, 7, 100, 10_000, 1_000_000])
def test_log_wealth_has_nine_digits_from_the_deep_lower_tail_to_the_upper(n, p0):
    spread = np.sqrt(n * p0 * (1 - p0))
    for z in (-80, -9, -2, 0, 1, 4, 6, 40):
        k = min(n, max(0, round(n * p0 + z * spread)))
        assert log_wealth(k, n, p0) == pytest.approx(float(exact_log_wealth(k, n, p0)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("z", [-2, 2, 4.5])
def test_log_wealth_at_a_hundred_million_draws(z):
    n = 10**8
    k = round(n * R_SIGMA + z * np.sqrt(n * R_SIGMA * (1 - R_SIGMA)))
    assert log_wealth(k, n, R_SIGMA) == pytest.approx(float(exact_log_wealth(k, n, R_SIGMA)), abs=1e-8)


@pytest.mark.parametrize("p0", THRESHOLDS)
def test_no_count_of_a_hundred_million_is_nonsense(p0):
    n = 10**8
    told = [log_wealth(k, n, p0) for k in (0, 1, n // 2 - 10**6, int(n * p0), n - 1, n)]
    assert np.isfinite(told).all()
    assert told == sorted(told)
    assert told[0] > -30  # 1/n or so: the gambler's bets near p0 lose almost nothing


@pytest.mark.parametrize("p0", THRESHOLDS)
def test_wealth_never_grows_on_average_and_keeps_its_mean_nowhere_above_one(p0):
    """At p0 the expected wealth after the next draw is what it is now: a martingale."""
    for n in (1, 5, 40):
        for k in range(n + 1):
            later = p0 * np.exp(log_wealth(k + 1, n + 1, p0)) + (1 - p0) * np.exp(log_wealth(k, n + 1, p0))
            assert later == pytest.approx(np.exp(log_wealth(k, n, p0)), rel=1e-10)
    for p in (0.3 * p0, 0.9 * p0, p0):
        mean = sum(binom.pmf(k, 40, p) * np.exp(log_wealth(k, 40, p0)) for k in range(41))
        assert mean <= 1 + 1e-10


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("p0", THRESHOLDS)
def test_the_boundary_is_the_fewest_successes_that_suffice(p0, alpha):
    for n in (1, 10, 30, 100, 4321, 10**6):
        critical = anytime_accept(n, p0, alpha)
        assert 1 <= critical <= n + 1
        assert log_wealth(critical - 1, n, p0) < -np.log(alpha) + 2e-6
        if critical <= n:
            assert log_wealth(critical, n, p0) >= -np.log(alpha)


def test_the_boundary_is_rounded_towards_not_accepting():
    """A level that is met exactly is not taken: the rounding of the logarithm could have met it."""
    alpha = float(np.exp(-log_wealth(100, 100, 0.9)))
    assert anytime_accept(100, 0.9, alpha) == 101
    assert anytime_accept(100, 0.9, alpha * (1 + 1e-5)) == 100


def test_the_boundary_in_one_call_is_that_of_single_calls_and_rises_by_at_most_one():
    boundary = anytime_boundary(3000, R_SIGMA, 0.001)
    assert [anytime_accept(n, R_SIGMA, 0.001) for n in (1, 2, 99, 100, 3000)] == boundary[[0, 1, 98, 99, 2999]].tolist()
    assert set(np.diff(boundary)) == {0, 1}


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize("p0", THRESHOLDS)
def test_ever_crossing_has_probability_at_most_alpha_though_every_draw_is_looked_at(p0, alpha):
    boundary = anytime_boundary(3000, p0, alpha)
    crossed = crossing(tuple(range(1, 3001)), tuple(boundary.tolist()), p0)
    assert crossed <= alpha
    if p0 < 0.99:
        assert crossed > alpha / 12  # and not by being useless
    for p in (0.5 * p0, 0.97 * p0):
        assert crossing(tuple(range(1, 3001)), tuple(boundary.tolist()), p) <= crossed


@pytest.mark.parametrize(("alpha", "crossed"), [(0.001, 0.012238), (0.05, 0.288824)])
def test_naive_peeking_fails_the_same_check(alpha, crossed):
    """Clopper-Pearson at a fixed alpha after each of 100 batches of 100: twelve and six times alpha."""
    looks = tuple(range(100, 10_001, 100))
    peeking = tuple(int(binom.isf(alpha, n, R_SIGMA)) + 1 for n in looks)
    naive = crossing(looks, peeking, R_SIGMA)
    assert naive == pytest.approx(crossed, rel=1e-4)
    assert naive > 5 * alpha
    honest = tuple(anytime_accept(n, R_SIGMA, alpha) for n in looks)
    assert crossing(looks, honest, R_SIGMA) <= alpha


@pytest.mark.parametrize("p0", THRESHOLDS)
def test_the_condition_of_the_all_class_theorem(p0):
    alpha = 0.001 * p0
    assert all(anytime_holds_for_every_class(n, p0, alpha) for n in (1, 2, 9, 10, 11, 50, 100, 999, 10**5, 10**8))
    looks = tuple(range(1, 1001))
    boundary = tuple(anytime_boundary(1000, p0, alpha).tolist())
    for p in np.linspace(0.05, 1, 8) * p0:  # f(p) <= alpha p, what the theorem says
        assert crossing(looks, boundary, p) <= 0.001 * p


def test_the_condition_can_fail(monkeypatch):
    monkeypatch.setattr("noiseproof.stats.anytime.anytime_accept", lambda n, p0, alpha: n // 2)
    assert not anytime_holds_for_every_class(100, 0.6, 0.001)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: log_wealth(1, 0, 0.5), "n must be >= 1, got 0"),
        (lambda: log_wealth(3, 2, 0.5), "k must be in 0..n=2, got 3"),
        (lambda: log_wealth(-1, 2, 0.5), "k must be in 0..n=2, got -1"),
        (lambda: log_wealth(1, 2, 1.0), "p0 must be in (0, 1), got 1.0"),
        (lambda: anytime_accept(0, 0.5, 0.001), "n must be >= 1, got 0"),
        (lambda: anytime_accept(1, 0.0, 0.001), "p0 must be in (0, 1), got 0.0"),
        (lambda: anytime_accept(1, 0.5, 1.0), "alpha must be in (0, 1), got 1.0"),
        (lambda: anytime_boundary(0, 0.5, 0.001), "n_max must be >= 1, got 0"),
    ],
)
def test_what_is_out_of_range(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()
