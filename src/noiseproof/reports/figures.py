"""Certified-accuracy curves as a figure, drawn without a display and without global state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis import certified_share
from noiseproof.errors import RunError
from noiseproof.reports.tables import norm_name, run_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from noiseproof.analysis import Summary

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinguishable for colour-blind readers: Okabe & Ito 2008, without its yellow."""

_DASHES = ("-", "--", "-.", ":")
_DATES = {".png": "Software", ".pdf": "CreationDate", ".svg": "Date"}
"""The metadata of each format that would differ between two drawings of the same runs."""


def draw_curves(summaries: Sequence[Summary], path: str | Path, *, title: str = "") -> Path:
    """The figure of ``curves_figure``, written by ``save_figure``: the same runs give the same bytes."""
    check_suffix(path)  # before the work
    return save_figure(curves_figure(summaries, title=title), path)


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

    with mpl.rc_context({"svg.hashsalt": "noiseproof"}):
        try:
            figure.savefig(target, metadata={_DATES[target.suffix.lower()]: None})
        except OSError as error:
            raise RunError(f"cannot write {target}: {error.strerror}; choose another --out") from None
    return target


BANDS = 4
"""Of more runs the bands would lie over one another; the legend says how wide they are."""


def curves_figure(summaries: Sequence[Summary], *, title: str = "") -> Figure:
    """Certified accuracy against the radius: a step curve for each run, and its band where the runs are few.

    The curves are the full ones, a step at every certified input. A dotted line stands at the largest radius a run
    could have certified, where that is known: a curve ends there for want of draws, not of robustness.

    Args:
        summaries: runs in one norm.
        title: the title; made from the runs where empty.

    Raises:
        ValueError: no runs, or different norms.
    """
    names = run_names(summaries)
    norms = sorted({summary.norm for summary in summaries})
    if len(norms) > 1:
        raise ValueError(f"runs of one figure must have the same norm, got {', '.join(norms)}")
    figure, axes = new_axes(title or "Certified accuracy of the smoothed classifier")
    right = 1.05 * max(reach(summary) for summary in summaries) or 1.0
    for i, (name, summary) in enumerate(zip(names, summaries, strict=True)):
        colour, dashes = COLOURS[i % len(COLOURS)], _DASHES[i // len(COLOURS) % len(_DASHES)]
        # Beyond the ceiling there is nothing to estimate: no curve and no band.
        radii, shares = step_curve(summary, right if summary.ceiling is None else reach(summary))
        if len(summaries) <= BANDS:
            low, high = np.maximum(shares - summary.band, 0), np.minimum(shares + summary.band_up, 1)
            axes.fill_between(radii[:-1], low[:-1], high[:-1], step="pre", color=colour, alpha=0.16, linewidth=0)
        label = f"{name} (ACR {summary.acr:.3f}{', ' * bool(summary.unfinished)}{summary.unfinished})"
        axes.step(radii, shares, where="pre", color=colour, linestyle=dashes, linewidth=1.6, label=label)
        if summary.ceiling is not None:
            axes.axvline(summary.ceiling, color=colour, linestyle=":", linewidth=1.0)
    _label(figure, axes, summaries, right)
    return figure


def new_axes(title: str, *, width: float = 6.4, height: float = 4.6) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, as all of ours look; sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


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


def _label(figure: Figure, axes: Axes, summaries: Sequence[Summary], right: float) -> None:
    norm = norm_name(summaries[0].norm)
    axes.set(xlim=(0, right), xlabel=f"{norm} radius (input units: pixels in [0, 1])")
    axes.set(ylim=(0, 1), ylabel="certified accuracy")
    sure = ", ".join(sorted({f"{1 - summary.delta:.10g}" for summary in summaries}))
    if len(summaries) <= BANDS:
        axes.fill_between([], [], [], color="0.5", alpha=0.25, linewidth=0, label=f"DKW band, probability {sure}")
    else:
        width = max(summary.band for summary in summaries)
        axes.plot([], [], linestyle="", label=f"DKW band, probability {sure}: ±{100 * width:.1f} points, not drawn")
    if any(summary.ceiling is not None for summary in summaries):
        axes.plot([], [], color="0.3", linestyle=":", linewidth=1.0, label="the most that n draws can certify")
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
