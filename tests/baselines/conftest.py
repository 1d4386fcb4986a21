"""A data set of two classes in memory, and a method without a package to train with."""

from __future__ import annotations

import numpy as np
import pytest

from noiseproof.baselines import Lipschitz
from noiseproof.baselines.lipschitz import lipschitz_cnn
from noiseproof.data import DataSet


class Plain(Lipschitz):
    """Cross-entropy on the plain layers: needs no package."""

    def begin(self, num_classes, shape):
        return lipschitz_cnn(num_classes, shape)

    def trained(self, network):
        return network


@pytest.fixture
def plain() -> type[Lipschitz]:
    """A method that trains without a package."""
    return Plain


@pytest.fixture
def pictures() -> DataSet:
    """Forty pictures of 4x4, dark or light."""
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pixels = generator.integers(0, 100, (40, 1, 4, 4)) + 150 * labels[:, None, None, None]
    return DataSet("grey:test", ("dark", "light"), (1, 4, 4), labels, pixels.astype(np.uint8))
