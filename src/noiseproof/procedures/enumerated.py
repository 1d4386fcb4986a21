"""ENUMERATED: the noise has finitely many values and every one was asked for, so nothing was left to chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noiseproof.arguments import settle
from noiseproof.errors import UnsupportedError
from noiseproof.procedures.base import Procedure, at_most

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.procedures.base import Requests


@dataclass(frozen=True)
class Enumerated(Procedure):
    """What others certified without drawing: derandomized smoothing. Stated at import; noiseproof cannot run it.

    Args:
        n: values of the noise, all of which were asked for.
        alpha: 0, since no certificate can fail by chance.

    Raises:
        ValueError: an argument is out of range.
    """

    n: int
    alpha: float = 0.0

    name: ClassVar[str] = "enumerated"

    def __post_init__(self) -> None:
        settle(self, {"n": at_most})
        if self.alpha != 0:
            raise ValueError(f"alpha must be 0 where the noise was enumerated, got {self.alpha}")

    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """Refused."""
        raise UnsupportedError("smoothing by enumeration is known from imports only: noiseproof cannot run it")
