"""Whether an attack broke the smoothed classifier: PREDICT, on noise that the attack cannot have known."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.engine import Backend, Drawn, Engine, Finished, Task
from noiseproof.errors import UnsupportedError
from noiseproof.noises import Gaussian
from noiseproof.noises.keys import input_key
from noiseproof.noises.rounded import RoundedFloatGaussian
from noiseproof.types import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.procedures import Predict


@dataclass(frozen=True)
class Verdict:
    """What PREDICT said of one point.

    Attributes:
        prediction: the class and its p-value, or an abstention.
        votes: class votes; what is missing to n are void draws.
        seed: of the noise, from the operating system.
    """

    prediction: Prediction
    votes: tuple[int, ...]
    seed: int


def judging_noise(noise: Noise) -> Noise:
    """The noise that samples a run's own smoothed classifier at points off the grid.

    Raises:
        UnsupportedError: not Gaussian noise.
    """
    if not isinstance(noise, Gaussian):
        raise UnsupportedError(f"attacks know Gaussian noise only, not {noise.family}")
    if noise.grid is None:
        return noise
    return RoundedFloatGaussian(sigma=noise.sigma, grid=noise.grid, dimension=noise.dimension)


def judge(backend: Backend, noise: Noise, procedure: Predict, points: Sequence[NDArray[Any]]) -> list[Verdict]:
    """PREDICT of each point on fresh noise: with probability 1 - alpha each, the class of g there or an abstention.

    The seed is drawn here, from the operating system, when the points are fixed.

    Args:
        backend: of the base classifier, under ``noise``.
        noise: of ``judging_noise``.
        procedure: PREDICT.
        points: in input units.
    """
    seed = secrets.randbits(64)
    keys: dict[str, NDArray[Any]] = {}
    for point in points:
        x = noise.encode(point) if isinstance(noise, RoundedFloatGaussian) else np.asarray(point, dtype=np.float64)
        keys[input_key(x, taken=keys)] = x
    votes: dict[str, NDArray[np.int64]] = {}
    verdicts: dict[str, Verdict] = {}
    for event in Engine(backend, noise, procedure, seed).run(Task(key, x) for key, x in keys.items()):
        key = event.task.key
        if isinstance(event, Drawn):
            votes[key] = votes.get(key, 0) + np.array(event.votes, dtype=np.int64)
        if isinstance(event, Finished):
            assert isinstance(event.outcome, Prediction)
            verdicts[key] = Verdict(event.outcome, tuple(votes[key].tolist()), seed)
    return [verdicts[key] for key in keys]
