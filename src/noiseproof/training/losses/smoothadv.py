"""SmoothAdv: adversarial training of the smoothed classifier."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 (the name the whole field uses)
from torch import Tensor, nn

from noiseproof.arguments import integer
from noiseproof.attacks import PGD
from noiseproof.training.losses.base import Loss, LossOut, Progress
from noiseproof.training.losses.consistency import consistency
from noiseproof.training.losses.noisy import accuracy, held_still, noisy_scores
from noiseproof.training.losses.published import at_sigma, mnist_like
from noiseproof.training.losses.settings import at_least_zero
from noiseproof.training.randomness import normal


@dataclass(frozen=True)
class SmoothAdvLoss(Loss):
    """mean_i CE(f(x* + delta_i), y), x* a point within eps at which -log p_bar_y is large, found by PGD.

    The draws delta_i are the same in every step of the attack and in the training pass. The attack is made in eval
    mode on fixed weights, and x* is a constant to the gradient. It is cut to [0, 1] after the ball (the authors cut
    before it; both keep to either). With ``lambda_`` or ``eta`` the consistency terms at x*
    are added. (T + 1) m passes.

    The published training takes m steps of the optimizer on parts of each loaded batch of 256: batches of 256/m here.

    Attributes:
        eps: L2 radius of the attack in input units, >= 0; published: 1/1/2 for sigma .25/.5/1, MNIST-like 1.
        m: noise draws per picture, >= 1; published: 4/8/2, MNIST-like 4.
        steps: T, steps of the attack, >= 1, each of length 2 eps/T.
        warmup: epochs over which eps grows, >= 0: eps/warmup in the first one, 2 eps/warmup in the second.
        lambda_: weight of the divergence of ``ConsistencyLoss`` at x*, >= 0.
        eta: weight of its entropy, >= 0.

    Raises:
        ValueError: a setting is out of range.

    Source: Salman et al. 2019, equation 6 and algorithm 1; settings of Jeong & Shin 2020, whose sum with consistency it
    is, too.
    """

    eps: float
    m: int
    steps: int = 10
    warmup: int = 10
    lambda_: float = 0.0
    eta: float = 0.0

    name: ClassVar[str] = "smoothadv"

    def __post_init__(self) -> None:
        for name in ("eps", "eta"):
            object.__setattr__(self, name, at_least_zero(name, getattr(self, name)))
        object.__setattr__(self, "lambda_", at_least_zero("lambda", self.lambda_))
        for name, least in (("m", 1), ("steps", 1), ("warmup", 0)):
            object.__setattr__(self, name, integer(name, getattr(self, name), least=least))

    @classmethod
    def published(cls, *, sigma: float, data: str) -> dict[str, Any]:
        """See ``Loss``."""
        if mnist_like(data):
            return {"eps": 1.0, "m": 4}
        return {"eps": at_sigma(sigma, 1.0, 1.0, 2.0), "m": int(at_sigma(sigma, 4, 8, 2))}

    def __call__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        sigma: float,
        generator: torch.Generator,
        progress: Progress,
    ) -> LossOut:
        """See ``Loss``."""
        noise = normal(x, m=self.m, generator=generator).mul_(sigma)
        if self.eps > 0:
            kept = itertools.repeat(noise.view(self.m, *x.shape))
            with held_still(model) as still:
                eps = self.eps * progress.warmed(self.warmup)
                x = PGD(steps=self.steps, draws=self.m).climb(still, x, y, radius=eps, noises=kept).detach()
        scores = noisy_scores(model, x, noise)
        loss = F.cross_entropy(scores.flatten(0, 1), y.repeat(self.m))
        if self.lambda_ > 0 or self.eta > 0:
            loss = loss + consistency(scores, lambda_=self.lambda_, eta=self.eta)
        return LossOut(loss, accuracy(scores, y))
