"""From the votes of a pilot to expected costs: against integrals, exact tails, and the procedure itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, trapezoid
from scipy.special import ndtr
from scipy.stats import binom

from noiseproof.analysis import pilot as module
from noiseproof.analysis.pilot import HIGHEST, LOWEST, PilotInput, forecast, posterior, posterior_cells
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Curve, Decide, Sequential
from noiseproof.procedures.boundaries import threshold_test
from noiseproof.stats.expected import expected, expected_curve

NOISE = Gaussian(sigma=0.25, grid=None)
FALSE_ALARMS = 1e-6


def voted(k: int, n: int = 200, *, label: int = 0, index: int = 0) -> PilotInput:
    return PilotInput(index, label, n, (k, n - k, 0))


def known(z: float, **changes: int) -> PilotInput:
    """An input whose probability is as good as known: all the posterior lies in one cell."""
    n = 10**9
    return voted(round(n * float(ndtr(z))), n, **changes)


def cell(procedure, number: int) -> float:
    z, _ = posterior_cells([test["p0"] for test in procedure.design(NOISE)])
    return float(z[number])


@pytest.mark.parametrize("k", [200, 199, 190, 120])
def test_the_posterior_is_that_of_a_flat_prior_on_the_quantile(k):
    def likelihood(z):
        return ndtr(z) ** k * ndtr(-z) ** (200 - k)

    inside = quad(likelihood, 2.0, HIGHEST, epsabs=0)[0] / quad(likelihood, LOWEST, HIGHEST, epsabs=0, limit=200)[0]
    z, width = posterior_cells([float(ndtr(2.0))])
    weights = posterior([voted(k)], z, width)
    at = int(np.abs(z - 2.0).argmin())
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert weights[0, at + 1 :].sum() + weights[0, at] / 2 == pytest.approx(inside, rel=0.05, abs=1e-12)


def test_the_cells_tile_the_range():
    z, width = posterior_cells([0.8, 0.977])
    assert width.sum() == pytest.approx(HIGHEST - LOWEST)
    assert all(a < b for a, b in pairwise(z))
    assert (width > 0).all()


@pytest.mark.parametrize("number", [20, 45, 60])
def test_decide_costs_its_exact_expectation_where_the_probability_is_known(number):
    asked = Decide(0.5, n_max=20_000)
    z = cell(asked, number)
    said = forecast(asked, NOISE, [known(z)], inputs=5, radii=[0.5])
    truth = expected(threshold_test(NOISE, 0.5, asked, every_class=True), ndtr(z))
    assert said.exact
    assert said.draws.mean == pytest.approx(float(truth.draws), rel=1e-6)
    assert said.certified[0].mean == pytest.approx(float(truth.accepted), rel=1e-6, abs=1e-12)
    assert said.acr is None


def test_a_curve_costs_its_exact_expectation_where_the_probability_is_known():
    asked = Curve((0.0, 0.25, 0.5), n_max=10_000)
    z = cell(asked, 55)
    said = forecast(asked, NOISE, [known(z)], inputs=5, radii=asked.radii)
    truth = expected_curve([threshold_test(NOISE, r, asked, every_class=True) for r in asked.radii], ndtr(z))
    assert said.draws.mean == pytest.approx(float(truth.draws), rel=1e-6)
    assert [each.mean for each in said.certified] == pytest.approx(truth.claimed.tolist(), rel=1e-6)


def test_fixed_n_costs_n_and_finds_its_binomial_tail():
    asked = Certify(n=1_000)
    z = cell(asked, 27)
    said = forecast(asked, NOISE, [known(z), known(z, label=2)], inputs=10, radii=[0.25, 0.5])
    assert (said.draws.mean, said.draws.low, said.draws.high) == (1_100, 1_100, 1_100)
    for radius, found in zip((0.25, 0.5), said.certified, strict=True):
        least = next(k for k in range(1_001) if NOISE.radius(module.one_sided(k, 1_000, 0.001)) >= radius)
        tail = float(binom.sf(least - 1, 1_000, ndtr(z)))
        assert found.mean == pytest.approx(tail / 2, rel=1e-5)  # one of the two inputs is of another class
    assert said.certified[0].mean > said.certified[1].mean > 0


@pytest.mark.parametrize("z", [1.9, 2.05, 2.3])
def test_the_simulation_is_the_law_of_the_recursion(z):
    """Binomial intervals on certified inputs and on those that end at the first look, 1e-6 each."""
    asked, p, runs = Decide(0.5, n_max=2_000), float(ndtr(z)), 1_500
    test = threshold_test(NOISE, 0.5, asked, every_class=True)
    truth = expected(test, p)
    generator = np.random.default_rng(7)
    said = [module._answer(asked, NOISE, np.array([p, 1 - p, 0.0, 0.0]), generator) for _ in range(runs)]
    first, accept, stop = test.looks[0], test.accept[0], test.stop[0]
    at_once = float(binom.sf(accept - 1, first, p) + binom.cdf(stop, first, p))
    for count, share in (
        (sum(not outcome.abstained for _, outcome in said), float(truth.accepted)),
        (sum(draws == first for draws, _ in said), at_once),
    ):
        low, high = binom.ppf(FALSE_ALARMS / 2, runs, share), binom.isf(FALSE_ALARMS / 2, runs, share)
        assert low <= count <= high
    # draws of an input lie in [100, 2000]: Hoeffding
    slack = (2_000 - 100) * np.sqrt(np.log(2 / FALSE_ALARMS) / (2 * runs))
    assert np.mean([draws for draws, _ in said]) == pytest.approx(float(truth.draws), abs=slack)


def test_votes_are_divided_as_in_the_pilot_and_void_draws_stay_void():
    divided = module._class_probabilities(PilotInput(0, 1, 100, (6, 80, 2)), 0.6)
    assert divided.tolist() == pytest.approx([0.4 * 6 / 20, 0.6, 0.4 * 2 / 20, 0.4 * 12 / 20])
    assert module._class_probabilities(PilotInput(0, 0, 100, (100, 0)), 0.9).tolist() == pytest.approx([0.9, 0.1, 0])
    assert module._class_probabilities(PilotInput(0, 1, 100, (0, 100)), 0.9).tolist() == pytest.approx([0.1, 0.9, 0])


def test_what_is_predicted_wrong_is_not_certified_right():
    said = forecast(Certify(n=500), NOISE, [voted(200, label=1)], inputs=3, radii=[0.0])
    assert said.certified[0].high == 0
    assert said.acr is not None
    assert said.acr.high == 0


def test_the_spread_is_wider_for_fewer_inputs_and_holds_the_mean():
    votes = [voted(k, label=k % 3 == 0) for k in (200, 200, 198, 195, 190, 170, 120, 90)]
    few, many = (forecast(Decide(0.5, n_max=5_000), NOISE, votes, inputs=m, radii=[0.5]).draws for m in (5, 5_000))
    assert few.mean == many.mean
    assert few.low < many.low < many.mean < many.high < few.high


def test_the_spread_is_that_of_resampled_pilot_inputs():
    """Eight inputs, half of them 1: the mean of a large run is Binomial(8, 1/2) / 8."""
    simulated = np.repeat(np.array([0.0, 1.0] * 4), 3).reshape(8, 3, 1)
    low, high = module._spread(simulated, 20_000, np.random.default_rng(0))
    assert (low[0], high[0]) == pytest.approx((2 / 8, 6 / 8), abs=0.02)


def test_the_cells_are_close_enough_for_the_peak_of_the_draws():
    test = threshold_test(NOISE, 0.5, Decide(0.5, n_max=10_000), every_class=True)
    z, width = posterior_cells([test.p0])
    fine = np.linspace(LOWEST, HIGHEST, 500)
    coarse = float(expected(test, ndtr(z)).draws @ width)
    assert coarse == pytest.approx(trapezoid(expected(test, ndtr(fine)).draws, fine), rel=0.06)


def test_the_full_radius_is_simulated_and_says_so():
    votes = [voted(200), voted(180)]
    said = forecast(Sequential(n_max=2_000), NOISE, votes, inputs=10, radii=[0.25])
    assert not said.exact
    assert said.acr is not None
    assert 100 < said.draws.mean <= 2_100
    assert said == forecast(Sequential(n_max=2_000), NOISE, votes, inputs=10, radii=[0.25])
    assert said != forecast(Sequential(n_max=2_000), NOISE, votes, inputs=10, radii=[0.25], seed=1)


def test_what_has_no_forecast_is_refused():
    with pytest.raises(ValueError, match="pilot must be one input or more, got none"):
        forecast(Certify(), NOISE, [], inputs=1, radii=[])
    with pytest.raises(ValueError, match="must not be label-aware"):
        forecast(Decide(0.5, label_aware=True), NOISE, [voted(200)], inputs=1, radii=[0.5])
    with pytest.raises(ValueError, match="radius must be smaller"):
        forecast(Decide(0.9, n_max=1_000), NOISE, [voted(200)], inputs=1, radii=[0.9])
