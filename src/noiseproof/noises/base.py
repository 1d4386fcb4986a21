"""What a noise family is: random words to a perturbed input, probability bounds to a radius."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises.words import Words
    from noiseproof.stats.bounds import Bounds


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
