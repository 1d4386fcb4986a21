"""Gaussian data augmentation: the loss of the base classifiers of Cohen et al."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import nn

from noiseproof.arguments import at_least_one, settle
from noiseproof.training.losses.base import Loss, LossIn, LossOut


@dataclass(frozen=True)
class GaussianLoss(Loss):
    """mean_i CE(softmax f(x + delta_i), y), delta_i ~ N(0, sigma^2 I), i = 1..m: one pass over m |x| pictures.

    Attributes:
        m: noise draws per picture, >= 1.

    Source: Lecuyer et al. 2019; Cohen et al. 2019, section 3.3.
    """

    m: int = 1

    name: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        settle(self, {"m": at_least_one})

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss``."""
        x, y = batch.x, batch.y
        noise = batch.noise(self.m)
        if self.m > 1:
            x, y = x.repeat(self.m, *[1] * (x.dim() - 1)), y.repeat(self.m)
        scores = model(noise.add_(x))
        accuracy = (scores.detach().argmax(dim=1) == y).float().mean()
        return LossOut(F.cross_entropy(scores, y), accuracy)
