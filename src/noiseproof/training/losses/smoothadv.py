"""SmoothAdv: adversarial training of the smoothed classifier."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.arguments import at_least_one, settle
from noiseproof.attacks import PGD
from noiseproof.errors import unknown
from noiseproof.training.losses.base import Loss, LossIn, LossOut
from noiseproof.training.losses.consistency import consistency
from noiseproof.training.losses.ddn import smallest_perturbed
from noiseproof.training.losses.noisy import accuracy, frozen_in_eval_mode, noisy_scores
from noiseproof.training.losses.published import at_sigma, mnist_like
from noiseproof.training.losses.settings import at_least_zero, whole_at_least_zero

ATTACKS = ("pgd", "ddn")


@dataclass(frozen=True)
class SmoothAdvLoss(Loss):
    """mean_i CE(f(x* + delta_i), y), x* a point within eps at which -log p_bar_y is large, found by PGD or DDN.

    The draws delta_i are the same in every step of the attack and in the training pass. The attack is made in eval
    mode on fixed weights, and x* is a constant to the gradient. PGD cuts it to [0, 1] after the ball (the authors cut
    before it; both keep to either). DDN looks for the smallest perturbation that makes another class win, and leaves x
    as it is where it finds none; see ``losses.ddn``. With ``lambda_`` or ``eta`` the consistency terms at x* are added.
    (T + 1) m passes.

    The published training takes m steps of the optimizer on parts of each loaded batch of 256: batches of 256/m here.

    Attributes:
        eps: L2 radius of the attack in input units, >= 0; published: 1/1/2 for sigma .25/.5/1, MNIST-like 1.
        m: noise draws per picture, >= 1; published: 4/8/2, MNIST-like 4.
        steps: T, steps of the attack, >= 1, those of PGD of length 2 eps/T; published for DDN: 2, 4 and 10.
        warmup: epochs over which eps grows, >= 0: eps/warmup in the first one, 2 eps/warmup in the second.
        lambda_: weight of the divergence of ``ConsistencyLoss`` at x*, >= 0.
        eta: weight of its entropy, >= 0.
        attack: "pgd", or "ddn", the other one of the paper; its settings beside T are those published for PGD.

    Raises:
        ValueError: a setting is out of range, or there is no such attack.

    Source: Salman et al. 2019, equation 6 and algorithm 1; settings of Jeong & Shin 2020, whose sum with consistency it
    is, too.
    """

    eps: float
    m: int
    steps: int = 10
    warmup: int = 10
    lambda_: float = 0.0
    eta: float = 0.0
    attack: str = "pgd"

    name: ClassVar[str] = "smoothadv"

    def __post_init__(self) -> None:
        settle(self, {"eps": at_least_zero, "eta": at_least_zero, "lambda_": at_least_zero})
        settle(self, {"m": at_least_one, "steps": at_least_one, "warmup": whole_at_least_zero})
        if self.attack not in ATTACKS:
            raise ValueError(unknown("attack", str(self.attack), ATTACKS))

    @classmethod
    def published(cls, *, sigma: float, data: str) -> dict[str, Any]:
        """See ``Loss``."""
        if mnist_like(data):
            return {"eps": 1.0, "m": 4}
        return {"eps": at_sigma(sigma, 1.0, 1.0, 2.0), "m": int(at_sigma(sigma, 4, 8, 2))}

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss``."""
        x, y = batch.x, batch.y
        noise = batch.noise(self.m)
        if self.eps > 0:
            with frozen_in_eval_mode(model) as still:
                eps = self.eps * batch.phase.warmed(self.warmup)
                x = self._attacked(still, x, y, noise.view(self.m, *x.shape), eps)
        scores = noisy_scores(model, x, noise)
        loss = F.cross_entropy(scores.flatten(0, 1), y.repeat(self.m))
        if self.lambda_ > 0 or self.eta > 0:
            loss = loss + consistency(scores, lambda_=self.lambda_, eta=self.eta)
        return LossOut(loss, accuracy(scores, y))

    def _attacked(self, still: nn.Module, x: Tensor, y: Tensor, noise: Tensor, eps: float) -> Tensor:
        """x*."""
        if self.attack == "ddn":
            return smallest_perturbed(still, x, y, noise, steps=self.steps, eps=eps)
        return (
            PGD(steps=self.steps, draws=self.m).climb(still, x, y, radius=eps, noises=itertools.repeat(noise)).detach()
        )

    def config(self) -> dict[str, Any]:
        """See ``Loss``; PGD is not named: a run from before there was a choice can be continued."""
        config = super().config()
        return config if self.attack != "pgd" else {name: config[name] for name in config if name != "attack"}
