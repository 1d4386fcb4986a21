"""Attacks on the smoothed classifier, and the judge of what they find."""

from noiseproof.attacks.base import Attack, Example, TargetModel, has_gradient
from noiseproof.attacks.ddn import DDN
from noiseproof.attacks.judge import Judge, Judged, judge
from noiseproof.attacks.neighbours import Neighbours
from noiseproof.attacks.pgd import PGD
from noiseproof.attacks.score import ScoreSearch

ATTACKS: tuple[Attack, ...] = (Neighbours(), DDN(), PGD(), PGD(fresh=True), ScoreSearch())
"""What the falsifier tries, in this order; a new attack is one file and one entry here."""

__all__ = [
    "ATTACKS",
    "DDN",
    "PGD",
    "Attack",
    "Example",
    "Judge",
    "Judged",
    "Neighbours",
    "ScoreSearch",
    "TargetModel",
    "has_gradient",
    "judge",
]
