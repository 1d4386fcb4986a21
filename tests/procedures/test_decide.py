from __future__ import annotations

import ast
import inspect
import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from noiseproof.noises import Gaussian
from noiseproof.procedures import Anytime, Decide, anytime, boundaries, replay
from noiseproof.types import ABSTAIN, Answer, Decision

NOISE = Gaussian(sigma=0.5)


def drive(procedure, rate, *, label=None, noise=NOISE):
    """Every look gets this share of votes for class 1, the rest for class 0: the outcome and the draws."""
    asking, drawn, got = procedure.run(noise, label), 0, 0
    request = next(asking)
    while True:
        drawn += request.n
        k = round(rate * drawn) - got
        got += k
        try:
            request = asking.send(np.array([request.n - k, k, 0]))
        except StopIteration as done:
            return done.value, drawn


def test_the_boundaries_are_those_of_the_group_sequential_test():
    """r = sigma: p0 = Phi(1); a class that just reaches the boundary of a look is certified there."""
    (test,) = Decide(radius=0.5).design(NOISE)
    assert test["p0"] == pytest.approx(float(ndtr(1)), rel=1e-12)
    assert test["alpha"] == pytest.approx(0.001 * float(ndtr(1)))
    assert test["looks"][:4] == [100, 200, 300, 400]
    first = test["accept"][0]
    asking = Decide(radius=0.5).run(NOISE)
    next(asking)
    with pytest.raises(StopIteration) as done:
        asking.send(np.array([100 - first, first]))
    assert done.value.value == Decision("certified", 1, 0.5)
    asking = Decide(radius=0.5).run(NOISE)
    next(asking)
    request = asking.send(np.array([101 - first, first - 1]))
    assert (request.stage, request.n, request.so_far) == ("decide", 100, Decision("undecided", ABSTAIN, 0.5))


@pytest.mark.parametrize(
    ("rate", "answer", "most"),
    [(0.99, "certified", 200), (0.5, "not certified", 100), (0.86, "certified", 10_000), (0.8444, "undecided", 1e6)],
)
def test_easy_inputs_cost_little(rate, answer, most):
    said, draws = drive(Decide(radius=0.5), rate)
    assert said == Decision(answer, 1 if answer == "certified" else ABSTAIN, 0.5)
    assert draws <= most
    assert (draws == 100_000) == (answer == "undecided")


def test_votes_are_counted_over_all_looks():
    """97, then 60: more than either boundary by themselves, but not together."""
    asking = Decide(radius=0.5, alpha=0.05).run(NOISE)
    next(asking)
    request = asking.send(np.array([10, 90]))
    assert request.n == 100
    asking.send(np.array([9, 91]))  # 181 of 200, above the boundary of 200 for a level of .05 / 32, would certify
    test = Decide(radius=0.5, alpha=0.05).design(NOISE)[0]
    assert test["stop"][1] < 181 < test["accept"][1]


def test_label_aware_asks_about_the_label_alone():
    procedure = Decide(radius=0.5, label_aware=True)
    assert procedure.design(NOISE)[0]["alpha"] == 0.001
    assert drive(procedure, 0.99, label=1)[0] == Decision("certified", 1, 0.5)
    assert drive(procedure, 0.99, label=0) == (Decision("not certified", ABSTAIN, 0.5), 100)
    for label in (None, 3, -1):
        asking = procedure.run(NOISE, label)
        next(asking)
        with pytest.raises(ValueError, match=f"a label-aware procedure needs a label in 0..2, got {label}"):
            asking.send(np.array([50, 40, 10]))


def test_more_draws_of_a_hard_input_are_predicted_to_be_needed():
    def wanted(k):
        asking = Decide(radius=0.5).run(NOISE)
        next(asking)
        return asking.send(np.array([100 - k, k])).to_go

    assert [wanted(k) for k in (95, 92, 85)] == sorted(wanted(k) for k in (95, 92, 85))
    assert wanted(95) < wanted(85)


def test_an_early_end_is_what_could_be_said():
    said = replay(Decide(radius=0.5), NOISE, [Answer("decide", 100, (15, 85))])
    assert said == Decision("undecided", ABSTAIN, 0.5)
    with pytest.raises(ValueError, match="wants 100 more draws of 'decide' than are stored"):
        replay(Decide(radius=0.5), NOISE, [])


