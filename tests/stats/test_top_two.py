from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.stats import fewest_draws, top_two_p_value


@pytest.mark.parametrize(
    ("n1", "n", "p_value"),
    [
        (60, 100, 0.056887933641),
        (66, 100, 0.00178993039149),
        (67, 100, 0.000873719836912),
        (552, 1000, 0.00111504917927),
        (553, 1000, 0.000889985964769),
        (11, 11, 0.0009765625),
        (50_521, 100_000, 0.000994924581953),
    ],
)
def test_p_value_matches_the_reference(n1, n, p_value):
    assert p_value * (1 - 1e-11) <= top_two_p_value(n1, n - n1) <= p_value * (1 + 2**-32)


@given(st.integers(0, 300), st.integers(0, 300))
def test_p_value_is_the_exact_sum(n1, n2):
    n, most = n1 + n2, max(n1, n2)
    exact = min(Fraction(1), Fraction(2 * sum(math.comb(n, j) for j in range(most, n + 1)), 2**n))
    assert exact <= Fraction(top_two_p_value(n1, n2)) <= exact * (1 + Fraction(1, 2**32)), "rounded up, and hardly"
    assert top_two_p_value(n2, n1) == top_two_p_value(n1, n2) <= 1


def test_no_p_value_is_zero():
    """2^-9999 rounded to nearest is 0, which is below it."""
    assert top_two_p_value(10_000, 0) == top_two_p_value(700_000, 300_000) == 1e-300


@pytest.mark.parametrize("n", [10**4, 10**6, 10**8])
@pytest.mark.parametrize("deviations", [2, 5, 12, 30])
def test_it_is_rounded_up_where_the_counts_are_large(n, deviations):
    mpmath = pytest.importorskip("mpmath")
    most = n // 2 + int(deviations * math.sqrt(n) / 2)
    with mpmath.workdps(40):
        term = mpmath.exp(
            mpmath.loggamma(n + 1) - mpmath.loggamma(most + 1) - mpmath.loggamma(n - most + 1) - n * mpmath.log(2)
        )
        exact, k = mpmath.mpf(0), most
        while term > exact * mpmath.mpf(10) ** -25:
            exact, k, term = exact + term, k + 1, term * (n - k) / (k + 1)
        assert 2 * exact <= top_two_p_value(most, n - most) <= 2 * exact * (1 + mpmath.mpf(2) ** -32)


def test_equal_counts_and_no_counts_say_nothing():
    assert top_two_p_value(0, 0) == 1.0
    assert top_two_p_value(50, 50) == 1.0


def test_an_answer_is_wrong_with_probability_at_most_alpha():
    """PREDICT at the boundary, both classes at probability 1/2: either answer may be the wrong one."""
    for n in (1, 10, 11, 100, 1001):
        k = np.arange(n + 1)
        p_values = np.array([top_two_p_value(int(j), n - int(j)) for j in k])
        pmf = np.array([math.comb(n, int(j)) / 2**n for j in k])
        for alpha in (0.001, 0.05, 0.5):
            assert pmf[p_values <= alpha].sum() <= alpha


@pytest.mark.parametrize(("alpha", "n"), [(0.001, 11), (2.0**-10, 11), (0.05, 6), (0.5, 2), (1e-12, 41)])
def test_fewest_draws_is_the_first_that_can_answer(alpha, n):
    assert fewest_draws(alpha) == n
    assert top_two_p_value(n, 0) <= alpha < top_two_p_value(n - 1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: top_two_p_value(-1, 3), "n1 must be >= 0, got -1"),
        (lambda: top_two_p_value(1, -3), "n2 must be >= 0, got -3"),
        (lambda: fewest_draws(0.0), "alpha must be in (0, 1), got 0.0"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
