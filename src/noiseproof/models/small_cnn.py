"""The small network on which earlier certificates were computed: strided convolutions, no pooling."""

from __future__ import annotations

from torch import nn

from noiseproof.errors import ModelError


class SmallCNN(nn.Sequential):
    """conv 16 of 4x4 stride 2, conv 32 of 4x4 stride 2, fully connected 100, fully connected; ReLU between.

    No pooling and no normalisation: bounds that go through layers one by one know affine layers and ReLU only.
    Takes [batch, C, H, W] with H and W at least 4.

    Source: the "small" MNIST network of Wong et al. 2018, section 4.
    """

    def __init__(self, num_classes: int, shape: tuple[int, ...]) -> None:
        if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 4:
            raise ModelError(f"small-cnn takes pictures of shape (C, H, W) with H and W >= 4, got {shape}")
        channels, height, width = shape
        super().__init__(
            nn.Conv2d(channels, 16, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * (height // 4) * (width // 4), 100),
            nn.ReLU(),
            nn.Linear(100, num_classes),
        )
