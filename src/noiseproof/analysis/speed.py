"""How fast draws were: what was measured side by side in one run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Speed:
    """Draws a second of one of them.

    Attributes:
        name: what was measured.
        batch: rows a forward pass.
        draws_per_second: of each round.
    """

    name: str
    batch: int
    draws_per_second: tuple[float, ...]

    @property
    def median(self) -> float:
        """Over the rounds."""
        return median(self.draws_per_second)

    def times(self, other: Speed) -> float:
        """How many times as fast as another: the median of the ratios within a round."""
        return median(a / b for a, b in zip(self.draws_per_second, other.draws_per_second, strict=True))


@dataclass(frozen=True)
class Bench:
    """What was measured in one run, every round one after the other.

    Attributes:
        environment: model, data, sigma, device, backend, precision, workers, versions.
        mflop: of a draw, a multiplication and an addition counted as two.
        peak: fp32 GFLOP/s of matrix products on all workers, median.
        foreign: share of the cores' time that other processes took meanwhile.
        forward: the forward pass alone, on every worker.
        certify: through the engine, noise and counting included.
        published: the textbook loop in batches of 1000.
        best: the textbook loop at its best batch.
    """

    environment: dict[str, Any]
    mflop: float
    peak: float
    foreign: float
    forward: Speed
    certify: Speed
    published: Speed
    best: Speed

    @property
    def speeds(self) -> tuple[Speed, ...]:
        """All that were measured."""
        return self.forward, self.certify, self.published, self.best
