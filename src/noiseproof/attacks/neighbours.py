"""The nearest points there are: last digits of floating point, and pictures one grid step away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from noiseproof.arguments import integer
from noiseproof.attacks.base import Attack

if TYPE_CHECKING:
    from noiseproof.attacks.base import Example, Point, TargetModel


@dataclass(frozen=True)
class Neighbours(Attack):
    """Points that a certificate cannot tell from the input, but floating point may.

    Up and down: the next float64 and float32 number in all coordinates; a step of 2^-24 (the parity that float32 noise
    leaks) in all and in a random half of them; one step of the grid in a random half, and in as many random ones as
    the ball has room for. Each is voted on by ``draws`` draws under the run's own
    noise, and the one that looks worst is handed over.

    Args:
        draws: that each neighbour is looked at with.

    Raises:
        ValueError: an argument is out of range.

    Source: STATISTICS.md, section 6: certificates that are false by floating point.
    """

    draws: int = 64

    name: ClassVar[str] = "neighbours"
    distances: ClassVar[Literal["each", "largest", "radius"]] = "radius"
    needs_gradient: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "draws", integer("draws", self.draws, least=4))

    def search(self, target: TargetModel, examples: Sequence[Example]) -> list[list[Point]]:
        """The neighbour of each example at which its class does worst."""
        found: list[list[Point]] = []
        for example in examples:
            generator = np.random.default_rng(example.seed)
            points = neighbours(example.x, example.radius, target.noise.grid or 255, generator)
            if not points:
                found.append([])
                continue
            votes = target.votes(points, self.draws, example.seed)
            rivals = np.delete(votes, example.y, axis=1).max(axis=1)
            found.append([points[int(np.argmin(votes[:, example.y] - rivals))]])
        return found

    def per_example(self) -> int:
        """The draws of all neighbours of an input."""
        return 16 * self.draws


def neighbours(x: Point, radius: float, grid: int, generator: np.random.Generator) -> list[Point]:
    """The neighbours of an input that lie in [0, 1] and within the radius; no two of them equal, none the input.

    Args:
        x: the input in [0, 1], float64.
        radius: L2, in input units.
        grid: steps of the pixel range.
        generator: picks coordinates.
    """
    half = generator.random(x.shape) < 0.5
    steps = np.rint(x * grid)
    room = int((radius * grid) ** 2 * (1 - 2.0**-40))  # coordinates that may move by one step
    some = (generator.permutation(x.size) < room).reshape(x.shape)
    single = x.astype(np.float32)
    moved = []
    for sign in (1.0, -1.0):
        moved += [
            np.nextafter(x, sign * np.inf),
            np.nextafter(single, np.float32(sign * np.inf)).astype(np.float64),
            x + sign * 2.0**-24,
            np.where(half, x + sign * 2.0**-24, x),
            np.where(half, (steps + sign) / grid, x),
            np.where(some, (steps + sign) / grid, x),
        ]
    moved.append(np.where(some, (steps + np.where(half, 1, -1)) / grid, x))
    kept: list[Point] = []
    for one in moved:
        point = np.where((one >= 0) & (one <= 1), one, x)
        near = float(np.linalg.norm(point - x)) <= radius
        if near and not any(np.array_equal(point, other) for other in [x, *kept]):
            kept.append(point)
    return kept
