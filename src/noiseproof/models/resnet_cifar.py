"""The small residual networks for 32x32 pictures: ResNet-20 and ResNet-110."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.errors import ModelError
from noiseproof.models.normalize import Normalize

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2023, 0.1994, 0.2010)


class ResNetCIFAR(nn.Module):
    """Three stages of n blocks with 16, 32 and 64 channels, depth = 6 n + 2; normalisation inside.

    Where the shape changes the shortcut is a 1x1 convolution with batch-norm (``downsample``), as in the
    implementation behind the checkpoints of Cohen et al. 2019, whose key names these are. Pictures of three
    channels are normalised by the constants of CIFAR-10, others by mean .5 and std .25.

    Source: He et al. 2016, section 4.2; shortcuts of option B there.
    """

    def __init__(self, num_classes: int, shape: tuple[int, ...], *, depth: int) -> None:
        super().__init__()
        if (depth - 2) % 6 != 0 or depth < 8:
            raise ValueError(f"depth must be 6 n + 2 with n >= 1, got {depth}")
        if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < 8:
            raise ModelError(f"resnet{depth} takes pictures of shape (C, H, W) with H and W >= 8, got {shape}")
        channels, blocks = shape[0], (depth - 2) // 6
        color = channels == len(CIFAR_MEAN)
        self.normalize = Normalize(CIFAR_MEAN if color else [0.5] * channels, CIFAR_STD if color else [0.25] * channels)
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(_BasicBlock, 16, 16, blocks, stride=1)
        self.layer2 = stage(_BasicBlock, 16, 32, blocks, stride=2)
        self.layer3 = stage(_BasicBlock, 32, 64, blocks, stride=2)
        self.fc = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Scores: [batch, C, H, W] in input units to [batch, classes]."""
        x = F.relu(self.bn1(self.conv1(self.normalize(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = shortcut(inside, outside, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


def shortcut(inside: int, outside: int, stride: int) -> nn.Sequential | None:
    """What a shortcut does where a block changes the shape: a 1x1 convolution with batch-norm."""
    if stride == 1 and inside == outside:
        return None
    return nn.Sequential(nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside))


def stage(block: Callable[[int, int, int], nn.Module], inside: int, outside: int, n: int, stride: int) -> nn.Sequential:
    """A stage of n blocks: the first changes the shape."""
    rest = [block(outside, outside, 1) for _ in range(n - 1)]
    return nn.Sequential(block(inside, outside, stride), *rest)
