"""ANYTIME: the question of DECIDE for a stream of draws that nobody planned: valid whenever it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log
from typing import TYPE_CHECKING, ClassVar

from noiseproof.arguments import at_least_one, settle
from noiseproof.procedures.base import Procedure, draws, level, non_negative
from noiseproof.stats.anytime import anytime_accept, anytime_holds_for_every_class
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import ABSTAIN, Decision, Draw

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.types import Counts


@dataclass(frozen=True)
class Anytime(Procedure):
    """ANYTIME: with probability at least 1 - alpha, an input it certifies has a g that is constant within the radius.

    A bet against "no class has more than the probability p0 that this radius needs": every class has a wealth that no
    strategy can expect to grow where that is true, and is certified when it has grown by 1 / (alpha * p0). That holds
    at any number of draws, so looks, n_max and budgets may be chosen while it runs. Where looks can be planned,
    ``Decide`` needs about half the draws. The same bet the other way round ends it as "not certified".

    Args:
        radius: to be certified, in input units in the norm of the noise, >= 0; 0 asks for the class alone.
        alpha: failure probability, in (0, 1); of either answer.
        n_max: draws at most.
        look_every: draws between looks.

    Raises:
        ValueError: an argument is out of range, or no probability has the radius.

    Source: beta-mixture test martingale (Robbins 1970) and Ville's inequality; for the test of all classes see
    ``anytime_holds_for_every_class``.
    """

    radius: float
    alpha: float = 0.001
    n_max: int = 100_000
    look_every: int = 100

    name: ClassVar[str] = "anytime"
    verb: ClassVar[str] = "decide"

    def __post_init__(self) -> None:
        settle(self, {"radius": non_negative, "alpha": level, "n_max": draws, "look_every": at_least_one})

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """Look after look: has the wealth of the most voted class grown enough, or that of the opposite bet?"""
        del label
        p0 = noise.p_needed(self.radius)
        undecided = self.nothing_known(noise)
        votes: Counts | int = 0
        n, to_go = 0, self.look_every
        while n < self.n_max:
            more = min(self.look_every, self.n_max - n)
            votes = votes + CLASS_VOTES.check((yield Draw("decide", more, undecided, to_go)), more)
            n += more
            accept, against = _boundaries(n, p0, self.alpha)
            top = int(votes.argmax())
            k = int(votes[top])
            if k >= accept:
                return Decision("certified", top, self.radius, noise.norm)
            if n - k >= against:
                return Decision("not certified", ABSTAIN, self.radius, noise.norm)
            to_go = self._to_go(k, n, p0)
        return undecided

    def _to_go(self, k: int, n: int, p0: float) -> int:
        """Draws until the wealth is enough where votes go on at their rate: what a budget goes by."""
        p = (k + 0.5) / (n + 1)
        growth = p * log(p / p0) + (1 - p) * log((1 - p) / (1 - p0))
        needed = log(1 / self.alpha) / growth if growth > 0 else self.n_max
        return max(min(ceil(needed), self.n_max) - n, self.look_every)


@lru_cache(maxsize=4096)
def _boundaries(n: int, p0: float, alpha: float) -> tuple[int, int]:
    """Votes of n for a class that certify it, and votes of n against it that give it up; the same for every input."""
    if not anytime_holds_for_every_class(n, p0, alpha * p0):
        raise ValueError(f"alpha must be smaller for the test of every class to hold its level, got {alpha:g}")
    return anytime_accept(n, p0, alpha * p0), anytime_accept(n, 1 - p0, alpha)
