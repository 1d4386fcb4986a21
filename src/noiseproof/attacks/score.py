"""A black-box search: from scores alone, for classifiers without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch

from noiseproof.arguments import at_least_one, flag, integer, real, settle
from noiseproof.attacks.base import Attack, tensors
from noiseproof.attacks.steps import into_ball, l2_norm

if TYPE_CHECKING:
    from torch import Tensor

    from noiseproof.attacks.base import Example, Point, TargetModel


@dataclass(frozen=True)
class ScoreSearch(Attack):
    """Descends p_y of the smoothed classifier by what its own noisy inputs scored: no gradient is taken.

    grad p_y(x) = E[f_y(x + delta) delta] / sigma^2: of the noisy copies, those that score low for y say where to go.
    Noise comes in pairs delta, -delta; noisy inputs are rounded to the grid as the run's own are. It costs
    steps * draws scores an input, never more.

    Args:
        steps: how many.
        draws: noisy copies of an input a step, even.
        momentum: how much of the last direction is kept, in [0, 1): the estimate is noisy, its mean less so.
        clip: stay in [0, 1], as pictures do.

    Raises:
        ValueError: an argument is out of range.

    Source: Stein's lemma, as in lemma 1 of Salman et al. 2019; antithetic pairs as in Ilyas et al. 2018.
    """

    steps: int = 10
    draws: int = 512
    momentum: float = 0.75
    clip: bool = True

    name: ClassVar[str] = "score"
    needs_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        settle(self, {"steps": at_least_one, "draws": partial(integer, least=2), "momentum": real, "clip": flag})
        if self.draws % 2:
            raise ValueError(f"draws must be even, got {self.draws}; they come in pairs")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")

    def search(self, target: TargetModel, examples: Sequence[Example]) -> list[list[Point]]:
        """One point an example: the last one."""
        x, y, radius = tensors(target, examples)
        generators = [example.generator(target.device) for example in examples]
        column = (-1, *[1] * (x.dim() - 1))
        reach = radius.to(x.dtype)
        delta, towards = torch.zeros_like(x), torch.zeros_like(x)
        for _ in range(self.steps):
            down = torch.stack(
                [
                    self._downhill(target, x[i] + delta[i], int(y[i]), generator)
                    for i, generator in enumerate(generators)
                ]
            )
            towards = self.momentum * towards + down
            length = l2_norm(towards).view(column)
            step = towards * torch.where(length > 0, (2 * reach / self.steps).view(column) / length, 0.0)
            delta = into_ball(delta + step, reach)
            if self.clip:
                delta = (x + delta).clamp(0, 1) - x
        return [[point] for point in (x + delta).cpu().double().numpy()]

    def per_example(self) -> int:
        """The draws of a step."""
        return self.draws

    def _downhill(self, target: TargetModel, x: Tensor, y: int, generator: torch.Generator) -> Tensor:
        """The direction in which p_y falls, estimated, of L2 norm 1; zero where all draws score alike."""
        left, grid = self.draws // 2, target.noise.grid
        total = torch.zeros_like(x)
        while left > 0:
            n = min(left, max(1, target.rows // 2))
            left -= n
            noise = target.noise.sample(x, n, generator)
            noise = torch.cat([noise, -noise])
            noisy = x + noise
            if grid is not None:
                noisy = (noisy * grid).round() / grid
            with torch.inference_mode():
                p_y = target.base(noisy).double().softmax(dim=1)[:, y]
            half = ((p_y[:n] - p_y[n:]) / 2).nan_to_num(0.0)  # a draw without a score says nothing
            total = total - torch.tensordot(half.to(x.dtype), noise[:n], dims=1)
        length = torch.linalg.vector_norm(total)
        return total / length if bool(length > 0) else total
