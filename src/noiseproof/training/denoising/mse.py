"""Mean squared error: a denoiser that knows of no classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from noiseproof.training.denoising.base import DenoisingLoss
from noiseproof.training.losses.base import LossIn, LossOut


@dataclass(frozen=True)
class MSELoss(DenoisingLoss):
    """The mean over pictures and pixels of (D(x + delta) - x)^2, delta ~ N(0, sigma^2 I).

    Its PSNR is -10 log10 of it. There is no classifier, so the accuracy is NaN.

    Source: Salman et al. 2020, section 3 (MSE); the mean as in their ``train_denoiser.py``.
    """

    name: ClassVar[str] = "mse"
    classifies: ClassVar[bool] = False

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss`` and ``DenoisingLoss``."""
        loss = F.mse_loss(model(batch.noise().add_(batch.x)), batch.x)
        return LossOut(loss, torch.full_like(loss.detach(), torch.nan))
