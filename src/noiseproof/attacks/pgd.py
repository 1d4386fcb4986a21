"""PGD: projected gradient steps that lower the smoothed classifier's soft vote for a class, in an L2 ball."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from noiseproof.arguments import at_least_one, flag, real, settle
from noiseproof.attacks.base import Attack, tensors
from noiseproof.attacks.steps import ascent_direction, into_ball, noise_draws

if TYPE_CHECKING:
    from noiseproof.attacks.base import Example, Point, TargetModel
    from noiseproof.noises import Noise


@dataclass(frozen=True)
class PGD(Attack):
    """Ascends -log p_bar_y(x') over ||x' - x|| <= radius, p_bar the mean softmax under the noise.

    Args:
        steps: T, how many.
        draws: m, noisy copies of an input that each gradient is taken over.
        step: L2 length of a step in input units; by default 2 radius / T, an input's own.
        fresh: new noise in every step (expectation over transformation); by default the noise is drawn once and
            kept, and the attack climbs one fixed function (plug-in).
        clip: keep x' in [0, 1], as pictures are.

    Raises:
        ValueError: an argument is out of range.

    Source: SmoothAdv in Salman et al. 2019.

    >>> from noiseproof.noises import Gaussian
    >>> base = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
    >>> x, y = torch.full((3, 1, 2, 2), 0.5), torch.tensor([0, 1, 0])
    >>> generator = torch.Generator().manual_seed(0)
    >>> found = PGD(draws=8)(base, x, y, radius=0.25, noise=Gaussian(sigma=0.5), generator=generator)
    >>> (found - x).flatten(1).norm(dim=1)
    tensor([0.2500, 0.2500, 0.2500])
    """

    steps: int = 20
    draws: int = 64
    step: float | None = None
    fresh: bool = False
    clip: bool = True

    name: ClassVar[str] = "pgd"

    def __post_init__(self) -> None:
        settle(self, {"steps": at_least_one, "draws": at_least_one, "fresh": flag, "clip": flag})
        if self.step is not None:
            settle(self, {"step": real})
            if not 0 < self.step < float("inf"):
                raise ValueError(f"step must be > 0 and finite, or None for 2 radius / steps, got {self.step}")

    def __call__(
        self,
        base: Callable[[Tensor], Tensor],
        x: Tensor,
        y: Tensor,
        *,
        radius: float | Tensor,
        noise: Noise,
        generator: torch.Generator | Sequence[torch.Generator],
        rows: int | None = None,
    ) -> Tensor:
        """The adversarial points x', [batch, *shape]; in the ball but for the last digits of x's own type.

        Args:
            base: the base classifier, [rows, *shape] to scores, in eval mode; its parameters get no gradients.
            x: inputs in [0, 1], [batch, *shape].
            y: the class to lead each input away from, int64 [batch].
            radius: of the L2 ball in input units, >= 0; one, or one an input.
            noise: what the classifier is smoothed by.
            generator: of the noise; one, or one an input, whose noise then does not depend on its batch.
            rows: noisy inputs a forward pass, about; by default all ``draws * batch``.

        Raises:
            ValueError: an argument is out of range.
        """
        if self.fresh:
            noises: Iterable[Tensor] = (noise_draws(x, self.draws, noise, generator) for _ in itertools.count())
        else:
            noises = itertools.repeat(noise_draws(x, self.draws, noise, generator))
        return self.climb(base, x, y, radius=radius, noises=noises, rows=rows)

    def climb(
        self,
        base: Callable[[Tensor], Tensor],
        x: Tensor,
        y: Tensor,
        *,
        radius: float | Tensor,
        noises: Iterable[Tensor],
        rows: int | None = None,
    ) -> Tensor:
        """The same with the noise given, [draws, batch, *shape] for each step; for training on that very noise."""
        radius = torch.as_tensor(radius, dtype=x.dtype, device=x.device).expand(len(x))
        if not bool(((radius >= 0) & radius.isfinite()).all()):
            raise ValueError(f"radius must be >= 0 and finite, got {radius.tolist()}")
        length = 2 * radius / self.steps if self.step is None else torch.full_like(radius, self.step)
        length = length.view(-1, *[1] * (x.dim() - 1))
        delta = torch.zeros_like(x)
        for _, noise in zip(range(self.steps), noises, strict=False):
            delta = into_ball(delta + length * ascent_direction(base, x + delta, y, noise, rows=rows), radius)
            if self.clip:
                delta = (x + delta).clamp(0, 1) - x  # x lies in [0, 1] itself: no coordinate grows
        return x + delta

    def search(self, target: TargetModel, examples: Sequence[Example]) -> list[list[Point]]:
        """One point an example: the last one."""
        x, y, radius = tensors(target, examples)
        generators = [example.generator(target.device) for example in examples]
        found = self(target.base, x, y, radius=radius, noise=target.noise, generator=generators, rows=target.rows)
        return [[point] for point in found.cpu().double().numpy()]

    @property
    def label(self) -> str:
        """Kept noise and fresh noise apart."""
        return "pgd-fresh" if self.fresh else "pgd"

    def per_example(self) -> int:
        """The draws of a gradient."""
        return self.draws
