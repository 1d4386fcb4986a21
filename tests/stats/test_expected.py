"""Expectations of group-sequential tests against all paths, a slow recursion, and the table of STATISTICS.md."""

from __future__ import annotations

import csv
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from noiseproof.stats.expected import expected, expected_curve
from noiseproof.stats.sequential import GroupSequential, crossing, group_sequential

LOOKS = (3, 5, 8)
SMALL = (
    GroupSequential(0.3, 0.5, LOOKS, (3, 4, 5), (0, 1, 4), 0.5),
    GroupSequential(0.5, 0.5, LOOKS, (4, 4, 6), (1, 2, 5), 0.5),
    GroupSequential(0.6, 0.5, LOOKS, (4, 6, 8), (0, 3, 7), 0.5),
)


def by_all_paths(tests, p):
    """What the words say, path by path: draws, probability of claiming each test, of giving up early."""
    draws, claimed, futile = 0.0, np.zeros(len(tests)), 0.0
    for path in itertools.product((0, 1), repeat=LOOKS[-1]):
        weight, at, done = p ** sum(path) * (1 - p) ** (LOOKS[-1] - sum(path)), np.cumsum(path), 0
        for look, n in enumerate(LOOKS):
            while done < len(tests) and at[n - 1] >= tests[done].accept[look]:
                done += 1
            last = n == LOOKS[-1]
            if done == len(tests) or last or at[n - 1] <= tests[done].stop[look]:
                draws += weight * n
                futile += weight * (done < len(tests) and not last)
                claimed[:done] += weight
                break
    return draws, claimed, futile


@pytest.mark.parametrize("p", [0.0, 0.2, 0.55, 0.8, 1.0])
def test_one_test_is_that_of_all_paths(p):
    for test in SMALL:
        draws, claimed, futile = by_all_paths((test,), p)
        said = expected(test, p)
        assert said.draws == pytest.approx(draws, rel=1e-13)
        assert said.accepted == pytest.approx(claimed[0], rel=1e-13, abs=1e-15)
        assert said.futile == pytest.approx(futile, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.55, 0.8, 1.0])
@pytest.mark.parametrize("tests", [SMALL, SMALL[:2], SMALL[1:], SMALL[:1]])
def test_a_curve_is_that_of_all_paths(tests, p):
    draws, claimed, _ = by_all_paths(tests, p)
    said = expected_curve(tests, p)
    assert said.draws == pytest.approx(draws, rel=1e-13)
    assert said.claimed == pytest.approx(claimed, rel=1e-13, abs=1e-15)


def test_without_futility_accepting_is_crossing():
    test = group_sequential(0.8, 0.01, 20_000)
    unstopped = replace(test, stop=(-1,) * len(test.looks))
    for p in (0.5, 0.79, 0.8, 0.81, 0.9):
        said = expected(unstopped, p)
        assert said.accepted == pytest.approx(crossing(test.looks, test.accept, p), rel=1e-12)
        assert said.futile == 0
    assert expected(unstopped, 0.8).accepted == pytest.approx(test.size, rel=1e-12)
    assert expected(test, 0.8).accepted < test.size


def test_one_look_costs_what_it_says():
    test = group_sequential(0.8, 0.01, 500, first=500, calibrated=False)
    said = expected(test, [0.7, 0.8, 0.9])
    assert said.draws == pytest.approx(500)
    assert said.accepted == pytest.approx(binom.sf(test.accept[0] - 1, 500, [0.7, 0.8, 0.9]), rel=1e-9)
    assert said.futile.tolist() == [0, 0, 0]


def test_shapes_and_what_adds_to_one():
    tests = [group_sequential(p0, 0.001 * p0, 5000) for p0 in (0.5, 0.7, 0.9)]
    p = np.linspace(0, 1, 12).reshape(3, 4)
    one, curve = expected(tests[0], p), expected_curve(tests, p)
    assert one.draws.shape == one.accepted.shape == one.futile.shape == curve.draws.shape == (3, 4)
    assert curve.claimed.shape == (3, 4, 3)
    assert one.accepted + one.futile + one.undecided == pytest.approx(1)
    assert (one.undecided > -1e-12).all()
    assert (np.diff(curve.claimed, axis=-1) <= 1e-12).all()
    assert expected(tests[0], 0.6).draws.shape == ()


def test_a_curve_of_one_is_the_test_and_a_longer_one_costs_no_less():
    tests = [group_sequential(p0, 0.001 * p0, 20_000) for p0 in (0.5, 0.69, 0.84)]
    p = np.array([0.3, 0.505, 0.6, 0.7, 0.83, 0.9])
    alone = expected(tests[0], p)
    curve = expected_curve(tests[:1], p)
    assert curve.draws == pytest.approx(alone.draws)
    assert curve.claimed[:, 0] == pytest.approx(alone.accepted)
    costs = [expected_curve(tests[:m], p).draws for m in (1, 2, 3)]
    assert (costs[0] <= costs[1] + 1e-9).all()
    assert (costs[1] <= costs[2] + 1e-9).all()


