from __future__ import annotations

import numpy as np
import pytest

from noiseproof.analysis.acr import acr_band, constant_acr, right_lower
from noiseproof.stats import dkw_band
from noiseproof.types import ABSTAIN, Certificate, Record


def records(radii, labels=None, p_lower=0.9):
    labels = [0] * len(radii) if labels is None else labels
    return [
        Record(
            f"k{i}", i, label, (), Certificate(0, r, p_lower, 1 - p_lower) if r else Certificate(ABSTAIN, 0, 0, 1), 0.0
        )
        for i, (r, label) in enumerate(zip(radii, labels, strict=True))
    ]


def test_the_band_is_the_area_under_the_edges_of_the_curve_s_band():
    radii = np.random.default_rng(1).uniform(0, 0.9, 400)
    radii[:100] = 0
    band, grid = dkw_band(400, 0.05), np.linspace(0, 0.95, 200_001)
    curve = (radii[:, None] >= grid[None, ::200]).mean(axis=0)
    expected = [np.maximum(curve - band, 0).mean() * 0.95, np.minimum(curve + band, 1).mean() * 0.95]
    assert acr_band(records(radii.tolist()), 0.95, 0.05) == pytest.approx(expected, abs=2e-3)


def test_nothing_bounds_the_acr_from_above_where_the_largest_radius_is_not_known():
    some = records([0.5, 0.25])
    assert acr_band(some, None)[1] is None
    assert acr_band(some, 0.4)[1] is None, "a radius lies beyond what was stated"
    assert acr_band(some, 0.4999)[1] is not None, "rounded to nearest"


@pytest.mark.parametrize("delta", [0.05])
def test_the_band_covers_the_mean_of_the_population(delta):
    """Of 2,000 samples at most Binomial(2000, delta) miss; 1e-6 is the rate of false alarms."""
    from scipy.stats import binom

    rng, missed = np.random.default_rng(3), 0
    for _ in range(2000):
        radii = rng.choice([0.0, 0.2, 0.7, 1.0], p=[0.4, 0.3, 0.2, 0.1], size=60)
        low, high = acr_band(records(radii.tolist()), 1.0, delta)
        missed += not low <= 0.3 <= high
    assert missed <= binom.isf(1e-6, 2000, delta)


def test_a_constant_classifier_earns_the_commonest_label():
    assert constant_acr(records([0, 0, 0, 0], [1, 1, 2, 3]), 2.0) == 1.0
    with pytest.raises(ValueError, match="labels are needed"):
        constant_acr(records([0], [None]), 1.0)


def test_wrong_and_abstained_inputs_have_no_bound():
    assert right_lower(records([0.5, 0.5, 0], [0, 1, 0])).tolist() == [-1, -1, 0.9]
    assert right_lower(records([0.5], p_lower=0.0)) is None, "of an import in words nothing is known"
