from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from noiseproof.errors import UnsupportedError
from noiseproof.noises import Gaussian, Words, noise_from
from noiseproof.noises.rounded_normal import rounded_normal, total_variation
from noiseproof.stats import Bounds, gaussian_radius, one_sided, two_sided

WORDS = Words(seed=0, key="picture-0", stage="estimate")
EVERY_PIXEL = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


@pytest.mark.parametrize(
    "floats",
    [
        EVERY_PIXEL.astype(np.float32) / np.float32(255),
        EVERY_PIXEL.astype(np.float32) * np.float32(1 / 255),
        EVERY_PIXEL / np.float64(255),
        EVERY_PIXEL * (1 / 255),
        (EVERY_PIXEL / np.float64(255)).astype(np.float32),
        EVERY_PIXEL,
    ],
    ids=["float32 /", "float32 *", "float64 /", "float64 *", "float64 to float32", "uint8"],
)
def test_encode_finds_the_8_bit_pixels_again(floats: np.ndarray):
    encoded = Gaussian(sigma=0.5).encode(floats)
    assert encoded.dtype == np.uint8
    assert np.array_equal(encoded, EVERY_PIXEL)


@pytest.mark.parametrize("steps", [2.0**-13, 2.0**-15])
def test_an_input_a_hair_off_the_grid_is_refused(steps):
    """At 2^-13 of a step, 3 x 224 x 224 numbers are 1.9e-4 away from the picture that would be certified."""
    for pixel in (1, 100, 255):
        with pytest.raises(ValueError, match="inputs must lie on the grid"):
            Gaussian(sigma=0.5).encode(np.array([(pixel - steps) / 255]))
    with pytest.raises(ValueError, match="inputs must lie on the grid"):
        Gaussian(sigma=0.5).encode(np.array([1e-12]))


def test_encode_on_a_coarser_grid():
    assert Gaussian(sigma=0.5, grid=4).encode(np.array([0.0, 0.25, 1.0])).tolist() == [0, 1, 4]


def test_encode_off_the_grid_is_the_input_in_float64():
    noise = Gaussian(sigma=0.5, grid=None)
    x = np.array([0.0, 0.1, math.pi / 4, 1.0], dtype=np.float32)
    assert noise.encode(x).dtype == np.float64
    assert noise.encode(x).tolist() == x.tolist()
    assert np.array_equal(noise.encode(EVERY_PIXEL), EVERY_PIXEL / 255.0)


