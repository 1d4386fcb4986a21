"""The ACR and what it hides: its band, that of a constant classifier, the median, how sure the inputs are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis.acr import acr_band, constant_acr, right_lower
from noiseproof.asked.look import Look
from noiseproof.reports.findings import Findings
from noiseproof.reports.look import DASHES, colour, dashes, new_axes, place_legend
from noiseproof.reports.summaries import run_summary
from noiseproof.reports.tables import Table, norm_name, run_names
from noiseproof.reports.units import Units
from noiseproof.stats import gaussian_radius, one_sided

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from noiseproof.analysis import Summary
    from noiseproof.store.run import Run

SURE = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
"""Where the distribution of the bounds on p_A is tabled."""


def acr_findings(runs: Sequence[Run], radii: tuple[float, ...], units: Units, look: Look) -> Findings:
    """The ACR of runs beside what it hides, and the distribution of the lower bounds on p_A."""
    del radii, units  # the ACR is of the whole curve
    summaries = [run_summary(run, (0.0,)) for run in runs]
    names = run_names(summaries)
    lower = {name: right_lower(run.records) for name, run in zip(names, runs, strict=True)}
    rows = tuple(
        _row(name, run, summary, lower[name]) for name, run, summary in zip(names, runs, summaries, strict=True)
    )
    norms = " and ".join(sorted({norm_name(summary.norm) for summary in summaries}))
    sure = f"{1 - summaries[0].delta:.10g}"
    table = Table(
        header=("run", "m", "ACR", "band", "constant", "median", *(f"p>={p:g}" for p in SURE)),
        rows=rows,
        caption=(
            f"ACR: average certified radius ({norms}) over all m inputs, wrong or abstained counts 0. The ACR alone "
            "misleads: easy inputs can pay for hard ones, and a larger sigma raises it whatever is learned. Read the "
            "whole curve first (noiseproof report).",
            f"band: the ACR of this procedure on the population of the inputs, with probability {sure} (the area "
            "under the DKW band). constant: the ACR of a classifier that says the commonest label whatever it sees, "
            "at this sigma, n and alpha. -: not known.",
            "p>=: share of all inputs, in %, that are right and whose lower bound on p_A, the probability of the top "
            "class under noise, is at least that.",
            *dict.fromkeys(
                f"{name}: {summary.note}." for name, summary in zip(names, summaries, strict=True) if summary.note
            ),
        ),
    )
    return Findings(
        (table,), _figure({name: each for name, each in lower.items() if each is not None}, summaries, look)
    )


def largest_radius_of(run: Run) -> float | None:
    """The radius that n votes of n earn, n and alpha as the run or an import states them; None where not known."""
    said, noise = run.manifest.meaning["procedure"], run.manifest.meaning["noise"]
    n, alpha, sigma = said.get("n"), said.get("alpha"), noise.get("sigma")
    if noise["family"] != "gaussian" or not (n and alpha and sigma):
        return None
    if said["name"] == "simultaneous":
        alpha /= run.manifest.meaning["model"]["num_classes"]
    elif said.get("two_sided"):
        alpha /= 2
    return gaussian_radius(one_sided(n, n, alpha), sigma)


def _row(name: str, run: Run, summary: Summary, lower: NDArray[np.float64] | None) -> tuple[str, ...]:
    most = summary.ceiling or largest_radius_of(run)
    low, high = acr_band(run.records, most, summary.delta)
    shares = ["-"] * len(SURE) if lower is None else [f"{100 * np.mean(lower >= p):.1f}" for p in SURE]
    return (
        *(name, f"{summary.m}", f"{summary.acr:.3f}", f"{low:.3f} to {'-' if high is None else f'{high:.3f}'}"),
        "-" if most is None else f"{constant_acr(run.records, most):.3f}",
        f"{summary.median:.3f}",
        *shares,
    )


def _figure(lower: dict[str, NDArray[np.float64]], summaries: Sequence[Summary], look: Look) -> Figure:
    figure, axes = new_axes("How sure the inputs are", look)
    acrs = dict(zip(run_names(summaries), summaries, strict=True))
    entries: list[tuple[Artist, str]] = []
    for number, (name, bounds) in enumerate(lower.items()):
        sure = bounds[bounds >= 0.5]
        xs = np.concatenate([[0.5], sure, [1.0]])
        at_least = (len(bounds) - np.searchsorted(bounds, xs, side="left")) / len(bounds)
        band = acrs[name].band
        if len(lower) <= len(DASHES):
            low, high = np.maximum(at_least - band, 0), np.minimum(at_least + band, 1)
            axes.fill_between(xs, low, high, step="pre", color=colour(number), alpha=0.12, linewidth=0)
        label = f"{name} (ACR {acrs[name].acr:.3f})"
        (line,) = axes.step(xs, at_least, where="pre", color=colour(number), linestyle=dashes(number), linewidth=1.6)
        entries.append((line, label))
    axes.set(xlim=(0.5, 1), xlabel="p, a lower bound on p_A", ylim=look.shares, ylabel="right, with p_A at least p")
    place_legend(figure, entries, look)
    return figure
