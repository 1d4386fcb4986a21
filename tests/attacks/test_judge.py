from __future__ import annotations

import secrets

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm

from noiseproof.attacks import PGD, Judge, judge
from noiseproof.engine import TorchBackend
from noiseproof.errors import UnsupportedError
from noiseproof.noises import Gaussian
from noiseproof.noises.gaussian import RoundedFloatGaussian
from noiseproof.procedures import Predict

FALSE_ALARM = 1e-6
SIGMA = 0.25


@pytest.fixture
def seeded(monkeypatch):
    """The operating system's seeds, fixed: a random test is never rerun until it is green."""
    seeds = iter(range(1000))
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(seeds))


def judged(oracle, points, *, n, alpha, grid=255):
    noise = Gaussian(sigma=SIGMA, grid=grid).on((1, 4, 4)).anywhere()
    backend = TorchBackend(oracle.base, num_classes=2, noise=noise, shape=(1, 4, 4), batch_size=2000, workers=1)
    try:
        return judge(backend, noise, Predict(n=n, alpha=alpha), points)
    finally:
        backend.close()


def worst(oracle, multiple):
    found = PGD(draws=8)(
        oracle.base,
        oracle.x,
        torch.tensor([1]),
        radius=multiple * oracle.radius,
        noise=Gaussian(sigma=SIGMA),
        generator=torch.Generator().manual_seed(0),
    )
    return found[0].numpy()


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("grid", [255, None])
def test_a_half_space_breaks_beyond_its_exact_radius_and_not_within(oracle, grid):
    """R = sigma: p_A = .4641 or .5359 at 1.09 R and .91 R, so 20,000 draws tell with power 1 - 1e-9."""
    within, at, beyond = judged(
        oracle, [worst(oracle, 0.91), worst(oracle, 0), worst(oracle, 1.09)], n=20_000, alpha=0.001, grid=grid
    )
    assert [one.prediction.prediction for one in (within, at, beyond)] == [1, 1, 0]


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("grid", [255, None])
def test_votes_off_the_grid_are_those_of_the_exact_probability(oracle, grid):
    """False alarm 1e-6 a point; a rounding of the point to the grid would move p by up to .01."""
    n = 100_000
    points = [worst(oracle, multiple) for multiple in (0.3, 0.8, 1.2, 1.7)]
    for point, verdict in zip(points, judged(oracle, points, n=n, alpha=0.001, grid=grid), strict=True):
        assert sum(verdict.votes) == n
        p, found = oracle.p(point, SIGMA), verdict.votes[1]
        assert binom.cdf(found, n, p - 2e-5) > FALSE_ALARM / 2  # rounding: a twelfth of a step of variance
        assert binom.sf(found - 1, n, p + 2e-5) > FALSE_ALARM / 2


@pytest.mark.usefixtures("seeded")
def test_a_hair_within_the_exact_radius_hardly_anything_is_called_broken(oracle):
    """p_A = .5004 on 400 points: at most alpha of them may be called broken; false alarm 1e-6."""
    alpha, near = 0.05, worst(oracle, 0.999)
    verdicts = judged(oracle, [near] * 400, n=200, alpha=alpha)
    assert len({verdict.votes for verdict in verdicts}) > 20, "equal points get noise of their own"
    broken = sum(verdict.prediction.prediction == 0 for verdict in verdicts)
    assert binom.sf(broken - 1, 400, alpha / 2) > FALSE_ALARM  # one of the two wrong ways out of two
    assert norm.cdf(0.001) == pytest.approx(0.5004, abs=1e-5)


def test_the_seed_is_the_operating_systems_and_drawn_for_every_judgement(oracle, monkeypatch):
    asked = []

    def randbits(bits):
        asked.append(bits)
        return 2**63 + len(asked)

    monkeypatch.setattr(secrets, "randbits", randbits)
    first, same = judged(oracle, [worst(oracle, 1), worst(oracle, 1)], n=200, alpha=0.05)
    (second,) = judged(oracle, [worst(oracle, 1)], n=200, alpha=0.05)
    assert asked == [64, 64]
    assert (first.seed, same.seed, second.seed) == (2**63 + 1, 2**63 + 1, 2**63 + 2)
    assert len({first.votes, same.votes, second.votes}) == 3
    monkeypatch.setattr(secrets, "randbits", lambda bits: 2**63 + 1)
    assert judged(oracle, [worst(oracle, 1)], n=200, alpha=0.05)[0].votes == first.votes  # the seed says it all


