from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest

from noiseproof.stats import mcnemar


@pytest.mark.parametrize("n", [1, 2, 7, 24, 101])
def test_it_is_the_exact_two_sided_binomial_test(n):
    for k in range(n + 1):
        assert mcnemar(k, n - k) == pytest.approx(binomtest(k, n, 0.5).pvalue, rel=1e-12)


def test_many_discordant_inputs_keep_their_digits():
    assert mcnemar(400, 600) == pytest.approx(binomtest(400, 1000, 0.5).pvalue, rel=1e-11)
    assert mcnemar(0, 272) == pytest.approx(2**-271, rel=1e-12)


def test_a_few_values_by_hand():
    assert (mcnemar(0, 0), mcnemar(1, 0), mcnemar(4, 4)) == (1.0, 1.0, 1.0)
    assert mcnemar(0, 5) == mcnemar(5, 0) == 2 / 32
    assert mcnemar(1, 7) == pytest.approx(2 * 9 / 256)


@pytest.mark.parametrize("alpha", [0.5, 0.1, 0.05, 0.01, 0.001])
def test_its_error_rate_is_at_most_alpha_whatever_the_share_of_discordant_inputs(alpha):
    """Enumerated: every outcome of m inputs of which each is discordant with probability d, either way alike."""
    m = 40
    wrong = [  # given that n inputs are discordant
        math.fsum(math.comb(n, k) * 0.5**n for k in range(n + 1) if mcnemar(k, n - k) <= alpha) for n in range(m + 1)
    ]
    assert max(wrong) <= alpha
    for d in (0.05, 0.3, 1.0):
        assert math.fsum(math.comb(m, n) * d**n * (1 - d) ** (m - n) * wrong[n] for n in range(m + 1)) <= alpha
    assert max(wrong) > alpha / 4  # and it does reject


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match=r"^only_first must be >= 0, got -1$"):
        mcnemar(-1, 3)
    with pytest.raises(ValueError, match=r"^only_second must be >= 0, got -2$"):
        mcnemar(1, -2)
