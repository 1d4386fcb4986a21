"""What a loss of a denoiser is: a training loss whose model gives pictures."""

from __future__ import annotations

from typing import ClassVar

from noiseproof.training.losses.base import Loss


class DenoisingLoss(Loss):
    """A loss of a denoiser: ``model`` takes noisy pictures [batch, C, H, W] to estimates of the clean ones.

    The labels ``y`` serve the accuracy alone, ``targets`` are not looked at.
    """

    classifies: ClassVar[bool]
    """Whether there is a classifier, so that ``accuracy`` says something; else it is NaN."""
