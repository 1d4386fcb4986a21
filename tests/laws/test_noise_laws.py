"""What every noise family owes: a keyed draw, its own distribution, a radius that is never above the truth."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, ncx2, norm

from noiseproof.errors import UnsupportedError
from noiseproof.noises import NOISES, Gaussian, Noise, Words, noise_from
from noiseproof.stats import Bounds

FALSE_ALARM = 1e-6
DIGITS = 60


@dataclass(frozen=True)
class Variant:
    """A noise with its slow truths.

    Attributes:
        noise: what is tried.
        quantile: where to cut: probabilities to values of one coordinate (as ``perturb`` adds it) that no draw takes.
        cdf: the exact distribution function there.
        radius: the theorem in 60 digits, from the two tails.
        wider: the same noise, a hundredth stronger: what the test of the distribution must find.
    """

    noise: Noise
    quantile: Callable[[np.ndarray], np.ndarray]
    cdf: Callable[[np.ndarray], np.ndarray]
    radius: Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf]
    wider: Callable[[np.ndarray], np.ndarray]


def gaussian_truth(sigma: float) -> Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf]:
    def radius(tail: mpmath.mpf, rival: mpmath.mpf) -> mpmath.mpf:
        if tail >= 1 or rival >= 1:
            return mpmath.mpf(0)
        return mpmath.mpf(sigma) / 2 * (-slow_quantile(tail) - slow_quantile(rival))

    return radius


def slow_quantile(p: mpmath.mpf) -> mpmath.mpf:
    """Phi^-1 by Newton steps in 60 digits."""
    if p <= 0:
        return -mpmath.inf
    z = mpmath.mpf(float(norm.ppf(float(p))))
    for _ in range(8):
        z -= (mpmath.erfc(-z / mpmath.sqrt(2)) / 2 - p) / mpmath.npdf(z)
    return z


def on_grid(sigma: float, grid: int) -> Variant:
    s = sigma * grid
    return Variant(
        noise=Gaussian(sigma=sigma, grid=grid),
        quantile=lambda p: np.unique(np.floor(norm.ppf(p) * s) + 0.5),  # rounding: between two integers
        cdf=lambda x: norm.cdf(x / s),
        radius=gaussian_truth(sigma),
        wider=lambda x: norm.cdf(x / s / 1.01),
    )


def off_grid(sigma: float) -> Variant:
    return Variant(
        noise=Gaussian(sigma=sigma, grid=None),
        quantile=lambda p: norm.ppf(p) * sigma,
        cdf=lambda x: norm.cdf(x / sigma),
        radius=gaussian_truth(sigma),
        wider=lambda x: norm.cdf(x / sigma / 1.01),
    )


VARIANTS = {
    "gaussian .12": on_grid(0.12, 255),
    "gaussian .25": on_grid(0.25, 255),
    "gaussian 1": on_grid(1.0, 255),
    "gaussian .5, coarse grid": on_grid(0.5, 7),
    "gaussian float .5": off_grid(0.5),
}

every = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


def words(stage: str = "estimate", key: str = "picture-0", seed: int = 0) -> Words:
    return Words(seed=seed, key=key, stage=stage)


def zeros(noise: Noise, shape: tuple[int, ...]) -> np.ndarray:
    return noise.encode(np.zeros(shape))


def test_the_list_is_the_registry():
    assert {variant.noise.family for variant in VARIANTS.values()} == set(NOISES)


@every
def test_same_key_same_noise_whatever_the_split(variant: Variant):
    noise, x = variant.noise, zeros(variant.noise, (3, 5, 7))
    whole = noise.perturb(x, words(), 0, 60)
    assert whole.shape == (60, *x.shape)
    for parts in ([1] * 60, [60], [17, 43], [59, 1], [20, 0, 40]):
        at, pieces = 0, []
        for n in parts:
            pieces.append(noise.perturb(x, words(), at, n))
            at += n
        assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(noise.perturb(x, words(), 41, 7), whole[41:48])


@every
def test_another_seed_key_stage_or_draw_is_other_noise(variant: Variant):
    x = zeros(variant.noise, (500,))
    draws = [
        variant.noise.perturb(x, w, first, 1)[0].tolist()
        for w, first in (
            (words(), 0),
            (words(), 1),
            (words(), 10**6),
            (words(stage="select"), 0),
            (words(key="picture-1"), 0),
            (words(seed=1), 0),
            (words(seed=2**64), 0),
        )
    ]
    for i, one in enumerate(draws):
        for other in draws[:i]:
            same = sum(a == b for a, b in zip(one, other, strict=True))
            assert same < 250  # a coarse grid has ties; the same noise has 500


@every
def test_the_input_is_added_exactly(variant: Variant):
    """The same words give x + eta for every x: noise that leaned on the input would not be smoothing."""
    noise = variant.noise
    x = noise.encode(np.array([0.0, 1.0, 0.0, 1.0]))
    eta = noise.perturb(np.zeros_like(x), words(), 0, 1000)
    assert np.array_equal(noise.perturb(x, words(), 0, 1000), x.astype(eta.dtype) + eta)


@every
def test_the_distribution_is_the_exact_one(variant: Variant):
    """Chi-square over some 60 cells of 1e6 numbers; false alarm 1e-6, a sigma 1% off is found with power > .999."""
    n = 1_000_000
    x = zeros(variant.noise, (1000,))
    numbers = np.asarray(variant.noise.perturb(x, words("law"), 0, n // 1000), dtype=np.float64).ravel()
    tails = np.array([1e-4, 1e-3, 5e-3])
    cuts = variant.quantile(np.concatenate([tails, np.linspace(0.02, 0.98, 57), 1 - tails[::-1]]))
    found = np.histogram(numbers, np.concatenate([[-np.inf], cuts, [np.inf]]))[0]
    wanted = n * np.diff(variant.cdf(cuts), prepend=0.0, append=1.0)
    wanted[-1] = n - wanted[:-1].sum()
    limit = chi2.isf(FALSE_ALARM, len(wanted) - 1)
    assert wanted.min() > 50, "chi-square needs full cells"
    assert ((found - wanted) ** 2 / wanted).sum() < limit
    wide = n * np.diff(variant.wider(cuts), prepend=0.0, append=1.0)
    wide[-1] = n - wide[:-1].sum()
    assert ncx2.sf(limit, len(wanted) - 1, ((wide - wanted) ** 2 / wanted).sum()) > 0.999


@every
def test_its_float_draws_and_the_law_it_states_are_those_of_its_draws(variant: Variant):
    """Both against the table of the law, chi-square of some 80 cells of 400,000 numbers; false alarm 1e-6 each."""
    torch = pytest.importorskip("torch")
    noise, law = variant.noise, variant.noise.law()
    x = torch.zeros(4, 1000, dtype=torch.float64)
    floats = noise.sample(x, 100, torch.Generator().manual_seed(0))
    assert (floats.shape, floats.dtype) == ((100, 4, 1000), torch.float64)
    exact = noise.perturb(zeros(noise, (1000,)), words("stated"), 0, 400)
    for numbers in (floats.numpy() * noise.scale, exact):
        steps = np.rint(numbers / law.unit)
        found, p = law.cells(np.bincount(law.integers(steps * law.unit).ravel(), minlength=law.p.size))
        full = p * 400_000 > 5
        assert found[~full].sum() <= 20 + 10 * p[~full].sum() * 400_000
        wanted = found[full].sum() * p[full] / p[full].sum()
        assert ((found[full] - wanted) ** 2 / wanted).sum() < chi2.isf(FALSE_ALARM / 2, full.sum() - 1)
    deviation = np.sqrt((law.p * law.z**2).sum()) * law.scale * law.unit / noise.scale
    assert deviation == pytest.approx(noise.sigma, rel=0.05)  # the variance of rounding is on top


@every
def test_attacks_are_judged_under_the_same_noise_at_any_point(variant: Variant):
    noise = variant.noise.on((1000,))
    judged = noise.anywhere()
    outside = judged.encode(np.array([-0.25, 0.123456789, 1.5]))
    assert judged.perturb(outside, words(), 0, 2).shape == (2, 3)
    assert not any(noise.on_grid(point) for point in (np.array([-1.0]), np.array([0.1234567]), np.array([2.0])))
    assert noise.on_grid(np.array([0.0, 1.0])) == (noise.grid is not None)
    with pytest.raises(UnsupportedError):
        judged.radius(Bounds(0.1, 0.1))
    inside = zeros(noise, (1000,))
    if noise.on_grid(np.zeros(1000)) and variant.noise.scale > 1:  # where both live, they have one law
        numbers = judged.perturb(judged.encode(np.zeros(1000)), words("law"), 0, 200).ravel()
        same = noise.perturb(inside, words("law"), 0, 200).ravel()
        cuts = np.unique(variant.quantile(np.linspace(0.05, 0.95, 19)))
        for some in (numbers, same):
            found = np.searchsorted(np.sort(some), cuts) / some.size
            assert np.abs(found - variant.cdf(cuts)).max() < 0.008  # Massart: e^-25 a side


@every
@pytest.mark.parametrize("step", [(0, 1), (1, 0), (0, 4), (0, 64)], ids=["next", "next draw", "next word", "page"])
def test_numbers_are_independent(variant: Variant, step: tuple[int, int]):
    """Pairs of numbers, 16 cells, against the product of their margins; false alarm 1e-6.

    400,000 pairs: a correlation of .02 adds at least .02^2 * 400,000 * .7 > 110 to the statistic, found with power
    > .999.
    """
    n, d = 2000, 264
    x = zeros(variant.noise, (d,))
    numbers = np.asarray(variant.noise.perturb(x, words("pairs"), 0, n), dtype=np.float64)
    cuts = variant.quantile(np.array([0.25, 0.5, 0.75]))
    cell = np.searchsorted(cuts, numbers)
    one = cell[: n - step[0] or None : 1 + step[0], : d - step[1]]
    other = cell[step[0] :: 1 + step[0], step[1] :]
    rows = min(len(one), len(other))
    if step[1]:  # every pair by itself: blocks of ``step`` numbers, then the next ``step``
        starts = [i for i in range(d - step[1]) if i // step[1] % 2 == 0]
        one, other = one[:, starts], other[:, starts]
    pairs = np.bincount((one[:rows] * 4 + other[:rows]).ravel(), minlength=16)
    p = np.diff(variant.cdf(cuts), prepend=0.0, append=1.0)
    p[-1] = 1 - p[:-1].sum()
    wanted = pairs.sum() * np.outer(p, p).ravel()
    assert ((pairs - wanted) ** 2 / wanted).sum() < chi2.isf(FALSE_ALARM, 15)


tails = st.floats(1e-300, 1.0) | st.floats(0.0, 0.5) | st.floats(-320, 0).map(lambda e: 10.0**e)


@every
@settings(max_examples=60, deadline=None)
@given(tail=tails, rival=tails)
def test_the_radius_is_never_above_the_slow_truth(variant: Variant, tail: float, rival: float):
    for noise in (variant.noise, variant.noise.on((3, 32, 32))):
        got = noise.radius(Bounds(tail=tail, rival=rival))
        with mpmath.workdps(DIGITS):
            truth = variant.radius(mpmath.mpf(tail), mpmath.mpf(rival))
            assert got <= max(truth, 0)
            if noise.dimension is None and truth > 1e-6:
                assert got >= truth * (1 - mpmath.mpf("1e-9")) - mpmath.mpf("1e-11"), "needlessly small"


@every
@settings(max_examples=60, deadline=None)
@given(tail=st.floats(1e-12, 0.999), gap=st.floats(-1e-9, 1e-9))
def test_the_radius_is_not_above_the_truth_where_the_quantiles_cancel(variant: Variant, tail: float, gap: float):
    rival = min(1.0, max(0.0, 1 - tail + gap))
    got = variant.noise.radius(Bounds(tail=tail, rival=rival))
    with mpmath.workdps(DIGITS):
        assert got <= max(variant.radius(mpmath.mpf(tail), mpmath.mpf(rival)), 0)


@every
@settings(max_examples=100)
@given(low=st.floats(0.0, 1.0), high=st.floats(0.0, 1.0), rival=st.floats(0.0, 1.0))
def test_the_radius_grows_with_p_lower_and_shrinks_with_the_rival(
    variant: Variant, low: float, high: float, rival: float
):
    low, high = sorted((low, high))
    for noise in (variant.noise, variant.noise.on((784,))):
        assert noise.radius(Bounds(high, rival)) <= noise.radius(Bounds(low, rival))
        assert noise.radius(Bounds(rival, high)) <= noise.radius(Bounds(rival, low))


@every
def test_nothing_is_certified_at_a_half(variant: Variant):
    for noise in (variant.noise, variant.noise.on((784,))):
        assert noise.radius(Bounds(0.5, 0.5)) == 0.0
        assert noise.radius(Bounds(0.75, 0.75)) == 0.0
        assert noise.radius(Bounds(1.0, 0.0)) == 0.0
        assert noise.radius(Bounds(0.49, 0.49)) > 0.0


@every
def test_a_norm_without_a_theorem_is_refused(variant: Variant):
    with pytest.raises(UnsupportedError, match=re.escape("'hamming'")):
        variant.noise.radius(Bounds(0.1, 0.1), "hamming")


@every
def test_the_noise_is_its_configuration(variant: Variant):
    for noise in (variant.noise, variant.noise.on((3, 8, 8))):
        assert noise_from(json.loads(json.dumps(noise.config()))) == noise
