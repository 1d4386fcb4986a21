"""The sampler at length: its far tails, its rare path, and draws that know nothing of each other."""

from __future__ import annotations

import bisect
import math

import numpy as np
import pytest
from scipy.stats import binom, chi2, norm

from noiseproof.noises import Gaussian, Words
from noiseproof.noises.rounded_normal import rounded_normal

FALSE_ALARM = 1e-6


def plausible(found: int, n: int, p: float) -> bool:
    """Whether all but the last millionth of both tails of a Binomial(n, p) hold this count."""
    return binom.cdf(found, n, p) > FALSE_ALARM / 2 and binom.sf(found - 1, n, p) > FALSE_ALARM / 2


@pytest.mark.parametrize("sigma", [0.25, 1.0])
def test_far_tails(sigma: float):
    """2e7 numbers beyond 3, 4, 4.5 and 5 sigma, on either side; twice the tail at 4.5 is found with power > .999."""
    n, s = 20_000_000, sigma * 255
    counts = dict.fromkeys((3.0, 4.0, 4.5, 5.0, -3.0, -4.0, -4.5, -5.0), 0)
    cuts = {z: math.copysign(math.ceil(abs(z) * s) - 0.5, z) for z in counts}
    words = Words(seed=0, key="tails", stage="estimate")
    for block in range(20):
        eta = rounded_normal(sigma, 255).sample(words, 20 * block, 20, n // 400)
        for z, cut in cuts.items():
            counts[z] += int((eta > cut).sum() if z > 0 else (eta < cut).sum())
    for z, count in counts.items():
        assert plausible(count, n, norm.sf(abs(cuts[z]) / s)), f"{count} beyond {z} sigma"


@pytest.mark.parametrize(("sigma", "grid"), [(1.0, 255), (0.5, 7)])
def test_the_rare_path_has_the_right_shares(sigma: float, grid: int):
    """Numbers whose 16 bits straddle a threshold, split by the other 47: chi-square, false alarm 1e-6.

    A path that took the wrong side of every threshold would move all of them.
    """
    made, words = rounded_normal(sigma, grid), Words(seed=1, key="rare", stage="estimate")
    n, d = 200, 20_000
    eta = made.sample(words, 0, n, d).astype(np.int64).ravel()
    lead = words.take(0, n, d // 4).view("<u2")[:, :d].ravel().astype(np.int64)
    thresholds = made.thresholds.tolist()
    statistic, cells = 0.0, 0
    order = np.argsort(lead, kind="stable")
    starts = np.searchsorted(lead[order], np.arange((1 << 16) + 1))
    for bits in np.flatnonzero(made.guide == -32768).tolist():
        first, last = (bisect.bisect_right(thresholds, u) for u in (bits << 47, (bits + 1 << 47) - 1))
        if last - first != 1:
            continue  # several thresholds in the far tail: too few numbers for a chi-square
        found = eta[order[starts[bits] : starts[bits + 1]]]
        share = (thresholds[first] & 2**47 - 1) / 2**47
        if found.size * min(share, 1 - share) > 10:
            below = int((found == first - made.cap).sum())
            statistic += (below - found.size * share) ** 2 / (found.size * share * (1 - share))
            cells += 1
    assert cells > 5
    assert statistic < chi2.isf(FALSE_ALARM, cells)


@pytest.mark.parametrize("noise", [Gaussian(sigma=0.5), Gaussian(sigma=0.5, grid=None)], ids=["grid", "float"])
def test_votes_of_different_inputs_are_independent(noise: Gaussian):
    """2000 keys, 200 draws of a linear vote: binomial spread; noise shared by all keys would multiply it by 2000."""
    keys, n, w = 2000, 200, np.array([1.0, -2.0, 0.5, 3.0, -1.0])
    x = noise.encode(np.array([0.2, 0.4, 0.6, 0.8, 1.0]))
    bias = w @ x.astype(np.float64)
    counts = np.array(
        [
            ((noise.perturb(x, Words(seed=0, key=f"{key}", stage="estimate"), 0, n) @ w) > bias + 1e-9).sum()
            for key in range(keys)
        ]
    )
    p = counts.mean() / n
    assert p == pytest.approx(0.5, abs=0.005)
    spread = ((counts - n * p) ** 2).sum() / (n * p * (1 - p))
    assert chi2.isf(1 - FALSE_ALARM / 2, keys - 1) < spread < chi2.isf(FALSE_ALARM / 2, keys - 1)
