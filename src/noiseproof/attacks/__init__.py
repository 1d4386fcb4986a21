"""Attacks on the smoothed classifier, and the judge of what they find."""

from noiseproof.attacks.judge import Verdict, judge, judging_noise
from noiseproof.attacks.pgd import PGD

__all__ = ["PGD", "Verdict", "judge", "judging_noise"]
