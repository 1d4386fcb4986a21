"""What an attack is: a search for points of another class near an input, and what it may ask on the way."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise

    Point = NDArray[np.float64]


@dataclass(frozen=True)
class TargetModel:
    """The smoothed classifier as an attack sees it.

    Attributes:
        base: the base classifier, [rows, *shape] to scores, in eval mode.
        noise: what the classifier is smoothed by.
        device: where the base classifier lives.
        rows: noisy inputs a forward pass, about.
        votes: class votes of n draws at each point under the run's own noise and a seed of the attacker's:
            ``votes(points, n, seed)``, int64 [points, classes].
    """

    base: Callable[[torch.Tensor], torch.Tensor]
    noise: Noise
    device: torch.device
    rows: int
    votes: Callable[[Sequence[Point], int, int], NDArray[np.int64]]


@dataclass(frozen=True)
class Example:
    """One input to be attacked.

    Attributes:
        x: the input in [0, 1], float64.
        y: the class to lead it away from.
        radius: L2 distance allowed, in input units, >= 0.
        name: what the attack's own noise is keyed by; the same whatever it is attacked together with.
    """

    x: Point
    y: int
    radius: float
    name: str

    @property
    def seed(self) -> int:
        """Of the attack's own noise: 31 bits by SHA-256, as torch's CPU generator looks at 32 only."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big") >> 1

    def generator(self, device: torch.device) -> torch.Generator:
        """The attack's own noise."""
        return torch.Generator(device).manual_seed(self.seed)


class Attack(ABC):
    """A search for points of another class. A subclass is a frozen dataclass whose fields are its configuration."""

    name: ClassVar[str]
    distances: ClassVar[Literal["each", "largest", "radius"]] = "each"
    """Where it is used: at each distance; once, for the smallest perturbation, with the largest allowed; or once, in
    the certified ball alone."""
    needs_gradient: ClassVar[bool] = True
    """Whether it takes gradients of the base classifier."""
    clip: bool = True
    """Whether it stays in [0, 1], as pictures do."""

    @property
    def label(self) -> str:
        """What it is called in a report: its name, where that tells it from the others."""
        return self.name

    @abstractmethod
    def search(self, target: TargetModel, examples: Sequence[Example]) -> list[list[Point]]:
        """Points worth judging, float64, for each example; best first.

        A point further away than allowed is pulled into the ball by the caller.
        """

    def per_example(self) -> int:
        """Noisy copies of one input in a forward pass, at least: how many examples fit into a batch."""
        return 1

    def config(self) -> dict[str, Any]:
        """The attack as a plain table: ``{"name": "pgd", "steps": 20, ...}``."""
        settings: dict[str, Any] = asdict(self)  # type: ignore[call-overload]  # subclasses are dataclasses
        return {"name": self.name} | settings


def tensors(target: TargetModel, examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs (float32), classes and radii (float64) of examples, on the device of the base classifier."""
    return (
        torch.from_numpy(np.stack([example.x for example in examples])).to(target.device, torch.float32),
        torch.tensor([example.y for example in examples], device=target.device),
        torch.tensor([example.radius for example in examples], dtype=torch.float64, device=target.device),
    )


def has_gradient(base: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> bool:
    """Whether the scores of noisy inputs depend on the inputs in a way that torch can follow.

    Args:
        base: the base classifier.
        x: some noisy inputs, [rows, *shape].
    """
    points = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        scores = base(points.clone())  # no leaf: it may work in place
        if not scores.requires_grad:
            return False
        # weights of its own for each class: scores that add up to a constant have no gradient in their sum
        weights = torch.arange(1.0, scores.shape[1] + 1, dtype=torch.float64, device=scores.device)
        (gradient,) = torch.autograd.grad((scores.double() * weights).sum(), points, allow_unused=True)
    return gradient is not None and bool((gradient != 0).any())
