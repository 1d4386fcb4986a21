"""MACER: the certified radius of the soft vote itself, made larger where the vote is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseproof.arguments import at_least_one, settle
from noiseproof.training.losses.base import Loss, LossIn, LossOut
from noiseproof.training.losses.noisy import accuracy, log_vote, noisy_scores
from noiseproof.training.losses.published import at_sigma, mnist_like
from noiseproof.training.losses.settings import above_zero, at_least_zero, whole_at_least_zero


@dataclass(frozen=True)
class MACERLoss(Loss):
    """-log p_bar_y + lambda sigma/2 [gamma - (Phi^-1(q1) - Phi^-1(q2))] where it applies, the mean over the batch.

    p_bar is the mean softmax over the draws, q that of beta times the scores, q1 and q2 its two largest. The second
    term applies to a picture whose largest q is the label's, with a finite difference of gamma at most. m passes.

    Attributes:
        lambda_: weight of the radius, >= 0; published: 12/4/12 for sigma .25/.5/1, MNIST-like 16/16/6.
        after_drops: the radius counts only once the learning rate has dropped so often, >= 0; published: 1 at sigma 1
            and for MNIST-like pictures, else 0.
        m: noise draws per picture, >= 1.
        beta: inverse temperature of q, > 0.
        gamma: hinge, > 0; no dimensions.

    Raises:
        ValueError: a setting is out of range.

    Source: Zhai et al. 2020, equations 10 to 12 and appendix C.
    """

    lambda_: float
    after_drops: int = 0
    m: int = 16
    beta: float = 16.0
    gamma: float = 8.0

    name: ClassVar[str] = "macer"

    def __post_init__(self) -> None:
        settle(self, {"lambda_": at_least_zero, "after_drops": whole_at_least_zero, "m": at_least_one})
        settle(self, {"beta": above_zero, "gamma": above_zero})

    @classmethod
    def published(cls, *, sigma: float, data: str) -> dict[str, Any]:
        """See ``Loss``."""
        if mnist_like(data):
            return {"lambda_": at_sigma(sigma, 16.0, 16.0, 6.0), "after_drops": 1}
        return {"lambda_": at_sigma(sigma, 12.0, 4.0, 12.0), "after_drops": int(at_sigma(sigma, 0, 0, 1))}

    @property
    def rate_drops_needed(self) -> int:
        """See ``Loss``."""
        return self.after_drops

    def compute(self, model: nn.Module, batch: LossIn) -> LossOut:
        """See ``Loss``."""
        x, y = batch.x, batch.y
        noise = batch.noise(self.m)
        scores = noisy_scores(model, x, noise)
        loss = F.nll_loss(log_vote(scores), y)
        if self.lambda_ > 0 and batch.phase.rate_drops >= self.after_drops:
            hinges = self._hinges(scores, y)
            loss = loss + self.lambda_ * batch.sigma / 2 * hinges.sum() / len(x)
        return LossOut(loss, accuracy(scores, y))

    def _hinges(self, scores: Tensor, y: Tensor) -> Tensor:
        """The terms gamma - (Phi^-1(q1) - Phi^-1(q2)) of the pictures to which they apply: [at most batch]."""
        q, classes = log_vote(self.beta * scores).topk(2, dim=1)
        first, second = torch.special.ndtri(q.detach().exp()).unbind(dim=1)
        # chosen before anything is differentiated: what is infinite would make every gradient not a number
        applies = (classes[:, 0] == y) & (first - second <= self.gamma)
        first, second = torch.special.ndtri(q[applies].exp()).unbind(dim=1)
        hinges: Tensor = self.gamma - (first - second)
        return hinges
