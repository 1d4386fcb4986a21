"""What a page says of runs that certify radii: curves, the best at each radius, p_A, cost, comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis.votes import draws_by_stage, spent, true_class_shares
from noiseproof.errors import NoiseproofError
from noiseproof.progress import duration
from noiseproof.reports.compare import ACR_WARNING, compare_runs
from noiseproof.reports.experiment_figures import largest_radius
from noiseproof.reports.figures import reach, step_curve
from noiseproof.reports.page.chart import Chart, StepCurve
from noiseproof.reports.page.parts import Figure, Grid, Piece, Say, Section, Tile
from noiseproof.reports.summaries import run_summary, with_gaps
from noiseproof.reports.tables import (
    NORM_NAMES,
    Table,
    accuracy_table,
    guarantees_table,
    norm_name,
    percent_down,
    radius_name,
)
from noiseproof.reports.units import Units
from noiseproof.stats import dkw_band

if TYPE_CHECKING:
    from noiseproof.analysis import Summary
    from noiseproof.reports.page.looked import Looked
    from noiseproof.store.run import Run
    from noiseproof.types import Record

PIXEL = "radius in steps of one 8-bit pixel (1/255)"
_DOTTED = "Dotted: the most that so many draws can certify; a curve that falls there falls for want of draws."
MOST_COMPARED = 8
"""Runs up to which every pair is tested."""


def summaries_of(runs: Sequence[Looked], radii: Sequence[float]) -> tuple[Summary, ...]:
    """One a run of certify or import, under the page's names.

    Raises:
        ValueError: a label is missing.
    """
    return tuple(run_summary(_run(looked), radii, name=looked.name, records=looked.records) for looked in runs)


def headline_radius(radii: Sequence[float]) -> float:
    """The radius of which the head of the page speaks: .5, or the middle one where that is not among them."""
    return 0.5 if 0.5 in radii else sorted(radii)[len(radii) // 2]


def at_radius(radius: float, unit: str) -> str:
    """A radius, and how many steps of a pixel it is where inputs are pixels.

    >>> at_radius(0.5, ""), at_radius(0.5, "each column's spread")
    ('0.5 (127.5/255)', "0.5 in units of each column's spread")
    """
    return f"{radius:g} in units of {unit}" if unit else f"{radius:g} ({radius * 255:g}/255)"


def best_at(summaries: Sequence[Summary], number: int) -> int:
    """The run that certifies most at a radius; of equal ones the first."""
    return max(range(len(summaries)), key=lambda i: (summaries[i].certified[number], -i))


def labels_of(runs: Sequence[Looked]) -> tuple[str, ...]:
    """What stands for each run where sigma tells them apart: sigma; else its name."""
    sigmas = [_run(looked).manifest.meaning["noise"].get("sigma") for looked in runs]
    apart = len(runs) > 1 and None not in sigmas and len(set(sigmas)) == len(sigmas)
    return tuple(f"sigma = {sigma:g}" if apart else looked.name for sigma, looked in zip(sigmas, runs, strict=True))


def tiles(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Sequence[Tile]:
    """The numbers that a page begins with."""
    radii = summaries[0].radii
    radius = headline_radius(radii)
    at = radii.index(radius)
    best = best_at(summaries, at)
    summary = summaries[best]
    share = f"{summary.certified[at] * 100:.1f} %"
    proven = (
        f"of these {summary.m:,} inputs at least {percent_down(summary.fixed_set_lower[at])} %, with probability "
        f"{1 - summary.rho:.10g}"
    )
    said = f"at radius {at_radius(radius, summaries[0].unit)}"
    shown = []
    if len(runs) > 1 and summary.certified[at] > 0:
        shown.append(Tile(f"certifies most {said}", labels_of(runs)[best], f"{share}; {proven}"))
    else:
        shown.append(Tile(f"right and certified {said}", share, proven))
    shown += [
        Tile(
            "right under noise, without an attack",
            f"{sum(radius >= 0 for radius in summary.right_radii) / summary.m * 100:.1f} %",
            f"abstained on {summary.abstention * 100:.1f} % of {summary.m:,} inputs{_without_noise(summary)}",
        ),
    ]
    if summary.draws:
        each = f"{summary.draws / summary.m:,.0f} draws"
        seconds = f"{summary.seconds / summary.m:.2g} s an input, {duration(summary.seconds)} in all"
        shown.append(Tile("one certificate cost", each, seconds))
    if len(runs) > 1:
        shown[1:] = [replace(tile, note=f"{tile.note} ({labels_of(runs)[best]})") for tile in shown[1:]]
    return shown


def _without_noise(summary: Summary) -> str:
    return "" if summary.natural is None else f"; without noise {summary.natural * 100:.1f} % are right"


def sections(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Iterator[Section]:
    """Everything about runs that are laid side by side; they have one norm."""
    yield Section("curves", "Certified accuracy", tuple(_curves(runs, summaries)))
    if len(runs) > 1:
        yield Section("best", _best_title(runs), (Grid("", best_table(runs, summaries)),))
        yield Section("compare", "Do the runs differ?", tuple(_compared(runs, summaries)))
    yield Section("votes", "How sure the classifier is under noise", tuple(_votes(runs, summaries)))
    yield Section("cost", "What it cost", tuple(_cost(runs)))


def table_of(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Table:
    """The table that ``noiseproof report`` prints of them."""
    return with_gaps(accuracy_table(summaries), [_run(looked) for looked in runs])


def best_table(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Table:
    """One row a radius: certified accuracy of each run, the best marked."""
    rows, marked = [], set()
    labels = labels_of(runs)
    for at, radius in enumerate(summaries[0].radii):
        shares = [summary.certified[at] for summary in summaries]
        best = [i for i, share in enumerate(shares) if share == max(shares) > 0]
        marked |= {(at, (1 if summaries[0].unit else 2) + i) for i in best}
        named = ", ".join(labels[i] for i in best) or "none"
        steps = () if summaries[0].unit else (f"{radius * 255:g}",)
        rows.append((f"{radius:g}", *steps, *(f"{share * 100:.1f}" for share in shares), named))
    return Table(
        header=("radius", *(() if summaries[0].unit else ("in 1/255",)), *labels, "best"),
        rows=tuple(rows),
        caption=(
            "Certified accuracy in % of all inputs of the run. Best: of these runs, chosen after looking; whether two "
            "runs differ is for the tests below.",
        ),
        marked=frozenset(marked),
    )


def _best_title(runs: Sequence[Looked]) -> str:
    return "The best sigma at each radius" if labels_of(runs)[0].startswith("sigma") else "The best run at each radius"


def curves_chart(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Chart:
    """Certified accuracy against the radius, with its band."""
    right = 1.05 * max(largest_radius(summaries), 0.5 * max(reach(summary) for summary in summaries)) or 1.0
    lines = []
    for number, (label, summary) in enumerate(zip(labels_of(runs), summaries, strict=True)):
        xs, ys = step_curve(summary, right if summary.ceiling is None else min(right, reach(summary)))
        lines.append(StepCurve(label, xs[:-1], ys[:-1], summary.band, summary.band_up, summary.ceiling, number))
    norm, unit = norm_name(summaries[0].norm), summaries[0].unit
    return Chart(
        "chart-curves",
        f"Certified accuracy against the {norm} radius; the tables below hold the numbers",
        tuple(lines),
        right,
        radius_name(norm, Units(unit=unit).name if unit else "pixels in [0, 1]"),
        "right and certified, %",
        "radius",
        255 if norm in NORM_NAMES.values() else 0,
        PIXEL,
    )


def _curves(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Iterator[Piece]:
    sure = f"{1 - summaries[0].delta:.10g}"
    limited = any(summary.ceiling is not None for summary in summaries)
    yield Figure(
        curves_chart(runs, summaries),
        (
            f"Shaded: where the curve of the population lies, with probability {sure}, at all radii at once.",
            *((_DOTTED,) if limited else ()),
        ),
    )
    yield Grid("Certified accuracy, as noiseproof report prints it", table_of(runs, summaries))
    for looked, summary in zip(runs, summaries, strict=True):
        yield Grid(f"What the numbers of {looked.name} prove", guarantees_table(summary), folded=True)


def _compared(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Iterator[Piece]:
    if len(runs) > MOST_COMPARED:
        yield Say(f"Of more than {MOST_COMPARED} runs not every pair is tested; name fewer.")
        return
    try:
        compared = compare_runs([_run(looked) for looked in runs], summaries[0].radii)
    except (NoiseproofError, ValueError) as error:
        yield Say(f"Not compared: {error}", "warn")
        return
    _, differences, tests, trainings = compared.tables
    yield Grid("Difference in certified accuracy, in points", differences)
    yield Grid("The counts behind each test", tests, folded=True)
    yield Grid("What each training was", trainings, folded=True)


def _votes(runs: Sequence[Looked], summaries: Sequence[Summary]) -> Iterator[Piece]:
    lines = []
    for number, (looked, label) in enumerate(zip(runs, labels_of(runs), strict=True)):
        shares = true_class_shares(looked.records)
        if len(shares):
            corners, counts = np.unique(shares, return_counts=True)
            below = np.concatenate([[0], np.cumsum(counts)]) / len(shares)
            band = dkw_band(len(shares), summaries[number].delta)
            xs, ys = np.append(corners, 1.0), below
            if xs[0] > 0:
                xs, ys = np.insert(xs, 0, 0.0), np.insert(ys, 0, 0.0)
            lines.append(StepCurve(label, xs, ys, band, band, None, number))
    acr = "; ".join(f"{label} {summary.acr:.3f}" for label, summary in zip(labels_of(runs), summaries, strict=True))
    if lines:
        yield Figure(
            Chart(
                "chart-votes",
                "How many inputs have at most a given share of noisy copies that the true class wins",
                tuple(lines),
                1.0,
                "share of the noisy copies of an input that its true class wins (p_A as seen)",
                "inputs with less, %",
                "p_A below",
            ),
            (
                "The lower the curve, the better: inputs left of 0.5 are not won by their true class. Shaded: the DKW "
                f"band, with probability {1 - summaries[0].delta:.10g}.",
            ),
        )
    yield Say(f"ACR (average certified radius): {acr}. {ACR_WARNING}", "warn")


def _cost(runs: Sequence[Looked]) -> Iterator[Piece]:
    counted = [looked for looked in runs if any(record.answers for record in looked.records)]
    if len(counted) > 1:
        yield Grid("", _costs(counted))
    for looked in counted:
        yield Grid(f"Where the draws of {looked.name} went", cost_table(looked.records), folded=len(counted) > 1)


def _costs(runs: Sequence[Looked]) -> Table:
    rows = []
    for looked in runs:
        m, draws = len(looked.records), sum(record.draws for record in looked.records)
        seconds = sum(record.seconds for record in looked.records)
        rows.append((looked.name, f"{draws / m:,.0f}", f"{seconds / m:.2g}", f"{draws:,}", duration(seconds)))
    return Table(
        header=("run", "draws an input", "seconds an input", "draws in all", "time in all"),
        rows=tuple(rows),
        caption=("Seconds are of the machine that drew, with whatever else it did then.",),
    )


def cost_table(records: Sequence[Record]) -> Table:
    """What the inputs of each outcome cost, and where the draws went."""
    found = spent(records)
    draws = sum(each.draws for each in found)
    most = max(record.draws for record in records)
    stages = ", ".join(f"{stage} {n:,} ({n / max(1, draws):.1%})" for stage, n in draws_by_stage(records).items())
    void = sum(record.void for record in records)
    rows = [
        (
            each.outcome,
            f"{each.inputs:,}",
            f"{each.draws / each.inputs:,.0f}",
            f"{each.draws / max(1, draws):.1%}",
            f"{each.seconds / each.inputs:.2g}",
        )
        for each in found
    ]
    m, seconds = len(records), sum(each.seconds for each in found)
    if len(rows) > 1:
        rows.append(("all", f"{m:,}", f"{draws / m:,.0f}", "100.0%", f"{seconds / m:.2g}"))
    speed = f", {draws / seconds:,.0f} draws/s" if seconds > 0 else ""
    return Table(
        header=("inputs that came out", "inputs", "draws an input", "of all draws", "seconds an input"),
        rows=tuple(rows),
        caption=(
            f"{draws:,} draws in all, {void:,} void, at most {most:,} an input; by stage: {stages}.",
            f"{duration(seconds)} of drawing{speed}.",
        ),
    )


def _run(looked: Looked) -> Run:
    assert looked.run is not None
    return looked.run
