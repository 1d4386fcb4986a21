from __future__ import annotations

import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Sequential, SequentialPredict, replay
from noiseproof.stats import clopper_pearson_lower, top_two_p_value
from noiseproof.types import ABSTAIN, Answer, Prediction

NOISE = Gaussian(sigma=0.5)


def drive(procedure, rates, noise=NOISE):
    """Every request gets these shares of votes, as exactly as integers allow; the requests are returned too."""
    asking, requests = procedure.run(noise), []
    request = next(asking)
    drawn = {}
    while True:
        requests.append(request)
        before, after = drawn.get(request.stage, 0), drawn.get(request.stage, 0) + request.n
        edges = np.cumsum([0, *rates])
        votes = np.diff(np.rint(edges * after) - np.rint(edges * before)).astype(np.int64)
        drawn[request.stage] = after
        try:
            request = asking.send(votes)
        except StopIteration as done:
            return done.value, requests


def test_a_radius_is_within_the_loss_of_what_all_draws_would_give():
    for rate in (0.9, 0.99, 0.999):
        said, requests = drive(Sequential(acr_loss=0.05), [1 - rate, rate])
        fixed, _ = drive(Certify(), [1 - rate, rate])
        assert 0.94 * fixed.radius <= said.radius <= fixed.radius
        assert sum(request.n for request in requests) < 80_000


def test_less_may_be_given_up_for_more_draws():
    draws = [
        sum(request.n for request in drive(Sequential(acr_loss=loss), [0.1, 0.9])[1]) for loss in (0.2, 0.05, 0.01)
    ]
    assert draws == sorted(draws)
    assert len(set(draws)) == 3


def test_each_look_has_its_own_level_and_the_best_of_all_counts():
    """A lucky first look of 1000 is not lost in a worse second one, which is bounded at its own level."""
    procedure = Sequential(n0=10, n_max=1500, first_look=1000, acr_loss=0.001)
    first = [Answer("select", 10, (0, 10)), Answer("estimate", 1000, (0, 1000))]
    lucky = clopper_pearson_lower(1000, 1000, 0.001 * 0.3)
    assert replay(procedure, NOISE, first).p_lower == lucky
    assert replay(procedure, NOISE, [*first, Answer("estimate", 500, (100, 400))]).p_lower == lucky
    fair = [Answer("select", 10, (0, 10)), Answer("estimate", 1000, (100, 900)), Answer("estimate", 500, (40, 460))]
    assert replay(procedure, NOISE, fair).p_lower == clopper_pearson_lower(1360, 1500, 0.001 * 0.7)


def test_the_levels_add_up_to_alpha():
    for n_max in (100, 101, 5000, 100_000):
        assert sum(level for _, level in Sequential(n_max=n_max)._looks()) == pytest.approx(0.001, rel=1e-12)
        assert sum(share for _, share in SequentialPredict(n_max=n_max)._looks()) == pytest.approx(1, rel=1e-12)


def test_an_input_without_a_radius_in_reach_is_given_up_early():
    said, requests = drive(Sequential(), [0.4, 0.3, 0.3])
    assert said.prediction == ABSTAIN
    assert sum(request.n for request in requests) == 200  # n0 and one look
    assert drive(Sequential(), [0.49, 0.51])[0].prediction == 1  # hard, but not given up


def test_two_sided_where_the_one_sided_bound_abstains():
    rates = [0.2, 0.45, 0.2, 0.15]
    assert drive(Sequential(n_max=20_000), rates)[0].prediction == ABSTAIN
    said, _ = drive(Sequential(n_max=20_000, two_sided=True), rates)
    fixed, _ = drive(Certify(n=20_000, two_sided=True), rates)
    assert said.prediction == 1
    assert 0.95 * fixed.radius <= said.radius <= fixed.radius


def test_it_may_be_ended_at_any_look():
    """With the best radius so far; before the first look with an abstention."""
    _, requests = drive(Sequential(n_max=2000), [0.1, 0.9])
    assert requests[0].stage == "select"
    assert requests[0].so_far.prediction == ABSTAIN
    radii = [request.so_far.radius for request in requests]
    assert radii == sorted(radii)
    assert radii[-1] > 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n0": 0}, "n0 must be >= 1, got 0"),
        ({"n_max": 10}, "n_max must be >= 11 to certify anything at alpha=0.001, got 10; raise n_max (or alpha)"),
        ({"acr_loss": 0}, "acr_loss must be in (0, 1), got 0.0"),
        ({"alpha": 2}, "alpha must be in (0, 1), got 2.0"),
    ],
)
def test_what_is_out_of_range_is_refused(settings, text):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the text is compared whole
        Sequential(**settings)
    assert str(refused.value) == text


def test_sequential_predict_answers_at_the_first_look_that_tells():
    said, requests = drive(SequentialPredict(), [0.1, 0.9])
    assert (said.prediction, len(requests)) == (1, 1)
    share = 0.5 / (len(SequentialPredict()._looks()) - 1)
    assert said.p_value == pytest.approx(top_two_p_value(90, 10) / share)
    said, requests = drive(SequentialPredict(), [0.48, 0.52])
    assert said.prediction == 1
    assert 1 < sum(request.n for request in requests) < 50_000


def test_sequential_predict_gives_up_where_the_last_look_would_hardly_tell():
    said, requests = drive(SequentialPredict(n_max=1000), [0.5, 0.5])
    assert said == Prediction(ABSTAIN, 1.0)
    assert sum(request.n for request in requests) < 1000
    with pytest.raises(ValueError, match=r"n_max must be >= 11 to predict anything at alpha=0.001, got 10"):
        SequentialPredict(n_max=10)
