"""The whole chain against the truth: a linear base classifier has an exact p_A and an exact robust radius."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm
from torch import nn

from noiseproof.engine import Drawn, Engine, Task, TorchBackend
from noiseproof.noises import Gaussian
from noiseproof.noises.rounded_normal import rounded_normal
from noiseproof.procedures import Certify, Curve, Decide, Predict, Procedure, Sequential, replay
from noiseproof.stats import one_sided
from noiseproof.types import Answer, Certificate, Outcome, Prediction

FALSE_ALARM = 1e-6
PIXELS = 16


class Linear(nn.Module):
    """Class 1 where a signed sum of the pixels, in grid steps, is above a threshold."""

    def __init__(self, signs: np.ndarray, threshold: float) -> None:
        super().__init__()
        self.register_buffer("signs", torch.tensor(signs, dtype=torch.float64))
        self.threshold = threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = x.flatten(1).double() @ self.signs * 255 - self.threshold
        return torch.stack([-score, score], dim=1)


@dataclass(frozen=True)
class Oracle:
    """A linear classifier and a picture ``above`` grid steps (a half-integer) on the side of class 1.

    Class 0 is a half-space, so the exact L2 radius of g is margin / ||w||. On the grid p_A is the exact
    distribution of a signed sum of rounded Gaussians.
    """

    above: float
    sigma: float = 0.5
    grid: int | None = 255

    @property
    def signs(self) -> np.ndarray:
        return np.where(np.arange(PIXELS) % 3 == 0, -1.0, 1.0)

    @property
    def picture(self) -> np.ndarray:
        return (np.arange(PIXELS, dtype=np.uint8) * 15 + 7).reshape(1, 4, 4)

    @property
    def base(self) -> nn.Module:
        return Linear(self.signs, float(self.signs @ self.picture.ravel().astype(float)) - self.above).eval()

    @property
    def noise(self) -> Gaussian:
        return Gaussian(sigma=self.sigma, grid=self.grid).on(self.picture.shape)

    @property
    def radius(self) -> float:
        """margin / ||w||, exact."""
        return self.above / 255 / math.sqrt(PIXELS)

    @property
    def p(self) -> float:
        """The probability of class 1, exact to some 1e-12."""
        if self.grid is None:
            return float(norm.cdf(self.radius / self.sigma))
        return signed_sum_above(self.sigma, PIXELS, -self.above)

    def error_rate(self, procedure: Certify) -> float:
        """P(CERTIFY's radius for class 1 is above the truth), exact but for a wrong selection."""
        n, alpha = procedure.n, procedure.alpha
        fewest = bisect.bisect_right(range(n + 1), self.radius, key=lambda k: self.noise.radius(one_sided(k, n, alpha)))
        return float(binom.sf(fewest - 1, n, self.p))


def signed_sum_above(sigma: float, count: int, threshold: float) -> float:
    """P(a signed sum of so many rounded Gaussians > threshold)."""
    values, likely = signed_sum(sigma, count)
    return float(likely[values > threshold].sum())


@lru_cache
def signed_sum(sigma: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The values and their probabilities, by convolution; the signs do not matter."""
    made = rounded_normal(sigma, 255)
    edges = [0, *made.thresholds.tolist(), 2**63]
    one = np.array([(high - low) / 2**63 for low, high in itertools.pairwise(edges)])
    size = 1 << math.ceil(math.log2(count * len(one)))
    total = np.fft.irfft(np.fft.rfft(one, size) ** count, size)
    return np.arange(size) - count * made.cap, total


@dataclass(frozen=True)
class Served:
    """What the engine said of one key, and the votes behind it."""

    outcome: Outcome
    answers: list[Answer]

    def votes(self, stage: str) -> np.ndarray:
        return np.sum([answer.votes for answer in self.answers if answer.stage == stage], axis=0)


def serve(
    base: nn.Module, noise: Gaussian, x: np.ndarray, procedure: Procedure, keys: Iterable[str], seed: int = 0
) -> list[Served]:
    """The real engine on one picture under many keys, one worker."""
    encoded = noise.encode(x)
    backend = TorchBackend(base, num_classes=2, noise=noise, shape=x.shape, batch_size=2000, workers=1)
    drawn: dict[str, list[Drawn]] = {}
    served = []
    try:
        for event in Engine(backend, noise, seed).run(procedure, (Task(key, encoded) for key in keys)):
            ranges = drawn.setdefault(event.task.key, [])
            if isinstance(event, Drawn):
                ranges.append(event)
                continue
            at, answers = 0, []
            for stage, n in event.requests:
                votes, left = np.zeros(2, np.int64), n
                while left:
                    votes, left, at = votes + np.array(ranges[at].votes), left - ranges[at].n, at + 1
                answers.append(Answer(stage, n, tuple(votes.tolist())))
            served.append(Served(event.outcome, answers))
    finally:
        backend.close()
    return served


def plausible(found: int, n: int, p: float) -> bool:
    """Whether a Binomial(n, p) is found in all but the last millionth of both its tails together."""
    return binom.cdf(found, n, p) > FALSE_ALARM / 2 and binom.sf(found - 1, n, p) > FALSE_ALARM / 2


def hard_margin(procedure: Certify, grid: int | None) -> Oracle:
    """The margin, around p_A = .8, at which CERTIFY's exact error rate is largest."""
    middle = round(norm.ppf(0.8) * 0.5 * 255 * math.sqrt(PIXELS))
    oracles = [Oracle(above + 0.5, grid=grid) for above in range(middle - 40, middle + 40)]
    return max(oracles, key=lambda oracle: oracle.error_rate(procedure))


def test_rounding_is_a_twelfth_of_a_step_of_variance():
    """The exact p_A is Phi(margin / (sigma ||w||)) with 1/12 steps^2 more variance a pixel, so just below the nominal.

    Less the 1/12 of the sum itself, which lies on integers and is cut halfway (Sheppard's correction).
    """
    for sigma in (0.12, 0.5):
        for above in (0.5, 100.5, 700.5):
            oracle = Oracle(above, sigma=sigma)
            rounded = math.sqrt(sigma**2 + (PIXELS - 1) / PIXELS / 12 / 255**2)
            assert oracle.p == pytest.approx(norm.cdf(oracle.radius / rounded), abs=2e-11)
            assert 0.5 < oracle.p < norm.cdf(oracle.radius / sigma)
            assert oracle.p == pytest.approx(norm.cdf(oracle.radius / sigma), abs=5e-5)


@pytest.mark.parametrize("grid", [255, None])
@pytest.mark.parametrize("above", [-300.5, 429.5])
def test_votes_are_binomial(grid: int | None, above: float):
    """All votes together, and their spread over the keys; false alarm 1e-6 each.

    A p off by .0035 (of p = .28 or .8), or a variance off by a third, is found with power > .999.
    """
    oracle, keys, n = Oracle(above, grid=grid), 1000, 500
    served = serve(oracle.base, oracle.noise, oracle.picture, Certify(n0=100, n=n), map(str, range(keys)))
    counts = np.array([one.votes("estimate")[1] for one in served])
    assert plausible(int(counts.sum()), keys * n, oracle.p)
    spread = ((counts - n * oracle.p) ** 2).sum() / (n * oracle.p * (1 - oracle.p))
    assert abs(spread - keys) < 5.3 * math.sqrt(2 * keys)  # chi-square with 1000 degrees of freedom
    selected = np.array([one.votes("select")[1] for one in served])
    assert abs(np.corrcoef(selected, counts)[0, 1]) < 4.9 / math.sqrt(keys), "selection is never reused"


@pytest.mark.parametrize("grid", [255, None])
@pytest.mark.parametrize(("alpha", "keys"), [(0.05, 600), (0.001, 1000)])
def test_a_radius_above_the_truth_is_as_rare_as_alpha_says(grid: int | None, alpha: float, keys: int):
    """At the hardest margin, over many keys; false alarm 1e-6.

    Power > .99 against an error rate of 3 alpha at alpha = .05, and of 20 alpha at .001.
    """
    procedure = Certify(n0=20, n=400, alpha=alpha)
    oracle = hard_margin(procedure, grid)
    rate = oracle.error_rate(procedure)
    assert 0.8 * alpha < rate <= alpha
    served = serve(oracle.base, oracle.noise, oracle.picture, procedure, map(str, range(keys)))
    false = sum(
        one.outcome.prediction == 0 or (one.outcome.prediction == 1 and one.outcome.radius > oracle.radius)
        for one in served
        if isinstance(one.outcome, Certificate)
    )
    assert len(served) == keys
    assert binom.sf(false - 1, keys, rate) > FALSE_ALARM
    most = binom.isf(FALSE_ALARM, keys, rate)
    assert binom.sf(most, keys, 3 * alpha if alpha == 0.05 else 20 * alpha) > 0.99
    if alpha == 0.05:
        assert false > binom.ppf(FALSE_ALARM, keys, rate), "far too few: the bound is not the one it should be"


@pytest.mark.parametrize("grid", [255, None])
@pytest.mark.parametrize("name", ["decide", "curve", "sequential"])
def test_what_stops_early_claims_too_much_as_rarely_as_alpha_says(name: str, grid: int | None):
    """500 keys at the boundary of a claim, p_A around .8; false alarm 1e-6, power > .99 against 3 alpha."""
    oracle, keys, alpha = Oracle(429.5, grid=grid), 500, 0.05
    just_false = oracle.radius * (1 + 1e-6)
    procedure: Procedure = {
        "decide": Decide(radius=just_false, alpha=alpha, n_max=500),
        "curve": Curve(radii=(0, just_false / 2, just_false), alpha=alpha, n_max=500),
        "sequential": Sequential(n0=20, alpha=alpha, n_max=500, acr_loss=1e-6),
    }[name]
    served = serve(oracle.base, oracle.noise, oracle.picture, procedure, map(str, range(keys)))
    said = [one.outcome for one in served if not one.outcome.abstained]
    false = sum(one.prediction == 0 or one.radius > oracle.radius for one in said if not isinstance(one, Prediction))
    assert len(served) == keys
    assert binom.sf(false - 1, keys, alpha) > FALSE_ALARM
    assert binom.sf(binom.isf(FALSE_ALARM, keys, alpha), keys, 3 * alpha) > 0.99
    assert false > 0, "not the boundary"


@pytest.mark.parametrize("grid", [255, None])
def test_the_radius_approaches_the_truth_from_below(grid: int | None):
    """What n = 100 ... 100,000 say, from the answers of one run; each look false with probability 1e-7 at most."""
    oracle, alpha = Oracle(429.5, grid=grid), 1e-7
    (served,) = serve(oracle.base, oracle.noise, oracle.picture, Certify(n=100_000, alpha=alpha), ["a"])
    gaps = []
    for looks, n in enumerate((100, 1000, 10_000, 100_000), start=2):
        outcome = replay(Certify(n=n, alpha=alpha), oracle.noise, served.answers[:looks])
        assert isinstance(outcome, Certificate)
        unlucky = int(binom.ppf(1e-7, n, oracle.p))
        assert oracle.noise.radius(one_sided(unlucky, n, alpha)) <= outcome.radius <= oracle.radius
        gaps.append(1 - outcome.radius / oracle.radius)
    assert replay(Certify(n=100_000, alpha=alpha), oracle.noise, served.answers) == served.outcome
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.05 < 0.2 < gaps[0]


@pytest.mark.parametrize("two_sided", [False, True])
def test_a_picture_on_the_boundary_is_hardly_ever_certified(two_sided: bool):
    """Half a grid step from the boundary, p_A = .5002: what is certified further is false; false alarm 1e-6."""
    oracle, keys, alpha = Oracle(0.5), 600, 0.05
    procedure = Certify(n0=20, n=200, alpha=alpha, two_sided=two_sided)
    served = serve(oracle.base, oracle.noise, oracle.picture, procedure, map(str, range(keys)))
    certified = sum(not one.outcome.abstained for one in served)
    assert binom.sf(certified - 1, keys, alpha) > FALSE_ALARM


def test_predict_is_hardly_ever_wrong():
    """p_A = .5002: half of all answers are wrong, so at most alpha are given; false alarm 1e-6."""
    oracle, keys, alpha = Oracle(0.5), 600, 0.05
    served = serve(oracle.base, oracle.noise, oracle.picture, Predict(n=200, alpha=alpha), map(str, range(keys)))
    assert binom.sf(sum(not one.outcome.abstained for one in served) - 1, keys, alpha) > FALSE_ALARM
    far = replace(oracle, above=900.5)
    served = serve(far.base, far.noise, far.picture, Predict(n=200, alpha=alpha), map(str, range(20)))
    assert {one.outcome.prediction for one in served} == {1}


class Pooled(nn.Module):
    """A classifier of pictures of twice the resolution: averages 2 x 2 pixels, then asks the small one."""

    def __init__(self, small: nn.Module) -> None:
        super().__init__()
        self.small = small

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.small(nn.functional.avg_pool2d(x.double(), 2))
        return scores


def test_twice_the_resolution_bears_twice_the_noise():
    """Pooled pictures: the same p_A at 2 sigma, and twice the radius (Cohen et al. 2019, section 3.2); power as above.

    Votes against the exact p_A and the two fractions against each other; false alarm 1e-6 each.
    """
    small, n = Oracle(429.5, sigma=0.25), 100_000
    large = small.picture.repeat(2, axis=1).repeat(2, axis=2)
    noise = Gaussian(sigma=0.5).on(large.shape)
    # sum of four pixels / 4 > threshold: 64 rounded Gaussians against 4 thresholds
    p = signed_sum_above(0.5, 64, -4 * small.above)
    assert p == pytest.approx(small.p, abs=5e-4)  # a tie of the pooled sum is a two-thousandth
    procedure = Certify(n=n, alpha=1e-7)
    (one,) = serve(small.base, small.noise, small.picture, procedure, ["small"])
    (other,) = serve(Pooled(small.base).eval(), noise, large, procedure, ["large"])
    assert plausible(int(one.votes("estimate")[1]), n, small.p)
    assert abs(int(other.votes("estimate")[1]) - n * p) < 4.9 * math.sqrt(n * p * (1 - p)) + 5e-4 * n
    assert isinstance(one.outcome, Certificate)
    assert isinstance(other.outcome, Certificate)
    # the large picture's weights are w / 4 on four times the pixels: ||w|| / 2, so twice the exact radius
    assert one.outcome.radius < small.radius
    assert other.outcome.radius < 2 * small.radius
    assert other.outcome.radius == pytest.approx(2 * one.outcome.radius, rel=0.02)
