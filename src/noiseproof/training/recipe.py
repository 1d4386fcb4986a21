"""A training with everything that it left open filled in, and the part of it that its weights depend on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from noiseproof.asked import Training
from noiseproof.training.augment import published_augmentation
from noiseproof.training.denoising import find_denoising_loss
from noiseproof.training.losses import Loss, find_loss

_LEFT_OPEN = {"classifier": ("lenet", "sgd", "gaussian"), "denoiser": ("dncnn", "adam", "mse")}
"""Of each task: network, optimizer, loss."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        asked: the training, of one sigma.
        arch: the network.
        loss: with its settings.
        optimizer: "sgd" or "adam".
        lr: the first learning rate.
        augment: one of ``AUGMENTATIONS``.
    """

    asked: Training
    arch: str
    loss: Loss
    optimizer: str
    lr: float
    augment: str

    @classmethod
    def of(cls, asked: Training) -> Recipe:
        """What is left open is as published for task, sigma and data set.

        Raises:
            ValueError: there are several sigmas, the loss or one of its settings is unknown or out of range, or the
                rate never drops as often as the loss waits for.
        """
        if len(asked.sigmas) > 1:
            raise ValueError(f"sigma must be one number, got {asked.sigma}; train each into a folder of its own")
        name, sigma = getattr(asked.data, "name", asked.data), asked.sigmas[0]
        arch, optimizer, loss_name = _LEFT_OPEN[asked.task]
        named = loss_name if asked.loss is None else asked.loss
        loss = (
            find_denoising_loss(named, settings=asked.loss_setting)
            if asked.task == "denoiser"
            else find_loss(named, sigma=sigma, data=name, settings=asked.loss_setting)
        )
        optimizer = asked.optimizer or optimizer
        recipe = cls(
            asked,
            asked.arch or arch,
            loss,
            optimizer,
            asked.lr or (0.001 if optimizer == "adam" else 0.01),
            asked.augment or published_augmentation(name),
        )
        if recipe.rate_drops(asked.epochs - 1) < loss.rate_drops_needed:
            raise ValueError(
                f"the loss {loss.name} waits for rate drop {loss.rate_drops_needed}, which does not come in "
                f"{asked.epochs} epochs; give a schedule of steps with step_size < epochs, or after_drops=0 as "
                "loss_setting"
            )
        return recipe

    @property
    def sigma(self) -> float:
        """The noise level."""
        (sigma,) = self.asked.sigmas
        return sigma

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0: a function of the epoch alone."""
        if self.asked.schedule == "cosine":
            return self.lr * (1 + math.cos(math.pi * epoch / self.asked.epochs)) / 2
        return self.lr * self.asked.gamma ** self.rate_drops(epoch)

    def rate_drops(self, epoch: int) -> int:
        """How often the learning rate has dropped before an epoch, counted from 0; 0 for cosine."""
        return epoch // self.asked.step_size if self.asked.schedule == "step" else 0

    def meaning(self) -> dict[str, Any]:
        """The settings the weights after an epoch depend on.

        The number of epochs is one of them only where the schedule looks at it: otherwise a finished run can be
        extended.
        """
        asked = self.asked
        own: dict[str, Any] = (
            {"step_size": asked.step_size, "gamma": asked.gamma}
            if asked.schedule == "step"
            else {"epochs": asked.epochs}
        )
        return {
            "sigma": self.sigma,
            "loss": self.loss.config(),
            "batch_size": asked.batch_size,
            "lr": self.lr,
            "momentum": asked.momentum,
            "weight_decay": asked.weight_decay,
            "schedule": asked.schedule,
            **own,
            # Left out where there is none: what was trained before there was any keeps its meaning.
            **({} if self.augment == "none" else {"augment": self.augment}),
            **({} if asked.task == "classifier" else {"task": asked.task}),
            **({} if self.optimizer == "sgd" else {"optimizer": self.optimizer}),
            "seed": asked.seed,
            "precision": asked.precision,
        }
