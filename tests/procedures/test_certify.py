from __future__ import annotations

import re

import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, replay
from noiseproof.stats import Bounds, clopper_pearson_lower, gaussian_radius, one_sided, smallest_n, two_sided
from noiseproof.types import ABSTAIN, Answer, Certificate, Draw

NOISE = Gaussian(sigma=0.5)


def said(
    procedure: Certify, select: tuple[int, ...], estimate: tuple[int, ...], noise: Gaussian = NOISE
) -> Certificate:
    """The certificate for these votes; n0 and n are at most 100, so that there is one answer a stage."""
    answers = [Answer("select", procedure.n0, select), Answer("estimate", procedure.n, estimate)]
    outcome = replay(procedure, noise, answers)
    assert isinstance(outcome, Certificate)
    return outcome


def test_the_requests_are_the_papers_in_prefixes():
    asking = Certify(n0=100, n=10_500).run(NOISE)
    votes = np.array([0, 0, 1])
    requests = [next(asking), *(asking.send(votes) for _ in range(4))]
    assert requests == [
        Draw("select", 100),
        Draw("estimate", 100),
        Draw("estimate", 900),
        Draw("estimate", 9000),
        Draw("estimate", 500),
    ]


def test_the_certificate_is_that_of_the_fresh_draws():
    got = said(Certify(n0=10, n=100), (1, 8, 1), (5, 95, 0))
    bounds = one_sided(95, 100, 0.001)
    radius = gaussian_radius(bounds, 0.5)
    assert got == Certificate(1, radius, clopper_pearson_lower(95, 100, 0.001), bounds.rival, "l2")
    assert got.radius > 0
    assert not got.abstained


def test_the_class_is_selected_by_the_first_draws_alone():
    # the estimate favours class 0; class 1 was selected, so there is nothing to say
    got = said(Certify(n0=10, n=100), (4, 6), (99, 1))
    assert (got.prediction, got.radius) == (ABSTAIN, 0.0)
    assert got.p_lower == clopper_pearson_lower(1, 100, 0.001)
    assert said(Certify(n0=10, n=100), (5, 5), (99, 1)).prediction == 0  # a tie goes to the lower class


def test_an_abstention_keeps_its_bound():
    got = said(Certify(n0=10, n=100), (10, 0), (60, 40))
    assert got.abstained
    assert got.radius == 0.0
    assert 0.4 < got.p_lower < 0.5


def test_void_draws_count_against_the_top_class():
    full = said(Certify(n0=10, n=100), (10, 0), (90, 10))
    void = said(Certify(n0=10, n=100), (10, 0), (90, 0))
    assert void == full
    assert said(Certify(n0=10, n=100), (0, 0), (0, 0)).abstained


def test_void_draws_count_for_the_rival():
    procedure = Certify(n0=10, n=100, two_sided=True)
    spread = said(procedure, (10, 0, 0), (70, 15, 15))
    void = said(procedure, (10, 0, 0), (70, 15, 0))
    worst = said(procedure, (10, 0, 0), (70, 30, 0))
    assert void == worst
    assert 0 < void.radius < spread.radius


def test_the_two_sided_bounds_are_those_of_the_counts():
    got = said(Certify(n0=10, n=100, two_sided=True, alpha=0.01), (10, 0, 0), (45, 10, 8))
    bounds = two_sided(45, 10 + 37, 100, 0.01)
    assert (got.p_lower, got.p_upper) == (bounds.p_lower, bounds.rival)
    assert got.abstained
    got = said(Certify(n0=10, n=100, two_sided=True, alpha=0.01), (10, 0, 0), (58, 20, 22))
    assert got.p_lower < 0.5
    assert got.radius == gaussian_radius(two_sided(58, 22, 100, 0.01), 0.5) > 0


def test_the_noises_own_loss_is_in_the_radius():
    exact = said(Certify(n0=10, n=100), (10, 0), (100, 0))
    picture = said(Certify(n0=10, n=100), (10, 0), (100, 0), NOISE.on((3, 224, 224)))
    assert picture.radius < exact.radius
    assert picture.p_lower == exact.p_lower


def test_what_fewer_draws_would_have_said_follows_from_the_answers():
    """CERTIFY with n' = 100 or 1000 asks for the same draws first, so its outcome is in the record of a longer one."""
    parts = ((100, (97, 3)), (900, (880, 15)), (4000, (3900, 80)))
    answers = [Answer("select", 100, (99, 1)), *(Answer("estimate", n, votes) for n, votes in parts)]
    long = replay(Certify(n=5000), NOISE, answers)
    for count, n, k in ((1, 100, 97), (2, 1000, 977)):
        short = replay(Certify(n=n), NOISE, answers[: 1 + count])
        assert isinstance(short, Certificate)
        assert isinstance(long, Certificate)
        bounds: Bounds = one_sided(k, n, 0.001)
        assert short.radius == gaussian_radius(bounds, 0.5)
        assert 0 < short.radius < long.radius


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n": 9}, "n must be >= 10 to certify anything at alpha=0.001, got 9; raise n (or alpha)"),
        ({"n": 4, "alpha": 0.05}, "n must be >= 5 to certify anything at alpha=0.05, got 4; raise n (or alpha)"),
        (
            {"n": 10, "two_sided": True},
            "n must be >= 11 to certify anything at alpha=0.001, got 10; raise n (or alpha)",
        ),
        ({"n0": 0}, "n0 must be >= 1, got 0"),
        ({"alpha": 0.0}, "alpha must be in (0, 1), got 0.0"),
        ({"alpha": 1.0}, "alpha must be in (0, 1), got 1.0"),
    ],
)
def test_what_can_certify_nothing_is_refused(settings: dict[str, float], text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        Certify(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.001, 1e-9])
@pytest.mark.parametrize("two", [False, True])
def test_the_smallest_n_is_enough_and_one_less_is_not(alpha: float, two: bool):
    n = smallest_n(alpha / 2 if two else alpha)
    procedure = Certify(n0=1, n=n, alpha=alpha, two_sided=two)
    assert said(procedure, (1, 0), (n, 0)).radius > 0
    bounds = two_sided(n - 1, 0, n - 1, alpha) if two else one_sided(n - 1, n - 1, alpha) if n > 1 else None
    assert bounds is None or bounds.tail >= 0.5


def test_the_cost_is_known_before():
    assert Certify(n0=100, n=100_000).most_draws == 100_100
