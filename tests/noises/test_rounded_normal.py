from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from functools import lru_cache

import mpmath
import numpy as np
import pytest

from noiseproof.noises.rounded_normal import largest_eta, rounded_normal, total_variation
from noiseproof.noises.words import Words

SIGMAS = [
    (0.12, 255),
    (0.25, 255),
    (0.5, 255),
    (1.0, 255),
    (0.0002, 255),
    (0.3141592653589793, 255),
    (0.7, 15),
    (3.3, 1),
]
STRADDLES = -32768


@lru_cache
def slow_thresholds(sigma: float, grid: int, digits: int = 60) -> list[int]:
    """T_k = floor(2^63 Phi((k + 1/2) / s)) for k = -cap .. cap - 1, by mpmath."""
    with mpmath.workdps(digits):
        s = mpmath.mpf(sigma) * grid
        cap = int(mpmath.floor(mpmath.mpf("8.5") * s)) + 1
        upper = [mpmath.erfc((k + mpmath.mpf("0.5")) / s / mpmath.sqrt(2)) / 2 for k in range(cap)]
        half = mpmath.mpf(2) ** 63
        return [int(half * q) for q in reversed(upper)] + [int(mpmath.floor(half * (1 - q))) for q in upper]


@dataclass(frozen=True)
class Slow:
    """The documented sampler, one number after the other, in plain Python."""

    sigma: float
    grid: int

    def draw(self, words: Words, draw: int, dimension: int) -> tuple[list[int], int]:
        """One draw, and how many extra pages it used."""
        thresholds = slow_thresholds(self.sigma, self.grid)
        cap = len(thresholds) // 2
        first_page = words.take(draw, 1, blocks_of_four(-(-dimension // 4)))[0].tolist()
        per_page = blocks_of_four(-(-dimension // 64))
        eta, undecided, pages = [], 0, set()
        for i in range(dimension):
            lead = first_page[i // 4] >> 16 * (i % 4) & 0xFFFF
            low = bisect.bisect_right(thresholds, lead << 47)
            if bisect.bisect_right(thresholds, (lead << 47) + 2**47 - 1) == low:
                eta.append(low - cap)
                continue
            page = 1 + undecided // per_page
            word = int(words.take(draw, 1, per_page, page=page)[0, undecided % per_page])
            eta.append(bisect.bisect_right(thresholds, (lead << 47) + (word >> 17)) - cap)
            undecided += 1
            pages.add(page)
        return eta, len(pages)


def blocks_of_four(words: int) -> int:
    return (words + 3) // 4 * 4


@pytest.mark.parametrize(("sigma", "grid"), SIGMAS)
def test_thresholds_are_exact(sigma: float, grid: int):
    slow = slow_thresholds(sigma, grid)
    made = rounded_normal(sigma, grid)
    assert made.thresholds.dtype == np.uint64
    assert made.thresholds.tolist() == slow
    assert made.cap == len(slow) // 2 == largest_eta(sigma, grid)
    assert slow == sorted(slow)


def test_sixty_digits_are_enough_for_the_slow_truth():
    assert slow_thresholds(0.25, 255, 90) == slow_thresholds(0.25, 255)


@pytest.mark.parametrize(("sigma", "grid"), SIGMAS)
def test_every_entry_of_the_guide_is_decided_by_both_ends_of_its_interval(sigma: float, grid: int):
    thresholds = slow_thresholds(sigma, grid)
    cap = len(thresholds) // 2
    wanted = []
    for lead in range(1 << 16):
        first = bisect.bisect_right(thresholds, lead << 47)
        last = bisect.bisect_right(thresholds, ((lead + 1) << 47) - 1)
        wanted.append(first - cap if first == last else STRADDLES)
    guide = rounded_normal(sigma, grid).guide
    assert guide.dtype == np.int16
    assert guide.tolist() == wanted


@pytest.mark.parametrize(("sigma", "grid"), [(0.02, 255), (0.12, 255), (0.7, 15), (0.0002, 255)])
def test_the_whole_map_has_the_probabilities_of_the_rounded_gaussian(sigma: float, grid: int):
    made = rounded_normal(sigma, grid)
    edges = [0, *made.thresholds.tolist(), 2**63]
    with mpmath.workdps(50):
        s = mpmath.mpf(sigma) * grid
        for i, k in enumerate(range(-made.cap, made.cap + 1)):
            wanted = mpmath.ncdf((k + mpmath.mpf("0.5")) / s) - mpmath.ncdf((k - mpmath.mpf("0.5")) / s)
            got = mpmath.mpf(edges[i + 1] - edges[i]) / 2**63
            # one unit of the last bit, and at the two ends the tail that was cut off
            assert abs(got - wanted) < mpmath.mpf(2) ** -63 + (mpmath.ncdf(-8.5) if abs(k) == made.cap else 0)


@pytest.mark.parametrize(("sigma", "grid"), SIGMAS)
def test_total_variation_is_never_below_the_exact_one(sigma: float, grid: int):
    made = rounded_normal(sigma, grid)
    with mpmath.workdps(60):
        s = mpmath.mpf(sigma) * grid
        upper = [mpmath.erfc((k + mpmath.mpf("0.5")) / s / mpmath.sqrt(2)) / 2 for k in range(made.cap + 1)]
        truth = [*reversed(upper), *(1 - q for q in upper)]  # Phi((k + 1/2)/s) for k = -cap-1 .. cap
        edges = [mpmath.mpf(t) / 2**63 for t in (0, *made.thresholds.tolist(), 2**63)]
        inside = mpmath.fsum(
            abs((edges[i + 1] - edges[i]) - (truth[i + 1] - truth[i])) for i in range(2 * made.cap + 1)
        )
        exact = (inside + truth[0] + (1 - truth[-1])) / 2
    for dimension in (1, 3072):  # the total variation of d independent numbers is at most d times that of one
        bound = total_variation(sigma, grid, dimension)
        assert exact * dimension <= bound
        assert bound <= 5 * exact * dimension, "the bound should be near"


def test_total_variation_of_a_picture():
    assert total_variation(1.0, 255, 3072) == pytest.approx(7.8e-13, rel=0.01)
    assert total_variation(1.0, 255, 150_528) == pytest.approx(3.8e-11, rel=0.01)


@pytest.mark.parametrize(
    ("sigma", "grid", "dimension", "n", "pages"),
    [
        (0.25, 255, 200, 60, 1),
        (1.0, 255, 3, 200, 1),
        (1.0, 255, 300, 20, 2),  # 2.6% are undecided, and a page has words for 8 of 300
        (3.0, 255, 203, 20, 5),
        (0.0002, 255, 17, 100, 0),
        (3.3, 1, 1, 300, 0),
        (5.0, 15, 131, 30, 1),
    ],
)
def test_samples_are_those_of_the_slow_sampler(sigma: float, grid: int, dimension: int, n: int, pages: int):
    words = Words(seed=3, key="picture-0", stage="estimate")
    slow = [Slow(sigma, grid).draw(words, draw, dimension) for draw in range(5, 5 + n)]
    eta = rounded_normal(sigma, grid).sample(words, 5, n, dimension)
    assert eta.dtype == np.int16
    assert eta.tolist() == [numbers for numbers, _ in slow]
    assert max(used for _, used in slow) >= pages, "the case should reach that many extra pages"


@pytest.mark.parametrize("sigma", [0.25, 3.0])
def test_a_draw_does_not_depend_on_how_draws_are_asked_for(sigma: float):
    made, words = rounded_normal(sigma, 255), Words(seed=1, key="a-0", stage="select")
    whole = made.sample(words, 0, 40, 150)
    assert np.array_equal(np.concatenate([made.sample(words, i, 1, 150) for i in range(40)]), whole)
    assert np.array_equal(np.concatenate([made.sample(words, 0, 7, 150), made.sample(words, 7, 33, 150)]), whole)
    assert made.sample(words, 12, 0, 150).shape == (0, 150)


class OneNumber:
    """Words of a hand-made stream: the leading 16 bits are given, so are the other 47."""

    def __init__(self, lead: int, rest: int) -> None:
        self.lead, self.rest = lead, rest

    def take(self, first: int, n: int, per_draw: int, page: int = 0) -> np.ndarray:
        return np.full((n, per_draw), self.rest << 17 | 0x1FFFF if page else self.lead, np.uint64)


@pytest.mark.parametrize("sigma", [0.0002, 0.02, 0.25])
def test_a_threshold_divides_two_numbers_at_its_very_bit(sigma: float):
    made = rounded_normal(sigma, 255)
    thresholds = made.thresholds.tolist()
    for t in thresholds:
        for u in (t - 1, t):
            if 0 <= u < 2**63:
                eta = made.sample(OneNumber(u >> 47, u & 2**47 - 1), 0, 1, 1)[0, 0]  # type: ignore[arg-type]
                assert eta == bisect.bisect_right(thresholds, u) - made.cap
    largest = OneNumber(0xFFFF, 2**47 - 1)
    assert made.sample(largest, 0, 1, 1)[0, 0] == made.cap  # type: ignore[arg-type]


def test_noise_that_does_not_fit_is_refused_with_the_largest_that_does():
    with pytest.raises(ValueError, match=re.escape("sigma must be <= 14.6 on the grid of 255 steps, got 15.0")):
        rounded_normal(15.0, 255)


def test_the_largest_sigma_an_error_names_is_taken():
    for grid in range(1, 256):
        with pytest.raises(ValueError, match="use grid=None") as refused:
            largest_eta(1e5, grid)
        most = float(re.findall(r"<= ([\d.]+) on", str(refused.value))[0])
        assert largest_eta(most, grid) + grid <= 32000  # noise and pixel together stay within 16 bits
        with pytest.raises(ValueError, match="sigma must be <="):
            largest_eta(most + 0.11, grid)
