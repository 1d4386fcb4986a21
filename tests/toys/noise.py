"""Uniform noise in a cube, certified in L1: a family that is not the package's."""

from dataclasses import dataclass, field

import numpy as np

from noiseproof.errors import UnsupportedError
from noiseproof.noises import Noise
from noiseproof.noises.words import whole_blocks


@dataclass(frozen=True)
class Uniform(Noise):
    """x + U[-reach, reach]^d: radius reach (p_A - p_B) in L1 (Lee et al. 2019; Yang et al. 2020).

    Attributes:
        reach: How far a number goes, in input units.
    """

    reach: float
    dimension: int | None = field(default=None, metadata={"flag": None})

    family, norm, arithmetic, scale = "uniform", "l1", "float64 noise", 1.0
    sigma = property(lambda self: self.reach / 3**0.5)

    def encode(self, x):
        return x / 255.0 if x.dtype == np.uint8 else np.asarray(x, dtype=np.float64)

    def perturb(self, x, words, first, n):
        bits = words.take(first, n, whole_blocks(x.size))[:, : x.size] >> np.uint64(11)
        return x + self.reach * ((bits + 0.5) * 2.0**-52 - 1).reshape(n, *x.shape)

    def radius(self, bounds, norm=None):
        if norm not in (None, "l1"):
            raise UnsupportedError(f"no theorem gives uniform noise a radius in {norm!r}; known: l1")
        return max(0.0, self.reach * (1 - bounds.tail - bounds.rival - 2.0**-50))
