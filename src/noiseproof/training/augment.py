"""Augmentation of training pictures: crops and flips, on the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the name the whole field uses)
from torch import Tensor

AUGMENTATIONS = ("none", "flip", "crop-flip")
"""What ``train`` takes: nothing; horizontal flips; crops after 4 black pixels on each side, and flips."""

_BORDER = 4


def published_augmentation(data: str) -> str:
    """What the published recipes use for the data set of this name.

    Crops and flips for CIFAR-10 in every form; none for digits, clothes and folders of pictures, for which no recipe
    says otherwise.

    >>> published_augmentation("cifar10-jpeg:train"), published_augmentation("fashion-mnist:train")
    ('crop-flip', 'none')

    Source: ``code/datasets.py`` of github.com/locuslab/smoothing (RandomCrop(32, padding=4), RandomHorizontalFlip).
    """
    return "crop-flip" if data.startswith("cifar10") else "none"


@dataclass(frozen=True)
class Choices:
    """What is done to each picture of an epoch, in the order in which the epoch takes them.

    Attributes:
        shifts: [N, 2], where the crop begins (row, column) in the picture with its border.
        flipped: [N], whether left and right change places.
        border: black pixels on each side.
    """

    shifts: Tensor
    flipped: Tensor
    border: int

    def apply(self, pictures: Tensor, part: slice) -> Tensor:
        """The pictures that stand at these places of the epoch, augmented: same shape and dtype.

        Args:
            pictures: [batch, C, H, W], uint8 or float, on any device.
            part: their places in the epoch.
        """
        height, width = pictures.shape[-2:]
        shifts = self.shifts[part].to(pictures.device)
        flipped = self.flipped[part].to(pictures.device)
        columns = torch.arange(width, device=pictures.device).expand(len(pictures), width)
        columns = torch.where(flipped[:, None], columns.flip(1), columns) + shifts[:, 1:]
        rows = torch.arange(height, device=pictures.device) + shifts[:, :1]
        bordered = F.pad(pictures, [self.border] * 4)
        which = torch.arange(len(pictures), device=pictures.device)[:, None, None]
        # Channels come last out of this indexing, which is the layout the convolutions like.
        return bordered.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def choose(kind: str, n: int, generator: torch.Generator) -> Choices | None:
    """Draws what is done to the n pictures of an epoch, all at once: it depends on no batch size. None: nothing.

    Args:
        kind: one of ``AUGMENTATIONS``.
        n: pictures an epoch.
        generator: on the CPU, so that every device makes the same choices.
    """
    if kind == "none":
        return None
    border = _BORDER if kind == "crop-flip" else 0
    shifts = torch.randint(0, 2 * border + 1, (n, 2), generator=generator)
    return Choices(shifts, torch.randint(0, 2, (n,), generator=generator) == 1, border)
