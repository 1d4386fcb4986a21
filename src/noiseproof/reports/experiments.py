"""The experiments of the paper, each derived from the counts of finished runs: nothing is drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.analysis import Summary, at_alpha, prediction_tables, prefix_edges, record_at_n
from noiseproof.errors import RunError, unknown
from noiseproof.reports.experiment_figures import (
    PlottedCurve,
    accuracy_curve,
    answers_of,
    bounds_of,
    curves_of,
    upper_envelope,
)
from noiseproof.reports.figures import save_figure
from noiseproof.reports.files import make_folder, write_tables
from noiseproof.reports.report import run_summary
from noiseproof.reports.tables import Table, accuracy_table, guarantees_table, norm_name
from noiseproof.reports.tightness import P_LOWERS, tightness_figure, worst_case_probability
from noiseproof.reports.units import Units
from noiseproof.stats import Bounds, bernstein_lower, gaussian_radius, lecuyer_radius, li_radius
from noiseproof.store.run import Run, read_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    Grid = tuple[float, ...]

ALPHAS = (0.0001, 0.001, 0.01, 0.1)
"""Of the paper's figure."""

_P_A = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999)


@dataclass(frozen=True)
class Written:
    """What an experiment found and where it was written.

    Attributes:
        text: the tables, for a terminal.
        files: what was written.
    """

    text: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Findings:
    """What an experiment found, before it is written.

    Attributes:
        tables: in reading order.
        figure: of matplotlib.
    """

    tables: tuple[Table, ...]
    figure: Figure


@dataclass(frozen=True)
class Experiment:
    """A way to look at runs.

    Attributes:
        takes: which runs, in words.
        count: how many runs are enough.
        find: runs, radii in input units and the units to print them in, to what there is to say.
        over_radii: whether radii mean something to it.
    """

    takes: str
    count: range
    find: Callable[[Sequence[Run], Grid, Units], Findings]
    over_radii: bool = True


def experiment(
    name: str, runs: Sequence[str | Path] = (), *, out: str | Path, radii: str | None = None, units: int = 1
) -> Written:
    """One experiment of the paper from finished runs: tables as text, Markdown, LaTeX, a figure as PNG and PDF.

    Args:
        name: one of ``EXPERIMENTS``.
        runs: run folders; how many and of which verb, ``EXPERIMENTS[name].takes`` says.
        out: folder for ``NAME.txt``, ``.md``, ``.tex``, ``.png`` and ``.pdf``.
        radii: "start:stop:step" with both ends in, or "a,b,c", in ``units``.
        units: 1 for input units ([0, 1] pixels), 255 for steps of one 8-bit pixel.

    Raises:
        RunError: a folder is not such a run, or ``out`` cannot be written.
        UnsupportedError: the runs' procedure does not allow it.
        ValueError: an argument is out of range, or the runs do not belong together.
    """
    if name not in EXPERIMENTS:
        raise ValueError(unknown("experiment", name, EXPERIMENTS))
    asked, shown = EXPERIMENTS[name], Units(units)
    if len(runs) not in asked.count:
        raise ValueError(f"experiment {name} takes {asked.takes}, got {len(runs)}")
    if not asked.over_radii and (radii is not None or units != 1):
        raise ValueError(f"experiment {name} is not about radii of runs; leave radii and units out")
    grid = shown.parse(shown.default_radii if radii is None else radii)
    found = asked.find([read_run(Path(run)) for run in runs], grid, shown)
    folder = make_folder(out)
    files = write_tables(found.tables, folder, name)
    figures = tuple(save_figure(found.figure, folder / f"{name}{suffix}") for suffix in (".png", ".pdf"))
    return Written("\n\n".join(table.text() for table in found.tables), (*files, *figures))


