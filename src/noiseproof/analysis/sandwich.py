"""The truth between two curves: what is certified, and what no attack could break."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.types import Certificate, Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from noiseproof.store.attacks import Attacked
    from noiseproof.types import Record


@dataclass(frozen=True)
class Sandwich:
    """For each input, up to which radius it is certified as right, and from which distance on it is broken.

    The smoothed classifier's robust accuracy at radius r lies between the share certified at r, but for the false
    certificates that alpha allows, and the share not broken within r, but for the false breaks of the judge.

    Attributes:
        certified: the radius, -inf where the input is not certified as right; float64 [inputs].
        broken: the smallest distance at which another class than the true one won, -inf where another class is
            certified, inf where none was found; float64 [inputs].
    """

    certified: NDArray[np.float64]
    broken: NDArray[np.float64]

    @property
    def m(self) -> int:
        """How many inputs."""
        return len(self.certified)

    @property
    def reach(self) -> float:
        """The largest distance at which anything is known."""
        known = np.concatenate([self.certified, self.broken])
        return float(known[np.isfinite(known)].max(initial=0.0))

    def lower(self, radii: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Certified accuracy at each radius."""
        return np.array([(self.certified >= r).mean() for r in radii])

    def upper(self, radii: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Empirical accuracy at each radius: the share of inputs not broken at that distance or nearer."""
        return np.array([(self.broken > r).mean() for r in radii])


def sandwich(records: Sequence[Record], points: Sequence[Attacked]) -> Sandwich:
    """The two curves of the inputs that were attacked.

    Args:
        records: finished inputs of certify or decide; those without a label are left out.
        points: what was found; points about other inputs are left out.

    Raises:
        ValueError: no record with a label.
    """
    nearest: dict[str, float] = {}
    for point in points:
        if point.broken:
            nearest[point.key] = min(point.distance, nearest.get(point.key, inf))
    certified, broken = [], []
    for record in records:
        outcome = record.outcome
        if record.label is None or not isinstance(outcome, Certificate | Decision):
            continue
        right = outcome.prediction == record.label
        certified.append(outcome.radius if right else -inf)
        broken.append(nearest.get(record.key, inf) if right or outcome.abstained else -inf)
    if not certified:
        raise ValueError("records must be one or more with labels, got none")
    return Sandwich(np.array(certified), np.array(broken))
