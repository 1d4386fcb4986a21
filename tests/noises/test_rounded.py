from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from noiseproof.errors import UnsupportedError
from noiseproof.noises import NOISES, Gaussian, Words
from noiseproof.noises.gaussian import RoundedFloatGaussian
from noiseproof.stats import Bounds

FALSE_ALARM = 1e-6
WORDS = Words(0, "key", "predict")


@pytest.mark.parametrize("grid", [255, 15])
def test_it_is_the_rounded_sum_at_any_point(grid):
    """P(draw <= k) = Phi((k + 1/2)/s - x/sigma) at 20 cuts; false alarm 1e-6 a cut. A shift of .02 s is found."""
    sigma, n = 0.3, 200_000
    noise = RoundedFloatGaussian(sigma=sigma, grid=grid)
    for x in (0.0, 0.3 / grid, 7.5 / grid, 0.123, 1.0):
        drawn = noise.perturb(np.array([x]), WORDS, 0, n)[:, 0]
        assert drawn.dtype == np.int16
        for cut in np.linspace(-1.5, 1.5, 20):
            k = round((x + cut * sigma) * grid)
            p = norm.cdf(((k + 0.5) / grid - x) / sigma)
            found = int((drawn <= k).sum())
            assert binom.cdf(found, n, p) > FALSE_ALARM / 2
            assert binom.sf(found - 1, n, p) > FALSE_ALARM / 2


def test_it_is_the_float_noise_rounded():
    x = np.linspace(0, 1, 12).reshape(3, 4)
    drawn = RoundedFloatGaussian(sigma=0.3).perturb(x, WORDS, 5, 7)
    floats = Gaussian(sigma=0.3, grid=None).perturb(x, WORDS, 5, 7)
    assert drawn.shape == (7, 3, 4)
    assert np.abs(drawn / 255 - floats).max() <= 0.5 / 255 + 1e-12


def test_a_draw_does_not_depend_on_its_company():
    noise, x = RoundedFloatGaussian(sigma=0.3), np.linspace(0, 1, 10)
    whole = noise.perturb(x, WORDS, 0, 50)
    assert (noise.perturb(x, WORDS, 20, 7) == whole[20:27]).all()


def test_it_certifies_nothing_and_is_no_registered_noise():
    with pytest.raises(UnsupportedError, match="noise that only judges attacks certifies nothing"):
        RoundedFloatGaussian(sigma=0.3).radius(Bounds(tail=0.01, rival=0.01))
    assert RoundedFloatGaussian not in NOISES.values()
    assert RoundedFloatGaussian(sigma=0.3).scale == 255.0
    assert RoundedFloatGaussian(sigma=0.3).arithmetic == "float64 noise, then rounding, grid 255"


@pytest.mark.parametrize(("sigma", "most"), [(0.3, 125), (14.5, 5)])
def test_points_far_outside_are_refused(sigma, most):
    noise = RoundedFloatGaussian(sigma=sigma)
    x = np.array([-most, 0.5, most])
    assert noise.encode(x).dtype == np.float64
    drawn = noise.perturb(noise.encode(x), WORDS, 0, 10_000)
    assert (np.abs(drawn / 255 - x) < 6 * sigma).all(), "16 bits hold them"
    text = rf"points to judge must be finite and within \[-{most}, {most}\]; attack with clip=True"
    for bad in (most + 0.1, -most - 0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match=text):
            noise.encode(np.array([0.5, bad]))


@pytest.mark.parametrize("change", [{"sigma": 0.0}, {"sigma": 50.0}, {"grid": 5000}])
def test_settings_out_of_range(change):
    with pytest.raises(ValueError, match=r"sigma must be|grid must be"):
        RoundedFloatGaussian(**({"sigma": 0.3} | change))
