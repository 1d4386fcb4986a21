"""Stability: a denoiser after which a fixed classifier says what it says of the clean picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from noiseproof.errors import ModelError
from noiseproof.models import BaseModel
from noiseproof.models.copies import copied
from noiseproof.training.denoising.base import DenoisingLoss
from noiseproof.training.losses.base import LossIn, LossOut


@dataclass(frozen=True)
class StabilityDenoisingLoss(DenoisingLoss):
    """CE(f(D(x + delta)), argmax f(x)), delta ~ N(0, sigma^2 I): the classifier f is frozen and in eval mode.

    No label is learned from: the classifier's own classes of the clean pictures are the targets.

    Attributes:
        classifier: f. A copy of it is kept, which moves to the device of the pictures.

    Raises:
        ValueError: the classifier is no loaded base classifier.

    Source: Salman et al. 2020, section 3 (stability), and their ``train_denoiser.py``.
    """

    classifier: BaseModel
    _own: nn.Module = field(init=False, repr=False, compare=False)

    name: ClassVar[str] = "stability"
    classifies: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.classifier, BaseModel):
            found = type(self.classifier).__name__
            raise ValueError(f"classifier must be a loaded base classifier, got {found}")  # noqa: TRY004  # as of each setting
        object.__setattr__(self, "_own", copied(self.classifier.module).eval().requires_grad_(False))

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss`` and ``DenoisingLoss``; the accuracy is the classifier's on denoised pictures.

        Raises:
            ModelError: the classifier takes other pictures.
        """
        x, y = batch.x, batch.y
        shape = self.classifier.shape
        if shape is not None and tuple(shape) != tuple(x.shape[1:]):
            raise ModelError(
                f"{self.classifier.source} takes inputs of shape {tuple(shape)}, the pictures have "
                f"{tuple(x.shape[1:])}; give a classifier of such pictures"
            )
        classifier = self._own.to(x.device)
        with torch.no_grad():
            wanted = classifier(x).argmax(dim=1)
        scores = classifier(model(batch.noise().add_(x)))
        accuracy = (scores.detach().argmax(dim=1) == y).float().mean()
        return LossOut(F.cross_entropy(scores, wanted), accuracy)

    def config(self) -> dict[str, Any]:
        """See ``Loss``: the classifier by its fingerprint."""
        return {"name": self.name, "classifier": self.classifier.fingerprint}
