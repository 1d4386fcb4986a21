"""SmoothMix: mixtures of a picture and its over-confident adversary, with a target between its vote and no opinion."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.arguments import at_least_one, flag, settle
from noiseproof.attacks import PGD
from noiseproof.attacks.steps import into_ball
from noiseproof.training.losses.base import Loss, LossIn, LossOut
from noiseproof.training.losses.noisy import accuracy, frozen_in_eval_mode, log_vote, noisy_scores
from noiseproof.training.losses.published import at_sigma, mnist_like
from noiseproof.training.losses.settings import above_zero, at_least_zero, whole_at_least_zero
from noiseproof.training.randomness import uniform


@dataclass(frozen=True)
class SmoothMixLoss(Loss):
    """mean_i CE(f(x + delta_i), y) + eta [p_bar(x) is right] mean_i KL(target || f(x_mix + delta_i)).

    x_T lies T steps of length ``step`` up -log p_bar_y, in no ball but in [0, 1]; x_mix = (1 - l) x + l x_T and
    target = (1 - l) p_bar(x) + l/classes with l ~ U(0, 1/2), one a picture. The target is not detached; the draws are
    the same everywhere. (T + 2) m passes.

    The published training takes m steps of the optimizer on parts of each loaded batch of 256: batches of 256/m here.

    Attributes:
        step: length of a step of the attack in input units (L2), > 0; published: .5/1/2 for sigma .25/.5/1, MNIST-like
            1.
        steps: T, steps of the attack, >= 1; published: 4, MNIST-like 2/4/8.
        m: noise draws per picture, >= 1; published: 2, MNIST-like 4.
        one_step: whether x is everywhere replaced by a one-step adversary, no further away than ``step`` times the
            warm-up; published: at sigma .5 and 1, not for MNIST-like pictures.
        eta: weight of the mixtures, >= 0.
        warmup: epochs over which eta grows, >= 0: eta/warmup in the first one, 2 eta/warmup in the second.

    Raises:
        ValueError: a setting is out of range.

    Source: Jeong et al. 2021, equations 9 to 12, and the authors' code (``train.py``).
    """

    step: float
    steps: int
    m: int
    one_step: bool = False
    eta: float = 5.0
    warmup: int = 10

    name: ClassVar[str] = "smoothmix"

    def __post_init__(self) -> None:
        settle(self, {"step": above_zero, "eta": at_least_zero, "one_step": flag})
        settle(self, {"m": at_least_one, "steps": at_least_one, "warmup": whole_at_least_zero})

    @classmethod
    def published(cls, *, sigma: float, data: str) -> dict[str, Any]:
        """See ``Loss``."""
        if mnist_like(data):
            return {"step": 1.0, "steps": int(at_sigma(sigma, 2, 4, 8)), "m": 4}
        return {
            "step": at_sigma(sigma, 0.5, 1.0, 2.0),
            "steps": 4,
            "m": 2,
            "one_step": bool(at_sigma(sigma, False, True, True)),
        }

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss``."""
        x, y = batch.x, batch.y
        noise = batch.noise(self.m)
        share = 0.5 * uniform(x, generator=batch.generator)
        warmed = batch.phase.warmed(self.warmup)
        x, x_T = self._adversaries(model, x, y, noise, warmed)
        scores = noisy_scores(model, x, noise)
        loss = F.cross_entropy(scores.flatten(0, 1), y.repeat(self.m))
        if self.eta > 0:
            x_mix = torch.lerp(x, x_T, share.view(-1, *[1] * (x.dim() - 1)))
            log_q = noisy_scores(model, x_mix, noise).log_softmax(dim=2)
            p_bar, weight = log_vote(scores).exp(), share.double().view(-1, 1)
            target = (1 - weight) * p_bar + weight / p_bar.shape[1]
            divergence = F.kl_div(log_q, target.expand_as(log_q), reduction="none").sum(dim=2)
            right = p_bar.argmax(dim=1) == y
            loss = loss + self.eta * warmed * (right * divergence).mean()
        return LossOut(loss, accuracy(scores, y))

    def _adversaries(
        self, model: nn.Module, x: Tensor, y: Tensor, noise: Tensor, warmed: float
    ) -> tuple[Tensor, Tensor]:
        """The picture to train on, and x_T."""
        if self.eta == 0 and not self.one_step:
            return x, x  # nobody looks at x_T
        kept = itertools.repeat(noise.view(self.m, *x.shape))
        beyond = 2 * self.step * self.steps  # further than the steps can go
        with frozen_in_eval_mode(model) as still:
            x_T = x_1 = PGD(steps=1, draws=self.m, step=self.step).climb(still, x, y, radius=beyond, noises=kept)
            if self.steps > 1:
                more = PGD(steps=self.steps - 1, draws=self.m, step=self.step)
                x_T = more.climb(still, x_1, y, radius=beyond, noises=kept)
        if self.one_step:
            x = x + into_ball(x_1 - x, torch.full((len(x),), self.step * warmed, dtype=x.dtype, device=x.device))
        return x.detach(), x_T.detach()
