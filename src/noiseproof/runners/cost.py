"""What a job will cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noiseproof.engine import Task

if TYPE_CHECKING:
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.runners.job import Job


@dataclass(frozen=True)
class Cost:
    """What a job will cost.

    Attributes:
        inputs: inputs that are not finished yet.
        inputs_total: inputs wanted.
        draws: draws they need at most.
        draws_per_second: measured on this machine just now.
        seconds: draws / draws_per_second.
    """

    inputs: int
    inputs_total: int
    draws: int
    draws_per_second: float
    seconds: float


def draws_per_second(job: Job, backend: PooledBackend, seconds: float) -> float:
    """The rate of a job here and now, measured for some ``seconds`` on its first input."""
    x, engine = job.input(job.indices[0]), job.engine(backend)
    engine.warm_up(x)
    draws, started = 0, time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds or not draws:
        for _, answer in engine.draw([(Task("calibration", x), [("cost", backend.depth * backend.batch_size)])]):
            draws += answer.n
    return draws / elapsed