def test_points_outside_the_box_are_judged_too(oracle):
    outside = worst(oracle, 1) - 0.6
    assert outside.min() < 0
    assert judged(oracle, [outside], n=200, alpha=0.05, grid=None)[0].votes
    assert judged(oracle, [outside], n=200, alpha=0.05)[0].votes


def test_the_noise_of_the_judge_is_the_runs_own():
    assert Gaussian(sigma=0.5, dimension=16).anywhere() == RoundedFloatGaussian(0.5, 255, 16)
    assert Gaussian(sigma=0.5, grid=None).anywhere() == RoundedFloatGaussian(0.5, None)

    with pytest.raises(UnsupportedError, match="attacks on rounded-float-gaussian noise cannot be judged"):
        Judge(RoundedFloatGaussian(sigma=0.5), lambda noise: pytest.fail("it is refused before"))


def test_a_point_on_a_finer_grid_is_judged_by_the_exact_noise_of_that_grid():
    judged_by = Judge(Gaussian(sigma=0.5, grid=4096).on((1, 2, 2)), lambda noise: pytest.fail("nothing is drawn"))
    steps = np.array([0, 255, 256, 4096]).reshape(1, 2, 2)
    assert judged_by.noise_at(steps / 4096) == judged_by.noise
    for off in (steps / 4096 + 1e-12, (steps + 1) / 4096, (steps - 1) / 4096):
        assert isinstance(judged_by.noise_at(off), RoundedFloatGaussian)


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("grid", [255, None])
def test_a_judge_takes_the_noise_that_fits_the_point(oracle, grid):
    """On the grid the run's own exact integers; off it rounded float noise; and float noise for a run with that."""
    noise = Gaussian(sigma=SIGMA, grid=grid).on((1, 4, 4))
    made = []

    def backend(one):
        made.append(one)
        return TorchBackend(oracle.base, num_classes=2, noise=one, shape=(1, 4, 4), batch_size=2000, workers=1)

    on, off, beyond = oracle.pixels / 255, oracle.pixels / 255 + 1e-9, oracle.pixels / 255 + 1
    judged_by, asked = Judge(noise, backend), Predict(n=20_000, alpha=0.001)
    try:
        said = judged_by(asked, [off, on, off, beyond, on])
        exact = "exact integers, grid 255" if grid else "float64 noise"
        rounded = "float64 noise, then rounding, grid 255" if grid else "float64 noise"
        assert [one.arithmetic for one in said] == [rounded, exact, rounded, rounded, exact]
        assert len(made) == len({exact, rounded})
        for point, one in zip((off, on, off, beyond, on), said, strict=True):
            assert one.votes[1] / 20_000 == pytest.approx(oracle.p(point, SIGMA), abs=0.02)
        assert len({one.votes for one in said}) >= 4, "equal points get noise of their own"
        assert said[1].seed == said[4].seed
        assert said[0].seed not in {said[1].seed} - ({said[0].seed} if grid is None else set())
    finally:
        judged_by.close()


def test_votes_for_an_attack_come_from_its_own_seed(oracle, monkeypatch):
    monkeypatch.setattr(secrets, "randbits", lambda bits: pytest.fail("this is no judgement"))

    def backend(one):
        return TorchBackend(oracle.base, num_classes=2, noise=one, shape=(1, 4, 4), batch_size=200, workers=1)

    judged_by = Judge(Gaussian(sigma=SIGMA).on((1, 4, 4)), backend)
    try:
        x = oracle.pixels / 255
        first = judged_by.votes([x, x + 1e-7], 400, 3)
        assert first.shape == (2, 2)
        assert first.sum(axis=1).tolist() == [400, 400]
        assert (judged_by.votes([x, x + 1e-7], 400, 3) == first).all()
        assert (judged_by.votes([x, x + 1e-7], 400, 4) != first).any()
    finally:
        judged_by.close()
