"""Honest classifiers of real pictures, made in a second; faults are planted into them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from noiseproof.data import DataSet, load


class Linear(nn.Module):
    """Scores by least squares; ``noise`` is the sigma it was fitted under, exactly: ridge regression."""

    def __init__(self, data: DataSet, noise: float) -> None:
        super().__init__()
        x = data.images().reshape(len(data), -1) / 255.0
        centred = x - x.mean(axis=0)
        onto = np.eye(len(data.classes))[data.labels]
        gram = centred.T @ centred / len(x) + noise**2 * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (onto - onto.mean(axis=0)) / len(x))
        self.register_buffer("weights", torch.from_numpy(weights).float())
        self.register_buffer("bias", torch.from_numpy(onto.mean(axis=0) - x.mean(axis=0) @ weights).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.weights + self.bias


@pytest.fixture(scope="session")
def pictures() -> DataSet:
    return load("fashion-mnist-small:test")


@pytest.fixture(scope="session")
def honest() -> nn.Module:
    """Fitted under noise of sigma .25; 80% of the test pictures."""
    return Linear(load("fashion-mnist-small:train"), noise=0.25).eval()


@pytest.fixture(scope="session")
def sharp() -> nn.Module:
    """Fitted without noise."""
    return Linear(load("fashion-mnist-small:train"), noise=0.001).eval()