@pytest.mark.parametrize(
    ("noise", "x", "text"),
    [
        (Gaussian(0.5), [0.0, math.nan], "inputs must be finite, got NaN or infinity"),
        (Gaussian(0.5, grid=None), [math.inf], "inputs must be finite, got NaN or infinity"),
        (
            Gaussian(0.5),
            [0.0, 1.5],
            "inputs must lie in [0, 1], got values from 0 to 1.5; normalisation belongs inside",
        ),
        (Gaussian(0.5, grid=None), [-0.25, 1.0], "inputs must lie in [0, 1], got values from -0.25 to 1;"),
        (
            Gaussian(0.5),
            [0.0, 0.5],
            "inputs must lie on the grid k/255 (one is 0.5 of a step away); "
            "round them to 8 bits, quantise them to a finer grid, or use Gaussian(sigma, grid=None), which claims less",
        ),
        (Gaussian(0.5), [128.001 / 255], "inputs must lie on the grid k/255 (one is 0.001 of a step away)"),
        (Gaussian(0.5, grid=4), [0.3], "inputs must lie on the grid k/4 (one is 0.2 of a step away)"),
    ],
)
def test_what_is_no_input_is_refused(noise: Gaussian, x: list[float], text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        noise.encode(np.array(x))


def test_8_bit_pictures_are_refused_on_another_grid():
    with pytest.raises(ValueError, match=re.escape("8-bit pictures lie on the grid of 255 steps, got grid=15")):
        Gaussian(sigma=0.5, grid=15).encode(EVERY_PIXEL)


@pytest.mark.parametrize(
    ("k", "n", "alpha", "radius"),
    [
        (100, 100, 0.001, 1.5004750241206),
        (10_000, 10_000, 0.001, 3.1985775147383),
        (100_000, 100_000, 0.001, 3.81145656339),
        (99_999, 100_000, 0.001, 3.7391266685434),
        (10**9, 10**9, 1e-12, 5.4334910992411),
        (99_000, 100_000, 0.001, 2.2899999552138),
        (90_000, 100_000, 0.001, 1.2648446903374),
        (50_490, 100_000, 0.001, 2.2431250945e-5),
        (50_489, 100_000, 0.001, 0.0),
        (550, 1000, 0.001, 0.0016943814912685),
        (549, 1000, 0.001, 0.0),
    ],
)
@pytest.mark.parametrize("sigma", [1.0, 0.25])
def test_the_one_sided_radius(k: int, n: int, alpha: float, radius: float, sigma: float):
    got = Gaussian(sigma=sigma).radius(one_sided(k, n, alpha))
    assert sigma * radius - 5e-8 * sigma <= got <= sigma * radius * (1 + 1e-12)


@pytest.mark.parametrize(
    ("k", "rival_k", "radius"),
    [
        (60_000, 10_000, 0.751954),
        (45_000, 20_000, 0.343997),
        (90_000, 5_000, 1.443326),
        (99_000, 500, 2.406578),
        (99_900, 50, 3.079367),
        (100_000, 0, 3.787759),
    ],
)
def test_the_two_sided_radius(k: int, rival_k: int, radius: float):
    got = Gaussian(sigma=0.5).radius(two_sided(k, rival_k, 100_000, 0.001))
    assert got == pytest.approx(0.5 * radius, abs=4e-7)


def test_what_the_sampler_loses_is_taken_off_both_probabilities():
    bounds = Bounds(tail=1e-3, rival=5e-4)
    picture = Gaussian(sigma=1.0).on((3, 224, 224))
    lost = total_variation(1.0, 255, 150_528)
    assert lost > 3e-11
    assert picture.radius(bounds) == gaussian_radius(Bounds(1e-3 + lost, 5e-4 + lost), 1.0)
    assert picture.radius(bounds) < Gaussian(sigma=1.0).radius(bounds)


def test_what_the_sampler_loses_caps_every_radius():
    # a sampler that stops at 8.5 sigma can never support more, whatever the counts say
    assert Gaussian(sigma=1.0).on((3, 32, 32)).radius(Bounds(tail=0.0, rival=0.0)) == pytest.approx(7.07, abs=0.01)
    assert Gaussian(sigma=1.0).on((3, 32, 32)).radius(Bounds(tail=1.0, rival=1.0)) == 0.0


def test_float_noise_of_unknown_dimension_takes_nothing_off():
    bounds = Bounds(tail=1e-3, rival=1e-3)
    assert Gaussian(sigma=1.0, grid=None).radius(bounds) == gaussian_radius(bounds, 1.0)


def test_norms():
    noise, bounds = Gaussian(sigma=0.5).on((3, 32, 32)), Bounds(tail=0.01, rival=0.01)
    l2 = noise.radius(bounds)
    assert noise.radius(bounds, "l2") == noise.radius(bounds, "l1") == noise.radius(bounds, None) == l2
    linf = noise.radius(bounds, "linf")
    assert linf == pytest.approx(l2 / math.sqrt(3072), rel=1e-12)
    assert linf**2 * 3072 <= l2**2
    with pytest.raises(ValueError, match=re.escape("the Linf radius needs the dimension: use noise.on(shape)")):
        Gaussian(sigma=0.5).radius(bounds, "linf")


@pytest.mark.parametrize("norm", ["l0", "L2", ""])
def test_a_norm_without_a_theorem_is_refused(norm: str):
    text = re.escape(f"no theorem gives Gaussian noise a radius in {norm!r}; known: l1, l2, linf")
    with pytest.raises(UnsupportedError, match=text):
        Gaussian(sigma=0.5).on((4,)).radius(Bounds(tail=0.01, rival=0.01), norm)


def test_a_draw_on_the_grid_is_the_picture_plus_integers():
    noise, made = Gaussian(sigma=0.5), rounded_normal(0.5, 255)
    noisy = noise.perturb(EVERY_PIXEL, WORDS, 3, 20)
    eta = made.sample(WORDS, 3, 20, 256).reshape(20, 1, 16, 16)
    assert noisy.dtype == np.int16
    assert np.array_equal(noisy.astype(np.int64), EVERY_PIXEL.astype(np.int64) + eta)
    assert noisy.min() < 0
    assert noisy.max() > 255
    assert noise.scale == 255.0


def test_a_picture_in_any_memory_layout_gives_the_same_draws():
    noise = Gaussian(sigma=0.25)
    picture = np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8)
    turned = np.asfortranarray(picture)
    assert np.array_equal(noise.perturb(turned, WORDS, 0, 4), noise.perturb(picture, WORDS, 0, 4))


