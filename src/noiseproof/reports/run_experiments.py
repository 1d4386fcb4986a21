"""The experiments of the paper that look at the counts of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis import Summary, at_alpha, prediction_tables, prefix_edges, record_at_n
from noiseproof.asked.look import Look
from noiseproof.errors import RunError
from noiseproof.reports.experiment_figures import PlottedCurve, accuracy_curve, answers_of, curves_of, upper_envelope
from noiseproof.reports.findings import Findings
from noiseproof.reports.summaries import run_summary
from noiseproof.reports.tables import Table, accuracy_table, guarantees_table, norm_name, percent_up
from noiseproof.reports.units import Units
from noiseproof.stats import bernstein_lower
from noiseproof.store.manifest import differences
from noiseproof.store.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ALPHAS = (0.0001, 0.001, 0.01, 0.1)
"""Of the paper's figure."""


def sigma_findings(runs: Sequence[Run], radii: tuple[float, ...], units: Units, look: Look) -> Findings:
    """Certified accuracy of runs of several sigmas, and the best of them at each radius."""
    sigmas = [_sigma_of(run) for run in runs]
    labels = [
        f"sigma = {sigma:g}" + (f" ({run.name})" if sigmas.count(sigma) > 1 else "")
        for sigma, run in zip(sigmas, runs, strict=True)
    ]
    order = sorted(range(len(runs)), key=lambda i: sigmas[i])
    return _side_by_side(
        [runs[i] for i in order],
        [labels[i] for i in order],
        radii,
        units,
        look,
        title="Certified accuracy for varying sigma",
    )


def training_noise_findings(runs: Sequence[Run], radii: tuple[float, ...], units: Units, look: Look) -> Findings:
    """Certified accuracy of runs of one sigma whose models were trained under several."""
    sigmas = [_sigma_of(run) for run in runs]
    if len(set(sigmas)) > 1:
        raise ValueError(
            "runs must be certified at the same sigma, so that only the training differs; "
            f"got {', '.join(f'{sigma:g} in {run.name}' for sigma, run in zip(sigmas, runs, strict=True))}"
        )
    trained = [_trained_at(run) for run in runs]
    if len(runs) > 1 and trained[0] is not None and len({*trained}) == 1:
        raise ValueError(
            f"runs must be of different training noise, got {trained[0]:g} in all of "
            f"{', '.join(run.name for run in runs)}: their envelope would be the best of so many attempts; noiseproof "
            "compare sets them side by side"
        )
    labels = [run.name if sigma is None else f"trained at {sigma:g}" for sigma, run in zip(trained, runs, strict=True)]
    return _side_by_side(
        runs,
        [
            f"{label} ({run.name})" if labels.count(label) > 1 and label != run.name else label
            for label, run in zip(labels, runs, strict=True)
        ],
        radii,
        units,
        look,
        title=f"Certified accuracy at sigma = {sigmas[0]:g} for varying training noise",
    )


def _trained_at(run: Run) -> float | None:
    """The sigma of the training noise, where the weights file said it."""
    said = run.state.sessions[-1].get("trained", {}).get("sigma") if run.state.sessions else None
    return said if isinstance(said, int | float) else None


def n_findings(runs: Sequence[Run], radii: tuple[float, ...], units: Units, look: Look) -> Findings:
    """What one run would have said after fewer draws: exactly, from its own prefixes."""
    (run,) = runs
    _check_counts(run)
    summaries = [
        run_summary(
            run,
            radii,
            name=f"n = {n:,}",
            records=[record_at_n(record, run.procedure, run.noise, n) for record in run.records],
        )
        for n in prefix_edges(next((each for each in run.records if each.skipped is None), run.records[0]))
    ]
    said = (
        f"{run.name}: each row is exactly what a run with that n would have said, from the first n draws of the "
        "same noise."
    )
    figure = _figure(summaries, units, look, title="Certified accuracy for varying n", note=_inputs(summaries))
    return Findings((_headed(said, summaries, units),), figure)


