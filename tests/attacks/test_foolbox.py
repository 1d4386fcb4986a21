"""Attacks of others, unchanged, on ``SmoothedClassifier.forward``."""

from __future__ import annotations

import warnings

import pytest
import torch

from noiseproof import SmoothedClassifier
from noiseproof.noises import Gaussian

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # foolbox 3.3.4 asks scipy for an old name
    foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed: pip install 'noiseproof[attacks]'")

SIGMA = 0.25


@pytest.fixture
def g(oracle):
    return SmoothedClassifier(oracle.base, 2, Gaussian(sigma=SIGMA), soft_draws=400).eval()


@pytest.fixture
def attacked(g):
    return foolbox.PyTorchModel(g, bounds=(0, 1), device="cpu")


def test_pgd_of_foolbox_breaks_a_half_space_beyond_its_exact_radius_and_not_within(oracle, attacked):
    x, y = oracle.x.float(), torch.tensor([1])
    assert foolbox.accuracy(attacked, x, y) == 1.0
    attack = foolbox.attacks.L2ProjectedGradientDescentAttack(steps=20, rel_stepsize=0.1, random_start=False)
    _, (within, beyond), success = attack(attacked, x, y, epsilons=[0.7 * oracle.radius, 1.3 * oracle.radius])
    assert success[:, 0].tolist() == [False, True]
    for found, multiple in ((within, 0.7), (beyond, 1.3)):
        delta = (found - x).double()
        assert float(delta.norm()) == pytest.approx(multiple * oracle.radius, rel=1e-3)
        assert float((delta * oracle.towards).sum()) > 0.99 * multiple * oracle.radius


def test_ddn_of_foolbox_finds_the_exact_distance(oracle, attacked):
    """As far as 400 kept draws know it: their mean is off by sigma / 20 = .0125 along the normal; 4.9 of these."""
    x, y = oracle.x.float(), torch.tensor([1])
    _, found, success = foolbox.attacks.DDNAttack(steps=40)(attacked, x, y, epsilons=None)
    assert bool(success)
    assert float((found - x).norm()) == pytest.approx(oracle.radius, abs=4.9 * 0.0125)
