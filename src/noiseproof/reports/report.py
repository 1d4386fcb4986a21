"""The report of one or more runs: tables, a figure, a page, from stored counts; nothing is drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.analysis import Summary, decision_table, prediction_table
from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.look import SCREEN, Look
from noiseproof.errors import RunError
from noiseproof.reports.experiment_figures import answers_of
from noiseproof.reports.figures import check_suffix, curves_figure, save_figure
from noiseproof.reports.files import Written, make_folder, write_tables
from noiseproof.reports.page import write_page
from noiseproof.reports.summaries import decisions_table, predictions_table, radii_of, run_summary, with_gaps
from noiseproof.reports.tables import Table, accuracy_table, guarantees_table
from noiseproof.store.given import Runs, listed, runs_of
from noiseproof.store.manifest import check_place
from noiseproof.store.whole import wholeness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from noiseproof.store.run import Run

if TYPE_CHECKING:
    from noiseproof.asked import Elsewhere


@dataclass(frozen=True, repr=False)
class Report(Written):
    """What was written; ``text`` is the first table, or those of the runs that are on a page.

    Attributes:
        summaries: of runs of certify or import, one a run, in the order given.
        wrong: of a page: what is wrong with a run, each with its name; empty where all hold.
    """

    summaries: tuple[Summary, ...]
    wrong: tuple[str, ...] = ()


def report(
    runs: Runs,
    *,
    out: str | Path | None = None,
    html: str | Path | None = None,
    plot: str | Path | None = None,
    radii: str | Sequence[float] | None = None,
    look: Look = SCREEN,
    elsewhere: Elsewhere | None = None,
) -> Report:
    """Certified accuracy of runs with bands and guarantees, or the answers of decide and predict: tables, figure, page.

    A page verifies every run: one that does not hold is shown as such there, and named in ``wrong``.

    Args:
        runs: of one verb: run folders, read runs, or either by name (``NAME=FOLDER``, or a dict); one or several. For a
            page, of any verb.
        out: folder for ``table.txt``, ``table.md``, ``table.tex``, ``curves.png`` and ``curves.pdf`` (of decide and
            predict: ``answers.png`` and ``.pdf``).
        html: file for one page that needs neither network nor Python to be looked at.
        plot: file for the figure alone: .png, .pdf or .svg.
        radii: "start:stop:step" with both ends in, "a,b,c", or numbers; input units (L2). By default 0:1.5:0.25, as
            far as the runs' draws can certify.
        look: of the figure.
        elsewhere: where the data of the runs lie now, for the pictures on the page.

    Raises:
        RunError: for ``out`` and ``plot``, a folder is no such run or has no finished input; or a file cannot be
            written.
        ValueError: radii cannot be read, runs do not belong together, or nothing says where the report is to go.
    """
    check_kinds({"look": look})
    if out is None and html is None and plot is None:
        raise ValueError(
            "out (a folder), html (a file) or plot (a file for the figure) must be given: where the report is to go"
        )
    if plot is not None:
        check_suffix(plot)  # before the work
    if out is not None and html is not None and Path(html).parent == Path(out):
        make_folder(out)  # the page is written first
    for file, flag in ((html, "--html"), (plot, "--plot")):
        check_place(None if file is None else Path(file), flag)
    given = listed(runs)
    page = None if html is None else write_page(given, html, radii=radii, elsewhere=elsewhere)
    pages = () if html is None else (Path(html),)
    if page is not None and ((out is None and plot is None) or page.wrong):
        return Report(page.text, pages, page.summaries, page.wrong)
    found = runs_of(given)
    if not found:
        raise ValueError("runs must be one or more, got none")
    kinds = {"decide": _decided, "predict": _predicted}
    by_kind = {run.manifest.kind: run for run in found}
    summaries: tuple[Summary, ...] = ()
    if by_kind.keys() & kinds.keys():
        if len(by_kind) > 1:
            said = ", ".join(f"{kind} in {run.name}" for kind, run in by_kind.items())
            raise RunError(f"runs of one report must be of one verb, got {said}; report each by itself")
        stem = "answers"
        tables, figure = kinds[found[0].manifest.kind](found, look)
    else:
        grid, stem = radii_of(found, radii), "curves"
        summaries = tuple(run_summary(run, grid) for run in found)
        tables = [accuracy_table(summaries), *(guarantees_table(summary) for summary in summaries)]
        figure = curves_figure(summaries, look)
    tables[0] = with_gaps(tables[0], found)
    files: list[Path] = []
    if out is not None:
        folder = make_folder(out)
        files += write_tables(tables, folder, "table")
        files += [save_figure(figure, folder / f"{stem}.{form}") for form in ("png", "pdf")]
    if plot is not None:
        files.append(save_figure(figure, plot))
    return Report(tables[0].screen(), (*files, *pages), summaries)


def _decided(runs: Sequence[Run], look: Look) -> tuple[list[Table], Figure]:
    table = decisions_table(runs)
    bars = {run.name: decision_table(run.records, alpha=run.procedure.alpha) for run in runs}
    radii = {said.radius for said in bars.values()}
    at = f" at radius {radii.pop():g}" if len(radii) == 1 else ""
    return [table], answers_of(bars, title=f"Decisions{at}", note=_how_far(runs), look=look)


def _predicted(runs: Sequence[Run], look: Look) -> tuple[list[Table], Figure]:
    table = predictions_table(runs)
    bars = {run.name: prediction_table(run.records) for run in runs}
    return [table], answers_of(bars, title="Answers of PREDICT", note=_how_far(runs), look=look)


def _how_far(runs: Sequence[Run]) -> str:
    """Of runs that are not at their end."""
    said = {run.name: wholeness(run.state).unfinished for run in runs}
    return "; ".join(f"{name}: {text}" for name, text in said.items() if text)
