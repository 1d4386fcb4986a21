"""CERTIFY: the class of the smoothed classifier and the radius inside which it is constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noiseproof.arguments import at_least_one, flag, settle
from noiseproof.procedures.base import (
    Procedure,
    ask,
    asked,
    at_most,
    certificate,
    check_enough,
    largest_rival,
    level,
)
from noiseproof.stats.bounds import one_sided, smallest_n, two_sided
from noiseproof.tallies import Votes

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.types import Certificate, Counts


@dataclass(frozen=True)
class Certify(Procedure):
    """CERTIFY: with probability at least 1 - alpha, it abstains or g is constant within the radius.

    Args:
        n0: draws that select the class.
        n: fresh draws that estimate its probability.
        alpha: failure probability, in (0, 1).
        two_sided: bound the runner-up by its own count, both bounds at alpha/2; it gains most where the
            one-sided bound abstains.

    Raises:
        ValueError: an argument is out of range, or n is too small to certify anything at this alpha.

    Source: Cohen, Rosenfeld, Kolter 2019, section 3.2.2.
    """

    n0: int = 100
    n: int = 100_000
    alpha: float = 0.001
    two_sided: bool = False

    name: ClassVar[str] = "certify"

    def __post_init__(self) -> None:
        settle(self, {"n0": at_least_one, "n": at_most, "alpha": level, "two_sided": flag})
        needed = smallest_n(self.alpha / 2 if self.two_sided else self.alpha)
        check_enough("n", self.n, needed, self.alpha)

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """The paper's pseudocode: select on n0 draws, estimate on n fresh ones."""
        del label
        top = int((yield from ask("select", self.n0)).argmax())
        votes = yield from ask("estimate", self.n)  # fresh draws: selection is never reused
        return self._certificate(top, votes, noise)

    def recount(
        self, requests: Sequence[tuple[str, int]], votes: Sequence[Votes], noise: Noise, label: int | None = None
    ) -> Certificate | None:
        """From the sums of both stages."""
        del label
        if tuple(requests) != asked(("select", self.n0), ("estimate", self.n)):
            return None
        selected = len(asked(("select", self.n0)))
        return self._certificate(Votes.sum(votes[:selected]).argmax(), Votes.sum(votes[selected:]), noise)

    def _certificate(self, top: int, votes: Counts | Votes, noise: Noise) -> Certificate:
        k = int(votes[top])
        if self.two_sided:
            counts = votes.array() if isinstance(votes, Votes) else votes
            bounds = two_sided(k, largest_rival(counts, top, self.n), self.n, self.alpha)
        else:
            bounds = one_sided(k, self.n, self.alpha)
        return certificate(top, bounds, noise)
