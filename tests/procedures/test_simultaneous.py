from __future__ import annotations

import re

import pytest
from scipy.stats import binom

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Simultaneous, replay
from noiseproof.stats import clopper_pearson_lower
from noiseproof.types import ABSTAIN, Answer

NOISE = Gaussian(sigma=0.5)


def said(*votes: int, n: int = 1000, alpha: float = 0.001):
    return replay(Simultaneous(n=n, alpha=alpha), NOISE, [Answer("estimate", n, votes)])


def test_every_class_is_tested_at_its_share_of_alpha():
    ten = said(900, 100, *[0] * 8)
    assert ten.prediction == 0
    assert ten.p_lower == clopper_pearson_lower(900, 1000, 0.0001)
    assert said(900, 100).p_lower == clopper_pearson_lower(900, 1000, 0.0005)
    assert said(0, 100, 900).prediction == 2


def test_the_same_counts_after_a_selection_earn_more():
    """What the missing selection costs."""
    procedure = Certify(n0=10, n=100, alpha=0.001)
    selected = replay(procedure, NOISE, [Answer("select", 10, (10, 0)), Answer("estimate", 100, (90, 10))])
    alone = said(90, 10, n=100)
    assert 0 < alone.radius < selected.radius


def test_it_abstains_where_only_the_whole_alpha_would_certify():
    """550 of 1000 certify at .001, not at .0005."""
    assert said(550, 450).prediction == ABSTAIN
    assert said(550, 450).radius == 0.0


def test_the_whole_alpha_would_be_false_too_often():
    """Two classes at 1/2: one of them gets 550 of 1000 with probability .0017, more than alpha = .001."""
    assert 2 * binom.sf(549, 1000, 0.5) == pytest.approx(0.00173, abs=5e-6)


def test_all_draws_are_asked_for_in_one_piece():
    asking = Simultaneous(n=100_000).run(NOISE)
    request = next(asking)
    assert (request.stage, request.n) == ("estimate", 100_000)
    assert Simultaneous(n=100_000).most_draws == 100_000


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n": 10}, "n must be >= 11 to certify anything at alpha=0.001, got 10; raise n (or alpha)"),
        ({"alpha": 0.0}, "alpha must be in (0, 1), got 0.0"),
    ],
)
def test_bad_settings_are_refused(settings, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Simultaneous(**settings)
