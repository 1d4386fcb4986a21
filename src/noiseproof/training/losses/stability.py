"""Stability training: the prediction on the clean picture, kept under noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import nn

from noiseproof.arguments import at_least_one, settle
from noiseproof.training.losses.base import Loss, LossIn, LossOut
from noiseproof.training.losses.noisy import accuracy, noisy_scores
from noiseproof.training.losses.published import at_sigma, mnist_like
from noiseproof.training.losses.settings import at_least_zero


@dataclass(frozen=True)
class StabilityLoss(Loss):
    """CE(f(x), y) + lambda mean_i CE(softmax f(x) -> f(x + delta_i)); 1 + m passes.

    The soft target is not detached: the clean prediction also moves towards the noisy ones. The clean pictures have a
    pass of their own, as in the authors' code.

    Attributes:
        lambda_: weight of the stability term, >= 0; published: 2 (sigma .25 and .5), 1 (sigma 1), MNIST-like 2.
        m: noise draws per picture, >= 1.

    Raises:
        ValueError: a setting is out of range.

    Source: Li et al. 2019; settings and code of Jeong & Shin 2020 (``train_stab.py``).
    """

    lambda_: float
    m: int = 1

    name: ClassVar[str] = "stability"

    def __post_init__(self) -> None:
        settle(self, {"lambda_": at_least_zero, "m": at_least_one})

    @classmethod
    def published(cls, *, sigma: float, data: str) -> dict[str, Any]:
        """See ``Loss``."""
        return {"lambda_": 2.0 if mnist_like(data) else at_sigma(sigma, 2.0, 2.0, 1.0)}

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss``."""
        x, y = batch.x, batch.y
        noise = batch.noise(self.m)
        clean = model(x.clone()).double()  # x is asked for again: a model may work in place
        scores = noisy_scores(model, x, noise)
        stability = -(clean.softmax(dim=1) * scores.log_softmax(dim=2)).sum(dim=2).mean()
        return LossOut(F.cross_entropy(clean, y) + self.lambda_ * stability, accuracy(scores, y))
