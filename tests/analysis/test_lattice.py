from __future__ import annotations

import re

import numpy as np
import pytest

from noiseproof.analysis.lattice import fit_lattice, printed_radii, radius_lattice
from noiseproof.noises import Gaussian
from noiseproof.stats import gaussian_radius, one_sided

ALPHAS = (0.0001, 0.001, 0.01, 0.05)


def fit(texts, *, n=1000, alpha=0.001, sigma=0.5, rounding="nearest"):
    return fit_lattice(printed_radii(texts, 3), radius_lattice(n, alpha), sigma, alpha, rounding)


@pytest.mark.parametrize(
    ("n", "k", "radius"),
    [
        (100_000, 100_000, 3.81145656339),
        (100_000, 99_999, 3.7391266685434),
        (100_000, 99_000, 2.2899999552138),
        (100_000, 90_000, 1.2648446903374),
        (100_000, 50_490, 2.2431250945e-5),
        (1000, 550, 0.0016943814912685),
        (100, 100, 1.5004750241206),
    ],
)
def test_the_lattice_holds_the_radii_of_60_digits(n, k, radius):
    """Counted from the top: the last entry is k = n."""
    assert radius_lattice(n, 0.001)[k - n - 1] == pytest.approx(radius, rel=1e-9, abs=1e-13)


def test_the_lattice_starts_at_the_first_count_that_certifies():
    lattice = radius_lattice(1000, 0.001)
    assert len(lattice) == 1000 - 550 + 1
    assert lattice[0] > 0
    assert (np.diff(lattice) > 0).all()


def test_the_lattice_is_what_certify_prints_up_to_its_rounding_down():
    ours = [gaussian_radius(one_sided(k, 300, 0.01), 1.0) for k in range(301)]
    ours = [radius for radius in ours if radius > 0]
    lattice = radius_lattice(300, 0.01)
    assert len(ours) == len(lattice)
    assert (np.array(ours) <= lattice + 1e-13).all()
    assert np.abs(np.array(ours) - lattice).max() < 1e-7


@pytest.mark.parametrize(
    ("n", "alpha", "text"),
    [(0, 0.01, "n must be in 1..10000000, got 0"), (10**8, 0.01, "n must be in"), (9, 1.0, "alpha must be in (0, 1)")],
)
def test_bad_lattices_are_refused(n, alpha, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        radius_lattice(n, alpha)


def test_a_printed_number_stands_for_what_prints_so():
    """Against printing itself, powers of ten and exponents among them."""
    draws = np.random.default_rng(0)
    numbers = np.concatenate(
        [10 ** draws.uniform(-6, 1, 5000), 10.0 ** np.arange(-5, 2) * (1 + 1e-4 * draws.normal()), [1.0]]
    )
    read = printed_radii([f"{number:.3}" for number in numbers], 3)
    assert read.digits == 3
    assert (read.low <= numbers * (1 + 1e-12)).all()
    assert (numbers <= read.high * (1 + 1e-12)).all()
    for edge, inside, outside in ((read.low, 1 + 1e-9, 1 - 1e-9), (read.high, 1 - 1e-9, 1 + 1e-9)):
        assert [float(f"{x:.3}") for x in edge * inside] == read.value.tolist()
        assert all(float(f"{x:.3}") != value for x, value in zip(edge * outside, read.value, strict=True))


def test_more_digits_are_noticed():
    assert printed_radii(["0.25", "0.123456"], 3).digits == 6
    assert printed_radii(["0.5"], 3).digits == 3
    assert printed_radii([], 3).digits == 3


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("sigma", [0.12, 0.25, 1.0])
def test_off_and_beyond_are_what_the_set_of_printings_says(alpha, sigma):
    """The slow truth: print every radius of the lattice, and look each number up."""
    radii = radius_lattice(10_000, alpha) * sigma
    printings = {float(f"{radius:.3g}") for shift in (-1e-7, 0, 1e-7) for radius in radii + shift * sigma}
    numbers = sorted({round(x, 3) for x in np.arange(0.001, 4 * sigma, 0.001).tolist()})
    texts = [f"{x:.3g}" for x in numbers]
    found = fit(texts, n=10_000, alpha=alpha, sigma=sigma)
    assert found.off == sum(float(text) not in printings for text in texts) > 0
    assert found.beyond == sum(float(text) > max(printings) for text in texts) > 0


@pytest.mark.parametrize("digits", [3, 5, 17])
def test_own_radii_lie_on_their_own_lattice_only(digits):
    """What noiseproof certifies, printed to nearest; with many digits its rounding down must not look like a lie."""
    noise = Gaussian(sigma=0.5).on((3, 32, 32))
    radii = [noise.radius(one_sided(k, 1000, 0.001)) for k in range(551, 1001, 7)] + [
        noise.radius(one_sided(1000, 1000, 0.001))
    ]
    texts = [f"{radius:.{digits}g}" for radius in radii]
    assert fit(texts).off == fit(texts).beyond == 0
    assert fit(texts, alpha=0.01).off > 20
    assert fit(texts, alpha=0.0001).beyond > 0


def test_rounding_upwards_is_counted_where_it_is_certain():
    radii = radius_lattice(1000, 0.001)[-3:] * 0.5  # far apart: each printing has one radius behind it
    assert radii.round(5).tolist() == [1.14215, 1.17883, 1.23163]
    printed = ["1.14", "1.18", "1.23"]
    found = fit(printed)
    assert (found.off, found.raised, found.perhaps_raised) == (0, 1, 0)
    assert found.most_raised == pytest.approx(1.18 - radii[1], rel=1e-9)
    down = fit(["1.14", "1.17", "1.23"], rounding="down")
    assert (down.off, down.raised, down.perhaps_raised, down.most_raised) == (0, 0, 0, 0.0)
    assert fit(["1.17"]).off == 1  # not of rounding to nearest
    assert fit(["1.18"], rounding="down").off == 1


def test_where_several_radii_print_alike_it_is_perhaps():
    lattice = np.array([0.9996, 1.0004, 2.0])
    found = fit_lattice(printed_radii(["1.0", "2.0"], 3), lattice, 1.0, 0.01, "nearest")
    assert (found.off, found.raised, found.perhaps_raised) == (0, 0, 1)


def test_no_radii_and_no_lattice():
    assert fit([]).off == fit([]).raised == fit([]).beyond == 0
    none = fit_lattice(printed_radii(["0.5"], 3), np.array([]), 1.0, 0.01, "nearest")
    assert (none.off, none.beyond, none.raised) == (1, 1, 0)
