"""The settings of a training run: checked once, and the part of them that its weights depend on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from noiseproof.errors import unknown
from noiseproof.training.augment import AUGMENTATIONS
from noiseproof.training.losses import Loss

SCHEDULES = ("step", "cosine")
PRECISIONS = ("fp32", "bf16")
OPTIMIZERS = ("sgd", "adam")
TASKS = ("classifier", "denoiser")


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are in ``train``.

    Raises:
        ValueError: a setting is out of range; the text names it, the rule and the value.
    """

    sigma: float
    epochs: int
    batch_size: int
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    step_size: int
    gamma: float
    loss: Loss
    augment: str
    seed: int
    precision: str
    task: str = "classifier"
    optimizer: str = "sgd"

    def __post_init__(self) -> None:
        for name in ("sigma", "weight_decay"):
            self._check(name, f"{name} must be >= 0", getattr(self, name) >= 0)
        for name in ("epochs", "batch_size", "step_size"):
            self._check(name, f"{name} must be >= 1", getattr(self, name) >= 1)
        self._check("lr", "lr must be > 0", self.lr > 0)
        self._check("gamma", "gamma must be in (0, 1]", 0 < self.gamma <= 1)
        self._check("momentum", "momentum must be in [0, 1)", 0 <= self.momentum < 1)
        if self.schedule not in SCHEDULES:
            raise ValueError(unknown("schedule", self.schedule, SCHEDULES))
        if self.augment not in AUGMENTATIONS:
            raise ValueError(unknown("augmentation", self.augment, AUGMENTATIONS))
        for name, value, known in (("task", self.task, TASKS), ("optimizer", self.optimizer, OPTIMIZERS)):
            if value not in known:
                raise ValueError(unknown(name, value, known))
        if self.precision not in PRECISIONS:
            raise ValueError(unknown("precision", self.precision, PRECISIONS))

    def _check(self, name: str, rule: str, holds: bool) -> None:
        value = getattr(self, name)
        if not (holds and math.isfinite(value)):
            raise ValueError(f"{rule}, got {value}")

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0: a function of the epoch alone."""
        if self.schedule == "cosine":
            return self.lr * (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        return self.lr * self.gamma ** self.rate_drops(epoch)

    def rate_drops(self, epoch: int) -> int:
        """How often the learning rate has dropped before an epoch, counted from 0; 0 for cosine."""
        return epoch // self.step_size if self.schedule == "step" else 0

    def meaning(self) -> dict[str, Any]:
        """The settings the weights after an epoch depend on.

        The number of epochs is one of them only where the schedule looks at it: otherwise a finished run can be
        extended.
        """
        own: dict[str, Any] = (
            {"step_size": self.step_size, "gamma": float(self.gamma)}
            if self.schedule == "step"
            else {"epochs": self.epochs}
        )
        return {
            "sigma": float(self.sigma),
            "loss": self.loss.config(),
            "batch_size": self.batch_size,
            "lr": float(self.lr),
            "momentum": float(self.momentum),
            "weight_decay": float(self.weight_decay),
            "schedule": self.schedule,
            **own,
            # Left out where there is none: what was trained before there was any keeps its meaning.
            **({} if self.augment == "none" else {"augment": self.augment}),
            **({} if self.task == "classifier" else {"task": self.task}),
            **({} if self.optimizer == "sgd" else {"optimizer": self.optimizer}),
            "seed": self.seed,
            "precision": self.precision,
        }
