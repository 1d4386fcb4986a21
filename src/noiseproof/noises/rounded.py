"""The noise an attack is judged under at points off the pixel grid: it draws, and certifies nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noiseproof.errors import UnsupportedError
from noiseproof.noises.base import Noise
from noiseproof.noises.gaussian import Gaussian
from noiseproof.noises.rounded_normal import largest_eta

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises.words import Words
    from noiseproof.stats.bounds import Bounds


@dataclass(frozen=True)
class RoundedFloatGaussian(Noise):
    """round(grid (x + eps)), eps a 53-bit float N(0, sigma^2 I): the smoothed function of a run, at any x.

    A certificate of ``Gaussian(sigma, grid)`` is about g(x) = the most probable class of f(round(255 (x + eps))/255),
    which is defined off the grid too, where an adversary may go. There the exact integers of ``Gaussian`` do not
    apply, and this is how g is sampled. Float addition leaks the low bits of x, so nothing is certified from it.

    Args:
        sigma: standard deviation in input units ([0, 1] pixels), > 0.
        grid: steps of the pixel range [0, 1] that a noisy input is rounded to; None, as for a run with float noise,
            rounds nothing.
        dimension: number of coordinates of the input; not needed.

    Raises:
        ValueError: sigma or grid is out of the range of ``Gaussian``.
    """

    sigma: float
    grid: int | None = 255
    dimension: int | None = None

    family: ClassVar[str] = "rounded-float-gaussian"
    norm: ClassVar[str] = "l2"

    def __post_init__(self) -> None:
        Gaussian(sigma=self.sigma, grid=self.grid)  # refuses what does not fit

    @property
    def arithmetic(self) -> str:
        """Float noise, then the grid."""
        return "float64 noise" if self.grid is None else f"float64 noise, then rounding, grid {self.grid}"

    @property
    def scale(self) -> float:
        """Grid steps to input units; 1.0 off the grid."""
        return 1.0 if self.grid is None else float(self.grid)

    def encode(self, x: NDArray[Any]) -> NDArray[Any]:
        """float64; an attack may leave [0, 1], on the grid as far as noisy steps fit 16 bits."""
        value = np.asarray(x, dtype=np.float64)
        if self.grid is None:
            return value
        most = (np.iinfo(np.int16).max - largest_eta(self.sigma, self.grid)) // self.grid  # 4 at least
        if not (np.abs(value) <= most).all():
            raise ValueError(f"points to judge must be finite and within [-{most}, {most}]; attack with clip=True")
        return value

    def perturb(self, x: NDArray[Any], words: Words, first: int, n: int) -> NDArray[Any]:
        """int16 grid steps ``[n, *x.shape]``, or float64 off the grid."""
        noisy = Gaussian(sigma=self.sigma, grid=None).perturb(x, words, first, n)
        if self.grid is None:
            return noisy
        steps: NDArray[np.int16] = np.rint(noisy * self.grid).astype(np.int16)
        return steps

    def radius(self, bounds: Bounds, norm: str | None = None) -> float:
        """Never a radius.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError("noise that only judges attacks certifies nothing; certify with Gaussian(sigma, grid)")
