from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from noiseproof.stats import lecuyer_radius, li_radius

TABLE = [  # p_a, p_b, Lecuyer, Li: computed with 50 digits
    (0.6, 0.4, 0.059224, 0.202216),
    (0.8, 0.2, 0.235160, 0.674223),
    (0.9, 0.1, 0.390267, 1.031930),
    (0.99, 0.01, 0.554867, 1.908009),
    (0.9, 0.05, 0.479988, 1.249374),
]


@pytest.mark.parametrize(("p_a", "p_b", "lecuyer", "li"), TABLE)
def test_published_formulas_to_six_digits(p_a, p_b, lecuyer, li):
    assert lecuyer_radius(p_a, p_b, 1.0) == pytest.approx(lecuyer, abs=5e-7)
    assert li_radius(p_a, p_b, 1.0) == pytest.approx(li, abs=5e-7)
    assert lecuyer_radius(p_a, p_b, 0.25) == pytest.approx(lecuyer / 4, abs=5e-7)
    assert li_radius(p_a, p_b, 0.25) == pytest.approx(li / 4, abs=5e-7)


@pytest.mark.parametrize(("p_a", "p_b"), [(0.6, 0.4), (0.75, 0.2), (0.95, 0.01), (0.9999, 1e-6)])
def test_the_supremum_is_that_of_a_slow_search(p_a, p_b):
    b = np.linspace(0, min(1, math.log(p_a / p_b) / 2 - 1e-9), 200_001)[1:]
    lecuyer = b / np.sqrt(2 * np.log(1.25 * (1 + np.exp(b)) / (p_a - np.exp(2 * b) * p_b)))
    a = np.geomspace(1e-3, 30, 200_000)  # none of them is 1
    mean = (0.5 * (p_a ** (1 - a) + p_b ** (1 - a))) ** (1 / (1 - a))
    li = np.sqrt(np.maximum(0, -2 / a * np.log(1 - p_a - p_b + 2 * mean)))
    assert lecuyer_radius(p_a, p_b, 1.0) == pytest.approx(lecuyer.max(), rel=1e-7)
    assert li_radius(p_a, p_b, 1.0) == pytest.approx(li.max(), rel=1e-7)


@given(st.floats(0.0001, 0.4999), st.floats(0.001, 1))
def test_neither_is_above_the_gaussian_radius(tail, share):
    p_a, p_b = 1 - tail, tail * share
    gaussian = (ndtri(p_a) - ndtri(p_b)) / 2
    assert 0 <= lecuyer_radius(p_a, p_b, 1.0) <= gaussian
    assert 0 <= li_radius(p_a, p_b, 1.0) <= gaussian * (1 + 1e-9)


@pytest.mark.parametrize("radius", [lecuyer_radius, li_radius])
def test_the_ends_of_the_range(radius):
    assert radius(0.4, 0.4, 1.0) == radius(0.2, 0.3, 1.0) == 0.0
    assert 0 < radius(0.5000001, 0.4999999, 1.0) < 2.51e-7
    assert math.isfinite(radius(1 - 1e-12, 1e-300, 1.0))
    assert radius(0.9, 1 - 0.9, 1.0) > 0  # .9 and its complement go together, though both are rounded


@pytest.mark.parametrize("radius", [lecuyer_radius, li_radius])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.0, 0.1, 1.0), "p_a must be in (0, 1), got 0.0"),
        ((1.0, 0.1, 1.0), "p_a must be in (0, 1), got 1.0"),
        ((0.9, 0.0, 1.0), "p_b must be in (0, 1 - p_a] with p_a = 0.9, got 0.0"),
        ((0.9, 0.2, 1.0), "p_b must be in (0, 1 - p_a] with p_a = 0.9, got 0.2"),
        ((0.9, 0.1, 0.0), "sigma must be > 0 and finite, got 0.0"),
        ((0.9, 0.1, math.inf), "sigma must be > 0 and finite, got inf"),
    ],
)
def test_errors_name_the_argument(radius, arguments, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        radius(*arguments)
