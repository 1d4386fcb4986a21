"""ResNet-50 for large pictures, with the key names torchvision and timm share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.errors import ModelError
from noiseproof.models.normalize import Normalize
from noiseproof.models.resnet_cifar import shortcut, stage

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ResNet50(nn.Module):
    """Bottleneck blocks 3, 4, 6, 3; the stride of a stage is in its 3x3 convolution; normalisation inside.

    A ``state_dict`` of torchvision's or timm's plain ``resnet50`` loads as it is.

    Source: He et al. 2016, table 1, with the stride of torchvision's implementation.
    """

    def __init__(self, num_classes: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        if len(shape) != 3 or shape[0] != 3 or min(shape[1:]) < 32:
            raise ModelError(f"resnet50 takes pictures of shape (3, H, W) with H and W >= 32, got {shape}")
        self.normalize = Normalize(IMAGENET_MEAN, IMAGENET_STD)
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(_Bottleneck, 64, 256, 3, stride=1)
        self.layer2 = stage(_Bottleneck, 256, 512, 4, stride=2)
        self.layer3 = stage(_Bottleneck, 512, 1024, 6, stride=2)
        self.layer4 = stage(_Bottleneck, 1024, 2048, 3, stride=2)
        self.fc = nn.Linear(2048, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Scores: [batch, 3, H, W] in input units to [batch, classes]."""
        x = F.relu(self.bn1(self.conv1(self.normalize(x))))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


class _Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, four times as many channels at the end, and a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        width = outside // 4
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample = shortcut(inside, outside, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(out)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))
