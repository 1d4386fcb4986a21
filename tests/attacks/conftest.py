"""A linear base classifier, whose worst perturbation is known, and a nonlinear one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

PIXELS = 16


class HalfSpace(nn.Module):
    """Class 1 where w.x > threshold; scores are the signed margin, times ``steepness``."""

    def __init__(self, weights: torch.Tensor, threshold: float, steepness: float = 4.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.threshold, self.steepness = threshold, steepness

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        margin = self.steepness * (x.flatten(1) @ self.weights.to(x.dtype) - self.threshold)
        return torch.stack([-margin, margin], dim=1)


class Oracle:
    """A half-space ``radius`` away from a picture on the grid, on the side of class 1; the truth about both."""

    def __init__(self, radius: float = 0.25) -> None:
        generator = torch.Generator().manual_seed(3)
        self.radius = radius
        self.pixels = (96 + 4 * np.arange(PIXELS)).astype(np.uint8).reshape(1, 4, 4)
        self.x = torch.from_numpy(self.pixels / 255.0)[None]
        weights = torch.randn(PIXELS, generator=generator, dtype=torch.float64)
        self.norm = float(weights.norm())
        self.towards = (-weights / self.norm).reshape(1, 4, 4)  # the boundary, from x
        self.base = HalfSpace(weights, float(self.x.flatten() @ weights) - radius * self.norm).eval()

    def p(self, x: np.ndarray, sigma: float) -> float:
        """The exact probability of class 1 at x, under float noise."""
        margin = float(x.ravel() @ self.base.weights.numpy() - self.base.threshold)
        return 0.5 * math.erfc(-margin / self.norm / sigma / math.sqrt(2))

    def in_a_corner(self) -> tuple[np.ndarray, HalfSpace]:
        """A picture from which the way to the boundary leads out of [0, 1], and a classifier with that boundary."""
        x = np.where(self.towards.numpy() > 0, 0.99, 0.01)
        weights = self.base.weights
        return x, HalfSpace(weights, float(x.ravel() @ weights.numpy()) - self.radius * self.norm).eval()


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture
def curved() -> nn.Module:
    """Three classes, not linear, with parameters that want gradients."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 24), nn.Tanh(), nn.Linear(24, 3)).double()
    generator = torch.Generator().manual_seed(7)
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return net.eval()


@pytest.fixture
def pictures() -> torch.Tensor:
    """Five float64 pictures with corners: some pixels are 0 and some 1."""
    generator = torch.Generator().manual_seed(11)
    x = torch.rand(5, 1, 4, 4, generator=generator, dtype=torch.float64)
    return (1.6 * x - 0.3).clamp(0, 1)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
