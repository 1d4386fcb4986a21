from __future__ import annotations

import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Curve, Decide, replay
from noiseproof.types import ABSTAIN, Answer, Certificate

NOISE = Gaussian(sigma=0.5)
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


def drive(procedure, rate):
    asking, drawn, got = procedure.run(NOISE), 0, 0
    request = next(asking)
    while True:
        drawn += request.n
        k = round(rate * drawn) - got
        got += k
        try:
            request = asking.send(np.array([request.n - k, k, 0]))
        except StopIteration as done:
            return done.value, drawn


def test_each_radius_has_the_test_of_decide():
    assert Curve(radii=GRID).design(NOISE) == [Decide(radius=r).design(NOISE)[0] for r in GRID]


@pytest.mark.parametrize(("rate", "radius"), [(0.999, 1.0), (0.96, 0.75), (0.9, 0.5), (0.75, 0.25), (0.6, 0.0)])
def test_the_largest_radius_of_the_grid_below_the_true_one(rate, radius):
    said, draws = drive(Curve(radii=GRID), rate)
    p0 = NOISE.p_needed(radius)
    assert said == Certificate(1, radius, p0, 1 - p0)
    assert draws < 10_000


def test_nothing_is_claimed_where_no_class_has_half_the_votes():
    assert drive(Curve(radii=GRID), 0.4)[0].prediction == 0
    asking = Curve(radii=GRID).run(NOISE)
    next(asking)
    with pytest.raises(StopIteration) as done:
        asking.send(np.array([34, 33, 33]))
    assert done.value.value == Certificate(ABSTAIN, 0.0, 0.0, 1.0)


def test_a_boundary_once_reached_stays_reached():
    """100 of 100 claim .25 for good, whatever follows; the first 100 draws were enough."""
    procedure = Curve(radii=GRID)
    said = replay(procedure, NOISE, [Answer("curve", 100, (0, 100))])
    assert said.radius == 0.5
    later = [Answer("curve", 100, (0, 100)), Answer("curve", 100, (60, 40))]
    assert replay(procedure, NOISE, later).radius == 0.5
    assert replay(procedure, NOISE, later).prediction == 1


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"radii": ()}, "radii must be one or more, ascending and >= 0, got []"),
        ({"radii": (0.5, 0.25)}, "radii must be one or more, ascending and >= 0, got [0.5, 0.25]"),
        ({"radii": (-0.5, 0.25)}, "radii must be one or more, ascending and >= 0, got [-0.5, 0.25]"),
        ({"radii": (0.5, float("nan"))}, "radii must be one or more, ascending and >= 0, got [0.5, nan]"),
        ({"radii": GRID, "alpha": 0}, "alpha must be in (0, 1), got 0.0"),
    ],
)
def test_what_is_out_of_range_is_refused(settings, text):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the text is compared whole
        Curve(**settings)
    assert str(refused.value) == text


def test_a_grid_beyond_reach_is_refused_before_any_draw():
    with pytest.raises(ValueError, match="radius must be smaller to be certified with n_max=1000 draws"):
        Curve(radii=(0, 1.5), n_max=1000).design(NOISE)
