"""The LeNet of the published MNIST-like recipes of randomized smoothing."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.errors import ModelError


class LeNet(nn.Module):
    """conv 20 of 5x5, pool 2, conv 50 of 5x5, pool 2, fully connected 500, fully connected; ReLU between.

    No dropout and no normalisation. Takes [batch, C, H, W] with H and W at least 16.

    Source: the MNIST network of Zhai et al. 2020 (MACER), after LeCun et al. 1998.
    """

    def __init__(self, num_classes: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 16:
            raise ModelError(f"lenet takes pictures of shape (C, H, W) with H and W >= 16, got {shape}")
        channels, height, width = shape
        self.conv1 = nn.Conv2d(channels, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * _pooled(height) * _pooled(width), 500)
        self.fc2 = nn.Linear(500, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores: [batch, C, H, W] to [batch, classes]."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)  # type: ignore[no-any-return]


def _pooled(side: int) -> int:
    """Side length after both convolutions and poolings.

    >>> _pooled(28), _pooled(16)
    (4, 1)
    """
    return ((side - 4) // 2 - 4) // 2
