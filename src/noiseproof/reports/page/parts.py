"""What pages are made of: sentences, tables, charts, inputs; each has its place in the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noiseproof.reports.page.chart import Chart
    from noiseproof.reports.page.gallery import Group, Picture
    from noiseproof.reports.tables import Table


@dataclass(frozen=True)
class Say:
    """A paragraph; ``tone`` is "", "good", "warn" or "bad"."""

    text: str
    tone: str = ""
    form = "say"


@dataclass(frozen=True)
class Tile:
    """What stands out, what it is, and what it is worth; with a picture where there is one."""

    name: str
    value: str
    note: str = ""
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Tiles:
    """Numbers beside one another."""

    tiles: tuple[Tile, ...]
    form = "tiles"


@dataclass(frozen=True)
class Grid:
    """A table under a heading; ``folded`` ones open on demand."""

    title: str
    table: Table
    folded: bool = False
    form = "grid"


@dataclass(frozen=True)
class Figure:
    """A chart and what it shows."""

    chart: Chart
    caption: tuple[str, ...] = ()
    form = "figure"


@dataclass(frozen=True)
class Inputs:
    """Single inputs, in groups."""

    groups: tuple[Group, ...]
    form = "inputs"


@dataclass(frozen=True)
class Text:
    """Text as a terminal shows it, under a heading; folded."""

    title: str
    text: str
    form = "text"


@dataclass(frozen=True)
class Marked:
    """HTML of our own making, from Markdown of our own making."""

    title: str
    html: str
    form = "marked"


Piece = Say | Tiles | Grid | Figure | Inputs | Text | Marked


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it.

    Attributes:
        name: an identifier of the page.
        title: the heading.
        parts: in order; a section without any is left out.
    """

    name: str
    title: str
    parts: tuple[Piece, ...]
