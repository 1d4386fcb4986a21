"""The architectures by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from noiseproof.errors import ModelError, unknown
from noiseproof.models.lenet import LeNet
from noiseproof.models.own import OwnArchitecture
from noiseproof.models.resnet import ResNet50
from noiseproof.models.resnet_cifar import ResNetCIFAR
from noiseproof.models.small_cnn import SmallCNN

ARCHITECTURES: dict[str, Callable[[int, tuple[int, ...]], nn.Module]] = {
    "lenet": LeNet,
    "resnet20": partial(ResNetCIFAR, depth=20),
    "resnet110": partial(ResNetCIFAR, depth=110),
    "resnet50": ResNet50,
    "small-cnn": SmallCNN,
}
"""Each takes (num_classes, shape of one input) and raises ``ModelError`` for a shape it does not take."""


def build(arch: str, *, num_classes: int, shape: tuple[int, ...]) -> nn.Module:
    """A new base classifier, its weights drawn from torch's global generator (fork and seed it around).

    Inputs are pictures in [0, 1]: normalisation is the module's own first layer.

    Args:
        arch: a name in ``ARCHITECTURES``, or ``FILE.py:NAME`` (see ``OwnArchitecture``).
        num_classes: length of the scores, >= 1.
        shape: (C, H, W) of one input.

    Raises:
        ModelError: the architecture is unknown or does not take this shape.

    >>> build("lenet", num_classes=10, shape=(1, 28, 28)).fc1.in_features
    800
    """
    if (own := OwnArchitecture.of(arch)) is not None:
        return own.build(num_classes=num_classes, shape=shape)
    if arch not in ARCHITECTURES:
        denoiser = "; dncnn is a denoiser: give --task denoiser" if arch.startswith("dncnn") else ""
        raise ModelError(unknown("architecture", arch, [*ARCHITECTURES, "FILE.py:NAME"]) + denoiser)
    if num_classes < 1:
        raise ModelError(f"num_classes must be >= 1, got {num_classes}")
    return ARCHITECTURES[arch](num_classes, tuple(shape))
