"""SEQUENTIAL PREDICT: the class of the smoothed classifier, as soon as the two largest counts tell it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, ClassVar

from noiseproof.arguments import at_least_one, settle
from noiseproof.procedures.base import Procedure, check_enough, draws, largest_rival, level
from noiseproof.stats.sequential import looks_up_to, spent
from noiseproof.stats.top_two import fewest_draws, top_two_p_value
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import ABSTAIN, Draw, Prediction

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.types import Counts


@dataclass(frozen=True)
class SequentialPredict(Procedure):
    """SEQUENTIAL PREDICT: with probability at least 1 - alpha, it abstains or returns the class of g.

    The test of PREDICT at each look, at its share of alpha. It stops at the first look that tells, or, abstaining,
    where the last would hardly.

    Args:
        n_max: draws at most.
        alpha: failure probability, in (0, 1).
        first_look: draws at the first look, >= 1; each further look has 1.5 times the draws of the last.

    Raises:
        ValueError: an argument is out of range, or n_max draws can only abstain at this alpha.

    Source: PREDICT of Cohen et al. 2019, section 3.2.1, with a union bound over looks (Bonferroni). The p-value is
    the smallest of the looks, each divided by its look's share of alpha.
    """

    n_max: int = 100_000
    alpha: float = 0.001
    first_look: int = 100

    name: ClassVar[str] = "sequential-predict"
    verb: ClassVar[str] = "predict"

    def __post_init__(self) -> None:
        settle(self, {"n_max": draws, "first_look": at_least_one, "alpha": level})
        needed = fewest_draws(self.alpha * self._looks()[-1][1])
        check_enough("n_max", self.n_max, needed, self.alpha, to="predict")

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """At each look: a two-sided test between the two largest counts."""
        del label, noise  # the noise is in the votes; PREDICT claims no radius
        votes: Counts | int = 0
        drawn, to_go, p_value = 0, min(self.first_look, self.n_max), 1.0
        looks = self._looks()
        for n, share in looks:
            so_far = Prediction(ABSTAIN, p_value)
            votes = votes + CLASS_VOTES.check((yield Draw("predict", n - drawn, so_far, to_go)), n - drawn)
            drawn, to_go = n, self.n_max - n
            top = int(votes.argmax())
            n_a, n_b = int(votes[top]), largest_rival(votes, top, n)
            if n_a > n_b:
                p_value = min(p_value, top_two_p_value(n_a, n_b) / share)
            if p_value <= self.alpha:
                return Prediction(top, p_value)
            both = (n_a + n_b) * self.n_max // n
            lead = int(min((n_a - n_b + 2 * sqrt(n_a + n_b)) * self.n_max / n, both))  # at last, with good luck
            if lead <= 0 or top_two_p_value((both + lead) // 2, (both - lead) // 2) > self.alpha * looks[-1][1]:
                break
        return Prediction(ABSTAIN, p_value)

    def _looks(self) -> list[tuple[int, float]]:
        looks = looks_up_to(self.n_max, first=min(self.first_look, self.n_max))
        return list(zip(looks, spent(len(looks)), strict=True))
