"""CERTIFY with the bound of Hoeffding in place of the exact one."""

from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from noiseproof.procedures import Procedure
from noiseproof.procedures.base import ask, certificate
from noiseproof.stats import Bounds


@dataclass(frozen=True)
class Hoeffding(Procedure):
    """p_A >= k/n - sqrt(log(1/alpha) / 2n).

    Attributes:
        n0: Draws that select the class.
        n: Fresh draws that estimate its probability.
        alpha: Failure probability, in (0, 1).
    """

    n0: int = 100
    n: int = 10_000
    alpha: float = 0.001

    name = "hoeffding"

    def run(self, noise, label=None):
        top = int(np.argmax((yield from ask("select", self.n0))))
        share = (yield from ask("estimate", self.n))[top] / self.n
        tail = min(1.0, 1 - share + sqrt(log(1 / self.alpha) / (2 * self.n)) + 2.0**-50)
        return certificate(top, Bounds(tail=tail, rival=tail), noise)