def alpha_findings(runs: Sequence[Run], radii: tuple[float, ...], units: Units, look: Look) -> Findings:
    """What the votes of one run would have given at other failure probabilities: exploratory."""
    (run,) = runs
    _check_counts(run)
    own = run.procedure.alpha
    summaries = [
        run_summary(
            run,
            radii,
            name=f"alpha = {alpha:g}" + (" (the run's)" if alpha == own else " (exploratory)"),
            records=[
                record
                if alpha == own
                else replace(record, outcome=at_alpha(record, run.procedure, run.noise, alpha).certificate)
                for record in run.records
            ],
            alpha=alpha,
        )
        for alpha in sorted({*ALPHAS, own})
    ]
    said = (
        f"EXPLORATORY: alpha is fixed before sampling, and that of {run.name} is {own:g}. The other rows say what "
        "the same votes would have given; none of them is a certificate."
    )
    figure = _figure(
        summaries,
        units,
        look,
        title="Certified accuracy for varying alpha (EXPLORATORY)",
        note=f"Only alpha = {own:g} was fixed before sampling: the dashed curves are no certificates.",
        dashed=[summary.alpha != own for summary in summaries],
    )
    return Findings((_headed(said, summaries, units),), figure)


def _headed(said: str, summaries: Sequence[Summary], units: Units) -> Table:
    table = accuracy_table(summaries, units=units)
    return replace(table, caption=(said, *table.caption))


def guarantee_findings(runs: Sequence[Run], radii: tuple[float, ...], units: Units, look: Look) -> Findings:
    """Certified accuracy, and what is guaranteed of it with a stated probability."""
    summaries = [run_summary(run, radii) for run in runs]
    curves = []
    for number, summary in enumerate(summaries):
        approximate = accuracy_curve(summary, f"{summary.name}: approximate", number)
        curves += [
            approximate,
            _lowered(approximate, summary.budget / summary.m, f"{summary.name}: these inputs, at least", "--"),
            _lowered(
                approximate,
                1 - bernstein_lower(1.0, summary.m, summary.alpha, summary.rho),
                f"{summary.name}: the same by Bernstein",
                ":",
            ),
        ]
    sure = ", ".join(sorted({f"{1 - summary.rho:.10g}" for summary in summaries}))
    return Findings(
        tuple(guarantees_table(summary, units=units) for summary in summaries),
        curves_of(
            curves,
            norm=norm_name(summaries[0].norm),
            title="Certified accuracy, approximate and guaranteed",
            note=f"Lower curves: with probability {sure}, at all radii at once.",
            units=units,
            y="robust accuracy of these inputs",
            zoom=3,
            look=look,
        ),
    )


def predict_findings(runs: Sequence[Run], radii: tuple[float, ...], units: Units, look: Look) -> Findings:
    """Right, wrong and abstained answers of a run of PREDICT, by n."""
    del radii, units  # answers have no radius
    (run,) = runs
    _check_counts(run)
    tables = prediction_tables(run.records, run.procedure, run.noise)
    m, alpha = len(run.records), run.procedure.alpha
    table = Table(
        header=("n", "right", "wrong", "abstained"),
        rows=tuple((f"{n:,}", f"{said.right:.1%}", f"{said.wrong:.1%}", f"{said.abstained:.1%}") for n, said in tables),
        caption=(
            f"PREDICT on the {m} inputs of {run.name}, alpha = {alpha:g}: shares of all inputs.",
            "Each row is exactly what a run with that n would have answered, from the first n draws of the same noise.",
            f"An answer differs from the class of the smoothed classifier with probability at most {alpha:g}. "
            "wrong: an answer that is not the label.",
        ),
    )
    figure = answers_of(
        {f"n = {n:,}": said for n, said in tables}, title=f"Answers of PREDICT, alpha = {alpha:g}", look=look
    )
    return Findings((table,), figure)


