from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from scipy.stats import norm

from noiseproof.attacks import DDN, Example, TargetModel
from noiseproof.attacks.ddn import FURTHER
from noiseproof.noises import Gaussian

SIGMA = 0.25


def search(base, x, radius, y=1, **settings):
    target = TargetModel(base, Gaussian(sigma=SIGMA), torch.device("cpu"), 64, lambda *_: np.zeros((1, 2), np.int64))
    (points,) = DDN(**settings).search(target, [Example(x, y, radius, "a")])
    return points


def test_against_a_half_space_it_finds_the_exact_worst_case(oracle):
    """Another class leads by .15 at R + sigma Phi^-1(.575); the direction is the boundary's."""
    x = oracle.pixels / 255
    points = search(oracle.base, x, 4 * oracle.radius, steps=60, draws=256)
    exact = oracle.radius + SIGMA * norm.ppf(0.575)
    lengths = [float(np.linalg.norm(point - x)) for point in points]
    assert 0.9 * exact < lengths[0] < 1.1 * exact
    assert lengths == pytest.approx([factor * lengths[0] for factor in FURTHER], rel=1e-5)
    for point, length in zip(points, lengths, strict=True):
        assert float(((point - x) * oracle.towards.numpy()).sum()) == pytest.approx(length, rel=1e-4)


def test_where_there_is_nothing_within_reach_it_goes_as_far_as_allowed(oracle):
    x = oracle.pixels / 255
    (point,) = search(oracle.base, x, 0.8 * oracle.radius)
    assert float(np.linalg.norm(point - x)) == pytest.approx(0.8 * oracle.radius, rel=1e-5)
    assert float(((point - x) * oracle.towards.numpy()).sum()) == pytest.approx(0.8 * oracle.radius, rel=1e-4)


def test_it_comes_back_from_too_far(oracle):
    """The start, a third of the distance allowed, lies far behind the boundary."""
    x = oracle.pixels / 255
    points = search(oracle.base, x, 20 * oracle.radius, steps=80, clip=False)
    assert float(np.linalg.norm(points[0] - x)) < 2 * oracle.radius


@pytest.mark.parametrize("clip", [True, False])
def test_it_stays_in_the_box_if_told_to(oracle, clip):
    x, base = oracle.in_a_corner()
    points = search(base, x, 1.0, clip=clip)
    assert all(bool(point.min() >= 0 and point.max() <= 1) is clip for point in points)


def test_without_a_direction_it_stays(oracle):
    """Whether class 0 wins everywhere, and there is nothing to find, or class 1 has lost already."""
    x = oracle.pixels / 255
    for y in (0, 1):
        points = search(lambda v: v.flatten(1)[:, :2] * 0, x, 1.0, y=y)
        assert [float(np.linalg.norm(point - x)) for point in points] == pytest.approx([0], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"draws": 0}, "draws must be >= 1, got 0"),
        ({"gamma": 1.0}, "gamma must be in (0, 1), got 1.0"),
        ({"gamma": float("nan")}, "gamma must be in (0, 1), got nan"),
        ({"margin": 1.0}, "margin must be in [0, 1), got 1.0"),
    ],
)
def test_settings_out_of_range(change, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        DDN(**change)
