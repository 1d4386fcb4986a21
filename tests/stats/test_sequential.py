"""Group-sequential boundaries against reference values, brute force, and their own promises."""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict

import mpmath
import numpy as np
import pytest
from scipy.stats import binom

from noiseproof.stats.sequential import crossing, group_sequential

R_SIGMA = 0.8413447460685429


def test_the_reference_boundaries(shared):
    designs = defaultdict(list)
    with (shared / "reference" / "group_sequential_boundaries.csv").open() as file:
        for row in csv.DictReader(file):
            key = tuple(float(row[name]) for name in ("p0", "alpha", "ratio", "gamma", "exact_size_nonbinding"))
            designs[key].append((int(row["n"]), int(row["accept_if_ge"]), int(row["stop_if_le"])))
    assert len(designs) == 4
    for (p0, alpha, ratio, gamma, size), rows in designs.items():
        test = group_sequential(p0, alpha, 100_000, ratio=ratio, gamma=gamma, calibrated=False)
        assert list(zip(test.looks, test.accept, test.stop, strict=True)) == rows
        assert abs(test.size - size) < 2e-10  # the reference dropped tiny masses; ours agrees with 30 digits


@pytest.mark.parametrize("p0", [0.5, 0.6914624612740131, R_SIGMA, 0.9772498680518208])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_calibration_spends_alpha_and_no_more(p0, alpha):
    plain = group_sequential(p0, alpha, 10_000, calibrated=False)
    test = group_sequential(p0, alpha, 10_000)
    assert plain.size < test.size <= alpha
    assert test.size > 0.85 * alpha
    assert all(c <= d for c, d in zip(test.accept, plain.accept, strict=True))


def test_looks_of_the_design_with_ratio_one_and_a_half():
    assert group_sequential(0.9, 0.001, 2000).looks == (100, 200, 300, 500, 800, 1200, 1800, 2000)
    assert group_sequential(0.9, 0.001, 100).looks == (100,)


@pytest.mark.parametrize("p", [0.3, 0.5, 0.7])
def test_crossing_is_that_of_all_paths(p):
    looks, accept = (3, 5, 8), (3, 4, 6)
    total = 0.0
    for path in itertools.product((0, 1), repeat=8):
        at = np.cumsum(path)
        if any(at[n - 1] >= c for n, c in zip(looks, accept, strict=True)):
            total += p ** sum(path) * (1 - p) ** (8 - sum(path))
    assert crossing(looks, accept, p) == pytest.approx(total, rel=1e-12)


def test_crossing_agrees_with_thirty_digits():
    looks, accept = (100, 200, 400), (97, 188, 364)
    with mpmath.workdps(30):
        p, crossed, mass, drawn = mpmath.mpf(R_SIGMA), mpmath.mpf(0), {0: mpmath.mpf(1)}, 0
        for n, c in zip(looks, accept, strict=True):
            more = n - drawn
            law = [mpmath.binomial(more, k) * p**k * (1 - p) ** (more - k) for k in range(more + 1)]
            reached: dict = defaultdict(mpmath.mpf)
            for x, held in mass.items():
                for k, q in enumerate(law):
                    reached[x + k] += held * q
            crossed += sum(held for x, held in reached.items() if x >= c)
            mass, drawn = {x: held for x, held in reached.items() if x < c}, n
        assert crossing(looks, accept, R_SIGMA) == pytest.approx(float(crossed), rel=1e-13)


def test_one_look_is_the_binomial_test():
    test = group_sequential(0.8, 0.01, 500, first=500, calibrated=False)
    assert test.accept[0] == binom.isf(0.01, 500, 0.8) + 1
    assert test.size == pytest.approx(binom.sf(test.accept[0] - 1, 500, 0.8), rel=1e-9)


def test_naive_peeking_fails_the_same_check():
    """A fixed-alpha bound after each of 100 batches crosses 1.16% of the time for alpha = .1%."""
    looks = tuple(range(100, 10_001, 100))
    peeking = tuple(int(binom.isf(0.001, n, R_SIGMA)) + 1 for n in looks)
    assert crossing(looks, peeking, R_SIGMA) > 5 * 0.001


@pytest.mark.parametrize("p0", [0.5, 0.6, R_SIGMA, 0.977, 0.999])
def test_the_condition_of_the_all_class_theorem_holds_in_every_design_that_ships(p0):
    for ratio, calibrated in itertools.product((1.5, 2.0), (False, True)):
        test = group_sequential(p0, 0.001 * p0, 10_000, ratio=ratio, calibrated=calibrated)
        assert test.holds_for_every_class
        for p in np.linspace(0.02, 1, 12) * p0:  # f(p) <= alpha p, what the theorem says
            assert crossing(test.looks, test.accept, p) <= 0.001 * p * (1 + 1e-9)


def test_the_condition_can_fail():
    test = group_sequential(0.5, 0.5, 400, calibrated=False)
    assert not type(test)(0.5, 0.5, test.looks, tuple(n // 3 for n in test.looks), test.stop, 1.0).holds_for_every_class


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"p0": 1.0}, "p0 must be in (0, 1), got 1.0"),
        ({"alpha": 0.0}, "alpha must be in (0, 1), got 0.0"),
        ({"n_max": 50}, "got first=100, n_max=50"),
        ({"ratio": 1.0}, "ratio must be > 1, got 1.0"),
        ({"gamma": 1.0}, "gamma must be in [0, 1), got 1.0"),
    ],
)
def test_what_is_out_of_range(changes, text):
    arguments = {"p0": 0.8, "alpha": 0.001, "n_max": 1000} | changes
    with pytest.raises(ValueError, match=text.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")):
        group_sequential(**arguments)
