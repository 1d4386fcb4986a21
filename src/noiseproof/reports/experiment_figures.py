"""The figures of the experiments: step curves, bars of answers, radius against p_A."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis import DecisionTable, PredictionTable
from noiseproof.asked.look import SCREEN, Look
from noiseproof.reports.figures import mark, step_curve
from noiseproof.reports.look import MARKERS, colour, dashes, new_axes, place_legend, wrapped
from noiseproof.reports.tables import radius_name
from noiseproof.reports.units import INPUT_UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from noiseproof.analysis import Summary
    from noiseproof.reports.units import Units

_RIGHT, _NEITHER, _GIVEN_UP, _WRONG = ("#009E73", ""), ("#CCCCCC", ""), ("#EEEEEE", ".."), ("#D55E00", "///")
"""Colour and hatching of a kind of answers."""

_PREDICTED = {"right": _RIGHT, "abstained": _NEITHER, "wrong": _WRONG}
_DECIDED = {"certified": _RIGHT, "undecided": _NEITHER, "not_certified": _GIVEN_UP, "wrong": _WRONG}


@dataclass(frozen=True)
class PlottedCurve:
    """One step curve: shares[i] holds on (radii[i-1], radii[i]].

    Attributes:
        label: for the legend.
        radii: in input units, ascending.
        shares: in [0, 1].
        colour: of matplotlib.
        dashes: of matplotlib.
        width: in points.
        number: of its marks; 0 for none.
    """

    label: str
    radii: NDArray[np.float64]
    shares: NDArray[np.float64]
    colour: str
    dashes: str = "-"
    width: float = 1.6
    number: int = 0

    @property
    def area(self) -> float:
        """Below it: its place in the legend."""
        return float(np.sum(np.diff(self.radii) * self.shares[1:]))


def accuracy_curve(summary: Summary, label: str, number: int, dashes: str = "-") -> PlottedCurve:
    """The certified accuracy of a run until it falls to 0, in the number's colour.

    It is 0 by definition where n draws can certify no more, so it may fall in one step.
    """
    radii, shares = step_curve(summary, largest_radius([summary]))
    return PlottedCurve(label, radii, shares, colour(number), dashes, number=number)


def largest_radius(summaries: Sequence[Summary]) -> float:
    """The largest finite radius at which an input of any of the runs is right and certified; 0.0 for none."""
    return max((r for summary in summaries for r in summary.right_radii if 0 < r < np.inf), default=0.0)


def upper_envelope(curves: Sequence[PlottedCurve], label: str) -> PlottedCurve:
    """The largest share of any curve at each radius, as a broad pale line to lie below them."""
    radii = np.unique(np.concatenate([curve.radii for curve in curves]))
    shares = [[_share_at(curve, radius) for radius in radii.tolist()] for curve in curves]
    return PlottedCurve(label, np.append(radii, radii[-1]), np.append(np.max(shares, axis=0), 0.0), "0.75", width=5.0)


def curves_of(
    curves: Sequence[PlottedCurve],
    *,
    norm: str,
    title: str,
    note: str = "",
    units: Units = INPUT_UNITS,
    y: str = "",
    zoom: int = 0,
    look: Look = SCREEN,
) -> Figure:
    """Step curves over one radius axis, the first one lowest; the legend has the order of the areas below them.

    Args:
        curves: at least one.
        norm: as a reader writes it.
        title: above the axes.
        note: above the legend.
        units: of the radius axis.
        y: what the shares are; certified accuracy where empty.
        zoom: so many of the first curves are magnified beside the others, half-way along the first; none where 0.
        look: title, size, shares shown.
    """
    figure, axes = new_axes(title, look)
    lines = _draw(axes, curves, units)
    right = 1.05 * units.per * max(float(curve.radii.max()) for curve in curves) or 1.0
    axes.set(xlim=(0, right), xlabel=radius_name(norm, units.name))
    axes.set(ylim=look.shares, ylabel=y or "certified accuracy")
    if zoom:
        x, half = 0.5 * units.per * float(curves[0].radii.max()), 0.04 * right
        sides = [max(x - half, 0.0) / units.per, (x + half) / units.per]
        heights = [_share_at(curve, side) for curve in curves[:zoom] for side in sides]
        margin = max(0.1 * (max(heights) - min(heights)), 0.01)
        # curves fall, so one of two corners is free
        high = max(_share_at(curve, 0.56 * right / units.per) for curve in curves) > 0.48
        below = min(_share_at(curve, 0.47 * right / units.per) for curve in curves) - 0.11
        tall = below if 0.2 < below < 0.38 else 0.38
        # what its own labels take, as shares of the axes
        left, under = 2.6 * look.small / 72 / figure.get_figwidth(), 2.7 * look.small / 72 / figure.get_figheight()
        inset = axes.inset_axes((0.03 + left, 0.03 + under, 0.38, tall) if high else (0.56, 0.54, 0.42, 0.42))
        _draw(inset, curves, units)
        inset.set(xlim=(x - half, x + half), ylim=(min(heights) - margin, max(heights) + margin))
        inset.tick_params(labelsize=look.small - 1)
        axes.indicate_inset_zoom(inset, edgecolor="0.5")
    order = sorted(range(len(curves)), key=lambda i: -curves[i].area)
    place_legend(figure, [(lines[i], curves[i].label) for i in order], look, note=note)
    return figure


def _share_at(curve: PlottedCurve, radius: float) -> float:
    # a share holds up to and with its radius, so the first corner that is not below the radius says it
    corner = int(np.searchsorted(curve.radii, radius, side="left"))
    return float(curve.shares[corner]) if corner < len(curve.shares) else 0.0


def _draw(axes: Axes, curves: Sequence[PlottedCurve], units: Units) -> list[Line2D]:
    lines = []
    for curve in curves:
        (line,) = axes.step(
            curve.radii * units.per,
            curve.shares,
            where="pre",
            color=curve.colour,
            linestyle=curve.dashes,
            linewidth=curve.width,
            label=curve.label,
        )
        mark(line, curve.number, len(MARKERS))
        lines.append(line)
    return lines


def answers_of(
    tables: Mapping[str, PredictionTable] | Mapping[str, DecisionTable],
    *,
    title: str,
    note: str = "",
    look: Look = SCREEN,
) -> Figure:
    """One bar a row: right, abstained and wrong answers beside each other, or those of DECIDE with what is guaranteed.

    Args:
        tables: by the name of their bar, from the top.
        title: above the axes.
        note: above the legend.
        look: title and size.
    """
    figure, axes = new_axes(title, look, height=(1.0 + 0.5 * len(tables)) * 6.4 / look.inches(6.4))
    names, first, places = [*tables], next(iter(tables.values())), np.arange(len(tables))
    left = np.zeros(len(names))
    entries: list[tuple[Artist, str]] = []
    answers = _PREDICTED if isinstance(first, PredictionTable) else _DECIDED
    for answer, (painted, hatch) in answers.items():
        shares = np.array([getattr(tables[name], answer) for name in names])
        label = "wrong class" if answer == "wrong" and answers is _DECIDED else answer.replace("_", " ")
        bars = axes.barh(places, shares, left=left, color=painted, height=0.66, label=label, hatch=hatch, edgecolor="w")
        entries.append((bars[0], label))
        for place, (start, share) in enumerate(zip(left, shares, strict=True)):
            if share >= 0.09:  # narrower ones have no room for their number
                white = {"facecolor": "w", "edgecolor": "none", "pad": 1} if hatch else None
                size = look.small
                axes.text(start + share / 2, place, f"{share:.1%}", ha="center", va="center", fontsize=size, bbox=white)
        left += shares
    guaranteed = [each.fixed_set_lower for each in tables.values() if isinstance(each, DecisionTable)]
    if guaranteed:
        ticks = axes.plot(guaranteed, [place + 0.42 for place in range(len(names))], "^", color="k", markersize=5)
        entries.append((ticks[0], "these inputs, right and robust at least"))
    axes.invert_yaxis()
    axes.set_yticks(places, [wrapped(name, figure.get_figwidth() / 3, look.letters - 1) for name in names])
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    sizes = sorted({each.m for each in tables.values()})
    axes.set_xlabel(f"share of {' to '.join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))} inputs")
    place_legend(figure, entries, look, note=note, columns=5)
    return figure


def bounds_of(
    p_a: NDArray[np.float64],
    radii: Mapping[str, NDArray[np.float64]],
    *,
    title: str,
    highest: float = 3.0,
    look: Look = SCREEN,
) -> Figure:
    """Radius in multiples of sigma against p_A, one curve a certificate.

    Args:
        p_a: ascending.
        radii: by the certificate's name, each of the shape of ``p_a``.
        title: above the axes.
        highest: radius shown.
        look: title and size.
    """
    figure, axes = new_axes(title, look)
    entries: list[tuple[Artist, str]] = []
    for number, (name, radius) in enumerate(radii.items()):
        (line,) = axes.plot(p_a, radius, color=colour(number), linestyle=dashes(number), linewidth=1.8, label=name)
        mark(line, number, len(radii))
        entries.append((line, name))
    axes.set(xlim=(0.5, 1), xlabel="p_A, the probability of the top class (p_B = 1 - p_A)")
    axes.set(ylim=(0, highest), ylabel="L2 radius / sigma")
    place_legend(figure, entries, look)
    return figure
