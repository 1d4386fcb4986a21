from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from noiseproof.attacks import Example, ScoreSearch, TargetModel
from noiseproof.attacks.base import has_gradient
from noiseproof.noises import Gaussian

SIGMA = 0.25


def search(base, x, radius, *, y=1, grid=255, rows=64, **settings):
    target = TargetModel(
        base, Gaussian(sigma=SIGMA, grid=grid), torch.device("cpu"), rows, lambda *_: np.zeros((1, 2), np.int64)
    )
    ((point,),) = ScoreSearch(**settings).search(target, [Example(x, y, radius, "a")])
    return point


@pytest.fixture
def votes_only(oracle):
    """The half-space as a classifier without gradients, which notes what it is asked."""
    seen: list[torch.Tensor] = []

    def base(x):
        seen.append(x.detach().clone())
        return 50.0 * torch.nn.functional.one_hot(oracle.base(x).argmax(dim=1), 2)

    base.seen = seen
    return base


@pytest.mark.parametrize("y", [0, 1])
def test_without_gradients_it_finds_the_way_of_a_half_space(oracle, votes_only, y):
    """cos with the exact normal: an estimate of 16 coordinates from 10 * 512 votes."""
    x = oracle.pixels / 255
    assert not has_gradient(votes_only, oracle.x.float())
    delta = search(votes_only, x, 0.3, y=y) - x
    length = float(np.linalg.norm(delta))
    assert 0.25 < length <= 0.3 * (1 + 1e-6)
    way = float((delta * oracle.towards.numpy()).sum()) / length
    assert (way if y == 1 else -way) > 0.97


def test_its_queries_are_bounded(oracle, votes_only):
    search(votes_only, oracle.pixels / 255, 0.3, steps=4, draws=100, rows=32)
    assert sum(len(rows) for rows in votes_only.seen) == 4 * 100
    assert max(len(rows) for rows in votes_only.seen) <= 32


@pytest.mark.parametrize("grid", [255, None])
def test_the_classifier_sees_what_the_runs_own_noise_shows_it(oracle, votes_only, grid):
    search(votes_only, oracle.pixels / 255, 0.3, grid=grid, steps=3)
    steps = torch.cat(votes_only.seen).double() * 255
    assert bool(((steps - steps.round()).abs() < 1e-3).all()) is (grid is not None)


def test_draws_without_a_score_say_nothing(oracle, votes_only):
    x = oracle.pixels / 255

    def base(v):
        scores = votes_only(v)
        return torch.where((torch.arange(len(v)) % 7 == 0)[:, None], torch.nan, scores)

    delta = search(base, x, 0.3) - x
    assert float((delta * oracle.towards.numpy()).sum()) / float(np.linalg.norm(delta)) > 0.9
    constant = search(lambda v: torch.full((len(v), 2), torch.nan), x, 0.3)
    np.testing.assert_allclose(constant, x, atol=1e-6)


@pytest.mark.parametrize("clip", [True, False])
def test_it_stays_in_the_box_if_told_to(oracle, clip):
    x, base = oracle.in_a_corner()
    point = search(base, x, 1.0, clip=clip)
    assert bool(point.min() >= 0 and point.max() <= 1) is clip


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"draws": 0}, "draws must be >= 2, got 0"),
        ({"draws": 5}, "draws must be even, got 5; they come in pairs"),
        ({"momentum": 1.0}, "momentum must be in [0, 1), got 1.0"),
    ],
)
def test_settings_out_of_range(change, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        ScoreSearch(**change)
