from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from noiseproof.attacks import ATTACKS, Attack, Example, TargetModel, has_gradient
from noiseproof.attacks.base import tensors
from noiseproof.noises import Gaussian


def test_what_has_a_gradient_and_what_has_none(oracle, curved, pictures):
    assert has_gradient(curved, pictures)
    # scores that add up to 0: their sum has no gradient, they have
    assert has_gradient(oracle.base, pictures)
    assert not has_gradient(
        lambda x: torch.stack([(x.flatten(1).sum(1) > 8).float(), x.flatten(1)[:, 0] * 0], 1), x=pictures
    )
    assert not has_gradient(lambda x: torch.nn.functional.one_hot(x.flatten(1).argmax(1) % 3, 3), pictures)
    frozen = nn.Linear(16, 3).double()  # parameters want gradients, but the input does not reach the scores
    assert not has_gradient(lambda x: frozen(torch.ones_like(x).flatten(1)), pictures)
    with torch.no_grad():
        assert has_gradient(curved, pictures)
    for first in (nn.ReLU(inplace=True), lambda x: x.clamp_(0, 1), lambda x: x.sub_(0.5)):
        assert has_gradient(lambda x, first=first: curved(first(x)), pictures)
    assert pictures.grad is None


def test_an_aim_has_a_noise_of_its_own():
    one, other = (Example(np.zeros((1, 2, 2)), 0, 1.0, name) for name in ("a", "b"))
    assert one.seed != other.seed
    assert 0 <= one.seed < 2**31
    draw = [torch.rand(3, generator=example.generator(torch.device("cpu"))).tolist() for example in (one, one, other)]
    assert draw[0] == draw[1] != draw[2]


def test_aims_as_tensors(oracle):
    target = TargetModel(
        oracle.base, Gaussian(sigma=0.25), torch.device("cpu"), 64, lambda *_: np.zeros((1, 2), np.int64)
    )
    examples = [Example(oracle.pixels / 255, 1, 0.5, "a"), Example(oracle.pixels / 255, 0, 0.25, "b")]
    x, y, radius = tensors(target, examples)
    assert x.dtype == torch.float32
    assert x.shape == (2, 1, 4, 4)
    assert (y.tolist(), radius.tolist()) == ([1, 0], [0.5, 0.25])


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.label)
class TestEveryAttack:
    """The law of the list: whoever adds an attack gets these."""

    def test_its_configuration_makes_it_again(self, attack: Attack):
        config = attack.config()
        assert config.pop("name") == attack.name
        assert type(attack)(**config) == attack

    def test_it_has_a_label_of_its_own_and_a_size(self, attack: Attack):
        assert [each.label for each in ATTACKS].count(attack.label) == 1
        assert attack.per_example() >= 1

    def test_its_points_do_not_depend_on_what_is_attacked_with_them(self, attack: Attack, oracle):
        def votes(points, n, seed):
            p = np.array([oracle.p(point, 0.25) for point in points])
            return np.stack([np.rint(n * (1 - p)), np.rint(n * p)], axis=1).astype(np.int64)

        target = TargetModel(oracle.base, Gaussian(sigma=0.25), torch.device("cpu"), 64, votes)
        examples = [Example(oracle.pixels / 255, 1, r, name) for r, name in ((0.2, "a"), (0.4, "b"), (0.3, "c"))]
        together = attack.search(target, examples)
        assert len(together) == 3
        for example, points in zip(examples, together, strict=True):
            (alone,) = attack.search(target, [example])
            assert len(alone) == len(points) >= 1
            for one, same in zip(alone, points, strict=True):
                assert one.dtype == np.float64
                assert one.shape == (1, 4, 4)
                np.testing.assert_allclose(one, same, atol=1e-6)

    def test_a_model_that_works_in_place_is_attacked_alike(self, attack: Attack, oracle):
        def in_place(x):
            moved = x.sub_(0.25)  # as a normalisation may
            return oracle.base(moved + 0.25)

        def votes(points, n, seed):
            p = np.array([oracle.p(point, 0.25) for point in points])
            return np.stack([np.rint(n * (1 - p)), np.rint(n * p)], axis=1).astype(np.int64)

        found = []
        for base in (oracle.base, in_place):
            target = TargetModel(base, Gaussian(sigma=0.25), torch.device("cpu"), 64, votes)
            found.append(attack.search(target, [Example(oracle.pixels / 255, 1, 0.4, "a")])[0])
        np.testing.assert_allclose(found[1], found[0], atol=1e-4)

    def test_it_goes_away_from_the_class_where_it_has_room(self, attack: Attack, oracle):
        """All but the neighbours have the room to; those are handed the one that is worst."""

        def votes(points, n, seed):
            p = np.array([oracle.p(point, 0.25) for point in points])
            return np.stack([np.rint(1e6 * (1 - p)), np.rint(1e6 * p)], axis=1).astype(np.int64)

        target = TargetModel(oracle.base, Gaussian(sigma=0.25), torch.device("cpu"), 64, votes)
        (points,) = attack.search(target, [Example(oracle.pixels / 255, 1, 0.4, "a")])
        before = oracle.p(oracle.pixels / 255, 0.25)
        assert oracle.p(points[0], 0.25) < before
        if attack.distances != "radius":
            assert min(oracle.p(point, 0.25) for point in points) < 0.45
