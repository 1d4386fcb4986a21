"""CURVE: the largest radius of a grid that can be certified, for as few draws as its boundaries allow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noiseproof.arguments import real, settle
from noiseproof.procedures.base import level
from noiseproof.procedures.boundaries import GAMMA, LOOKS, RATIO, WithLooks, threshold_test
from noiseproof.procedures.radii import parse_radii
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import ABSTAIN, Certificate, Draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.stats.sequential import GroupSequential
    from noiseproof.types import Counts


@dataclass(frozen=True)
class Curve(WithLooks):
    """CURVE: with probability at least 1 - alpha, it abstains or g is constant within the radius, one of a grid.

    One group-sequential test a radius, all on the same draws, every class at level alpha * p0 as in DECIDE. A radius
    is claimed only where every smaller one is: in such a fixed sequence the first false claim needs the false
    rejection of one given test, so there is nothing to correct for. An input stops as soon as the smallest radius
    that is not claimed yet is out of reach.

    Args:
        radii: the grid, ascending, in input units in the norm of the noise, or START:STOP:STEP; 0 asks for the class
            alone.
        alpha: failure probability of an input's certificate, in (0, 1).
        n_max: draws at most.
        first_look: draws at the first look, >= 1.
        ratio: draws of each further look to those of the one before, > 1.
        gamma: an input is given up where it would still be certified with less than this probability, in [0, 1).

    Raises:
        ValueError: an argument is out of range; from ``run``: no votes of n_max draws can certify the largest radius.

    Source: fixed-sequence testing (Maurer, Hothorn, Lehmacher 1995) of the tests of ``Decide``.
    """

    radii: tuple[float, ...] = field(metadata={"flag": str})
    alpha: float = 0.001
    n_max: int = 100_000
    first_look: int = 100
    ratio: float = RATIO
    gamma: float = GAMMA

    name: ClassVar[str] = "curve"

    def __post_init__(self) -> None:
        given = (self.radii,) if isinstance(self.radii, int | float) else self.radii
        radii = parse_radii(given) if isinstance(given, str) else given
        object.__setattr__(self, "radii", tuple(real("radii", radius) for radius in radii))
        settle(self, {"alpha": level} | LOOKS)
        ascending = all(a < b for a, b in zip(self.radii, self.radii[1:], strict=False))
        if not (self.radii and self.radii[0] >= 0 and ascending):
            raise ValueError(f"radii must be one or more, ascending and >= 0, got {list(self.radii)}")

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """At each look: how far up the grid each class has come, by boundaries it ever reached."""
        del label
        tests = self._tests(noise)
        votes: Counts | int = 0
        reached: NDArray[np.bool_] | bool = False  # [radii, classes]
        drawn, to_go, so_far = 0, tests[0].looks[0], self._certificate(ABSTAIN, 0, tests, noise)
        for look, n in enumerate(tests[0].looks):
            votes = votes + CLASS_VOTES.check((yield Draw("curve", n - drawn, so_far, to_go)), n - drawn)
            drawn = n
            reached = reached | np.array([votes >= test.accept[look] for test in tests])
            in_a_row = np.logical_and.accumulate(reached).sum(axis=0)  # [classes]
            top = int((in_a_row if in_a_row.any() else votes).argmax())
            claimed = int(in_a_row[top])
            so_far = self._certificate(top, claimed, tests, noise)
            if claimed == len(tests) or votes[top] <= tests[claimed].stop[look]:
                break
            to_go = tests[claimed].to_go(int(votes[top]), n)
        return so_far

    def design(self, noise: Noise) -> list[dict[str, Any]]:
        """Looks and boundaries, a test a radius."""
        return [test.table() for test in self._tests(noise)]

    def _tests(self, noise: Noise) -> list[GroupSequential]:
        return [threshold_test(noise, radius, self, every_class=True) for radius in self.radii]

    def _certificate(self, top: int, claimed: int, tests: list[GroupSequential], noise: Noise) -> Certificate:
        if not claimed:
            return Certificate(ABSTAIN, 0.0, 0.0, 1.0, noise.norm)
        p0 = tests[claimed - 1].p0
        return Certificate(top, self.radii[claimed - 1], p0, 1 - p0, noise.norm)
