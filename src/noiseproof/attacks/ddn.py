"""DDN: the smallest perturbation, by steps whose direction and norm are decoupled, on the soft vote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from noiseproof.arguments import at_least_one, flag, real, settle
from noiseproof.attacks.base import Attack, tensors
from noiseproof.attacks.steps import ascent, l2_norm, noise_draws, onto_sphere

if TYPE_CHECKING:
    from torch import Tensor

    from noiseproof.attacks.base import Example, Point, TargetModel

FURTHER = (1.0, 1.15, 1.4)
"""Where the judge is asked, in units of the smallest perturbation found: there the vote may still be too close."""


@dataclass(frozen=True)
class DDN(Attack):
    """The smallest L2 perturbation that makes another class win, as far as a few steps find it.

    Each step goes in the gradient's direction; the norm then shrinks by ``gamma`` where another class leads by
    ``margin``, and grows by it where not, up to the distance allowed. New noise in every step.

    Args:
        steps: how many.
        draws: noisy copies of an input that each gradient is taken over.
        gamma: by how much the norm changes in a step, in (0, 1).
        margin: the share of votes by which another class must lead, in [0, 1): the judge wants to be sure.
        clip: stay in [0, 1], as pictures do.

    Raises:
        ValueError: an argument is out of range.

    Source: Rony et al. 2019, algorithm 1, on the soft vote of Salman et al. 2019.
    """

    steps: int = 40
    draws: int = 64
    gamma: float = 0.05
    margin: float = 0.15
    clip: bool = True

    name: ClassVar[str] = "ddn"
    distances: ClassVar[Literal["each", "largest", "radius"]] = "largest"

    def __post_init__(self) -> None:
        settle(self, {"steps": at_least_one, "draws": at_least_one, "gamma": real, "margin": real, "clip": flag})
        if not 0 < self.gamma < 1:
            raise ValueError(f"gamma must be in (0, 1), got {self.gamma}")
        if not 0 <= self.margin < 1:
            raise ValueError(f"margin must be in [0, 1), got {self.margin}")

    def search(self, target: TargetModel, examples: Sequence[Example]) -> list[list[Point]]:
        """The smallest found and points further along the same line; the furthest allowed where none was found."""
        x, y, radius = tensors(target, examples)
        generators = [example.generator(target.device) for example in examples]
        reach = radius.to(x.dtype)
        column = (-1, *[1] * (x.dim() - 1))
        # the first third of the steps at least can reach the distance allowed, the others come back
        norm = reach / 3
        delta, best = torch.zeros_like(x), torch.zeros_like(x)
        smallest = torch.full_like(reach, torch.inf)
        for step in range(self.steps + 1):  # one more: the last point is looked at too
            noise = noise_draws(x, self.draws, target.noise, generators)
            direction, lead = ascent(target.base, x + delta, y, noise, rows=target.rows)
            other, length = lead < -self.margin, l2_norm(delta)
            better = other & (length < smallest)
            best = torch.where(better.view(column), delta, best)
            smallest = torch.where(better, length, smallest)
            if step == self.steps:
                break
            norm = torch.minimum(torch.where(other, (1 - self.gamma) * norm, (1 + 2 * self.gamma) * norm), reach)
            size = 0.5 + 0.5 * math.cos(math.pi * step / self.steps)  # from 1 to 0, as in the paper
            moved = delta + (norm * max(size, 0.05)).view(column) * direction
            delta = self._on_sphere(x, moved, norm)
        furthest = self._on_sphere(x, delta, reach)
        found = torch.where(smallest.isfinite().view(column), best, furthest)
        once = [(x + found).cpu().double().numpy()]
        further = [(x + found * factor).cpu().double().numpy() for factor in FURTHER[1:]]
        also = (smallest.isfinite() & (smallest > 0)).tolist()
        return [[line[i] for line in (once + further if also[i] else once)] for i in range(len(examples))]

    def _on_sphere(self, x: Tensor, delta: Tensor, norm: Tensor) -> Tensor:
        scaled = onto_sphere(delta, norm)
        return (x + scaled).clamp(0, 1) - x if self.clip else scaled

    def per_example(self) -> int:
        """The draws of a gradient."""
        return self.draws
