"""How a figure is to look: its title and the shares it shows, the size of a screen or of a venue's column."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

from noiseproof.errors import unknown

Style = Literal["screen", "neurips", "iclr", "icml", "cvpr", "ieee", "acm", "usenix"]

_WIDTHS = {"neurips": 5.5, "iclr": 5.5, "icml": 3.25, "cvpr": 3.25, "ieee": 3.5, "acm": 3.33, "usenix": 3.33}
"""Inches of a column, as the venues' templates have them; letters are of 8 points."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a figure looks.

    Attributes:
        title: Above the axes; by default one that says what is shown, none for a venue.
        ylim: LOW,HIGH: the shares shown.
        width: Inches; by default that of --style.
        style: Column width and letters of a venue, or for a screen.

    Raises:
        ValueError: a number is out of range, or the style is unknown.
    """

    title: str | None = None
    ylim: str | tuple[float, float] = "0,1"
    width: float | None = None
    style: Style = "screen"

    def __post_init__(self) -> None:
        if self.style not in get_args(Style):
            raise ValueError(unknown("style", self.style, get_args(Style)))
        if self.width is not None and not 1 <= self.width <= 40:
            raise ValueError(f"width must be in inches, from 1 to 40, got {self.width:g}")
        _ = self.shares

    @property
    def shares(self) -> tuple[float, float]:
        """The lowest and the highest share shown."""
        given = self.ylim.split(",") if isinstance(self.ylim, str) else self.ylim
        try:
            low, high = map(float, given)
        except (TypeError, ValueError):
            raise ValueError(f"ylim must be LOW,HIGH such as 0.5,1, got {self.ylim!r}") from None
        if not (isfinite(low) and isfinite(high) and 0 <= low < high <= 1):
            raise ValueError(f"ylim must be two shares, 0 <= LOW < HIGH <= 1, got {self.ylim!r}")
        return low, high

    @property
    def letters(self) -> float:
        """Points of the labels; what is small has two less, but 6 at least."""
        return 10.0 if self.style == "screen" else 8.0

    @property
    def small(self) -> float:
        """Points of legends."""
        return max(self.letters - 2, 6.5)

    def inches(self, otherwise: float) -> float:
        """How broad the figure is."""
        return self.width or _WIDTHS.get(self.style, otherwise)

    def titled(self, title: str) -> str:
        """The title asked for, or this one on a screen."""
        return self.title if self.title is not None else title if self.style == "screen" else ""


SCREEN = Look()
