"""Augmentation of training pictures: crops and flips, on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from noiseproof.asked.training import Augmentation

RESIZED_CROP = "resized-crop-flip"
AUGMENTATIONS: tuple[str, ...] = get_args(Augmentation)
"""What ``train`` takes: nothing; horizontal flips; crops after 4 black pixels on each side, and flips; crops of random
area, shape and place of the whole picture, resized, and flips."""

_BORDER = 4
_TRIES = 10
_AREA = (0.08, 1.0)
_ASPECT = (3 / 4, 4 / 3)


def published_augmentation(data: str) -> str:
    """What the published recipes use for the data set of this name.

    Crops and flips for CIFAR-10 in every form, resized crops and flips for ImageNet; none for digits, clothes and
    folders of pictures, for which no recipe says otherwise.

    >>> published_augmentation("cifar10-jpeg:train"), published_augmentation("fashion-mnist:train")
    ('crop-flip', 'none')

    Source: ``code/datasets.py`` of github.com/locuslab/smoothing (RandomCrop(32, padding=4), RandomSizedCrop(224),
    RandomHorizontalFlip).
    """
    if data.partition(":")[0] == "imagenet":
        return RESIZED_CROP
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


@dataclass(frozen=True)
class ResizedCrops:
    """A crop of random area, shape and place of each whole picture of an epoch, resized to one size, and a flip.

    Attributes:
        tries: [N, 10, 2], uniform in [0, 1): area and shape of each try; the first that fits is taken.
        places: [N, 2], uniform in [0, 1): where the crop lies (row, column), in parts of the room it has.
        flipped: [N], whether left and right change places.

    Source: torchvision's ``RandomResizedCrop`` with its defaults (once called ``RandomSizedCrop``).
    """

    tries: Tensor
    places: Tensor
    flipped: Tensor

    def box(self, place: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of the crop of the picture that stands at a place of the epoch."""
        down, right = self.places[place].tolist()
        for area, shape in self.tries[place].tolist():
            pixels = height * width * (_AREA[0] + (_AREA[1] - _AREA[0]) * area)
            aspect = _ASPECT[0] * (_ASPECT[1] / _ASPECT[0]) ** shape  # log-uniform
            h, w = round(math.sqrt(pixels / aspect)), round(math.sqrt(pixels * aspect))
            if 0 < h <= height and 0 < w <= width:
                return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
        h, w = min(height, round(width / _ASPECT[0])), min(width, round(height * _ASPECT[1]))
        return (height - h) // 2, (width - w) // 2, h, w

    def crop(self, picture: Tensor, place: int, size: tuple[int, int]) -> Tensor:
        """One whole picture, cropped, resized (bilinear, antialiased, rounded to 8 bits) and flipped or not.

        Args:
            picture: [C, H, W], uint8.
            place: where it stands in the epoch.
            size: height and width of the result.
        """
        top, left, h, w = self.box(place, *picture.shape[-2:])
        cut = picture[None, :, top : top + h, left : left + w].float()
        resized = F.interpolate(cut, size, mode="bilinear", align_corners=False, antialias=True)[0]
        if self.flipped[place]:
            resized = resized.flip(-1)
        return resized.round().clamp(0, 255).to(torch.uint8)

    def apply(self, pictures: Tensor, part: slice) -> Tensor:
        """The pictures that stand at these places of the epoch, each the whole one, augmented to the size it had."""
        size = (pictures.shape[-2], pictures.shape[-1])
        places = range(part.start, part.stop)
        return torch.stack([self.crop(picture, place, size) for picture, place in zip(pictures, places, strict=True)])


def choose(kind: str, n: int, generator: torch.Generator) -> Choices | ResizedCrops | None:
    """Draws what is done to the n pictures of an epoch, all at once: it depends on no batch size. None: nothing.

    Args:
        kind: one of ``AUGMENTATIONS``.
        n: pictures an epoch.
        generator: on the CPU, so that every device makes the same choices.
    """
    if kind == "none":
        return None
    if kind == RESIZED_CROP:
        tries, places = (torch.rand(n, *shape, generator=generator) for shape in ((_TRIES, 2), (2,)))
        return ResizedCrops(tries, places, torch.randint(0, 2, (n,), generator=generator) == 1)
    border = _BORDER if kind == "crop-flip" else 0
    shifts = torch.randint(0, 2 * border + 1, (n, 2), generator=generator)
    return Choices(shifts, torch.randint(0, 2, (n,), generator=generator) == 1, border)
