"""Honest classifiers pass, whatever the seed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.data import DataSet
from noiseproof.models import build
from tests.asking import doctor, train

SEEDS = range(20)


def said(model, data, **options) -> dict[str, str]:
    """What is not ok."""
    found = doctor(model=model, data=data, device="cpu", **({"sigma": 0.25} | options))
    return {finding.name: finding.says for finding in found.findings if finding.verdict != "ok"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_linear_oracle(seed):
    """Labels are those of the classifier itself; 16 to 784 pixels, 2 to 10 classes."""
    generator = np.random.default_rng(seed)
    shape, classes = ((1, 4, 4), (3, 8, 8), (1, 28, 28))[seed % 3], (2, 3, 10)[seed % 3]
    pictures = generator.integers(0, 256, (600, *shape), dtype=np.uint8)
    base = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), classes))
    for parameter in base.parameters():
        parameter.data = torch.from_numpy(generator.standard_normal(parameter.shape)).float()
    with torch.no_grad():  # the boundaries pass through the middle of the pictures
        base[1].bias -= base(torch.full((1, *shape), 0.5))[0]
        labels = base.eval()(torch.from_numpy(pictures / 255).float()).argmax(1).numpy()
    assert said(base, DataSet("oracle", tuple("abcdefghij"[:classes]), shape, labels, pictures)) == {}


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    """Three short epochs under noise: what quickstart trains, and less of it."""
    out = tmp_path_factory.mktemp("lenet")
    train(data="fashion-mnist-small", arch="lenet", sigma=0.25, epochs=3, batch_size=64, out=out, device="cpu", lr=0.02)
    return out


@pytest.mark.slow
def test_lenet_on_real_pictures(lenet, pictures):
    for seed in SEEDS:
        assert said(lenet, pictures, seed=seed, limit=256) == {}


@pytest.mark.slow
def test_a_linear_model_on_real_pictures(honest, pictures):
    for seed in SEEDS:
        assert said(honest, pictures, seed=seed) == {}


@pytest.mark.slow
def test_a_residual_network_of_random_weights_was_never_trained_and_nothing_else(pictures):
    small = DataSet("small", pictures.classes, (1, 14, 14), pictures.labels, pictures.images()[:, :, ::2, ::2])
    warned = 0
    for seed in SEEDS:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            base = build("resnet20", num_classes=10, shape=(1, 14, 14)).eval()
        found = said(base, small, seed=seed, limit=100)
        assert set(found) <= {"accuracy"}
        warned += bool(found)
    assert warned > 15
