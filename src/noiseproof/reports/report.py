"""The report of one or more runs: tables, curves, a page, from stored counts; nothing is drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.analysis import Summary
from noiseproof.procedures.radii import parse_radii
from noiseproof.reports.figures import draw_curves
from noiseproof.reports.files import Written, make_folder, write_tables
from noiseproof.reports.page import write_page
from noiseproof.reports.summaries import DEFAULT_RADII, run_summary, with_gaps
from noiseproof.reports.tables import accuracy_table, guarantees_table
from noiseproof.store.run import read_run

if TYPE_CHECKING:
    from noiseproof.asked import Elsewhere


@dataclass(frozen=True)
class Report(Written):
    """What was written; ``text`` is the table of certified accuracy, and those of other runs that are on a page.

    Attributes:
        summaries: one a run of certify or import, in the order given.
        wrong: of a page: what is wrong with a run, each with its name; empty where all hold.
    """

    summaries: tuple[Summary, ...]
    wrong: tuple[str, ...] = ()


def report(
    runs: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    html: str | Path | None = None,
    radii: str | Sequence[float] = DEFAULT_RADII,
    elsewhere: Elsewhere | None = None,
) -> Report:
    """Certified accuracy of runs at radii, with bands and guarantees: text, Markdown, LaTeX, the curves, and a page.

    A page verifies every run: one that does not hold is shown as such there, and named in ``wrong``.

    Args:
        runs: run folders of certify; for a page, of any verb.
        out: folder for ``table.txt``, ``table.md``, ``table.tex``, ``curves.png`` and ``curves.pdf``.
        html: file for one page that needs neither network nor Python to be looked at.
        radii: "start:stop:step" with both ends in, "a,b,c", or numbers; input units (L2).
        elsewhere: where the data of the runs lie now, for the pictures on the page.

    Raises:
        RunError: for ``out``, a folder is not a run of certify; or a file cannot be written.
        ValueError: radii cannot be read, neither ``out`` nor ``html`` is given, or, for ``out``, a run has no finished
            input.
    """
    if out is None and html is None:
        raise ValueError("out (a folder) or html (a file) must be given, or both: where the report is to go")
    page = None if html is None else write_page(runs, html, radii=radii, elsewhere=elsewhere)
    pages = () if html is None else (Path(html),)
    if page is not None and (out is None or page.wrong):
        return Report(page.text, pages, page.summaries, page.wrong)
    assert out is not None
    grid = parse_radii(radii) if isinstance(radii, str) else tuple(radii)
    found = [read_run(Path(run)) for run in runs]
    summaries = tuple(run_summary(run, grid) for run in found)
    folder = make_folder(out)
    tables = [with_gaps(accuracy_table(summaries), found), *(guarantees_table(summary) for summary in summaries)]
    files = write_tables(tables, folder, "table")
    curves = tuple(draw_curves(summaries, folder / name) for name in ("curves.png", "curves.pdf"))
    return Report(tables[0].screen(), (*files, *curves, *pages), summaries)
