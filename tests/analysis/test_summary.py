from __future__ import annotations

import dataclasses

import pytest

from noiseproof.analysis import summarize
from noiseproof.stats import bernstein_lower, dkw_band, gaussian_radius, one_sided, population_lower, two_sided
from noiseproof.types import ABSTAIN, Answer, Certificate, Record

RADII = (0.0, 0.25, 0.5, 1.0)


def record(index, right, radius, n=1000, void=0, norm="l2", prediction=None):
    said = prediction if prediction is not None else (3 if right else 4)
    answers = (
        Answer("select", 100, (90, 10)),
        Answer("estimate", 100, (100,)),
        Answer("estimate", n - 100, (n - 100 - void,)),
    )
    return Record(f"key{index}", index, 3, answers, Certificate(said, radius, 0.9, 0.1, norm), 0.5)


RUN = [
    *(record(i, right=True, radius=0.6) for i in range(200)),
    *(record(i, right=True, radius=0.3) for i in range(200, 244)),
    *(record(i, right=False, radius=0.9) for i in range(244, 490)),
    *(record(i, right=True, radius=0.0, prediction=ABSTAIN, void=2) for i in range(490, 500)),
]


def test_summary_gathers_one_run():
    summary = summarize(RUN[100:] + RUN[:100], alpha=0.001, radii=RADII, sigma=0.25, name="gaussian", rho=0.05)
    assert (summary.name, summary.m, summary.norm, summary.alpha) == ("gaussian", 500, "l2", 0.001)
    assert (summary.n0, summary.n, summary.even) == (100, 1000, True)
    assert summary.radii == RADII
    assert summary.certified == (244 / 500, 244 / 500, 200 / 500, 0.0)
    assert (summary.natural, summary.abstention) == (None, 10 / 500)
    known = [dataclasses.replace(each, clean=3 if each.index < 450 else 0) for each in RUN]
    assert summarize(known, alpha=0.001, radii=RADII).natural == 450 / 500
    assert summary.acr == pytest.approx((200 * 0.6 + 44 * 0.3) / 500)
    assert summary.median == 0.0
    assert summary.band == dkw_band(500, 0.05)
    assert (summary.draws, summary.void, summary.seconds) == (500 * 1100, 20, 250.0)
    assert summary.right_radii == (-1.0,) * 256 + (0.3,) * 44 + (0.6,) * 200
    assert summary.ceiling == gaussian_radius(one_sided(1000, 1000, 0.001), 0.25)


def test_the_ceiling_of_two_sided_bounds_is_theirs():
    summary = summarize(RUN, alpha=0.001, radii=RADII, sigma=0.25, two_sided=True)
    assert summary.ceiling == gaussian_radius(two_sided(1000, 0, 1000, 0.001), 0.25)
    assert summary.ceiling < summarize(RUN, alpha=0.001, radii=RADII, sigma=0.25).ceiling


def test_lower_bounds_are_those_of_the_counts():
    summary = summarize(RUN, alpha=0.001, radii=RADII, rho=0.05)
    assert summary.budget == 2
    assert summary.fixed_set_lower == (242 / 500, 242 / 500, 198 / 500, 0.0)
    assert summary.population_lower[0] == pytest.approx(0.449806, abs=5e-7)
    assert summary.population_lower[2] == population_lower(200, 500, 0.001, 0.05)
    for bernstein, fixed in zip(summary.bernstein_lower, summary.fixed_set_lower, strict=True):
        assert bernstein <= fixed
    assert summary.bernstein_lower[0] == bernstein_lower(0.488, 500, 0.001, 0.05)


def test_budget_is_said_in_words():
    summary = summarize(RUN, alpha=0.001, radii=RADII)
    assert summary.budget_sentence == ("over 500 inputs expect at most 4 false certificates, with probability 0.999")


def test_uneven_costs_are_marked():
    summary = summarize([*RUN, record(500, right=True, radius=0.1, n=5000)], alpha=0.001, radii=RADII)
    assert (summary.n, summary.even) == (5000, False)
    assert summary.draws == 500 * 1100 + 5100


def test_there_is_a_ceiling_only_where_the_theorem_gives_one():
    assert summarize(RUN, alpha=0.001, radii=RADII).ceiling is None
    run = [record(0, right=True, radius=0.1, norm="l1")]
    assert summarize(run, alpha=0.001, radii=RADII, sigma=0.25).ceiling is None
    imported = [dataclasses.replace(RUN[0], answers=())]
    assert summarize(imported, alpha=0.001, radii=RADII, sigma=0.25).ceiling is None


def test_settings_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match=r"^records must not be empty"):
        summarize([], alpha=0.001, radii=RADII)
    with pytest.raises(ValueError, match=r"^alpha must be in \(0, 1\), got 1\.5$"):
        summarize(RUN, alpha=1.5, radii=RADII)
    with pytest.raises(ValueError, match=r"^delta must be in \(0, 1\), got 0$"):
        summarize(RUN, alpha=0.001, radii=RADII, delta=0)
    with pytest.raises(ValueError, match=r"^rho must be in \(0, 1\), got 1$"):
        summarize(RUN, alpha=0.001, radii=RADII, rho=1)
