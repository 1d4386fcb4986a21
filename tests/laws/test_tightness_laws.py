"""Theorem 2: the certified radius is not only safe but exact. A half-space keeps its class up to R, and no further."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binom, norm

from noiseproof.noises import Gaussian
from noiseproof.reports.tightness import worst_case_probability
from noiseproof.stats import Bounds

FALSE_ALARM = 1e-6
HAIR = 1e-9
P_A = (0.5001, 0.51, 0.6, 0.8, 0.95, 0.999, 1 - 1e-9)


def radius(sigma: float, tail: float, rival: float) -> float:
    return Gaussian(sigma=sigma, grid=None).radius(Bounds(tail=tail, rival=rival))


def z_scores(sigma: float, tail: float, rival: float, along: float) -> tuple[float, float]:
    """Phi^-1 of the exact probabilities of the worst case's two half-spaces at x + along * u.

    A = {z: u.(z - x) <= sigma Phi^-1(p_A)}, B = {z: u.(z - x) >= sigma Phi^-1(1 - p_B)}, u of length 1.
    """
    return float(norm.isf(tail)) - along / sigma, float(norm.ppf(rival)) + along / sigma


@pytest.mark.parametrize("sigma", [0.12, 1.0])
@pytest.mark.parametrize("p_a", P_A)
@pytest.mark.parametrize("share", [1.0, 0.5, 1e-3])
def test_the_class_flips_a_hair_beyond_the_radius_and_not_a_hair_before(sigma: float, p_a: float, share: float):
    """For p_B = 1 - p_A and for smaller ones, with exact probabilities.

    The radius is rounded down, by some 1e-12 of it, or of sigma where it is small.
    """
    tail = 1 - p_a
    rival = tail * share
    r = radius(sigma, tail, rival)
    assert r > 0
    for outward, towards in ((-1, 1), (1, -1)):
        a, b = z_scores(sigma, tail, rival, r + outward * HAIR * sigma)
        assert (a - b) * towards > 0
    # the two regions do not overlap, so there is a base classifier with exactly these probabilities at x
    assert norm.isf(tail) <= norm.isf(rival)


@pytest.mark.parametrize("p_a", P_A)
def test_a_perturbation_at_an_angle_must_be_longer(p_a: float):
    """Only the part along u counts: at 60 degrees the class stays up to 2 R, and sideways for ever."""
    r = radius(1.0, 1 - p_a, 1 - p_a)
    for degrees in (30, 60, 80):
        along = np.cos(np.radians(degrees))
        before, beyond = (z_scores(1.0, 1 - p_a, 1 - p_a, r / along * c * along) for c in (1 - 1e-6, 1 + 1e-6))
        assert before[0] > before[1]
        assert beyond[0] < beyond[1]
    a, b = z_scores(1.0, 1 - p_a, 1 - p_a, 0.0)
    assert a > b


def test_the_curve_of_the_figure_is_the_half_space():
    for p_a, size in itertools.product(P_A, (0.0, 0.3, 1.0, 1.7)):
        r = norm.ppf(p_a)
        a, _ = z_scores(1.0, 1 - p_a, 1 - p_a, size * r)
        assert worst_case_probability(p_a, size) == pytest.approx(norm.cdf(a), abs=1e-9)
    assert worst_case_probability(0.9, np.array([1 - 1e-9, 1 + 1e-9])) == pytest.approx(0.5, abs=1e-8)
    before, beyond = worst_case_probability(0.9, np.array([1 - 1e-9, 1 + 1e-9]))
    assert before > 0.5 > beyond


def test_no_other_region_loses_more():
    """Unions of intervals with the same p_A at 0, moved by the same distance: the half-space is the worst."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        edges = np.sort(rng.normal(0, 2, 2 * rng.integers(1, 4)))
        p_a, moved = (float(np.diff(norm.cdf(edges - t)).reshape(-1)[::2].sum()) for t in (0.0, 1.0))
        if not 0.5 < p_a < 1 - 1e-9:
            continue
        size = 1.0 / norm.ppf(p_a)  # a distance of sigma, in units of R
        assert moved >= worst_case_probability(p_a, size) - 1e-12
        assert float(np.diff(norm.cdf(edges + 1.0)).reshape(-1)[::2].sum()) >= worst_case_probability(p_a, size) - 1e-12


@pytest.mark.parametrize("p_a", [0.5, 1.0, 0.3, float("nan")])
def test_a_probability_that_gives_no_radius(p_a: float):
    with pytest.raises(ValueError, match=r"p_a must be in \(0.5, 1\), got"):
        worst_case_probability(p_a, 1.0)


@pytest.mark.parametrize("grid", [255, None])
def test_the_engine_sees_it_flip(grid: int | None):
    """A half-space of 16 pixels through the real engine: PREDICT says 1 at .95 R and 0 at 1.05 R.

    R = .84 sigma: p_A = .4832 at 1.05 R, so 50,000 draws tell with power 1 - 1e-4 or better (fixed seed). The votes
    are binomial with the exact probability everywhere; false alarm 1e-6 a point.
    """
    torch = pytest.importorskip("torch")
    from noiseproof.engine import Engine, Finished, Task, TorchBackend
    from noiseproof.engine.lane import Drawn
    from noiseproof.procedures import Predict

    sigma, r, n, shape = 0.5, 0.42, 50_000, (1, 4, 4)
    w = torch.tensor(np.where(np.arange(16) % 3, 1.0, -1.0) / 4)  # of length 1
    x = (np.arange(16) * 15 + 7).reshape(shape) / 255
    threshold = float(x.ravel() @ w.numpy()) - r

    class HalfSpace(torch.nn.Module):
        def forward(self, z):
            margin = z.flatten(1).double() @ w - threshold
            return torch.stack([-margin, margin], dim=1)

    noise = Gaussian(sigma=sigma, grid=grid).on(shape).anywhere()
    backend = TorchBackend(HalfSpace().eval(), num_classes=2, noise=noise, shape=shape, batch_size=2000, workers=1)
    sizes = {"0": 0.0, "0.5": 0.5, "0.95": 0.95, "1.05": 1.05, "1.5": 1.5}
    tasks = [Task(key, x - size * r * w.numpy().reshape(shape)) for key, size in sizes.items()]
    votes, said = dict.fromkeys(sizes, 0), {}
    try:
        for event in Engine(backend, noise, seed=0).run(Predict(n=n), tasks):
            if isinstance(event, Drawn):
                votes[event.task.key] += event.votes[1]
            if isinstance(event, Finished):
                said[event.task.key] = event.outcome.prediction
    finally:
        backend.close()
    assert said == {"0": 1, "0.5": 1, "0.95": 1, "1.05": 0, "1.5": 0}
    for key, size in sizes.items():
        p = float(worst_case_probability(norm.cdf(r / sigma), size))
        assert binom.cdf(votes[key], n, p - 2e-5) > FALSE_ALARM / 2  # rounding: a twelfth of a step of variance
        assert binom.sf(votes[key] - 1, n, p + 2e-5) > FALSE_ALARM / 2
