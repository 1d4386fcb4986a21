"""Bounds against python-flint, whose every number is a ball that is proven to hold the exact one."""

from __future__ import annotations

import random

import pytest

from noiseproof.stats import (
    Bounds,
    clopper_pearson_lower,
    clopper_pearson_tail,
    clopper_pearson_upper,
    gaussian_radius,
    top_two_p_value,
)

flint = pytest.importorskip("flint")


@pytest.fixture(autouse=True)
def precise():
    before, flint.ctx.prec = flint.ctx.prec, 300
    yield
    flint.ctx.prec = before


def upper_tail(k, n, p):
    """P(Binomial(n, p) >= k), as a ball: the regularised incomplete beta function I_p(k, n - k + 1)."""
    return flint.arb(p).beta_lower(k, n - k + 1, regularized=True)


def cases():
    draw = random.Random(13)
    for n in (10, 100, 1000, 100_000, 10_000_000):
        for _ in range(12):
            k = min(n, max(1, round(n * draw.choice([draw.random(), 1 - draw.random() ** 4, 1.0]))))
            yield k, n, draw.choice([0.05, 0.001, 1e-6, 1e-12, 1e-100])


@pytest.mark.parametrize(("k", "n", "alpha"), list(cases()))
def test_bounds_lie_on_the_safe_side_of_a_ball_and_near_it(k, n, alpha):
    tail = flint.arb(clopper_pearson_tail(k, n, alpha))
    # proven, not measured: a comparison of balls holds only where it holds for every number in them
    assert upper_tail(k, n, 1 - tail) <= alpha
    assert upper_tail(k, n, 1 - tail * (1 - flint.arb(2) ** -23)) > alpha
    assert flint.arb(clopper_pearson_lower(k, n, alpha)) <= 1 - tail
    upper = flint.arb(clopper_pearson_upper(n - k, n, alpha))
    assert upper_tail(k, n, 1 - upper) <= alpha


@pytest.mark.parametrize("tail", [0.4999999, 0.3, 0.01, 1e-6, 1e-12, 1e-100])
def test_a_radius_lies_below_its_ball(tail):
    radius = flint.arb(gaussian_radius(Bounds(tail, tail), 1.0))

    def missed(r):  # 1 - Phi(r): decreasing in r
        return (r / flint.arb(2).sqrt()).erfc() / 2

    assert missed(radius) >= flint.arb(tail)
    assert missed(radius * (1 + flint.arb(2) ** -38)) < flint.arb(tail)


@pytest.mark.parametrize(("most", "least"), [(60, 40), (11, 0), (553, 447), (50_521, 49_479), (700_000, 300_000)])
def test_a_p_value_lies_above_its_ball(most, least):
    exact = 2 * upper_tail(most, most + least, flint.arb(1) / 2)
    p_value = flint.arb(top_two_p_value(most, least))
    assert p_value >= exact or (least == 0 and p_value == flint.arb(2) ** (1 - most))
    assert p_value <= exact * (1 + flint.arb(2) ** -32) or p_value == flint.arb(1e-300)
