"""The report of one or more runs: tables and curves from stored counts, nothing is drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noiseproof.analysis import Summary
from noiseproof.procedures.radii import parse_radii
from noiseproof.reports.figures import draw_curves
from noiseproof.reports.files import Written, make_folder, write_tables
from noiseproof.reports.summaries import DEFAULT_RADII, run_summary, with_gaps
from noiseproof.reports.tables import accuracy_table, guarantees_table
from noiseproof.store.run import read_run


@dataclass(frozen=True)
class Report(Written):
    """What was written; ``text`` is the table of certified accuracy.

    Attributes:
        summaries: one a run, in the order given.
    """

    summaries: tuple[Summary, ...]


def report(runs: Sequence[str | Path], *, out: str | Path, radii: str | Sequence[float] = DEFAULT_RADII) -> Report:
    """Certified accuracy of runs at radii, with bands and guarantees: text, Markdown, LaTeX, and the curves.

    Args:
        runs: run folders of certify.
        out: folder for ``table.txt``, ``table.md``, ``table.tex``, ``curves.png`` and ``curves.pdf``.
        radii: "start:stop:step" with both ends in, "a,b,c", or numbers; input units (L2).

    Raises:
        RunError: a folder is not a run of certify, or ``out`` cannot be written.
        ValueError: radii cannot be read, or a run has no finished input.
    """
    grid = parse_radii(radii) if isinstance(radii, str) else tuple(radii)
    found = [read_run(Path(run)) for run in runs]
    summaries = tuple(run_summary(run, grid) for run in found)
    folder = make_folder(out)
    tables = [with_gaps(accuracy_table(summaries), found), *(guarantees_table(summary) for summary in summaries)]
    files = write_tables(tables, folder, "table")
    curves = tuple(draw_curves(summaries, folder / name) for name in ("curves.png", "curves.pdf"))
    return Report(tables[0].text(), (*files, *curves), summaries)