def test_a_false_claim_in_a_curve_has_probability_at_most_alpha():
    """At p just at the threshold of test j, claiming j or more is what must not happen, with no correction for m."""
    thresholds = (0.5, 0.6, 0.7, 0.8)
    tests = [group_sequential(p0, 0.01, 5000) for p0 in thresholds]
    claimed = expected_curve(tests, thresholds).claimed
    assert all(claimed[j, j] <= 0.01 for j in range(4))
    assert claimed[3, 2] > 0.99  # while what is true is found


def test_simulation_agrees():
    """Seeded; the mean of 4000 is within 5 standard errors, false alarm 6e-7."""
    thresholds = (0.5, 0.6915, 0.8413)
    tests = [group_sequential(p0, 0.001 * p0, 5000) for p0 in thresholds]
    rng = np.random.default_rng(11)
    p, spent, done_at = 0.71, [], []
    for _ in range(4000):
        x, drawn, done = 0, 0, 0
        for look, n in enumerate(tests[0].looks):
            x, drawn = x + rng.binomial(n - drawn, p), n
            while done < 3 and x >= tests[done].accept[look]:
                done += 1
            if done == 3 or x <= tests[done].stop[look]:
                break
        spent.append(drawn)
        done_at.append(done)
    said = expected_curve(tests, p)
    assert abs(np.mean(spent) - said.draws) < 5 * np.std(spent) / np.sqrt(4000)
    for j in range(3):
        q = float(said.claimed[j])
        assert abs(np.mean(np.array(done_at) > j) - q) <= 5 * np.sqrt(q * (1 - q) / 4000) + 1e-9


def published(shared, config):
    with (shared / "reference" / "p_recovered_cifar10.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["config"] == config]
    return np.array([float(row["p_hat"]) for row in rows]), np.array([row["correct"] == "1" for row in rows])


@pytest.mark.parametrize(
    ("config", "sigma", "draws", "lost"),
    [("C.25", 0.25, 1275, 0.017), ("C.50", 0.5, 932, 0.028), ("C1.0", 1.0, 1564, 0.088)],
)
def test_the_published_probabilities_cost_what_the_table_says_with_all_classes(shared, config, sigma, draws, lost):
    p, correct = published(shared, config)
    p0 = float(ndtr(0.5 / sigma))
    said = expected(group_sequential(p0, 0.001 * p0, 100_000), p)
    fixed = binom.sf(binom.isf(0.001, 100_000, p0), 100_000, p)
    assert said.draws.mean() == pytest.approx(draws, rel=0.001)
    assert 100 * (fixed - said.accepted)[correct].sum() / len(p) == pytest.approx(lost, abs=0.0006)


@pytest.mark.parametrize(
    ("config", "sigma", "draws", "exact"),
    [("C.25", 0.25, 1286, 1272.7), ("C.50", 0.5, 901, 930.0), ("C1.0", 1.0, 1552, 1553.7)],
)
def test_the_published_probabilities_with_the_class_known(shared, config, sigma, draws, exact):
    """The table's 1286/901/1552 are within 3.5% of the exact recursion, as far as a simulation of them would be."""
    p, correct = published(shared, config)
    p0 = float(ndtr(0.5 / sigma))
    said = expected(group_sequential(p0, 0.001, 100_000), p)
    fixed = binom.sf(binom.isf(0.001, 100_000, p0), 100_000, p)
    assert said.draws.mean() == pytest.approx(exact, rel=1e-4)
    assert said.draws.mean() == pytest.approx(draws, rel=0.035)
    assert 100 * (fixed - said.accepted)[correct].sum() / len(p) <= 0.075


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: expected(SMALL[0], 1.5), "p must be in [0, 1], got 1.5"),
        (lambda: expected(SMALL[0], [0.5, float("nan")]), "p must be in [0, 1], got nan"),
        (lambda: expected_curve([], 0.5), "tests must not be empty"),
        (lambda: expected_curve(SMALL[::-1], 0.5), "tests must be nested, got p0=0.5 after p0=0.6"),
        (
            lambda: expected_curve([SMALL[0], replace(SMALL[1], accept=(2, 4, 6))], 0.5),
            "tests must be nested, got p0=0.5 after p0=0.3",
        ),
        (lambda: expected_curve([SMALL[0], replace(SMALL[1], looks=(3, 5, 9))], 0.5), "tests must have the same looks"),
    ],
)
def test_what_is_out_of_range(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()
