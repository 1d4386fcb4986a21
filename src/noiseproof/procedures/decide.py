"""DECIDE: is the smoothed classifier constant within a given radius? Asked with as few draws as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.arguments import flag, settle
from noiseproof.procedures.base import check_label, level, non_negative
from noiseproof.procedures.boundaries import GAMMA, LOOKS, RATIO, WithLooks, threshold_test
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import ABSTAIN, Decision, Draw

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.stats.sequential import GroupSequential
    from noiseproof.tallies import Votes
    from noiseproof.types import Counts, Outcome


@dataclass(frozen=True)
class Decide(WithLooks):
    """DECIDE: with probability at least 1 - alpha, an input it certifies has a g that is constant within the radius.

    A group-sequential test of "the class has more than the probability that this radius needs", p0. Every class is
    tested on the same draws with one boundary at level alpha * p0, which keeps the probability of certifying any
    wrong class at most alpha, for any number of classes: no draws are spent on selecting one. It stops as soon as
    a class reaches its boundary ("certified"), as soon as the most voted class would hardly reach it any more ("not
    certified", which claims nothing), or after n_max draws ("undecided").

    Args:
        radius: to be certified, in input units in the norm of the noise, >= 0; 0 asks for the class alone.
        alpha: failure probability, in (0, 1).
        n_max: draws at most.
        label_aware: test the true class alone, at level alpha: for evaluation, where nothing else counts.
        first_look: draws at the first look, >= 1.
        ratio: draws of each further look to those of the one before, > 1.
        gamma: an input is given up where it would still be certified with less than this probability, in [0, 1).

    Raises:
        ValueError: an argument is out of range; from ``run``: no votes of n_max draws can certify the radius.

    Source: group-sequential design of Jennison & Turnbull 2000 on the threshold of Cohen et al. 2019, theorem 1; for
    the test of all classes see ``GroupSequential.holds_for_every_class``.
    """

    radius: float
    alpha: float = 0.001
    n_max: int = 100_000
    label_aware: bool = False
    first_look: int = 100
    ratio: float = RATIO
    gamma: float = GAMMA

    name: ClassVar[str] = "decide"
    verb: ClassVar[str] = "decide"

    def __post_init__(self) -> None:
        settle(self, {"radius": non_negative, "alpha": level, "label_aware": flag} | LOOKS)

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """At each look: the most voted class (or the true one) against the boundaries."""
        test = self._test(noise)
        undecided = self.nothing_known(noise)
        votes: Counts | int = 0
        drawn, to_go = 0, test.looks[0]
        for n, accept, stop in zip(test.looks, test.accept, test.stop, strict=True):
            votes = votes + CLASS_VOTES.check((yield Draw("decide", n - drawn, undecided, to_go)), n - drawn)
            top = check_label(label, votes.size) if self.label_aware else int(votes.argmax())
            if votes[top] >= accept:
                return Decision("certified", top, self.radius, noise.norm)
            if votes[top] <= stop and n < self.n_max:
                return Decision("not certified", ABSTAIN, self.radius, noise.norm)
            drawn, to_go = n, test.to_go(int(votes[top]), n)
        return undecided

    def recount(
        self, requests: Sequence[tuple[str, int]], votes: Sequence[Votes], noise: Noise, label: int | None = None
    ) -> Outcome | None:
        """Look by look, of the classes that have votes alone."""
        del label
        test = self._test(noise)
        if self.label_aware or len(requests) > len(test.looks):
            return None
        total: dict[int, int] = {}
        drawn = most = 0
        said: Outcome | None = None
        looks = zip(test.looks, test.accept, test.stop, requests, votes, strict=False)
        for n, accept, stop, request, voted in looks:
            if said is not None or request != ("decide", n - drawn):
                return None
            for slot, count in voted.counts.items():
                total[slot] = total.get(slot, 0) + count
            drawn, most = n, max(total.values(), default=0)
            if most >= accept:
                top = min(slot for slot, count in total.items() if count == most)
                said = Decision("certified", top, self.radius, noise.norm)
            elif n == self.n_max:
                said = self.nothing_known(noise)
            elif most <= stop:
                said = Decision("not certified", ABSTAIN, self.radius, noise.norm)
        return said

    def design(self, noise: Noise) -> list[dict[str, Any]]:
        """Looks and boundaries of the one test."""
        return [self._test(noise).table()]

    def _test(self, noise: Noise) -> GroupSequential:
        return threshold_test(noise, self.radius, self, every_class=not self.label_aware)
