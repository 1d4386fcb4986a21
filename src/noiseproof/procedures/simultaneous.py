"""SIMULTANEOUS: the class is selected on the very draws that certify it, and pays for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noiseproof.arguments import settle
from noiseproof.procedures.base import Procedure, at_most, certificate, check_enough, level
from noiseproof.stats.bounds import one_sided, smallest_n
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import Draw

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests


@dataclass(frozen=True)
class Simultaneous(Procedure):
    """With probability at least 1 - alpha, it abstains or g is constant within the radius; no draws for selection.

    For counts that were drawn once and for all, such as published ones. Every class is tested at
    alpha / (number of classes), so all lower bounds hold together, that of the most voted class among them,
    however it was found (Bonferroni). The whole alpha would be wrong: with two classes at p = 1/2 and n = 1000
    each side gets its chance to look certain.

    Args:
        n: draws, asked for in one piece, since counts that came as a sum cannot be split into prefixes.
        alpha: failure probability of the input's certificate, in (0, 1).

    Raises:
        ValueError: an argument is out of range, or n is too small to certify anything at this alpha.

    Source: CERTIFY of Cohen, Rosenfeld, Kolter 2019, section 3.2.2, with a union bound in place of the selection.
    """

    n: int = 100_000
    alpha: float = 0.001

    name: ClassVar[str] = "simultaneous"

    def __post_init__(self) -> None:
        settle(self, {"n": at_most, "alpha": level})
        check_enough("n", self.n, smallest_n(self.alpha / 2), self.alpha)  # two classes at least

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """One stage; the level of a class depends on how many classes there are, never on the votes."""
        del label
        votes = CLASS_VOTES.check((yield Draw("estimate", self.n)), self.n)
        top = int(votes.argmax())
        return certificate(top, one_sided(int(votes[top]), self.n, self.alpha / votes.size), noise)
