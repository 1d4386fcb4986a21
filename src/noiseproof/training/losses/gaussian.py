"""Gaussian data augmentation: the loss of the base classifiers of Cohen et al."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 (the name the whole field uses)
from torch import Tensor, nn

from noiseproof.arguments import integer
from noiseproof.training.losses.base import Loss, LossOut, Phase
from noiseproof.training.randomness import normal


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
        object.__setattr__(self, "m", integer("m", self.m, least=1))

    def __call__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        sigma: float,
        generator: torch.Generator,
        phase: Phase,
        targets: Tensor | None = None,
    ) -> LossOut:
        """See ``Loss``."""
        noise = normal(x, m=self.m, generator=generator)
        if self.m > 1:
            x, y = x.repeat(self.m, *[1] * (x.dim() - 1)), y.repeat(self.m)
        scores = model(noise.mul_(sigma).add_(x))
        accuracy = (scores.detach().argmax(dim=1) == y).float().mean()
        return LossOut(F.cross_entropy(scores, y), accuracy)
