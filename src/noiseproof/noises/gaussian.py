"""Gaussian noise: certified in L2 (Cohen et al. 2019), exact on the pixel grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noiseproof.arguments import integer, real, settle
from noiseproof.errors import UnsupportedError
from noiseproof.noises.base import Noise
from noiseproof.noises.rounded_normal import largest_eta, rounded_normal, total_variation
from noiseproof.noises.words import whole_blocks
from noiseproof.stats.bounds import Bounds, gaussian_radius

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises.law import Law
    from noiseproof.noises.words import Words

UINT8 = 255
FINEST = 4096
"""Steps of the finest grid: picture plus noise must fit 16 bits."""

_FORM = 2.0**-23
"""Relative: how far a float may be from k/255 and still be a form of it. Such an input stands for the picture of the
integers k, which is what its certificate is about; it is within sqrt(d) 2^-23 of it in L2."""

_FLOAT_STEPS = 256
BEYOND_CAP = 2.0**-53
"""Probability that a coordinate is farther out than float noise goes: half a step of 53 bits on either side."""


@dataclass(frozen=True)
class Gaussian(Noise):
    """x + N(0, sigma^2 I): radius sigma/2 (Phi^-1(p_A) - Phi^-1(p_B)) in L2.

    On the grid (the default, for pictures of 8-bit pixels) a draw is the integer picture plus an integer sampled
    from the exact rounded Gaussian: for x on the grid, round(x + eps) = x + round(eps), so this is ordinary
    Gaussian smoothing of the fixed function "classify after rounding", and the theorem applies word for word.
    What the sampler loses (its total variation, some 1e-13) is taken off the probabilities.

    With ``grid=None`` a draw is x plus a 53-bit float normal. Floating-point addition leaks the low bits of x, so
    such a certificate holds in real arithmetic only, and is labelled so. No number lies beyond 8.2 sigma; the
    probability of what is missing there is taken off too.

    Args:
        sigma: standard deviation in input units ([0, 1] pixels), > 0.
        grid: number of steps the pixel range [0, 1] has (255 for 8-bit pictures); 0 or None: float noise, which claims
            less. A finer one, up to 4096, is for inputs that are on none and are moved to it (``quantised``).
        dimension: number of coordinates of the input; None leaves the sampler's total variation out.

    Raises:
        ValueError: sigma is not a positive finite number, or too small or too large for the grid, or grid is not
            an integer in 1..4096.

    Source: theorem 1 of Cohen, Rosenfeld, Kolter 2019.

    >>> from noiseproof.stats.bounds import one_sided
    >>> round(Gaussian(sigma=0.5).radius(one_sided(99_000, 100_000, 0.001)), 6)
    1.145
    """

    sigma: float
    grid: int | None = 255
    dimension: int | None = field(default=None, metadata={"flag": None})

    family: ClassVar[str] = "gaussian"
    norm: ClassVar[str] = "l2"

    def __post_init__(self) -> None:
        settle(self, {"sigma": real})  # 1 and 1.0 are one noise, also as text in a manifest
        if not (isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"sigma must be > 0, got {self.sigma}")
        if self.grid is not None:
            object.__setattr__(self, "grid", integer("grid", self.grid) or None)
        if self.grid is not None and not 1 <= self.grid <= FINEST:
            raise ValueError(f"grid must be in 1..{FINEST} steps, or None for float noise, got {self.grid}")
        if self.grid is not None and self.sigma < 0.05 / self.grid:
            raise ValueError(
                f"sigma must be >= 0.05/{self.grid} on the grid of {self.grid} steps, got {self.sigma}; "
                "less never leaves a pixel"
            )
        if self.grid is not None:
            largest_eta(self.sigma, self.grid)

    @property
    def arithmetic(self) -> str:
        """``"exact integers, grid 255"``, or the plain word float."""
        return "float64 noise" if self.grid is None else f"exact integers, grid {self.grid}"

    @property
    def scale(self) -> float:
        """Grid steps to input units; 1.0 off the grid."""
        return 1.0 if self.grid is None else float(self.grid)

    def encode(self, x: NDArray[Any]) -> NDArray[Any]:
        """uint8 grid steps of an input given in [0, 1] (or already uint8); float64 off the grid."""
        if x.dtype == np.uint8:
            if self.grid is None:
                return x / np.float64(255.0)
            if self.grid != 255:
                raise ValueError(f"8-bit pictures lie on the grid of 255 steps, got grid={self.grid}")
            return x
        value = np.asarray(x, dtype=np.float64)
        if not np.isfinite(value).all():
            raise ValueError("inputs must be finite, got NaN or infinity")
        if value.size and not (value.min() >= 0.0 and value.max() <= 1.0):
            of_255 = value.min() >= 0.0 and value.max() <= 255.0 and (value == np.rint(value)).all()
            remedy = "divide pixels by 255" if of_255 else "normalisation belongs inside the base classifier"
            raise ValueError(f"inputs must lie in [0, 1], got values from {value.min():g} to {value.max():g}; {remedy}")
        if self.grid is None:
            return value
        steps = np.rint(value * self.grid)
        # the float32 forms of k/255, whether k was divided by 255 or multiplied by 1/255: two roundings of half an ulp
        off = np.abs(value * self.grid - steps)
        if (off > steps * _FORM).any():
            raise ValueError(
                f"inputs must lie on the grid k/{self.grid} (one is {off.max():.2g} of a step away); "
                "round them to 8 bits, quantise them to a finer grid, or use Gaussian(sigma, grid=None), which "
                "claims less"
            )
        return steps.astype(np.uint8 if self.grid <= UINT8 else np.uint16)

    def quantised(self, x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The grid points, and ||x - x_q|| + sqrt(d) / (2 grid) in L2."""
        if self.grid is None:
            raise UnsupportedError("float noise has no grid to quantise to; use Gaussian(sigma, grid=4096)")
        value = np.asarray(x, dtype=np.float64)
        on_grid = np.rint(value * self.grid) / self.grid
        flat = (value - on_grid).reshape(len(value), -1)
        shrink = np.linalg.norm(flat, axis=1) + sqrt(flat.shape[1]) / (2 * self.grid)
        return on_grid, shrink * (1 + 2.0**-40) + 2.0**-40

    def anywhere(self) -> Noise:
        """Float noise, rounded to the grid of this one."""
        return RoundedFloatGaussian(sigma=self.sigma, grid=self.grid, dimension=self.dimension)

    def sample(self, x: Any, n: int, generator: Any) -> Any:  # noqa: ANN401  # of torch, which is not needed here
        """N(0, sigma^2)."""
        return x.new_empty((n, *x.shape)).normal_(generator=generator).mul_(self.sigma)

    def law(self) -> Law:
        """Of the rounded normal; a float normal is rounded to ``_FLOAT_STEPS`` a sigma, and then has that law too."""
        from scipy.special import ndtr, ndtri

        from noiseproof.noises.law import Law

        if self.grid is None:
            scale, unit = float(_FLOAT_STEPS), self.sigma / _FLOAT_STEPS
            reach = -float(ndtri(BEYOND_CAP))
            cap = int(reach * scale) + 64
        else:
            scale, unit, cap = self.sigma * self.grid, 1.0, largest_eta(self.sigma, self.grid)
            # a step of 63 bits is allowed for at every threshold: where sigma is tiny, no number needs to leave 0
            reach = float((ndtr(-(np.arange(1, cap + 1) - 0.5) / scale) >= 2.0**-62).sum()) / scale
        k = np.arange(cap + 1)
        # from the upper tails, which are exact where a difference of two numbers near 1 is not
        half = ndtr(-(k - 0.5) / scale) - ndtr(-(k + 0.5) / scale)
        p = np.concatenate([[0.0], half[:0:-1], half, [0.0]])
        return Law(scale, unit, cap, p / p.sum(), reach)

    def perturb(self, x: NDArray[Any], words: Words, first: int, n: int) -> NDArray[Any]:
        """int16 grid steps ``[n, *x.shape]``, or float64 off the grid; exact integers add without rounding."""
        flat = x.reshape(1, -1)
        noisy: NDArray[Any]
        if self.grid is None:
            noisy = flat + self.sigma * _normals(words, first, n, flat.shape[1])
        else:
            noisy = rounded_normal(self.sigma, self.grid).sample(words, first, n, flat.shape[1])
            noisy += flat.astype(np.int16)
        return noisy.reshape(n, *x.shape)

    def radius(self, bounds: Bounds, norm: str | None = None) -> float:
        """L2 by the theorem; L1 because the L1 norm is never below L2; Linf by the factor sqrt(d)."""
        lost = 0.0
        if self.dimension is not None:
            # float noise has no number beyond its cap: what lies there, the law of a normal puts elsewhere
            lost = self.dimension * BEYOND_CAP
            if self.grid is not None:
                lost = total_variation(self.sigma, self.grid, self.dimension)
        true = Bounds(tail=min(1.0, bounds.tail + lost), rival=min(1.0, bounds.rival + lost))
        radius = gaussian_radius(true, self.sigma)
        match self.norm if norm is None else norm:
            case "l2" | "l1":
                return radius
            case "linf" if self.dimension is not None:
                return radius / sqrt(self.dimension) * (1 - 2.0**-50)
            case "linf":
                raise ValueError("the Linf radius needs the dimension: use noise.on(shape)")
            case other:
                raise UnsupportedError(f"no theorem gives Gaussian noise a radius in {other!r}; known: l1, l2, linf")


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


def _normals(words: Words, first: int, n: int, dimension: int) -> NDArray[np.float64]:
    """Standard normals by inversion of 53-bit uniforms (k + 1/2) 2^-53: nothing beyond 8.3."""
    from scipy.special import ndtri

    bits = words.take(first, n, whole_blocks(dimension))[:, :dimension] >> np.uint64(11)
    uniform = bits.astype(np.float64)
    # (k + 1/2) 2^-53 rounds to 1.0 for the largest k: mirrored, so that both tails have the same resolution
    upper = uniform >= 2.0**52
    tail = np.where(upper, 2.0**53 - 1 - uniform, uniform)
    z: NDArray[np.float64] = ndtri((tail + 0.5) * 2.0**-53)
    return np.where(upper, -z, z)
