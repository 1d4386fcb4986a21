"""PREDICT: the class of the smoothed classifier, or an abstention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noiseproof.arguments import settle
from noiseproof.procedures.base import Procedure, ask, at_most, check_enough, largest_rival, level
from noiseproof.stats.top_two import fewest_draws, top_two_p_value
from noiseproof.types import ABSTAIN, Prediction

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests


@dataclass(frozen=True)
class Predict(Procedure):
    """PREDICT: with probability at least 1 - alpha, it abstains or returns the class of g.

    Args:
        n: draws.
        alpha: failure probability, in (0, 1).

    Raises:
        ValueError: an argument is out of range, or n draws can only abstain at this alpha.

    Source: Cohen, Rosenfeld, Kolter 2019, section 3.2.1, after Hung & Fithian 2019.
    """

    n: int = 1000
    alpha: float = 0.001

    name: ClassVar[str] = "predict"
    verb: ClassVar[str] = "predict"

    def __post_init__(self) -> None:
        settle(self, {"n": at_most, "alpha": level})
        check_enough("n", self.n, fewest_draws(self.alpha), self.alpha, to="predict")

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """The paper's pseudocode: a two-sided test between the two largest counts."""
        del label, noise  # the noise is in the votes; PREDICT claims no radius
        votes = yield from ask("predict", self.n)
        top = int(votes.argmax())
        n_a, n_b = int(votes[top]), largest_rival(votes, top, self.n)
        # a rival that overtakes through void draws says nothing for the top class
        p_value = top_two_p_value(n_a, n_b) if n_a > n_b else 1.0
        return Prediction(prediction=top if p_value <= self.alpha else ABSTAIN, p_value=p_value)
