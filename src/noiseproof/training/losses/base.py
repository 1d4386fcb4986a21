"""What a training loss is: pictures and labels to one number, drawing its own noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from noiseproof.training.randomness import normal


@dataclass(frozen=True)
class Phase:
    """How far the training is: all a loss may know of it, so that a finished run can be extended.

    Attributes:
        epoch: epochs done, with the fraction of the one under way.
        rate_drops: how often the learning rate has dropped.
    """

    epoch: float
    rate_drops: int

    def warmed(self, epochs: int) -> float:
        """How much of something that warms up over some epochs is in force: 1/epochs in the first one, then 2/epochs.

        >>> [Phase(epoch, 0).warmed(10) for epoch in (0.0, 0.9, 1.0, 9.0, 50.0)]
        [0.1, 0.1, 0.2, 1.0, 1.0]
        """
        return min(1.0, (int(self.epoch) + 1) / epochs) if epochs > 0 else 1.0


@dataclass(frozen=True)
class LossIn:
    """What a loss is computed of.

    Attributes:
        x: clean pictures in [0, 1], [batch, C, H, W].
        y: classes, int64 [batch].
        sigma: standard deviation of the noise in input units; 0 is plain training.
        generator: the only source of noise, on the device of x; drawn from by ``randomness.normal``, so that a
            batch split over processes sees the noise of the whole.
        phase: how far the training is.
        targets: soft predictions of an earlier model, [batch, classes], rows sum to 1; None where there is none. A
            loss that does not use them ignores them.
    """

    x: Tensor
    y: Tensor
    sigma: float
    generator: torch.Generator
    phase: Phase
    targets: Tensor | None

    def noise(self, m: int = 1) -> Tensor:
        """Noise ~ N(0, sigma^2 I), drawn now: [m * batch, C, H, W], copy after copy."""
        return normal(self.x, m=m, generator=self.generator).mul_(self.sigma)


@dataclass(frozen=True)
class LossOut:
    """What a loss says of one batch.

    Attributes:
        loss: to be differentiated; no dimensions.
        accuracy: fraction of the noisy copies classified right; no dimensions, detached.
    """

    loss: Tensor
    accuracy: Tensor


class Loss(ABC):
    """A training loss. A subclass is a frozen dataclass whose fields are its configuration.

    A setting whose published value depends on sigma has no default: ``published`` knows it.
    """

    name: ClassVar[str]
    uses_targets: ClassVar[bool] = False
    """Whether it looks at ``targets``; without them it takes the labels."""

    @classmethod
    def published(cls, *, sigma: float, data: str) -> dict[str, Any]:
        """The settings of the paper that depend on sigma or the data set, by field; see ``losses.published``.

        Args:
            sigma: standard deviation of the noise in input units.
            data: name of the data set.
        """
        del sigma, data
        return {}

    @property
    def rate_drops_needed(self) -> int:
        """How often the learning rate must have dropped until all of the loss is in force."""
        return 0

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
        """The loss of one batch: see ``compute`` and, for what is given, ``LossIn``."""
        return self.compute(model, LossIn(x, y, sigma, generator, phase, targets))

    @abstractmethod
    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """The loss of one batch.

        Args:
            model: the base classifier, [batch, C, H, W] to scores [batch, classes].
            batch: what it is asked about.
        """

    def config(self) -> dict[str, Any]:
        """The loss as a plain table: ``{"name": "gaussian", "m": 1}``; a field ``lambda_`` is called ``lambda``."""
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return {"name": self.name} | {name.removesuffix("_"): getattr(self, name) for name in names}
