"""What looking at runs found, before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from noiseproof.reports.tables import Table


@dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Attributes:
        tables: in reading order.
        figure: of matplotlib.
    """

    tables: tuple[Table, ...]
    figure: Figure
