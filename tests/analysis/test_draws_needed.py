"""What n draws buy, against the formula written out and the bounds themselves."""

from __future__ import annotations

from math import ceil, log

import pytest
from scipy.special import ndtr, ndtri

from noiseproof.analysis.draws_needed import draws_needed, largest_radius
from noiseproof.noises import Gaussian
from noiseproof.stats.bounds import one_sided, smallest_n


@pytest.mark.parametrize("sigma", [0.25, 1.0])
@pytest.mark.parametrize("n", [100, 1_000, 10_000, 100_000, 1_000_000])
def test_the_largest_radius_is_the_formula_rounded_down(sigma, n):
    formula = sigma * ndtri(0.001 ** (1 / n))
    found = largest_radius(Gaussian(sigma=sigma), n, 0.001)
    assert found == pytest.approx(formula, rel=1e-7)
    assert found <= formula


@pytest.mark.parametrize("alpha", [0.001, 0.05])
@pytest.mark.parametrize("radius", [0.1, 0.5, 0.75, 1.0])
def test_the_draws_needed_are_those_of_the_formula(radius, alpha):
    noise = Gaussian(sigma=0.25)
    n = draws_needed(noise, radius, alpha)
    assert n == ceil(log(alpha) / log(ndtr(radius / 0.25)))
    assert noise.radius(one_sided(n, n, alpha)) >= radius > noise.radius(one_sided(n - 1, n - 1, alpha))


def test_any_radius_needs_what_any_certificate_needs():
    assert draws_needed(Gaussian(sigma=0.5), 0.0, 0.001) == smallest_n(0.001) == 10


def test_a_radius_that_no_probability_has_is_refused():
    with pytest.raises(ValueError, match=r"radius must be below .* got 9"):
        draws_needed(Gaussian(sigma=0.25), 9.0, 0.001)
    with pytest.raises(ValueError, match="alpha must be in"):
        draws_needed(Gaussian(sigma=0.25), 0.5, 1.5)
