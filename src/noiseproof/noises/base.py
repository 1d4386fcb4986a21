"""What a noise family is: random words to a perturbed input, probability bounds to a radius."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from functools import lru_cache
from math import isfinite, nextafter, sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Self

from noiseproof.stats.bounds import Bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises.words import Words


class Noise(ABC):
    """A noise family. A subclass is a frozen dataclass whose fields are its configuration.

    The field ``dimension`` (number of coordinates of the input, or None) is set by whoever knows the input
    (``noise.on(shape)``); a family that loses something by its own arithmetic needs it to say how much.
    """

    family: ClassVar[str]
    norm: ClassVar[str]
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