def test_float_noise_is_the_inverse_of_53_bits():
    x = np.array([[0.25, 0.5, 1.0]])
    noise = Gaussian(sigma=2.0, grid=None)
    noisy = noise.perturb(x, WORDS, 7, 3)
    bits = WORDS.take(7, 3, 4)[:, :3] >> np.uint64(11)
    mirrored = 2**53 - 1 - bits.astype(object)
    from scipy.special import ndtri

    for row, draw in enumerate(bits.tolist()):
        for column, k in enumerate(draw):
            low = min(k, int(mirrored[row, column]))
            z = float(ndtri((low + 0.5) / 2**53)) * (1 if low == k else -1)
            assert noisy[row, 0, column] == x[0, column] + 2.0 * z
    assert noise.scale == 1.0


class Constant:
    """Words that are all the same."""

    def __init__(self, word: int) -> None:
        self.word = word

    def take(self, first: int, n: int, per_draw: int, page: int = 0) -> np.ndarray:
        return np.full((n, per_draw), self.word, np.uint64)


@pytest.mark.parametrize("word", [0, 1 << 11, 1 << 40, (1 << 63) - 1, 0x123456789ABCDEF0])
def test_float_noise_has_two_equal_tails_and_no_infinity(word: int):
    noise, zero = Gaussian(sigma=1.0, grid=None), np.zeros(1)
    low = noise.perturb(zero, Constant(word), 0, 1)[0, 0]  # type: ignore[arg-type]
    high = noise.perturb(zero, Constant(2**64 - 1 - word), 0, 1)[0, 0]  # type: ignore[arg-type]
    assert math.isfinite(low)
    assert high == -low > 0
    assert high <= 8.3


