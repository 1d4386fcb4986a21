"""The exact law of a noise, as a table: what the draws of a generator are held against."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri


@dataclass(frozen=True)
class Law:
    """The exact law of a number, as an integer: round(N(0, scale^2)).

    Attributes:
        scale: of one sigma, in integers.
        unit: what an integer is of what ``perturb`` adds.
        cap: the largest integer there is.
        p: P(k) for k = -cap - 1 .. cap + 1; the ends, which stand for everything beyond, are 0.
        reach: sigmas up to which there must be numbers on either side: what the radius does not allow for.
    """

    scale: float
    unit: float
    cap: int
    p: NDArray[np.float64]
    reach: float

    @property
    def z(self) -> NDArray[np.float64]:
        """What each cell of ``p`` is in standard deviations."""
        return np.arange(-self.cap - 1, self.cap + 2) / self.scale

    def integers(self, noise: NDArray[Any]) -> NDArray[np.int64]:
        """Cells of ``p`` of what a noise added; what is no number lies beyond the cap."""
        steps = np.rint(noise / self.unit) if self.unit != 1.0 else noise
        inside = np.clip(np.nan_to_num(steps, nan=inf), -self.cap - 1, self.cap + 1)
        found: NDArray[np.int64] = inside.astype(np.int64) + self.cap + 1
        return found

    def cells(self, histogram: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """A histogram and its law, in some 80 cells: 60 of the body, the others of the tails, what is beyond apart."""
        cuts = np.concatenate([-np.arange(5.0, 2.2, -0.25), ndtri(np.linspace(1 / 61, 60 / 61, 60))])
        cuts = np.unique(np.searchsorted(self.z, np.concatenate([cuts, -cuts[:12]])))
        starts = np.unique(np.concatenate([[0, 1], cuts, [self.p.size - 1]]))
        return np.add.reduceat(histogram, starts), np.add.reduceat(self.p, starts)

    @property
    def quarters(self) -> NDArray[np.uint8]:
        """Which of four cells of about a quarter each a cell of ``p`` belongs to."""
        middles = np.cumsum(self.p) - self.p / 2
        return np.searchsorted((0.25, 0.5, 0.75), middles, side="right").astype(np.uint8)

    @property
    def pairs(self) -> NDArray[np.float64]:
        """The law of two independent numbers in those cells: 16 probabilities."""
        four = np.bincount(self.quarters, weights=self.p, minlength=4)
        both: NDArray[np.float64] = np.multiply.outer(four, four).ravel()
        return both

    @property
    def coincidence(self) -> float:
        """P(two numbers are equal)."""
        return float((self.p**2).sum())