def _sigma(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
    sigmas = [_sigma_of(run) for run in runs]
    labels = [
        f"sigma = {sigma:g}" + (f" ({run.path.name})" if sigmas.count(sigma) > 1 else "")
        for sigma, run in zip(sigmas, runs, strict=True)
    ]
    order = sorted(range(len(runs)), key=lambda i: sigmas[i])
    return _side_by_side(
        [runs[i] for i in order],
        [labels[i] for i in order],
        radii,
        units,
        title="Certified accuracy for varying sigma",
    )


def _training_noise(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
    sigmas = [_sigma_of(run) for run in runs]
    if len(set(sigmas)) > 1:
        raise ValueError(
            "runs must be certified at the same sigma, so that only the training differs; "
            f"got {', '.join(f'{sigma:g} in {run.path.name}' for sigma, run in zip(sigmas, runs, strict=True))}"
        )
    trained = [_trained_at(run) for run in runs]
    labels = [
        run.path.name if sigma is None else f"trained at {sigma:g}" for sigma, run in zip(trained, runs, strict=True)
    ]
    return _side_by_side(
        runs,
        [
            f"{label} ({run.path.name})" if labels.count(label) > 1 and label != run.path.name else label
            for label, run in zip(labels, runs, strict=True)
        ],
        radii,
        units,
        title=f"Certified accuracy at sigma = {sigmas[0]:g} for varying training noise",
    )


def _trained_at(run: Run) -> float | None:
    """The sigma of the training noise, where the weights file said it."""
    said = run.state.sessions[-1].get("trained", {}).get("sigma") if run.state.sessions else None
    return said if isinstance(said, int | float) else None


def _n(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
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
    table = accuracy_table(summaries, units=units)
    said = (
        f"{run.path.name}: each row is exactly what a run with that n would have said, from the first n draws of the "
        "same noise."
    )
    return Findings(
        (replace(table, caption=(said, *table.caption)),),
        _figure(summaries, units, title="Certified accuracy for varying n", note=_inputs(summaries)),
    )


def _alpha(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
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
    table = accuracy_table(summaries, units=units)
    said = (
        f"EXPLORATORY: alpha is fixed before sampling, and that of {run.path.name} is {own:g}. The other rows say what "
        "the same votes would have given; none of them is a certificate."
    )
    return Findings(
        (replace(table, caption=(said, *table.caption)),),
        _figure(
            summaries,
            units,
            title="Certified accuracy for varying alpha (EXPLORATORY)",
            note=f"Only alpha = {own:g} was fixed before sampling: the dashed curves are no certificates.",
            dashed=[summary.alpha != own for summary in summaries],
        ),
    )


def _guarantee(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
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
            zoom=0.06,
        ),
    )


def _predict(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
    del radii, units  # answers have no radius
    (run,) = runs
    _check_counts(run)
    tables = prediction_tables(run.records, run.procedure, run.noise)
    m, alpha = len(run.records), run.procedure.alpha
    table = Table(
        header=("n", "right", "wrong", "abstained"),
        rows=tuple((f"{n:,}", f"{said.right:.1%}", f"{said.wrong:.1%}", f"{said.abstained:.1%}") for n, said in tables),
        caption=(
            f"PREDICT on the {m} inputs of {run.path.name}, alpha = {alpha:g}: shares of all inputs.",
            "Each row is exactly what a run with that n would have answered, from the first n draws of the same noise.",
            f"An answer differs from the class of the smoothed classifier with probability at most {alpha:g}. "
            "wrong: an answer that is not the label.",
        ),
    )
    figure = answers_of({f"n = {n:,}": said for n, said in tables}, title=f"Answers of PREDICT, alpha = {alpha:g}")
    return Findings((table,), figure)


def _bounds(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
    del runs, radii, units  # formulas alone
    table = Table(
        header=("p_A", *_CERTIFICATES),
        rows=tuple((f"{p_a:g}", *(f"{radius(p_a):.6f}" for radius in _CERTIFICATES.values())) for p_a in _P_A),
        caption=(
            "L2 radius in multiples of sigma that follows from the same p_A (p_B = 1 - p_A), Gaussian noise.",
            "Cohen et al. 2019 is tight: no larger radius holds for every base classifier.",
        ),
    )
    p_a = np.concatenate([np.linspace(0.5005, 0.99, 180), 1 - np.geomspace(0.01, 1e-5, 60)])
    curves = {name: np.array([radius(p) for p in p_a.tolist()]) for name, radius in _CERTIFICATES.items()}
    return Findings((table,), bounds_of(p_a, curves, title="Radius from the same probability, three certificates"))


def _tightness(runs: Sequence[Run], radii: Grid, units: Units) -> Findings:
    del runs, radii, units  # a formula alone
    sizes = (0.0, 0.5, 0.99, 1.0, 1.01, 1.5, 2.0)
    probabilities = {p_a: worst_case_probability(p_a, np.array(sizes)) for p_a in P_LOWERS}
    table = Table(
        header=("p_A", *(f"{size:g} R" for size in sizes)),
        rows=tuple((f"{p_a:g}", *(f"{p:.4f}" for p in found)) for p_a, found in probabilities.items()),
        caption=(
            "Theorem 2: how often the half-space with this p_A still says its class, at a perturbation of that size",
            "straight towards its boundary. Beyond R it is under 1/2, so the smoothed class changes: no larger",
            "radius holds for every base classifier.",
        ),
    )
    return Findings((table,), tightness_figure())


_CERTIFICATES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "Cohen et al. 2019": lambda p_a: gaussian_radius(Bounds(tail=1 - p_a, rival=1 - p_a), 1.0),
        "Li et al. 2019": lambda p_a: li_radius(p_a, 1 - p_a, 1.0),
        "Lecuyer et al. 2019": lambda p_a: lecuyer_radius(p_a, 1 - p_a, 1.0),
    }
)

_ONE, _SEVERAL, _NONE = range(1, 2), range(1, 1000), range(1)

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "sigma": Experiment("one run of certify or more", _SEVERAL, _sigma),
        "training-noise": Experiment("one run of certify or more", _SEVERAL, _training_noise),
        "n": Experiment("one run of certify", _ONE, _n),
        "alpha": Experiment("one run of certify", _ONE, _alpha),
        "guarantee": Experiment("one run of certify or more", _SEVERAL, _guarantee),
        "predict": Experiment("one run of predict", _ONE, _predict, over_radii=False),
        "bounds": Experiment("no run", _NONE, _bounds, over_radii=False),
        "tightness": Experiment("no run", _NONE, _tightness, over_radii=False),
    }
)
"""Every experiment by its name."""


def _side_by_side(runs: Sequence[Run], labels: Sequence[str], radii: Grid, units: Units, *, title: str) -> Findings:
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
        (table,), _figure(summaries, units, title=title, note=_inputs(summaries), envelope="upper envelope")
    )


