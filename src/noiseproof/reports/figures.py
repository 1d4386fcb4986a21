"""Certified-accuracy curves as a figure, drawn without a display and without global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis import certified_share
from noiseproof.asked.look import SCREEN, Look
from noiseproof.errors import RunError
from noiseproof.reports.look import DASHES, colour, dashes, marker, new_axes, place_legend
from noiseproof.reports.tables import percent_up, radius_name, run_names
from noiseproof.reports.units import INPUT_UNITS, Units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from noiseproof.analysis import Summary

_DATES = {".png": "Software", ".pdf": "CreationDate", ".svg": "Date"}
"""The metadata of each format that would differ between two drawings of the same runs."""


def draw_curves(summaries: Sequence[Summary], path: str | Path, look: Look = SCREEN) -> Path:
    """The figure of ``curves_figure``, written by ``save_figure``: the same runs give the same bytes."""
    check_suffix(path)  # before the work
    return save_figure(curves_figure(summaries, look), path)


def check_suffix(path: str | Path) -> None:
    """Raise ``ValueError`` unless the path ends in a format that ``save_figure`` writes."""
    if Path(path).suffix.lower() not in _DATES:
        raise ValueError(f"path must end in {', '.join(_DATES)}, got {Path(path).name!r}")


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure without anything that would differ between two drawings of it.

    Args:
        figure: to write.
        path: where to write; .png, .pdf or .svg.

    Returns:
        The path.

    Raises:
        ValueError: a suffix of another format.
        RunError: the file cannot be written.
    """
    target = Path(path)
    check_suffix(target)
    import matplotlib as mpl

    # letters as letters (Type 42), which the checks of venues ask for
    with mpl.rc_context({"svg.hashsalt": "noiseproof", "pdf.fonttype": 42, "ps.fonttype": 42}):
        try:
            figure.savefig(target, metadata={_DATES[target.suffix.lower()]: None})
        except OSError as error:
            raise RunError(f"cannot write {target}: {error.strerror}; choose another --out") from None
    return target


BANDS = 4
"""Of more runs the bands would lie over one another; the legend says how wide they are."""


def curves_figure(summaries: Sequence[Summary], look: Look = SCREEN, *, title: str = "") -> Figure:
    """Certified accuracy against the radius: a step curve for each run, and its band where the runs are few.

    The curves are the full ones, a step at every certified input. A dotted line stands at the largest radius a run
    could have certified, where that is known: a curve ends there for want of draws, not of robustness. The legend has
    the order of the curves: by the area below them, which is the ACR.

    Args:
        summaries: runs in one norm.
        look: title, size, shares shown.
        title: where the look has none.

    Raises:
        ValueError: no runs, or different norms.
    """
    names = run_names(summaries)
    norms = sorted({" ".join(filter(None, (summary.norm, summary.unit))) for summary in summaries})
    if len(norms) > 1:
        raise ValueError(f"runs of one figure must have the same norm, got {', '.join(norms)}")
    units = Units(unit=summaries[0].unit)
    figure, axes = new_axes(title or "Certified accuracy of the smoothed classifier", look)
    right, of = 1.05 * max(reach(summary) for summary in summaries) or 1.0, len(summaries)
    entries: list[tuple[Artist, str]] = []
    for i in sorted(range(of), key=lambda i: -summaries[i].acr):
        summary, drawn_in, drawn_as = summaries[i], colour(i), dashes(i)
        # Beyond the ceiling there is nothing to estimate: no curve and no band.
        radii, shares = step_curve(summary, right if summary.ceiling is None else reach(summary))
        if of <= BANDS:
            low, high = np.maximum(shares - summary.band, 0), np.minimum(shares + summary.band_up, 1)
            # bands of several runs lie over one another: their edges tell them apart
            axes.fill_between(
                *(radii[:-1], low[:-1], high[:-1]),
                step="pre",
                facecolor=(drawn_in, 0.16 if of == 1 else 0.08),
                edgecolor=(drawn_in, 0.5),
                linestyle=drawn_as,
                linewidth=0.0 if of == 1 else 0.6,
            )
        label = ", ".join(filter(None, (f"{names[i]} (ACR {INPUT_UNITS.value(summary.acr)}", summary.unfinished))) + ")"
        (line,) = axes.step(radii, shares, where="pre", color=drawn_in, linestyle=drawn_as, linewidth=1.6, label=label)
        mark(line, i, of if of > len(DASHES) else 1)
        entries.append((line, label))
        if summary.ceiling is not None:
            axes.axvline(summary.ceiling, color=drawn_in, linestyle=":", linewidth=1.0)
    axes.set(xlim=(0, right), xlabel=radius_name(summaries[0].norm, units.name))
    axes.set(ylim=look.shares, ylabel="certified accuracy")
    place_legend(figure, [*entries, *_bounds(axes, summaries)], look)
    return figure


def mark(line: Line2D, number: int, of: int) -> None:
    """Give a curve its marks, here and there, where it is one of several."""
    line.set_marker(marker(number, of))
    line.set_markersize(4)
    line.set_markevery((0.03 + 0.02 * (number % 7), 0.16))  # of the diagonal; not all at one place


def step_curve(summary: Summary, right: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The corners of the certified-accuracy curve: shares[i] holds on (radii[i-1], radii[i]].

    Args:
        summary: of one run.
        right: where to end.

    Returns:
        radii from 0 to ``right``, which stands there twice; certified accuracy there, the last one just beyond.
    """
    contributions = np.asarray(summary.right_radii)
    inside = contributions[(contributions > 0) & (contributions < right)]
    radii = np.unique(np.concatenate([[0.0], inside, [right]]))
    shares = certified_share(contributions, np.append(radii, np.nextafter(right, np.inf)))
    return np.append(radii, right), shares


def reach(summary: Summary) -> float:
    """The largest radius of a run's curve that is finite: what it reached, or what its draws could certify."""
    finite = [radius for radius in summary.right_radii if np.isfinite(radius)]
    return max(0.0, summary.ceiling or 0.0, *finite)


def _bounds(axes: Axes, summaries: Sequence[Summary]) -> Iterator[tuple[Artist, str]]:
    """What stands in the legend beside the curves."""
    sure = ", ".join(sorted({f"{1 - summary.delta:.10g}" for summary in summaries}))
    if len(summaries) <= BANDS:
        band = axes.fill_between([], [], [], color="0.5", alpha=0.25, linewidth=0)
        yield band, f"DKW band, probability {sure}"
    else:
        (line,) = axes.plot([], [], linestyle="")
        width = percent_up(max(summary.band for summary in summaries))
        yield line, f"DKW band, probability {sure}: ±{width} points, not drawn"
    if any(summary.ceiling is not None for summary in summaries):
        (line,) = axes.plot([], [], color="0.3", linestyle=":", linewidth=1.0)
        yield line, "the most that n draws can certify"
