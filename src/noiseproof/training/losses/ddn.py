"""DDN as it is used in training: few steps towards the smallest perturbation that matters, on noise that is kept."""

from __future__ import annotations

from math import cos, pi

import torch
from torch import Tensor, nn

from noiseproof.attacks.steps import ascent, into_ball, l2_norm, onto_sphere

GAMMA = 0.05
"""By how much the norm changes in a step."""
LAST = 0.01
"""The length of the last step; those before come down to it from 1 along a half cosine."""


def smallest_perturbed(base: nn.Module, x: Tensor, y: Tensor, noise: Tensor, *, steps: int, eps: float) -> Tensor:
    """Pictures with the smallest perturbation seen on the way under which a class other than y has the most votes.

    Each step goes up -log p_bar_y, then the perturbation is brought to a norm, which starts at eps and shrinks by
    ``GAMMA`` where another class has the most votes, grows by it where not. The point of the last step is not
    looked at. Where no class but y ever won, and where one wins at x itself, x is returned as it is.

    Unlike the authors' code it does not round to 256 levels, makes no random step where there is no gradient, and where
    y and another class have as many votes y counts as the winner (there the class of the lower number).

    Args:
        base: the base classifier, in eval mode.
        x: pictures in [0, 1], [batch, C, H, W].
        y: classes, int64 [batch].
        noise: delta, [m, batch, C, H, W], the same in every step.
        steps: how many.
        eps: the L2 norm of the first perturbation, and the largest of the last.

    Source: Rony et al. 2019, algorithm 1; ``DDN`` in the code of Salman et al. 2019 (``attacks.py``).
    """
    delta, best = torch.zeros_like(x), torch.zeros_like(x)
    radius = torch.full((len(x),), eps, dtype=x.dtype, device=x.device)
    norm, smallest = radius, torch.full_like(radius, torch.inf)
    for step in range(1, steps + 1):
        uphill, lead = ascent(base, x + delta, y, noise)
        other, length = lead < 0, l2_norm(delta)
        better = other & (length < smallest)
        best = torch.where(better.view(-1, *[1] * (x.dim() - 1)), delta, best)
        smallest = torch.where(better, length, smallest)
        norm = torch.where(other, (1 - GAMMA) * norm, (1 + GAMMA) * norm)
        size = LAST + (1 - LAST) * (1 + cos(pi * step / steps)) / 2
        delta = (x + onto_sphere(delta + size * uphill, norm)).clamp(0, 1) - x
    return x + into_ball(best, radius)
