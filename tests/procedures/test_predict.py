from __future__ import annotations

import re

import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Predict, replay
from noiseproof.procedures.base import prefixes
from noiseproof.types import ABSTAIN, Answer, Prediction

NOISE = Gaussian(sigma=0.5)


def said(procedure: Predict, votes: tuple[int, ...]) -> Prediction:
    """The prediction for these votes, given in the procedure's own prefixes."""
    left, answers = np.array(votes), []
    void = procedure.n - left.sum()
    for n in prefixes(procedure.n):
        part, room = np.zeros_like(left), n
        missing = min(room, void)
        void, room = void - missing, room - missing
        for i in range(left.size):
            part[i] = min(left[i], room)
            room -= part[i]
        left = left - part
        answers.append(Answer("predict", n, tuple(part.tolist())))
    outcome = replay(procedure, NOISE, answers)
    assert isinstance(outcome, Prediction)
    return outcome


@pytest.mark.parametrize(
    ("most", "n", "p_value"),
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
def test_the_values_of_hung_and_fithian(most: int, n: int, p_value: float):
    got = said(Predict(n=n), (n - most, most))
    assert p_value * (1 - 1e-11) <= got.p_value <= p_value * (1 + 2**-32)
    assert got.prediction == (1 if p_value <= 0.001 else ABSTAIN)
    assert got.abstained == (p_value > 0.001)


def test_it_abstains_only_above_alpha():
    n, votes = 11, (11, 0)  # 2 * 2^-11, exactly
    assert said(Predict(n=n, alpha=2 * 2.0**-11), votes).prediction == 0
    with pytest.raises(ValueError, match="n must be >= 12"):
        Predict(n=n, alpha=np.nextafter(2 * 2.0**-11, 0))


def test_only_the_two_largest_counts_matter():
    assert said(Predict(n=100), (45, 10, 15, 14, 16)).p_value == said(Predict(n=61), (45, 16)).p_value


def test_void_draws_count_for_the_rival():
    assert said(Predict(n=100), (70, 20)) == said(Predict(n=100), (70, 30))
    assert said(Predict(n=100), (70, 20, 0)).p_value > said(Predict(n=100), (70, 20, 10)).p_value


def test_a_rival_that_overtakes_through_void_draws_says_nothing_for_the_top_class():
    got = said(Predict(n=100), (15, 0))  # 85 void draws: the two-sided test of (15, 85) would be significant
    assert got == Prediction(ABSTAIN, 1.0)
    assert said(Predict(n=100), (0, 0)) == Prediction(ABSTAIN, 1.0)
    assert said(Predict(n=100), (50, 50)) == Prediction(ABSTAIN, 1.0)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n": 10}, "n must be >= 11 to predict anything at alpha=0.001, got 10; raise n (or alpha)"),
        ({"n": 0, "alpha": 0.5}, "n must be >= 2 to predict anything at alpha=0.5, got 0; raise n (or alpha)"),
        ({"alpha": 0.0}, "alpha must be in (0, 1), got 0.0"),
        ({"alpha": 1.5}, "alpha must be in (0, 1), got 1.5"),
    ],
)
def test_what_can_only_abstain_is_refused(settings: dict[str, float], text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        Predict(**settings)  # type: ignore[arg-type]


def test_the_cost_is_known_before():
    assert Predict(n=1234).most_draws == 1234
