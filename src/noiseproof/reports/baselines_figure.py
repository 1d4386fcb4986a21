"""Smoothing beside other certificates as small multiples: a panel a family of methods, the others pale behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis import certified_share
from noiseproof.asked.look import SCREEN, Look
from noiseproof.reports.figures import mark
from noiseproof.reports.look import HANDLE, colour, dashes, dress, inches_of, wrapped
from noiseproof.reports.tables import percent_up
from noiseproof.reports.units import INPUT_UNITS
from noiseproof.stats import dkw_band

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DELTA = 0.05
"""Failure probability of the band."""

_PANELS = {0: "Smoothing", 1: "Earlier bounds, same counts"}


@dataclass(frozen=True)
class Row:
    """One method over the common inputs.

    Attributes:
        name: of the method and its network.
        radii: of each input, -1 where the class is wrong or abstained, shape [inputs].
        seconds: of the certificates of all of them, wall time.
        training: seconds of training; None where not known.
        alpha: failure probability of one certificate; 0 where there is none.
        checked: certified inputs that were attacked within their radius.
        broken: how many of these changed their class there.
        beyond: certified inputs attacked at twice their radius.
        beyond_broken: how many of these changed their class there.
        family: 0 for smoothing, 1 for earlier bounds of it, 2 for the others: how it is drawn.
    """

    name: str
    radii: NDArray[np.float64]
    seconds: float
    training: float | None
    alpha: float
    checked: int = 0
    broken: int = 0
    beyond: int = 0
    beyond_broken: int = 0
    family: int = 0

    @property
    def panel(self) -> tuple[str, str]:
        """Which panel of the figure it stands in, and what it is called there."""
        method, _, rest = self.name.partition(", ")
        return _PANELS.get(self.family, method), method if self.family == 1 else rest


def baselines_figure(rows: Sequence[Row], m: int, look: Look = SCREEN) -> Figure:
    """Certified accuracy of each row against the radius; a panel's legend has the order of its curves.

    Args:
        rows: one a method.
        m: inputs.
        look: title, size, shares shown.
    """
    from matplotlib.figure import Figure

    panels = {name: [row for row in rows if row.panel[0] == name] for name in dict.fromkeys(r.panel[0] for r in rows)}
    inches = look.inches(7.6)
    across = 1 if inches < 5 else min(2, len(panels))
    down = -(-len(panels) // across)
    wide = inches / across
    tall = wide * (0.7 if across > 1 else 0.55)  # one below the other, four must fit on a page
    figure = Figure(figsize=(inches, down * tall + 0.8), dpi=200, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    right = 1.05 * max((float(row.radii.max()) for row in rows), default=0.0) or 1.0
    more = [0.0] * down
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_axis_off()
            continue
        name, lowest = list(panels)[number], number + across >= len(panels)
        dress(axes, name, look, wide)
        axes.set(xlim=(0, max(right, 1e-9)), ylim=look.shares)
        axes.tick_params(labelbottom=lowest)
        _draw(axes, [row for row in rows if row.panel[0] != name], pale=True)
        _draw(axes, panels[name], pale=False)
        below = 0.12 + lowest * 1.6 * look.letters / 72
        more[number // across] = max(more[number // across], _name(axes, panels[name], look, (wide, tall), below))
    figure.set_figheight(figure.get_figheight() + sum(more))
    band = percent_up(dkw_band(m, DELTA))
    note = f"With probability {1 - DELTA:g} the curve of the population lies within ±{band} points of each."
    small = look.letters - 1
    figure.supxlabel(f"L2 radius ({INPUT_UNITS.name})\n{wrapped(note, inches - 0.3, small)}", fontsize=small)
    figure.supylabel("certified accuracy", fontsize=look.letters)
    title = look.titled(f"Certified accuracy of smoothing and of other methods, {m} inputs")
    if title:
        figure.suptitle(wrapped(title, inches - 0.3, look.letters + 1), fontsize=look.letters + 1)
    return figure


def _draw(axes: Axes, rows: Sequence[Row], *, pale: bool) -> None:
    """The curves of a panel, the one with the largest area first."""
    for number, row in enumerate(sorted(rows, key=lambda row: -float(np.maximum(row.radii, 0).mean()))):
        inside = np.unique(np.concatenate([[0.0], row.radii[row.radii > 0]]))
        radii, shares = np.append(inside, inside[-1]), np.append(certified_share(row.radii, inside), 0.0)
        if pale:
            axes.step(radii, shares, where="pre", color="0.85", linewidth=0.9)
            continue
        label = row.panel[1]
        (line,) = axes.step(
            radii, shares, where="pre", color=colour(number), linestyle=dashes(number), linewidth=1.5, label=label
        )
        mark(line, number, len(rows))


def _name(axes: Axes, rows: Sequence[Row], look: Look, size: tuple[float, float], below: float) -> float:
    """The legend of a panel: in its upper right corner where no curve is, else below it; returns the inches it takes.

    Args:
        axes: of the panel.
        rows: its own.
        look: of the figure.
        size: of the panel with its title and labels, in inches.
        below: inches from the axes to where there is room.
    """
    from matplotlib.transforms import ScaledTranslation

    points = look.small - 1
    lines, names = axes.get_legend_handles_labels()
    # what the axes have for themselves, at least, and what a legend takes of it, at most
    wide, tall = size[0] - 0.7, size[1] - 0.5
    broad, high = max(inches_of(name, points) for name in names) + (HANDLE + 3) * points / 72, len(names) * 1.5 + 1.5
    low, top = look.shares
    left, under = 1 - broad / wide, top - (top - low) * high * points / 72 / tall
    # curves fall: what is under the corner of the box is under the box
    free = left > 0 and all(
        certified_share(row.radii, np.array([left * axes.get_xlim()[1]]))[0] < under for row in rows
    )
    texts = names if free else [wrapped(name, wide - (HANDLE + 3) * points / 72, points) for name in names]
    legend = axes.legend(
        lines,
        texts,
        frameon=free,
        framealpha=0.85,
        edgecolor="none",
        fontsize=points,
        handlelength=HANDLE,
        loc="upper right" if free else "upper center",
    )
    if free:
        return 0.0
    legend.set_bbox_to_anchor(
        (0.5, 0), transform=axes.transAxes + ScaledTranslation(0, -below, axes.figure.dpi_scale_trans)
    )
    return (sum(text.count("\n") + 1 for text in texts) * 1.5 + 1.5) * points / 72