def _side_by_side(
    runs: Sequence[Run], labels: Sequence[str], radii: tuple[float, ...], units: Units, look: Look, *, title: str
) -> Findings:
    """Runs in one table, the best of each radius marked, and their envelope."""
    said = _check_comparable(runs)
    summaries = [run_summary(run, radii, name=label) for run, label in zip(runs, labels, strict=True)]
    table = accuracy_table(summaries, units=units)
    best = [max(shares) for shares in zip(*(summary.certified for summary in summaries), strict=True)]
    marked = frozenset(
        (i, j + 1)
        for i, summary in enumerate(summaries)
        for j, share in enumerate(summary.certified)
        if share == best[j] > 0
    )
    envelope = ("envelope", *(f"{share * 100:.1f}" for share in best))
    table = replace(
        table,
        rows=(*table.rows, envelope + ("",) * (len(table.header) - len(envelope))),
        marked=marked,
        caption=(
            *table.caption,
            "Marked, and the envelope: the best of the runs at each radius, chosen after looking; "
            "the envelope is not the curve of one smoothed classifier.",
            *said,
        ),
    )
    return Findings(
        (table,), _figure(summaries, units, look, title=title, note=_inputs(summaries), envelope="upper envelope")
    )


def _figure(
    summaries: Sequence[Summary],
    units: Units,
    look: Look,
    *,
    title: str,
    note: str,
    envelope: str = "",
    dashed: Sequence[bool] | None = None,
) -> Figure:
    dashes = ["--" if each else "-" for each in dashed or [False] * len(summaries)]
    curves = [
        accuracy_curve(summary, ", ".join(filter(None, (_called(summary, units), summary.unfinished))), number, dash)
        for number, (summary, dash) in enumerate(zip(summaries, dashes, strict=True))
    ]
    if envelope:
        curves.insert(0, upper_envelope(curves, envelope))
    units = replace(units, unit=summaries[0].unit)
    return curves_of(curves, norm=norm_name(summaries[0].norm), title=title, note=note, units=units, look=look)


def _called(summary: Summary, units: Units) -> str:
    return f"{summary.name}, ACR {units.value(summary.acr)}"


def _inputs(summaries: Sequence[Summary]) -> str:
    sizes = sorted({summary.m for summary in summaries})
    if len(sizes) > 1:
        return f"{sizes[0]} to {sizes[-1]} inputs"
    band = summaries[0].band
    return (
        f"{sizes[0]} inputs; the curve of their population lies within ±{percent_up(band)} points of each curve "
        f"with probability {1 - summaries[0].delta:.10g}."
    )


def _lowered(curve: PlottedCurve, by: float, label: str, dashes: str) -> PlottedCurve:
    return replace(curve, label=label, shares=np.maximum(curve.shares - by, 0.0), dashes=dashes, width=1.2)


def _sigma_of(run: Run) -> float:
    sigma = run.manifest.meaning["noise"].get("sigma")
    if sigma is None:
        raise ValueError(
            f"{run.path} was made with {run.manifest.meaning['noise']['family']} noise, which has no sigma"
        )
    return float(sigma)


def _check_comparable(runs: Sequence[Run]) -> tuple[str, ...]:
    """Refuse runs on different data sets; say where they are not on the same inputs of it."""
    known = [
        (run, run.manifest.meaning["data"]) for run in runs if "data" in run.manifest.meaning
    ]  # imports do not say
    for run, data in known[1:]:
        first, expected = known[0]
        if differences(data, expected):
            raise ValueError(
                f"runs of one experiment must be on the same data, got {expected['name']} in {first.name} "
                f"and {data['name']} in {run.name}"
            )
    if len({frozenset((record.index, record.label) for record in run.records) for run in runs}) > 1:
        return ("The runs are not on the same inputs: part of what differs between the rows is the inputs.",)
    return ()


def _check_counts(run: Run) -> None:
    if not run.records:
        raise RunError(f"{run.path} has no finished input yet; run its {run.manifest.kind} line again")
    if not run.manifest.has_counts:
        raise RunError(f"{run.path} was imported without counts, so nothing can be derived from them; give another run")
