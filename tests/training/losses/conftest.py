"""Losses on random scores: what a slow reference needs to know."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from noiseproof.training.losses import Phase

CLASSES = 5


class Scores(torch.nn.Module):
    """A model whose scores are random numbers, whatever it is shown; it keeps what it was shown and what it said."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = torch.Generator().manual_seed(seed)
        self.shown: list[np.ndarray] = []
        self.said: list[np.ndarray] = []
        self.modes: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = 3 * torch.randn(len(x), CLASSES, generator=self.random, dtype=x.dtype)
        self.shown.append(x.detach().numpy().copy())
        self.said.append(scores.double().numpy().copy())
        self.modes.append(self.training)
        return (scores + 0 * x.flatten(1).sum(dim=1, keepdim=True)).requires_grad_()


@pytest.fixture
def scores():
    return Scores().train()


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(1)
    return torch.rand(6, 2, 3, 3, generator=random), torch.tensor([0, 1, 2, 3, 4, 0])


@pytest.fixture
def call(batch):
    """The loss of the batch, at a moment of a training."""

    def called(loss, model, *, sigma=0.5, seed=3, epoch=20.0, rate_drops=1, x=None, y=None, targets=None):
        generator, phase = torch.Generator().manual_seed(seed), Phase(epoch, rate_drops)
        x, y = batch[0] if x is None else x, batch[1] if y is None else y
        return loss(model, x, y, sigma=sigma, generator=generator, phase=phase, targets=targets)

    return called


@pytest.fixture
def noise(batch):
    """The noise that a loss with m draws gets at the seed of ``call``, of standard deviation 1: [m, batch, ...]."""
    x = batch[0]
    return lambda m: torch.randn(m * len(x), *x.shape[1:], generator=torch.Generator().manual_seed(3)).view(m, *x.shape)


@pytest.fixture
def softmax():
    """Of one row of scores, by the letter."""

    def of(row):
        powers = [np.exp(score - max(row)) for score in row]
        return [power / sum(powers) for power in powers]

    return of


class Linear(torch.nn.Module):
    """Scores W x in float64; it keeps what it was shown, and in which mode."""

    def __init__(self, features: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(7)
        self.W = torch.nn.Parameter(2 * torch.randn(CLASSES, features, generator=random, dtype=torch.float64))
        self.shown: list[torch.Tensor] = []
        self.modes: list[bool] = []
        self.learned: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shown.append(x.detach().clone())
        self.modes.append(self.training)
        self.learned.append(self.W.requires_grad)
        return x.flatten(1) @ self.W.T


@pytest.fixture
def linear(batch):
    return Linear(batch[0][0].numel()).train()


@pytest.fixture
def ascent(softmax):
    """A slow step up -log p_bar_y of one picture under kept noise, of length 1: by the letter, W x its scores."""

    def direction(W, x, y, noise):
        gradient, total = np.zeros_like(x), 0.0
        for delta in noise:
            p = softmax(W @ (x + delta))
            gradient += -p[y] * (W[y] - sum(p[c] * W[c] for c in range(CLASSES)))
            total += p[y]
        gradient /= total
        return gradient / np.sqrt(sum(gradient**2))

    return direction