def test_float_noise_moments():
    """Mean, variance and fourth moment of 2e6 numbers; each false alarm below 1e-6 (4.9 standard errors).

    A standard deviation off by .4% is found with probability above .999: 2 * .004 against a standard error of .001.
    """
    n = 2_000_000
    z = Gaussian(sigma=1.0, grid=None).perturb(np.zeros(2000), WORDS, 0, n // 2000).ravel()
    assert np.isfinite(z).all()
    for moment, wanted, variance in ((z, 0, 1), (z**2, 1, 2), (z**3, 0, 15), (z**4, 3, 96)):
        assert abs(moment.mean() - wanted) < 4.9 * math.sqrt(variance / n)


@given(
    st.floats(0.001, 14.0),
    st.sampled_from([None, 255, 100]),
    st.none() | st.integers(1, 10**6),
)
def test_a_noise_is_its_configuration(sigma: float, grid: int | None, dimension: int | None):
    noise = Gaussian(sigma=sigma, grid=grid, dimension=dimension)
    config = noise.config()
    assert config == {"family": "gaussian", "sigma": sigma, "grid": grid, "dimension": dimension}
    assert noise_from(json.loads(json.dumps(config))) == noise


def test_one_number_written_in_two_ways_is_one_noise():
    for sigma in (1, np.float32(1.0), np.float64(1.0)):
        assert json.dumps(Gaussian(sigma=sigma).config()) == json.dumps(Gaussian(sigma=1.0).config())


def test_on_sets_the_dimension_and_nothing_else():
    assert Gaussian(sigma=0.5, grid=None).on((3, 32, 32)) == Gaussian(sigma=0.5, grid=None, dimension=3072)


def test_no_grid_may_be_written_as_a_grid_of_none():
    assert Gaussian(sigma=0.5, grid=0) == Gaussian(sigma=0.5, grid=None)


def test_arithmetic_is_labelled():
    assert Gaussian(sigma=0.5).arithmetic == "exact integers, grid 255"
    assert Gaussian(sigma=0.5, grid=None).arithmetic == "float64 noise"


@pytest.mark.parametrize(
    ("sigma", "grid", "text"),
    [
        (0.0, 255, "sigma must be > 0, got 0.0"),
        (-0.5, None, "sigma must be > 0, got -0.5"),
        (math.nan, 255, "sigma must be > 0, got nan"),
        (math.inf, None, "sigma must be > 0, got inf"),
        (0.5, 4097, "grid must be in 1..4096 steps, or None for float noise, got 4097"),
        (0.5, 255.0, "grid must be an integer, got 255.0"),
        (0.0001, 255, "sigma must be >= 0.05/255 on the grid of 255 steps, got 0.0001; less never leaves a pixel"),
        (15.0, 255, "sigma must be <= 14.6 on the grid of 255 steps, got 15.0; use grid=None"),
    ],
)
def test_what_is_no_noise_is_refused_before_anything_is_drawn(sigma: float, grid: int | None, text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        Gaussian(sigma=sigma, grid=grid)


def test_the_smallest_sigma_an_error_names_is_taken():
    for grid in range(1, 256):
        assert Gaussian(sigma=0.05 / grid, grid=grid).grid == grid


@pytest.mark.parametrize("sigma", [0.12, 0.25, 1.0])
@pytest.mark.parametrize("multiple", [0.0, 0.1, 1.0, 3.0, 5.5])
@pytest.mark.parametrize("grid", [255, None])
def test_the_threshold_of_a_radius_is_the_smallest_that_has_it(sigma, multiple, grid):
    """Just above it the radius is there, just below it is not, by the same rule that gives certificates."""
    noise, radius = Gaussian(sigma=sigma, grid=grid).on((3, 32, 32)), multiple * sigma
    p0 = noise.p_needed(radius)
    tail = 1 - p0
    got = noise.radius(Bounds(tail=tail, rival=tail))
    assert got >= radius
    assert got > 0
    more = tail * (1 + 1e-6)
    assert more > 0.5 or noise.radius(Bounds(tail=more, rival=more)) < radius or multiple == 0
    assert 0 <= p0 - float(ndtr(multiple)) < 1e-6 * tail + 1e-11


@pytest.mark.parametrize(
    ("radius", "text"),
    [(-0.1, "radius must be >= 0, got -0.1"), (float("nan"), "got nan"), (5.0, "radius must be below 1.989 with")],
)
def test_a_radius_no_probability_has_is_refused(radius, text):
    with pytest.raises(ValueError, match=text):
        Gaussian(sigma=0.25).p_needed(radius)


def test_float_noise_promises_no_radius_its_tail_cannot_support():
    """The farthest number is at the 2^-54 quantile; were all beyond it another class, p_A would be that much less."""
    from noiseproof.noises.gaussian import BEYOND_CAP

    farthest = max(abs(float(z)) for z in (ndtri(0.5 * 2.0**-53), ndtri(2.0**-54)))
    assert 2 * float(ndtr(-farthest)) == pytest.approx(BEYOND_CAP, rel=1e-6)
    sure, shape = Bounds(tail=0.0, rival=0.0), (3, 224, 224)
    dimension = 3 * 224 * 224
    assert Gaussian(sigma=1.0, grid=None).on(shape).radius(sure) == pytest.approx(
        -float(ndtri(dimension * BEYOND_CAP)), rel=1e-9
    )
    assert Gaussian(sigma=1.0, grid=None).on(shape).radius(sure) < 7
    usual = one_sided(100_000, 100_000, 0.001)
    assert Gaussian(sigma=1.0, grid=None).on(shape).radius(usual) == pytest.approx(3.811456, abs=1e-6)


def test_a_fine_grid_is_exact_too():
    noise = Gaussian(sigma=0.25, grid=4096)
    x = noise.encode(np.array([0.0, 0.5, 1.0]))
    assert x.tolist() == [0, 2048, 4096]
    noisy = noise.perturb(x, WORDS, 0, 4000)
    assert noisy.dtype == np.int16
    eta = noisy.astype(np.int64) - x
    assert eta.std() / 4096 == pytest.approx(0.25, rel=0.03)  # 12,000 numbers: 4.6 standard errors, 4e-6
    assert np.array_equal(noisy[7:9], noise.perturb(x, WORDS, 7, 2))
