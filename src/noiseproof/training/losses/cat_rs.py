"""CAT-RS: the draws that are right are learned from, and of a picture that is right everywhere the worst case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.arguments import at_least_one, settle
from noiseproof.attacks.steps import direction, into_ball
from noiseproof.training.losses.base import Loss, LossIn, LossOut
from noiseproof.training.losses.noisy import accuracy, frozen_in_eval_mode, noisy_scores
from noiseproof.training.losses.published import at_sigma
from noiseproof.training.losses.settings import above_zero, at_least_zero
from noiseproof.training.randomness import uniform


@dataclass(frozen=True)
class CATRSLoss(Loss):
    """(1/m) sum of the K smallest CE(f(x + delta_i), y) + lambda [K = m] max_i KL(y_hat || f(x + delta_i*)).

    K is drawn from Binomial(m, the fraction of the draws that are right), and at least 1: one a picture. y_hat is the
    soft prediction of a smoothed Gaussian model trained before, given as ``targets``; without them it is the label
    itself (one-hot), which is not the published method. delta_i* is found from delta_i by T steps up the same
    divergence, each draw on its own: of length 2 eps/T, into the ball of radius eps around delta_i, then brought back
    to the mean and the scale of delta_i (so it may end outside that ball, by a fraction of about (eps/||delta||)^2/8).
    The attack is made in eval mode on fixed weights, and delta_i* is a constant to the gradient. (T + 2) m passes.

    The published training takes m steps of the optimizer on parts of each loaded batch of 256: batches of 256/m here.
    Its y_hat are the fractions of 10,000 votes on the training pictures (one crop and flip of each on CIFAR-10) of a
    Gaussian model of sigma .25, whatever the sigma of the training. What the authors do for ImageNet alone is left out:
    K by y_hat, and a last phase with 2 eps.

    Attributes:
        lambda_: weight of the worst case, >= 0; published: .5/1/2 for sigma .25/.5/1.
        eps: L2 radius of the attack on the noise in input units, > 0.
        m: noise draws per picture, >= 1.
        steps: T, steps of the attack, >= 1.

    Raises:
        ValueError: a setting is out of range.

    Source: Jeong, Kim & Shin 2023, and the authors' code (``train_catrs.py``).
    """

    lambda_: float
    eps: float = 1.0
    m: int = 4
    steps: int = 4

    name: ClassVar[str] = "cat-rs"
    uses_targets: ClassVar[bool] = True

    def __post_init__(self) -> None:
        settle(self, {"lambda_": at_least_zero, "eps": above_zero, "m": at_least_one, "steps": at_least_one})

    @classmethod
    def published(cls, *, sigma: float, data: str) -> dict[str, Any]:
        """See ``Loss``."""
        return {"lambda_": at_sigma(sigma, 0.5, 1.0, 2.0)}

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss``."""
        x, y = batch.x, batch.y
        noise = batch.noise(self.m)
        trials = torch.stack([uniform(x, generator=batch.generator) for _ in range(self.m)])
        scores = noisy_scores(model, x, noise)
        right = scores.detach().argmax(dim=2) == y
        kept = (trials < right.to(x.dtype).mean(dim=0)).sum(dim=0).clamp(min=1)  # K: [batch]
        fits = F.cross_entropy(scores.flatten(0, 1), y.repeat(self.m), reduction="none").view(self.m, -1)
        order = torch.arange(self.m, device=x.device).view(-1, 1)
        loss = torch.where(order < kept, fits.sort(dim=0).values, 0.0).sum(dim=0) / self.m
        if self.lambda_ > 0:
            y_hat = F.one_hot(y, scores.shape[2]) if batch.targets is None else batch.targets
            y_hat = y_hat.double()
            worst = _divergence(noisy_scores(model, x, self._attacked(model, x, y_hat, noise)), y_hat).amax(dim=0)
            loss = loss + self.lambda_ * torch.where(kept == self.m, worst, 0.0)
        return LossOut(loss.mean(), accuracy(scores, y))

    def _attacked(self, model: nn.Module, x: Tensor, y_hat: Tensor, noise: Tensor) -> Tensor:
        """The draws delta*, as ``noise`` [m * batch, C, H, W]."""
        eps = torch.full((len(noise),), self.eps, dtype=noise.dtype, device=noise.device)
        at = noise
        with frozen_in_eval_mode(model) as still:
            for _ in range(self.steps):
                point = at.detach().requires_grad_()
                (steepest,) = torch.autograd.grad(_divergence(noisy_scores(still, x, point), y_hat).sum(), point)
                moved = at - noise + 2 * self.eps / self.steps * direction(steepest)
                at = _restandardised(noise + into_ball(moved, eps), like=noise)
        return at


def _divergence(scores: Tensor, y_hat: Tensor) -> Tensor:
    """KL(y_hat || softmax of the scores), of [m, batch, classes] scores: [m, batch]."""
    return F.kl_div(scores.log_softmax(dim=2), y_hat.expand_as(scores), reduction="none").sum(dim=2)


def _restandardised(noise: Tensor, *, like: Tensor) -> Tensor:
    """Draws moved and stretched to the mean and, as in the authors' code, the root mean square of other draws."""
    over = tuple(range(1, noise.dim()))
    mean, target_mean = noise.mean(dim=over, keepdim=True), like.mean(dim=over, keepdim=True)
    scale, target_scale = (each.square().mean(dim=over, keepdim=True).sqrt() for each in (noise, like))
    stretch = torch.where(scale > 0, target_scale / scale, 1.0)  # no noise at all has no scale
    return target_mean + (noise - mean) * stretch
