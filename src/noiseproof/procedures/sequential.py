"""SEQUENTIAL CERTIFY: the full radius, valid at whatever look the draws end."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, ClassVar

from noiseproof.arguments import at_least_one, flag, real, settle
from noiseproof.procedures.base import Procedure, ask, certificate, check_enough, draws, largest_rival, level
from noiseproof.stats.bounds import Bounds, check_probability, one_sided, smallest_n, two_sided
from noiseproof.stats.sequential import looks_up_to, spent
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import ABSTAIN, Draw

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests
    from noiseproof.types import Counts

LAST_SHARE = 0.7
"""Of alpha, spent at the last look; the others share the rest. More leaves less for stopping early."""

LARGE = 0.16
"""1 - p_A of a radius that is large enough to matter for an average: about one sigma."""


@dataclass(frozen=True)
class Sequential(Procedure):
    """SEQUENTIAL CERTIFY: with probability at least 1 - alpha, it abstains or g is constant within the radius.

    Like CERTIFY, but the estimation draws come in looks. Look j bounds p_A at level alpha * w_j, and all bounds hold
    together, so the best of them may be used at any look. An input stops when what n_max draws would add to its
    radius, at the rate of votes so far, is at most ``acr_loss`` of that radius (or of sigma, where that is larger: of
    an average, small radii are a small part), or abstains when no radius is in reach. The class is fixed by fresh
    selection draws: the level for all classes of DECIDE does not carry over to a radius.

    Args:
        n0: draws that select the class.
        n_max: estimation draws at most.
        alpha: failure probability, in (0, 1).
        acr_loss: the share of a radius that may be given up, in (0, 1); of a run's ACR it costs about that share.
        two_sided: bound the runner-up by its own count; each look's level is halved between the two bounds.
        first_look: draws at the first look, >= 1; each further look has 1.5 times the draws of the last.

    Raises:
        ValueError: an argument is out of range, or n_max is too small to certify anything at this alpha.

    Source: CERTIFY of Cohen et al. 2019, section 3.2.2, with a union bound over looks (Bonferroni).
    """

    n0: int = 100
    n_max: int = 100_000
    alpha: float = 0.001
    acr_loss: float = 0.01
    two_sided: bool = False
    first_look: int = 100

    name: ClassVar[str] = "sequential"

    def __post_init__(self) -> None:
        settle(self, {"n0": at_least_one, "n_max": draws, "first_look": at_least_one})
        settle(self, {"alpha": level, "acr_loss": real, "two_sided": flag})
        check_probability("acr_loss", self.acr_loss)
        needed = smallest_n(self.alpha * LAST_SHARE / (2 if self.two_sided else 1))
        check_enough("n_max", self.n_max, needed, self.alpha)

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """Select on n0 draws; then look after look, the best bounds so far against what n_max would give."""
        del label
        best = Bounds(tail=1.0, rival=1.0)
        top = int((yield from ask("select", self.n0, certificate(ABSTAIN, best, noise))).argmax())
        large = noise.radius(Bounds(tail=LARGE, rival=LARGE))
        votes: Counts | int = 0
        drawn, to_go = 0, min(self.first_look, self.n_max)
        for n, share in self._looks():
            so_far = certificate(top, best, noise)
            votes = votes + CLASS_VOTES.check((yield Draw("estimate", n - drawn, so_far, to_go)), n - drawn)
            drawn, to_go = n, self.n_max - n
            k, rival_k = int(votes[top]), largest_rival(votes, top, n)
            found = self._bounds(k, rival_k, n, share)
            best = Bounds(tail=min(best.tail, found.tail), rival=min(best.rival, found.rival))
            if noise.radius(self._at_last(k, rival_k, n, hope=2.0)) == 0:
                break  # not even good luck leads to a radius
            at_last = noise.radius(self._at_last(k, rival_k, n))
            if at_last - noise.radius(best) <= self.acr_loss * max(at_last, large) and at_last > 0:
                break
        return certificate(top, best, noise)

    def _looks(self) -> list[tuple[int, float]]:
        """Draws and level of each look; the levels add up to alpha."""
        looks = looks_up_to(self.n_max, first=min(self.first_look, self.n_max))
        shares = spent(len(looks), last=LAST_SHARE)
        return [(n, self.alpha * share) for n, share in zip(looks, shares, strict=True)]

    def _bounds(self, k: int, rival_k: int, n: int, level: float) -> Bounds:
        return two_sided(k, rival_k, n, level) if self.two_sided else one_sided(k, n, level)

    def _at_last(self, k: int, rival_k: int, n: int, hope: float = 0.0) -> Bounds:
        """The bounds at the last look if votes go on at their rate, or ``hope`` standard errors better than that."""
        lead = k - rival_k if self.two_sided else 2 * k - n
        others = (k + rival_k if self.two_sided else n) - lead**2 / n  # the variance of the lead
        luck = hope * sqrt(max(others, 0.0)) / 2
        scale = self.n_max / n
        last_k = min(int((k + luck) * scale), self.n_max)
        last_rival = max(min(int((rival_k - luck) * scale), self.n_max - last_k), 0)
        return self._bounds(last_k, last_rival, self.n_max, self._looks()[-1][1])