def _figure(
    summaries: Sequence[Summary],
    units: Units,
    *,
    title: str,
    note: str,
    envelope: str = "",
    dashed: Sequence[bool] | None = None,
) -> Figure:
    dashes = ["--" if each else "-" for each in dashed or [False] * len(summaries)]
    curves = [
        accuracy_curve(summary, f"{summary.name}, ACR {units.value(summary.acr)}", number, dash)
        for number, (summary, dash) in enumerate(zip(summaries, dashes, strict=True))
    ]
    if envelope:
        curves.insert(0, upper_envelope(curves, envelope))
    return curves_of(curves, norm=norm_name(summaries[0].norm), title=title, note=note, units=units)


def _inputs(summaries: Sequence[Summary]) -> str:
    sizes = sorted({summary.m for summary in summaries})
    if len(sizes) > 1:
        return f"{sizes[0]} to {sizes[-1]} inputs"
    band = summaries[0].band
    return (
        f"{sizes[0]} inputs; the curve of their population lies within ±{band * 100:.1f} points of each curve "
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
        if data != expected:
            raise ValueError(
                f"runs of one experiment must be on the same data, got {expected['name']} in {first.path.name} "
                f"and {data['name']} in {run.path.name}"
            )
    if len({frozenset((record.index, record.label) for record in run.records) for run in runs}) > 1:
        return ("The runs are not on the same inputs: part of what differs between the rows is the inputs.",)
    return ()


def _check_counts(run: Run) -> None:
    if not run.records:
        raise RunError(f"{run.path} has no finished input yet; run its {run.manifest.kind} line again")
    if not run.manifest.has_counts:
        raise RunError(f"{run.path} was imported without counts, so nothing can be derived from them; give another run")
