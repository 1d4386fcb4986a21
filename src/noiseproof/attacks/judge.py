"""Whether an attack broke the smoothed classifier: PREDICT, on noise that the attack cannot have known."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine import Backend, Drawn, Engine, Finished, Task
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Predict
from noiseproof.types import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise


@dataclass(frozen=True)
class Judged:
    """What PREDICT said of one point.

    Attributes:
        prediction: the class and its p-value, or an abstention.
        votes: class votes; what is missing to n are void draws.
        seed: of the noise, from the operating system.
        arithmetic: of the noise: "exact integers, grid 255" on a run's grid, rounded float noise off it.
    """

    prediction: Prediction
    votes: tuple[int, ...]
    seed: int
    arithmetic: str


def judge(backend: Backend, noise: Noise, procedure: Predict, points: Sequence[NDArray[Any]]) -> list[Judged]:
    """PREDICT of each point on fresh noise: with probability 1 - alpha each, the class of g there or an abstention.

    The seed is drawn here, from the operating system, when the points are fixed.

    Args:
        backend: of the base classifier, under ``noise``.
        noise: ``noise.anywhere()`` of a run's, or its own for points on its grid.
        procedure: PREDICT.
        points: in input units.
    """
    return _predicted(backend, noise, procedure, points, secrets.randbits(64))


class Judge:
    """Says of points whether the smoothed classifier of a run is of another class there.

    Points on the run's grid are judged under its own exact noise, others under the noise that samples it anywhere.
    """

    def __init__(self, noise: Noise, backend: Callable[[Noise], Backend]) -> None:
        """A judge; ``close`` it.

        Args:
            noise: of the run.
            backend: makes one under a noise; called when it is first needed.

        Raises:
            UnsupportedError: nothing samples the noise at any point.
        """
        self.noise, self._make, self._made = noise, backend, dict[str, Backend]()
        self._off_grid = noise.anywhere()

    def noise_at(self, point: NDArray[Any]) -> Noise:
        """What the point is judged under."""
        return self.noise if self.noise.on_grid(point) else self._off_grid

    def backend(self, noise: Noise) -> Backend:
        """The one that draws under this noise."""
        if noise.arithmetic not in self._made:
            self._made[noise.arithmetic] = self._make(noise)
        return self._made[noise.arithmetic]

    def __call__(self, procedure: Predict, points: Sequence[NDArray[Any]]) -> list[Judged]:
        """A verdict on each point, on noise of a seed that the operating system gives now."""
        return self._of_each(procedure, points, lambda: secrets.randbits(64))

    def votes(self, points: Sequence[NDArray[Any]], n: int, seed: int) -> NDArray[np.int64]:
        """Class votes of n draws at each point, [points, classes], for an attack that has a seed of its own."""
        asked = Predict(n=n, alpha=0.5)
        return np.array([verdict.votes for verdict in self._of_each(asked, points, lambda: seed)], dtype=np.int64)

    def close(self) -> None:
        """Stop the workers."""
        for backend in self._made.values():
            backend.close()

    def _of_each(self, procedure: Predict, points: Sequence[NDArray[Any]], seed: Callable[[], int]) -> list[Judged]:
        found: dict[int, Judged] = {}
        under = [self.noise_at(point) for point in points]
        for noise in dict.fromkeys(under):
            here = [i for i, one in enumerate(under) if one == noise]
            verdicts = _predicted(self.backend(noise), noise, procedure, [points[i] for i in here], seed())
            found.update(zip(here, verdicts, strict=True))
        return [found[i] for i in range(len(points))]


def _predicted(
    backend: Backend, noise: Noise, procedure: Predict, points: Sequence[NDArray[Any]], seed: int
) -> list[Judged]:
    keys: dict[str, NDArray[Any]] = {}
    for point in points:
        x = noise.encode(point)
        keys[input_key(x, taken=keys)] = x
    votes: dict[str, NDArray[np.int64]] = {}
    verdicts: dict[str, Judged] = {}
    for event in Engine(backend, noise, seed).run(procedure, (Task(key, x) for key, x in keys.items())):
        key = event.task.key
        if isinstance(event, Drawn):
            votes[key] = votes.get(key, 0) + np.array(event.votes, dtype=np.int64)
        if isinstance(event, Finished):
            assert isinstance(event.outcome, Prediction)
            verdicts[key] = Judged(event.outcome, tuple(votes[key].tolist()), seed, noise.arithmetic)
    return [verdicts[key] for key in keys]