def test_radius_0_asks_for_the_class():
    assert Decide(radius=0).design(NOISE)[0]["p0"] >= 0.5
    assert drive(Decide(radius=0), 0.9) == (Decision("certified", 1, 0.0), 100)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"radius": -1}, "radius must be >= 0, got -1.0"),
        ({"radius": math.inf}, "radius must be >= 0, got inf"),
        ({"radius": math.nan}, "radius must be >= 0, got nan"),
        ({"radius": 0.5, "alpha": 1}, "alpha must be in (0, 1), got 1.0"),
        (
            {"radius": 0.5, "alpha": 1e-250},
            "alpha must be >= 1e-200, got 1e-250; below, double precision holds no bound",
        ),
        ({"radius": 0.5, "n_max": 0}, "n_max must be >= 1, got 0"),
        (
            {"radius": 0.5, "n_max": 2_000_001},
            "n_max must be <= 2000000, got 2000001; the anytime test and fixed n take more",
        ),
        ({"radius": 0.5, "first_look": 0}, "first_look must be >= 1, got 0"),
    ],
)
def test_what_is_out_of_range_is_refused(settings, text):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the text is compared whole
        Decide(**settings)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("procedure", "text"),
    [
        (
            Decide(radius=1.0, n_max=100),
            "radius must be smaller to be certified with n_max=100 draws at alpha=0.001, got 1; "
            "raise n_max (or alpha, or sigma)",
        ),
        (Decide(radius=9.0), "radius must be below 3.978 with"),
        # one boundary for every class holds alpha over all of them only where it lies beyond the mode
        (
            Decide(radius=0.9, alpha=0.6, n_max=2000),
            "alpha must be smaller for the test of every class to hold its level, got 0.6",
        ),
    ],
)
def test_a_radius_out_of_reach_is_refused_before_any_draw(procedure, text):
    for call in (procedure.design, lambda noise: next(procedure.run(noise))):
        with pytest.raises(ValueError) as refused:  # noqa: PT011  # the text is compared
            call(NOISE)
        assert str(refused.value).startswith(text)


def test_the_guard_of_the_test_of_all_classes_is_no_assertion(monkeypatch):
    """python -O leaves assertions out."""
    for module in (boundaries, anytime):
        assert not [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Assert)]
    monkeypatch.setattr(anytime, "anytime_holds_for_every_class", lambda *_: False)
    asking = Anytime(radius=0.123, n_max=100).run(NOISE)
    next(asking)
    with pytest.raises(ValueError, match="alpha must be smaller"):
        asking.send(np.array([100, 0]))


def test_a_single_look_is_a_binomial_test():
    test = Decide(radius=0.1, n_max=50).design(NOISE)[0]
    assert test["looks"] == [50]
    level = 0.001 * test["p0"]
    assert binom.sf(test["accept"][0] - 1, 50, test["p0"]) <= level < binom.sf(test["accept"][0] - 2, 50, test["p0"])


@pytest.mark.parametrize(
    ("rate", "answer", "draws"), [(0.99, "certified", 100), (0.6, "not certified", 100), (0.845, "undecided", 100_000)]
)
def test_the_anytime_test_answers_the_same_question(rate, answer, draws):
    said, drawn = drive(Anytime(radius=0.5), rate)
    assert said == Decision(answer, 1 if answer == "certified" else ABSTAIN, 0.5)
    assert drawn == draws


def test_the_anytime_test_may_be_cut_anywhere():
    """Looks, n_max and where it stops change nothing about what the votes say by then."""
    votes = [Answer("decide", 50, (9, 41))] * 8
    said = replay(Anytime(radius=0.25, look_every=50), NOISE, votes[:4])
    assert said.answer == "undecided"
    assert replay(Anytime(radius=0.25, look_every=50), NOISE, votes[:5]).answer == "certified"
    whole = replay(Anytime(radius=0.25, look_every=250), NOISE, [Answer("decide", 250, (45, 205))])
    assert whole == replay(Anytime(radius=0.25, look_every=50), NOISE, votes[:5])
