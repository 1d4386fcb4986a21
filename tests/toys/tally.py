"""Votes for classes of even and of odd number, and PREDICT on them."""

from dataclasses import dataclass

from noiseproof.procedures import Predict
from noiseproof.tallies import Tally


@dataclass(frozen=True)
class Parity(Tally):
    """A draw adds one to the kind of the class of the largest score."""

    name = "parity"

    def slots(self, classes):
        return 2

    def places(self, scores):
        return scores.argmax(dim=1, keepdim=True) % 2

    def margin(self, scores):
        return (scores[:, ::2].amax(dim=1) - scores[:, 1::2].amax(dim=1)).abs().float()

    def holds(self, counts, n):
        return len(counts) == 2 and min(counts) >= 0 and sum(counts) <= n

    def rule(self, n):
        return f"two counts >= 0 with a sum of at most {n}"

    def void(self, counts, n):
        return n - sum(counts)


@dataclass(frozen=True)
class PredictParity(Predict):
    name = "predict-parity"
    tally = Parity()
