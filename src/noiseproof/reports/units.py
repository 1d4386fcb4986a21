"""The units that radii are printed in; everything is computed and stored in input units."""

from __future__ import annotations

from dataclasses import dataclass

from noiseproof.procedures.radii import parse_radii


def down(value: float, digits: int) -> str:
    """A radius or a bound, not printed above itself.

    >>> down(0.67559, 3), down(0.3, 2)
    ('0.675', '0.30')
    """
    shown = f"{value:.{digits}f}"
    return shown if float(shown) <= value else f"{float(shown) - 10.0**-digits:.{digits}f}"


@dataclass(frozen=True)
class Units:
    """Radii in input units, or in units of 1/255: one step of one 8-bit pixel.

    Args:
        per: how many of them one input unit holds: 1 or 255.
        unit: what an input unit is, where inputs are no pixels: "each column's spread".

    Raises:
        ValueError: per is another number, or steps of a pixel are asked for where there are none.

    >>> Units(255).number(0.5), Units(255).name
    ('127.5', 'units of 1/255: one step of one 8-bit pixel')
    """

    per: int = 1
    unit: str = ""

    def __post_init__(self) -> None:
        if self.unit and self.per != 1:
            raise ValueError(f"units must be 1 where radii are in units of {self.unit}, got {self.per}")
        if self.per not in (1, 255):
            raise ValueError(f"units must be 1 (pixels in [0, 1]) or 255 (8-bit steps), got {self.per}")

    @property
    def name(self) -> str:
        """What a caption calls them."""
        if self.unit:
            return f"in units of {self.unit}"
        return "input units: pixels in [0, 1]" if self.per == 1 else "units of 1/255: one step of one 8-bit pixel"

    @property
    def default_radii(self) -> str:
        """Where to evaluate a curve if nobody says."""
        return "0:1.5:0.25" if self.per == 1 else "0:384:64"

    def number(self, radius: float) -> str:
        """A radius of the grid, as short as it is."""
        return f"{radius * self.per:g}"

    def value(self, radius: float) -> str:
        """A measured radius, rounded to nearest."""
        return f"{radius * self.per:.{3 if self.per == 1 else 1}f}"

    def parse(self, radii: str) -> tuple[float, ...]:
        """Radii in input units, from a grid written in these.

        Raises:
            ValueError: not a grid.
        """
        return tuple(radius / self.per for radius in parse_radii(radii))


INPUT_UNITS = Units()
