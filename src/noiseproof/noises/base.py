"""What a noise family is: random words to a perturbed input, probability bounds to a radius."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from functools import lru_cache
from math import isfinite, nextafter, sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from noiseproof.errors import UnsupportedError
from noiseproof.stats.bounds import Bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises.law import Law
    from noiseproof.noises.words import Words


class Noise(ABC):
    """A noise family. A subclass is a frozen dataclass whose fields are its configuration.

    The field ``dimension`` (number of coordinates of the input, or None) is set by whoever knows the input
    (``noise.on(shape)``); a family that loses something by its own arithmetic needs it to say how much.
    """

    family: ClassVar[str]
    norm: ClassVar[str]
    sigma: float
    """Standard deviation, in input units, of what is added to a number of the input."""
    grid: int | None = None
    """Steps of [0, 1] on which inputs and draws lie, or None for float noise."""
    dimension: int | None

    @abstractmethod
    def perturb(self, x: NDArray[Any], words: Words, first: int, n: int) -> NDArray[Any]:
        """Draws ``first`` to ``first + n - 1`` of an input: ``[n, *x.shape]``, a pure function of its arguments."""

    @abstractmethod
    def radius(self, bounds: Bounds, norm: str | None = None) -> float:
        """The certified radius in input units, rounded down; 0.0 where nothing is certified.

        Raises:
            UnsupportedError: no theorem covers this norm.
        """

    def p_needed(self, radius: float) -> float:
        """The threshold p0: a class whose probability is above it has at least this radius. Rounded up.

        Found from ``radius(bounds)`` by bisection over the tail 1 - p0, so what the family loses by its own
        arithmetic is in it.

        Args:
            radius: in input units in the norm of the family; 0 asks for the class alone.

        Raises:
            ValueError: the radius is negative, not finite, or so large that no probability below 1 has it.

        >>> from noiseproof.noises import Gaussian
        >>> round(Gaussian(sigma=0.5).p_needed(0.5), 6)
        0.841345
        """
        return _p_needed(self, float(radius))

    @property
    @abstractmethod
    def arithmetic(self) -> str:
        """The arithmetic of a draw, as a run records it."""

    @abstractmethod
    def encode(self, x: NDArray[Any]) -> NDArray[Any]:
        """The input as ``perturb`` takes it and as its key is hashed, checked.

        Raises:
            ValueError: the input is outside [0, 1], or not on the grid this noise lives on.
        """

    @property
    @abstractmethod
    def scale(self) -> float:
        """What ``perturb`` returns is divided by this to be in input units."""

    def on_grid(self, point: NDArray[Any]) -> bool:
        """Whether a point, in input units, lies exactly where the noise is exact: on its grid, within [0, 1]."""
        if self.grid is None:
            return False
        steps = np.rint(point * self.grid)
        return np.array_equal(steps / self.grid, point) and steps.min() >= 0 and bool(steps.max() <= self.grid)

    def anywhere(self) -> Noise:
        """The noise that samples the same smoothed classifier at any point, off the grid and outside [0, 1] too.

        What judges attacks; it certifies nothing.

        Raises:
            UnsupportedError: the family has none.
        """
        raise UnsupportedError(f"attacks on {self.family} noise cannot be judged: it cannot be drawn at any point")

    def quantised(self, x: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Inputs moved to the grid, and by how much a radius at each must shrink to hold at the input itself.

        The classifier smoothed is "quantise, then g": where x' is within R - shrink of x, the grid point of x' is
        within R of that of x.

        Args:
            x: ``[batch, *shape]`` in [0, 1], on no grid.

        Returns:
            The grid points, float64 ``[batch, *shape]``, and the shrinking in the norm of the family, rounded up,
            float64 ``[batch]``.

        Raises:
            UnsupportedError: the family, or this noise, has no grid to move inputs to.
        """
        raise UnsupportedError(f"{self.family} noise has no grid to quantise to")

    def sample(self, x: Any, n: int, generator: Any) -> Any:  # noqa: ANN401  # of torch, which is not needed here
        """Ordinary float noise of this law, for the soft vote, attacks and pictures: it certifies nothing.

        Args:
            x: a torch tensor, whose shape, type and device the noise has.
            n: how many draws.
            generator: of torch, on the device of x.

        Returns:
            A torch tensor ``[n, *x.shape]``, to be added to x.

        Raises:
            UnsupportedError: the family has none.
        """
        raise UnsupportedError(f"{self.family} noise has no float draws: no soft vote, and no attack that needs them")

    def law(self) -> Law:
        """The exact law of what is added to a number, which the health of a generator is tested by.

        Raises:
            UnsupportedError: the family does not state it.
        """
        raise UnsupportedError(f"{self.family} noise states no exact law that its draws could be tested by")

    def on(self, shape: tuple[int, ...]) -> Self:
        """The same noise, knowing how many coordinates an input of this shape has."""
        from dataclasses import replace
        from math import prod

        return replace(self, dimension=prod(shape))  # type: ignore[type-var]  # subclasses are dataclasses

    def config(self) -> dict[str, Any]:
        """The noise as a plain table: ``{"family": "gaussian", "sigma": 0.5, ...}``."""
        return {"family": self.family} | {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _p_needed(noise: Noise, radius: float) -> float:
    if not (isfinite(radius) and radius >= 0):
        raise ValueError(f"radius must be >= 0, got {radius}")

    def enough(tail: float) -> bool:
        return (got := noise.radius(Bounds(tail=tail, rival=tail))) >= radius and got > 0

    small, large = 2.0**-50, 0.5  # less than 2^-50 is no probability's complement
    if not enough(small):
        raise ValueError(f"radius must be below {noise.radius(Bounds(small, small)):.4g} with {noise}, got {radius}")
    while large > small * (1 + 2.0**-45):
        middle = sqrt(small * large)
        small, large = (middle, large) if enough(middle) else (small, middle)
    return nextafter(1 - small, 1)
