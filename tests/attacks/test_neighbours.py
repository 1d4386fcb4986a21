from __future__ import annotations

import numpy as np
import pytest
import torch

from noiseproof.attacks import Example, Neighbours, TargetModel
from noiseproof.attacks.neighbours import neighbours
from noiseproof.noises import Gaussian

X = (np.arange(16.0) * 17 / 255).reshape(1, 4, 4)  # corners of the box among them: 0 and 1


def around(x, radius, grid=255):
    return neighbours(x, radius, grid, np.random.default_rng(0))


@pytest.mark.parametrize("radius", [1e-300, 2**-24, 1e-6, 0.004, 0.01, 0.5, 4.0])
def test_they_lie_in_the_ball_and_in_the_box_and_differ(radius):
    points = around(X, radius)
    for point in points:
        assert 0 < np.linalg.norm(point - X) <= radius
        assert point.min() >= 0
        assert point.max() <= 1
    assert len({point.tobytes() for point in points}) == len(points)


def test_the_parity_of_float32_noise_and_all_last_digits_are_among_them():
    x = np.full(1000, 0.5 + 2.0**-24)
    points = {point.tobytes() for point in around(x, 3.39)}
    wanted = [x - 2.0**-24, x + 2.0**-24, np.nextafter(x, 1), np.nextafter(x, 0)]
    assert all(point.tobytes() in points for point in wanted)


def test_the_neighbouring_pictures_are_among_them_and_exact():
    x = np.full(120, 128 / 255)
    points = {point.tobytes() for point in around(x, 0.05)}
    assert np.full(120, 129 / 255).tobytes() in points
    assert np.full(120, 127 / 255).tobytes() in points


def test_where_there_is_not_room_for_all_as_many_coordinates_move_as_fit():
    """5.5 steps squared fit into the ball: 5 coordinates of one step each."""
    x = np.full(120, 128 / 255)
    moved = {int(np.count_nonzero(np.abs(point - x) > 0.003)) for point in around(x, 5.5**0.5 / 255)}
    assert moved == {0, 5}
    assert around(x, 0.0) == []


def test_the_worst_of_them_is_handed_over():
    asked = []

    def votes(points, n, seed):
        asked.append((len(points), n, seed))
        # of three classes; y = 1 loses most where the sum is largest
        scores = np.array([point.sum() for point in points])
        top = scores == scores.max()
        return np.stack([np.where(top, n - 3, 0), np.where(top, 3, n - 5), np.where(top, 0, 5)], axis=1)

    target = TargetModel(lambda x: x, Gaussian(sigma=0.25), torch.device("cpu"), 64, votes)
    example = Example(X, 1, 0.5, "a")
    ((point,),) = Neighbours(draws=32).search(target, [example])
    candidates = neighbours(X, 0.5, 255, np.random.default_rng(example.seed))
    assert asked == [(len(candidates), 32, example.seed)]
    assert point.sum() == max(one.sum() for one in candidates)


def test_no_room_at_all_is_no_point():
    target = TargetModel(
        lambda x: x, Gaussian(sigma=0.25), torch.device("cpu"), 64, lambda *_: np.zeros((1, 2), np.int64)
    )
    assert Neighbours().search(target, [Example(X, 0, 0.0, "a")]) == [[]]


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="draws must be >= 4, got 1"):
        Neighbours(draws=1)
