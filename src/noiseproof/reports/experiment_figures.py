"""The figures of the experiments: step curves, bars of answers, radius against p_A."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.reports.figures import COLOURS, new_axes, step_curve
from noiseproof.reports.units import INPUT_UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from noiseproof.analysis import PredictionTable, Summary
    from noiseproof.reports.units import Units

_ANSWERS = {"right": "#009E73", "abstained": "#CCCCCC", "wrong": "#D55E00"}


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
    """

    label: str
    radii: NDArray[np.float64]
    shares: NDArray[np.float64]
    colour: str
    dashes: str = "-"
    width: float = 1.6


def accuracy_curve(summary: Summary, label: str, number: int, dashes: str = "-") -> PlottedCurve:
    """The certified accuracy of a run until it falls to 0, in the number's colour.

    It is 0 by definition where n draws can certify no more, so it may fall in one step.
    """
    radii, shares = step_curve(summary, largest_radius([summary]))
    return PlottedCurve(label, radii, shares, COLOURS[number % len(COLOURS)], dashes)


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
    zoom: float = 0.0,
) -> Figure:
    """Step curves over one radius axis, the first one lowest.

    Args:
        curves: at least one.
        norm: as a reader writes it.
        title: above the axes.
        note: above the legend.
        units: of the radius axis.
        y: what the shares are; certified accuracy where empty.
        zoom: height of a magnified part beside the curves, as a share; none where 0.
    """
    figure, axes = new_axes(title)
    _draw(axes, curves, units)
    right = 1.05 * units.per * max(float(curve.radii.max()) for curve in curves) or 1.0
    axes.set(xlim=(0, right), xlabel=f"{norm} radius ({units.name})")
    axes.set(ylim=(0, 1), ylabel=y or "certified accuracy")
    if zoom:
        # around the first curve, half-way; curves fall, so one of two corners is free
        x = 0.5 * units.per * float(curves[0].radii.max())
        height = _share_at(curves[0], x / units.per)
        high = max(_share_at(curve, 0.56 * right / units.per) for curve in curves) > 0.48
        inset = axes.inset_axes((0.09, 0.08, 0.38, 0.38) if high else (0.56, 0.54, 0.42, 0.42))
        _draw(inset, curves, units)
        inset.set(xlim=(x - 0.04 * right, x + 0.04 * right), ylim=(height - zoom / 2, height + zoom / 2))
        inset.tick_params(labelsize=7)
        axes.indicate_inset_zoom(inset, edgecolor="0.5")
    _legend(figure, note)
    return figure


def _share_at(curve: PlottedCurve, radius: float) -> float:
    # a share holds up to and with its radius, so the first corner that is not below the radius says it
    corner = int(np.searchsorted(curve.radii, radius, side="left"))
    return float(curve.shares[corner]) if corner < len(curve.shares) else 0.0


def _draw(axes: Axes, curves: Sequence[PlottedCurve], units: Units) -> None:
    for curve in curves:
        axes.step(
            curve.radii * units.per,
            curve.shares,
            where="pre",
            color=curve.colour,
            linestyle=curve.dashes,
            linewidth=curve.width,
            label=curve.label,
        )


def answers_of(tables: Mapping[str, PredictionTable], *, title: str, note: str = "") -> Figure:
    """One bar a row, right, abstained and wrong beside each other.

    Args:
        tables: by the name of their bar, from the top.
        title: above the axes.
        note: above the legend.
    """
    figure, axes = new_axes(title, height=1.9 + 0.45 * len(tables))
    names = list(tables)
    left = np.zeros(len(names))
    for answer, colour in _ANSWERS.items():
        shares = np.array([getattr(tables[name], answer) for name in names])
        axes.barh(names, shares, left=left, color=colour, height=0.66, label=answer)
        for place, (start, share) in enumerate(zip(left, shares, strict=True)):
            if share >= 0.06:  # narrower ones have no room for their number
                axes.text(start + share / 2, place, f"{share:.1%}", ha="center", va="center", fontsize=8)
        left += shares
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    axes.set_xlabel(f"share of {next(iter(tables.values())).m} inputs")
    _legend(figure, note)
    return figure


def bounds_of(p_a: NDArray[np.float64], radii: Mapping[str, NDArray[np.float64]], *, title: str) -> Figure:
    """Radius in multiples of sigma against p_A, one curve a certificate.

    Args:
        p_a: ascending.
        radii: by the certificate's name, each of the shape of ``p_a``.
        title: above the axes.
    """
    figure, axes = new_axes(title)
    for number, (name, radius) in enumerate(radii.items()):
        axes.plot(p_a, radius, color=COLOURS[number % len(COLOURS)], linewidth=1.8, label=name)
    axes.set(xlim=(0.5, 1), xlabel="p_A, the probability of the top class (p_B = 1 - p_A)")
    axes.set(ylim=(0, 3), ylabel="L2 radius / sigma")
    _legend(figure, "")
    return figure


def _legend(figure: Figure, note: str) -> None:
    labels = figure.axes[0].get_legend_handles_labels()[1]
    columns = 3 if sum(map(len, labels)) < 80 and len(labels) == 3 else 2
    figure.legend(
        frameon=False, fontsize=8, loc="outside lower center", ncols=columns, title=note or None, title_fontsize=8
    )
